// Goal: lines are split and quoted, and numbers read as redis-server 7.0.15 does it. The expectations
// were taken from that server.

import Testing

@testable import RespServer

@Suite struct ConfigurationSyntaxTests {
    /// How words are split is tested with `QuotedWords`.
    @Test(
        arguments: [
            ("a b", ["a", "b"]), (#"a "b c" 'd'"#, ["a", "b c", "d"]), ("a # b", ["a", "#", "b"]), ("", []),
            (#""a"b"#, nil),
        ] as [(String, [String]?)])
    func wordsOfALine(line: String, words: [String]?) {
        #expect(DirectiveSyntax.words(bytes(line))?.map { text($0) } == words)
    }

    @Test func valuesAreQuoted() {
        #expect(text(DirectiveSyntax.quoted(bytes("a b\"c\\\u{7}\u{1}é"))) == #""a b\"c\\\a\x01\xc3\xa9""#)
    }

    @Test(
        arguments: [
            ("0", 0), ("", 0), ("kb", 0), ("1", 1), ("1b", 1), ("1k", 1000), ("1KB", 1024), ("2m", 2_000_000),
            ("2Mb", 2 << 20),
            ("3g", 3_000_000_000), ("3gB", 3 << 30), ("007", 7), ("-1", nil), ("1.5gb", nil), (" 1", nil), ("1 ", nil),
            ("1tb", nil),
            ("+1", nil), ("18446744073709551615", UInt64.max), ("99999999999999999999", UInt64.max),
            ("17179869184gb", UInt64.max),
        ] as [(String, UInt64?)])
    func memorySizes(word: String, size: UInt64?) {
        #expect(SettingNumber.memory(bytes(word)) == size)
    }

    @Test(
        arguments: [
            ("5", 5), ("+5", 5), ("-5", -5), ("005", 5), ("", 0), ("-", nil), ("5x", nil),
            ("9223372036854775808", Int.max),
            ("-9223372036854775809", Int.min), ("99999999999999999999x", nil), ("-9223372036854775808", Int.min),
        ] as [(String, Int?)])
    func numbersThatSaturate(word: String, number: Int?) {
        #expect(SettingNumber.saturating(bytes(word)) == number)
    }

    @Test func sizesTakeTheLargestUnitThatDivides() {
        #expect(
            [0, 1, 1024, 1025, 3 << 20, 5 << 30, 1 << 19].map(SettingNumber.sizeText) == [
                "0", "1", "1kb", "1025", "3mb", "5gb", "512kb",
            ])
    }

    @Test func processTitles() {
        #expect(ProcessTitle.expand("  {title} x {{ }} {port} ", ["title": "a", "port": "1"]) == "a x { }} 1")
        #expect(ProcessTitle.expand("{title", ["title": "a"]) == nil)
        #expect(ProcessTitle.expand("{", [:]) == nil)
        #expect(!ProcessTitle.isValid("{foo}"))
        #expect(!ProcessTitle.isValid("{title} {server-mode}"))
        #expect(ProcessTitle.isValid("{config-file}"))
    }

    @Test func eventLetters() {
        func canonical(_ letters: String) -> String? { KeyspaceEventClasses(letters: letters)?.letters }
        #expect(canonical("KEA") == "AKE")
        #expect(canonical("Elg") == "glE")
        #expect(canonical("AKEmn") == "AKEm")
        #expect(canonical("g$lshzxetdmnK") == "AKm")
        #expect(canonical("ntmdK") == "tdnKm")
        #expect(canonical("") == "")
        #expect(canonical("Z") == nil)
    }
}
