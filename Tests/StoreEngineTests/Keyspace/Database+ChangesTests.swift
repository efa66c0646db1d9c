// The write barrier: that what changes a key passes it, and that a debug build stops where something does not.

import RespCodec
import Testing

@testable import StoreEngine

// Only a debug build notes and checks.
#if DEBUG

struct DatabaseChangesTests {
    private static func run(_ engine: Engine, _ line: String) -> String {
        let words = line.split(separator: " ").map { Array($0.utf8) }
        return String(decoding: engine.execute(words), as: UTF8.self)
    }

    /// What a command has announced or made, one key behind the other.
    private static func announced(_ engine: Engine) -> [String] {
        engine.database(0).announcedKeys.map { String(decoding: $0, as: UTF8.self) }.sorted()
    }

    private static func withSlot(_ key: String, of engine: Engine, _ body: (KeyspaceContext, Slot) -> Void) {
        engine.withQuietContext(0) { context in
            guard let slot = Array(key.utf8).withByteSlice({ context.find($0, .peek) }) else {
                preconditionFailure("the key is not there")
            }
            body(context, slot)
        }
    }

    private static func engine(_ lines: String...) -> Engine {
        let engine = Engine(databases: 2, seed: 1)
        engine.setTime(1_000_000)
        for line in lines { precondition(!run(engine, line).hasPrefix("-"), "\(line) is a command") }
        return engine
    }

    // MARK: slots

    @Test func aSlotIsGoodUntilSomethingIsInsertedOrRemoved() {
        let engine = Self.engine("SET k v", "SET other v")
        Self.withSlot("k", of: engine) { context, slot in
            _ = Self.run(engine, "GET other")
            _ = Self.run(engine, "GET absent")
            _ = Self.run(engine, "SET other longer-than-before-by-some-bytes")
            _ = Self.run(engine, "PEXPIRE other 1000")
            #expect(context.entry(slot).key == "k")
        }
    }

    @Test func aSlotIsNotUsedAfterAnInsertion() async {
        await #expect(processExitsWith: .failure) {
            let engine = Self.engine("SET k v")
            Self.withSlot("k", of: engine) { context, slot in
                _ = Self.run(engine, "SET other v")
                _ = context.entry(slot)
            }
        }
    }

    @Test func aSlotIsNotUsedAfterARemoval() async {
        await #expect(processExitsWith: .failure) {
            let engine = Self.engine("SET k v", "SET other v")
            Self.withSlot("k", of: engine) { context, slot in
                _ = Self.run(engine, "DEL other")
                context.database.setDeadline(slot, 5)
            }
        }
    }

    @Test func aSetIsNotUsedAfterAnInsertion() async {
        await #expect(processExitsWith: .failure) {
            let engine = Self.engine("SADD k a")
            engine.withQuietContext(0) { context in
                let set = Array("k".utf8).withByteSlice { try? context.set(at: $0, .read) }
                _ = Self.run(engine, "SET other v")
                _ = set?.count
            }
        }
    }

    // MARK: announcements

    @Test func aChangeThatIsToldOfWasAnnounced() async {
        await #expect(processExitsWith: .failure) {
            let engine = Self.engine("SET k v", "SET other v")
            engine.withQuietContext(0) { context in Array("k".utf8).withByteSlice { context.changed($0, .set) } }
        }
    }

    @Test func aKeyHasOneEntry() async {
        await #expect(processExitsWith: .failure) {
            let engine = Self.engine("SET k v")
            engine.withQuietContext(0) { context in
                Array("k".utf8).withByteSlice { context.setString($0, "again", slot: nil, deadline: nil) }
            }
        }
    }

    private static let values = [
        "SET string v", "SET number 5", "SET long 0123456789012345678901234567890123456789", "RPUSH list a b c",
        "HSET hash f v g w", "SADD set a b c", "SADD numbers 1 2 3", "ZADD zset 1 a 2 b 3 c", "XADD stream 1-1 f v",
        "XADD stream 2-1 f v", "XGROUP CREATE stream group 0", "PFADD loglog a b c", "GEOADD places 1 1 here",
    ]

    @Test(arguments: [
        "GET string", "STRLEN number", "GETRANGE long 0 5", "MGET string number list", "EXISTS string absent",
        "TYPE list",
        "TTL string", "TOUCH string", "LRANGE list 0 -1", "LINDEX list 0", "LPOS list a", "HGET hash f",
        "HMGET hash f x",
        "HGETALL hash", "HSCAN hash 0", "HRANDFIELD hash 2", "SMEMBERS set", "SINTER set numbers", "SRANDMEMBER set 2",
        "ZRANGE zset 0 -1", "ZUNION 2 zset set", "ZSCORE zset a", "XRANGE stream - +", "XREAD STREAMS stream 0",
        "XPENDING stream group", "XINFO STREAM stream", "BITCOUNT string", "BITFIELD_RO long GET u8 0",
        "GEORADIUS_RO places 1 1 1 m", "SORT list ALPHA", "DUMP hash", "OBJECT ENCODING set", "MEMORY USAGE zset",
        "KEYS *", "SCAN 0", "RANDOMKEY", "DBSIZE", "SET string v NX GET", "LPUSHX absent a",
    ])
    func readingAnnouncesNothing(line: String) {
        let engine = Self.engine(Self.values)
        #expect(!Self.run(engine, line).hasPrefix("-"))
        #expect(Self.announced(engine) == [])
    }

    @Test(arguments: [
        ("SET string w", "string"), ("SET string w GET", "string"), ("APPEND string w", "string"),
        ("INCR number", "number"),
        ("SETRANGE long 1 x", "long"), ("SETBIT string 0 1", "string"), ("GETDEL string", "string"),
        ("GETEX string PX 500", "string"), ("GETSET string w", "string"), ("PEXPIRE list 500", "list"),
        ("DEL hash", "hash"), ("RENAME string other", "other string"), ("COPY list other", "other"),
        ("MOVE string 1", "string"), ("LPUSH list x", "list"), ("LPOP list", "list"), ("LSET list 0 x", "list"),
        ("LINSERT list BEFORE b x", "list"), ("LREM list 0 a", "list"), ("LTRIM list 0 1", "list"),
        ("LMOVE list other LEFT LEFT", "list other"), ("HSET hash f x", "hash"), ("HDEL hash f", "hash"),
        ("HINCRBY hash n 1", "hash"), ("HPEXPIRE hash 500 FIELDS 1 f", "hash"), ("SADD set x", "set"),
        ("SADD numbers x", "numbers"), ("SREM set a", "set"), ("SPOP set 2", "set"),
        ("SMOVE set numbers a", "numbers set"),
        ("SUNIONSTORE set set numbers", "set"), ("ZADD zset 9 a", "zset"), ("ZINCRBY zset 1 a", "zset"),
        ("ZREM zset a", "zset"), ("ZPOPMIN zset", "zset"), ("ZREMRANGEBYRANK zset 0 0", "zset"),
        ("ZUNIONSTORE other 1 zset", "other"), ("XADD stream * f v", "stream"), ("XDEL stream 1-1", "stream"),
        ("XTRIM stream MAXLEN 1", "stream"), ("XSETID stream 9-1", "stream"),
        ("XGROUP CREATE stream other 0", "stream"),
        ("XREADGROUP GROUP group c STREAMS stream >", "stream"), ("XCLAIM stream group c 0 1-1 FORCE", "stream"),
        ("XAUTOCLAIM stream group c 0 0", "stream"), ("XACK stream group 1-1", "stream"), ("PFADD loglog x", "loglog"),
        ("PFCOUNT loglog", "loglog"), ("PFMERGE other loglog", "other"), ("BITOP NOT other string", "other"),
        ("BITFIELD string SET u8 0 1", "string"), ("GEORADIUS places 1 1 1 m STORE other", "other"),
        ("SORT list ALPHA STORE other", "other"), ("MSET string 1 other 2", "other string"),
        ("PERSIST string", "string"),
    ])
    func whatChangesAKeyIsAnnounced(line: String, keys: String) {
        let engine = Self.engine(Self.values)
        #expect(!Self.run(engine, line).hasPrefix("-"))
        #expect(Set(Self.announced(engine)).isSuperset(of: keys.split(separator: " ").map(String.init)))
    }

    @Test func aFieldThatExpiresIsAnnounced() {
        for reading in ["HGET hash f", "HMGET hash g f", "HRANDFIELD hash", "HEXISTS hash f"] {
            let engine = Self.engine("HSET hash f v g w", "HPEXPIRE hash 1 FIELDS 1 f")
            engine.setTime(1_000_010)
            #expect(!Self.run(engine, reading).hasPrefix("-"))
            #expect(Self.announced(engine) == ["hash"] && Self.run(engine, "HLEN hash") == ":1\r\n")
        }
    }

    private static func engine(_ lines: [String]) -> Engine {
        let engine = Self.engine()
        for line in lines { precondition(!run(engine, line).hasPrefix("-"), "\(line) is a command") }
        return engine
    }
}

#endif
