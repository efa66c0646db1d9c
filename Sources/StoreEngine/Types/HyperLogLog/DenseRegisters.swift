// Registers of six bits, one after the other, and the same registers a byte each.
//
//     byte     0        1        2
//          |11000000|22221111|33333322|       the digit is the register's; the highest bit of each byte on the left
//
// Single registers are read and written in place. To count or unite all of them, they are spread to a byte each first: eight registers are
// six bytes of one word, which three masks and shifts separate, and two such words are one vector.

import Glibc
import RespCodec

/// The registers after the header of a dense HyperLogLog.
@safe struct DenseRegisters {
    static let byteCount = HyperLogLog.registerCount * 6 / 8

    private let start: UnsafeMutableRawPointer

    /// The registers in the memory of a whole HyperLogLog that is dense.
    init(_ bytes: UnsafeMutableRawBufferPointer) {
        precondition(bytes.count == HyperLogLog.denseSize, "a dense HyperLogLog has one size")
        unsafe start = bytes.baseAddress! + HyperLogLog.headerSize
    }

    subscript(index: Int) -> UInt8 {
        get {
            let (byte, shift) = Self.place(index)
            let low = unsafe start.load(fromByteOffset: byte, as: UInt8.self) >> shift
            guard shift > 2 else { return low & 63 }
            let high = unsafe start.load(fromByteOffset: byte + 1, as: UInt8.self) << (8 - shift)
            return (low | high) & 63
        }
        nonmutating set {
            let (byte, shift) = Self.place(index)
            func update(_ offset: Int, _ mask: UInt8, _ bits: UInt8) {
                let old = unsafe start.load(fromByteOffset: offset, as: UInt8.self)
                unsafe start.storeBytes(of: old & ~mask | bits, toByteOffset: offset, as: UInt8.self)
            }
            update(byte, 63 << shift, newValue << shift)
            if shift > 2 { update(byte + 1, 63 >> (8 - shift), newValue >> (8 - shift)) }
        }
    }

    private static func place(_ index: Int) -> (byte: Int, shift: UInt8) {
        precondition(index >= 0 && index < HyperLogLog.registerCount, "a register outside the HyperLogLog")
        return (index * 6 / 8, UInt8(truncatingIfNeeded: index * 6 % 8))
    }

    /// Raises a register to `rank`; false if it is not lower.
    func raise(_ index: Int, to rank: UInt8) -> Bool {
        guard self[index] < rank else { return false }
        self[index] = rank
        return true
    }
}

/// One byte for each register, in memory of its own.
@safe struct SpreadRegisters: ~Copyable {
    private typealias Words = SIMD2<UInt64>
    private typealias Ranks = SIMD16<UInt8>

    private let ranks: UnsafeMutablePointer<UInt8>

    init() {
        unsafe ranks = .allocate(capacity: HyperLogLog.registerCount)
        unsafe ranks.initialize(repeating: 0, count: HyperLogLog.registerCount)
    }

    deinit { unsafe ranks.deallocate() }

    subscript(index: Int) -> UInt8 {
        precondition(index >= 0 && index < HyperLogLog.registerCount, "a register outside the HyperLogLog")
        return unsafe ranks[index]
    }

    /// The first register from `index` on whose rank is not 0; their number if there is none.
    func firstRaised(from index: Int) -> Int {
        var index = index
        while index < HyperLogLog.registerCount, unsafe ranks[index] == 0 { index += 1 }
        return index
    }

    // MARK: merging

    /// Raises each register to that of a whole HyperLogLog, if it is lower; false if that is damaged.
    mutating func unite(_ bytes: ByteSlice) -> Bool {
        let registers = bytes.dropFirst(HyperLogLog.headerSize)
        switch HyperLogLog.layout(of: bytes) {
        case nil: return false
        case .dense:
            uniteDense(registers)
            return true
        case .sparse:
            return SparseRegisters(registers).forEachRun { first, count, rank in
                guard rank > 0 else { return }
                for index in first..<first + count { unsafe ranks[index] = max(ranks[index], rank) }
            }
        }
    }

    private mutating func uniteDense(_ registers: ByteSlice) {
        precondition(registers.count == DenseRegisters.byteCount, "dense registers have one size")
        let source = unsafe registers.rawBytes.baseAddress!
        let target = unsafe UnsafeMutableRawPointer(ranks)
        let last = HyperLogLog.registerCount / 16 - 1
        @inline(__always) func unite(_ group: Int, _ low: UInt64, _ high: UInt64) {
            let spread = unsafe unsafeBitCast(Self.spread(Words(low, high)), to: Ranks.self)
            let place = unsafe target + group &* 16
            let old = unsafe place.loadUnaligned(as: Ranks.self)
            unsafe place.storeBytes(of: old.replacing(with: spread, where: spread .> old), as: Ranks.self)
        }
        for group in 0..<last {
            let place = unsafe source + group &* 12
            unsafe unite(
                group, place.loadUnaligned(as: UInt64.self), place.loadUnaligned(fromByteOffset: 6, as: UInt64.self))
        }
        // Reading the last word where it begins would read beyond the end, so it is read from before.
        let place = unsafe source + last * 12
        let ending = unsafe place.loadUnaligned(fromByteOffset: 4, as: UInt64.self)
        unsafe unite(last, place.loadUnaligned(as: UInt64.self), ending >> 16)
    }

    /// The low 48 bits of each word as eight bytes of six bits.
    @inline(__always)
    private static func spread(_ words: Words) -> Words {
        func mask(_ value: UInt64) -> Words { Words(repeating: value) }
        let halves = words & mask(0xFF_FFFF) | (words & mask(0xFFFF_FF00_0000)) &<< mask(8)
        let quarters = halves & mask(0x0FFF_0000_0FFF) | (halves & mask(0xFF_F000_00FF_F000)) &<< mask(4)
        return quarters & mask(0x003F_003F_003F_003F) | (quarters & mask(0x0FC0_0FC0_0FC0_0FC0)) &<< mask(2)
    }

    // MARK: reading

    /// Counts the registers by rank.
    /// - Complexity: O(registers). There are four counters for each rank, so that equal neighbours do not depend on each other.
    var histogram: RegisterHistogram {
        var histogram = RegisterHistogram()
        unsafe withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 4 * 64) { counts in
            unsafe counts.initialize(repeating: 0)
            let counts = counts.baseAddress!
            var index = 0
            while index < HyperLogLog.registerCount {
                var word = unsafe UnsafeRawPointer(ranks + index).loadUnaligned(as: UInt64.self)
                if word == 0 {
                    unsafe counts[0] &+= 8
                } else {
                    for lane in 0..<8 {
                        unsafe counts[(lane & 3) &* 64 &+ Int(truncatingIfNeeded: word & 63)] &+= 1
                        word >>= 8
                    }
                }
                index &+= 8
            }
            for rank in 0..<64 {
                let total = unsafe counts[rank] + counts[64 + rank] + counts[128 + rank] + counts[192 + rank]
                histogram.add(UInt8(rank), count: Int(total))
            }
        }
        return histogram
    }

    /// Writes the registers after the header of a dense HyperLogLog.
    func pack(into bytes: UnsafeMutableRawBufferPointer) {
        precondition(bytes.count == HyperLogLog.denseSize, "a dense HyperLogLog has one size")
        let target = unsafe bytes.baseAddress! + HyperLogLog.headerSize
        for group in 0..<HyperLogLog.registerCount / 4 {
            var word: UInt32 = 0
            for index in (0..<4).reversed() { word = unsafe word << 6 | UInt32(ranks[group &* 4 &+ index]) }
            let place = unsafe target + group &* 3
            unsafe place.storeBytes(of: UInt8(truncatingIfNeeded: word), as: UInt8.self)
            unsafe place.storeBytes(of: UInt8(truncatingIfNeeded: word >> 8), toByteOffset: 1, as: UInt8.self)
            unsafe place.storeBytes(of: UInt8(truncatingIfNeeded: word >> 16), toByteOffset: 2, as: UInt8.self)
        }
    }
}
