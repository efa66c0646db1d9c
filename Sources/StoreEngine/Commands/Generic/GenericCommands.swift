// Commands on keys of any type: whether they are there, what they are, removing them and giving them other names and places. Deadlines,
// scans and OBJECT have files of their own.

import RespCodec

enum GenericCommands {
    private static let everyKey = KeySpec.Find.range(last: -1, step: 1, limit: 0)

    static let all: [Command<KeyspaceContext>] =
        [
            Command(
                "DEL", group: .generic, since: "1.0.0", arity: -2, flags: [.write], effect: .verbatim,
                keys: [KeySpec([.rm, .delete], begin: .index(1), find: everyKey)],
                tips: ["request_policy:multi_shard", "response_policy:agg_sum"], syntax: "key [key ...]",
                summary: "Removes keys.",
                complexity: "O(N) in the keys; large values are freed in the background", run: remove),
            Command(
                "UNLINK", group: .generic, since: "4.0.0", arity: -2, flags: [.write, .fast], effect: .verbatim,
                keys: [KeySpec([.rm, .delete], begin: .index(1), find: everyKey)],
                tips: ["request_policy:multi_shard", "response_policy:agg_sum"], syntax: "key [key ...]",
                summary: "Removes keys.",
                complexity: "O(N) in the keys; large values are freed in the background", run: remove),
            Command(
                "EXISTS", group: .generic, since: "1.0.0", arity: -2, flags: [.readOnly, .fast],
                keys: [KeySpec([.ro], begin: .index(1), find: everyKey)],
                tips: ["request_policy:multi_shard", "response_policy:agg_sum"], syntax: "key [key ...]",
                summary: "Counts which of some keys exist.", complexity: "O(N) in the keys"
            ) { (context, arguments) throws(CommandError) in count(context, arguments, .inspect) }
            .changed("3.0.3", "Takes several keys."),
            Command(
                "TOUCH", group: .generic, since: "3.2.1", arity: -2, flags: [.readOnly, .fast, .alwaysTouches],
                keys: [KeySpec([.ro], begin: .index(1), find: everyKey)],
                tips: ["request_policy:multi_shard", "response_policy:agg_sum"], syntax: "key [key ...]",
                summary: "Counts as a use of keys, and tells how many of them exist.", complexity: "O(N) in the keys"
            ) { (context, arguments) throws(CommandError) in count(context, arguments, .read) },
            Command(
                "TYPE", group: .generic, since: "1.0.0", arity: 2, flags: [.readOnly, .fast], keys: [.first(.ro)],
                syntax: "key",
                summary: "Returns the type of a value.", complexity: "O(1)"
            ) { (context, arguments) throws(CommandError) in
                let slot = context.find(arguments[1], .inspect)
                context.reply.status(slot.map { context.entry($0).type.name } ?? "none")
            },
            Command(
                "RENAME", group: .generic, since: "1.0.0", arity: 3, flags: [.write], effect: .verbatim,
                keys: renameKeys(.update),
                syntax: "key newkey", summary: "Gives a key another name, replacing what has it.", complexity: "O(1)"
            ) { (context, arguments) throws(CommandError) in
                try rename(context, arguments, replaces: true)
                context.reply.ok()
            },
            Command(
                "RENAMENX", group: .generic, since: "1.0.0", arity: 3, flags: [.write, .fast], effect: .verbatim,
                keys: renameKeys(.insert),
                syntax: "key newkey", summary: "Gives a key another name that nothing has.", complexity: "O(1)"
            ) { (context, arguments) throws(CommandError) in
                context.reply.integer(try rename(context, arguments, replaces: false) ? 1 : 0)
            }
            .changed("3.2.0", "The two names may be the same."),
            Command(
                "MOVE", group: .generic, since: "1.0.0", arity: 3, flags: [.write, .fast], effect: .verbatim,
                keys: [.first([.rw, .access, .update])], syntax: "key db", summary: "Moves a key to another database.",
                complexity: "O(1)", run: move),
            Command(
                "COPY", group: .generic, since: "6.2.0", arity: -3, flags: [.write, .denyOOM], effect: .verbatim,
                keys: [.first([.ro, .access]), KeySpec([.ow, .update], begin: .index(2))],
                syntax: "source destination [DB destination-db] [REPLACE]", summary: "Copies a value to another key.",
                complexity: "O(N) in the elements of the value", run: copy
            )
            .growing(bytesOfCopy),
        ] + expiring + scanning + inspecting

    private static func renameKeys(_ change: KeySpec.Flags) -> [KeySpec] {
        [.first([.rw, .access, .delete]), KeySpec([.ow, change], begin: .index(2))]
    }

    @Sendable static func remove(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        var removed = 0
        for index in 1..<arguments.count {
            guard let slot = context.find(arguments[index], .peek) else { continue }
            context.removeQuietly(slot)
            context.changed(arguments[index], .del)
            removed += 1
        }
        context.reply.integer(removed)
    }

    private static func count(_ context: KeyspaceContext, _ arguments: Arguments, _ access: KeyAccess) {
        var found = 0
        for index in 1..<arguments.count where context.find(arguments[index], access) != nil { found += 1 }
        context.reply.integer(found)
    }

    // MARK: other names and places

    /// - Returns: whether the key has the new name now.
    @discardableResult
    private static func rename(
        _ context: KeyspaceContext, _ arguments: Arguments, replaces: Bool
    ) throws(CommandError) -> Bool {
        let old = arguments[1]
        let new = arguments[2]
        guard context.find(old) != nil else { throw .noSuchKey }
        if old == new { return replaces }
        var oldType: ValueType?
        if let taken = context.find(new) {
            guard replaces else { return false }
            oldType = context.entry(taken).type
            context.removeQuietly(taken)
        }
        // Looked up again: removing the other may have moved it.
        guard let slot = context.find(old) else { throw .noSuchKey }
        let type = context.entry(slot).type
        context.rename(context.database.detach(slot), to: new)
        context.changed(old, .renameFrom)
        context.changed(new, .renameTo, count: 0)
        if let oldType { context.noticeOverwritten(new, oldType, type, in: context.database) }
        return true
    }

    private static let sameObject = CommandError.message("ERR source and destination objects are the same")

    @Sendable static func move(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        let key = arguments[1]
        let target = context.database(try arguments.databaseIndex(2, of: context.databaseCount))
        guard target.index != context.database.index else { throw sameObject }
        context.expireIfNeeded(key, in: target)
        guard let slot = context.find(key), context.find(key, .peek, in: target) == nil else {
            return context.reply.integer(0)
        }
        context.move(slot, to: target)
        context.changed(key, .moveFrom)
        context.changed(key, .moveTo, count: 0, in: target)
        context.reply.integer(1)
    }

    /// In which database COPY puts the copy, and whether one is replaced that is there.
    private static func copyTarget(
        _ context: KeyspaceContext, _ arguments: Arguments
    ) throws(CommandError) -> (database: Int, replaces: Bool) {
        var (index, replaces) = (context.database.index, false)
        var options = ArgumentReader(arguments, from: 3)
        while !options.isAtEnd {
            if options.takes("replace") {
                replaces = true
            } else if options.takes("db", with: 1) {
                index = try options.databaseIndex(of: context.databaseCount)
            } else {
                throw .syntax
            }
        }
        guard index != context.database.index || arguments[1] != arguments[2] else { throw sameObject }
        return (index, replaces)
    }

    /// How much COPY takes; 0 where it copies nothing.
    @Sendable private static func bytesOfCopy(_ context: KeyspaceContext, _ arguments: Arguments) -> Int {
        let bytes = context.byteCountOfSource(arguments[1])
        guard bytes >= KeyspaceContext.leastGrowth, let (index, replaces) = try? copyTarget(context, arguments),
            replaces || context.find(arguments[2], .peek, in: context.database(index)) == nil
        else { return 0 }
        return bytes
    }

    @Sendable static func copy(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        let source = arguments[1]
        let destination = arguments[2]
        let (index, replaces) = try copyTarget(context, arguments)
        let target = context.database(index)
        context.expireIfNeeded(destination, in: target)
        guard context.find(source, .read) != nil else { return context.reply.integer(0) }
        var oldType: ValueType?
        if let taken = context.find(destination, in: target) {
            guard replaces else { return context.reply.integer(0) }
            oldType = target.entry(at: taken).type
            context.removeQuietly(taken, in: target)
        }
        guard let slot = context.find(source, .peek) else { return context.reply.integer(0) }
        let type = context.entry(slot).type
        context.copy(context.entry(slot), to: destination, in: target, deadline: context.database.deadline(slot))
        context.changed(destination, .copyTo, in: target)
        if let oldType { context.noticeOverwritten(destination, oldType, type, in: target) }
        context.reply.integer(1)
    }
}
