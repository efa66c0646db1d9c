// Commands on strings. Reading and setting are here; counting, ranges and the longest common subsequence have files of their own.

import RespCodec

enum StringCommands {
    static let all: [Command<KeyspaceContext>] =
        [
            Command(
                "GET", group: .string, since: "1.0.0", arity: 2, flags: [.readOnly, .fast],
                keys: [.first([.ro, .access])], syntax: "key", summary: "Returns the string at a key.",
                complexity: "O(1)", run: get),
            Command(
                "SET", group: .string, since: "1.0.0", arity: -3, flags: [.write, .denyOOM], effect: .explicit,
                keys: [
                    .first(
                        [.rw, .access, .update, .variableFlags],
                        notes: "RW and ACCESS due to the optional `GET` argument",
                        flagsInRequest: setFlags)
                ],
                syntax:
                    "key value condition=[NX | XX | IFEQ@8.4.0 ifeq-value | IFNE@8.4.0 ifne-value | IFDEQ@8.4.0 ifdeq-digest | IFDNE@8.4.0 ifdne-digest]@2.6.12 [GET]@6.2.0 expiration=[EX@2.6.12 seconds | PX@2.6.12 milliseconds | EXAT@6.2.0 unix-time-seconds | PXAT@6.2.0 unix-time-milliseconds | KEEPTTL@6.0.0]",
                summary: "Sets a key to a string, whatever it held before.", complexity: "O(1)", run: set
            )
            .changed("2.6.12", "Takes `EX`, `PX`, `NX` and `XX`.")
            .changed("6.0.0", "Takes `KEEPTTL`.")
            .changed("6.2.0", "Takes `GET`, `EXAT` and `PXAT`.")
            .changed("7.0.0", "`NX` and `GET` may come together.")
            .changed("8.4.0", "Takes `IFEQ`, `IFNE`, `IFDEQ` and `IFDNE`."),
            Command(
                "SETNX", group: .string, since: "1.0.0", arity: 3, flags: [.write, .denyOOM, .fast], effect: .verbatim,
                keys: [.first([.ow, .insert])], syntax: "key value", summary: "Sets a key that does not exist.",
                complexity: "O(1)", run: setIfAbsent
            )
            .deprecated("2.6.12", replacedBy: "`SET` with `NX`"),
            Command(
                "SETEX", group: .string, since: "2.0.0", arity: 4, flags: [.write, .denyOOM], effect: .explicit,
                keys: [.first([.ow, .update])], syntax: "key seconds value",
                summary: "Sets a key to a string that expires after some seconds.", complexity: "O(1)"
            ) { (context, arguments) throws(CommandError) in
                try setExpiring(&context, arguments, .ex, command: "setex")
            }
            .deprecated("2.6.12", replacedBy: "`SET` with `EX`"),
            Command(
                "PSETEX", group: .string, since: "2.6.0", arity: 4, flags: [.write, .denyOOM], effect: .explicit,
                keys: [.first([.ow, .update])], syntax: "key milliseconds value",
                summary: "Sets a key to a string that expires after some milliseconds.", complexity: "O(1)"
            ) { (context, arguments) throws(CommandError) in
                try setExpiring(&context, arguments, .px, command: "psetex")
            }
            .deprecated("2.6.12", replacedBy: "`SET` with `PX`"),
            Command(
                "GETSET", group: .string, since: "1.0.0", arity: 3, flags: [.write, .denyOOM, .fast], effect: .explicit,
                keys: [.first([.rw, .access, .update])], syntax: "key value",
                summary: "Sets a key and returns the string it held.", complexity: "O(1)", run: getSet
            )
            .deprecated("6.2.0", replacedBy: "`SET` with `GET`"),
            Command(
                "GETDEL", group: .string, since: "6.2.0", arity: 2, flags: [.write, .fast], effect: .explicit,
                keys: [.first([.rw, .access, .delete])], syntax: "key",
                summary: "Returns the string at a key and removes the key.",
                complexity: "O(1)", run: getDelete),
            Command(
                "GETEX", group: .string, since: "6.2.0", arity: -2, flags: [.write, .fast], effect: .explicit,
                keys: [.first([.rw, .access, .update], notes: "RW and UPDATE because it changes the TTL")],
                syntax:
                    "key expiration=[EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST]",
                summary: "Returns the string at a key and sets or removes its deadline.", complexity: "O(1)",
                run: getExpire),
            Command(
                "MGET", group: .string, since: "1.0.0", arity: -2, flags: [.readOnly, .fast],
                keys: [
                    KeySpec([.ro, .access], begin: .index(1), find: .range(last: -1, step: 1, limit: 0))
                ],
                tips: ["request_policy:multi_shard"], syntax: "key [key ...]",
                summary: "Returns the strings at several keys.",
                complexity: "O(N) in the keys", run: getMany),
            Command(
                "MSET", group: .string, since: "1.0.1", arity: -3, flags: [.write, .denyOOM], effect: .verbatim,
                keys: [KeySpec([.ow, .update], begin: .index(1), find: .range(last: -1, step: 2, limit: 0))],
                tips: ["request_policy:multi_shard", "response_policy:all_succeeded"],
                syntax: "key value [key value ...]",
                summary: "Sets several keys at once.", complexity: "O(N) in the keys", run: setMany),
            Command(
                "MSETNX", group: .string, since: "1.0.1", arity: -3, flags: [.write, .denyOOM], effect: .verbatim,
                keys: [KeySpec([.ow, .insert], begin: .index(1), find: .range(last: -1, step: 2, limit: 0))],
                syntax: "key value [key value ...]", summary: "Sets several keys at once if none of them exists.",
                complexity: "O(N) in the keys", run: setManyIfAbsent),
        ] + counting + ranges + conditional + mSetEx + incrEx

    // MARK: reading and setting

    @Sendable static func get(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        guard let slot = try context.find(arguments[1], as: .string, .read) else { return context.reply.null() }
        context.replyString(context.entry(slot), isStable: true)
    }

    @Sendable static func set(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        let key = arguments[1]
        if arguments.count == 3 {
            // The plain form needs nothing of what the options ask for.
            let slot = context.find(key)
            context.noticeOverwriting(key, slot, with: .string)
            context.setString(key, arguments[2], slot: slot, deadline: nil)
            context.changed(key, .set)
            context.effect(arguments)
            return context.reply.ok()
        }
        try setWithOptions(&context, arguments)
    }

    private static func setWithOptions(
        _ context: inout KeyspaceContext, _ arguments: Arguments
    ) throws(CommandError) {
        let key = arguments[1]
        var condition: ValueCondition?
        var returnsOld = false
        var expiry = ExpireOption()
        var options = ArgumentReader(arguments, from: 3)
        while !options.isAtEnd {
            if condition?.isAbsent ?? true, options.takes("nx") {
                condition = .absent
            } else if condition?.isPresent ?? true, options.takes("xx") {
                condition = .present
            } else if try expiry.take(from: &options, or: "keepttl", mayRepeat: true) {
                continue
            } else if options.takes("get") {
                returnsOld = true
            } else if condition == nil, let given = ValueCondition.onValue(&options) {
                condition = given
            } else {
                throw .syntax
            }
        }
        let lifetime = try expiry.lifetime(now: context.now, command: "set")
        let slot = context.find(key, returnsOld ? .read : .write)
        if returnsOld {
            if let slot {
                guard context.entry(slot).isType(.string) else { throw .wrongType }
                context.replyString(context.entry(slot))
            } else {
                context.reply.null()
            }
        }
        if let condition {
            if condition.isOnValue, let slot, !context.entry(slot).isType(.string) { throw .wrongType }
            guard try condition.holds(context, slot) else {
                if !returnsOld { context.reply.null() }
                return
            }
        }
        context.noticeOverwriting(key, slot, with: .string)
        switch lifetime {
        case .unlimited:
            context.setString(key, arguments[2], slot: slot, deadline: nil)
            context.effect("SET", key, arguments[2])
        case .keep:
            context.setString(key, arguments[2], slot: slot, deadline: slot.flatMap { context.database.deadline($0) })
            context.effect("SET", key, arguments[2], "KEEPTTL")
        case .until(let deadline):
            context.setString(key, arguments[2], slot: slot, deadline: deadline)
            context.effect("SET", key, arguments[2], "PXAT", deadline)
        }
        context.changed(key, .set)
        if case .until = lifetime { context.changed(key, .expire, count: 0) }
        if !returnsOld { context.reply.ok() }
    }

    @Sendable static func setIfAbsent(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        guard context.find(arguments[1]) == nil else { return context.reply.integer(0) }
        context.setString(arguments[1], arguments[2], slot: nil, deadline: nil)
        context.changed(arguments[1], .set)
        context.reply.integer(1)
    }

    private static func setExpiring(
        _ context: inout KeyspaceContext, _ arguments: Arguments, _ form: ExpireTime.Form, command: String
    ) throws(CommandError) {
        let deadline = try ExpireTime.positiveDeadline(arguments[2], form, now: context.now, command: command)
        let slot = context.find(arguments[1])
        context.noticeOverwriting(arguments[1], slot, with: .string)
        context.setString(arguments[1], arguments[3], slot: slot, deadline: deadline)
        context.changed(arguments[1], .set)
        context.changed(arguments[1], .expire, count: 0)
        context.effect("SET", arguments[1], arguments[3], "PXAT", deadline)
        context.reply.ok()
    }

    @Sendable static func getSet(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        let slot = try context.find(arguments[1], as: .string, .read)
        if let slot { context.replyString(context.entry(slot)) } else { context.reply.null() }
        context.noticeOverwriting(arguments[1], slot, with: .string)
        context.setString(arguments[1], arguments[2], slot: slot, deadline: nil)
        context.changed(arguments[1], .set)
        context.effect("SET", arguments[1], arguments[2])
    }

    @Sendable static func getDelete(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        guard let slot = try context.find(arguments[1], as: .string, .read) else { return context.reply.null() }
        context.replyString(context.entry(slot))
        context.removeQuietly(slot)
        context.changed(arguments[1], .del)
        context.effect("DEL", arguments[1])
    }

    @Sendable static func getExpire(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        let key = arguments[1]
        var expiry = ExpireOption()
        var options = ArgumentReader(arguments, from: 2)
        while !options.isAtEnd {
            guard try expiry.take(from: &options, or: "persist", mayRepeat: true) else { throw .syntax }
        }
        guard let slot = try context.find(key, as: .string, .read) else { return context.reply.null() }
        let deadline = try expiry.deadline(now: context.now, command: "getex")
        context.replyString(context.entry(slot))
        if let deadline {
            context.setDeadline(slot, deadline, of: key)
        } else if expiry.hasWord && context.database.hasDeadline(slot) {
            context.database.setDeadline(slot, nil)
            context.changed(key, .persist)
            context.effect("PERSIST", key)
        }
    }

    // MARK: several keys

    @Sendable static func getMany(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        context.reply.array(arguments.count - 1)
        // A key may be there many times: the reply is bounded by its limit alone.
        for index in 1..<arguments.count where !context.reply.isOverfull {
            if let slot = context.find(arguments[index], .read), context.entry(slot).isType(.string) {
                context.replyString(context.entry(slot), isStable: true)
            } else {
                context.reply.null()
            }
        }
    }

    private static func setPairs(_ context: inout KeyspaceContext, _ arguments: Arguments) {
        for index in stride(from: 1, to: arguments.count, by: 2) {
            let key = arguments[index]
            let slot = context.find(key)
            context.noticeOverwriting(key, slot, with: .string)
            context.setString(key, arguments[index + 1], slot: slot, deadline: nil)
            context.changed(key, .set)
        }
    }

    @Sendable static func setMany(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        guard arguments.count % 2 == 1 else { throw .wrongArity("mset") }
        setPairs(&context, arguments)
        context.reply.ok()
    }

    @Sendable static func setManyIfAbsent(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError)
    {
        guard arguments.count % 2 == 1 else { throw .wrongArity("msetnx") }
        for index in stride(from: 1, to: arguments.count, by: 2) where context.find(arguments[index]) != nil {
            return context.reply.integer(0)
        }
        setPairs(&context, arguments)
        context.reply.integer(1)
    }
}
