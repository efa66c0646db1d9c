// Random entries of a table: one at a time, or several different ones.
//
// One draw has two steps. First a segment is chosen among all, and kept with a probability that is its number of entries over the
// most that any may have; then a slot of it is chosen, until one is filled. So each entry is as likely as any other. Both steps
// take a few tries, expected, because hardly any segment is nearly empty while there are several: segments that shrink free buckets,
// and segments that fit one together are merged.

import CLinux
import RespCodec

extension SegmentedTable {
    /// A random entry, each as likely as any other. The table must not be empty.
    /// - Complexity: O(1) expected.
    func random(using generator: inout RandomSource) -> UnsafeMutableRawPointer {
        unsafe entry(at: draw(using: &generator).slot)
    }

    /// The slot of a random entry, each as likely as any other. The table must not be empty.
    /// - Complexity: O(1) expected.
    func randomSlot(using generator: inout RandomSource) -> Slot { draw(using: &generator).slot }

    /// As `randomSlot`, with the number of segments and slots that were looked at.
    @inline(__always)
    func draw(using generator: inout RandomSource) -> (slot: Slot, steps: Int) {
        precondition(count > 0, "nothing to choose from")
        var (segment, steps) = drawSegment(using: &generator)
        let slotCount = segment.bucketCount &* Segment.slotsPerBucket
        while true {
            steps &+= 1
            let place = generator.below(slotCount)
            let bucket = place / Segment.slotsPerBucket
            let word = unsafe segment.bucket(bucket) + place % Segment.slotsPerBucket
            if unsafe word.pointee != 0 { return unsafe (slot(segment, bucket, word), steps) }
        }
    }

    /// A random segment, with a probability in proportion to its number of entries, and how many segments were looked at.
    @inline(__always)
    private func drawSegment(using generator: inout RandomSource) -> (segment: Segment, steps: Int) {
        let segmentCount = segmentList.count
        guard segmentCount > 0 else { return unsafe (directory[0], 0) }
        var steps = 0
        while true {
            steps &+= 1
            let drawn = generator.below(segmentCount &* Self.mostEntries)
            let segment = segmentList[drawn / Self.mostEntries]
            if segment.used > drawn % Self.mostEntries { return (segment, steps) }
        }
    }

    // MARK: neighbours

    /// Calls `body` with the slots of up to `wanted` different entries, which follow each other in one segment from a random slot on: their
    /// order is that of their hashes. There are fewer if the segment has fewer. The table must not change meanwhile.
    /// - Parameter bits: the bits that the slot words must have: `SlotWord.deadlineBit`, which only segments with deadlines are searched
    ///   for, or 0 for all.
    /// - Returns: how many segments and slots were looked at.
    /// - Complexity: O(1): the slots of one segment, at most.
    @discardableResult
    mutating func sample(
        _ wanted: Int, having bits: UInt64 = 0, using generator: inout RandomSource, _ body: (Slot) -> Void
    ) -> Int {
        let start = SampleStart(using: &generator)
        return sample(wanted, having: bits, from: start, using: &generator, body)
    }

    /// The same from a slot that was drawn before, if it is still as likely as any other.
    @discardableResult
    mutating func sample(
        _ wanted: Int, having bits: UInt64, from start: SampleStart, using generator: inout RandomSource,
        _ body: (Slot) -> Void
    ) -> Int {
        guard count > 0, wanted > 0, var segment = segment(at: start, having: bits) else { return 0 }
        var steps = 1
        if bits == 0 && !start.takes(segment, of: segmentList.count, most: Self.mostEntries) {
            let drawn = drawSegment(using: &generator)
            segment = drawn.segment
            steps &+= drawn.steps
        }
        let most = min(wanted, segment.bucketCount &* Segment.slotsPerBucket)
        let found = unsafe withUnsafeTemporaryAllocation(of: Slot.self, capacity: most) { slots in
            var found = 0
            steps &+= unsafe walk(segment, from: start, most, within: Int.max, having: bits) { bucket, address in
                // All of them are asked for before the first is read.
                unsafe clinux_prefetch(SlotWord.entry(address.pointee))
                unsafe slots.initializeElement(at: found, to: slot(segment, bucket, address))
                found &+= 1
            }
            for index in 0..<found { body(unsafe slots[index]) }
            return found
        }
        if found == 0 && bits != 0 { forgetDeadlines(of: segment) }
        return steps
    }

    /// Calls `body` with the buckets and words of up to `wanted` entries in `limit` slots of a segment, and returns how many slots were
    /// looked at.
    @inline(__always)
    @unsafe private func walk(
        _ segment: Segment, from start: SampleStart, _ wanted: Int, within limit: Int, having bits: UInt64,
        _ body: (Int, UnsafeMutablePointer<UInt64>) -> Void
    ) -> Int {
        let slotCount = segment.bucketCount &* Segment.slotsPerBucket
        let mostSteps = min(slotCount, limit)
        var place = start.slot(of: slotCount)
        var found = 0
        var steps = 0
        while steps < mostSteps && found < wanted {
            steps &+= 1
            let bucket = place / Segment.slotsPerBucket
            let address = unsafe segment.bucket(bucket) + place % Segment.slotsPerBucket
            place &+= 1
            if place == slotCount { place = 0 }
            let word = unsafe address.pointee
            guard word != 0, word & bits == bits else { continue }
            found &+= 1
            unsafe body(bucket, address)
        }
        return steps
    }

    private func segment(at start: SampleStart, having bits: UInt64) -> Segment? {
        if bits != 0 { return heap.count > 0 ? heap[start.below(heap.count)] : nil }
        let segmentCount = segmentList.count
        guard segmentCount > 0 else { return unsafe directory[0] }
        return segmentList[start.below(segmentCount &* Self.mostEntries) / Self.mostEntries]
    }

    // What a sample needs of memory can be asked for before it is taken, in three steps of which each finds what the one before has
    // brought. The table may change meanwhile: then it was asked for in vain.

    func prefetchSegment(at start: SampleStart, having bits: UInt64) {
        guard let segment = segment(at: start, having: bits) else { return }
        unsafe clinux_prefetch(segment.address)
        unsafe clinux_prefetch(segment.address + 64)
    }

    func prefetchBuckets(at start: SampleStart, having bits: UInt64) {
        guard let segment = segment(at: start, having: bits) else { return }
        let bucket = start.slot(of: segment.bucketCount &* Segment.slotsPerBucket) / Segment.slotsPerBucket
        unsafe clinux_prefetch(segment.bucket(bucket))
        unsafe clinux_prefetch(segment.bucket(bucket &+ 1 < segment.bucketCount ? bucket &+ 1 : 0))
    }

    func prefetchEntries(_ wanted: Int, at start: SampleStart, having bits: UInt64) {
        guard let segment = segment(at: start, having: bits) else { return }
        _ = unsafe walk(segment, from: start, wanted, within: 4 &* wanted, having: bits) { _, address in
            unsafe clinux_prefetch(SlotWord.entry(address.pointee))
        }
    }

    /// Removes a segment from those with deadlines, as none of its entries has one any more.
    private mutating func forgetDeadlines(of segment: Segment) {
        segment.removeBounds(allocator)
        setEarliest(segment, Self.noDeadline)
    }

    /// Calls `body` with the slot words of `wanted` different random entries: any selection is as likely as any other. There must be that
    /// many entries, and the table must not change meanwhile.
    /// - Complexity: O(wanted) expected.
    func visitRandom(_ wanted: Int, using generator: inout RandomSource, _ body: (UInt64) -> Void) {
        guard wanted < count / 3 else {
            var choice = Choice(wanted, of: count)
            return forEachWord { word in
                if choice.takesNext(using: &generator) { body(word) }
            }
        }
        // Few of many: one that was drawn before is drawn again.
        var drawn: Set<UInt64> = []
        drawn.reserveCapacity(wanted)
        while drawn.count < wanted {
            let word = unsafe draw(using: &generator).slot.word.pointee
            if drawn.insert(word).inserted { body(word) }
        }
    }
}

/// Where a sample begins: the upper half of a random number chooses the segment, the lower half the slot of it.
struct SampleStart {
    private let number: UInt64

    init(using generator: inout RandomSource) { number = generator.next() }

    /// Any.
    init() { number = 0 }

    private static func scaled(_ half: UInt64, _ bound: Int) -> Int {
        Int(truncatingIfNeeded: (half &* UInt64(truncatingIfNeeded: bound)) &>> 32)
    }

    @inline(__always) func below(_ bound: Int) -> Int { Self.scaled(number &>> 32, bound) }
    @inline(__always) func slot(of count: Int) -> Int { Self.scaled(number & 0xFFFF_FFFF, count) }

    /// Whether a segment is kept that was chosen among `count`, so that each entry is as likely as any other.
    @inline(__always) func takes(_ segment: Segment, of count: Int, most: Int) -> Bool {
        count == 0 || segment.used > below(count &* most) % most
    }
}

/// Selection sampling: takes `wanted` of `count` elements in one pass, each with the probability wanted / count of what is left, so that
/// any selection is as likely as any other.
///
/// - Source: Knuth, The Art of Computer Programming, volume 2, section 3.4.2, algorithm S.
struct Choice {
    private var wanted: Int
    private var left: Int

    init(_ wanted: Int, of count: Int) {
        self.wanted = wanted
        left = count
    }

    var isOver: Bool { wanted == 0 }

    /// Whether the next one is among the chosen.
    mutating func takesNext(using generator: inout RandomSource) -> Bool {
        guard wanted > 0 else { return false }
        let takes = generator.below(left) < wanted
        if takes { wanted -= 1 }
        left -= 1
        return takes
    }
}
