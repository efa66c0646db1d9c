// Lines of another server, whole and in pieces, and what is none of its.

import RespCodec
import Testing

@testable import RespServer

@Suite struct TargetRepliesTests {
    private func take(_ replies: inout TargetReplies, _ text: String) -> [TargetReplies.Line] {
        Array(text.utf8).withByteSlice { replies.take($0) }
    }

    private func read(_ text: String) -> [TargetReplies.Line] {
        var replies = TargetReplies()
        return take(&replies, text)
    }

    private static let text = "+OK\r\n-ERR no\r\n+OK\n-\r\n-BUSYKEY a\rb\r\n+OK\r\n"
    private static let lines: [TargetReplies.Line] = [
        .acknowledged, .refused(Array("ERR no".utf8)), .acknowledged, .refused([]),
        .refused(Array("BUSYKEY a\rb".utf8)),
        .acknowledged,
    ]

    @Test func wholeInPiecesAndByteByByte() {
        #expect(read(Self.text) == Self.lines)
        let bytes = Array(Self.text.utf8)
        for place in 0...bytes.count {
            var replies = TargetReplies()
            let first = Array(bytes[..<place]).withByteSlice { replies.take($0) }
            #expect(replies.isWithinLine == (place > 0 && bytes[place - 1] != 0x0A))
            #expect(first + Array(bytes[place...]).withByteSlice { replies.take($0) } == Self.lines)
        }
        var replies = TargetReplies()
        #expect(bytes.flatMap { byte in [byte].withByteSlice { replies.take($0) } } == Self.lines)
        #expect(!replies.isWithinLine)
    }

    @Test(arguments: [
        "\n", "\r\n", "+\r\n", "+OK \r\n", "+ok\r\n", "OK\r\n", "+QUEUED\r\n", ":1\r\n", "$2\r\n", "*1\r\n", "_\r\n",
        "\0\n", "+OK\r\r\n",
    ])
    func whatIsNoAnswer(line: String) {
        #expect(read(line) == [.malformed])
        // Nothing behind it counts.
        #expect(read("+OK\r\n" + line + "+OK\r\n") == [.acknowledged, .malformed])
    }

    @Test func linesHaveABound() {
        let longest = TargetReplies.longestLine
        #expect(
            read("-" + String(repeating: "x", count: longest - 2) + "\r\n").first.map { line in
                if case .refused(let text) = line { text.count == TargetReplies.longestText } else { false }
            } == true)
        #expect(read("-" + String(repeating: "x", count: longest) + "\r\n") == [.malformed])
        var replies = TargetReplies()
        let piece = String(repeating: "+", count: 1000)
        var taken = 0
        while taken <= longest {
            let lines = take(&replies, piece)
            taken += 1000
            #expect(lines == (taken > longest ? [.malformed] : []))
        }
    }
}
