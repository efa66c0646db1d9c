// The table against a dictionary, with random operations; its invariants after each batch; and what a scan promises.

import RespCodec
import Testing

@testable import StoreEngine

struct SegmentedTableTests {
    private static func key(_ number: Int) -> [UInt8] { Array("key:\(number)".utf8) }

    @Test(arguments: [1, 2, 3]) func agreesWithADictionary(seed: UInt64) {
        let allocator = SlabAllocator()
        let table = HashTable(allocator: allocator, hash: KeyHash(seed: seed))
        var model: [[UInt8]: [UInt8]] = [:]
        var random = RandomSource(seed: seed)
        for step in 0..<60_000 {
            // Growing first, then shrinking.
            let key = Self.key(random.below(8000))
            let removes = random.below(100) < (step < 30_000 ? 20 : 75)
            key.withByteSlice { key in
                if removes {
                    #expect(table.remove(key) == (model.removeValue(forKey: key.array) != nil))
                } else {
                    let value = Self.key(random.below(1_000_000_000))
                    let isNew = value.withByteSlice { table.set(key, $0) }
                    #expect(isNew == (model.updateValue(value, forKey: key.array) == nil))
                }
            }
            if step % 5000 == 0 { table.table.checkInvariants() }
        }
        table.table.checkInvariants()
        allocator.checkInvariants()
        #expect(table.count == model.count)
        for (key, value) in model { #expect(key.withByteSlice { table.value(of: $0)?.array } == value) }
        var next: Int? = 0
        while let index = next { next = table.deallocateSlice(from: index, budget: 100) }
        #expect(allocator.usedBytes == 0)
    }

    @Test func scanningMissesNothingWhileTheTableChanges() {
        let allocator = SlabAllocator()
        let table = HashTable(allocator: allocator, hash: KeyHash(seed: 7))
        for number in 0..<2000 { Self.key(number).withByteSlice { key in _ = table.set(key, key) } }
        var seen: Set<[UInt8]> = []
        var cursor: UInt64 = 0
        var added = 10_000
        var calls = 0
        repeat {
            unsafe cursor = table.table.scan(cursor) { seen.insert(unsafe FieldEntry($0).field.array) }
            calls += 1
            // Others come and go meanwhile, so that segments grow, split and shrink.
            for _ in 0..<20 where calls % 200 < 150 {
                Self.key(added).withByteSlice { key in _ = table.set(key, key) }
                added += 1
            }
            for number in max(10_000, added - 400)..<added where calls % 3 == 0 && number % 2 == 0 {
                _ = Self.key(number).withByteSlice { table.remove($0) }
            }
        } while cursor != 0 && calls < 1_000_000
        #expect(cursor == 0)
        for number in 0..<2000 { #expect(seen.contains(Self.key(number))) }
    }
}

struct EngineTests {
    private func run(_ engine: Engine, _ words: String...) -> String {
        String(decoding: engine.execute(words.map { Array($0.utf8) }), as: UTF8.self)
    }

    @Test func keysGoAtTheirDeadlineAndNotBefore() {
        let engine = Engine(seed: 1)
        engine.setTime(1_000_000)
        for number in 0..<5000 {
            #expect(run(engine, "SET", "key:\(number)", "v", "PX", "\(1 + number % 1000)") == "+OK\r\n")
        }
        for elapsed in stride(from: Int64(0), through: 1001, by: 7) {
            engine.setTime(1_000_000 + elapsed)
            while !engine.expireDue(budget: 100) {}
            let left = (0..<5000).filter { 1 + Int64($0 % 1000) >= elapsed }.count
            #expect(engine.database(0).count == left)
        }
    }

    @Test func stringsChangeInPlace() {
        let engine = Engine(seed: 1)
        #expect(run(engine, "APPEND", "k", "12") == ":2\r\n")
        #expect(run(engine, "INCRBY", "k", "30") == ":42\r\n")
        #expect(run(engine, "APPEND", "k", "x") == ":3\r\n")
        #expect(run(engine, "SETRANGE", "k", "300", "end") == ":303\r\n")
        #expect(run(engine, "GETRANGE", "k", "0", "3") == "$4\r\n42x\0\r\n")
        #expect(run(engine, "SETRANGE", "k", "20000", "far") == ":20003\r\n")
        #expect(run(engine, "GETRANGE", "k", "-3", "-1") == "$3\r\nfar\r\n")
        #expect(run(engine, "INCR", "k") == "-ERR value is not an integer or out of range\r\n")
    }

    @Test func flushingGivesEverythingBack() {
        let engine = Engine(seed: 1)
        let empty = engine.usedBytes
        for number in 0..<20_000 { _ = run(engine, "SET", "key:\(number)", String(repeating: "v", count: number % 300)) }
        #expect(run(engine, "FLUSHALL") == "+OK\r\n")
        while engine.hasGarbage { engine.freeSlice() }
        #expect(engine.usedBytes == empty)
        #expect(run(engine, "DBSIZE") == ":0\r\n")
    }
}
