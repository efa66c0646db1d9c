// Goal: WATCH hears of every change of a key and of no other, and what a change costs does not depend on how many watch the key; nor
// does what UNWATCH costs a client.

import RespCodec
import StoreEngine
import Testing

@testable import RespServer

@Suite struct WatchRegistryTests {
    private let room = WaitingRoom()

    private func watch(_ watches: ClientWatches, _ keys: String..., database: Int = 0) {
        for key in keys {
            Array(key.utf8).withByteSlice { room.watches.watch($0, database: database, by: watches) }
        }
    }

    @Test func aChangeCostsTheSameHoweverManyWatch() {
        let clients = (0..<5000).map { _ in ClientWatches() }
        for index in clients.indices { watch(clients[index], "k", "own\(index)") }
        #expect(room.watches.keyCount == 5001)
        #expect(room.steps { room.run("SET other v") } == 0)
        #expect(room.steps { room.run("SET k v") } == 1)
        #expect(room.steps { room.run("SET k v") } == 0)
        #expect(clients.allSatisfy { $0.isBroken && $0.count == 0 })
        // Who comes later does not hear of what was before.
        let late = ClientWatches()
        watch(late, "k")
        #expect(!late.isBroken && late.count == 1)
        #expect(room.steps { room.watches.unwatchAll(late) } == 1)
        for index in clients.indices {
            #expect(room.steps { room.watches.unwatchAll(clients[index]) } == 1)
            #expect(!clients[index].isBroken)
        }
        #expect(room.watches.keyCount == 0)
    }

    @Test func unwatchingCostsWhatTheClientWatches() {
        let clients = (0..<3000).map { _ in ClientWatches() }
        for index in clients.indices { watch(clients[index], "a", "b", "c") }
        for index in clients.indices { #expect(room.steps { room.watches.unwatchAll(clients[index]) } == 3) }
        #expect(room.watches.keyCount == 0)
    }

    /// Each command of a transaction asks.
    @Test func askingWhetherAWatchIsBrokenCostsLittle() {
        let client = ClientWatches()
        let other = ClientWatches()
        for key in 0..<5000 { watch(client, "k\(key)") }
        watch(other, "elsewhere")
        let steps = room.steps {
            for _ in 0..<1000 { #expect(!room.watches.isBroken(client)) }
        }
        #expect(steps <= 5000)
        room.run("SET elsewhere v")
        #expect(room.watches.isBroken(other) && !room.watches.isBroken(client))
        #expect(room.steps { _ = room.watches.isBroken(client) } == 0)
        room.run("SET k0 v")
        #expect(room.watches.isBroken(client))
        var isStillBroken = false
        #expect(room.steps { isStillBroken = room.watches.isBroken(client) } == 0)
        #expect(isStillBroken)
        room.watches.unwatchAll(client)
        #expect(!room.watches.isBroken(client))
    }

    @Test func watchingManyKeysCostsTheSameForEach() {
        let client = ClientWatches()
        let steps = room.steps {
            for _ in 0..<2 {
                for key in 0..<5000 { watch(client, "k\(key)") }
            }
        }
        #expect(client.count == 5000)
        #expect(steps <= 2 * 5000 + 16 * 16)
        room.run("SET k4999 v")
        #expect(client.isBroken)
        room.watches.unwatchAll(client)
        #expect(room.watches.keyCount == 0)
    }

    @Test func swappingEmptyDatabasesLooksAtNothing() {
        let client = ClientWatches()
        for key in 0..<100 { watch(client, "k\(key)") }
        #expect(room.steps { room.run("SWAPDB 0 1") } == 0)
        #expect(!client.isBroken)
    }

    /// What happens to a key that was absent, expired or there, in which database, and whether it breaks the watch.
    static let changes: [(before: [String], commands: [String], isBroken: Bool)] = [
        ([], ["DEL k"], false), ([], ["SET k v"], true), (["SET k v"], ["DEL k"], true),
        (["SET k v"], ["GET k"], false), ([], ["FLUSHALL"], false), (["SET k v"], ["FLUSHALL"], true),
        (["SET k v"], ["SWAPDB 0 1"], true), ([], ["SWAPDB 0 1"], false), (["SET k v"], ["SWAPDB 2 1"], false),
        (["SET k v PX 1"], ["GET k"], false), (["SET k v PX 1"], ["GET k", "GET k"], false),
        (["SET k v PX 1"], ["SET k v"], true), (["SET k v PX 1"], ["GET k", "SET k v"], true),
        (["SET k v PX 1"], ["FLUSHALL"], false), (["SET k v PX 1"], ["SWAPDB 0 1"], false),
        (["SET k v PX 1"], ["SWAPDB 0 1", "SWAPDB 1 0"], false),
        (["SET k v PX 1"], ["SWAPDB 0 1", "SET k v"], true),
        (["SET k v PX 1"], ["SWAPDB 0 1", "SWAPDB 1 0", "SET k v"], true),
    ]

    @Test(arguments: changes) func changesBreakWatches(_ before: [String], _ commands: [String], _ isBroken: Bool) {
        for command in before { room.run(command) }
        room.engine.setTime(room.engine.now + 10)
        let (client, other) = (ClientWatches(), ClientWatches())
        watch(client, "k", "k")
        watch(other, "k")
        #expect(client.count == 1)
        for command in commands { room.run(command) }
        #expect(client.isBroken == isBroken && other.isBroken == isBroken)
        #expect(!room.watches.hasExpired(client))
        room.watches.unwatchAll(client)
        room.watches.unwatchAll(other)
        #expect(room.watches.keyCount == 0)
    }

    @Test func aWatchedKeyThatExpiresIsNoticed() {
        let (early, late) = (ClientWatches(), ClientWatches())
        room.run("SET k v PX 5")
        watch(early, "k")
        room.engine.setTime(room.engine.now + 10)
        watch(late, "k")
        #expect(room.watches.hasExpired(early) && !room.watches.hasExpired(late))
        room.run("GET k")
        #expect(early.isBroken && !late.isBroken)
        room.run("SET k w")
        #expect(late.isBroken)
    }
}
