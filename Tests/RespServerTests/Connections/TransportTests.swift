// What a server does with sockets that give and take as they please: the answers are the same however the bytes are cut.

import Glibc
import RespCodec
import Testing

@testable import RespServer

@Suite struct TransportTests {
    private static let pipeline = """
        SET k value
        GET k
        MULTI
        INCR n
        LPUSH list a b c
        EXEC
        NOSUCH command
        LRANGE list 0 -1
        CLIENT REPLY SKIP
        SET unseen 1
        HSET h f v
        BLPOP list 0
        GET unseen
        ECHO end
        """
    private static let answers =
        "+OK\r\n$5\r\nvalue\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:1\r\n:3\r\n"
        + "-ERR unknown command 'NOSUCH', with args beginning with: 'command' \r\n*3\r\n$1\r\nc\r\n$1\r\nb\r\n$1\r\na\r\n"
        + ":1\r\n*2\r\n$4\r\nlist\r\n$1\r\nc\r\n$1\r\n1\r\n$3\r\nend\r\n"

    private func emptied(_ one: ScriptedServer) -> ScriptedServer {
        _ = one.answer([requests("FLUSHALL")])
        return one
    }

    @Test func requestsSplitAtEveryByte() {
        let one = ScriptedServer()
        let bytes = requests(Self.pipeline)
        for cut in 1..<bytes.count {
            #expect(emptied(one).answer([Array(bytes[..<cut]), Array(bytes[cut...])]) == Self.answers, "cut at \(cut)")
        }
        #expect(emptied(one).answer(bytes.map { [$0] }) == Self.answers)
        // Inline requests, too.
        let line = Array("set k \"a b\"\r\nget k\nping\r\n".utf8)
        for cut in 1..<line.count {
            let text = one.answer([Array(line[..<cut]), Array(line[cut...])])
            #expect(text == "+OK\r\n$3\r\na b\r\n+PONG\r\n", "cut at \(cut)")
        }
    }

    @Test func answersTakenByteByByte() {
        let one = ScriptedServer()
        let bytes = requests(Self.pipeline)
        for count in 0...Self.answers.utf8.count {
            // So many bytes, then nothing for a while, then a byte, then the rest.
            #expect(emptied(one).answer([bytes], takes: [count, nil, nil, 1, nil]) == Self.answers, "taken \(count)")
        }
        let takes = (0..<Self.answers.utf8.count).flatMap { _ in [nil, 1] as [Int?] }
        #expect(emptied(one).answer([bytes], takes: takes) == Self.answers)
    }

    /// A long answer goes out from where the value lies; what is not taken is kept though the value changes.
    @Test func longAnswersTakenInPart() {
        let one = ScriptedServer()
        let value = String(repeating: "0123456789", count: 60_000)
        let wanted = "+OK\r\n$\(value.utf8.count)\r\n\(value)\r\n:1\r\n+PONG\r\n"
        for count in [0, 1, 4, 5, 6, 14, 15, 16, 100_000, 300_000, 599_999, 600_010, 600_016, 600_017, 600_020] {
            let bytes = requests("SET k \(value)\nGET k\nDEL k\nPING")
            #expect(emptied(one).answer([bytes], takes: [count, nil, 7, nil]) == wanted, "taken \(count)")
        }
    }

    /// A client is cut off while its answers are sent, at every send: the others do not notice.
    @Test func failuresOfEverySend() {
        let one = ScriptedServer()
        for failure in 0..<6 {
            _ = emptied(one)
            let (victim, witness) = (one.connect(), one.connect())
            victim.takes = (0..<failure).map { _ in 3 } + [-1]
            victim.pieces = [requests(Self.pipeline), requests("SET after 1")]
            witness.pieces = [requests("SET w 1"), requests("GET w"), requests("PING")]
            one.run()
            #expect(victim.isClosed && witness.text == "+OK\r\n$1\r\n1\r\n+PONG\r\n", "failure \(failure)")
            #expect(one.server.connections[id: Int(victim.connection.id)] == nil)
            one.server.close(witness.connection)
        }
    }

    /// The end of a connection at every byte of its requests: what is whole is executed and answered, the rest leaves no trace.
    @Test func endsAtEveryByte() {
        let one = ScriptedServer()
        let bytes = requests("RPUSH l a\nRPUSH l b\nRPUSH l c")
        let length = bytes.count / 3
        for cut in 0...bytes.count {
            _ = emptied(one)
            let client = one.connect()
            client.pieces = (cut > 0 ? [Array(bytes[..<cut])] : []) + [[]]
            one.run()
            let whole = cut / length
            #expect(client.isClosed && client.text == (0..<whole).map { ":\($0 + 1)\r\n" }.joined(), "cut at \(cut)")
            #expect(one.answer([requests("LLEN l")]) == ":\(whole)\r\n")
        }
    }

    /// An event for a connection that is gone is not taken for one of its successor with the same descriptor.
    @Test func reusedDescriptors() {
        let one = ScriptedServer()
        let first = one.connect(descriptor: 500)
        let stale = ScriptedServer.readable(first)
        first.pieces = [requests("QUIT")]
        one.run()
        #expect(first.isClosed && first.text == "+OK\r\n")
        let second = one.connect(descriptor: 500)
        second.pieces = [requests("PING")]
        one.turn([stale])
        #expect(second.received.isEmpty)
        one.turn([ScriptedServer.readable(second)])
        #expect(second.text == "+PONG\r\n")
        // Closed and followed within one turn.
        let killer = one.connect()
        killer.pieces = [requests("CLIENT KILL ID \(second.connection.id)")]
        second.pieces = [requests("SET forbidden 1")]
        one.turn([ScriptedServer.readable(killer), ScriptedServer.readable(second)])
        #expect(killer.text == ":1\r\n" && second.isClosed)
        #expect(one.answer([requests("EXISTS forbidden")]) == ":0\r\n")
    }

    /// Somebody who waits is answered in the middle of another's pipeline, at every place in it, in another protocol, however slowly both
    /// take their answers.
    @Test(arguments: [[], [1, nil, 2], [nil], [7, nil, nil, 1]] as [[Int?]])
    func answersToOthersInThePipeline(takes: [Int?]) {
        let one = ScriptedServer()
        for place in 0...5 {
            _ = emptied(one)
            let (waiter, pusher) = (one.connect(), one.connect())
            waiter.pieces = [requests("HELLO 3\nCLIENT REPLY SKIP\nSET a 1\nBLPOP queue 0\nPING")]
            one.run()
            let greeting = waiter.received.count
            (waiter.takes, pusher.takes) = (takes, takes)
            var lines = (0..<5).map { "ECHO \($0)" }
            lines.insert("RPUSH queue element other", at: place)
            pusher.pieces = [requests(lines.joined(separator: "\n"))]
            one.run()
            var wanted = (0..<5).map { "$1\r\n\($0)\r\n" }
            wanted.insert(":2\r\n", at: place)
            #expect(pusher.text == wanted.joined())
            let text = String(decoding: waiter.received[greeting...], as: UTF8.self)
            #expect(text == "*2\r\n$5\r\nqueue\r\n$7\r\nelement\r\n+PONG\r\n")
            for client in [waiter, pusher] { one.server.close(client.connection) }
        }
    }
}
