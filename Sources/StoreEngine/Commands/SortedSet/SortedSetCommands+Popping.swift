// Taking the members with the lowest or highest scores, and waiting for some.

import RespCodec

extension SortedSetCommands {
    static let popping: [Command<KeyspaceContext>] = [
        popper("ZPOPMIN", .lowest, summary: "Removes and returns the members with the lowest scores."),
        popper("ZPOPMAX", .highest, summary: "Removes and returns the members with the highest scores."),
        blockingPopper(
            "BZPOPMIN", .lowest, summary: "Removes and returns the member with the lowest score, or waits for one."
        )
        .changed("6.0.0", "The timeout may have a fraction."),
        blockingPopper(
            "BZPOPMAX", .highest, summary: "Removes and returns the member with the highest score, or waits for one."
        )
        .changed("6.0.0", "The timeout may have a fraction."),
        Command(
            "ZMPOP", group: .sortedSet, since: "7.0.0", arity: -4, flags: [.write, .movableKeys], effect: .explicit,
            keys: [keys(countedAt: 1)], syntax: "numkeys key [key ...] where=<MIN | MAX> [COUNT count]",
            summary: "Removes and returns members with the lowest or highest scores of the first sorted set there is.",
            complexity: "O(K+M*log(N)) for K keys and M of N members"
        ) { (context, arguments) throws(CommandError) in
            let request = try PopRequest(arguments, from: 1, readEnd)
            if try !popFirst(context, arguments, request) { context.reply.nullArray() }
        },
        Command(
            "BZMPOP", group: .sortedSet, since: "7.0.0", arity: -5, flags: [.write, .blocking, .movableKeys],
            effect: .explicit,
            keys: [keys(countedAt: 2)], syntax: "timeout:double numkeys key [key ...] where=<MIN | MAX> [COUNT count]",
            summary: "Removes and returns members of the first sorted set there is, or waits for one.",
            complexity: "O(K+M*log(N)) for K keys and M of N members"
        ) { (context, arguments) throws(CommandError) in
            let request = try PopRequest(arguments, from: 2, readEnd)
            let deadline = try arguments.waitDeadline(seconds: 1, now: context.now)
            if try popFirst(context, arguments, request) { return }
            context.wait(for: arguments, request.keys, until: deadline, timeoutReply: .nullArray) { _ in Need(.members)
            }
        },
    ]

    private enum End {
        case lowest
        case highest

        var event: KeyEvent { self == .lowest ? .zpopMin : .zpopMax }
        /// That takes from this end of one set.
        var command: StaticString { self == .lowest ? "ZPOPMIN" : "ZPOPMAX" }
    }

    private static func keys(countedAt index: Int) -> KeySpec {
        KeySpec([.rw, .access, .delete], begin: .index(index), find: .keyCount(count: 0, first: 1, step: 1))
    }

    private static func popper(_ name: String, _ end: End, summary: String) -> Command<KeyspaceContext> {
        Command(
            name, group: .sortedSet, since: "5.0.0", arity: -2, flags: [.write, .fast], effect: .verbatim,
            keys: [.first([.rw, .access, .delete])], syntax: "key [count]", summary: summary,
            complexity: "O(M*log(N)) for M of N members"
        ) { (context, arguments) throws(CommandError) in
            guard arguments.count <= 3 else { throw .syntax }
            let count = arguments.count == 3 ? try arguments.count(2) : 1
            guard let set = try context.sortedSet(at: arguments[1], .write) else { return context.reply.array(0) }
            // A single one is no pair of its own, even in RESP3.
            let pairs = context.reply.version == .resp3 && arguments.count == 3
            let popped = min(count, set.count)
            context.reply.array(pairs ? popped : popped * 2)
            pop(context, set, popped, from: end, at: arguments[1], asPairs: pairs)
        }
    }

    private static func blockingPopper(_ name: String, _ end: End, summary: String) -> Command<KeyspaceContext> {
        Command(
            name, group: .sortedSet, since: "5.0.0", arity: -3, flags: [.write, .blocking, .fast], effect: .explicit,
            keys: [
                KeySpec(
                    [.rw, .access, .delete], begin: .index(1), find: .range(last: -2, step: 1, limit: 0))
            ],
            syntax: "key [key ...] timeout:double", summary: summary, complexity: "O(log(N)) in the members"
        ) { (context, arguments) throws(CommandError) in
            let keys = 1..<arguments.count - 1
            let deadline = try arguments.waitDeadline(seconds: keys.upperBound, now: context.now)
            for index in keys where !context.passesOver(arguments[index], unless: .sortedSet) {
                let key = arguments[index]
                guard let set = try context.sortedSet(at: key, .write) else { continue }
                context.reply.array(3)
                context.reply.bulkString(key)
                context.effect(end.command, key)
                return pop(context, set, 1, from: end, at: key, asPairs: false)
            }
            context.wait(for: arguments, keys, until: deadline, timeoutReply: .nullArray) { _ in Need(.members) }
        }
    }

    /// Replies the members at one end of a set with their scores, and removes them. The header of the reply was written.
    private static func pop(
        _ context: KeyspaceContext, _ set: SortedSetValue, _ count: Int, from end: End, at key: ByteSlice, asPairs: Bool
    ) {
        let ranks = end == .lowest ? 0..<count : set.count - count..<set.count
        let reply = context.reply
        set.forEach(ranks, reversed: end == .highest) { member, score in
            if asPairs { reply.array(2) }
            reply.element(member)
            reply.double(score)
        }
        context.removeRanks(ranks, of: set, at: key, end.event)
    }

    // MARK: several keys

    private static func readEnd(_ reader: inout ArgumentReader) throws(CommandError) -> End {
        try reader.either("min", or: "max") ? .lowest : .highest
    }

    /// Pops from the first key that holds a sorted set, and replies; false if none does.
    private static func popFirst(
        _ context: KeyspaceContext, _ arguments: Arguments, _ request: PopRequest<End>
    ) throws(CommandError) -> Bool {
        for index in request.keys where !context.passesOver(arguments[index], unless: .sortedSet) {
            let key = arguments[index]
            guard let set = try context.sortedSet(at: key, .write) else { continue }
            let popped = min(request.count, set.count)
            context.reply.array(2)
            context.reply.bulkString(key)
            context.reply.array(popped)
            context.effect(request.end.command, key, popped)
            pop(context, set, popped, from: request.end, at: key, asPairs: true)
            return true
        }
        return false
    }
}
