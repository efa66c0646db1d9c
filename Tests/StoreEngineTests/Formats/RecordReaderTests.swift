// What values become as records: lengths and strings of every kind there and back, whole values through DUMP and RESTORE, and damaged
// ones, which leave nothing behind.

import RespCodec
import TestSupport
import Testing

@testable import StoreEngine

/// Keeps what was written.
private final class Collected: ByteSink {
    var bytes: [UInt8] = []

    func append(_ slice: ByteSlice) { bytes += slice.array }
}

struct RecordReaderTests {
    @Test func theChecksumIsThatOfRedis() {
        #expect(CRC64.of("123456789") == 0xE9C6_D914_C4B8_D9CA)
        #expect(CRC64.of("") == 0)
        let text = (0..<1000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        text.withByteSlice { text in
            let whole = CRC64.of(text)
            for split in 0...40 {
                var parts = CRC64()
                parts.add(text[0..<split])
                parts.add(text[split..<text.count])
                #expect(parts.value == whole)
            }
        }
    }

    @Test func numbersComeBack() throws {
        let collected = Collected()
        let writer = RecordWriter(sink: collected, compresses: true)
        let numbers: [UInt64] = [0, 1, 63, 64, 16383, 16384, 0xFFFF_FFFF, 0x1_0000_0000, .max]
        for number in numbers { writer.write(number: number) }
        #expect(collected.bytes.count == 1 + 1 + 1 + 2 + 2 + 5 + 5 + 9 + 9)
        let bytes = collected.bytes
        try bytes.withUnsafeBytes { buffer in
            var reader = RecordReader(MemorySource(ByteSlice(buffer)), longestString: 100)
            for number in numbers {
                let read = try reader.number()
                #expect(read == number)
            }
            let left = reader.remaining
            #expect(left == 0)
            do {
                _ = try reader.number()
                Issue.record("a number of nothing")
            } catch {}
        }
    }

    private static let strings: [[UInt8]] = {
        var strings: [[UInt8]] = [
            "", "a", "0", "-1", "127", "128", "-128", "-129", "32767", "32768", "-32769", "2147483647", "2147483648",
            "-2147483648",
            "-2147483649", "00", "+1", "-0", "99999999999",
        ].map { Array($0.utf8) }
        for length in [20, 21, 63, 64, 16383, 16384, 70_000] {
            strings.append([UInt8](repeating: 0x61, count: length))
            var random = RandomSource(seed: TestSeed.fixed(UInt64(length)))
            strings.append((0..<length).map { _ in UInt8(truncatingIfNeeded: random.next()) })
        }
        return strings
    }()

    @Test(arguments: [true, false]) func stringsComeBack(compresses: Bool) throws {
        let collected = Collected()
        let writer = RecordWriter(sink: collected, compresses: compresses)
        for string in Self.strings { string.withByteSlice { writer.write(string: $0) } }
        let bytes = collected.bytes
        try bytes.withUnsafeBytes { buffer in
            var reader = RecordReader(MemorySource(ByteSlice(buffer)), longestString: 100_000)
            for string in Self.strings {
                let read = try reader.string().array
                #expect(read == string)
            }
            let left = reader.remaining
            #expect(left == 0)
        }
    }

    /// Two strings that are read into the reader's own memory can be looked at together.
    @Test func twoStringsAreLentAtOnce() throws {
        let collected = Collected()
        let writer = RecordWriter(sink: collected, compresses: true)
        let long = [UInt8](repeating: 0x62, count: 500)
        writer.write(integer: 12)
        long.withByteSlice { writer.write(string: $0) }
        let bytes = collected.bytes
        try bytes.withUnsafeBytes { buffer in
            var reader = RecordReader(MemorySource(ByteSlice(buffer)), longestString: 100_000)
            let one = try reader.string(.first)
            let other = try reader.string(.second)
            #expect(one.array == Array("12".utf8) && other.array == long)
        }
    }

    // MARK: whole values

    private func run(_ engine: Engine, _ words: [UInt8]...) -> [UInt8] { engine.execute(words) }

    private func text(_ string: String) -> [UInt8] { Array(string.utf8) }

    /// The payload of a key.
    private func dump(_ engine: Engine, _ key: String) -> [UInt8] {
        let reply = run(engine, text("DUMP"), text(key))
        let head = reply.firstIndex(of: 0x0A).map { $0 + 1 } ?? 0
        return Array(reply[head..<reply.count - 2])
    }

    static let makers: [String] = [
        "SET k value", "SET k 1234567", "SET k -9223372036854775808", "SET k LONG", "HSET k f v",
        "HSET k f v g 12 13 LONG",
        "HSET k PAIRS", "SADD k 1 2 100000", "SADD k a b 12", "SADD k PAIRS", "SADD k a LONG",
        "RPUSH k a 12", "RPUSH k PAIRS PAIRS PAIRS", "RPUSH k a LONG b PAIRS LONG LONG",
        "ZADD k 1 a -2.5 b 3 12", "ZADD k 1 a 2 LONG", "ZADD k PAIRS",
        "XADD k 1-1 f v", "XADD k 5-5 PAIRS", "XADD k 5-5 f v g 12 h LONG",
    ]

    /// - Parameter long: bytes of what stands for a long element.
    private func make(_ engine: Engine, _ maker: String, long: Int = 40_000) {
        var words: [[UInt8]] = []
        for word in maker.split(separator: " ") {
            switch word {
            case "LONG": words.append([UInt8](repeating: 0x78, count: long))
            case "PAIRS": words += (0..<2000).map { text("\($0)") }
            default: words.append(text(String(word)))
            }
        }
        _ = engine.execute(words)
    }

    @Test(arguments: makers) func valuesComeBackAndNothingIsLeft(maker: String) {
        let engine = Engine(databases: 1, seed: 3)
        engine.setTime(1_000_000)
        let empty = engine.dataBytes
        make(engine, maker)
        let key = text("k")
        let digest = key.withByteSlice { engine.valueDigest(of: $0, database: 0) }
        let payload = dump(engine, "k")
        for _ in 0..<3 {
            #expect(run(engine, text("RESTORE"), key, text("0"), payload, text("REPLACE")) == text("+OK\r\n"))
            #expect(key.withByteSlice { engine.valueDigest(of: $0, database: 0) } == digest)
        }
        #expect(
            run(engine, text("RESTORE"), key, text("1"), payload, text("REPLACE"), text("ABSTTL")) == text("+OK\r\n"))
        #expect(run(engine, text("EXISTS"), key) == text(":0\r\n"))
        while engine.hasGarbage { engine.freeSlice() }
        #expect(engine.dataBytes == empty)
        engine.database(0).allocator.checkInvariants()
    }

    /// Payloads cut short at bytes and with bytes changed, each if there are few, all with right checksums.
    @Test(arguments: makers) func damagedValuesLeaveNothing(maker: String) {
        let engine = Engine(databases: 1, seed: 3)
        engine.setTime(1_000_000)
        let empty = engine.dataBytes
        make(engine, maker, long: 1000)
        let payload = dump(engine, "k")
        let value = Array(payload[0..<payload.count - 10])
        _ = run(engine, text("DEL"), text("k"))
        var random = RandomSource(seed: TestSeed.fixed(1))
        let most = 25_000 / value.count
        let places = value.count < most ? Array(value.indices) : (0..<most).map { _ in random.below(value.count) }
        func restore(_ value: [UInt8]) {
            var sealed = value + [9, 0]
            let checksum = sealed.withByteSlice { CRC64.of($0) }
            withUnsafeBytes(of: checksum) { sealed += Array($0) }
            let reply = run(engine, text("RESTORE"), text("k"), text("0"), sealed)
            #expect(reply == text("+OK\r\n") || reply == text("-ERR Bad data format\r\n"))
            if reply[0] == UInt8(ascii: "+") {
                _ = text("k").withByteSlice { engine.valueDigest(of: $0, database: 0) }
                _ = run(engine, text("DEL"), text("k"))
            }
        }
        for place in places {
            restore(Array(value[0..<place]))
            var damaged = value
            for change: UInt8 in [1, 0x10, 0x80, 0xFF, UInt8(1 + random.below(255))] {
                damaged[place] = value[place] ^ change
                restore(damaged)
            }
        }
        while engine.hasGarbage { engine.freeSlice() }
        #expect(engine.dataBytes == empty)
        engine.database(0).allocator.checkInvariants()
    }

    // MARK: listpacks from outside

    @Test func soundListpacksAreKnown() {
        var builder = ListpackBuilder()
        #expect(Listpack.examine(builder.list.bytes)?.count == 0)
        var random = RandomSource(seed: TestSeed.fixed(7))
        for count in 1...300 {
            let value: [UInt8]
            switch random.below(3) {
            case 0: value = text("\(Int(truncatingIfNeeded: random.next()) >> random.below(64))")
            case 1: value = [UInt8](repeating: 0x61, count: random.below(100))
            default: value = [UInt8](repeating: 0x62, count: random.below(6000))
            }
            #expect(value.withByteSlice { builder.append(PackedValue($0)) })
            let examination = Listpack.examine(builder.list.bytes)
            #expect(examination?.count == count && examination?.isCanonical == true)
        }
    }

    /// Whatever bytes are let through can be walked from both ends.
    @Test func unsoundListpacksAreRefused() {
        var builder = ListpackBuilder()
        for word in ["field", "12", "-5000", "", String(repeating: "x", count: 70), "9223372036854775807", "100000"] {
            #expect(text(word).withByteSlice { builder.append(PackedValue($0)) })
        }
        let sound = builder.list.bytes.array
        var passed = 0
        for place in sound.indices {
            for value in UInt8.min...UInt8.max where value != sound[place] {
                // Memory of just the size, so that AddressSanitizer sees a step outside.
                let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: sound.count, alignment: 1)
                defer { bytes.deallocate() }
                bytes.copyBytes(from: sound)
                bytes[place] = value
                let slice = ByteSlice(UnsafeRawBufferPointer(bytes))
                guard let examination = Listpack.examine(slice) else { continue }
                passed += 1
                let list = Listpack(lookingAt: slice)
                var offset = list.first
                var count = 0
                while offset < list.end {
                    _ = list[offset].withBytes { $0.array }
                    offset = list.next(after: offset)
                    count += 1
                }
                #expect(offset == list.end && count == examination.count)
                while let previous = list.previous(before: offset) {
                    offset = previous
                    count -= 1
                }
                #expect(offset == list.first && count == 0)
            }
        }
        #expect(passed > 0)
    }

    @Test func duplicatesAreFound() {
        let hash = KeyHash(seed: 9)
        for count in [0, 1, 2, 3, 5, 64, 1000] {
            for twice in [nil, 0, count / 2, count - 1] where twice.map({ $0 >= 0 && count > 1 }) ?? true {
                for stride in 1...3 {
                    var builder = ListpackBuilder()
                    for index in 0..<count + (twice == nil ? 0 : 1) {
                        let name = index == count ? twice! : index
                        for part in 0..<stride {
                            let word = part == 0 ? (name % 2 == 0 ? "\(name)" : "name \(name)") : "same"
                            #expect(text(word).withByteSlice { builder.append(PackedValue($0)) })
                        }
                    }
                    #expect(builder.list.hasDuplicates(stride: stride, hash: hash) == (twice != nil))
                }
            }
        }
    }
}
