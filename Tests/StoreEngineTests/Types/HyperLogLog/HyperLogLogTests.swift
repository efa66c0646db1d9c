// HyperLogLogs against a plain array of registers: the same elements in both layouts, everything that can be read of them, and
// damage of every kind.

import RespCodec
import TestSupport
import Testing

@testable import StoreEngine

struct HyperLogLogTests {
    private let engine = Engine(databases: 1, seed: 1)

    private func run(_ words: [UInt8]...) -> [UInt8] { engine.execute(words) }
    private func run(_ words: String...) -> String {
        String(decoding: engine.execute(words.map { Array($0.utf8) }), as: UTF8.self)
    }

    /// The bytes of a string.
    private func value(_ key: String) -> [UInt8] {
        let reply = run(Array("GET".utf8), Array(key.utf8))
        guard let end = reply.firstIndex(of: 0x0A) else { return [] }
        return Array(reply[(end + 1)...].dropLast(2))
    }

    /// The registers in the bytes of a HyperLogLog, read as plainly as can be.
    private func registers(_ bytes: [UInt8]) -> [UInt8] {
        let data = bytes[16...]
        if bytes[4] == 0 {
            let bits = data.flatMap { byte in (0..<8).map { byte >> UInt8($0) & 1 } }
            return (0..<16_384).map { index in (0..<6).reduce(0) { $0 | bits[index * 6 + $1] << UInt8($1) } }
        }
        var found: [UInt8] = []
        var index = data.startIndex
        while index < data.endIndex {
            let byte = data[index]
            index += 1
            switch byte {
            case 0x00..<0x40: found += [UInt8](repeating: 0, count: Int(byte) + 1)
            case 0x40..<0x80:
                found += [UInt8](repeating: 0, count: (Int(byte & 63) << 8 | Int(data[index])) + 1)
                index += 1
            default: found += [UInt8](repeating: (byte >> 2 & 31) + 1, count: Int(byte & 3) + 1)
            }
        }
        return found
    }

    // MARK: elements

    /// The values come from an independent implementation.
    @Test func theHashIsMurmurHash64A() {
        let expected: [(String, UInt64)] = [
            ("", 0xD8DF_EA65_85BC_9732), ("a", 0x53D2_470A_9B43_B1A7), ("hello world", 0xA919_BC30_51F6_24B7),
            ("12345678", 0x95EB_B863_8913_2953), ("0123456789abcdef0", 0xCA18_02FD_45A1_FF6C),
        ]
        for (text, hash) in expected {
            Array(text.utf8).withByteSlice { #expect(MurmurHash64A.hash($0, seed: 0xADC8_3B19) == hash) }
        }
    }

    @Test(arguments: [1, 2, 3]) func elementsRaiseTheRegistersOfTheModel(seed: UInt64) {
        var random = RandomSource(seed: TestSeed.fixed(seed))
        let empty = engine.dataBytes
        engine.settings.hyperLogLogSparseMaxBytes = [40, 3000, 16_000][Int(seed - 1)]
        var model = [UInt8](repeating: 0, count: 16_384)
        var sizes: Set<UInt8> = []
        for step in 0..<6000 {
            let element = Array("element:\(random.below(8000))".utf8)
            let (index, rank) = element.withByteSlice { HyperLogLog.place(of: $0) }
            let isNew = step == 0 || model[index] < rank
            model[index] = max(model[index], rank)
            #expect(run(Array("PFADD".utf8), Array("h".utf8), element) == Array(":\(isNew ? 1 : 0)\r\n".utf8))
            if step % 200 == 0 || step < 60 {
                let bytes = value("h")
                sizes.insert(bytes[4])
                #expect(registers(bytes) == model, "seed \(seed), step \(step)")
                #expect(bytes[4] == 0 || bytes.count <= engine.settings.hyperLogLogSparseMaxBytes)
                checkEstimate(model)
            }
        }
        #expect(sizes.contains(1))
        _ = run("DEL", "h")
        #expect(engine.dataBytes == empty)
        engine.database(0).allocator.checkInvariants()
    }

    /// The estimate is the same from every layout, alone and together with others.
    private func checkEstimate(_ model: [UInt8]) {
        var histogram = RegisterHistogram()
        for rank in model { histogram.add(rank, count: 1) }
        let expected = ":\(histogram.estimate)\r\n"
        #expect(run("PFCOUNT", "h") == expected)
        #expect(run("PFCOUNT", "h") == expected)
        #expect(run("PFCOUNT", "h", "absent", "h") == expected)
    }

    @Test func estimatesAreNearTheTruth() {
        var spread = [UInt8](repeating: 0, count: 16_384)
        var checkpoint = 1
        for number in 1...1_000_000 {
            var word = UInt64(number) &* 0x9E37_79B9_7F4A_7C15
            let (index, rank) = withUnsafeBytes(of: &word) {
                HyperLogLog.place(of: ByteSlice(start: $0.baseAddress!, count: 8))
            }
            spread[index] = max(spread[index], rank)
            if number == checkpoint {
                var histogram = RegisterHistogram()
                for rank in spread { histogram.add(rank, count: 1) }
                #expect(abs(histogram.estimate - number) <= max(1, number / 30))
                checkpoint *= 10
            }
        }
    }

    // MARK: layouts

    @Test func densePackingLosesNothing() {
        var random = RandomSource(seed: TestSeed.fixed(9))
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: HyperLogLog.denseSize, alignment: 1)
        defer { bytes.deallocate() }
        HyperLogLog.writeHeader(.dense, to: bytes)
        let dense = DenseRegisters(bytes)
        let first = (0..<16_384).map { _ in UInt8(random.below(64)) }
        let second = (0..<16_384).map { _ in UInt8(random.below(64)) }
        var spread = SpreadRegisters()
        for (round, ranks) in [first, second].enumerated() {
            for index in ranks.indices { dense[index] = ranks[index] }
            #expect(ranks.indices.allSatisfy { dense[$0] == ranks[$0] })
            #expect(registers(Array(bytes)) == ranks)
            let isWhole = spread.unite(ByteSlice(UnsafeRawBufferPointer(bytes)))
            #expect(isWhole)
            let united = (0..<16_384).map { spread[$0] }
            #expect(united == (round == 0 ? first : zip(first, second).map(max)))
        }
        spread.pack(into: bytes)
        #expect(registers(Array(bytes)) == zip(first, second).map(max))
        let counts = spread.histogram
        var expected = RegisterHistogram()
        for rank in zip(first, second).map(max) { expected.add(rank, count: 1) }
        #expect(counts.estimate == expected.estimate)
    }

    @Test(arguments: [1, 2, 3, 4]) func unionsHoldTheHigherRegister(seed: UInt64) {
        var random = RandomSource(seed: TestSeed.fixed(seed))
        for (key, count) in [("a", 5), ("b", 300), ("c", seed % 2 == 0 ? 4000 : 20), ("d", 1)] {
            for _ in 0..<count { _ = run("PFADD", key, "\(random.below(100_000))") }
        }
        if seed == 4 { _ = run("PFDEBUG", "TODENSE", "d") }
        let parts = ["a", "b", "c", "d"].map { registers(value($0)) }
        let union = (0..<16_384).map { index in parts.map { $0[index] }.max() ?? 0 }
        let together = run("PFCOUNT", "a", "b", "c", "d")
        #expect(run("PFMERGE", "d", "a", "b", "c") == "+OK\r\n")
        #expect(registers(value("d")) == union, "seed \(seed)")
        #expect(run("PFCOUNT", "d") == together)
        #expect(run("PFMERGE", "new", "d") == "+OK\r\n")
        #expect(registers(value("new")) == union)
    }

    @Test func theSelfTestPasses() { #expect(run("PFSELFTEST") == "+OK\r\n") }

    // MARK: damage

    /// Strings that begin as HyperLogLogs and go on as they like: every command answers, and what it answers with an error it
    /// leaves as it was.
    @Test(arguments: [1, 2, 3, 4]) func damageIsFound(seed: UInt64) {
        var random = RandomSource(seed: TestSeed.fixed(seed))
        let empty = engine.dataBytes
        for round in 0..<250 {
            var bytes = Array("HYLL".utf8) + [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80]
            switch random.below(5) {
            case 0: bytes += [0x7F, 0xFF]
            case 1: bytes += [0x5F, 0xFF, 0x5F, 0xFF]
            case 2: for number in 0..<256 { bytes += [0x3F, UInt8(number)] }
            case 3: bytes = Array("HYLL".utf8) + [0] + [UInt8](repeating: 0, count: 12_299)
            default: break
            }
            for _ in 0..<random.below(12) { bytes.append(UInt8(truncatingIfNeeded: random.next())) }
            for _ in 0..<random.below(3) {
                bytes[random.below(bytes.count)] = UInt8(truncatingIfNeeded: random.next())
            }
            if random.below(8) == 0 { bytes.removeLast(random.below(bytes.count)) }
            _ = run(Array("SET".utf8), Array("h".utf8), bytes)
            for words in [
                ["PFADD", "h"], ["PFCOUNT", "h", "h"], ["PFMERGE", "m", "h"], ["PFDEBUG", "DECODE", "h"],
                ["PFDEBUG", "ENCODING", "h"], ["PFADD", "h", "\(round)", "a", "b"], ["PFCOUNT", "h"],
                ["PFADD", "h"] + (0..<40).map { "\($0 + round)" }, ["PFMERGE", "h", "m"], ["PFDEBUG", "TODENSE", "h"],
                ["PFDEBUG", "GETREG", "h"], ["PFCOUNT", "m"],
            ] {
                let reply = engine.execute(words.map { Array($0.utf8) })
                #expect(reply.count > 2, "\(words), seed \(seed)")
            }
            #expect(run("DEL", "h").hasPrefix(":1"))
        }
        _ = run("DEL", "m")
        #expect(engine.dataBytes == empty)
        engine.database(0).allocator.checkInvariants()
    }
}
