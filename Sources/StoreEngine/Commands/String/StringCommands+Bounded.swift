// Setting and counting with deadlines in one step: MSETEX, and INCREX, which also keeps the number within bounds.

import RespCodec

extension StringCommands {
    static let bounded: [Command<KeyspaceContext>] = [
        Command(
            "MSETEX", group: .string, since: "8.4.0", arity: -4, flags: [.write, .denyOOM], effect: .explicit,
            keys: [KeySpec([.ow, .update], begin: .index(1), find: .keyCount(count: 0, first: 1, step: 2))],
            tips: ["request_policy:multi_shard", "response_policy:all_succeeded"],
            syntax:
                "numkeys key value [key value ...] condition=[NX | XX] expiration=[EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]",
            summary: "Sets several keys at once, with one deadline, if all or none of them exist.",
            complexity: "O(N) in the keys", run: setManyExpiring),
        Command(
            "INCREX", group: .string, since: "8.8.0", arity: -2, flags: [.write, .denyOOM, .fast], effect: .explicit,
            keys: [.first([.rw, .access, .update])],
            syntax:
                "key delta=[BYFLOAT float | BYINT increment] [LBOUND lowerbound] [UBOUND upperbound] [SATURATE] expiration=[EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST] [ENX]",
            summary: "Adds to the number at a key within bounds and sets or removes its deadline.", complexity: "O(1)",
            run: addBounded),
    ]

    // MARK: MSETEX

    @Sendable static func setManyExpiring(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError)
    {
        guard let count = Decimal.parse(arguments[1]), count >= 1 && count <= Int(Int32.max) else {
            throw .message("ERR invalid numkeys value")
        }
        let end = 2 + 2 * count
        guard end <= arguments.count else { throw .message("ERR wrong number of key-value pairs") }
        var wantsPresent: Bool?
        var lifetime = Lifetime.unlimited
        var hasLifetime = false
        var index = end
        while index < arguments.count {
            if arguments.word(index, is: "nx") && wantsPresent != true {
                wantsPresent = false
            } else if arguments.word(index, is: "xx") && wantsPresent != false {
                wantsPresent = true
            } else if arguments.word(index, is: "keepttl") && !hasLifetime {
                lifetime = .keep
                hasLifetime = true
            } else if let option = timeOption(arguments, index), index + 1 < arguments.count, !hasLifetime {
                lifetime = .until(
                    try ExpireTime.positiveDeadline(
                        arguments[index + 1], unit: option.unit, isAbsolute: option.isAbsolute, now: context.now,
                        command: "msetex"))
                hasLifetime = true
                index += 1
            } else {
                throw .syntax
            }
            index += 1
        }
        if let wantsPresent {
            for index in stride(from: 2, to: end, by: 2) where (context.find(arguments[index]) != nil) != wantsPresent {
                return context.reply.integer(0)
            }
        }
        for index in stride(from: 2, to: end, by: 2) {
            let key = arguments[index]
            // A key given twice may have expired the moment that it was set.
            if case .until = lifetime { context.expireIfNeeded(key) }
            let slot = context.find(key)
            var deadline: Int64?
            switch lifetime {
            case .unlimited: break
            case .keep: deadline = slot.flatMap { context.database.deadline($0) }
            case .until(let time): deadline = time
            }
            context.setString(key, arguments[index + 1], slot: slot, deadline: deadline)
            context.changed(key, .set)
            if case .until = lifetime { context.changed(key, .expire, count: 0) }
        }
        tellSet(context, arguments, upTo: end, lifetime)
        context.reply.integer(1)
    }

    private static func tellSet(
        _ context: KeyspaceContext, _ arguments: Arguments, upTo end: Int, _ lifetime: Lifetime
    ) {
        guard context.isRecorded else { return }
        let effect: EffectWords?
        if case .unlimited = lifetime {
            effect = context.beginEffect("MSET", arguments[2])
        } else {
            effect = context.beginEffect("MSETEX", arguments[1])
            effect?.add(arguments[2])
        }
        for index in 3..<end { effect?.add(arguments[index]) }
        switch lifetime {
        case .unlimited: break
        case .keep: effect?.add("KEEPTTL")
        case .until(let deadline):
            effect?.add("PXAT")
            effect?.add(deadline)
        }
        effect?.end()
    }

    // MARK: INCREX

    /// What INCREX is asked for, but for the numbers, whose kind is known only at the end.
    private struct BoundedAddition {
        var isFloat = false
        /// Where the increment and the bounds are among the arguments.
        var increment: Int?
        var lower: Int?
        var upper: Int?
        var saturates = false
        var persists = false
        var onlyWithoutDeadline = false
        var deadline: Int64?

        init(_ context: KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
            var index = 2
            while index < arguments.count {
                let hasOperand = index + 1 < arguments.count
                if increment == nil, hasOperand,
                    arguments.word(index, is: "byint") || arguments.word(index, is: "byfloat")
                {
                    isFloat = arguments.word(index, is: "byfloat")
                    increment = index + 1
                    index += 1
                } else if lower == nil, hasOperand, arguments.word(index, is: "lbound") {
                    lower = index + 1
                    index += 1
                } else if upper == nil, hasOperand, arguments.word(index, is: "ubound") {
                    upper = index + 1
                    index += 1
                } else if !saturates && arguments.word(index, is: "saturate") {
                    saturates = true
                } else if !onlyWithoutDeadline && arguments.word(index, is: "enx") {
                    onlyWithoutDeadline = true
                } else if !persists && deadline == nil && arguments.word(index, is: "persist") {
                    persists = true
                } else if let option = timeOption(arguments, index), hasOperand, deadline == nil, !persists {
                    deadline = try ExpireTime.positiveDeadline(
                        arguments[index + 1], unit: option.unit, isAbsolute: option.isAbsolute, now: context.now,
                        command: "increx")
                    index += 1
                } else {
                    throw .syntax
                }
                index += 1
            }
            guard !onlyWithoutDeadline || !persists else { throw .syntax }
            guard !onlyWithoutDeadline || deadline != nil else {
                throw .message("ERR ENX flag requires an expiration")
            }
        }

        static var wrongBounds: CommandError { .message("ERR LBOUND can't be greater than UBOUND") }

        /// The deadline that the key gets, and what happens to it by that.
        func newDeadline(_ old: Int64?) -> (time: Int64?, event: KeyEvent?) {
            if persists { return (nil, old == nil ? nil : .persist) }
            guard let deadline, !onlyWithoutDeadline || old == nil else { return (old, nil) }
            return (deadline, .expire)
        }
    }

    @Sendable static func addBounded(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        let addition = try BoundedAddition(context, arguments)
        if addition.isFloat {
            try addFloat(context, arguments, addition)
        } else {
            try addInteger(context, arguments, addition)
        }
    }

    private static func addInteger(
        _ context: KeyspaceContext, _ arguments: Arguments, _ addition: BoundedAddition
    ) throws(CommandError) {
        let key = arguments[1]
        func number(_ index: Int?, or other: Int, _ name: String) throws(CommandError) -> Int {
            guard let index else { return other }
            guard let value = Decimal.parse(arguments[index]) else {
                throw .text("ERR \(name) is not an integer or out of range")
            }
            return value
        }
        let increment = try number(addition.increment, or: 1, "Increment")
        let lower = try number(addition.lower, or: Int.min, "LBOUND")
        let upper = try number(addition.upper, or: Int.max, "UBOUND")
        guard lower <= upper else { throw BoundedAddition.wrongBounds }
        let slot = try context.find(key, as: .string)
        var old = 0
        if let slot {
            guard let value = context.withString(context.entry(slot), { Decimal.parse($0) }) else { throw .notInteger }
            old = value
        }
        var (new, overflow) = old.addingReportingOverflow(increment)
        if overflow { new = increment > 0 ? Int.max : Int.min }
        guard addition.saturates || (!overflow && lower...upper ~= new) else {
            context.reply.array(2)
            context.reply.integer(old)
            return context.reply.integer(0)
        }
        new = min(max(new, lower), upper)
        let (applied, isTooFar) = new.subtractingReportingOverflow(old)
        guard !isTooFar else { throw .message("ERR applied increment would overflow") }
        context.reply.array(2)
        let deadline = addition.newDeadline(slot.flatMap { context.database.deadline($0) })
        context.setInteger(key, new, slot: slot, deadline: deadline.time)
        context.changed(key, .incrBy)
        tell(context, key, new, deadline.time)
        if let event = deadline.event { context.changed(key, event, count: 0) }
        context.reply.integer(new)
        context.reply.integer(applied)
    }

    private static func addFloat(
        _ context: KeyspaceContext, _ arguments: Arguments, _ addition: BoundedAddition
    ) throws(CommandError) {
        let key = arguments[1]
        func number(_ index: Int?, or other: LongDouble, _ name: String) throws(CommandError) -> LongDouble {
            guard let index else { return other }
            guard let value = LongDoubleText.parse(arguments[index]) else {
                throw .text("ERR \(name) is not a valid float")
            }
            return value
        }
        let limit = LongDouble.greatestFiniteMagnitude
        let increment = try number(addition.increment, or: 1, "Increment")
        guard increment.isFinite else { throw .message("ERR BYFLOAT increment cannot be Infinity") }
        let lower = try number(addition.lower, or: -limit, "LBOUND")
        let upper = try number(addition.upper, or: limit, "UBOUND")
        guard lower <= upper else { throw BoundedAddition.wrongBounds }
        let slot = try context.find(key, as: .string)
        var old: LongDouble = 0
        if let slot {
            guard let value = context.withString(context.entry(slot), { LongDoubleText.parse($0) }) else {
                throw .notFloat
            }
            guard value.isFinite else { throw .message("ERR value cannot be Infinity") }
            old = value
        }
        let sum = old + increment
        guard addition.saturates || (sum.isFinite && sum >= lower && sum <= upper) else {
            context.reply.array(2)
            reply(context, LongDoubleText.text(old))
            return reply(context, LongDoubleText.text(0))
        }
        let new = min(max(sum, lower), upper)
        let applied = new - old
        // What no bound keeps from infinity is not stored, nor the number next to it.
        guard new.magnitude < limit && applied.isFinite else {
            throw .message("ERR applied increment would be Infinity")
        }
        let text = LongDoubleText.text(new)
        context.reply.array(2)
        let deadline = addition.newDeadline(slot.flatMap { context.database.deadline($0) })
        text.withByteSlice { context.setString(key, $0, slot: slot, deadline: deadline.time, keepsText: true) }
        context.changed(key, .incrByFloat)
        text.withByteSlice { tell(context, key, $0, deadline.time) }
        if let event = deadline.event { context.changed(key, event, count: 0) }
        reply(context, text)
        reply(context, LongDoubleText.text(applied))
    }

    private static func tell(
        _ context: KeyspaceContext, _ key: ByteSlice, _ value: some EffectWord, _ deadline: Int64?
    ) {
        if let deadline {
            context.effect("SET", key, value, "PXAT", deadline)
        } else {
            context.effect("SET", key, value)
        }
    }

    /// A number in its widest form: a double whose digits are more than a double has.
    private static func reply(_ context: KeyspaceContext, _ text: [UInt8]) {
        guard context.reply.version == .resp3 else { return context.reply.bulkString(text) }
        context.reply.raw(",")
        text.withByteSlice { context.reply.raw($0) }
        context.reply.raw("\r\n")
    }
}
