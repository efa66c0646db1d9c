import TestSupport
import Testing

@testable import RespServer

@Suite struct PrefixSetTests {
    private func overlap(_ one: [UInt8], _ other: [UInt8]) -> Bool {
        one.starts(with: other) || other.starts(with: one)
    }

    /// Random prefixes of few letters: what is found is what a look at all pairs finds.
    @Test func overlapsAreThoseOfAllPairs() {
        var random = SeededRandom(seed: TestSeed.ofRun)
        for _ in 0..<3000 {
            let prefixes = (0..<Int.random(in: 0...6, using: &random)).map { _ in
                (0..<Int.random(in: 0...4, using: &random)).map { _ in UInt8.random(in: 97...98, using: &random) }
            }
            var wanted: (place: Int, other: Int)?
            for place in prefixes.indices where wanted == nil {
                if let other = prefixes[(place + 1)...].firstIndex(where: { overlap($0, prefixes[place]) }) {
                    wanted = (place, other)
                }
            }
            let found = PrefixSet.firstOverlap(in: prefixes)
            #expect(found?.place == wanted?.place && found?.other == wanted?.other, "\(prefixes)")

            var set = PrefixSet()
            for prefix in prefixes {
                let first = set.first { overlap($0, prefix) }
                #expect(set.firstOverlap(with: prefix) == first, "\(Array(set)) \(prefix)")
                if first == nil { set.insert(prefix) }
                #expect(zip(set, set.dropFirst()).allSatisfy { $0.lexicographicallyPrecedes($1) })
            }
        }
    }

    /// A look for overlaps compares as many prefixes as the logarithm says, wherever the prefix belongs.
    @Test(arguments: [100, 10_000]) func aLookCostsTheLogarithm(count: Int) {
        var set = PrefixSet()
        for number in 0..<count { set.insert(Array(String(count + number).utf8)) }
        let most = Int.bitWidth - count.leadingZeroBitCount
        for number in stride(from: 0, to: count, by: 37) {
            let before = set.steps.count
            #expect(set.firstOverlap(with: Array("\(count + number)x".utf8)) == Array(String(count + number).utf8))
            #expect(set.steps.count - before <= most)
        }
    }

    /// So do all prefixes of a request among each other: each a few times, and the sorting.
    @Test(arguments: [100, 10_000], [true, false]) func aRequestCostsNLogN(count: Int, areNested: Bool) {
        var random = SeededRandom(seed: TestSeed.ofRun)
        let prefixes = (0..<count).shuffled(using: &random).map { number in
            areNested && number < 100 ? [UInt8](repeating: 0x61, count: number) : Array(String(count + number).utf8)
        }
        let steps = StepCounter()
        let found = PrefixSet.firstOverlap(in: prefixes, steps)
        #expect((found != nil) == areNested)
        #expect(steps.count <= count * 3 * (Int.bitWidth - count.leadingZeroBitCount))
    }
}
