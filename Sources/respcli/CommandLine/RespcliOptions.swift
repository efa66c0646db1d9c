// The options of the program itself. Names and messages are those of redis-cli, since scripts rely on them.

import RespCodec

/// What the options before the command say, and what is worked out from them at the end.
struct OptionsDraft {
    var options = Options()
    var modes: Set<Mode> = []
    var wantsResp2 = false
    var wantsResp3 = false
    var prefersResp3 = false
    var hasInputLast = false
    var inputTag: Bytes?
    var hidesPasswordWarning = false
    var notices: [String] = []
}

extension OptionsDraft {
    private typealias Entry = OptionEntry<OptionsDraft>

    static let table = OptionTable<OptionsDraft>(
        ServerOptions.addressEntries.map { $0.lifted(\.options.server) }
            + [
                ServerOptions.databaseEntry.lifted(\.options.server),
                ServerOptions.timeoutEntry.lifted(\.options.server),
            ]
            + connectionEntries + ServerOptions.passwordEntries.map { $0.lifted(\.options.server) } + passwordEntries
            + ServerOptions.encryptionEntries.map { $0.lifted(\.options.server) }
            + commandEntries + outputEntries + keyspaceEntries + measuringEntries + transferEntries + hintEntries)

    private static let connectionEntries: [Entry] = [
        .flag("-2", section: "Server", help: "Speak RESP2.") { $0.wantsResp2 = true },
        .flag("-3", section: "Server", help: "Speak RESP3.") { $0.wantsResp3 = true },
        .flag("-c", section: "Server", help: "Follow the redirections of a cluster.") {
            $0.options.followsRedirections = true
        },
        .flag("--verbose", section: "Server", help: "Tell on standard error what is done.") {
            $0.options.isVerbose = true
        },
    ]

    private static let passwordEntries: [Entry] = [
        .flag("--askpass", section: "Password", help: "Ask for the password.") { $0.options.asksForPassword = true },
        .flag("--no-auth-warning", section: "Password", help: "No warning about a password among the arguments.") {
            $0.hidesPasswordWarning = true
        },
    ]

    private static let commandEntries: [Entry] = [
        OptionEntry(
            "-r", value: "COUNT", section: "Command", help: "Send the command COUNT times; without end if negative."
        ) {
            $0.options.repetitions = Text.leadingInteger($1)
            return nil
        },
        OptionEntry(
            "-i", value: "SECONDS", section: "Command",
            help: """
                Pause behind each command; fractions are allowed. Behind each round of
                --scan and --stat, and behind 100 of the modes that look at all keys.
                """
        ) {
            // At most a year, so that the number of microseconds cannot overflow.
            let seconds = Text.leadingDouble($1)
            let microseconds = seconds > 0 ? Int(min(seconds, 31_536_000) * 1_000_000) : 0
            $0.options.intervalMicroseconds = microseconds > 0 ? microseconds : nil
            return nil
        },
        .flag("-x", section: "Command", help: "Read one more argument, the last, from standard input.") {
            $0.hasInputLast = true
        },
        OptionEntry(
            "-X", value: "TAG", section: "Command", help: "Read the argument that is TAG from standard input."
        ) {
            $0.inputTag = $1
            return nil
        },
        .flag(
            "--quoted-input", section: "Command",
            help: "Read each argument as a quoted string: '\"\\x00\\n\"' is a zero byte and a\nnewline."
        ) { $0.options.hasQuotedInput = true },
        .flag(
            "-e", section: "Command",
            help: "End with status 1 and the message on standard error if the reply is an\nerror."
        ) { $0.options.exitsOnError = true },
        OptionEntry(
            "--eval", value: "FILE", section: "Command", completion: .file,
            help:
                "Run the Lua script in FILE. The arguments are its keys, a comma that\nstands alone, and its arguments."
        ) {
            $0.options.scriptPath = $1
            return nil
        },
    ]

    private static let outputEntries: [Entry] = [
        .flag("--raw", section: "Output", help: "The reply's bytes (the default unless standard output is a terminal).")
        {
            $0.options.format = .raw
        },
        .flag("--no-raw", section: "Output", help: "Replies as at a terminal, wherever they go.") {
            $0.options.format = .terminal
        },
        .flag("--csv", section: "Output", help: "Comma-separated values.") { $0.options.format = .csv },
        .flag("--json", section: "Output", help: "JSON; prefers RESP3 unless -2 is given.") {
            $0.options.format = .json
            $0.prefersResp3 = true
        },
        .flag("--quoted-json", section: "Output", help: "JSON of ASCII characters only.") {
            $0.options.format = .quotedJSON
            $0.prefersResp3 = true
        },
        OptionEntry(
            "-d", value: "DELIMITER", section: "Output", help: "Between the elements of a raw reply (a newline)."
        ) {
            $0.options.elementDelimiter = $1
            return nil
        },
        OptionEntry("-D", value: "DELIMITER", section: "Output", help: "Behind each raw reply (a newline).") {
            $0.options.replyDelimiter = $1
            return nil
        },
        OptionEntry(
            "--show-pushes", value: "YN", section: "Output", completion: .words(["yes", "no"]),
            help: "Print what the server sends unasked: yes (the default at a terminal)\nor no."
        ) {
            switch $1.first.map(Text.lowercased) {
            case UInt8(ascii: "y"): $0.options.showsPushes = true
            case UInt8(ascii: "n"): $0.options.showsPushes = false
            default:
                $0.notices.append("Unknown --show-pushes value '\(Text.string($1))' (valid: '[y]es', '[n]o')\n")
            }
            return nil
        },
    ]

    private static let hints = "Hints"

    private static let hintEntries: [Entry] = [
        OptionEntry(
            "--test_hint", value: "LINE", section: hints, help: "Print the hint that the prompt shows behind LINE."
        ) {
            $0.modes.insert(.hint)
            $0.options.hintInput = $1
            return nil
        },
        OptionEntry(
            "--test_hint_file", value: "FILE", section: hints, completion: .file,
            help: "Compare hints with those in FILE: on each line a quoted line and its hint."
        ) {
            $0.modes.insert(.hintCases)
            $0.options.hintInput = $1
            return nil
        },
    ]

    private static let keys = "All keys"

    private static let keyspaceEntries: [Entry] = [
        .flag("--scan", section: keys, help: "List the keys.") { $0.modes.insert(.scan) },
        .flag("--bigkeys", section: keys, help: "Find the values with the most elements, by type.") {
            $0.modes.insert(.bigKeys)
        },
        .flag("--memkeys", section: keys, help: "Find the values that take the most memory, by type.") {
            $0.modes.insert(.memoryKeys)
            $0.options.sampleCount = nil
        },
        sampling("--memkeys", .memoryKeys),
        .flag(
            "--keystats", section: keys,
            help: "Memory and elements of all values: the largest, by type, and how sizes\nare distributed."
        ) {
            $0.modes.insert(.keyStatistics)
            $0.options.sampleCount = nil
        },
        sampling("--keystats", .keyStatistics),
        .flag(
            "--hotkeys", section: keys,
            help: "Find the keys that are used most; the server's maxmemory-policy must be\none of LFU."
        ) { $0.modes.insert(.hotKeys) },
        OptionEntry("--pattern", value: "GLOB", section: keys, help: "Only keys that match (*).") {
            $0.options.pattern = $1
            return nil
        },
        OptionEntry("--quoted-pattern", value: "WORD", section: keys, help: "As --pattern, as a quoted string.") {
            guard let pattern = Session.unquoted($1) else {
                return "Invalid quoted string specified for --quoted-pattern."
            }
            $0.options.pattern = pattern
            return nil
        },
        OptionEntry(
            "--type", value: "TYPE", section: keys,
            completion: .words(["string", "list", "set", "zset", "hash", "stream"]),
            help: "Only keys of this type, with --scan and the modes above."
        ) {
            $0.options.type = $1
            return nil
        },
        OptionEntry("--count", value: "COUNT", section: keys, help: "How many keys SCAN looks at in one call (10).") {
            $0.options.scanCount = Text.leadingInteger($1)
            return nil
        },
        OptionEntry("--cursor", value: "CURSOR", section: keys, help: "Where to begin, after an interruption (0).") {
            guard let cursor = $1.withByteSlice({ Decimal.parseUnsigned($0) }) else {
                return $1.first == UInt8(ascii: "-")
                    ? "--cursor should be followed by a positive integer." : "--cursor conversion error."
            }
            $0.options.cursor = cursor
            return nil
        },
        OptionEntry("--top", value: "COUNT", section: keys, help: "How many of the largest --keystats lists (10).") {
            guard let count = $1.withByteSlice({ Decimal.parseUnsigned($0) }), count <= 1_000_000 else {
                return $1.first == UInt8(ascii: "-")
                    ? "--top should be followed by a positive integer." : "--top conversion error."
            }
            $0.options.topCount = Int(count)
            return nil
        },
    ]

    /// A mode with a number of elements that are looked at of each value.
    private static func sampling(_ option: String, _ mode: Mode) -> Entry {
        OptionEntry(
            "\(option)-samples", value: "COUNT", section: keys,
            help: "As \(option), looking at COUNT elements of each value (0 for all)."
        ) {
            $0.modes.insert(mode)
            return $0.takeSampleCount("\(option)-samples", $1)
        }
    }

    private mutating func takeSampleCount(_ name: String, _ value: Bytes) -> String? {
        let (count, isWhole, fits) = Text.integer(value)
        guard isWhole && fits && !value.isEmpty else { return "\(name) conversion error." }
        guard count >= 0 else { return "\(name) value should be positive." }
        options.sampleCount = count
        return nil
    }

    private static let measuring = "Measuring"

    private static let measuringEntries: [Entry] = [
        .flag("--stat", section: measuring, help: "A line about the server each second (-i for another interval).") {
            $0.modes.insert(.statistics)
        },
        .flag(
            "--latency", section: measuring,
            help: "How long PING takes: without end at a terminal, else for a second (-i for\nanother time)."
        ) { $0.modes.insert(.latency) },
        .flag(
            "--latency-history", section: measuring, help: "As --latency, with a line for each 15 seconds (-i)."
        ) { $0.modes.insert(.latencyHistory) },
        .flag("--latency-dist", section: measuring, help: "Latencies as a spectrum of colours, each second (-i).") {
            $0.modes.insert(.latencyDistribution)
        },
        .flag("--mono", section: measuring, help: "The spectrum in shades of grey.") { $0.options.isMonochrome = true },
        OptionEntry(
            "--intrinsic-latency", value: "SECONDS", section: measuring,
            help: "How long this machine keeps a program waiting; speaks to no server."
        ) {
            $0.modes.insert(.intrinsicLatency)
            $0.options.intrinsicLatencySeconds = max(0, min(Text.leadingInteger($1), 31_536_000))
            return nil
        },
        OptionEntry(
            "--lru-test", value: "KEYS", section: measuring,
            help: "Write and read KEYS keys, 20 % of them in 80 % of the requests, and show\nhow often they are there."
        ) {
            $0.modes.insert(.evictionTest)
            $0.options.evictionTestKeys = max(0, min(Text.leadingInteger($1), 1_000_000_000_000))
            return nil
        },
    ]

    private static let transfer = "Transfer"

    private static let transferEntries: [Entry] = [
        .flag(
            "--pipe", section: transfer, help: "Send requests from standard input as they are, and count the replies."
        ) {
            $0.modes.insert(.pipe)
        },
        OptionEntry(
            "--pipe-timeout", value: "SECONDS", section: transfer,
            help: "Give up when no reply comes for so long (30; 0 to wait for ever)."
        ) {
            $0.options.pipeTimeoutSeconds = max(0, min(Text.leadingInteger($1), 31_536_000))
            return nil
        },
        OptionEntry(
            "--rdb", value: "FILE", section: transfer, completion: .file,
            help: "Fetch a snapshot of the server's data into FILE, or - for standard output."
        ) {
            $0.modes.insert(.snapshot)
            $0.options.snapshotPath = $1
            return nil
        },
        OptionEntry(
            "--functions-rdb", value: "FILE", section: transfer, completion: .file,
            help: "As --rdb, with functions and no keys."
        ) {
            $0.modes.insert(.functionsSnapshot)
            $0.options.snapshotPath = $1
            return nil
        },
        OptionEntry(
            "--replica", "--slave", section: transfer, help: "Show the writes that the server sends its replicas."
        ) { draft, _ in
            draft.modes.insert(.replica)
            return nil
        },
    ]
}
