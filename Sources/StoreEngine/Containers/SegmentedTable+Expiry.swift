// Expiry of a table's entries: lower bounds of the deadlines for each bucket and each segment, and the segments in a heap.

import RespCodec

extension SegmentedTable {
    /// A lower bound of all deadlines; `noDeadline` if there is none.
    /// - Complexity: O(1).
    var earliestDeadline: Int64 { heap.first?.earliest ?? Self.noDeadline }

    /// Records that the slot's entry expires at `deadline`.
    mutating func noteDeadline(_ deadline: Int64, at slot: Slot) {
        let bounds = slot.segment.madeBounds(before: deadline, allocator)
        bounds.note(deadline, in: slot.bucket, of: slot.segment.bucketCount)
        if deadline < slot.segment.earliest { setEarliest(slot.segment, deadline) }
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

    /// The slot of an entry that has expired; nil when there is none, or the budget is used up. Looks only into buckets that may hold one,
    /// and makes their bounds exact.
    /// - Parameters:
    ///   - window: that of the table's owner.
    ///   - budget: how many segments and buckets may be looked into in which nothing has expired, up to a segment more; what was is taken
    ///     from it.
    /// - Complexity: O(64 + entries of the buckets looked into + log segments) for each segment whose bound has passed.
    mutating func nextExpired(now: Int64, _ window: DeadlineWindow, budget: inout Int) -> Slot? {
        while budget > 0, let segment = heap.first, segment.earliest <= now {
            let buckets = segment.bucketCount
            let bounds = segment.madeBounds(before: now, allocator)
            var due = bounds.code(of: now)
            // Of the buckets that were looked into, and that were not.
            var earliest = Self.noDeadline
            var unread = DeadlineBounds.Code.never
            for bucket in 0..<buckets {
                guard bounds[bucket] <= due else {
                    unread = min(unread, bounds[bucket])
                    continue
                }
                var first = Self.noDeadline
                let slots = unsafe segment.bucket(bucket)
                for index in 0..<Segment.slotsPerBucket {
                    let word = unsafe slots[index]
                    if word == 0 { break }
                    StepCount.step()
                    guard word & SlotWord.deadlineBit != 0 else { continue }
                    let deadline = unsafe Layout.deadline(of: SlotWord.entry(word), window)
                    if deadline <= now { return unsafe self.slot(segment, bucket, slots + index) }
                    first = min(first, deadline)
                }
                budget &-= 1
                if first == Self.noDeadline {
                    bounds[bucket] = .never
                    continue
                }
                earliest = min(earliest, first)
                if bounds.code(of: first) <= due {
                    // From where it was measured it looks like now.
                    if unread != .never { earliest = min(earliest, bounds.time(of: unread)) }
                    unread = .never
                    bounds.restart(at: now, buckets: buckets)
                    due = .due
                }
                bounds[bucket] = bounds.code(of: first)
            }
            if unread != .never { earliest = min(earliest, bounds.time(of: unread)) }
            if earliest == Self.noDeadline {
                // No entry of the segment has a deadline any more.
                segment.removeBounds(allocator)
            }
            setEarliest(segment, earliest)
            budget &-= 1
        }
        return nil
    }

    mutating func setEarliest(_ segment: Segment, _ deadline: Int64) {
        segment.earliest = deadline
        deadline == Self.noDeadline ? heap.remove(segment) : heap.update(segment)
    }
}
