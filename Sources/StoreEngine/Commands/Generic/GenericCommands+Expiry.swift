// Deadlines of keys: setting, asking for and removing them.

import RespCodec

extension GenericCommands {
    static let expiring: [Command<KeyspaceContext>] = [
        setter("EXPIRE", since: "1.0.0", "seconds", .seconds, isAbsolute: false)
            .changed("7.0.0", "Takes `NX`, `XX`, `GT` and `LT`."),
        setter("PEXPIRE", since: "2.6.0", "milliseconds", .milliseconds, isAbsolute: false)
            .changed("7.0.0", "Takes `NX`, `XX`, `GT` and `LT`."),
        setter("EXPIREAT", since: "1.2.0", "unix-time-seconds", .seconds, isAbsolute: true)
            .changed("7.0.0", "Takes `NX`, `XX`, `GT` and `LT`."),
        setter("PEXPIREAT", since: "2.6.0", "unix-time-milliseconds", .milliseconds, isAbsolute: true)
            .changed("7.0.0", "Takes `NX`, `XX`, `GT` and `LT`."),
        getter("TTL", since: "1.0.0", "Returns after how many seconds a key expires.", .seconds, isAbsolute: false)
            .changed("2.8.0", "Answers -2 if there is no key."),
        getter(
            "PTTL", since: "2.6.0", "Returns after how many milliseconds a key expires.", .milliseconds,
            isAbsolute: false
        )
        .changed("2.8.0", "Answers -2 if there is no key."),
        getter(
            "EXPIRETIME", since: "7.0.0", "Returns when a key expires, in seconds since 1970.", .seconds,
            isAbsolute: true),
        getter(
            "PEXPIRETIME", since: "7.0.0", "Returns when a key expires, in milliseconds since 1970.", .milliseconds,
            isAbsolute: true),
        Command(
            "PERSIST", group: .generic, since: "2.2.0", arity: 2, flags: [.write, .fast], effect: .verbatim,
            keys: [.first([.rw, .update])],
            syntax: "key", summary: "Takes away the deadline of a key.", complexity: "O(1)", run: persist),
    ]

    private static func setter(
        _ name: StaticString, since: String, _ argument: String, _ unit: ExpireTime.Unit, isAbsolute: Bool
    ) -> Command<KeyspaceContext> {
        let lowercased = "\(name)".lowercased()
        return Command(
            "\(name)", group: .generic, since: since, arity: -3, flags: [.write, .fast], effect: .explicit,
            keys: [.first([.rw, .update])],
            syntax: "key \(argument) condition=[NX | XX | GT | LT]",
            summary:
                "Sets when a key expires, \(isAbsolute ? "as a time" : "from now on"), in \(unit == .seconds ? "seconds" : "milliseconds").",
            complexity: "O(1)"
        ) { (context, arguments) throws(CommandError) in
            try setDeadline(context, arguments, unit, isAbsolute: isAbsolute, command: lowercased)
        }
    }

    private static func getter(
        _ name: String, since: String, _ summary: String, _ unit: ExpireTime.Unit, isAbsolute: Bool
    ) -> Command<KeyspaceContext> {
        Command(
            name, group: .generic, since: since, arity: 2, flags: [.readOnly, .fast], keys: [.first([.ro, .access])],
            tips: isAbsolute ? [] : ["nondeterministic_output"], syntax: "key", summary: summary, complexity: "O(1)"
        ) { (context, arguments) throws(CommandError) in
            guard let slot = context.find(arguments[1], .inspect) else { return context.reply.integer(-2) }
            guard let deadline = context.database.deadline(slot) else { return context.reply.integer(-1) }
            let time = isAbsolute ? Int(deadline) : max(0, Int(deadline - context.now))
            context.reply.integer(unit == .seconds ? time / 1000 + (time % 1000 >= 500 ? 1 : 0) : time)
        }
    }

    /// When a new deadline is taken.
    private struct Condition: OptionSet {
        let rawValue: Int
        static let absent = Condition(rawValue: 1)
        static let present = Condition(rawValue: 2)
        static let later = Condition(rawValue: 4)
        static let earlier = Condition(rawValue: 8)

        init(rawValue: Int) { self.rawValue = rawValue }

        init(_ arguments: Arguments) throws(CommandError) {
            self = []
            for index in 3..<max(arguments.count, 3) {
                if arguments.word(index, is: "nx") {
                    insert(.absent)
                } else if arguments.word(index, is: "xx") {
                    insert(.present)
                } else if arguments.word(index, is: "gt") {
                    insert(.later)
                } else if arguments.word(index, is: "lt") {
                    insert(.earlier)
                } else {
                    throw .quoting("ERR Unsupported option ", arguments[index])
                }
            }
            if contains(.absent) && !isDisjoint(with: [.present, .later, .earlier]) {
                throw .message("ERR NX and XX, GT or LT options at the same time are not compatible")
            }
            if isSuperset(of: [.later, .earlier]) {
                throw .message("ERR GT and LT options at the same time are not compatible")
            }
        }

        /// A key without a deadline counts as expiring at the end of time.
        func allows(_ deadline: Int64, instead current: Int64?) -> Bool {
            if contains(.absent) && current != nil { return false }
            if contains(.present) && current == nil { return false }
            if contains(.later) {
                guard let current, deadline > current else { return false }
            }
            if contains(.earlier), let current, deadline >= current { return false }
            return true
        }
    }

    private static func setDeadline(
        _ context: KeyspaceContext, _ arguments: Arguments, _ unit: ExpireTime.Unit, isAbsolute: Bool, command: String
    ) throws(CommandError) {
        let key = arguments[1]
        let condition = try Condition(arguments)
        let deadline = try ExpireTime.deadline(
            try arguments.integer(2), unit: unit, isAbsolute: isAbsolute, now: context.now, command: command)
        guard let slot = context.find(key), condition.allows(deadline, instead: context.database.deadline(slot)) else {
            return context.reply.integer(0)
        }
        if deadline <= context.expiryTime {
            context.removeQuietly(slot)
            context.changed(key, .del)
            context.effect("DEL", key)
        } else {
            context.database.setDeadline(slot, deadline)
            context.changed(key, .expire)
            context.effect("PEXPIREAT", key, deadline)
        }
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
