// Goal: who waits is served in order, and what one change of a key costs does not depend on how many wait for it. Steps are counted, by
// those who take them: looks at a key, waiters passed over, places looked at in a queue.

import StoreEngine
import TestSupport
import Testing

@testable import RespServer

@Suite struct BlockedClientsTests {
    /// A change of a key that many wait for, and whom it serves.
    struct Change: CustomTestStringConvertible, Sendable {
        let testDescription: String
        var before: [String] = []
        let wait: @Sendable (Int) -> String
        let commands: [String]
        let servedCount: Int
        /// How often a waiter is run again beyond that.
        var vainRuns = 0
    }

    static let changes: [Change] = [
        Change(testDescription: "a push", wait: { _ in "BLPOP k 0" }, commands: ["RPUSH k x"], servedCount: 1),
        Change(testDescription: "three", wait: { _ in "BLPOP k 0" }, commands: ["RPUSH k x y z"], servedCount: 3),
        Change(testDescription: "wrong type", wait: { _ in "BLPOP k 0" }, commands: ["SET k v"], servedCount: 0),
        Change(testDescription: "other kind", wait: { _ in "BZPOPMIN k 0" }, commands: ["RPUSH k x"], servedCount: 0),
        Change(
            testDescription: "undone", wait: { _ in "BLPOP k 0" }, commands: ["RPUSH k x", "DEL k"], servedCount: 0),
        Change(
            testDescription: "member", wait: { _ in "BZMPOP 0 2 k l MAX" }, commands: ["ZADD l 1 m"], servedCount: 1),
        Change(
            testDescription: "too few", wait: { "BLMOVEM k l LEFT LEFT 0 EXACTLY \($0 + 2) OBO" },
            commands: ["RPUSH k x"], servedCount: 0),
        Change(
            testDescription: "group", before: ["XGROUP CREATE s g $ MKSTREAM"],
            wait: { "XREADGROUP GROUP g c\($0) BLOCK 0 STREAMS s >" }, commands: ["XADD s 1-1 f v"], servedCount: 1),
        Change(
            testDescription: "group position", before: ["XADD s 1-1 f v", "XGROUP CREATE s g $"],
            wait: { "XREADGROUP GROUP g c\($0) BLOCK 0 STREAMS s >" }, commands: ["XGROUP SETID s g 0"], servedCount: 0),
        Change(
            testDescription: "other groups", before: ["XADD s 1-1 f v", "XGROUP CREATE s g $", "XGROUP CREATE s h 0"],
            wait: { "XREADGROUP GROUP g c\($0) BLOCK 0 STREAMS s >" },
            commands: ["XREADGROUP GROUP h c STREAMS s >"], servedCount: 0),
        Change(
            testDescription: "ids far ahead", before: ["XADD s 1-1 f v"],
            wait: { "XREAD BLOCK 0 STREAMS s \($0 + 5)-0" },
            commands: ["XADD s 2-1 f v"], servedCount: 0),
        Change(
            testDescription: "ids, one reached", before: ["XADD s 1-1 f v"],
            wait: { "XREAD BLOCK 0 STREAMS s \($0 + 2)-0" }, commands: ["XADD s 2-1 f v"], servedCount: 1),
        Change(
            testDescription: "claims", before: ["XGROUP CREATE s g $ MKSTREAM"],
            wait: { "XREADGROUP GROUP g c\($0) BLOCK 0 CLAIM 1000 STREAMS s >" },
            // Who is the first then tries, too, and once more because something has become pending.
            commands: ["XADD s 1-1 f v"], servedCount: 1, vainRuns: 2),
        Change(
            testDescription: "flush", wait: { _ in "BLPOP k 0" }, commands: ["RPUSH other x", "FLUSHALL"],
            servedCount: 0
        ),
    ]

    @Test(arguments: changes) func costsNoMoreWhereManyWait(_ change: Change) {
        func steps(_ count: Int) -> Int {
            let room = WaitingRoom()
            for command in change.before { room.run(command) }
            for name in 0..<count { room.wait(name, change.wait(name)) }
            let steps = room.steps {
                for command in change.commands.dropLast() { _ = room.engine.execute(words(command)) }
                let served = room.run(change.commands[change.commands.count - 1])
                #expect(served == Array(0..<change.servedCount))
                #expect(room.runCount == change.servedCount + change.vainRuns)
            }
            #expect(room.blocked.count == count - change.servedCount)
            return steps
        }
        // A queue of many lanes is searched in logarithmic time.
        #expect(steps(4000) <= steps(4) + 12 * 12 * (change.servedCount + 1))
        #expect(steps(4000) < 400)
    }

    private func words(_ text: String) -> [[UInt8]] { text.split(separator: " ").map { Array($0.utf8) } }

    /// What is dropped late is paid for by those who came.
    @Test func manyChangesCostAsMuchAsTheyServe() {
        let room = WaitingRoom()
        var clients = (0..<4000).map { room.wait($0, "BLPOP k own\($0) 0") }
        let steps = room.steps {
            // Every third goes away by itself, and of the others each is served by a push of its own.
            for client in clients where client.name % 3 == 0 { room.blocked.remove(client) }
            clients.removeAll { $0.name % 3 == 0 }
            for client in clients { #expect(room.run("RPUSH k x") == [client.name]) }
        }
        #expect(steps < 40 * 4000)
        #expect(room.blocked.count == 0 && room.blocked.keyCount == 0)
    }

    @Test func aDatabaseSwappedInServesWhoseKeysItHas() {
        let room = WaitingRoom()
        for name in 0..<100 { room.wait(name, "BLPOP k\(name % 10) 0") }
        room.run("RPUSH k3 x y", "SADD k5 m", database: 1)
        #expect(room.run("SWAPDB 0 1") == [3, 13])
        #expect(room.runCount == 2)
    }

    @Test func swappingEmptyDatabasesLooksAtNothing() {
        let room = WaitingRoom()
        for name in 0..<1000 { room.wait(name, "BLPOP k\(name) 0") }
        #expect(room.steps { room.run("SWAPDB 0 1") } == 0)
    }

    // MARK: order

    @Test func thoseWhoCameFirstAreServedFirst() {
        let room = WaitingRoom()
        room.wait(0, "BLMOVEM k l LEFT LEFT 0 EXACTLY 3 OBO")
        room.wait(1, "BLPOP k 0")
        room.wait(2, "BZPOPMIN k 0")
        room.wait(3, "BLMOVEM k m LEFT LEFT 0 EXACTLY 2 OBO")
        room.wait(4, "BRPOP k 0")
        #expect(room.run("RPUSH k a") == [1])
        #expect(room.run("RPUSH k a b c d e") == [0, 3])
        #expect(room.run("RPUSH k a") == [4])
        #expect(room.run("ZADD k 1 m") == [2])
        #expect(room.blocked.count == 0)
    }

    @Test func keysAreTakenInTheOrderGivenAndOtherTypesPassedOver() {
        let room = WaitingRoom()
        let first = room.wait(0, "BLPOP a b c 0")
        room.run("SET a v")
        #expect(room.run("RPUSH c z", "RPUSH b y") == [0])
        #expect(first.reply == "*2\r\n$1\r\nb\r\n$1\r\ny\r\n")
        let second = room.wait(1, "XREAD BLOCK 0 STREAMS s t $ $")
        room.run("SET s v")
        #expect(room.run("XADD t 1-1 f v") == [1])
        #expect(second.reply?.contains("1-1") == true)
    }

    @Test func manyReadersAreServedByOneEntry() {
        let room = WaitingRoom()
        for name in 0..<500 { room.wait(name, "XREAD BLOCK 0 STREAMS s $") }
        for name in 500..<1000 { room.wait(name, "XREAD BLOCK 0 STREAMS s \(name)-0") }
        let steps = room.steps { #expect(room.run("XADD s 5000-1 f v").sorted() == Array(0..<1000)) }
        #expect(steps < 1000 * 60)
    }

    @Test func everyGroupIsServed() {
        let room = WaitingRoom()
        room.run("XADD s 1-1 f v")
        for group in 0..<100 { room.run("XGROUP CREATE s g\(group) $") }
        for name in 0..<300 { room.wait(name, "XREADGROUP GROUP g\(name % 100) c\(name) BLOCK 0 STREAMS s >") }
        let steps = room.steps { #expect(room.run("XADD s 2-1 f v").sorted() == Array(0..<100)) }
        #expect(steps < 100 * 60)
        #expect(room.runCount == 100)
        #expect(room.run("XGROUP DESTROY s g7").sorted() == [107, 207])
        #expect(room.run("DEL s").count == 198)
    }

    // MARK: counts

    @Test func keysWhoseGoingEndsWaitsAreCounted() {
        let room = WaitingRoom()
        let blocked = room.blocked
        room.run("XGROUP CREATE s g $ MKSTREAM", "XGROUP CREATE t g $ MKSTREAM", "XGROUP CREATE s h $")
        let clients = [
            room.wait(0, "XREADGROUP GROUP g a BLOCK 0 STREAMS s t s > > >"),
            room.wait(1, "XREADGROUP GROUP h a BLOCK 0 STREAMS s >"), room.wait(2, "XREAD BLOCK 0 STREAMS s u $ $"),
            room.wait(3, "BLPOP u v v 5"),
        ]
        #expect(blocked.count == 4 && blocked.keyCount == 4 && blocked.endingKeyCount == 2)
        #expect(blocked.deadlineCount == 1)
        room.blocked.remove(clients[0])
        #expect(blocked.keyCount == 3 && blocked.endingKeyCount == 1)
        room.blocked.remove(clients[1])
        #expect(blocked.keyCount == 3 && blocked.endingKeyCount == 0)
        room.blocked.remove(clients[2])
        room.blocked.remove(clients[3])
        room.blocked.remove(clients[3])
        #expect(blocked.count == 0 && blocked.keyCount == 0 && blocked.deadlineCount == 0 && blocked.nextAlarm == nil)
        #expect(room.run("XADD s 1-1 f v", "RPUSH v x") == [])
    }

    // MARK: time

    /// The whole of the last millisecond is waited for, so that one that is shorter is not over at once.
    @Test(arguments: ["BLPOP k 0.0005", "BLPOP k 0.001", "XREAD BLOCK 1 STREAMS k $", "BZPOPMIN k 0.0000001"])
    func aMillisecondIsWaitedFor(_ command: String) {
        let room = WaitingRoom()
        let client = room.wait(0, command)
        let now = room.engine.now
        #expect(client.wait.deadline == now + 1)
        #expect(!client.isTimeOver(now: now + 1) && client.isTimeOver(now: now + 2))
        #expect(room.blocked.nextExpired(now: now + 1) == nil && room.blocked.nextExpired(now: now + 2) === client)
    }

    @Test func whoComesNextTriesToClaim() throws {
        let room = WaitingRoom()
        room.run("XGROUP CREATE s g $ MKSTREAM")
        let clients = (0..<3).map { room.wait($0, "XREADGROUP GROUP g c\($0) BLOCK 0 CLAIM 1000 STREAMS s >") }
        #expect(room.blocked.nextAlarm == nil)
        // An entry that another has read may be claimed later: only the first needs to know.
        room.run("XADD s 1-1 f v", "XREADGROUP GROUP g other STREAMS s >")
        #expect(room.blocked.nextAlarm == room.engine.now + 1000)
        #expect(room.blocked.nextExpired(now: room.engine.now + 1000) === clients[0])
        room.blocked.remove(clients[0])
        #expect(room.serve() == [] && room.runCount == 1)
        room.engine.setTime(room.engine.now + 1000)
        let expired = try #require(room.blocked.nextExpired(now: room.engine.now) as? WaitingRoom.Client)
        #expect(expired === clients[1])
        room.runAgain(expired)
        #expect(expired.isOver && room.serve() == [] && room.blocked.nextExpired(now: room.engine.now) == nil)
        #expect(room.blocked.nextAlarm == room.engine.now + 1000)
    }

    /// What queues take counts with one of those who stand in them, or by itself, and never twice.
    @Test func memoryOfQueues() {
        let room = WaitingRoom()
        var random = SeededRandom(seed: TestSeed.fixed(5))
        var clients: [WaitingRoom.Client] = []
        func counted() -> Int { clients.reduce(room.blocked.unownedByteCount) { $0 + $1.queueByteCount } }
        let first = room.wait(0, "BLPOP a b 0")
        clients = [first]
        let (alone, single) = (counted(), counted() / 2)
        #expect(alone > 2 * 300 && room.blocked.unownedByteCount == 0)
        clients.append(room.wait(1, "BLPOP a b 0"))
        #expect(counted() - alone == clients[1].queueByteCount && clients[1].queueByteCount < 64)
        room.blocked.remove(clients.removeFirst())
        #expect(first.queueByteCount == 0 && counted() == alone)
        #expect(room.blocked.unownedByteCount == alone - clients[0].queueByteCount)
        clients.append(room.wait(2, "XREAD BLOCK 0 STREAMS a a 1-0 2-0"))
        #expect(clients[1].queueByteCount > 2 * 150 && counted() < alone + 2 * single)
        for number in 3..<2000 {
            if random.below(3) > 0 || clients.isEmpty {
                let keys = (0..<3).map { _ in "\(random.below(30))" }.joined(separator: " ")
                let ids = (0..<3).map { _ in "\(random.below(3))-1" }.joined(separator: " ")
                let text = random.below(2) == 0 ? "BLPOP \(keys) 0" : "XREAD BLOCK 0 STREAMS \(keys) \(ids)"
                clients.append(room.wait(number, text))
            } else {
                room.blocked.remove(clients.remove(at: random.below(clients.count)))
            }
            if number % 200 == 0 {
                while let client = clients.popLast() { room.blocked.remove(client) }
                #expect(counted() == 0 && room.blocked.keyCount == 0)
            }
        }
    }
}
