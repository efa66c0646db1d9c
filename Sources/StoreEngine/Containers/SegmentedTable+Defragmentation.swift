// Moving the memory of a table out of draining pages, some slots at a time.

import CLinux
import RespCodec

/// A place in a walk over a table that may change between the steps. What is added, or is moved by something else, may be missed or met
/// twice.
struct TablePlace {
    /// The directory bits of a segment, as in `ScanPosition`.
    fileprivate var prefix: UInt64 = 0
    fileprivate var bucket = 0
    fileprivate var slot = 0

    var isAtEnd: Bool { prefix > UInt64(UInt32.max) }
}

extension SegmentedTable {
    /// The word of the next filled slot; nil at the end, and when the slice is over. Moves the memory of segments on the way.
    mutating func nextWord(_ place: inout TablePlace, _ mover: inout BlockMover) -> UnsafeMutablePointer<UInt64>? {
        while !place.isAtEnd && !mover.isOver {
            var segment = segment(place.prefix << 32)
            if place.bucket == 0 && place.slot == 0 { segment = moved(segment, &mover) }
            guard place.bucket < segment.bucketCount else {
                place.prefix = unsafe (segment.header.pointee.prefix >> 32) + (1 << UInt64(32 - segment.depth))
                (place.bucket, place.slot) = (0, 0)
                continue
            }
            let slots = unsafe segment.bucket(place.bucket)
            if place.slot == 0 { unsafe prefetch(slots) }
            if place.slot < Segment.slotsPerBucket, unsafe slots[place.slot] != 0 {
                place.slot += 1
                return unsafe slots + (place.slot - 1)
            }
            mover.spend(1)
            place.bucket += 1
            place.slot = 0
        }
        return nil
    }

    /// Prefetches the entries of a bucket, and the heads of the pages that they lie in.
    @inline(__always)
    private func prefetch(_ slots: UnsafeMutablePointer<UInt64>) {
        for index in 0..<Segment.slotsPerBucket {
            let word = unsafe slots[index]
            if word == 0 { break }
            unsafe clinux_prefetch(SlotWord.entry(word))
            let page = UInt(word & SlotWord.pointerMask) & ~UInt(SlabAllocator.pageSize - 1)
            if let page = unsafe UnsafeRawPointer(bitPattern: page) { unsafe clinux_prefetch(page) }
        }
    }

    private mutating func moved(_ segment: Segment, _ mover: inout BlockMover) -> Segment {
        let moved = segment.moved(&mover)
        guard moved != segment else { return segment }
        outdateSlots()
        pointDirectory(to: moved)
        if segmentList.count > 0 { segmentList.replace(at: moved.listIndex, with: moved) }
        if moved.heapIndex >= 0 { heap.replace(at: moved.heapIndex, with: moved) }
        return moved
    }

    /// Moves entries on which nothing but their slots has a hold, and the memory of the table; true at the end.
    mutating func moveEntries(_ place: inout TablePlace, _ mover: inout BlockMover) -> Bool {
        while !mover.isOver {
            guard let word = unsafe nextWord(&place, &mover) else { break }
            if unsafe mover.moveEntry(at: word) { outdateSlots() }
        }
        guard place.isAtEnd else { return false }
        moveOwnBlocks(&mover)
        return true
    }

    /// Moves the directory and the arrays of segments, if they are small enough to lie in pages.
    mutating func moveOwnBlocks(_ mover: inout BlockMover) {
        if let moved = unsafe mover.move(directory) {
            unsafe directory = moved.bindMemory(to: Segment.self, capacity: 1 << depth)
        }
        segmentList.move(&mover)
        heap.move(&mover)
    }
}
