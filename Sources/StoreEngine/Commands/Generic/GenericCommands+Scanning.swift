// Finding keys: all that match a pattern, scans, and random keys.

import RespCodec

extension GenericCommands {
    static let scanning: [Command<KeyspaceContext>] = [
        Command(
            "KEYS", group: .generic, since: "1.0.0", arity: 2, flags: [.readOnly],
            categories: ["dangerous"],
            tips: ["request_policy:all_shards", "nondeterministic_output_order"], syntax: "pattern",
            summary: "Returns all keys that fit a pattern.", complexity: "O(N) in the keys of the database",
            run: listKeys),
        Command(
            "SCAN", group: .generic, since: "2.8.0", arity: -2, flags: [.readOnly],
            tips: ["nondeterministic_output", "request_policy:special", "response_policy:special"],
            syntax: "cursor [MATCH pattern] [COUNT count] [TYPE type]@6.0.0",
            summary: "Returns the keys of a database piece by piece.",
            complexity: "O(1) for each call, O(N) for all", run: scan
        )
        .changed("6.0.0", "Takes `TYPE`."),
        Command(
            "RANDOMKEY", group: .generic, since: "1.0.0", arity: 1, flags: [.readOnly],
            tips: ["request_policy:all_shards", "response_policy:special", "nondeterministic_output"], syntax: "",
            summary: "Returns a random key.", complexity: "O(1)", run: randomKey),
    ]

    @Sendable static func listKeys(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        let pattern = arguments[1]
        let isAll = pattern == "*"
        let list = context.reply.beginDeferred()
        var count = 0
        let now = context.now
        let reply = context.reply
        let database = context.database
        database.forEachEntry { entry in
            let key = entry.key
            guard isAll || GlobPattern.matches(pattern, key), !database.isExpired(entry, now) else { return }
            reply.bulkString(key)
            count += 1
        }
        context.reply.endArray(list, count: count)
    }

    @Sendable static func scan(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        var expired: [[UInt8]] = []
        let database = context.database
        let now = context.now
        try context.replyScan(arguments) { cursor, page in
            database.scan(cursor) { entry in
                if database.isExpired(entry, now) {
                    expired.append(entry.key.array)
                    page.passOver()
                } else if let type = page.options.type, !type.equalsIgnoringCase(entry.type.word) {
                    page.passOver()
                } else {
                    page.look(at: .bytes(entry.key))
                }
            }
        }
        for key in expired { key.withByteSlice { context.expireIfNeeded($0) } }
    }

    @Sendable static func randomKey(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        // While keys that have expired are kept there may be nothing else.
        var tries = 100
        while context.database.count > 0 {
            tries -= context.engine.removesExpiredKeys ? 0 : 1
            let entry = context.database.randomEntry(using: &context.engine.random)
            guard context.database.isExpired(entry, context.now) && tries > 0 else {
                return context.reply.bulkString(entry.key)
            }
            let key = entry.key.array
            key.withByteSlice { context.expireIfNeeded($0) }
        }
        context.reply.null()
    }
}
