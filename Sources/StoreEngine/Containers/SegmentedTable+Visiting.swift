// Visiting the entries of a table: all of them, or some at a time by cursor; its size; and checking it.

import RespCodec

extension SegmentedTable {
    func forEachSegment(_ body: (Segment) -> Void) {
        var index = 0
        while index < 1 << depth {
            let segment = unsafe directory[index]
            index += segment.share(of: depth)
            body(segment)
        }
    }

    /// Calls `body` with each entry. The table must not change meanwhile.
    @inline(__always)
    func forEach(_ body: (UnsafeMutableRawPointer) -> Void) {
        forEachWord { word in unsafe body(SlotWord.entry(word)) }
    }

    /// Calls `body` with the slot word of each entry: see `SlotWord`. The table must not change meanwhile.
    @inline(__always)
    func forEachWord(_ body: (UInt64) -> Void) {
        forEachSegment { segment in
            for bucket in 0..<segment.bucketCount {
                let slots = unsafe segment.bucket(bucket)
                for index in 0..<Segment.slotsPerBucket {
                    let word = unsafe slots[index]
                    if word == 0 { break }
                    StepCount.step()
                    body(word)
                }
            }
        }
    }

    /// Visits the entries of one home bucket from `cursor` on, and returns the cursor of what follows, 0 at the end.
    ///
    /// Any entry that stays in the table from the call with cursor 0 to the one that returns 0 is visited at least once, whatever
    /// is added, removed, grown, split or merged between the calls. The table must not change during a call.
    /// - Parameter cursor: 0, or what an earlier call returned. Any other number stands for some place of the table.
    /// - Complexity: O(entries of the bucket), expected a few.
    @inline(__always)
    func scan(_ cursor: UInt64, _ body: (UnsafeMutableRawPointer) -> Void) -> UInt64 {
        scanWords(cursor) { word in unsafe body(SlotWord.entry(word)) }
    }

    /// As `scan`, with the slot word of each entry: see `SlotWord`.
    func scanWords(_ cursor: UInt64, _ body: (UInt64) -> Void) -> UInt64 {
        var position = ScanPosition(cursor: cursor)
        let segment = segment(UInt64(position.prefix) << 32)
        if position.depth > segment.depth {
            // Segments have been merged since: the position in one of them is no position in the merged one.
            position = unsafe ScanPosition(
                prefix: UInt32(truncatingIfNeeded: segment.header.pointee.prefix >> 32), depth: segment.depth, tag: 0)
        }
        let home = segment.home(UInt64(position.tag))
        var bucket = home
        var remaining = segment.bucketCount
        while remaining > 0 {
            let slots = unsafe segment.bucket(bucket)
            for index in 0..<Segment.slotsPerBucket {
                let word = unsafe slots[index]
                if word == 0 { break }
                let tag = SlotWord.tag(word)
                if tag >= UInt64(position.tag) && segment.home(tag) == home { body(word) }
            }
            if unsafe slots[Segment.slotsPerBucket - 1] == 0 { break }
            bucket = bucket + 1 == segment.bucketCount ? 0 : bucket + 1
            remaining -= 1
        }
        if home + 1 < segment.bucketCount {
            // The smallest tag whose home is the next bucket.
            let count = UInt64(segment.bucketCount)
            let tag = ((UInt64(home) + 1) << Segment.tagBits + count - 1) / count
            return ScanPosition(prefix: position.prefix, depth: segment.depth, tag: UInt16(tag)).cursor
        }
        let next = unsafe (segment.header.pointee.prefix >> 32) + (1 << UInt64(32 - segment.depth))
        guard next <= UInt64(UInt32.max) else { return 0 }
        // The depth of the next segment does not matter at its beginning, as long as one begins there.
        let prefix = UInt32(next)
        return ScanPosition(prefix: prefix, depth: 32 - prefix.trailingZeroBitCount, tag: 0).cursor
    }

    /// The filled slots one after the other, in the order of `forEach`.
    @unsafe var slots: TableSlots { unsafe TableSlots(directory, depth: depth) }

    /// Bytes of the directory and the segments, without the entries.
    var ownByteCount: Int {
        var bytes = unsafe allocator.capacity(of: directory)
        forEachSegment { bytes += $0.byteCount(allocator) }
        return bytes + heap.byteCount + segmentList.byteCount(allocator)
    }

    /// An estimate of `ownByteCount` from up to `samples` segments.
    /// - Complexity: O(samples).
    func ownByteCount(samples: Int) -> Int {
        var bytes = 0
        var measured = 0
        var index = 0
        while index < 1 << depth && measured < samples {
            let segment = unsafe directory[index]
            index += segment.share(of: depth)
            bytes += segment.byteCount(allocator)
            measured += 1
        }
        // The measured segments are as large as their share of the directory.
        let all = Double(bytes) * Double(1 << depth) / Double(max(index, 1))
        return unsafe Int(all) + allocator.capacity(of: directory)
    }

    /// Bytes of the table and of its entries, estimated from the size of up to `samples` entries.
    /// - Complexity: O(samples + entries / 400).
    func byteCount(samples: Int) -> Int {
        var measured = 0
        var bytes = 0
        var cursor: UInt64 = 0
        repeat {
            cursor = unsafe scan(cursor) { entry in
                guard measured < samples else { return }
                measured += 1
                bytes += unsafe allocator.capacity(of: entry)
            }
        } while cursor != 0 && measured < samples
        let entries = measured == 0 ? 0 : Double(bytes) / Double(measured) * Double(count)
        return Int(entries) + ownByteCount
    }

    // MARK: checking

    /// Traps when an invariant of a table, listed in SegmentedTable.swift, does not hold. For tests.
    /// - Parameter window: that of the table's owner.
    func checkInvariants(_ window: DeadlineWindow = .unused) {
        var total = 0
        var segments = 0
        var deepest = 0
        forEachSegment { segment in
            let header = unsafe segment.header.pointee
            var used = 0
            for bucket in 0..<segment.bucketCount {
                let slots = unsafe segment.bucket(bucket)
                var ended = false
                for index in 0..<Segment.slotsPerBucket {
                    let word = unsafe slots[index]
                    if word == 0 {
                        ended = true
                        continue
                    }
                    precondition(!ended, "a bucket has a gap")
                    used += 1
                    let entry = unsafe SlotWord.entry(word)
                    let hash = unsafe self.hash(Layout.key(of: entry))
                    precondition(SlotWord.tag(word) == hash & 0x7FFF, "a tag is not its key's")
                    precondition(self.segment(hash) == segment, "an entry is in another's segment")
                    var step = segment.home(SlotWord.tag(word))
                    while step != bucket {
                        precondition(
                            unsafe segment.bucket(step)[Segment.slotsPerBucket - 1] != 0,
                            "a spilled entry cannot be found")
                        step = step + 1 == segment.bucketCount ? 0 : step + 1
                    }
                    if SlotWord.hasDeadline(word), case let deadline = unsafe Layout.deadline(of: entry, window),
                        deadline != Self.noDeadline
                    {
                        precondition(unsafe header.earliest <= deadline, "a segment does not know of a deadline")
                        guard let bounds = segment.bounds else { preconditionFailure("a segment has no bounds") }
                        precondition(
                            bounds[bucket] <= bounds.code(of: deadline), "a bucket does not know of a deadline")
                    }
                }
            }
            precondition(used == segment.used, "a segment miscounts")
            if unsafe header.earliest != Self.noDeadline {
                precondition(heap[unsafe Int(header.heapIndex)] == segment, "a segment's place in the heap is wrong")
            }
            if depth > 0 {
                precondition(segmentList[segment.listIndex] == segment, "a segment's place in the list is wrong")
            }
            if segment.depth == depth { deepest += 1 }
            segments += 1
            total += used
        }
        precondition(total == count, "the table miscounts")
        precondition(segments == segmentCount, "a segment is in the list but not in the directory")
        precondition(deepest > 0, "the directory is deeper than any segment")
        heap.checkInvariants()
    }
}

/// An iterator over the slot words of a table. Valid until the table changes.
@safe struct TableSlots {
    private let directory: UnsafeMutablePointer<Segment>
    private let depth: Int
    private var place = 0
    private var bucket = 0
    private var index = 0
    /// The segment of the slots that were copied last.
    private(set) var segment: Segment

    @unsafe fileprivate init(_ directory: UnsafeMutablePointer<Segment>, depth: Int) {
        unsafe self.directory = directory
        self.depth = depth
        segment = unsafe directory[0]
    }

    /// Copies up to `capacity` slots, all of one segment, and returns how many; 0 at the end.
    @unsafe mutating func copy(to words: UnsafeMutablePointer<UInt64>, capacity: Int) -> Int {
        while place < 1 << depth {
            var count = 0
            segment = unsafe directory[place]
            while bucket < segment.bucketCount {
                let slots = unsafe segment.bucket(bucket)
                while index < Segment.slotsPerBucket {
                    let word = unsafe slots[index]
                    if word == 0 { break }
                    if count == capacity { return count }
                    unsafe words[count] = word
                    count &+= 1
                    index &+= 1
                }
                bucket &+= 1
                index = 0
            }
            place += segment.share(of: depth)
            bucket = 0
            if count > 0 { return count }
        }
        return 0
    }
}

/// A place in the order in which a table is scanned, and its encoding as a cursor: the bits of the prefix in reverse, so that small
/// tables have small cursors, with a bit above them that marks their number, and the tag.
///
/// The depth is that of the segment in which the scan was: if segments have been merged since, the scan visits all of the merged one.
struct ScanPosition {
    /// How deep segments can be.
    static let mostDepth = 32

    let prefix: UInt32
    let depth: Int
    let tag: UInt16

    init(prefix: UInt32, depth: Int, tag: UInt16) {
        self.prefix = prefix
        self.depth = depth
        self.tag = tag
    }

    init(cursor: UInt64) {
        tag = UInt16(truncatingIfNeeded: cursor & 0x7FFF)
        // A number that no scan returned may have more bits.
        let bits = cursor >> 15 & (1 << UInt64(Self.mostDepth + 1) - 1)
        depth = bits == 0 ? 0 : 63 - bits.leadingZeroBitCount
        prefix = UInt32(truncatingIfNeeded: bits & ~(1 << UInt64(depth))).bitReversed
    }

    var cursor: UInt64 { (UInt64(prefix.bitReversed) | 1 << UInt64(depth)) << 15 | UInt64(tag) }
}

extension UInt32 {
    fileprivate var bitReversed: UInt32 {
        var value = self
        value = (value >> 1) & 0x5555_5555 | (value & 0x5555_5555) << 1
        value = (value >> 2) & 0x3333_3333 | (value & 0x3333_3333) << 2
        value = (value >> 4) & 0x0F0F_0F0F | (value & 0x0F0F_0F0F) << 4
        return value.byteSwapped
    }
}
