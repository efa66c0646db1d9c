// Deadlines of keys: setting, asking for and removing them.

import RespCodec

extension GenericCommands {
    static let expiring: [Command<KeyspaceContext>] = [
        setter("EXPIRE", since: "1.0.0", .ex),
        setter("PEXPIRE", since: "2.6.0", .px),
        setter("EXPIREAT", since: "1.2.0", .exat),
        setter("PEXPIREAT", since: "2.6.0", .pxat),
        getter("TTL", since: "1.0.0", "Returns after how many seconds a key expires.", .ex)
            .changed("2.8.0", "Answers -2 if there is no key."),
        getter("PTTL", since: "2.6.0", "Returns after how many milliseconds a key expires.", .px)
            .changed("2.8.0", "Answers -2 if there is no key."),
        getter("EXPIRETIME", since: "7.0.0", "Returns when a key expires, in seconds since 1970.", .exat),
        getter("PEXPIRETIME", since: "7.0.0", "Returns when a key expires, in milliseconds since 1970.", .pxat),
        Command(
            "PERSIST", group: .generic, since: "2.2.0", arity: 2, flags: [.write, .fast], effect: .verbatim,
            keys: [.first([.rw, .update])],
            syntax: "key", summary: "Takes away the deadline of a key.", complexity: "O(1)", run: persist),
    ]

    private static func setter(
        _ name: StaticString, since: String, _ form: ExpireTime.Form
    ) -> Command<KeyspaceContext> {
        let lowercased = "\(name)".lowercased()
        return Command(
            "\(name)", group: .generic, since: since, arity: -3, flags: [.write, .fast], effect: .explicit,
            keys: [.first([.rw, .update])],
            syntax: "key \(form.argument) condition=[NX | XX | GT | LT]@7.0.0",
            summary: "Sets when a key expires, \(form.summary).", complexity: "O(1)"
        ) { (context, arguments) throws(CommandError) in
            try setDeadline(context, arguments, form, command: lowercased)
        }
        .changed("7.0.0", "Takes `NX`, `XX`, `GT` and `LT`.")
    }

    private static func getter(
        _ name: String, since: String, _ summary: String, _ form: ExpireTime.Form
    ) -> Command<KeyspaceContext> {
        Command(
            name, group: .generic, since: since, arity: 2, flags: [.readOnly, .fast], keys: [.first([.ro, .access])],
            tips: form.isAbsolute ? [] : ["nondeterministic_output"], syntax: "key", summary: summary,
            complexity: "O(1)"
        ) { (context, arguments) throws(CommandError) in
            guard let slot = context.find(arguments[1], .inspect) else { return context.reply.integer(-2) }
            guard let deadline = context.database.deadline(slot) else { return context.reply.integer(-1) }
            let time = form.isAbsolute ? Int(deadline) : max(0, Int(deadline - context.now))
            context.reply.integer(form.unit == .seconds ? time / 1000 + (time % 1000 >= 500 ? 1 : 0) : time)
        }
    }

    /// The conditions behind the time, several of which may come together.
    private static func readCondition(_ arguments: Arguments) throws(CommandError) -> DeadlineCondition {
        var condition: DeadlineCondition = []
        var options = ArgumentReader(arguments, from: 3)
        while !options.isAtEnd {
            guard let given = options.takesDeadlineCondition() else {
                throw .quoting("ERR Unsupported option ", options.current)
            }
            condition.insert(given)
        }
        if condition.contains(.absent) && condition != .absent {
            throw .message("ERR NX and XX, GT or LT options at the same time are not compatible")
        }
        if condition.isSuperset(of: [.later, .earlier]) {
            throw .message("ERR GT and LT options at the same time are not compatible")
        }
        return condition
    }

    private static func setDeadline(
        _ context: KeyspaceContext, _ arguments: Arguments, _ form: ExpireTime.Form, command: String
    ) throws(CommandError) {
        let key = arguments[1]
        let condition = try readCondition(arguments)
        let deadline = try ExpireTime.deadline(
            try arguments.integer(2), form, now: context.now, command: command)
        guard let slot = context.find(key), condition.allows(deadline, instead: context.database.deadline(slot)) else {
            return context.reply.integer(0)
        }
        context.setDeadline(slot, deadline, of: key)
        context.reply.integer(1)
    }

    @Sendable static func persist(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        guard let slot = context.find(arguments[1]), context.database.deadline(slot) != nil else {
            return context.reply.integer(0)
        }
        context.database.setDeadline(slot, nil)
        context.changed(arguments[1], .persist)
        context.reply.integer(1)
    }
}

extension KeyspaceContext {
    /// Gives a key a deadline and says so; one that has passed removes the key at once.
    @inline(__always)
    func setDeadline(_ slot: Slot, _ deadline: Int64, of key: ByteSlice) {
        if deadline <= expiryTime {
            removeQuietly(slot)
            changed(key, .del)
            effect("DEL", key)
        } else {
            database.setDeadline(slot, deadline)
            changed(key, .expire)
            effect("PEXPIREAT", key, deadline)
        }
    }
}
