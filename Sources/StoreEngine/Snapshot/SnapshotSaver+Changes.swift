// Hooks that data types call before they change while a snapshot is written.

import RespCodec

extension SnapshotSaver {
    /// The entries of a segment are to be written, but those that are marked. The caller notes that they were.
    func write(_ segment: Segment, ofTable ticket: UInt32) {
        if let walk = walk(ofTable: ticket) { return write(segment, of: walk) }
        openTables[ticket]?.write(segment)
    }

    /// An entry is to be written, because it is about to change. The caller notes that it was.
    func write(_ word: UInt64, ofTable ticket: UInt32) {
        if let walk = walk(ofTable: ticket) { return write(word, of: walk) }
        openTables[ticket]?.write(word)
    }

    private func walk(ofTable ticket: UInt32) -> Walk? { walks.first { $0.ticket == ticket } }

    /// The value of an entry is about to change, whose segment was written.
    func willChange(_ entry: Entry) {
        // Of a long string nothing is changed in passing: see `willChange(_:ofBlock:)`.
        guard !unwritten.isEmpty, entry.encoding != .external, let address = UnwrittenValue.address(of: entry),
            let value = unwritten[address]
        else { return }
        willChange(value)
    }

    /// Bytes of a long string are about to change.
    @unsafe func willChange(_ range: Range<Int>, ofBlock block: UnsafeMutableRawPointer) {
        guard let value = unwritten[UInt(bitPattern: block)], let text = value.text, text.contains(range) else {
            return
        }
        guard value.isLarge else { return willChange(value) }
        let before = text.heldBytes
        text.willChange(range)
        engine.state.eviction.heldBytes += text.heldBytes - before
    }

    /// Bytes of a long string are somewhere else now, and are what they were.
    @unsafe func hasMoved(bytesFrom block: UnsafeMutableRawPointer, to moved: UnsafeMutableRawPointer) {
        guard let value = unwritten.removeValue(forKey: UInt(bitPattern: block)) else { return }
        unsafe value.hasMoved(to: moved)
        unwritten[value.address] = value
    }

    private func willChange(_ value: UnwrittenValue) {
        switch value.state {
        case .unwritten: value.isLarge ? openInPart(value) : writeWhole(value)
        case .open, .written: break
        }
    }

    private func openList(_ chain: ListChain) -> UnwrittenList? {
        unsafe unwritten[UInt(bitPattern: chain.address)]?.list
    }

    /// The elements of a node of an open list are about to change.
    func willChange(_ node: ListNode, of chain: ListChain) { openList(chain)?.willChange(node) }

    /// A node of an open list is about to be removed, and freed.
    func willRemove(_ node: ListNode, of chain: ListChain) { openList(chain)?.willRemove(node) }

    /// A run of nodes of an open list is about to go to a chain of its own.
    func willCut(_ first: ListNode, through last: ListNode, of chain: ListChain, to rest: ListChain) {
        guard let run = openList(chain)?.willCut(first, through: last, to: rest) else { return }
        unsafe cutRuns[UInt(bitPattern: rest.address)] = run
    }

    /// All of a run was written, or is not to be written any more.
    func release(_ run: UnwrittenList.Run) {
        cutRuns[unsafe UInt(bitPattern: run.chain.address)] = nil
        guard let bytes = run.heldBytes else { return }
        run.heldBytes = nil
        engine.state.eviction.heldBytes -= bytes
        unsafe engine.state.freeing.free(run.chain)
    }

    /// A node of a frozen stream is about to change, or to be removed.
    func willChange(_ node: StreamNode, of stream: StreamValue) {
        unsafe unwritten[UInt(bitPattern: stream.address)]?.entries?.willChange(node)
    }

    /// A node was added to a frozen stream.
    func hasAdded(nodeOf stream: StreamValue, _ id: StreamID) {
        unsafe unwritten[UInt(bitPattern: stream.address)]?.entries?.hasAdded(id)
    }

    /// A pending entry of a frozen group is about to change, or to be removed.
    func willChange(_ entry: PendingEntry, of group: StreamGroup) {
        unsafe unwrittenGroups[UInt(bitPattern: group.address)]?.willChange(entry)
    }

    /// A pending entry was added to a frozen group.
    func hasAdded(_ id: StreamID, to group: StreamGroup) {
        unsafe unwrittenGroups[UInt(bitPattern: group.address)]?.hasAdded(id)
    }

    /// A consumer of a frozen group is about to be removed.
    func willRemove(_ consumer: StreamConsumer, of group: StreamGroup) {
        unsafe unwrittenGroups[UInt(bitPattern: group.address)]?.willRemove(consumerAt: consumer.address)
    }

    // MARK: what is dropped

    /// Whether a group that was destroyed, and is in a stream of its own, is freed when it was written.
    private func takesOver(groupOf stream: StreamValue) -> Bool {
        guard !unwrittenGroups.isEmpty, stream.groupCount == 1 && stream.nodeCount == 0,
            let unwritten = unsafe unwrittenGroups[UInt(bitPattern: stream.group(at: 0).address)]
        else { return false }
        unwritten.dropped = stream
        return true
    }

    /// Whether a large value that no key has any more is freed when it was written.
    func takesOver(_ value: any LargeValue) -> Bool {
        if let stream = value as? StreamValue, takesOver(groupOf: stream) { return true }
        if !cutRuns.isEmpty, let run = unsafe cutRuns[UInt(bitPattern: value.address)] {
            let bytes = value.byteCount(samples: Self.samples)
            run.heldBytes = bytes
            engine.state.eviction.heldBytes += bytes
            return true
        }
        guard let unwritten = unsafe unwritten[UInt(bitPattern: value.address)] else { return false }
        willChange(unwritten)
        guard unwritten.state == .open else { return false }
        hold(.value(value), value.byteCount(samples: Self.samples), for: unwritten)
        return true
    }

    /// Whether the block of a long string that no key has any more is freed when it was written.
    @unsafe func takesOver(blockAt block: UnsafeMutableRawPointer, of allocator: SlabAllocator) -> Bool {
        guard let value = unwritten[UInt(bitPattern: block)], value.state != .written else { return false }
        // Its memory is not to wait for all the rest.
        if value.isLarge && value.state == .unwritten { openInPart(value) }
        unsafe hold(.block(HeldBlock(start: block, allocator: allocator)), allocator.capacity(of: block), for: value)
        return true
    }

    private func hold(_ dropped: UnwrittenValue.Dropped, _ byteCount: Int, for value: UnwrittenValue) {
        value.dropped = dropped
        value.heldBytes = byteCount
        engine.state.eviction.heldBytes += byteCount
    }

    /// How many entries are looked at to tell how much memory all of them take.
    private static let samples = 16
    private static let samplesOfTable = 4096

    /// Whether the keys of a database that was flushed are freed when it is over.
    func takesOver(_ table: SegmentedTable<EntryLayout>) -> Bool {
        guard let walk = walk(ofTable: table.ticket) else { return false }
        walk.source = .dropped(table)
        heldTables.append(table)
        let byteCount = estimatedByteCount(table)
        heldTableBytes += byteCount
        engine.state.eviction.heldBytes += byteCount
        return true
    }

    /// What a table of keys takes with them; of a large table, estimated from some. A few of its values may take most of it.
    private func estimatedByteCount(_ table: SegmentedTable<EntryLayout>) -> Int {
        var (measured, bytes) = (0, 0)
        var cursor: UInt64 = 0
        repeat {
            cursor = unsafe table.scan(cursor) { address in
                guard measured < Self.samplesOfTable else { return }
                measured += 1
                let entry = unsafe Entry(address)
                if let value = entry.large {
                    bytes += value.byteCount(samples: Self.samples)
                } else if entry.encoding == .external {
                    bytes += unsafe table.allocator.capacity(of: entry.external.block)
                }
            }
        } while cursor != 0 && measured < Self.samplesOfTable
        let values = measured == 0 ? 0 : Double(bytes) / Double(measured) * Double(table.count)
        return table.byteCount(samples: Self.samples) + Int(values)
    }

    /// All databases are about to go, with their allocator.
    func databasesWillGo() {
        for walk in walks { walk.source = .dropped(walk.table) }
        // What was dropped before goes with the allocator, too.
        for value in unwritten.values { value.forgetDropped() }
        for group in unwrittenGroups.values { group.dropped = nil }
        heldTables = []
        heldTableBytes = 0
        engine.state.eviction.heldBytes = 0
    }

    func takesOver(_ allocator: SlabAllocator) -> Bool {
        guard isInSlices else { return false }
        heldAllocators.append(allocator)
        return true
    }
}
