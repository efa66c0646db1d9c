// The chunks from which an allocator's pages are cut, which of their pages are free, and returning free memory to the system.
//
// The state of a chunk is kept outside of it, a bit for each page, so that nothing ever writes to a free page and a free page takes no
// memory once it was returned.
//
//     free      1 if no class has the page
//     resident  1 if the page is free, but its memory was not returned yet
//
// A page is taken from a chunk with resident free pages first, then from one whose free pages were returned, then from a new chunk. How
// much is returned is measured: free pages that were not needed for a second, above a proportion of those in use. A server that frees
// and fills in alternation keeps what it frees.
//
// Invariants: `resident` is a part of `free`; a chunk is on the list of resident ones exactly while `resident` is not 0, and on
// the list of open ones exactly while it is 0 and `free` is not.

import Glibc
import RespCodec

/// The state of a chunk.
@unsafe struct Chunk {
    let base: UnsafeMutableRawPointer
    var free = UInt64.max
    var resident: UInt64 = 0
    /// Place among all chunks.
    var index: Int
    /// Whether huge pages were requested.
    var isHuge = false
    var previous: UnsafeMutablePointer<Chunk>?
    var next: UnsafeMutablePointer<Chunk>?

    /// Whether no page is in use.
    var isEmpty: Bool { unsafe free == UInt64.max }
}

/// A linked list of chunks, the newest first.
@unsafe struct ChunkList {
    private(set) var first: UnsafeMutablePointer<Chunk>?
    private(set) var last: UnsafeMutablePointer<Chunk>?

    mutating func push(_ chunk: UnsafeMutablePointer<Chunk>) {
        unsafe chunk.pointee.previous = nil
        unsafe chunk.pointee.next = first
        if let first = unsafe first { unsafe first.pointee.previous = chunk } else { unsafe last = chunk }
        unsafe first = chunk
    }

    mutating func remove(_ chunk: UnsafeMutablePointer<Chunk>) {
        if let previous = unsafe chunk.pointee.previous {
            unsafe previous.pointee.next = chunk.pointee.next
        } else {
            unsafe first = chunk.pointee.next
        }
        if let next = unsafe chunk.pointee.next {
            unsafe next.pointee.previous = chunk.pointee.previous
        } else {
            unsafe last = chunk.pointee.previous
        }
    }
}

@safe struct ChunkStore {
    private static let pagesOfChunk = SlabAllocator.chunkSize / SlabAllocator.pageSize
    /// Chunks beyond these request huge pages: in a large table most accesses miss the TLB.
    private static let smallPageChunks = 16
    /// How many pages a slice returns at most: 2 MiB.
    private static let pagesOfSlice = 32
    /// Free pages that are always kept.
    private static let leastKept = 16
    /// How many pages in use there are for each free page that is kept.
    private static let usedPerKept = 32

    private var all: [UnsafeMutablePointer<Chunk>] = unsafe []
    private var resident = unsafe ChunkList()
    private var open = unsafe ChunkList()
    /// Free pages whose memory was not returned.
    private(set) var residentCount = 0
    /// The fewest there were since the surplus was measured last.
    private var leastResident = 0
    /// How many pages are to be returned.
    private(set) var surplus = 0

    var count: Int { unsafe all.count }

    // MARK: pages

    /// Calls `body` with each page that a class has of the chunk at a place, 0 to `count` - 1.
    @unsafe func forEachPage(ofChunk place: Int, _ body: (UnsafeMutablePointer<SlabAllocator.Page>) -> Void) {
        let base = unsafe all[place].pointee.base
        var pages = unsafe ~all[place].pointee.free
        while pages != 0 {
            let page = unsafe base + pages.trailingZeroBitCount * SlabAllocator.pageSize
            pages &= pages - 1
            StepCount.step()
            unsafe body(page.assumingMemoryBound(to: SlabAllocator.Page.self))
        }
    }

    /// A page that no class has, and its chunk.
    @unsafe mutating func takePage() -> (UnsafeMutableRawPointer, UnsafeMutablePointer<Chunk>) {
        StepCount.step()
        let chunk: UnsafeMutablePointer<Chunk>
        let bit: UInt64
        if let first = unsafe resident.first {
            unsafe chunk = first
            unsafe bit = chunk.pointee.resident & ~(chunk.pointee.resident - 1)
            residentCount -= 1
            leastResident = min(leastResident, residentCount)
            unsafe chunk.pointee.resident &= ~bit
            unsafe chunk.pointee.free &= ~bit
            if unsafe chunk.pointee.resident == 0 {
                unsafe resident.remove(chunk)
                if unsafe chunk.pointee.free != 0 { unsafe open.push(chunk) }
            }
        } else {
            if unsafe open.first == nil { makeChunk() }
            unsafe chunk = open.first!
            unsafe bit = chunk.pointee.free & ~(chunk.pointee.free - 1)
            unsafe chunk.pointee.free &= ~bit
            if unsafe chunk.pointee.free == 0 {
                unsafe open.remove(chunk)
                unsafe useHugePages(chunk)
            }
        }
        return unsafe (chunk.pointee.base + bit.trailingZeroBitCount * SlabAllocator.pageSize, chunk)
    }

    /// Marks a page as free that a class no longer has.
    @unsafe mutating func putPage(_ page: UnsafeMutableRawPointer, in chunk: UnsafeMutablePointer<Chunk>) {
        StepCount.step()
        let bit: UInt64 = unsafe 1 << UInt64((page - chunk.pointee.base) / SlabAllocator.pageSize)
        if unsafe chunk.pointee.resident == 0 {
            if unsafe chunk.pointee.free != 0 { unsafe open.remove(chunk) }
            unsafe resident.push(chunk)
        }
        unsafe chunk.pointee.free |= bit
        unsafe chunk.pointee.resident |= bit
        residentCount += 1
    }

    // MARK: chunks

    /// Maps memory of the size of a chunk that is aligned to its size. All of it is zero, and none resident.
    @unsafe static func mapChunk() -> UnsafeMutableRawPointer {
        // Twice the size is mapped and the rest unmapped.
        let chunkSize = SlabAllocator.chunkSize
        let reserved = unsafe mmap(
            nil, chunkSize * 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        guard let reserved = unsafe reserved, unsafe reserved != MAP_FAILED else { SystemMemory.exhausted(chunkSize) }
        let address = UInt(bitPattern: reserved)
        let aligned = (address + UInt(chunkSize - 1)) & ~UInt(chunkSize - 1)
        let before = Int(aligned - address)
        let base = unsafe UnsafeMutableRawPointer(bitPattern: aligned)!
        if before > 0 { unsafe _ = munmap(reserved, before) }
        if before < chunkSize { unsafe _ = munmap(base + chunkSize, chunkSize - before) }
        return unsafe base
    }

    private mutating func makeChunk() {
        let base = unsafe Self.mapChunk()
        let chunk = UnsafeMutablePointer<Chunk>.allocate(capacity: 1)
        unsafe chunk.initialize(to: Chunk(base: base, index: all.count))
        unsafe all.append(chunk)
        unsafe useHugePages(chunk)
        unsafe open.push(chunk)
    }

    @unsafe private func useHugePages(_ chunk: UnsafeMutablePointer<Chunk>) {
        guard unsafe !chunk.pointee.isHuge && all.count > Self.smallPageChunks else { return }
        unsafe chunk.pointee.isHuge = true
        unsafe _ = madvise(chunk.pointee.base, SlabAllocator.chunkSize, MADV_HUGEPAGE)
    }

    /// Unmaps a chunk.
    @unsafe private mutating func release(_ chunk: UnsafeMutablePointer<Chunk>) {
        unsafe MemoryChecker.allow(chunk.pointee.base, SlabAllocator.chunkSize)
        unsafe _ = munmap(chunk.pointee.base, SlabAllocator.chunkSize)
        let index = unsafe chunk.pointee.index
        let last = unsafe all.removeLast()
        if unsafe last != chunk {
            unsafe all[index] = last
            unsafe last.pointee.index = index
        }
        unsafe chunk.deallocate()
    }

    // MARK: giving back

    mutating func measureSurplus(pagesInUse: Int) {
        surplus = max(0, leastResident - Self.leastKept - pagesInUse / Self.usedPerKept)
        leastResident = residentCount
    }

    mutating func giveBackSlice() {
        guard surplus > 0, let chunk = unsafe resident.last else {
            surplus = 0
            return
        }
        surplus -= unsafe giveBack(chunk, limit: min(surplus, Self.pagesOfSlice))
    }

    mutating func giveBackSome() {
        var given = 0
        while given < Self.pagesOfSlice, let chunk = unsafe resident.last {
            given += unsafe giveBack(chunk, limit: Self.pagesOfSlice - given)
        }
        surplus = max(0, surplus - given)
    }

    mutating func giveBackAll() {
        while let chunk = unsafe resident.last { _ = unsafe giveBack(chunk, limit: Self.pagesOfChunk) }
        leastResident = 0
        surplus = 0
    }

    /// Returns up to `limit` resident free pages of a chunk to the system, and the chunk itself when it is empty and none of it is
    /// resident. Returns how many pages.
    @unsafe private mutating func giveBack(_ chunk: UnsafeMutablePointer<Chunk>, limit: Int) -> Int {
        var given = 0
        let base = unsafe chunk.pointee.base
        if unsafe chunk.pointee.isHuge {
            // Else the system would in time replace the returned small pages by whole huge ones.
            unsafe chunk.pointee.isHuge = false
            unsafe _ = madvise(base, SlabAllocator.chunkSize, MADV_NOHUGEPAGE)
        }
        while given < limit, case let pages = unsafe chunk.pointee.resident, pages != 0 {
            // Adjacent pages are returned by one call.
            let first = pages.trailingZeroBitCount
            let run = min((~(pages >> UInt64(first))).trailingZeroBitCount, limit - given)
            let size = run * SlabAllocator.pageSize
            unsafe _ = madvise(base + first * SlabAllocator.pageSize, size, MADV_DONTNEED)
            let mask = run == Self.pagesOfChunk ? UInt64.max : (1 << UInt64(run) - 1) << UInt64(first)
            unsafe chunk.pointee.resident &= ~mask
            given += run
        }
        residentCount -= given
        leastResident = min(leastResident, residentCount)
        if unsafe chunk.pointee.resident == 0 {
            unsafe resident.remove(chunk)
            if unsafe chunk.pointee.isEmpty { unsafe release(chunk) } else { unsafe open.push(chunk) }
        }
        return given
    }

    // MARK: dropping everything

    /// Unmaps one chunk, with all blocks in it; true when there is none left.
    mutating func releaseOne() -> Bool {
        guard let chunk = unsafe all.last else { return true }
        unsafe release(chunk)
        return false
    }

    // MARK: checking

    /// Traps when an invariant of the head of this file does not hold. For tests.
    func checkInvariants(pagesInUse: Int) {
        var used = 0
        var residentPages = 0
        for index in unsafe all.indices {
            let chunk = unsafe all[index].pointee
            precondition(unsafe chunk.index == index, "a chunk's place is wrong")
            precondition(unsafe chunk.resident & ~chunk.free == 0, "a page is in use and free")
            unsafe used += Self.pagesOfChunk - chunk.free.nonzeroBitCount
            unsafe residentPages += chunk.resident.nonzeroBitCount
        }
        precondition(used == pagesInUse, "pages in use are miscounted")
        precondition(residentPages == residentCount, "resident pages are miscounted")
        var listed = 0
        for isResident in [true, false] {
            var next = unsafe isResident ? resident.first : open.first
            while let chunk = unsafe next {
                listed += 1
                precondition(unsafe (chunk.pointee.resident != 0) == isResident, "a chunk is on the wrong list")
                precondition(unsafe chunk.pointee.free != 0, "a full chunk is on a list")
                unsafe next = chunk.pointee.next
            }
        }
        precondition(unsafe listed == all.count { unsafe $0.pointee.free != 0 }, "a chunk with room is on no list")
    }
}
