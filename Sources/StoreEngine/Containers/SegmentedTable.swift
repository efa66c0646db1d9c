// The hash table under everything: a directory of small segments, each a table of its own.
//
// The top bits of a hash choose a segment through the directory, the low 15 bits a home bucket in it. A bucket is one cache line
// of 8 slots; a slot is a pointer to an entry (48 bits), the 15 low bits of its hash (the tag) and a bit that says whether the
// entry has a deadline. A full bucket spills into the next ones of its segment. A segment grows in small steps (its entries keep
// their order and are not touched: the tag is all that is needed), and at its largest splits alone. So no operation ever moves
// more than one segment, whatever the size of the table: no pause, no moment with two tables. Two segments that a split made are
// one again when together they fill half of one, and when no segment is as deep as the directory any more, it is halved.
//
//     directory  [0][1][2][3]...            2^depth pointers; segments of smaller depth appear in several neighbours
//                 |   \ /
//     segment    header | bucket | bucket | ...       1 to 64 buckets
//     slot       deadline bit | tag (15) | pointer (48)
//
// The home bucket is (tag * buckets) >> 15, which grows with the tag: a segment is thus sorted, roughly, by tag, and the whole
// table by (segment prefix, tag). A scan cursor is such a position, and means the same place whatever has grown or split since.
//
// Deadlines: a segment keeps the earliest of each bucket, in an array made when the first deadline arrives, and of all. These are
// lower bounds (never later than the truth; put right when looked at). Segments with deadlines stand in a heap.
//
// Invariants: the slots of a bucket are filled from the front; an entry lies in its home bucket or behind a run of full ones from
// there; a segment's neighbours in the directory that share it are aligned; `earliest` is at or before each deadline inside.
//
// Source: the segment directory follows "Dash: Scalable Hashing on Persistent Memory" (Lu et al., arXiv 2003.07302); the idea of
// splitting by directory is extendible hashing (Fagin et al., 1979).

import CLinux
import Glibc
import RespCodec

/// How a table reads its entries. An entry is a block whose layout only its owner knows.
protocol TableLayout {
    static func key(of entry: UnsafeMutableRawPointer) -> ByteSlice
    static func hasKey(_ entry: UnsafeMutableRawPointer, _ key: ByteSlice) -> Bool
    /// As many bytes of an entry as its readers usually need, 64 at most.
    static var usualByteCount: Int { get }
    /// In milliseconds since 1970; asked only of entries that were inserted as having one.
    static func deadline(of entry: UnsafeMutableRawPointer) -> Int64
}

extension TableLayout {
    @inline(__always) static func hasKey(_ entry: UnsafeMutableRawPointer, _ key: ByteSlice) -> Bool {
        let own = unsafe self.key(of: entry)
        guard own.count == key.count else { return false }
        return unsafe sameBytes(own.rawBytes.baseAddress!, key.rawBytes.baseAddress!, count: key.count)
    }
    static var usualByteCount: Int { 64 }
    /// Of entries that never have one.
    @inline(__always) static func deadline(of entry: UnsafeMutableRawPointer) -> Int64 { Int64.max }
}

/// Plain memory with one owner, who calls `deallocate`. Entries belong to the owner, not to the table; segments, directory and heap
/// lie in the allocator, so that dropping the allocator drops the table.
@safe struct SegmentedTable<Layout: TableLayout> {
    static var noDeadline: Int64 { Int64.max }

    let allocator: SlabAllocator
    let hash: KeyHash
    private(set) var count = 0
    private(set) var directory: UnsafeMutablePointer<Segment>
    private var directoryDepth: Int32 = 0
    /// How many segments are as deep as the directory.
    private var deepestCount: Int32 = 1
    private(set) var heap: SegmentHeap
    private(set) var segmentList = SegmentList()
    #if DEBUG
    /// How many insertions and removals there have been.
    private(set) var generation: UInt64 = 0
    #endif

    /// An empty table.
    /// - Parameter expected: how many entries it is likely to get soon: it has room for about so many at once, and need not grow
    ///   by and by.
    init(allocator: SlabAllocator, hash: KeyHash, expecting expected: Int = 0) {
        self.allocator = allocator
        self.hash = hash
        heap = SegmentHeap(allocator: allocator)
        // Segments get unequal shares; those of a little more than the mean shall not have to be split.
        let mean = Self.mostEntries * 7 / 8
        var depth = 0
        while expected &>> depth > mean { depth += 1 }
        let buckets = Self.buckets(for: expected &>> depth)
        unsafe directory = Self.newDirectory(allocator, count: 1 << depth)
        directoryDepth = Int32(depth)
        deepestCount = 1 << Int32(depth)
        for index in 0..<1 << depth {
            let prefix = depth == 0 ? 0 : UInt64(index) &<< UInt64(64 - depth)
            let segment = Segment(
                allocator, buckets: buckets, depth: depth, prefix: prefix, earliest: Self.noDeadline)
            unsafe directory[index] = segment
            if depth > 0 { segmentList.append(segment, allocator) }
        }
    }

    private static func newDirectory(_ allocator: SlabAllocator, count: Int) -> UnsafeMutablePointer<Segment> {
        unsafe allocator.allocate(count * MemoryLayout<Segment>.stride).bindMemory(to: Segment.self, capacity: count)
    }

    /// Frees the segments from the one at directory place `index` on, and what `free` makes of their entries, until about `budget`
    /// entries are done. Returns the place to go on from, or nil when the table is gone.
    mutating func deallocateSlice(
        from index: Int, budget: Int, free: (UnsafeMutableRawPointer) -> Void
    ) -> Int? {
        var index = index
        var done = 0
        while index < 1 << depth {
            guard done < budget else { return index }
            let segment = unsafe directory[index]
            index += unsafe 1 << (depth - Int(segment.header.pointee.depth))
            for bucket in 0..<segment.bucketCount {
                let slots = unsafe segment.bucket(bucket)
                for slot in 0..<Segment.slotsPerBucket {
                    let word = unsafe slots[slot]
                    if word == 0 { break }
                    unsafe free(SlotWord.entry(word))
                    done += 1
                }
            }
            segment.deallocate(allocator)
        }
        unsafe allocator.deallocate(directory)
        heap.deallocate()
        segmentList.deallocate(allocator)
        return nil
    }

    /// - Complexity: O(1).
    var segmentCount: Int { max(segmentList.count, 1) }

    /// How many bits of a hash the directory takes.
    @inline(__always) var depth: Int { Int(truncatingIfNeeded: directoryDepth) }

    // MARK: looking up

    /// Where the segments are, for looking things up.
    @inline(__always) var segments: SegmentDirectory {
        unsafe SegmentDirectory(first: directory, depth: depth, entryByteCount: Layout.usualByteCount)
    }

    @inline(__always)
    func segment(_ hash: UInt64) -> Segment { segments.segment(hash) }

    @inline(__always)
    func find(_ key: ByteSlice, hash: UInt64) -> Slot? {
        unsafe find(hash) { unsafe Layout.hasKey($0, key) }
    }

    /// The slot of an entry whose key has this hash.
    func find(hash: UInt64) -> Slot? {
        unsafe find(hash) { unsafe self.hash(Layout.key(of: $0)) == hash }
    }

    /// The slot of an entry of this hash that is the right one.
    @inline(__always)
    private func find(_ hash: UInt64, where isRight: (UnsafeMutableRawPointer) -> Bool) -> Slot? {
        let segment = segment(hash)
        let probe = (hash & 0x7FFF) &<< 48
        var bucket = segment.home(hash & 0x7FFF)
        var remaining = segment.bucketCount
        while true {
            let slots = unsafe segment.bucket(bucket)
            var found = unsafe SlotWord.matches(slots, probe)
            while found != 0 {
                let index = found.trailingZeroBitCount
                let word = unsafe slots[index]
                if word == 0 { return nil }
                if unsafe isRight(SlotWord.entry(word)) {
                    return unsafe slot(segment, bucket, slots + index)
                }
                found &= found &- 1
            }
            // A bucket with room ends the run.
            if unsafe slots[Segment.slotsPerBucket &- 1] == 0 { return nil }
            remaining &-= 1
            if remaining == 0 { return nil }
            bucket &+= 1
            if bucket == segment.bucketCount { bucket = 0 }
        }
    }

    // MARK: slots

    /// A slot of the table as it is now.
    @inline(__always)
    func slot(_ segment: Segment, _ bucket: Int, _ word: UnsafeMutablePointer<UInt64>) -> Slot {
        #if DEBUG
        return unsafe Slot(segment: segment, bucket: bucket, word: word, generation: generation)
        #else
        return unsafe Slot(segment: segment, bucket: bucket, word: word)
        #endif
    }

    /// Stops a debug build if the slot was found before the last insertion or removal, which may have moved its entry.
    @inline(__always)
    func check(_ slot: Slot) {
        #if DEBUG
        precondition(
            slot.generation == generation,
            "a slot was used after an insertion or a removal that may have moved its entry")
        #endif
    }

    @inline(__always)
    private mutating func outdateSlots() {
        #if DEBUG
        generation &+= 1
        #endif
    }

    // MARK: changing

    /// Adds an entry whose key is not in the table. `deadline` is `noDeadline` if it has none.
    mutating func insert(_ entry: UnsafeMutableRawPointer, hash: UInt64, deadline: Int64) -> Slot {
        var target = segment(hash)
        while target.used &+ 1 > Self.limit(target.bucketCount) {
            makeRoom(in: target)
            target = segment(hash)
        }
        let word =
            UInt64(UInt(bitPattern: entry)) | (hash & 0x7FFF) &<< 48
            | (deadline != Self.noDeadline ? SlotWord.deadlineBit : 0)
        let (bucket, place) = unsafe Self.place(word, in: target)
        unsafe target.header.pointee.used &+= 1
        count &+= 1
        outdateSlots()
        let slot = unsafe slot(target, bucket, place)
        if deadline != Self.noDeadline { noteDeadline(deadline, at: slot) }
        return slot
    }

    /// Puts another entry of the same key in the slot.
    mutating func replace(_ slot: Slot, with entry: UnsafeMutableRawPointer, deadline: Int64) {
        check(slot)
        let tag = unsafe slot.word.pointee & SlotWord.tagMask
        unsafe slot.word.pointee =
            UInt64(UInt(bitPattern: entry)) | tag | (deadline != Self.noDeadline ? SlotWord.deadlineBit : 0)
        if deadline != Self.noDeadline { noteDeadline(deadline, at: slot) }
    }

    /// Takes the slot's entry out of the table; the entry itself stays whole.
    mutating func remove(_ slot: Slot) {
        check(slot)
        outdateSlots()
        let segment = slot.segment
        unsafe Self.closeGap(segment, bucket: slot.bucket, word: slot.word)
        unsafe segment.header.pointee.used &-= 1
        count &-= 1
        shrinkIfSparse(segment)
    }

    /// How many entries a segment may hold at its largest.
    static var mostEntries: Int { limit(Segment.maximumBuckets) }
    /// Two segments that have no more than this together are merged: half of what makes them split.
    private static var mostMerged: Int { mostEntries / 2 }

    /// How many entries a segment may hold: nine tenths of its slots.
    @inline(__always)
    private static func limit(_ buckets: Int) -> Int { (buckets &* Segment.slotsPerBucket &* 29) / 32 }

    /// Writes `word` into the first free slot from its home on.
    @inline(__always)
    private static func place(_ word: UInt64, in segment: Segment) -> (Int, UnsafeMutablePointer<UInt64>) {
        var bucket = segment.home(SlotWord.tag(word))
        while true {
            let slots = unsafe segment.bucket(bucket)
            if unsafe slots[Segment.slotsPerBucket &- 1] == 0 {
                var index = 0
                while unsafe slots[index] != 0 { index &+= 1 }
                unsafe slots[index] = word
                // What spilled or moved here may expire before what the bucket knew of.
                return unsafe (bucket, slots + index)
            }
            bucket &+= 1
            if bucket == segment.bucketCount { bucket = 0 }
        }
    }

    /// Empties a slot and moves up what had spilled past it.
    private static func closeGap(_ segment: Segment, bucket: Int, word: UnsafeMutablePointer<UInt64>) {
        var gapBucket = bucket
        var gap = unsafe word
        while true {
            let slots = unsafe segment.bucket(gapBucket)
            let wasFull = unsafe slots[Segment.slotsPerBucket &- 1] != 0
            // The last filled slot takes the gap's place.
            var last = Segment.slotsPerBucket &- 1
            while unsafe slots[last] == 0 { last &-= 1 }
            unsafe gap.pointee = slots[last]
            unsafe slots[last] = 0
            guard wasFull else { return }
            // The bucket was full, so entries of it or of earlier ones may lie further on; the first such moves in.
            guard let moved = spilled(past: gapBucket, in: segment) else { return }
            unsafe slots[Segment.slotsPerBucket &- 1] = moved.word.pointee
            if unsafe moved.word.pointee & SlotWord.deadlineBit != 0,
                let earliest = unsafe segment.header.pointee.bucketEarliest
            {
                unsafe earliest[gapBucket] = min(earliest[gapBucket], earliest[moved.bucket])
            }
            gapBucket = moved.bucket
            unsafe gap = moved.word
        }
    }

    /// The first entry behind `bucket` whose home bucket is at or before it: one that may move there.
    private static func spilled(past bucket: Int, in segment: Segment) -> Slot? {
        let count = segment.bucketCount
        var distance = 1
        while distance < count {
            var candidate = bucket &+ distance
            if candidate >= count { candidate &-= count }
            let slots = unsafe segment.bucket(candidate)
            for index in 0..<Segment.slotsPerBucket {
                let word = unsafe slots[index]
                if word == 0 { return nil }
                var away = candidate &- segment.home(SlotWord.tag(word))
                if away < 0 { away &+= count }
                if away >= distance { return unsafe Slot(segment: segment, bucket: candidate, word: slots + index) }
            }
            distance &+= 1
        }
        return nil
    }

    // MARK: growing, splitting, shrinking

    @inline(never)
    private mutating func makeRoom(in segment: Segment) {
        let buckets = segment.bucketCount
        if buckets < Segment.maximumBuckets {
            // Doubling at first, by a step later: a table is never much larger than what is in it.
            resize(segment, to: buckets + min(buckets, Segment.bucketsPerStep))
        } else {
            split(segment)
        }
    }

    private mutating func resize(_ segment: Segment, to buckets: Int) {
        unsafe withWords(of: segment) { words in unsafe rebuild(segment, with: words, buckets: buckets) }
    }

    /// Calls `body` with a copy of the segment's filled slots, in their order.
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

    /// Empties the segment, gives it room for so many buckets and fills it with `words`, of which those with deadlines do not expire
    /// before the earliest of the segment.
    private mutating func rebuild(
        _ segment: Segment, with words: UnsafeMutableBufferPointer<UInt64>, buckets: Int
    ) {
        segment.clear(buckets: buckets, allocator)
        unsafe fill(segment, with: words)
        if let old = unsafe segment.header.pointee.bucketEarliest {
            unsafe allocator.deallocate(old)
            unsafe segment.header.pointee.bucketEarliest = nil
        }
        unsafe setEarliest(segment, of: words, atLeast: segment.earliest)
    }

    /// Sets what is known of the deadlines in a segment that was filled with `words`: none is before `bound`. Each bucket may hold
    /// anything, so that is the bound for every one.
    private mutating func setEarliest(
        _ segment: Segment, of words: UnsafeMutableBufferPointer<UInt64>, atLeast bound: Int64
    ) {
        guard bound != Self.noDeadline else { return }
        guard unsafe words.contains(where: { SlotWord.hasDeadline($0) }) else {
            // Those that had deadlines are gone, or in another segment now.
            return setEarliest(segment, Self.noDeadline)
        }
        setEarliest(segment, bound)
        fillBucketEarliest(segment)
    }

    private func fill(_ segment: Segment, with words: UnsafeMutableBufferPointer<UInt64>) {
        for index in words.indices { _ = unsafe Self.place(words[index], in: segment) }
        unsafe segment.header.pointee.used = Int32(words.count)
    }

    private func fillBucketEarliest(_ segment: Segment) {
        let array = unsafe makeBucketEarliest(segment)
        for bucket in 0..<segment.bucketCount { unsafe array[bucket] = segment.earliest }
    }

    private func pointDirectory(to segment: Segment) {
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
            // The entries are needed here, for the next bit of their hashes: all are asked for before the first is read.
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
    private static func buckets(for used: Int) -> Int {
        min(max(1, (used * 10 + 67) / 68), Segment.maximumBuckets)
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

    private mutating func shrinkIfSparse(_ segment: Segment) {
        if count == 0 && depth > 0 { return collapse() }
        let buckets = segment.bucketCount
        guard segment.used < buckets * Segment.slotsPerBucket * 3 / 8 else { return }
        if depth > 0 && mergeIfSparse(segment) { return }
        if buckets > 1 { resize(segment, to: Self.buckets(for: segment.used)) }
    }

    /// Merges a segment with the one it was split from, as often as both together are sparse; false if they are not.
    ///
    /// Asked when segments shrink, and at every removal from the smallest. A pair that is not merged then has more together, or one
    /// of the two has still to shrink: so of the segments that are there, at most one for each bit of depth and each group of
    /// well filled ones is nearly empty.
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
            upper.deallocate(allocator)
            unsafe lower.header.pointee.depth = Int32(oldDepth - 1)
            if earliest != lower.earliest { setEarliest(lower, earliest) }
            unsafe rebuild(lower, with: .init(rebasing: words[..<count]), buckets: Self.buckets(for: count))
        }
        pointDirectory(to: lower)
        if oldDepth == depth {
            deepestCount -= 2
            while deepestCount == 0 { halveDirectory() }
        }
        if segmentList.count == 1 { segmentList.deallocate(allocator) }
        return lower
    }

    /// - Complexity: O(places of the directory), as for doubling it, once for as many merges.
    private mutating func halveDirectory() {
        let count = 1 << (depth - 1)
        let smaller = unsafe Self.newDirectory(allocator, count: count)
        for index in 0..<count { unsafe smaller[index] = directory[index * 2] }
        unsafe allocator.deallocate(directory)
        unsafe directory = smaller
        directoryDepth -= 1
        deepestCount = count == 1 ? 1 : 0
        // Two neighbours that differ have a place each.
        for index in stride(from: 0, to: count - 1, by: 2) where unsafe directory[index] != directory[index + 1] {
            deepestCount += 2
        }
    }

    /// Back to one segment once nothing is left.
    private mutating func collapse() {
        forEachSegment { $0.deallocate(allocator) }
        heap.removeAll()
        segmentList.deallocate(allocator)
        unsafe allocator.deallocate(directory)
        directoryDepth = 0
        deepestCount = 1
        unsafe directory = Self.newDirectory(allocator, count: 1)
        unsafe directory[0] = Segment(allocator, buckets: 1, depth: 0, prefix: 0, earliest: Self.noDeadline)
    }

    // MARK: deadlines

    /// The earliest deadline of all, or a bound that is not after it; `noDeadline` if there is none.
    var earliestDeadline: Int64 { heap.first?.earliest ?? Self.noDeadline }

    private func makeBucketEarliest(_ segment: Segment) -> UnsafeMutablePointer<Int64> {
        if let present = unsafe segment.header.pointee.bucketEarliest { return unsafe present }
        let count = segment.bucketCount
        let array = unsafe allocator.allocate(count * 8).bindMemory(to: Int64.self, capacity: count)
        for bucket in 0..<count { unsafe array[bucket] = Self.noDeadline }
        unsafe segment.header.pointee.bucketEarliest = array
        return unsafe array
    }

    /// Records that the slot's entry expires at `deadline`.
    private mutating func noteDeadline(_ deadline: Int64, at slot: Slot) {
        let array = unsafe makeBucketEarliest(slot.segment)
        if unsafe deadline < array[slot.bucket] { unsafe array[slot.bucket] = deadline }
        if unsafe deadline < slot.segment.header.pointee.earliest { setEarliest(slot.segment, deadline) }
    }

    /// Marks the slot's entry as having a deadline, or none any more. Its entry already says so.
    mutating func setDeadline(_ deadline: Int64, at slot: Slot) {
        check(slot)
        if deadline == Self.noDeadline {
            unsafe slot.word.pointee &= ~SlotWord.deadlineBit
        } else {
            unsafe slot.word.pointee |= SlotWord.deadlineBit
            noteDeadline(deadline, at: slot)
        }
    }

    /// The first entry found that has expired, with its slot; nil when none is. Looks only into buckets that may hold one, and puts
    /// the bounds right on the way.
    /// - Complexity: O(64 + entries of the buckets looked into), O(log segments) for the heap.
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
                // The last deadline is gone, and the array with it.
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

/// The segments of a table, whatever it holds: for asking for the memory in which an entry will be found, in three steps, each of which
/// needs what the one before has brought.
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

    /// Asks for the cache line in which the key's slot should be.
    @inline(__always)
    func prefetchBucket(_ hash: UInt64) {
        let segment = segment(hash)
        unsafe clinux_prefetch(segment.bucket(segment.home(hash & 0x7FFF)))
    }

    /// Asks for the first cache lines of the entry that looks like the key's, once the bucket is there.
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
