// Reading what comes after an id, from many streams at once, alone or as one of a group; waiting for it if need be.

import RespCodec

extension StreamCommands {
    static let reading: [Command<KeyspaceContext>] = [
        Command(
            "XREAD", group: .stream, since: "5.0.0", arity: -4, flags: [.readOnly, .blocking, .movableKeys],
            keys: [
                KeySpec(
                    [.ro, .access], begin: .keyword("STREAMS", from: 1), find: .range(last: -1, step: 1, limit: 2))
            ], syntax: "[COUNT count] [BLOCK milliseconds] <STREAMS key [key ...] id [id ...]>",
            summary: "Returns entries behind ids, of one or more streams. Waits for them if asked to.",
            complexity: "O(N) in the entries returned"
        ) { (context, arguments) throws(CommandError) in
            try read(&context, arguments, ReadOptions(arguments, isGroup: false, now: context.now))
        }
        .asIn("Redis 7.4.0"),
        Command(
            "XREADGROUP", group: .stream, since: "5.0.0", arity: -7, flags: [.write, .blocking, .movableKeys],
            effect: .explicit,
            keys: [
                KeySpec(
                    [.ro, .access], begin: .keyword("STREAMS", from: 4), find: .range(last: -1, step: 1, limit: 2))
            ],
            syntax:
                "<group-block=GROUP group consumer> [COUNT count] [BLOCK milliseconds] [NOACK] <STREAMS key [key ...] id [id ...]>",
            summary: "Returns entries that no other consumer of a group was given, or what is pending for this one.",
            complexity: "O(N) in the entries returned"
        ) { (context, arguments) throws(CommandError) in
            try readAsGroup(&context, arguments, ReadOptions(arguments, isGroup: true, now: context.now))
        },
    ]

    struct ReadOptions {
        private(set) var count = Int.max
        private(set) var waits = false
        private(set) var deadline: Int64?
        private(set) var acknowledges = false
        /// How long what is claimed has been idle, at least.
        private(set) var claimIdle: Int64?
        /// The index of the group's name; the consumer's is behind it.
        private(set) var group = 0
        /// The indexes of the keys; the ids follow.
        private(set) var keys = 0..<0

        init(_ arguments: Arguments, isGroup: Bool, now: Int64) throws(CommandError) {
            var options = ArgumentReader(arguments, from: 1)
            var claimError: CommandError?
            while !options.isAtEnd && keys.isEmpty {
                if options.takes("block", with: 1) {
                    deadline = try options.waitDeadline(now: now)
                    waits = true
                } else if options.takes("count", with: 1) {
                    let count = try options.integer()
                    self.count = count <= 0 ? Int.max : count
                } else if options.takes("streams", with: 1) {
                    let given = options.left
                    guard given % 2 == 0 else {
                        let (name, sign) = isGroup ? ("xreadgroup", ">") : ("xread", "$")
                        throw .text(
                            "ERR Unbalanced '\(name)' list of streams: for each stream key an ID or '\(sign)' must be "
                                + "specified.")
                    }
                    keys = try options.take(given / 2)
                } else if options.takes("group", with: 2) {
                    guard isGroup else {
                        throw .message(
                            "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.")
                    }
                    group = options.index
                    options.skip(2)
                } else if options.takes("noack") {
                    guard isGroup else {
                        throw .message(
                            "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.")
                    }
                    acknowledges = true
                } else if isGroup && options.takes("claim", with: 1) {
                    let idle = try options.integer(otherwise: .message("ERR min-idle-time is not an integer"))
                    if idle < 0 { claimError = .message("ERR min-idle-time must be a positive integer") }
                    claimIdle = Int64(idle)
                } else {
                    throw .syntax
                }
            }
            if let claimError { throw claimError }
            guard !keys.isEmpty else { throw .syntax }
            guard !isGroup || group > 0 else { throw .message("ERR Missing GROUP option for XREADGROUP") }
        }
    }

    /// A reply of streams and what was read from them: a map in RESP3, in RESP2 an array of pairs.
    private struct StreamList {
        let reply: ReplyWriter
        private let start: ReplyWriter.Deferred
        private(set) var count = 0

        init(_ reply: ReplyWriter) {
            self.reply = reply
            start = reply.beginDeferred()
        }

        /// Begins the part of one stream, to be followed by an array of entries.
        mutating func begin(_ key: ByteSlice) {
            if reply.version == .resp2 { reply.array(2) }
            reply.bulkString(key)
            count += 1
        }

        func end() {
            if reply.version == .resp2 {
                reply.endArray(start, count: count)
            } else {
                reply.endMap(start, count: count)
            }
        }
    }

    // MARK: alone

    private static func read(
        _ context: inout KeyspaceContext, _ arguments: Arguments, _ options: ReadOptions
    ) throws(CommandError) {
        let keys = options.keys
        // Behind which id to read each stream. All are known before one is read, so that a wrong one leaves no half
        // reply.
        var behind: [StreamID] = []
        for index in keys {
            let stream = try streamToRead(context, arguments[index])
            behind.append(try start(arguments[index + keys.count], stream))
        }
        var list = StreamList(context.reply)
        for index in keys where !context.reply.isOverfull {
            let id = behind[index - keys.lowerBound]
            guard let stream = try streamToRead(context, arguments[index]), stream.length > 0,
                let last = stream.lastEntryID, last > id, let next = id.successor
            else { continue }
            list.begin(arguments[index])
            var entries = stream.entries(from: next)
            _ = context.reply.entries(&entries, atMost: options.count)
        }
        guard list.count == 0 else { return list.end() }
        guard options.waits else { return context.reply.nullArray() }
        // What "$" meant when the command came must not change while it waits.
        var request: [[UInt8]]?
        for index in keys where isCharacter(arguments[index + keys.count], "$") {
            if request == nil { request = arguments.owned }
            request?[index + keys.count] = behind[index - keys.lowerBound].withText { $0.array }
        }
        context.wait(
            for: arguments, keys, until: options.deadline, timeoutReply: .nullArray, request: request
        ) { Need(.entries(behind: behind[$0 - keys.lowerBound])) }
    }

    private static func streamToRead(_ context: KeyspaceContext, _ key: ByteSlice) throws(CommandError) -> StreamValue?
    {
        context.passesOver(key, unless: .stream) ? nil : try context.stream(at: key, .read)
    }

    /// The id behind which XREAD is to read.
    private static func start(_ text: ByteSlice, _ stream: StreamValue?) throws(CommandError) -> StreamID {
        if isCharacter(text, "$") { return stream?.lastID ?? .zero }
        // The last entry there is, or if there is none the next one to come.
        if isCharacter(text, "+") { return stream?.lastEntryID?.predecessor ?? stream?.lastID ?? .zero }
        guard !isCharacter(text, ">") else {
            throw .message(
                "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.")
        }
        return try id(text)
    }

    // MARK: as one of a group

    private static func readAsGroup(
        _ context: inout KeyspaceContext, _ arguments: Arguments, _ options: ReadOptions
    ) throws(CommandError) {
        let keys = options.keys
        let (name, consumerName) = (arguments[options.group], arguments[options.group + 1])
        // Behind which id of its own the consumer reads; nil for what is new.
        var behind: [StreamID?] = []
        for index in keys {
            guard try context.stream(at: arguments[index], .read)?.group(name) != nil else {
                throw noGroup(key: arguments[index], group: name, " in XREADGROUP with GROUP option")
            }
            let text = arguments[index + keys.count]
            for sign in ["$", "+"] as [Unicode.Scalar] where isCharacter(text, sign) { throw meaningless(sign) }
            guard !isCharacter(text, ">") else {
                behind.append(nil)
                continue
            }
            // Behind the greatest id there is nothing: as in Redis it stands for ">".
            let id = try id(text)
            behind.append(id == .maximum ? nil : id)
        }
        var list = StreamList(context.reply)
        // When what is pending may be claimed, if nothing is acknowledged before.
        var claimTime: Int64?
        for index in keys {
            let key = arguments[index]
            guard let stream = try context.stream(at: key, .update), let group = stream.group(name) else { continue }
            let consumer = consumer(consumerName, of: group, key: key, context)
            let reader = GroupReader(
                context: context, key: key, stream: stream, group: group, consumer: consumer)
            if let id = behind[index - keys.lowerBound] {
                list.begin(key)
                reader.replyHistory(context.reply, behind: id, atMost: options.count)
                context.changed(key, .pending)
            } else if reader.hasNews(options) {
                list.begin(key)
                reader.replyNews(context.reply, options)
                context.changed(key, .pending)
            } else if let time = reader.claimTime(options) {
                claimTime = min(claimTime ?? time, time)
            }
        }
        guard list.count == 0 else { return list.end() }
        guard options.waits else { return context.reply.nullArray() }
        let need = Need(.group(name.array, claimIdle: options.claimIdle))
        context.wait(
            for: arguments, keys, until: options.deadline, timeoutReply: .nullArray, retryTime: claimTime
        ) { _ in need }
    }

    private static func meaningless(_ sign: Unicode.Scalar) -> CommandError {
        .text(
            "ERR The \(sign) ID is meaningless in the context of XREADGROUP: you want to read the history of this "
                + "consumer by specifying a proper ID, or use the > ID to get new messages. The \(sign) ID would just "
                + "return an empty result set.")
    }

    /// The error of a key without a stream, or of a stream without a group.
    static func noGroup(key: ByteSlice, group: ByteSlice, _ end: String = "") -> CommandError {
        .bytes(
            Array("NOGROUP No such key '".utf8) + CommandError.shown(key, limit: Int.max)
                + Array("' or consumer group '".utf8) + CommandError.shown(group, limit: Int.max)
                + Array("'\(end)".utf8))
    }

    /// The consumer of a name, made if there is none, and seen now.
    static func consumer(
        _ name: ByteSlice, of group: StreamGroup, key: ByteSlice, _ context: KeyspaceContext
    ) -> StreamConsumer {
        let (consumer, isNew) = group.consumer(made: name, seen: context.now)
        guard isNew else {
            consumer.seenTime = context.now
            return consumer
        }
        context.changed(key, .xgroupCreateConsumer)
        context.effect("XGROUP", "CREATECONSUMER", key, group.name, name)
        return consumer
    }

    /// One consumer reading one stream.
    private struct GroupReader {
        let context: KeyspaceContext
        let key: ByteSlice
        let stream: StreamValue
        let group: StreamGroup
        let consumer: StreamConsumer
        private var now: Int64 { context.now }

        /// What the consumer has pending behind an id; what was deleted since comes without fields.
        func replyHistory(_ reply: ReplyWriter, behind id: StreamID, atMost limit: Int) {
            let list = reply.beginDeferred()
            var count = 0
            var pending = consumer.pending(from: id.successor ?? .zero)
            while count < limit, let entry = pending.next() {
                var entries = stream.entries(from: entry.id, to: entry.id)
                if let found = entries.next() {
                    reply.entry(found, of: entries)
                    group.assign(entry, to: consumer, time: now, count: .next)
                    context.claimEffect(entry, of: consumer, group, key)
                } else {
                    reply.array(2)
                    reply.id(entry.id)
                    reply.nullArray()
                }
                count += 1
            }
            reply.endArray(list, count: count)
        }

        /// The oldest pending entry, if it may be claimed.
        private func claimable(_ options: ReadOptions) -> PendingEntry? {
            guard let idle = options.claimIdle, let oldest = group.oldest else { return nil }
            return oldest.isReleased || oldest.idle(now) >= idle ? oldest : nil
        }

        /// When the oldest pending entry, which may not be claimed yet, may be.
        func claimTime(_ options: ReadOptions) -> Int64? {
            guard let idle = options.claimIdle, let oldest = group.oldest else { return nil }
            let (time, isNever) = oldest.deliveryTime.addingReportingOverflow(idle)
            return isNever ? nil : max(time, now + 1)
        }

        /// Takes out a pending entry that is in the stream no more.
        private func forget(_ entry: PendingEntry) {
            let id = entry.id
            _ = group.removePending(id)
            context.acknowledgeEffect(id, group, key)
        }

        func hasNews(_ options: ReadOptions) -> Bool {
            if stream.hasEntry(behind: group.lastID) { return true }
            while let entry = claimable(options) {
                if stream.contains(entry.id) { return true }
                forget(entry)
            }
            return false
        }

        /// What has been idle for long, the longest first, and then what the group has not read yet.
        func replyNews(_ reply: ReplyWriter, _ options: ReadOptions) {
            let list = reply.beginDeferred()
            var count = 0
            var claims = group.pendingCount
            while count < options.count, claims > 0, let entry = claimable(options) {
                claims -= 1
                var entries = stream.entries(from: entry.id, to: entry.id)
                guard let found = entries.next() else {
                    // It was deleted from the stream: nobody can be given it any more.
                    forget(entry)
                    continue
                }
                reply.array(4)
                reply.contents(found, of: entries)
                reply.integer(Int(max(entry.idle(now), 0)))
                reply.integer(entry.deliveryCount)
                group.assign(entry, to: consumer, time: now, count: .next)
                context.claimEffect(entry, of: consumer, group, key)
                consumer.activeTime = now
                count += 1
            }
            let claimed = count
            if let next = group.lastID.successor {
                var entries = stream.entries(from: next)
                while count < options.count, let entry = entries.next() {
                    stream.noteRead(entry.id, by: group)
                    if options.claimIdle == nil {
                        reply.entry(entry, of: entries)
                    } else {
                        reply.array(4)
                        reply.contents(entry, of: entries)
                        reply.integer(0)
                        reply.integer(0)
                    }
                    if !options.acknowledges {
                        let delivered = group.deliver(entry.id, to: consumer, now: now)
                        context.claimEffect(delivered, of: consumer, group, key)
                        consumer.activeTime = now
                    }
                    count += 1
                }
            }
            if count > claimed { context.groupEffect(group, key) }
            reply.endArray(list, count: count)
        }
    }
}
