// Zip maps, with spare bytes and long lengths, and damaged ones.

import RespCodec
import TestSupport
import Testing

@testable import StoreEngine

@Suite struct ZipMapTests {
    private func length(_ count: Int) -> [UInt8] {
        count < 254 ? [UInt8(count)] : [0xFE] + (0..<4).map { UInt8(count >> ($0 * 8) & 0xFF) }
    }

    private func map(_ pairs: [(String, String)], count: Int? = nil, spare: Int = 0) -> [UInt8] {
        var bytes = [UInt8(count ?? min(pairs.count, 254))]
        for (field, value) in pairs {
            bytes += length(field.utf8.count) + Array(field.utf8) + length(value.utf8.count) + [UInt8(spare)]
            bytes += Array(value.utf8) + Array(repeating: 0x7A, count: spare)
        }
        return bytes + [0xFF]
    }

    private func read(_ bytes: [UInt8]) throws(FormatError) -> [[String]] {
        try bytes.withByteSlice { bytes throws(FormatError) in
            var map = try ZipMap(bytes)
            var found: [[String]] = []
            while let pair = try map.next() { found.append([pair.field.description, pair.value.description]) }
            return found
        }
    }

    @Test(arguments: [0, 1, 3]) func fieldsAndValues(spare: Int) throws {
        let long = String(repeating: "y", count: 254)
        #expect(
            try read(map([("f", "v"), ("", ""), (long, long)], spare: spare)) == [
                ["f", "v"], ["", ""], [long, long],
            ])
        #expect(try read(map([])) == [])
        let many = (0..<300).map { ("f\($0)", "v") }
        #expect(try read(map(many, spare: spare)).count == 300)
    }

    @Test func damagedMaps() {
        let good = map([("field", "value"), ("g", "w")], spare: 1)
        #expect(throws: FormatError.self) { try read(map([("f", "v")], count: 2)) }
        #expect(throws: FormatError.self) { try read([]) }
        for count in 0..<good.count { #expect(throws: FormatError.self) { try read(Array(good.prefix(count))) } }
        for place in [0, 1, 7, 8, good.count - 1] {
            var bytes = good
            bytes[place] = bytes[place] &+ 1
            #expect(throws: FormatError.self, "byte \(place)") { try read(bytes) }
        }
        var random = SeededRandom(seed: TestSeed.ofRun)
        for _ in 0..<3000 {
            var bytes = good
            for _ in 0...random.below(3) { bytes[random.below(bytes.count)] = UInt8(random.below(256)) }
            _ = try? read(bytes)
        }
    }
}
