// Where the segments of a table are, and prefetching the memory of an entry before it is looked up.

import CLinux

/// The segments of a table of any layout, for prefetching the memory of an entry in three steps, each of which reads what the one before
/// has prefetched. Valid until the table changes.
@safe struct SegmentDirectory {
    private let first: UnsafeMutablePointer<Segment>
    private let depth: Int32
    private let entryByteCount: Int32

    @unsafe @inline(__always)
    init(first: UnsafeMutablePointer<Segment>, depth: Int, entryByteCount: Int) {
        unsafe self.first = first
        self.depth = Int32(truncatingIfNeeded: depth)
        self.entryByteCount = Int32(truncatingIfNeeded: entryByteCount)
    }

    @inline(__always)
    func segment(_ hash: UInt64) -> Segment {
        unsafe first[Int(truncatingIfNeeded: (hash &>> 1) &>> UInt64(truncatingIfNeeded: 63 &- Int(depth)))]
    }

    @inline(__always)
    func prefetchSegment(_ hash: UInt64) { unsafe clinux_prefetch(segment(hash).address) }

    /// Prefetches both cache lines of the segment, as an insertion needs them.
    @inline(__always)
    func prefetchForInsertion(_ hash: UInt64) {
        let segment = segment(hash)
        unsafe clinux_prefetch(segment.address)
        unsafe clinux_prefetch(segment.header)
    }

    /// Prefetches the cache line in which the key's slot should be.
    @inline(__always)
    func prefetchBucket(_ hash: UInt64) {
        let segment = segment(hash)
        unsafe clinux_prefetch(segment.bucket(segment.home(hash & 0x7FFF)))
    }

    /// Prefetches the first cache lines of the entry whose tag is the key's.
    @inline(__always)
    func prefetchEntry(_ hash: UInt64) {
        let segment = segment(hash)
        let probe = (hash & 0x7FFF) &<< 48
        let slots = unsafe segment.bucket(segment.home(hash & 0x7FFF))
        let found = unsafe SlotWord.matches(slots, probe)
        guard found != 0 else { return }
        let word = unsafe slots[found.trailingZeroBitCount]
        // A free slot looks like tag 0.
        guard word != 0 else { return }
        // Many entries lie across two lines.
        unsafe clinux_prefetch(SlotWord.entry(word))
        unsafe clinux_prefetch(SlotWord.entry(word) + (Int(entryByteCount) &- 1))
    }
}
