// Goal: values stay what they are while the memory in which they lie moves, sparse pages become empty, and no slice takes long. Method: random
// commands on all types between slices that move every block, compared with an engine that moves nothing; deletions at random, after
// which pages, steps and addresses are counted.

import RespCodec
import TestSupport
import Testing

@testable import StoreEngine

struct DefragmentationTests {
    private static let kinds = ["text", "hash", "set", "sorted", "list", "stream"]
    private static let elements = 1500

    @discardableResult
    private func run(_ engine: Engine, _ words: [String], database: Int = 0) -> String {
        let reply = engine.execute(words.map { Array($0.utf8) }, database: database, version: .resp2)
        return String(decoding: reply, as: UTF8.self)
    }

    private func makeEngine() -> Engine {
        let engine = Engine(databases: 4, seed: 7)
        engine.setTime(1_700_000_000_000)
        var settings = engine.settings
        settings.streamNodeMaxEntries = 20
        settings.listMaxPackedSize = 64
        engine.settings = settings
        return engine
    }

    /// The commands that make a value of `size` elements.
    private func making(_ kind: String, _ key: String, size: Int) -> [[String]] {
        let numbers = 0..<size
        switch kind {
        case "text": return [["SET", key, String(repeating: "x", count: size * 6)]]
        case "hash":
            return [
                ["HSET", key] + numbers.flatMap { ["f\($0)", "value \($0)"] },
                ["HPEXPIRE", key, "1000000", "FIELDS", "2", "f0", "f\(size / 2)"],
            ]
        case "set": return [["SADD", key] + numbers.map { "m\($0)" }]
        case "sorted": return [["ZADD", key] + numbers.flatMap { ["\($0 % 50)", "m\($0)"] }]
        case "list": return [["RPUSH", key] + numbers.map { "element \($0)" }]
        default:
            return numbers.map { ["XADD", key, "\($0 + 1)-1", "f", "v\($0)"] } + [
                ["XGROUP", "CREATE", key, "group", "0"],
                ["XREADGROUP", "GROUP", "group", "one", "COUNT", "\(size / 2)", "STREAMS", key, ">"],
                ["XREADGROUP", "GROUP", "group", "two", "COUNT", "\(size / 4)", "STREAMS", key, ">"],
            ]
        }
    }

    private func change(_ random: inout RandomSource) -> [String] {
        let kind = Self.kinds[random.below(Self.kinds.count)]
        func key(_ kind: String) -> String {
            switch random.below(4) {
            case 0: "medium \(kind):\(random.below(3))"
            case 1: "large \(kind)"
            default: "\(kind):\(random.below(70))"
            }
        }
        let name = key(kind)
        let number = random.below(Self.elements)
        let choices: [[String]] =
            switch kind {
            case "text":
                [
                    ["SET", name, "new"], ["APPEND", name, "more"], ["SETRANGE", name, "5", "abc"], ["GETDEL", name],
                    ["GET", name], ["SET", name, "12", "PX", "30"], ["SETRANGE", "long text", "9", "changed"],
                ]
            case "hash":
                [
                    ["HSET", name, "f\(number)", "changed"], ["HDEL", name, "f\(number)", "f1"], ["HGETALL", name],
                    ["HPEXPIRE", name, "30", "FIELDS", "1", "f\(number)"], ["HGET", name, "f\(number)"],
                ]
            case "set":
                [
                    ["SADD", name, "new\(number)"], ["SREM", name, "m\(number)", "m1"], ["SCARD", name],
                    ["SINTERSTORE", name, name, key("set")], ["SMOVE", name, key("set"), "m\(number)"],
                    ["SUNION", name, key("set")],
                ]
            case "sorted":
                [
                    ["ZADD", name, "7", "m\(number)"], ["ZREM", name, "m\(number)"], ["ZPOPMIN", name, "20"],
                    ["ZREMRANGEBYRANK", name, "0", "30"], ["ZINCRBY", name, "3", "m\(number)"],
                    ["ZRANK", name, "m\(number)"], ["ZRANGE", name, "0", "-1", "WITHSCORES"],
                    ["ZRANGEBYSCORE", name, "7", "9"],
                ]
            case "list":
                [
                    ["LPUSH", name, "new"], ["RPUSH", name, "new"], ["LPOP", name], ["RPOP", name, "70"],
                    ["LSET", name, "\(number)", "changed"], ["LRANGE", name, "0", "-1"],
                    ["LTRIM", name, "40", "-40"], ["LREM", name, "1", "element \(number)"],
                    ["LINSERT", name, "BEFORE", "element \(number)", "new"], ["LTRIM", name, "0", "2"],
                ]
            default:
                [
                    ["XADD", name, "*", "f", "new"], ["XDEL", name, "\(number + 1)-1", "3-1"],
                    ["XTRIM", name, "MAXLEN", "~", "\(number)"], ["XRANGE", name, "-", "+"],
                    ["XREADGROUP", "GROUP", "group", "two", "COUNT", "9", "STREAMS", name, ">"],
                    ["XACK", name, "group", "\(number % 900)-1", "\(number)-1"],
                    ["XCLAIM", name, "group", "three", "0", "\(number % 900)-1"],
                    ["XAUTOCLAIM", name, "group", "three", "0", "0", "COUNT", "5"],
                    ["XGROUP", "DELCONSUMER", name, "group", "two"], ["XPENDING", name, "group", "-", "+", "20"],
                    ["XGROUP", "CREATECONSUMER", name, "group", "new\(number)"], ["XGROUP", "DESTROY", name, "group"],
                ]
            }
        let any: [[String]] = [
            ["DEL", name], ["RENAME", name, key(kind)], ["RENAME", name, "renamed:\(number % 10)"],
            ["MOVE", name, "\(random.below(4))"], ["COPY", name, "copy:\(number % 10)", "REPLACE"],
            ["PEXPIRE", name, "40"], ["SET", name, "overwritten"], ["SET", "new:\(number)", "v"], ["PERSIST", name],
            ["SORT", name, "ALPHA", "STORE", "sorted list"],
        ]
        switch random.below(3000) {
        case 0: return ["FLUSHDB"]
        case 1: return ["FLUSHALL"]
        case 2..<6: return ["SWAPDB", "\(random.below(4))", "\(random.below(4))"]
        case 6..<300: return any[random.below(any.count)]
        default: return choices[random.below(choices.count)]
        }
    }

    private func checkInvariants(_ engine: Engine) {
        for database in engine.databasesInUse {
            database.table.checkInvariants()
            database.forEachEntry { entry in
                switch entry.encoding {
                case .tree:
                    let table = SortedSetTable(at: entry.pointer)
                    table.table.checkInvariants()
                    table.tree.checkInvariants()
                case .table where entry.isType(.set): SetTable(at: entry.pointer).table.checkInvariants()
                case .table: HashTable(at: entry.pointer).table.checkInvariants()
                case .chain: ListChain(at: entry.pointer).checkInvariants()
                case .stream: StreamValue(at: entry.pointer).checkInvariants()
                default: break
                }
            }
        }
        engine.state.allocator.checkInvariants()
    }

    // MARK: everything moves

    /// The slices are short, so that most large values are moved in many, with commands in between.
    @Test(arguments: [(1, 40), (2, 400), (3, 3000)]) func valuesStayWhatTheyAre(seed: Int, steps: Int) {
        let (moving, still) = (makeEngine(), makeEngine())
        moving.movesAllBlocks = true
        func both(_ words: [String], database: Int = 0) {
            let expected = run(still, words, database: database)
            #expect(run(moving, words, database: database) == expected, "\(words)")
        }
        func fill(_ database: Int) {
            for kind in Self.kinds {
                for index in 0..<20 {
                    for words in making(kind, "\(kind):\(index)", size: 4 + index % 7) {
                        both(words, database: database)
                    }
                }
                for index in 0..<3 {
                    for words in making(kind, "medium \(kind):\(index)", size: 300) { both(words, database: database) }
                }
                for words in making(kind, "large \(kind)", size: Self.elements) { both(words, database: database) }
            }
            both(["SET", "long text", String(repeating: "y", count: 200_000)], database: database)
        }
        for database in 0..<2 { fill(database) }
        var random = RandomSource(seed: TestSeed.fixed(UInt64(seed)))
        var time: Int64 = 1_700_000_000_000
        var passes = 0
        for step in 0..<2000 {
            if moving.defragment(steps: steps) {
                moving.beginDefragmentation()
                passes += 1
            }
            both(change(&random), database: random.below(4))
            if step % 5 == 0 {
                time += 1
                for engine in [moving, still] {
                    engine.setTime(time)
                    _ = engine.expireCycle(budget: 10)
                    if engine.hasGarbage { engine.freeSlice() }
                }
            }
            if step % 700 == 699 {
                checkInvariants(moving)
                fill(random.below(4))
            }
        }
        #expect(moving.exactDigest() == still.exactDigest())
        checkInvariants(moving)
        let statistics = moving.defragmentationStatistics
        #expect(statistics.moved > 5000 && statistics.keysMoved > 100 && passes > 0)
        moving.removeAll()
        while moving.hasGarbage { moving.freeSlice() }
        moving.state.allocator.checkInvariants()
    }

    /// All of the types whose every block can move does, so that no page keeps a block where it was.
    @Test(arguments: ["text", "hash", "set", "sorted", "list", "stream"]) func everyBlockMoves(kind: String) {
        let engine = makeEngine()
        for index in 0..<50 {
            for words in making(kind, "\(kind):\(index)", size: 400) { run(engine, words) }
        }
        engine.movesAllBlocks = true
        engine.beginDefragmentation()
        let digest = engine.exactDigest()
        while !engine.defragment(steps: 500) {}
        #expect(engine.exactDigest() == digest)
        checkInvariants(engine)
        let statistics = engine.defragmentationStatistics
        #expect(statistics.keysMoved == 50 && statistics.keysKept == 0)
        #expect(statistics.kept == 0)
    }

    @Test func nothingMovesWhileASnapshotIsWritten() {
        let engine = makeEngine()
        for words in making("set", "set", size: 3000) { run(engine, words) }
        engine.movesAllBlocks = true
        engine.beginDefragmentation()
        let saver = SnapshotSaver(engine, SnapshotSaver.Contents(), to: SnapshotMemory(compresses: false))
        saver.begin()
        #expect(!engine.mayDefragment && !engine.defragment(steps: 1_000_000))
        #expect(engine.defragmentationStatistics.moved == 0)
        while !saver.slice({ false }) {}
        saver.end()
        #expect(engine.mayDefragment && engine.defragment(steps: 1_000_000))
        #expect(engine.defragmentationStatistics.moved > 3000)
    }

    // MARK: sparse pages

    /// Of 60,000 keys of all sizes a fifth stays.
    private func sparseEngine(_ database: Int = 0) -> Engine {
        let engine = makeEngine()
        var random = RandomSource(seed: TestSeed.fixed(3))
        for number in 0..<60_000 {
            run(engine, ["SET", "key:\(number)", String(repeating: "v", count: 20 + random.below(500))])
        }
        for number in 0..<200 { run(engine, ["HSET", "h"] + ["f\(number)", String(repeating: "x", count: 300)]) }
        for number in 0..<60_000 where random.below(5) > 0 { run(engine, ["DEL", "key:\(number)"]) }
        engine.state.allocator.measureSurplus()
        return engine
    }

    @Test func sparsePagesBecomeEmpty() {
        let engine = sparseEngine()
        let digest = engine.exactDigest()
        let before = engine.memoryStatistics
        #expect(engine.fragmentation.percent > 150)
        engine.beginDefragmentation()
        var slices = 0
        while !engine.defragment(steps: 1000) { slices += 1 }
        let after = engine.memoryStatistics
        #expect(engine.exactDigest() == digest)
        checkInvariants(engine)
        #expect(after.usedBytes == before.usedBytes)
        // Of each size one page is not full.
        #expect(after.pages < before.pages * 6 / 10)
        #expect(slices > 20)
        let statistics = engine.defragmentationStatistics
        #expect(statistics.moved < 12_000 * 2, "no more than what stays moves")
        // A second pass has little to do.
        engine.beginDefragmentation()
        while !engine.defragment(steps: 1000) {}
        #expect(engine.defragmentationStatistics.moved - statistics.moved < 2000)
        #expect(!engine.state.allocator.hasDraining)
    }

    /// Each slice looks at no more than its budget allows, but for the rest of what was underway.
    @Test func slicesAreBounded() {
        let engine = sparseEngine()
        for kind in Self.kinds where kind != "text" {
            for words in making(kind, kind, size: 20_000) { run(engine, words) }
        }
        engine.movesAllBlocks = true
        engine.beginDefragmentation()
        var last = 0
        var most = 0
        while !engine.defragment(steps: 200) {
            let statistics = engine.defragmentationStatistics
            most = max(most, statistics.moved + statistics.kept - last)
            last = statistics.moved + statistics.kept
        }
        #expect(last > 80_000)
        #expect(most < 400)
    }

    /// While pages are draining, what is added takes their room before there are new pages.
    @Test func drainingPagesAreUsedBeforeNewOnes() {
        let engine = sparseEngine()
        engine.beginDefragmentation()
        while engine.state.variables.defragmentation.phase != .walking { _ = engine.defragment(steps: 100) }
        #expect(engine.state.allocator.hasDraining)
        let pages = engine.memoryStatistics.pages
        var random = RandomSource(seed: TestSeed.fixed(9))
        for number in 0..<30_000 {
            run(engine, ["SET", "new:\(number)", String(repeating: "v", count: 20 + random.below(500))])
        }
        #expect(engine.memoryStatistics.pages <= pages + 20)
        engine.endDefragmentation()
        while !engine.defragment(steps: 1000) {}
        #expect(!engine.state.allocator.hasDraining)
        checkInvariants(engine)
    }

    /// Whatever goes between two slices: keys, databases, all data.
    @Test(arguments: 0..<3) func dataMayGoMeanwhile(seed: Int) {
        let engine = makeEngine()
        var random = RandomSource(seed: TestSeed.fixed(UInt64(seed)))
        for round in 0..<4 {
            for kind in Self.kinds { for words in making(kind, kind, size: 2000) { run(engine, words) } }
            engine.movesAllBlocks = round % 2 == 0
            engine.beginDefragmentation()
            for _ in 0..<300 where !engine.defragment(steps: 100) {
                switch random.below(40) {
                case 0: run(engine, ["FLUSHALL"])
                case 1: run(engine, ["SWAPDB", "0", "1"])
                case 2: run(engine, ["FLUSHDB"], database: random.below(2))
                case 3...8: run(engine, ["DEL", Self.kinds[random.below(6)]], database: random.below(2))
                case 9...12: run(engine, ["RENAME", Self.kinds[random.below(6)], "other"])
                case 13...20: run(engine, ["LTRIM", "list", "50", "-50"], database: random.below(2))
                case 21...24:
                    let kind = Self.kinds[random.below(6)]
                    run(engine, ["DEL", kind])
                    for words in making(kind, kind, size: 900) { run(engine, words) }
                default: run(engine, ["LPOP", "list", "30"])
                }
                if engine.hasGarbage { engine.freeSlice() }
            }
            engine.endDefragmentation()
            while !engine.defragment(steps: 1000) {}
            checkInvariants(engine)
        }
    }
}
