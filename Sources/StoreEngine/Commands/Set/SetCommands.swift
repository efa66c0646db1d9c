// Commands on sets. Adding, removing and asking for members are here; algebra of several sets, random members and scans
// have files of their own.

import RespCodec

enum SetCommands {
    static let all: [Command<KeyspaceContext>] =
        [
            Command(
                "SADD", group: .set, since: "1.0.0", arity: -3, flags: [.write, .denyOOM, .fast], effect: .verbatim,
                keys: [.first([.rw, .insert])], syntax: "key member [member ...]",
                summary: "Adds members to a set, and returns how many are new.",
                complexity: "O(N) in the members added",
                run: add
            ).lookingForMember(at: 2)
                .changed("2.4.0", "Takes several members."),
            Command(
                "SREM", group: .set, since: "1.0.0", arity: -3, flags: [.write, .fast], effect: .verbatim,
                keys: [.first([.rw, .delete])],
                syntax: "key member [member ...]", summary: "Removes members, and the set with the last of them.",
                complexity: "O(N) in the members removed", run: remove
            ).lookingForMember(at: 2)
                .changed("2.4.0", "Takes several members."),
            Command(
                "SMOVE", group: .set, since: "1.0.0", arity: 4, flags: [.write, .fast], effect: .verbatim,
                keys: [.first([.rw, .access, .delete]), KeySpec([.rw, .insert], begin: .index(2))],
                syntax: "source destination member", summary: "Moves a member from one set to another.",
                complexity: "O(1)", run: move),
            Command(
                "SISMEMBER", group: .set, since: "1.0.0", arity: 3, flags: [.readOnly, .fast], keys: [.first(.ro)],
                syntax: "key member", summary: "Returns whether a set has a member.", complexity: "O(1)"
            ) { (context, arguments) throws(CommandError) in
                let set = try context.set(at: arguments[1], .read)
                context.reply.integer(set?.contains(arguments[2]) ?? false ? 1 : 0)
            }.lookingForMember(at: 2),
            Command(
                "SMISMEMBER", group: .set, since: "6.2.0", arity: -3, flags: [.readOnly, .fast],
                keys: [.first([.ro, .access])], syntax: "key member [member ...]",
                summary: "Returns for each of some members whether a set has it.",
                complexity: "O(N) in the members asked for"
            ) { (context, arguments) throws(CommandError) in
                let set = try context.set(at: arguments[1], .read)
                context.reply.array(arguments.count - 2)
                for index in 2..<arguments.count {
                    context.reply.integer(set?.contains(arguments[index]) ?? false ? 1 : 0)
                }
            },
            Command(
                "SCARD", group: .set, since: "1.0.0", arity: 2, flags: [.readOnly, .fast], keys: [.first(.ro)],
                syntax: "key", summary: "Returns how many members there are.", complexity: "O(1)"
            ) { (context, arguments) throws(CommandError) in
                context.reply.integer(try context.set(at: arguments[1], .read)?.count ?? 0)
            },
            Command(
                "SMEMBERS", group: .set, since: "1.0.0", arity: 2, flags: [.readOnly], keys: [.first([.ro, .access])],
                tips: ["nondeterministic_output_order"], syntax: "key", summary: "Returns all members.",
                complexity: "O(N) in the members"
            ) { (context, arguments) throws(CommandError) in
                let set = try context.set(at: arguments[1], .read)
                let reply = context.reply
                reply.set(set?.count ?? 0)
                set?.forEach { reply.element($0) }
            },
        ] + algebra + random

    @Sendable private static func add(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        let key = arguments[1]
        let set = try context.setMade(at: key, first: arguments[2], count: arguments.count - 2)
        var added = 0
        for index in 2..<arguments.count where set.add(arguments[index]) { added &+= 1 }
        if added > 0 { context.changed(key, .sadd, count: added) }
        context.reply.integer(added)
    }

    @Sendable private static func remove(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError)
    {
        let key = arguments[1]
        guard let set = try context.set(at: key, .write) else { return context.reply.integer(0) }
        var removed = 0
        for index in 2..<arguments.count where set.remove(arguments[index]) { removed &+= 1 }
        if removed > 0 {
            let isEmptied = set.count == 0
            context.changed(key, .srem, count: removed)
            if isEmptied { context.removeEmptied(key) }
        }
        context.reply.integer(removed)
    }

    @Sendable private static func move(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        let source = arguments[1]
        let destination = arguments[2]
        let member = arguments[3]
        // Both are looked for before anything is said of either.
        let isAbsent = context.find(source) == nil
        _ = context.find(destination)
        guard !isAbsent, let set = try context.set(at: source, .peek) else { return context.reply.integer(0) }
        _ = try context.set(at: destination, .peek)
        if source == destination { return context.reply.integer(set.contains(member) ? 1 : 0) }
        guard set.remove(member) else { return context.reply.integer(0) }
        let isEmptied = set.count == 0
        context.changed(source, .srem)
        if isEmptied { context.removeEmptied(source) }
        if try context.setMade(at: destination, first: member).add(member) { context.changed(destination, .sadd) }
        context.reply.integer(1)
    }
}

extension KeyEvent {
    static let sadd = KeyEvent(.set, "sadd")
    static let srem = KeyEvent(.set, "srem")
    static let spop = KeyEvent(.set, "spop")
    static let sinterStore = KeyEvent(.set, "sinterstore")
    static let sunionStore = KeyEvent(.set, "sunionstore")
    static let sdiffStore = KeyEvent(.set, "sdiffstore")
}
