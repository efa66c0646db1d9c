// Random lists against an array, with every size of node, compressed and not; conversions; and giving all memory
// back.

import RespCodec
import TestSupport
import Testing

@testable import StoreEngine

struct ListValueTests {
    /// Limits of nodes that a run is made with.
    struct Setup: CustomStringConvertible {
        var packedSize = -2
        var depth = 0
        var plain = 1 << 30
        /// How long elements mostly are.
        var length = 12

        var description: String { "size \(packedSize), depth \(depth), plain from \(plain), length \(length)" }
    }

    static let setups = [
        Setup(), Setup(packedSize: -1, length: 60), Setup(packedSize: -5, length: 300), Setup(packedSize: 1),
        Setup(packedSize: 3), Setup(packedSize: 16, length: 200), Setup(packedSize: 128, depth: 1),
        Setup(packedSize: -1, depth: 1, length: 90), Setup(packedSize: 2, depth: 2, length: 60),
        Setup(packedSize: -2, depth: 3, length: 500), Setup(packedSize: 4, plain: 20),
        Setup(packedSize: -1, depth: 1, plain: 40, length: 35), Setup(packedSize: 1, depth: 1, plain: 1),
    ]

    private func engine(_ setup: Setup) -> Engine {
        let engine = Engine(databases: 1, seed: 1)
        engine.settings.listMaxPackedSize = setup.packedSize
        engine.settings.listCompressDepth = setup.depth
        engine.settings.listPlainElementSize = setup.plain
        return engine
    }

    private func element(_ setup: Setup, _ random: inout RandomSource) -> [UInt8] {
        switch random.below(12) {
        case 0...2: return Array(String(random.below(20)).utf8)
        case 3: return Array(String(Int(bitPattern: UInt(random.next() >> (random.next() % 64)))).utf8)
        case 4: return []
        case 5: return [UInt8](repeating: 120, count: random.below(40) == 0 ? 9000 : setup.length * 3)
        case 6: return (0..<setup.length).map { _ in UInt8(truncatingIfNeeded: random.next() >> 30) }
        default: return [UInt8](repeating: UInt8(97 + random.below(3)), count: random.below(setup.length) + 1)
        }
    }

    private func contents(_ list: ListValue) -> [[UInt8]] {
        var all: [[UInt8]] = []
        list.forEach { all.append($0.withBytes { $0.array }) }
        return all
    }

    @Test(arguments: setups) func operationsAgreeWithAnArray(_ setup: Setup) throws {
        for seed in 1...3 as ClosedRange<UInt64> {
            let engine = engine(setup)
            let writer = ReplyWriter(capacity: 64)
            defer { writer.deallocate() }
            let context = KeyspaceContext(engine, database: engine.database(0), reply: writer)
            var random = RandomSource(seed: TestSeed.fixed(seed))
            let before = engine.dataBytes
            var model: [[UInt8]] = []
            for step in 0..<4000 {
                let list = try context.listMade(at: "list")
                let message: Comment = "seed \(seed), step \(step)"
                let value = element(setup, &random)
                // The list grows for a while, then shrinks, and so on, and is emptied by some of the trims.
                let grows = step / 500 % 2 == 0
                switch random.below(100) {
                case 0..<(grows ? 50 : 20):
                    let end: ListEnd = random.below(2) == 0 ? .head : .tail
                    for _ in 0..<random.below(4) {
                        value.withByteSlice { list.append($0, at: end) }
                        model.insert(value, at: end == .head ? 0 : model.count)
                    }
                case 50..<58:
                    let pivot = model.isEmpty || random.below(9) == 0 ? value : model[random.below(model.count)]
                    let after = random.below(2) == 0
                    let isThere = value.withByteSlice { value in
                        pivot.withByteSlice { list.insert(value, nextTo: $0, after: after) }
                    }
                    let index = model.firstIndex(of: pivot)
                    #expect(isThere == (index != nil), message)
                    if let index { model.insert(value, at: after ? index + 1 : index) }
                case 58..<66:
                    let index = random.below(model.count + 3) - 1
                    let isThere = value.withByteSlice { list.replace(at: index, with: $0) }
                    #expect(isThere == model.indices.contains(index), message)
                    if isThere { model[index] = value }
                case 66..<(grows ? 70 : 85):
                    for _ in 0..<random.below(5) where !model.isEmpty {
                        let end: ListEnd = random.below(2) == 0 ? .head : .tail
                        let popped = list.element(at: end).withBytes { $0.array }
                        list.removeElement(at: end)
                        #expect(popped == model.remove(at: end == .head ? 0 : model.count - 1), message)
                    }
                case 85..<90:
                    let start = random.below(model.count + 1)
                    let count = min(random.below(random.below(20) == 0 ? 500 : 20), model.count - start)
                    context.free(list.remove(from: start, count: count))
                    model.removeSubrange(start..<start + count)
                case 90..<94:
                    let value = model.isEmpty ? value : model[random.below(model.count)]
                    let backwards = random.below(2) == 0
                    let limit = random.below(3) == 0 ? Int.max : 1 + random.below(4)
                    let removed = value.withByteSlice { list.removeMatches($0, backwards: backwards, limit: limit) }
                    var places = model.indices.filter { model[$0] == value }
                    if backwards { places.reverse() }
                    places = Array(places.prefix(limit))
                    for place in places.sorted(by: >) { model.remove(at: place) }
                    #expect(removed == places.count, message)
                default:
                    let index = random.below(model.count + 2)
                    let found = list.withElement(at: index) { $0?.withBytes { $0.array } }
                    #expect(found == (model.indices.contains(index) ? model[index] : nil), message)
                    let backwards = random.below(2) == 0
                    var seen: [[UInt8]] = []
                    list.visit(from: index, backwards: backwards) {
                        seen.append($0.withBytes { $0.array })
                        return seen.count < 12
                    }
                    if index < model.count {
                        let wanted = backwards ? Array(model[...index].reversed()) : Array(model[index...])
                        #expect(seen == Array(wanted.prefix(12)), message)
                    }
                    var places: [Int] = []
                    value.withByteSlice { value in
                        list.forEachMatch(PackedValue(value), backwards: backwards, limit: 200) {
                            places.append($0)
                            return true
                        }
                    }
                    let order = Array((backwards ? model.reversed() : model).prefix(200))
                    #expect(places == order.indices.filter { order[$0] == value }, message)
                }
                #expect(list.count == model.count, message)
                if random.below(8) == 0 && list.count > 0 { list.shrink() }
                if random.below(20) == 0 {
                    list.checkInvariants()
                    try #require(contents(list) == model, message)
                }
            }
            let list = try context.listMade(at: "list")
            try #require(contents(list) == model, "seed \(seed)")
            #expect(run(engine, "COPY", "list", "copy") == ":1\r\n")
            #expect(try context.list(at: "copy", .peek).map(contents) == model, "seed \(seed)")
            #expect(run(engine, "DEL", "list", "copy") == ":2\r\n")
            while engine.hasGarbage { engine.freeSlice() }
            #expect(engine.dataBytes == before, "seed \(seed)")
            engine.database(0).allocator.checkInvariants()
        }
    }

    // MARK: commands

    private func run(_ engine: Engine, _ words: String...) -> String {
        String(decoding: engine.execute(words.map { Array($0.utf8) }), as: UTF8.self)
    }

    private func encoding(_ engine: Engine) -> String {
        String(run(engine, "OBJECT", "ENCODING", "l").split(separator: "\r\n").last ?? "")
    }

    @Test func aMillionElementsTakeTheirBytesAndLittleMore() {
        let engine = engine(Setup())
        let before = engine.dataBytes
        for number in 0..<100_000 {
            let text = "element:" + String(1_000_000_000_000 + number).dropFirst()
            _ = run(engine, "RPUSH", "l", text)
        }
        #expect(run(engine, "STRLEN", "l").hasPrefix("-WRONGTYPE"))
        #expect((engine.dataBytes - before) / 100_000 <= 22)
        let slot = MemoryLayout<UInt64>.size
        #expect(run(engine, "MEMORY", "USAGE", "l", "SAMPLES", "0") == ":\(engine.dataBytes - before + slot)\r\n")
        #expect(run(engine, "LTRIM", "l", "40000", "40001") == "+OK\r\n")
        #expect(run(engine, "LRANGE", "l", "0", "-1").contains("element:000000040000\r\n$20\r\nelement:000000040001"))
        while engine.hasGarbage { engine.freeSlice() }
        #expect(engine.dataBytes - before < 500)
    }

    @Test func aListBecomesLargeBeforeItExceedsItsLimitAndSmallAtHalfOfIt() {
        let engine = engine(Setup(packedSize: 4))
        _ = run(engine, "RPUSH", "l", "a", "b", "c", "d")
        #expect(encoding(engine) == "listpack")
        _ = run(engine, "RPUSH", "l", "e")
        #expect(encoding(engine) == "quicklist")
        _ = run(engine, "LPOP", "l", "4")
        // One node is left, and one element of it.
        #expect(encoding(engine) == "listpack")
        _ = run(engine, "RPUSH", "l", String(repeating: "x", count: 8200))
        #expect(encoding(engine) == "quicklist")
        _ = run(engine, "RPOP", "l")
        #expect(encoding(engine) == "listpack")
    }

    @Test func pushesAtOneEndAndPopsAtTheOtherKeepTheListSmall() {
        let engine = engine(Setup())
        for number in 0..<2000 { _ = run(engine, "LPUSH", "l", "element:\(number)") }
        let before = engine.dataBytes
        for number in 2000..<60_000 {
            _ = run(engine, "LPUSH", "l", "element:\(number)")
            let popped = "element:\(number - 2000)"
            #expect(run(engine, "RPOP", "l") == "$\(popped.utf8.count)\r\n\(popped)\r\n")
        }
        #expect(engine.dataBytes <= before + 20_000)
    }
}
