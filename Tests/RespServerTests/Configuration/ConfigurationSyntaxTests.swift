// Goal: lines are split and quoted, names matched, and numbers read as redis-server 7.0.15 does it. The expectations
// were taken from that server.

import Testing

@testable import RespServer

@Suite struct ConfigurationSyntaxTests {
    @Test(
        arguments: [
            ("a b", ["a", "b"]), ("  a\t b \r\n", ["a", "b"]), ("", []), ("a \"\"", ["a", ""]), ("a ''", ["a", ""]),
            (#"x "a b\n\x41\q\"" 'c\'d\n'"#, ["x", "a b\nAq\"", "c'd\\n"]), (#""\x4g" "\x4""#, ["x4g", "x4"]),
            (#"a"b c"d"#, nil), (#"a"b c" d"#, ["ab c", "d"]), ("a\"b", nil), ("a'b", nil), (#""a"b"#, nil),
            (#"'a'b"#, nil),
            (#""a\"#, nil), ("a # b", ["a", "#", "b"]), ("a\0b", ["a"]), ("\"a\0\"", nil),
            ("a\u{0B}b\u{0C}c", ["a\u{0B}b\u{0C}c"]),
        ] as [(String, [String]?)])
    func wordsOfALine(line: String, words: [String]?) {
        #expect(DirectiveSyntax.words(bytes(line))?.map { text($0) } == words)
    }

    @Test func everyByteSurvivesQuoting() {
        let all = (0...255).map { UInt8($0) }
        #expect(DirectiveSyntax.words(DirectiveSyntax.quoted(all)) == [all])
        for first in all {
            for second in [UInt8(ascii: "x"), UInt8(ascii: "\\"), UInt8(ascii: "\""), 0x41, first] {
                #expect(DirectiveSyntax.words(DirectiveSyntax.quoted([first, second])) == [[first, second]])
            }
        }
        #expect(text(DirectiveSyntax.quoted(bytes("a b\"c\\\u{7}\u{1}é"))) == #""a b\"c\\\a\x01\xc3\xa9""#)
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
    func patterns(pattern: String, matches: Bool) {
        #expect(NamePattern(bytes(pattern)).matches(bytes("maxmemory")) == matches)
    }

    @Test func hostilePatternEndsSoon() {
        let pattern = NamePattern(bytes(String(repeating: "a*", count: 5000) + "b"))
        #expect(!pattern.matches(bytes(String(repeating: "a", count: 5000))))
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
