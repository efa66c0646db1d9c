// What no key has any more: counted while it waits, freed in slices of bounded size, and all given back.

import RespCodec
import Testing

@testable import StoreEngine

@Suite struct GarbageTests {
    @discardableResult
    private func run(_ engine: Engine, _ words: String..., database: Int = 0) -> String {
        String(decoding: engine.execute(words.map { Array($0.utf8) }, database: database), as: UTF8.self)
    }

    private func addSet(_ engine: Engine, _ key: String, _ count: Int, database: Int = 0) {
        for number in 0..<count { run(engine, "SADD", key, "member \(number)", database: database) }
    }

    @Test func aLargeValueIsFreedInSlices() {
        let engine = Engine(databases: 2, seed: 1)
        run(engine, "SET", "other", "v")
        // What is counted of the sizes of values takes memory once.
        addSet(engine, "set", 10_000)
        run(engine, "DEL", "set")
        while engine.hasGarbage { engine.freeSlice() }
        engine.resetStatistics()
        let before = engine.usedBytes
        addSet(engine, "set", 10_000)
        #expect(run(engine, "UNLINK", "set") == ":1\r\n")
        #expect(engine.garbageCount == 1 && engine.freedGarbageCount == 0 && engine.hasGarbage)
        var most = 0
        while engine.garbageCount > 0 {
            most = max(most, StepCount.of { engine.freeSlice() })
            guard most > 0 else { break }
        }
        // Freeing an entry is one step of the allocator, and seldom a few more.
        #expect(most > 100 && most < 4 * 1024, "\(most) steps in a slice")
        #expect(engine.freedGarbageCount == 1 && engine.usedBytes <= before)
    }

    @Test func aSmallValueIsFreedAtOnce() {
        let engine = Engine(databases: 1, seed: 1)
        engine.settings.setMaxPackedEntries = 0
        addSet(engine, "set", 1)
        run(engine, "DEL", "set")
        let before = engine.usedBytes
        addSet(engine, "set", 64)
        run(engine, "DEL", "set")
        #expect(engine.garbageCount == 0 && engine.usedBytes == before)
        addSet(engine, "set", 65)
        run(engine, "DEL", "set")
        #expect(engine.garbageCount == 1)
        while engine.hasGarbage { engine.freeSlice() }
        #expect(engine.usedBytes == before)
    }

    /// The keys of a dropped database are counted until its table is gone, and what they leave of large values is not counted again.
    @Test func aDroppedDatabaseAmongOthers() {
        let engine = Engine(databases: 2, seed: 1)
        run(engine, "SET", "stays", "v")
        _ = engine.database(1)
        let before = engine.usedBytes
        for number in 0..<2000 { run(engine, "SET", "key:\(number)", "v", database: 1) }
        addSet(engine, "set", 1000, database: 1)
        run(engine, "FLUSHDB", database: 1)
        #expect(engine.garbageCount == 2001 && engine.database(1).count == 0)
        while engine.hasGarbage { engine.freeSlice() }
        #expect(engine.garbageCount == 0 && engine.freedGarbageCount == 2001)
        #expect(engine.usedBytes == before && run(engine, "GET", "stays") == "$1\r\nv\r\n")
    }

    /// When all goes, what waited goes with it, and counts.
    @Test func allDatabases() {
        let engine = Engine(databases: 2, seed: 1)
        for number in 0..<100 { run(engine, "SET", "key:\(number)", "v") }
        addSet(engine, "set", 1000)
        run(engine, "DEL", "set")
        #expect(engine.garbageCount == 1)
        run(engine, "FLUSHALL")
        #expect(engine.garbageCount == 101)
        while engine.hasGarbage { engine.freeSlice() }
        #expect(engine.garbageCount == 0 && engine.freedGarbageCount == 101)
    }
}
