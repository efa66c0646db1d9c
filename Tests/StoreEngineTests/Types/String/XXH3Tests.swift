// XXH3 against the values of the reference library, at every length where the algorithm changes.

import RespCodec
import Testing

@testable import StoreEngine

struct XXH3Tests {
    private let expected: [(Int, UInt64)] = [
        (0, 0x2D06_8005_38D3_94C2), (1, 0x4C5C_CA45_D0F4_811F), (2, 0x29C6_0963_CBFA_4E6E), (3, 0x6E3E_2670_E611_06AC),
        (4, 0x5C4C_6313_3443_D03F), (5, 0x49F5_EB31_1128_0B63), (8, 0xF9FD_4DD0_B04D_78F5), (9, 0x7C20_DF97_12C2_6EDF),
        (16, 0x86AB_F6BA_CCEA_0858), (17, 0xB58B_F5DC_5022_D071), (32, 0xE371_2ED8_4C04_A66E),
        (33, 0xA4DE_E99B_093E_1F73), (64, 0x1291_D2D4_0423_30DD), (65, 0x97C6_BF83_217E_5EC9),
        (96, 0x8129_6929_FC06_3365), (97, 0xF145_A45B_658A_B9DD), (128, 0x10D1_7F72_C0CC_BA41),
        (129, 0x1648_BDC3_DB49_D1A2), (144, 0xB46D_BFC6_D9E3_1ABA), (240, 0xB6CF_AF34_3FAB_81E6),
        (241, 0x956C_AE59_2C67_279E), (256, 0xB15E_5507_33C5_DFAC), (511, 0x5A17_DA92_4907_228A),
        (512, 0xA0E9_790E_B939_90D7), (1023, 0xA94F_FCD2_2543_68E4), (1024, 0x70BD_377D_9574_F4BB),
        (1025, 0x66C4_487C_41E1_27A7), (1088, 0xF43D_C77E_28A9_ACBC), (2048, 0x8B46_CAA6_7DAB_3A30),
        (2049, 0x581C_D184_FD9B_76C5), (4999, 0xC3AF_6109_DAA0_965B),
    ]

    @Test func hashesAreThoseOfTheReference() {
        let text = (0..<5000).map { UInt8(truncatingIfNeeded: $0 * 131 + 7) }
        for (length, hash) in expected {
            text.withByteSlice { #expect(XXH3.hash($0[0..<length]) == hash, "\(length) bytes") }
        }
    }

    @Test func aDigestIsSixteenDigits() {
        let engine = Engine(databases: 1, seed: 1)
        func run(_ words: String...) -> String {
            String(decoding: engine.execute(words.map { Array($0.utf8) }), as: UTF8.self)
        }
        _ = run("SET", "k", "Hello world")
        #expect(run("DIGEST", "k") == "$16\r\nb6acb9d84a38ff74\r\n")
        #expect(run("SET", "k", "other", "IFDEQ", "B6ACB9D84A38FF74") == "+OK\r\n")
        #expect(run("DELEX", "k", "IFDEQ", "b6acb9d84a38ff74") == ":0\r\n")
        #expect(run("DELEX", "k", "IFDNE", "b6acb9d84a38ff74") == ":1\r\n")
    }
}
