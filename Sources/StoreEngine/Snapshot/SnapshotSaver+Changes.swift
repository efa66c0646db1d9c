// What the data says to a snapshot that is being written of it, before it changes.

import RespCodec

extension SnapshotSaver {
    /// Some buckets of a segment, a bit for each, are to be written, because something in them is about to change or because their turn has
    /// come. The caller notes that they were.
    func write(_ segment: Segment, buckets: UInt64, ofTable ticket: UInt32) {
        if let walk = walks.first(where: { $0.ticket == ticket }) { return write(segment, buckets: buckets, of: walk) }
        openTables[ticket]?.write(segment, buckets: buckets)
    }

    /// The value of an entry is about to change, whose segment was written.
    func willChange(_ entry: Entry) {
        guard !unwritten.isEmpty, let address = UnwrittenValue.address(of: entry), let value = unwritten[address] else {
            return
        }
        willChange(value)
    }

    private func willChange(_ value: UnwrittenValue) {
        switch value.state {
        case .unwritten: value.isLarge ? openInPart(value) : writeWhole(value)
        case .open: if value.mustBeWrittenAtOnce { finish(value) }
        case .written: break
        }
    }

    /// The block of a long string is about to be freed.
    func willFree(_ block: UnsafeMutableRawPointer) {
        if let value = unwritten[UInt(bitPattern: block)] { willChange(value) }
    }

    /// A frozen node of a list is about to change, or to be freed.
    func keep(_ node: ListNode) {
        let address = unsafe UInt(bitPattern: node.address)
        if keptNodes[address] == nil { keptNodes[address] = KeptNode(node) }
    }

    /// A node of a frozen stream is about to change, or to be freed.
    @unsafe func keep(nodeOfStream block: UnsafeMutableRawPointer) {
        let address = UInt(bitPattern: block)
        guard unwrittenBlocks.contains(address), keptBlocks[address] == nil else { return }
        unsafe keptBlocks[address] = PackedList(block).bytes.array
    }

    // MARK: what is dropped

    /// Whether a large value that no key has any more is freed when it was written.
    func takesOver(_ value: any LargeValue) -> Bool {
        guard let unwritten = unsafe unwritten[UInt(bitPattern: value.address)] else { return false }
        willChange(unwritten)
        guard unwritten.state == .open else { return false }
        unwritten.dropped = value
        return true
    }

    /// Whether the keys of a database that was flushed are freed when it is over.
    func takesOver(_ table: SegmentedTable<EntryLayout>) -> Bool {
        guard let walk = walks.first(where: { $0.ticket == table.ticket }) else { return false }
        walk.source = .dropped(table)
        heldTables.append(table)
        return true
    }

    /// All databases are about to go, with their allocator.
    func databasesWillGo() {
        for walk in walks { walk.source = .dropped(walk.table) }
        // What was dropped before goes with the allocator, too.
        for value in unwritten.values { value.dropped = nil }
        heldTables = []
    }

    func takesOver(_ allocator: SlabAllocator) -> Bool {
        guard isInSlices else { return false }
        heldAllocators.append(allocator)
        return true
    }
}
