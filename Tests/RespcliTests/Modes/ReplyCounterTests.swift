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
