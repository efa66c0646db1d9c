// Goal: no heavy key is missed, and no count is larger than the truth. Method: random amounts for many keys, few of them heavy, compared
// with exact sums; steps are counted.

import StoreEngine
import TestSupport
import Testing

@testable import RespServer

@Suite struct HeavyHittersTests {
    private func key(_ number: Int) -> [UInt8] { Array("key:\(number)".utf8) }

    private func add(_ amount: Int, to key: [UInt8], _ hitters: inout HeavyHitters) {
        let hash = key.reduce(UInt64(5381)) { ($0 &* 33) ^ UInt64($1) }
        key.withByteSlice { hitters.add(amount, to: $0, hash: hash) }
    }

    @Test func whileThereIsRoomCountsAreExact() {
        var hitters = HeavyHitters(capacity: 5)
        for (number, amount) in [(1, 10), (2, 5), (1, 1), (3, 7), (4, 7), (5, 0)] {
            add(amount, to: key(number), &hitters)
        }
        #expect(hitters.total == 30)
        #expect(hitters.largest(10).map(\.count) == [11, 7, 7, 5])
        #expect(hitters.largest(3).map(\.key) == [key(1), key(3), key(4)])
        #expect(hitters.largest(0).isEmpty)
    }

    @Test func heavyKeysAreNeverMissed() {
        let seed = TestSeed.ofRun
        var random = RandomSource(seed: TestSeed.fixed(seed))
        for capacity in [1, 2, 3, 16, 100] {
            var hitters = HeavyHitters(capacity: capacity)
            var sums: [[UInt8]: Int] = [:]
            for _ in 0..<20_000 {
                let one = key(random.below(3) == 0 ? random.below(3) : random.below(5000))
                let amount = 1 + random.below(100)
                add(amount, to: one, &hitters)
                sums[one, default: 0] += amount
            }
            let found = hitters.largest(capacity)
            #expect(found.count == capacity && hitters.total == sums.values.reduce(0, +))
            for (one, count) in found { #expect(count <= sums[one]!, "seed \(seed)") }
            for (one, sum) in sums where sum > hitters.total / capacity {
                #expect(found.contains { $0.key == one }, "seed \(seed), capacity \(capacity)")
            }
        }
    }

    /// An amount moves a counter by as many levels of the heap as there are at most, whichever keys it is for.
    @Test(arguments: [16, 1024, 16_384]) func anAmountCostsTheLogarithm(capacity: Int) {
        var random = SeededRandom(seed: TestSeed.ofRun)
        var hitters = HeavyHitters(capacity: capacity)
        let levels = Int.bitWidth - capacity.leadingZeroBitCount
        for _ in 0..<3 * capacity {
            let before = hitters.steps.count
            add(1 + random.below(1000), to: key(random.below(2 * capacity)), &hitters)
            #expect(hitters.steps.count - before < levels)
        }
        #expect(hitters.steps.count > capacity)
    }

    @Test func samplesComeAsOftenAsTheRatioSays() {
        for ratio in [1, 2, 10, 1000] {
            var options = HotKeys.Options()
            options.ratio = ratio
            var keys = HotKeys(options, now: 0, totals: HotKeys.Totals(), seed: 7)
            let samples = 2000
            var requests = 0
            for _ in 0..<samples {
                let distance = keys.drawDistance()
                #expect(distance >= 1 && distance < 2 * ratio)
                requests += distance
            }
            #expect(abs(Double(requests) / Double(samples) / Double(ratio) - 1) < 0.1)
        }
    }
}
