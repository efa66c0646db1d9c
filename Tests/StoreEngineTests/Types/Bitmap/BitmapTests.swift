// The arithmetic of bits against the plainest possible models: every alignment and length of small strings, and random ones.

import RespCodec
import TestSupport
import Testing

@testable import StoreEngine

struct BitmapTests {
    private func bits(_ bytes: [UInt8]) -> [Bool] {
        bytes.flatMap { byte in (0..<8).map { byte >> UInt8(7 - $0) & 1 == 1 } }
    }

    private func randomBytes(_ count: Int, _ random: inout RandomSource) -> [UInt8] {
        // Runs of zeros and ones are more telling than noise alone.
        (0..<count).map { _ in
            switch random.below(4) {
            case 0: 0
            case 1: 0xFF
            default: UInt8(truncatingIfNeeded: random.next())
            }
        }
    }

    @Test func onesAreCountedAtEveryLengthAndAlignment() {
        var random = RandomSource(seed: TestSeed.fixed(1))
        let bytes = randomBytes(2000, &random)
        for length in [Array(0..<600), [1023, 1024, 1025, 1999]].flatMap({ $0 }) {
            for start in 0..<min(9, 2001 - length) {
                let expected = bytes[start..<start + length].reduce(0) { $0 + $1.nonzeroBitCount }
                bytes.withByteSlice { #expect(BitCount.ones(in: $0[start..<start + length]) == expected) }
            }
        }
        [UInt8](repeating: 0xFF, count: 1 << 20).withByteSlice { #expect(BitCount.ones(in: $0) == 8 << 20) }
    }

    /// Every range of every string of up to three bytes out of a few kinds, counted and searched.
    @Test func everySmallRangeAgreesWithTheModel() {
        let kinds: [UInt8] = [0, 0xFF, 0x80, 0x01, 0x3C]
        for length in 1...3 {
            for combination in 0..<(length == 1 ? 5 : length == 2 ? 25 : 125) {
                let bytes = [combination % 5, combination / 5 % 5, combination / 25].prefix(length).map { kinds[$0] }
                checkAllRanges(of: Array(bytes))
            }
        }
    }

    private func checkAllRanges(of bytes: [UInt8]) {
        let model = bits(bytes)
        bytes.withByteSlice { text in
            for first in model.indices {
                for last in first..<model.count {
                    let range = BitRange(text, first: first, last: last)
                    #expect(range.count == model[first...last].count { $0 })
                    #expect(range.position(of: true) == model[first...last].firstIndex(of: true))
                    #expect(range.position(of: false) == model[first...last].firstIndex(of: false))
                }
            }
        }
    }

    @Test(arguments: [1, 2, 3]) func longRangesAgreeWithTheModel(seed: UInt64) {
        var random = RandomSource(seed: TestSeed.fixed(seed))
        for _ in 0..<300 {
            let fill: UInt8 = random.below(2) == 0 ? 0 : 0xFF
            var bytes = [UInt8](repeating: fill, count: 1 + random.below(400))
            if random.below(4) > 0 { bytes[random.below(bytes.count)] ^= 1 << UInt8(random.below(8)) }
            let model = bits(bytes)
            let first = random.below(model.count)
            let last = first + random.below(model.count - first)
            bytes.withByteSlice { text in
                let range = BitRange(text, first: first, last: last)
                #expect(range.count == model[first...last].count { $0 })
                #expect(range.position(of: true) == model[first...last].firstIndex(of: true), "seed \(seed)")
                #expect(range.position(of: false) == model[first...last].firstIndex(of: false), "seed \(seed)")
            }
        }
    }

    // MARK: combining

    private func expected(_ operation: BitOperation, _ bytes: [UInt8]) -> UInt8 {
        let others = bytes.dropFirst().reduce(0, |)
        switch operation {
        case .and: return bytes.reduce(0xFF, &)
        case .or: return bytes.reduce(0, |)
        case .xor: return bytes.reduce(0, ^)
        case .not: return ~bytes[0]
        case .difference: return bytes[0] & ~others
        case .reverseDifference: return others & ~bytes[0]
        case .andAny: return bytes[0] & others
        case .one:
            return (0..<8).reduce(UInt8(0)) { result, bit in
                bytes.count { $0 >> UInt8(bit) & 1 == 1 } == 1 ? result | 1 << UInt8(bit) : result
            }
        }
    }

    @Test(arguments: [1, 2, 3, 4]) func combinationsAgreeWithTheModel(seed: UInt64) {
        var random = RandomSource(seed: TestSeed.fixed(seed))
        let operations: [BitOperation] = [
            .and, .or, .xor, .not, .difference, .reverseDifference, .andAny, .one,
        ]
        let lengths = [0, 1, 7, 31, 32, 33, 255, 8191, 8192, 8193, 20_000]
        for round in 0..<48 {
            let operation = operations[round % operations.count]
            let least = operation == .not || operation == .one ? 1 : 2
            let count = operation == .not ? 1 : least + random.below(4)
            var sources = (0..<count).map { _ in randomBytes(lengths[random.below(lengths.count)], &random) }
            sources[random.below(count)].append(random.below(2) == 0 ? 0x5A : 0)
            let length = sources.map(\.count).max() ?? 0
            let wanted = (0..<length).map { place in
                expected(operation, sources.map { place < $0.count ? $0[place] : 0 })
            }
            #expect(combined(operation, sources, length: length, over: nil) == wanted, "\(operation), seed \(seed)")
            // The result may be written over the longest of the sources.
            if let longest = sources.firstIndex(where: { $0.count == length }) {
                #expect(combined(operation, sources, length: length, over: longest) == wanted, "\(operation), \(seed)")
            }
        }
    }

    private func combined(_ operation: BitOperation, _ sources: [[UInt8]], length: Int, over: Int?) -> [UInt8] {
        let blocks = sources.map { source in
            let block = UnsafeMutableRawBufferPointer.allocate(byteCount: max(source.count, 1), alignment: 1)
            block.copyBytes(from: source)
            return block
        }
        defer { for block in blocks { block.deallocate() } }
        let slices = zip(blocks, sources).map { ByteSlice(start: $0.baseAddress!, count: $1.count) }
        let own = UnsafeMutableRawBufferPointer.allocate(byteCount: length, alignment: 1)
        defer { own.deallocate() }
        let target = over.map { UnsafeMutableRawBufferPointer(rebasing: blocks[$0][..<length]) } ?? own
        slices.withUnsafeBufferPointer { operation.combine($0, into: target) }
        return Array(target)
    }

    // MARK: fields

    /// Every kind of field at every alignment: what is written is read, and nothing else changes.
    @Test func fieldsAreReadAsWrittenAtEveryPlace() {
        var random = RandomSource(seed: TestSeed.fixed(7))
        for width in 1...64 {
            for offset in 0..<24 {
                for isSigned in width < 64 ? [true, false] : [true] {
                    let type = BitFieldType(isSigned: isSigned, width: width)
                    var bytes = randomBytes(12, &random)
                    let before = bits(bytes)
                    let value = type.truncated(random.next())
                    #expect((type.minimum...type.maximum).contains(value))
                    bytes.withUnsafeMutableBytes { type.set(value, in: $0, at: offset) }
                    bytes.withByteSlice { #expect(type.value(in: $0, at: offset) == value) }
                    let after = bits(bytes)
                    #expect(after[..<offset] == before[..<offset])
                    #expect(after[(offset + width)...] == before[(offset + width)...])
                    let asBits = after[offset..<offset + width].reduce(UInt64(0)) { $0 << 1 | ($1 ? 1 : 0) }
                    #expect(type.truncated(asBits) == value)
                    // After the end there are zeros.
                    let cut = Array(bytes.prefix(offset / 8 + 1))
                    let padded = cut + [UInt8](repeating: 0, count: 12)
                    let short = cut.withByteSlice { type.value(in: $0, at: offset) }
                    padded.withByteSlice { #expect(type.value(in: $0, at: offset) == short) }
                }
            }
        }
    }

    /// Every sum of narrow fields, against arithmetic that cannot overflow.
    @Test func sumsOfNarrowFieldsAgreeWithPlainArithmetic() {
        for width in 1...5 {
            for isSigned in [true, false] {
                let type = BitFieldType(isSigned: isSigned, width: width)
                for value in type.minimum...type.maximum {
                    for increment in -70...70 {
                        let sum = value + increment
                        let fits = (type.minimum...type.maximum).contains(sum)
                        let span = type.maximum - type.minimum + 1
                        let wrapped = type.minimum + ((sum - type.minimum) % span + span) % span
                        #expect(type.sum(value, increment, .wrap) == wrapped)
                        #expect(type.sum(value, increment, .saturate) == min(type.maximum, max(type.minimum, sum)))
                        #expect(type.sum(value, increment, .fail) == (fits ? sum : nil))
                    }
                }
            }
        }
        let whole = BitFieldType(isSigned: true, width: 64)
        #expect(whole.sum(Int.max, 1, .wrap) == Int.min)
        #expect(whole.sum(Int.min, -1, .saturate) == Int.min)
        #expect(whole.sum(Int.min, -1, .fail) == nil)
        let unsigned = BitFieldType(isSigned: false, width: 63)
        #expect(unsigned.sum(Int.max, Int.max, .wrap) == Int.max - 1)
        #expect(unsigned.sum(3, Int.min, .saturate) == 0)
        #expect(BitFieldType(isSigned: true, width: 8).sum(-128, Int.min, .wrap) == -128)
    }

    // MARK: commands

    /// Random bits set through the engine, with sizes on both sides of the border to a block of its own.
    @Test(arguments: [1, 2]) func stringsGrowByBits(seed: UInt64) {
        let engine = Engine(databases: 1, seed: seed)
        var random = RandomSource(seed: TestSeed.fixed(seed))
        func run(_ words: String...) -> [UInt8] { engine.execute(words.map { Array($0.utf8) }) }
        let empty = engine.dataBytes
        var model: [UInt8] = []
        for step in 0..<3000 {
            let offset = random.below(step < 1500 ? 120_000 : 2_000_000)
            let bit = random.below(2)
            if model.count <= offset / 8 { model += [UInt8](repeating: 0, count: offset / 8 + 1 - model.count) }
            let old = model[offset / 8] >> UInt8(7 - offset % 8) & 1
            model[offset / 8] = model[offset / 8] & ~(1 << UInt8(7 - offset % 8)) | UInt8(bit) << UInt8(7 - offset % 8)
            #expect(run("SETBIT", "k", "\(offset)", "\(bit)") == Array(":\(old)\r\n".utf8), "seed \(seed)")
        }
        #expect(run("GET", "k") == Array("$\(model.count)\r\n".utf8) + model + Array("\r\n".utf8))
        let ones = model.reduce(0) { $0 + $1.nonzeroBitCount }
        #expect(run("BITCOUNT", "k") == Array(":\(ones)\r\n".utf8))
        _ = run("BITOP", "NOT", "n", "k")
        _ = run("BITOP", "XOR", "n", "n", "k")
        #expect(run("BITCOUNT", "n") == Array(":\(model.count * 8)\r\n".utf8))
        _ = run("DEL", "k", "n")
        while engine.hasGarbage { engine.freeSlice() }
        #expect(engine.dataBytes == empty)
        engine.database(0).allocator.checkInvariants()
    }

    /// Offsets are bounded by what a string may have, and where that is nothing to go by, by what memory there is.
    @Test func offsetsBeyondAllMemoryAreRefused() {
        let engine = Engine(databases: 1, seed: 1)
        engine.settings.maximumStringLength = Int.max
        func run(_ words: String...) -> String {
            String(decoding: engine.execute(words.map { Array($0.utf8) }), as: UTF8.self)
        }
        for text in ["old", ""] {
            _ = text.isEmpty ? run("DEL", "k") : run("SET", "k", text)
            for offset in ["9223372036854775807", "9223372036854775679", "4611686018427387904", "#144115188075855871"] {
                for action in [["SET", "i64", offset, "1"], ["INCRBY", "u8", offset, "1"]] {
                    #expect(run("BITFIELD", "k", action[0], action[1], action[2], action[3]).hasPrefix("-ERR "))
                }
            }
            #expect(run("SETBIT", "k", "9223372036854775807", "1").hasPrefix("-ERR "))
            #expect(run("SETRANGE", "k", "9223372036854775806", "x").hasPrefix("-ERR string exceeds"))
            #expect(run("SETRANGE", "k", "4611686018427387904", "x").hasPrefix("-ERR string exceeds"))
            #expect(run("BITFIELD", "k", "GET", "i64", "9223372036854775679").hasSuffix(":0\r\n"))
            #expect(run("GET", "k") == (text.isEmpty ? "_\r\n" : "$3\r\nold\r\n"))
        }
    }
}
