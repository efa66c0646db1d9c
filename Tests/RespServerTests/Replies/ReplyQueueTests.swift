// What clients are sent, and in which order: replies of the one who is served, messages at any moment, sockets that take what they please.

import RespCodec
import Testing

@testable import RespServer

/// A queue whose clients are scripts.
private final class Desk: ReplyQueueOwner {
    func prepareToSend() -> Bool { true }
    func mayLeave(_ connection: Connection) -> Bool { true }
    func keep(_ bytes: BorrowedBytes, count: Int) -> AnyObject? { nil }
    let queue = ReplyQueue()
    var now: Int64 = 1000
    var closed: [Connection] = []
    var closedOverLimit: [Connection] = []
    var queued: [Connection] = []
    var whenClosed: () -> Void = {}
    private var count: Int32 = 0

    init() { queue.owner = self }

    func client(_ version: ProtocolVersion = .resp2, takes: [Int?] = []) -> (ScriptedClient, Connection) {
        count += 1
        let peer = ScriptedClient(descriptor: count)
        peer.takes = takes
        let connection = Connection(.scripted(peer), id: UInt64(count), isUnix: true, now: now, unixPath: "test")
        connection.version = version
        return (peer, connection)
    }

    func close(_ connection: Connection, mayLinger: Bool) {
        connection.isClosed = true
        closed.append(connection)
        whenClosed()
    }

    func closeOverLimit(_ connection: Connection) {
        closedOverLimit.append(connection)
        close(connection, mayLinger: false)
    }

    func enqueue(_ connection: Connection) { queued.append(connection) }

    func unsentChanged(_ connection: Connection) {}

    func updateInterest(_ connection: Connection) {
        if case .scripted(let peer) = connection.transport { peer.isWatchedForWriting = connection.isWatchedForWriting }
    }

    /// Sends, and lets sockets take the rest.
    func sendAll(_ connections: Connection...) {
        queue.send()
        for _ in 0..<10_000 {
            let behind = connections.filter { !$0.isClosed && $0.unsentByteCount > 0 }
            if behind.isEmpty { return }
            for connection in behind { queue.flush(connection) }
        }
    }

    /// Pushes the same message to some clients.
    func push(_ text: String, to connections: Connection...) {
        var message = Message()
        for connection in connections { queue.push(&message, to: connection) { $0.bulkString(text: text) } }
    }

    /// Answers a connection as a command does.
    func answer(_ connection: Connection, _ texts: String...) {
        queue.begin(for: connection)
        for text in texts { queue.writer.status(text: text) }
        queue.end()
    }
}

@Suite struct ReplyQueueTests {
    /// However many messages wait, one more costs the same: those to one client lie side by side and go out as one run of bytes, and of
    /// what others are sent nothing is looked at.
    @Test func aMessageCostsTheSameHoweverManyThereAre() {
        let desk = Desk()
        let (one, connection) = desk.client()
        for _ in 0..<10_000 { desk.push("m", to: connection) }
        desk.queue.send()
        #expect(desk.queue.writes == 1 && one.received.count == 10_000 * 7)
        #expect(desk.queue.steps.count <= 10_000 + 2)
        let others = (0..<1000).map { _ in desk.client().1 }
        let before = desk.queue.steps.count
        for _ in 0..<10 {
            var message = Message()
            for other in others { desk.queue.push(&message, to: other) { $0.bulkString(text: "m") } }
        }
        desk.queue.send()
        // One run of ten messages for each of them.
        #expect(desk.queue.writes == 1 + 1000)
        #expect(desk.queue.steps.count - before <= 10_000 + 2 * 1000)
    }

    /// What is told while a command runs comes behind its reply if it is for who asked, and does not disturb the reply if not.
    @Test func messagesWhileACommandRuns() {
        let desk = Desk()
        let ((one, first), (other, second)) = (desk.client(), desk.client())
        desk.answer(second, "earlier")
        desk.queue.begin(for: first)
        let start = desk.queue.writer.count
        desk.queue.writer.array(2)
        desk.push("to other", to: second)
        desk.push("to self", to: first)
        desk.queue.writer.status("a")
        // An error takes back what its command has written, and nothing else.
        desk.queue.writer.truncate(to: start)
        desk.queue.writer.error("ERR no")
        #expect(desk.queue.writer.needsSending)
        desk.queue.handOver(to: first)
        desk.queue.writer.status("next")
        desk.queue.end()
        desk.answer(second, "later")
        desk.sendAll(first, second)
        #expect(one.text == "-ERR no\r\n$7\r\nto self\r\n+next\r\n")
        #expect(other.text == "+earlier\r\n$8\r\nto other\r\n+later\r\n")
        #expect(first.outputByteCount == one.text.utf8.count && second.outputByteCount == other.text.utf8.count)
        #expect(desk.queue.outputBytes == one.text.utf8.count + other.text.utf8.count && desk.queue.writes == 2)
    }

    /// A command that runs others may send its reply in pieces; messages for its client come behind all of it.
    @Test func messagesWithinACommandThatIsSentInPieces() {
        let desk = Desk()
        let (one, connection) = desk.client()
        desk.queue.begin(for: connection)
        desk.queue.writer.array(3)
        let long = String(repeating: "x", count: 300 * 1024)
        desk.push("told", to: connection)
        desk.queue.handOverWithinCommand(to: connection, from: 0)
        desk.queue.writer.bulkString(text: long)
        desk.queue.handOverWithinCommand(to: connection, from: 0)
        desk.queue.writer.status("b")
        desk.queue.handOverWithinCommand(to: connection, from: 0)
        desk.queue.writer.status("c")
        #expect(desk.queue.writer.needsSending)
        desk.queue.handOver(to: connection)
        desk.queue.end()
        desk.sendAll(connection)
        #expect(one.text == "*3\r\n$\(long.utf8.count)\r\n\(long)\r\n+b\r\n+c\r\n$4\r\ntold\r\n")
    }

    @Test func aMessageIsPutIntoBytesOnceForEachProtocol() {
        let desk = Desk()
        var versions: [ProtocolVersion] = []
        var message = Message()
        let clients = (0..<1000).map { desk.client($0 % 3 == 0 ? .resp3 : .resp2) }
        for (_, connection) in clients {
            desk.queue.push(&message, to: connection) { writer in
                versions.append(writer.version)
                writer.null()
            }
        }
        desk.queue.send()
        #expect(versions.count == 2 && Set(versions).count == 2)
        for (index, client) in clients.enumerated() { #expect(client.0.text == (index % 3 == 0 ? "_\r\n" : "$-1\r\n")) }
        #expect(desk.queue.writes == 1000)
    }

    /// All that one client gets in a turn goes out at once, in its order.
    @Test func oneSendForEachClient() {
        let desk = Desk()
        let clients = (0..<5).map { _ in desk.client() }
        for round in 0..<20 {
            for (place, client) in clients.enumerated() {
                if round % 2 == 0 {
                    desk.answer(client.1, "\(round)")
                } else {
                    desk.push("\(place)", to: client.1)
                }
            }
        }
        desk.queue.send()
        for (place, client) in clients.enumerated() {
            #expect(client.0.text == (0..<10).map { "+\($0 * 2)\r\n$1\r\n\(place)\r\n" }.joined())
        }
        #expect(desk.queue.writes == 5)
        // The next turn begins anew.
        desk.push("x", to: clients[0].1)
        desk.queue.send()
        #expect(clients[0].0.text.hasSuffix("$1\r\nx\r\n") && desk.queue.writes == 6)
    }

    /// Whose request has told others something is answered before these are sent it: it goes on meanwhile.
    @Test func whoAskedIsAnsweredFirst() {
        let desk = Desk()
        let clients = (0..<4).map { _ in desk.client() }
        var order: [Int] = []
        for (place, client) in clients.enumerated() { client.0.onSend = { order.append(place) } }
        desk.push("m", to: clients[0].1, clients[2].1)
        desk.answer(clients[1].1, "OK")
        desk.answer(clients[3].1, "OK")
        desk.push("n", to: clients[3].1)
        desk.queue.send()
        #expect(order == [1, 3, 0, 2] && clients[3].0.text == "+OK\r\n$1\r\nn\r\n")
    }

    /// Several messages that all of many clients get are sent to each as one run of bytes; who gets others between them has them there.
    @Test func messagesThatManyGet() {
        let desk = Desk()
        let clients = (0..<100).map { desk.client($0 % 2 == 0 ? .resp3 : .resp2) }
        for text in ["a", "b", "c", "d"] {
            var message = Message()
            for (_, connection) in clients { desk.queue.push(&message, to: connection) { $0.bulkString(text: text) } }
            if text == "b" {
                desk.answer(clients[2].1, "reply")
                desk.push("alone", to: clients[3].1)
            }
        }
        desk.queue.send()
        let (first, second) = ("$1\r\na\r\n$1\r\nb\r\n", "$1\r\nc\r\n$1\r\nd\r\n")
        for (index, client) in clients.enumerated() {
            let between = [2: "+reply\r\n", 3: "$5\r\nalone\r\n"][index] ?? ""
            #expect(client.0.text == first + between + second)
            // The bytes for one alone lie among those in the same protocol.
            #expect(client.0.sentRuns == [2: 3, 3: 1][index] ?? (index % 2 == 0 ? 1 : 2), "\(index)")
        }
        #expect(desk.queue.writes == 100)
    }

    /// A message that is pushed to others after some have been sent it is put into bytes again.
    @Test func aMessageThatOutlivesItsRound() {
        let desk = Desk()
        let (clients, count) = ((0..<3).map { _ in desk.client() }, 300_000)
        var message = Message()
        for (_, connection) in clients {
            desk.queue.push(&message, to: connection) { $0.bulkString(text: String(repeating: "m", count: count)) }
            desk.push("other", to: clients[0].1)
            desk.queue.send()
        }
        let whole = "$\(count)\r\n\(String(repeating: "m", count: count))\r\n"
        #expect(clients[0].0.text == whole + String(repeating: "$5\r\nother\r\n", count: 3))
        #expect(clients[1].0.text == whole && clients[2].0.text == whole)
    }

    /// What is pushed because sending ends a connection is sent, too.
    @Test func messagesThatSendingCauses() {
        let desk = Desk()
        let ((gone, victim), (witness, other)) = (desk.client(), desk.client())
        gone.takes = [-1]
        desk.whenClosed = { [unowned desk] in desk.push("it has gone", to: other) }
        desk.push("m", to: victim, other)
        desk.queue.send()
        #expect(victim.isClosed && witness.text.hasSuffix("$11\r\nit has gone\r\n"))
    }

    /// However little sockets take, and whatever comes meanwhile, nothing is lost or out of order.
    @Test func socketsThatTakeLittle() {
        let whole = "+a\r\n$2\r\nm1\r\n+b\r\n+c\r\n$2\r\nm2\r\n"
        for count in 0...whole.utf8.count {
            for second in [[nil], [nil, 1], [nil, nil, 3, nil], [1, nil, 2]] as [[Int?]] {
                let desk = Desk()
                let ((peer, connection), (witness, other)) = (desk.client(takes: [count] + second), desk.client())
                desk.answer(connection, "a")
                desk.push("m1", to: connection)
                desk.push("m1", to: other)
                desk.queue.send()
                desk.answer(connection, "b", "c")
                desk.queue.send()
                desk.push("m2", to: connection)
                desk.sendAll(connection, other)
                #expect(peer.text == whole && witness.text == "$2\r\nm1\r\n", "\(count) \(second)")
                #expect(!connection.isWatchedForWriting && connection.unsentByteCount == 0)
            }
        }
    }

    @Test func whoEndsInTheMiddleDisturbsNobody() {
        for failure in 0..<4 {
            let desk = Desk()
            let ((gone, victim), (witness, other)) = (desk.client(), desk.client())
            gone.takes = (0..<failure).map { _ in 2 } + [-1]
            for _ in 0..<4 {
                desk.answer(victim, "reply")
                desk.push("m", to: victim)
                desk.push("m", to: other)
                desk.queue.send()
                if victim.unsentByteCount > 0 && !victim.isClosed { desk.queue.flush(victim) }
            }
            #expect(
                victim.isClosed && desk.closed.count == 1
                    && witness.text == "$1\r\nm\r\n$1\r\nm\r\n$1\r\nm\r\n$1\r\nm\r\n")
            // Nothing is sent to who is closed; `ScriptedClient` would trap.
            gone.isClosed = true
            desk.answer(victim, "more")
            desk.push("more", to: victim)
            desk.queue.send()
        }
    }

    /// Each class has its limit: a subscriber that takes nothing is closed, and the others are not.
    @Test func theLimitOfTheClass() {
        let desk = Desk()
        desk.queue.limits.pubsub = OutputBufferLimit(hardBytes: 1000, softBytes: 0, softSeconds: 0)
        let takesNothing = Array(repeating: nil as Int?, count: 1000)
        let ((_, subscriber), (_, normal)) = (desk.client(takes: takesNothing), desk.client(takes: takesNothing))
        subscriber.clientClass = .pubsub
        let news = String(repeating: "n", count: 90)
        for _ in 0..<9 {
            desk.push(news, to: subscriber, normal)
            desk.queue.send()
        }
        #expect(desk.closedOverLimit.isEmpty && subscriber.unsentByteCount == 9 * 97)
        for _ in 0..<10 {
            desk.push(news, to: subscriber, normal)
            desk.queue.send()
        }
        #expect(desk.closedOverLimit.map(\.id) == [subscriber.id] && normal.unsentByteCount == 19 * 97)
    }

    /// The soft limit counts while it is exceeded without a break.
    @Test func theSoftLimit() {
        let desk = Desk()
        desk.queue.limits.normal = OutputBufferLimit(hardBytes: 0, softBytes: 100, softSeconds: 2)
        let (peer, connection) = desk.client(takes: [nil])
        desk.answer(connection, String(repeating: "a", count: 200))
        desk.queue.send()
        desk.now += 2000
        desk.queue.checkLimit(connection)
        #expect(desk.closed.isEmpty)
        desk.sendAll(connection)
        peer.takes = [nil, nil]
        desk.answer(connection, String(repeating: "a", count: 200))
        desk.queue.send()
        desk.now += 2000
        desk.queue.checkLimit(connection)
        #expect(desk.closed.isEmpty)
        desk.now += 1
        desk.queue.checkLimit(connection)
        #expect(desk.closedOverLimit.map(\.id) == [connection.id])
    }

    @Test func whoHasNotAuthenticatedMayLeaveLittleUnread() {
        let desk = Desk()
        let (_, connection) = desk.client(takes: Array(repeating: nil, count: 10))
        connection.isAuthenticated = false
        desk.answer(connection, String(repeating: "a", count: 16_000))
        desk.queue.send()
        #expect(desk.closed.isEmpty)
        desk.answer(connection, String(repeating: "a", count: 1000))
        desk.queue.send()
        #expect(desk.closedOverLimit.map(\.id) == [connection.id])
    }

    /// A client that has much unsent is not served until it has taken half of it.
    @Test func whoIsBehindIsNotServed() {
        let desk = Desk()
        let (peer, connection) = desk.client(takes: [nil])
        let part = String(repeating: "p", count: 1 << 20)
        for _ in 0..<16 { desk.answer(connection, part) }
        #expect(connection.isBehind && desk.queued.isEmpty)
        peer.takes = Array(repeating: 1 << 18, count: 40)
        while connection.isBehind { desk.queue.flush(connection) }
        #expect(desk.queued.map(\.id) == [connection.id])
        #expect(connection.unsentByteCount <= 8 << 20 && connection.unsentByteCount > 7 << 20)
    }

    @Test func aReplyBeyondTheLimitIsNeverHeld() {
        let desk = Desk()
        desk.queue.limits.normal = OutputBufferLimit(hardBytes: 100_000, softBytes: 0, softSeconds: 0)
        let (peer, connection) = desk.client()
        desk.answer(connection, "before")
        desk.queue.begin(for: connection)
        for _ in 0..<10_000 { desk.queue.writer.status(text: String(repeating: "x", count: 100)) }
        desk.queue.end()
        #expect(desk.closedOverLimit.map(\.id) == [connection.id] && desk.queue.writer.capacity < 1 << 20)
        desk.queue.send()
        #expect(peer.text == "")
    }
}
