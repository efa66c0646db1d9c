// Lines of words with quotes, as requests, configuration files and the prompt have them: what they are split into, where that is in
// memory, and that what was escaped is read back. The expectations were taken from redis-server 7.0.15.

import Testing

@testable import RespCodec

@Suite struct QuotedWordsTests {
    private static func split(_ line: [UInt8]) -> [[UInt8]]? { line.withByteSlice { QuotedWords.split($0) } }

    private static func split(_ line: String) -> [String]? {
        split(Array(line.utf8)).map { $0.map { String(decoding: $0, as: UTF8.self) } }
    }

    @Test(arguments: [
        ("", []), ("   \t\r\n", []), ("PING", ["PING"]), ("  SET  key\tvalue \r\n", ["SET", "key", "value"]),
        ("\u{0B}a\u{0B}b\u{0C}", ["a\u{0B}b\u{0C}"]),
        (#""two words" 'two words'"#, ["two words", "two words"]),
        (#""" ''"#, ["", ""]),
        (#"pre"fix" pre'fix'"#, ["prefix", "prefix"]),
        (#""\n\r\t\a\b\\\"\q""#, ["\n\r\t\u{07}\u{08}\\\"q"]),
        (#""\x41\x6a\x6A\xZZ\x4""#, ["AjjxZZx4"]),
        (#"'it\'s \n \x41'"#, [#"it's \n \x41"#]),
        (#"\n\x41"#, [#"\n\x41"#]),
        ("a\u{0}b", ["a"]), (#""a""# + "\u{0}b", ["a"]), ("'a'\u{0}b", ["a"]),
        (#""a""# + "\t'b'", ["a", "b"]),
        (#"a "b" c 'd' e"#, ["a", "b", "c", "d", "e"]),
    ])
    func splitsByTheQuotingRules(line: String, words: [String]) {
        #expect(Self.split(line) == words)
    }

    @Test(arguments: [
        #"""#, "'", #""abc"#, "'abc", #""abc\"#, #""abc\""#, #"'abc\'"#, #""a"b"#, "'a'b", #""a"'b'"#, #"x "a"#,
        "\"a\u{0}\"", "'a\u{0}'", "\"\\\u{0}\"",
    ])
    func unbalancedQuotesAreNoWords(line: String) {
        #expect(Self.split(line) == nil)
    }

    @Test func escapesMakeAnyByte() {
        for byte in UInt8.min...UInt8.max {
            let digits = String(byte, radix: 16)
            let line = "\"\\x\(digits.count == 1 ? "0" : "")\(digits)\""
            #expect(Self.split(Array(line.utf8)) == [[byte]])
            #expect(Self.split(Array(line.uppercased().replacing("\\X", with: "\\x").utf8)) == [[byte]])
        }
    }

    @Test func whatIsEscapedIsReadBack() {
        let all = (0...255).map { UInt8($0) }
        var texts = [all]
        for first in all {
            for second in [UInt8(ascii: "x"), UInt8(ascii: "\\"), UInt8(ascii: "\""), 0x41, first] {
                texts.append([first, second])
            }
        }
        var line: [UInt8] = []
        for text in texts {
            ByteEscapes.quotedWord.appendQuoted(text, to: &line)
            line.append(0x20)
        }
        #expect(Self.split(line) == texts)
    }

    /// The text of all quoted words of a line lies together, so that a line takes no more memory than its own size.
    @Test func aLineOfManyQuotedWordsTakesLittleMemory() {
        let line = Array(String(repeating: "\"ab\" c ", count: 10_000).utf8)
        let words = ArgumentList()
        defer { words.deallocate() }
        line.withByteSlice { line in
            let start = unsafe line.rawBytes.baseAddress!.assumingMemoryBound(to: UInt8.self)
            #expect(unsafe QuotedWords.split(start, from: 0, to: line.count, into: words))
        }
        #expect(words.count == 20_000)
        for index in stride(from: 2, to: 20_000, by: 2) {
            #expect(words[index].offset == words[index - 2].offset + 2 && words[index].count == 2)
        }
    }
}
