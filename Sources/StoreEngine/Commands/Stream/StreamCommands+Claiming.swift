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
            var options = ArgumentReader(arguments, from: 5)
            while !options.isAtEnd, StreamID.parse(options.current) != nil { options.skip() }
            idCount = options.index - 5
            time = -1
            while !options.isAtEnd {
                if options.takes("force") {
                    forces = true
                } else if options.takes("justid") {
                    onlyIDs = true
                } else if options.takes("idle", with: 1) {
                    time = now &- Int64(try options.integer(otherwise: Self.invalid("IDLE option")))
                } else if options.takes("time", with: 1) {
                    time = Int64(try options.integer(otherwise: Self.invalid("TIME option")))
                } else if options.takes("retrycount", with: 1) {
                    deliveryCount = try options.integer(otherwise: Self.invalid("RETRYCOUNT option"))
                } else if options.takes("lastid", with: 1) {
                    lastID = try id(options.next())
                } else {
                    throw .quoting("ERR Unrecognized XCLAIM option '", options.current, "'")
                }
            }
            if time < 0 || time > now { time = now }
            if let count = deliveryCount, count < 0 { deliveryCount = nil }
        }

        private static func invalid(_ what: String) -> CommandError {
            .text("ERR Invalid \(what) argument for XCLAIM")
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
            let deliveries: StreamGroup.DeliveryCount =
                options.deliveryCount.map { .exactly($0) } ?? (options.onlyIDs ? .same : .next)
            group.assign(entry, to: consumer, time: options.time, count: deliveries)
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
        var options = ArgumentReader(arguments, from: 6)
        while !options.isAtEnd {
            if options.takes("count", with: 1) {
                limit = try options.integer(in: 1...Int.max / 16, otherwise: .countNotPositive)
            } else if options.takes("justid") {
                onlyIDs = true
            } else {
                throw .syntax
            }
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
            group.assign(entry, to: consumer, time: context.now, count: onlyIDs ? .same : .next)
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

        init(_ reader: inout ArgumentReader) throws(CommandError) {
            if reader.takes("silent") {
                self = .silent
            } else if reader.takes("fail") {
                self = .fail
            } else if reader.takes("fatal") {
                self = .fatal
            } else {
                throw .message("ERR mode must be SILENT, FAIL, or FATAL")
            }
        }

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
        var options = ArgumentReader(arguments, from: 3)
        let mode = try Release(&options)
        guard options.takes("ids", with: 1) else { throw .syntax }
        let ids = try ids(arguments, try options.ids())
        var deliveryCount: Int?
        var forces = false
        while !options.isAtEnd {
            if options.takes("force") {
                forces = true
            } else if options.takes("retrycount", with: 1) {
                deliveryCount = try options.integer(
                    atLeast: 0, otherwise: .message("ERR Invalid RETRYCOUNT value, must be >= 0"))
            } else {
                throw .syntax
            }
        }
        let key = arguments[1]
        guard let stream = try context.stream(at: key, .write), let group = stream.group(arguments[2]) else {
            throw noGroup(key: key, group: arguments[2])
        }
        var released = 0
        for id in ids {
            if let entry = group.pendingEntry(id) {
                group.release(entry, deliveryCount: deliveryCount ?? mode.count(entry.deliveryCount))
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
