// The rows about data: the compact encodings, expiry, durability and observation.

extension SettingTable {
    static let data: [Setting] = [
        .integer("databases", \.databases, 1...largestInt32, [.immutable]),
        .text("hash-seed", \.hashSeed, [.immutable, .sensitive, .repeatable]),
        .integer(
            "hash-max-listpack-entries", alias: "hash-max-ziplist-entries", \.engine.hashMaxPackedEntries, 0...Int.max,
            isUnsigned: true, [.engine]),
        .integer(
            "hash-max-listpack-value", alias: "hash-max-ziplist-value", \.engine.hashMaxPackedValue, 0...Int.max,
            in: .memory, isUnsigned: true, [.engine]),
        .integer("set-max-intset-entries", \.engine.setMaxIntsetEntries, 0...Int.max, isUnsigned: true, [.engine]),
        .integer("set-max-listpack-entries", \.engine.setMaxPackedEntries, 0...Int.max, isUnsigned: true, [.engine]),
        .integer("set-max-listpack-value", \.engine.setMaxPackedValue, 0...Int.max, isUnsigned: true, [.engine]),
        .integer(
            "zset-max-listpack-entries", alias: "zset-max-ziplist-entries", \.engine.sortedSetMaxPackedEntries,
            0...Int.max,
            isUnsigned: true, [.engine]),
        .integer(
            "zset-max-listpack-value", alias: "zset-max-ziplist-value", \.engine.sortedSetMaxPackedValue, 0...Int.max,
            in: .memory, isUnsigned: true, [.engine]),
        .integer(
            "list-max-listpack-size", alias: "list-max-ziplist-size", \.engine.listMaxPackedSize,
            Int(Int32.min)...largestInt32, [.engine]),
        .integer("list-compress-depth", \.engine.listCompressDepth, 0...largestInt32, [.engine]),
        .integer(
            "stream-node-max-bytes", \.engine.streamNodeMaxBytes, 0...Int.max, in: .memory, isUnsigned: true, [.engine]),
        .integer("stream-node-max-entries", \.engine.streamNodeMaxEntries, 0...Int.max, [.engine]),
        .integer(
            "hll-sparse-max-bytes", \.engine.hyperLogLogSparseMaxBytes, 0...Int.max, in: .memory, isUnsigned: true,
            [.engine]),
        .integer("active-expire-effort", \.activeExpireEffort, 1...10, [.inert]),
        // Large values are always freed in slices.
        .boolean("lazyfree-lazy-eviction", \.lazyfreeLazyEviction, [.inert]).always(like: .boolean(true)),
        .boolean("lazyfree-lazy-expire", \.lazyfreeLazyExpire, [.inert]).always(like: .boolean(true)),
        .boolean("lazyfree-lazy-server-del", \.lazyfreeLazyServerDel, [.inert]).always(like: .boolean(true)),
        .boolean("lazyfree-lazy-user-del", \.lazyfreeLazyUserDel, [.inert]).always(like: .boolean(true)),
        .boolean("lazyfree-lazy-user-flush", \.lazyfreeLazyUserFlush, [.inert]).always(like: .boolean(true)),
        .own(
            "notify-keyspace-events", .eventClasses, load: { .integer($0.notifyKeyspaceEvents.rawValue) },
            store: { $0.notifyKeyspaceEvents = KeyspaceEventClasses(rawValue: $1.integerValue) }),
    ]

    static let durability: [Setting] = [
        .own(
            "save", .savePoints, [.multiWord],
            load: { .integers($0.savePoints.flatMap { [$0.seconds, $0.changes] }) },
            store: { settings, value in
                let numbers = value.integersValue
                settings.givesSavePoints = true
                settings.savePoints = stride(from: 0, to: numbers.count, by: 2).map {
                    SavePoint(seconds: numbers[$0], changes: numbers[$0 + 1])
                }
            }
        ),
        .text(
            "dbfilename", \.dbFilename, [.protected],
            check: { baseName($0, "dbfilename", "filename", mayBeEmpty: true) }),
        .boolean("rdbcompression", \.engine.compressesRecords, [.engine]),
        .boolean("rdbchecksum", \.rdbChecksum, [.immutable]),
        .boolean("rdb-del-sync-files", kept: false),
        .boolean("rdb-save-incremental-fsync", \.rdbSaveIncrementalFsync),
        .integer("rdb-key-save-delay", \.keySaveDelayMicroseconds, Int(Int32.min)...largestInt32, [.hidden]),
        .integer("key-load-delay", \.keyLoadDelayMicroseconds, Int(Int32.min)...largestInt32, [.hidden]),
        .integer(
            "loading-process-events-interval-bytes", kept: 2 << 20, 1024...largestInt32, [.hidden]),
        .boolean("stop-writes-on-bgsave-error", \.stopsWritesOnSaveError),
        // Payloads are always validated.
        .choice("sanitize-dump-payload", kept: "no", of: ["no", "yes", "clients"]).always(like: .choice(1)),
    ]

    static let appendOnlyFile: [Setting] = [
        .boolean("appendonly", \.appendOnly, [.deniedWhileLoading]),
        .choice("appendfsync", \.appendSync),
        .text(
            "appendfilename", \.appendFileName, [.immutable], check: { baseName($0, "appendfilename", "filename") }),
        .text(
            "appenddirname", \.appendDirectoryName, [.immutable], check: { baseName($0, "appenddirname", "dirname") }),
        .boolean("no-appendfsync-on-rewrite", \.leavesSyncingOnRewrite),
        .integer("auto-aof-rewrite-percentage", \.rewritePercentage, 0...largestInt32),
        .integer("auto-aof-rewrite-min-size", \.rewriteMinSize, 0...Int.max, in: .memory),
        .boolean("aof-load-truncated", \.loadsTruncatedLogs),
        .boolean("aof-use-rdb-preamble", \.basesAreSnapshots),
        .boolean("aof-timestamp-enabled", \.notesTimeInLog),
        .boolean("aof-rewrite-incremental-fsync", \.rewriteIncrementalFsync),
        .boolean("aof-disable-auto-gc", \.keepsLogHistory),
    ]

    static let observation: [Setting] = [
        .integer(
            "slowlog-log-slower-than", alias: "commandlog-execution-slower-than", \.slowlogThresholdMicroseconds,
            -1...Int.max),
        .integer("slowlog-max-len", alias: "commandlog-slow-execution-max-len", \.slowlogMaxCount, 0...Int.max),
        .integer("commandlog-request-larger-than", \.largeRequestThreshold, -1...Int.max),
        .integer("commandlog-large-request-max-len", \.largeRequestMaxCount, 0...Int.max),
        .integer("commandlog-reply-larger-than", \.largeReplyThreshold, -1...Int.max),
        .integer("commandlog-large-reply-max-len", \.largeReplyMaxCount, 0...Int.max),
        .integer("latency-monitor-threshold", \.latencyMonitorThresholdMilliseconds, 0...Int.max),
        .boolean("latency-tracking", \.latencyTracking),
        .own(
            "latency-tracking-info-percentiles", .percentiles, [.multiWord],
            load: { .decimals($0.latencyTrackingPercentiles) },
            store: { $0.latencyTrackingPercentiles = $1.decimalsValue }
        ),
        .integer("busy-reply-threshold", alias: "lua-time-limit", \.busyReplyThresholdMilliseconds, 0...Int.max),
        .integer("script-kill-after", \.scriptKillAfterMilliseconds, 0...Int.max),
        .integer("script-memory-limit", \.scriptMemoryLimit, 1 << 20...Int.max, in: .memory),
        .choice("propagation-error-behavior", kept: "ignore", of: ["ignore", "panic", "panic-on-replicas"]),
    ]

    private static func baseName(
        _ value: SettingValue, _ setting: String, _ noun: String, mayBeEmpty: Bool = false
    ) -> String? {
        if value.textValue.isEmpty && !mayBeEmpty { return "\(setting) can't be empty" }
        return value.textValue.contains { $0 == "/" || $0 == "\\" } ? "\(setting) can't be a path, just a \(noun)" : nil
    }
}
