// Commands on whole databases.

import RespCodec

enum KeyspaceCommands {
    static let all: [Command<KeyspaceContext>] = [
        Command(
            "DBSIZE", group: .server, since: "1.0.0", arity: 1, flags: [.readOnly, .fast], categories: ["keyspace"],
            tips: ["request_policy:all_shards", "response_policy:agg_sum"], syntax: "",
            summary: "Returns how many keys the database has.", complexity: "O(1)"
        ) { (context, _) throws(CommandError) in context.reply.integer(context.database.count) },
        flusher(
            "FLUSHDB", all: false, summary: "Removes all keys of the database.",
            complexity: "O(1), the keys are freed in the background"),
        flusher(
            "FLUSHALL", all: true, summary: "Removes all keys of all databases.",
            complexity: "O(N) in the databases in use, the memory is given back in the background"),
        Command(
            "SWAPDB", group: .server, since: "4.0.0", arity: 3, flags: [.write, .fast], effect: .verbatim,
            categories: ["keyspace", "dangerous"],
            syntax: "index1 index2", summary: "Exchanges two databases.",
            complexity: "O(N) in the keys watched or waited for", run: swap),
    ]

    private static func flusher(
        _ name: String, all: Bool, summary: String, complexity: String
    ) -> Command<KeyspaceContext> {
        Command(
            name, group: .server, since: "1.0.0", arity: -1, flags: [.write], effect: .explicit,
            categories: ["keyspace", "dangerous"],
            tips: ["request_policy:all_shards", "response_policy:all_succeeded"],
            syntax: "flush-type=[ASYNC@4.0.0 | SYNC@6.2.0]",
            summary: summary, complexity: complexity
        ) { (context, arguments) throws(CommandError) in
            var options = ArgumentReader(arguments, from: 1)
            // Either way the keys are freed in the background.
            if !options.isAtEnd { _ = try options.either("async", or: "sync") }
            try options.end()
            context.flush(all: all)
            // As in Redis, also where there was nothing: whoever reads it may still have something.
            context.effect(arguments)
            context.reply.ok()
        }
        .changed("4.0.0", "Takes `ASYNC`.")
        .changed("6.2.0", "Takes `SYNC`.")
        .differing("The keys are freed in the background with `SYNC`, too.")
    }

    @Sendable static func swap(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        func number(_ index: Int, _ name: String) throws(CommandError) -> Int {
            guard let number = Decimal.parse(arguments[index]), Int32(exactly: number) != nil else {
                throw .text("ERR invalid \(name) DB index")
            }
            return number
        }
        let (first, second) = (try number(1, "first"), try number(2, "second"))
        let range = 0..<context.databaseCount
        guard range.contains(first) && range.contains(second) else { throw .databaseOutOfRange }
        context.swapDatabases(first, second)
        context.reply.ok()
    }
}

extension KeyspaceContext {
    /// Removes every key of this database, or of all.
    mutating func flush(all: Bool) {
        let selected = database.index
        if engine.isObserved { engine.observer?.keysWillFlush() }
        if all {
            engine.countChanges(engine.databasesInUse.reduce(0) { $0 + $1.count })
            engine.flushAll()
            engine.flushCount &+= 1
        } else {
            engine.countChanges(database.count)
            engine.flush(selected)
        }
        database = database(selected)
    }

    mutating func swapDatabases(_ first: Int, _ second: Int) {
        let selected = database.index
        if first != second { engine.swapDatabases(first, second) }
        engine.countChanges(1)
        database = database(selected)
    }
}
