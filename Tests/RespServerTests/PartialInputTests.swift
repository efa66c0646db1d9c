// Requests that arrive in pieces while memory is full: they are read as there is room, and whoever has sent one is answered.

import TestSupport
import Testing

@testable import RespServer

@Suite struct PartialInputTests {
    private static let limit = 10 << 20
    private static let valueLength = 20_000
    private static let clientCount = 600

    private func makeServer(_ policy: String, keyCount: Int, limit: Int = limit) -> ScriptedServer {
        let one = ScriptedServer("maxmemory \(limit)\nmaxmemory-policy \(policy)")
        let client = one.connect()
        let value = String(repeating: "v", count: 900)
        for first in stride(from: 0, to: keyCount, by: 100) {
            one.send(client, (first..<min(first + 100, keyCount)).map { "SET k\($0) \(value)" }.joined(separator: "\n"))
        }
        return one
    }

    /// Has many clients send half of a request, and returns how much more than the limit was in use at most.
    private func sendHalves(_ command: String, to one: ScriptedServer) -> (clients: [ScriptedClient], excess: Int) {
        let clients = (0..<Self.clientCount).map { _ in one.connect() }
        for client in clients {
            let half = [UInt8](repeating: 118, count: Self.valueLength / 2)
            client.pieces = [Array("\(command)$\(Self.valueLength)\r\n".utf8) + half]
        }
        return (clients, run(one, until: { clients.allSatisfy { $0.pieces.isEmpty && !$0.connection.isQueued } }))
    }

    private func sendRest(_ clients: [ScriptedClient], to one: ScriptedServer) -> Int {
        for client in clients {
            client.pieces = [[UInt8](repeating: 118, count: Self.valueLength / 2) + [13, 10]]
        }
        return run(one, until: { clients.allSatisfy { !$0.received.isEmpty } })
    }

    private func run(_ one: ScriptedServer, until isOver: () -> Bool) -> Int {
        var excess = 0
        var turns = 0
        while turns < 100_000 && !isOver() {
            one.turn()
            turns += 1
            excess = max(excess, one.server.engine.memoryExcess)
        }
        #expect(isOver(), "nobody goes on")
        return excess
    }

    /// Halves of all are 6 MB: keys go for them before they are read.
    @Test func keysGoBeforeMoreIsRead() {
        let one = makeServer("allkeys-random", keyCount: 15_000)
        #expect(one.server.statistics.evictedClients == 0 && one.server.engine.statistics.evictedKeys > 0)
        let (clients, excess) = sendHalves("*3\r\n$3\r\nSET\r\n$4\r\nnew:\r\n", to: one)
        #expect(excess < Self.limit / 10, "\(excess) bytes too many for halves")
        let rest = sendRest(clients, to: one)
        #expect(rest < Self.limit / 10, "\(rest) bytes too many for the rest")
        #expect(clients.allSatisfy { $0.text == "+OK\r\n" })
        #expect(one.server.clientMemory.inputByteCount == 0)
    }

    /// Who may not write is answered so, and what was sent is not kept meanwhile; others are served.
    @Test(arguments: ["noeviction", "volatile-lru"]) func whatIsRefusedIsNotKept(policy: String) {
        let one = makeServer(policy, keyCount: 15_000)
        let reader = one.connect()
        let (clients, excess) = sendHalves("*3\r\n$3\r\nSET\r\n$4\r\nnew:\r\n", to: one)
        #expect(excess < Self.limit / 10, "\(excess) bytes too many for halves")
        one.send(reader, "GET k0")
        #expect(reader.text.hasPrefix("$900\r\nvvv"))
        #expect(sendRest(clients, to: one) < Self.limit / 10)
        #expect(clients.allSatisfy { $0.text.hasPrefix("-OOM") || $0.text == "+OK\r\n" })
        #expect(clients.contains { $0.text.hasPrefix("-OOM") })
    }

    /// Where requests hold all of the room, and none of them can be refused before it is whole, they are read all the same.
    @Test func nobodyWaitsForEver() {
        let one = makeServer("allkeys-random", keyCount: 10, limit: 4 << 20)
        let (clients, _) = sendHalves("*3\r\n$4\r\nMGET\r\n$1\r\nk\r\n", to: one)
        _ = sendRest(clients, to: one)
        #expect(clients.allSatisfy { $0.text == "*2\r\n$-1\r\n$-1\r\n" })
        #expect(!one.server.memoryLimit.isExceeded)
    }
}
