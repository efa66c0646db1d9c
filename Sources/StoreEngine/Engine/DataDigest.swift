// A digest of data whatever its order in memory.

import RespCodec

/// A digest to which parts are added in any order, or mixed in order.
///
/// - Source: Redis, debug.c, on what DEBUG DIGEST computes.
struct DataDigest {
    private(set) var bytes = [UInt8](repeating: 0, count: SHA1.digestBytes)

    var text: String {
        var text: [UInt8] = []
        for byte in bytes { Hexadecimal.append(byte, to: &text) }
        return String(decoding: text, as: UTF8.self)
    }

    static func bigEndian(_ value: Int) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
    }

    /// Twenty bytes, as they are.
    private mutating func combine(_ other: [UInt8]) {
        for index in bytes.indices { bytes[index] ^= other[index] }
    }

    /// Adds data; the order of what is added does not matter.
    mutating func add(_ data: [UInt8]) { data.withByteSlice { combine(SHA1.digest(of: $0)) } }

    /// Adds data whose place in the order matters.
    mutating func mix(_ data: ByteSlice) {
        combine(SHA1.digest(of: data))
        bytes = bytes.withByteSlice { SHA1.digest(of: $0) }
    }

    mutating func mix(_ data: [UInt8]) { data.withByteSlice { mix($0) } }
}
