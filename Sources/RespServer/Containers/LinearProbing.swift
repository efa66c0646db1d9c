// Hash tables whose elements stand at the slot that their hash tells, or behind it, with no empty slot between.

enum LinearProbing {
    /// Empties a slot, and moves up those behind it that stand there only because a slot before was taken: no mark is left of what was there.
    /// - Parameters:
    ///   - slots: as many as a power of two.
    ///   - hole: the slot, which is in use.
    ///   - empty: what stands in a slot that is not.
    ///   - hash: of what stands in a slot; nil if that is nothing.
    /// - Complexity: O(1), amortized.
    @inline(__always)
    static func remove<Element>(
        at hole: Int, from slots: inout [Element], empty: Element, hash: (Element) -> UInt64?
    ) {
        let mask = slots.count &- 1
        var hole = hole
        var next = (hole &+ 1) & mask
        while let follower = hash(slots[next]) {
            // It may move up if its own slot is not behind the hole.
            let home = Int(truncatingIfNeeded: follower) & mask
            if (next &- home) & mask >= (next &- hole) & mask {
                slots[hole] = slots[next]
                hole = next
            }
            next = (next &+ 1) & mask
        }
        slots[hole] = empty
    }
}
