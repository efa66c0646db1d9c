// Goal: entries know when they were used for half a year, and to an eighth of a second while memory is limited.

import Testing

@testable import StoreEngine

struct AccessClockTests {
    private static let start: Int64 = 1_700_000_000_000

    private func run(_ engine: Engine, _ words: String...) -> String {
        String(decoding: engine.execute(words.map { Array($0.utf8) }), as: UTF8.self)
    }

    private func clock(_ engine: Engine, _ key: String) -> UInt32 {
        let database = engine.database(0)
        return Array(key.utf8).withByteSlice { key in
            database.entry(at: database.table.find(key, hash: engine.hash(key))!).accessClock
        }
    }

    @Test(arguments: [0, 1, 59, 86_400, 30 * 86_400, 190 * 86_400]) func idleTimesAreWholeSeconds(seconds: Int) {
        for isLimited in [false, true] {
            let engine = Engine(seed: 1)
            if isLimited { engine.memoryLimit = 1 << 30 }
            engine.setTime(Self.start + 900)
            _ = run(engine, "SET", "k", "v")
            engine.setTime(Self.start + 999 + Int64(seconds) * 1000)
            #expect(run(engine, "OBJECT", "IDLETIME", "k") == ":\(seconds)\r\n")
            // What is moved knows it, too.
            _ = run(engine, "SET", "other", "v")
            _ = run(engine, "PERSIST", "other")
            #expect(run(engine, "OBJECT", "IDLETIME", "other") == ":0\r\n")
        }
    }

    @Test func partsOfSecondsCountOnlyWhereMemoryIsLimited() {
        let engine = Engine(seed: 1)
        for isLimited in [false, true] {
            engine.memoryLimit = isLimited ? 1 << 30 : nil
            engine.setTime(Self.start)
            _ = run(engine, "SET", "k", "v")
            let before = clock(engine, "k")
            engine.setTime(Self.start + 124)
            _ = run(engine, "GET", "k")
            #expect(clock(engine, "k") == before)
            engine.setTime(Self.start + 875)
            _ = run(engine, "GET", "k")
            #expect(clock(engine, "k") == before + (isLimited ? 7 : 0))
            engine.setTime(Self.start + 1000)
            _ = run(engine, "GET", "k")
            #expect(clock(engine, "k") == before + 8)
        }
    }

    /// A clock that is put back makes nothing look as if it had not been used for half a year.
    @Test func usesInTheNearFutureAreUsesNow() {
        let engine = Engine(seed: 1)
        engine.memoryLimit = 1 << 30
        engine.setTime(Self.start)
        _ = run(engine, "SET", "k", "v")
        let database = engine.database(0)
        let entry = Array("k".utf8).withByteSlice {
            database.entry(at: database.table.find($0, hash: engine.hash($0))!)
        }
        #expect(engine.state.accessClock.lastUse(entry) == Self.start / 125)
        engine.setTime(Self.start - 5000)
        #expect(engine.state.accessClock.lastUse(entry) == (Self.start - 5000) / 125)
        engine.setTime(Self.start + 5000)
        #expect(engine.state.accessClock.lastUse(entry) == Self.start / 125)
    }
}
