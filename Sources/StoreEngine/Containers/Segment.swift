// A segment of the table: up to 64 buckets of 8 slots, in pieces. See SegmentedTable.swift for what it means.
//
//     header   line 1: the pieces (8 pointers; the number of buckets in the top bits of the first)
//              line 2: what a look-up does not need
//     piece    8 buckets, 512 bytes; the last one perhaps 2, 4 or 6, and the first fewer while there are no more
//
// Growing adds a piece or enlarges the last one, and leaves the others where they are. All segments of a table have about the same size
// at any time and outgrow it together: as single blocks they would leave pages of the allocator that are full of holes.
//
// A segment is a handle on raw memory, and trusts its owner, `SegmentedTable`: buckets and slots are not checked.

import CLinux
import Glibc

/// A handle on a segment's memory.
@safe struct Segment: Equatable {
    static let slotsPerBucket = 8
    static let bucketSize = 64
    static let bucketsPerPiece = 8
    static let maximumBuckets = 64
    /// By how many buckets a segment with so many grows, from 2 on: by about a fifteenth.
    static func step(_ buckets: Int) -> Int { buckets < 44 ? 2 : 4 }
    static let tagBits: UInt64 = 15
    private static let maximumPieces = maximumBuckets / bucketsPerPiece
    private static let piecesSize = maximumPieces * MemoryLayout<UInt64>.size

    let address: UnsafeMutableRawPointer

    @unsafe struct Header {
        var used: Int32
        var depth: Int32
        /// Place in the heap of deadlines, or -1.
        var heapIndex: Int32 = -1
        /// Place in the list of segments, if the table has one.
        var listIndex: UInt32 = 0
        /// The directory bits, at the top of the word.
        var prefix: UInt64
        var earliest: Int64
        /// Lower bounds of the deadlines in the buckets, once there was a deadline: see `DeadlineBounds`.
        var bounds: UnsafeMutableRawPointer?
        /// The ticket of the table when a snapshot wrote all that was here: see `SegmentedTable.ticket`.
        var savedTicket: UInt32 = 0
        /// The ticket of the table for which `marks` were made.
        var startedTicket: UInt32 = 0
        /// Which entries a snapshot is not to write any more, because it did or because they are newer: a byte for each bucket, a bit for
        /// each slot of it.
        var marks: UnsafeMutablePointer<UInt8>?
    }

    @inline(__always) private var pieces: UnsafeMutablePointer<UInt64> {
        unsafe address.assumingMemoryBound(to: UInt64.self)
    }
    @inline(__always) var header: UnsafeMutablePointer<Header> {
        unsafe (address + Segment.piecesSize).assumingMemoryBound(to: Header.self)
    }
    @inline(__always) var bucketCount: Int { unsafe Int(truncatingIfNeeded: pieces[0] &>> 48) }

    @inline(__always) private func piece(_ index: Int) -> UnsafeMutableRawPointer {
        unsafe UnsafeMutableRawPointer(bitPattern: UInt(pieces[index] & SlotWord.pointerMask)).unsafelyUnwrapped
    }
    @inline(__always) func bucket(_ index: Int) -> UnsafeMutablePointer<UInt64> {
        let piece = unsafe piece(index &>> 3)
        return unsafe (piece + (index & 7) &* Segment.bucketSize).assumingMemoryBound(to: UInt64.self)
    }
    @inline(__always) var used: Int { unsafe Int(header.pointee.used) }
    /// The bucket where an entry of this tag belongs.
    @inline(__always) func home(_ tag: UInt64) -> Int { Segment.home(tag, of: bucketCount) }
    /// The same in a segment of so many buckets.
    @inline(__always) static func home(_ tag: UInt64, of buckets: Int) -> Int {
        Int(truncatingIfNeeded: (tag &* UInt64(truncatingIfNeeded: buckets)) &>> tagBits)
    }
    /// The earliest deadline inside, or a bound before it.
    var earliest: Int64 {
        get { unsafe header.pointee.earliest }
        nonmutating set { unsafe header.pointee.earliest = newValue }
    }
    var heapIndex: Int {
        get { unsafe Int(header.pointee.heapIndex) }
        nonmutating set { unsafe header.pointee.heapIndex = Int32(truncatingIfNeeded: newValue) }
    }
    var listIndex: Int {
        get { unsafe Int(header.pointee.listIndex) }
        nonmutating set { unsafe header.pointee.listIndex = UInt32(truncatingIfNeeded: newValue) }
    }
    @inline(__always) var depth: Int { unsafe Int(header.pointee.depth) }
    /// How many places of a directory of depth `depth` refer to the segment.
    @inline(__always) func share(of depth: Int) -> Int { 1 << (depth - self.depth) }
    static func == (left: Segment, right: Segment) -> Bool { unsafe left.address == right.address }

    /// Calls `body` with the word of each entry. All their memory has been asked for before.
    /// - Parameter marked: false to leave out those that are marked.
    @inline(__always)
    func forEachWord(marked: Bool = true, _ body: (UInt64) -> Void) {
        walkWords(marked: marked) { word in
            unsafe clinux_prefetch(SlotWord.entry(word))
            // Many entries lie across two lines.
            unsafe clinux_prefetch(SlotWord.entry(word) + 63)
        }
        walkWords(marked: marked, body)
    }

    @inline(__always)
    private func walkWords(marked: Bool, _ body: (UInt64) -> Void) {
        let marks = marked ? nil : unsafe header.pointee.marks
        for index in 0..<bucketCount {
            let slots = unsafe bucket(index)
            let leftOut = unsafe marks?[index] ?? 0
            for place in 0..<Segment.slotsPerBucket {
                let word = unsafe slots[place]
                if word == 0 { break }
                StepCount.step()
                if leftOut & 1 << UInt8(place) == 0 { body(word) }
            }
        }
    }

    // MARK: deadlines

    /// The bounds of the buckets' deadlines, if there are deadlines.
    @inline(__always) var bounds: DeadlineBounds? {
        unsafe header.pointee.bounds.map { unsafe DeadlineBounds($0) }
    }

    /// The bounds of the buckets' deadlines, made if there are none yet.
    /// - Parameter time: new ones are measured from some time before it.
    @inline(__always) func madeBounds(before time: Int64, _ allocator: SlabAllocator) -> DeadlineBounds {
        if let bounds { return bounds }
        let made = DeadlineBounds(allocator, buckets: bucketCount, before: time)
        unsafe header.pointee.bounds = made.address
        return made
    }

    func removeBounds(_ allocator: SlabAllocator) {
        guard let bounds = unsafe header.pointee.bounds else { return }
        unsafe allocator.deallocate(bounds)
        unsafe header.pointee.bounds = nil
    }

    // MARK: marks

    func makeMarks(_ allocator: SlabAllocator) {
        let marks =
            unsafe header.pointee.marks
            ?? allocator.allocate(Segment.maximumBuckets).bindMemory(
                to: UInt8.self, capacity: Segment.maximumBuckets)
        unsafe marks.update(repeating: 0, count: Segment.maximumBuckets)
        unsafe header.pointee.marks = marks
    }

    func removeMarks(_ allocator: SlabAllocator) {
        guard let marks = unsafe header.pointee.marks else { return }
        unsafe allocator.deallocate(marks)
        unsafe header.pointee.marks = nil
    }

    /// Whether an entry is marked; all are not where there are no marks.
    @unsafe subscript(markOf slot: UnsafeMutablePointer<UInt64>, in bucket: Int) -> Bool {
        get {
            guard let marks = unsafe header.pointee.marks else { return false }
            return unsafe marks[bucket] & bit(slot, in: bucket) != 0
        }
        nonmutating set {
            guard let marks = unsafe header.pointee.marks else { return }
            if newValue {
                unsafe marks[bucket] |= bit(slot, in: bucket)
            } else {
                unsafe marks[bucket] &= ~bit(slot, in: bucket)
            }
        }
    }

    @unsafe private func bit(_ slot: UnsafeMutablePointer<UInt64>, in bucket: Int) -> UInt8 {
        1 << UInt8(unsafe slot - self.bucket(bucket))
    }

    // MARK: memory

    /// An empty segment of at least `buckets` buckets.
    init(_ allocator: SlabAllocator, buckets: Int, depth: Int, prefix: UInt64, earliest: Int64) {
        // Two whole cache lines.
        unsafe address = allocator.allocate(2 * Segment.piecesSize)
        unsafe pieces.initialize(repeating: 0, count: Segment.maximumPieces)
        unsafe header.initialize(
            to: Header(used: 0, depth: Int32(depth), prefix: prefix, earliest: earliest, bounds: nil))
        clear(buckets: buckets, allocator)
    }

    /// A number of buckets that pieces can make up.
    private static func roundedUp(_ buckets: Int) -> Int {
        guard buckets > 2 else { return buckets }
        let step = step(buckets)
        return (buckets + step - 1) / step * step
    }

    /// The bytes of the piece at `index`, if there are `buckets` buckets; 0 if there is no such piece then.
    private static func pieceSize(_ index: Int, ofBuckets buckets: Int) -> Int {
        min(max(buckets - index * bucketsPerPiece, 0), bucketsPerPiece) * bucketSize
    }

    private var pieceCount: Int { (bucketCount + Segment.bucketsPerPiece - 1) / Segment.bucketsPerPiece }

    /// Allocates or frees pieces so that there are at least `buckets` buckets, and empties all of them.
    func clear(buckets: Int, _ allocator: SlabAllocator) {
        let old = bucketCount
        let new = Segment.roundedUp(buckets)
        precondition(new > 0 && new <= Segment.maximumBuckets, "a segment of no possible size")
        for index in 0..<Segment.maximumPieces {
            let oldSize = Segment.pieceSize(index, ofBuckets: old)
            let newSize = Segment.pieceSize(index, ofBuckets: new)
            if oldSize != newSize {
                if oldSize > 0 { unsafe allocator.deallocate(piece(index)) }
                unsafe pieces[index] = newSize > 0 ? UInt64(UInt(bitPattern: allocator.allocate(newSize))) : 0
            }
            if newSize > 0 { unsafe memset(piece(index), 0, newSize) }
        }
        unsafe pieces[0] = pieces[0] & SlotWord.pointerMask | UInt64(new) << 48
    }

    /// Bytes in use for the segment, without its entries.
    func byteCount(_ allocator: SlabAllocator) -> Int {
        var bytes = unsafe allocator.capacity(of: address)
        for index in 0..<pieceCount { bytes += unsafe allocator.capacity(of: piece(index)) }
        if let bounds = unsafe header.pointee.bounds { bytes += unsafe allocator.capacity(of: bounds) }
        if let marks = unsafe header.pointee.marks { bytes += unsafe allocator.capacity(of: marks) }
        return bytes
    }

    /// Moves the segment's memory out of draining pages, and returns where the segment is now.
    func moved(_ mover: inout BlockMover) -> Segment {
        for index in 0..<pieceCount {
            guard let moved = unsafe mover.move(piece(index)) else { continue }
            unsafe pieces[index] = pieces[index] & ~SlotWord.pointerMask | UInt64(UInt(bitPattern: moved))
        }
        if let bounds = unsafe header.pointee.bounds, let moved = unsafe mover.move(bounds) {
            unsafe header.pointee.bounds = moved
        }
        if let marks = unsafe header.pointee.marks, let moved = unsafe mover.move(marks) {
            unsafe header.pointee.marks = moved.bindMemory(to: UInt8.self, capacity: Segment.maximumBuckets)
        }
        guard let moved = unsafe mover.move(address) else { return self }
        return unsafe Segment(at: moved)
    }

    @unsafe private init(at address: UnsafeMutableRawPointer) { unsafe self.address = address }

    /// Frees the segment's memory, not its entries. No handle on it may be used afterwards.
    @unsafe func deallocate(_ allocator: SlabAllocator) {
        for index in 0..<pieceCount { unsafe allocator.deallocate(piece(index)) }
        removeBounds(allocator)
        removeMarks(allocator)
        unsafe allocator.deallocate(address)
    }
}

/// The bits of a slot.
enum SlotWord {
    static let pointerMask: UInt64 = (1 << 48) - 1
    static let tagMask: UInt64 = 0x7FFF << 48
    static let deadlineBit: UInt64 = 1 << 63
    /// A bit for each slot of a bucket whose tag is that of `probe`; free slots count as tag 0. Without a branch, which would be
    /// unpredictable.
    @inline(__always) static func matches(_ slots: UnsafeMutablePointer<UInt64>, _ probe: UInt64) -> UInt32 {
        unsafe clinux_match_tags(slots, probe)
    }
    @inline(__always) static func tag(_ word: UInt64) -> UInt64 { (word & tagMask) &>> 48 }
    @inline(__always) static func hasDeadline(_ word: UInt64) -> Bool { word & deadlineBit != 0 }
    @inline(__always) static func entry(_ word: UInt64) -> UnsafeMutableRawPointer {
        unsafe UnsafeMutableRawPointer(bitPattern: UInt(word & pointerMask))!
    }
}

/// The place of an entry. Valid until the next insertion or removal: a debug build counts these, and traps when an older slot is used. What
/// lies there the table tells, which checks that.
@safe struct Slot {
    let segment: Segment
    let bucket: Int
    let word: UnsafeMutablePointer<UInt64>
    #if DEBUG
    /// The generation of the table when the slot was found.
    var generation: UInt64 = 0
    #endif
}
