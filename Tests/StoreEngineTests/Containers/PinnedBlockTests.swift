// Pinned blocks: they stay as they are while they are read, count until then, and outlive their owner and their allocator.

import Glibc
import RespCodec
import Testing

@testable import StoreEngine

struct PinnedBlockTests {
    private static let size = 200_000

    private func filled(_ allocator: SlabAllocator, _ mark: UInt8, size: Int = size) -> UnsafeMutableRawPointer {
        let block = allocator.allocate(size)
        memset(block, Int32(mark), size)
        return block
    }

    private func isFilled(_ block: UnsafeMutableRawPointer, _ mark: UInt8) -> Bool {
        block.load(as: UInt8.self) == mark && memcmp(block, block + 1, Self.size - 1) == 0
    }

    private func freeDiscarded(_ allocator: SlabAllocator) {
        while allocator.hasDiscarded { allocator.freeDiscarded() }
    }

    @Test func whatIsFreedStaysForItsReaders() throws {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        let block = filled(allocator, 1)
        let used = allocator.usedBytes
        var first = allocator.pin(block)
        var second = allocator.pin(block)
        #expect(first === second && allocator.hasPinned && allocator.isPinned(block))
        allocator.deallocate(block)
        first = nil
        #expect(allocator.usedBytes == used && isFilled(block, 1))
        second = nil
        #expect(!allocator.hasPinned)
        freeDiscarded(allocator)
        #expect(allocator.usedBytes == 0)
        allocator.checkInvariants()
        withExtendedLifetime((first, second)) {}
    }

    @Test func whatIsReadNoLongerIsAsBefore() {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        let block = filled(allocator, 1)
        _ = allocator.pin(block)
        #expect(!allocator.isPinned(block) && isFilled(block, 1))
        let grown = allocator.reallocate(block, size: 3 * Self.size, keeping: Self.size)
        #expect(isFilled(grown, 1))
        allocator.deallocate(grown)
        #expect(allocator.usedBytes == 0)
    }

    @Test(arguments: [size / 2, 2 * size, 1000]) func whatMovesIsCopied(newSize: Int) {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        let block = filled(allocator, 1)
        let pin = allocator.pin(block)
        let moved = allocator.reallocate(block, size: newSize, keeping: min(newSize, Self.size))
        #expect(moved != block && memcmp(moved, block, min(newSize, Self.size)) == 0)
        memset(moved, 2, newSize)
        #expect(isFilled(block, 1))
        allocator.deallocate(moved)
        withExtendedLifetime(pin) {}
    }

    @Test(arguments: [false, true]) func itOutlivesItsAllocator(isFreedBefore: Bool) {
        let allocator = SlabAllocator()
        let blocks = [filled(allocator, 1), filled(allocator, 2), filled(allocator, 3, size: 40 << 20)]
        let pins = blocks.map { allocator.pin($0) }
        let other = filled(allocator, 4)
        if isFreedBefore { for block in blocks { allocator.deallocate(block) } }
        while !allocator.releaseSlice() {}
        for (index, block) in blocks.enumerated() { #expect(isFilled(block, UInt8(index + 1))) }
        #expect(pins.allSatisfy { $0?.isCountedByEngine == false })
        withExtendedLifetime((pins, other)) {}
    }

    /// It counts as in use of the next one, whose other blocks are its own.
    @Test func theNextAllocatorHasIt() {
        let (allocator, heir) = (SlabAllocator(), SlabAllocator())
        let block = filled(allocator, 1)
        let own = filled(heir, 2)
        let used = heir.usedBytes
        var pin = allocator.pin(block)
        while !allocator.releaseSlice(leavingPinnedTo: heir) {}
        #expect(heir.usedBytes == 2 * used && isFilled(block, 1) && pin?.isCountedByEngine == true && heir.hasPinned)
        heir.checkInvariants()
        pin = nil
        freeDiscarded(heir)
        #expect(heir.usedBytes == used && !heir.hasPinned)
        heir.deallocate(own)
        let last = heir.pin(filled(heir, 3))
        while !heir.releaseSlice() {}
        withExtendedLifetime((pin, last)) {}
    }

    @Test func runsOfPagesAreNotPinned() {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        allocator.returnsLarge = true
        let block = filled(allocator, 1)
        #expect(!allocator.usesRun(for: Self.size) || allocator.pin(block) == nil)
        allocator.deallocate(block)
    }
}
