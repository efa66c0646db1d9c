// The table against a dictionary, with random operations; its invariants after each batch; and what a scan promises.

import RespCodec
import TestSupport
import Testing

@testable import StoreEngine

struct SegmentedTableTests {
    private static func key(_ number: Int) -> [UInt8] { Array("key:\(number)".utf8) }

    @Test(arguments: [1, 2, 3]) func agreesWithADictionary(seed: UInt64) {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        let table = HashTable(allocator: allocator, hash: KeyHash(seed: seed))
        var model: [[UInt8]: [UInt8]] = [:]
        var random = RandomSource(seed: TestSeed.fixed(seed))
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

    /// A table that once had an entry with a deadline takes no more memory when it has grown than one that never had; one in which an
    /// entry has a deadline takes more for that entry's segment alone.
    @Test func onlySegmentsWithDeadlinesTakeMemoryForThem() {
        func usedBytes(_ deadlines: Int, removing: Bool) -> Int {
            let allocator = SlabAllocator()
            defer { while !allocator.releaseSlice() {} }
            let table = HashTable(allocator: allocator, hash: KeyHash(seed: 5))
            for number in 0..<20_000 + deadlines {
                Self.key(number).withByteSlice { key in
                    _ = table.set(key, key)
                    guard number < deadlines, let slot = table.find(key) else { return }
                    table.setDeadline(1000, at: slot)
                    if removing { _ = table.remove(key) }
                }
            }
            table.table.checkInvariants()
            #expect((table.table.earliestDeadline == 1000) == (deadlines > 0 && !removing))
            return allocator.usedBytes
        }
        let none = usedBytes(0, removing: false)
        // The heap of segments with deadlines stays.
        #expect(usedBytes(1, removing: true) < none + 200)
        #expect(usedBytes(1, removing: false) < none + 1000)
    }

    /// A table with room for expected entries works like any other, with fewer entries or more, and is not larger than one that grew.
    @Test(arguments: [0, 1, 5, 400, 407, 1000, 10_000, 100_000]) func roomForWhatIsExpected(expected: Int) {
        for count in [expected / 10, expected, expected + expected / 3 + 10] {
            let allocator = SlabAllocator()
            defer { while !allocator.releaseSlice() {} }
            let table = HashTable(allocator: allocator, hash: KeyHash(seed: 3), expecting: expected)
            let grown = HashTable(allocator: allocator, hash: KeyHash(seed: 3))
            table.table.checkInvariants()
            for number in 0..<count {
                Self.key(number).withByteSlice { key in
                    _ = table.set(key, key)
                    _ = grown.set(key, key)
                }
            }
            table.table.checkInvariants()
            #expect(table.count == count)
            if count == expected && count >= 1000 {
                #expect(table.table.ownByteCount < grown.table.ownByteCount * 5 / 4)
            }
            for number in 0..<count {
                Self.key(number).withByteSlice { key in #expect(table.value(of: key) == key && table.remove(key)) }
            }
            table.table.checkInvariants()
            for table in [table, grown] {
                var next: Int? = 0
                while let index = next { next = table.deallocateSlice(from: index, budget: 1000) }
            }
            #expect(allocator.usedBytes == 0)
        }
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

    /// Segments are merged under a scan that is anywhere in the table, and split again: what stays is found all the same.
    @Test(arguments: [1, 2]) func scanningMissesNothingWhileTheTableShrinks(seed: UInt64) {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        let table = HashTable(allocator: allocator, hash: KeyHash(seed: seed))
        var random = RandomSource(seed: TestSeed.fixed(seed))
        let stays = 0..<1000
        for number in 0..<40_000 { Self.key(number).withByteSlice { key in _ = table.set(key, key) } }
        var others = Array(1000..<40_000)
        let segments = table.table.segmentCount
        for _ in 0..<2 {
            var seen: Set<[UInt8]> = []
            var cursor: UInt64 = 0
            var calls = 0
            // Shrinks to almost nothing within some part of the scan, and grows again in the rest.
            let shrinksFrom = random.below(1500)
            repeat {
                unsafe cursor = table.table.scan(cursor) { seen.insert(unsafe FieldEntry($0).field.array) }
                calls += 1
                if calls >= shrinksFrom && calls < shrinksFrom + 400 {
                    for _ in 0..<100 where !others.isEmpty {
                        others.swapAt(random.below(others.count), others.count - 1)
                        #expect(Self.key(others.removeLast()).withByteSlice { table.remove($0) })
                    }
                } else if others.count < 39_000 && calls > shrinksFrom + 500 {
                    let added = 40_000 + random.below(1_000_000)
                    if Self.key(added).withByteSlice({ key in table.set(key, key) }) { others.append(added) }
                }
            } while cursor != 0 && calls < 1_000_000
            #expect(cursor == 0)
            table.table.checkInvariants()
            for number in stays { #expect(seen.contains(Self.key(number)), "\(number) was missed") }
            for number in 1000..<40_000 where others.count < 39_000 {
                if Self.key(number).withByteSlice({ key in table.set(key, key) }) { others.append(number) }
            }
        }
        #expect(segments > 64)
    }

    @Test func cursorsThatNoScanReturnedEnd() {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        let table = HashTable(allocator: allocator, hash: KeyHash(seed: 9))
        for number in 0..<5000 { Self.key(number).withByteSlice { key in _ = table.set(key, key) } }
        var random = RandomSource(seed: TestSeed.fixed(9))
        for _ in 0..<200 {
            var cursor = random.next() >> UInt64(random.below(64))
            var calls = 0
            repeat {
                unsafe cursor = table.table.scan(cursor) { _ in }
                calls += 1
            } while cursor != 0 && calls < 10_000
            #expect(cursor == 0)
        }
    }

    /// Deadlines stay known through merges.
    @Test(arguments: [1, 2, 3]) func whatIsLeftOfAShrunkenTableIsFoundWhenItsTimeComes(seed: UInt64) {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        let table = HashTable(allocator: allocator, hash: KeyHash(seed: seed))
        for number in 0..<20_000 {
            Self.key(number).withByteSlice { key in
                _ = table.set(key, key)
                if number % 3 == 0, let slot = table.find(key) { table.setDeadline(Int64(number + 1), at: slot) }
            }
        }
        // Those that expire later go.
        for number in 600..<20_000 { Self.key(number).withByteSlice { #expect(table.remove($0)) } }
        table.table.checkInvariants()
        #expect(table.table.segmentCount < 8)
        var budget = Int.max
        for number in 0..<600 where number % 3 == 0 {
            #expect(!table.removeExpired(now: Int64(number + 1), budget: &budget, willRemove: { _ in }))
            #expect(table.removeExpired(now: Int64(number + 2), budget: &budget, willRemove: { _ in }))
        }
        table.table.checkInvariants()
        #expect(!table.removeExpired(now: 1 << 40, budget: &budget, willRemove: { _ in }))
        #expect(table.earliestDeadline == nil)
        #expect(table.count == 400)
    }
}
