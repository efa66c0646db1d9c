// XXH3 of 64 bits without a seed: the digest of DIGEST and of the conditions on digests. It is fast, and the same in every implementation,
// so that clients can compute it themselves; not for secrets.
//
// Short texts are mixed by a few multiplications, by length: up to 16 bytes, to 128, to 240. Longer ones are mixed into eight lanes, 64
// bytes at a time, each with another eight bytes of a fixed secret; after sixteen such stripes the lanes are scrambled.
//
// - Source: Collet, xxHash, doc/xxhash_spec.md, "XXH3 Algorithm Overview".

import RespCodec

enum XXH3 {
    private typealias Lanes = SIMD8<UInt64>

    private static let prime32: (UInt64, UInt64, UInt64) = (0x9E37_79B1, 0x85EB_CA77, 0xC2B2_AE3D)
    private static let prime64: (UInt64, UInt64, UInt64, UInt64, UInt64) = (
        0x9E37_79B1_85EB_CA87, 0xC2B2_AE3D_27D4_EB4F, 0x1656_67B1_9E37_79F9, 0x85EB_CA77_C2B2_AE63,
        0x27D4_EB2F_1656_67C5
    )
    private static let primeOfMix: (UInt64, UInt64) = (0x1656_6791_9E37_79F9, 0x9FB2_1C65_1E98_DF25)

    private static let secret: [UInt8] = [
        0xB8, 0xFE, 0x6C, 0x39, 0x23, 0xA4, 0x4B, 0xBE, 0x7C, 0x01, 0x81, 0x2C, 0xF7, 0x21, 0xAD, 0x1C,
        0xDE, 0xD4, 0x6D, 0xE9, 0x83, 0x90, 0x97, 0xDB, 0x72, 0x40, 0xA4, 0xA4, 0xB7, 0xB3, 0x67, 0x1F,
        0xCB, 0x79, 0xE6, 0x4E, 0xCC, 0xC0, 0xE5, 0x78, 0x82, 0x5A, 0xD0, 0x7D, 0xCC, 0xFF, 0x72, 0x21,
        0xB8, 0x08, 0x46, 0x74, 0xF7, 0x43, 0x24, 0x8E, 0xE0, 0x35, 0x90, 0xE6, 0x81, 0x3A, 0x26, 0x4C,
        0x3C, 0x28, 0x52, 0xBB, 0x91, 0xC3, 0x00, 0xCB, 0x88, 0xD0, 0x65, 0x8B, 0x1B, 0x53, 0x2E, 0xA3,
        0x71, 0x64, 0x48, 0x97, 0xA2, 0x0D, 0xF9, 0x4E, 0x38, 0x19, 0xEF, 0x46, 0xA9, 0xDE, 0xAC, 0xD8,
        0xA8, 0xFA, 0x76, 0x3F, 0xE3, 0x9C, 0x34, 0x3F, 0xF9, 0xDC, 0xBB, 0xC7, 0xC7, 0x0B, 0x4F, 0x1D,
        0x8A, 0x51, 0xE0, 0x4B, 0xCD, 0xB4, 0x59, 0x31, 0xC8, 0x9F, 0x7E, 0xC9, 0xD9, 0x78, 0x73, 0x64,
        0xEA, 0xC5, 0xAC, 0x83, 0x34, 0xD3, 0xEB, 0xC3, 0xC5, 0x81, 0xA0, 0xFF, 0xFA, 0x13, 0x63, 0xEB,
        0x17, 0x0D, 0xDD, 0x51, 0xB7, 0xF0, 0xDA, 0x49, 0xD3, 0x16, 0x55, 0x26, 0x29, 0xD4, 0x68, 0x9E,
        0x2B, 0x16, 0xBE, 0x58, 0x7D, 0x47, 0xA1, 0xFC, 0x8F, 0xF8, 0xB8, 0xD1, 0x7A, 0xD0, 0x31, 0xCE,
        0x45, 0xCB, 0x3A, 0x8F, 0x95, 0x16, 0x04, 0x28, 0xAF, 0xD7, 0xFB, 0xCA, 0xBB, 0x4B, 0x40, 0x7E,
    ]
    /// Bytes of the secret, and how many of them texts of up to 240 bytes are mixed with.
    private static let secretSize = 192
    private static let leastSecretSize = 136
    private static let stripeSize = 64

    /// - Complexity: O(bytes).
    static func hash(_ text: ByteSlice) -> UInt64 {
        secret.withByteSlice { secret in
            switch text.count {
            case 0: return avalanche64(word(secret, 56) ^ word(secret, 64))
            case 1...3: return tiny(text, secret)
            case 4...8: return small(text, secret)
            case 9...16: return medium(text, secret)
            case 17...128: return upTo128(text, secret)
            case 129...240: return upTo240(text, secret)
            default: return long(text, secret)
            }
        }
    }

    // MARK: words

    @inline(__always)
    private static func word(_ bytes: ByteSlice, _ offset: Int) -> UInt64 {
        precondition(offset >= 0 && offset <= bytes.count - 8, "a word outside the text")
        return unsafe UInt64(
            littleEndian: bytes.rawBytes.baseAddress!.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }

    private static func half(_ bytes: ByteSlice, _ offset: Int) -> UInt64 {
        precondition(offset >= 0 && offset <= bytes.count - 4, "a word outside the text")
        return unsafe UInt64(
            UInt32(littleEndian: bytes.rawBytes.baseAddress!.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
    }

    @inline(__always)
    private static func fold(_ first: UInt64, _ second: UInt64) -> UInt64 {
        let product = first.multipliedFullWidth(by: second)
        return product.high ^ product.low
    }

    private static func rotate(_ value: UInt64, _ count: UInt64) -> UInt64 { value << count | value >> (64 - count) }

    private static func avalanche(_ value: UInt64) -> UInt64 {
        let mixed = (value ^ value >> 37) &* primeOfMix.0
        return mixed ^ mixed >> 32
    }

    private static func avalanche64(_ value: UInt64) -> UInt64 {
        let first = (value ^ value >> 33) &* prime64.1
        let second = (first ^ first >> 29) &* prime64.2
        return second ^ second >> 32
    }

    // MARK: short texts

    private static func tiny(_ text: ByteSlice, _ secret: ByteSlice) -> UInt64 {
        let first = UInt64(text[0])
        let middle = UInt64(text[text.count / 2])
        let last = UInt64(text[text.count - 1])
        let combined = first << 16 | middle << 24 | last | UInt64(text.count) << 8
        return avalanche64(combined ^ half(secret, 0) ^ half(secret, 4))
    }

    private static func small(_ text: ByteSlice, _ secret: ByteSlice) -> UInt64 {
        let joined = half(text, text.count - 4) &+ half(text, 0) << 32
        var mixed = joined ^ word(secret, 8) ^ word(secret, 16)
        mixed ^= rotate(mixed, 49) ^ rotate(mixed, 24)
        mixed = mixed &* primeOfMix.1
        mixed ^= (mixed >> 35) &+ UInt64(text.count)
        mixed = mixed &* primeOfMix.1
        return mixed ^ mixed >> 28
    }

    private static func medium(_ text: ByteSlice, _ secret: ByteSlice) -> UInt64 {
        let low = word(text, 0) ^ word(secret, 24) ^ word(secret, 32)
        let high = word(text, text.count - 8) ^ word(secret, 40) ^ word(secret, 48)
        return avalanche(UInt64(text.count) &+ low.byteSwapped &+ high &+ fold(low, high))
    }

    @inline(__always)
    private static func mix(_ text: ByteSlice, _ offset: Int, _ secret: ByteSlice, _ place: Int) -> UInt64 {
        fold(word(text, offset) ^ word(secret, place), word(text, offset + 8) ^ word(secret, place + 8))
    }

    private static func upTo128(_ text: ByteSlice, _ secret: ByteSlice) -> UInt64 {
        var sum = UInt64(text.count) &* prime64.0
        for pair in (0...(text.count - 1) / 32).reversed() {
            sum = sum &+ mix(text, pair * 16, secret, pair * 32)
            sum = sum &+ mix(text, text.count - (pair + 1) * 16, secret, pair * 32 + 16)
        }
        return avalanche(sum)
    }

    private static func upTo240(_ text: ByteSlice, _ secret: ByteSlice) -> UInt64 {
        var sum = UInt64(text.count) &* prime64.0
        for round in 0..<8 { sum = sum &+ mix(text, round * 16, secret, round * 16) }
        sum = avalanche(sum)
        for round in 8..<text.count / 16 { sum = sum &+ mix(text, round * 16, secret, (round - 8) * 16 + 3) }
        return avalanche(sum &+ mix(text, text.count - 16, secret, leastSecretSize - 17))
    }

    // MARK: long texts

    private static func lanes(_ bytes: ByteSlice, _ offset: Int) -> Lanes {
        precondition(offset >= 0 && offset <= bytes.count - stripeSize, "a stripe outside the text")
        let place = unsafe bytes.rawBytes.baseAddress! + offset
        return unsafe place.loadUnaligned(as: Lanes.self)
    }

    @inline(__always)
    private static func accumulate(_ sums: inout Lanes, _ stripe: Lanes, _ secret: Lanes) {
        let keyed = stripe ^ secret
        var swapped = stripe
        swapped.evenHalf = stripe.oddHalf
        swapped.oddHalf = stripe.evenHalf
        sums &+= swapped &+ (keyed & Lanes(repeating: 0xFFFF_FFFF)) &* (keyed &>> Lanes(repeating: 32))
    }

    private static func long(_ text: ByteSlice, _ secret: ByteSlice) -> UInt64 {
        var sums = Lanes(
            prime32.2, prime64.0, prime64.1, prime64.2, prime64.3, prime32.1, prime64.4, prime32.0)
        let stripesPerBlock = (secretSize - stripeSize) / 8
        // The last stripe ends at the end of the text, overlapping the one before, and is mixed separately.
        let stripes = (text.count - 1) / stripeSize
        for stripe in 0..<stripes {
            let inBlock = stripe % stripesPerBlock
            accumulate(&sums, lanes(text, stripe &* stripeSize), lanes(secret, inBlock &* 8))
            if inBlock == stripesPerBlock - 1 {
                let scrambled = sums ^ (sums &>> Lanes(repeating: 47)) ^ lanes(secret, secretSize - stripeSize)
                sums = scrambled &* Lanes(repeating: prime32.0)
            }
        }
        accumulate(&sums, lanes(text, text.count - stripeSize), lanes(secret, secretSize - stripeSize - 7))
        var result = UInt64(text.count) &* prime64.0
        for pair in 0..<4 {
            result =
                result
                &+ fold(
                    sums[2 * pair] ^ word(secret, 11 + 16 * pair), sums[2 * pair + 1] ^ word(secret, 19 + 16 * pair))
        }
        return avalanche(result)
    }
}
