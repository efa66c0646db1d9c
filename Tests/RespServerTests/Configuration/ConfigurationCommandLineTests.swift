// Goal: the command line is read as redis-server 7.0.15 reads it, and the sources win over each other in the right
// order.

import ProcessArguments
import Testing

@testable import RespServer

@Suite struct ConfigurationCommandLineTests {
    private func directives(_ arguments: String...) -> [String] {
        text(CommandLineOptions(arguments.map(bytes)).directives).split(separator: "\n").map { line in
            text(DirectiveSyntax.trimmed(line.utf8))
        }
    }

    @Test func optionsBecomeLines() {
        #expect(directives("--port", "6380", "--loglevel", "debug") == ["port \"6380\"", "loglevel \"debug\""])
        #expect(directives("--port", "6379", "6380") == ["port \"6379\" \"6380\""])
        #expect(directives("--port", "--loglevel", "verbose") == ["port \"--loglevel\" \"verbose\""])
        #expect(directives("--port", "--bla", "--loglevel", "x") == ["port \"--bla\"", "loglevel \"x\""])
        #expect(directives("--port 6380", "--loglevel 'debug'") == ["port 6380", "loglevel 'debug'"])
        #expect(directives("file", "loglevel", "verbose", "--hz 5") == ["\"loglevel\" \"verbose\"", "hz 5"])
        #expect(directives("--save", "--loglevel", "verbose") == ["save \"\"", "loglevel \"verbose\""])
        #expect(directives("--loglevel", "verbose", "--save") == ["loglevel \"verbose\"", "save \"\""])
        #expect(directives("--save", "", "--hz", "5") == ["save \"\"", "hz \"5\""])
        #expect(directives("--save", "60", "1") == ["save \"60\" \"1\""])
        #expect(
            directives("--proc-title-template", "--save", "--save", "") == [
                "proc-title-template \"--save\"", "save \"\"",
            ])
        #expect(directives("--hz") == ["hz"])
        #expect(directives("-x", "5") == ["\"-x\" \"5\""])
    }

    /// The arguments as others see them once the secrets are hidden.
    private func shown(_ words: String...) -> [String] {
        var arguments = words.map(bytes)
        for secret in CommandLineOptions(arguments).secrets {
            for index in secret.range { arguments[secret.argument][index] = UInt8(ascii: "*") }
        }
        return arguments.map { text($0) }
    }

    @Test func secretsAreFound() {
        #expect(shown("--requirepass", "pass", "--port", "1") == ["--requirepass", "****", "--port", "1"])
        #expect(
            shown("a.conf", "--port", "1", "--RequirePass pa", "--hz 5") == [
                "a.conf", "--port", "1", "--RequirePass***", "--hz 5",
            ])
        #expect(
            shown("--check-config", "--requirepass", "--port", "1", "-") == [
                "--check-config", "--requirepass", "******", "*", "-",
            ])
        #expect(shown("--masterauth", "a", "b", "--bind", "x") == ["--masterauth", "*", "*", "--bind", "x"])
        #expect(shown("a.conf", "requirepass", "pass") == ["a.conf", "requirepass", "****"])
        #expect(shown("--user", "me", "on", ">x") == ["--user", "**", "**", "**"])
        #expect(
            shown("--tls-key-file-pass", "x", "--tls-key-file", "y") == [
                "--tls-key-file-pass", "*", "--tls-key-file", "y",
            ])
    }

    @Test func firstAndLastWordsAreSpecial() {
        func options(_ arguments: String...) -> CommandLineOptions { CommandLineOptions(arguments.map(bytes)) }
        #expect(options("a.conf", "--port", "1").file == "a.conf")
        #expect(options("--port", "1").file == nil)
        #expect(options("-").readsStandardInput && options("-").file == nil)
        #expect(options("a.conf", "-").readsStandardInput && options("a.conf", "-").file == "a.conf")
        #expect(options("--port", "1", "-").readsStandardInput)
        #expect(!options("--port", "-", "--hz", "1").readsStandardInput)
        #expect(!options("a.conf", "-", "--hz", "1").readsStandardInput)
        #expect(options("-v").mode == .version && options("--version").mode == .version)
        #expect(options("-h").mode == .help && options("--help").mode == .help)
        #expect(
            options("--check-config", "a.conf").mode == .check && options("--check-config", "a.conf").file == "a.conf")
        #expect(options("a.conf", "--help").mode == .run)
    }

    private func start(_ arguments: String...) throws -> StartRequest {
        try Configuration.start(arguments.map(bytes), environment: [], log: LogCollector().log)
    }

    private func run(
        _ arguments: String..., environment: [(String, String)] = [], input: String = ""
    ) throws -> Configuration {
        let request = try Configuration.start(
            arguments.map(bytes), environment: environment.map { ($0.0, bytes($0.1)) }, log: LogCollector().log,
            standardInput: { .success(bytes(input)) })
        guard case .run(let configuration) = request else { preconditionFailure("it does not run") }
        return configuration
    }

    @Test func laterSourcesWin() throws {
        let directory = TemporaryDirectory()
        let file = directory.write("a.conf", "timeout 1\nmaxclients 1\nhz 1\ndatabases 1\nsave 900 1\n")
        let configuration = try run(
            file, "--databases", "4", "--save", "5 6", "-",
            environment: [("RESP_HZ", "3"), ("RESP_DATABASES", "3")], input: "maxclients 2\nhz 2\ndatabases 2\n")
        let settings = configuration.settings
        #expect(settings.timeoutSeconds == 1 && settings.maxClients == 2 && settings.hz == 3 && settings.databases == 4)
        #expect(configuration.value("save") == "900 1 5 6")
        #expect(configuration.filePath == file)
        #expect(try run(file, "--save", "").value("save") == "")
        #expect(try run("--port", "0").settings.port == 0)
        #expect(try run("-", input: "port 1").filePath == nil)
        #expect(try run().value("port") == "6379")
    }

    @Test func mistakesAreReported() {
        let port = ConfigurationError(
            "argument couldn't be parsed into an integer", at: .commandLine, directive: bytes("port \"abc\""))
        #expect(throws: port) { try start("--port", "abc") }
        let hz = ConfigurationError("wrong number of arguments", at: .commandLine, directive: bytes("hz"))
        #expect(throws: hz) { try start("--hz") }
        let unknown = ConfigurationError(
            "Bad directive or wrong number of arguments", at: .commandLine, directive: bytes("timeout=5"))
        #expect(throws: unknown) { try start("--timeout=5") }
        let missing = ConfigurationError("Can't open config file '/no/such.conf': No such file or directory")
        #expect(throws: missing) { try start("/no/such.conf") }
    }

    @Test func logGoesWhereTheSettingsSay() throws {
        let directory = TemporaryDirectory()
        func start(_ logFile: String, _ log: Log) throws {
            let arguments = ["--logfile", logFile, "--loglevel", "verbose", "--log-format", "json"].map(bytes)
            guard case .run(let configuration) = try Configuration.start(arguments, environment: [], log: log) else {
                return
            }
            try configuration.takeEffect()
        }
        let log = LogCollector().log
        try start("\(directory.path)/log", log)
        log.verbose("hello")
        log.debug("unseen")
        #expect(directory.read("log").contains("\"level\":\"verbose\""))
        #expect(!directory.read("log").contains("unseen"))
        let error = ConfigurationError("Can't open the log file: No such file or directory")
        #expect(throws: error) { try start("/no/such/log", LogCollector().log) }
    }

    @Test func textsAreShownInsteadOfRunning() throws {
        func shown(_ arguments: String...) throws -> String? {
            let request = try Configuration.start(arguments.map(bytes), environment: [], log: LogCollector().log)
            if case .show(let text) = request { return text }
            return nil
        }
        #expect(try shown("--version") == "resp-server \(Product.version)\n")
        #expect(try shown("--help")?.contains("Usage: resp-server [FILE]") == true)
        #expect(try shown("--check-config", "--port", "5") == "The configuration is valid.\n")
        #expect(
            try shown("--check-config", "--rdb-del-sync-files", "yes")?.contains(
                "Without effect in this version: rdb-del-sync-files")
                == true)
        #expect(throws: ConfigurationError.self) { try shown("--check-config", "--port", "x") }
        #expect(try shown("--commands")?.hasPrefix("# Commands\n") == true)
        #expect(try shown("--man")?.hasPrefix(".TH ") == true)
        #expect(try shown("--port", "5") == nil)
    }

    @Test func helpNamesOnlySettingsThatExist() {
        let others = [
            "NAME", "check-config", "check", "fix", "truncate-to-timestamp", "commands", "man", "version", "help",
        ]
        let words = CommandLineOptions.helpText.split { " \n".contains($0) }
        let options = words.filter { $0.hasPrefix("--") }.map { $0.dropFirst(2).filter { $0 != "," } }
        for option in options where !others.contains(option) {
            #expect(SettingTable.shared.entry(Array(option.utf8)) != nil, "--\(option)")
        }
        #expect(options.count > 15)
    }

    @Test func manualPageTellsOfEverySettingAndOption() throws {
        guard case .show(let page) = try start("--man") else { preconditionFailure("it runs") }
        let lines = page.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines[0].hasPrefix(".TH RESP-SERVER 1 "))
        for setting in SettingTable.shared.settings where !setting.flags.contains(.hidden) {
            let name = setting.name.split(separator: "-").joined(separator: "\\-")
            let headings = lines.filter { $0.hasPrefix("\\fB\(name)\\fR ") }
            #expect(headings.count == 1, "\(setting.name)")
        }
        for row in CommandLineOptions.rows {
            #expect(
                lines.contains(
                    ".B "
                        + row.notation.split(separator: "-", omittingEmptySubsequences: false).joined(separator: "\\-"))
            )
        }
        #expect(lines.contains("The default is 6379."))
    }

    @Test func processKnowsItsArgumentsAndEnvironment() {
        #expect(ProcessArguments.current == CommandLine.arguments.dropFirst().map(bytes))
        let path = Configuration.processEnvironment.first { $0.name == "PATH" }
        #expect(path.map { text($0.value) }?.contains("/bin") == true)
    }
}
