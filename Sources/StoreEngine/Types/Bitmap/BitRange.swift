// A range of a string's bits: counting them, and finding the first. Bit 0 is the highest of the first byte.

import RespCodec

/// A run of bits in a string: whole bytes, but for the first and the last.
struct BitRange {
    /// The bytes that contain bits of the range.
    let bytes: ByteSlice
    /// The first of these bytes in the string.
    let firstByte: Int
    /// The bits of the range in the first byte and in the last; if these are the same byte, the bits in both masks.
    let firstMask: UInt8
    let lastMask: UInt8

    /// All of a string.
    init(_ text: ByteSlice) {
        bytes = text
        firstByte = 0
        (firstMask, lastMask) = (0xFF, 0xFF)
    }

    /// The bits from `first` up to and including `last`, both in the string.
    init(_ text: ByteSlice, first: Int, last: Int) {
        firstByte = first / 8
        bytes = text[firstByte..<last / 8 + 1]
        firstMask = 0xFF >> UInt8(first % 8)
        lastMask = 0xFF << UInt8(7 - last % 8)
    }

    /// The number of bits that are set.
    var count: Int {
        guard let last = bytes.last else { return 0 }
        let outside = (bytes[0] & ~firstMask).nonzeroBitCount + (last & ~lastMask).nonzeroBitCount
        guard bytes.count > 1 else { return (last & firstMask & lastMask).nonzeroBitCount }
        return BitCount.ones(in: bytes) - outside
    }

    /// The place in the string of the first bit that is `bit`; nil if there is none.
    func position(of bit: Bool) -> Int? {
        guard bytes.count > 0 else { return nil }
        // To find a zero, look for a set bit in the complement.
        let flip: UInt8 = bit ? 0 : 0xFF
        func place(_ index: Int, _ mask: UInt8) -> Int? {
            let found = (bytes[index] ^ flip) & mask
            return found == 0 ? nil : (firstByte + index) * 8 + found.leadingZeroBitCount
        }
        let last = bytes.count - 1
        if last == 0 { return place(0, firstMask & lastMask) }
        if let place = place(0, firstMask) { return place }
        let inner = Self.firstByte(in: bytes[1..<last], otherThan: flip)
        return inner.flatMap { place(1 + $0, 0xFF) } ?? place(last, lastMask)
    }

    /// The index of the first byte that is not `byte`.
    private static func firstByte(in bytes: ByteSlice, otherThan byte: UInt8) -> Int? {
        let pattern = UInt64(byte) &* 0x0101_0101_0101_0101
        let start = unsafe bytes.rawBytes.baseAddress!
        var index = 0
        @inline(__always) func difference(_ offset: Int) -> UInt64 {
            unsafe start.loadUnaligned(fromByteOffset: index &+ offset, as: UInt64.self) ^ pattern
        }
        while index &+ 64 <= bytes.count {
            let first = difference(0) | difference(8) | difference(16) | difference(24)
            let second = difference(32) | difference(40) | difference(48) | difference(56)
            if first | second != 0 { break }
            index &+= 64
        }
        while index < bytes.count {
            if bytes[index] != byte { return index }
            index &+= 1
        }
        return nil
    }
}
