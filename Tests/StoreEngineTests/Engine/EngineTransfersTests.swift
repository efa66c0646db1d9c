// Keys that go to another server: the requests make the same keys there, and what is acknowledged is removed and told as one DEL.

import RespCodec
import Testing

@testable import StoreEngine

@Suite final class EngineTransfersTests {
    private let writer = ReplyWriter()

    deinit { writer.deallocate() }

    private func run(_ engine: Engine, _ words: String...) -> String {
        String(decoding: engine.execute(words.map { Array($0.utf8) }), as: UTF8.self)
    }

    private func arguments(_ words: String...) -> OwnedArguments { OwnedArguments(words.map { Array($0.utf8) }) }

    private func present(_ engine: Engine, _ request: OwnedArguments, _ range: Range<Int>) -> [Int] {
        defer { withExtendedLifetime(request) {} }
        return engine.presentKeys(of: request.view, in: range, database: 0, reply: writer, options: [])
    }

    /// The words of the request that makes a key; empty if there is none.
    private func request(_ engine: Engine, _ key: String, replaces: Bool = false) -> [[UInt8]] {
        writer.removeAll()
        let isThere = Array(key.utf8).withByteSlice {
            engine.writeRestore(of: $0, database: 0, replaces: replaces, to: writer)
        }
        guard isThere else {
            #expect(writer.count == 0)
            return []
        }
        var rest = Array(writer.written(0..<writer.count).array.dropFirst(4))
        var words: [[UInt8]] = []
        while let end = rest.firstIndex(of: 0x0A) {
            let count = Int(String(decoding: rest[1..<end - 1], as: UTF8.self))!
            words.append(Array(rest[(end + 1)..<(end + 1 + count)]))
            rest.removeFirst(end + 3 + count)
        }
        #expect(rest.isEmpty)
        return words
    }

    @Test func keysThatAreThere() {
        let engine = Engine(seed: 1)
        engine.setTime(1000)
        for key in ["a", "b", "c"] { _ = run(engine, "SET", key, "v", "PX", key == "b" ? "10" : "100") }
        let request = arguments("MIGRATE", "a", "none", "b", "c", "a")
        #expect(present(engine, request, 1..<6) == [1, 3, 4, 5])
        engine.setTime(1050)
        #expect(present(engine, request, 2..<6) == [4, 5])
        // It was removed.
        #expect(engine.database(0).count == 2)
        engine.setTime(1200)
        engine.removesExpiredKeys = false
        #expect(present(engine, request, 1..<6) == [] && engine.database(0).count == 2)
    }

    @Test func requestsMakeTheSameKeys() throws {
        let (engine, other) = (Engine(seed: 1), Engine(seed: 2))
        for one in [engine, other] { one.setTime(1000) }
        _ = run(engine, "SET", "s", "text", "PX", "500")
        _ = run(engine, "RPUSH", "l", "1", "two", "3.5")
        _ = run(engine, "ZADD", "z", "1.5", "m")
        engine.setTime(1200)
        let words = request(engine, "s")
        #expect(words.count == 4 && words[0] == Array("RESTORE".utf8) && words[2] == Array("300".utf8))
        for key in ["s", "l", "z"] { #expect(other.execute(request(engine, key)) == Array("+OK\r\n".utf8)) }
        #expect(run(other, "GET", "s") == "$4\r\ntext\r\n" && run(other, "PTTL", "s") == ":300\r\n")
        #expect(run(other, "LRANGE", "l", "0", "-1") == run(engine, "LRANGE", "l", "0", "-1"))
        #expect(
            run(other, "ZRANGE", "z", "0", "-1", "WITHSCORES") == run(engine, "ZRANGE", "z", "0", "-1", "WITHSCORES"))
        #expect(other.execute(request(engine, "l")).starts(with: Array("-BUSYKEY".utf8)))
        #expect(other.execute(request(engine, "l", replaces: true)) == Array("+OK\r\n".utf8))
        #expect(request(engine, "none").isEmpty)
        // The millisecond of its deadline still counts, and 0 would stand for none.
        engine.setTime(1500)
        #expect(request(engine, "s").dropFirst(2).first == Array("1".utf8))
        engine.setTime(1501)
        #expect(request(engine, "s").isEmpty)
    }

    @Test func whatWasAcknowledgedGoesAsOneDeletion() {
        let engine = Engine(seed: 1)
        let log = EffectLog()
        engine.setTime(1000)
        engine.effectSink = log
        for key in ["a", "b", "c", "d"] { _ = run(engine, "SET", key, "v") }
        _ = run(engine, "PEXPIRE", "c", "10")
        engine.endEffects()
        log.removeFirst(log.wholeCount)
        engine.setTime(2000)
        engine.removesExpiredKeys = false
        let changes = engine.changeCount
        let request = arguments("MIGRATE", "a", "none", "c", "a", "d")
        engine.removeTransferred([1, 2, 3, 4], of: request.view, database: 0)
        engine.endEffects()
        #expect(
            String(decoding: log.bytes, as: UTF8.self).replacing("\r\n", with: " ") == "*3 $3 DEL $1 a $1 c ")
        #expect(engine.changeCount == changes + 2 && engine.database(0).count == 2)
        // The next command tells only of itself.
        log.removeFirst(log.wholeCount)
        engine.removeTransferred([2], of: request.view, database: 0)
        _ = run(engine, "DEL", "none")
        #expect(log.bytes.isEmpty && engine.changeCount == changes + 2)
        withExtendedLifetime(request) {}
    }
}
