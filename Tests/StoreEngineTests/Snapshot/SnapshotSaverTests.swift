// Goal: a snapshot that is written in slices is what there was when it began. Method: random commands of all kinds run between the slices,
// on small, medium and large values; what was written is loaded into a second engine, and both digests are compared.

import RespCodec
import TestSupport
import Testing

@testable import StoreEngine

struct SnapshotSaverTests {
    private static let elements = 4200
    private let writes = RandomWrites(
        elements: elements, textUnit: 60, mostDelivered: 40, millisecondsToLive: 3, rarity: 400, draws: true)

    @discardableResult
    private func run(_ engine: Engine, _ words: [String], database: Int = 0) -> String {
        let reply = engine.execute(words.map { Array($0.utf8) }, database: database, version: .resp2)
        return String(decoding: reply, as: UTF8.self)
    }

    private func makeEngine() -> Engine {
        let engine = Engine(databases: RandomWrites.databases, seed: 7)
        engine.setTime(1_700_000_000_000)
        return engine
    }

    /// A value of `size` elements.
    private func make(_ engine: Engine, _ kind: String, _ key: String, size: Int, database: Int) {
        for words in writes.making(kind, key, size: size) { run(engine, words, database: database) }
    }

    private func fill(_ engine: Engine) {
        var settings = engine.settings
        settings.streamNodeMaxEntries = 20
        settings.listMaxPackedSize = 64
        engine.settings = settings
        for database in 0..<3 {
            for kind in RandomWrites.kinds {
                for index in 0..<30 { make(engine, kind, "\(kind):\(index)", size: 1 + index % 7, database: database) }
                for index in 0..<3 { make(engine, kind, "medium \(kind):\(index)", size: 700, database: database) }
                if database < 2 { make(engine, kind, "large \(kind):0", size: Self.elements, database: database) }
            }
            run(engine, ["SET", "long text", String(repeating: "y", count: 2_000_000)], database: database)
            run(engine, ["SET", "fleeting", "x", "PX", "50"], database: database)
        }
    }

    private func change(_ engine: Engine, _ random: inout RandomSource) {
        run(engine, writes.change(&random), database: random.below(RandomWrites.databases))
    }

    /// Compares what a snapshot has, or what commands make, with what there was.
    /// - Parameter time: when it was written. Commands make no entry of a stream that was delivered later.
    private func check(_ bytes: [UInt8], _ digest: String, at time: Int64 = 1_700_000_000_000) throws {
        let copy = makeEngine()
        copy.setTime(time)
        if bytes.starts(with: "REDIS".utf8) {
            try bytes.withByteSlice { _ = try copy.load($0) }
        } else {
            let failures = try bytes.withByteSlice { try copy.replay($0) }
            #expect(failures.isEmpty)
        }
        #expect(copy.exactDigest() == digest)
    }

    /// Writes some steps of a snapshot.
    /// - Returns: whether that was all of it.
    private func slice(_ saver: SnapshotSaver, steps: Int) -> Bool {
        var left = steps
        return saver.slice {
            left -= 1
            return left < 0
        }
    }

    /// Writes a snapshot in slices, and calls `between` after each.
    /// - Parameter asCommands: whether it is commands that make the data.
    private func save(
        _ engine: Engine, asCommands: Bool = false, stepsOfSlice: Int = 1, _ between: () -> Void
    ) -> [UInt8] {
        let memory = SnapshotMemory(compresses: true, isFramed: !asCommands)
        var contents = SnapshotSaver.Contents()
        contents.isCommands = asCommands
        let saver = SnapshotSaver(engine, contents, to: memory)
        saver.begin()
        var isOver = false
        while !isOver {
            isOver = slice(saver, steps: stepsOfSlice)
            if !isOver { between() }
        }
        saver.end()
        return memory.finished(version: saver.version)
    }

    /// However far the snapshot has come when large values change.
    @Test(arguments: [1, 4, 11, 22, 30], [false, true])
    func largeValuesThatChangeWhileOthersAreWritten(steps: Int, asCommands: Bool) throws {
        let engine = makeEngine()
        for kind in RandomWrites.kinds where kind != "stream" {
            for index in 0..<2 { make(engine, kind, "large \(kind):\(index)", size: Self.elements, database: 1) }
        }
        let digest = engine.exactDigest()
        var left = steps
        let bytes = save(engine, asCommands: asCommands) {
            left -= 1
            guard left == 0 else { return }
            run(engine, ["HSET", "large hash:1", "f77", "changed"], database: 1)
            run(engine, ["HDEL", "large hash:0", "f78"], database: 1)
            run(engine, ["SREM", "large set:1", "m3"], database: 1)
            run(engine, ["ZADD", "large sorted:1", "9", "m4000"], database: 1)
            run(engine, ["LSET", "large list:1", "2500", "changed"], database: 1)
            run(engine, ["LPOP", "large list:0", "900"], database: 1)
            run(engine, ["APPEND", "large text:1", "more"], database: 1)
            run(engine, ["SET", "new", "1"], database: 0)
        }
        try check(bytes, digest)
    }

    @Test(arguments: [1, 40], [false, true])
    func whatIsWrittenIsWhatThereWas(stepsOfSlice: Int, asCommands: Bool) throws {
        let engine = makeEngine()
        fill(engine)
        var random = RandomSource(seed: TestSeed.fixed(UInt64(stepsOfSlice)))
        var time: Int64 = 1_700_000_000_000
        for _ in 0..<2 {
            let (digest, start) = (engine.exactDigest(), time)
            let bytes = save(engine, asCommands: asCommands, stepsOfSlice: stepsOfSlice) {
                for _ in 0..<6 { change(engine, &random) }
                time += 1
                engine.setTime(time)
                _ = engine.expireCycle(budget: 10)
                if engine.hasGarbage { engine.freeSlice() }
            }
            try check(bytes, digest, at: start)
            #expect(engine.exactDigest() != digest)
        }
        while engine.hasGarbage { engine.freeSlice() }
        for index in 0..<RandomWrites.databases {
            engine.database(index).checkInvariants()
            engine.database(index).allocator.checkInvariants()
        }
    }

    @Test(arguments: [false, true]) func nothingIsLostWhenEverythingIsDropped(asCommands: Bool) throws {
        let engine = makeEngine()
        fill(engine)
        let digest = engine.exactDigest()
        var random = RandomSource(seed: TestSeed.fixed(4))
        var count = 0
        let bytes = save(engine, asCommands: asCommands) {
            count += 1
            for _ in 0..<4 { change(engine, &random) }
            if count % 60 == 20 { run(engine, ["FLUSHALL"]) }
            if engine.hasGarbage { engine.freeSlice() }
        }
        try check(bytes, digest)
        engine.removeAll()
        while engine.hasGarbage { engine.freeSlice() }
        engine.database(0).allocator.checkInvariants()
    }

    /// Marks of entries say what was written, in whatever ways segments grow, split, are merged and shrink meanwhile.
    @Test(arguments: 0..<3) func tablesThatGrowAndShrink(seed: Int) throws {
        let engine = makeEngine()
        for number in 0..<3000 { run(engine, ["SET", "key:\(number)", "value \(number)"]) }
        make(engine, "set", "members", size: 9000, database: 0)
        var random = RandomSource(seed: TestSeed.fixed(UInt64(seed)))
        for round in 0..<2 {
            let digest = engine.exactDigest()
            let grows = (seed + round) % 2 == 0
            let bytes = save(engine) {
                for _ in 0..<100 {
                    let number = random.below(9000)
                    if random.below(10) < (grows ? 8 : 2) {
                        run(engine, ["SET", "key:\(number)", "new"])
                        run(engine, ["SADD", "members", "m\(number)"])
                    } else {
                        run(engine, ["DEL", "key:\(number)"])
                        run(engine, ["SREM", "members", "m\(number)"])
                    }
                }
                if engine.hasGarbage { engine.freeSlice() }
            }
            try check(bytes, digest)
            engine.database(0).checkInvariants()
        }
    }

    /// A list of thousands of nodes that change in every way, at the ends and in between, while it is written. Nodes are compressed, and hold
    /// one large element, too; runs of them are cut off.
    @Test(arguments: 0..<6, [false, true]) func listsThatChangeWhileTheyAreWritten(seed: Int, asCommands: Bool) throws {
        let engine = makeEngine()
        engine.settings.listMaxPackedSize = [4, 16, 4, 16, 64, 1][seed]
        engine.settings.listCompressDepth = [0, 0, 1, 3, 0, 0][seed]
        engine.settings.listPlainElementSize = 200
        let size = 8000
        run(
            engine,
            ["RPUSH", "list"]
                + (0..<size).map { $0 % 50 == 7 ? String(repeating: "\($0) ", count: 60) : "element \($0)" })
        var random = RandomSource(seed: TestSeed.fixed(UInt64(seed)))
        // One that is given up leaves nothing behind for the next one.
        for round in 0..<3 {
            let digest = engine.exactDigest()
            let memory = SnapshotMemory(compresses: true, isFramed: !asCommands)
            var contents = SnapshotSaver.Contents()
            contents.isCommands = asCommands
            let saver = SnapshotSaver(engine, contents, to: memory)
            saver.begin()
            var (slices, isOver) = (0, false)
            // At first nothing changes, so that the changes begin in another part of it each time.
            let quiet = [0, 2, 4, 1, 0, 3][seed]
            while !isOver && (round != 1 || slices < 5) {
                isOver = slice(saver, steps: 1)
                slices += 1
                guard slices > quiet else { continue }
                for _ in 0..<40 { changeList(engine, &random, size) }
                if engine.hasGarbage { engine.freeSlice() }
            }
            saver.end()
            #expect(engine.bytesHeldBySnapshot == 0)
            if round != 1 {
                #expect(round > 0 || slices > quiet + 1)
                try check(memory.finished(version: saver.version), digest)
            }
            if let entry = entry(engine, "list"), entry.encoding == .chain {
                unsafe ListChain(at: entry.pointer).checkInvariants()
            }
        }
        run(engine, ["DEL", "list", "other"])
        while engine.hasGarbage { engine.freeSlice() }
        engine.database(0).allocator.checkInvariants()
    }

    private func changeList(_ engine: Engine, _ random: inout RandomSource, _ size: Int) {
        let number = random.below(size)
        let element = "element \(number)"
        let new = random.below(20) == 0 ? String(repeating: "new", count: 80) : "new \(number)"
        let end = random.below(2) == 0 ? "L" : "R"
        let length = Int(run(engine, ["LLEN", "list"]).dropFirst().dropLast(2)) ?? 0
        let words: [String]
        switch random.below(200) {
        case 0..<30: words = ["\(end)PUSH", "list", new]
        case 30..<40: words = ["\(end)PUSH", "list"] + (0..<40).map { "pushed \($0)" }
        case 40..<70: words = ["\(end)POP", "list"]
        case 70..<80: words = ["\(end)POP", "list", "\(random.below(100))"]
        case 80..<110: words = ["LSET", "list", "\(random.below(max(length, 1)))", new]
        case 110..<140: words = ["LINSERT", "list", end == "L" ? "BEFORE" : "AFTER", element, new]
        case 140..<160: words = ["LREM", "list", end == "L" ? "1" : "-1", element]
        case 160: words = ["LREM", "list", "0", "new \(number)"]
        case 161: words = ["LTRIM", "list", "\(random.below(length / 8 + 1))", "-1"]
        case 162: words = ["LTRIM", "list", "0", "\(max(length - 1 - random.below(length / 8 + 1), 0))"]
        case 163: words = ["LTRIM", "list", "\(random.below(300))", "-\(1 + random.below(300))"]
        case 164: words = ["COPY", "list", "other", "REPLACE"]
        case 165: words = ["RENAME", "list", "list"]
        case 166 where random.below(12) == 0: words = ["LTRIM", "list", "\(length / 2)", "\(length / 2 + 3)"]
        case 167 where random.below(12) == 0: words = ["DEL", "list"]
        default: words = ["LMOVE", "list", "list", end == "L" ? "RIGHT" : "LEFT", end == "L" ? "LEFT" : "RIGHT"]
        }
        run(engine, words)
        if length < 200 {
            run(engine, ["RPUSH", "list"] + (0..<size / 4).map { $0 % 9 == 0 ? new : "element \($0 + number)" })
        }
    }

    /// The entry of a key of the first database.
    private func entry(_ engine: Engine, _ name: String) -> Entry? {
        let database = engine.database(0)
        return Array(name.utf8).withByteSlice { key in
            database.table.find(key, hash: engine.hash(key)).map { database.entry(at: $0) }
        }
    }

    /// An engine with a list or a stream of 5,000 nodes.
    private func makeEngineOfNodes(_ kind: String) -> Engine {
        let engine = makeEngine()
        engine.settings.listMaxPackedSize = 4
        engine.settings.streamNodeMaxEntries = 4
        make(engine, kind, kind, size: 20_000, database: 0)
        return engine
    }

    /// Begins to save what there is, of which this is the digest: the only key is taken down.
    private func beginSaving(_ engine: Engine) -> (digest: String, memory: SnapshotMemory, saver: SnapshotSaver) {
        let digest = engine.exactDigest()
        let memory = SnapshotMemory(compresses: false)
        let saver = SnapshotSaver(engine, SnapshotSaver.Contents(), to: memory)
        saver.begin()
        _ = slice(saver, steps: 1)
        return (digest, memory, saver)
    }

    /// What makes a list or a stream be opened is no work that grows with it.
    @Test(arguments: ["list", "stream"]) func openingTouchesFewNodes(kind: String) throws {
        let engine = makeEngineOfNodes(kind)
        let (digest, memory, saver) = beginSaving(engine)
        run(engine, kind == "list" ? ["RPUSH", kind, "new"] : ["XADD", kind, "*", "f", "new"])
        let value = try #require(saver.unwritten.values.first)
        #expect(value.state == .open)
        switch value.body {
        case .list(let chain):
            #expect(chain.nodeCount == 5001)
            var marked = 0
            chain.forEachNode { if $0.isMarked == chain.isMarked { marked += 1 } }
            #expect(marked == 1)
            #expect(value.list?.nodesLeft == 5000)
        case .stream(let stream):
            #expect(stream.nodeCount == 5001)
            #expect(value.entries?.keptCount == 1)
            #expect(value.entries?.nodesLeft == 5000)
        default: Issue.record("not a value of nodes")
        }
        while !saver.slice({ false }) {}
        saver.end()
        try check(memory.finished(version: saver.version), digest)
    }

    /// Every slice of a list or a stream is bounded, also where nearly nothing that is looked at is to be written.
    @Test(arguments: ["list", "stream"]) func nodesAreWrittenInSlices(kind: String) throws {
        let engine = makeEngineOfNodes(kind)
        run(engine, ["XGROUP", "DESTROY", kind, "group"])
        let (digest, memory, saver) = beginSaving(engine)
        // Opens it, and puts thousands of nodes in front of what is to be written, or behind it.
        for number in 0..<2500 {
            run(
                engine,
                kind == "list"
                    ? ["LINSERT", kind, "BEFORE", "element 0", "new \(number)"] : ["XADD", kind, "*", "f", "new"])
        }
        var (last, most, before) = (0, 0, saver.stepCount)
        while !saver.slice({
            let position = saver.stream.position + (saver.unwritten.values.first?.stream?.position ?? 0)
            (last, most) = (position, max(most, position - last))
            return false
        }) {}
        before = saver.stepCount - before
        saver.end()
        #expect(before >= 10 && most < 80_000)
        try check(memory.finished(version: saver.version), digest)
    }

    /// A node of a stream that becomes the last one gets entries, and has them only in the stream.
    @Test func entriesThatComeToAnEarlierNode() throws {
        let engine = makeEngine()
        engine.settings.streamNodeMaxEntries = 10
        make(engine, "stream", "stream", size: 5000, database: 0)
        let digest = engine.exactDigest()
        var slices = 0
        let bytes = save(engine) {
            slices += 1
            guard slices == 1 else { return }
            for number in 4981...5000 { run(engine, ["XDEL", "stream", "\(number)-1"]) }
            engine.settings.streamNodeMaxEntries = 100
            for _ in 0..<5 { run(engine, ["XADD", "stream", "*", "f", "new"]) }
        }
        try check(bytes, digest)
    }

    /// A stream whose entries are added, deleted and trimmed in every way while it is written, and whose ids begin anew.
    @Test(arguments: 0..<4, [false, true]) func streamsThatChangeWhileTheyAreWritten(seed: Int, asCommands: Bool) throws
    {
        let engine = makeEngine()
        engine.settings.streamNodeMaxEntries = [3, 6, 12, 4][seed]
        var random = RandomSource(seed: TestSeed.fixed(UInt64(seed)))
        let size = 10_000
        make(engine, "stream", "stream", size: size, database: 0)
        for round in 0..<2 {
            let digest = engine.exactDigest()
            var slices = 0
            let quiet = [1, 2, 4, 1][seed]
            let bytes = save(engine, asCommands: asCommands) {
                slices += 1
                guard slices > quiet else { return }
                for _ in 0..<60 {
                    let number = 1 + random.below(size)
                    switch random.below(200) {
                    case 0: engine.settings.streamNodeMaxEntries = 1 + random.below(30)
                    case 1: run(engine, ["XTRIM", "stream", "MAXLEN", "~", "\(size * 3 / 4)"])
                    case 2: run(engine, ["XTRIM", "stream", "MINID", "\(random.below(size / 8))"])
                    case 3 where random.below(8) == 0:
                        run(engine, ["XTRIM", "stream", "MAXLEN", "0"])
                        run(engine, ["XSETID", "stream", "0-1"])
                        for id in 1...300 { run(engine, ["XADD", "stream", "\(id)-1", "f", "again"]) }
                    case 4 where random.below(16) == 0: run(engine, ["DEL", "stream"])
                    case 5..<10:
                        // The last ones, so that earlier nodes become the last.
                        for _ in 0..<30 {
                            let last = run(engine, ["XREVRANGE", "stream", "+", "-", "COUNT", "1"])
                            guard let id = last.split(separator: "\r\n").first(where: { $0.contains("-") }) else {
                                break
                            }
                            run(engine, ["XDEL", "stream", String(id)])
                        }
                    case 10..<100: run(engine, ["XDEL", "stream", "\(number)-1"])
                    case 100..<130: run(engine, ["XACK", "stream", "group", "\(number % 40)-1"])
                    case 130..<140: run(engine, ["XCLAIM", "stream", "group", "three", "0", "\(number % 40)-1"])
                    default: run(engine, ["XADD", "stream", "*", "f", "new"])
                    }
                }
                if engine.hasGarbage { engine.freeSlice() }
            }
            #expect(round > 0 || slices > quiet)
            try check(bytes, digest)
            if let entry = entry(engine, "stream") { unsafe StreamValue(at: entry.pointer).checkInvariants() }
        }
        run(engine, ["DEL", "stream"])
        while engine.hasGarbage { engine.freeSlice() }
        engine.database(0).allocator.checkInvariants()
    }

    /// A group of thousands of pending entries that change in every way while it is written.
    @Test(arguments: 0..<4) func pendingEntriesThatChangeWhileTheyAreWritten(seed: Int) throws {
        let engine = makeEngine()
        let size = 20_000
        make(engine, "stream", "stream", size: size, database: 0)
        run(engine, ["XGROUP", "CREATE", "stream", "other", "0"])
        for (group, consumer, count) in [
            ("group", "one", "7000"), ("group", "two", "6000"), ("other", "one", "15000"), ("other", "three", "100"),
        ] {
            run(engine, ["XREADGROUP", "GROUP", group, consumer, "COUNT", count, "STREAMS", "stream", ">"])
        }
        run(engine, ["XNACK", "stream", "group", "SILENT", "IDS", "2", "7-1", "8-1"])
        let digest = engine.exactDigest()
        var random = RandomSource(seed: TestSeed.fixed(UInt64(seed)))
        var slices = 0
        // At first nothing changes, so that the changes begin in another part of it each time.
        let quiet = [0, 6, 12, 20][seed]
        let bytes = save(engine) {
            slices += 1
            guard slices > quiet else { return }
            for _ in 0..<100 {
                let group = random.below(2) == 0 ? "group" : "other"
                let id = "\(1 + random.below(size))-1"
                switch random.below(400) {
                case 0:
                    run(engine, ["XGROUP", "DELCONSUMER", "stream", group, ["one", "two", "new"][random.below(3)]])
                case 1: run(engine, ["XGROUP", "SETID", "stream", group, "\(random.below(2000))"])
                case 2: run(engine, ["XGROUP", "CREATECONSUMER", "stream", group, "one"])
                case 3 where slices > quiet + 8: run(engine, ["XGROUP", "DESTROY", "stream", group])
                case 4 where slices > quiet + 14: run(engine, ["DEL", "stream"])
                case 5: run(engine, ["XAUTOCLAIM", "stream", group, "new", "0", id, "COUNT", "50"])
                case 6..<160: run(engine, ["XACK", "stream", group, id])
                case 160..<300: run(engine, ["XCLAIM", "stream", group, "three", "0", id])
                case 300..<340: run(engine, ["XNACK", "stream", group, "FAIL", "IDS", "1", id])
                case 340..<350:
                    run(engine, ["XREADGROUP", "GROUP", group, "new", "COUNT", "20", "STREAMS", "stream", ">"])
                case 350: run(engine, ["XREADGROUP", "GROUP", group, "one", "COUNT", "20", "STREAMS", "stream", "0"])
                default: run(engine, ["XADD", "stream", "*", "f", "v"])
                }
            }
            if engine.hasGarbage { engine.freeSlice() }
        }
        #expect(slices > 24)
        try check(bytes, digest)
        while engine.hasGarbage { engine.freeSlice() }
        engine.database(0).allocator.checkInvariants()
    }

    /// Writing a large group takes many steps, none of which writes much more than a slice.
    @Test func pendingEntriesAreWrittenInSlices() throws {
        let engine = makeEngine()
        make(engine, "stream", "stream", size: 20_000, database: 0)
        run(engine, ["XREADGROUP", "GROUP", "group", "one", "COUNT", "20000", "STREAMS", "stream", ">"])
        let memory = SnapshotMemory(compresses: false)
        let saver = SnapshotSaver(engine, SnapshotSaver.Contents(), to: memory)
        saver.begin()
        var (last, most) = (0, 0)
        while !saver.slice({
            let position = saver.stream.position
            (last, most) = (position, max(most, position - last))
            return false
        }) {}
        saver.end()
        #expect(last > 1_000_000 && most < 80_000)
    }

    /// Of a long string nothing is written at once, whatever happens to it: what changes is kept, and who overwrites or deletes it leaves it
    /// there.
    @Test func longStringsAreNeverWrittenAtOnce() throws {
        let engine = makeEngine()
        for name in ["kept", "renamed", "overwritten", "deleted", "longer", "changed"] {
            run(engine, ["SET", name, String(repeating: name, count: 300_000)])
        }
        // A block has room behind the bytes.
        run(engine, ["APPEND", "longer", "."])
        let digest = engine.exactDigest()
        let memory = SnapshotMemory(compresses: true)
        let saver = SnapshotSaver(engine, SnapshotSaver.Contents(), to: memory)
        saver.begin()
        let before = engine.usedBytes
        run(engine, ["PEXPIRE", "kept", "1000000"])
        run(engine, ["RENAME", "renamed", "other name"])
        run(engine, ["APPEND", "longer", "more"])
        run(engine, ["SET", "overwritten", "new"])
        run(engine, ["DEL", "deleted"])
        while engine.hasGarbage { engine.freeSlice() }
        #expect(memory.byteCount < 10_000)
        #expect(engine.bytesHeldBySnapshot > 3_600_000 && engine.usedBytes > before - 10_000)
        let held = engine.bytesHeldBySnapshot
        run(engine, ["SETRANGE", "changed", "9", "x"])
        run(engine, ["SETBIT", "changed", "8000000", "1"])
        run(engine, ["BITFIELD", "changed", "SET", "u8", "9000000", "7", "SET", "u8", "9100000", "7"])
        let changed = try #require(saver.unwritten.values.compactMap(\.text).first { $0.keptCount > 0 })
        // One page each of the first two, and the four from the first field to the last.
        #expect(changed.keptCount == 6 && memory.byteCount < 10_000)
        // They are memory like any other, but have no keys evicted.
        #expect(engine.bytesHeldBySnapshot == held + 6 * 4096)
        while !saver.slice({ false }) {}
        saver.end()
        #expect(engine.bytesHeldBySnapshot == 0)
        while engine.hasGarbage { engine.freeSlice() }
        #expect(engine.usedBytes < before - 3_600_000)
        try check(memory.finished(version: saver.version), digest)
        engine.removeAll()
        while engine.hasGarbage { engine.freeSlice() }
        engine.database(0).allocator.checkInvariants()
    }

    /// What is appended has nothing written at once, even where the string has to move, and is not saved; not even in the middle of it.
    @Test(arguments: [0, 4, 8]) func longStringsThatGrow(steps: Int) throws {
        let engine = makeEngine()
        for name in ["first", "second"] { run(engine, ["SET", name, String(repeating: name, count: 300_000)]) }
        let digest = engine.exactDigest()
        let memory = SnapshotMemory(compresses: true)
        let saver = SnapshotSaver(engine, SnapshotSaver.Contents(), to: memory)
        saver.begin()
        var left = steps
        while !saver.slice({
            left -= 1
            return left < 0
        }) {
            left = 1
            if memory.byteCount < 3_000_000 {
                let before = memory.byteCount
                for name in ["first", "second"] {
                    run(engine, ["APPEND", name, String(repeating: "more", count: 50_000)])
                    run(engine, ["SETRANGE", name, "\(engine.usedBytes / 2 + 400_000)", "end"])
                }
                #expect(memory.byteCount - before < 10_000)
            }
        }
        saver.end()
        try check(memory.finished(version: saver.version), digest)
        engine.removeAll()
        while engine.hasGarbage { engine.freeSlice() }
        engine.database(0).allocator.checkInvariants()
    }

    /// Whatever happens to the bytes of a long string while it is written, or before.
    @Test(arguments: 0..<12, [false, true]) func longStringsThatChange(seed: Int, asCommands: Bool) throws {
        let engine = makeEngine()
        var random = RandomSource(seed: TestSeed.fixed(UInt64(seed)))
        for name in ["first", "second"] {
            run(engine, ["SET", name, String(repeating: name, count: 150_000 + random.below(5000))])
        }
        let digest = engine.exactDigest()
        let bytes = save(engine, asCommands: asCommands) {
            for _ in 0..<4 {
                let name = ["first", "second", "third"][random.below(3)]
                let (place, count) = (random.below(1_100_000), 1 + random.below(9000))
                let words: [String]
                switch random.below(20) {
                case 0: words = ["RENAME", name, "third"]
                case 1: words = ["DEL", name]
                case 2: words = ["SET", name, String(repeating: "new", count: 150_000)]
                case 3: words = ["APPEND", name, String(repeating: "more", count: count)]
                case 4: words = ["BITOP", "NOT", name, "second"]
                case 5: words = ["COPY", "first", name, "REPLACE"]
                case 6..<12: words = ["SETRANGE", name, "\(place)", String(repeating: "x", count: count)]
                case 12..<16: words = ["SETBIT", name, "\(place * 8 + count % 8)", "1"]
                default:
                    words = ["BITFIELD", name, "SET", "u60", "\(place * 8)", "-1", "INCRBY", "i9", "\(count)", "77"]
                }
                run(engine, words)
            }
        }
        try check(bytes, digest)
        #expect(engine.bytesHeldBySnapshot == 0)
        engine.removeAll()
        while engine.hasGarbage { engine.freeSlice() }
        engine.database(0).allocator.checkInvariants()
    }

    /// Memory that only waits to be written has no other keys evicted.
    @Test func nothingIsEvictedForWhatASnapshotHolds() throws {
        let engine = makeEngine()
        engine.settings.evictionOrder = .random
        for number in 0..<6 { make(engine, "hash", "hash \(number)", size: 5000, database: 1) }
        for number in 0..<2000 { run(engine, ["SET", "key:\(number)", "value"], database: 1) }
        for number in 0..<2000 { run(engine, ["SET", "key:\(number)", "value"]) }
        let digest = engine.exactDigest()
        let memory = SnapshotMemory(compresses: true)
        let saver = SnapshotSaver(engine, SnapshotSaver.Contents(), to: memory)
        saver.begin()
        engine.memoryLimit = engine.usedBytes + 1000
        for number in 0..<3 { run(engine, ["DEL", "hash \(number)"], database: 1) }
        let values = engine.bytesHeldBySnapshot
        #expect(values > 350_000)
        run(engine, ["FLUSHDB"], database: 1)
        #expect(engine.bytesHeldBySnapshot > values + 350_000)
        // There is room for about as much as was dropped.
        let room = engine.bytesHeldBySnapshot / 2
        make(engine, "text", "new", size: room / 60, database: 0)
        while engine.isOverMemoryLimit, engine.makeRoom() != .exhausted {}
        #expect(engine.statistics.evictedKeys == 0)
        while !saver.slice({ false }) {}
        saver.end()
        #expect(engine.bytesHeldBySnapshot == 0)
        while engine.isOverMemoryLimit, engine.makeRoom() != .exhausted {}
        #expect(engine.statistics.evictedKeys == 0)
        try check(memory.finished(version: saver.version), digest)
    }

    /// A long string that no key has any more is written before the keys that are still to be walked: its memory is not to wait for them.
    @Test func droppedStringsComeFirst() throws {
        let engine = makeEngine()
        let text = String(repeating: "0123456789abcdef", count: 1 << 17)
        run(engine, ["SET", "long", text])
        for number in 0..<20_000 { run(engine, ["SET", "key:\(number)", "value"]) }
        let digest = engine.exactDigest()
        let memory = SnapshotMemory(compresses: false)
        let saver = SnapshotSaver(engine, SnapshotSaver.Contents(), to: memory)
        saver.begin()
        run(engine, ["DEL", "long"])
        #expect(engine.bytesHeldBySnapshot >= text.utf8.count)
        var steps = 0
        while engine.bytesHeldBySnapshot > 0 {
            let before = saver.stepCount
            _ = saver.slice { saver.stepCount > before }
            steps += 1
        }
        #expect(steps < 20 && saver.keyCount < 1000, "\(steps) steps, \(saver.keyCount) keys")
        while !saver.slice({ false }) {}
        saver.end()
        try check(memory.finished(version: saver.version), digest)
    }

    /// Many large values that change at a time take little more memory than their bytes.
    @Test func openedValuesHaveSmallBlocks() throws {
        let engine = makeEngine()
        for number in 0..<15 { make(engine, "list", "list \(number)", size: Self.elements, database: 0) }
        let digest = engine.exactDigest()
        let memory = SnapshotMemory(compresses: true)
        let saver = SnapshotSaver(engine, SnapshotSaver.Contents(), to: memory)
        saver.begin()
        for number in 0..<15 { run(engine, ["LSET", "list \(number)", "7", "changed"]) }
        while !saver.slice({ false }) {}
        saver.end()
        #expect(memory.capacity < 2 * memory.byteCount + 3 * SnapshotBlock.usualCapacity)
        try check(memory.finished(version: saver.version), digest)
    }

    @Test func oneThatIsGivenUpLeavesNothingBehind() throws {
        let engine = makeEngine()
        fill(engine)
        var random = RandomSource(seed: TestSeed.fixed(5))
        for steps in [3, 40, 90] {
            let memory = SnapshotMemory(compresses: true)
            let saver = SnapshotSaver(engine, SnapshotSaver.Contents(), to: memory)
            saver.begin()
            for _ in 0..<steps {
                var isFirst = true
                _ = saver.slice {
                    defer { isFirst = false }
                    return !isFirst
                }
                for _ in 0..<5 { change(engine, &random) }
            }
            saver.end()
            for _ in 0..<200 { change(engine, &random) }
        }
        let digest = engine.exactDigest()
        try check(save(engine, stepsOfSlice: 50) {}, digest)
        engine.removeAll()
        while engine.hasGarbage { engine.freeSlice() }
        engine.database(0).allocator.checkInvariants()
    }
}
