// Every kind of reply in both protocols, byte for byte; that the parser reads each as the type that was written; and truncation.

import RespCodec
import Testing

struct ReplyTypesTests {
    /// What `write` writes in a protocol, as text in which each byte is a character.
    private static func written(_ version: ProtocolVersion, _ write: (ReplyWriter) -> Void) -> String {
        let writer = ReplyWriter(capacity: 16)
        defer { writer.deallocate() }
        writer.version = version
        write(writer)
        return String(writer.written(0..<writer.count).array.map { Character(UnicodeScalar($0)) })
    }

    struct Case: Sendable, CustomTestStringConvertible {
        let name: String
        let resp2: String
        let resp3: String
        /// What a client of RESP3 gets: made when it is asked for, as the checker for leaks does not see arrays in the cases of a constant.
        let reply: @Sendable () -> Reply
        let write: @Sendable (ReplyWriter) -> Void

        var testDescription: String { name }

        init(
            _ name: String, _ resp2: String, _ resp3: String, _ reply: @autoclosure @escaping @Sendable () -> Reply,
            _ write: @escaping @Sendable (ReplyWriter) -> Void
        ) {
            self.name = name
            self.resp2 = resp2
            self.resp3 = resp3
            self.reply = reply
            self.write = write
        }

        /// A reply that is the same in both protocols.
        init(
            _ name: String, _ text: String, _ reply: @autoclosure @escaping @Sendable () -> Reply,
            _ write: @escaping @Sendable (ReplyWriter) -> Void
        ) {
            self.init(name, text, text, reply(), write)
        }
    }

    private static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    static let scalars: [Case] = [
        Case("OK", "+OK\r\n", .simpleString(bytes("OK"))) { $0.ok() },
        Case("status", "+QUEUED\r\n", .simpleString(bytes("QUEUED"))) { $0.status("QUEUED") },
        Case("status of a string", "+\r\n", .simpleString([])) { $0.status(text: "") },
        Case("integer", ":-42\r\n", .integer(-42)) { $0.integer(-42) },
        Case("error", "-ERR no\r\n", .error(bytes("ERR no"))) { $0.error("ERR no") },
        Case("error with line ends", "-ERR a  b\r\n", .error(bytes("ERR a  b"))) { $0.error("ERR a\r\nb\n\r\n") },
        Case("bulk string", "$5\r\na\0\r\nb\r\n", .bulkString(bytes("a\0\r\nb"))) { $0.bulkString("a\0\r\nb") },
        Case("empty bulk string", "$0\r\n\r\n", .bulkString([])) { $0.bulkString(ByteSlice.empty) },
        Case("integer as a bulk string", "$3\r\n-10\r\n", .bulkString(bytes("-10"))) { $0.bulkString(-10) },
        Case("null", "$-1\r\n", "_\r\n", .null) { $0.null() },
        Case("null array", "*-1\r\n", "_\r\n", .null) { $0.nullArray() },
        Case("true", ":1\r\n", "#t\r\n", .boolean(true)) { $0.boolean(true) },
        Case("false", ":0\r\n", "#f\r\n", .boolean(false)) { $0.boolean(false) },
        Case("double", "$3\r\n1.5\r\n", ",1.5\r\n", .double(bytes("1.5"))) { $0.double(1.5) },
        Case(
            "whole double", "$20\r\n-1000000000000000000\r\n", ",-1000000000000000000\r\n",
            .double(bytes("-1000000000000000000"))
        ) {
            $0.double(-1e18)
        },
        Case("infinite double", "$4\r\n-inf\r\n", ",-inf\r\n", .double(bytes("-inf"))) { $0.double(-.infinity) },
        Case("no number", "$3\r\nnan\r\n", ",nan\r\n", .double(bytes("nan"))) { $0.double(.nan) },
        Case("double as text", "$4\r\n0.10\r\n", ",0.10\r\n", .double(bytes("0.10"))) { $0.double(text: "0.10") },
        Case(
            "big number", "$21\r\n-99999999999999999999\r\n", "(-99999999999999999999\r\n",
            .bigNumber(bytes("-99999999999999999999"))
        ) {
            $0.bigNumber("-99999999999999999999")
        },
        Case("verbatim", "$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n", .verbatimString(format: bytes("txt"), text: bytes("hi"))) {
            $0.verbatim(Array("hi".utf8))
        },
        Case("markdown", "$1\r\n#\r\n", "=5\r\nmkd:#\r\n", .verbatimString(format: bytes("mkd"), text: bytes("#"))) {
            $0.verbatim(Array("#".utf8), format: "mkd")
        },
        Case("bulk error", "-ERR x  y\r\n", "!8\r\nERR x\r\ny\r\n", .bulkError(bytes("ERR x\r\ny"))) {
            $0.bulkError("ERR x\r\ny")
        },
    ]

    static let aggregates: [Case] = [
        Case("array", "*2\r\n:1\r\n:2\r\n", .array([.integer(1), .integer(2)])) {
            $0.array(2)
            $0.integer(1)
            $0.integer(2)
        },
        Case("empty array", "*0\r\n", .array([])) { $0.array(0) },
        Case("array of strings", "*2\r\n$1\r\na\r\n$0\r\n\r\n", .array([.bulkString(bytes("a")), .bulkString([])])) {
            $0.array(of: ["a", ""])
        },
        Case("map", "*2\r\n:1\r\n:2\r\n", "%1\r\n:1\r\n:2\r\n", .map([.init(key: .integer(1), value: .integer(2))])) {
            $0.map(1)
            $0.integer(1)
            $0.integer(2)
        },
        Case("set", "*1\r\n:1\r\n", "~1\r\n:1\r\n", .set([.integer(1)])) {
            $0.set(1)
            $0.integer(1)
        },
        Case("push, its beginning known", "*1\r\n+OK\r\n", ">1\r\n+OK\r\n", .push([.simpleString(bytes("OK"))])) {
            $0.push(beginning: "1\r\n+OK")
        },
        Case("push", "*1\r\n+OK\r\n", ">1\r\n+OK\r\n", .push([.simpleString(bytes("OK"))])) {
            $0.push(1)
            $0.ok()
        },
        Case("deferred array", "*3\r\n:0\r\n:1\r\n:2\r\n", .array([.integer(0), .integer(1), .integer(2)])) {
            let list = $0.beginDeferred()
            for number in 0..<3 { $0.integer(number) }
            $0.endArray(list, count: 3)
        },
        Case(
            "deferred map", "*2\r\n:1\r\n:2\r\n", "%1\r\n:1\r\n:2\r\n",
            .map([.init(key: .integer(1), value: .integer(2))])
        ) {
            let map = $0.beginDeferred()
            $0.integer(1)
            $0.integer(2)
            $0.endMap(map, count: 1)
        },
        Case("deferred set", "*0\r\n", "~0\r\n", .set([])) { $0.endSet($0.beginDeferred(), count: 0) },
        Case("deferred bulk string", "$11\r\nhello world\r\n", .bulkString(bytes("hello world"))) {
            let text = $0.beginDeferred()
            $0.raw("hello ")
            $0.raw("world")
            $0.endBulkString(text)
        },
        Case(
            "scan", "*2\r\n$20\r\n18446744073709551615\r\n*1\r\n$1\r\nk\r\n",
            .array([.bulkString(bytes("18446744073709551615")), .array([.bulkString(bytes("k"))])])
        ) {
            let list = $0.beginDeferred()
            $0.bulkString("k")
            $0.endScan(list, cursor: .max, count: 1)
        },
        Case("nested deferred", "*2\r\n*1\r\n:1\r\n:2\r\n", .array([.array([.integer(1)]), .integer(2)])) {
            let outer = $0.beginDeferred()
            let inner = $0.beginDeferred()
            $0.integer(1)
            $0.endArray(inner, count: 1)
            $0.integer(2)
            $0.endArray(outer, count: 2)
        },
        Case("inserted before", "*2\r\n+OK\r\n:2\r\n", .array([.simpleString(bytes("OK")), .integer(2)])) {
            $0.array(2)
            let place = $0.beginDeferred()
            $0.integer(2)
            $0.insertBefore(place) { [writer = $0] in writer.ok() }
        },
        Case(
            "help",
            "*4\r\n+X <subcommand> [<arg> [value] [opt] ...]. Subcommands are:\r\n+A\r\n+HELP\r\n+    Print this help.\r\n",
            .array(
                ["X <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", "A", "HELP", "    Print this help."].map
                {
                    .simpleString(bytes($0))
                })
        ) { $0.help(of: "X", ["A"]) },
    ]

    @Test(arguments: scalars + aggregates) func isWrittenInBothProtocols(reply: Case) {
        #expect(Self.written(.resp2, reply.write) == reply.resp2)
        #expect(Self.written(.resp3, reply.write) == reply.resp3)
    }

    /// The parser reads replies in RESP3 as the type that was written, and those in RESP2 as some valid reply.
    @Test(arguments: scalars + aggregates) func isReadAsItWasWritten(reply: Case) {
        func parsed(_ text: String) -> Reply? {
            Array(text.unicodeScalars.map { UInt8($0.value) }).withByteSlice { slice in
                var (parser, input) = (ReplyParser(), slice)
                guard case .reply(let reply) = parser.parse(&input), input.isEmpty else { return nil }
                return reply
            }
        }
        #expect(parsed(Self.written(.resp3, reply.write)) == reply.reply())
        #expect(parsed(Self.written(.resp2, reply.write)) != nil)
    }

    @Test func attributesDescribeTheReplyThatFollows() {
        let text = Self.written(.resp3) {
            $0.attribute(1)
            $0.status("ttl")
            $0.integer(5)
            $0.bulkString("v")
        }
        #expect(text == "|1\r\n+ttl\r\n:5\r\n$1\r\nv\r\n")
    }

    // MARK: errors

    @Test func errorsAreCountedAndTheNewestIsKnown() {
        for version in [ProtocolVersion.resp2, .resp3] {
            let writer = ReplyWriter()
            defer { writer.deallocate() }
            writer.version = version
            writer.ok()
            #expect(writer.errorCount == 0)
            writer.error("ERR first")
            #expect(writer.errorCount == 1 && writer.lastError == "ERR first")
            writer.bulkString("between")
            writer.error(text: "WRONGTYPE second\r\n")
            writer.integer(1)
            #expect(writer.errorCount == 2 && writer.lastError == "WRONGTYPE second")
            writer.bulkError("BULK third")
            #expect(writer.errorCount == 3 && writer.lastError == "BULK third")
        }
    }

    // MARK: taking back

    @Test func truncatingTakesBackRepliesAndWhatTheyBorrow() {
        let writer = ReplyWriter()
        defer { writer.deallocate() }
        writer.beginBorrowing()
        writer.beginRun(limit: Int.max, mark: 1 << 20)
        writer.ok()
        let start = writer.count
        let long = [UInt8](repeating: 1, count: 50_000)
        long.withByteSlice { long in
            writer.array(2)
            writer.bulkString(stable: long)
            let middle = writer.count
            writer.bulkString(stable: long)
            #expect(writer.borrowed.map(\.bytes.count) == [50_000, 50_000])
            writer.truncate(to: middle)
            #expect(writer.borrowed.count == 1 && writer.borrowed[0].position < middle)
            writer.truncate(to: start)
            #expect(writer.borrowed.isEmpty && writer.written(writer.run).description == "+OK\r\n")
            // What was taken back no longer counts for the limit.
            writer.beginRun(limit: 60_000, mark: 1 << 20)
            writer.bulkString(stable: long)
            writer.truncate(to: start)
            writer.bulkString(stable: long)
            #expect(!writer.isOverfull)
            writer.discardRun()
            #expect(writer.borrowed.isEmpty && writer.run.isEmpty && writer.count == start)
        }
    }

    @Test func emptyingMakesALargeBufferSmall() {
        let writer = ReplyWriter()
        defer { writer.deallocate() }
        writer.bulkString([UInt8](repeating: 1, count: 100_000))
        writer.removeAll(keeping: 1 << 20)
        #expect(writer.count == 0 && writer.capacity >= 100_000)
        writer.bulkString([UInt8](repeating: 1, count: 3 << 20))
        writer.removeAll(keeping: 1 << 20)
        #expect(writer.count == 0 && writer.capacity <= 1 << 20)
        writer.ok()
        #expect(writer.written(0..<writer.count).description == "+OK\r\n")
    }

    @Test func aBufferThatIsHandedOverKeepsItsBytes() {
        let writer = ReplyWriter(capacity: 16)
        defer { writer.deallocate() }
        writer.bulkString("kept")
        let taken = unsafe writer.takeBuffer()
        defer { unsafe taken.base.deallocate() }
        #expect(writer.count == 0)
        writer.ok()
        #expect(unsafe ByteSlice(start: taken.base, count: taken.count) == "$4\r\nkept\r\n")
        #expect(unsafe taken.capacity >= taken.count && writer.written(0..<writer.count) == "+OK\r\n")
    }

    /// The mark counts from the beginning of its run.
    @Test func marksBelongToRuns() {
        let writer = ReplyWriter()
        defer { writer.deallocate() }
        writer.bulkString([UInt8](repeating: 1, count: 1000))
        writer.beginRun(limit: Int.max, mark: 10)
        writer.status("12345")
        #expect(!writer.needsSending && writer.run.count == 8)
        writer.integer(1)
        #expect(writer.needsSending && writer.run.count == 12)
        writer.beginRun(limit: Int.max, mark: 10)
        #expect(!writer.needsSending && writer.run.isEmpty)
    }
}
