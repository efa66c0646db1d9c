// The hash of a key: multiply-and-fold over 64-bit words with a secret seed, in the manner of wyhash.
//
// The seed is random, so that clients cannot choose keys that collide. Every bit of the result is used: the top ones choose a segment,
// the low ones a place in it.
//
// Source: Wang Yi, wyhash (public domain), for the idea of the 64x64 to 128 bit multiplication as a mixer.

import RespCodec

struct KeyHash {
    let seed: UInt64
    let secret: UInt64

    init(seed: UInt64) {
        self.seed = seed
        secret = seed &* 0x9E37_79B9_7F4A_7C15 | 1
    }

    @inline(__always)
    private static func mix(_ left: UInt64, _ right: UInt64) -> UInt64 {
        let product = left.multipliedFullWidth(by: right)
        return product.high ^ product.low
    }

    @inline(__always)
    func callAsFunction(_ key: ByteSlice) -> UInt64 {
        let bytes = unsafe key.rawBytes.baseAddress!
        let count = key.count
        let low: UInt64
        let high: UInt64
        var state = seed
        if count <= 16 {
            if count >= 8 {
                low = unsafe bytes.loadUnaligned(as: UInt64.self)
                high = unsafe bytes.loadUnaligned(fromByteOffset: count &- 8, as: UInt64.self)
            } else if count >= 4 {
                low = unsafe UInt64(bytes.loadUnaligned(as: UInt32.self))
                high = unsafe UInt64(bytes.loadUnaligned(fromByteOffset: count &- 4, as: UInt32.self))
            } else if count > 0 {
                low =
                    unsafe UInt64(bytes.load(as: UInt8.self)) << 16
                    | UInt64(bytes.load(fromByteOffset: count >> 1, as: UInt8.self)) << 8
                    | UInt64(bytes.load(fromByteOffset: count &- 1, as: UInt8.self))
                high = 0
            } else {
                low = 0
                high = 0
            }
        } else {
            var offset = 0
            while count &- offset > 16 {
                let first = unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
                let second = unsafe bytes.loadUnaligned(fromByteOffset: offset &+ 8, as: UInt64.self)
                state = Self.mix(first ^ secret, second ^ state)
                offset &+= 16
            }
            low = unsafe bytes.loadUnaligned(fromByteOffset: count &- 16, as: UInt64.self)
            high = unsafe bytes.loadUnaligned(fromByteOffset: count &- 8, as: UInt64.self)
        }
        let folded = Self.mix(low ^ secret, high ^ state)
        return Self.mix(folded ^ 0xA076_1D64_78BD_642F, UInt64(truncatingIfNeeded: count) ^ secret)
    }
}

extension ByteSlice {
    /// Whether the bytes are those of another slice: as `==`, for short ones.
    @inline(__always)
    func isSame(_ other: ByteSlice) -> Bool {
        guard count == other.count else { return false }
        return unsafe sameBytes(rawBytes.baseAddress!, other.rawBytes.baseAddress!, count: count)
    }
}

/// Whether `count` bytes at two addresses are the same. Short keys are compared a word at a time, without a call.
@inline(__always)
@unsafe func sameBytes(_ left: UnsafeRawPointer, _ right: UnsafeRawPointer, count: Int) -> Bool {
    if count >= 8 {
        var offset = 0
        while offset &+ 8 <= count {
            let first = unsafe left.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            guard unsafe first == right.loadUnaligned(fromByteOffset: offset, as: UInt64.self) else { return false }
            offset &+= 8
        }
        let first = unsafe left.loadUnaligned(fromByteOffset: count &- 8, as: UInt64.self)
        return unsafe first == right.loadUnaligned(fromByteOffset: count &- 8, as: UInt64.self)
    }
    for offset in 0..<count {
        let first = unsafe left.load(fromByteOffset: offset, as: UInt8.self)
        guard unsafe first == right.load(fromByteOffset: offset, as: UInt8.self) else { return false }
    }
    return true
}
