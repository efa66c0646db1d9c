// Ziplists of every kind of entry, and damaged ones: whatever the bytes are, reading them ends with entries or an error.

import RespCodec
import TestSupport
import Testing

@testable import StoreEngine

@Suite struct ZipListTests {
    /// A list of entries that are given as their encoding and data.
    private func list(_ entries: [[UInt8]], count: Int? = nil) -> [UInt8] {
        var body: [UInt8] = []
        var previous = 0
        var last = 10
        for entry in entries {
            last = 10 + body.count
            let head = previous < 254 ? [UInt8(previous)] : [0xFE] + little(previous, 4)
            body += head + entry
            previous = head.count + entry.count
        }
        let total = 10 + body.count + 1
        return little(total, 4) + little(last, 4) + little(count ?? entries.count, 2) + body + [0xFF]
    }

    private func little(_ value: Int, _ size: Int) -> [UInt8] { (0..<size).map { UInt8(value >> ($0 * 8) & 0xFF) } }

    private func read(_ bytes: [UInt8]) throws(FormatError) -> [String] {
        try bytes.withByteSlice { bytes throws(FormatError) in
            var list = try ZipList(bytes)
            var found: [String] = []
            while let element = try list.next() { found.append(element.withBytes { $0.description }) }
            return found
        }
    }

    private func text(_ count: Int) -> [UInt8] { Array(repeating: UInt8(ascii: "x"), count: count) }

    @Test func entriesOfEveryKind() throws {
        let entries: [([UInt8], String)] = [
            ([0x00], ""), ([0x02] + Array("ab".utf8), "ab"), ([0x3F] + text(63), String(repeating: "x", count: 63)),
            ([0x41, 0x2C] + text(300), String(repeating: "x", count: 300)),
            ([0x80, 0, 0, 0x40, 0x01] + text(16385), String(repeating: "x", count: 16385)),
            ([0xC0, 0xFE, 0xFF], "-2"), ([0xC0, 0x00, 0x80], "-32768"), ([0xF0, 0xFF, 0xFF, 0x7F], "8388607"),
            ([0xD0, 0, 0, 0, 0x80], "-2147483648"), ([0xE0, 0, 0, 0, 0, 0, 0, 0, 0x80], "-9223372036854775808"),
            ([0xFE, 0x80], "-128"), ([0xF1], "0"), ([0xFD], "12"),
        ]
        #expect(try read(list(entries.map { $0.0 })) == entries.map { $0.1 })
        #expect(try read(list([])) == [])
        // 65535 stands for a number that must be counted.
        #expect(try read(list([[0xF1]], count: 65535)) == ["0"])
    }

    @Test func damagedLists() {
        let good = list([[0x02, 0x61, 0x62], [0xF3], [0xC0, 1, 2]])
        #expect(throws: FormatError.self) { try read(list([[0xF1]], count: 2)) }
        #expect(throws: FormatError.self) { try read(list([[0xC1]])) }
        #expect(throws: FormatError.self) { try read(list([[0x05, 0x61]])) }
        #expect(throws: FormatError.self) { try read([]) }
        for count in 0..<good.count { #expect(throws: FormatError.self) { try read(Array(good.prefix(count))) } }
        for place in [0, 4, 8, 10, 14, good.count - 1] {
            var bytes = good
            bytes[place] ^= 0x15
            #expect(throws: FormatError.self, "byte \(place)") { try read(bytes) }
        }
    }

    @Test func randomDamageDoesNoHarm() {
        var random = SeededRandom(seed: TestSeed.ofRun)
        let good = list([[0x02, 0x61, 0x62], [0xF3], [0xC0, 1, 2], [0x41, 0x2C] + text(300), [0xFE, 3]])
        for _ in 0..<3000 {
            var bytes = good
            for _ in 0...random.below(4) { bytes[random.below(bytes.count)] = UInt8(random.below(256)) }
            _ = try? read(bytes)
        }
    }
}
