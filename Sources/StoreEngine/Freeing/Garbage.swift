// What waits to be freed in slices: large values (a table, a chain, a tree, a stream), the tables of databases that were dropped while
// others have keys, and allocators of which nothing is in use any more.

import RespCodec

/// What waits to be freed.
struct Garbage {
    /// A large value whose key is gone.
    private struct Orphan {
        let value: any LargeValue
        /// Whether it is counted; one that was in a dropped table was counted with the table's keys.
        let isCounted: Bool
        var next = 0
    }

    /// The keys of a database that was dropped while others have keys.
    private struct DroppedTable {
        var table: SegmentedTable<EntryLayout>
        let keyCount: Int
        var next = 0
    }

    /// An allocator of which nothing is needed any more, and how many keys and values went with it.
    private struct RetiredAllocator {
        let allocator: SlabAllocator
        let objectCount: Int
    }

    private static let sliceBudget = 512
    /// A value with no more elements than this is freed at once.
    private static let fewElements = 64

    private var orphans: [Orphan] = []
    private var droppedTables: [DroppedTable] = []
    private var retired: [RetiredAllocator] = []

    var isEmpty: Bool { orphans.isEmpty && droppedTables.isEmpty && retired.isEmpty }
    /// Whether some of it counts as in use.
    var holdsMemoryInUse: Bool { !orphans.isEmpty || !droppedTables.isEmpty }
    /// How many values wait, and keys of dropped databases.
    /// - Complexity: O(dropped databases).
    var count: Int {
        waitingInUse + retired.reduce(0) { $0 + $1.objectCount }
    }
    /// Those of them whose allocator is in use.
    private var waitingInUse: Int { countedOrphans + droppedTables.reduce(0) { $0 + $1.keyCount } }
    private var countedOrphans = 0
    /// How many values and keys of dropped databases waited and have been freed.
    private(set) var freedCount = 0

    mutating func resetFreedCount() { freedCount = 0 }

    /// Frees a large value that no key has any more: at once if it is not so large, else in slices later.
    @unsafe mutating func add(_ value: any LargeValue, isCounted: Bool) {
        if value.count <= Self.fewElements {
            var next = unsafe value.deallocateSlice(from: 0, budget: Int.max)
            while let place = next { next = unsafe value.deallocateSlice(from: place, budget: Int.max) }
            return
        }
        orphans.append(Orphan(value: value, isCounted: isCounted))
        if isCounted { countedOrphans += 1 }
    }

    @unsafe mutating func add(_ table: SegmentedTable<EntryLayout>) {
        droppedTables.append(DroppedTable(table: table, keyCount: table.count))
    }

    /// Takes over an allocator of which nothing is needed any more, and everything that waits in it.
    /// - Parameter keyCount: how many keys there were.
    @unsafe mutating func retire(_ allocator: SlabAllocator, keyCount: Int) {
        let waiting = waitingInUse
        forgetWaiting()
        retired.append(RetiredAllocator(allocator: allocator, objectCount: keyCount + waiting))
    }

    /// Forgets what waits in an allocator that will be given up.
    mutating func forgetWaiting() {
        orphans.removeAll()
        countedOrphans = 0
        droppedTables.removeAll()
    }

    /// Takes over an allocator of which nothing is needed any more, and in which nothing waits.
    @unsafe mutating func release(_ allocator: SlabAllocator) {
        retired.append(RetiredAllocator(allocator: allocator, objectCount: 0))
    }

    /// Gives all retired allocators' memory back at once.
    /// - Parameter heir: who gets the blocks of them that are pinned.
    mutating func releaseAll(leavingPinnedTo heir: SlabAllocator) {
        for item in retired { while !item.allocator.releaseSlice(leavingPinnedTo: heir) {} }
        retired.removeAll()
    }

    /// Frees a bounded part: some hundreds of elements or keys, or one chunk of a retired allocator. Calls `freeEntry` with the entries of
    /// dropped tables. There must be something.
    /// - Parameter heir: who gets the blocks of retired allocators that are pinned.
    mutating func freeSlice(leavingPinnedTo heir: SlabAllocator, _ freeEntry: (Entry, SlabAllocator) -> Void) {
        if var orphan = orphans.popLast() {
            if let next = unsafe orphan.value.deallocateSlice(from: orphan.next, budget: Self.sliceBudget) {
                orphan.next = next
                orphans.append(orphan)
            } else if orphan.isCounted {
                countedOrphans -= 1
                freedCount += 1
            }
        } else if var dropped = droppedTables.popLast() {
            let allocator = dropped.table.allocator
            let next = unsafe dropped.table.deallocateSlice(from: dropped.next, budget: Self.sliceBudget) { address in
                freeEntry(unsafe Entry(address), allocator)
            }
            if let next {
                dropped.next = next
                droppedTables.append(dropped)
            } else {
                freedCount += dropped.keyCount
            }
        } else if let item = retired.last, item.allocator.releaseSlice(leavingPinnedTo: heir) {
            retired.removeLast()
            freedCount += item.objectCount
        }
    }
}
