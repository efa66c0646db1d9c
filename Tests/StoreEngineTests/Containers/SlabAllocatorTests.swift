// The allocator: every size, random blocks, and its accounts.

import Glibc
import TestSupport
import Testing

@testable import StoreEngine

struct SlabAllocatorTests {
    private func fill(_ block: UnsafeMutableRawPointer, _ count: Int, _ mark: UInt8) {
        memset(block, Int32(mark), count)
    }

    private func isFilled(_ block: UnsafeMutableRawPointer, _ count: Int, _ mark: UInt8) -> Bool {
        block.load(as: UInt8.self) == mark && memcmp(block, block + 1, count - 1) == 0
    }

    @Test func blocksOfEverySizeAreWhole() {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        var blocks: [(UnsafeMutableRawPointer, Int)] = []
        for size in 1...17_000 {
            let block = allocator.allocate(size)
            #expect(allocator.capacity(of: block) >= size)
            #expect(size > SlabAllocator.largestSmall || allocator.capacity(of: block) <= size + size / 4 + 64)
            for alignment in [4, 8, 64] where size % alignment == 0 && size <= SlabAllocator.largestSmall {
                #expect(UInt(bitPattern: block) % UInt(alignment) == 0, "a block of \(size) bytes is not aligned")
            }
            // The whole capacity is the block's own, not only what was asked for.
            fill(block, allocator.capacity(of: block), UInt8(truncatingIfNeeded: size))
            blocks.append((block, size))
        }
        for (block, size) in blocks {
            #expect(
                isFilled(block, allocator.capacity(of: block), UInt8(truncatingIfNeeded: size)),
                "a block of \(size) bytes was overwritten")
            allocator.deallocate(block)
        }
        #expect(allocator.usedBytes == 0)
        allocator.checkInvariants()
    }

    /// Of every two blocks one stays, so that malloc keeps the other's memory.
    @Test(arguments: [false, true]) func pagesOfLargeBlocksGoBackAtOnce(returns: Bool) {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        allocator.returnsLarge = returns
        let (count, size, page) = (200, 100_000, 4096)
        let blocks = (0..<count).map { _ in allocator.allocate(size) }
        for block in blocks { fill(block, size, 7) }
        for place in stride(from: 1, to: count, by: 2) { allocator.deallocate(blocks[place]) }
        var resident = 0
        for place in stride(from: 1, to: count - 1, by: 2) {
            let middle = UInt(bitPattern: blocks[place] + size / 2) & ~UInt(page - 1)
            var state: UInt8 = 0
            // Not mapped at all is as good.
            if mincore(UnsafeMutableRawPointer(bitPattern: middle), page, &state) == 0 { resident += Int(state & 1) }
        }
        // Others that run at the same time may have got some.
        #expect(returns ? resident < 20 : resident > 50, "\(resident) of \(count / 2)")
        for place in stride(from: 0, to: count, by: 2) {
            #expect(isFilled(blocks[place], size, 7))
            allocator.deallocate(blocks[place])
        }
        #expect(allocator.usedBytes == 0)
    }

    @Test(arguments: [1, 2, 3], [false, true]) func randomBlocksKeepTheirBytes(seed: UInt64, returnsLarge: Bool) {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        allocator.returnsLarge = returnsLarge
        var random = RandomSource(seed: TestSeed.fixed(seed))
        var blocks: [(address: UnsafeMutableRawPointer, size: Int, mark: UInt8)] = []
        for step in 0..<40_000 {
            let grows = random.below(100) < (step < 20_000 ? 60 : 35)
            if grows || blocks.isEmpty {
                let limit = [40, 300, 3000, 30_000][random.below(100) < 90 ? random.below(2) : random.below(4)]
                let size = 1 + random.below(limit)
                let block = allocator.allocate(size)
                let mark = UInt8(truncatingIfNeeded: step)
                fill(block, size, mark)
                blocks.append((block, size, mark))
            } else {
                let place = random.below(blocks.count)
                let (block, size, mark) = blocks[place]
                #expect(isFilled(block, size, mark))
                if random.below(3) == 0 {
                    let larger = 1 + random.below(2 * size + 20)
                    let moved = allocator.reallocate(block, size: larger, keeping: min(size, larger))
                    #expect(isFilled(moved, min(size, larger), mark))
                    fill(moved, larger, mark)
                    blocks[place] = (moved, larger, mark)
                } else {
                    allocator.deallocate(block)
                    blocks.swapAt(place, blocks.count - 1)
                    blocks.removeLast()
                }
            }
            if step % 4000 == 0 { allocator.checkInvariants() }
        }
        #expect(allocator.usedBytes >= blocks.reduce(0) { $0 + $1.size } && allocator.usedBytes <= allocator.heldBytes)
        for (block, size, mark) in blocks {
            #expect(isFilled(block, size, mark))
            allocator.deallocate(block)
        }
        #expect(allocator.usedBytes == 0)
    }

    @Test func freePagesThatNobodyNeedsAreGivenBackInSlices() {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        var blocks: [UnsafeMutableRawPointer] = []
        for number in 0..<200_000 { blocks.append(allocator.allocate(100 + number % 100)) }
        let pages = allocator.statistics.pages
        #expect(pages > 400 && allocator.statistics.freePages == 0)
        for block in blocks { allocator.deallocate(block) }
        allocator.checkInvariants()
        // They were in use until now.
        allocator.measureSurplus()
        #expect(!allocator.hasSurplus && allocator.statistics.freePages > pages - 60)
        allocator.measureSurplus()
        var slices = 0
        while allocator.hasSurplus {
            let before = allocator.statistics.freePages
            allocator.giveBackSlice()
            #expect(before - allocator.statistics.freePages <= 32)
            allocator.checkInvariants()
            slices += 1
        }
        #expect(slices > pages / 40)
        #expect(allocator.statistics.freePages <= 16 + allocator.statistics.pages / 32)
        #expect(allocator.statistics.chunks < 4)
        // And they come back.
        blocks = (0..<100_000).map { allocator.allocate(100 + $0 % 100) }
        for block in blocks { fill(block, 100, 7) }
        allocator.checkInvariants()
        for block in blocks { allocator.deallocate(block) }
        allocator.purge()
        allocator.checkInvariants()
        #expect(allocator.usedBytes == 0 && allocator.statistics.freePages == 0)
    }

    /// A block of malloc that grows moves, as malloc would keep the pages of the place that it leaves.
    @Test func aBlockOfMallocMovesAsItGrows() {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        allocator.returnsLarge = true
        let block = allocator.allocate(1 << 20)
        memset(block, 5, 1 << 20)
        let held = allocator.usedBytes
        let moved = allocator.reallocate(block, size: 1 << 20 + 8192, keeping: 1 << 20)
        #expect(moved != block && moved.load(fromByteOffset: 1 << 20 - 1, as: UInt8.self) == 5)
        #expect(allocator.usedBytes >= held + 8000 && allocator.usedBytes < held + 20_000)
        allocator.deallocate(moved)
        #expect(allocator.usedBytes == 0)
    }

    /// Free pages lie in many chunks: every slice gives back as many, and then those that classes kept.
    @Test func freePagesOfManyChunksAreGivenBackTogether() {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        // Four blocks a page, 256 a chunk, of which one page is freed.
        let blocks = (0..<256 * 40).map { _ in allocator.allocate(SlabAllocator.largestSmall) }
        for first in stride(from: 0, to: blocks.count, by: 256) {
            for block in blocks[first..<first + 4] { allocator.deallocate(block) }
        }
        // The class keeps the first one.
        #expect(allocator.statistics.freePages == 39)
        allocator.giveBackSome()
        #expect(allocator.statistics.freePages == 7)
        allocator.giveBackSome()
        #expect(!allocator.hasFreePages)
        let small = allocator.allocate(100)
        allocator.deallocate(small)
        let held = allocator.heldBytes
        allocator.giveBackSome()
        #expect(allocator.heldBytes == held - 2 * SlabAllocator.pageSize && !allocator.hasFreePages)
        allocator.checkInvariants()
    }

    /// What no pass gains is half a page for each size of blocks.
    @Test func roomThatStaysIsCountedBySizes() {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        for size in [20, 40, 80, 1000, 5000] { _ = allocator.allocate(size) }
        #expect(allocator.unavoidableBytes == 5 * SlabAllocator.pageSize / 2)
        // Many sparse pages of one size do not count more.
        let blocks = (0..<10_000).map { _ in allocator.allocate(640) }
        for (place, block) in blocks.enumerated() where place % 10 != 0 { allocator.deallocate(block) }
        #expect(allocator.unavoidableBytes == 6 * SlabAllocator.pageSize / 2)
        #expect(allocator.fragmentedBytes > 40 * SlabAllocator.pageSize)
    }

    @Test func freePagesThatAreNeededAgainStay() {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        for _ in 0..<5 {
            let blocks = (0..<50_000).map { _ in allocator.allocate(200) }
            for block in blocks { allocator.deallocate(block) }
            allocator.measureSurplus()
            #expect(!allocator.hasSurplus, "all of it was needed since the last time")
        }
        // Of a steady use, a proportion is kept, too.
        let kept = (0..<300_000).map { _ in allocator.allocate(200) }
        let others = (0..<5000).map { _ in allocator.allocate(400) }
        for block in others { allocator.deallocate(block) }
        for _ in 0..<2 { allocator.measureSurplus() }
        #expect(!allocator.hasSurplus)
        for block in kept { allocator.deallocate(block) }
    }

    #if ADDRESS_SANITIZER
    @Test func readingAFreedBlockIsFound() async {
        await #expect(processExitsWith: .failure) {
            let allocator = SlabAllocator()
            let block = unsafe allocator.allocate(64)
            _ = unsafe allocator.allocate(64)
            unsafe allocator.deallocate(block)
            print(unsafe block.load(fromByteOffset: 8, as: Int.self))
        }
    }

    @Test func readingBehindTheLastBlockIsFound() async {
        await #expect(processExitsWith: .failure) {
            let block = unsafe SlabAllocator().allocate(64)
            print(unsafe block.load(fromByteOffset: 64, as: Int.self))
        }
    }
    #endif
}
