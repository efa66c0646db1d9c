// Goal: what a request is going to take at once is told before it runs. Method: the memory that it has taken afterwards, and, where it was told
// for nothing, that it has taken none.

import RespCodec
import TestSupport
import Testing

@testable import StoreEngine

struct GrowthTests {
    private static let size = 3 << 20

    private let engine: Engine = {
        let engine = Engine(seed: 1)
        engine.setTime(1_800_000_000_000)
        _ = engine.execute([Array("SET".utf8), Array("text".utf8), [UInt8](repeating: 0x61, count: size)])
        _ = engine.execute(["SADD", "set"].map { Array($0.utf8) } + (0..<50_000).map { Array("member:\($0)".utf8) })
        _ = engine.execute(["SET", "other", "x"].map { Array($0.utf8) })
        return engine
    }()

    private func growth(_ words: [[UInt8]]) -> Int {
        let name = String(decoding: words[0], as: UTF8.self)
        guard let growth = Engine.allCommands.first(where: { $0.name == name })?.growth else { return -1 }
        let reply = ReplyWriter()
        defer { unsafe reply.deallocate() }
        let request = OwnedArguments(words)
        defer { withExtendedLifetime(request) {} }
        return engine.growth(growth, request.view, database: 0, reply: reply)
    }

    @Test(arguments: [
        "COPY text new", "COPY set new", "COPY text other REPLACE", "COPY text new DB 1", "BITOP NOT new text",
        "BITOP OR new text gone text", "SETRANGE new 3145728 x",
        "SETRANGE text 6000000 x", "SETBIT new 25165824 1", "BITFIELD new SET u8 0 1 SET u8 25165824 1",
    ])
    func whatIsToldIsTaken(line: String) {
        let words = line.split(separator: " ").map { Array($0.utf8) }
        let told = growth(words)
        let before = engine.usedBytes
        #expect(!engine.execute(words).starts(with: "-".utf8))
        let taken = engine.usedBytes - before
        #expect(told > 1 << 20 && abs(told - taken) < taken / 8, "\(told) is told, \(taken) taken")
    }

    @Test func whatIsDecompressed() {
        let dump = engine.execute(["DUMP", "text"].map { Array($0.utf8) })
        let payload = Array(dump.drop { $0 != 0x0A }.dropFirst().dropLast(2))
        #expect(payload.count < Self.size / 50)
        #expect(growth([Array("RESTORE".utf8), Array("new".utf8), [0x30], payload]) == Self.size)
        #expect(growth([Array("RESTORE".utf8), Array("other".utf8), [0x30], payload]) == 0)
        #expect(growth([Array("RESTORE".utf8), Array("new".utf8), Array("-1".utf8), payload]) == 0)
        #expect(growth([Array("RESTORE".utf8), Array("new".utf8), [0x30], payload.dropLast() + [0]]) == 0)
        let before = engine.usedBytes
        _ = engine.execute([Array("RESTORE".utf8), Array("new".utf8), [0x30], payload])
        #expect(engine.usedBytes - before < Self.size + Self.size / 8)
        for end in 0..<20 {
            #expect(growth([Array("RESTORE".utf8), Array("new".utf8), [0x30], Array(payload[..<end])]) <= Self.size)
        }
    }

    @Test(arguments: [
        "COPY gone new", "BITOP AND new gone", "BITOP", "SETRANGE text 0 x", "SETRANGE new -1 x",
        "SETRANGE new 9223372036854775807 x",
        "SETRANGE new x x", "SETRANGE set 6000000 x", "SETBIT text 8 1", "SETBIT new -1 1",
        "SETBIT new 99999999999999999999 1",
        "COPY text other", "COPY text new DB 99", "COPY text text REPLACE", "COPY text new REPLACE x",
        "BITOP NOT new text text",
        "BITOP OR new text set", "BITOP XYZ new text", "BITOP NOT text text", "SETBIT new 25165824 2",
        "SETBIT set 25165824 1",
        "BITFIELD new GET u8 25165824", "BITFIELD new SET u8 x 1", "BITFIELD new SET", "BITFIELD new",
        "RESTORE new 0 x",
        "RESTORE new 0 ", "SETRANGE new 6000000 ",
    ])
    func nothingIsToldOfWhatTakesNothing(line: String) {
        #expect(
            (0...1).contains(
                growth(line.split(separator: " ", omittingEmptySubsequences: false).map { Array($0.utf8) })), "\(line)")
    }
}
