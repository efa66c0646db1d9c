// Counts of the sizes of values: after every command of random sequences they are what a look at all keys finds; and bins, memory, and
// what moves whole databases.

import RespCodec
import TestSupport
import Testing

@testable import StoreEngine

extension Engine {
    /// Bytes in use without the counts of sizes, which stay with a database: what all keys take, and their tables.
    var dataBytes: Int { usedBytes - keySizeBytes }
}

struct KeySizesTests {
    private static let start: Int64 = 1_700_000_000_000

    private static func engine(databases: Int = 4) -> Engine {
        let engine = Engine(databases: databases, seed: 5)
        engine.setTime(start)
        return engine
    }

    @discardableResult
    private static func run(_ engine: Engine, _ line: String, database: Int = 0) -> String {
        let words = line.split(separator: " ").map { $0 == "''" ? [] : Array($0.utf8) }
        return String(decoding: engine.execute(words, database: database), as: UTF8.self)
    }

    /// The bins of a type as INFO shows them, without units.
    private static func sizes(_ engine: Engine, _ type: ValueType, database: Int = 0) -> String {
        var bins: [String] = []
        engine.database(database).forEachKeySize(of: type) { bins.append("\($0)=\($1)") }
        return bins.joined(separator: ",")
    }

    // MARK: bins

    @Test func aBinCountsFromAPowerOfTwoToTheNext() {
        var bins: [Int: ClosedRange<Int>] = [:]
        for size in 0...4096 {
            let bin = KeySizes.bin(of: size)
            bins[bin] = min(bins[bin]?.lowerBound ?? size, size)...max(bins[bin]?.upperBound ?? size, size)
            #expect(KeySizes.smallestSize(of: bin) <= size)
        }
        #expect(bins[0] == 0...0 && bins[1] == 1...1 && bins[2] == 2...3 && bins[12] == 2048...4095)
        for bin in 0...12 { #expect(KeySizes.smallestSize(of: bin) == bins[bin]?.lowerBound) }
        #expect(KeySizes.bin(of: Int.max) < KeySizes.largestCapacity)
        for one in 0...300 {
            for other in 0...300 {
                #expect(KeySizes.haveOneBin(one, other) == (KeySizes.bin(of: one) == KeySizes.bin(of: other)))
            }
        }
    }

    @Test func numbersCountByTheirText() {
        let engine = Self.engine()
        for value in ["0", "-1", "12", "-999", "1234567", "9223372036854775807", "-9223372036854775808"] {
            let smallest = KeySizes.smallestSize(of: KeySizes.bin(of: value.utf8.count))
            Self.run(engine, "SET k \(value)")
            #expect(Self.sizes(engine, .string) == "\(smallest)=1")
        }
        Self.run(engine, "SET k 9")
        Self.run(engine, "INCR k")
        #expect(Self.sizes(engine, .string) == "2=1")
        Self.run(engine, "SET k 99999999")
        Self.run(engine, "DECRBY k 90000000")
        #expect(Self.sizes(engine, .string) == "4=1")
    }

    @Test func aCounterIsCountedAtEveryStep() {
        let engine = Self.engine()
        for beginning in [-1005, -105, -12, 0, 992, 9_999_990, 99_999_999_999_990, 999_999_999_999_990] {
            Self.run(engine, "SET k \(beginning)")
            for step in 1...30 {
                Self.run(engine, "INCR k")
                let smallest = KeySizes.smallestSize(of: KeySizes.bin(of: "\(beginning + step)".utf8.count))
                #expect(Self.sizes(engine, .string) == "\(smallest)=1", "\(beginning + step)")
            }
        }
    }

    @Test func aLongStringIsCountedWhereItGrowsAndWhereItIsReplaced() {
        let engine = Self.engine()
        for step in ["SETRANGE k 300000 x", "SETRANGE k 3000000 x", "APPEND k y", "SET other v", "BITOP NOT k other"] {
            Self.run(engine, step)
            #expect(engine.problemOfKeySizes() == nil, "\(step)")
        }
        #expect(Self.sizes(engine, .string) == "1=2")
    }

    // MARK: whole databases

    @Test func databasesThatAreExchangedOrFlushedHaveTheirOwnCounts() {
        let engine = Self.engine()
        Self.run(engine, "RPUSH l 1 2 3")
        Self.run(engine, "SET k v", database: 1)
        engine.state.swapDatabases(0, 1)
        #expect(Self.sizes(engine, .string) == "1=1" && Self.sizes(engine, .list, database: 1) == "2=1")
        Self.run(engine, "MOVE k 1")
        #expect(Self.sizes(engine, .string) == "" && Self.sizes(engine, .string, database: 1) == "1=1")
        Self.run(engine, "SET other v")
        engine.state.flush(1)
        #expect(Self.sizes(engine, .string, database: 1) == "" && Self.sizes(engine, .list, database: 1) == "")
        #expect(Self.sizes(engine, .string) == "1=1")
        engine.state.flushAll()
        #expect(Self.sizes(engine, .string) == "")
        Self.run(engine, "SET k vvvv")
        #expect(Self.sizes(engine, .string) == "4=1" && engine.problemOfKeySizes() == nil)
    }

    @Test func theCountsOfADatabaseWithOneSmallKeyAreSmall() {
        let engine = Self.engine(databases: 3)
        Self.run(engine, "SET k v")
        Self.run(engine, "SET k v", database: 1)
        Self.run(engine, "DEL k", database: 1)
        let before = engine.usedBytes
        // The bins are there already: only the key's entry and its segment are new.
        Self.run(engine, "SET k v", database: 1)
        Self.run(engine, "DEL k", database: 1)
        #expect(engine.usedBytes == before)
        #expect(engine.keySizeBytes == 128)
        engine.database(1).forgetSizes()
        #expect(engine.keySizeBytes == 64 && engine.usedBytes == before - 64)
    }

    // MARK: whatever is done

    /// Lines in which "K" is any key, "N" a number, "W" a word, "S" a string of any length, and "T" a time soon.
    private static let lines = [
        "SET K S", "SET K N", "SET K S PX T", "SETNX K S", "APPEND K S", "SETRANGE K N W", "INCRBY K N",
        "INCRBYFLOAT K 0.5",
        "GETSET K S", "GETDEL K", "MSET K S K N", "GETEX K PX T", "SETBIT K N 1", "BITFIELD K SET u8 #N 7",
        "BITFIELD K OVERFLOW FAIL SET u2 #N 9", "BITOP OR K K K", "BITOP NOT K K", "PFADD K W W", "PFMERGE K K K",
        "RPUSH K W W N", "LPUSH K S", "LPUSHX K W", "RPUSHX K W", "LPOP K", "RPOP K 3", "LINSERT K BEFORE W S",
        "LSET K 0 S",
        "LREM K 0 W", "LREM K -2 W", "LTRIM K 1 -2", "LMOVE K K LEFT RIGHT", "RPOPLPUSH K K",
        "LMPOP 2 K K LEFT COUNT 2",
        "SADD K W W N", "SADD K N N", "SADD K S", "SREM K W N", "SPOP K", "SPOP K 9", "SMOVE K K W",
        "SUNIONSTORE K K K",
        "SINTERSTORE K K K", "SDIFFSTORE K K K", "HSET K W S", "HSET K W N W S", "HSETNX K W S", "HDEL K W W",
        "HINCRBY K W N", "HPEXPIRE K T FIELDS 2 W W", "HPERSIST K FIELDS 1 W", "HGETDEL K FIELDS 2 W W",
        "HSETEX K PX T FIELDS 1 W S", "HGETEX K PX T FIELDS 1 W", "ZADD K N W N W", "ZADD K XX N W", "ZINCRBY K N W",
        "ZREM K W W", "ZPOPMIN K", "ZPOPMAX K 2", "ZMPOP 1 K MIN COUNT 2", "ZREMRANGEBYRANK K 0 1",
        "ZREMRANGEBYSCORE K 0 N",
        "ZREMRANGEBYLEX K - [W", "ZUNIONSTORE K 2 K K", "ZINTERSTORE K 2 K K", "ZDIFFSTORE K 2 K K",
        "ZRANGESTORE K K 0 3",
        "GEOADD K 1 2 W", "GEOSEARCHSTORE K K FROMLONLAT 1 2 BYRADIUS 9 km", "XADD K * f v", "XTRIM K MAXLEN 0",
        "SORT K ALPHA STORE K", "RENAME K K", "RENAMENX K K", "COPY K K REPLACE", "COPY K K DB 1 REPLACE", "MOVE K 1",
        "PEXPIRE K T", "PERSIST K", "DEL K", "UNLINK K K", "TYPE K",
    ]

    @Test(arguments: 1...6) func theyAreWhatALookAtAllKeysFinds(seed: Int) {
        let engine = Self.engine(databases: 2)
        // Some with values that become large at once.
        if seed % 2 == 0 {
            engine.settings.hashMaxPackedEntries = 3
            engine.settings.setMaxIntsetEntries = 3
            engine.settings.setMaxPackedEntries = 5
            engine.settings.sortedSetMaxPackedEntries = 3
            engine.settings.listMaxPackedSize = 4
        }
        var random = RandomSource(seed: TestSeed.fixed(UInt64(seed)))
        var now = Self.start
        for step in 0..<6000 {
            now += Int64(random.below(4))
            engine.setTime(now)
            if random.below(20) == 0 { _ = engine.expireCycle(budget: 100) }
            let line = Self.lines[random.below(Self.lines.count)]
            let database = random.below(8) == 0 ? 1 : 0
            var words: [[UInt8]] = []
            for word in line.split(separator: " ") {
                switch word {
                case "K": words.append(Array("key:\(random.below(12))".utf8))
                case "N", "#N":
                    let digits = random.below(20) == 0 ? 200_000 : random.below(3) == 0 ? 5000 : 12
                    words.append(Array("\(word == "N" ? "" : "#")\(random.below(digits))".utf8))
                case "W", "[W": words.append(Array("\(word.dropLast())w\(random.below(20))".utf8))
                case "S":
                    let length = random.below(30) == 0 ? 40_000 : random.below(4) == 0 ? 400 : 12
                    words.append([UInt8](repeating: UInt8(ascii: "x"), count: random.below(length)))
                case "T": words.append(Array("\(1 + random.below(60))".utf8))
                default: words.append(Array(word.utf8))
                }
            }
            _ = engine.execute(words, database: database)
            if random.below(600) == 0 { engine.state.swapDatabases(0, 1) }
            if random.below(1500) == 0 { engine.state.flush(random.below(2)) }
            if random.below(3) == 0 { engine.freeSlice() }
            guard let problem = engine.problemOfKeySizes() else { continue }
            let text = words.map { String(decoding: $0.prefix(40), as: UTF8.self) }.joined(separator: " ")
            Issue.record("seed \(seed), step \(step), \(text): \(problem)")
            return
        }
    }

    @Test func keysThatAreEvictedAreNotCounted() {
        let engine = Self.engine()
        engine.settings.evictionOrder = .random
        for number in 0..<2000 { Self.run(engine, "SADD s\(number) a b c") }
        engine.memoryLimit = engine.usedBytes / 2
        while engine.makeRoom() == .continues {}
        #expect(engine.database(0).count < 2000 && engine.database(0).count > 0)
        #expect(Self.sizes(engine, .set) == "2=\(engine.database(0).count)")
    }
}
