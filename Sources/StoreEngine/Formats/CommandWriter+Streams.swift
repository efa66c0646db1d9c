// Writes streams as commands that make them.
//
// Entries come first, then the numbers of the stream, and groups with their consumers.
//
// An entry may be pending that the stream has no longer. No command makes such a one: so an entry is added in its place, and removed when it
// is pending. Removing one entry moves the id of the last that was removed, which the numbers at the end put right, if there was one; where
// there was none, the entries that are gone were trimmed, and so these are.

import RespCodec

/// A stream on its way to commands.
struct StreamAsCommands {
    /// What is pending in any group, in order.
    private let pending: [StreamID]
    private var nextPending = 0
    /// Entries that were added in the place of others.
    private var standIns: [StreamID] = []
    private var hasEntries = false
    private let firstID: StreamID
    private let lastID: StreamID
    private let entriesAdded: Int
    private let maximumDeletedID: StreamID
    /// The groups, as commands.
    private let groups: [UInt8]

    /// Takes down everything but the entries.
    init(_ stream: StreamValue, of key: ByteSlice) {
        firstID = stream.firstID
        lastID = stream.lastID
        entriesAdded = stream.entriesAdded
        maximumDeletedID = stream.maximumDeletedID
        let buffer = BufferSink()
        let writer = CommandWriter(sink: buffer)
        var ids: [StreamID] = []
        stream.forEachGroup { group in
            for entry in group.pending { ids.append(entry.id) }
            writer.write(group, of: key)
        }
        if stream.groupCount > 1 { ids.sort() }
        pending = ids
        groups = buffer.bytes
    }

    // MARK: entries

    /// Writes the entries of a node that are not deleted.
    mutating func write<Sink>(_ node: StreamNode, of key: ByteSlice, to writer: CommandWriter<Sink>) {
        let (masterFields, masterOffset) = node.master
        var offset = node.firstEntry
        while offset < node.list.end {
            let entry = node.entry(at: offset, masterFields: masterFields)
            offset = node.next(after: entry)
            if entry.isDeleted { continue }
            writeStandIns(before: entry.id, of: key, to: writer)
            hasEntries = true
            writer.begin("XADD", words: 3 + 2 * entry.fieldCount)
            writer.add(key)
            writer.add(entry.id)
            node.forEachField(of: entry, masterOffset: masterOffset) { field, value in
                writer.add(field)
                writer.add(value)
            }
        }
    }

    private mutating func writeStandIns<Sink>(
        before id: StreamID, of key: ByteSlice, to writer: CommandWriter<Sink>
    ) {
        while nextPending < pending.count, pending[nextPending] <= id {
            let place = pending[nextPending]
            nextPending += 1
            guard place < id, place != standIns.last else { continue }
            standIns.append(place)
            writer.write("XADD", key, place, "x", "y")
        }
    }

    // MARK: the rest

    /// Writes everything but the entries, which were written before.
    mutating func writeRest<Sink>(of key: ByteSlice, to writer: CommandWriter<Sink>) {
        writeStandIns(before: .maximum, of: key, to: writer)
        if !hasEntries && standIns.isEmpty {
            writer.write("XADD", key, "MAXLEN", 0, StreamID(milliseconds: 0, sequence: 1), "x", "y")
        }
        // A group has read no more entries than the stream says were added.
        writeNumbers(of: key, to: writer)
        groups.withByteSlice { if !$0.isEmpty { writer.sink.append($0) } }
        if standIns.isEmpty { return }
        removeStandIns(of: key, from: writer)
        writeNumbers(of: key, to: writer)
    }

    private func writeNumbers<Sink>(of key: ByteSlice, to writer: CommandWriter<Sink>) {
        // A count that has overflowed cannot be said.
        guard entriesAdded >= 0 else { return writer.write("XSETID", key, lastID, "MAXDELETEDID", maximumDeletedID) }
        writer.write("XSETID", key, lastID, "ENTRIESADDED", entriesAdded, "MAXDELETEDID", maximumDeletedID)
    }

    private func removeStandIns<Sink>(of key: ByteSlice, from writer: CommandWriter<Sink>) {
        guard let first = standIns.first else { return }
        var left = standIns[...]
        if !hasEntries {
            writer.write("XTRIM", key, "MAXLEN", "=", 0)
            return
        }
        if first < firstID {
            writer.write("XTRIM", key, "MINID", "=", firstID)
            left = left.drop { $0 < firstID }
        }
        var run = ElementRun("XDEL", count: left.count)
        for id in left { id.withWord { run.add(.bytes($0), of: key, to: writer) } }
    }
}

extension CommandWriter {
    func write(_ stream: StreamValue, of key: ByteSlice) {
        var commands = StreamAsCommands(stream, of: key)
        stream.forEachNode { commands.write($0, of: key, to: self) }
        commands.writeRest(of: key, to: self)
    }

    fileprivate func write(_ group: StreamGroup, of key: ByteSlice) {
        // A count that has overflowed cannot be said.
        write(
            "XGROUP", "CREATE", key, group.name, group.lastID, "ENTRIESREAD",
            max(group.entriesRead, StreamGroup.unknown))
        group.forEachConsumer { consumer in
            if consumer.pendingCount == 0 { return write("XGROUP", "CREATECONSUMER", key, group.name, consumer.name) }
            for entry in consumer.pending {
                write(
                    "XCLAIM", key, group.name, consumer.name, 0, entry.id, "TIME", entry.deliveryTime, "RETRYCOUNT",
                    entry.deliveryCount, "JUSTID", "FORCE")
            }
        }
        guard group.releasedCount > 0 else { return }
        for entry in group.pending where entry.isReleased {
            write(
                "XNACK", key, group.name, "SILENT", "IDS", 1, entry.id, "RETRYCOUNT", entry.deliveryCount, "FORCE")
        }
    }
}
