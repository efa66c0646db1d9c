// Keys as commands that make them: their words, how many elements each takes, and that they make the same data.

import RespCodec
import Testing

@testable import StoreEngine

@Suite struct CommandWriterTests {
    private func run(_ engine: Engine, _ words: [String]) {
        #expect(engine.execute(words.map { Array($0.utf8) }).first != UInt8(ascii: "-"), "\(words)")
    }

    private func engine() -> Engine {
        let engine = Engine(databases: 1, seed: 1)
        engine.setTime(1_800_000_000_000)
        return engine
    }

    /// The commands that make a key, its bytes as they are written.
    private func written(_ engine: Engine, _ key: String) throws -> [UInt8] {
        let sink = BufferSink()
        let reply = ReplyWriter(capacity: 64)
        defer { reply.deallocate() }
        let database = engine.database(0)
        let slot = try #require(Array(key.utf8).withByteSlice { database.table.find($0, hash: database.hash($0)) })
        CommandWriter(sink: sink).write(
            database.entry(at: slot), KeyspaceContext(engine, database: database, reply: reply))
        return sink.bytes
    }

    private func commands(_ bytes: [UInt8]) throws -> [[String]] {
        var found: [[String]] = []
        try bytes.withByteSlice { bytes throws(ReplayError) in
            try Engine.forEachRequest(in: bytes) { words in
                found.append(words.owned.map { String(decoding: $0, as: UTF8.self) })
            }
        }
        return found
    }

    @Test func stringsWithTheirDeadlines() throws {
        let engine = engine()
        run(engine, ["SET", "s", "two words"])
        run(engine, ["SET", "n", "-12", "PXAT", "1800000000123"])
        #expect(try commands(written(engine, "s")) == [["SET", "s", "two words"]])
        #expect(
            try commands(written(engine, "n")) == [["SET", "n", "-12"], ["PEXPIREAT", "n", "1800000000123"]])
    }

    @Test(arguments: [1, 64, 65, 130]) func sixtyFourElementsOfACommand(count: Int) throws {
        let engine = engine()
        let elements = (0..<count).map { "\($0)" }
        run(engine, ["RPUSH", "l"] + elements)
        run(engine, ["ZADD", "z"] + elements.flatMap { [$0, "m" + $0] })
        let lists = try commands(written(engine, "l"))
        #expect(lists.map { $0.count - 2 } == (count <= 64 ? [count] : count == 65 ? [64, 1] : [64, 64, 2]))
        #expect(lists.flatMap { $0.dropFirst(2) } == elements && lists.allSatisfy { $0[0] == "RPUSH" && $0[1] == "l" })
        let sorted = try commands(written(engine, "z"))
        #expect(sorted.map { ($0.count - 2) / 2 } == lists.map { $0.count - 2 })
        #expect(sorted.allSatisfy { $0[0] == "ZADD" })
    }

    /// Deadlines of fields follow the command that sets them.
    @Test(arguments: [0, 512]) func fieldsWithDeadlines(limit: Int) throws {
        let engine = engine()
        engine.settings.hashMaxPackedEntries = limit
        run(engine, ["HSET", "h", "f", "v"])
        run(engine, ["HPEXPIREAT", "h", "1800000000500", "FIELDS", "1", "f"])
        #expect(
            try commands(written(engine, "h")) == [
                ["HMSET", "h", "f", "v"], ["HPEXPIREAT", "h", "1800000000500", "FIELDS", "1", "f"],
            ])
    }

    @Test func whatIsNoKey() throws {
        let sink = BufferSink()
        let writer = CommandWriter(sink: sink)
        writer.select(12)
        writer.load(library: Array("#!lua".utf8))
        #expect(
            String(decoding: sink.bytes, as: UTF8.self)
                == "*2\r\n$6\r\nSELECT\r\n$2\r\n12\r\n*3\r\n$8\r\nFUNCTION\r\n$4\r\nLOAD\r\n$5\r\n#!lua\r\n")
    }

    /// Run in another engine, they make what there was.
    @Test(arguments: [false, true]) func theyMakeTheSameData(isLarge: Bool) throws {
        let engine = engine()
        let count = isLarge ? 1000 : 5
        for number in 0..<count {
            run(engine, ["HSET", "hash", "f\(number)", "v"])
            run(engine, ["SADD", "set", "m\(number)"])
            run(engine, ["SADD", "integers", "\(number)"])
            run(engine, ["ZADD", "sorted", "\(Double(number) / 3)", "m\(number)"])
            run(engine, ["LPUSH", "list", "element \(number)"])
            run(engine, ["XADD", "stream", "\(number + 1)-1", "f", "v\(number)"])
        }
        run(engine, ["XGROUP", "CREATE", "stream", "group", "0"])
        run(engine, ["XREADGROUP", "GROUP", "group", "consumer", "COUNT", "3", "STREAMS", "stream", ">"])
        run(engine, ["XDEL", "stream", "2-1"])
        let other = self.engine()
        for key in ["hash", "set", "integers", "sorted", "list", "stream"] {
            for words in try commands(written(engine, key)) { run(other, words) }
        }
        #expect(other.exactDigest() == engine.exactDigest())
    }
}
