// The command line, from left to right: options up to the first word that is not one, which begins the command.

import ProcessArguments

struct OptionParser {
    enum Action: Equatable {
        case run(Options)
        /// Print the text and end with status 0.
        case print(String)
        /// Print the message to standard error and end with status 1.
        case fail(String)
    }

    /// What to do, which notices to print to standard error first, and which parts of the arguments are secrets.
    typealias Outcome = (action: Action, notices: [String], secrets: [ProcessArguments.Secret])

    /// Parses the arguments.
    ///
    /// - Parameters:
    ///   - arguments: without the program's name.
    ///   - hasTerminal: whether output goes to a terminal, which decides the default format.
    ///   - environmentPassword: the value of `REDISCLI_AUTH`; a password on the command line overrides it.
    static func parse(
        _ arguments: [Bytes], hasTerminal: Bool, environmentPassword: Bytes? = Text.environment("REDISCLI_AUTH")
    ) -> Outcome {
        var parser = OptionParser(arguments: arguments)
        parser.draft.options.format = hasTerminal ? .terminal : .raw
        parser.draft.options.showsPushes = hasTerminal
        var action = parser.parseAll()
        if case .run(var options) = action, options.server.password == nil {
            options.server.password = environmentPassword
            action = .run(options)
        }
        return (action, parser.draft.notices, parser.secrets)
    }

    private let arguments: [Bytes]
    private var index = 0
    private var draft = OptionsDraft()
    private var secrets: [ProcessArguments.Secret] = []

    private init(arguments: [Bytes]) { self.arguments = arguments }

    private mutating func parseAll() -> Action {
        while index < arguments.count {
            let word = arguments[index]
            guard word.first == UInt8(ascii: "-") else { break }
            let name = Text.string(word)
            if name == "--help" || (name == "-h" && index + 1 == arguments.count) { return .print(Usage.text) }
            if name == "-v" || name == "--version" { return .print(Usage.versionLine) }
            if let reason = Self.refused[name] { return .fail(reason) }
            secrets += OptionSecrets.find(in: arguments, at: index, of: OptionsDraft.table)
            let (count, message) = OptionsDraft.table.take(arguments[index...], into: &draft)
            guard count > 0 else { return .fail("Unrecognized option or bad number of args for: '\(name)'") }
            if let message { return .fail(message) }
            index += count
        }
        draft.options.command = Array(arguments[index...])
        if CommandTraits(draft.options.command).hasSecrets {
            for position in (index + 1)..<arguments.count {
                secrets.append(.init(argument: position, range: 0..<arguments[position].count))
            }
        }
        return finish()
    }

    /// Options of redis-cli that this program has no use for, and why.
    private static let refused = [
        "--cluster": "--cluster: respcli does not manage clusters; it follows their redirections with -c.",
        "--ldb": "--ldb: respcli has no debugger for scripts.",
        "--ldb-sync-mode": "--ldb-sync-mode: respcli has no debugger for scripts.",
    ]

    private mutating func finish() -> Action {
        if draft.options.server.socketPath != nil && draft.options.followsRedirections {
            return .fail("Options -c and -s are mutually exclusive.")
        }
        if draft.wantsResp2 && draft.wantsResp3 { return .fail("Options -2 and -3 are mutually exclusive.") }
        if draft.options.server.password != nil && !draft.hidesPasswordWarning {
            draft.notices.append(
                "Warning: Using a password with '-a' or '-u' option on the command line interface may not be safe.\n")
        }
        if draft.modes.isSuperset(of: [.snapshot, .functionsSnapshot]) {
            return .fail("Option --functions-rdb and --rdb are mutually exclusive.")
        }
        if draft.hasInputLast && draft.inputTag != nil { return .fail("Options -x and -X are mutually exclusive.") }
        if let tag = draft.inputTag { draft.options.inputArgument = .tag(tag) }
        if draft.hasInputLast { draft.options.inputArgument = .last }
        if draft.wantsResp3 {
            draft.options.protocolChoice = .resp3
        } else if draft.wantsResp2 {
            draft.options.protocolChoice = .resp2
        } else if draft.prefersResp3 {
            draft.options.protocolChoice = .preferResp3
        }
        draft.options.mode = Mode.allCases.first { draft.modes.contains($0) }
        return .run(draft.options)
    }
}

/// The passwords among arguments, which others must not see.
enum OptionSecrets {
    /// Those of the option at `index` and its value.
    static func find<Target>(
        in arguments: [Bytes], at index: Int, of table: OptionTable<Target>
    ) -> [ProcessArguments.Secret] {
        guard index + 1 < arguments.count else { return [] }
        let name = Text.string(arguments[index])
        let value = arguments[index + 1]
        if table[name]?.isSecret == true { return [.init(argument: index + 1, range: 0..<value.count)] }
        if name == "-u" || name == "--server" { return inURI(value, argument: index + 1) }
        return []
    }

    /// Everything before the last "@", after the scheme if there is one.
    static func inURI(_ value: Bytes, argument: Int) -> [ProcessArguments.Secret] {
        guard let at = value.lastIndex(of: UInt8(ascii: "@")) else { return [] }
        let scheme = value.firstIndex(of: UInt8(ascii: "/")).map { $0 + 2 } ?? 0
        return [.init(argument: argument, range: (scheme <= at ? scheme : 0)..<at)]
    }
}
