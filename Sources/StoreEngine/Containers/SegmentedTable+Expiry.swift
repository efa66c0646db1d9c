// Expiry of a table's entries: lower bounds of the deadlines for each bucket and each segment, and the segments in a heap.

import RespCodec

extension SegmentedTable {
    /// A lower bound of all deadlines; `noDeadline` if there is none.
    /// - Complexity: O(1).
    var earliestDeadline: Int64 { heap.first?.earliest ?? Self.noDeadline }

    @unsafe func makeBucketEarliest(_ segment: Segment) -> UnsafeMutablePointer<Int64> {
        if let present = unsafe segment.header.pointee.bucketEarliest { return unsafe present }
        let count = segment.bucketCount
        let array = unsafe allocator.allocate(count * 8).bindMemory(to: Int64.self, capacity: count)
        for bucket in 0..<count { unsafe array[bucket] = Self.noDeadline }
        unsafe segment.header.pointee.bucketEarliest = array
        return unsafe array
    }

    /// Records that the slot's entry expires at `deadline`.
    mutating func noteDeadline(_ deadline: Int64, at slot: Slot) {
        let array = unsafe makeBucketEarliest(slot.segment)
        if unsafe deadline < array[slot.bucket] { unsafe array[slot.bucket] = deadline }
        if unsafe deadline < slot.segment.header.pointee.earliest { setEarliest(slot.segment, deadline) }
    }

    /// Records that the slot's entry, which already holds it, has got a deadline; or, with `noDeadline`, that it has none any more.
    /// - Complexity: O(log segments).
    mutating func setDeadline(_ deadline: Int64, at slot: Slot) {
        check(slot)
        if deadline == Self.noDeadline {
            unsafe slot.word.pointee &= ~SlotWord.deadlineBit
        } else {
            unsafe slot.word.pointee |= SlotWord.deadlineBit
            noteDeadline(deadline, at: slot)
        }
    }

    /// The slot of an entry that has expired; nil when there is none. Looks only into buckets that may hold one, and makes their bounds
    /// exact.
    /// - Complexity: O(64 + entries of the buckets looked into + log segments) for each segment whose bound has passed.
    mutating func nextExpired(now: Int64) -> Slot? {
        while let segment = heap.first, segment.earliest <= now {
            let array = unsafe makeBucketEarliest(segment)
            var earliest = Self.noDeadline
            for bucket in 0..<segment.bucketCount {
                if unsafe array[bucket] <= now {
                    var first = Self.noDeadline
                    let slots = unsafe segment.bucket(bucket)
                    for index in 0..<Segment.slotsPerBucket {
                        let word = unsafe slots[index]
                        if word == 0 { break }
                        StepCount.step()
                        guard word & SlotWord.deadlineBit != 0 else { continue }
                        let deadline = unsafe Layout.deadline(of: SlotWord.entry(word))
                        if deadline <= now { return unsafe self.slot(segment, bucket, slots + index) }
                        first = min(first, deadline)
                    }
                    unsafe array[bucket] = first
                }
                earliest = unsafe min(earliest, array[bucket])
            }
            if earliest == Self.noDeadline {
                // No entry of the segment has a deadline any more.
                unsafe allocator.deallocate(array)
                unsafe segment.header.pointee.bucketEarliest = nil
            }
            setEarliest(segment, earliest)
        }
        return nil
    }

    mutating func setEarliest(_ segment: Segment, _ deadline: Int64) {
        segment.earliest = deadline
        deadline == Self.noDeadline ? heap.remove(segment) : heap.update(segment)
    }
}
