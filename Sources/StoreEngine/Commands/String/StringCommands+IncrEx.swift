// INCREX: adds to a number within bounds, and sets or removes its deadline, in one step.

import RespCodec

extension StringCommands {
    static let incrEx: [Command<KeyspaceContext>] = [
        Command(
            "INCREX", group: .string, since: "8.8.0", arity: -2, flags: [.write, .denyOOM, .fast], effect: .explicit,
            keys: [.first([.rw, .access, .update])],
            syntax:
                "key delta=[BYFLOAT float | BYINT increment] [LBOUND lowerbound] [UBOUND upperbound] [SATURATE] expiration=[EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST] [ENX]",
            summary: "Adds to the number at a key within bounds and sets or removes its deadline.", complexity: "O(1)",
            run: addBounded)
    ]

    /// What INCREX is asked for, but for the numbers, whose kind is known only at the end.
    private struct BoundedAddition {
        private(set) var isFloat = false
        private var increment: ByteSlice?
        private var lower: ByteSlice?
        private var upper: ByteSlice?
        private(set) var saturates = false
        private var persists = false
        private var onlyWithoutDeadline = false
        private var deadline: Int64?

        init(_ context: KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
            var expiry = ExpireOption()
            var options = ArgumentReader(arguments, from: 2)
            while !options.isAtEnd {
                if increment == nil, options.takes("byint", with: 1) {
                    increment = options.next()
                } else if increment == nil, options.takes("byfloat", with: 1) {
                    isFloat = true
                    increment = options.next()
                } else if lower == nil, options.takes("lbound", with: 1) {
                    lower = options.next()
                } else if upper == nil, options.takes("ubound", with: 1) {
                    upper = options.next()
                } else if !saturates && options.takes("saturate") {
                    saturates = true
                } else if !onlyWithoutDeadline && options.takes("enx") {
                    onlyWithoutDeadline = true
                } else if try expiry.take(from: &options, or: "persist", mayRepeat: false) {
                    deadline = try expiry.deadline(now: context.now, command: "increx")
                } else {
                    throw .syntax
                }
            }
            persists = expiry.hasWord
            guard !onlyWithoutDeadline || !persists else { throw .syntax }
            guard !onlyWithoutDeadline || deadline != nil else {
                throw .message("ERR ENX flag requires an expiration")
            }
        }

        /// What is added, and within which bounds the sum must be; what was not given is 1, and bounds that nothing exceeds.
        /// - Parameters:
        ///   - parse: reads a number, nil for what is none.
        ///   - mistake: what is said of such a text.
        ///   - check: refuses an increment.
        func numbers<Number: Comparable>(
            one: Number, _ widest: ClosedRange<Number>, _ mistake: String, _ parse: (ByteSlice) -> Number?,
            check: (Number) throws(CommandError) -> Void = { _ in }
        ) throws(CommandError) -> (increment: Number, bounds: ClosedRange<Number>) {
            func number(_ text: ByteSlice?, or other: Number, _ name: String) throws(CommandError) -> Number {
                guard let text else { return other }
                guard let value = parse(text) else { throw .text("ERR \(name) is not \(mistake)") }
                return value
            }
            let increment = try number(increment, or: one, "Increment")
            try check(increment)
            let lower = try number(lower, or: widest.lowerBound, "LBOUND")
            let upper = try number(upper, or: widest.upperBound, "UBOUND")
            guard lower <= upper else { throw .message("ERR LBOUND can't be greater than UBOUND") }
            return (increment, lower...upper)
        }

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
        let (increment, bounds) = try addition.numbers(
            one: 1, Int.min...Int.max, "an integer or out of range", Decimal.parse)
        let slot = try context.find(key, as: .string)
        var old = 0
        if let slot {
            guard let value = context.withString(context.entry(slot), { Decimal.parse($0) }) else { throw .notInteger }
            old = value
        }
        var (new, overflow) = old.addingReportingOverflow(increment)
        if overflow { new = increment > 0 ? Int.max : Int.min }
        guard addition.saturates || (!overflow && bounds ~= new) else {
            context.reply.array(2)
            context.reply.integer(old)
            return context.reply.integer(0)
        }
        new = min(max(new, bounds.lowerBound), bounds.upperBound)
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
        let limit = LongDouble.greatestFiniteMagnitude
        let (increment, bounds) = try addition.numbers(one: 1, -limit...limit, "a valid float", LongDoubleText.parse) {
            increment throws(CommandError) in
            guard increment.isFinite else { throw .message("ERR BYFLOAT increment cannot be Infinity") }
        }
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
        guard addition.saturates || (sum.isFinite && bounds ~= sum) else {
            context.reply.array(2)
            reply(context, LongDoubleText.text(old))
            return reply(context, LongDoubleText.text(0))
        }
        let new = min(max(sum, bounds.lowerBound), bounds.upperBound)
        let applied = new - old
        // Where the bounds allow it, the sum may be infinite, or the largest number there is: neither is stored.
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
