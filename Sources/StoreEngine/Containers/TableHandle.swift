// A value that is a table in a block of its own.

import RespCodec

/// A handle on a table in the allocator of a database: plain, and valid until the table is freed.
protocol TableHandle {
    associatedtype Layout: TableLayout
    @unsafe var pointer: UnsafeMutablePointer<SegmentedTable<Layout>> { get }
    @unsafe init(pointer: UnsafeMutablePointer<SegmentedTable<Layout>>)
}

extension TableHandle {
    /// The table at an address that an entry contains.
    @unsafe @inline(__always)
    init(at address: UnsafeMutableRawPointer) {
        unsafe self.init(pointer: address.assumingMemoryBound(to: SegmentedTable<Layout>.self))
    }

    /// A new empty table, with room for about as many entries as are `expected`.
    init(allocator: SlabAllocator, hash: KeyHash, expecting expected: Int = 0) {
        let block = unsafe allocator.allocate(MemoryLayout<SegmentedTable<Layout>>.stride)
        let pointer = unsafe block.bindMemory(to: SegmentedTable<Layout>.self, capacity: 1)
        unsafe pointer.initialize(to: SegmentedTable(allocator: allocator, hash: hash, expecting: expected))
        unsafe self.init(pointer: pointer)
    }

    var address: UnsafeMutableRawPointer { unsafe UnsafeMutableRawPointer(pointer) }

    @inline(__always) var table: SegmentedTable<Layout> {
        unsafeAddress { unsafe UnsafePointer(pointer) }
        nonmutating unsafeMutableAddress { unsafe pointer }
    }

    var count: Int { table.count }
}
