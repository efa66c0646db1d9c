// DUMP and RESTORE: a value as bytes.

import RespCodec

enum SerializationCommands {
    static let all: [Command<KeyspaceContext>] = [
        Command(
            "DUMP", group: .generic, since: "2.6.0", arity: 2, flags: [.readOnly], keys: [.first([.ro, .access])],
            tips: ["nondeterministic_output"], syntax: "key",
            summary: "Returns a value as bytes that RESTORE makes a value of again.",
            complexity: "O(N) in the bytes of the value"
        ) { (context, arguments) throws(CommandError) in
            guard let slot = context.find(arguments[1], .read) else { return context.reply.null() }
            DumpPayload.write(context.entry(slot), to: context.reply, context)
        },
        restoring("RESTORE", group: .generic, since: "2.6.0", flags: []),
        // Its flag lets it through to a server to which a part of a cluster is being moved.
        restoring("RESTORE-ASKING", group: .server, since: "3.0.0", flags: [.asking]),
    ]

    private static func restoring(
        _ name: String, group: CommandGroup, since: String, flags: CommandFlags
    ) -> Command<KeyspaceContext> {
        Command(
            name, group: group, since: since, arity: -4, flags: [.write, .denyOOM, flags],
            effect: .explicit,
            keys: [.first([.ow, .update])], categories: ["keyspace", "dangerous"],
            syntax:
                "key ttl serialized-value [REPLACE]@3.0.0 [ABSTTL]@5.0.0 [IDLETIME seconds]@5.0.0 [FREQ frequency]@5.0.0",
            summary: "Sets a key to a value that DUMP has made bytes of.",
            complexity: "O(N) in the bytes of the value, O(N log N) for a sorted set", run: restore
        )
        .growing(bytesToRestore)
        .changed("3.0.0", "Takes `REPLACE`.")
        .changed("5.0.0", "Takes `ABSTTL`.")
        .changed("5.0.0", "Takes `IDLETIME` and `FREQ`.")
    }

    private struct Options {
        var replaces = false
        var isAbsolute = false
        /// At most one of the two is given.
        var idleSeconds: Int?
        var frequency: UInt32?

        init(_ arguments: Arguments) throws(CommandError) {
            var options = ArgumentReader(arguments, from: 4)
            while !options.isAtEnd {
                if options.takes("replace") {
                    replaces = true
                } else if options.takes("absttl") {
                    isAbsolute = true
                } else if frequency == nil && options.takes("idletime", with: 1) {
                    let seconds = try options.integer()
                    guard seconds >= 0 else { throw .message("ERR Invalid IDLETIME value, must be >= 0") }
                    idleSeconds = seconds
                } else if idleSeconds == nil && options.takes("freq", with: 1) {
                    guard let value = UInt32(exactly: try options.integer()), value <= 255 else {
                        throw .message("ERR Invalid FREQ value, must be >= 0 and <= 255")
                    }
                    frequency = value
                } else {
                    throw .syntax
                }
            }
        }
    }

    /// How much RESTORE takes besides its arguments; 0 where it fails.
    @Sendable private static func bytesToRestore(_ context: KeyspaceContext, _ arguments: Arguments) -> Int {
        let count = DumpPayload.byteCountToRestore(arguments[3])
        guard count >= KeyspaceContext.leastGrowth, let options = try? Options(arguments),
            options.replaces || context.find(arguments[1], .peek) == nil,
            let time = Decimal.parse(arguments[2]), time >= 0,
            DumpPayload.verified(arguments[3], comparing: context.settings.comparesChecksums) != nil
        else { return 0 }
        return count
    }

    @Sendable private static func restore(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError)
    {
        let key = arguments[1]
        let options = try Options(arguments)
        if !options.replaces && context.find(key, .write) != nil {
            throw .message("BUSYKEY Target key name already exists.")
        }
        let time = try arguments.integer(2)
        guard time >= 0 else { throw .message("ERR Invalid TTL value, must be >= 0") }
        // As in Redis, a time that cannot be counted has passed.
        let deadline = time == 0 ? nil : options.isAbsolute ? Int64(time) : Int64(time) &+ context.now
        let comparesChecksums = context.settings.comparesChecksums
        guard let payload = DumpPayload.verified(arguments[3], comparing: comparesChecksums) else {
            throw .damagedPayload
        }
        let entry: Entry
        do throws(FormatError) {
            entry = try DumpPayload.entry(
                from: payload.value, version: payload.version, key: key, deadline: deadline, context)
        } catch {
            if let refusals = context.engine.refusals {
                let container = payload.value.isEmpty ? "Empty payload" : RecordType.container(of: payload.value[0])
                refusals.tell(
                    "RESTORE of the key '\(key[0..<min(key.count, 128)])': \(container) integrity check failed: \(error.reason)"
                )
            }
            throw .message("ERR Bad data format")
        }
        let old = options.replaces ? context.find(key, .peek) : nil
        if let deadline, deadline <= context.expiryTime {
            unsafe context.engine.freeing.free(entry, in: context.database)
            if let old {
                context.removeQuietly(old)
                context.changed(key, .del)
                context.effect("DEL", key)
            }
            return context.reply.ok()
        }
        let oldType = old.map { context.entry($0).type }
        let type = entry.type
        context.store(entry, key: key, replacing: old, keepsFrequency: false)
        // The old one was removed before.
        if oldType != nil && context.engine.tellsNotices { context.engine.notice(key, .new, in: context.database) }
        context.changed(key, .restore)
        // After the change, which counts as one now.
        if let clock = context.accessClock(idleSeconds: options.idleSeconds, frequency: options.frequency) {
            entry.accessClock = clock
        }
        if let oldType { context.noticeOverwritten(key, oldType, type, in: context.database) }
        tell(context, arguments, options, deadline)
        context.reply.ok()
    }

    /// Tells what was restored, with the deadline as a moment.
    private static func tell(
        _ context: KeyspaceContext, _ arguments: Arguments, _ options: Options, _ deadline: Int64?
    ) {
        // Without a deadline, or with one that is absolute, the request does not depend on when it runs: it is its own effect.
        guard let deadline, !options.isAbsolute else { return context.effect(arguments) }
        guard let effect = context.beginEffect("RESTORE", arguments[1]) else { return }
        effect.add(deadline)
        effect.add(arguments[3])
        if options.replaces { effect.add("REPLACE") }
        effect.add("ABSTTL")
        if let seconds = options.idleSeconds {
            effect.add("IDLETIME")
            effect.add(seconds)
        } else if let frequency = options.frequency {
            effect.add("FREQ")
            effect.add(Int(frequency))
        }
        effect.end()
    }
}

extension KeyEvent {
    static let restore = KeyEvent(.generic, "restore")
}
