// Strings in their encodings: at which length they change, what overwriting keeps, and that every byte is given back.

import RespCodec
import TestSupport
import Testing

@testable import StoreEngine

@Suite struct StringValueTests {
    @discardableResult
    private func run(_ engine: Engine, _ words: String...) -> String {
        String(decoding: engine.execute(words.map { Array($0.utf8) }), as: UTF8.self)
    }

    private func encoding(_ engine: Engine, _ key: String) -> String {
        String(run(engine, "OBJECT", "ENCODING", key).dropFirst(1).split(separator: "\r\n")[1])
    }

    @Test func encodingsByWhatIsSet() {
        let engine = Engine(databases: 1, seed: 1)
        for (value, expected) in [
            ("12", "int"), ("-9223372036854775808", "int"), ("9223372036854775808", "embstr"), ("012", "embstr"),
            ("", "embstr"), (String(repeating: "x", count: 44), "embstr"), (String(repeating: "x", count: 45), "raw"),
            (String(repeating: "x", count: 100_000), "raw"),
        ] {
            run(engine, "SET", "k", value)
            #expect(encoding(engine, "k") == expected, "\(value.prefix(50))")
            #expect(run(engine, "STRLEN", "k") == ":\(value.utf8.count)\r\n")
        }
    }

    @Test func aStringThatIsChangedInPlaceIsRaw() {
        let engine = Engine(databases: 1, seed: 1)
        run(engine, "SET", "k", "abc")
        run(engine, "SETRANGE", "k", "1", "x")
        #expect(encoding(engine, "k") == "raw" && run(engine, "GET", "k") == "$3\r\naxc\r\n")
        run(engine, "SET", "k", "abc")
        #expect(encoding(engine, "k") == "embstr")
        run(engine, "SET", "n", "10")
        run(engine, "APPEND", "n", "0")
        #expect(
            encoding(engine, "n") == "raw" && run(engine, "INCR", "n") == ":101\r\n" && encoding(engine, "n") == "int")
    }

    /// Values of every length and deadlines that come and go, each in the place of the one before.
    @Test func overwritingKeepsNothingOfTheOldValue() {
        let engine = Engine(databases: 1, seed: 1)
        engine.setTime(1_000_000)
        // What the table keeps for keys with deadlines stays, and what counts the sizes of values.
        run(engine, "SET", "k", String(repeating: "v", count: 100_000), "PX", "5000")
        run(engine, "DEL", "k")
        let empty = engine.usedBytes
        var random = SeededRandom(seed: TestSeed.ofRun)
        let lengths = [0, 1, 7, 8, 20, 43, 44, 45, 60, 63, 64, 250, 260, 4000, 16_300, 16_400, 100_000]
        for _ in 0..<3000 {
            let value =
                random.below(4) == 0
                ? "\(random.below(1_000_000))"
                : String(repeating: "v", count: lengths[random.below(lengths.count)])
            let hasDeadline = random.below(3) == 0
            if hasDeadline { run(engine, "SET", "k", value, "PX", "5000") } else { run(engine, "SET", "k", value) }
            #expect(run(engine, "GET", "k") == "$\(value.utf8.count)\r\n\(value)\r\n")
            #expect(run(engine, "PTTL", "k") == (hasDeadline ? ":5000\r\n" : ":-1\r\n"))
        }
        run(engine, "DEL", "k")
        while engine.hasGarbage { engine.freeSlice() }
        #expect(engine.usedBytes == empty)
    }

    /// A string grows by zeros and bytes, wherever it lies.
    @Test func stringsGrowAgainstAnArray() {
        let engine = Engine(databases: 1, seed: 1)
        var random = SeededRandom(seed: TestSeed.ofRun)
        var model: [UInt8] = []
        for _ in 0..<400 {
            let piece = (0..<random.below(200)).map { _ in UInt8(97 + random.below(26)) }
            if random.below(2) == 0 {
                _ = engine.execute([Array("APPEND".utf8), Array("k".utf8), piece])
                model += piece
            } else {
                let offset = random.below(model.count + 300)
                _ = engine.execute([Array("SETRANGE".utf8), Array("k".utf8), Array("\(offset)".utf8), piece])
                if !piece.isEmpty {
                    if model.count < offset + piece.count {
                        model += [UInt8](repeating: 0, count: offset + piece.count - model.count)
                    }
                    model.replaceSubrange(offset..<offset + piece.count, with: piece)
                }
            }
        }
        let reply = engine.execute([Array("GET".utf8), Array("k".utf8)])
        #expect(reply == Array("$\(model.count)\r\n".utf8) + model + Array("\r\n".utf8))
    }
}
