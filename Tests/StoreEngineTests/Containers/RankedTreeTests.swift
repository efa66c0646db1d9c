// The tree against a sorted array: random operations with scores of few and of many values, its invariants after each batch.

import RespCodec
import TestSupport
import Testing

@testable import StoreEngine

/// Members with scores in a tree, and the same in a sorted array.
private struct TreeAndArray {
    let allocator = SlabAllocator()
    var tree: RankedTree<ScoredMemberLayout>
    var model: [(score: Double, member: [UInt8])] = []
    private var blocks: [[UInt8]: MemberBlock] = [:]

    init() { tree = RankedTree(allocator: allocator) }

    private func isBefore(_ left: (score: Double, member: [UInt8]), _ right: (score: Double, member: [UInt8])) -> Bool {
        if left.score != right.score { return left.score < right.score }
        return left.member.withByteSlice { left in right.member.withByteSlice { left < $0 } }
    }

    private func place(_ entry: (score: Double, member: [UInt8])) -> Int {
        var low = 0
        var high = model.count
        while low < high {
            let middle = (low + high) / 2
            if isBefore(model[middle], entry) { low = middle + 1 } else { high = middle }
        }
        return low
    }

    mutating func set(_ member: [UInt8], _ score: Double) {
        if let block = blocks[member] {
            model.remove(at: place((block.score, member)))
            unsafe tree.move(block.address, from: block.score, to: score)
            block.score = score
        } else {
            let block = member.withByteSlice { MemberBlock(allocator, $0, score) }
            unsafe tree.insert(score, block.address)
            blocks[member] = block
        }
        model.insert((score, member), at: place((score, member)))
    }

    mutating func remove(_ member: [UInt8]) {
        guard let block = blocks.removeValue(forKey: member) else { return }
        model.remove(at: place((block.score, member)))
        unsafe tree.remove(block.score, block.address)
        unsafe allocator.deallocate(block.address)
    }

    mutating func remove(ranks: Range<Int>) {
        var left = ranks.count
        while left > 0 {
            left -= tree.removeSome(fromRank: ranks.lowerBound, atMost: left) { block in
                unsafe blocks[MemberBlock(block).member.array] = nil
                unsafe allocator.deallocate(block)
            }
        }
        model.removeSubrange(ranks)
    }

    mutating func rebuild() {
        let sorted = model.map { unsafe RankedEntry($0.score, blocks[$0.member]!.address) }
        var old = tree
        while !old.deallocateSlice(budget: 7) {}
        tree = RankedTree(allocator: allocator)
        unsafe sorted.withUnsafeBufferPointer { unsafe tree.build($0) }
    }

    func check(using random: inout RandomSource) {
        tree.checkInvariants()
        #expect(tree.count == model.count)
        for (rank, entry) in model.enumerated() where model.count < 100 || random.below(10) == 0 {
            let found = unsafe tree.entry(atRank: rank)
            #expect(found.score == entry.score)
            unsafe #expect(MemberBlock(found.block).member.array == entry.member)
            #expect(entry.member.withByteSlice { tree.rank(entry.score, $0) } == rank)
        }
        for _ in 0..<4 where !model.isEmpty {
            let start = random.below(model.count)
            let reversed = random.below(2) == 0
            let count = 1 + random.below(reversed ? start + 1 : model.count - start)
            var seen: [[UInt8]] = []
            unsafe tree.forEach(from: start, count: count, reversed: reversed) { _, block in
                unsafe seen.append(MemberBlock(block).member.array)
                return true
            }
            let wanted = reversed ? model[start - count + 1...start].reversed() : Array(model[start..<start + count])
            #expect(seen == wanted.map(\.member))
            let score = model[start].score
            #expect(tree.count(below: score, includingEqual: false) == model.count { $0.score < score })
            #expect(tree.count(below: score, includingEqual: true) == model.count { $0.score <= score })
            #expect(unsafe tree.rank { other, _ in other < score } == model.count { $0.score < score })
        }
    }

    mutating func deallocate() {
        while !tree.deallocateSlice(budget: 3) {}
        for block in blocks.values { unsafe allocator.deallocate(block.address) }
        #expect(allocator.usedBytes == 0)
        allocator.checkInvariants()
        while !allocator.releaseSlice() {}
    }
}

struct RankedTreeTests {
    private static func member(_ number: Int) -> [UInt8] { Array("member:\(number)".utf8) }

    /// Grows, then shrinks; few scores make most entries ties.
    @Test(arguments: [1, 2, 3, 4], [1, 10, 1_000_000]) func agreesWithAnArray(seed: UInt64, scores: Int) {
        var both = TreeAndArray()
        var random = RandomSource(seed: TestSeed.fixed(seed))
        for step in 0..<24_000 {
            let member = Self.member(random.below(6000))
            if random.below(100) < (step < 12_000 ? 15 : 80) {
                both.remove(member)
            } else {
                both.set(member, Double(random.below(scores) - scores / 2) / 4)
            }
            if step % 1500 == 0 { both.check(using: &random) }
        }
        both.check(using: &random)
        both.rebuild()
        both.check(using: &random)
        for number in 0..<6000 { both.remove(Self.member(number)) }
        both.check(using: &random)
        #expect(both.tree.count == 0)
        both.deallocate()
    }

    /// Ranges of every length go, of leaves, of whole branches, and of all.
    @Test(arguments: [1, 2, 3], [1, 40, 1_000_000]) func removesRanges(seed: UInt64, scores: Int) {
        var both = TreeAndArray()
        var random = RandomSource(seed: TestSeed.fixed(seed))
        for number in 0..<8000 { both.set(Self.member(number), Double(random.below(scores))) }
        while both.tree.count > 0 {
            let start = random.below(both.tree.count)
            let most = [1, 3, 70, 700, 8000][random.below(5)]
            both.remove(ranks: start..<min(start + 1 + random.below(most), both.tree.count))
            both.check(using: &random)
            for number in 0..<random.below(200) { both.set(Self.member(number), Double(random.below(scores))) }
            both.check(using: &random)
            if both.tree.count < 1000 { both.remove(ranks: 0..<both.tree.count) }
        }
        both.check(using: &random)
        both.deallocate()
    }

    @Test func ordersEverySmallSet() {
        var random = RandomSource(seed: TestSeed.fixed(5))
        for count in 0..<200 {
            var both = TreeAndArray()
            for number in 0..<count { both.set(Self.member(number * 7919 % 211), Double(number * 31 % 17)) }
            both.check(using: &random)
            both.rebuild()
            both.check(using: &random)
            for number in 0..<count / 2 { both.remove(Self.member(number * 7919 % 211)) }
            both.check(using: &random)
            both.deallocate()
        }
    }

    /// Entries in ascending or descending order fill the leaves, and entries in any order fill most of them.
    @Test func leavesAreFull() {
        var ascending = TreeAndArray()
        var descending = TreeAndArray()
        var mixed = TreeAndArray()
        var random = RandomSource(seed: TestSeed.fixed(3))
        for number in 0..<20_000 {
            ascending.set(Self.member(number), Double(number))
            descending.set(Self.member(number), Double(-number))
            mixed.set(Self.member(number), Double(random.next() >> 12))
        }
        let least = 20_000 / RankedNode.capacity * RankedLeaf.size
        #expect(ascending.tree.ownByteCount < least * 106 / 100)
        #expect(descending.tree.ownByteCount < least * 106 / 100)
        #expect(mixed.tree.ownByteCount < least * 128 / 100)
        for number in 0..<20_000 { ascending.remove(Self.member(number)) }
        ascending.check(using: &random)
        ascending.deallocate()
        descending.check(using: &random)
        descending.deallocate()
        mixed.check(using: &random)
        mixed.deallocate()
    }

    @Test func infinitiesAndZeros() {
        var both = TreeAndArray()
        var random = RandomSource(seed: TestSeed.fixed(1))
        let scores: [Double] = [
            .infinity, -.infinity, 0, -0.0, .leastNonzeroMagnitude, -.leastNonzeroMagnitude, 1.7e308, -1.7e308,
        ]
        for number in 0..<2000 { both.set(Self.member(number), scores[number % scores.count]) }
        both.check(using: &random)
        for number in 0..<2000 { both.set(Self.member(number), scores[number * 3 % scores.count]) }
        both.check(using: &random)
        both.deallocate()
    }
}
