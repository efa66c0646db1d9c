// What is told of a stream without its entries: its size in a snapshot, the lag of a group, the size of Redis's radix tree.

import RespCodec

extension StreamValue {
    /// Calls `body` with each entry's id and a function that visits its fields and values.
    func forEachEntry(_ body: (StreamID, ((PackedElement, PackedElement) -> Void) -> Void) -> Void) {
        var entries = entries()
        while let entry = entries.next() { body(entry.id) { entries.forEachField(of: entry, $0) } }
    }

    /// How many bytes the stream takes in a payload of DUMP that is not compressed.
    /// - Source: Redis, rdb.c, "RDB_TYPE_STREAM_LISTPACKS_3".
    var serializedLength: Int {
        func number(_ value: UInt64) -> Int {
            value < 1 << 6 ? 1 : value < 1 << 14 ? 2 : value <= UInt64(UInt32.max) ? 5 : 9
        }
        func number(_ value: Int) -> Int { number(UInt64(bitPattern: Int64(value))) }
        func string(_ count: Int) -> Int { number(count) + count }
        func id(_ id: StreamID) -> Int { number(id.milliseconds) + number(id.sequence) }
        var total = number(nodeCount) + number(length) + id(lastID) + id(firstID) + id(maximumDeletedID)
        total += number(entriesAdded) + number(groupCount)
        forEachNode { total += string(16) + string($0.list.byteCount) }
        forEachGroup { group in
            total += string(group.name.count) + id(group.lastID) + number(group.entriesRead)
            total += number(group.pendingCount) + number(group.consumerCount)
            for entry in group.pending { total += 16 + 8 + number(entry.deliveryCount) }
            group.forEachConsumer { consumer in
                total += string(consumer.name.count) + 16 + number(consumer.pendingCount) + 16 * consumer.pendingCount
            }
        }
        return total
    }

    // MARK: reading of groups

    /// Whether an entry after `id` may have been deleted by its id.
    func hasDeletions(from id: StreamID) -> Bool {
        length > 0 && maximumDeletedID != .zero && id <= maximumDeletedID
    }

    /// How many entries had been added up to an id; nil if that cannot be determined.
    func entriesAdded(upTo id: StreamID) -> Int? {
        if entriesAdded == 0 { return 0 }
        if length == 0 && id <= lastID { return entriesAdded }
        if id != .zero && id < maximumDeletedID { return nil }
        if id == lastID { return entriesAdded }
        guard id < lastID, maximumDeletedID == .zero || maximumDeletedID < firstID else { return nil }
        if id < firstID { return entriesAdded &- length }
        return id == firstID ? entriesAdded &- length &+ 1 : nil
    }

    /// How many entries a group has still to read; nil if that cannot be determined.
    ///
    /// - Source: Redis 8.0, t_stream.c, streamReplyWithCGLag.
    func lag(of group: StreamGroup) -> Int? {
        if entriesAdded == 0 || length == 0 { return 0 }
        // All entries are after those that the group has read, and none after those was deleted by its id.
        if group.lastID < firstID && maximumDeletedID < firstID { return length }
        if group.entriesRead != StreamGroup.unknown && !hasDeletions(from: group.lastID) {
            return entriesAdded &- group.entriesRead
        }
        return entriesAdded(upTo: group.lastID).map { entriesAdded &- $0 }
    }

    /// Records in a group that an entry after `lastID` was read. If no entry is missing between the two, `entriesRead` is increased; else it
    /// is determined anew.
    func noteRead(_ id: StreamID, by group: StreamGroup) {
        guard id > group.lastID else { return }
        if group.entriesRead != StreamGroup.unknown && group.lastID >= firstID && !hasDeletions(from: group.lastID) {
            group.entriesRead &+= 1
        } else if entriesAdded != 0 {
            group.entriesRead = entriesAdded(upTo: id) ?? StreamGroup.unknown
        }
        group.lastID = id
    }

    // MARK: the tree of Redis

    /// How many nodes Redis's radix tree would have for the ids of the nodes, which XINFO reports.
    ///
    /// Each id is a leaf. Each place where ids diverge is a node, and the bytes between two such places, or before a leaf, are
    /// another one if there are any. Comparing adjacent ids gives the places.
    /// - Complexity: O(1): the first 512 nodes are visited, and the number for the others is estimated from these.
    var radixNodeCount: Int {
        guard nodeCount > 0 else { return 1 }
        // The open branches: a bit for each depth at which there is one.
        var branches: UInt32 = 0
        var total = 0
        var counted = 0
        var previous: StreamID?
        func deepest() -> Int { 31 - branches.leadingZeroBitCount }
        func hang(_ depth: Int, below parent: Int) { if depth > parent + 1 { total += 1 } }
        /// Closes the branches deeper than `depth`, which is -1 for all; `bottom` is where the last path ends.
        func close(to depth: Int, from bottom: Int) {
            var bottom = bottom
            while deepest() > depth {
                let last = deepest()
                branches &= ~(1 << last)
                hang(bottom, below: last)
                total += 1
                bottom = last
            }
            if depth >= 0 { branches |= 1 << depth }
            hang(bottom, below: depth)
        }
        var place = nodes.first
        while let current = place, counted < 512 {
            let id = current.id
            total += 1
            counted += 1
            if let previous { close(to: Self.commonBytes(previous, id), from: 16) }
            previous = id
            place = current.next
        }
        close(to: -1, from: 16)
        return counted == nodeCount ? total : Int(Double(total) / Double(counted) * Double(nodeCount))
    }

    /// How many bytes the big-endian texts of two ids have in common.
    private static func commonBytes(_ left: StreamID, _ right: StreamID) -> Int {
        if left.milliseconds != right.milliseconds {
            return (left.milliseconds ^ right.milliseconds).leadingZeroBitCount / 8
        }
        return 8 + (left.sequence ^ right.sequence).leadingZeroBitCount / 8
    }
}
