// Goal: every reply is counted once. Method: texts in any pieces.

import Testing

@testable import respcli

@Suite struct ReplySkipperTests {
    private static let replies = [
        "+OK\r\n", "+PONG\r\n", ":12\r\n", "-ERR no\r\n", "$5\r\nhello\r\n", "$0\r\n\r\n", "$-1\r\n", "*-1\r\n",
        "*0\r\n",
        "*2\r\n+OK\r\n$1\r\nx\r\n", "*2\r\n*0\r\n*1\r\n*2\r\n:1\r\n:2\r\n", "%1\r\n+k\r\n*1\r\n:1\r\n", "~1\r\n#t\r\n",
        "_\r\n",
        ",1.5\r\n", "=7\r\ntxt:abc\r\n", "(123\r\n", "%0\r\n", "|1\r\n+a\r\n+b\r\n:1\r\n",
    ]

    private static func count(_ pieces: [Bytes]) -> ReplySkipper? {
        var skipper = ReplySkipper()
        var tail: Bytes = []
        var replies = 0
        for piece in pieces {
            let bytes = tail + piece
            guard !bytes.isEmpty else { continue }
            let (completed, consumed) = bytes.withUnsafeBufferPointer { skipper.take($0.baseAddress!, $0.count) }
            replies += completed
            if skipper.isBroken { return skipper }
            tail = Bytes(bytes[consumed...])
        }
        #expect(replies == Self.replies.count && tail.isEmpty)
        return skipper
    }

    @Test func anyPieces() {
        let wire = Bytes(Self.replies.joined().utf8)
        for cut in 0...wire.count { #expect(Self.count([Bytes(wire[..<cut]), Bytes(wire[cut...])])?.errorCount == 1) }
        let skipper = Self.count(wire.map { [$0] })
        #expect(skipper?.errorCount == 1 && skipper?.firstError == Bytes("ERR no".utf8))
    }

    @Test func noise() {
        for text in ["HTTP/1.1 200\r\n", "$x\r\n", "*99999999999999999999\r\n", "$9999999999999\r\n", "\r\n"] {
            var skipper = ReplySkipper()
            let bytes = Bytes(text.utf8)
            _ = bytes.withUnsafeBufferPointer { skipper.take($0.baseAddress!, $0.count) }
            #expect(skipper.isBroken, "\(text)")
        }
    }
}
