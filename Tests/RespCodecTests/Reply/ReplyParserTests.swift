// Each reply is fed whole, byte by byte, split at each point, and after and before others: the outcome must not depend
// on how the bytes arrive. Then input that a server would not send, and input that a hostile one would.

import TestSupport
import Testing

@testable import RespCodec

@Suite struct ReplyParserTests {
    // MARK: feeding

    private static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    /// Feeds `chunks` one after the other and returns the replies, and the failure that ended them if there was one.
    private static func parse(
        _ chunks: [[UInt8]], limits: ReplyLimits = ReplyLimits()
    ) -> (replies: [Reply], failure: ReplyParser.Failure?, isInsideReply: Bool) {
        var parser = ReplyParser(limits: limits)
        var replies: [Reply] = []
        for chunk in chunks {
            let failure = chunk.withByteSlice { slice -> ReplyParser.Failure? in
                var input = slice
                while true {
                    switch parser.parse(&input) {
                    case .reply(let reply): replies.append(reply)
                    case .needMore:
                        #expect(input.isEmpty)
                        return nil
                    case .failure(let failure): return failure
                    }
                }
            }
            if let failure { return (replies, failure, parser.isInsideReply) }
        }
        return (replies, nil, parser.isInsideReply)
    }

    /// Checks that `wire` is exactly `reply`, in pieces of any size and among other replies.
    private static func expect(_ wire: String, is reply: Reply, _ location: SourceLocation = #_sourceLocation) {
        let wire = bytes(wire)
        let whole = parse([wire])
        #expect(whole.replies == [reply], sourceLocation: location)
        #expect(whole.failure == nil && !whole.isInsideReply, sourceLocation: location)
        #expect(parse(wire.map { [$0] }).replies == [reply], "byte by byte", sourceLocation: location)
        for split in 1..<wire.count {
            let first = parse([Array(wire[..<split])])
            #expect(first.replies.isEmpty && first.failure == nil, "the first \(split) bytes", sourceLocation: location)
            #expect(first.isInsideReply, "after \(split) bytes", sourceLocation: location)
            let both = parse([Array(wire[..<split]), Array(wire[split...])])
            #expect(both.replies == [reply], "split at \(split)", sourceLocation: location)
        }
        let around = bytes("+before\r\n") + wire + wire + bytes(":7\r\n")
        let expected: [Reply] = [.simpleString(bytes("before")), reply, reply, .integer(7)]
        #expect(parse([around]).replies == expected, "between others", sourceLocation: location)
        #expect(parse(around.map { [$0] }).replies == expected, "between others, by bytes", sourceLocation: location)
    }

    /// Checks that `wire` fails with `failure`, whole and byte by byte, without a reply.
    private static func expect(
        _ wire: String, fails failure: ReplyParser.Failure, limits: ReplyLimits = ReplyLimits(),
        _ location: SourceLocation = #_sourceLocation
    ) {
        let whole = parse([bytes(wire)], limits: limits)
        #expect(whole.failure == failure && whole.replies.isEmpty, sourceLocation: location)
        let single = parse(bytes(wire).map { [$0] }, limits: limits)
        #expect(single.failure == failure && single.replies.isEmpty, "byte by byte", sourceLocation: location)
    }

    private static func bulk(_ text: String) -> Reply { .bulkString(bytes(text)) }

    // MARK: every type

    @Test func simpleStringsAndErrors() {
        Self.expect("+OK\r\n", is: .simpleString(Self.bytes("OK")))
        Self.expect("+\r\n", is: .simpleString([]))
        Self.expect("-ERR no such key\r\n", is: .error(Self.bytes("ERR no such key")))
        Self.expect("!21\r\nSYNTAX invalid syntax\r\n", is: .bulkError(Self.bytes("SYNTAX invalid syntax")))
        Self.expect("!4\r\na\r\nb\r\n", is: .bulkError(Self.bytes("a\r\nb")))
    }

    @Test func integers() {
        Self.expect(":0\r\n", is: .integer(0))
        Self.expect(":-1\r\n", is: .integer(-1))
        Self.expect(":9223372036854775807\r\n", is: .integer(.max))
        Self.expect(":-9223372036854775808\r\n", is: .integer(.min))
        for wire in [":\r\n", ":-\r\n", ":1x\r\n", ":01\r\n", ": 1\r\n", ":9223372036854775808\r\n"] {
            Self.expect(wire, fails: .invalidInteger)
        }
    }

    @Test func bulkStrings() {
        Self.expect("$5\r\nhello\r\n", is: Self.bulk("hello"))
        Self.expect("$0\r\n\r\n", is: Self.bulk(""))
        Self.expect("$8\r\na\r\nb\n\r\n\0\r\n", is: Self.bulk("a\r\nb\n\r\n\0"))
        Self.expect("=8\r\ntxt:text\r\n", is: .verbatimString(format: Self.bytes("txt"), text: Self.bytes("text")))
        Self.expect("=4\r\nmkd:\r\n", is: .verbatimString(format: Self.bytes("mkd"), text: []))
        for wire in ["=3\r\ntxt\r\n", "=0\r\n\r\n", "=5\r\ntext:\r\n"] { Self.expect(wire, fails: .invalidVerbatim) }
    }

    @Test func nullsAndBooleans() {
        for wire in ["_\r\n", "$-1\r\n", "*-1\r\n"] { Self.expect(wire, is: .null) }
        Self.expect("#t\r\n", is: .boolean(true))
        Self.expect("#f\r\n", is: .boolean(false))
        Self.expect("_x\r\n", fails: .invalidNull)
        for wire in ["#\r\n", "#x\r\n", "#tt\r\n"] { Self.expect(wire, fails: .invalidBoolean) }
    }

    @Test func doublesKeepTheirText() {
        for text in ["3.14", "-0", "10", "1e17", "1.5E-300", "+2.", ".5", "inf", "-inf", "nan", "-nan", "INF"] {
            Self.expect(",\(text)\r\n", is: .double(Self.bytes(text)))
        }
        for text in ["", ".", "-", "1e", "1e+", "0x10", "1.2.3", "infinity", "1 ", "--1", "e5"] {
            Self.expect(",\(text)\r\n", fails: .invalidDouble)
        }
    }

    @Test func bigNumbersKeepTheirDigits() {
        for text in ["3492890328409238509324850943850943825024385", "-1", "0"] {
            Self.expect("(\(text)\r\n", is: .bigNumber(Self.bytes(text)))
        }
        for text in ["", "-", "1.5", "+1", "12a"] { Self.expect("(\(text)\r\n", fails: .invalidBigNumber) }
    }

    @Test func aggregates() {
        Self.expect("*0\r\n", is: .array([]))
        Self.expect("%0\r\n", is: .map([]))
        Self.expect("~0\r\n", is: .set([]))
        Self.expect(">0\r\n", is: .push([]))
        Self.expect("*2\r\n$1\r\na\r\n:1\r\n", is: .array([Self.bulk("a"), .integer(1)]))
        Self.expect("~2\r\n+a\r\n+b\r\n", is: .set([.simpleString(Self.bytes("a")), .simpleString(Self.bytes("b"))]))
        Self.expect(">2\r\n$7\r\nmessage\r\n*0\r\n", is: .push([Self.bulk("message"), .array([])]))
        Self.expect(
            "%2\r\n$1\r\na\r\n:1\r\n:2\r\n*1\r\n_\r\n",
            is: .map([
                .init(key: Self.bulk("a"), value: .integer(1)), .init(key: .integer(2), value: .array([.null])),
            ]))
    }

    @Test func aggregatesInsideEachOther() {
        Self.expect(
            "*3\r\n*0\r\n*2\r\n%1\r\n+k\r\n~1\r\n:1\r\n$-1\r\n*-1\r\n",
            is: .array([
                .array([]),
                .array([.map([.init(key: .simpleString(Self.bytes("k")), value: .set([.integer(1)]))]), .null]),
                .null,
            ]))
        // An aggregate may be a key.
        Self.expect("%1\r\n*1\r\n:1\r\n%0\r\n", is: .map([.init(key: .array([.integer(1)]), value: .map([]))]))
    }

    @Test func attributesBelongToTheReplyBehindThem() {
        let attributes: [Reply.MapEntry] = [.init(key: .simpleString(Self.bytes("ttl")), value: .integer(3600))]
        Self.expect("|1\r\n+ttl\r\n:3600\r\n$1\r\na\r\n", is: .attributed(Self.bulk("a"), attributes: attributes))
        Self.expect("|0\r\n:1\r\n", is: .attributed(.integer(1), attributes: []))
        Self.expect(
            "*2\r\n:1\r\n|1\r\n+ttl\r\n:3600\r\n*1\r\n:2\r\n",
            is: .array([.integer(1), .attributed(.array([.integer(2)]), attributes: attributes)]))
        Self.expect(
            "|1\r\n+ttl\r\n:3600\r\n|1\r\n+ttl\r\n:3600\r\n:5\r\n",
            is: .attributed(.attributed(.integer(5), attributes: attributes), attributes: attributes))
    }

    @Test func accessorsLookThroughAttributes() {
        let plain = Reply.error(Self.bytes("ERR x"))
        let attributed = Reply.attributed(.attributed(plain, attributes: []), attributes: [])
        #expect(attributed.withoutAttributes == plain)
        #expect(attributed.errorText == Self.bytes("ERR x"))
        #expect(Reply.bulkError([1]).errorText == [1])
        #expect(Reply.integer(1).errorText == nil && Reply.integer(1).stringBytes == nil)
        #expect(Reply.attributed(.bulkString([2]), attributes: []).stringBytes == [2])
        #expect(Reply.verbatimString(format: [1, 2, 3], text: [4]).stringBytes == [4])
        #expect(Reply.attributed(.push([]), attributes: []).isPush && !Reply.array([]).isPush)
    }

    // MARK: what a server would not send

    @Test func theFirstByteTellsAnUnknownType() {
        Self.expect("HTTP/1.1 400 Bad Request\r\n", fails: .unknownType(UInt8(ascii: "H")))
        Self.expect("H", fails: .unknownType(UInt8(ascii: "H")))
        Self.expect("*1\r\n\r\n", fails: .unknownType(UInt8(ascii: "\r")))
        #expect(
            ReplyParser.Failure.unknownType(UInt8(ascii: "H")).message == "Protocol error, got \"H\" as reply type byte"
        )
        #expect(ReplyParser.Failure.unknownType(0).message == "Protocol error, got \"\\x00\" as reply type byte")
        #expect(ReplyParser.Failure.unknownType(0x22).message == "Protocol error, got \"\\\"\" as reply type byte")
        #expect(ReplyParser.Failure.unknownType(0x0D).message == "Protocol error, got \"\\r\" as reply type byte")
    }

    @Test func badLengthsAndCounts() {
        for text in ["", "-", "x", "1x", "+1", "01", "?"] {
            Self.expect("$\(text)\r\n", fails: .invalidLength)
            Self.expect("*\(text)\r\n", fails: .invalidCount)
        }
        for wire in ["$-2\r\n", "!-1\r\n", "=-1\r\n", "$536870913\r\n", "$9223372036854775807\r\n"] {
            Self.expect(wire, fails: .lengthOutOfRange)
        }
        for wire in [
            "*-2\r\n", "%-1\r\n", "~-1\r\n", ">-1\r\n", "|-1\r\n", "*4294967296\r\n", "%9223372036854775807\r\n",
        ] {
            Self.expect(wire, fails: .countOutOfRange)
        }
        Self.expect("$99999999999999999999\r\n", fails: .invalidLength)
    }

    @Test func linesEndInCRLFAndNothingElse() {
        Self.expect("+OK\n", fails: .lineEndMissing)
        Self.expect("+\n", fails: .lineEndMissing)
        Self.expect("+a\rb\r\n", fails: .invalidText)
        Self.expect("-a\rb\r\n", fails: .invalidText)
        Self.expect("$1\r\nab\r\n", fails: .lineEndMissing)
        Self.expect("$1\r\na\rb", fails: .lineEndMissing)
        Self.expect("$0\r\nx", fails: .lineEndMissing)
    }

    @Test func linesAreBounded() {
        Self.expect(":" + String(repeating: "1", count: 5000), fails: .lineTooLong)
        Self.expect("*" + String(repeating: "0", count: 5000) + "\r\n", fails: .lineTooLong)
        var limits = ReplyLimits()
        limits.textLength = 10
        Self.expect("+" + String(repeating: "x", count: 30), fails: .lineTooLong, limits: limits)
        Self.expect("$11\r\n", fails: .lengthOutOfRange, limits: limits)
        #expect(Self.parse([Self.bytes("+0123456789\r\n$10\r\n0123456789\r\n")], limits: limits).replies.count == 2)
        limits.elementCount = 2
        Self.expect("*3\r\n", fails: .countOutOfRange, limits: limits)
        #expect(Self.parse([Self.bytes("*2\r\n:1\r\n:2\r\n")], limits: limits).replies.count == 1)
    }

    @Test func nestingIsCapped() {
        let deepest = String(repeating: "*1\r\n", count: 128)
        #expect(Self.parse([Self.bytes(deepest + ":1\r\n")]).replies.count == 1)
        Self.expect(deepest + "*1\r\n", fails: .nestedTooDeeply)
        Self.expect(String(repeating: "|1\r\n", count: 129), fails: .nestedTooDeeply)
        Self.expect(String(repeating: "|0\r\n", count: 129), fails: .nestedTooDeeply)
        Self.expect(String(repeating: "%1\r\n", count: 200), fails: .nestedTooDeeply)
    }

    @Test func aFailureIsForGood() {
        var parser = ReplyParser()
        Self.bytes("*2\r\n:1\r\nx").withByteSlice { slice in
            var input = slice
            #expect(parser.parse(&input) == .failure(.unknownType(UInt8(ascii: "x"))))
        }
        Self.bytes("+OK\r\n").withByteSlice { slice in
            var input = slice
            #expect(parser.parse(&input) == .failure(.unknownType(UInt8(ascii: "x"))))
            var nothing = ByteSlice.empty
            #expect(parser.parse(&nothing) == .failure(.unknownType(UInt8(ascii: "x"))))
        }
    }

    @Test func announcedCountsTakeNoMemoryBeforeTheirElements() {
        // 128 levels that announce 4 billion elements each: setting room aside for one of them would not fit in memory.
        let outcome = Self.parse([Self.bytes(String(repeating: "*4294967295\r\n", count: 128) + "$536870912\r\nx")])
        #expect(outcome.replies.isEmpty && outcome.failure == nil && outcome.isInsideReply)
    }

    @Test func anyBytesInAnyPiecesGiveTheSameOutcome() {
        // Pieces of valid replies, cut and joined at random: the outcome must not depend on where the input is cut.
        let pieces = [
            "+OK\r\n", ":1\r\n", "$3\r\nabc\r\n", "$-1\r\n", "*2\r\n", "%1\r\n", "~1\r\n", ">1\r\n", "|1\r\n", "_\r\n",
            "#t\r\n",
            ",1.5\r\n", "(12\r\n", "=5\r\ntxt:a\r\n", "!1\r\ne\r\n", "\r", "\n", "*", "$", "1",
        ]
        let seed = TestSeed.ofRun
        var random = SeededRandom(seed: seed)
        for _ in 0..<2000 {
            var wire: [UInt8] = []
            for _ in 0..<Int.random(in: 1...12, using: &random) {
                wire += Self.bytes(pieces.randomElement(using: &random)!)
            }
            var chunks: [[UInt8]] = []
            var start = 0
            while start < wire.count {
                let end = Int.random(in: start + 1...min(start + 9, wire.count), using: &random)
                chunks.append(Array(wire[start..<end]))
                start = end
            }
            let whole = Self.parse([wire])
            let split = Self.parse(chunks)
            #expect(
                whole.replies == split.replies && whole.failure == split.failure
                    && whole.isInsideReply == split.isInsideReply,
                "seed \(seed), \(String(decoding: wire, as: UTF8.self).debugDescription)")
        }
    }

    @Test func aLargeReplyInSmallPiecesIsReadInLinearTime() {
        // 4 MiB in one bulk and 200,000 elements, a few bytes at a time. Starting over at each piece would take hours.
        let large = [UInt8](repeating: UInt8(ascii: "x"), count: 4 * 1024 * 1024)
        var wire = Self.bytes("*200001\r\n$\(large.count)\r\n") + large + Self.bytes("\r\n")
        for index in 0..<200_000 { wire += Self.bytes(":\(index)\r\n") }
        var parser = ReplyParser()
        var reply: Reply?
        let duration = ContinuousClock().measure {
            wire.withByteSlice { slice in
                var start = 0
                while start < slice.count {
                    let end = min(start + 7, slice.count)
                    var input = slice[start..<end]
                    if case .reply(let whole) = parser.parse(&input) { reply = whole }
                    start = end
                }
            }
        }
        guard case .array(let elements)? = reply else {
            Issue.record("not an array")
            return
        }
        #expect(elements.count == 200_001 && elements[0] == .bulkString(large) && elements.last == .integer(199_999))
        #expect(duration < .seconds(60))
    }
}
