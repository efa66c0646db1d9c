// Random entries of a table: one at a time, or some of many at once.
//
// One draw has two steps. First a segment is chosen among all, and kept with a probability that is its number of entries over the
// most that any may have; then a slot of it is chosen, until one is filled. So each entry is as likely as any other. Both steps
// take a few tries, because segments are never nearly empty while there are several: what shrinks gives back buckets, and
// segments that could share one are merged.

import RespCodec

extension SegmentedTable {
    /// A random entry, each as likely as any other. The table must not be empty.
    /// - Complexity: O(1) expected.
    func random(using generator: inout RandomSource) -> UnsafeMutableRawPointer {
        unsafe draw(using: &generator).slot.entry
    }

    /// The slot of a random entry, each as likely as any other. The table must not be empty.
    /// - Complexity: O(1) expected.
    func randomSlot(using generator: inout RandomSource) -> Slot { draw(using: &generator).slot }

    /// As `randomSlot`, and how many segments and slots were looked at for it.
    @inline(__always)
    func draw(using generator: inout RandomSource) -> (slot: Slot, steps: Int) {
        precondition(count > 0, "nothing to choose from")
        var steps = 0
        var segment = unsafe directory[0]
        let segmentCount = segmentList.count
        if segmentCount > 0 {
            var threshold: Int
            repeat {
                steps &+= 1
                let drawn = generator.below(segmentCount &* Self.mostEntries)
                segment = segmentList[drawn / Self.mostEntries]
                threshold = drawn % Self.mostEntries
            } while segment.used <= threshold
        }
        let slotCount = segment.bucketCount &* Segment.slotsPerBucket
        while true {
            steps &+= 1
            let place = generator.below(slotCount)
            let bucket = place / Segment.slotsPerBucket
            let word = unsafe segment.bucket(bucket) + place % Segment.slotsPerBucket
            if unsafe word.pointee != 0 { return unsafe (slot(segment, bucket, word), steps) }
        }
    }

    /// Calls `body` with the slots of `wanted` different random entries, of which there must be as many: any selection is as likely
    /// as any other. The table must not change meanwhile.
    /// - Complexity: O(wanted) expected.
    func visitRandom(_ wanted: Int, using generator: inout RandomSource, _ body: (UInt64) -> Void) {
        guard wanted < count / 3 else {
            var choice = Choice(wanted, of: count)
            return forEachWord { word in
                if choice.takesNext(using: &generator) { body(word) }
            }
        }
        // Few of many: one that comes a second time is drawn again.
        var drawn: Set<UInt64> = []
        drawn.reserveCapacity(wanted)
        while drawn.count < wanted {
            let word = unsafe draw(using: &generator).slot.word.pointee
            if drawn.insert(word).inserted { body(word) }
        }
    }
}

/// Takes some of many as they come by, each with the probability that what is still wanted has among what is left: any
/// selection is as likely as any other.
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
