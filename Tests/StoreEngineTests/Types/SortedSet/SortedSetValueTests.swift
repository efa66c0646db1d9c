// Sorted sets through the engine against a naive model, in both encodings, with the memory all given back at the end; and how
// scores are read and printed.

import RespCodec
import TestSupport
import Testing

@testable import StoreEngine

struct SortedSetValueTests {
    private func run(_ engine: Engine, _ words: String...) -> String {
        String(decoding: engine.execute(words.map { Array($0.utf8) }, version: .resp2), as: UTF8.self)
    }

    private func list(_ words: [String]) -> String {
        "*\(words.count)\r\n" + words.map { "$\($0.utf8.count)\r\n\($0)\r\n" }.joined()
    }

    /// A sorted set as plainly as it can be: members and scores, and all of them in their order.
    private struct Model {
        private var scores: [String: Int] = [:]
        private(set) var ordered: [(member: String, score: Int)] = []

        subscript(member: String) -> Int? {
            get { scores[member] }
            set {
                if let score = scores[member] { ordered.remove(at: place(of: member, score)) }
                if let newValue { ordered.insert((member, newValue), at: place(of: member, newValue)) }
                scores[member] = newValue
            }
        }

        func rank(of member: String) -> Int? { scores[member].map { place(of: member, $0) } }

        private func place(of member: String, _ score: Int) -> Int {
            var (low, high) = (0, ordered.count)
            while low < high {
                let middle = (low + high) / 2
                if (ordered[middle].score, ordered[middle].member) < (score, member) {
                    low = middle + 1
                } else {
                    high = middle
                }
            }
            return low
        }
    }

    /// Few members stay packed, many become a tree.
    @Test(arguments: [1, 2, 3], [40, 2000]) func agreesWithADictionary(seed: UInt64, members: Int) {
        let engine = Engine(seed: seed)
        let empty = engine.dataBytes
        var random = RandomSource(seed: TestSeed.fixed(seed))
        var model = Model()
        for step in 0..<6000 {
            let member = random.below(3) == 0 ? "\(random.below(members))" : "member:\(random.below(members))"
            let score = random.below(50) - 25
            switch random.below(12) {
            case 0...5:
                let isNew = model[member] == nil
                model[member] = score
                #expect(run(engine, "ZADD", "z", "\(score)", member) == ":\(isNew ? 1 : 0)\r\n")
            case 6:
                let sum = (model[member] ?? 0) + score
                model[member] = sum
                #expect(run(engine, "ZINCRBY", "z", "\(score)", member) == "$\("\(sum)".count)\r\n\(sum)\r\n")
            case 7:
                let had = model[member] != nil
                model[member] = nil
                #expect(run(engine, "ZREM", "z", member) == ":\(had ? 1 : 0)\r\n")
            case 8:
                let rank = model.rank(of: member)
                #expect(run(engine, "ZRANK", "z", member) == (rank.map { ":\($0)\r\n" } ?? "$-1\r\n"))
            case 9:
                let low = random.below(60) - 30
                let high = low + random.below(12)
                let found = model.ordered.filter { low <= $0.score && $0.score < high }.map(\.member)
                #expect(run(engine, "ZRANGEBYSCORE", "z", "\(low)", "(\(high)") == list(found))
                #expect(run(engine, "ZREVRANGEBYSCORE", "z", "(\(high)", "\(low)") == list(found.reversed()))
                #expect(run(engine, "ZCOUNT", "z", "\(low)", "(\(high)") == ":\(found.count)\r\n")
            case 10:
                guard let lowest = model.ordered.first else { continue }
                model[lowest.member] = nil
                #expect(run(engine, "ZPOPMIN", "z") == list([lowest.member, "\(lowest.score)"]))
            default:
                let start = random.below(members)
                let found = model.ordered.dropFirst(start).prefix(11).map(\.member)
                #expect(run(engine, "ZRANGE", "z", "\(start)", "\(start + 10)") == list(found))
            }
            if step % 1000 == 999 {
                let kept = model.ordered.flatMap { [$0.member, "\($0.score)"] }
                #expect(run(engine, "ZRANGE", "z", "0", "-1", "WITHSCORES") == list(kept))
                _ = run(engine, "COPY", "z", "copy", "REPLACE")
                #expect(run(engine, "ZRANGE", "copy", "0", "-1", "WITHSCORES") == list(kept))
                _ = run(engine, "ZUNIONSTORE", "sum", "2", "z", "copy", "WEIGHTS", "2", "-1")
                #expect(run(engine, "ZRANGE", "sum", "0", "-1", "WITHSCORES") == list(kept))
                while engine.hasGarbage { engine.freeSlice() }
            }
        }
        _ = run(engine, "DEL", "z", "copy", "sum")
        while engine.hasGarbage { engine.freeSlice() }
        #expect(engine.dataBytes == empty)
    }

    @Test func rangesOfRanksAreRemoved() {
        for count in [1, 5, 100, 200, 1000] {
            for first in [0, 1, count / 3, count - 1] {
                let engine = Engine(seed: 1)
                for number in 0..<count { _ = run(engine, "ZADD", "z", "\(number)", "m\(number)") }
                let last = min(first + count / 2, count - 1)
                let removed = max(0, last - first + 1)
                #expect(run(engine, "ZREMRANGEBYRANK", "z", "\(first)", "\(last)") == ":\(removed)\r\n")
                let left = (0..<count).filter { $0 < first || $0 > last }.map { "m\($0)" }
                #expect(run(engine, "ZRANGE", "z", "0", "-1") == list(left))
                #expect(run(engine, "EXISTS", "z") == ":\(left.isEmpty ? 0 : 1)\r\n")
            }
        }
    }

    // MARK: scores as text

    /// Every way to read a number gives what the C library makes of it.
    @Test(arguments: [1, 2]) func readsAsTheLibraryDoes(seed: UInt64) {
        var random = RandomSource(seed: TestSeed.fixed(seed))
        for _ in 0..<20_000 {
            var text = random.below(4) == 0 ? "-" : ""
            for _ in 0..<random.below(20) { text += "\(random.below(10))" }
            if random.below(3) > 0 { text += "." }
            for _ in 0..<random.below(12) { text += "\(random.below(10))" }
            let read = Array(text.utf8).withByteSlice { FloatingPoint64.parse($0) }
            #expect(
                read?.bitPattern
                    == Double(text.hasPrefix(".") || text.hasPrefix("-.") || text.hasSuffix(".") ? pad(text) : text)?
                    .bitPattern, "\(text)")
        }
    }

    /// Swift wants digits on both sides of the point.
    private func pad(_ text: String) -> String {
        let isNegative = text.hasPrefix("-")
        var digits = isNegative ? String(text.dropFirst()) : text
        if digits == "." || digits.isEmpty { return "" }
        if digits.hasPrefix(".") { digits = "0" + digits }
        if digits.hasSuffix(".") { digits += "0" }
        return (isNegative ? "-" : "") + digits
    }

    @Test func printsWhatReadsBack() {
        var random = RandomSource(seed: TestSeed.fixed(9))
        for _ in 0..<20_000 {
            let value = Double(bitPattern: random.next())
            guard value.isFinite else { continue }
            let text = FloatingPoint64.withText(value) { $0.description }
            #expect(Double(text) == value, "\(text)")
            #expect(text.utf8.count < FloatingPoint64.maximumLength)
        }
        for (value, text) in [
            (1e18, "1000000000000000000"), (1e19, "1e+19"), (-0.0, "-0"), (0.5, "0.5"), (1e-7, "1e-7"),
            (4_611_686_018_427_387_904, "4611686018427387904"), (123456.75, "123456.75"), (-1e-5, "-0.00001"),
            (1.5e300, "1.5e+300"), (Double.infinity, "inf"), (.leastNonzeroMagnitude, "5e-324"),
            (-1.2345678901234567e19, "-12345678901234567000"),
        ] {
            #expect(FloatingPoint64.withText(value) { $0.description } == text)
        }
    }
}
