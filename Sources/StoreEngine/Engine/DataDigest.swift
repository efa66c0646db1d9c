// A digest of data whatever its order in memory, and the hash function it is made with.

import RespCodec

/// A digest to which parts are added in any order, or mixed in order.
///
/// - Source: Redis, debug.c, on what DEBUG DIGEST computes; SHA-1 by FIPS 180-4.
struct DataDigest {
    private(set) var bytes = [UInt8](repeating: 0, count: 20)

    var text: String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    static func bigEndian(_ value: Int) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
    }

    /// Twenty bytes, as they are.
    private mutating func combine(_ other: [UInt8]) {
        for index in bytes.indices { bytes[index] ^= other[index] }
    }

    /// Adds data; the order of what is added does not matter.
    mutating func add(_ data: [UInt8]) { data.withByteSlice { combine(Self.sha1($0)) } }

    /// Adds data whose place in the order matters.
    mutating func mix(_ data: ByteSlice) {
        combine(Self.sha1(data))
        bytes = bytes.withByteSlice { Self.sha1($0) }
    }

    mutating func mix(_ data: [UInt8]) { data.withByteSlice { mix($0) } }

    private static func sha1(_ data: ByteSlice) -> [UInt8] {
        var state: [UInt32] = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0]
        var words = [UInt32](repeating: 0, count: 80)
        let whole = data.count / 64
        for block in 0..<whole { absorb(data[block * 64..<block * 64 + 64], &state, &words) }
        var tail = data.dropFirst(whole * 64).array + [0x80]
        while tail.count % 64 != 56 { tail.append(0) }
        let bits = UInt64(data.count) * 8
        for shift in stride(from: 56, through: 0, by: -8) {
            tail.append(UInt8(truncatingIfNeeded: bits >> UInt64(shift)))
        }
        tail.withByteSlice { rest in
            for block in 0..<rest.count / 64 { absorb(rest[block * 64..<block * 64 + 64], &state, &words) }
        }
        return state.flatMap { word in [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: word >> UInt32($0)) } }
    }

    private static func absorb(_ block: ByteSlice, _ state: inout [UInt32], _ words: inout [UInt32]) {
        func rotate(_ value: UInt32, _ count: UInt32) -> UInt32 { value << count | value >> (32 - count) }
        for index in 0..<16 {
            let start = index * 4
            let high = UInt32(block[start]) << 24 | UInt32(block[start + 1]) << 16
            words[index] = high | UInt32(block[start + 2]) << 8 | UInt32(block[start + 3])
        }
        for index in 16..<80 {
            words[index] = rotate(words[index - 3] ^ words[index - 8] ^ words[index - 14] ^ words[index - 16], 1)
        }
        var (a, b, c, d, e) = (state[0], state[1], state[2], state[3], state[4])
        for round in 0..<80 {
            let mixed: UInt32
            let constant: UInt32
            switch round {
            case 0..<20: (mixed, constant) = (b & c | ~b & d, 0x5A82_7999)
            case 20..<40: (mixed, constant) = (b ^ c ^ d, 0x6ED9_EBA1)
            case 40..<60: (mixed, constant) = (b & c | b & d | c & d, 0x8F1B_BCDC)
            default: (mixed, constant) = (b ^ c ^ d, 0xCA62_C1D6)
            }
            let next = rotate(a, 5) &+ mixed &+ e &+ constant &+ words[round]
            (e, d, c, b, a) = (d, c, rotate(b, 30), a, next)
        }
        state[0] &+= a
        state[1] &+= b
        state[2] &+= c
        state[3] &+= d
        state[4] &+= e
    }
}
