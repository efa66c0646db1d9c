// Random entries of tables: each as likely as any other, and found in a few steps, whatever the table has been through. What is counted
// is the segments and slots that were looked at; the seeds are fixed, so a result is always the same.

import RespCodec
import TestSupport
import Testing

@testable import StoreEngine

struct SegmentedTableRandomTests {
    private static func key(_ number: Int) -> [UInt8] { Array("key:\(number)".utf8) }

    private static func add(_ numbers: Range<Int>, to set: SetTable) {
        for number in numbers { key(number).withByteSlice { _ = set.add($0) } }
    }

    private static func remove(_ keys: [[UInt8]], from set: SetTable) {
        for key in keys { key.withByteSlice { #expect(set.remove($0)) } }
    }

    /// All members in the order of the table.
    private static func members(_ set: SetTable) -> [[UInt8]] {
        var members: [[UInt8]] = []
        _ = set.visit {
            members.append($0.array)
            return true
        }
        return members
    }

    /// What becomes of a table of 120,000 members before it is drawn from.
    enum History: CaseIterable {
        case grown
        /// Random members were removed until 500 were left.
        case thinned
        /// Members were removed in the order of a scan, until 500 were left.
        case scannedAway
        /// Of each ten segments or so, all but one were emptied.
        case holed
        case alone

        func apply(to set: SetTable) {
            SegmentedTableRandomTests.add(0..<60_000, to: set)
            switch self {
            case .grown: break
            case .thinned:
                SegmentedTableRandomTests.remove((500..<60_000).map { SegmentedTableRandomTests.key($0) }, from: set)
            case .scannedAway:
                SegmentedTableRandomTests.remove(Array(SegmentedTableRandomTests.members(set).dropLast(500)), from: set)
            case .holed:
                let members = SegmentedTableRandomTests.members(set)
                SegmentedTableRandomTests.remove(
                    members.indices.filter { $0 / 300 % 10 != 0 }.map { members[$0] }, from: set)
            case .alone:
                SegmentedTableRandomTests.remove((1..<60_000).map { SegmentedTableRandomTests.key($0) }, from: set)
            }
        }
    }

    @Test(arguments: History.allCases) func aDrawTakesAFewSteps(history: History) {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        let set = SetTable(allocator: allocator, hash: KeyHash(seed: 11))
        history.apply(to: set)
        set.table.checkInvariants()
        var random = RandomSource(seed: TestSeed.fixed(5))
        var steps = 0
        for _ in 0..<10_000 { steps += set.table.draw(using: &random).steps }
        #expect(steps < 10_000 * 20, "\(history): \(steps) steps for 10,000 draws of \(set.count) members")
    }

    @Test(arguments: History.allCases) func eachMemberIsAsLikelyAsAnyOther(history: History) {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        let set = SetTable(allocator: allocator, hash: KeyHash(seed: 12))
        history.apply(to: set)
        var random = RandomSource(seed: TestSeed.fixed(6))
        var counts: [UnsafeMutableRawPointer: Int] = [:]
        let draws = min(set.count * 50, 300_000)
        for _ in 0..<draws { unsafe counts[set.table.random(using: &random), default: 0] += 1 }
        // The square sum is about as large as the degrees of freedom; five standard deviations more would be a fault.
        let expected = Double(draws) / Double(set.count)
        var squares = Double(set.count - counts.count) * expected
        for (_, count) in unsafe counts {
            squares += (Double(count) - expected) * (Double(count) - expected) / expected
        }
        let freedom = Double(set.count - 1)
        #expect(abs(squares - freedom) < 5 * (2 * freedom).squareRoot() + 1, "\(history): \(squares) for \(freedom)")
    }

    @Test(arguments: [10, 200, 2000, 2999, 3000]) func selectionsAreOfDifferentMembersAndFair(wanted: Int) {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        let set = SetTable(allocator: allocator, hash: KeyHash(seed: 13))
        Self.add(0..<3000, to: set)
        var random = RandomSource(seed: TestSeed.fixed(7))
        var counts: [UInt64: Int] = [:]
        let rounds = max(30, 60_000 / wanted)
        for _ in 0..<rounds {
            var selected: Set<UInt64> = []
            set.table.visitRandom(wanted, using: &random) { #expect(selected.insert($0).inserted) }
            #expect(selected.count == wanted)
            for word in selected { counts[word, default: 0] += 1 }
        }
        let probability = Double(wanted) / 3000
        let expected = Double(rounds) * probability
        var squares = Double(3000 - counts.count) * expected
        for (_, count) in counts { squares += (Double(count) - expected) * (Double(count) - expected) / expected }
        // Members are drawn without being put back, so they vary less.
        let freedom = 2999 * (1 - probability)
        #expect(
            abs(squares - freedom) <= 5 * (2 * 2999.0).squareRoot() * (1 - probability), "\(squares) for \(freedom)")
    }

    @Test func takingOutHalfOfALargeSetTakesAFewStepsEach() {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        let set = SetTable(allocator: allocator, hash: KeyHash(seed: 14))
        Self.add(0..<60_000, to: set)
        var random = RandomSource(seed: TestSeed.fixed(8))
        var steps = 0
        while set.count > 100 {
            let (slot, taken) = set.table.draw(using: &random)
            steps += taken
            let member = unsafe MemberEntry(set.table.entry(at: slot)).member.array
            #expect(member.withByteSlice { set.remove($0) })
        }
        set.table.checkInvariants()
        #expect(steps < 60_000 * 12, "\(steps) steps")
        #expect(set.table.segmentCount < 8 && set.table.depth < 4, "\(set.table.segmentCount) segments for 100 members")
    }
}
