// The table against a dictionary, with random operations; its invariants after each batch; and what a scan promises.

import RespCodec
import Testing

@testable import StoreEngine

struct SegmentedTableTests {
    private static func key(_ number: Int) -> [UInt8] { Array("key:\(number)".utf8) }

    @Test(arguments: [1, 2, 3]) func agreesWithADictionary(seed: UInt64) {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        let table = HashTable(allocator: allocator, hash: KeyHash(seed: seed))
        var model: [[UInt8]: [UInt8]] = [:]
        var random = RandomSource(seed: seed)
        for step in 0..<60_000 {
            // Growing first, then shrinking.
            let key = Self.key(random.below(8000))
            let removes = random.below(100) < (step < 30_000 ? 20 : 75)
            key.withByteSlice { key in
                if removes {
                    #expect(table.remove(key) == (model.removeValue(forKey: key.array) != nil))
                } else {
                    let value = Self.key(random.below(1_000_000_000))
                    let isNew = value.withByteSlice { table.set(key, $0) }
                    #expect(isNew == (model.updateValue(value, forKey: key.array) == nil))
                }
            }
            if step % 5000 == 0 { table.table.checkInvariants() }
        }
        table.table.checkInvariants()
        allocator.checkInvariants()
        #expect(table.count == model.count)
        for (key, value) in model { #expect(key.withByteSlice { table.value(of: $0)?.array } == value) }
        var next: Int? = 0
        while let index = next { next = table.deallocateSlice(from: index, budget: 100) }
        #expect(allocator.usedBytes == 0)
    }

    @Test func scanningMissesNothingWhileTheTableChanges() {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        let table = HashTable(allocator: allocator, hash: KeyHash(seed: 7))
        for number in 0..<2000 { Self.key(number).withByteSlice { key in _ = table.set(key, key) } }
        var seen: Set<[UInt8]> = []
        var cursor: UInt64 = 0
        var added = 10_000
        var calls = 0
        repeat {
            unsafe cursor = table.table.scan(cursor) { seen.insert(unsafe FieldEntry($0).field.array) }
            calls += 1
            // Others come and go meanwhile, so that segments grow, split and shrink.
            for _ in 0..<20 where calls % 200 < 150 {
                Self.key(added).withByteSlice { key in _ = table.set(key, key) }
                added += 1
            }
            for number in max(10_000, added - 400)..<added where calls % 3 == 0 && number % 2 == 0 {
                _ = Self.key(number).withByteSlice { table.remove($0) }
            }
        } while cursor != 0 && calls < 1_000_000
        #expect(cursor == 0)
        for number in 0..<2000 { #expect(seen.contains(Self.key(number))) }
    }
}
