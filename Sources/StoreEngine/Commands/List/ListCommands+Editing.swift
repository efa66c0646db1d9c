// Commands that change a list within: LSET, LINSERT, LREM, LTRIM.

import RespCodec

extension ListCommands {
    static let editing: [Command<KeyspaceContext>] = [
        Command(
            "LSET", group: .list, since: "1.0.0", arity: 4, flags: [.write, .denyOOM], effect: .verbatim,
            keys: [.first([.rw, .update])],
            syntax: "key index element", summary: "Replaces an element of a list by its index.",
            complexity: "O(N) in the elements to the nearer end", run: replace),
        Command(
            "LINSERT", group: .list, since: "2.2.0", arity: 5, flags: [.write, .denyOOM], effect: .verbatim,
            keys: [.first([.rw, .insert])], syntax: "key where=<BEFORE | AFTER> pivot element",
            summary: "Puts an element before or after another one of a list.",
            complexity: "O(N) in the elements up to the other one", run: insert),
        Command(
            "LREM", group: .list, since: "1.0.0", arity: 4, flags: [.write], effect: .verbatim,
            keys: [.first([.rw, .delete])],
            syntax: "key count element", summary: "Removes elements of a list that are equal to one given.",
            complexity: "O(N) in the elements of the list", run: removeMatches),
        Command(
            "LTRIM", group: .list, since: "1.0.0", arity: 4, flags: [.write], effect: .verbatim,
            keys: [.first([.rw, .delete])],
            syntax: "key start stop", summary: "Removes all elements of a list but those of a range.",
            complexity: "O(N) in the elements from the range's borders to the nearer ends", run: trim),
    ]

    @Sendable private static func replace(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError)
    {
        let key = arguments[1]
        guard let list = try context.list(at: key, .write) else { throw .noSuchKey }
        let index = try arguments.integer(2)
        guard list.replace(at: index < 0 ? list.count + index : index, with: arguments[3]) else {
            throw .message("ERR index out of range")
        }
        context.changed(key, .lset)
        list.shrink()
        context.reply.ok()
    }

    @Sendable private static func insert(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError)
    {
        var reader = ArgumentReader(arguments, from: 2)
        let after = try reader.either("after", or: "before")
        let key = arguments[1]
        guard let list = try context.list(at: key, .write) else { return context.reply.integer(0) }
        guard list.insert(arguments[4], nextTo: arguments[3], after: after) else { return context.reply.integer(-1) }
        context.changed(key, .linsert)
        context.reply.integer(list.count)
    }

    @Sendable private static func removeMatches(_ context: inout KeyspaceContext, _ arguments: Arguments)
        throws(CommandError)
    {
        let count = try arguments.signedCount(2)
        let key = arguments[1]
        guard let list = try context.list(at: key, .write) else { return context.reply.integer(0) }
        let limit = count == 0 ? Int.max : abs(count)
        let removed = list.removeMatches(arguments[3], backwards: count < 0, limit: limit)
        if removed > 0 {
            context.changed(key, .lrem, count: removed)
            context.finishRemoving(from: list, key)
        }
        context.reply.integer(removed)
    }

    @Sendable private static func trim(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        let start = try arguments.integer(2)
        let stop = try arguments.integer(3)
        let key = arguments[1]
        guard let list = try context.list(at: key, .write) else { return context.reply.ok() }
        let total = list.count
        let range = IndexRange(start, stop, count: total)
        if range.count == 0 {
            // The key goes with all of it.
            context.changed(key, .ltrim, count: total)
            context.removeEmptied(key)
        } else {
            context.free(list.remove(from: range.start + range.count, count: total - range.start - range.count))
            context.free(list.remove(from: 0, count: range.start))
            context.changed(key, .ltrim, count: total - range.count)
            list.shrink()
        }
        context.reply.ok()
    }
}
