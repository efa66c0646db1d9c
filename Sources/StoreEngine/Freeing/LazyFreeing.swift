// Lazy freeing: what no key has any more is freed in slices, so that no command and no turn takes time that grows with a value.
//
// Three things wait: large values (a table, a chain, a tree, a stream), the tables of databases that were dropped while others have
// keys, and allocators of which nothing is in use any more. Small values and entries are freed at once. Between commands, `freeSlice`
// does a bounded part; when nothing waits, it gives pages that nobody needs back to the system, and forgets empty databases.

import RespCodec

/// What waits to be freed.
struct LazyFreeing {
    /// A large value whose key is gone.
    private struct Orphan {
        let value: any LargeValue
        var next = 0
    }

    /// The keys of a database that was dropped while others have keys.
    private struct DroppedTable {
        var table: SegmentedTable<EntryLayout>
        var next = 0
    }

    private static let sliceBudget = 512
    /// A value with no more elements than this is freed at once.
    private static let fewElements = 64

    private var orphans: [Orphan] = []
    private var droppedTables: [DroppedTable] = []
    private var retired: [SlabAllocator] = []
    /// When it was last looked how much memory is not needed.
    fileprivate var lastMeasured: Int64 = 0

    var isEmpty: Bool { orphans.isEmpty && droppedTables.isEmpty && retired.isEmpty }
    /// How many values and dropped databases wait.
    var count: Int { orphans.count + droppedTables.count + retired.count }

    /// Frees a large value that no key has any more: at once if it is not so large, else in slices later.
    /// - Returns: whether it waits.
    mutating func add(_ value: any LargeValue) -> Bool {
        if value.count <= Self.fewElements {
            var next = value.deallocateSlice(from: 0, budget: Int.max)
            while let place = next { next = value.deallocateSlice(from: place, budget: Int.max) }
            return false
        }
        orphans.append(Orphan(value: value))
        return true
    }

    mutating func add(_ table: SegmentedTable<EntryLayout>) { droppedTables.append(DroppedTable(table: table)) }

    /// Takes over an allocator of which nothing is needed any more, and everything that waits in it.
    mutating func retire(_ allocator: SlabAllocator) {
        orphans.removeAll()
        droppedTables.removeAll()
        retired.append(allocator)
    }

    /// Gives all retired allocators' memory back at once.
    mutating func releaseAll() {
        for allocator in retired { while !allocator.releaseSlice() {} }
        retired.removeAll()
    }

    /// Frees a bounded part: some hundreds of elements or keys, or one chunk of a retired allocator. Calls `freeEntry` with the entries of
    /// dropped tables. There must be something.
    mutating func freeSlice(_ freeEntry: (Entry, SlabAllocator) -> Void) {
        if var orphan = orphans.popLast() {
            if let next = orphan.value.deallocateSlice(from: orphan.next, budget: Self.sliceBudget) {
                orphan.next = next
                orphans.append(orphan)
            }
        } else if var dropped = droppedTables.popLast() {
            let allocator = dropped.table.allocator
            let next = unsafe dropped.table.deallocateSlice(from: dropped.next, budget: Self.sliceBudget) { address in
                freeEntry(unsafe Entry(address), allocator)
            }
            if let next {
                dropped.next = next
                droppedTables.append(dropped)
            }
        } else if let allocator = retired.last, allocator.releaseSlice() {
            retired.removeLast()
        }
    }
}

extension EngineState {
    /// Frees an entry that is in no table any more, a large value of it in slices later.
    func free(_ entry: Entry, in database: Database) { free(entry, in: database.allocator) }

    private func free(_ entry: Entry, in allocator: SlabAllocator) {
        freePayload(of: entry, in: allocator)
        unsafe allocator.deallocate(entry.address)
    }

    @inline(__always) func freePayload(of entry: Entry, in database: Database) {
        freePayload(of: entry, in: database.allocator)
    }

    @inline(__always) private func freePayload(of entry: Entry, in allocator: SlabAllocator) {
        switch entry.encoding {
        case .integer, .embedded, .raw, .packed, .packedWithDeadlines, .integers: break
        case .external: unsafe allocator.deallocate(entry.external.block)
        case .table, .chain, .tree, .stream: if let value = entry.large { orphan(value) }
        }
    }

    /// Frees a large value that no key has any more, at once or in slices later.
    func orphan(_ value: any LargeValue) {
        if unsafe storage.pointee.freeing.add(value) { statistics.lazyFreedObjects += 1 }
    }

    /// Whether there is something for `freeSlice` to do.
    var hasGarbage: Bool {
        unsafe !storage.pointee.freeing.isEmpty || storage.pointee.allocator.hasSurplus || mayBeSwept
    }
    /// How many values and dropped databases wait to be freed.
    var garbageCount: Int { unsafe storage.pointee.freeing.count }

    /// Frees a bounded part of what waits.
    func freeSlice() {
        if unsafe !storage.pointee.freeing.isEmpty {
            // What entries leave of large values is added afterwards: nobody else may reach `freeing` while it works.
            var freed: [any LargeValue] = []
            unsafe storage.pointee.freeing.freeSlice { entry, allocator in
                if let value = entry.large {
                    freed.append(value)
                } else {
                    freePayload(of: entry, in: allocator)
                }
                unsafe allocator.deallocate(entry.address)
            }
            for value in freed { orphan(value) }
        } else if allocator.hasSurplus {
            allocator.giveBackSlice()
        } else if mayBeSwept {
            sweepSlice()
        }
    }

    /// Looks once a second how much memory is not needed.
    func measureSurplus(at time: Int64) {
        // The clock may have been put back.
        guard unsafe (time &- storage.pointee.freeing.lastMeasured).magnitude >= 1000 else { return }
        unsafe storage.pointee.freeing.lastMeasured = time
        allocator.measureSurplus()
    }
}
