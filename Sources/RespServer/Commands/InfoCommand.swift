// INFO: the state of the server as lines of text.
//
// Field names are those of Redis 7.2 and later. Fields of what this server does not have (replication, cluster, modules) are listed if a
// value can say that nothing happened, because monitoring programs read them. Fields whose value would be wrong are left out: numbers that
// are not counted.

import RespCodec
import StoreEngine

enum InfoCommands {
    static let all: [Command<SessionContext>] = [
        Command(
            "INFO", group: .server, since: "1.0.0", arity: -1, flags: [.loading, .stale], categories: ["dangerous"],
            tips: ["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
            syntax: "[section [section ...]]", summary: "Returns the state of the server and its statistics.",
            complexity: "O(N) in the commands and the databases in use", run: run
        )
        .changed("7.0.0", "Takes several sections.")
        .asIn("Redis 8.2.0")
    ]

    private typealias Section = (
        name: StaticString, title: StaticString, isShown: Occasion, write: @Sendable (Server, InfoText) -> Void
    )

    /// When a section is shown.
    private enum Occasion: Int {
        case always
        case withAll
        case whenNamed
    }

    /// In the order in which they are shown.
    private static let sections: [Section] = [
        ("server", "Server", .always, writeServer), ("clients", "Clients", .always, writeClients),
        ("memory", "Memory", .always, writeMemory), ("persistence", "Persistence", .always, writePersistence),
        ("threads", "Threads", .always, writeThreads),
        ("stats", "Stats", .always, writeStatistics), ("replication", "Replication", .always, writeReplication),
        ("cpu", "CPU", .always, writeProcessor), ("modules", "Modules", .always, { _, _ in }),
        ("commandstats", "Commandstats", .withAll, writeCommands), ("errorstats", "Errorstats", .always, writeErrors),
        ("latencystats", "Latencystats", .withAll, writeLatencies),
        ("cluster", "Cluster", .always, { _, text in text.add("cluster_enabled", 0) }),
        ("keyspace", "Keyspace", .always, writeKeyspace), ("keysizes", "Keysizes", .always, writeKeySizes),
        ("debug", "Debug", .whenNamed, writeTurns),
    ]

    /// The sections that were requested, a bit for each.
    private struct Choice {
        private var bits: UInt32 = 0

        func contains(_ section: Int) -> Bool { bits & 1 << UInt32(section) != 0 }

        mutating func insert(where isWanted: (Section) -> Bool) {
            for (index, section) in sections.enumerated() where isWanted(section) { bits |= 1 << UInt32(index) }
        }
    }

    private static let defaultChoice: Choice = {
        var choice = Choice()
        choice.insert { $0.isShown == .always }
        return choice
    }()

    @Sendable static func run(_ context: inout SessionContext, _ arguments: Arguments) throws(CommandError) {
        var choice = arguments.count > 1 ? Choice() : defaultChoice
        for index in 1..<max(arguments.count, 1) {
            let word = arguments[index]
            if word.isWord("all") || word.isWord("everything") {
                choice.insert { $0.isShown != .whenNamed }
            } else if word.isWord("default") {
                choice.insert { $0.isShown == .always }
            } else if word.equalsIgnoringCase("module_list") {
                choice.insert { word in ByteSlice(word.name) == "modules" }
            } else {
                choice.insert { word.equalsIgnoringCase($0.name) }
            }
        }
        let start = context.reply.beginDeferred()
        let text = InfoText(context.reply)
        var isFirst = true
        for (index, section) in sections.enumerated() where choice.contains(index) {
            text.begin(ByteSlice(section.title), isFirst: isFirst)
            section.write(context.server, text)
            isFirst = false
        }
        context.reply.endVerbatim(start)
    }

    // MARK: fields that are always 0

    private static let noReplicationMemory = ZeroFields(
        "mem_replication_backlog", "mem_total_replication_buffers",
        "mem_replica_full_sync_buffer", "mem_clients_slaves")
    private static let noForks = ZeroFields(
        "async_loading", "current_cow_peak", "current_cow_size", "current_cow_size_age")
    private static let noCopies = ZeroFields("module_fork_in_progress", "module_fork_last_cow_size")
    private static let noReplicaTraffic = ZeroFields(
        "total_net_repl_input_bytes", "total_net_repl_output_bytes")
    private static let noSynchronizations = ZeroFields(
        "sync_full", "sync_partial_ok", "sync_partial_err")
    private static let noForkTimes = ZeroFields("latest_fork_usec", "total_forks")
    private static let noReplicaExpiry = ZeroFields("slave_expires_tracked_keys")
    private static let noThreads = ZeroFields(
        "io_threaded_reads_processed", "io_threaded_writes_processed", "io_threaded_total_prefetch_batches",
        "io_threaded_total_prefetch_entries")
    // Every payload is examined as it is read, and replies lie in a buffer that all clients share.
    private static let noSanitizing = ZeroFields("dump_payload_sanitizations")
    private static let noReplyBuffers = ZeroFields("reply_buffer_shrinks", "reply_buffer_expands")
    private static let noRefusals = ZeroFields(
        "acl_access_denied_cmd", "acl_access_denied_key", "acl_access_denied_channel")

    // MARK: sections

    @Sendable private static func writeServer(_ server: Server, _ text: InfoText) {
        let uptime = server.clock.uptimeSeconds
        text.add("redis_version", text: Product.redisVersion)
        text.add("redis_git_sha1", "00000000")
        text.add("redis_git_dirty", 0)
        text.add("redis_build_id", "0")
        text.add("redis_mode", "standalone")
        text.add("server_name", text: Product.name)
        text.add("resp_server_version", text: Product.version)
        text.add("os", text: SystemFacts.operatingSystem)
        text.add("arch_bits", Int.bitWidth)
        text.add("monotonic_clock", "POSIX clock_gettime")
        text.add("multiplexing_api", "epoll")
        text.add("atomicvar_api", "none")
        text.add("gcc_version", "0.0.0")
        text.add("process_id", Int(SystemFacts.processID))
        text.add("process_supervised", text: server.supervisor.kind.rawValue)
        text.add("run_id", text: server.runID)
        text.add("tcp_port", server.configuration.settings.port)
        text.add("server_time_usec", Int(Syscall.wallMicroseconds()))
        text.add("uptime_in_seconds", uptime)
        text.add("uptime_in_days", uptime / 86_400)
        text.add("hz", server.configuration.settings.hz)
        text.add("configured_hz", server.configuration.settings.hz)
        text.add("lru_clock", Int(server.engine.now / 1000) & 0xFF_FFFF)
        text.add("executable", text: SystemFacts.executable)
        text.add("config_file", text: server.configuration.filePath ?? "")
        text.add("io_threads_active", 0)
        var listenerCount = 0
        if server.listeners.hasTCP {
            text.piece("listener", listenerCount, ":name=tcp")
            for address in server.configuration.settings.bindAddresses { text.piece(",bind=", text: address) }
            text.piece(",port=", server.configuration.settings.port, "\r\n")
            listenerCount += 1
        }
        if server.listeners.hasUnix {
            text.piece("listener", listenerCount, ":name=unix")
            text.piece(",bind=", text: server.configuration.settings.unixSocket, "\r\n")
        }
    }

    @Sendable private static func writeClients(_ server: Server, _ text: InfoText) {
        let sample = server.sampledFigures
        // While no key is watched, connections need not be visited. What is left of watches that are broken does not count.
        let watchedKeyCount = server.keyspaceListeners.watches.keyCount
        let watches = watchedKeyCount == 0 ? [] : server.connections.all.compactMap(\.watches)
        let intact = watches.filter { $0.count > 0 }
        text.add("connected_clients", server.connections.count)
        text.add("cluster_connections", 0)
        text.add("maxclients", server.configuration.settings.maxClients)
        text.add("client_recent_max_input_buffer", sample.largestInput)
        text.add("client_recent_max_output_buffer", sample.largestOutput)
        text.add(
            "blocked_clients",
            server.pause.suspended.count + server.memoryLimit.suspended.count + server.keyspaceListeners.blocked.count)
        text.add("tracking_clients", server.tracking.clientCount)
        text.add("pubsub_clients", server.pubsub.subscriberCount)
        text.add("watching_clients", intact.count)
        text.add("clients_in_timeout_table", server.keyspaceListeners.blocked.deadlineCount)
        text.add(
            "total_watched_keys",
            intact.count == watches.count ? watchedKeyCount : ClientWatches.keyCount(ofAll: intact))
        text.add("total_blocking_keys", server.keyspaceListeners.blocked.keyCount)
        text.add("total_blocking_keys_on_nokey", server.keyspaceListeners.blocked.endingKeyCount)
    }

    @Sendable private static func writeMemory(_ server: Server, _ text: InfoText) {
        let figures = MemoryFigures(server)
        text.addSize("used_memory", figures.used)
        text.addSize("used_memory_rss", figures.resident)
        text.addSize("used_memory_peak", figures.peak)
        text.add("used_memory_peak_time", server.upkeep.memoryPeak.time)
        text.add("used_memory_peak_perc", decimal: MemoryFigures.ratio(figures.used, figures.peak) * 100, "%")
        text.add("used_memory_overhead", figures.overhead)
        text.add("used_memory_startup", figures.startup)
        text.add("used_memory_dataset", figures.dataset)
        text.add(
            "used_memory_dataset_perc",
            decimal: MemoryFigures.ratio(figures.dataset, figures.used - figures.startup) * 100, "%")
        text.add("allocator_allocated", figures.used)
        text.add("allocator_active", figures.active)
        text.add("allocator_resident", figures.allocatorResident)
        text.add("allocator_muzzy", 0)
        text.addSize("total_system_memory", SystemFacts.totalMemory)
        let scripts = server.scripts
        text.add("used_memory_lua", scripts.scriptInterpreterBytes)
        text.add("used_memory_vm_eval", scripts.scriptInterpreterBytes)
        text.addHuman("used_memory_lua", scripts.scriptInterpreterBytes)
        text.add("used_memory_scripts_eval", scripts.cache.byteCount)
        text.add("number_of_cached_scripts", scripts.cache.count)
        text.add("number_of_functions", scripts.functions.functionCount)
        text.add("number_of_libraries", scripts.functions.libraryCount)
        text.add("used_memory_vm_functions", scripts.functionInterpreterBytes)
        text.addSize("used_memory_vm_total", scripts.scriptInterpreterBytes + scripts.functionInterpreterBytes)
        text.add("used_memory_functions", scripts.functions.byteCount)
        text.addSize("used_memory_scripts", scripts.cache.byteCount + scripts.functions.byteCount)
        text.addSize("maxmemory", server.configuration.settings.maxMemory)
        text.add("maxmemory_policy", text: server.configuration.settings.maxMemoryPolicy.rawValue)
        text.add("allocator_frag_ratio", decimal: MemoryFigures.ratio(figures.active, figures.used))
        text.add("allocator_frag_bytes", figures.active - figures.used)
        text.add(
            "allocator_rss_ratio", decimal: MemoryFigures.ratio(figures.allocatorResident, figures.active))
        text.add("allocator_rss_bytes", figures.allocatorResident - figures.active)
        text.add(
            "rss_overhead_ratio",
            decimal: MemoryFigures.ratio(figures.resident, figures.allocatorResident))
        text.add("rss_overhead_bytes", figures.resident - figures.allocatorResident)
        text.add("mem_fragmentation_ratio", decimal: MemoryFigures.ratio(figures.resident, figures.used))
        text.add("mem_fragmentation_bytes", figures.resident - figures.used)
        text.add("mem_not_counted_for_evict", server.engine.bytesHeldBySnapshot)
        text.add(noReplicationMemory)
        text.add("mem_clients_normal", figures.clients)
        text.add("mem_cluster_links", 0)
        text.add("mem_aof_buffer", figures.log)
        text.add("mem_allocator", "slabs")
        text.add("mem_overhead_db_hashtable_rehashing", 0)
        text.add("active_defrag_running", server.defragmentation.share)
        text.add("lazyfree_pending_objects", server.engine.garbageCount)
        text.add("lazyfreed_objects", server.engine.freedGarbageCount)
    }

    @Sendable private static func writePersistence(_ server: Server, _ text: InfoText) {
        let persistence = server.persistence
        text.add("loading", persistence.loading == nil ? 0 : 1)
        text.add(noForks)
        text.add(
            "current_fork_perc",
            decimal: MemoryFigures.ratio(
                persistence.background?.saver.keyCount ?? 0, persistence.background?.saver.totalCount ?? 0) * 100)
        let background = persistence.background
        text.add("current_save_keys_processed", background?.saver.keyCount ?? 0)
        text.add("current_save_keys_total", background?.saver.totalCount ?? 0)
        text.add("rdb_changes_since_last_save", server.engine.unsavedChangeCount)
        let snapshot = background?.rewrite == nil ? background : nil
        text.add("rdb_bgsave_in_progress", snapshot == nil ? 0 : 1)
        text.add("rdb_last_save_time", Int(persistence.lastSave))
        text.add("rdb_last_bgsave_status", persistence.lastSaveSucceeded ? "ok" : "err")
        text.add("rdb_last_bgsave_time_sec", persistence.lastDuration)
        text.add(
            "rdb_current_bgsave_time_sec", snapshot.map { Int(server.engine.now / 1000 - $0.start) } ?? -1)
        text.add("rdb_saves", persistence.saveCount)
        text.add("rdb_last_cow_size", 0)
        text.add("rdb_last_load_keys_expired", persistence.lastLoad.expiredCount)
        text.add("rdb_last_load_keys_loaded", persistence.lastLoad.keyCount)
        writeLog(server, text)
        if let loading = persistence.loading {
            text.add("loading_start_time", Int(loading.start))
            text.add("loading_total_bytes", loading.byteCount)
            text.add("loading_rdb_used_mem", loading.usedMemory)
            text.add("loading_loaded_bytes", loading.loadedBytes)
            text.add("loading_loaded_perc", decimal: loading.percentage)
            text.add("loading_eta_seconds", loading.remainingSeconds(now: server.engine.now / 1000))
        }
    }

    /// What is told of the append-only file.
    private static func writeLog(_ server: Server, _ text: InfoText) {
        let appendOnly = server.appendOnly
        let rewrite = server.persistence.background.flatMap { $0.rewrite == nil ? nil : $0 }
        let isScheduled = appendOnly.isScheduled ? 1 : 0
        text.add("aof_enabled", appendOnly.state == .off ? 0 : 1)
        text.add("aof_rewrite_in_progress", rewrite == nil ? 0 : 1)
        text.add("aof_rewrite_scheduled", isScheduled)
        text.add("aof_last_rewrite_time_sec", appendOnly.lastDuration)
        text.add(
            "aof_current_rewrite_time_sec", rewrite.map { Int(server.engine.now / 1000 - $0.start) } ?? -1)
        text.add("aof_last_bgrewrite_status", appendOnly.lastRewriteSucceeded ? "ok" : "err")
        text.add("aof_rewrites", appendOnly.rewriteCount)
        text.add("aof_rewrites_consecutive_failures", appendOnly.failuresInARow)
        text.add("aof_last_write_status", appendOnly.writer.failure == nil ? "ok" : "err")
        text.add("aof_last_cow_size", 0)
        text.add(noCopies)
        guard appendOnly.state != .off else { return }
        text.add("aof_current_size", appendOnly.byteCount)
        text.add("aof_base_size", appendOnly.byteCountOfBase)
        text.add("aof_pending_rewrite", isScheduled)
        text.add("aof_buffer_length", appendOnly.writer.log.wholeCount)
        text.add("aof_pending_bio_fsync", appendOnly.writer.pendingSyncs)
        text.add("aof_delayed_fsync", appendOnly.writer.delayedSyncs)
    }

    @Sendable private static func writeThreads(_ server: Server, _ text: InfoText) {
        text.piece("io_thread_0:clients=", server.connections.count)
        text.piece(",reads=", server.statistics.reads)
        text.piece(",writes=", server.replies.writes, "\r\n")
    }

    @Sendable private static func writeStatistics(_ server: Server, _ text: InfoText) {
        let statistics = server.statistics
        let engine = server.engine.statistics
        let (calls, cycles) = server.commands.totals
        text.add("total_connections_received", statistics.connectionsReceived)
        // As in Redis, only commands that were executed: neither rejected ones nor this INFO.
        text.add("total_commands_processed", calls)
        text.add("instantaneous_ops_per_sec", Int(server.upkeep.rates.commands))
        text.add("total_net_input_bytes", statistics.inputBytes)
        text.add("total_net_output_bytes", server.replies.outputBytes)
        text.add(noReplicaTraffic)
        text.add("instantaneous_input_kbps", decimal: server.upkeep.rates.inputBytes / 1024)
        text.add("instantaneous_output_kbps", decimal: server.upkeep.rates.outputBytes / 1024)
        text.add("instantaneous_input_repl_kbps", "0.00")
        text.add("instantaneous_output_repl_kbps", "0.00")
        text.add("rejected_connections", statistics.connectionsRejected)
        text.add(noSynchronizations)
        text.add("expired_subkeys", engine.expiredFields)
        text.add("expired_keys", engine.expiredKeys)
        text.add("expired_stale_perc", "0.00")
        text.add("expired_time_cap_reached_count", 0)
        text.add(
            "expire_cycle_cpu_milliseconds", Int(server.clock.microseconds(cycles: server.expiry.cycles) / 1000))
        text.add("evicted_keys", engine.evictedKeys)
        text.add("evicted_clients", statistics.evictedClients)
        text.add("evicted_scripts", server.scripts.evictedCount)
        text.add("total_eviction_exceeded_time", Int(server.memoryLimit.excess.total / 1000))
        text.add("current_eviction_exceeded_time", Int(server.memoryLimit.excess.current / 1000))
        text.add("keyspace_hits", engine.keyspaceHits)
        text.add("keyspace_misses", engine.keyspaceMisses)
        text.add("pubsub_channels", server.pubsub.channels.count)
        text.add("pubsub_patterns", server.pubsub.patterns.count)
        text.add("pubsubshard_channels", server.pubsub.shardChannels.count)
        text.add(noForkTimes)
        text.add("migrate_cached_sockets", server.migration.sockets.count)
        text.add(noReplicaExpiry)
        let defragmentation = server.engine.defragmentationStatistics
        text.add("active_defrag_hits", defragmentation.moved)
        text.add("active_defrag_misses", defragmentation.kept)
        text.add("active_defrag_key_hits", defragmentation.keysMoved)
        text.add("active_defrag_key_misses", defragmentation.keysKept)
        text.add("total_active_defrag_time", Int(server.defragmentation.totalMilliseconds))
        text.add("current_active_defrag_time", Int(server.defragmentation.currentMilliseconds))
        text.add("tracking_total_keys", server.tracking.keyCount)
        text.add("tracking_total_items", server.tracking.itemCount)
        text.add("tracking_total_prefixes", server.tracking.prefixCount)
        text.add("unexpected_error_replies", 0)
        text.add("total_error_replies", server.errors.statistics.total)
        text.add(noSanitizing)
        text.add("total_reads_processed", statistics.reads)
        text.add("total_writes_processed", server.replies.writes)
        text.add(noThreads)
        text.add(noReplyBuffers)
        text.add("client_query_buffer_limit_disconnections", statistics.clientsClosedByQueryLimit)
        text.add("client_output_buffer_limit_disconnections", statistics.clientsClosedByOutputLimit)
        text.add("eventloop_cycles", statistics.turns)
        text.add("eventloop_duration_sum", Int(server.clock.microseconds(cycles: statistics.turnCycles)))
        text.add(
            "eventloop_duration_cmd_sum", Int(server.clock.microseconds(cycles: cycles &- statistics.nestedCycles)))
        text.add("instantaneous_eventloop_cycles_per_sec", Int(server.upkeep.rates.turns))
        text.add(
            "instantaneous_eventloop_duration_usec",
            Int(server.clock.microseconds(cycles: UInt64(server.upkeep.rates.turnCycles))))
        text.add("acl_access_denied_auth", statistics.deniedAuthentications)
        text.add(noRefusals)
    }

    @Sendable private static func writeReplication(_ server: Server, _ text: InfoText) {
        text.add("role", "master")
        text.add("connected_slaves", 0)
        text.add("master_failover_state", "no-failover")
        text.add("master_replid", text: server.runID)
        text.add("master_replid2", "0000000000000000000000000000000000000000")
        text.add("master_repl_offset", 0)
        text.add("second_repl_offset", -1)
        text.add("repl_backlog_active", 0)
        text.add("repl_backlog_size", 1_048_576)
        text.add("repl_backlog_first_byte_offset", 0)
        text.add("repl_backlog_histlen", 0)
    }

    @Sendable private static func writeProcessor(_ server: Server, _ text: InfoText) {
        func add(_ name: ByteSlice, _ suffix: ByteSlice, microseconds: Int) {
            text.piece(name, suffix)
            text.piece(":", microseconds / 1_000_000)
            // Six digits with leading zeros: a million is added, and its first digit left out.
            Decimal.withText(1_000_000 + microseconds % 1_000_000) { text.piece(".", $0.dropFirst(1)) }
            text.endLine()
        }
        func add(_ consumer: SystemFacts.Consumer, _ suffix: ByteSlice) {
            let time = SystemFacts.processorTime(of: consumer)
            add("used_cpu_sys", suffix, microseconds: time.systemMicroseconds)
            add("used_cpu_user", suffix, microseconds: time.userMicroseconds)
        }
        add(.process, "")
        add(.children, "_children")
        add(.thread, "_main_thread")
    }

    @Sendable private static func writeCommands(_ server: Server, _ text: InfoText) {
        for record in server.commands.allRecords
        where record.calls > 0 || record.failedCalls > 0 || record.rejectedCalls > 0 {
            let total = Int(server.clock.microseconds(cycles: record.cycles))
            let each = record.calls > 0 ? Double(total) / Double(record.calls) : 0
            text.piece("cmdstat_", text: record.fullName)
            text.piece(":calls=", record.calls)
            text.piece(",usec=", total)
            text.piece(",usec_per_call=", decimal: each)
            text.piece(",rejected_calls=", record.rejectedCalls)
            text.piece(",failed_calls=", record.failedCalls, "\r\n")
        }
    }

    @Sendable private static func writeErrors(_ server: Server, _ text: InfoText) {
        for (code, count) in server.errors.statistics.byCode.sorted(by: { $0.key < $1.key }) {
            // Characters with a meaning in a line are replaced.
            let name = String(code.map { "#:\r\n".contains($0) ? "_" : $0 })
            text.piece("errorstat_", text: name)
            text.piece(":count=", count, "\r\n")
        }
    }

    @Sendable private static func writeLatencies(_ server: Server, _ text: InfoText) {
        guard server.configuration.settings.latencyTracking else { return }
        let percentages = server.configuration.settings.latencyTrackingPercentiles
        for record in server.commands.allRecords where !record.handle.latencies.isEmpty {
            text.piece("latency_percentiles_usec_", text: record.fullName)
            let times = record.handle.latencies.percentiles(percentages)
            for (index, (percentage, time)) in zip(percentages, times).enumerated() {
                text.piece(index == 0 ? ":p" : ",p", text: SettingNumber.decimalText(percentage))
                text.piece("=", time / 1000)
                Decimal.withText(1000 + time % 1000) { text.piece(".", $0.dropFirst(1)) }
            }
            if percentages.isEmpty { text.piece(":", "") }
            text.endLine()
        }
    }

    @Sendable private static func writeTurns(_ server: Server, _ text: InfoText) {
        let statistics = server.statistics
        text.add(
            "eventloop_duration_aof_sum", Int(server.clock.microseconds(cycles: server.appendOnly.cycles)))
        text.add("eventloop_duration_cron_sum", Int(server.clock.microseconds(cycles: statistics.upkeepCycles)))
        text.add("eventloop_duration_max", Int(server.clock.microseconds(cycles: statistics.longestTurnCycles)))
        text.add("eventloop_cmd_per_cycle_max", statistics.mostCommandsInATurn)
    }

    @Sendable private static func writeKeyspace(_ server: Server, _ text: InfoText) {
        for database in server.engine.databasesInUse where database.count > 0 {
            text.piece("db", database.index)
            text.piece(":keys=", database.count)
            text.piece(",expires=", database.deadlineCount)
            text.piece(",avg_ttl=", database.meanTimeToLive(now: server.engine.now))
            text.piece(",subexpiry=", database.fieldDeadlineCount, "\r\n")
        }
    }

    private static func sizesName(of type: ValueType) -> ByteSlice {
        switch type {
        case .string: "strings_sizes"
        case .list: "lists_items"
        case .set: "sets_items"
        case .sortedSet: "zsets_items"
        case .hash: "hashes_items"
        case .stream: preconditionFailure("sizes of streams are not counted")
        }
    }

    /// For each type of which a database has keys, how many have values of which sizes.
    @Sendable private static func writeKeySizes(_ server: Server, _ text: InfoText) {
        for database in server.engine.databasesInUse where database.count > 0 {
            for type in ValueType.sized {
                var isFirst = true
                database.forEachKeySize(of: type) { smallest, count in
                    if isFirst {
                        text.piece("db", database.index)
                        text.piece("_distrib_", sizesName(of: type))
                    }
                    text.powerOfTwo(isFirst ? ":" : ",", smallest)
                    text.piece("=", count)
                    isFirst = false
                }
                if !isFirst { text.endLine() }
            }
        }
    }
}

/// The reply of INFO while it is written.
private struct InfoText {
    private let reply: ReplyWriter

    init(_ reply: ReplyWriter) { self.reply = reply }

    func begin(_ title: ByteSlice, isFirst: Bool) { reply.text(isFirst ? "# " : "\r\n# ", "", title, "\r\n") }

    func add(_ name: ByteSlice, _ value: Int) { reply.text(name, ":", value, "\r\n") }
    func add(_ name: ByteSlice, _ value: ByteSlice) { reply.text(name, ":", value, "\r\n") }
    func add(_ name: ByteSlice, text value: String) { reply.text(name, ":", string: value, "\r\n") }

    /// With two decimals.
    func add(_ name: ByteSlice, decimal value: Double, _ unit: ByteSlice = "") {
        reply.text(name, ":", hundredths: Self.hundredths(value), unit)
        reply.raw("\r\n")
    }

    /// Fields whose value is always 0.
    func add(_ zeros: ZeroFields) { zeros.text.withByteSlice { reply.raw($0) } }

    /// A part of a line.
    func piece(_ name: ByteSlice, _ value: Int, _ end: ByteSlice = "") { reply.text(name, "", value, end) }
    func piece(_ name: ByteSlice, decimal value: Double, _ end: ByteSlice = "") {
        reply.text(name, "", hundredths: Self.hundredths(value), end)
    }
    func piece(_ name: ByteSlice, text value: String, _ end: ByteSlice = "") {
        reply.text(name, "", string: value, end)
    }
    func piece(_ name: ByteSlice, _ value: ByteSlice) { reply.text(name, "", value, "") }
    /// With a unit from 1024 on.
    func powerOfTwo(_ name: ByteSlice, _ value: Int) {
        let units: [ByteSlice] = ["", "K", "M", "G", "T", "P", "E"]
        let unit = value == 0 ? 0 : value.trailingZeroBitCount / 10
        piece(name, value >> (unit * 10), units[unit])
    }
    func endLine() { reply.raw("\r\n") }

    /// A number of bytes, and a second field with it in a readable unit.
    func addSize(_ name: ByteSlice, _ bytes: Int) {
        add(name, bytes)
        addHuman(name, bytes)
    }

    /// A number of bytes as people write it.
    func addHuman(_ name: ByteSlice, _ bytes: Int) {
        reply.raw(name)
        guard bytes >= 1024 else { return reply.text("_human", ":", bytes, "B\r\n") }
        var unit = 1024.0
        for letter: ByteSlice in ["K\r\n", "M\r\n", "G\r\n", "T\r\n"] {
            if Double(bytes) < unit * 1024 {
                return reply.text("_human", ":", hundredths: Self.hundredths(Double(bytes) / unit), letter)
            }
            unit *= 1024
        }
        reply.text("_human", ":", hundredths: Self.hundredths(Double(bytes) / unit), "P\r\n")
    }

    private static func hundredths(_ value: Double) -> Int {
        guard value.isFinite, abs(value) < 1e15 else { return 0 }
        return Int((value * 100).rounded())
    }
}

/// Fields whose value is always 0, as lines.
private struct ZeroFields {
    let text: [UInt8]

    init(_ names: String...) { text = names.flatMap { Array("\($0):0\r\n".utf8) } }
}
