// Databases: made when they are used, moved between, flushed alone and together, exchanged and forgotten. Memory is counted, so what is
// not given back, or copied where it should be handed over, shows.

import RespCodec
import Testing

@testable import StoreEngine

struct DatabaseTests {
    private func run(_ engine: Engine, _ words: String..., database: Int = 0) -> String {
        String(decoding: engine.execute(words.map { Array($0.utf8) }, database: database), as: UTF8.self)
    }

    private func finish(_ engine: Engine) { while engine.hasGarbage { engine.freeSlice() } }

    /// Values of every type and encoding, the large ones of `count` elements.
    private func fill(_ engine: Engine, database: Int, count: Int) {
        let numbers = (0..<count).map(String.init)
        func run(_ words: [String]) {
            let reply = engine.execute(words.map { Array($0.utf8) }, database: database)
            #expect(reply.first != UInt8(ascii: "-"), "\(words[0])")
        }
        run(["SET", "integer", "7"])
        run(["SET", "short", "text", "EX", "100"])
        run(["SET", "long", String(repeating: "x", count: 100_000)])
        run(["HSET", "hash", "f", "v"])
        run(["HSET", "table"] + numbers.flatMap { ["field:\($0)", "v"] })
        run(["HPEXPIRE", "table", "100000", "FIELDS", "1", "field:1"])
        run(["SADD", "set"] + numbers.map { "member:\($0)" })
        run(["SADD", "integers", "1", "2"])
        run(["ZADD", "tree"] + numbers.flatMap { [$0, "member:\($0)"] })
        run(["RPUSH", "list"] + numbers)
        for number in 0..<300 { run(["XADD", "stream", "\(number + 1)-1", "f", "v"]) }
        run(["XGROUP", "CREATE", "stream", "g", "0"])
    }

    private static let keys = [
        "integer", "short", "long", "hash", "table", "set", "integers", "tree", "list", "stream",
    ]

    @Test func movingHandsTheValueOver() {
        let engine = Engine(seed: 3)
        engine.setTime(1000)
        fill(engine, database: 0, count: 3000)
        _ = run(engine, "GET", "k", database: 4)
        let digests = Self.keys.map { key in Array(key.utf8).withByteSlice { engine.valueDigest(of: $0, database: 0) } }
        let before = engine.dataBytes
        for key in Self.keys {
            let place = Array(key.utf8).withByteSlice { engine.facts(of: $0, database: 0)?.address }
            #expect(run(engine, "MOVE", key, "4") == ":1\r\n")
            let moved = Array(key.utf8).withByteSlice { engine.facts(of: $0, database: 4)?.address }
            #expect(place == moved && place != nil, "\(key) was copied")
        }
        // Only the tables of keys have changed.
        #expect(abs(engine.dataBytes - before) < 600 && !engine.hasGarbage)
        #expect(engine.database(0).count == 0 && engine.database(0).deadlineCount == 0)
        #expect(engine.database(0).fieldDeadlineCount == 0 && engine.database(4).fieldDeadlineCount == 1)
        #expect(engine.database(4).deadlineCount == 1)
        #expect(
            Self.keys.map { key in Array(key.utf8).withByteSlice { engine.valueDigest(of: $0, database: 4) } }
                == digests)
        #expect(run(engine, "PTTL", "short", database: 4) == ":100000\r\n")
        // The value lives on when the database that it came from is dropped, and is freed with the one that it went to.
        #expect(run(engine, "SET", "k", "v") == "+OK\r\n")
        #expect(run(engine, "FLUSHDB") == "+OK\r\n")
        finish(engine)
        #expect(run(engine, "SCARD", "set", database: 4) == ":3000\r\n")
        #expect(run(engine, "SISMEMBER", "set", "member:2999", database: 4) == ":1\r\n")
        engine.setTime(200_000)
        while !engine.expireCycle(budget: 100) {}
        #expect(engine.database(4).count == Self.keys.count - 1)
    }

    @Test func flushingOneOfSeveralFreesItInSlices() {
        let engine = Engine(seed: 4)
        _ = run(engine, "SET", "stays", "v", database: 2)
        _ = run(engine, "GET", "k", database: 7)
        let empty = engine.dataBytes
        fill(engine, database: 7, count: 3000)
        for number in 0..<5000 { _ = run(engine, "SET", "key:\(number)", "v", "EX", "1000", database: 7) }
        let full = engine.dataBytes
        #expect(run(engine, "FLUSHDB", database: 7) == "+OK\r\n")
        #expect(engine.database(7).count == 0 && engine.database(7).deadlineCount == 0)
        #expect(engine.hasGarbage && engine.dataBytes >= full)
        var slices = 0
        while engine.hasGarbage {
            let before = engine.dataBytes
            engine.freeSlice()
            slices += 1
            #expect(before - engine.dataBytes < 200_000)
        }
        #expect(slices > 15)
        #expect(engine.dataBytes == empty)
        #expect(run(engine, "GET", "stays", database: 2) == "$1\r\nv\r\n")
        #expect(run(engine, "SET", "again", "v", database: 7) == "+OK\r\n" && engine.database(7).count == 1)
    }

    @Test func flushingTheOnlyOneDropsTheAllocator() {
        let engine = Engine(seed: 5)
        let empty = engine.dataBytes
        fill(engine, database: 9, count: 3000)
        #expect(run(engine, "FLUSHDB", database: 9) == "+OK\r\n")
        #expect(engine.dataBytes <= empty + 1000)
        finish(engine)
        #expect(engine.database(9).count == 0)
        fill(engine, database: 9, count: 300)
        fill(engine, database: 3, count: 300)
        #expect(run(engine, "FLUSHALL", database: 3) == "+OK\r\n")
        #expect(engine.dataBytes <= empty + 1000)
        finish(engine)
        #expect(engine.databasesInUse.allSatisfy { $0.count == 0 })
    }

    @Test func databasesThatAreNotUsedCostNothing() {
        let engine = Engine(databases: Int(Int32.max), seed: 6)
        let empty = engine.dataBytes
        #expect(empty == Engine(databases: 1, seed: 6).usedBytes)
        let last = Int(Int32.max) - 1
        #expect(run(engine, "SET", "k", "v", database: last) == "+OK\r\n")
        #expect(run(engine, "SET", "k", "w", database: 1000) == "+OK\r\n")
        #expect(engine.databasesInUse.map(\.index) == [0, 1000, last])
        #expect(run(engine, "SWAPDB", "1000", "77") == "+OK\r\n")
        #expect(engine.databasesInUse.map(\.index) == [0, 77, last])
        #expect(run(engine, "GET", "k", database: 77) == "$1\r\nw\r\n")
        #expect(run(engine, "EXISTS", "k", database: 1000) == ":0\r\n")
        #expect(run(engine, "SWAPDB", "5", "6") == "+OK\r\n")
        #expect(run(engine, "SWAPDB", "0", "77") == "+OK\r\n")
        #expect(run(engine, "GET", "k") == "$1\r\nw\r\n")
        #expect(run(engine, "COPY", "k", "k", "DB", "123456") == ":1\r\n")
        #expect(run(engine, "MOVE", "k", "123457") == ":1\r\n")
        #expect(run(engine, "FLUSHALL") == "+OK\r\n")
        finish(engine)
        #expect(engine.dataBytes == empty && engine.databasesInUse.map(\.index) == [0])
    }

    @Test func emptyDatabasesAreForgottenWhenTheyAreMany() {
        let engine = Engine(databases: 100_000, seed: 7)
        for index in 0..<20_000 {
            if index % 1000 == 0 { _ = run(engine, "SET", "k", "\(index)", database: index) }
            _ = run(engine, "GET", "x", database: index)
            if engine.hasGarbage { engine.freeSlice() }
        }
        finish(engine)
        #expect(engine.databasesInUse.count < 600)
        #expect(engine.databasesInUse.filter { $0.count > 0 }.map(\.index) == (0..<20).map { $0 * 1000 })
        for index in 0..<20 {
            #expect(run(engine, "EXISTS", "k", database: index * 1000) == ":1\r\n")
            #expect(run(engine, "EXISTS", "k", database: index * 1000 + 1) == ":0\r\n")
        }
        #expect(engine.dataBytes < 600 * 1000)
    }

    @Test func deadlinesOfAllDatabasesAreMet() {
        let engine = Engine(databases: 1_000_000, seed: 8)
        engine.setTime(1000)
        for index in [3, 999_999, 12, 0, 77_777] {
            _ = run(engine, "SET", "k", "v", "PX", "\(index + 1)", database: index)
        }
        engine.setTime(1100)
        #expect(engine.expireCycle(budget: 100))
        #expect(engine.databasesInUse.filter { $0.count > 0 }.map(\.index) == [77_777, 999_999])
        engine.setTime(2_000_000)
        #expect(engine.expireCycle(budget: 100) && engine.nextDeadline == nil)
    }
}
