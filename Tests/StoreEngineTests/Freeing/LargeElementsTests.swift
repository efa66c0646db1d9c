import RespCodec
import Testing

@testable import StoreEngine

/// A slice frees a bounded number of bytes, not only of elements.
struct LargeElementsTests {
    private static let elementCount = 200
    private static let elementSize = 100_000

    private func element(_ number: Int) -> [UInt8] {
        [UInt8](repeating: UInt8(ascii: "x"), count: Self.elementSize) + Array(String(number).utf8)
    }

    private func words(_ texts: String...) -> [[UInt8]] { texts.map { Array($0.utf8) } }

    /// Frees everything, and returns the most that one slice has freed.
    private func mostOfSlice(_ engine: Engine) -> Int {
        var most = 0
        while engine.hasGarbage {
            let before = engine.usedBytes
            engine.freeSlice()
            most = max(most, before - engine.usedBytes)
        }
        return most
    }

    @Test(arguments: ["HSET", "SADD", "RPUSH", "ZADD"])
    func largeElementsOfOneValueAreFreedSomeAtATime(_ command: String) {
        let engine = Engine(seed: 7)
        let empty = engine.usedBytes
        for number in 0..<Self.elementCount {
            let request: [[UInt8]] =
                switch command {
                case "HSET": words("HSET", "k", String(number)) + [element(number)]
                case "ZADD": words("ZADD", "k", "1") + [element(number)]
                default: words(command, "k") + [element(number)]
                }
            #expect(engine.execute(request).first == UInt8(ascii: ":"))
        }
        let full = engine.usedBytes
        #expect(full - empty > Self.elementCount * Self.elementSize)
        _ = engine.execute(words("DEL", "k"))
        #expect(engine.usedBytes > full - 2_000_000)
        #expect(mostOfSlice(engine) < 2_000_000)
        #expect(engine.usedBytes < empty + 100_000)
    }

    @Test func fewLargeElementsToo() {
        let engine = Engine(seed: 7)
        for number in 0..<60 { _ = engine.execute(words("HSET", "k", String(number)) + [element(number)]) }
        let full = engine.usedBytes
        _ = engine.execute(words("DEL", "k"))
        #expect(engine.usedBytes > full - 2_000_000)
        #expect(mostOfSlice(engine) < 2_000_000)
        #expect(engine.usedBytes < 200_000)
    }

    @Test(arguments: ["FLUSHALL", "FLUSHDB"])
    func largeStringsOfADatabase(_ command: String) {
        let engine = Engine(seed: 7)
        for number in 0..<Self.elementCount { _ = engine.execute(words("SET", "k\(number)") + [element(number)]) }
        _ = engine.execute(words("SET", "other", "v"), database: 1)
        _ = engine.execute(words(command))
        #expect(mostOfSlice(engine) < 2_000_000)
        #expect(engine.usedBytes < 1_000_000)
    }

    /// A string that the system has to take back page by page goes in pieces, whatever has taken its key.
    @Test(arguments: ["DEL k", "UNLINK k", "SET k short", "RENAME other k", "FLUSHALL", "FLUSHDB", "APPEND k x"])
    func aHugeString(line: String) {
        let engine = Engine(seed: 7)
        let size = 70 << 20
        _ = engine.execute(words("SET", "other", "v"))
        _ = engine.execute(words("SET", "other", "v"), database: 1)
        let before = engine.usedBytes
        _ = engine.execute(words("SETRANGE", "k", String(size - 1), "x"))
        #expect(engine.usedBytes > before + size)
        _ = engine.execute(line.split(separator: " ").map { Array($0.utf8) })
        if line.hasPrefix("APPEND") {
            #expect(engine.execute(words("STRLEN", "k")) == Array(":\(size + 1)\r\n".utf8))
            _ = engine.execute(words("DEL", "k"))
        }
        #if !ADDRESS_SANITIZER
        #expect(mostOfSlice(engine) <= 3 << 20)
        #endif
        while engine.hasGarbage { engine.freeSlice() }
        #expect(engine.usedBytes < before + 100_000)
    }

    /// What was put aside goes with its allocator, and what is put aside in the middle of that comes first.
    @Test func hugeStringsThatWait() {
        let engine = Engine(seed: 7)
        let before = engine.usedBytes
        for number in 0..<3 { _ = engine.execute(words("SETRANGE", "k\(number)", String(40 << 20), "x")) }
        _ = engine.execute(words("DEL", "k0"))
        engine.freeSlice()
        _ = engine.execute(words("DEL", "k1"))
        engine.freeSlice()
        _ = engine.execute(words("FLUSHALL"))
        while engine.hasGarbage { engine.freeSlice() }
        #expect(engine.usedBytes <= before + 100_000)
    }
}
