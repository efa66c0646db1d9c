// Goal: what is in the tables is found and nothing else, whatever was added and removed before, and whichever names share a place.
// Method: random operations beside a dictionary, with hashes of which many are the same.

import RespCodec
import StoreEngine
import TestSupport
import Testing

@testable import RespServer

@Suite struct NamedTableTests {
    private func named(_ name: String, hash: UInt64) -> NamedObject {
        Array(name.utf8).withByteSlice { NamedObject($0, hash: hash) }
    }

    @Test func randomOperations() {
        for (seed, bits) in [(1, 1), (2, 3), (3, 6), (4, 12), (5, 64)] as [(UInt64, UInt64)] {
            var random = SeededRandom(seed: TestSeed.fixed(seed))
            var table = NamedTable<NamedObject>()
            var model: [String: NamedObject] = [:]
            func hash(_ number: Int) -> UInt64 {
                let mixed = UInt64(number) &* 0x9E37_79B9_7F4A_7C15
                return bits == 64 ? mixed : mixed >> (64 - bits)
            }
            func found(_ number: Int) -> NamedObject? {
                Array("n\(number)".utf8).withByteSlice { table.find($0, hash: hash(number)) }
            }
            for step in 0..<6000 {
                // It grows for a while, then shrinks to nothing.
                let number = random.below(300)
                if random.below(6000) > step, model["n\(number)"] == nil {
                    let object = named("n\(number)", hash: hash(number))
                    model["n\(number)"] = object
                    table.insert(object)
                } else if let object = model["n\(number)"] {
                    table.remove(object)
                    model["n\(number)"] = nil
                }
                #expect(table.count == model.count)
                if step % 20 == 0 {
                    for number in 0..<300 {
                        #expect(found(number) === model["n\(number)"], "seed \(seed) step \(step)")
                    }
                    var seen: Set<ObjectIdentifier> = []
                    table.forEach { seen.insert(ObjectIdentifier($0)) }
                    #expect(seen == Set(model.values.map { ObjectIdentifier($0) }))
                    let near = table.element(near: random.below(1000))
                    #expect((near == nil) == model.isEmpty && (near == nil || seen.contains(ObjectIdentifier(near!))))
                }
            }
            for object in model.values { table.remove(object) }
            #expect(table.count == 0 && found(1) == nil)
        }
    }

    @Test func beginningsOfTexts() {
        let engine = Engine(seed: 1)
        let steps = StepCounter()
        var random = SeededRandom(seed: TestSeed.fixed(7))
        var table = PrefixTable<NamedObject>()
        var model: [[UInt8]: NamedObject] = [:]
        func text() -> [UInt8] { (0..<random.below(6)).map { _ in UInt8(97 + random.below(2)) } }
        for step in 0..<3000 {
            let name = text()
            if let object = model[name] {
                table.remove(object)
                model[name] = nil
            } else if random.below(3000) > step {
                let object = name.withByteSlice { NamedObject($0, hash: engine.hash($0)) }
                table.insert(object)
                model[name] = object
            }
            let sample = text()
            var found: [[UInt8]] = []
            let before = steps.count
            sample.withByteSlice { slice in
                table.forEach(beginning: slice, hash: { engine.hash($0) }, steps: steps) { found.append($0.name) }
            }
            #expect(steps.count - before <= sample.count + 1)
            #expect(found == model.keys.filter { sample.starts(with: $0) }.sorted { $0.count < $1.count })
            #expect(table.count == model.count)
        }
    }
}
