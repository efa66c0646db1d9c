// All data there and back as a snapshot, one that Redis made, and damaged ones.

import RespCodec
import TestSupport
import Testing

@testable import StoreEngine

struct SnapshotTests {
    private func text(_ string: String) -> [UInt8] { Array(string.utf8) }

    @discardableResult
    private func run(_ engine: Engine, _ line: String, database: Int = 0) -> String {
        let reply = engine.execute(
            line.split(separator: " ").map { text(String($0)) }, database: database, version: .resp2)
        return String(decoding: reply, as: UTF8.self)
    }

    private func makeEngine(_ databases: Int = 4) -> Engine {
        let engine = Engine(databases: databases, seed: 3)
        engine.setTime(1_700_000_000_000)
        return engine
    }

    /// Every type in every encoding, deadlines of keys and of fields, and two databases.
    private func fill(_ engine: Engine) {
        var settings = engine.settings
        settings.hashMaxPackedEntries = 4
        settings.setMaxPackedEntries = 4
        settings.setMaxIntsetEntries = 4
        settings.sortedSetMaxPackedEntries = 4
        settings.listMaxPackedSize = 4
        settings.streamNodeMaxEntries = 3
        engine.settings = settings
        for (index, size) in [2, 40].enumerated() {
            let words = (0..<size).map { "word\($0)" }
            let pairs = words.map { "\($0) \($0.count)" }.joined(separator: " ")
            run(engine, "SET text:\(index) \(words.joined(separator: "-"))")
            run(engine, "SET integer:\(index) \(size)")
            run(engine, "RPUSH list:\(index) \(words.joined(separator: " "))")
            run(engine, "SADD set:\(index) \(words.joined(separator: " "))")
            run(engine, "SADD integers:\(index) \((0..<size).map(String.init).joined(separator: " "))")
            run(engine, "ZADD sorted:\(index) \((0..<size).map { "\(Double($0) / 3) m\($0)" }.joined(separator: " "))")
            run(engine, "HSET hash:\(index) \(pairs)")
            run(engine, "HSET fading:\(index) \(pairs)")
            run(engine, "HPEXPIRE fading:\(index) 5000 FIELDS 1 word1")
            for id in 1...size { run(engine, "XADD stream:\(index) \(id)-0 f v\(id)") }
            run(engine, "XGROUP CREATE stream:\(index) group 0")
            run(engine, "XREADGROUP GROUP group one COUNT 1 STREAMS stream:\(index) >")
            run(engine, "XREADGROUP GROUP group two NOACK COUNT 1 STREAMS stream:\(index) >")
            run(engine, "SET fleeting:\(index) x PX \(1000 + index)")
        }
        run(engine, "SET elsewhere 1", database: 3)
    }

    private static let shown = [
        "OBJECT ENCODING", "PEXPIRETIME", "TYPE", "XINFO STREAM@FULL", "HPEXPIRETIME@FIELDS 2 word0 word1",
    ]

    /// What can be asked about every key.
    private func picture(_ engine: Engine) -> [String] {
        var keys: [String] = []
        for index in 0..<engine.databaseCount {
            engine.database(index).forEachEntry { keys.append($0.key.description) }
        }
        return keys.sorted().flatMap { key in
            Self.shown.map { question in
                let parts = question.split(separator: "@")
                return withoutActiveTimes(
                    run(engine, "\(parts[0]) \(key) \(parts.count > 1 ? String(parts[1]) : "")"))
            }
        }
    }

    /// When a consumer was active is not in the form that Redis 7.0 reads.
    private func withoutActiveTimes(_ reply: String) -> String {
        let lines = reply.split(separator: "\r\n")
        return lines.indices.filter { $0 == 0 || lines[$0 - 1] != "active-time" }.map { String(lines[$0]) }.joined(
            separator: " ")
    }

    @Test(arguments: [true, false]) func everythingComesBack(compresses: Bool) throws {
        let engine = makeEngine()
        engine.settings.compressesRecords = compresses
        fill(engine)
        let (digest, before) = (engine.dataDigest(), picture(engine))
        try engine.withSnapshot { snapshot in
            engine.removeAll()
            #expect(engine.database(0).count == 0 && engine.database(3).count == 0)
            try engine.load(snapshot)
        }
        #expect(engine.dataDigest() == digest)
        #expect(picture(engine) == before)
        #expect(engine.database(3).count == 1 && engine.database(0).deadlineCount == 2)
        while engine.hasGarbage { engine.freeSlice() }
        for index in 0..<4 { engine.database(index).allocator.checkInvariants() }
        // Deadlines are kept by the table, too.
        engine.setTime(1_700_000_006_000)
        #expect(engine.expireCycle(budget: 1000))
        #expect(run(engine, "EXISTS fleeting:0 fleeting:1") == ":0\r\n" && run(engine, "HLEN fading:1") == ":39\r\n")
    }

    /// A key is there until its deadline has passed, for snapshots as for commands.
    @Test(arguments: [0, 1])
    func keysThatHaveExpiredStayBehind(passed: Int) throws {
        let engine = makeEngine()
        fill(engine)
        let count = engine.database(0).count
        try engine.withSnapshot { snapshot in
            engine.removeAll()
            engine.setTime(1_700_000_001_000 + Int64(passed))
            try engine.load(snapshot)
        }
        #expect(engine.database(0).count == count - passed && run(engine, "EXISTS fleeting:1") == ":1\r\n")
        #expect(run(engine, "EXISTS fleeting:0") == ":\(1 - passed)\r\n")
    }

    @Test func aKeyThatIsThereIsRefusedOrReplaced() throws {
        let engine = makeEngine()
        fill(engine)
        let digest = engine.dataDigest()
        try engine.withSnapshot { snapshot in
            #expect(throws: SnapshotError.self) { try engine.load(snapshot) }
            run(engine, "SADD list:1 other")
            run(engine, "DEL hash:1 fading:1")
            run(engine, "RPUSH list:0 more")
            try engine.load(snapshot, replacing: true)
        }
        #expect(engine.dataDigest() == digest)
        while engine.hasGarbage { engine.freeSlice() }
        engine.database(0).allocator.checkInvariants()
    }

    @Test func databasesThatAreNotThereAreRefused() {
        let engine = makeEngine()
        fill(engine)
        let other = makeEngine(1)
        _ = engine.withSnapshot { snapshot in
            #expect(throws: SnapshotError.self) { try other.load(snapshot) }
        }
    }

    /// Cut short, or with bytes changed and the checksum set right, a snapshot is refused or read, but nothing worse.
    @Test func damagedSnapshotsDoNoHarm() {
        let engine = makeEngine()
        fill(engine)
        let bytes = engine.withSnapshot { $0.array }
        let other = makeEngine()
        func load(_ bytes: [UInt8]) -> Bool {
            var sealed = Array(bytes.dropLast(8))
            let checksum = sealed.withByteSlice { CRC64.of($0) }
            withUnsafeBytes(of: checksum.littleEndian) { sealed += Array($0) }
            let isRead = sealed.withByteSlice { (try? other.load($0)) != nil }
            other.removeAll()
            while other.hasGarbage { other.freeSlice() }
            return isRead
        }
        #expect(load(bytes))
        var random = RandomSource(seed: TestSeed.fixed(5))
        for _ in 0..<400 {
            #expect(!load(Array(bytes[0..<random.below(bytes.count - 1)])))
            var damaged = bytes
            for _ in 0...random.below(3) { damaged[random.below(bytes.count)] ^= UInt8(1 + random.below(255)) }
            _ = load(damaged)
        }
        other.database(0).allocator.checkInvariants()
        let isRead = bytes.indices.contains { index in
            var damaged = bytes
            damaged[index] ^= 1
            return index % 97 == 0 && damaged.withByteSlice { (try? other.load($0)) != nil }
        }
        #expect(!isRead, "a wrong checksum was let through")
    }

    /// What a file says of how many keys there are makes room only once there is a key.
    @Test func aCountThatIsALieLeavesNothingBehind() {
        let engine = makeEngine()
        let before = engine.usedBytes
        for damaged in [
            [0xFE, 0x00, 0xFB, 0x41, 0x00, 0x00, 0x01, 0xFF], [0xFB, 0x80, 0x7F, 0xFF, 0xFF, 0xFF, 0x00, 0x00],
        ] {
            let bytes = text("REDIS0012") + damaged.map { UInt8($0) } + [UInt8](repeating: 0xFF, count: 4000)
            #expect(throws: SnapshotError.self) { try bytes.withByteSlice { try engine.load($0) } }
            engine.removeAll()
            while engine.hasGarbage { engine.freeSlice() }
            #expect(engine.usedBytes == before)
        }
    }

    // MARK: of Redis

    /// What SAVE of redis-server 7.0.15 made of one key of each kind.
    private static let savedByRedis = """
        524544495330303130fa0972656469732d76657206372e302e3135fa0a72656469732d62697473c040fa056374696d65c2a6
        a6016bfa08757365642d6d656dc2e8d61100fa08616f662d62617365c000fe00fb0d0202037365740301620163016105047a
        736574030163000000000000f07f016200000000000000400161000000000000f03f00066e756d626572c13930000a636f6d
        70726573736564c3093d016161e03000016161100a7061636b6564686173680d0d0000000200816602817602fffc0168e5cf
        8b01000000036f6c64017804046861736803016801780166017601670177fc00e04cda8f1d00000005737461797301781204
        6c69737402020c0c00000002008161020c01ff020a0a0000000100816202ff130673747265616d0110000000000000000100
        0000000000000129290000000f000201000101018166020001020100010001817602040102010101dfff028177020401ff02
        02000101000002010567726f75700101010100000000000000010000000000000001b0f872fea10100000101026d65b0f872
        fea101000001000000000000000100000000000000010b08696e7465676572731404000000030000000100000002000000a0
        860100110a7061636b65647a7365740f0f000000020081610283312e3504ff00086772656574696e670568656c6c6ffe03fb
        01000005746865726503796573ffe3280fee8b7a733f
        """

    @Test func snapshotsOfRedisAreRead() throws {
        let engine = makeEngine()
        engine.setTime(1_700_000_000_002)
        let digits = Self.savedByRedis.utf8.filter { !$0.isSpace }
        let bytes = stride(from: 0, to: digits.count, by: 2).map { index in
            UInt8(String(decoding: digits[index...index + 1], as: UTF8.self), radix: 16) ?? 0
        }
        try bytes.withByteSlice { _ = try engine.load($0) }
        let answers = [
            "DBSIZE": ":12\r\n", "GET greeting": "$5\r\nhello\r\n", "GET number": "$5\r\n12345\r\n",
            "STRLEN compressed": ":61\r\n", "EXISTS old": ":0\r\n", "PEXPIRETIME stays": ":32503680000000\r\n",
            "LRANGE list 0 -1": "*3\r\n$1\r\na\r\n$2\r\n12\r\n$1\r\nb\r\n", "SISMEMBER integers 100000": ":1\r\n",
            "SCARD set": ":3\r\n", "HGET packedhash f": "$1\r\nv\r\n", "HGET hash h": "$1\r\nx\r\n",
            "ZSCORE packedzset a": "$3\r\n1.5\r\n", "ZSCORE zset c": "$3\r\ninf\r\n", "XLEN stream": ":2\r\n",
            "XPENDING stream group": "*4\r\n:1\r\n$3\r\n1-1\r\n$3\r\n1-1\r\n*1\r\n*2\r\n$2\r\nme\r\n$1\r\n1\r\n",
        ]
        for (question, answer) in answers { #expect(run(engine, question) == answer) }
        #expect(engine.database(3).count == 1)
    }

    @Test func otherThingsAreNoSnapshots() {
        let engine = makeEngine()
        for text in [
            "", "REDIS", "REDIS0010", "REDIS0010\u{FF}", "REDIS00x0\u{FF}12345678", "RADIS0010\u{FF}12345678",
            "REDIS9999\u{FF}12345678",
        ] {
            #expect(throws: SnapshotError.self) { _ = try self.text(text).withByteSlice { try engine.load($0) } }
        }
    }
}

extension UInt8 {
    fileprivate var isSpace: Bool { self == 0x20 || self == 0x0A }
}
