// Patterns: every piece of the syntax, against a matcher that tries everything, and with patterns that would take for ever if it were so.

import RespCodec
import Testing

@testable import StoreEngine

@Suite struct GlobPatternTests {
    private func matches(_ pattern: String, _ text: String, ignoringCase: Bool = false) -> Bool {
        Array(pattern.utf8).withByteSlice { pattern in
            Array(text.utf8).withByteSlice { GlobPattern.matches(pattern, $0, ignoringCase: ignoringCase) }
        }
    }

    @Test(
        arguments: [
            ("", "", true), ("*", "", false), ("a", "", false), ("", "a", false), ("*", "abc", true),
            ("a*c", "abbc", true), ("a*c", "abcd", false),
            ("h?llo", "hello", true), ("h?llo", "hllo", false), ("h[ae]llo", "hallo", true),
            ("h[ae]llo", "hillo", false),
            ("h[^e]llo", "hbllo", true), ("h[^e]llo", "hello", false), ("h[a-b]llo", "hbllo", true),
            ("h[b-a]llo", "hallo", true),
            ("[a-b]", "c", false), ("[", "a", false), ("[^", "a", true), ("[a", "a", true), ("[]a]", "a", false),
            ("[\\]]", "]", true), ("[a\\-z]", "-", true),
            ("[a\\-z]", "b", false), ("\\*", "*", true), ("\\*", "a", false), ("\\", "\\", true), ("a\\", "a\\", true),
            ("**a**", "bab", true), ("*?", "", false), ("*?", "a", true),
            ("A[B-C]", "ab", false),
        ] as [(String, String, Bool)])
    func pieces(pattern: String, text: String, isMatch: Bool) {
        #expect(matches(pattern, text) == isMatch, "\(pattern) \(text)")
    }

    @Test func letterCaseCanBeIgnored() {
        #expect(matches("A[B-C]\\D", "acd", ignoringCase: true) && matches("a[b-c]", "AC", ignoringCase: true))
        #expect(!matches("a[b-c]", "AD", ignoringCase: true))
    }

    @Test(arguments: [
        ("*", true), ("max*", true), ("MAX*y", true), ("max?emory", true), ("max?mory", false), ("max[m]emory", true),
        ("max[^m]emory", false), ("max[a-z]emory", true), ("max[z-a]emory", true), ("m*m*m*y", true),
        ("m*x*x*y", false),
        ("maxmemory*", true), ("maxmemory**", true), ("maxmemory[", false), ("max*[", false), ("[", false),
        (#"max\memory"#, true), (#"max\*"#, false), ("maxmemor[y", true), ("maxmemor[^y", false),
        ("maxm[\\e]mory", true),
        ("", false), ("maxmemor[A-Z]", true), ("maxmemor[]y]", false), ("*?", true), ("**y*", true),
    ])
    func namesOfSettings(pattern: String, isMatch: Bool) {
        #expect(matches(pattern, "maxmemory", ignoringCase: true) == isMatch)
    }

    /// Bounds of a range are put in order as signed bytes, and before letter case is ignored.
    @Test func rangesOfAnyBytes() {
        func fits(_ low: UInt8, _ high: UInt8, _ byte: UInt8, ignoringCase: Bool = false) -> Bool {
            [UInt8(ascii: "["), low, UInt8(ascii: "-"), high, UInt8(ascii: "]")].withByteSlice { pattern in
                [byte].withByteSlice { GlobPattern.matches(pattern, $0, ignoringCase: ignoringCase) }
            }
        }
        #expect(fits(0x80, 0x90, 0x88) && fits(0x90, 0x80, 0x88) && !fits(0x80, 0x90, 0x7F))
        #expect(fits(0x7F, 0x81, 0x61) && !fits(0x7F, 0x81, 0x80))
        #expect(!matches("[Z-a]", "a", ignoringCase: true) && !matches("[a-Z]", "z", ignoringCase: true))
        #expect(matches("[A-z]", "b", ignoringCase: true) && matches("[Y-Z]", "y", ignoringCase: true))
    }

    /// All patterns of up to five of these pieces on all texts of up to five letters.
    @Test func againstTryingEverything() {
        let pieces = ["a", "b", "*", "?", "[ab]", "[^a]"]
        func model(_ pattern: ArraySlice<String>, _ text: Substring) -> Bool {
            guard let piece = pattern.first else { return text.isEmpty }
            if piece == "*" {
                return model(pattern.dropFirst(), text) || !text.isEmpty && model(pattern, text.dropFirst())
            }
            guard let letter = text.first else { return false }
            let fits = piece == "?" || piece == "[ab]" || piece == "[^a]" && letter != "a" || piece == String(letter)
            return fits && model(pattern.dropFirst(), text.dropFirst())
        }
        func all(_ letters: [String], _ length: Int) -> [[String]] {
            length == 0 ? [[]] : all(letters, length - 1).flatMap { start in letters.map { start + [$0] } }
        }
        let texts = (1...4).flatMap { all(["a", "b"], $0) }.map { $0.joined() }
        for pattern in (0...4).flatMap({ all(pieces, $0) }) {
            for text in texts {
                #expect(matches(pattern.joined(), text) == model(pattern[...], text[...]), "\(pattern) \(text)")
            }
        }
    }

    /// Only the newest star is tried again, so that this ends; more than a thousand stars match nothing.
    @Test func manyStarsEnd() {
        let text = String(repeating: "a", count: 2000)
        #expect(!matches(String(repeating: "*a", count: 1000) + "*b", text))
        #expect(matches(String(repeating: "*a", count: 999) + "*", text))
        #expect(!matches(String(repeating: "*a", count: 1001) + "*", text))
    }
}
