// How segments of a table grow, split, are merged and shrink, and the directory with them.

import CLinux
import Glibc
import RespCodec

extension SegmentedTable {
    @inline(never)
    mutating func makeRoom(in segment: Segment) {
        if ticket != 0 { writeSnapshot(of: segment) }
        let buckets = segment.bucketCount
        if buckets < Segment.maximumBuckets {
            // Doubling at first, then in steps, so that a segment is never much larger than its entries need.
            resize(segment, to: buckets + min(buckets, Segment.step(buckets)))
        } else {
            split(segment)
        }
    }

    mutating func resize(_ segment: Segment, to buckets: Int) {
        unsafe withWords(of: segment) { words in unsafe rebuild(segment, with: words, buckets: buckets) }
    }

    /// Calls `body` with a copy of the segment's slot words, in order.
    private func withWords(of segment: Segment, _ body: (UnsafeMutableBufferPointer<UInt64>) -> Void) {
        unsafe withUnsafeTemporaryAllocation(of: UInt64.self, capacity: Segment.maximumBuckets * Segment.slotsPerBucket)
        { words in
            var count = 0
            for bucket in 0..<segment.bucketCount {
                let slots = unsafe segment.bucket(bucket)
                for index in 0..<Segment.slotsPerBucket {
                    let word = unsafe slots[index]
                    if word == 0 { break }
                    unsafe words[count] = word
                    count &+= 1
                }
            }
            unsafe body(UnsafeMutableBufferPointer(rebasing: words[..<count]))
        }
    }

    /// Empties the segment, gives it `buckets` buckets and fills it with `words`, of which those with deadlines do not expire before the
    /// earliest of the segment.
    private mutating func rebuild(
        _ segment: Segment, with words: UnsafeMutableBufferPointer<UInt64>, buckets: Int
    ) {
        segment.clear(buckets: buckets, allocator)
        unsafe fill(segment, with: words)
        segment.removeBounds(allocator)
        unsafe setEarliest(segment, of: words, atLeast: segment.earliest)
    }

    /// Sets the lower bounds of the deadlines in a segment that was filled with `words`, none of which expires before `bound`. That is the
    /// bound for each of its buckets, as any may hold the earliest.
    private mutating func setEarliest(
        _ segment: Segment, of words: UnsafeMutableBufferPointer<UInt64>, atLeast bound: Int64
    ) {
        guard bound != Self.noDeadline else { return }
        guard unsafe words.contains(where: { SlotWord.hasDeadline($0) }) else {
            // Those that had deadlines were removed, or are in another segment now.
            return setEarliest(segment, Self.noDeadline)
        }
        setEarliest(segment, bound)
        segment.madeBounds(before: bound, allocator).restart(allDueAt: bound, buckets: segment.bucketCount)
    }

    /// Places `words` into an empty segment, one after the other.
    private func fill(_ segment: Segment, with words: UnsafeMutableBufferPointer<UInt64>) {
        let buckets = segment.bucketCount
        unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Segment.maximumBuckets) { filled in
            unsafe filled.update(repeating: 0)
            for index in words.indices {
                let word = unsafe words[index]
                var bucket = Segment.home(SlotWord.tag(word), of: buckets)
                while unsafe filled[bucket] == Segment.slotsPerBucket {
                    bucket &+= 1
                    if bucket == buckets { bucket = 0 }
                }
                unsafe segment.bucket(bucket)[Int(filled[bucket])] = word
                unsafe filled[bucket] &+= 1
            }
        }
        unsafe segment.header.pointee.used = Int32(truncatingIfNeeded: words.count)
    }

    func pointDirectory(to segment: Segment) {
        let header = unsafe segment.header.pointee
        let share = 1 << (depth - Int(unsafe header.depth))
        let first = depth == 0 ? 0 : Int(truncatingIfNeeded: unsafe header.prefix &>> UInt64(64 - depth))
        for index in first..<first + share { unsafe directory[index] = segment }
    }

    private mutating func split(_ segment: Segment) {
        let old = unsafe segment.header.pointee
        let oldDepth = unsafe Int(old.depth)
        precondition(oldDepth < ScanPosition.mostDepth, "so many equal hashes cannot be accidental")
        if oldDepth == depth { doubleDirectory() }
        if oldDepth + 1 == depth { deepestCount += 2 }
        let bit: UInt64 = 1 << UInt64(63 - oldDepth)
        unsafe withWords(of: segment) { words in
            // The keys are needed for the next bit of their hashes: all entries are prefetched before the first is read.
            for index in words.indices { unsafe clinux_prefetch(SlotWord.entry(words[index])) }
            // Those that stay move to the front of `words`; all keep their order.
            unsafe withUnsafeTemporaryAllocation(of: UInt64.self, capacity: words.count) { leaving in
                var stayingCount = 0
                var leavingCount = 0
                for index in words.indices {
                    let word = unsafe words[index]
                    if unsafe hash(Layout.key(of: SlotWord.entry(word))) & bit != 0 {
                        unsafe leaving[leavingCount] = word
                        leavingCount &+= 1
                    } else {
                        unsafe words[stayingCount] = word
                        stayingCount &+= 1
                    }
                }
                let upper = Segment(
                    allocator, buckets: Self.buckets(for: leavingCount), depth: oldDepth + 1,
                    prefix: unsafe old.prefix | bit,
                    earliest: Self.noDeadline)
                let earliest = segment.earliest
                unsafe upper.header.pointee.savedTicket = old.savedTicket
                unsafe fill(upper, with: .init(rebasing: leaving[..<leavingCount]))
                unsafe segment.header.pointee.depth += 1
                unsafe rebuild(
                    segment, with: .init(rebasing: words[..<stayingCount]), buckets: Self.buckets(for: stayingCount))
                pointDirectory(to: segment)
                pointDirectory(to: upper)
                if segmentList.count == 0 { segmentList.append(segment, allocator) }
                segmentList.append(upper, allocator)
                unsafe setEarliest(upper, of: .init(rebasing: leaving[..<leavingCount]), atLeast: earliest)
            }
        }
    }

    /// Buckets for `used` entries with some room to grow.
    static func buckets(for used: Int) -> Int {
        min(max(1, (used * 10 + 70) / 71), Segment.maximumBuckets)
    }

    private mutating func doubleDirectory() {
        let count = 1 << depth
        let larger = unsafe Self.newDirectory(allocator, count: count * 2)
        for index in 0..<count {
            unsafe larger[index * 2] = directory[index]
            unsafe larger[index * 2 + 1] = directory[index]
        }
        unsafe allocator.deallocate(directory)
        unsafe directory = larger
        directoryDepth += 1
        deepestCount = 0
    }

    /// Whether a segment with `used` entries is made smaller.
    func isSparse(_ segment: Segment, used: Int) -> Bool {
        used < segment.bucketCount * Segment.slotsPerBucket * 3 / 8
    }

    mutating func shrinkIfSparse(_ segment: Segment) {
        if count == 0 && depth > 0 { return collapse() }
        let buckets = segment.bucketCount
        guard isSparse(segment, used: segment.used) else { return }
        if depth > 0 && mergeIfSparse(segment) { return }
        if ticket != 0 { writeSnapshot(of: segment) }
        if buckets > 1 { resize(segment, to: Self.buckets(for: segment.used)) }
    }

    /// Merges a segment with the one it was split from, repeatedly while both together are sparse; false if they are not.
    ///
    /// Called when a segment is about to shrink, and at every removal from the smallest ones. A pair that is not merged then has more
    /// entries together, or one of the two has still to shrink: so at most one segment for each bit of depth and each group of well filled
    /// ones is nearly empty.
    private mutating func mergeIfSparse(_ segment: Segment) -> Bool {
        var merged = segment
        var isMerged = false
        while merged.depth > 0 {
            let bit: UInt64 = 1 << UInt64(64 - merged.depth)
            let prefix = unsafe merged.header.pointee.prefix
            let other = self.segment(prefix ^ bit)
            guard other.depth == merged.depth, merged.used + other.used <= Self.mostMerged else { break }
            merged = prefix & bit == 0 ? merge(merged, other) : merge(other, merged)
            isMerged = true
        }
        return isMerged
    }

    /// Moves all of the upper half of what was one segment to the lower half.
    private mutating func merge(_ lower: Segment, _ upper: Segment) -> Segment {
        if ticket != 0 {
            writeSnapshot(of: lower)
            writeSnapshot(of: upper)
        }
        let oldDepth = lower.depth
        let earliest = min(lower.earliest, upper.earliest)
        unsafe withUnsafeTemporaryAllocation(of: UInt64.self, capacity: Self.mostMerged) { words in
            var count = 0
            for half in [lower, upper] {
                unsafe withWords(of: half) { own in
                    for index in own.indices { unsafe words[count + index] = own[index] }
                    count += own.count
                }
            }
            heap.remove(upper)
            segmentList.remove(upper, allocator)
            unsafe upper.deallocate(allocator)
            unsafe lower.header.pointee.depth = Int32(oldDepth - 1)
            if earliest != lower.earliest { setEarliest(lower, earliest) }
            unsafe rebuild(lower, with: .init(rebasing: words[..<count]), buckets: Self.buckets(for: count))
        }
        pointDirectory(to: lower)
        if oldDepth == depth {
            deepestCount -= 2
            while deepestCount == 0 { halveDirectory() }
        }
        if segmentList.count == 1 { unsafe segmentList.deallocate(allocator) }
        return lower
    }

    /// - Complexity: O(places of the directory), as for doubling it; amortized over as many merges.
    private mutating func halveDirectory() {
        let count = 1 << (depth - 1)
        let smaller = unsafe Self.newDirectory(allocator, count: count)
        for index in 0..<count { unsafe smaller[index] = directory[index * 2] }
        unsafe allocator.deallocate(directory)
        unsafe directory = smaller
        directoryDepth -= 1
        deepestCount = count == 1 ? 1 : 0
        // Two neighbours that differ are as deep as the directory.
        for index in stride(from: 0, to: count - 1, by: 2) where unsafe directory[index] != directory[index + 1] {
            deepestCount += 2
        }
    }

    /// Back to one segment once nothing is left.
    private mutating func collapse() {
        forEachSegment { unsafe $0.deallocate(allocator) }
        heap.removeAll()
        unsafe segmentList.deallocate(allocator)
        unsafe allocator.deallocate(directory)
        directoryDepth = 0
        deepestCount = 1
        unsafe directory = Self.newDirectory(allocator, count: 1)
        unsafe directory[0] = Segment(allocator, buckets: 1, depth: 0, prefix: 0, earliest: Self.noDeadline)
    }
}
