// MSETEX: sets several keys with one deadline, in one step.

import RespCodec

extension StringCommands {
    static let mSetEx: [Command<KeyspaceContext>] = [
        Command(
            "MSETEX", group: .string, since: "8.4.0", arity: -4, flags: [.write, .denyOOM], effect: .explicit,
            keys: [KeySpec([.ow, .update], begin: .index(1), find: .keyCount(count: 0, first: 1, step: 2))],
            tips: ["request_policy:multi_shard", "response_policy:all_succeeded"],
            syntax:
                "numkeys key value [key value ...] condition=[NX | XX] expiration=[EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]",
            summary: "Sets several keys at once, with one deadline, if all or none of them exist.",
            complexity: "O(N) in the keys", run: setManyExpiring)
    ]

    @Sendable static func setManyExpiring(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError)
    {
        var options = ArgumentReader(arguments, from: 1)
        let count = try options.integer(in: 1...Int(Int32.max), otherwise: .message("ERR invalid numkeys value"))
        let pairs = try options.take(2 * count, otherwise: .message("ERR wrong number of key-value pairs"))
        var wantsPresent: Bool?
        var lifetime = Lifetime.unlimited
        var expiry = ExpireOption()
        while !options.isAtEnd {
            if let exists = options.takesExistence() {
                guard wantsPresent ?? exists == exists else { throw .syntax }
                wantsPresent = exists
            } else if try expiry.take(from: &options, or: "keepttl", mayRepeat: false) {
                lifetime = try expiry.lifetime(now: context.now, command: "msetex")
            } else {
                throw .syntax
            }
        }
        if let wantsPresent {
            for index in stride(from: pairs.lowerBound, to: pairs.upperBound, by: 2)
            where (context.find(arguments[index]) != nil) != wantsPresent {
                return context.reply.integer(0)
            }
        }
        for index in stride(from: pairs.lowerBound, to: pairs.upperBound, by: 2) {
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
            context.noticeOverwriting(key, slot, with: .string)
            context.setString(key, arguments[index + 1], slot: slot, deadline: deadline)
            context.changed(key, .set)
            if case .until = lifetime { context.changed(key, .expire, count: 0) }
        }
        tellSet(context, arguments, upTo: pairs.upperBound, lifetime)
        context.reply.integer(1)
    }

    private static func tellSet(
        _ context: KeyspaceContext, _ arguments: Arguments, upTo end: Int, _ lifetime: Lifetime
    ) {
        guard context.isRecorded else { return }
        if case .unlimited = lifetime {
            let effect = context.beginEffect("MSET", arguments[2])
            for index in 3..<end { effect?.add(arguments[index]) }
            effect?.end()
            return
        }
        // Servers that do not know MSETEX read the same.
        for index in stride(from: 2, to: end, by: 2) {
            switch lifetime {
            case .unlimited: break
            case .keep: context.effect("SET", arguments[index], arguments[index + 1], "KEEPTTL")
            case .until(let deadline): context.effect("SET", arguments[index], arguments[index + 1], "PXAT", deadline)
            }
        }
    }
}
