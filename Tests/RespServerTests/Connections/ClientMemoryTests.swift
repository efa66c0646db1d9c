// What clients hold is counted as it changes, and bounded.

import TestSupport
import Testing

@testable import RespServer

@Suite struct ClientMemoryTests {
    private static let limited = "maxmemory 100mb\nmaxmemory-policy allkeys-random\n"

    /// The sum of what connections hold, counted here.
    private func sum(_ server: Server) -> Int { server.connections.all.reduce(0) { $0 + $1.byteCount } }

    private func header(_ count: Int) -> [UInt8] { Array("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$\(count)\r\n".utf8) }

    /// Requests in pieces, replies that are not taken, transactions, subscriptions, waits, names, and clients that go.
    @Test(arguments: 0..<20) func theSumFollowsEveryChange(seed: Int) {
        var generator = SeededRandom(seed: TestSeed.fixed(UInt64(seed)))
        let one = ScriptedServer(Self.limited)
        let server = one.server
        one.send(one.connect(), "SET large \(String(repeating: "x", count: 300_000))")
        var clients: [ScriptedClient] = []
        for _ in 0..<200 {
            if clients.count < 5 { clients.append(one.connect()) }
            let client = clients[generator.below(clients.count)]
            switch generator.below(12) {
            case 0: client.pieces.append(requests("MULTI\nSET a \(String(repeating: "v", count: 5000))"))
            case 1: client.pieces.append(requests("EXEC"))
            case 2: client.pieces.append(requests("SUBSCRIBE \(generator.below(100))"))
            case 3:
                client.pieces.append(Array(header(100_000)))
                for _ in 0..<10 { client.pieces.append([UInt8](repeating: 118, count: 10_000)) }
                client.pieces.append(Array("\r\n".utf8))
            case 4:
                client.takes = [1000, nil, nil, 5000, nil]
                client.pieces.append(requests("GET large"))
            case 5: server.close(client.connection)
            case 6: client.pieces.append(requests("PUBLISH 7 \(String(repeating: "m", count: 1000))"))
            case 7: client.pieces.append(requests("BLPOP \(generator.below(3)) \(generator.below(3)) 0"))
            case 8: client.pieces.append(requests("LPUSH \(generator.below(3)) e"))
            case 9:
                let name = String(repeating: "n", count: generator.below(1000))
                client.pieces.append(requests("CLIENT SETNAME \(name)"))
            case 10:
                client.pieces.append(Array("*301\r\n$3\r\nDEL\r\n".utf8))
                for _ in 0..<3 {
                    client.pieces.append((0..<100).flatMap { _ in Array("$1\r\nk\r\n".utf8) })
                }
            default: client.pieces.append(requests("UNSUBSCRIBE\nDISCARD"))
            }
            for _ in 0..<generator.below(5) {
                one.turn()
                #expect(server.clientMemory.byteCount == sum(server))
                let input = server.connections.all.reduce(0) { $0 + ($1.pending?.memoryByteCount ?? 0) }
                #expect(server.clientMemory.inputByteCount == input)
            }
            clients.removeAll { $0.isClosed }
        }
        for client in clients { server.close(client.connection) }
        for connection in server.connections.all { server.close(connection) }
        #expect(server.clientMemory.byteCount == 0 && server.clientMemory.inputByteCount == 0)
    }

    /// What was only announced takes no memory yet.
    @Test func whatArrivesCounts() {
        let one = ScriptedServer(Self.limited)
        let client = one.connect()
        client.pieces = [header(50_000_000)]
        one.run()
        #expect(one.server.clientMemory.byteCount < 5000)
        client.pieces = [[UInt8](repeating: 118, count: 1_000_000)]
        one.run()
        #expect((1_000_000..<1_005_000).contains(one.server.clientMemory.byteCount))
        #expect(!one.server.memoryLimit.isExceeded)
        for _ in 0..<49 {
            client.pieces = [[UInt8](repeating: 118, count: 1_000_000)]
            one.run()
        }
        client.pieces = [Array("\r\n".utf8)]
        one.run()
        #expect(client.text == "+OK\r\n")
        // The value is the key's now, and counts once.
        #expect(one.server.clientMemory.byteCount < 5000)
        #expect((50_000_000..<50_100_000).contains(one.server.engine.usedBytes))
    }

    /// A limit that comes later finds what is there.
    @Test func aLimitIsSetLater() {
        let one = ScriptedServer("")
        let client = one.connect()
        client.pieces = [header(250_000), [UInt8](repeating: 118, count: 200_000)]
        one.run()
        #expect(one.server.clientMemory.byteCount == 0)
        let other = one.connect()
        one.send(other, "CONFIG SET maxmemory-clients 1mb")
        #expect(one.server.clientMemory.byteCount == sum(one.server))
        #expect(!client.isClosed)
        one.send(other, "CONFIG SET maxmemory-clients 150000")
        #expect(client.isClosed && !other.isClosed)
    }

    /// The largest goes first, without being waited for, and who asked not to go stays.
    @Test func theLargestGoes() {
        let one = ScriptedServer("maxmemory-clients 200000\n")
        let spared = one.connect(sending: "CLIENT NO-EVICT ON")
        let clients = [spared, one.connect(), one.connect()]
        for (client, size) in zip(clients, [140_000, 40_000, 30_000]) {
            client.pieces = [header(200_000), [UInt8](repeating: 118, count: size)]
            one.run()
        }
        #expect(clients.map(\.isClosed) == [false, true, false])
        #expect(one.server.statistics.evictedClients == 1)
    }

    /// With less, every client would be closed as soon as it comes, who could raise the limit among them.
    @Test(arguments: ["maxmemory-clients 1\n", "maxmemory 1000000\nmaxmemory-clients 1%\n"])
    func noLimitIsLessThan128KB(configuration: String) {
        let one = ScriptedServer(configuration)
        let clients = [one.connect(sending: "PING"), one.connect(sending: "PING")]
        clients[0].pieces = [header(200_000), [UInt8](repeating: 118, count: 120_000)]
        one.run()
        #expect(!clients[0].isClosed && !clients[1].isClosed)
        clients[0].pieces = [[UInt8](repeating: 118, count: 11_072)]
        one.run()
        #expect(clients[0].isClosed && !clients[1].isClosed)
    }

    /// The request is kept as long as it waits, and so is what finds it by its keys.
    @Test func aCommandThatWaitsCounts() {
        let one = ScriptedServer(Self.limited)
        let (client, other) = (one.connect(sending: "PING"), one.connect(sending: "PING"))
        let before = one.server.clientMemory.byteCount
        let keys = (0..<3).map { "\($0)" + String(repeating: "k", count: 100_000) }
        one.send(client, "BLPOP \(keys.joined(separator: " ")) 0")
        #expect((600_000..<603_000).contains(one.server.clientMemory.byteCount - before))
        one.send(other, "CLIENT LIST ID \(client.connection.id)")
        #expect(other.text.contains(" argv-mem=300009 "))
        #expect(other.text.contains(" tot-mem=\(client.connection.byteCount) "))
        one.send(other, "LPUSH \(keys[1]) e")
        #expect(one.server.clientMemory.byteCount == before && client.text.hasSuffix("$1\r\ne\r\n"))
    }

    /// What a few bytes of a request take, which is more than themselves.
    @Test func eachArgumentOfAnUnfinishedRequestCounts() {
        let one = ScriptedServer(Self.limited)
        let client = one.connect(sending: "PING")
        let before = one.server.clientMemory.byteCount
        client.pieces = [Array("*10001\r\n$3\r\nDEL\r\n".utf8) + (0..<9000).flatMap { _ in Array("$1\r\nk\r\n".utf8) }]
        one.run()
        let held = one.server.clientMemory.byteCount - before
        #expect((9000 * (7 + 16)..<9000 * (7 + 16) + 1000).contains(held))
        #expect(one.server.clientMemory.inputByteCount == held)
    }

    @Test func namesCount() {
        let one = ScriptedServer(Self.limited)
        let client = one.connect(sending: "PING")
        let before = one.server.clientMemory.byteCount
        one.send(client, "CLIENT SETNAME short")
        #expect(one.server.clientMemory.byteCount == before)
        let long = String(repeating: "n", count: 10_000)
        one.send(client, "CLIENT SETNAME \(long)\nCLIENT SETINFO LIB-NAME \(long)\nCLIENT SETINFO LIB-VER \(long)")
        #expect((30_000..<30_300).contains(one.server.clientMemory.byteCount - before))
        one.send(client, "RESET")
        #expect((20_000..<20_300).contains(one.server.clientMemory.byteCount - before))
    }
}
