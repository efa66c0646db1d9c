// INFO: the state of the server as lines of text.
//
// Field names are those of Redis 7.2. What this version does not have (snapshots, replication, scripts, defragmentation) is
// listed where a value says that nothing happened, because monitoring programs ask for these fields. Fields that would claim
// something are left out: that the last snapshot went well, or numbers that nobody counts.

import Glibc
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
    ]

    private typealias Section = (
        name: String, title: String, isDefault: Bool, write: @Sendable (Server, inout InfoText) -> Void
    )

    /// In the order in which they are shown.
    private static let sections: [Section] = [
        ("server", "Server", true, writeServer), ("clients", "Clients", true, writeClients),
        ("memory", "Memory", true, writeMemory), ("persistence", "Persistence", true, writePersistence),
        ("threads", "Threads", true, writeThreads),
        ("stats", "Stats", true, writeStatistics), ("replication", "Replication", true, writeReplication),
        ("cpu", "CPU", true, writeProcessor), ("modules", "Modules", true, { _, _ in }),
        ("commandstats", "Commandstats", false, writeCommands), ("errorstats", "Errorstats", true, writeErrors),
        ("cluster", "Cluster", true, { _, text in text.add("cluster_enabled", 0) }),
        ("keyspace", "Keyspace", true, writeKeyspace),
    ]

    @Sendable static func run(_ context: inout SessionContext, _ arguments: Arguments) throws(CommandError) {
        var names: Set<String> = []
        var isAll = false
        for index in 1..<max(arguments.count, 1) {
            switch arguments[index].lowercasedText {
            case "all", "everything": isAll = true
            case "default": names.formUnion(sections.filter(\.isDefault).map(\.name))
            case "module_list": names.insert("modules")
            case let name: names.insert(name)
            }
        }
        if arguments.count == 1 { names = Set(sections.filter(\.isDefault).map(\.name)) }
        var text = InfoText()
        for section in sections where isAll || names.contains(section.name) {
            text.begin(section.title)
            section.write(context.server, &text)
        }
        context.reply.verbatim(text.text)
    }

    // MARK: sections

    @Sendable private static func writeServer(_ server: Server, _ text: inout InfoText) {
        let settings = server.configuration.settings
        let uptime = Int((Syscall.monotonicMicroseconds() - server.startMicroseconds) / 1_000_000)
        text.add("redis_version", Product.redisVersion)
        text.add("redis_git_sha1", "00000000")
        text.add("redis_git_dirty", 0)
        text.add("redis_build_id", "0")
        text.add("redis_mode", "standalone")
        text.add("server_name", Product.name)
        text.add("resp_server_version", Product.version)
        text.add("os", SystemFacts.operatingSystem)
        text.add("arch_bits", Int.bitWidth)
        text.add("monotonic_clock", "POSIX clock_gettime")
        text.add("multiplexing_api", "epoll")
        text.add("atomicvar_api", "none")
        text.add("gcc_version", "0.0.0")
        text.add("process_id", Int(getpid()))
        text.add("process_supervised", server.supervisor.kind.rawValue)
        text.add("run_id", server.runID)
        text.add("tcp_port", settings.port)
        text.add("server_time_usec", Int(Syscall.wallMicroseconds()))
        text.add("uptime_in_seconds", uptime)
        text.add("uptime_in_days", uptime / 86_400)
        text.add("hz", settings.hz)
        text.add("configured_hz", settings.hz)
        text.add("lru_clock", Int(server.engine.now / 1000) & 0xFF_FFFF)
        text.add("executable", SystemFacts.executable)
        text.add("config_file", server.configuration.filePath ?? "")
        text.add("io_threads_active", 0)
        var listeners: [String] = []
        if server.listeners.contains(where: { !$0.isUnix }) {
            let binds = settings.bindAddresses.map { ",bind=\($0)" }.joined()
            listeners.append("name=tcp\(binds),port=\(settings.port)")
        }
        if server.listeners.contains(where: \.isUnix) { listeners.append("name=unix,bind=\(settings.unixSocket)") }
        for (index, listener) in listeners.enumerated() { text.add(named: "listener\(index)", listener) }
    }

    @Sendable private static func writeClients(_ server: Server, _ text: inout InfoText) {
        let sample = server.sampledFigures
        // While nobody watches anything, nobody need be asked.
        let watching =
            server.keyspaceListeners.watches.keyCount == 0
            ? 0 : server.connections.count { $0.map { $0.watches.count > 0 } ?? false }
        text.add("connected_clients", server.connectionCount)
        text.add("cluster_connections", 0)
        text.add("maxclients", server.configuration.settings.maxClients)
        text.add("client_recent_max_input_buffer", sample.largestInput)
        text.add("client_recent_max_output_buffer", sample.largestOutput)
        text.add("blocked_clients", server.pause.suspended.count { !$0.isClosed } + server.keyspaceListeners.blocked.count)
        text.add("tracking_clients", 0)
        text.add("pubsub_clients", 0)
        text.add("watching_clients", watching)
        text.add("clients_in_timeout_table", server.keyspaceListeners.blocked.deadlineCount)
        text.add("total_watched_keys", server.keyspaceListeners.watches.keyCount)
        text.add("total_blocking_keys", server.keyspaceListeners.blocked.keyCount)
        text.add("total_blocking_keys_on_nokey", server.keyspaceListeners.blocked.endingKeyCount)
    }

    @Sendable private static func writeMemory(_ server: Server, _ text: inout InfoText) {
        let figures = MemoryFigures(server)
        text.addSize("used_memory", figures.used)
        text.addSize("used_memory_rss", figures.resident)
        text.addSize("used_memory_peak", figures.peak)
        text.add("used_memory_peak_time", server.peakUsedTime)
        text.add("used_memory_peak_perc", InfoText.decimal(MemoryFigures.ratio(figures.used, figures.peak) * 100) + "%")
        text.add("used_memory_overhead", figures.overhead)
        text.add("used_memory_startup", figures.startup)
        text.add("used_memory_dataset", figures.dataset)
        text.add(
            "used_memory_dataset_perc",
            InfoText.decimal(MemoryFigures.ratio(figures.dataset, figures.used - figures.startup) * 100) + "%")
        text.add("allocator_allocated", figures.used)
        text.add("allocator_active", figures.active)
        text.add("allocator_resident", figures.allocatorResident)
        text.add("allocator_muzzy", 0)
        text.addSize("total_system_memory", SystemFacts.totalMemory)
        text.add("used_memory_lua", 0)
        text.add("used_memory_vm_eval", 0)
        text.add("used_memory_lua_human", "0B")
        for name: ByteSlice in [
            "used_memory_scripts_eval", "number_of_cached_scripts", "number_of_functions", "number_of_libraries",
            "used_memory_vm_functions",
        ] { text.add(name, 0) }
        text.addSize("used_memory_vm_total", 0)
        text.add("used_memory_functions", 0)
        text.addSize("used_memory_scripts", 0)
        // Whatever the settings: nothing bounds the memory, and nothing is evicted.
        text.addSize("maxmemory", 0)
        text.add("maxmemory_policy", EvictionPolicy.noEviction.rawValue)
        text.add("allocator_frag_ratio", InfoText.decimal(MemoryFigures.ratio(figures.active, figures.used)))
        text.add("allocator_frag_bytes", figures.active - figures.used)
        text.add(
            "allocator_rss_ratio", InfoText.decimal(MemoryFigures.ratio(figures.allocatorResident, figures.active)))
        text.add("allocator_rss_bytes", figures.allocatorResident - figures.active)
        text.add(
            "rss_overhead_ratio",
            InfoText.decimal(MemoryFigures.ratio(figures.resident, figures.allocatorResident)))
        text.add("rss_overhead_bytes", figures.resident - figures.allocatorResident)
        text.add("mem_fragmentation_ratio", InfoText.decimal(MemoryFigures.ratio(figures.resident, figures.used)))
        text.add("mem_fragmentation_bytes", figures.resident - figures.used)
        for name: ByteSlice in [
            "mem_not_counted_for_evict", "mem_replication_backlog", "mem_total_replication_buffers",
            "mem_replica_full_sync_buffer", "mem_clients_slaves",
        ] { text.add(name, 0) }
        text.add("mem_clients_normal", figures.clients)
        text.add("mem_cluster_links", 0)
        text.add("mem_aof_buffer", 0)
        text.add("mem_allocator", "slabs")
        text.add("mem_overhead_db_hashtable_rehashing", 0)
        text.add("active_defrag_running", 0)
        text.add("lazyfree_pending_objects", server.engine.garbageCount)
        text.add("lazyfreed_objects", server.engine.statistics.lazyFreedObjects)
    }

    @Sendable private static func writePersistence(_ server: Server, _ text: inout InfoText) {
        for name: ByteSlice in [
            "loading", "async_loading", "current_cow_peak", "current_cow_size", "current_cow_size_age",
        ] {
            text.add(name, 0)
        }
        text.add("current_fork_perc", "0.00")
        text.add("current_save_keys_processed", 0)
        text.add("current_save_keys_total", 0)
        text.add("rdb_changes_since_last_save", server.engine.dirty)
        text.add("rdb_bgsave_in_progress", 0)
        // Never. Redis counts from its start, as if data were safe until then; who watches the age of backups shall be told.
        text.add("rdb_last_save_time", 0)
        text.add("rdb_last_bgsave_time_sec", -1)
        text.add("rdb_current_bgsave_time_sec", -1)
        for name: ByteSlice in [
            "rdb_saves", "rdb_last_cow_size", "rdb_last_load_keys_expired", "rdb_last_load_keys_loaded", "aof_enabled",
            "aof_rewrite_in_progress", "aof_rewrite_scheduled",
        ] { text.add(name, 0) }
        text.add("aof_last_rewrite_time_sec", -1)
        text.add("aof_current_rewrite_time_sec", -1)
        text.add("aof_rewrites", 0)
        text.add("aof_rewrites_consecutive_failures", 0)
        for name: ByteSlice in ["aof_last_cow_size", "module_fork_in_progress", "module_fork_last_cow_size"] {
            text.add(name, 0)
        }
    }

    @Sendable private static func writeThreads(_ server: Server, _ text: inout InfoText) {
        let (reads, writes) = (server.statistics.reads, server.statistics.writes)
        text.add("io_thread_0", "clients=\(server.connectionCount),reads=\(reads),writes=\(writes)")
    }

    @Sendable private static func writeStatistics(_ server: Server, _ text: inout InfoText) {
        let statistics = server.statistics
        let engine = server.engine.statistics
        var calls = 0
        var cycles: UInt64 = 0
        for record in server.commands.records {
            calls += record.calls + record.subcommands.reduce(0) { $0 + $1.calls }
            cycles &+= record.cycles &+ record.subcommands.reduce(0) { $0 &+ $1.cycles }
        }
        func zeros(_ names: ByteSlice...) { for name in names { text.add(name, 0) } }
        text.add("total_connections_received", statistics.connectionsReceived)
        // As in Redis, only what was executed: neither what was refused nor the command that asks.
        text.add("total_commands_processed", calls)
        text.add("instantaneous_ops_per_sec", Int(server.rates.commands))
        text.add("total_net_input_bytes", statistics.inputBytes)
        text.add("total_net_output_bytes", statistics.outputBytes)
        zeros("total_net_repl_input_bytes", "total_net_repl_output_bytes")
        text.add("instantaneous_input_kbps", InfoText.decimal(server.rates.inputBytes / 1024))
        text.add("instantaneous_output_kbps", InfoText.decimal(server.rates.outputBytes / 1024))
        text.add("instantaneous_input_repl_kbps", "0.00")
        text.add("instantaneous_output_repl_kbps", "0.00")
        text.add("rejected_connections", statistics.connectionsRejected)
        zeros("sync_full", "sync_partial_ok", "sync_partial_err")
        text.add("expired_subkeys", engine.expiredFields)
        text.add("expired_keys", engine.expiredKeys)
        text.add("expired_stale_perc", "0.00")
        zeros(
            "expired_time_cap_reached_count", "evicted_keys", "evicted_clients", "evicted_scripts",
            "total_eviction_exceeded_time", "current_eviction_exceeded_time")
        text.add("keyspace_hits", engine.keyspaceHits)
        text.add("keyspace_misses", engine.keyspaceMisses)
        zeros(
            "pubsub_channels", "pubsub_patterns", "pubsubshard_channels", "latest_fork_usec", "total_forks",
            "migrate_cached_sockets", "slave_expires_tracked_keys", "active_defrag_hits", "active_defrag_misses",
            "active_defrag_key_hits", "active_defrag_key_misses", "total_active_defrag_time",
            "current_active_defrag_time",
            "tracking_total_keys", "tracking_total_items", "tracking_total_prefixes", "unexpected_error_replies")
        text.add("total_error_replies", statistics.errorReplies)
        text.add("total_reads_processed", statistics.reads)
        text.add("total_writes_processed", statistics.writes)
        zeros(
            "io_threaded_reads_processed", "io_threaded_writes_processed", "io_threaded_total_prefetch_batches",
            "io_threaded_total_prefetch_entries")
        text.add("client_query_buffer_limit_disconnections", statistics.clientsClosedByQueryLimit)
        text.add("client_output_buffer_limit_disconnections", statistics.clientsClosedByOutputLimit)
        text.add("eventloop_cycles", statistics.turns)
        text.add("eventloop_duration_sum", Int(server.microseconds(cycles: statistics.turnCycles)))
        text.add("eventloop_duration_cmd_sum", Int(server.microseconds(cycles: cycles)))
        text.add("instantaneous_eventloop_cycles_per_sec", Int(server.rates.turns))
        text.add(
            "instantaneous_eventloop_duration_usec", Int(server.microseconds(cycles: UInt64(server.rates.turnCycles))))
        zeros("acl_access_denied_cmd", "acl_access_denied_key", "acl_access_denied_channel")
    }

    @Sendable private static func writeReplication(_ server: Server, _ text: inout InfoText) {
        text.add("role", "master")
        text.add("connected_slaves", 0)
        text.add("master_failover_state", "no-failover")
        text.add("master_replid", server.runID)
        text.add("master_replid2", String(repeating: "0", count: 40))
        text.add("master_repl_offset", 0)
        text.add("second_repl_offset", -1)
        text.add("repl_backlog_active", 0)
        text.add("repl_backlog_size", 1_048_576)
        text.add("repl_backlog_first_byte_offset", 0)
        text.add("repl_backlog_histlen", 0)
    }

    @Sendable private static func writeProcessor(_ server: Server, _ text: inout InfoText) {
        func seconds(_ time: timeval) -> String {
            let microseconds = String(time.tv_usec)
            return "\(time.tv_sec)." + String(repeating: "0", count: max(0, 6 - microseconds.count)) + microseconds
        }
        func add(_ who: Int32, _ suffix: String) {
            var usage = rusage()
            getrusage(who, &usage)
            text.add(named: "used_cpu_sys" + suffix, seconds(usage.ru_stime))
            text.add(named: "used_cpu_user" + suffix, seconds(usage.ru_utime))
        }
        add(RUSAGE_SELF.rawValue, "")
        add(RUSAGE_CHILDREN.rawValue, "_children")
        // Linux has one for the calling thread, which the headers hide.
        add(1, "_main_thread")
    }

    @Sendable private static func writeCommands(_ server: Server, _ text: inout InfoText) {
        for record in server.commands.records.flatMap({ [$0] + $0.subcommands })
        where record.calls > 0 || record.failedCalls > 0 || record.rejectedCalls > 0 {
            let total = Int(server.microseconds(cycles: record.cycles))
            let each = record.calls > 0 ? Double(total) / Double(record.calls) : 0
            text.add(
                named: "cmdstat_\(record.fullName)",
                "calls=\(record.calls),usec=\(total),usec_per_call=\(InfoText.decimal(each)),"
                    + "rejected_calls=\(record.rejectedCalls),failed_calls=\(record.failedCalls)")
        }
    }

    @Sendable private static func writeErrors(_ server: Server, _ text: inout InfoText) {
        for (code, count) in server.statistics.errors.sorted(by: { $0.key < $1.key }) {
            // Whatever would break the form of a line is replaced.
            let name = String(code.map { "#:\r\n".contains($0) ? "_" : $0 })
            text.add(named: "errorstat_\(name)", "count=\(count)")
        }
    }

    @Sendable private static func writeKeyspace(_ server: Server, _ text: inout InfoText) {
        for database in server.engine.databasesInUse where database.count > 0 {
            text.add(
                named: "db\(database.index)",
                "keys=\(database.count),expires=\(database.deadlineCount),avg_ttl=0,subexpiry=\(database.fieldDeadlineCount)"
            )
        }
    }
}

/// The reply of INFO while it is written.
private struct InfoText {
    private(set) var text: [UInt8] = []

    init() { text.reserveCapacity(8192) }

    mutating func begin(_ title: String) {
        if !text.isEmpty { endLine() }
        append("# ")
        append(text: title)
        endLine()
    }

    mutating func add(_ name: ByteSlice, _ value: String) {
        append(name)
        append(":")
        append(text: value)
        endLine()
    }

    mutating func add(_ name: ByteSlice, _ value: Int) {
        append(name)
        append(":")
        Decimal.withText(value) { append($0) }
        endLine()
    }

    /// The same for a name that is made up while the program runs.
    mutating func add(named name: String, _ value: String) {
        append(text: name)
        append(":")
        append(text: value)
        endLine()
    }

    private mutating func append(_ piece: ByteSlice) { text.append(contentsOf: piece.rawBytes) }
    private mutating func append(text piece: String) { text.append(contentsOf: piece.utf8) }
    private mutating func endLine() { append("\r\n") }

    /// A number of bytes, and once more for people.
    mutating func addSize(_ name: ByteSlice, _ bytes: Int) {
        add(name, bytes)
        append(name)
        append("_human:")
        append(text: Self.human(bytes))
        endLine()
    }

    /// With two decimals.
    static func decimal(_ value: Double) -> String {
        guard value.isFinite, abs(value) < 1e15 else { return "0.00" }
        let hundredths = Int((abs(value) * 100).rounded())
        let fraction = hundredths % 100
        return "\(value < 0 && hundredths > 0 ? "-" : "")\(hundredths / 100).\(fraction < 10 ? "0" : "")\(fraction)"
    }

    private static func human(_ bytes: Int) -> String {
        guard bytes >= 1024 else { return "\(bytes)B" }
        var unit = 1024.0
        for letter in ["K", "M", "G", "T"] {
            if Double(bytes) < unit * 1024 { return decimal(Double(bytes) / unit) + letter }
            unit *= 1024
        }
        return decimal(Double(bytes) / unit) + "P"
    }
}

/// What the system says of itself and of this process.
enum SystemFacts {
    static let operatingSystem: String = {
        var name = utsname()
        guard uname(&name) == 0 else { return "unknown" }
        func text<Field>(_ field: Field) -> String {
            withUnsafeBytes(of: field) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        }
        return "\(text(name.sysname)) \(text(name.release)) \(text(name.machine))"
    }()

    static let executable: String = {
        var path = [CChar](repeating: 0, count: 4096)
        let length = readlink("/proc/self/exe", &path, path.count)
        return length > 0 ? String(decoding: path[0..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self) : ""
    }()

    private static let pageSize = sysconf(Int32(_SC_PAGESIZE))
    static let totalMemory = sysconf(Int32(_SC_PHYS_PAGES)) * pageSize

    /// The second number of /proc/self/statm counts resident pages.
    static var residentBytes: Int {
        guard let file = fopen("/proc/self/statm", "r") else { return 0 }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        guard fgets(&line, Int32(line.count), file) != nil else { return 0 }
        let words = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self).split(
            separator: " ")
        return words.count > 1 ? (Int(words[1]) ?? 0) * pageSize : 0
    }
}
