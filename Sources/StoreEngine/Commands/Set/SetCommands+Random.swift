// Random members of sets, and scans.

import RespCodec

extension SetCommands {
    static let random: [Command<KeyspaceContext>] = [
        Command(
            "SPOP", group: .set, since: "1.0.0", arity: -2, flags: [.write, .fast], effect: .explicit,
            keys: [.first([.rw, .access, .delete])], tips: ["nondeterministic_output"], syntax: "key [count]@3.2.0",
            summary: "Removes random members and returns them.", complexity: "O(N) in the members removed",
            run: pop
        )
        .changed("3.2.0", "Takes a count."),
        Command(
            "SRANDMEMBER", group: .set, since: "1.0.0", arity: -2, flags: [.readOnly], keys: [.first([.ro, .access])],
            tips: ["nondeterministic_output"], syntax: "key [count]@2.6.0", summary: "Returns random members.",
            complexity: "O(N) in the members returned", run: random
        )
        .changed("2.6.0", "Takes a count."),
        Command(
            "SSCAN", group: .set, since: "2.8.0", arity: -3, flags: [.readOnly], keys: [.first([.ro, .access])],
            tips: ["nondeterministic_output"], syntax: "key cursor [MATCH pattern] [COUNT count]",
            summary: "Returns the members of a set piece by piece.", complexity: "O(1) for each call, O(N) for all",
            run: scan),
    ]

    // MARK: taking out

    @Sendable private static func pop(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        let key = arguments[1]
        guard arguments.count <= 3 else { throw .syntax }
        guard arguments.count == 2 else { return try pop(context, key, count: try arguments.count(2)) }
        guard let set = try context.set(at: key, .write) else { return context.reply.null() }
        let reply = context.reply
        let effect = context.beginEffect("SREM", key)
        set.removeRandom(using: &context.engine.random) {
            reply.element($0)
            effect?.add($0)
        }
        effect?.end()
        let isEmptied = set.count == 0
        context.changed(key, .spop)
        if isEmptied { context.removeEmptied(key) }
    }

    /// When more than this many times as many members are taken as stay, those that stay are chosen, and move.
    private static let takenPerKept = 5

    private static func pop(_ context: KeyspaceContext, _ key: ByteSlice, count: Int) throws(CommandError) {
        let reply = context.reply
        guard let set = try context.set(at: key, .write), count > 0 else { return reply.set(0) }
        let size = set.count
        let taken = min(count, size)
        reply.set(taken)
        if taken == size {
            set.forEach { reply.element($0) }
            context.changed(key, .spop, count: taken)
            context.removeEmptied(key)
            context.effect("DEL", key)
            return
        }
        let effect = context.beginEffect("SREM", key)
        let kept = size - taken
        if taken / takenPerKept >= kept && set.view.isTable {
            // What stays may be small again.
            let rest = UnattachedSet(context, for: key, .packed, deadline: context.database.deadline(of: set.entry))
            set.removeRandom(kept, using: &context.engine.random) { rest.value.add($0) }
            set.forEach {
                reply.element($0)
                effect?.add($0)
            }
            rest.store()
        } else {
            set.removeRandom(taken, using: &context.engine.random) {
                reply.element($0)
                effect?.add($0)
            }
        }
        effect?.end()
        context.changed(key, .spop, count: taken)
    }

    // MARK: asking for

    @Sendable private static func random(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError)
    {
        let key = arguments[1]
        guard arguments.count <= 3 else { throw .syntax }
        guard arguments.count > 2 else {
            guard let set = try context.set(at: key, .read) else { return context.reply.null() }
            return context.reply.element(set.random(using: &context.engine.random))
        }
        let count = try arguments.signedCount(2)
        guard let set = try context.set(at: key, .read), count != 0 else { return context.reply.array(0) }
        let reply = context.reply
        if count > 1 {
            let wanted = min(count, set.count)
            reply.array(wanted)
            set.view.visitRandom(wanted, using: &context.engine.random) { reply.element($0) }
        } else {
            // With repetitions.
            try arguments.checkDraws(count, context.reply)
            let wanted = Int(count.magnitude)
            reply.array(wanted)
            set.view.drawRandom(wanted, using: &context.engine.random) {
                reply.element($0)
                return !reply.isOverfull
            }
        }
    }

    // MARK: scanning

    @Sendable private static func scan(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        try context.replyScan(arguments, of: try context.set(at: arguments[1], .read)) { set, cursor, page in
            set.view.scan(cursor) { page.look(at: $0) }
        }
    }
}
