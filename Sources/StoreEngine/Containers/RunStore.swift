// Runs of system pages, for large blocks while it matters how much memory the system counts.
//
// What malloc frees between two blocks in use shares a system page with each of them, and these two pages stay: of a block of 17 KB that is
// nearly half, and they are not returned either when the neighbours are freed in their turn. A run is made of whole system pages, so all
// of it goes back as it is freed, and what is held is exactly what the runs in use take.
//
//     chunk (4 MiB)   | state, 1 page | run | free | run | run | free ... |
//
// Which pages are free is a bitmap in the chunk's first page. Chunks with free pages are on a list by the longest run of free ones, of which
// an upper bound is known; that becomes exact where a run is looked for in vain. As free pages take no memory, it does not matter how
// sparsely chunks are filled: what is scattered is addresses.
//
// Invariants: a chunk with free pages is on the list of the power of two that its `longest` reaches; no run of free pages is longer than
// `longest`; free pages are not resident.

import Glibc
import RespCodec

/// The state of a chunk of runs, at its beginning.
@unsafe struct RunChunk {
    private typealias Size = RunStore.ChunkSize

    /// A bit for each page, 1 if it is free.
    private var free = InlineArray<16, UInt64>(repeating: UInt64.max)
    private(set) var freeCount = RunStore.ChunkSize.pages - 1
    /// How many free pages follow one another, at most.
    var longest = RunStore.ChunkSize.pages - 1
    var previous: UnsafeMutablePointer<RunChunk>?
    var next: UnsafeMutablePointer<RunChunk>?

    init() { unsafe free[0] &= ~1 }

    /// Whether no page is in use but the one of this state.
    var isEmpty: Bool { unsafe freeCount == Size.pages - 1 }
    /// The list that the chunk belongs to while it has free pages.
    var list: Int { unsafe RunStore.list(of: longest) }

    /// The first page from `page` on that is free, or is not; `pageCount` for none.
    private func next(from page: Int, isFree: Bool) -> Int {
        guard page < Size.pages else { return Size.pages }
        let flip = isFree ? 0 : UInt64.max
        var word = page / 64
        var bits = unsafe (free[word] ^ flip) & (UInt64.max << UInt64(page % 64))
        while bits == 0 {
            StepCount.step()
            word += 1
            guard word < Size.words else { return Size.pages }
            unsafe bits = free[word] ^ flip
        }
        return word * 64 + bits.trailingZeroBitCount
    }

    /// The last page before `page` that is in use. The first one always is.
    private func lastInUse(before page: Int) -> Int {
        var word = (page - 1) / 64
        var bits = unsafe ~free[word] & (UInt64.max >> UInt64(63 - (page - 1) % 64))
        while bits == 0 {
            StepCount.step()
            word -= 1
            unsafe bits = ~free[word]
        }
        return word * 64 + 63 - bits.leadingZeroBitCount
    }

    private mutating func set(_ pages: Range<Int>, isFree: Bool) {
        var page = pages.lowerBound
        while page < pages.upperBound {
            let count = min(64 - page % 64, pages.upperBound - page)
            let mask = (UInt64.max >> UInt64(64 - count)) << UInt64(page % 64)
            if isFree { unsafe free[page / 64] |= mask } else { unsafe free[page / 64] &= ~mask }
            page += count
        }
        unsafe freeCount += isFree ? pages.count : -pages.count
    }

    /// Whether these pages are free.
    func isFree(_ pages: Range<Int>) -> Bool {
        unsafe pages.upperBound <= Size.pages && next(from: pages.lowerBound, isFree: false) >= pages.upperBound
    }

    mutating func take(_ pages: Range<Int>) {
        unsafe set(pages, isFree: false)
        unsafe longest = min(longest, freeCount)
    }

    mutating func put(_ pages: Range<Int>) {
        unsafe set(pages, isFree: true)
        let end = unsafe next(from: pages.upperBound, isFree: false)
        unsafe longest = max(longest, end - lastInUse(before: pages.lowerBound) - 1)
    }

    /// The first run of at least `count` free pages; if there is none, `longest` is exact afterwards.
    mutating func find(_ count: Int) -> Int? {
        var found = 0
        var start = unsafe next(from: 0, isFree: true)
        while start < Size.pages {
            let end = unsafe next(from: start, isFree: false)
            if end - start >= count { return start }
            found = max(found, end - start)
            unsafe start = next(from: end, isFree: true)
        }
        unsafe longest = found
        return nil
    }

    /// Traps when `longest` is too small, or `freeCount` wrong. For tests.
    func checkInvariants() {
        var (count, start) = unsafe (0, next(from: 0, isFree: true))
        while start < Size.pages {
            let end = unsafe next(from: start, isFree: false)
            precondition(unsafe end - start <= longest, "a run is longer than the longest")
            count += end - start
            unsafe start = next(from: end, isFree: true)
        }
        precondition(unsafe count == freeCount, "free pages of runs are miscounted")
    }
}

@safe struct RunStore {
    /// A page of the system. Where they are larger, there are no runs.
    static let pageSize = 4096
    static let isPossible = sysconf(Int32(_SC_PAGESIZE)) == pageSize
    /// The largest run. Of larger blocks the edges hardly matter.
    static let mostBytes = 256 * 1024
    private static let listCount = 10
    /// What a chunk has.
    enum ChunkSize {
        static let pages = SlabAllocator.chunkSize / RunStore.pageSize
        static let words = pages / 64
    }
    /// How many chunks of a list are looked at for a run, and how many in all are searched before there is a new chunk.
    private static let looksOfList = 16
    private static let searchesOfTake = 16

    /// The first chunks whose longest runs have 1, 2 to 3, 4 to 7 ... free pages.
    private var lists = unsafe InlineArray<10, UnsafeMutablePointer<RunChunk>?>(repeating: nil)
    private(set) var chunkCount = 0
    /// Chunks of which no page is in use: one is kept.
    private var emptyCount = 0
    /// System pages of runs in use.
    private(set) var pagesInUse = 0

    static func list(of longest: Int) -> Int { Int.bitWidth - 1 - longest.leadingZeroBitCount }

    static func pages(for bytes: Int) -> Int { (bytes + pageSize - 1) / pageSize }

    @unsafe private static func chunk(of run: UnsafeMutableRawPointer) -> UnsafeMutablePointer<RunChunk> {
        unsafe UnsafeMutablePointer(bitPattern: UInt(bitPattern: run) & ~UInt(SlabAllocator.chunkSize - 1))
            .unsafelyUnwrapped
    }

    @unsafe private static func page(of run: UnsafeMutableRawPointer) -> Int {
        Int(UInt(bitPattern: run) & UInt(SlabAllocator.chunkSize - 1)) / pageSize
    }

    // MARK: runs

    /// A run of `count` pages, which are zero.
    /// - Complexity: O(1), apart from getting more memory from the system.
    @unsafe mutating func take(pages count: Int) -> UnsafeMutableRawPointer {
        var searches = Self.searchesOfTake
        for list in Self.list(of: count)..<Self.listCount {
            var next = unsafe lists[list]
            // The chunks of the first list may all have less: that must not keep from those of the others, which have more.
            var looks = Self.looksOfList
            while let chunk = unsafe next, looks > 0, searches > 0 {
                StepCount.step()
                unsafe next = chunk.pointee.next
                looks -= 1
                guard unsafe chunk.pointee.longest >= count else { continue }
                searches -= 1
                if let place = unsafe chunk.pointee.find(count) {
                    return unsafe take(place..<place + count, of: chunk, on: list)
                }
                unsafe follow(chunk, from: list)
            }
        }
        let chunk = unsafe makeChunk()
        return unsafe take(1..<1 + count, of: chunk, on: chunk.pointee.list)
    }

    @unsafe private mutating func take(
        _ pages: Range<Int>, of chunk: UnsafeMutablePointer<RunChunk>, on list: Int
    ) -> UnsafeMutableRawPointer {
        if unsafe chunk.pointee.isEmpty { emptyCount -= 1 }
        unsafe chunk.pointee.take(pages)
        unsafe follow(chunk, from: list)
        pagesInUse += pages.count
        let run = unsafe UnsafeMutableRawPointer(chunk) + pages.lowerBound * Self.pageSize
        unsafe MemoryChecker.allow(run, pages.count * Self.pageSize)
        return unsafe run
    }

    /// Makes a run of `count` pages longer where it lies; false if what follows it is in use.
    @unsafe mutating func extend(_ run: UnsafeMutableRawPointer, pages count: Int, to longer: Int) -> Bool {
        let chunk = unsafe Self.chunk(of: run)
        let end = unsafe Self.page(of: run) + count
        let more = end..<end + longer - count
        guard unsafe chunk.pointee.isFree(more) else { return false }
        _ = unsafe take(more, of: chunk, on: chunk.pointee.list)
        return true
    }

    /// Gives pages of a run, or all of it, back to the system.
    /// - Complexity: O(pages).
    @unsafe mutating func put(_ run: UnsafeMutableRawPointer, pages count: Int) {
        // What is locked in memory stays; but what is taken next is zero.
        if unsafe madvise(run, count * Self.pageSize, MADV_DONTNEED) != 0 {
            unsafe memset(run, 0, count * Self.pageSize)
        }
        unsafe MemoryChecker.forbid(run, count * Self.pageSize)
        let chunk = unsafe Self.chunk(of: run)
        let page = unsafe Self.page(of: run)
        let list = unsafe chunk.pointee.freeCount > 0 ? chunk.pointee.list : nil
        unsafe chunk.pointee.put(page..<page + count)
        pagesInUse -= count
        unsafe follow(chunk, from: list)
        guard unsafe chunk.pointee.isEmpty else { return }
        if emptyCount == 0 { emptyCount = 1 } else { unsafe release(chunk) }
    }

    // MARK: chunks

    /// Puts a chunk on the list where it belongs, if that is not where it is.
    @unsafe private mutating func follow(_ chunk: UnsafeMutablePointer<RunChunk>, from list: Int?) {
        let new = unsafe chunk.pointee.freeCount > 0 ? chunk.pointee.list : nil
        guard list != new else { return }
        if let list { unsafe unlink(chunk, from: list) }
        guard let new else { return }
        unsafe chunk.pointee.previous = nil
        unsafe chunk.pointee.next = lists[new]
        unsafe lists[new]?.pointee.previous = chunk
        unsafe lists[new] = chunk
    }

    @unsafe private mutating func unlink(_ chunk: UnsafeMutablePointer<RunChunk>, from list: Int) {
        if let previous = unsafe chunk.pointee.previous {
            unsafe previous.pointee.next = chunk.pointee.next
        } else {
            unsafe lists[list] = chunk.pointee.next
        }
        unsafe chunk.pointee.next?.pointee.previous = chunk.pointee.previous
    }

    @unsafe private mutating func makeChunk() -> UnsafeMutablePointer<RunChunk> {
        let base = unsafe ChunkStore.mapChunk()
        // A huge page would be resident where a few small ones are in use.
        unsafe _ = madvise(base, SlabAllocator.chunkSize, MADV_NOHUGEPAGE)
        unsafe MemoryChecker.forbid(base + Self.pageSize, SlabAllocator.chunkSize - Self.pageSize)
        let chunk = unsafe base.bindMemory(to: RunChunk.self, capacity: 1)
        unsafe chunk.initialize(to: RunChunk())
        chunkCount += 1
        emptyCount += 1
        unsafe follow(chunk, from: nil)
        return unsafe chunk
    }

    @unsafe private mutating func release(_ chunk: UnsafeMutablePointer<RunChunk>) {
        unsafe unlink(chunk, from: chunk.pointee.list)
        chunkCount -= 1
        unsafe MemoryChecker.allow(chunk, SlabAllocator.chunkSize)
        unsafe _ = munmap(chunk, SlabAllocator.chunkSize)
    }

    /// Unmaps the chunk that is kept when it is empty.
    mutating func releaseEmpty() {
        guard emptyCount > 0, let chunk = unsafe lists[Self.listCount - 1] else { return }
        var next: UnsafeMutablePointer<RunChunk>? = unsafe chunk
        while let chunk = unsafe next {
            unsafe next = chunk.pointee.next
            guard unsafe chunk.pointee.isEmpty else { continue }
            unsafe release(chunk)
            emptyCount -= 1
        }
    }

    // MARK: checking

    /// Traps when an invariant of the head of this file does not hold. For tests.
    func checkInvariants() {
        var (listed, empty) = (0, 0)
        for list in 0..<Self.listCount {
            var previous: UnsafeMutablePointer<RunChunk>?
            var next = unsafe lists[list]
            while let chunk = unsafe next {
                listed += 1
                if unsafe chunk.pointee.isEmpty { empty += 1 }
                precondition(unsafe chunk.pointee.list == list, "a chunk of runs is on the wrong list")
                precondition(unsafe chunk.pointee.previous == previous, "a chunk's back link is wrong")
                unsafe chunk.pointee.checkInvariants()
                unsafe previous = chunk
                unsafe next = chunk.pointee.next
            }
        }
        precondition(listed <= chunkCount && empty == emptyCount, "chunks of runs are miscounted")
    }
}
