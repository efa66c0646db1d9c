// Emptying sparse pages.
//
// A page has blocks of one size class, so random deletions leave pages with a few blocks each. To give pages back, the blocks of the emptiest
// pages of a class move to its other ones. Only the owner of a block knows what points to it: the allocator says which blocks are to move
// and makes the copies, and `Defragmentation` walks the owners.
//
//   1. All pages are counted by class and by how full they are, chunk by chunk (`PageCensus`).
//   2. Of each class as many are drained as its blocks do not need, the emptiest first. Of equally full ones those of the last chunks are
//      taken, so that whole chunks become free.
//   3. A draining page is on a list of its own. Nothing is allocated from it, unless no other page of the class has room: then it is an
//      ordinary one again before there is a new page.
//   4. When the walk is over, so are all that did not become empty, because there was something in them that does not move.

import RespCodec

/// How many pages the classes have, and how full they are; and which of them are drained.
struct PageCensus {
    /// Pages are told apart by sixteenths of their room.
    private static let levels = 16

    private var pages = [Int32](repeating: 0, count: SlabAllocator.classCount)
    private var blocks = [Int](repeating: 0, count: SlabAllocator.classCount)
    private var capacities = [Int32](repeating: 1, count: SlabAllocator.classCount)
    private var counts = [Int32](repeating: 0, count: SlabAllocator.classCount * levels)
    /// Pages up to this level are drained, ...
    private var mostLevels = [Int](repeating: -1, count: SlabAllocator.classCount)
    /// ... how many of those of this level; of the emptier ones all.
    private var rests = [Int32](repeating: 0, count: SlabAllocator.classCount)

    private static func level(used: Int, of capacity: Int) -> Int { min(used * levels / capacity, levels - 1) }

    mutating func count(sizeClass: Int, used: Int, of capacity: Int) {
        pages[sizeClass] += 1
        blocks[sizeClass] += used
        capacities[sizeClass] = Int32(truncatingIfNeeded: capacity)
        counts[sizeClass * Self.levels + Self.level(used: used, of: capacity)] += 1
    }

    /// Decides how many pages of each class are drained, and returns how many in all.
    mutating func choose() -> Int {
        var total = 0
        for sizeClass in 0..<SlabAllocator.classCount where pages[sizeClass] > 1 {
            let capacity = Int(capacities[sizeClass])
            var rest = pages[sizeClass] - Int32(truncatingIfNeeded: (blocks[sizeClass] + capacity - 1) / capacity)
            // What is copied is never more than the page that it frees.
            for level in 0..<Self.levels where rest > 0 {
                let drained = min(counts[sizeClass * Self.levels + level], rest)
                mostLevels[sizeClass] = level
                rests[sizeClass] = drained
                rest -= drained
                total += Int(drained)
            }
        }
        return total
    }

    /// Whether a page with room is drained. To be asked once for each page, after `choose`.
    mutating func takes(sizeClass: Int, used: Int, of capacity: Int) -> Bool {
        let level = Self.level(used: used, of: capacity)
        if level < mostLevels[sizeClass] { return true }
        guard level == mostLevels[sizeClass], rests[sizeClass] > 0 else { return false }
        rests[sizeClass] -= 1
        return true
    }
}

extension SlabAllocator {
    /// Bytes of pages that are not in use as blocks.
    var fragmentedBytes: Int { heldBytes - usedBytes }

    /// About how much of that stays whatever is moved: each class with pages that have room has one that is half full.
    /// - Complexity: O(size classes).
    var unavoidableBytes: Int {
        var count = 0
        for sizeClass in 0..<Self.classCount where unsafe storage.pointee.partial[sizeClass] != nil { count += 1 }
        return min(count * Self.pageSize / 2, fragmentedBytes)
    }

    var chunkCount: Int { unsafe storage.pointee.chunks.count }

    /// Whether pages are draining.
    var hasDraining: Bool { unsafe storage.pointee.drainingCount > 0 }

    /// Counts the pages of a chunk.
    /// - Complexity: O(1), as chunks are of one size.
    func count(chunk place: Int, in census: inout PageCensus) {
        unsafe storage.pointee.chunks.forEachPage(ofChunk: place) { page in
            unsafe census.count(
                sizeClass: Int(page.pointee.sizeClass), used: Int(page.pointee.usedCount), of: page.pointee.capacity)
        }
    }

    /// Drains pages of a chunk, as a census has it.
    /// - Complexity: O(1).
    func drain(chunk place: Int, by census: inout PageCensus) {
        unsafe storage.pointee.chunks.forEachPage(ofChunk: place) { page in
            let (used, capacity) = unsafe (Int(page.pointee.usedCount), page.pointee.capacity)
            guard used > 0 && used < capacity, unsafe !page.pointee.isDraining,
                unsafe census.takes(sizeClass: Int(page.pointee.sizeClass), used: used, of: capacity)
            else { return }
            unsafe unlink(page)
            unsafe page.pointee.isDraining = true
            unsafe link(page)
            unsafe storage.pointee.drainingCount += 1
        }
    }

    /// Bytes of all pages that became empty while they were draining.
    var drainedBytes: Int { unsafe storage.pointee.drainedCount * Self.pageSize }

    /// Makes a draining page an ordinary one again.
    @unsafe func stopDraining(_ page: UnsafeMutablePointer<Page>) {
        unsafe unlink(page)
        unsafe page.pointee.isDraining = false
        unsafe link(page)
        unsafe storage.pointee.drainingCount -= 1
    }

    /// Makes some draining pages ordinary ones again; false when there are none left.
    func stopDrainingSome(_ most: Int) -> Bool {
        var left = most
        for list in Self.classCount..<2 * Self.classCount {
            while left > 0, let page = unsafe storage.pointee.partial[list] {
                unsafe stopDraining(page)
                left -= 1
            }
        }
        return hasDraining
    }

    @unsafe private static func page(of block: UnsafeMutableRawPointer) -> UnsafeMutablePointer<Page> {
        unsafe UnsafeMutablePointer(bitPattern: UInt(bitPattern: block) & ~UInt(pageSize - 1)).unsafelyUnwrapped
    }

    /// Whether a block lies in a page, and, if not `always`, in one that is draining.
    @inline(__always)
    func isToMove(_ block: UnsafeMutableRawPointer, always: Bool) -> Bool {
        guard UInt(bitPattern: block) & 1 == 0 else { return false }
        return unsafe always || Self.page(of: block).pointee.isDraining
    }

    /// A copy of a block in another place of its class; nil if there is none but in draining pages, unless `always`. The block itself is
    /// still to be freed.
    func copyToMove(_ block: UnsafeMutableRawPointer, always: Bool) -> UnsafeMutableRawPointer? {
        let page = unsafe Self.page(of: block)
        let (size, sizeClass) = unsafe (Int(page.pointee.blockSize), Int(page.pointee.sizeClass))
        let copy: UnsafeMutableRawPointer
        if let target = unsafe storage.pointee.partial[sizeClass] {
            unsafe copy = take(from: target)
        } else {
            guard always else { return nil }
            unsafe copy = allocateFromNewPage(sizeClass)
        }
        unsafe copy.copyMemory(from: block, byteCount: size)
        return unsafe copy
    }

    // MARK: the next node of a list

    /// See `ListChain.defragment`.
    var bookmark: UnsafeMutableRawPointer? {
        get { unsafe storage.pointee.bookmark }
        nonmutating set { unsafe storage.pointee.bookmark = newValue }
    }
}
