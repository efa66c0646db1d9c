// HyperLogLogs: estimates of the number of different elements, in at most 12 KiB.
//
// Of each element's hash, 14 bits choose one of 16384 registers, and the register keeps the largest rank: the place of the lowest set bit
// among the other 50. The number of elements is estimated from how many registers have which rank, with a standard error of 0.81 %.
// A HyperLogLog is a string, which users copy, store and restore, so its layout is that of Redis:
//
//     bytes 0-3     "HYLL"
//     byte 4        layout of the registers: 0 dense, 1 sparse
//     bytes 5-7     not used
//     bytes 8-15    the cached estimate, the lowest byte first; the highest bit is set if it is outdated
//     registers     dense: 6 bits each, the lowest bits first (`DenseRegisters`); sparse: runs of equal registers
//                   (`SparseRegisters`)
//
// Any bytes can be set under a key, so everything that reads registers detects damage.
//
// - Source: Redis, hyperloglog.c, for the layout; Flajolet et al., "HyperLogLog: the analysis of a near-optimal cardinality
//   estimation algorithm"; Heule, Nunkesser, Hall, "HyperLogLog in Practice".

import RespCodec

enum HyperLogLog {
    static let registerCount = 1 << indexBits
    static let headerSize = 16
    static let denseSize = headerSize + DenseRegisters.byteCount
    private static let indexBits = 14
    private static let layoutOffset = 4
    private static let estimateOffset = 8
    private static let staleBit: UInt64 = 1 << 63

    enum Layout: UInt8 {
        case dense = 0
        case sparse = 1
    }

    /// The layout of the registers; nil if the bytes are no HyperLogLog.
    static func layout(of bytes: ByteSlice) -> Layout? {
        guard bytes.count >= headerSize, bytes[0..<4] == "HYLL", let layout = Layout(rawValue: bytes[layoutOffset])
        else {
            return nil
        }
        return layout == .sparse || bytes.count == denseSize ? layout : nil
    }

    // MARK: elements

    /// Which register an element belongs to, and its rank there: 1 to 51.
    static func place(of element: ByteSlice) -> (index: Int, rank: UInt8) {
        let hash = MurmurHash64A.hash(element, seed: 0xADC8_3B19)
        let index = Int(hash & UInt64(registerCount - 1))
        // A sentinel bit above the others, so that the rank is at most 51.
        let rest = hash >> UInt64(indexBits) | 1 << UInt64(64 - indexBits)
        return (index, UInt8(truncatingIfNeeded: rest.trailingZeroBitCount + 1))
    }

    // MARK: the header

    /// Writes the header of a HyperLogLog without elements, with the valid estimate 0.
    static func writeHeader(_ layout: Layout, to bytes: UnsafeMutableRawBufferPointer) {
        precondition(bytes.count >= headerSize, "a HyperLogLog has a header")
        for index in 0..<headerSize { unsafe bytes[index] = 0 }
        for (index, byte) in "HYLL".utf8.enumerated() { unsafe bytes[index] = byte }
        unsafe setLayout(layout, in: bytes)
    }

    static func setLayout(_ layout: Layout, in bytes: UnsafeMutableRawBufferPointer) {
        unsafe bytes[layoutOffset] = layout.rawValue
    }

    /// The cached estimate, if it is valid.
    static func knownEstimate(_ bytes: ByteSlice) -> Int? {
        var word: UInt64 = 0
        for index in (0..<8).reversed() { word = word << 8 | UInt64(bytes[estimateOffset + index]) }
        return word & staleBit == 0 ? Int(word) : nil
    }

    static func setEstimate(_ estimate: Int, in bytes: UnsafeMutableRawBufferPointer) {
        let word = UInt64(bitPattern: Int64(estimate)).littleEndian
        unsafe bytes.storeBytes(of: word, toByteOffset: estimateOffset, as: UInt64.self)
    }

    /// Marks the cached estimate as outdated.
    static func forgetEstimate(in bytes: UnsafeMutableRawBufferPointer) {
        unsafe bytes[estimateOffset + 7] |= UInt8(Self.staleBit >> 56)
    }
}

/// - Source: Appleby, MurmurHash2, the 64-bit variant for 64-bit platforms.
enum MurmurHash64A {
    static func hash(_ bytes: ByteSlice, seed: UInt64) -> UInt64 {
        let multiplier: UInt64 = 0xC6A4_A793_5BD1_E995
        let shift: UInt64 = 47
        var hash = seed ^ UInt64(bytes.count) &* multiplier
        let words = bytes.count / 8
        let start = unsafe bytes.rawBytes.baseAddress!
        for index in 0..<words {
            var word = unsafe UInt64(littleEndian: start.loadUnaligned(fromByteOffset: index &* 8, as: UInt64.self))
            word = word &* multiplier
            word ^= word >> shift
            hash = (hash ^ word &* multiplier) &* multiplier
        }
        let rest = bytes.dropFirst(words * 8)
        if rest.count > 0 {
            var word: UInt64 = 0
            for index in (0..<rest.count).reversed() { word = word << 8 | UInt64(rest[index]) }
            hash = (hash ^ word) &* multiplier
        }
        hash = (hash ^ hash >> shift) &* multiplier
        return hash ^ hash >> shift
    }
}
