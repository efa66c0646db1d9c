// Keys that have expired: they go before a request that names them runs, and nobody else removes them by looking.

import RespCodec
import Testing

@testable import StoreEngine

struct RequestExpiryTests {
    private final class Listener: KeyspaceObserver {
        var events: [String] = []

        func keyChanged(_ key: ByteSlice, database: Int, event: KeyEvent) {
            events.append("\(database) \(event.name) \(key)")
        }
        func keysWillFlush() {}
        func keyNoticed(_ key: ByteSlice, database: Int, event: KeyEvent) {}
        func databaseWillFlush(_ database: Int, presence: (ByteSlice) -> KeyPresence) {}
        func databasesWillSwap(_ first: Int, _ second: Int, presence: (Int, ByteSlice) -> KeyPresence) {}
    }

    private let engine = Engine(databases: 4, seed: 1)
    private let listener = Listener()

    init() {
        engine.setTime(1_000_000)
        engine.observer = listener
        engine.isObserved = true
    }

    @discardableResult
    private func run(_ line: String, database: Int = 0) -> String {
        let words = line.split(separator: " ").map { Array($0.utf8) }
        return String(decoding: engine.execute(words, database: database), as: UTF8.self)
    }

    /// Lets 10 milliseconds pass after some commands, and forgets what was heard of them.
    private func prepare(_ lines: String..., database: Int = 0) {
        for line in lines { run(line, database: database) }
        engine.setTime(engine.now + 10)
        listener.events = []
    }

    private func find(_ key: String, database: Int = 0) -> Slot? {
        engine.withQuietContext(database) { context in Array(key.utf8).withByteSlice { context.find($0, .read) } }
    }

    @Test func lookingForAKeyRemovesNothing() {
        prepare("SET k v PX 5", "SET other v PX 5")
        #expect(find("k") == nil && find("k") == nil)
        #expect(engine.database(0).count == 2 && listener.events.isEmpty)
        #expect(engine.statistics.expiredKeys == 0 && engine.statistics.keyspaceMisses == 2)
        #expect(run("GET k") == "_\r\n")
        #expect(engine.database(0).count == 1 && listener.events == ["0 expired k"])
        #expect(engine.statistics.expiredKeys == 1)
        #expect(run("DBSIZE") == ":1\r\n")
    }

    @Test(arguments: [
        ("SET k v", ["expired k", "set k"]), ("APPEND k v", ["expired k", "append k"]), ("DEL k", ["expired k"]),
        ("GETDEL k", ["expired k"]), ("INCR k", ["expired k", "incrby k"]), ("EXISTS k k", ["expired k"]),
        ("RPUSH k a", ["expired k", "rpush k"]), ("HSET k f v", ["expired k", "hset k"]),
        ("SADD k a", ["expired k", "sadd k"]), ("ZADD k 1 a", ["expired k", "zadd k"]),
        ("XADD k 1-1 f v", ["expired k", "xadd k"]),
        ("XGROUP CREATE k g $ MKSTREAM", ["expired k", "xgroup-create k"]),
        ("PFADD k a", ["expired k", "pfadd k"]), ("SETBIT k 0 1", ["expired k", "setbit k"]),
        ("RENAME s k", ["expired k", "rename_from s", "rename_to k"]),
        ("SORT l ALPHA STORE k", ["expired k", "sortstore k"]),
        ("LMOVE l k LEFT LEFT", ["expired k", "lpush k", "lpop l", "del l"]), ("COPY s k", ["expired k", "copy_to k"]),
        ("SUNIONSTORE k set", ["expired k", "sunionstore k"]), ("ZUNIONSTORE k 1 set", ["expired k", "zunionstore k"]),
        ("BITOP NOT k s", ["expired k", "set k"]), ("PFMERGE k", ["expired k", "pfadd k"]),
        ("MSETEX 1 k v", ["expired k", "set k"]), ("TYPE k", ["expired k"]), ("OBJECT ENCODING k", ["expired k"]),
        ("PERSIST k", ["expired k"]), ("BLPOP k 0", ["expired k"]), ("MEMORY USAGE k", ["expired k"]),
    ])
    func whatHasExpiredGoesBeforeTheCommandChangesAnything(line: String, events: [String]) {
        prepare("SET k v PX 5", "SET s v", "RPUSH l a", "SADD set a")
        let before = run("DBSIZE")
        run(line)
        #expect(listener.events == events.map { "0 \($0)" })
        #expect(before == ":4\r\n" && engine.statistics.expiredKeys == 1)
        engine.database(0).checkInvariants()
    }

    @Test func aKeyOfAnotherDatabaseGoesBeforeItIsWritten() {
        prepare("SET k old PX 5", database: 1)
        prepare("SET k new")
        #expect(run("MOVE k 1") == ":1\r\n")
        #expect(listener.events == ["1 expired k", "0 move_from k", "1 move_to k"])
        #expect(engine.database(1).count == 1 && run("GET k", database: 1) == "$3\r\nnew\r\n")
        prepare("SET k old PX 5", database: 2)
        prepare("SET k copied")
        #expect(run("COPY k k DB 2") == ":1\r\n")
        #expect(listener.events == ["2 expired k", "2 copy_to k"])
        #expect(engine.database(2).count == 1 && run("GET k", database: 2) == "$6\r\ncopied\r\n")
    }

    @Test func theLastOfSeveralDestinationsGoesToo() {
        prepare("GEOADD places 1 1 here", "SET a v PX 5", "SET b v PX 5")
        #expect(run("GEORADIUS places 1 1 1 m STORE a STORE b") == ":1\r\n")
        #expect(listener.events == ["0 expired a", "0 expired b", "0 georadiusstore b"])
        #expect(run("DBSIZE") == ":2\r\n" && run("ZCARD b") == ":1\r\n")
    }

    @Test func aKeySetTwiceWithATimeInThePastIsOneKey() {
        #expect(run("MSETEX 2 a 1 a 2 PXAT 5") == ":1\r\n")
        #expect(run("DBSIZE") == ":1\r\n" && run("GET a") == "_\r\n" && run("DBSIZE") == ":0\r\n")
    }

    @Test func whatAPatternLeadsToGoesWhenItIsMet() {
        prepare("RPUSH l a b", "SET w_a 2", "SET w_b 1 PX 5")
        #expect(run("SORT l BY w_* GET w_*") == "*2\r\n_\r\n$1\r\n2\r\n")
        #expect(listener.events == ["0 expired w_b"])
    }

    @Test func nothingGoesWhileRemovalIsSuspended() {
        prepare("SET k v PX 5")
        engine.removesExpiredKeys = false
        #expect(run("GET k") == "_\r\n" && run("EXISTS k") == ":0\r\n" && run("DBSIZE") == ":1\r\n")
        #expect(engine.expireCycle(budget: 10) && listener.events.isEmpty)
        engine.removesExpiredKeys = true
        #expect(run("GET k") == "_\r\n" && run("DBSIZE") == ":0\r\n" && listener.events == ["0 expired k"])
    }

    @Test func scansRemoveWhatTheyMeet() {
        prepare("SET k v PX 5", "SET l v PX 5", "SET stays v")
        #expect(run("KEYS *") == "*1\r\n$5\r\nstays\r\n" && run("DBSIZE") == ":3\r\n")
        #expect(run("SCAN 0 COUNT 100") == "*2\r\n$1\r\n0\r\n*1\r\n$5\r\nstays\r\n" && run("DBSIZE") == ":1\r\n")
        prepare("SET k v PX 5", "DEL stays")
        #expect(run("RANDOMKEY") == "_\r\n" && run("DBSIZE") == ":0\r\n")
    }

    /// The time must have passed, not only come: as long as a key is there, its time to live is not negative.
    @Test func aKeyLivesThroughItsLastMillisecond() {
        run("SET k v PXAT 1000100")
        engine.setTime(1_000_100)
        #expect(run("PTTL k") == ":0\r\n")
        engine.setTime(1_000_101)
        #expect(run("PTTL k") == ":-2\r\n")
    }
}
