// Large blocks: those above some 16 KB, each with a header before it, on a list so that all can be found.
//
//     malloc block    | previous, next, size ... | bytes ...
//     run of pages    | the same                 | bytes ...          while memory is limited or defragmented: see RunStore.swift
//
// Their addresses are odd. What one takes to be freed grows with it, so it may be put aside, to go piece by piece (`freeDiscarded`).

import CLinux
import Glibc
import RespCodec

extension SlabAllocator {
    /// Larger blocks are pages of their own, if the server has said so to malloc.
    private static let leastMapped = 4 << 20
    /// An upper bound of how many bytes at either end of a free block malloc writes to.
    private static let marginOfFree = 64

    /// Takes over a malloc block whose bytes begin `largeHeaderSize` after `base`, and returns where they begin.
    @unsafe func adopt(base: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer {
        let large = unsafe base.bindMemory(to: Large.self, capacity: 1)
        unsafe adopt(large)
        return unsafe base + Large.headerSize
    }

    /// Frees a malloc block that was not taken over.
    @unsafe static func freeBlock(_ base: UnsafeMutableRawPointer) { unsafe free(base) }

    /// What lies before the bytes of a large block.
    @inline(__always)
    static func header(of block: UnsafeMutableRawPointer) -> UnsafeMutablePointer<Large> {
        unsafe (block - Large.headerSize).assumingMemoryBound(to: Large.self)
    }

    /// A block with a list header, whatever its size: from malloc, or a run.
    /// - Parameter isZeroed: whether its bytes are zero. That costs nothing where the system maps new memory.
    @inline(never)
    func allocateLarge(_ size: Int, isZeroed: Bool = false) -> UnsafeMutableRawPointer {
        if usesRun(for: size) { return unsafe allocateRun(size) }
        let total = size + Self.largeHeaderSize
        let given = isZeroed ? unsafe calloc(total, 1) : unsafe malloc(total)
        guard let base = unsafe given else {
            SystemMemory.exhausted(size)
        }
        return unsafe adopt(base: base)
    }

    /// Whether a large block of `size` bytes is a run of system pages, and not a block of malloc.
    func usesRun(for size: Int) -> Bool {
        unsafe storage.pointee.returnsLarge && size + Self.largeHeaderSize <= RunStore.mostBytes && RunStore.isPossible
    }

    private func allocateRun(_ size: Int) -> UnsafeMutableRawPointer {
        let pages = RunStore.pages(for: size + Self.largeHeaderSize)
        let run = unsafe storage.pointee.runs.take(pages: pages)
        let large = unsafe run.bindMemory(to: Large.self, capacity: 1)
        unsafe large.initialize(
            to: Large(previous: nil, next: nil, size: pages * RunStore.pageSize - Large.headerSize, isRun: true))
        unsafe own(large)
        return unsafe run + Large.headerSize
    }

    /// Whether the system would give a block of `size` bytes now. `allocate` ends the process if it does not, so code that needs much more
    /// memory than the request took checks before.
    static func canAllocate(_ size: Int) -> Bool {
        guard size < Int.max / 4, let block = unsafe malloc(size + largeHeaderSize) else { return false }
        unsafe free(block)
        return true
    }

    private func adopt(_ large: UnsafeMutablePointer<Large>) {
        unsafe large.initialize(
            to: Large(previous: nil, next: nil, size: malloc_usable_size(large) - Large.headerSize))
        unsafe own(large)
    }

    /// Counts a large block, and puts it on the list of those in use.
    func own(_ large: UnsafeMutablePointer<Large>) {
        let size = unsafe large.pointee.size
        unsafe large.pointee.previous = nil
        unsafe large.pointee.next = storage.pointee.large
        unsafe storage.pointee.large?.pointee.previous = large
        unsafe storage.pointee.large = large
        unsafe storage.pointee.usedBytes += size + Large.headerSize
        unsafe storage.pointee.largeBytes += size + Large.headerSize
    }

    /// - Returns: how many bytes it has.
    @discardableResult
    func disown(_ large: UnsafeMutablePointer<Large>) -> Int {
        unsafe unlink(large)
        return unsafe discount(large)
    }

    /// Takes a large block out of the list of those in use.
    private func unlink(_ large: UnsafeMutablePointer<Large>) {
        if let previous = unsafe large.pointee.previous {
            unsafe previous.pointee.next = large.pointee.next
        } else {
            unsafe storage.pointee.large = large.pointee.next
        }
        unsafe large.pointee.next?.pointee.previous = large.pointee.previous
    }

    /// Counts a large block no more, and returns how many bytes it has.
    private func discount(_ large: UnsafeMutablePointer<Large>) -> Int {
        let count = unsafe large.pointee.size + Large.headerSize
        unsafe storage.pointee.usedBytes -= count
        unsafe storage.pointee.largeBytes -= count
        return count
    }

    @inline(never)
    func deallocateLarge(_ block: UnsafeMutableRawPointer) {
        let large = unsafe Self.header(of: block)
        if unsafe large.pointee.isPinned { return unsafe leaveToPins(block) }
        let isHuge = unsafe Self.isHuge(large)
        if unsafe storage.pointee.postponesLarge || isHuge {
            unsafe unlink(large)
            unsafe large.pointee.isShortened = isHuge
            unsafe large.pointee.next = storage.pointee.discarded
            unsafe storage.pointee.discarded = large
            unsafe storage.pointee.discardedBytes += large.pointee.size
        } else {
            unsafe disown(large)
            unsafe giveBack(large)
        }
    }

    /// Frees a large block that is counted no more.
    ///
    /// What is freed between two blocks that stay malloc keeps for blocks that fit, and it is resident until such come. Where that
    /// is not wanted the pages within the block go back to the system first; malloc itself writes to the ends of a free block only.
    func giveBack(_ large: UnsafeMutablePointer<Large>) {
        let size = unsafe large.pointee.size
        if unsafe large.pointee.isRun {
            return unsafe storage.pointee.runs.put(large, pages: RunStore.pages(for: size))
        }
        if unsafe storage.pointee.returnsLarge {
            unsafe Self.freeBlockWithPages(large)
        } else {
            unsafe free(large)
        }
    }

    /// Frees a malloc block, whose pages go back to the system.
    @unsafe static func freeBlockWithPages(_ block: UnsafeMutableRawPointer) {
        let size = unsafe malloc_usable_size(block)
        if size < leastMapped {
            let systemPage: UInt = 4096
            let address = UInt(bitPattern: block)
            let first = (address + UInt(marginOfFree) + systemPage - 1) & ~(systemPage - 1)
            let end = (address + UInt(max(size, marginOfFree) - marginOfFree)) & ~(systemPage - 1)
            if end > first {
                unsafe _ = madvise(UnsafeMutableRawPointer(bitPattern: first), Int(end - first), MADV_DONTNEED)
            }
        }
        unsafe free(block)
    }

    /// Whether pages of large blocks go back to the system when these are freed, for which the next ones take a little longer.
    var returnsLarge: Bool {
        get { unsafe storage.pointee.returnsLarge }
        nonmutating set { unsafe storage.pointee.returnsLarge = newValue }
    }

    /// While `body` runs, large blocks that are deallocated are only put aside, to be freed by `freeDiscarded`: what returning one to
    /// the system takes grows with it.
    func postponingLarge<Result>(_ body: () -> Result) -> Result {
        let before = unsafe storage.pointee.postponesLarge
        unsafe storage.pointee.postponesLarge = true
        defer { unsafe storage.pointee.postponesLarge = before }
        return body()
    }

    /// Whether blocks were put aside. They count as in use.
    @inline(__always) var hasDiscarded: Bool { unsafe storage.pointee.discarded != nil }

    /// Frees some of the blocks that were put aside: about a megabyte, one at least. The more there are, the faster they go, so that they
    /// do not become more and more.
    func freeDiscarded() {
        let enough = max(Self.bytesOfSlice, unsafe storage.pointee.discardedBytes / 64)
        var freed = 0
        while freed < enough, let large = unsafe storage.pointee.discarded {
            let count = unsafe large.pointee.isShortened ? shortenDiscarded(large) : 0
            guard count == 0 else {
                freed += count
                continue
            }
            guard let large = unsafe storage.pointee.discarded else { return }
            unsafe storage.pointee.discarded = large.pointee.next
            unsafe storage.pointee.discardedBytes -= large.pointee.size
            freed += unsafe discount(large)
            unsafe giveBack(large)
        }
    }

    /// From this size on a block is given back to the system piece by piece. As malloc takes it from the system for itself, that is where it lies.
    private static let leastHuge = 32 << 20

    static func isHuge(_ large: UnsafeMutablePointer<Large>) -> Bool {
        #if ADDRESS_SANITIZER
        // Its allocator copies what it shortens.
        false
        #else
        unsafe large.pointee.size >= leastHuge && !large.pointee.isRun
        #endif
    }

    /// Gives the end of a huge block back to the system, the first of those that were put aside.
    /// - Returns: by how much it is shorter; 0 if it cannot be shortened.
    private func shortenDiscarded(_ large: UnsafeMutablePointer<Large>) -> Int {
        let before = unsafe large.pointee.size
        guard before > 2 * Self.bytesOfSlice,
            let moved = unsafe realloc(large, before + Large.headerSize - Self.bytesOfSlice)
        else { return 0 }
        let rest = unsafe moved.assumingMemoryBound(to: Large.self)
        let count = unsafe max(0, before + Large.headerSize - malloc_usable_size(rest))
        unsafe rest.pointee.size = before - count
        unsafe storage.pointee.discarded = rest
        unsafe storage.pointee.discardedBytes -= count
        unsafe storage.pointee.usedBytes -= count
        unsafe storage.pointee.largeBytes -= count
        return count
    }

    func reallocateLarge(_ block: UnsafeMutableRawPointer, size: Int) -> UnsafeMutableRawPointer {
        let large = unsafe Self.header(of: block)
        if unsafe large.pointee.isRun { return unsafe reallocateRun(large, size: size) }
        if unsafe large.pointee.isPinned { return unsafe moveLarge(block, size: size) }
        let held = unsafe large.pointee.size
        // malloc would keep the pages of the place that it leaves.
        if unsafe storage.pointee.returnsLarge && held < Self.leastMapped && size > held {
            return unsafe moveLarge(block, size: size)
        }
        unsafe disown(large)
        guard let moved = unsafe realloc(large, size + Large.headerSize) else {
            SystemMemory.exhausted(size)
        }
        unsafe adopt(moved.assumingMemoryBound(to: Large.self))
        return unsafe moved + Large.headerSize
    }

    /// A larger block with the bytes of a large one, which is freed.
    private func moveLarge(_ block: UnsafeMutableRawPointer, size: Int) -> UnsafeMutableRawPointer {
        let moved = unsafe allocateLarge(size)
        unsafe moved.copyMemory(from: block, byteCount: min(size, capacity(of: block)))
        unsafe deallocateLarge(block)
        return unsafe moved
    }

    /// What is no longer needed of a run is given back; a longer one grows where it is, or moves.
    private func reallocateRun(_ large: UnsafeMutablePointer<Large>, size: Int) -> UnsafeMutableRawPointer {
        let block = unsafe UnsafeMutableRawPointer(large) + Large.headerSize
        let held = unsafe large.pointee.size
        let (old, new) = (RunStore.pages(for: held), RunStore.pages(for: size + Self.largeHeaderSize))
        if new > old {
            let staysWithin = size + Self.largeHeaderSize <= RunStore.mostBytes
            guard unsafe staysWithin && storage.pointee.runs.extend(large, pages: old, to: new) else {
                return unsafe moveLarge(block, size: size)
            }
        } else if new < old {
            unsafe storage.pointee.runs.put(
                UnsafeMutableRawPointer(large) + new * RunStore.pageSize, pages: old - new)
        }
        let more = (new - old) * RunStore.pageSize
        unsafe large.pointee.size += more
        unsafe storage.pointee.usedBytes += more
        unsafe storage.pointee.largeBytes += more
        return unsafe block
    }
}
