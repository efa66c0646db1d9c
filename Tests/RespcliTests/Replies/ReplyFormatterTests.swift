// The formats as texts; that they are those of the usual client is what the differential suite checks.

import RespCodec
import Testing

@testable import respcli

@Suite struct ReplyFormatterTests {
    private static func bulk(_ text: String) -> Reply { .bulkString(Bytes(text.utf8)) }

    private static func format(
        _ reply: Reply, _ format: OutputFormat, plain: Bool = false, delimiters: (String, String) = ("\n", "\n")
    ) -> String {
        var options = Options()
        options.format = format
        options.elementDelimiter = Bytes(delimiters.0.utf8)
        options.replyDelimiter = Bytes(delimiters.1.utf8)
        var text: Bytes = []
        ReplyFormatter(options).append(reply, isPlainText: plain, to: &text)
        return String(decoding: text, as: UTF8.self)
    }

    private static let everything = Reply.array([
        .simpleString(Bytes("OK".utf8)), .error(Bytes("ERR \"x\"".utf8)), .bulkError(Bytes("E y".utf8)), .integer(-5),
        bulk("a\n\"b\"\\\u{01}"), .verbatimString(format: Bytes("txt".utf8), text: Bytes("v\n".utf8)), .null,
        .boolean(true),
        .boolean(false), .double(Bytes("1.50".utf8)), .bigNumber(Bytes("123".utf8)), .array([]), .map([]), .set([]),
        .push([]),
        .attributed(.integer(1), attributes: [.init(key: .null, value: .null)]),
    ])

    @Test func terminal() {
        #expect(
            Self.format(Self.everything, .terminal) == #"""
                 1) OK
                 2) (error) ERR "x"
                 3) (error) E y
                 4) (integer) -5
                 5) "a\n\"b\"\\\x01"
                 6) v

                 7) (nil)
                 8) (true)
                 9) (false)
                10) (double) 1.50
                11) (big number) 123
                12) (empty array)
                13) (empty hash)
                14) (empty set)
                15) (empty push)
                16) (integer) 1

                """#)
    }

    @Test func terminalNesting() {
        let reply = Reply.map([
            .init(key: Self.bulk("one"), value: .array([Self.bulk("x")])),
            .init(key: Self.bulk("two"), value: .array([.integer(1), .set([.integer(2), .integer(3)])])),
            .init(
                key: .integer(3), value: .map([.init(key: Self.bulk("k"), value: .array([.integer(1), .integer(2)]))])),
        ])
        #expect(
            Self.format(reply, .terminal) == """
                1# "one" => 1) "x"
                2# "two" =>\u{20}
                   1) (integer) 1
                   2) 1~ (integer) 2
                      2~ (integer) 3
                3# (integer) 3 =>\u{20}
                   1# "k" =>\u{20}
                      1) (integer) 1
                      2) (integer) 2

                """)
    }

    @Test func raw() {
        #expect(
            Self.format(Self.everything, .raw, delimiters: (",", ";"))
                == "OK,ERR \"x\"\n,E y\n,-5,a\n\"b\"\\\u{01},v\n,,(true),(false),1.50,123,,,,,1;")
        let map = Reply.map([.init(key: Self.bulk("a"), value: .integer(1)), .init(key: Self.bulk("b"), value: .null)])
        #expect(Self.format(map, .raw) == "a 1\nb \n")
        #expect(Self.format(Self.bulk("text\n"), .terminal, plain: true) == "text\n")
    }

    @Test func csv() {
        #expect(
            Self.format(Self.everything, .csv)
                == #""OK",ERROR,"ERR \"x\"",ERROR,"E y",-5,"a\n\"b\"\\\x01","v\n",NULL,true,false,1.50,123,,,,,1"#
                + "\n")
    }

    @Test func json() {
        #expect(
            Self.format(Self.everything, .json)
                == #"["OK",error:"ERR \"x\"",error:"E y",-5,"a\n\"b\"\\\u0001","v\n",null,true,false,1.50,123,[],{},[],[],1]"#
                + "\n")
        let keys = Reply.map([
            .init(key: .integer(1), value: .null), .init(key: Self.bulk("é\u{0C}"), value: .boolean(true)),
            .init(key: .array([.integer(1)]), value: .integer(2)),
        ])
        #expect(Self.format(keys, .json) == #"{"1":null,"é\f":true,"[1]":2}"# + "\n")
        #expect(Self.format(Self.bulk("é\n"), .quotedJSON) == #""\\xc3\\xa9\\n""# + "\n")
    }

    @Test func invalidations() {
        let formatter = ReplyFormatter(Options())
        var text: Bytes = []
        #expect(
            formatter.appendInvalidation(
                .push([Self.bulk("invalidate"), .array([Self.bulk("a"), Self.bulk("b")])]), to: &text))
        #expect(text == Bytes("-> invalidate: 'a', 'b'\n".utf8))
        #expect(!formatter.appendInvalidation(.push([Self.bulk("invalidate"), .null]), to: &text))
        #expect(!formatter.appendInvalidation(.push([Self.bulk("message"), .array([])]), to: &text))
    }
}
