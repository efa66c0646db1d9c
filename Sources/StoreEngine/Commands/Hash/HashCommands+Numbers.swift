// Fields of hashes as numbers.

import RespCodec

extension HashCommands {
    static let numbers: [Command<KeyspaceContext>] = [
        writer(
            "HINCRBY", since: "2.0.0", arity: 4, keyFlags: [.access, .update], syntax: "key field increment",
            summary: "Adds to the integer in a field.", run: add),
        writer(
            "HINCRBYFLOAT", since: "2.6.0", arity: 4, keyFlags: [.access, .update],
            syntax: "key field increment:double",
            summary: "Adds to the floating point number in a field.", effect: .explicit, run: addFloat),
    ]

    @Sendable private static func add(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        let increment = try arguments.integer(3)
        let key = arguments[1]
        let field = arguments[2]
        var value = 0
        if let old = try context.field(arguments, .write) {
            guard let integer = old.integer else { throw .message("ERR hash value is not an integer") }
            value = integer
        }
        let (sum, overflow) = value.addingReportingOverflow(increment)
        guard !overflow else { throw .overflow }
        let hash = try context.hashMade(at: key)
        Decimal.withText(sum) { text in _ = hash.set(field, text, keepsDeadline: true) }
        context.changed(key, .hincrBy)
        context.reply.integer(sum)
    }

    @Sendable private static func addFloat(_ context: inout KeyspaceContext, _ arguments: Arguments)
        throws(CommandError)
    {
        let increment = try arguments.longDouble(3)
        guard increment.isFinite else { throw .message("ERR value is NaN or Infinity") }
        let key = arguments[1]
        let field = arguments[2]
        var value: LongDouble = 0
        if let old = try context.field(arguments, .write) {
            guard let parsed = old.withBytes({ LongDoubleText.parse($0) }) else {
                throw .message("ERR hash value is not a float")
            }
            value = parsed
        }
        let sum = value + increment
        guard sum.isFinite else { throw .nanOrInfinity }
        let hash = try context.hashMade(at: key)
        LongDoubleText.text(sum).withByteSlice { text in
            hash.set(field, text, keepsDeadline: true)
            context.changed(key, .hincrByFloat)
            if hash.hasDeadlines, case .at = hash.deadline(of: field) {
                context.effect("HSETEX", key, "KEEPTTL", "FIELDS", 1, field, text)
            } else {
                context.effect("HSET", key, field, text)
            }
            context.reply.bulkString(text)
        }
    }
}
