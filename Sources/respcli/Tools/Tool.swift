// The tools: programs of their own within this one, named by the first argument. `respcli TOOL --help` tells about each.
//
// COPY and WATCH are also commands of the server. So `copy` is the tool only with the addresses of servers or an option behind it, and `watch`
// only in small letters; in capitals both are always the command.

import Glibc
import ProcessArguments

enum Tool: String, CaseIterable {
    case bench, copy, diff, top, watch, completion, man

    /// The tool that the arguments ask for.
    static func find(_ arguments: [Bytes]) -> Tool? {
        guard let first = arguments.first, let tool = Tool(rawValue: Text.string(first)) else { return nil }
        guard tool == .copy else { return tool }
        let second = arguments.dropFirst().first ?? []
        let name = Text.string(second)
        let isOption = ["--help", "-v", "--version"].contains(name) || PairOptions.copyTable[name] != nil
        return isOption || arguments.contains(where: ConnectionURI.isURI) ? tool : nil
    }

    var summary: String {
        switch self {
        case .bench: "Measure a server"
        case .copy: "Copy keys from one server to another"
        case .diff: "Compare the data of two servers"
        case .top: "A live screen of a server"
        case .watch: "Send a command again and again, and show what changes"
        case .completion: "Print completions for a shell"
        case .man: "Print the manual page"
        }
    }

    var usage: String {
        switch self {
        case .bench: BenchOptions.usage
        case .copy: CopyTool.usage
        case .diff: DiffTool.usage
        case .top: TopOptions.usage
        case .watch: WatchOptions.usage
        case .completion: "Usage: respcli completion \(Completions.shells.joined(separator: "|"))\n"
        case .man: "Usage: respcli man | man -l -\n"
        }
    }

    var options: [OptionSummary] {
        switch self {
        case .bench: BenchOptions.table.summaries
        case .copy: PairOptions.copyTable.summaries
        case .diff: PairOptions.diffTable.summaries
        case .top: TopOptions.table.summaries
        case .watch: WatchOptions.table.summaries
        case .completion, .man: []
        }
    }

    private func show(_ text: String) -> CInt {
        var output = StandardOutput()
        output.write(text)
        output.flush()
        return 0
    }

    /// Runs the tool and returns the status to exit with.
    ///
    /// - Parameter arguments: without the name of the tool, at which they begin.
    func run(_ arguments: [Bytes]) -> CInt {
        StandardOutput.endWithReader()
        let options = arguments.prefix { $0.first == UInt8(ascii: "-") }.map(Text.string)
        if options.contains("--help") { return show(usage) }
        if options.contains("-v") || options.contains("--version") { return show(Usage.versionLine) }
        switch self {
        case .bench: return Bench.main(arguments)
        case .copy: return CopyTool.main(arguments)
        case .diff: return DiffTool.main(arguments)
        case .top: return TopTool.main(arguments)
        case .watch: return WatchTool.main(arguments)
        case .completion:
            guard arguments.count == 1, let script = Completions.script(Text.string(arguments[0])) else {
                StandardError.write(usage)
                return 1
            }
            return show(script)
        case .man:
            guard arguments.isEmpty else {
                StandardError.write(usage)
                return 1
            }
            return show(ManualPage.text)
        }
    }
}

extension OptionTable {
    /// Parses the options of a tool, up to the first word that is none.
    ///
    /// - Parameter arguments: those behind the tool's name.
    /// - Returns: the words that are left; nil, with a message on standard error, if there is a mistake.
    func parse(_ arguments: [Bytes], tool: Tool, into target: inout Target) -> [Bytes]? {
        var index = 0
        while index < arguments.count, arguments[index].first == UInt8(ascii: "-"), arguments[index].count > 1 {
            // The secrets are counted with the tool's name.
            ProcessArguments.hide(
                OptionSecrets.find(in: arguments, at: index, of: self).map {
                    ProcessArguments.Secret(argument: $0.argument + 1, range: $0.range)
                })
            let name = Text.string(arguments[index])
            let (count, message) = take(arguments[index...], into: &target)
            guard count > 0 else {
                StandardError.write(
                    "Unrecognized option or bad number of args for: '\(name)'. See respcli \(tool.rawValue) --help.\n")
                return nil
            }
            if let message {
                StandardError.write(message + "\n")
                return nil
            }
            index += count
        }
        for position in index..<arguments.count where ConnectionURI.isURI(arguments[position]) {
            ProcessArguments.hide(OptionSecrets.inURI(arguments[position], argument: position + 1))
        }
        return Array(arguments[index...])
    }
}
