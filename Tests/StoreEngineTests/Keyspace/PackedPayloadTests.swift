// Small collections in their entries, byte by byte over the size from which a list has a long head, against a model: each is read back,
// dumped and restored after each step.

import RespCodec
import TestSupport
import Testing

@testable import StoreEngine

struct PackedPayloadTests {
    private func run(_ engine: Engine, _ words: [String]) -> String {
        String(decoding: engine.execute(words.map { Array($0.utf8) }, version: .resp2), as: UTF8.self)
    }

    private func dump(_ engine: Engine, _ key: String) -> [UInt8] {
        let reply = engine.execute([Array("DUMP".utf8), Array(key.utf8)], version: .resp2)
        guard let end = reply.firstIndex(of: 10) else { return [] }
        return Array(reply[(end + 1)..<(reply.count - 2)])
    }

    private func digest(_ engine: Engine, _ key: String) -> String {
        Array(key.utf8).withByteSlice { engine.valueDigest(of: $0, database: 0) }
    }

    /// The value is the same when it was dumped and restored, and its dump, too.
    private func expectSavable(_ engine: Engine) {
        let dumped = dump(engine, "k")
        let words = ["RESTORE", "other", "0"].map { Array($0.utf8) } + [dumped] + [Array("REPLACE".utf8)]
        #expect(engine.execute(words, version: .resp2) == Array("+OK\r\n".utf8))
        #expect(digest(engine, "other") == digest(engine, "k"))
        #expect(dump(engine, "other") == dumped)
    }

    private func bulk(_ texts: [String]) -> String {
        "*\(texts.count)\r\n" + texts.map { "$\($0.utf8.count)\r\n\($0)\r\n" }.joined()
    }

    /// A command that makes a collection of members of so many bytes, one that reads them, and one that removes all but one of so many.
    private struct Kind: Sendable {
        let add: @Sendable (String) -> [String]
        let remove: @Sendable (String) -> [String]
        let read: [String]
        /// What is read for these members in the order in which they were added, each shorter or as long as the last.
        let reply: @Sendable ([String]) -> [String]
        let type: String
    }

    private static let kinds: [String: Kind] = [
        "hash": Kind(
            add: { ["HSET", "k", $0, "v"] }, remove: { ["HDEL", "k", $0] }, read: ["HGETALL", "k"],
            reply: { $0.flatMap { [$0, "v"] } }, type: "listpack"),
        "set": Kind(
            add: { ["SADD", "k", $0] }, remove: { ["SREM", "k", $0] }, read: ["SMEMBERS", "k"], reply: { $0 },
            type: "listpack"),
        "zset": Kind(
            add: { ["ZADD", "k", "1", $0] }, remove: { ["ZREM", "k", $0] }, read: ["ZREVRANGE", "k", "0", "-1"],
            reply: { $0.sorted().reversed() }, type: "listpack"),
        "list": Kind(
            add: { ["RPUSH", "k", $0] }, remove: { ["LREM", "k", "-1", $0] }, read: ["LRANGE", "k", "0", "-1"],
            reply: { $0 }, type: "listpack"),
    ]

    /// Members of different lengths bring the list to every size around the boundary; then it shrinks over it again.
    @Test(arguments: ["hash", "set", "zset", "list"]) func collectionsGrowAndShrinkOverTheLengthOfTheirHead(
        name: String
    ) {
        let kind = Self.kinds[name]!
        for last in 1...40 {
            let engine = Engine(databases: 1, seed: 1)
            var members: [String] = []
            func step(_ words: [String]) {
                #expect(run(engine, words) == ":1\r\n" || name == "list")
                #expect(run(engine, kind.read) == bulk(kind.reply(members)), "\(words)")
                expectSavable(engine)
            }
            // Some 230 bytes, then a member that brings it close to the boundary, and some behind it.
            for number in 0..<7 {
                members.append("\(number)" + String(repeating: "m", count: 27))
                step(kind.add(members.last!))
            }
            for length in [last, 20, 9, 30] {
                members.append("x" + String(repeating: "l", count: length) + "\(members.count)")
                step(kind.add(members.last!))
            }
            #expect(run(engine, ["OBJECT", "ENCODING", "k"]) == "$8\r\nlistpack\r\n")
            while members.count > 1 {
                let gone = members.remove(at: members.count / 2)
                step(kind.remove(gone))
            }
            _ = run(engine, ["DEL", "k", "other"])
            while engine.hasGarbage { engine.freeSlice() }
            engine.database(0).allocator.checkInvariants()
        }
    }

    /// Replacing values by longer and shorter ones, in hashes without and with deadlines of fields, and elements of lists.
    @Test(arguments: [1, 2, 3]) func valuesAreReplacedOverTheLengthOfTheHead(seed: UInt64) {
        var random = RandomSource(seed: TestSeed.fixed(seed))
        let engine = Engine(databases: 1, seed: 1)
        var values = (0..<8).map { _ in "v" }
        let fields = (0..<8).map { "f\($0)" }
        for index in 0..<8 {
            _ = run(engine, ["HSET", "h", fields[index], "v"])
            _ = run(engine, ["HSET", "d", fields[index], "v"])
            _ = run(engine, ["RPUSH", "l", "v"])
        }
        for step in 0..<1500 {
            let index = random.below(8)
            values[index] = String(repeating: "w", count: random.below(64))
            #expect(run(engine, ["HSET", "h", fields[index], values[index]]) == ":0\r\n")
            #expect(run(engine, ["HSET", "d", fields[index], values[index]]) == ":0\r\n")
            #expect(run(engine, ["LSET", "l", "\(index)", values[index]]) == "+OK\r\n")
            if step % 3 == 0 {
                _ = run(
                    engine,
                    ["HPEXPIREAT", "d", "9999999999\(random.below(1000))", "FIELDS", "1", fields[random.below(8)]])
            }
            #expect(run(engine, ["HMGET", "h"] + fields) == bulk(values), "step \(step)")
            #expect(run(engine, ["HMGET", "d"] + fields) == bulk(values), "step \(step)")
            #expect(run(engine, ["LRANGE", "l", "0", "-1"]) == bulk(values), "step \(step)")
            #expect(run(engine, ["LRANGE", "l", "-2", "-1"]) == bulk(Array(values[6...])), "step \(step)")
        }
        for key in ["h", "d", "l"] { #expect(run(engine, ["OBJECT", "ENCODING", key]).contains("listpack")) }
    }

    /// A deadline of a field, which makes room for one behind each pair, brings the list over the boundary.
    @Test func deadlinesOfFieldsLengthenTheHead() {
        for fields in 1...60 {
            let engine = Engine(databases: 1, seed: 1)
            for field in 0..<fields { _ = run(engine, ["HSET", "k", "\(100 + field)", "\(field)"]) }
            #expect(run(engine, ["HEXPIRE", "k", "1000", "FIELDS", "1", "100"]) == "*1\r\n:1\r\n")
            var expected: [String] = []
            for field in 0..<fields { expected.append("\(field)") }
            #expect(run(engine, ["HMGET", "k"] + (0..<fields).map { "\(100 + $0)" }) == bulk(expected))
            expectSavable(engine)
        }
    }

    /// A list at the sizes at which it becomes a chain and packed again: as many bytes as a listpack of a file has.
    @Test func listsBecomeLargeBySizesOfListpacks() {
        for (size, encoding) in [(8192, "listpack"), (8193, "quicklist")] {
            let engine = Engine(databases: 1, seed: 1)
            // Head and end are 7 bytes, the first element is 62 and 2 bytes long, the last so that the list gets the size.
            let first = String(repeating: "a", count: 62)
            for _ in 0..<120 { _ = run(engine, ["RPUSH", "k", first]) }
            let bytes = 7 + 120 * 64
            // Before it is added, an element counts without what it is encoded in.
            _ = run(engine, ["RPUSH", "k", String(repeating: "b", count: size - bytes)])
            #expect(run(engine, ["OBJECT", "ENCODING", "k"]) == "$\(encoding.utf8.count)\r\n\(encoding)\r\n")
        }
    }
}
