// Strings that are numbers: INCR and its family.

import RespCodec

extension StringCommands {
    private static func counter(
        _ name: String, since: String, arity: Int = 2, syntax: String = "key", summary: String,
        effect: CommandEffect = .verbatim, run: @escaping Command<KeyspaceContext>.Run
    ) -> Command<KeyspaceContext> {
        Command(
            name, group: .string, since: since, arity: arity, flags: [.write, .denyOOM, .fast], effect: effect,
            keys: [.first([.rw, .access, .update])], syntax: syntax, summary: summary, complexity: "O(1)", run: run)
    }

    static let counting: [Command<KeyspaceContext>] = [
        counter("INCR", since: "1.0.0", summary: "Adds one to the integer at a key.") {
            (context, arguments) throws(CommandError) in try add(&context, arguments[1], 1)
        },
        counter("DECR", since: "1.0.0", summary: "Takes one from the integer at a key.") {
            (context, arguments) throws(CommandError) in try add(&context, arguments[1], -1)
        },
        counter(
            "INCRBY", since: "1.0.0", arity: 3, syntax: "key increment", summary: "Adds to the integer at a key."
        ) { (context, arguments) throws(CommandError) in
            try add(&context, arguments[1], try arguments.integer(2))
        },
        counter(
            "DECRBY", since: "1.0.0", arity: 3, syntax: "key decrement", summary: "Takes from the integer at a key."
        ) { (context, arguments) throws(CommandError) in
            let decrement = try arguments.integer(2)
            guard decrement != Int.min else { throw .message("ERR decrement would overflow") }
            try add(&context, arguments[1], -decrement)
        },
        counter(
            "INCRBYFLOAT", since: "2.6.0", arity: 3, syntax: "key increment:double",
            summary: "Adds to the floating point number at a key.", effect: .explicit,
            run: addFloat),
    ]

    @inline(__always)
    private static func add(_ context: inout KeyspaceContext, _ key: ByteSlice, _ increment: Int) throws(CommandError) {
        let slot = try context.find(key, as: .string)
        var value = 0
        if let slot {
            let entry = context.entry(slot)
            if entry.encoding == .integer {
                value = entry.integer
            } else if let parsed = context.withString(entry, { Decimal.parse($0) }) {
                value = parsed
            } else {
                throw .notInteger
            }
        }
        let (sum, overflow) = value.addingReportingOverflow(increment)
        guard !overflow else { throw .overflow }
        context.setInteger(key, sum, slot: slot, deadline: slot.flatMap { context.database.deadline($0) })
        context.changed(key, .incrBy)
        context.reply.integer(sum)
    }

    @Sendable static func addFloat(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        let key = arguments[1]
        let slot = try context.find(key, as: .string)
        var value: LongDouble = 0
        if let slot {
            guard let parsed = context.withString(context.entry(slot), { LongDoubleText.parse($0) }) else {
                throw .notFloat
            }
            value = parsed
        }
        let sum = value + (try arguments.longDouble(2))
        guard sum.isFinite else { throw .nanOrInfinity }
        let text = LongDoubleText.text(sum)
        text.withByteSlice { text in
            let deadline = slot.flatMap { context.database.deadline($0) }
            context.setString(key, text, slot: slot, deadline: deadline, keepsText: true)
            context.changed(key, .incrByFloat)
            context.effect("SET", key, text, "KEEPTTL")
            context.reply.bulkString(text)
        }
    }
}
