// Goal: a client that reads the configuration finds what redis-server 7.0.15 would tell it, and files written for Redis
// load. Method: names and default values of redis-server 7.0.15, and the directives of Debian's default file, typed in
// here.

import Testing

@testable import RespServer

@Suite struct ConfigurationDefaultsTests {
    /// What `CONFIG GET *` of redis-server 7.0.15 answers, one name=value per line, without dir.
    static let redisDefaults = """
        port=6379
        save=3600 1 300 100 60 10000
        acl-pubsub-default=resetchannels
        aclfile=
        acllog-max-len=128
        active-defrag-cycle-max=25
        active-defrag-cycle-min=1
        active-defrag-ignore-bytes=104857600
        active-defrag-max-scan-fields=1000
        active-defrag-threshold-lower=10
        active-defrag-threshold-upper=100
        active-expire-effort=1
        activedefrag=no
        activerehashing=yes
        always-show-logo=no
        aof-disable-auto-gc=no
        aof-load-truncated=yes
        aof-rewrite-incremental-fsync=yes
        aof-timestamp-enabled=no
        aof-use-rdb-preamble=yes
        aof_rewrite_cpulist=
        appenddirname=appendonlydir
        appendfilename=appendonly.aof
        appendfsync=everysec
        appendonly=no
        auto-aof-rewrite-min-size=67108864
        auto-aof-rewrite-percentage=100
        bgsave_cpulist=
        bind=127.0.0.1 -::1
        bind-source-addr=
        bio_cpulist=
        busy-reply-threshold=5000
        client-output-buffer-limit=normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60
        client-query-buffer-limit=1073741824
        cluster-allow-pubsubshard-when-down=yes
        cluster-allow-reads-when-down=no
        cluster-allow-replica-migration=yes
        cluster-announce-bus-port=0
        cluster-announce-hostname=
        cluster-announce-ip=
        cluster-announce-port=0
        cluster-announce-tls-port=0
        cluster-config-file=nodes.conf
        cluster-enabled=no
        cluster-link-sendbuf-limit=0
        cluster-migration-barrier=1
        cluster-node-timeout=15000
        cluster-port=0
        cluster-preferred-endpoint-type=ip
        cluster-replica-no-failover=no
        cluster-replica-validity-factor=10
        cluster-require-full-coverage=yes
        cluster-slave-no-failover=no
        cluster-slave-validity-factor=10
        crash-log-enabled=yes
        crash-memcheck-enabled=yes
        daemonize=no
        databases=16
        dbfilename=dump.rdb
        disable-thp=yes
        dynamic-hz=yes
        enable-debug-command=no
        enable-module-command=no
        enable-protected-configs=no
        hash-max-listpack-entries=512
        hash-max-listpack-value=64
        hash-max-ziplist-entries=512
        hash-max-ziplist-value=64
        hll-sparse-max-bytes=3000
        hz=10
        ignore-warnings=
        io-threads=1
        io-threads-do-reads=no
        jemalloc-bg-thread=yes
        latency-monitor-threshold=0
        latency-tracking=yes
        latency-tracking-info-percentiles=50 99 99.9
        lazyfree-lazy-eviction=no
        lazyfree-lazy-expire=no
        lazyfree-lazy-server-del=no
        lazyfree-lazy-user-del=no
        lazyfree-lazy-user-flush=no
        lfu-decay-time=1
        lfu-log-factor=10
        list-compress-depth=0
        list-max-listpack-size=-2
        list-max-ziplist-size=-2
        logfile=
        loglevel=notice
        lua-time-limit=5000
        masterauth=
        masteruser=
        maxclients=10000
        maxmemory=0
        maxmemory-clients=0
        maxmemory-eviction-tenacity=10
        maxmemory-policy=noeviction
        maxmemory-samples=5
        min-replicas-max-lag=10
        min-replicas-to-write=0
        min-slaves-max-lag=10
        min-slaves-to-write=0
        no-appendfsync-on-rewrite=no
        notify-keyspace-events=
        oom-score-adj=no
        oom-score-adj-values=0 200 800
        pidfile=
        proc-title-template={title} {listen-addr} {server-mode}
        propagation-error-behavior=ignore
        protected-mode=yes
        proto-max-bulk-len=536870912
        rdb-del-sync-files=no
        rdb-save-incremental-fsync=yes
        rdbchecksum=yes
        rdbcompression=yes
        repl-backlog-size=1048576
        repl-backlog-ttl=3600
        repl-disable-tcp-nodelay=no
        repl-diskless-load=disabled
        repl-diskless-sync=yes
        repl-diskless-sync-delay=5
        repl-diskless-sync-max-replicas=0
        repl-ping-replica-period=10
        repl-ping-slave-period=10
        repl-timeout=60
        replica-announce-ip=
        replica-announce-port=0
        replica-announced=yes
        replica-ignore-disk-write-errors=no
        replica-ignore-maxmemory=yes
        replica-lazy-flush=no
        replica-priority=100
        replica-read-only=yes
        replica-serve-stale-data=yes
        replicaof=
        requirepass=
        sanitize-dump-payload=no
        server_cpulist=
        set-max-intset-entries=512
        set-proc-title=yes
        shutdown-on-sigint=default
        shutdown-on-sigterm=default
        shutdown-timeout=10
        slave-announce-ip=
        slave-announce-port=0
        slave-ignore-maxmemory=yes
        slave-lazy-flush=no
        slave-priority=100
        slave-read-only=yes
        slave-serve-stale-data=yes
        slaveof=
        slowlog-log-slower-than=10000
        slowlog-max-len=128
        socket-mark-id=0
        stop-writes-on-bgsave-error=yes
        stream-node-max-bytes=4096
        stream-node-max-entries=100
        supervised=no
        syslog-enabled=no
        syslog-facility=local0
        syslog-ident=redis
        tcp-backlog=511
        tcp-keepalive=300
        timeout=0
        tls-auth-clients=yes
        tls-ca-cert-dir=
        tls-ca-cert-file=
        tls-cert-file=
        tls-ciphers=
        tls-ciphersuites=
        tls-client-cert-file=
        tls-client-key-file=
        tls-client-key-file-pass=
        tls-cluster=no
        tls-dh-params-file=
        tls-key-file=
        tls-key-file-pass=
        tls-port=0
        tls-prefer-server-ciphers=no
        tls-protocols=
        tls-replication=no
        tls-session-cache-size=20480
        tls-session-cache-timeout=300
        tls-session-caching=yes
        tracking-table-max-keys=1000000
        unixsocket=
        unixsocketperm=0
        zset-max-listpack-entries=128
        zset-max-listpack-value=64
        zset-max-ziplist-entries=128
        zset-max-ziplist-value=64
        """

    /// Visible names that later versions of Redis, up to 8.2, or Valkey added, and our own.
    static let newerNames: Set<String> = [
        "commandlog-execution-slower-than", "commandlog-large-reply-max-len", "commandlog-large-request-max-len",
        "commandlog-reply-larger-than", "commandlog-request-larger-than", "commandlog-slow-execution-max-len",
        "cluster-announce-human-nodename", "locale-collate", "set-max-listpack-entries", "set-max-listpack-value",
        "aof-rewrite-cpulist", "bgsave-cpulist", "bio-cpulist", "server-cpulist", "hide-user-data-from-log",
        "max-new-connections-per-cycle", "max-new-tls-connections-per-cycle", "cluster-compatibility-sample-ratio",
        "cluster-slot-stats-enabled", "replica-full-sync-buffer-limit", "vset-force-single-threaded-execution",
        "hash-seed", "log-format", "port-file", "script-kill-after", "script-memory-limit",
    ]

    /// The active lines of Debian's redis.conf, but for its directories.
    private static var debianDirectives: [String] {
        get throws {
            try lines(of: "conformance/support/debian-redis.conf").filter { !$0.hasPrefix("#") && !$0.isEmpty }
        }
    }

    private func visible(_ configuration: Configuration) -> [String: String] {
        Dictionary(
            uniqueKeysWithValues: configuration.get([Array("*".utf8)]).map {
                (String(decoding: $0.name, as: UTF8.self), String(decoding: $0.value, as: UTF8.self))
            })
    }

    @Test func namesAndDefaultsAreThoseOfRedis() {
        var ours = visible(Configuration())
        #expect(ours.removeValue(forKey: "dir") == FileAccess.currentDirectory)
        for line in Self.redisDefaults.split(separator: "\n") {
            let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            #expect(ours.removeValue(forKey: parts[0]) == parts[1], "\(parts[0])")
        }
        #expect(Set(ours.keys) == Self.newerNames)
        #expect(ours["set-max-listpack-entries"] == "128")
        #expect(ours["set-max-listpack-value"] == "64")
    }

    @Test func debianFileLoads() throws {
        var loader = ConfigurationLoader()
        var names: Set<Substring> = ["dir", "logfile"]
        for line in try Self.debianDirectives {
            try loader.loadLine(Array(line.utf8), at: .whole)
            names.insert(line.split(separator: " ")[0])
        }
        try loader.loadLine(Array("dir /".utf8), at: .whole)
        try loader.loadLine(Array("logfile /var/log/redis/redis-server.log".utf8), at: .whole)
        #expect(names.count == 69)
        let configuration = Configuration(loader)
        // All but these are defaults.
        var expected = visible(Configuration())
        expected["bind"] = "127.0.0.1 -::1"
        expected["daemonize"] = "yes"
        expected["pidfile"] = "/run/redis/redis-server.pid"
        expected["logfile"] = "/var/log/redis/redis-server.log"
        expected["dir"] = "/"
        #expect(visible(configuration) == expected)
        #expect(configuration.settingsWithoutEffect.isEmpty)
    }

    @Test func everyValueCanBeSetToItself() throws {
        let configuration = Configuration()
        let settings = SettingTable.shared.settings.filter { !$0.flags.contains(.immutable) && $0.name != "dir" }
        for setting in settings where !setting.flags.contains(.protected) {
            let before = setting.text(in: configuration.settings)
            try configuration.set([Array(setting.name.utf8), before], clientIsLocal: true)
            #expect(setting.text(in: configuration.settings) == before, "\(setting.name)")
        }
    }

    // MARK: The file that comes with the server

    static var shippedFile: [String] {
        get throws {
            try lines(of: "resp-server.conf")
        }
    }

    /// - Parameter path: from the root of the repository.
    private static func lines(of path: String) throws -> [String] {
        let root = #filePath.split(separator: "/").dropLast(4).joined(separator: "/")
        let content = try FileAccess.read("/" + root + "/" + path).get()
        return String(decoding: content, as: UTF8.self).split(separator: "\n").map(String.init)
    }

    @Test func shippedFileShowsTheDefaults() throws {
        var loader = ConfigurationLoader()
        for line in try Self.shippedFile { try loader.loadLine(Array(line.utf8), at: .whole) }
        var expected = visible(Configuration())
        expected["bind"] = "127.0.0.1 -::1"
        #expect(visible(Configuration(loader)) == expected)
    }

    @Test func examplesInTheShippedFileLoad() throws {
        let lines = try Self.shippedFile
        var loader = ConfigurationLoader()
        var count = 0
        for (before, line) in zip(lines, lines.dropFirst()) where before == "#" && !line.hasPrefix("# dir ") {
            // What follows an empty comment is an example if it begins with a name.
            let words = line.dropFirst(2).split(separator: " ")
            guard let name = words.first, name.first?.isLowercase == true else { continue }
            try loader.loadLine(Array(line.dropFirst(2).utf8), at: .whole)
            count += 1
        }
        #expect(count == 6)
    }

    @Test func shippedFileMentionsEverySetting() throws {
        let lines = try Self.shippedFile
        let active = lines.filter { !$0.hasPrefix("#") }.compactMap { $0.split(separator: " ").first }
        let examples = lines.filter { $0.hasPrefix("# ") }.compactMap { $0.dropFirst(2).split(separator: " ").first }
        let tail = lines.drop { !$0.contains("Accepted for compatibility") }
        let kept = Set(tail.joined(separator: " ").split { !($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_") })
        for setting in SettingTable.shared.settings where !setting.flags.contains(.hidden) {
            let name = setting.name[...]
            if setting.effect == .acts {
                #expect(active.contains(name) || examples.contains(name), "\(name) is not described")
            } else {
                #expect(kept.contains(name), "\(name) is not listed as without effect or refused")
                #expect(!active.contains(name), "\(name) has no effect but an active line")
            }
        }
    }
}
