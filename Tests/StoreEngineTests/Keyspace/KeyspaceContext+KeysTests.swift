// RENAME and MOVE leave a value where it lies, wherever the allocator can hand it over.

import RespCodec
import Testing

@testable import StoreEngine

struct KeyspaceContextKeysTests {
    @discardableResult
    private func run(_ engine: Engine, _ words: String..., database: Int = 0) -> String {
        String(decoding: engine.execute(words.map { Array($0.utf8) }, database: database), as: UTF8.self)
    }

    private func entry(_ engine: Engine, _ key: String, database: Int = 0) throws -> Entry {
        try Array(key.utf8).withByteSlice { key in
            let database = engine.database(database)
            return database.entry(at: try #require(database.table.find(key, hash: engine.hash(key))))
        }
    }

    /// Where the bytes of a value lie.
    private func place(_ entry: Entry) -> UInt {
        UnwrittenValue.address(of: entry) ?? UInt(bitPattern: entry.payload)
    }

    private func makeValues(_ engine: Engine) {
        run(engine, "SET", "string", String(repeating: "s", count: 3_000_000))
        run(engine, "SET", "inline", String(repeating: "i", count: 9000), "PX", "100000")
        run(engine, "HSET", "packed", "f", "v")
        for number in 0..<1000 {
            run(engine, "HSET", "hash", "f\(number)", "v")
            run(engine, "SADD", "set", "m\(number)")
            run(engine, "ZADD", "sorted", "\(number)", "m\(number)")
            run(engine, "RPUSH", "list", "element \(number)")
            run(engine, "XADD", "stream", "\(number + 1)-1", "f", "v")
        }
    }

    private static let outside = ["string", "hash", "set", "sorted", "list", "stream"]
    private static let inside = ["inline", "packed"]

    @Test func renameLeavesValuesWhereTheyAre() throws {
        let engine = Engine(seed: 7)
        makeValues(engine)
        let digests = (Self.outside + Self.inside).map { key in
            Array(key.utf8).withByteSlice { engine.valueDigest(of: $0, database: 0) }
        }
        for (key, digest) in zip(Self.outside + Self.inside, digests) {
            let before = try place(entry(engine, key))
            // Of a value in the entry, only as long as the name is as long.
            let name = Self.inside.contains(key) ? String(key.reversed()) : "another name of \(key)"
            let used = engine.usedBytes
            run(engine, "RENAME", key, name)
            #expect(try place(entry(engine, name)) == before)
            #expect(engine.usedBytes - used < 64)
            #expect(Array(name.utf8).withByteSlice { engine.valueDigest(of: $0, database: 0) } == digest)
            #expect(run(engine, "EXISTS", key, name) == ":1\r\n")
        }
        #expect(run(engine, "PTTL", "enilni") != ":-1\r\n")
        engine.database(0).checkInvariants()
    }

    @Test func aNameOfAnotherLengthKeepsTheRest() throws {
        let engine = Engine(seed: 7)
        makeValues(engine)
        run(engine, "RENAME", "inline", "x")
        #expect(run(engine, "STRLEN", "x") == ":9000\r\n" && run(engine, "PTTL", "x") != ":-1\r\n")
        run(engine, "PERSIST", "x")
        run(engine, "RENAME", "x", "y")
        #expect(run(engine, "STRLEN", "y") == ":9000\r\n" && run(engine, "PTTL", "y") == ":-1\r\n")
        #expect(engine.database(0).deadlineCount == 0)
    }

    @Test func moveLeavesEntriesWhereTheyAre() throws {
        let engine = Engine(seed: 7)
        makeValues(engine)
        let used = engine.usedBytes
        for key in Self.outside + Self.inside {
            let before = try entry(engine, key)
            let value = place(before)
            run(engine, "MOVE", key, "3")
            let after = try entry(engine, key, database: 3)
            #expect(after.address == before.address)
            #expect(place(after) == value)
        }
        // A database and its table, and no value a second time.
        #expect(engine.usedBytes - used < 10_000)
    }
}
