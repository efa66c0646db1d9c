// Goal: every reply is counted once, however the bytes are cut. Method: one text, cut at each point and into single bytes.

import Testing

@testable import respcli

@Suite struct ReplyCounterTests {
    private static let mark = Bytes("01234567890123456789".utf8)
    private static let wire = Bytes(
        "+OK\r\n:12\r\n-ERR no\r\n$5\r\nhello\r\n*2\r\n+a\r\n:1\r\n$-1\r\n>2\r\n+x\r\n+y\r\n$20\r\n01234567890123456789\r\n"
            .utf8)

    private static func count(_ pieces: [Bytes]) throws -> ReplyCounter {
        var counter = ReplyCounter(mark: mark)
        for piece in pieces { try counter.take(piece + [0xFF, 0xFF], count: piece.count) }
        return counter
    }

    private static func check(_ pieces: [Bytes]) throws {
        var counter = try count(pieces)
        #expect(counter.replies == 6 && counter.errors == 1 && counter.hasMark)
        #expect(counter.takeErrors() == [Bytes("ERR no".utf8)] && counter.takeErrors().isEmpty)
    }

    @Test func anyPieces() throws {
        try Self.check([Self.wire])
        try Self.check(Self.wire.map { [$0] })
        for cut in 0...Self.wire.count { try Self.check([Bytes(Self.wire[..<cut]), Bytes(Self.wire[cut...])]) }
    }

    @Test func simpleStringsInsideAggregatesAreNoReplies() throws {
        let counter = try Self.count([Bytes("*3\r\n".utf8), Bytes("+a\r\n".utf8), Bytes(":1\r\n+b\r\n+c\r\n".utf8)])
        #expect(counter.replies == 2)
    }

    @Test func noise() {
        #expect(throws: ConnectionFailure.self) { try Self.count([Bytes("HTTP/1.1\r\n".utf8)]) }
    }
}

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
