// Which events are told of, to whom, and that nobody pays for them while they are off or nobody is subscribed.

import RespCodec
import StoreEngine
import Testing

@testable import RespServer

@Suite struct KeyspaceEventsTests {
    /// What is published while some commands run: channel and message.
    private func published(_ classes: String, _ lines: String) -> [String] {
        let one = ScriptedServer("notify-keyspace-events \"\(classes)\"\n")
        let (subscriber, client) = (one.connect(), one.connect())
        subscriber.pieces = [requests("PSUBSCRIBE __key*__:*")]
        one.run()
        let start = subscriber.received.count
        client.pieces = [requests(lines)]
        one.run()
        let words = String(decoding: subscriber.received[start...], as: UTF8.self).split(separator: "\r\n")
            .filter { !"*$".contains($0.first!) }
        return stride(from: 0, to: words.count, by: 4).map { "\(words[$0 + 2]) \(words[$0 + 3])" }
    }

    @Test func bothChannels() {
        #expect(
            published("KEA", "SELECT 3\nSET k v EX 100\nDEL k") == [
                "__keyspace@3__:k set", "__keyevent@3__:set k", "__keyspace@3__:k expire", "__keyevent@3__:expire k",
                "__keyspace@3__:k del", "__keyevent@3__:del k",
            ])
        #expect(published("E$", "SET k v EX 100\nDEL k") == ["__keyevent@0__:set k"])
        #expect(published("Kg", "SET k v EX 100\nDEL k") == ["__keyspace@0__:k expire", "__keyspace@0__:k del"])
        #expect(published("K", "SET k v") == [] && published("A", "SET k v") == [] && published("", "SET k v") == [])
    }

    @Test func everyClass() {
        let lines = """
            GET none
            SET k v
            EXPIRE k 100
            RPUSH l a
            SADD s a
            HSET h f v
            ZADD z 1 a
            XADD x * f v
            SET gone v PX 100000
            """
        for (letter, events) in [
            ("$", "set set"), ("g", "expire expire"), ("l", "rpush"), ("s", "sadd"), ("h", "hset"), ("z", "zadd"),
            ("t", "xadd"), ("m", "keymiss"), ("n", "new new new new new new new"), ("d", ""), ("x", ""), ("e", ""),
        ] {
            let names = published("E\(letter)", lines).map { $0.split(separator: ":")[1].split(separator: " ")[0] }
            #expect(names.joined(separator: " ") == events, "\(letter)")
        }
    }

    /// The engine tells of changes only while an event could reach somebody.
    @Test func whoListens() {
        let one = ScriptedServer("notify-keyspace-events KEAmn\n")
        let client = one.connect()
        func engineTells(_ lines: String) -> [Bool] {
            client.pieces = [requests(lines)]
            one.run()
            return [one.server.engine.isObserved, one.server.engine.tellsNotices]
        }
        #expect(engineTells("HELLO 3\nSET k v\nSSUBSCRIBE c") == [false, false])
        #expect(engineTells("SUBSCRIBE c") == [true, true])
        #expect(engineTells("CONFIG SET notify-keyspace-events KEA") == [true, false])
        #expect(engineTells("CONFIG SET notify-keyspace-events KE") == [false, false])
        #expect(engineTells("CONFIG SET notify-keyspace-events Km") == [true, true])
        #expect(engineTells("PSUBSCRIBE p\nUNSUBSCRIBE") == [true, true])
        #expect(engineTells("PUNSUBSCRIBE") == [false, false])
        #expect(engineTells("PSUBSCRIBE p\nRESET") == [false, false])
    }

    @Test func lettersInNormalForm() {
        for (letters, normal) in [
            ("", ""), ("KEA", "AKE"), ("Ag$lshzxet", "A"), ("g$lshzxetdKE", "AKE"), ("mE$", "$Em"), ("nKEA", "AKE"),
            ("KEn$", "$nKE"), ("Kd", "dK"), ("xeg", "gxe"), ("Kmn", "nKm"),
        ] {
            #expect(KeyspaceEventClasses(letters: letters)?.letters == normal, "\(letters)")
        }
        for letters in ["q", "KEz!", "k", " "] { #expect(KeyspaceEventClasses(letters: letters) == nil) }
    }
}
