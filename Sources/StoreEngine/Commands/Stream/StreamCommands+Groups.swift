// Groups and their consumers: making and removing them, acknowledging, and what is pending.

import RespCodec

extension StreamCommands {
    static let groups: [Command<KeyspaceContext>] = [
        .container(
            "XGROUP", group: .stream, since: "5.0.0", summary: "Commands on the groups of a stream.",
            subcommands: [
                groupCommand(
                    "CREATE", arity: -5, flags: [.write, .denyOOM], use: .insert,
                    syntax: "key group id-selector=<id | new-id=$> [MKSTREAM] [ENTRIESREAD entriesread=entries-read]",
                    "Makes a group.", run: create
                )
                .changed("7.0.0", "Takes `ENTRIESREAD`."),
                groupCommand(
                    "SETID", arity: -5, flags: [.write], effect: .explicit, use: .update,
                    syntax: "key group id-selector=<id | new-id=$> [ENTRIESREAD entriesread=entries-read]",
                    "Sets what a group has read.",
                    run: setGroupID
                )
                .changed("7.0.0", "Takes `ENTRIESREAD`."),
                groupCommand(
                    "DESTROY", arity: 4, flags: [.write], use: .delete, syntax: "key group", "Removes a group.",
                    run: destroy),
                groupCommand(
                    "CREATECONSUMER", since: "6.2.0", arity: 5, flags: [.write, .denyOOM], use: .insert,
                    syntax: "key group consumer", "Makes a consumer of a group.", run: createConsumer),
                groupCommand(
                    "DELCONSUMER", arity: 5, flags: [.write], use: .delete, syntax: "key group consumer",
                    "Removes a consumer with all that it has pending, and returns how much that was.",
                    complexity: "O(N) in the entries pending", run: removeConsumer),
                .help(
                    of: "XGROUP", group: .stream, since: "5.0.0",
                    [
                        "CREATE <key> <groupname> <id|$> [option]",
                        "    Make a group that reads what comes behind an id. Options are:",
                        "    * MKSTREAM",
                        "      Make an empty stream if there is none.",
                        "    * ENTRIESREAD entries_read",
                        "      Set how many entries the group has read (internal use).",
                        "CREATECONSUMER <key> <groupname> <consumer>",
                        "    Make a consumer of a group.",
                        "DELCONSUMER <key> <groupname> <consumer>",
                        "    Remove a consumer and all that it has pending.",
                        "DESTROY <key> <groupname>",
                        "    Remove a group.",
                        "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
                        "    Set the id behind which a group reads on.",
                    ]),
            ]),
        Command(
            "XACK", group: .stream, since: "5.0.0", arity: -4, flags: [.write, .fast], effect: .verbatim,
            keys: [.first([.rw, .update])],
            syntax: "key group id [id ...]", summary: "Acknowledges entries: they are no longer pending.",
            complexity: "O(1) for each entry", run: acknowledge),
        Command(
            "XPENDING", group: .stream, since: "5.0.0", arity: -3, flags: [.readOnly], keys: [.first([.ro, .access])],
            tips: ["nondeterministic_output"],
            syntax: "key group filters=[[IDLE min-idle-time:integer]@6.2.0 start:string end:string count [consumer]]",
            summary: "Returns what is pending in a group, or who has how much.",
            complexity: "O(N) in the entries returned or passed over, and in the consumers", run: pending
        )
        .changed("6.2.0", "Takes `IDLE`, and ranges without their ends."),
    ]

    private static func groupCommand(
        _ name: String, since: String = "5.0.0", arity: Int, flags: CommandFlags,
        effect: CommandEffect = .verbatim, use: KeySpec.Flags, syntax: String,
        _ summary: String, complexity: String = "O(1)", run: @escaping Command<KeyspaceContext>.Run
    ) -> Command<KeyspaceContext> {
        Command(
            name, group: .stream, since: since, arity: arity, flags: flags, effect: effect,
            keys: [KeySpec([.rw, use], begin: .index(2))], syntax: syntax, summary: summary, complexity: complexity,
            run: run)
    }

    // MARK: making and removing

    private static let keyMissing = CommandError.message(
        """
        ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option \
        to create an empty stream automatically.
        """)

    /// The options of CREATE and SETID.
    private struct GroupOptions {
        var makesStream = false
        private(set) var entriesRead = StreamGroup.unknown

        /// - Parameter isReplay: whether the count may be one that has gone past the largest integer while the group was read.
        init(_ arguments: Arguments, mayMakeStream: Bool, isReplay: Bool) throws(CommandError) {
            var options = ArgumentReader(arguments, from: 5)
            while !options.isAtEnd {
                if mayMakeStream && options.takes("mkstream") {
                    makesStream = true
                } else if options.takes("entriesread", with: 1) {
                    entriesRead = try options.integer()
                    guard entriesRead >= StreamGroup.unknown || isReplay else {
                        throw .message("ERR value for ENTRIESREAD must be positive or -1")
                    }
                } else {
                    throw .subcommandSyntax(of: "XGROUP", arguments[1])
                }
            }
        }
    }

    /// The stream of argument 2 and its group of argument 3, which must be there.
    private static func group(
        _ context: KeyspaceContext, _ arguments: Arguments
    ) throws(CommandError) -> (StreamValue, StreamGroup) {
        guard let stream = try context.stream(at: arguments[2], .write) else { throw keyMissing }
        guard let group = stream.group(arguments[3]) else { throw noSuchGroup(arguments[3], key: arguments[2]) }
        return (stream, group)
    }

    static func noSuchGroup(_ group: ByteSlice, key: ByteSlice) -> CommandError {
        .bytes(
            Array("NOGROUP No such consumer group '".utf8) + CommandError.shown(group, limit: Int.max)
                + Array("' for key name '".utf8) + CommandError.shown(key, limit: Int.max) + Array("'".utf8))
    }

    @Sendable private static func create(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError)
    {
        let options = try GroupOptions(arguments, mayMakeStream: true, isReplay: context.engine.isReplaying)
        let key = arguments[2]
        let found = try context.stream(at: key, .write)
        guard found != nil || options.makesStream else { throw keyMissing }
        guard arguments.count <= 8 else { throw .subcommandSyntax(of: "XGROUP", arguments[1]) }
        let isLast = isCharacter(arguments[4], "$")
        let last = isLast ? found?.lastID ?? .zero : try id(arguments[4])
        let stream = if let found { found } else { try context.streamMade(at: key) }
        guard stream.makeGroup(arguments[3], lastID: last, entriesRead: options.entriesRead) != nil else {
            throw .message("BUSYGROUP Consumer Group name already exists")
        }
        // Making the stream changes the key; a group is beside its value.
        context.changed(key, found == nil ? .xgroupCreate : .xgroupCreate.keepingWatches)
        context.reply.ok()
    }

    @Sendable private static func setGroupID(
        _ context: inout KeyspaceContext, _ arguments: Arguments
    ) throws(CommandError) {
        let options = try GroupOptions(arguments, mayMakeStream: false, isReplay: context.engine.isReplaying)
        let (stream, group) = try group(context, arguments)
        guard arguments.count == 5 || arguments.count == 7 else {
            throw .subcommandSyntax(of: "XGROUP", arguments[1])
        }
        if isCharacter(arguments[4], "$") {
            group.lastID = stream.lastID
        } else {
            guard let parsed = StreamID.parse(arguments[4], edges: true) else { throw invalidID }
            group.lastID = parsed.id
        }
        group.entriesRead = options.entriesRead
        context.changed(arguments[2], .xgroupSetID)
        if arguments.count == 5 { context.effect(arguments) } else { context.groupEffect(group, arguments[2]) }
        context.reply.ok()
    }

    @Sendable private static func destroy(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError)
    {
        guard let stream = try context.stream(at: arguments[2], .write) else { throw keyMissing }
        guard let rest = stream.detachGroup(arguments[3]) else { return context.reply.integer(0) }
        unsafe context.engine.freeing.free(rest)
        context.changed(arguments[2], .xgroupDestroy)
        context.reply.integer(1)
    }

    @Sendable private static func createConsumer(
        _ context: inout KeyspaceContext, _ arguments: Arguments
    ) throws(CommandError) {
        let (_, group) = try group(context, arguments)
        guard group.makeConsumer(arguments[4], seen: context.now) != nil else { return context.reply.integer(0) }
        context.changed(arguments[2], .xgroupCreateConsumer)
        context.reply.integer(1)
    }

    @Sendable private static func removeConsumer(
        _ context: inout KeyspaceContext, _ arguments: Arguments
    ) throws(CommandError) {
        let (_, group) = try group(context, arguments)
        guard let count = group.removeConsumer(arguments[4]) else { return context.reply.integer(0) }
        context.changed(arguments[2], .xgroupDelConsumer)
        context.reply.integer(count)
    }

    // MARK: what is pending

    @Sendable private static func acknowledge(
        _ context: inout KeyspaceContext, _ arguments: Arguments
    ) throws(CommandError) {
        guard let group = try context.stream(at: arguments[1], .update)?.group(arguments[2]) else {
            return context.reply.integer(0)
        }
        // All are read before one is acknowledged, so that a wrong one leaves everything as it is.
        for index in 3..<arguments.count { _ = try id(arguments[index]) }
        var count = 0
        for index in 3..<arguments.count where group.removePending(try id(arguments[index])) { count += 1 }
        if count > 0 { context.changed(arguments[1], .pending, count: count) }
        context.reply.integer(count)
    }

    @Sendable private static func pending(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError)
    {
        guard arguments.count == 3 || (6...9).contains(arguments.count) else { throw .syntax }
        let query = try arguments.count == 3 ? nil : PendingQuery(arguments)
        guard let group = try context.stream(at: arguments[1], .read)?.group(arguments[2]) else {
            throw noGroup(key: arguments[1], group: arguments[2])
        }
        if let query {
            query.reply(context.reply, group, now: context.now)
        } else {
            replySummary(context.reply, group)
        }
    }

    private static func replySummary(_ reply: ReplyWriter, _ group: StreamGroup) {
        reply.array(4)
        reply.integer(group.pendingCount)
        reply.id(group.firstPendingID)
        reply.id(group.lastPendingID)
        guard group.pendingCount > 0 else { return reply.nullArray() }
        let list = reply.beginDeferred()
        var count = 0
        group.forEachConsumer { consumer in
            guard consumer.pendingCount > 0 else { return }
            reply.array(2)
            reply.bulkString(consumer.name)
            reply.bulkString(consumer.pendingCount)
            count += 1
        }
        reply.endArray(list, count: count)
    }

    /// Which pending entries XPENDING is to list.
    private struct PendingQuery {
        private var idle: Int64 = 0
        private let low: StreamID
        private let high: StreamID
        private let limit: Int
        private let consumer: ByteSlice?

        init(_ arguments: Arguments) throws(CommandError) {
            var reader = ArgumentReader(arguments, from: 3)
            if reader.takes("idle") {
                idle = Int64(try reader.integer())
                guard reader.left >= 3 else { throw .syntax }
            }
            let (start, end) = (reader.next(), reader.next())
            limit = max(try reader.integer(), 0)
            low = try lowerBound(start)
            high = try upperBound(end)
            consumer = reader.isAtEnd ? nil : reader.next()
        }

        func reply(_ reply: ReplyWriter, _ group: StreamGroup, now: Int64) {
            var entries: PendingEntries
            if let consumer {
                guard let found = group.consumer(consumer) else { return reply.array(0) }
                entries = found.pending(from: low)
            } else {
                entries = group.pending(from: low)
            }
            let list = reply.beginDeferred()
            var count = 0
            while count < limit, let entry = entries.next(), entry.id <= high {
                if idle != 0 && !entry.isReleased && entry.idle(now) < idle { continue }
                reply.array(4)
                reply.id(entry.id)
                reply.bulkString(group.consumer(of: entry)?.name ?? .empty)
                reply.integer(entry.isReleased ? -1 : Int(max(entry.idle(now), 0)))
                reply.integer(entry.deliveryCount)
                count += 1
            }
            reply.endArray(list, count: count)
        }
    }
}
