// Runs of replies: their limit and their mark; bulk strings and integers of every length; and borrowed bytes.

import RespCodec
import Testing

struct ReplyWriterTests {
    private func written(_ writer: ReplyWriter) -> String { writer.written(writer.run).description }

    @Test func runsFollowEachOther() {
        let writer = ReplyWriter(capacity: 16)
        defer { writer.deallocate() }
        writer.beginRun(limit: 1000, mark: 100)
        writer.ok()
        writer.beginRun(limit: 1000, mark: 100)
        writer.bulkString("second")
        #expect(written(writer) == "$6\r\nsecond\r\n" && writer.count == 17)
        writer.discardRun()
        #expect(writer.count == 5 && writer.run.isEmpty)
    }

    /// However much is written to a run that is beyond its limit, it takes no more memory than that, whatever is written.
    @Test func aRunBeyondItsLimitTakesNoMemory() {
        let writer = ReplyWriter(capacity: 1024)
        defer { writer.deallocate() }
        writer.beginRun(limit: Int.max, mark: Int.max / 2)
        writer.ok()
        writer.beginRun(limit: 10_000, mark: 1_000_000)
        let start = writer.count
        let list = writer.beginDeferred()
        let element = [UInt8](repeating: 1, count: 500)
        let long = [UInt8](repeating: 2, count: 100_000)
        for _ in 0..<10_000 { writer.bulkString(element) }
        writer.bulkString(long)
        writer.endArray(list, count: 10_001)
        writer.integer(5)
        #expect(writer.isOverfull && writer.needsSending && writer.capacity < 100_000)
        writer.truncate(to: start)
        writer.error("ERR is written over it")
        #expect(writer.isOverfull)
        writer.discardRun()
        #expect(writer.count == 5 && !writer.isOverfull)
        writer.beginRun(limit: 10_000, mark: 1_000_000)
        writer.bulkString("next")
        #expect(written(writer) == "$4\r\nnext\r\n" && !writer.isOverfull)
    }

    /// Bulk strings of all lengths up to where they are copied by a call, and about where their headers get longer, in buffers that
    /// have to grow.
    @Test func bulkStringsOfEveryLength() {
        for count in Array(0...300) + Array(990...1010) + Array(4090...4100) + Array(9990...10_010) {
            let writer = ReplyWriter(capacity: 16)
            defer { writer.deallocate() }
            writer.beginRun(limit: Int.max, mark: Int.max / 2)
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 7 + count) }
            writer.bulkString(bytes)
            bytes.withByteSlice { writer.shortBulkString($0) }
            let one = Array("$\(count)\r\n".utf8) + bytes + Array("\r\n".utf8)
            #expect(writer.written(writer.run).array == one + one, "of \(count) bytes")
        }
    }

    @Test func integersOfEveryLength() {
        var values = Array(-1000...1000) + [Int.min, Int.min + 1, Int.max]
        var power = 1000
        while power < Int.max / 10 {
            values += [power - 1, power, power + 1, -power, 1 - power, -power - 1, power / 9 * 8]
            power *= 10
        }
        for value in values {
            let writer = ReplyWriter(capacity: 16)
            defer { writer.deallocate() }
            writer.beginRun(limit: Int.max, mark: Int.max / 2)
            writer.integer(value)
            writer.bulkString(value)
            if value >= 0 { writer.array(value) }
            let text = String(value)
            let expected = ":\(text)\r\n$\(text.utf8.count)\r\n\(text)\r\n" + (value >= 0 ? "*\(text)\r\n" : "")
            #expect(written(writer) == expected)
            #expect(Decimal.text(value) == Array(text.utf8) && Decimal.length(of: value) == text.utf8.count)
        }
    }

    /// A text of pieces gets its length in front, in either protocol.
    @Test func textIsPutTogetherFromPieces() {
        for (version, expected) in [
            (ProtocolVersion.resp2, "$58\r\n"), (.resp3, "=62\r\ntxt:"),
        ] {
            let writer = ReplyWriter(capacity: 16)
            defer { writer.deallocate() }
            writer.version = version
            writer.ok()
            let text = writer.beginDeferred()
            writer.text("a", "=", Int.min, " ")
            writer.text("b", ":", hundredths: -5, "% ")
            writer.text("c", "", hundredths: 123_400, "")
            writer.text("", " ", "", "")
            writer.text("d", ":", string: "text", " ")
            writer.text("\u{e9}")
            writer.text("ef", "gh", "ij", "kl")
            writer.endVerbatim(text)
            #expect(
                written(writer)
                    == "+OK\r\n\(expected)a=-9223372036854775808 b:-0.05% c1234.00 d:text \u{e9}efghijkl\r\n")
        }
    }

    /// A text beyond the limit takes no more memory than that.
    @Test func aTextBeyondTheLimitTakesNoMemory() {
        let writer = ReplyWriter(capacity: 1024)
        defer { writer.deallocate() }
        writer.beginRun(limit: 10_000, mark: 1_000_000)
        let text = writer.beginDeferred()
        for number in 0..<100_000 { writer.text("name", ":", number, "\r\n") }
        writer.endVerbatim(text)
        #expect(writer.isOverfull && writer.capacity < 100_000)
    }

    @Test func theMarkTellsOfLongRuns() {
        let writer = ReplyWriter()
        defer { writer.deallocate() }
        writer.beginRun(limit: Int.max, mark: 20)
        writer.ok()
        #expect(!writer.needsSending)
        writer.bulkString("more than twenty bytes")
        #expect(writer.needsSending)
    }

    /// Borrowed bytes keep their place in the reply, also when a header is inserted before them.
    @Test func borrowsLongBytes() {
        let writer = ReplyWriter()
        defer { writer.deallocate() }
        writer.beginBorrowing()
        writer.beginRun(limit: Int.max, mark: 1 << 20)
        let long = [UInt8](repeating: UInt8(ascii: "x"), count: 40_000)
        long.withByteSlice { long in
            let list = writer.beginDeferred()
            writer.bulkString(stable: "short")
            writer.bulkString(stable: long)
            writer.bulkString("behind")
            writer.endArray(list, count: 3)
            #expect(writer.needsSending && writer.count < 100)
            #expect(writer.borrowed.count == 1)
            let place = writer.borrowed[0].position
            #expect(writer.written(0..<place).description == "*3\r\n$5\r\nshort\r\n$40000\r\n")
            #expect(writer.written(place..<writer.count).description == "\r\n$6\r\nbehind\r\n")
            #expect(writer.borrowed[0].bytes == long)
            writer.truncate(to: place - 8)
            #expect(writer.borrowed.isEmpty)
        }
    }

    /// Borrowed bytes count for the limit.
    @Test func borrowedBytesAreLimited() {
        let writer = ReplyWriter()
        defer { writer.deallocate() }
        writer.beginBorrowing()
        writer.beginRun(limit: 100_000, mark: 1 << 20)
        let long = [UInt8](repeating: 1, count: 40_000)
        long.withByteSlice { long in
            writer.bulkString(stable: long)
            writer.bulkString(stable: long)
            #expect(!writer.isOverfull)
            writer.bulkString(stable: long)
            #expect(writer.isOverfull && writer.borrowed.isEmpty)
        }
    }

    @Test func withoutBorrowingBytesAreCopied() {
        let writer = ReplyWriter()
        defer { writer.deallocate() }
        let long = [UInt8](repeating: 1, count: 40_000)
        long.withByteSlice { writer.bulkString(stable: $0) }
        #expect(writer.count == 40_000 + 10 && writer.borrowed.isEmpty)
    }
}
