// Memory for small blocks, counted to the byte.
//
// Blocks come in size classes 2 bytes apart (8 above 256 bytes, coarser above 1 KiB), each class in pages of 64 KiB that are
// aligned to their size, so that the page of a block, and with it the block's class, is found by masking the pointer. Pages are
// cut from chunks of 4 MiB: see SlabAllocator+Chunks.swift. A free block holds the link to the next free one. Blocks above some
// 16 KB come from malloc with a header before them, or, while memory is limited, from RunStore.swift; they are recognized by their
// address, which is odd.
//
//     chunk (4 MiB)   | page | page | page | ...
//     page (64 KiB)   | header, 64 bytes | block | block | free -> | block | ... | never used yet |
//     large block     | previous, next, size | bytes ...            (on a list, so that all can be found)
//
// An allocator owns all its blocks: dropping it frees all keys without looking at a single one, and in slices (`releaseSlice`),
// because returning gigabytes to the kernel takes time.
//
// Invariants: a page is on a list of its class exactly while it has room: on that of the draining pages or on that of the others (see
// SlabAllocator+Draining.swift); `usedBytes` is the sum of the sizes of the blocks in use; a page with no block in use belongs to no class,
// but for the last page of a class until the next `measureSurplus`.
//
// Rejected: malloc for everything (16 bytes of header and rounding for each key, and no way to drop a database at once).

import CLinux
import Glibc
import RespCodec

/// A handle: copies share the allocator. Single-threaded. Blocks are raw pointers: what is passed to `deallocate`, `reallocate` and
/// `capacity(of:)` must be a block in use of this allocator, which is not checked.
@safe struct SlabAllocator {
    static let pageSize = 64 * 1024
    static let chunkSize = 4 * 1024 * 1024
    /// The largest block that comes from a page, of which four fit.
    static let largestSmall = 16320
    /// Bytes of the header before a large block.
    static let largeHeaderSize = unsafe Large.headerSize
    static let pageHeaderSize = 64
    /// How many bytes of large blocks are freed at once.
    static let bytesOfSlice = 1024 * 1024
    /// All blocks begin at a multiple of this, so that two bytes can hold the place of one in its page.
    private static let linkUnit = 2
    /// Classes are 2 bytes apart up to here, ...
    private static let finestLimit = 256
    /// ... and 8 bytes apart up to here.
    private static let fineLimit = 1024
    private static let finestClassCount = finestLimit / 2
    private static let fineClassCount = finestClassCount + (fineLimit - finestLimit) / 8
    private static let firstCoarseCount = (pageSize - pageHeaderSize) / fineLimit  // blocks of a page of the first coarse class
    static let classCount = fineClassCount + 1 + 2 * firstCoarseCount

    @unsafe struct Page {
        var blockSize: UInt32
        var sizeClass: UInt16
        /// First free block, in units of `linkUnit` bytes from the page's start; 0 for none.
        var freeHead: UInt16
        var usedCount: UInt32
        /// Where the part of the page begins that was never in use.
        var fresh: UInt32
        var previous: UnsafeMutablePointer<Page>?
        var next: UnsafeMutablePointer<Page>?
        var chunk: UnsafeMutablePointer<Chunk>
        /// Whether the page is to become empty: nothing is allocated from it while another page of its class has room.
        var isDraining = false

        /// The place of the list on which the page is while it has room.
        var list: Int { unsafe Int(sizeClass) + (isDraining ? SlabAllocator.classCount : 0) }
        /// How many blocks it has room for.
        var capacity: Int { unsafe (SlabAllocator.pageSize - SlabAllocator.pageHeaderSize) / Int(blockSize) }
    }

    @unsafe struct Large {
        var previous: UnsafeMutablePointer<Large>?
        var next: UnsafeMutablePointer<Large>?
        var size: Int
        /// Whether it is a run of system pages, and not a block of malloc.
        var isRun = false
        /// Whether it is given back piece by piece, since it was huge.
        var isShortened = false
        /// Whether somebody reads it who is not told when it is changed or freed: see PinnedBlock.swift.
        var isPinned = false
        static let headerSize = 31
    }

    @unsafe struct Storage {
        /// The first pages with room: of each class, then the draining ones of each class.
        var partial: UnsafeMutablePointer<UnsafeMutablePointer<Page>?>
        /// How many pages are draining.
        var drainingCount = 0
        /// How many became empty while they were.
        var drainedCount = 0
        /// The node of a list of nodes that is to be moved next, if there is one: see `ListChain.defragment`.
        var bookmark: UnsafeMutableRawPointer?
        var large: UnsafeMutablePointer<Large>?
        var usedBytes = 0
        /// Pages that a class has.
        var pageCount = 0
        var largeBytes = 0
        /// Large blocks that are to be freed, linked by `next`.
        var discarded: UnsafeMutablePointer<Large>?
        var discardedBytes = 0
        var postponesLarge = false
        /// The large blocks that are pinned, and by whom.
        var pins: [UnsafeRawPointer: Unmanaged<PinnedBlock>] = unsafe [:]
        /// Whether pages of large blocks go back to the system when these are freed.
        var returnsLarge = false
        /// What is being written of what lies here.
        unowned(unsafe) var snapshot: SnapshotSaver?
        var chunks = ChunkStore()
        var runs = RunStore()
    }

    let storage: UnsafeMutablePointer<Storage>

    /// The snapshot that is being written of what lies here, if there is one.
    var snapshot: SnapshotSaver? {
        get { unsafe storage.pointee.snapshot }
        nonmutating set { unsafe storage.pointee.snapshot = newValue }
    }

    init() {
        unsafe storage = .allocate(capacity: 1)
        let partial = UnsafeMutablePointer<UnsafeMutablePointer<Page>?>.allocate(capacity: 2 * Self.classCount)
        unsafe partial.initialize(repeating: nil, count: 2 * Self.classCount)
        unsafe storage.initialize(to: Storage(partial: partial))
    }

    /// Bytes of all blocks in use, rounded up to their classes.
    var usedBytes: Int { unsafe storage.pointee.usedBytes }
    /// Bytes of the pages in which these blocks lie, and of large blocks.
    var heldBytes: Int { unsafe storage.pointee.pageCount * Self.pageSize + storage.pointee.largeBytes }
    /// The same with the free pages that were not returned to the system.
    var residentBytes: Int { unsafe heldBytes + storage.pointee.chunks.residentCount * Self.pageSize }
    var identity: UnsafeRawPointer { unsafe UnsafeRawPointer(storage) }

    // MARK: size classes

    @inline(__always)
    private static func sizeClass(_ size: Int) -> Int {
        if size <= finestLimit { return (size &+ 1) &>> 1 }
        if size <= fineLimit { return (finestClassCount &- finestLimit / 8) &+ (size &+ 7) &>> 3 }
        // The coarse classes are identified by how many of their blocks fit a page, two of them for each such number: the blocks of the
        // first are the largest multiple of 64 bytes of which that many fit, for those that are to be aligned, those of the second the
        // largest multiple of 8.
        let perPage = (pageSize &- pageHeaderSize) / ((size &+ 7) & ~7)
        let isAligned = size <= mostBytes(perPage: perPage, multipleOf: 64)
        return fineClassCount &+ 1 &+ 2 &* (firstCoarseCount &- perPage) &+ (isAligned ? 0 : 1)
    }

    /// Bytes of the largest blocks of which so many fit a page.
    @inline(__always)
    private static func mostBytes(perPage: Int, multipleOf unit: Int) -> Int {
        (pageSize &- pageHeaderSize) / perPage & ~(unit &- 1)
    }

    private static func blockSize(_ sizeClass: Int) -> Int {
        if sizeClass <= finestClassCount { return sizeClass * 2 }
        if sizeClass <= fineClassCount { return (sizeClass - finestClassCount) * 8 + finestLimit }
        let (fewer, second) = (sizeClass - fineClassCount - 1).quotientAndRemainder(dividingBy: 2)
        return mostBytes(perPage: firstCoarseCount - fewer, multipleOf: second == 0 ? 64 : 8)
    }

    // MARK: blocks

    /// A block of at least `size` bytes, not cleared. If it is small it is aligned to 2 bytes, and to 4, 8 or 64 if its size is
    /// a multiple of that.
    /// - Complexity: O(1), apart from getting more memory from the system.
    @inline(__always)
    func allocate(_ size: Int) -> UnsafeMutableRawPointer {
        precondition(size > 0, "a block has a size")
        guard size <= Self.largestSmall else { return unsafe allocateLarge(size) }
        let sizeClass = Self.sizeClass(size)
        guard let page = unsafe storage.pointee.partial[sizeClass] else { return unsafe allocateFromNewPage(sizeClass) }
        return unsafe take(from: page)
    }

    @inline(__always)
    func take(from page: UnsafeMutablePointer<Page>) -> UnsafeMutableRawPointer {
        StepCount.step()
        let base = UnsafeMutableRawPointer(page)
        let block: UnsafeMutableRawPointer
        let head = unsafe page.pointee.freeHead
        let size = unsafe page.pointee.blockSize
        if head != 0 {
            unsafe block = base + Int(head) &* Self.linkUnit
            unsafe page.pointee.freeHead = block.load(as: UInt16.self)
        } else {
            unsafe block = base + Int(page.pointee.fresh)
            unsafe page.pointee.fresh &+= size
        }
        unsafe MemoryChecker.allow(block, Int(size))
        unsafe page.pointee.usedCount &+= 1
        unsafe storage.pointee.usedBytes &+= Int(size)
        if unsafe page.pointee.freeHead == 0 && page.pointee.fresh &+ size > UInt32(Self.pageSize) {
            unsafe unlink(page)
        }
        return unsafe block
    }

    @inline(never)
    func allocateFromNewPage(_ sizeClass: Int) -> UnsafeMutableRawPointer {
        if let page = unsafe storage.pointee.partial[sizeClass + Self.classCount] {
            unsafe stopDraining(page)
            return unsafe take(from: page)
        }
        let (address, chunk) = unsafe storage.pointee.chunks.takePage()
        unsafe storage.pointee.pageCount += 1
        let page = unsafe address.bindMemory(to: Page.self, capacity: 1)
        unsafe page.initialize(
            to: Page(
                blockSize: UInt32(Self.blockSize(sizeClass)), sizeClass: UInt16(sizeClass), freeHead: 0, usedCount: 0,
                fresh: UInt32(Self.pageHeaderSize), previous: nil, next: nil, chunk: chunk))
        unsafe MemoryChecker.forbid(
            UnsafeMutableRawPointer(page) + Self.pageHeaderSize, Self.pageSize - Self.pageHeaderSize)
        unsafe link(page)
        return unsafe take(from: page)
    }

    /// Frees a block.
    /// - Complexity: O(1).
    @inline(__always)
    func deallocate(_ block: UnsafeMutableRawPointer) {
        StepCount.step()
        let address = UInt(bitPattern: block)
        guard address & 1 == 0 else { return unsafe deallocateLarge(block) }
        let page = unsafe UnsafeMutablePointer<Page>(bitPattern: address & ~UInt(Self.pageSize - 1))!
        let wasFull =
            unsafe page.pointee.freeHead == 0 && page.pointee.fresh &+ page.pointee.blockSize > UInt32(Self.pageSize)
        unsafe block.storeBytes(of: page.pointee.freeHead, as: UInt16.self)
        unsafe page.pointee.freeHead = UInt16(
            truncatingIfNeeded: Int(address & UInt(Self.pageSize - 1)) / Self.linkUnit)
        unsafe page.pointee.usedCount &-= 1
        unsafe storage.pointee.usedBytes &-= Int(page.pointee.blockSize)
        // The link stays readable.
        unsafe MemoryChecker.forbid(
            block + MemoryLayout<UInt16>.size, Int(page.pointee.blockSize) - MemoryLayout<UInt16>.size)
        if wasFull { unsafe link(page) }
        if unsafe page.pointee.usedCount == 0 { unsafe pageEmptied(page) }
    }

    /// Asks for the memory that `deallocate` will need besides the block.
    @inline(__always)
    func prefetchPage(of block: UnsafeMutableRawPointer) {
        let page = unsafe UnsafeMutableRawPointer(bitPattern: UInt(bitPattern: block) & ~UInt(Self.pageSize - 1))
        if let page = unsafe page { unsafe clinux_prefetch(page) }
    }

    /// How many bytes the block has, at least as many as were requested.
    @inline(__always)
    func capacity(of block: UnsafeMutableRawPointer) -> Int {
        let address = UInt(bitPattern: block)
        guard address & 1 == 0 else {
            return unsafe Self.header(of: block).pointee.size
        }
        let page = unsafe UnsafeMutablePointer<Page>(bitPattern: address & ~UInt(Self.pageSize - 1))!
        return unsafe Int(page.pointee.blockSize)
    }

    /// Returns a block of at least `size` bytes with the first `keeping` bytes of `block`: the same block, or a new one in place of it.
    func reallocate(_ block: UnsafeMutableRawPointer, size: Int, keeping: Int) -> UnsafeMutableRawPointer {
        let isLarge = UInt(bitPattern: block) & 1 != 0
        let held = unsafe capacity(of: block)
        if isLarge {
            if size > Self.largestSmall { return unsafe reallocateLarge(block, size: size) }
        } else if size <= Self.largestSmall && Self.blockSize(Self.sizeClass(size)) == held {
            return unsafe block
        }
        let moved = unsafe allocate(size)
        unsafe moved.copyMemory(from: block, byteCount: min(keeping, size))
        unsafe deallocate(block)
        return unsafe moved
    }

    // MARK: pages

    func link(_ page: UnsafeMutablePointer<Page>) {
        StepCount.step()
        let list = unsafe page.pointee.list
        unsafe page.pointee.previous = nil
        unsafe page.pointee.next = storage.pointee.partial[list]
        unsafe page.pointee.next?.pointee.previous = page
        unsafe storage.pointee.partial[list] = page
    }

    func unlink(_ page: UnsafeMutablePointer<Page>) {
        StepCount.step()
        if let previous = unsafe page.pointee.previous {
            unsafe previous.pointee.next = page.pointee.next
        } else {
            unsafe storage.pointee.partial[page.pointee.list] = page.pointee.next
        }
        unsafe page.pointee.next?.pointee.previous = page.pointee.previous
    }

    private func pageEmptied(_ page: UnsafeMutablePointer<Page>) {
        // The last page of a class stays until the next `measureSurplus`, or a key that is set and deleted repeatedly would cost a page
        // each time.
        if unsafe page.pointee.previous == nil && page.pointee.next == nil && !page.pointee.isDraining { return }
        unsafe freePage(page)
    }

    /// Removes a page with no block in use from its class.
    private func freePage(_ page: UnsafeMutablePointer<Page>) {
        unsafe unlink(page)
        if unsafe page.pointee.isDraining {
            unsafe storage.pointee.drainingCount -= 1
            unsafe storage.pointee.drainedCount += 1
        }
        unsafe storage.pointee.pageCount -= 1
        unsafe storage.pointee.chunks.putPage(page, in: page.pointee.chunk)
    }

    /// What the memory consists of.
    var statistics: AllocatorStatistics {
        unsafe AllocatorStatistics(
            chunks: storage.pointee.chunks.count, pages: storage.pointee.pageCount,
            freePages: storage.pointee.chunks.residentCount, usedBytes: usedBytes, heldBytes: heldBytes,
            largeBytes: storage.pointee.largeBytes)
    }

    // MARK: returning memory

    /// To be called about once a second: measures how many free pages were not needed since the last call. Those above a proportion of the
    /// pages in use are surplus.
    /// - Complexity: O(size classes).
    func measureSurplus() {
        freeEmptyPages()
        unsafe storage.pointee.chunks.measureSurplus(pagesInUse: storage.pointee.pageCount)
    }

    /// Frees the last pages of classes that have no block in use.
    /// - Complexity: O(size classes).
    private func freeEmptyPages() {
        for sizeClass in 0..<Self.classCount {
            guard let page = unsafe storage.pointee.partial[sizeClass] else { continue }
            if unsafe page.pointee.usedCount == 0 && page.pointee.next == nil { unsafe freePage(page) }
        }
    }

    /// Whether `giveBackSlice` has something to do.
    @inline(__always) var hasSurplus: Bool { unsafe storage.pointee.chunks.surplus > 0 }

    /// Returns a bounded part of the surplus to the system.
    func giveBackSlice() { unsafe storage.pointee.chunks.giveBackSlice() }

    /// Returns some free pages to the system, surplus or not; if there are none, those that classes kept.
    func giveBackSome() {
        if unsafe storage.pointee.chunks.residentCount == 0 { freeEmptyPages() }
        unsafe storage.pointee.chunks.giveBackSome()
    }

    /// Whether there are free pages that were not returned to the system.
    var hasFreePages: Bool { unsafe storage.pointee.chunks.residentCount > 0 }

    /// Returns the memory of all pages in which no block is in use to the system.
    /// - Complexity: O(size classes + pages returned).
    func purge() {
        freeEmptyPages()
        unsafe storage.pointee.chunks.giveBackAll()
        unsafe storage.pointee.runs.releaseEmpty()
    }

    // MARK: dropping everything

    /// Frees a bounded part of what the allocator holds; true when nothing is left, and the handle must not be used any more.
    /// - Parameter heir: who gets the blocks that are pinned; nil if nobody does.
    func releaseSlice(leavingPinnedTo heir: SlabAllocator? = nil) -> Bool {
        if hasPinned { leavePinned(to: heir) }
        if hasDiscarded {
            freeDiscarded()
            return false
        }
        var freed = 0
        while freed < Self.bytesOfSlice, let large = unsafe storage.pointee.large {
            if unsafe Self.isHuge(large) {
                unsafe deallocateLarge(UnsafeMutableRawPointer(large) + Large.headerSize)
                return false
            }
            freed += unsafe disown(large)
            unsafe giveBack(large)
        }
        if unsafe storage.pointee.large != nil { return false }
        unsafe storage.pointee.runs.releaseEmpty()
        guard unsafe storage.pointee.chunks.releaseOne() else { return false }
        unsafe storage.pointee.partial.deallocate()
        unsafe storage.deinitialize(count: 1)
        unsafe storage.deallocate()
        return true
    }

    // MARK: checking

    /// Traps when an invariant of the head of this file does not hold. For tests.
    func checkInvariants() {
        unsafe storage.pointee.chunks.checkInvariants(pagesInUse: storage.pointee.pageCount)
        unsafe storage.pointee.runs.checkInvariants()
        precondition(
            unsafe storage.pointee.runs.pagesInUse * RunStore.pageSize <= storage.pointee.largeBytes,
            "runs are miscounted")
        var draining = 0
        for list in 0..<2 * Self.classCount {
            var previous: UnsafeMutablePointer<Page>? = nil
            var page = unsafe storage.pointee.partial[list]
            while let current = unsafe page {
                precondition(unsafe current.pointee.previous == previous, "a page's back link is wrong")
                precondition(unsafe current.pointee.list == list, "a page is on another list")
                let size = unsafe Int(current.pointee.blockSize)
                var free = 0
                var head = unsafe Int(current.pointee.freeHead)
                while head != 0 {
                    free += 1
                    precondition(
                        (head * Self.linkUnit - Self.pageHeaderSize) % size == 0,
                        "a free block is not on a block's border")
                    head = unsafe Int((UnsafeRawPointer(current) + head * Self.linkUnit).load(as: UInt16.self))
                }
                let given = unsafe (Int(current.pointee.fresh) - Self.pageHeaderSize) / size
                precondition(unsafe Int(current.pointee.usedCount) == given - free, "a page's count is wrong")
                precondition(
                    unsafe Int(current.pointee.usedCount) < current.pointee.capacity, "a full page is on a list")
                if unsafe current.pointee.isDraining { draining += 1 }
                unsafe previous = current
                unsafe page = current.pointee.next
            }
        }
        precondition(unsafe draining == storage.pointee.drainingCount, "draining pages are miscounted")
    }
}

/// Marks for AddressSanitizer which memory of a page is in use. Does nothing unless the program is built with `--sanitize=address` and
/// `-Xswiftc -DADDRESS_SANITIZER`.
enum MemoryChecker {
    @inline(__always)
    static func allow(_ start: UnsafeMutableRawPointer, _ count: Int) {
        #if ADDRESS_SANITIZER
        unsafe unpoisonMemory(start, count)
        #endif
    }

    @inline(__always)
    static func forbid(_ start: UnsafeMutableRawPointer, _ count: Int) {
        #if ADDRESS_SANITIZER
        unsafe poisonMemory(start, count)
        #endif
    }
}

#if ADDRESS_SANITIZER
@_silgen_name("__asan_poison_memory_region")
private func poisonMemory(_ start: UnsafeMutableRawPointer, _ count: Int)

@_silgen_name("__asan_unpoison_memory_region")
private func unpoisonMemory(_ start: UnsafeMutableRawPointer, _ count: Int)
#endif

/// What the memory of an allocator consists of.
public struct AllocatorStatistics: Sendable {
    /// Chunks of 4 MiB taken from the system, from which pages are cut.
    public let chunks: Int
    /// Pages of 64 KiB in use, and free ones whose memory was not returned to the system.
    public let pages: Int
    public let freePages: Int
    /// Bytes in use, and those of all pages and large blocks that they lie in.
    public let usedBytes: Int
    public let heldBytes: Int
    /// Of both, the bytes of blocks that lie outside of pages.
    public let largeBytes: Int
}
