// Runs of system pages: what is freed is not resident, whatever lies beside it; and finding room takes few steps.

import Glibc
import TestSupport
import Testing

@testable import StoreEngine

struct RunStoreTests {
    private static let page = RunStore.pageSize

    private func isResident(_ page: UInt) -> Bool {
        var state: UInt8 = 0
        // Not mapped at all is as good as not resident.
        return mincore(UnsafeMutableRawPointer(bitPattern: page), Self.page, &state) == 0 && state & 1 == 1
    }

    /// Blocks of 17 KB are freed between others that stay, and then these: of either no page is left, the first and last one included.
    @Test func nothingOfWhatIsFreedStaysResident() {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        allocator.returnsLarge = true
        let (count, size) = (500, 17_000)
        let blocks = (0..<count).map { _ in allocator.allocate(size) }
        for block in blocks { memset(block, 7, size) }
        let pages = blocks.map { block in
            let first = UInt(bitPattern: block) & ~UInt(Self.page - 1)
            return (0..<UInt(5)).map { first + $0 * UInt(Self.page) }
        }
        #expect(allocator.heldBytes == count * 5 * Self.page, "17 KB and a header are five pages")
        for place in stride(from: 0, to: count, by: 2) { allocator.deallocate(blocks[place]) }
        for place in 0..<count {
            let resident = pages[place].count(where: isResident)
            #expect(resident == (place % 2 == 0 ? 0 : 5), "block \(place)")
        }
        // Of each chunk something stays: others may get the addresses of one that is unmapped.
        for place in stride(from: 1, to: count, by: 2) where place % 100 != 99 { allocator.deallocate(blocks[place]) }
        #expect(pages.joined().count(where: isResident) == 5 * count / 100)
        for place in stride(from: 99, to: count, by: 100) { allocator.deallocate(blocks[place]) }
        #expect(allocator.usedBytes == 0 && allocator.heldBytes == 0)
        allocator.checkInvariants()
    }

    @Test func memoryOfRunsIsZero() {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        allocator.returnsLarge = true
        for size in [17_000, 60_000, 200_000, 17_000] {
            let block = allocator.allocateLarge(size, isZeroed: true)
            #expect(block.load(as: UInt8.self) == 0 && memcmp(block, block + 1, size - 1) == 0)
            memset(block, 255, size)
            allocator.deallocate(block)
        }
    }

    @Test func aBlockGrowsWhereItIsIfThereIsRoom() {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        allocator.returnsLarge = true
        let block = allocator.allocate(20_000)
        memset(block, 3, 20_000)
        #expect(allocator.reallocate(block, size: 100_000, keeping: 20_000) == block)
        let other = allocator.allocate(20_000)
        let moved = allocator.reallocate(block, size: 120_000, keeping: 100_000)
        #expect(moved != block && moved.load(fromByteOffset: 19_999, as: UInt8.self) == 3)
        // What becomes shorter gives pages back, and what is longer than a run is a block of malloc.
        #expect(allocator.reallocate(moved, size: 20_000, keeping: 20_000) == moved)
        #expect(allocator.heldBytes == 2 * 5 * Self.page)
        let long = allocator.reallocate(moved, size: 1 << 20, keeping: 20_000)
        #expect(long.load(fromByteOffset: 19_999, as: UInt8.self) == 3)
        allocator.checkInvariants()
        for block in [other, long] { allocator.deallocate(block) }
        #expect(allocator.usedBytes == 0)
    }

    /// A block of malloc stays one when runs are wanted later, and the other way round.
    @Test func blocksKnowWhereTheyAreFrom() {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        let first = allocator.allocate(50_000)
        allocator.returnsLarge = true
        let second = allocator.allocate(50_000)
        allocator.deallocate(first)
        allocator.returnsLarge = false
        let third = allocator.reallocate(second, size: 90_000, keeping: 50_000)
        allocator.checkInvariants()
        allocator.deallocate(third)
        #expect(allocator.usedBytes == 0 && allocator.heldBytes == 0)
    }

    /// In 60 chunks every second run of five pages is free, so that none of them has room for a longer one.
    private func makeScattered() -> (SlabAllocator, [UnsafeMutableRawPointer]) {
        let allocator = SlabAllocator()
        allocator.returnsLarge = true
        let blocks = (0..<60 * 200).map { _ in allocator.allocate(20_000) }
        for place in stride(from: 0, to: blocks.count, by: 2) { allocator.deallocate(blocks[place]) }
        return (allocator, blocks)
    }

    @Test func findingRoomTakesFewSteps() {
        let (allocator, blocks) = makeScattered()
        defer { while !allocator.releaseSlice() {} }
        var most = 0
        var longer: [UnsafeMutableRawPointer] = []
        for size in stride(from: 21_000, to: 260_000, by: 1000) {
            most = max(most, StepCount.of { longer.append(allocator.allocate(size)) })
        }
        #expect(most < 1000, "\(most) steps")
        // Those that fit are found.
        let held = allocator.statistics.largeBytes
        for _ in 0..<blocks.count / 2 - 400 { longer.append(allocator.allocate(20_000)) }
        #expect(allocator.statistics.largeBytes == held + (blocks.count / 2 - 400) * 5 * Self.page)
        allocator.checkInvariants()
        for place in stride(from: 1, to: blocks.count, by: 2) { allocator.deallocate(blocks[place]) }
        for block in longer { allocator.deallocate(block) }
        allocator.checkInvariants()
        #expect(allocator.usedBytes == 0)
    }

    /// The longer runs that are wanted share few chunks.
    @Test func longerRunsShareChunks() {
        let (allocator, blocks) = makeScattered()
        defer { while !allocator.releaseSlice() {} }
        let before = unsafe allocator.storage.pointee.runs.chunkCount
        // Seven pages each, of the same power of two as the five of what is free.
        let longer = (0..<1000).map { _ in allocator.allocate(27_000) }
        let more = unsafe allocator.storage.pointee.runs.chunkCount - before
        #expect(more <= 7, "1000 runs of 7 pages fit into 7 chunks, not \(more)")
        allocator.checkInvariants()
        for place in stride(from: 1, to: blocks.count, by: 2) { allocator.deallocate(blocks[place]) }
        for block in longer { allocator.deallocate(block) }
        allocator.checkInvariants()
        #expect(allocator.usedBytes == 0)
    }
}
