// Goal: CONFIG GET and CONFIG SET answer as redis-server 7.0.15 does, change all or nothing, and tell the rest of the
// server. The texts were taken from that server.

import Testing

@testable import RespServer

@Suite struct ConfigurationSetTests {
    private static func failure(_ name: String, _ reason: String) -> String {
        "ERR CONFIG SET failed (possibly related to argument '\(name)') - \(reason)"
    }

    /// A setting, a value it does not take, and why.
    static let refusals: [(String, String, String)] = [
        ("port", "abc", "argument couldn't be parsed into an integer"),
        ("port", "70000", "argument must be between 0 and 65535 inclusive"),
        ("port", "-1", "argument must be between 0 and 65535 inclusive"),
        ("maxclients", "0", "argument must be between 1 and 4294967295 inclusive"),
        ("maxclients", "99999999999999999999", "argument couldn't be parsed into an integer"),
        ("lfu-log-factor", "010", "argument couldn't be parsed into an integer"),
        ("lfu-log-factor", "+1", "argument couldn't be parsed into an integer"),
        ("lfu-log-factor", " 1", "argument couldn't be parsed into an integer"),
        ("lfu-log-factor", "", "argument couldn't be parsed into an integer"),
        ("slowlog-log-slower-than", "-2", "argument must be between -1 and 9223372036854775807 inclusive"),
        ("list-max-listpack-size", "-99999999999", "argument must be between -2147483648 and 2147483647 inclusive"),
        ("maxmemory", "abc", "argument must be a memory value"),
        ("maxmemory", "-1", "argument must be a memory value"),
        (
            "hash-max-listpack-value", "9223372036854775808",
            "argument must be greater or equal to 0"
        ),
        ("proto-max-bulk-len", "1kb", "argument must be between 1048576 and 9223372036854775807 inclusive"),
        ("maxmemory-clients", "101%", "percentage argument must be less or equal to 100"),
        ("maxmemory-clients", "-5%", "argument must be a memory or percent value"),
        ("maxmemory-clients", "5.5%", "argument must be a memory or percent value"),
        ("protected-mode", "maybe", "argument must be 'yes' or 'no'"),
        (
            "maxmemory-policy", "lru",
            "argument(s) must be one of the following: volatile-lru, volatile-lfu, volatile-random, volatile-ttl, "
                + "volatile-lrm, allkeys-lru, allkeys-lfu, allkeys-random, allkeys-lrm, noeviction"
        ),
        (
            "loglevel", "notice debug",
            "argument(s) must be one of the following: debug, verbose, notice, warning, nothing"
        ),
        ("shutdown-on-sigterm", "", "argument(s) must be one of the following: default, save, nosave, now, force"),
        (
            "shutdown-on-sigterm", "nosave  now",
            "argument(s) must be one of the following: default, save, nosave, now, force"
        ),
        ("shutdown-on-sigterm", "save nosave", "shutdown options SAVE and NOSAVE can't be used simultaneously"),
        ("save", "900 1 300", "Invalid save parameters"), ("save", "900 1 300 -1", "Invalid save parameters"),
        ("save", "0 1", "Invalid save parameters"), ("save", "900 1  300 10", "Invalid save parameters"),
        ("client-output-buffer-limit", "normal 0 0", "Wrong number of arguments in buffer limit configuration."),
        ("client-output-buffer-limit", "foo 0 0 0", "Invalid client class specified in buffer limit configuration."),
        ("client-output-buffer-limit", "master 0 0 0", "Invalid client class specified in buffer limit configuration."),
        (
            "client-output-buffer-limit", "normal a 0 0",
            "Error in hard, soft or soft_seconds setting in buffer limit configuration."
        ),
        (
            "client-output-buffer-limit", "normal 0 0 -1",
            "Error in hard, soft or soft_seconds setting in buffer limit configuration."
        ),
        ("oom-score-adj-values", "1 2", "wrong number of arguments"),
        (
            "oom-score-adj-values", "1 2 3000",
            "Invalid oom-score-adj-values, elements must be between -2000 and 2000."
        ),
        ("notify-keyspace-events", "Z", "Invalid event class character. Use 'Ag$lshzxeKEtmdn'."),
        (
            "latency-tracking-info-percentiles", "101",
            "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]"
        ),
        ("latency-tracking-info-percentiles", "a", "Invalid latency-tracking-info-percentiles parameters"),
        ("bind", "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17", "Too many bind addresses specified."),
        ("proc-title-template", "{foo}", "template format is invalid or contains unknown variables"),
        ("cluster-announce-hostname", "a b", "Hostnames may only contain alphanumeric characters, hyphens or dots"),
        ("cluster-announce-hostname", String(repeating: "a", count: 256), "Hostnames must be less than 256 characters"),
        ("locale-collate", "no_SUCH", "Invalid locale name"),
        ("daemonize", "yes", "can't set immutable config"), ("DAEMONIZE", "yes", "can't set immutable config"),
        ("slaveof", "no one", "can't set immutable config"), ("dir", "/tmp", "can't set protected config"),
        ("dbfilename", "a", "can't set protected config"),
        ("tls-port", "5", "TLS is not supported by this version of resp-server"),
        ("min-replicas-to-write", "1", "replication is not supported by this version of resp-server"),
        ("aclfile", "/etc/users.acl", "can't set immutable config"),
        ("syslog-ident", "x", "can't set immutable config"),
        ("tls-protocols", "a\0b", "argument must be valid UTF-8 text"),
    ]

    @Test(arguments: refusals) func badValuesAreRefused(name: String, value: String, reason: String) {
        let configuration = Configuration()
        let before = configuration.value(name)
        #expect(configuration.set(name, value) == Self.failure(name, reason))
        #expect(configuration.value(name) == before)
    }

    /// A setting, a value, and what CONFIG GET then gives.
    @Test(arguments: [
        ("maxmemory", "", "0"), ("maxmemory", "1K", "1000"), ("maxmemory", "1kb", "1024"), ("maxmemory", "kb", "0"),
        ("maxmemory-clients", "5%", "5%"), ("maxmemory-clients", "0%", "0"), ("maxmemory-clients", "1mb", "1048576"),
        ("loglevel", "WARNING", "warning"), ("protected-mode", "NO", "no"), ("hz", "1000", "500"), ("hz", "0", "1"),
        ("shutdown-on-sigterm", "now nosave force", "nosave now force"), ("shutdown-on-sigterm", "default now", "now"),
        ("save", "900 0 300 10", "900 0 300 10"), ("save", "", ""),
        ("save", "9999999999999999999999 1", "9223372036854775807 1"),
        (
            "client-output-buffer-limit", "normal 1mb 2kb 60 replica 1gb 1g 5",
            "normal 1048576 2048 60 slave 1073741824 1000000000 5 pubsub 33554432 8388608 60"
        ),
        (
            "client-output-buffer-limit", "NORMAL 0 0 0 normal 5 5 5",
            "normal 5 5 5 slave 268435456 67108864 60 pubsub 33554432 8388608 60"
        ),
        ("oom-score-adj-values", "5 4 3", "5 4 3"), ("oom-score-adj", "relative", "yes"),
        ("notify-keyspace-events", "KEA", "AKE"),
        ("latency-tracking-info-percentiles", "1e1 .5 33.3333333333", "10 0.5 33.333333"),
        ("latency-tracking-info-percentiles", "", ""), ("bind", "", ""), ("bind", "127.0.0.1 -::1", "127.0.0.1 -::1"),
        ("requirepass", "a b", "a b"), ("list-max-ziplist-size", "-5", "-5"), ("locale-collate", "C", "C"),
    ])
    func goodValuesAreSetAndReturned(name: String, value: String, result: String) {
        let configuration = Configuration()
        #expect(configuration.set(name, value) == nil)
        #expect(configuration.value(name) == result)
    }

    /// Programs that set all that CONFIG GET shows leave out what other servers cannot change, and know nothing of these.
    @Test(arguments: ["port-file", "hash-seed"]) func immutableSettingsOfOursMayBeSetToWhatTheyAre(name: String) {
        let configuration = Configuration()
        let value = configuration.value(name) ?? ""
        #expect(configuration.set(name, value, "timeout", "7") == nil)
        #expect(configuration.settings.timeoutSeconds == 7)
        #expect(
            configuration.set("timeout", "8", name, value + "x")
                == Self.failure(name, "can't set immutable config"))
        #expect(configuration.value(name) == value && configuration.settings.timeoutSeconds == 7)
    }

    @Test func argumentsThatAreNoPairsAreRefused() {
        let configuration = Configuration()
        #expect(configuration.set("port", "6379", "foo") == "ERR syntax error")
        let unknown = "ERR Unknown option or number of arguments for CONFIG SET - 'foo'"
        #expect(configuration.set("foo", "1") == unknown)
        #expect(configuration.set("timeout", "7", "foo", "2", "daemonize", "yes") == unknown)
        #expect(
            configuration.set("daemonize", "yes", "foo", "1") == Self.failure("daemonize", "can't set immutable config")
        )
        #expect(configuration.settings.timeoutSeconds == 0)
    }

    @Test func namesMayNotRepeatButAnAliasMayFollow() {
        let configuration = Configuration()
        #expect(configuration.set("Timeout", "1", "TIMEOUT", "2") == Self.failure("TIMEOUT", "duplicate parameter"))
        #expect(configuration.set("slave-read-only", "no", "replica-read-only", "yes") == nil)
    }

    @Test func oneBadPairLeavesAllUnchanged() {
        let configuration = Configuration()
        var calls = 0
        configuration.onChange(of: "timeout") { _, _ in
            calls += 1
            return nil
        }
        let words = ["timeout", "5", "requirepass", "x", "save", "1 1", "port", "1x"]
        #expect(throws: ConfigurationRefusal.self) { try configuration.set(words.map(bytes), clientIsLocal: true) }
        #expect(configuration.settings.timeoutSeconds == 0)
        #expect(configuration.settings.requirePassword.isEmpty)
        #expect(configuration.value("save") == "3600 1 300 100 60 10000")
        #expect(calls == 0)
    }

    // MARK: Hooks

    @Test func hookSeesOldAndNewAndRunsOncePerCommand() {
        let configuration = Configuration()
        var seen: [String] = []
        configuration.onChange(of: "hash-max-listpack-entries", "hash-max-listpack-value") { old, new in
            let inForce = configuration.settings.engine.hashMaxPackedEntries
            seen.append(
                "\(old.engine.hashMaxPackedEntries)>\(new.engine.hashMaxPackedEntries) \(new.engine.hashMaxPackedValue) \(inForce)"
            )
            return nil
        }
        #expect(configuration.set("hash-max-ziplist-entries", "7", "hash-max-listpack-value", "9") == nil)
        #expect(seen == ["512>7 9 7"])
        #expect(configuration.set("hash-max-listpack-entries", "7", "timeout", "1") == nil)
        #expect(seen.count == 1, "nothing of the hook's changed")
    }

    @Test func objectionOfAHookRestoresEverything() {
        let log = LogCollector()
        let configuration = Configuration(log: log.log)
        var steps: [String] = []
        configuration.onChange(of: "timeout") { old, new in
            steps.append("timeout \(old.timeoutSeconds)>\(new.timeoutSeconds)")
            return nil
        }
        configuration.onChange(of: "port") { old, new in
            steps.append("port \(old.port)>\(new.port)")
            return new.port == 1 ? "Unable to listen on this port. Check server logs." : nil
        }
        let reply = configuration.set("timeout", "5", "PORT", "1", "maxclients", "3")
        #expect(reply == Self.failure("port", "Unable to listen on this port. Check server logs."))
        #expect(steps == ["timeout 0>5", "port 6379>1", "timeout 5>0", "port 1>6379"])
        #expect(configuration.settings.port == 6379 && configuration.settings.timeoutSeconds == 0)
        #expect(configuration.settings.maxClients == 10000)
        #expect(log.text.contains("A change of 'port' could not be applied"))
    }

    @Test func logFollowsItsSettings() {
        let log = LogCollector()
        let configuration = Configuration(log: log.log)
        #expect(configuration.set("loglevel", "debug", "log-format", "json") == nil)
        log.log.debug("hello")
        #expect(log.text.contains("\"msg\":\"hello\""))
        #expect(configuration.set("loglevel", "nothing") == nil)
        log.log.warning("unseen")
        #expect(!log.text.contains("unseen"))
    }

    @Test func adjustingRunsNoHooks() {
        let configuration = Configuration()
        configuration.onChange(of: "maxclients") { _, _ in "never" }
        configuration.adjust { $0.maxClients = 5 }
        #expect(configuration.value("maxclients") == "5")
    }

    @Test func resetStatisticsReachesEveryHandler() {
        let configuration = Configuration()
        var calls = 0
        for _ in 0..<2 { configuration.onResetStatistics { calls += 1 } }
        configuration.resetStatistics()
        #expect(calls == 2)
    }

    // MARK: Protection

    @Test func protectedSettingsFollowTheirRule() throws {
        let attempt = [bytes("dbfilename"), bytes("other.rdb")]
        for (rule, isLocal, works) in [
            ("no", true, false), ("yes", false, true), ("local", true, true), ("local", false, false),
        ] {
            let configuration = try load("enable-protected-configs \(rule)").get()
            let outcome = Result { try configuration.set(attempt, clientIsLocal: isLocal) }
            #expect(((try? outcome.get()) != nil) == works)
            #expect(configuration.value("dbfilename") == (works ? "other.rdb" : "dump.rdb"))
        }
        let open = try load("enable-protected-configs yes").get()
        #expect(
            open.set("dbfilename", "a/b") == Self.failure("dbfilename", "dbfilename can't be a path, just a filename"))
        #expect(open.set("dir", "/no/such") == Self.failure("dir", "No such file or directory"))
    }

    @Test func someSettingsWaitForLoadingToEnd() {
        let configuration = Configuration()
        let refusal = ConfigurationRefusal("LOADING Redis is loading the dataset in memory")
        #expect(throws: refusal) {
            try configuration.set([bytes("appendonly"), bytes("yes")], clientIsLocal: true, isLoading: true)
        }
        #expect(throws: Never.self) {
            try configuration.set([bytes("timeout"), bytes("5")], clientIsLocal: true, isLoading: true)
        }
    }

    @Test func settingsWithoutEffectAreLogged() throws {
        let collector = LogCollector()
        let configuration = Configuration(log: collector.log)
        func logged(_ words: String...) throws -> String {
            let before = collector.text.count
            try configuration.set(words.map(bytes), clientIsLocal: true)
            return String(collector.text.dropFirst(before))
        }
        #expect(
            try logged("activerehashing", "no", "timeout", "5", "rdb-del-sync-files", "yes").hasSuffix(
                "# These settings are accepted but have no effect in this version: activerehashing, rdb-del-sync-files\n"
            ))
        #expect(
            try logged("activerehashing", "no").contains("no effect in this version: activerehashing\n"),
            "said each time")
        #expect(try logged("timeout", "6").isEmpty)
        #expect(
            try logged("activerehashing", "yes", "save", "", "lazyfree-lazy-expire", "yes").isEmpty, "this is how it is"
        )
        #expect(try logged("save", "1 1").isEmpty)
    }

    @Test func secretsAreKnown() {
        let configuration = Configuration()
        #expect(configuration.isSensitive(bytes("RequirePass")) && configuration.isSensitive(bytes("masterauth")))
        #expect(!configuration.isSensitive(bytes("port")) && !configuration.isSensitive(bytes("foo")))
    }

    @Test func passwordsMayBeAnyBytes() throws {
        let configuration = Configuration()
        let password: [UInt8] = [0, 0xFF, 0x20, 0x0A]
        try configuration.set([bytes("requirepass"), password], clientIsLocal: true)
        #expect(configuration.settings.requirePassword == password)
        #expect(configuration.get([bytes("requirepass")])[0].value == password)
    }

    // MARK: CONFIG GET

    private func names(_ patterns: String...) -> [String] {
        Configuration().get(patterns.map(bytes)).map { text($0.name) }
    }

    @Test func namesAreReturnedAsAskedAndOnce() {
        #expect(names("TimeOut", "timeout") == ["TimeOut"])
        #expect(names("nosuch", "port") == ["port"])
        #expect(names("slave-read-only", "replica-read-only") == ["slave-read-only", "replica-read-only"])
        #expect(names("MAXMEMORY-S*", "maxmemory-samples", "maxmemory-[s]*") == ["maxmemory-samples"])
        #expect(names("*of") == ["replicaof", "slaveof"])
        #expect(names("[", "maxmemory[", "\\*").isEmpty)
    }

    @Test func hiddenSettingsNeedTheirFullName() {
        #expect(names("use-exit-on-panic") == ["use-exit-on-panic"])
        #expect(names("use-exit-on-pani*", "key-load-dela?").isEmpty)
        #expect(!names("*").contains("watchdog-period"))
    }

    @Test func aliasesShareTheirValue() {
        let configuration = Configuration()
        #expect(configuration.set("hash-max-ziplist-entries", "3") == nil)
        #expect(configuration.settings.engine.hashMaxPackedEntries == 3)
        #expect(configuration.value("hash-max-listpack-entries") == "3")
    }
}
