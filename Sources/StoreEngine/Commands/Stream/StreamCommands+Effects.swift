// What commands on streams have done, as commands that do the same anywhere: whatever is chosen here (ids, what to trim, who gets what and
// when) is told as it was chosen.

import RespCodec

extension KeyspaceContext {
    /// Tells whose a pending entry is now, since when, and how often it was delivered.
    func claimEffect(_ entry: PendingEntry, of consumer: StreamConsumer, _ group: StreamGroup, _ key: ByteSlice) {
        effect(
            "XCLAIM", key, group.name, consumer.name, 0, entry.id, "TIME", entry.deliveryTime, "RETRYCOUNT",
            entry.deliveryCount, "FORCE", "JUSTID", "LASTID", group.lastID)
    }

    /// Tells how far a group has read.
    func groupEffect(_ group: StreamGroup, _ key: ByteSlice) {
        effect("XGROUP", "SETID", key, group.name, group.lastID, "ENTRIESREAD", group.entriesRead)
    }

    /// Tells that an entry is no longer pending.
    func acknowledgeEffect(_ id: StreamID, _ group: StreamGroup, _ key: ByteSlice) {
        effect("XACK", key, group.name, id)
    }
}

extension StreamCommands {
    /// Tells that an entry was added, and the stream perhaps trimmed: as it was asked for, unless it was left to this server how.
    static func tellAdded(
        _ context: KeyspaceContext, _ arguments: Arguments, _ options: AddOptions, _ id: StreamID, _ stream: StreamValue
    ) {
        let isGiven = options.id.map { !$0.choosesSequence } ?? false
        guard !isGiven || options.trim?.isApproximate ?? false else { return context.effect(arguments) }
        guard let effect = context.beginEffect("XADD", arguments[1]) else { return }
        if let trim = options.trim { add(trim, of: stream, to: effect) }
        effect.add(id)
        for index in options.end + 1..<arguments.count { effect.add(arguments[index]) }
        effect.end()
    }

    /// Tells that a stream was trimmed.
    static func tellTrimmed(_ context: KeyspaceContext, _ arguments: Arguments, _ trim: Trim, _ stream: StreamValue) {
        guard trim.isApproximate else { return context.effect(arguments) }
        guard let effect = context.beginEffect("XTRIM", arguments[1]) else { return }
        add(trim, of: stream, to: effect)
        effect.end()
    }

    /// Whatever it is trimmed by, what goes are the first entries, but for those that groups hold on to: so how many are left says which.
    private static func add(_ trim: Trim, of stream: StreamValue, to effect: EffectWords) {
        effect.add("MAXLEN")
        effect.add("=")
        effect.add(stream.length)
        switch trim.references {
        case .keep: break
        case .delete: effect.add("DELREF")
        case .acknowledged: effect.add("ACKED")
        }
    }
}
