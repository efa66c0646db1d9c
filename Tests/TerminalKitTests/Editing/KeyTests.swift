import Testing

@testable import TerminalKit

@Suite struct KeyTests {
    private static func keys(_ text: String) -> [Key] {
        var decoder = KeyDecoder()
        let keys = decoder.take(Array(text.utf8))
        #expect(!decoder.isIncomplete)
        return keys
    }

    private static let sequences: [(String, Key)] = [
        ("a", .text([0x61])), ("é", .text(Array("é".utf8))), ("😀", .text(Array("😀".utf8))), ("\u{1}", .control("A")),
        ("\u{1F}", .control("_")), ("\r", .enter), ("\n", .enter), ("\t", .tab), ("\u{7F}", .backspace),
        ("\u{8}", .backspace), ("\u{1B}[A", .up), ("\u{1B}OB", .down), ("\u{1B}[C", .right), ("\u{1B}[D", .left),
        ("\u{1B}[1;5C", .wordRight), ("\u{1B}[1;3D", .wordLeft), ("\u{1B}[H", .home), ("\u{1B}[4~", .end),
        ("\u{1B}[3~", .delete), ("\u{1B}[5~", .pageUp), ("\u{1B}[6~", .pageDown), ("\u{1B}[Z", .shiftTab),
        ("\u{1B}b", .meta("b")), ("\u{1B}\u{7F}", .metaBackspace), ("\u{1B}[99~", .unknown), ("\u{1B}[?1;2c", .unknown),
    ]

    @Test func everySequence() {
        for (text, key) in Self.sequences { #expect(Self.keys(text) == [key], "\(key)") }
    }

    @Test func anyPieces() {
        let text = Array(Self.sequences.map(\.0).joined().utf8)
        let expected = Self.sequences.map(\.1)
        for cut in 0...text.count {
            var decoder = KeyDecoder()
            #expect(decoder.take(text[..<cut]) + decoder.take(text[cut...]) == expected)
        }
        var decoder = KeyDecoder()
        #expect(text.flatMap { decoder.take([$0]) } == expected)
    }

    @Test func aLoneEscapeNeedsAMoment() {
        var decoder = KeyDecoder()
        #expect(decoder.take([0x1B]) == [] && decoder.isIncomplete)
        #expect(decoder.flush() == [.escape] && !decoder.isIncomplete)
        #expect(decoder.take([0x1B, 0x1B]) == [.escape] && decoder.flush() == [.escape])
        #expect(decoder.take([0x1B, 0x5B]) == [] && decoder.flush() == [.unknown])
    }

    @Test func bytesThatAreNoText() {
        #expect(Self.keys("").isEmpty)
        var decoder = KeyDecoder()
        #expect(
            decoder.take([0xFF, 0xC3, 0x28, 0x80]) == [.text([0xFF]), .text([0xC3]), .text([0x28]), .text([0x80])])
        #expect(decoder.take([0xE2, 0x82]) == [] && decoder.flush() == [.text([0xE2]), .text([0x82])])
    }

    @Test func pastes() {
        let text = Array("x\u{1B}[200~SET a 1\nGET \u{1B}[A a\u{1B}[201~y".utf8)
        let expected: [Key] = [.text([0x78]), .paste(Array("SET a 1\nGET \u{1B}[A a".utf8)), .text([0x79])]
        for cut in 0...text.count {
            var decoder = KeyDecoder()
            #expect(decoder.take(text[..<cut]) + decoder.take(text[cut...]) == expected, "\(cut)")
        }
    }

    @Test func aSequenceWithoutEndIsGivenUp() {
        var decoder = KeyDecoder()
        let keys = decoder.take(Array("\u{1B}[".utf8) + [UInt8](repeating: 0x31, count: 100))
        #expect(keys.contains(.unknown) && !decoder.isIncomplete)
    }
}
