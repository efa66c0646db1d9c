// XINFO: what there is to know about a stream, its groups and their consumers.

import RespCodec

extension StreamCommands {
    static let information: Command<KeyspaceContext> = .container(
        "XINFO", group: .stream, since: "5.0.0", summary: "Commands that tell about a stream.",
        subcommands: [
            Command(
                "STREAM", group: .stream, since: "5.0.0", arity: -3, flags: [.readOnly], keys: key,
                syntax: "key full-block=[<FULL> [COUNT count]]",
                summary: "Tells about a stream, and in full all that it has.",
                complexity: "O(1), in full O(N) in what is returned", run: stream
            )
            .changed("6.0.0", "Takes `FULL`.")
            .changed(
                "7.0.0",
                "Tells `max-deleted-entry-id`, `entries-added`, `recorded-first-entry-id`, `entries-read` and `lag`."
            )
            .changed("7.2.0", "Tells `active-time`; `seen-time` counts attempts too."),
            Command(
                "GROUPS", group: .stream, since: "5.0.0", arity: 3, flags: [.readOnly], keys: key, syntax: "key",
                summary: "Tells about the groups of a stream.", complexity: "O(N) in the groups", run: listGroups
            )
            .changed("7.0.0", "Tells `entries-read` and `lag`."),
            Command(
                "CONSUMERS", group: .stream, since: "5.0.0", arity: 4, flags: [.readOnly], keys: key,
                tips: ["nondeterministic_output"], syntax: "key group",
                summary: "Tells about the consumers of a group.", complexity: "O(N) in the consumers",
                run: listConsumers
            )
            .changed("7.2.0", "Tells `inactive`; `idle` counts attempts too."),
            .help(
                of: "XINFO", group: .stream, since: "5.0.0",
                [
                    "CONSUMERS <key> <groupname>",
                    "    Tell about the consumers of a group.",
                    "GROUPS <key>",
                    "    Tell about the groups of a stream.",
                    "STREAM <key> [FULL [COUNT <count>]",
                    "    Tell about a stream.",
                ]),
        ])

    private static let key = [KeySpec([.ro, .access], begin: .index(2))]

    private static func found(_ context: KeyspaceContext, _ key: ByteSlice) throws(CommandError) -> StreamValue {
        guard let stream = try context.stream(at: key, .read) else { throw .noSuchKey }
        return stream
    }

    // MARK: groups and consumers

    @Sendable private static func listGroups(
        _ context: inout KeyspaceContext, _ arguments: Arguments
    ) throws(CommandError) {
        let stream = try found(context, arguments[2])
        let reply = context.reply
        reply.array(stream.groupCount)
        stream.forEachGroup { group in
            reply.map(6)
            reply.field("name", group.name)
            reply.field("consumers", group.consumerCount)
            reply.field("pending", group.pendingCount)
            replyProgress(reply, group, of: stream)
        }
    }

    /// The last delivered id, the entries read and the lag, three pairs of a map.
    private static func replyProgress(_ reply: ReplyWriter, _ group: StreamGroup, of stream: StreamValue) {
        reply.field("last-delivered-id", group.lastID)
        reply.bulkString("entries-read")
        if group.entriesRead == StreamGroup.unknown { reply.null() } else { reply.integer(group.entriesRead) }
        reply.bulkString("lag")
        if let lag = stream.lag(of: group) { reply.integer(lag) } else { reply.null() }
    }

    @Sendable private static func listConsumers(
        _ context: inout KeyspaceContext, _ arguments: Arguments
    ) throws(CommandError) {
        guard let group = try found(context, arguments[2]).group(arguments[3]) else {
            throw noSuchGroup(arguments[3], key: arguments[2])
        }
        let reply = context.reply
        reply.array(group.consumerCount)
        group.forEachConsumer { consumer in
            reply.map(4)
            reply.field("name", consumer.name)
            reply.field("pending", consumer.pendingCount)
            reply.field("idle", Int(max(context.now &- consumer.seenTime, 0)))
            reply.field("inactive", consumer.activeTime == -1 ? -1 : Int(context.now &- consumer.activeTime))
        }
    }

    // MARK: streams

    @Sendable private static func stream(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError)
    {
        let stream = try found(context, arguments[2])
        var options = ArgumentReader(arguments, from: 3)
        let isFull = options.takes("full")
        var limit = 10
        if isFull && options.left == 2 && options.takes("count", with: 1) {
            let count = try options.integer()
            limit = count == 0 ? Int.max : count < 0 ? 10 : count
        }
        try options.end(otherwise: .subcommandSyntax(of: "XINFO", arguments[1]))
        let reply = context.reply
        reply.map(isFull ? 9 : 10)
        reply.field("length", stream.length)
        reply.field("radix-tree-keys", stream.nodeCount)
        reply.field("radix-tree-nodes", stream.radixNodeCount)
        reply.field("last-generated-id", stream.lastID)
        reply.field("max-deleted-entry-id", stream.maximumDeletedID)
        reply.field("entries-added", stream.entriesAdded)
        reply.field("recorded-first-entry-id", stream.firstID)
        guard !isFull else { return replyContents(reply, stream, limit) }
        reply.field("groups", stream.groupCount)
        for (name, backwards) in [("first-entry", false), ("last-entry", true)] {
            reply.bulkString(text: name)
            var entries = stream.entries(backwards: backwards)
            if let entry = entries.next() { reply.entry(entry, of: entries) } else { reply.null() }
        }
    }

    /// Entries and groups, two pairs of a map.
    private static func replyContents(_ reply: ReplyWriter, _ stream: StreamValue, _ limit: Int) {
        reply.bulkString("entries")
        var entries = stream.entries()
        _ = reply.entries(&entries, atMost: limit)
        reply.bulkString("groups")
        reply.array(stream.groupCount)
        stream.forEachGroup { group in
            reply.map(7)
            reply.field("name", group.name)
            replyProgress(reply, group, of: stream)
            reply.field("pel-count", group.pendingCount)
            reply.bulkString("pending")
            replyPending(reply, group.pending, min(group.pendingCount, limit), of: group)
            reply.bulkString("consumers")
            reply.array(group.consumerCount)
            group.forEachConsumer { consumer in
                reply.map(5)
                reply.field("name", consumer.name)
                reply.field("seen-time", Int(consumer.seenTime))
                reply.field("active-time", Int(consumer.activeTime))
                reply.field("pel-count", consumer.pendingCount)
                reply.bulkString("pending")
                replyPending(reply, consumer.pending, min(consumer.pendingCount, limit))
            }
        }
    }

    /// The first pending entries, with their consumers if a group is given.
    private static func replyPending(
        _ reply: ReplyWriter, _ entries: PendingEntries, _ count: Int, of group: StreamGroup? = nil
    ) {
        reply.array(count)
        for entry in entries.prefix(count) {
            reply.array(group == nil ? 3 : 4)
            reply.id(entry.id)
            if let group { reply.bulkString(group.consumer(of: entry)?.name ?? .empty) }
            reply.integer(Int(entry.deliveryTime))
            reply.integer(entry.deliveryCount)
        }
    }
}

extension ReplyWriter {
    /// A pair of a map: the name of a field and a number, an id or a text.
    fileprivate func field(_ name: ByteSlice, _ value: Int) {
        bulkString(name)
        integer(value)
    }

    fileprivate func field(_ name: ByteSlice, _ value: StreamID) {
        bulkString(name)
        id(value)
    }

    fileprivate func field(_ name: ByteSlice, _ value: ByteSlice) {
        bulkString(name)
        bulkString(value)
    }
}
