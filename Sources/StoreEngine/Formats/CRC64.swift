// The checksum of RDB files and of DUMP payloads: a CRC of 64 bits with the polynomial of David Jones, reflected, with initial value and
// final XOR 0.
//
// Slicing by sixteen: each of sixteen bytes looks up, in a table of its own, its contribution to the checksum after all sixteen, and the
// contributions are XORed. Only eight of the lookups wait for those of the bytes before. It takes 32 KiB of tables.
//
// Source: Redis, crc64.c, for the parameters (width 64, polynomial 0xad93d23594c935a9, reflected, "123456789" gives
// e9c6d914c4b8d9ca); M. Kounavis and F. Berry, "A Systematic Approach to Building High Performance Software-based CRC Generators".

import RespCodec

struct CRC64 {
    /// The checksum of the bytes added so far.
    private(set) var value: UInt64 = 0

    static func of(_ bytes: ByteSlice) -> UInt64 {
        var checksum = CRC64()
        checksum.add(bytes)
        return checksum.value
    }

    /// Adds bytes after those that were added before.
    /// - Complexity: O(bytes), about 0.5 ns each.
    mutating func add(_ bytes: ByteSlice) {
        let tables = unsafe Self.tables.start
        var crc = value
        let start = unsafe bytes.rawBytes.baseAddress!
        var offset = 0
        while bytes.count &- offset >= 16 {
            crc ^= unsafe UInt64(littleEndian: start.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            let behind = unsafe UInt64(littleEndian: start.loadUnaligned(fromByteOffset: offset &+ 8, as: UInt64.self))
            var (next, other): (UInt64, UInt64) = (0, 0)
            for byte in 0..<8 {
                let shift = UInt64(8 &* byte)
                let index = Int(truncatingIfNeeded: crc &>> shift) & 0xFF
                next ^= unsafe tables[(15 &- byte) &* 256 &+ index]
                let indexBehind = Int(truncatingIfNeeded: behind &>> shift) & 0xFF
                other ^= unsafe tables[(7 &- byte) &* 256 &+ indexBehind]
            }
            crc = next ^ other
            offset &+= 16
        }
        while offset < bytes.count {
            let byte = unsafe start.load(fromByteOffset: offset, as: UInt8.self)
            crc = unsafe tables[Int(truncatingIfNeeded: crc & 0xFF) ^ Int(byte)] ^ crc &>> 8
            offset &+= 1
        }
        value = crc
    }

    // MARK: changes

    /// Makes the checksum that of other bytes: those that were `before` are `after`, and `following` bytes come behind them.
    ///
    /// The checksum of a sum is the sum of the checksums, as long as both begin with 0. So what changes it is the checksum of the
    /// difference, moved on by the bytes behind.
    /// - Complexity: O(bytes that differ + log following).
    mutating func change(from before: [UInt8], to after: [UInt8], following: Int) {
        precondition(before.count == after.count, "bytes give way to as many")
        let difference = zip(before, after).map { $0 ^ $1 }
        value ^= Self.product(difference.withByteSlice { Self.of($0) }, Self.power(ofBits: 8 * following))
    }

    /// x to the `bits`, modulo the polynomial; the highest bit is that of x to the 0.
    private static func power(ofBits bits: Int) -> UInt64 {
        var result: UInt64 = 1 << 63
        var square: UInt64 = 1 << 62
        var left = bits
        while left > 0 {
            if left & 1 != 0 { result = product(result, square) }
            square = product(square, square)
            left >>= 1
        }
        return result
    }

    private static func product(_ one: UInt64, _ other: UInt64) -> UInt64 {
        var result: UInt64 = 0
        var shifted = other
        for bit in 0..<64 {
            if one & (1 << (63 - UInt64(bit))) != 0 { result ^= shifted }
            shifted = shifted & 1 != 0 ? shifted >> 1 ^ reflectedPolynomial : shifted >> 1
        }
        return result
    }

    // MARK: tables

    private static let reflectedPolynomial: UInt64 = 0x95AC_9329_AC4B_C9B5

    /// Sixteen tables of 256: the first for the last of sixteen bytes. Indexes are not checked; they are below 256 by construction.
    @safe private struct Tables: @unchecked Sendable {
        let start: UnsafePointer<UInt64>
    }

    /// Made once, and never freed.
    private static let tables: Tables = {
        let tables = UnsafeMutablePointer<UInt64>.allocate(capacity: 16 * 256)
        for byte in 0..<256 {
            var crc = UInt64(byte)
            for _ in 0..<8 { crc = crc & 1 != 0 ? crc >> 1 ^ reflectedPolynomial : crc >> 1 }
            unsafe tables[byte] = crc
        }
        for place in 256..<16 * 256 {
            let before = unsafe tables[place - 256]
            unsafe tables[place] = tables[Int(before & 0xFF)] ^ before >> 8
        }
        return unsafe Tables(start: tables)
    }()
}
