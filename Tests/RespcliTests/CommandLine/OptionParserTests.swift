import Testing

@testable import respcli

@Suite struct OptionParserTests {
    private static func parse(
        _ words: String..., terminal: Bool = false, environmentPassword: String? = nil
    ) -> OptionParser.Outcome {
        OptionParser.parse(
            words.map { Bytes($0.utf8) }, hasTerminal: terminal,
            environmentPassword: environmentPassword.map { Bytes($0.utf8) })
    }

    private static func options(_ outcome: OptionParser.Outcome) throws -> Options {
        guard case .run(let options) = outcome.action else {
            Issue.record("no session but \(outcome.action)")
            throw Mismatch()
        }
        return options
    }

    private struct Mismatch: Error {}

    private static func bytes(_ text: String) -> Bytes { Bytes(text.utf8) }

    @Test func nothingIsAPromptToTheLocalServer() throws {
        let plain = try Self.options(Self.parse())
        #expect(plain.server.endpoint == .tcp(host: Self.bytes("127.0.0.1"), port: 6379))
        #expect(plain.command.isEmpty && plain.format == .raw && !plain.showsPushes && plain.repetitions == 1)
        let atTerminal = try Self.options(Self.parse(terminal: true))
        #expect(atTerminal.format == .terminal && atTerminal.showsPushes)
    }

    @Test func theFirstWordThatIsNoOptionBeginsTheCommand() throws {
        let options = try Self.options(Self.parse("-p", "7000", "GET", "-p", "--raw"))
        #expect(options.command == ["GET", "-p", "--raw"].map(Self.bytes))
        #expect(options.server.endpoint == .tcp(host: Self.bytes("127.0.0.1"), port: 7000))
    }

    @Test func everyOption() throws {
        let options = try Self.options(
            Self.parse(
                "-h", "host", "-p", "1", "-n", "5", "--user", "u", "--pass", "w", "-r", "7", "-i", "0.25", "-x",
                "--csv", "-e",
                "-d", "|", "-D", "$", "--quoted-input", "--askpass", "--show-pushes", "YES", "-3"))
        var expected = Options()
        expected.server.host = Self.bytes("host")
        expected.server.port = 1
        expected.server.database = 5
        expected.server.user = Self.bytes("u")
        expected.server.password = Self.bytes("w")
        expected.repetitions = 7
        expected.intervalMicroseconds = 250_000
        expected.inputArgument = .last
        expected.format = .csv
        expected.exitsOnError = true
        expected.elementDelimiter = Self.bytes("|")
        expected.replyDelimiter = Self.bytes("$")
        expected.hasQuotedInput = true
        expected.asksForPassword = true
        expected.showsPushes = true
        expected.protocolChoice = .resp3
        #expect(options == expected)
        #expect(try Self.options(Self.parse("-s", "/s", "-h", "host")).server.endpoint == .unix(path: Self.bytes("/s")))
        #expect(try Self.options(Self.parse("-X", "tag", "PING")).inputArgument == .tag(Self.bytes("tag")))
    }

    @Test func jsonPrefersResp3() throws {
        #expect(try Self.options(Self.parse("--json")).protocolChoice == .preferResp3)
        #expect(try Self.options(Self.parse("--quoted-json")).protocolChoice == .preferResp3)
        #expect(try Self.options(Self.parse("--json", "-2")).protocolChoice == .resp2)
        #expect(try Self.options(Self.parse("-3", "--json")).protocolChoice == .resp3)
        #expect(try Self.options(Self.parse("--raw")).protocolChoice == .unspecified)
    }

    @Test func passwordsOfTheCommandLineGoFirstAndWarn() throws {
        let warned = Self.parse("-a", "here", environmentPassword: "there")
        #expect(try Self.options(warned).server.password == Self.bytes("here"))
        #expect(warned.notices.count == 1 && warned.notices[0].hasPrefix("Warning: Using a password"))
        let quiet = Self.parse("PING", environmentPassword: "there")
        #expect(try Self.options(quiet).server.password == Self.bytes("there") && quiet.notices.isEmpty)
        #expect(Self.parse("-a", "x", "--no-auth-warning").notices.isEmpty)
    }

    /// The arguments as others see them once the secrets are hidden.
    private static func shown(_ words: String...) -> [String] {
        var arguments = words.map { Bytes($0.utf8) }
        for secret in OptionParser.parse(arguments, hasTerminal: false, environmentPassword: nil).secrets {
            for index in secret.range { arguments[secret.argument][index] = UInt8(ascii: "*") }
        }
        return arguments.map(Text.string)
    }

    @Test func secretsAreFound() {
        #expect(Self.shown("-a", "pass", "-p", "1", "PING") == ["-a", "****", "-p", "1", "PING"])
        #expect(Self.shown("--pass", "pass", "-n", "1") == ["--pass", "****", "-n", "1"])
        #expect(Self.shown("-u", "redis://me:a@b@h:1/2", "PING") == ["-u", "redis://******@h:1/2", "PING"])
        #expect(Self.shown("-u", "redis://h:1/2") == ["-u", "redis://h:1/2"])
        #expect(Self.shown("-u", "me:a@h") == ["-u", "****@h"])
        #expect(Self.shown("auth", "me", "pass") == ["auth", "**", "****"])
        #expect(Self.shown("CONFIG", "SET", "requirepass", "x") == ["CONFIG", "***", "***********", "*"])
        #expect(Self.shown("HELLO", "3", "AUTH", "a", "b") == ["HELLO", "*", "****", "*", "*"])
        #expect(Self.shown("SET", "auth", "-a") == ["SET", "auth", "-a"])
    }

    @Test func mistakesEndTheProgram() {
        func message(_ outcome: OptionParser.Outcome) -> String? {
            guard case .fail(let message) = outcome.action else { return nil }
            return message
        }
        #expect(message(Self.parse("--nosuch")) == "Unrecognized option or bad number of args for: '--nosuch'")
        #expect(message(Self.parse("-p")) == "Unrecognized option or bad number of args for: '-p'")
        #expect(message(Self.parse("--rdb")) == "Unrecognized option or bad number of args for: '--rdb'")
        #expect(message(Self.parse("--cluster", "info"))?.hasPrefix("--cluster: ") == true)
        #expect(message(Self.parse("-c", "-s", "/s")) == "Options -c and -s are mutually exclusive.")
        #expect(message(Self.parse("--rdb", "a", "--functions-rdb", "b")) != nil)
        #expect(message(Self.parse("-t", "soon")) == "Invalid connection timeout for -t.")
        #expect(message(Self.parse("--top", "-1")) == "--top should be followed by a positive integer.")
        #expect(message(Self.parse("--cursor", "x")) == "--cursor conversion error.")
        #expect(message(Self.parse("--keystats-samples", "")) == "--keystats-samples conversion error.")
        #expect(message(Self.parse("-2", "-3")) == "Options -2 and -3 are mutually exclusive.")
        #expect(message(Self.parse("-x", "-X", "t")) == "Options -x and -X are mutually exclusive.")
        #expect(message(Self.parse("-p", "65536")) == "Invalid server port.")
        #expect(message(Self.parse("-u", "redis://h:-1")) == "Invalid server port.")
        #expect(message(Self.parse("-u", "ftp://h")) == "Invalid URI scheme")
        #expect(Self.parse("--show-pushes", "maybe").notices.count == 1)
    }

    @Test func helpAndVersionPrint() {
        #expect(Self.parse("--help").action == .print(Usage.text))
        #expect(Self.parse("-h").action == .print(Usage.text))
        #expect(Self.parse("-v").action == .print(Usage.versionLine))
        #expect(Self.parse("--nosuch", "--version").action != .print(Usage.versionLine))
    }

    @Test func modes() throws {
        for (words, mode) in [
            (["--scan"], Mode.scan), (["--stat", "--bigkeys"], .bigKeys), (["--slave"], .replica),
            (["--replica"], .replica), (["--latency-history", "--latency"], .latency), (["--memkeys"], .memoryKeys),
            (["--intrinsic-latency", "1"], .intrinsicLatency), (["--lru-test", "10"], .evictionTest),
        ] {
            let outcome = OptionParser.parse(
                words.map { Bytes($0.utf8) }, hasTerminal: false, environmentPassword: nil)
            #expect(try Self.options(outcome).mode == mode)
        }
        let options = try Self.options(
            Self.parse(
                "--scan", "--quoted-pattern", #""a\x00*""#, "--type", "hash", "--count", "100", "--cursor", "7"))
        #expect(options.pattern == [0x61, 0, 0x2A] && options.type == Self.bytes("hash"))
        #expect(options.scanCount == 100 && options.cursor == 7)
    }

    @Test func everyOptionIsInTheHelp() {
        for entry in OptionsDraft.table.entries {
            #expect(Usage.text.contains("\n  \(entry.notation)"), "\(entry.names)")
            #expect(!entry.help.isEmpty)
        }
        for line in Usage.text.split(separator: "\n") { #expect(line.utf8.count <= 120, "\(line)") }
    }

    @Test func intervalsAreBounded() throws {
        #expect(try Self.options(Self.parse("-i", "-3")).intervalMicroseconds == nil)
        #expect(try Self.options(Self.parse("-i", "1e300")).intervalMicroseconds == 31_536_000_000_000)
        #expect(try Self.options(Self.parse("-i", "nan")).intervalMicroseconds == nil)
    }

    @Test func numbersAreBoundedSoThatNothingOverflows() throws {
        for (text, seconds) in [("\(Int.max)", 31_536_000), ("\(Int.min)", 0), ("7", 7)] {
            #expect(try Self.options(Self.parse("--pipe", "--pipe-timeout", text)).pipeTimeoutSeconds == seconds)
        }
        let keys = try Self.options(Self.parse("--lru-test", "\(Int.max)")).evictionTestKeys
        #expect(keys == 1_000_000_000_000)
        for chance in [0, 0.5, 1] {
            #expect((1...keys).contains(EvictionTestMode.powerLaw(from: 1, to: keys, chance)))
        }
        #expect(try Self.options(Self.parse("--lru-test", "\(Int.min)")).evictionTestKeys == 0)
    }
}
