// The rows of features that this version does not have: replication, cluster, TLS, and tuning of threads and the kernel.
//
// Their values are checked and returned so that existing files and tools work. Those that users would rely on (being a
// replica, a cluster node, a listener with TLS, or having replicas) are refused instead of having no effect.

extension SettingTable {
    static let replication: [Setting] = [
        .own("replicaof", alias: "slaveof", .replicaOf, kept: .text(""), [.immutable, .multiWord, .refused]),
        .bytes("masterauth", kept: [], [.sensitive]),
        .text("masteruser", kept: "", [.sensitive]),
        .boolean("replica-serve-stale-data", alias: "slave-serve-stale-data", kept: true),
        .boolean("replica-read-only", alias: "slave-read-only", kept: true),
        .boolean("replica-lazy-flush", alias: "slave-lazy-flush", kept: false),
        .boolean("replica-ignore-maxmemory", alias: "slave-ignore-maxmemory", kept: true),
        .boolean("replica-ignore-disk-write-errors", kept: false),
        .boolean("replica-announced", kept: true),
        .text("replica-announce-ip", alias: "slave-announce-ip"),
        .integer("replica-announce-port", alias: "slave-announce-port", kept: 0, 0...65535),
        .integer("replica-priority", alias: "slave-priority", kept: 100, 0...largestInt32),
        // Users would rely on each write being on several machines.
        .integer(
            "min-replicas-to-write", alias: "min-slaves-to-write", kept: 0, 0...largestInt32, [.refused],
            check: { $0 == .integer(0) ? nil : unsupportedText("replication is") }),
        .integer("min-replicas-max-lag", alias: "min-slaves-max-lag", kept: 10, 0...largestInt32),
        .integer("repl-timeout", kept: 60, 1...largestInt32),
        .integer("repl-ping-replica-period", alias: "repl-ping-slave-period", kept: 10, 1...largestInt32),
        .integer("repl-backlog-size", kept: 1 << 20, 1...Int.max, in: .memory, clamp: 16 << 10...Int.max),
        .integer("repl-backlog-ttl", kept: 3600, 0...Int.max),
        .boolean("repl-disable-tcp-nodelay", kept: false),
        .boolean("repl-diskless-sync", kept: true),
        .integer("repl-diskless-sync-delay", kept: 5, 0...largestInt32),
        .integer("repl-diskless-sync-max-replicas", kept: 0, 0...largestInt32),
        .integer("replica-full-sync-buffer-limit", kept: 0, 0...Int.max, in: .memory),
        .choice(
            "repl-diskless-load", kept: "disabled", of: ["disabled", "on-empty-db", "swapdb"], [.deniedWhileLoading]),
    ]

    static let cluster: [Setting] = [
        .boolean(
            "cluster-enabled", kept: false, [.immutable, .refused],
            check: unsupported(.boolean(true), "cluster mode is")),
        .text("cluster-config-file", kept: "nodes.conf", [.immutable]),
        .integer("cluster-node-timeout", kept: 15000, 0...Int.max),
        .integer("cluster-ping-interval", kept: 0, 0...Int.max, [.hidden]),
        .integer("cluster-port", kept: 0, 0...65535, [.immutable]),
        .text("cluster-announce-ip"),
        .integer("cluster-announce-port", kept: 0, 0...65535),
        .integer("cluster-announce-tls-port", kept: 0, 0...65535),
        .integer("cluster-announce-bus-port", kept: 0, 0...65535),
        .text("cluster-announce-hostname", check: { hostName($0.textValue) }),
        .text(
            "cluster-announce-human-nodename",
            check: { value in
                let plain = value.textValue.utf8.allSatisfy { !"!#$%&()*+:;<>?@[]^{|}~".utf8.contains($0) }
                return plain ? nil : "Announced human node name contained invalid character"
            }),
        .choice("cluster-preferred-endpoint-type", kept: "ip", of: ["ip", "hostname", "unknown-endpoint"]),
        .boolean("cluster-require-full-coverage", kept: true),
        .boolean("cluster-allow-reads-when-down", kept: false),
        .boolean("cluster-allow-pubsubshard-when-down", kept: true),
        .boolean("cluster-allow-replica-migration", kept: true),
        .integer("cluster-migration-barrier", kept: 1, 0...largestInt32),
        .boolean("cluster-replica-no-failover", alias: "cluster-slave-no-failover", kept: false),
        .integer("cluster-replica-validity-factor", alias: "cluster-slave-validity-factor", kept: 10, 0...largestInt32),
        .boolean("cluster-slot-stats-enabled", kept: false),
        .integer("cluster-compatibility-sample-ratio", kept: 0, 0...100),
        .integer("cluster-link-sendbuf-limit", kept: 0, 0...Int.max, in: .memory, isUnsigned: true),
    ]

    static let tls: [Setting] = [
        .integer(
            "tls-port", kept: 0, 0...65535, [.refused], check: { $0 == .integer(0) ? nil : unsupportedText("TLS is") }),
        .boolean("tls-cluster", kept: false, [.refused], check: unsupported(.boolean(true), "TLS is")),
        .boolean("tls-replication", kept: false, [.refused], check: unsupported(.boolean(true), "TLS is")),
        .integer("max-new-tls-connections-per-cycle", kept: 1, 1...1000, isUnsigned: true),
        .choice("tls-auth-clients", kept: "yes", of: ["no", "yes", "optional"]),
        .boolean("tls-prefer-server-ciphers", kept: false),
        .boolean("tls-session-caching", kept: true),
        .integer("tls-session-cache-size", kept: 20480, 0...largestInt32),
        .integer("tls-session-cache-timeout", kept: 300, 0...largestInt32),
        .text("tls-cert-file", kept: "", [.volatile]),
        .text("tls-key-file", kept: "", [.volatile]),
        .text("tls-key-file-pass", kept: "", [.sensitive]),
        .text("tls-client-cert-file", kept: "", [.volatile]),
        .text("tls-client-key-file", kept: "", [.volatile]),
        .text("tls-client-key-file-pass", kept: "", [.sensitive]),
        .text("tls-dh-params-file", kept: "", [.volatile]),
        .text("tls-ca-cert-file", kept: "", [.volatile]),
        .text("tls-ca-cert-dir", kept: "", [.volatile]),
        .text("tls-protocols"),
        .text("tls-ciphers"),
        .text("tls-ciphersuites"),
    ]

    static let tuning: [Setting] = [
        .integer("io-threads", kept: 1, 1...128, [.immutable]),
        .boolean("io-threads-do-reads", kept: false, [.immutable]),
        .text("server-cpulist", alias: "server_cpulist", kept: "", [.immutable, .repeatable]),
        .text("bio-cpulist", alias: "bio_cpulist", kept: "", [.immutable, .repeatable]),
        .text("aof-rewrite-cpulist", alias: "aof_rewrite_cpulist", kept: "", [.immutable, .repeatable]),
        .text("bgsave-cpulist", alias: "bgsave_cpulist", kept: "", [.immutable, .repeatable]),
        .boolean("vset-force-single-threaded-execution", kept: false),
        // "relative" is the older word for yes, and is printed as yes.
        .own("oom-score-adj", .outOfMemoryAdjustment, kept: .text("no")),
        .own("oom-score-adj-values", .outOfMemoryScores, kept: .integers([0, 200, 800]), [.multiWord]),
    ]

    static func unsupportedText(_ subject: String) -> String {
        "\(subject) not supported by this version of \(Product.name)"
    }

    private static func unsupported(_ value: SettingValue, _ subject: String) -> @Sendable (SettingValue) -> String? {
        { $0 == value ? unsupportedText(subject) : nil }
    }

    private static func hostName(_ name: String) -> String? {
        if name.utf8.count >= 256 { return "Hostnames must be less than 256 characters" }
        let plain = name.utf8.allSatisfy { byte in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                || byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".")
        }
        return plain ? nil : "Hostnames may only contain alphanumeric characters, hyphens or dots"
    }
}
