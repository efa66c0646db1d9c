// Claiming what is pending for others, and giving it back.

import RespCodec

extension StreamCommands {
    static let claiming: [Command<KeyspaceContext>] = [
        Command(
            "XCLAIM", group: .stream, since: "5.0.0", arity: -6, flags: [.write, .fast], effect: .explicit,
            keys: [.first([.rw, .update])],
            tips: ["nondeterministic_output"],
            syntax: "key group consumer min-idle-time id [id ...] [IDLE ms:integer] [TIME unix-time-milliseconds] "
                + "[RETRYCOUNT count] [FORCE] [JUSTID] [LASTID lastid]",
            summary: "Gives entries that are pending for others to a consumer.", complexity: "O(log N) for each entry",
            run: claim),
        Command(
            "XAUTOCLAIM", group: .stream, since: "6.2.0", arity: -6, flags: [.write, .fast], effect: .explicit,
            keys: [.first([.rw, .delete])], tips: ["nondeterministic_output"],
            syntax: "key group consumer min-idle-time start:string [COUNT count] [JUSTID]",
            summary: "Gives entries that have been pending for long to a consumer, piece by piece.",
            complexity: "O(1) if COUNT is small", run: autoclaim
        )
        .changed("7.0.0", "Also returns the ids of entries that are gone, and no longer pending."),
        Command(
            "XNACK", group: .stream, since: "8.8.0", arity: -7, flags: [.write, .fast], effect: .verbatim,
            keys: [.first([.rw, .update])],
            syntax: "key group mode=<SILENT | FAIL | FATAL> <IDS numids id [id ...]> [RETRYCOUNT count] [FORCE]",
            summary: "Takes pending entries from their consumers, for whoever claims them first.",
            complexity: "O(log N) for each entry", run: release),
    ]

    private struct ClaimOptions {
        private(set) var idCount = 0
        private(set) var time: Int64
        private(set) var deliveryCount: Int?
        private(set) var forces = false
        private(set) var onlyIDs = false
        private(set) var lastID = StreamID.zero

        init(_ arguments: Arguments, now: Int64) throws(CommandError) {
            var index = 5
            while index < arguments.count, StreamID.parse(arguments[index]) != nil { index += 1 }
            idCount = index - 5
            time = -1
            while index < arguments.count {
                let hasMore = index + 1 < arguments.count
                if arguments.word(index, is: "force") {
                    forces = true
                } else if arguments.word(index, is: "justid") {
                    onlyIDs = true
                } else if hasMore && arguments.word(index, is: "idle") {
                    index += 1
                    time = now &- Int64(try Self.number(arguments[index], "IDLE option"))
                } else if hasMore && arguments.word(index, is: "time") {
                    index += 1
                    time = Int64(try Self.number(arguments[index], "TIME option"))
                } else if hasMore && arguments.word(index, is: "retrycount") {
                    index += 1
                    deliveryCount = try Self.number(arguments[index], "RETRYCOUNT option")
                } else if hasMore && arguments.word(index, is: "lastid") {
                    index += 1
                    lastID = try id(arguments[index])
                } else {
                    throw .quoting("ERR Unrecognized XCLAIM option '", arguments[index], "'")
                }
                index += 1
            }
            if time < 0 || time > now { time = now }
            if let count = deliveryCount, count < 0 { deliveryCount = nil }
        }

        private static func number(_ text: ByteSlice, _ what: String) throws(CommandError) -> Int {
            guard let value = Decimal.parse(text) else { throw .text("ERR Invalid \(what) argument for XCLAIM") }
            return value
        }
    }

    @Sendable private static func claim(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        let key = arguments[1]
        guard let stream = try context.stream(at: key, .update), let group = stream.group(arguments[2]) else {
            throw noGroup(key: key, group: arguments[2])
        }
        guard let idle = Decimal.parse(arguments[4]) else {
            throw .message("ERR Invalid min-idle-time argument for XCLAIM")
        }
        let options = try ClaimOptions(arguments, now: context.now)
        let movesGroup = options.lastID > group.lastID
        if movesGroup { group.lastID = options.lastID }
        let consumer = consumer(arguments[3], of: group, key: key, context)
        let reply = context.reply
        let list = reply.beginDeferred()
        var count = 0
        var changes = 0
        for index in 0..<options.idCount {
            let id = try id(arguments[5 + index])
            var entries = stream.entries(from: id, to: id)
            guard let found = entries.next() else {
                // It was deleted from the stream: nobody can be given it any more.
                if group.removePending(id) {
                    context.acknowledgeEffect(id, group, key)
                    changes += 1
                }
                continue
            }
            guard let entry = group.pendingEntry(id) ?? (options.forces ? group.makePending(id, deliveryCount: 1) : nil)
            else { continue }
            if idle > 0 && !entry.isReleased && entry.idle(context.now) < idle { continue }
            if let deliveryCount = options.deliveryCount {
                entry.deliveryCount = deliveryCount
            } else if !options.onlyIDs {
                entry.countDelivery()
            }
            group.assign(entry, to: consumer, time: options.time)
            context.claimEffect(entry, of: consumer, group, key)
            if options.onlyIDs { reply.id(id) } else { reply.entry(found, of: entries) }
            consumer.activeTime = context.now
            count += 1
            changes += 1
        }
        reply.endArray(list, count: count)
        if movesGroup {
            // Claims tell of it, too.
            if count == 0 { context.groupEffect(group, key) }
            changes += 1
        }
        if changes > 0 { context.changed(key, .pending, count: changes) }
    }

    @Sendable private static func autoclaim(
        _ context: inout KeyspaceContext, _ arguments: Arguments
    ) throws(CommandError) {
        guard let idle = Decimal.parse(arguments[4]) else {
            throw .message("ERR Invalid min-idle-time argument for XAUTOCLAIM")
        }
        let start = try lowerBound(arguments[5])
        var limit = 100
        var onlyIDs = false
        var index = 6
        while index < arguments.count {
            if arguments.word(index, is: "count") && index + 1 < arguments.count {
                guard let count = Decimal.parse(arguments[index + 1]), count >= 1, count <= Int.max / 16 else {
                    throw .message("ERR COUNT must be > 0")
                }
                limit = count
                index += 1
            } else if arguments.word(index, is: "justid") {
                onlyIDs = true
            } else {
                throw .syntax
            }
            index += 1
        }
        let key = arguments[1]
        guard let stream = try context.stream(at: key, .update), let group = stream.group(arguments[2]) else {
            throw noGroup(key: key, group: arguments[2])
        }
        let consumer = consumer(arguments[3], of: group, key: key, context)
        let reply = context.reply
        // The cursor stands before what is claimed, but is known only after it.
        let whole = reply.beginDeferred()
        var deleted: [StreamID] = []
        var count = 0
        var attempts = limit * 10
        var pending = group.pending(from: start)
        var cursor: StreamID?
        while let entry = pending.next() {
            let id = entry.id
            guard attempts > 0, count + deleted.count < limit else {
                cursor = id
                break
            }
            attempts -= 1
            var entries = stream.entries(from: id, to: id)
            guard let found = entries.next() else {
                _ = group.removePending(id)
                context.acknowledgeEffect(id, group, key)
                deleted.append(id)
                guard let next = id.successor else { break }
                pending = group.pending(from: next)
                continue
            }
            if idle > 0 && !entry.isReleased && entry.idle(context.now) < idle { continue }
            if !onlyIDs { entry.countDelivery() }
            group.assign(entry, to: consumer, time: context.now)
            context.claimEffect(entry, of: consumer, group, key)
            if onlyIDs { reply.id(id) } else { reply.entry(found, of: entries) }
            consumer.activeTime = context.now
            count += 1
        }
        reply.end(whole, claimed: count, cursor: cursor ?? .zero)
        reply.array(deleted.count)
        for id in deleted { reply.id(id) }
        if count + deleted.count > 0 { context.changed(key, .pending, count: count + deleted.count) }
    }

    // MARK: giving back

    /// What becomes of the count of deliveries of an entry that is given back.
    private enum Release {
        /// As if it had not been delivered.
        case silent
        case fail
        /// It becomes the greatest there is.
        case fatal

        func count(_ count: Int) -> Int {
            switch self {
            case .silent: max(count - 1, 0)
            case .fail: count
            case .fatal: Int.max
            }
        }
    }

    @Sendable private static func release(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError)
    {
        let mode: Release
        if arguments.word(3, is: "silent") {
            mode = .silent
        } else if arguments.word(3, is: "fail") {
            mode = .fail
        } else if arguments.word(3, is: "fatal") {
            mode = .fatal
        } else {
            throw .message("ERR mode must be SILENT, FAIL, or FATAL")
        }
        guard arguments.word(4, is: "ids") else { throw .syntax }
        let range = try IDBlock.range(arguments, countAt: 5)
        let ids = try ids(arguments, range)
        var deliveryCount: Int?
        var forces = false
        var index = range.upperBound
        while index < arguments.count {
            if arguments.word(index, is: "force") {
                forces = true
            } else if arguments.word(index, is: "retrycount") && index + 1 < arguments.count {
                guard let count = Decimal.parse(arguments[index + 1]), count >= 0 else {
                    throw .message("ERR Invalid RETRYCOUNT value, must be >= 0")
                }
                deliveryCount = count
                index += 1
            } else {
                throw .syntax
            }
            index += 1
        }
        let key = arguments[1]
        guard let stream = try context.stream(at: key, .write), let group = stream.group(arguments[2]) else {
            throw noGroup(key: key, group: arguments[2])
        }
        var released = 0
        for id in ids {
            if let entry = group.pendingEntry(id) {
                entry.deliveryCount = deliveryCount ?? mode.count(entry.deliveryCount)
                group.release(entry)
            } else {
                guard forces && stream.contains(id),
                    group.makePending(id, deliveryCount: deliveryCount ?? mode.count(0)) != nil
                else { continue }
            }
            released += 1
        }
        // Whoever waits to claim may have something to claim now.
        if released > 0 { context.changed(key, .xnack, count: released) }
        context.reply.integer(released)
    }
}

extension ReplyWriter {
    /// Puts in front of `claimed` entries the array of three that XAUTOCLAIM answers, its cursor, and the array of the
    /// entries.
    fileprivate func end(_ whole: Deferred, claimed: Int, cursor: StreamID) {
        endArray(whole, count: claimed)
        insertBefore(whole) {
            array(3)
            id(cursor)
        }
    }
}

extension KeyEvent {
    static let xnack = KeyEvent(.stream, "xnack").keepingWatches.servingClaimsOnly
    /// Entries of a group have become pending, or have a new time of delivery.
    static let pending = KeyEvent(.silent, "pending").keepingWatches.servingClaimsOnly
}
