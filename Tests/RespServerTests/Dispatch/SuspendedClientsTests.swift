// Clients that wait until there is room: far beyond `maxmemory` nobody adds to what is in use, and all others are served.

import Testing

@testable import RespServer

@Suite struct SuspendedClientsTests {
    private let one = ScriptedServer("maxmemory-policy allkeys-random\nmaxmemory-eviction-tenacity 0\n")
    private let control: ScriptedClient

    init() {
        control = one.connect()
        for hundred in 0..<60 {
            let value = String(repeating: "x", count: 100)
            one.send(control, "MSET " + (0..<100).map { "key:\(hundred):\($0) \(value)" }.joined(separator: " "))
        }
        // Keys go some at a time, in a turn each.
        control.pieces.append(requests("CONFIG SET maxmemory \(one.server.engine.usedBytes * 3 / 4)"))
        one.turn()
    }

    private func client(_ lines: String) -> ScriptedClient {
        let client = one.connect()
        client.pieces.append(requests(lines))
        return client
    }

    private var isAnyoneSuspended: Bool { !one.server.memoryLimit.suspended.isEmpty }

    /// Takes turns until a condition holds: a slow turn leaves clients to the next ones.
    private func turns(until condition: () -> Bool) -> Int {
        for number in 0..<1000 {
            if condition() { return number }
            one.turn()
        }
        return Int.max
    }

    @Test func whoNeedsRoomWaitsUntilThereIsSome() {
        let writer = client("GET none\nSET a 1\nSET b 2")
        let reader = client("GET none\nDEL none\nPING")
        let transaction = client("MULTI\nSET c 3\nEXEC")
        let last = "+PONG\r\n"
        #expect(
            turns {
                writer.connection.isPaused && transaction.connection.isPaused && reader.text.hasSuffix(last)
            } < 60)
        #expect(writer.text == "$-1\r\n" && transaction.text == "+OK\r\n")
        #expect(reader.text == "$-1\r\n:0\r\n" + last)
        // What comes behind is not read: it would take memory.
        let unread = requests("SET d 4")
        writer.pieces.append(unread)
        one.turn()
        #expect(writer.pieces == [unread] && isAnyoneSuspended)
        let evicted = one.server.engine.statistics.evictedKeys
        #expect(turns { !isAnyoneSuspended } < 2000)
        one.run()
        #expect(one.server.engine.statistics.evictedKeys > evicted + 100)
        #expect(writer.text == "$-1\r\n+OK\r\n+OK\r\n+OK\r\n" && writer.pieces.isEmpty)
        #expect(transaction.text == "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n")
    }

    @Test(arguments: ["FLUSHALL", "CONFIG SET maxmemory 0", "CONFIG SET maxmemory-policy noeviction"])
    func theyGoOnWhenItIsNoUseToWait(command: String) {
        let writer = client("SET a 1")
        #expect(turns { isAnyoneSuspended } < 60 && writer.text.isEmpty)
        one.send(control, command)
        #expect(turns { !isAnyoneSuspended } < 60)
        one.run()
        #expect(
            writer.text
                == (command.hasSuffix("noeviction")
                    ? "-OOM command not allowed when used memory > 'maxmemory'.\r\n" : "+OK\r\n"))
    }

    @Test func whoHasGoneIsForgotten() {
        let writer = client("SET a 1")
        #expect(turns { isAnyoneSuspended } < 60)
        one.send(control, "CLIENT KILL ID \(writer.connection.id)")
        #expect(!isAnyoneSuspended && writer.connection.isClosed && writer.text.isEmpty)
    }

    @Test func infoCountsThem() {
        _ = client("SET a 1")
        #expect(turns { isAnyoneSuspended } < 60)
        let info = control.received { one.send(control, "INFO clients") }
        #expect(info.contains("blocked_clients:1\r\n"))
    }
}
