// Goal: files, standard input, the environment and the command line give the settings they should, in the right order,
// and mistakes are reported with their place.

import Testing

@testable import RespServer

private let noAccessLists = "access control lists are not supported by this version of resp-server"

@Suite struct ConfigurationLoaderTests {
    // MARK: Lines

    @Test(arguments: [
        ("foo bar", 1, "foo bar", "Bad directive or wrong number of arguments"),
        ("\n\n  timeout   abc  \n", 3, "timeout   abc", "argument couldn't be parsed into an integer"),
        ("# x\ntimeout 1 2", 2, "timeout 1 2", "wrong number of arguments"),
        ("timeout", 1, "timeout", "wrong number of arguments"),
        ("timeout 5 # comment", 1, "timeout 5 # comment", "wrong number of arguments"),
        ("requirepass \"abc", 1, "requirepass \"abc", "Unbalanced quotes in configuration line"),
        ("\"\"", 1, "\"\"", "Bad directive or wrong number of arguments"),
        ("daemonize maybe", 1, "daemonize maybe", "argument must be 'yes' or 'no'"),
        ("databases 0", 1, "databases 0", "argument must be between 1 and 2147483647 inclusive"),
        ("port 0x10", 1, "port 0x10", "argument couldn't be parsed into an integer"),
        ("unixsocketperm 999", 1, "unixsocketperm 999", "argument couldn't be parsed as an octal number"),
        ("unixsocketperm 1000", 1, "unixsocketperm 1000", "argument must be between 0 and 777 inclusive"),
        ("dir /no/such", 1, "dir /no/such", "No such file or directory"),
        ("dir /dev/null", 1, "dir /dev/null", "Not a directory"),
        ("rename-command get", 1, "rename-command get", "Bad directive or wrong number of arguments"),
        ("sentinel monitor", 1, "sentinel monitor", "sentinel directive while not in sentinel mode"),
        ("loadmodule x.so", 1, "loadmodule x.so", "resp-server does not load modules"),
        ("replicaof 1.2.3.4", 1, "replicaof 1.2.3.4", "wrong number of arguments"),
        ("replicaof a 99999", 1, "replicaof a 99999", "Invalid master port"),
        ("slaveof a 1", 1, "slaveof a 1", "replication is not supported by this version of resp-server"),
        (
            "cluster-enabled yes", 1, "cluster-enabled yes",
            "cluster mode is not supported by this version of resp-server"
        ),
        ("user default on >secret ~* +@all", 1, "user default", noAccessLists),
        ("USER default off", 1, "USER default", noAccessLists),
        ("user alice on nopass ~* +@all", 1, "user alice", noAccessLists),
        ("user default on nopass ~* +@all -get", 1, "user default", noAccessLists),
        ("user default on nopass ~a* +@all", 1, "user default", noAccessLists),
        ("user default nopass ~* +@all", 1, "user default", noAccessLists),
        ("user default", 1, "user default", noAccessLists),
        ("user", 1, "user", "Bad directive or wrong number of arguments"),
        ("aclfile /etc/users.acl", 1, "aclfile /etc/users.acl", noAccessLists),
        (
            "min-slaves-to-write 1", 1, "min-slaves-to-write 1",
            "replication is not supported by this version of resp-server"
        ),
        ("tls-cluster yes", 1, "tls-cluster yes", "TLS is not supported by this version of resp-server"),
        ("tls-replication yes", 1, "tls-replication yes", "TLS is not supported by this version of resp-server"),
        ("tls-port 1", 1, "tls-port 1", "TLS is not supported by this version of resp-server"),
        (
            "include /no/such/file", 1, "include /no/such/file",
            "Can't open config file '/no/such/file': No such file or directory"
        ),
        ("appendfilename \"\"", 1, "appendfilename \"\"", "appendfilename can't be empty"),
    ])
    func badLinesAreReportedWithTheirPlace(content: String, line: Int, directive: String, message: String) {
        let expected = ConfigurationError(message, at: .standardInput(line: line), directive: bytes(directive))
        guard case .failure(let error) = load(content) else {
            Issue.record("it loads")
            return
        }
        #expect(error == expected)
    }

    @Test func errorsAreDescribedInFull() {
        let error = ConfigurationError(
            "Bad directive", at: .file(path: "/etc/x.conf", line: 3), directive: bytes("foo bar"))
        #expect(
            error.description == """

                *** FATAL CONFIG FILE ERROR (resp-server \(Product.version)) ***
                Reading the configuration file, at line 3 of /etc/x.conf
                >>> 'foo bar'
                Bad directive

                """)
        let plain = ConfigurationError("Can't open the log file")
        #expect(plain.description == "\n*** FATAL CONFIG FILE ERROR (\(Product.title)) ***\nCan't open the log file\n")
    }

    @Test func valuesAreReadAsWritten() throws {
        let configuration = try load(
            """
            TimeOut 5\r
            requirepass "a\\x41 b"
            bind "127.0.0.1 -::1"
            unixsocketperm 770
            slave-read-only no
            client-output-buffer-limit normal 1 2 3
            client-output-buffer-limit replica 1mb 2kb 60
            shutdown-on-sigint nosave force now
            list-max-ziplist-entries 512
            replicaof no one
            rename-command FLUSHALL ""
            rename-command GET "my get"
            user default on nopass sanitize-payload ~* &* +@all
            """
        ).get()
        let settings = configuration.settings
        #expect(settings.timeoutSeconds == 5)
        #expect(settings.requirePassword == bytes("aA b"))
        #expect(settings.bindAddresses == ["127.0.0.1", "-::1"])
        #expect(settings.unixSocketPermissions == 0o770)
        #expect(configuration.value("unixsocketperm") == "770")
        #expect(configuration.value("replica-read-only") == "no")
        #expect(settings.normalOutputLimit == OutputBufferLimit(hardBytes: 1, softBytes: 2, softSeconds: 3))
        #expect(settings.replicaOutputLimit == OutputBufferLimit(hardBytes: 1 << 20, softBytes: 2048, softSeconds: 60))
        #expect(settings.shutdownOnSIGINT == [.noSave, .force, .now])
        #expect(settings.renamedCommands.map { text($0.name) } == ["FLUSHALL", "GET"])
        #expect(settings.renamedCommands.map { text($0.newName) } == ["", "my get"])
        #expect(settings.renamedCommands[1].origin == .standardInput(line: 12))
    }

    @Test(arguments: [
        ("", "3600 1 300 100 60 10000"), ("save 900 1\nsave 300 2", "900 1 300 2"), ("save 900 1 100 3", "900 1 100 3"),
        ("save \"\"", ""), ("save 900 1\nsave \"\"\nsave 7 8", "7 8"), ("save '900 1'", "900 1"),
        ("save \"\"\nsave 1 2", "1 2"),
    ])
    func saveLinesAddUp(content: String, value: String) throws {
        #expect(try load(content).get().value("save") == value)
    }

    // MARK: Included files

    @Test func includesAreReadInPlace() throws {
        let directory = TemporaryDirectory()
        directory.write("a.inc", "timeout 1\nmaxclients 11\n")
        directory.write("b.inc", "timeout 2\n")
        let main = directory.write(
            "main.conf", "timeout 9\ninclude \(directory.path)/*.inc\ninclude \(directory.path)/none*\nmaxclients 12\n")
        var loader = ConfigurationLoader()
        try loader.loadFile(main)
        #expect(loader.settings.timeoutSeconds == 2)
        #expect(loader.settings.maxClients == 12)
    }

    @Test func relativeNamesStartInTheDirectorySet() throws {
        let directory = TemporaryDirectory()
        directory.write("part.inc", "timeout 4\n")
        let loaded = try load("dir \(directory.path)\ninclude part.inc\ndir .\n").get()
        #expect(loaded.settings.timeoutSeconds == 4)
        #expect(loaded.settings.directory.hasSuffix(directory.path))
    }

    @Test func errorsInIncludedFilesNameThem() {
        let directory = TemporaryDirectory()
        let part = directory.write("part.inc", "\nport x\n")
        guard case .failure(let error) = load("include \(part)") else {
            Issue.record("it loads")
            return
        }
        #expect(error.origin == .file(path: part, line: 2))
    }

    @Test func filesThatIncludeThemselvesAreRefused() {
        let directory = TemporaryDirectory()
        let path = directory.write("loop.conf", "include \(directory.path)/loop.conf\n")
        var loader = ConfigurationLoader()
        let error = #expect(throws: ConfigurationError.self) { try loader.loadFile(path) }
        #expect(error?.message == "Files include each other too deeply")
    }

    // MARK: Environment

    private func environment(_ variables: [(String, String)], after content: String = "") -> Result<
        Configuration, ConfigurationError
    > {
        var loader = ConfigurationLoader()
        do {
            try loader.loadStandardInput(bytes(content))
            try loader.loadEnvironment(variables.map { ($0.0, bytes($0.1)) })
            return .success(Configuration(loader))
        } catch {
            return .failure(error)
        }
    }

    @Test func environmentSetsWhatItsNamesSay() throws {
        let configuration = try environment(
            [
                ("RESP_MAXMEMORY", "1gb"), ("RESP_SAVE", "60 1 5 2"), ("RESP_REQUIREPASS", "a \"b"),
                ("RESP_SERVER_CPULIST", "0"),
                ("RESP_SLAVE_READ_ONLY", "no"), ("RESP_PORT_FILE", "/x/port"), ("PATH", "/bin"), ("RESP_PORT", "7"),
                ("RESP_BIND", "127.0.0.1 -::1"), ("RESP", "x"),
            ], after: "save 900 1\nport 5"
        ).get()
        #expect(configuration.settings.maxMemory == 1 << 30)
        #expect(configuration.value("save") == "60 1 5 2")
        #expect(configuration.settings.requirePassword == bytes("a \"b"))
        #expect(configuration.value("server_cpulist") == "0")
        #expect(configuration.value("replica-read-only") == "no")
        #expect(configuration.settings.portFile == "/x/port")
        #expect(configuration.settings.port == 7)
        #expect(configuration.settings.bindAddresses == ["127.0.0.1", "-::1"])
    }

    @Test func secretsComeFromFiles() throws {
        let directory = TemporaryDirectory()
        for (content, password) in [("s3cret\n", "s3cret"), ("s3cret", "s3cret"), ("a\nb\r\n", "a\nb")] {
            let path = directory.write("password", content)
            let configuration = try environment([("RESP_REQUIREPASS_FILE", path)]).get()
            #expect(configuration.settings.requirePassword == bytes(password))
        }
    }

    @Test func environmentMistakesNameTheVariable() {
        func error(_ variables: (String, String)...) -> ConfigurationError? {
            guard case .failure(let error) = environment(variables) else { return nil }
            return error
        }
        #expect(
            error(("RESP_PORT", "x"))
                == ConfigurationError(
                    "argument couldn't be parsed into an integer", at: .environment("RESP_PORT"), directive: bytes("x"))
        )
        #expect(
            error(("RESP_REQUIREPASS", "a"), ("RESP_REQUIREPASS_FILE", #filePath))
                == ConfigurationError(
                    "RESP_REQUIREPASS and RESP_REQUIREPASS_FILE both set 'requirepass'",
                    at: .environment("RESP_REQUIREPASS_FILE")))
        #expect(
            error(("RESP_REQUIREPASS_FILE", "/no/such"))?.message == "Can't read '/no/such': No such file or directory")
        #expect(error(("RESP_REPLICA_READ_ONLY", "no"), ("RESP_SLAVE_READ_ONLY", "no")) != nil)
        #expect(error(("RESP_TLS_KEY_FILE_PASS", "\0"))?.directive == nil, "a secret is not shown")
    }

    @Test(arguments: ["", "\n", "\r\n"]) func anEmptySecretLetsNobodyStart(content: String) {
        let directory = TemporaryDirectory()
        let path = directory.write("password", content)
        guard case .failure(let error) = environment([("RESP_REQUIREPASS_FILE", path)]) else {
            Issue.record("it loads")
            return
        }
        #expect(error == ConfigurationError("'\(path)' is empty", at: .environment("RESP_REQUIREPASS_FILE")))
    }

    /// A variable that was meant to protect the server is not passed over.
    @Test(arguments: [
        "RESP_USER", "RESP_RENAME_COMMAND", "RESP_INCLUDE", "RESP_LOADMODULE", "RESP_REQUIRE_PASS", "RESP_PASSWORD",
        "RESP_PASSWORD_FILE",
    ])
    func misspelledProtectionIsRefused(variable: String) {
        guard case .failure(let error) = environment([(variable, "x")]) else {
            Issue.record("it loads")
            return
        }
        #expect(error == ConfigurationError("There is no setting of this name", at: .environment(variable)))
    }

    @Test func accessControlListsAreRefusedFromEverySource() {
        for variable in ["RESP_ACLFILE", "RESP_MIN_REPLICAS_TO_WRITE", "RESP_TLS_PORT"] {
            guard case .failure(let error) = environment([(variable, "1")]) else {
                Issue.record("\(variable) loads")
                continue
            }
            #expect(error.message.hasSuffix("not supported by this version of resp-server"))
        }
        let directory = TemporaryDirectory()
        let part = directory.write("part.inc", "user default off")
        guard case .failure(let error) = load("include \(part)") else {
            Issue.record("the included file loads")
            return
        }
        #expect(error.message == noAccessLists)
        var loader = ConfigurationLoader()
        #expect(throws: ConfigurationError(noAccessLists, at: .commandLine, directive: bytes("user default"))) {
            try loader.loadOptions(CommandLineOptions(["--user", "default", "on", ">secret"].map(bytes)).directives)
        }
    }

    @Test func aMistakeOnTheCommandLineDoesNotShowThePassword() {
        var loader = ConfigurationLoader()
        #expect(
            throws: ConfigurationError(
                "wrong number of arguments", at: .commandLine, directive: bytes("requirepass"))
        ) {
            try loader.loadOptions(CommandLineOptions(["--requirepass", "secret", "words"].map(bytes)).directives)
        }
    }

    @Test func unknownVariablesAreWarnedOf() throws {
        let log = LogCollector()
        var loader = ConfigurationLoader()
        try loader.loadEnvironment([("RESP_FOO", bytes("1")), ("RESP_FOO_FILE", bytes("/no/such"))])
        Configuration(loader, log: log.log).logWarnings()
        #expect(log.text.contains("The environment variable RESP_FOO names no setting and is ignored"))
        #expect(log.text.contains("RESP_FOO_FILE"))
    }

    @Test func settingsWithoutEffectAreWarnedOf() throws {
        let log = LogCollector()
        var loader = ConfigurationLoader()
        try loader.loadStandardInput(
            bytes("activerehashing no\nport 7\nrdb-del-sync-files yes\nio-threads 1\nsave ''\nlazyfree-lazy-expire yes")
        )
        Configuration(loader, log: log.log).logWarnings()
        #expect(log.text.contains("no effect in this version: activerehashing, rdb-del-sync-files\n"))
    }
}
