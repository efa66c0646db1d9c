// The sorted array of integers in every state of a small size, and with random operations against a naive model.

import RespCodec
import TestSupport
import Testing

@testable import StoreEngine

struct IntegerSetTests {
    private static let values = [
        0, 1, -1, 7, 32767, -32768, 32768, -32769, 2_147_483_647, -2_147_483_648, 2_147_483_648, -2_147_483_649,
        Int.max, Int.min,
    ]

    private func contents(_ set: IntegerSet) -> [Int] { (0..<set.count).map { set[$0] } }

    /// Every selection of up to three values, inserted in every order.
    @Test func holdsEverySmallSet() {
        let width = [2: 2, 4: 4, 8: 8]
        unsafe withUnsafeTemporaryAllocation(byteCount: 64, alignment: 8) { buffer in
            for first in Self.values {
                for second in Self.values {
                    for third in Self.values {
                        let set = unsafe IntegerSet.makeEmpty(at: buffer.baseAddress!)
                        var model: Set<Int> = []
                        for value in [first, second, third] {
                            let (index, isFound) = set.place(of: value)
                            #expect(isFound == model.contains(value))
                            guard model.insert(value).inserted else { continue }
                            let size = set.byteCount(adding: value)
                            set.insert(value, at: index)
                            #expect(set.byteCount == size)
                        }
                        set.checkInvariants()
                        #expect(contents(set) == model.sorted())
                        #expect(width[set.width] == model.map { IntegerSet.width(of: $0) }.max())
                        for value in Self.values { #expect(set.contains(value) == model.contains(value)) }
                        set.removeAll { $0 < 0 }
                        #expect(contents(set) == model.filter { $0 >= 0 }.sorted())
                        while set.count > 0 { set.remove(at: set.count / 2) }
                        #expect(contents(set) == [])
                    }
                }
            }
        }
    }

    @Test(arguments: [1, 2, 3]) func goesThroughAlongsideAnother(seed: UInt64) {
        var random = RandomSource(seed: TestSeed.fixed(seed))
        unsafe withUnsafeTemporaryAllocation(byteCount: 40_000, alignment: 8) { buffer in
            for step in 0..<400 {
                let sizes = [[0, 1, 5, 100][random.below(4)], [0, 1, 5, 100, 2000][random.below(5)]]
                let range = [50, 5000, 1 << 40][step % 3]
                var models: [Set<Int>] = [[], []]
                let sets = unsafe [
                    IntegerSet.makeEmpty(at: buffer.baseAddress!),
                    IntegerSet.makeEmpty(at: buffer.baseAddress! + 20_000),
                ]
                for (place, set) in sets.enumerated() {
                    for _ in 0..<sizes[place] {
                        let value = random.below(2 * range) - range
                        if models[place].insert(value).inserted { set.insert(value, at: set.place(of: value).index) }
                    }
                }
                for areWanted in [true, false] {
                    let wanted = models[0].filter { models[1].contains($0) == areWanted }.sorted()
                    var seen: [Int] = []
                    let isWhole = sets[0].visit(areWanted, in: sets[1]) {
                        seen.append($0)
                        return true
                    }
                    #expect(isWhole && seen == wanted)
                    seen = []
                    let isCut = !sets[0].visit(areWanted, in: sets[1]) {
                        seen.append($0)
                        return seen.count < 3
                    }
                    #expect(seen == Array(wanted.prefix(3)) && isCut == (wanted.count >= 3))
                }
            }
        }
    }

    @Test(arguments: [1, 2, 3]) func agreesWithASet(seed: UInt64) {
        var random = RandomSource(seed: TestSeed.fixed(seed))
        unsafe withUnsafeTemporaryAllocation(byteCount: 20_000, alignment: 8) { buffer in
            let set = unsafe IntegerSet.makeEmpty(at: buffer.baseAddress!)
            var model: Set<Int> = []
            for step in 0..<8000 {
                let range = step < 5000 ? 600 : step < 10_000 ? 100_000 : 1 << 40
                let value = random.below(2 * range) - range
                let (index, isFound) = set.place(of: value)
                #expect(isFound == model.contains(value))
                if isFound {
                    set.remove(at: index)
                    model.remove(value)
                } else if model.count < 2000 {
                    set.insert(value, at: index)
                    model.insert(value)
                } else {
                    set.removeAll { $0 % 3 == 0 }
                    model = model.filter { $0 % 3 != 0 }
                }
                if step % 1000 == 0 {
                    set.checkInvariants()
                    #expect(contents(set) == model.sorted())
                }
            }
        }
    }
}
