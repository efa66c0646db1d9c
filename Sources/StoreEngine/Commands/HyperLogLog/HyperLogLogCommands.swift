// Commands that estimate how many different elements there are. Those that look into a HyperLogLog have a file of their own.

import RespCodec

enum HyperLogLogCommands {
    static let all: [Command<KeyspaceContext>] =
        [
            Command(
                "PFADD", group: .hyperloglog, since: "2.8.9", arity: -2, flags: [.write, .denyOOM, .fast],
                effect: .verbatim,
                keys: [.first([.rw, .insert])], syntax: "key [element [element ...]]",
                summary: "Adds elements to a HyperLogLog.", complexity: "O(1) for each element", run: add),
            Command(
                "PFCOUNT", group: .hyperloglog, since: "2.8.9", arity: -2, flags: [.readOnly, .mayWrite],
                effect: .verbatim,
                keys: [
                    KeySpec(
                        [.rw, .access], begin: .index(1), find: .range(last: -1, step: 1, limit: 0),
                        notes:
                            "RW because it may change the internal representation of the key, and propagate to replicas"
                    )
                ],
                syntax: "key [key ...]",
                summary: "Estimates how many different elements HyperLogLogs have seen together.",
                complexity: "O(1) for one key whose estimate is known, O(N) in the keys otherwise", run: count),
            Command(
                "PFMERGE", group: .hyperloglog, since: "2.8.9", arity: -2, flags: [.write, .denyOOM], effect: .verbatim,
                keys: [
                    .first([.rw, .access, .insert]),
                    KeySpec([.ro, .access], begin: .index(2), find: .range(last: -1, step: 1, limit: 0)),
                ],
                syntax: "destkey [sourcekey [sourcekey ...]]", summary: "Unites HyperLogLogs in one.",
                complexity: "O(N) in the keys", run: merge),
        ] + debugging

    static var damaged: CommandError { .message("INVALIDOBJ Corrupted HLL object detected") }

    @Sendable static func add(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        let key = arguments[1]
        var changes = 0
        let value: HyperLogLogValue
        if let found = try context.hyperLogLog(at: key, .write) {
            value = found
            if arguments.count == 2 { value.becomeRaw() }
        } else {
            value = context.makeHyperLogLog(at: key)
            changes = 1
        }
        var isDamaged = false
        var index = 2
        while index < arguments.count && !isDamaged {
            switch value.add(arguments[index]) {
            case .nothing: break
            case .changed: changes += 1
            case .damaged: isDamaged = true
            }
            index += 1
        }
        if changes > 0 {
            value.forgetEstimate()
            context.changed(key, .pfAdd, count: changes)
        }
        guard !isDamaged else { throw damaged }
        context.reply.integer(changes > 0 ? 1 : 0)
    }

    @Sendable static func count(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        guard arguments.count == 2 else { return try countTogether(context, arguments) }
        guard let value = try context.hyperLogLog(at: arguments[1], .read) else { return context.reply.integer(0) }
        guard let estimate = value.estimate() else { throw damaged }
        // The estimate is kept in the string, which has changed by that, but nobody is told of an event.
        if estimate.isNew { context.changed(arguments[1], .pfEstimated) }
        context.reply.integer(estimate.value)
    }

    private static func countTogether(_ context: KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        var union = SpreadRegisters()
        for index in 1..<arguments.count {
            guard let bytes = try context.hyperLogLogBytes(at: arguments[index]) else { continue }
            guard union.unite(bytes) else { throw damaged }
        }
        context.reply.integer(union.histogram.estimate)
    }

    @Sendable static func merge(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        let key = arguments[1]
        var union = SpreadRegisters()
        var isDense = false
        for index in 1..<arguments.count {
            guard let bytes = try context.hyperLogLogBytes(at: arguments[index]) else { continue }
            if HyperLogLog.layout(of: bytes) == .dense { isDense = true }
            guard union.unite(bytes) else { throw damaged }
        }
        let value = try context.hyperLogLog(at: key, .write) ?? context.makeHyperLogLog(at: key)
        value.raise(to: union, isDense: isDense)
        value.forgetEstimate()
        context.changed(key, .pfAdd)
        context.reply.ok()
    }
}

extension KeyEvent {
    static let pfAdd = KeyEvent(.string, "pfadd")
    /// Nobody is told: see `KeyEventClass.silent`.
    static let pfEstimated = KeyEvent(.silent, "pfcount")
}
