import Testing

@testable import respcli

@Suite struct ModeArithmeticTests {
    @Test func powerLawStaysInRangeAndPrefersSmallNumbers() {
        let drawn = (0...1000).map { EvictionTestMode.powerLaw(from: 1, to: 100, Double($0) / 1000) }
        #expect(drawn.allSatisfy { (1...100).contains($0) })
        #expect(drawn.filter { $0 <= 20 }.count > 750)
        #expect(EvictionTestMode.powerLaw(from: 1, to: 1, 0.5) == 1)
        #expect(EvictionTestMode.powerLaw(from: 1, to: -5, 0.5) == 1)
    }

    @Test func information() {
        let info = ServerInfo(
            Bytes(
                "# Server\r\nused_memory:1024\r\nname:a:b\r\n\r\ndb0:keys=3,expires=1\r\ndb11:keys=4,expires=0\r\ndbx:keys=9\r\n"
                    .utf8))
        #expect(info.integer("used_memory") == 1024 && info["name"] == "a:b" && info.integer("absent") == nil)
        #expect(info.keyCount == 7 && info.parts("db0") == ["keys": "3", "expires": "1"])
    }

    @Test func sizes() {
        #expect(Text.size(0) == "0B" && Text.size(1023) == "1023B" && Text.size(1536) == "1.50K")
        #expect(Text.size(3 << 30) == "3.00G" && Text.size(-2048) == "-2.00K" && Text.size(5 << 40) == "5.00T")
    }
}
