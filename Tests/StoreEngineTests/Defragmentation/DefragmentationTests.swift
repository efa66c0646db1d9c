// Goal: values stay what they are while the memory in which they lie moves, sparse pages become empty, and no slice takes long. Method: random
// commands on all types between slices that move every block, compared with an engine that moves nothing; deletions at random, after
// which pages, steps and addresses are counted.

import RespCodec
import TestSupport
import Testing

@testable import StoreEngine

struct DefragmentationTests {
    private static let elements = 1500
    private let writes = RandomWrites(
        elements: elements, textUnit: 6, scores: 50, millisecondsToLive: 30, rarity: 1000, reads: true)

    @discardableResult
    private func run(_ engine: Engine, _ words: [String], database: Int = 0) -> String {
        let reply = engine.execute(words.map { Array($0.utf8) }, database: database, version: .resp2)
        return String(decoding: reply, as: UTF8.self)
    }

    private func makeEngine() -> Engine {
        let engine = Engine(databases: RandomWrites.databases, seed: 7)
        engine.setTime(1_700_000_000_000)
        var settings = engine.settings
        settings.streamNodeMaxEntries = 20
        settings.listMaxPackedSize = 64
        engine.settings = settings
        return engine
    }

    private func checkInvariants(_ engine: Engine) {
        for database in engine.databasesInUse {
            database.checkInvariants()
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
            for kind in RandomWrites.kinds {
                for index in 0..<20 {
                    for words in writes.making(kind, "\(kind):\(index)", size: 4 + index % 7) {
                        both(words, database: database)
                    }
                }
                for index in 0..<3 {
                    for words in writes.making(kind, "medium \(kind):\(index)", size: 300) {
                        both(words, database: database)
                    }
                }
                for words in writes.making(kind, "large \(kind):0", size: Self.elements) {
                    both(words, database: database)
                }
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
            both(writes.change(&random), database: random.below(RandomWrites.databases))
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
                fill(random.below(RandomWrites.databases))
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
            for words in writes.making(kind, "\(kind):\(index)", size: 400) { run(engine, words) }
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
        for words in writes.making("set", "set", size: 3000) { run(engine, words) }
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
        for kind in RandomWrites.kinds where kind != "text" {
            for words in writes.making(kind, kind, size: 20_000) { run(engine, words) }
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
            for kind in RandomWrites.kinds { for words in writes.making(kind, kind, size: 2000) { run(engine, words) } }
            engine.movesAllBlocks = round % 2 == 0
            engine.beginDefragmentation()
            for _ in 0..<300 where !engine.defragment(steps: 100) {
                switch random.below(40) {
                case 0: run(engine, ["FLUSHALL"])
                case 1: run(engine, ["SWAPDB", "0", "1"])
                case 2: run(engine, ["FLUSHDB"], database: random.below(2))
                case 3...8: run(engine, ["DEL", RandomWrites.kinds[random.below(6)]], database: random.below(2))
                case 9...12: run(engine, ["RENAME", RandomWrites.kinds[random.below(6)], "other"])
                case 13...20: run(engine, ["LTRIM", "list", "50", "-50"], database: random.below(2))
                case 21...24:
                    let kind = RandomWrites.kinds[random.below(6)]
                    run(engine, ["DEL", kind])
                    for words in writes.making(kind, kind, size: 900) { run(engine, words) }
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
