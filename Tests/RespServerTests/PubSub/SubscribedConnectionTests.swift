// What subscribers are sent, in which order and in which protocol, and what becomes of one that does not read.

import Testing

@testable import RespServer

@Suite struct SubscribedConnectionTests {
    private let one = ScriptedServer("client-output-buffer-limit pubsub 1000 0 0\n")

    private func client(_ lines: String = "PING") -> ScriptedClient { one.connect(sending: lines) }
    private func send(_ client: ScriptedClient, _ lines: String) { one.send(client, lines) }
    private func received(_ client: ScriptedClient, _ body: () -> Void) -> String { client.received(during: body) }

    @Test func eachGetsAMessageInItsProtocol() {
        let old = client("SUBSCRIBE c")
        let new = client("HELLO 3\nSUBSCRIBE c\nPSUBSCRIBE c*")
        let publisher = client("PUBLISH c hello")
        #expect(publisher.text == ":3\r\n")
        #expect(old.text.hasSuffix("*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$5\r\nhello\r\n"))
        #expect(
            new.text.hasSuffix(
                ">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$5\r\nhello\r\n>4\r\n$8\r\npmessage\r\n$2\r\nc*\r\n$1\r\nc\r\n$5\r\nhello\r\n"
            ))
    }

    /// What a client publishes to itself comes behind the reply, in a transaction behind the reply of all of it.
    @Test func messagesToOneself() {
        let client = client("HELLO 3\nSUBSCRIBE c")
        let message = ">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n"
        #expect(received(client) { send(client, "PUBLISH c m\nPING") } == ":1\r\n" + message + "+PONG\r\n")
        #expect(
            received(client) { send(client, "MULTI\nPUBLISH c m\nPING\nEXEC") }
                == "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:1\r\n+PONG\r\n" + message)
    }

    /// Confirmations and messages come also to who wants no replies; nothing else does.
    @Test func withoutReplies() {
        let client = client("HELLO 3")
        let publisher = self.client()
        let text = received(client) {
            send(client, "CLIENT REPLY OFF\nPING\nSUBSCRIBE c\nGET k\nPUBLISH c own")
            send(publisher, "PUBLISH c m")
            send(client, "UNSUBSCRIBE c\nCLIENT REPLY ON")
        }
        #expect(
            text == ">3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n>3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$3\r\nown\r\n"
                + ">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n>3\r\n$11\r\nunsubscribe\r\n$1\r\nc\r\n:0\r\n+OK\r\n")
        let skipped = received(client) { send(client, "CLIENT REPLY SKIP\nSUBSCRIBE d\nPING") }
        #expect(skipped == ">3\r\n$9\r\nsubscribe\r\n$1\r\nd\r\n:1\r\n+PONG\r\n")
    }

    /// What a client was subscribed to before RESET reaches it no more, though much of it may still be there.
    @Test func subscriptionsBeforeReset() {
        let names = (0..<3 * PubSub.mostAtOnce).map { "c\($0)" }
        let client = client("SUBSCRIBE \(names.joined(separator: " "))\nRESET\nHELLO 3\nSUBSCRIBE c0 c5 c9")
        let publisher = self.client()
        let told = received(client) {
            send(publisher, "PUBLISH c0 m\nPUBLISH c1 m\nPUBSUB NUMSUB c0 c1\nPUBSUB CHANNELS c1")
        }
        #expect(told == ">3\r\n$7\r\nmessage\r\n$2\r\nc0\r\n$1\r\nm\r\n")
        #expect(publisher.text.hasSuffix(":1\r\n:0\r\n*4\r\n$2\r\nc0\r\n:1\r\n$2\r\nc1\r\n:0\r\n*0\r\n"))
        while one.server.pubsub.hasDeparted { one.turn() }
        #expect(one.server.pubsub.channels.count == 3 && one.server.pubsub.subscriberCount == 1)
    }

    @Test func whoDoesNotReadIsClosedAndNobodyElseNotices() {
        let (slow, reader) = (client("SUBSCRIBE c"), client("SUBSCRIBE c"))
        let publisher = client()
        slow.takes = Array(repeating: nil, count: 100)
        for number in 0..<12 {
            publisher.pieces.append(requests("PUBLISH c \(number)\(String(repeating: "x", count: 90))"))
            one.turn()
        }
        #expect(slow.isClosed && !reader.isClosed && !publisher.isClosed)
        #expect(one.server.statistics.clientsClosedByOutputLimit == 1)
        #expect(one.server.pubsub.subscriberCount == 1 && reader.text.contains("\r\n11xxx"))
        #expect(received(publisher) { send(publisher, "PUBLISH c m") } == ":1\r\n")
    }

    @Test func whoIsASubscriberIsOneUntilItIsSubscribedToNothing() {
        let client = client("SUBSCRIBE a b")
        #expect(client.connection.clientClass == .pubsub && !client.connection.gate.isEmpty)
        send(client, "PSUBSCRIBE p*\nSSUBSCRIBE s\nUNSUBSCRIBE\nPUNSUBSCRIBE p*")
        #expect(client.connection.subscriber?.shardChannelCount == 1)
        #expect(received(client) { send(client, "GET k") }.hasPrefix("-ERR Can't execute 'get': only (P|S)SUBSCRIBE"))
        send(client, "SUNSUBSCRIBE s")
        #expect(client.connection.subscriber == nil && client.connection.clientClass == .normal)
        #expect(client.connection.gate.isEmpty && one.server.pubsub.subscriberCount == 0)
        #expect(received(client) { send(client, "GET k") } == "$-1\r\n")
        // In RESP3 anything may be asked for, and the gate is open; another HELLO closes it.
        send(client, "HELLO 3\nSUBSCRIBE a")
        #expect(client.connection.gate.isEmpty)
        send(client, "HELLO 2")
        #expect(!client.connection.gate.isEmpty)
        #expect(received(client) { send(client, "RESET") } == "+RESET\r\n")
        #expect(client.connection.subscriber == nil && one.server.pubsub.channels.count == 0)
        one.server.close(client.connection)
    }

    @Test func whoIsClosedIsSubscribedToNothing() {
        let client = client("SUBSCRIBE a\nPSUBSCRIBE *")
        client.pieces.append([])
        one.run()
        #expect(client.isClosed && one.server.pubsub.subscriberCount == 0)
        #expect(one.server.pubsub.channels.count == 0 && one.server.pubsub.patterns.count == 0)
    }
}
