// Random members of sorted sets, and scans.

import RespCodec

extension SortedSetCommands {
    static let random: [Command<KeyspaceContext>] = [
        Command(
            "ZRANDMEMBER", group: .sortedSet, since: "6.2.0", arity: -2, flags: [.readOnly],
            keys: [.first([.ro, .access])], tips: ["nondeterministic_output"],
            syntax: "key options=[count [WITHSCORES]]",
            summary: "Returns random members.", complexity: "O(N) in the members returned", run: random),
        Command(
            "ZSCAN", group: .sortedSet, since: "2.8.0", arity: -3, flags: [.readOnly], keys: [.first([.ro, .access])],
            tips: ["nondeterministic_output"], syntax: "key cursor [MATCH pattern] [COUNT count] [NOSCORES]",
            summary: "Returns the members and scores of a sorted set piece by piece.",
            complexity: "O(1) for each call, O(N) for all", run: scan
        )
        .changed("8.0.0", "Takes `NOSCORES`.")
        .asIn("Valkey 8.0.0"),
    ]

    @Sendable private static func random(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError)
    {
        let key = arguments[1]
        guard arguments.count > 2 else {
            guard let set = try context.sortedSet(at: key, .read) else { return context.reply.null() }
            return set.drawRandom(1, using: &context.engine.random) { member, _ in
                context.reply.element(member)
                return true
            }
        }
        let draw = try DrawRequest(arguments, withValues: "withscores")
        let count = draw.count
        guard let set = try context.sortedSet(at: key, .read), count != 0 else { return context.reply.array(0) }
        let list = PairList(context.reply, withValues: draw.withValues)
        if count < 0 {
            try arguments.checkDraws(count, context.reply)
            list.begin(-count)
            let reply = context.reply
            set.drawRandom(-count, using: &context.engine.random) { member, score in
                list.add(member, score)
                return !reply.isOverfull
            }
        } else if count >= set.count {
            // All of them, which Redis begins at the end.
            list.begin(set.count)
            set.forEach(0..<set.count, reversed: true) { list.add($0, $1) }
        } else {
            list.begin(count)
            set.visitRandom(count, using: &context.engine.random) { list.add($0, $1) }
        }
    }

    @Sendable private static func scan(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        let reply = context.reply
        try context.replyScan(
            arguments, of: try context.sortedSet(at: arguments[1], .read), withoutValues: "noscores"
        ) { set, cursor, page in
            let isPacked = set.isPacked
            return set.scan(cursor) { member, score in
                guard page.look(at: member), page.takesValue() else { return }
                // Redis prints a score as its list has it, but one of its table as a long double.
                if isPacked || FloatingPoint64.wholeNumber(score) != nil && score.magnitude < 1e17 {
                    FloatingPoint64.withText(score) { reply.bulkString($0) }
                } else {
                    reply.bulkString(LongDoubleText.generalText(LongDouble(score)))
                }
            }
        }
    }
}
