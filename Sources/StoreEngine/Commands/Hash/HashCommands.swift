// Commands on hashes. Setting, getting and removing fields are here; numbers, random fields and scans have a file of their own, and so have
// deadlines of fields.

import RespCodec

enum HashCommands {
    static let all: [Command<KeyspaceContext>] =
        [
            writer(
                "HSET", since: "2.0.0", arity: -4, keyFlags: .update, syntax: "key field value [field value ...]",
                summary: "Sets fields of a hash, and returns how many are new.", complexity: "O(N) in the fields"
            ) { (context, arguments) throws(CommandError) in
                context.reply.integer(try setFields(context, arguments, command: "hset"))
            }.lookingForMember(at: 2)
                .changed("4.0.0", "Takes several fields and values."),
            writer(
                "HMSET", since: "2.0.0", arity: -4, keyFlags: .update, syntax: "key field value [field value ...]",
                summary: "Sets fields of a hash.", complexity: "O(N) in the fields"
            ) { (context, arguments) throws(CommandError) in
                _ = try setFields(context, arguments, command: "hmset")
                context.reply.ok()
            }
            .deprecated("4.0.0", replacedBy: "`HSET` with several fields"),
            writer(
                "HSETNX", since: "2.0.0", arity: 4, keyFlags: .insert, syntax: "key field value",
                summary: "Sets a field of a hash that does not exist.", run: setIfAbsent),
            reader(
                "HGET", since: "2.0.0", arity: 3, syntax: "key field", summary: "Returns the value of a field."
            ) { (context, arguments) throws(CommandError) in
                replyElement(context.reply, try context.field(arguments, .read))
            }.lookingForMember(at: 2),
            reader(
                "HMGET", since: "2.0.0", arity: -3, syntax: "key field [field ...]",
                summary: "Returns the values of fields.",
                complexity: "O(N) in the fields"
            ) { (context, arguments) throws(CommandError) in
                let hash = try context.hash(at: arguments[1], .read)
                context.reply.array(arguments.count - 2)
                for index in 2..<arguments.count where !context.reply.isOverfull {
                    replyElement(context.reply, hash?.value(of: arguments[index]))
                }
                if let hash, hash.mayExpire {
                    context.expireFields(arguments, stride(from: 2, to: arguments.count, by: 1), of: hash)
                }
            },
            reader(
                "HEXISTS", since: "2.0.0", arity: 3, keyFlags: [], syntax: "key field",
                summary: "Returns whether a field exists."
            ) { (context, arguments) throws(CommandError) in
                context.reply.integer(try context.field(arguments, .read) == nil ? 0 : 1)
            },
            reader(
                "HSTRLEN", since: "3.2.0", arity: 3, keyFlags: [], syntax: "key field",
                summary: "Returns the length of a field's value, in bytes."
            ) { (context, arguments) throws(CommandError) in
                context.reply.integer(try context.field(arguments, .read)?.byteCount ?? 0)
            },
            reader(
                "HLEN", since: "2.0.0", arity: 2, keyFlags: [], syntax: "key",
                summary: "Returns how many fields there are."
            ) {
                (context, arguments) throws(CommandError) in
                context.reply.integer(try context.hash(at: arguments[1], .read)?.count ?? 0)
            },
            lister("HGETALL", "Returns all fields and values.") { (context, arguments) throws(CommandError) in
                let hash = try context.hash(at: arguments[1], .read)
                let reply = context.reply
                reply.map(hash?.liveCount ?? 0)
                hash?.forEach { field, value in
                    reply.element(field)
                    reply.element(value)
                }
            },
            lister("HKEYS", "Returns all fields.") { (context, arguments) throws(CommandError) in
                let hash = try context.hash(at: arguments[1], .read)
                let reply = context.reply
                reply.array(hash?.liveCount ?? 0)
                hash?.forEach { field, _ in reply.element(field) }
            },
            lister("HVALS", "Returns all values.") { (context, arguments) throws(CommandError) in
                let hash = try context.hash(at: arguments[1], .read)
                let reply = context.reply
                reply.array(hash?.liveCount ?? 0)
                hash?.forEach { _, value in reply.element(value) }
            },
            Command(
                "HDEL", group: .hash, since: "2.0.0", arity: -3, flags: [.write, .fast], effect: .verbatim,
                keys: [.first([.rw, .delete])],
                syntax: "key field [field ...]", summary: "Removes fields, and the hash with the last of them.",
                complexity: "O(N) in the fields removed", run: removeFields
            )
            .changed("2.4.0", "Takes several fields."),
        ] + numbers + random + deadlines + getExSetEx

    // MARK: declaring

    static func writer(
        _ name: String, since: String, arity: Int, keyFlags: KeySpec.Flags, syntax: String, summary: String,
        complexity: String = "O(1)", effect: CommandEffect = .verbatim, run: @escaping Command<KeyspaceContext>.Run
    ) -> Command<KeyspaceContext> {
        Command(
            name, group: .hash, since: since, arity: arity, flags: [.write, .denyOOM, .fast], effect: effect,
            keys: [.first([.rw, keyFlags])], syntax: syntax, summary: summary, complexity: complexity, run: run)
    }

    private static func reader(
        _ name: String, since: String, arity: Int, keyFlags: KeySpec.Flags = [.access], syntax: String,
        summary: String,
        complexity: String = "O(1)", run: @escaping Command<KeyspaceContext>.Run
    ) -> Command<KeyspaceContext> {
        Command(
            name, group: .hash, since: since, arity: arity, flags: [.readOnly, .fast],
            keys: [KeySpec([.ro, keyFlags], begin: .index(1))], syntax: syntax, summary: summary,
            complexity: complexity, run: run)
    }

    private static func lister(
        _ name: String, _ summary: String, run: @escaping Command<KeyspaceContext>.Run
    ) -> Command<KeyspaceContext> {
        Command(
            name, group: .hash, since: "2.0.0", arity: 2, flags: [.readOnly], keys: [.first([.ro, .access])],
            tips: ["nondeterministic_output_order"], syntax: "key", summary: summary, complexity: "O(N) in the fields",
            run: run)
    }

    static func replyElement(_ reply: ReplyWriter, _ element: HashElement?) {
        if let element { reply.element(element) } else { reply.null() }
    }

    // MARK: setting and removing

    /// - Returns: how many fields are new.
    private static func setFields(
        _ context: KeyspaceContext, _ arguments: Arguments, command: String
    ) throws(CommandError) -> Int {
        guard arguments.count % 2 == 0 else { throw .wrongArity(command) }
        let key = arguments[1]
        let hash = try context.hashMade(at: key)
        // One pair alone is seen to when it is set.
        if arguments.count > 4 { hash.prepare(for: arguments, from: 2) }
        var added = 0
        var index = 2
        while index < arguments.count {
            if hash.set(arguments[index], arguments[index + 1]) { added += 1 }
            index += 2
        }
        context.changed(key, .hset, count: (arguments.count - 2) / 2)
        return added
    }

    @Sendable private static func setIfAbsent(_ context: inout KeyspaceContext, _ arguments: Arguments)
        throws(CommandError)
    {
        var hash = try context.hashMade(at: arguments[1])
        guard hash.value(of: arguments[2]) == nil else { return context.reply.integer(0) }
        if hash.mayExpire {
            context.expireFields(arguments, stride(from: 2, to: 3, by: 1), of: hash)
            hash = try context.hashMade(at: arguments[1])
        }
        hash.set(arguments[2], arguments[3])
        context.changed(arguments[1], .hset)
        context.reply.integer(1)
    }

    @Sendable private static func removeFields(_ context: inout KeyspaceContext, _ arguments: Arguments)
        throws(CommandError)
    {
        let key = arguments[1]
        guard let hash = try context.hash(at: key, .write) else { return context.reply.integer(0) }
        var removed = 0
        for index in 2..<arguments.count where hash.remove(arguments[index]) { removed += 1 }
        if removed > 0 { context.changed(key, .hdel, count: removed) }
        if hash.count == 0 { context.removeEmptied(key) }
        context.reply.integer(removed)
    }
}

extension ReplyWriter {
    /// A bulk string of the element's text.
    @inline(__always)
    func element(_ element: PackedElement) {
        switch element {
        case .bytes(let bytes): shortBulkString(bytes)
        case .integer(let value): bulkString(value)
        }
    }
}
