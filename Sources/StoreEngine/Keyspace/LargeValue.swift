// What all values too large for their entries have in common, whatever their type: they are measured, copied, and freed in slices.

/// A handle on a value that lies outside its entry, at an address that the entry holds, in the engine's allocator.
protocol LargeValue {
    /// How many elements there are.
    var count: Int { get }
    var address: UnsafeMutableRawPointer { get }

    /// Bytes in use, those of the elements by as many samples.
    func byteCount(samples: Int) -> Int

    /// A copy of its own in another allocator, or in the same.
    /// - Complexity: O(elements).
    func copied(to allocator: SlabAllocator, hash: KeyHash) -> any LargeValue

    /// Moves blocks out of draining pages from `place` on, until the slice is over; true at the end. The block at `address` is the
    /// entry's.
    func defragment(_ place: inout ValuePlace, _ mover: inout BlockMover) -> Bool

    /// Frees about `budget` elements. `place` is 0 at first, then what the last call returned; nil when all is gone, the handle's
    /// memory too.
    @unsafe func deallocateSlice(from place: Int, budget: Int) -> Int?
}

extension Entry {
    /// The value that lies outside the entry; nil for one that lies in it, and for a long string.
    var large: (any LargeValue)? {
        switch encoding {
        case .integer, .embedded, .raw, .external, .packed, .packedWithDeadlines, .integers: nil
        case .table: isType(.set) ? unsafe SetTable(at: pointer) : unsafe HashTable(at: pointer)
        case .chain: unsafe ListChain(at: pointer)
        case .stream: unsafe StreamValue(at: pointer)
        case .tree: unsafe SortedSetTable(at: pointer)
        }
    }
}

extension Entry {
    /// The table by which members or fields of a large value are found; nil if there is none.
    var memberSegments: SegmentDirectory? {
        if encoding == .tree { return unsafe SortedSetTable(at: pointer).table.segments }
        guard encoding == .table else { return nil }
        return isType(.set)
            ? unsafe SetTable(at: pointer).table.segments : unsafe HashTable(at: pointer).table.segments
    }
}
