// The subcommands of MEMORY that need the server: statistics, a diagnosis, and returning memory to the system. MEMORY USAGE is a command
// of the engine.

import RespCodec
import StoreEngine

enum MemoryCommands {
    /// Added to the engine's container of the same name.
    static let all: [Command<SessionContext>] = [
        .container(
            "MEMORY", group: .server, since: "4.0.0", summary: "Commands about the use of memory.",
            subcommands: [
                subcommand("DOCTOR", isReport: true, "Returns a report on what may be wrong with the use of memory.") {
                    context in
                    context.reply.verbatim(Array(diagnosis(MemoryFigures(context.server), context.server).utf8))
                },
                .help(of: "MEMORY", group: .server, since: "4.0.0", help),
                subcommand("MALLOC-STATS", isReport: true, "Returns what the allocators' memory consists of.") {
                    context in context.reply.verbatim(Array(allocatorReport(context.server).utf8))
                },
                subcommand("PURGE", isReport: false, "Gives memory that is not in use back to the system.") { context in
                    context.server.engine.purge()
                    Syscall.returnFreeMemory()
                    context.reply.ok()
                },
                subcommand("STATS", isReport: true, "Returns where the memory goes.") { context in
                    writeStatistics(MemoryFigures(context.server), context.server.scripts, context.reply)
                },
            ])
    ]

    private static let help = [
        "DOCTOR", "    Return a report on what may be wrong with the use of memory.",
        "MALLOC-STATS", "    Return what the memory of the allocators consists of.",
        "PURGE", "    Give memory that is not in use back to the system.",
        "STATS", "    Return where the memory of the server goes.",
        "USAGE <key> [SAMPLES <count>]",
        "    Return the bytes in use for a key and its value. Of the elements of a large value, up to",
        "    <count> are measured (5 unless told, 0 for all) and stand for the others.",
    ]

    private static func subcommand(
        _ name: String, isReport: Bool, _ summary: String, run: @escaping @Sendable (SessionContext) -> Void
    ) -> Command<SessionContext> {
        let tips =
            isReport
            ? ["nondeterministic_output", "request_policy:all_shards", "response_policy:special"]
            : ["request_policy:all_shards", "response_policy:all_succeeded"]
        return Command(
            name, group: .server, since: "4.0.0", arity: 2, flags: [], tips: tips, syntax: "", summary: summary,
            complexity: "O(N) in the databases in use and the pages of their memory"
        ) { (context, _) throws(CommandError) in run(context) }
    }

    // MARK: statistics

    /// Names are those of Redis 7.4 and 8.2; fields of features that this version does not have are 0.
    private static func writeStatistics(_ figures: MemoryFigures, _ scripts: ScriptRunner, _ reply: ReplyWriter) {
        func add(_ name: String, _ value: Int) {
            reply.bulkString(text: name)
            reply.integer(value)
        }
        func add(_ name: String, _ value: Double) {
            reply.bulkString(text: name)
            reply.double(value)
        }
        reply.map(32 + figures.tables.count)
        add("peak.allocated", figures.peak)
        add("total.allocated", figures.used)
        add("startup.allocated", figures.startup)
        add("replication.backlog", 0)
        add("replica.fullsync.buffer", 0)
        add("clients.slaves", 0)
        add("clients.normal", figures.clients)
        add("cluster.links", 0)
        add("aof.buffer", figures.log)
        // With the interpreters in which they run.
        add("lua.caches", scripts.cache.byteCount + scripts.scriptInterpreterBytes)
        add("functions.caches", scripts.functions.byteCount + scripts.functionInterpreterBytes)
        for table in figures.tables {
            reply.bulkString(text: "db.\(table.database)")
            reply.map(3)
            add("overhead.hashtable.main", table.main)
            add("overhead.hashtable.expires", table.expires)
            add("overhead.hashtable.slot-to-keys", 0)
        }
        add("overhead.db.hashtable.lut", figures.tables.reduce(0) { $0 + $1.main })
        // A table that grows splits one segment at a time.
        add("overhead.db.hashtable.rehashing", 0)
        add("db.dict.rehashing.count", 0)
        add("overhead.total", figures.overhead)
        add("keys.count", figures.keys)
        add("keys.bytes-per-key", figures.bytesPerKey)
        add("dataset.bytes", figures.dataset)
        add("dataset.percentage", MemoryFigures.ratio(figures.dataset, figures.used - figures.startup) * 100)
        add("peak.percentage", MemoryFigures.ratio(figures.used, figures.peak) * 100)
        add("allocator.allocated", figures.used)
        add("allocator.active", figures.active)
        add("allocator.resident", figures.allocatorResident)
        add("allocator.muzzy", 0)
        add("allocator-fragmentation.ratio", MemoryFigures.ratio(figures.active, figures.used))
        add("allocator-fragmentation.bytes", figures.active - figures.used)
        add("allocator-rss.ratio", MemoryFigures.ratio(figures.allocatorResident, figures.active))
        add("allocator-rss.bytes", figures.allocatorResident - figures.active)
        add("rss-overhead.ratio", MemoryFigures.ratio(figures.resident, figures.allocatorResident))
        add("rss-overhead.bytes", figures.resident - figures.allocatorResident)
        add("fragmentation", MemoryFigures.ratio(figures.resident, figures.used))
        add("fragmentation.bytes", figures.resident - figures.used)
    }

    private static func allocatorReport(_ server: Server) -> String {
        let statistics = server.engine.memoryStatistics
        var text =
            "Slab allocator of all databases: chunks of 4 MiB, pages of 64 KiB, blocks of one size in each page.\n"
            + "Allocated \(statistics.usedBytes), held \(statistics.heldBytes), chunks \(statistics.chunks)"
            + ", pages \(statistics.pages), free pages \(statistics.freePages), outside of pages \(statistics.largeBytes)\n"
        for database in server.engine.databasesInUse where database.count > 0 {
            text += "db\(database.index): keys \(database.count), table \(database.tableBytes)\n"
        }
        return text + "Dropped values and databases that wait to be freed: \(server.engine.garbageCount)\n"
    }

    // MARK: diagnosis

    /// With less memory in use there is no diagnosis.
    private static let leastBytes = 5 << 20
    /// Smaller differences are not reported.
    private static let leastDifference = 10 << 20
    private static let largestUsualClientBytes = 200 << 10

    /// The texts for instances without data and without problems are those of Redis, which programs compare.
    private static func diagnosis(_ figures: MemoryFigures, _ server: Server) -> String {
        guard figures.used >= leastBytes else {
            return "Hi Sam, this instance is empty or is using very little memory, "
                + "my issues detector can't be used in these conditions. "
                + "Please, leave for your mission on Earth and fill it with some data. "
                + "The new Sam and I will be back to our programming as soon as I finished rebooting.\n"
        }
        var problems: [String] = []
        if MemoryFigures.ratio(figures.peak, figures.used) > 1.5 {
            problems.append(
                "Peak memory: more than one and a half times as much memory was in use before. Pages that became empty were given "
                    + "back to the system; others are filled again first. MEMORY PURGE gives back what is left of the empty ones."
            )
        }
        if MemoryFigures.ratio(figures.resident, figures.used) > 1.4
            && figures.resident - figures.used > leastDifference
        {
            problems.append(
                "High total RSS: the system counts more than 1.4 times the memory that is in use. This follows a peak, or values of "
                    + "many sizes that came and went.")
        }
        if MemoryFigures.ratio(figures.active, figures.used) > 1.1 && figures.active - figures.used > leastDifference {
            problems.append(
                "High allocator fragmentation: more than a tenth of the pages in use is free. They are filled by new values of the "
                    + "sizes that were there before. With activedefrag values are moved together, and the pages are given back."
            )
        }
        if MemoryFigures.ratio(figures.allocatorResident, figures.active) > 1.1
            && figures.allocatorResident - figures.active > leastDifference
        {
            problems.append(
                "High allocator RSS overhead: the system counts more than a tenth over the pages in use. MEMORY PURGE gives back what "
                    + "is not in use.")
        }
        if figures.clients / max(server.connections.count, 1) > largestUsualClientBytes {
            problems.append(
                "Big client buffers: more than 200 KiB for each client on the average. CLIENT LIST shows whose they are; a client may "
                    + "not be reading its replies.")
        }
        guard !problems.isEmpty else {
            return
                "Hi Sam, I can't find any memory issue in your instance. I can only account for what occurs on this base.\n"
        }
        return "Sam, I detected a few issues in this instance memory implants:\n\n"
            + problems.map { " * \($0)\n\n" }.joined() + "I'm here to keep you safe, Sam. I want to help you.\n"
    }
}
