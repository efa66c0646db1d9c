// The filter against counts in a dictionary: it may say yes too often, but never no for a key that was added.

import RespCodec
import StoreEngine
import TestSupport
import Testing

@testable import RespServer

@Suite struct KeyFilterTests {
    private let filter = KeyFilter(engine: Engine(databases: 1, seed: 1))

    private func key(_ number: Int) -> [UInt8] { Array("key:\(number)".utf8) }
    private func mayHold(_ number: Int) -> Bool { key(number).withByteSlice { filter.mayHold($0) } }

    @Test func noKeyThatWasAddedIsDenied() {
        var random = SeededRandom(seed: TestSeed.ofRun)
        var counts: [Int: Int] = [:]
        for _ in 0..<20_000 {
            let number = random.below(2000)
            if random.below(2) == 0 {
                filter.add(key(number))
                counts[number, default: 0] += 1
            } else if let count = counts[number] {
                filter.remove(key(number))
                counts[number] = count > 1 ? count - 1 : nil
            }
            #expect(counts[number] == nil || mayHold(number))
        }
        for number in counts.keys { #expect(mayHold(number)) }
        for (number, count) in counts { for _ in 0..<count { filter.remove(key(number)) } }
        #expect((0..<2000).allSatisfy { !mayHold($0) })
    }

    @Test func fewKeysAreLetThroughByMistake() {
        for number in 0..<100 { filter.add(key(number)) }
        let mistaken = (100..<10_100).count { mayHold($0) }
        // 100 of 4096 places are taken at most.
        #expect(mistaken < 500, "\(mistaken) of 10,000")
    }
}
