// What waits to be freed in slices: large values (a table, a chain, a tree, a stream), the tables of databases that were dropped while
// others have keys, and allocators of which nothing is in use any more.

import RespCodec

/// What waits to be freed.
struct Garbage {
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

    var isEmpty: Bool { orphans.isEmpty && droppedTables.isEmpty && retired.isEmpty }
    /// Whether some of it counts as in use.
    var holdsMemoryInUse: Bool { !orphans.isEmpty || !droppedTables.isEmpty }
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
        forgetWaiting()
        retired.append(allocator)
    }

    /// Forgets what waits in an allocator that will be given up.
    mutating func forgetWaiting() {
        orphans.removeAll()
        droppedTables.removeAll()
    }

    /// Takes over an allocator of which nothing is needed any more, and in which nothing waits.
    mutating func release(_ allocator: SlabAllocator) { retired.append(allocator) }

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
