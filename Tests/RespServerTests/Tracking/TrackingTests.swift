// Who is told of which keys, and what it costs: remembering and telling do not take longer the more clients or keys there are.

import RespCodec
import StoreEngine
import Testing

@testable import RespServer

@Suite struct TrackingTests {
    private let one = ScriptedServer("tracking-table-max-keys 1000\n")
    private var tracking: Tracking { one.server.tracking }

    private func client(_ lines: String = "HELLO 3") -> ScriptedClient { one.connect(sending: lines) }
    private func send(_ client: ScriptedClient, _ lines: String) { one.send(client, lines) }
    private func received(_ client: ScriptedClient, _ body: () -> Void) -> String { client.received(during: body) }

    private func invalidation(_ keys: String...) -> String {
        ">2\r\n$10\r\ninvalidate\r\n*\(keys.count)\r\n" + keys.map { "$\($0.utf8.count)\r\n\($0)\r\n" }.joined()
    }

    @Test func aKeyIsToldOfOnce() {
        let (reader, writer) = (client("HELLO 3\nCLIENT TRACKING ON\nGET k"), client())
        #expect(tracking.keyCount == 1 && tracking.itemCount == 1 && one.server.engine.isObserved)
        #expect(received(reader) { send(writer, "SET k v") } == invalidation("k"))
        #expect(received(reader) { send(writer, "SET k w") } == "" && tracking.keyCount == 0)
        // It is told behind the reply of its own command.
        #expect(
            received(reader) { send(reader, "GET k\nSET k x\nPING") }
                == "$1\r\nw\r\n+OK\r\n\(invalidation("k"))+PONG\r\n")
    }

    /// Without trackers no read takes the slow path, and the engine tells nobody of changes.
    @Test func withoutTrackersNobodyPays() {
        let reader = client("HELLO 3\nGET k\nSET k v")
        #expect(reader.connection.gate.isEmpty && !one.server.engine.isObserved)
        send(reader, "CLIENT TRACKING ON")
        #expect(reader.connection.gate == .readOnly && one.server.engine.isObserved)
        let other = client("HELLO 3\nGET k")
        #expect(other.connection.gate.isEmpty)
        send(reader, "CLIENT TRACKING OFF")
        #expect(reader.connection.gate.isEmpty && !one.server.engine.isObserved)
        send(reader, "CLIENT TRACKING ON BCAST")
        #expect(reader.connection.gate.isEmpty && one.server.engine.isObserved)
        one.server.close(reader.connection)
        #expect(!one.server.engine.isObserved && tracking.clientCount == 0 && tracking.prefixCount == 0)
    }

    @Test func manyReadersOfAKey() {
        let readers = (0..<200).map { _ in client("HELLO 3\nCLIENT TRACKING ON\nGET k\nGET k") }
        #expect(tracking.keyCount == 1 && tracking.itemCount == 200)
        // Half of them go, and nobody looks for what they have read.
        for reader in readers[..<100] { one.server.close(reader.connection) }
        let before = tracking.steps.count
        send(client(), "SET k v")
        #expect(tracking.steps.count - before == 200 && tracking.itemCount == 0)
        for reader in readers[100...] { #expect(reader.text.hasSuffix(invalidation("k"))) }
    }

    /// All keys that change in a turn are one message for each prefix, in order.
    @Test func broadcasts() {
        let all = client("HELLO 3\nCLIENT TRACKING ON BCAST")
        let some = client("HELLO 3\nCLIENT TRACKING ON BCAST PREFIX a PREFIX b NOLOOP")
        let writer = client()
        #expect(
            received(all) { send(writer, "MULTI\nSET b 1\nSET a 1\nSET c 1\nSET b 2\nEXEC") }
                == invalidation("a", "b", "c"))
        #expect(some.text.hasSuffix(invalidation("a") + invalidation("b")))
        #expect(received(some) { send(some, "SET a 2") } == "+OK\r\n")
        #expect(all.text.hasSuffix(invalidation("a")))
        // A key costs what its prefixes do, not what there are.
        for number in 0..<1000 { send(client(), "CLIENT TRACKING ON BCAST PREFIX user:\(number):") }
        let before = tracking.steps.count
        send(writer, "SET user:77:name v")
        #expect(tracking.steps.count - before <= 6)
    }

    @Test func theLimit() {
        let reader = client("HELLO 3\nCLIENT TRACKING ON")
        let told = received(reader) {
            for number in 0..<30 {
                send(reader, "MGET " + (0..<100).map { "k\(number * 100 + $0)" }.joined(separator: " "))
            }
        }
        #expect(tracking.keyCount == 1000 && tracking.itemCount == 1000)
        #expect(told.split(separator: ">2\r\n$10\r\ninvalidate\r\n", omittingEmptySubsequences: false).count == 2001)
        send(reader, "CONFIG SET tracking-table-max-keys 10")
        tracking.maintain()
        #expect(tracking.keyCount == 10)
        send(reader, "FLUSHALL")
        #expect(tracking.keyCount == 0 && reader.text.hasSuffix("+OK\r\n>2\r\n$10\r\ninvalidate\r\n_\r\n"))
    }

    /// What nobody needs any more goes in slices, also when the last tracker has gone.
    @Test func afterTheLastOne() {
        let reader = client("HELLO 3\nCLIENT TRACKING ON\nMGET a b c")
        one.server.close(reader.connection)
        #expect(tracking.keyCount == 3 && one.server.engine.isObserved)
        tracking.maintain()
        one.server.keyspaceListeners.update()
        #expect(tracking.keyCount == 0 && tracking.itemCount == 0 && !one.server.engine.isObserved)
    }
}
