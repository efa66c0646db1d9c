import RespCodec
import Testing

/// Vectors of FIPS 180-4 and RFC 3174, and lengths around the ends of blocks, whose digests OpenSSL made.
struct SHA1Tests {
    private func digest(_ bytes: [UInt8]) -> String {
        String(decoding: bytes.withByteSlice { SHA1.hexadecimal(of: $0) }, as: UTF8.self)
    }

    @Test func knownDigests() {
        #expect(digest([]) == "da39a3ee5e6b4b0d3255bfef95601890afd80709")
        #expect(digest(Array("abc".utf8)) == "a9993e364706816aba3e25717850c26c9cd0d89d")
        #expect(digest(Array("return 1".utf8)) == "e0e1f9fabfc9d4800c877a703b823ac0578ff8db")
        #expect(
            digest(Array("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".utf8))
                == "84983e441c3bd26ebaae4aa1f95129e5e54670f1")
        #expect(
            digest([UInt8](repeating: UInt8(ascii: "a"), count: 1_000_000))
                == "34aa973cd4c4daa4f61eeb2bdbad27316534016f")
    }

    @Test(arguments: [
        (55, "c1c8bbdc22796e28c0e15163d20899b65621d65a"), (56, "c2db330f6083854c99d4b5bfb6e8f29f201be699"),
        (63, "03f09f5b158a7a8cdad920bddc29b81c18a551f5"), (64, "0098ba824b5c16427bd7a1122a5a442a25ec644d"),
        (65, "11655326c708d70319be2610e8a57d9a5b959d3b"),
    ])
    func endsOfBlocks(count: Int, expected: String) {
        #expect(digest([UInt8](repeating: UInt8(ascii: "a"), count: count)) == expected)
    }
}
