// Options of the tools that have two servers: `copy` and `diff`.

struct PairOptions {
    var tool = Tool.copy
    var first = ServerOptions()
    var second = ServerOptions()
    var encryption = EncryptionOptions()
    var pattern: Bytes?
    var type: Bytes?
    var scanCount = 500
    var allDatabases = false
    var resumePath: Bytes?
    var isQuiet = false
    var isJSON = false
    // copy
    var keepsExisting = false
    var usesCommands = false
    var copiesFunctions = false
    // diff
    var toleranceMilliseconds = 1000
    var limit = Int.max

    private typealias Entry = OptionEntry<PairOptions>
    private static let keys = "Keys"
    private static let other = "Other"

    private static let shared: [OptionEntry<PairOptions>] = [
        Entry("--pattern", value: "GLOB", section: keys, help: "Only keys that match (*).") {
            $0.pattern = $1
            return nil
        },
        Entry(
            "--type", value: "TYPE", section: keys,
            completion: .words(["string", "list", "set", "zset", "hash", "stream"]), help: "Only keys of this type."
        ) {
            $0.type = $1
            return nil
        },
        .number(
            "--count", value: "COUNT", section: keys, range: 1...100_000,
            help: "How many keys are looked at in one step (500)."
        ) { $0.scanCount = $1 },
        .flag(
            "--all-databases", section: keys,
            help: "Every database of the first server, into the one of the same number."
        ) { $0.allDatabases = true },
        Entry(
            "--resume", value: "FILE", section: other, completion: .file,
            help:
                "Keep in FILE how far it is; started again with the same FILE and options, go\non from there. FILE is removed at the end."
        ) {
            $0.resumePath = $1
            return nil
        },
        .flag("-q", section: other, help: "Print only differences and errors.") { $0.isQuiet = true },
    ]

    private static let encryptionEntries = ServerOptions.encryptionEntries.dropFirst().map {
        $0.lifted(\PairOptions.first)
    }

    static let copyTable = OptionTable<PairOptions>(
        shared + [
            .flag("--keep-existing", section: keys, help: "Do not replace keys that the second server has.") {
                $0.keepsExisting = true
            },
            .flag("--functions", section: keys, help: "Copy the functions, too, replacing those of the same name.") {
                $0.copiesFunctions = true
            },
            .flag(
                "--commands", section: other,
                help: "Write values by commands, not as payloads of DUMP; done anyway where a\npayload is refused."
            ) { $0.usesCommands = true },
        ] + encryptionEntries)

    static let diffTable = OptionTable<PairOptions>(
        shared + [
            .number(
                "--tolerance", value: "MILLISECONDS", section: keys, range: 0...Int.max,
                help: "By how much expiry may differ (1000)."
            ) { $0.toleranceMilliseconds = $1 },
            .number(
                "--limit", value: "COUNT", section: other, range: 1...Int.max, help: "End after this many differences."
            ) { $0.limit = $1 },
            .flag("--json", section: other, help: "Print each difference as a JSON object on a line.") {
                $0.isJSON = true
            },
        ] + encryptionEntries)

    /// Takes the addresses of the two servers. Returns an error message, or nil.
    mutating func takeServers(_ words: [Bytes]) -> String? {
        guard words.count == 2 else { return "Two servers are needed: redis://HOST:PORT/DATABASE, for example." }
        encryption = first.encryption
        for (index, word) in words.enumerated() {
            var server = ServerOptions()
            guard ConnectionURI.isURI(word) else {
                return "\(Text.string(word)): this is no address such as redis://HOST:PORT/DATABASE."
            }
            if let message = server.take(word) { return message }
            if server.password == nil { server.password = Text.environment("REDISCLI_AUTH") }
            server.encryption = encryption
            if index == 0 { first = server } else { second = server }
        }
        return nil
    }

    // MARK: running

    /// Runs the tool that the arguments ask for.
    /// - Returns: the status to exit with: what `body` returns, or 2 where the tool could not do its work.
    static func run(
        _ tool: Tool, _ table: OptionTable<PairOptions>, _ arguments: [Bytes],
        _ body: (PairOptions) throws(ToolFailure) -> CInt
    ) -> CInt {
        var options = PairOptions()
        options.tool = tool
        guard let rest = table.parse(arguments, tool: tool, into: &options) else { return 2 }
        if let message = options.takeServers(rest) {
            StandardError.write(message + " See respcli \(tool.rawValue) --help.\n")
            return 2
        }
        do throws(ToolFailure) { return try body(options) } catch {
            StandardError.write("Error: \(error.message)\n")
            if let path = options.resumePath, let file = try? options.resumeFile(), file.hasPlace {
                StandardError.write("Started again with --resume \(Text.string(path)), it goes on from here.\n")
            }
            return 2
        }
    }

    /// What the tool does with which keys of which servers: a place in other work than this says nothing.
    private var work: String {
        var words = [tool.rawValue]
        for server in [first, second] { words.append("\(server.endpoint.description)/\(server.database)") }
        if let pattern { words += ["--pattern", Text.quoted(pattern)] }
        if let type { words += ["--type", Text.quoted(type)] }
        if allDatabases { words.append("--all-databases") }
        if keepsExisting { words.append("--keep-existing") }
        if copiesFunctions { words.append("--functions") }
        if tool == .diff { words += ["--tolerance", "\(toleranceMilliseconds)"] }
        return words.joined(separator: " ").split(separator: "\n").joined(separator: " ")
    }

    /// The file that says how far the tool is, if it keeps one.
    func resumeFile() throws(ToolFailure) -> ResumeFile? {
        guard let resumePath else { return nil }
        return try ResumeFile(resumePath, of: work)
    }

    /// What SCAN is told.
    var scanArguments: [Bytes] {
        var arguments = [Bytes("COUNT".utf8), Bytes(String(scanCount).utf8)]
        if let pattern { arguments += [Bytes("MATCH".utf8), pattern] }
        if let type { arguments += [Bytes("TYPE".utf8), type] }
        return arguments
    }

    /// The databases to go through, by number.
    func databases(_ connection: ToolConnection) throws(ToolFailure) -> [Int] {
        guard allDatabases else { return [first.database] }
        let info = ServerInfo(try connection.need([Bytes("INFO".utf8), Bytes("keyspace".utf8)]).stringBytes ?? [])
        return info.lines.compactMap { line in
            line.name.hasPrefix("db") ? Int(line.name.dropFirst(2)) : nil
        }.sorted()
    }
}
