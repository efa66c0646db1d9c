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
// Deadlines: a segment keeps the earliest of each bucket, in an array made when the first deadline arrives (DeadlineBounds.swift), and of
// all. These are lower bounds: never later than the earliest deadline, and made exact when they are looked at. Segments with deadlines are
// in a heap.
//
// The table is a plain value over raw memory. Entries are pointers, so what stores or returns one is `unsafe` to use; slots are checked
// in debug builds only, for a check on each use would cost on every request.
//
// Invariants: the slots of a bucket are filled from the front; an entry lies in its home bucket or after a run of full ones from
// there; a segment's neighbours in the directory that share it are aligned; `earliest` is at or before each deadline inside.
//
// Source: the segment directory follows "Dash: Scalable Hashing on Persistent Memory" (Lu et al., arXiv 2003.07302); the idea of
// splitting by directory is extendible hashing (Fagin et al., 1979).

import CLinux
import Glibc
import RespCodec

/// How a table reads its entries. An entry is a block whose layout only the layout's type knows.
protocol TableLayout {
    static func key(of entry: UnsafeMutableRawPointer) -> ByteSlice
    static func hasKey(_ entry: UnsafeMutableRawPointer, _ key: ByteSlice) -> Bool
    /// How many bytes of an entry its readers usually need, 64 at most: these are prefetched.
    static var usualByteCount: Int { get }
    /// In milliseconds since 1970; asked only of entries that were inserted as having one.
    /// - Parameter window: that of the table's owner: see `DeadlineWindow`.
    static func deadline(of entry: UnsafeMutableRawPointer, _ window: DeadlineWindow) -> Int64
}

extension TableLayout {
    @inline(__always) static func hasKey(_ entry: UnsafeMutableRawPointer, _ key: ByteSlice) -> Bool {
        let own = unsafe self.key(of: entry)
        guard own.count == key.count else { return false }
        return unsafe sameBytes(own.rawBytes.baseAddress!, key.rawBytes.baseAddress!, count: key.count)
    }
    static var usualByteCount: Int { 64 }
    /// For entries that never have a deadline.
    @inline(__always) static func deadline(of entry: UnsafeMutableRawPointer, _ window: DeadlineWindow) -> Int64 {
        Int64.max
    }
}

/// A plain value with one owner, which calls `deallocateSlice` at the end. Entries belong to the owner, not to the table; segments,
/// directory and heap lie in the allocator, so that dropping the allocator drops the table.
@safe struct SegmentedTable<Layout: TableLayout> {
    static var noDeadline: Int64 { Int64.max }

    let allocator: SlabAllocator
    let hash: KeyHash
    private(set) var count = 0
    var directory: UnsafeMutablePointer<Segment>
    var directoryDepth: Int32 = 0
    /// How many segments are as deep as the directory.
    var deepestCount: Int32 = 1
    var heap: SegmentHeap
    var segmentList = SegmentList()
    /// Not 0 while a snapshot is being written of the table. Segments that were written bear it; of the others an entry is written before
    /// it changes, and marked, as are those that are added; and all of one before its entries are laid out anew. Parts of a segment that
    /// was written were, too.
    var ticket: UInt32 = 0
    #if DEBUG
    /// How many insertions and removals there have been.
    private(set) var generation: UInt64 = 0
    #endif

    /// An empty table.
    /// - Parameter expected: how many entries it is likely to get soon: it has room for about as many from the start.
    init(allocator: SlabAllocator, hash: KeyHash, expecting expected: Int = 0) {
        self.allocator = allocator
        self.hash = hash
        heap = SegmentHeap(allocator: allocator)
        // Segments get unequal shares; one that gets a little more than the mean should not have to be split.
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

    @unsafe static func newDirectory(_ allocator: SlabAllocator, count: Int) -> UnsafeMutablePointer<Segment> {
        unsafe allocator.allocate(count * MemoryLayout<Segment>.stride).bindMemory(to: Segment.self, capacity: count)
    }

    /// Frees the segments from the one at directory place `index` on, and calls `free` with their entries, until about `budget` entries are
    /// done. Returns the place to continue from, or nil when the whole table is freed.
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
            unsafe segment.deallocate(allocator)
        }
        unsafe allocator.deallocate(directory)
        unsafe heap.deallocate()
        unsafe segmentList.deallocate(allocator)
        return nil
    }

    /// - Complexity: O(1).
    var segmentCount: Int { max(segmentList.count, 1) }

    /// How many bits of a hash the directory uses.
    @inline(__always) var depth: Int { Int(truncatingIfNeeded: directoryDepth) }

    // MARK: looking up

    /// Where the segments are, for look-ups.
    @inline(__always) var segments: SegmentDirectory {
        unsafe SegmentDirectory(first: directory, depth: depth, entryByteCount: Layout.usualByteCount)
    }

    @inline(__always)
    func segment(_ hash: UInt64) -> Segment { segments.segment(hash) }

    /// The slot of a key's entry; nil if there is none.
    /// - Complexity: O(1) expected, O(entries of a segment) at worst.
    @inline(__always)
    func find(_ key: ByteSlice, hash: UInt64) -> Slot? {
        unsafe find(hash) { unsafe Layout.hasKey($0, key) }
    }

    /// The slot of an entry whose key has this hash; nil if there is none.
    func find(hash: UInt64) -> Slot? {
        unsafe find(hash) { unsafe self.hash(Layout.key(of: $0)) == hash }
    }

    /// The slot of the entry of this hash for which `isRight` returns true; nil if there is none.
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

    /// A slot of the table, valid until it changes.
    @inline(__always)
    func slot(_ segment: Segment, _ bucket: Int, _ word: UnsafeMutablePointer<UInt64>) -> Slot {
        #if DEBUG
        return unsafe Slot(segment: segment, bucket: bucket, word: word, generation: generation)
        #else
        return unsafe Slot(segment: segment, bucket: bucket, word: word)
        #endif
    }

    /// Traps in a debug build if the slot was found before the last insertion or removal, which may have moved its entry.
    @inline(__always)
    func check(_ slot: Slot) {
        #if DEBUG
        precondition(
            slot.generation == generation,
            "a slot was used after an insertion or a removal that may have moved its entry")
        #endif
    }

    /// The entry of a slot.
    @inline(__always)
    @unsafe func entry(at slot: Slot) -> UnsafeMutableRawPointer {
        check(slot)
        return unsafe SlotWord.entry(slot.word.pointee)
    }

    /// Whether the entry of a slot has a deadline.
    @inline(__always)
    func hasDeadline(_ slot: Slot) -> Bool {
        check(slot)
        return unsafe SlotWord.hasDeadline(slot.word.pointee)
    }

    @inline(__always)
    mutating func outdateSlots() {
        #if DEBUG
        generation &+= 1
        #endif
    }

    // MARK: changing

    /// Adds an entry whose key is not in the table.
    /// - Parameter deadline: in milliseconds since 1970; `noDeadline` if it has none.
    /// - Complexity: O(1) amortized; one insertion moves up to the entries of one segment.
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
        if ticket != 0 { markNewEntry(slot) }
        if deadline != Self.noDeadline { noteDeadline(deadline, at: slot) }
        return slot
    }

    /// Replaces the slot's entry by another one of the same key.
    mutating func replace(_ slot: Slot, with entry: UnsafeMutableRawPointer, deadline: Int64) {
        check(slot)
        let tag = unsafe slot.word.pointee & SlotWord.tagMask
        unsafe slot.word.pointee =
            UInt64(UInt(bitPattern: entry)) | tag | (deadline != Self.noDeadline ? SlotWord.deadlineBit : 0)
        if deadline != Self.noDeadline { noteDeadline(deadline, at: slot) }
    }

    /// Removes the slot's entry from the table. The entry itself is not freed.
    /// - Complexity: O(1) amortized; one removal moves up to the entries of one segment.
    mutating func remove(_ slot: Slot) {
        check(slot)
        if ticket != 0 { beforeChange(slot) }
        outdateSlots()
        let segment = slot.segment
        unsafe Self.closeGap(segment, bucket: slot.bucket, word: slot.word)
        unsafe segment.header.pointee.used &-= 1
        count &-= 1
        shrinkIfSparse(segment)
    }

    // MARK: snapshots

    /// To be called before an entry changes, if the table has a ticket.
    @inline(never)
    func beforeChange(_ slot: Slot) {
        guard start(slot.segment), unsafe !slot.segment[markOf: slot.word, in: slot.bucket] else { return }
        unsafe allocator.snapshot?.write(slot.word.pointee, ofTable: ticket)
        unsafe slot.segment[markOf: slot.word, in: slot.bucket] = true
    }

    @inline(never)
    private func markNewEntry(_ slot: Slot) {
        if start(slot.segment) { unsafe slot.segment[markOf: slot.word, in: slot.bucket] = true }
    }

    /// Has the segment written that a snapshot's walk comes to.
    /// - Parameter position: the first 32 bits of the hashes that are next; 0 at the beginning.
    /// - Returns: where the walk goes on; more than 32 bits at the end.
    func writeSnapshot(at position: UInt64) -> UInt64 {
        let segment = segment(position << 32)
        writeSnapshot(of: segment)
        return unsafe (segment.header.pointee.prefix >> 32) + (1 << UInt64(32 - segment.depth))
    }

    /// Has all of a segment written that was not.
    @inline(never)
    func writeSnapshot(of segment: Segment) {
        guard unsafe segment.header.pointee.savedTicket != ticket else { return }
        if unsafe segment.header.pointee.startedTicket != ticket { segment.removeMarks(allocator) }
        allocator.snapshot?.write(segment, ofTable: ticket)
        segment.removeMarks(allocator)
        unsafe segment.header.pointee.savedTicket = ticket
    }

    /// Has a segment have marks, unless it was written.
    /// - Returns: whether it was not.
    @inline(__always)
    private func start(_ segment: Segment) -> Bool {
        if unsafe segment.header.pointee.savedTicket == ticket { return false }
        if unsafe segment.header.pointee.startedTicket != ticket {
            segment.makeMarks(allocator)
            unsafe segment.header.pointee.startedTicket = ticket
        }
        return true
    }

    /// How many entries a segment may hold at its largest.
    static var mostEntries: Int { limit(Segment.maximumBuckets) }
    /// Two segments that have no more entries than this together are merged: half of what makes one split.
    static var mostMerged: Int { mostEntries / 2 }

    /// How many entries a segment may hold: 59 of 64 slots.
    @inline(__always)
    private static func limit(_ buckets: Int) -> Int { (buckets &* Segment.slotsPerBucket &* 59) / 64 }

    /// Writes `word` into the first free slot from its home on.
    @inline(__always)
    static func place(_ word: UInt64, in segment: Segment) -> (Int, UnsafeMutablePointer<UInt64>) {
        var bucket = segment.home(SlotWord.tag(word))
        while true {
            let slots = unsafe segment.bucket(bucket)
            if unsafe slots[Segment.slotsPerBucket &- 1] == 0 {
                var index = 0
                while unsafe slots[index] != 0 { index &+= 1 }
                unsafe slots[index] = word
                return unsafe (bucket, slots + index)
            }
            bucket &+= 1
            if bucket == segment.bucketCount { bucket = 0 }
        }
    }

    /// Empties a slot, and moves entries up that had spilled past it.
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
            if unsafe segment.header.pointee.marks != nil {
                unsafe segment[markOf: gap, in: gapBucket] = segment[markOf: slots + last, in: gapBucket]
                unsafe segment[markOf: slots + last, in: gapBucket] = false
            }
            guard wasFull else { return }
            // The bucket was full, so entries of it or of earlier ones may lie in later buckets: the first of them moves here.
            guard let moved = spilled(past: gapBucket, in: segment) else { return }
            unsafe slots[Segment.slotsPerBucket &- 1] = moved.word.pointee
            if unsafe segment.header.pointee.marks != nil {
                let isMarked = unsafe segment[markOf: moved.word, in: moved.bucket]
                unsafe segment[markOf: slots + (Segment.slotsPerBucket &- 1), in: gapBucket] = isMarked
            }
            if unsafe moved.word.pointee & SlotWord.deadlineBit != 0, let bounds = segment.bounds {
                bounds[gapBucket] = min(bounds[gapBucket], bounds[moved.bucket])
            }
            gapBucket = moved.bucket
            unsafe gap = moved.word
        }
    }

    /// The first entry after `bucket` whose home bucket is at or before it: one that may move there.
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
}
