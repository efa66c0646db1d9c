import Testing

@testable import respcli

@Suite struct ArgumentSplitterTests {
    private static func split(_ line: String) -> [String]? {
        ArgumentSplitter.split(Bytes(line.utf8)).map { $0.map { String(decoding: $0, as: UTF8.self) } }
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
        ("a\u{0}b", ["a"]),
        (#""a""# + "\t'b'", ["a", "b"]),
    ])
    func splitsByTheQuotingRules(line: String, arguments: [String]) {
        #expect(Self.split(line) == arguments)
    }

    @Test(arguments: [
        #"""#, "'", #""abc"#, "'abc", #""abc\"#, #""abc\""#, #"'abc\'"#, #""a"b"#, "'a'b", #""a"'b'"#, #"x "a"#,
    ])
    func unbalancedQuotesAreNoArguments(line: String) {
        #expect(Self.split(line) == nil)
    }

    @Test func escapesMakeAnyByte() {
        for byte in UInt8.min...UInt8.max {
            let digits = String(byte, radix: 16)
            let line = "\"\\x\(digits.count == 1 ? "0" : "")\(digits)\""
            #expect(ArgumentSplitter.split(Bytes(line.utf8)) == [[byte]])
        }
    }

    @Test func whatTheFormatterQuotesIsReadBack() {
        let all = Bytes(UInt8.min...UInt8.max)
        var quoted: Bytes = []
        ReplyFormatter.appendQuoted(all, to: &quoted)
        #expect(ArgumentSplitter.split(quoted) == [all])
    }

    @Test func oneArgumentIsUnquoted() {
        #expect(ArgumentSplitter.unquote(Bytes(#""a b""#.utf8)) == Bytes("a b".utf8))
        #expect(ArgumentSplitter.unquote(Bytes("plain".utf8)) == Bytes("plain".utf8))
        #expect(ArgumentSplitter.unquote(Bytes("two words".utf8)) == nil)
        #expect(ArgumentSplitter.unquote([]) == nil)
        #expect(ArgumentSplitter.unquote(Bytes("'open".utf8)) == nil)
    }
}
