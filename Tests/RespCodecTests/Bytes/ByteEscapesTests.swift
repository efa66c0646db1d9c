// Escape sequences of each kind of text, for every byte.

import RespCodec
import Testing

@Suite struct ByteEscapesTests {
    private func escaped(_ escapes: ByteEscapes, _ byte: UInt8) -> String {
        var text: [UInt8] = []
        escapes.append([byte], to: &text)
        return String(text.map { Character(UnicodeScalar($0)) })
    }

    private func digits(_ byte: UInt8) -> String { (byte < 16 ? "0" : "") + String(byte, radix: 16) }

    @Test func quotedWords() {
        let letters: [UInt8: String] = [7: "a", 8: "b", 9: "t", 10: "n", 13: "r", 0x22: "\"", 0x5C: "\\"]
        for byte in UInt8.min...UInt8.max {
            let isPlain = (0x20...0x7E).contains(byte)
            let expected =
                letters[byte].map { "\\" + $0 } ?? (isPlain ? String(UnicodeScalar(byte)) : "\\x" + digits(byte))
            #expect(escaped(.quotedWord, byte) == expected)
        }
    }

    @Test func json() {
        let letters: [UInt8: String] = [8: "b", 9: "t", 10: "n", 12: "f", 13: "r", 0x22: "\"", 0x5C: "\\"]
        let fewer = letters.filter { $0.key != 8 && $0.key != 12 }
        for byte in UInt8.min...UInt8.max {
            let plain = String(UnicodeScalar(byte))
            let numbered = "\\u00" + digits(byte)
            #expect(escaped(.json, byte) == letters[byte].map { "\\" + $0 } ?? (byte < 0x20 ? numbered : plain))
            let isControl = byte < 0x20 || byte == 0x7F
            #expect(escaped(.printableJSON, byte) == fewer[byte].map { "\\" + $0 } ?? (isControl ? numbered : plain))
        }
    }

    @Test func textLines() {
        for byte in UInt8.min...UInt8.max {
            let isControl = byte < 0x20 && byte != 9 || byte == 0x7F
            let letter = byte == 10 ? "\\n" : byte == 13 ? "\\r" : nil
            #expect(
                escaped(.textLine, byte) == letter ?? (isControl ? "\\x" + digits(byte) : String(UnicodeScalar(byte))))
        }
    }

    @Test func hexadecimalDigits() {
        for byte in UInt8.min...UInt8.max {
            let text = Array(digits(byte).utf8)
            #expect(Hexadecimal.byte(text[0], text[1]) == byte)
            let value = Int(String(UnicodeScalar(byte)), radix: 16)
            #expect(Hexadecimal.value(of: byte).map(Int.init) == (byte < 0x80 ? value : nil))
        }
        #expect(Hexadecimal.byte(UInt8(ascii: "g"), UInt8(ascii: "0")) == nil)
        #expect(Hexadecimal.byte(UInt8(ascii: "0"), UInt8(ascii: " ")) == nil)
    }
}
