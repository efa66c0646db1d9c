// The tree of ids against a sorted array, with random operations, and memory all given back.

import RespCodec
import TestSupport
import Testing

@testable import StoreEngine

private func id(_ milliseconds: UInt64, _ sequence: UInt64 = 0) -> StreamID {
    StreamID(milliseconds: milliseconds, sequence: sequence)
}

struct IDTreeTests {
    private func contents(_ tree: IDTree) -> [StreamID] {
        var found: [StreamID] = []
        var place = tree.first
        while let current = place {
            found.append(current.id)
            #expect(current.value == current.id.milliseconds &* 3 &+ current.id.sequence)
            place = current.next
        }
        return found
    }

    private func value(_ id: StreamID) -> UInt64 { id.milliseconds &* 3 &+ id.sequence }

    /// How many ids of a sorted array come before this one.
    private static func rank(of id: StreamID, in model: [StreamID]) -> Int {
        var (low, high) = (0, model.count)
        while low < high {
            let middle = (low + high) / 2
            if model[middle] < id { low = middle + 1 } else { high = middle }
        }
        return low
    }

    @Test(arguments: [1, 2, 3, 4]) func agreesWithASortedArray(seed: UInt64) {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        var random = RandomSource(seed: TestSeed.fixed(seed))
        var tree = IDTree()
        var model: [StreamID] = []
        for step in 0..<12_000 {
            let grows = random.below(100) < (step < 6000 ? 65 : 35)
            // In order, anywhere, or close together.
            let picked =
                switch random.below(3) {
                case 0: id(UInt64(step), UInt64(random.below(2)))
                case 1: id(UInt64(random.below(3000)), UInt64(random.below(3)))
                default: id(77, UInt64(random.below(400)))
                }
            let rank = Self.rank(of: picked, in: model)
            let isThere = rank < model.count && model[rank] == picked
            if grows {
                #expect(tree.insert(picked, value(picked), allocator) == !isThere, "seed \(seed), step \(step)")
                if !isThere { model.insert(picked, at: rank) }
            } else if random.below(4) > 0, let other = model.isEmpty ? nil : model[random.below(model.count)] {
                #expect(tree.remove(other, allocator) == value(other), "seed \(seed), step \(step)")
                model.remove(at: Self.rank(of: other, in: model))
            } else {
                #expect(tree.remove(picked, allocator) == (isThere ? value(picked) : nil), "seed \(seed), step \(step)")
                if isThere { model.remove(at: rank) }
            }
            #expect(tree.count == model.count)
            let place = Self.rank(of: picked, in: model)
            let after = place < model.count ? model[place] : nil
            let before = after == picked ? picked : place > 0 ? model[place - 1] : nil
            #expect(tree.place(atOrAfter: picked)?.id == after, "seed \(seed), step \(step)")
            #expect(tree.place(atOrBefore: picked)?.id == before, "seed \(seed), step \(step)")
            #expect((tree.find(picked) != nil) == (after == picked))
            #expect(tree.first?.id == model.first && tree.last?.id == model.last)
            if step % 200 == 0 {
                tree.checkInvariants()
                #expect(contents(tree) == model, "seed \(seed), step \(step)")
            }
        }
        tree.checkInvariants()
        #expect(contents(tree) == model)
        var place = tree.last
        for expected in model.reversed() {
            #expect(place?.id == expected)
            place = place?.previous
        }
        #expect(place == nil)
        var freed = 0
        while !tree.isEmpty {
            tree.removeFirstLeaf(allocator) { _ in freed += 1 }
            tree.checkInvariants()
        }
        #expect(freed == model.count && allocator.usedBytes == 0)
    }

    /// Ids that come at the end and go from the front, as those of a queue.
    @Test func queuesStaySmall() {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        var tree = IDTree()
        for number in 0..<20_000 as Range<UInt64> {
            #expect(tree.insert(id(number), 0, allocator) == true)
            if number >= 500 { #expect(tree.remove(id(number - 500), allocator) == 0) }
        }
        tree.checkInvariants()
        #expect(tree.count == 500 && allocator.usedBytes < 500 * 24 * 5 / 4 + 2000)
        tree.deallocate(allocator)
        #expect(allocator.usedBytes == 0)
    }

    /// What is left when most ids went, wherever they were.
    @Test func sparseLeavesAreJoined() {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        var tree = IDTree()
        for number in 0..<10_000 as Range<UInt64> { _ = tree.insert(id(number), 0, allocator) }
        for number in 0..<10_000 as Range<UInt64> where number % 50 != 0 { tree.remove(id(number), allocator) }
        tree.checkInvariants()
        #expect(tree.count == 200 && allocator.usedBytes < 200 * 24 * 4)
        tree.deallocate(allocator)
        #expect(allocator.usedBytes == 0)
    }
}
