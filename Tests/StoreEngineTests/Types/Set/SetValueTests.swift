// Sets against a naive model: sets of all encodings with random operations, random draws, the algebra of sets, and memory all given back.

import RespCodec
import TestSupport
import Testing

@testable import StoreEngine

struct SetValueTests {
    private func run(_ engine: Engine, _ words: [String]) -> String {
        String(decoding: engine.execute(words.map { Array($0.utf8) }, version: .resp2), as: UTF8.self)
    }

    /// The elements of a reply that is an array of bulk strings without line ends.
    private func elements(_ reply: String) -> [String] {
        let lines = reply.split(separator: "\r\n", omittingEmptySubsequences: false)
        return stride(from: 2, to: lines.count - 1, by: 2).map { String(lines[$0]) }
    }

    private static func member(_ number: Int, kind: Int) -> String {
        switch kind {
        case 0: "\(number)"
        case 1: "member:\(number)"
        case 2: number % 2 == 0 ? "\(number * 100_000 - 3_000_000)" : "m\(number)"
        default:
            number % 40 == 0 ? String(repeating: "x", count: 250 + number) : "\(number % 3 == 0 ? "n" : "")\(number)"
        }
    }

    /// Random members come and go; thresholds are small, so that every encoding is met and passed.
    @Test(arguments: [(1, 0), (2, 1), (3, 2), (4, 3), (5, 0), (6, 1), (7, 2), (8, 3)])
    func agreesWithASet(seed: UInt64, kind: Int) {
        let engine = Engine(seed: seed)
        engine.settings.setMaxIntsetEntries = 40
        engine.settings.setMaxPackedEntries = 25
        var random = RandomSource(seed: TestSeed.fixed(seed))
        var model: Set<String> = []
        // Dropping the table's first page would count as a leak: it stays with the engine.
        _ = run(engine, ["SADD", "other", "x"])
        let empty = engine.dataBytes
        for step in 0..<6000 {
            let range = [10, 60, 3000][step / 50 % 3]
            let member = Self.member(random.below(range), kind: kind)
            switch random.below(step / 2000 % 2 == 0 ? 6 : 9) {
            case 0...2:
                #expect(run(engine, ["SADD", "s", member]) == (model.insert(member).inserted ? ":1\r\n" : ":0\r\n"))
            case 3:
                let more = (0..<random.below(40) + 1).map { _ in Self.member(random.below(range), kind: kind) }
                let added = Set(more).subtracting(model).count
                #expect(run(engine, ["SADD", "s"] + more) == ":\(added)\r\n")
                model.formUnion(more)
            case 4:
                #expect(run(engine, ["SISMEMBER", "s", member]) == (model.contains(member) ? ":1\r\n" : ":0\r\n"))
            case 5, 6:
                #expect(run(engine, ["SREM", "s", member]) == (model.remove(member) != nil ? ":1\r\n" : ":0\r\n"))
            case 7:
                let count = random.below(10) == 0 ? model.count - model.count / 8 : random.below(12)
                let popped = elements(run(engine, ["SPOP", "s", "\(count)"]))
                #expect(Set(popped).count == min(count, model.count) && model.isSuperset(of: popped))
                model.subtract(popped)
            default:
                let count = random.below(20)
                let drawn = elements(run(engine, ["SRANDMEMBER", "s", "\(count)"]))
                #expect(Set(drawn).count == drawn.count && drawn.count == min(count, model.count))
                #expect(model.isSuperset(of: drawn))
            }
            if step % 100 == 0 {
                #expect(Set(elements(run(engine, ["SMEMBERS", "s"]))) == model)
                #expect(run(engine, ["SCARD", "s"]) == ":\(model.count)\r\n")
            }
        }
        _ = run(engine, ["SPOP", "s", "1000000"])
        #expect(run(engine, ["EXISTS", "s"]) == ":0\r\n")
        while engine.hasGarbage { engine.freeSlice() }
        #expect(engine.dataBytes == empty)
    }

    /// Sets of every encoding and size, in every operation, against the sets of the language.
    @Test(arguments: [1, 2, 3]) func algebraAgreesWithSets(seed: UInt64) {
        let engine = Engine(seed: seed)
        engine.settings.setMaxIntsetEntries = 100
        engine.settings.setMaxPackedEntries = 50
        var random = RandomSource(seed: TestSeed.fixed(seed))
        _ = run(engine, ["SADD", "other", "x"])
        let empty = engine.dataBytes
        for _ in 0..<250 {
            let count = random.below(10) == 0 ? 24 : random.below(4) + 1
            let names = (0..<count).map { "s\($0)" }
            var models: [Set<String>] = []
            for name in names {
                let kind = random.below(4)
                let size = [0, 1, 30, 80, 700][random.below(5)]
                let range = max(1, size + random.below(size + 1))
                let members = (0..<size).map { _ in Self.member(random.below(range), kind: kind) }
                if !members.isEmpty { _ = run(engine, ["SADD", name] + members) }
                models.append(Set(members))
            }
            // Some of them twice.
            var keys = names
            if random.below(4) == 0 {
                let double = random.below(count)
                keys.append(names[double])
                models.append(models[double])
            }
            let expected = [
                "INTER": models.dropFirst().reduce(models[0]) { $0.intersection($1) },
                "UNION": models.reduce([]) { $0.union($1) },
                "DIFF": models.dropFirst().reduce(models[0]) { $0.subtracting($1) },
            ]
            for (name, result) in expected {
                let found = elements(run(engine, ["S\(name)"] + keys))
                #expect(found.count == result.count && Set(found) == result)
                #expect(run(engine, ["S\(name)STORE", "d"] + keys) == ":\(result.count)\r\n")
                #expect(Set(elements(run(engine, ["SMEMBERS", "d"]))) == result)
                #expect(run(engine, ["S\(name)CARD", "\(keys.count)"] + keys) == ":\(result.count)\r\n")
                let limit = random.below(result.count + 2) + 1
                let counted = run(engine, ["S\(name)CARD", "\(keys.count)"] + keys + ["LIMIT", "\(limit)"])
                #expect(counted == ":\(min(limit, result.count))\r\n")
            }
            _ = run(engine, ["DEL", "d"] + names)
            while engine.hasGarbage { engine.freeSlice() }
            #expect(engine.dataBytes == empty)
        }
    }

    /// A set that was once large is popped to its end: random draws stay fair and finds what is left.
    @Test func largeSetsArePoppedToTheirEnd() {
        let engine = Engine(seed: 9)
        let total = 100_000
        for start in stride(from: 0, to: total, by: 1000) {
            _ = run(engine, ["SADD", "s"] + (start..<start + 1000).map { "member:\($0)" })
        }
        // The mean place of the first tenth tells whether some are preferred.
        var sum = 0
        for step in 0..<total {
            let popped = elements("*1\r\n" + run(engine, ["SPOP", "s"]))
            #expect(popped.count == 1)
            if step < total / 10 { sum += Int(popped[0].dropFirst(7)) ?? 0 }
        }
        let mean = Double(sum) / Double(total / 10)
        #expect(abs(mean - Double(total) / 2) < 2000)
        #expect(run(engine, ["EXISTS", "s"]) == ":0\r\n")
    }

    /// While segments split, entries of those that have and of those that have not are drawn alike.
    @Test func randomMembersAreFairWhateverTheDepthOfTheSegments() {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        let table = SetTable(allocator: allocator, hash: KeyHash(seed: 5))
        // Until segments of two depths are side by side.
        var depths: [UInt64: Int] = [:]
        var number = 0
        while Set(depths.values).count < 2 {
            depths = [:]
            for _ in 0..<50 {
                Array("m\(number)".utf8).withByteSlice { _ = table.add($0) }
                number += 1
            }
            table.table.forEachSegment { segment in
                for bucket in 0..<segment.bucketCount {
                    for index in 0..<Segment.slotsPerBucket {
                        let word = unsafe segment.bucket(bucket)[index]
                        if word != 0 { depths[word & SlotWord.pointerMask] = unsafe Int(segment.header.pointee.depth) }
                    }
                }
            }
        }
        var random = RandomSource(seed: TestSeed.fixed(6))
        var drawn: [Int: Int] = [:]
        let draws = 200_000
        for _ in 0..<draws {
            let block = unsafe UInt64(UInt(bitPattern: table.table.random(using: &random)))
            drawn[depths[block] ?? -1, default: 0] += 1
        }
        for (depth, count) in Dictionary(grouping: depths.values, by: { $0 }).mapValues(\.count) {
            let expected = Double(draws) * Double(count) / Double(table.count)
            #expect(abs(Double(drawn[depth] ?? 0) - expected) < expected * 0.03)
        }
        var next: Int? = 0
        while let index = next { next = table.deallocateSlice(from: index, budget: 100) }
        #expect(allocator.usedBytes == 0)
    }
}
