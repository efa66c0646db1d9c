// Entries of a snapshot go to the table in batches: what is told of a key that is there twice, of damage and of progress is what would be
// told if each went at once.

import RespCodec
import Testing

@testable import StoreEngine

struct EntryBatchTests {
    private static let capacity = EntryBatch.capacity
    /// Numbers of keys around the size of a batch.
    private static let counts = [0, 1, 2, capacity - 1, capacity, capacity + 1, 3 * capacity - 1, 3 * capacity, 200]

    /// A snapshot without a checksum, as it is put together.
    private struct Snapshot {
        var bytes = Array("REDIS0011".utf8)

        mutating func select(_ database: UInt8) { bytes += [RDBOpcode.database.rawValue, database] }

        /// A string of `size` bytes, 16,383 at most.
        mutating func set(_ key: String, size: Int = 3) {
            bytes += [RecordType.string.rawValue, UInt8(key.utf8.count)]
            bytes += key.utf8
            bytes += [0x40 | UInt8(size >> 8), UInt8(size & 0xFF)]
            bytes += [UInt8](repeating: UInt8(ascii: "v"), count: size)
        }

        mutating func end() { bytes += [RDBOpcode.end.rawValue] + [UInt8](repeating: 0, count: 8) }
    }

    private func makeEngine() -> Engine { Engine(databases: 4, seed: 5) }

    private func names(_ engine: Engine, database: Int = 0) -> Set<String> {
        var names: Set<String> = []
        engine.database(database).forEachEntry { names.insert($0.key.description) }
        return names
    }

    private func load(_ bytes: [UInt8], _ engine: Engine, replacing: Bool = false) throws(SnapshotError) {
        var failure: SnapshotError?
        bytes.withByteSlice { bytes in
            do throws(SnapshotError) {
                try engine.load(bytes, replacing: replacing)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
    }

    @Test(arguments: counts) func allKeysArrive(count: Int) throws {
        var snapshot = Snapshot()
        for index in 0..<count { snapshot.set("key:\(index)") }
        snapshot.end()
        let engine = makeEngine()
        try load(snapshot.bytes, engine)
        #expect(names(engine) == Set((0..<count).map { "key:\($0)" }))
    }

    /// Keys before it stay, those behind it do not come, and nothing is left of them.
    @Test(arguments: counts.dropFirst()) func aKeyThatIsThereTwiceIsToldOfWithItsPlace(count: Int) throws {
        for behind in [0, 1, Self.capacity] {
            var snapshot = Snapshot()
            for index in 0..<count { snapshot.set("key:\(index)") }
            let start = snapshot.bytes.count
            snapshot.set("key:\(count / 2)")
            let end = snapshot.bytes.count
            // Of blocks of their own, too.
            for index in 0..<behind { snapshot.set("behind:\(index)", size: index % 2 == 0 ? 3 : 5000) }
            snapshot.end()
            let engine = makeEngine()
            let error = #expect(throws: SnapshotError.self) { try load(snapshot.bytes, engine) }
            #expect(error?.reason.contains("twice") == true)
            #expect(error?.recordOffset == start && error?.offset == end)
            #expect(error?.key == Array("key:\(count / 2)".utf8))
            #expect(error?.activity == .readingValue && error?.type?.number == 0)
            #expect(error?.contents.keyCount == count)
            #expect(names(engine) == Set((0..<count).map { "key:\($0)" }))
            while engine.hasGarbage { engine.freeSlice() }
            let allocator = engine.database(0).allocator
            let usedBytes = allocator.usedBytes
            allocator.checkInvariants()
            let other = makeEngine()
            try load(Array(snapshot.bytes[..<start] + [0xFF] + [UInt8](repeating: 0, count: 8)), other)
            #expect(usedBytes == other.database(0).allocator.usedBytes)
        }
    }

    @Test(arguments: counts) func whatCameBeforeDamageStays(count: Int) {
        for cut in [0, 1, 3] {
            var snapshot = Snapshot()
            for index in 0..<count { snapshot.set("key:\(index)") }
            let start = snapshot.bytes.count
            snapshot.set("cut")
            let engine = makeEngine()
            let error = #expect(throws: SnapshotError.self) {
                try load(Array(snapshot.bytes[..<(start + cut)]), engine)
            }
            #expect(error?.recordOffset == start && error?.contents.keyCount == count)
            #expect(names(engine).count == count)
        }
    }

    /// The key that is there twice comes first in the file, so it is what is told of.
    @Test func aKeyThatIsThereTwiceComesBeforeDamageBehindIt() {
        var snapshot = Snapshot()
        snapshot.set("key")
        let start = snapshot.bytes.count
        snapshot.set("key")
        snapshot.bytes += [250, 1]
        let engine = makeEngine()
        let error = #expect(throws: SnapshotError.self) { try load(snapshot.bytes, engine) }
        #expect(error?.recordOffset == start && error?.reason.contains("twice") == true)
    }

    @Test func keysOfDatabasesDoNotMix() throws {
        var snapshot = Snapshot()
        for index in 0..<3 * Self.capacity {
            snapshot.select(UInt8(index % 3))
            snapshot.set("key:\(index / 3)")
        }
        snapshot.end()
        let engine = makeEngine()
        try load(snapshot.bytes, engine)
        for database in 0..<3 {
            #expect(names(engine, database: database) == Set((0..<Self.capacity).map { "key:\($0)" }))
        }
    }

    @Test func theLastOfTwoReplacesTheFirst() throws {
        var snapshot = Snapshot()
        for index in 0..<Self.capacity * 2 { snapshot.set("key:\(index % 10)", size: 1 + index) }
        snapshot.end()
        let engine = makeEngine()
        try load(snapshot.bytes, engine, replacing: true)
        var sizes: [Int] = []
        engine.database(0).forEachEntry { sizes.append($0.valueSize) }
        #expect(sizes.sorted() == Array(Self.capacity * 2 - 9...Self.capacity * 2))
        engine.database(0).allocator.checkInvariants()
    }

    /// Whoever is told of progress finds all the keys that were read.
    @Test func progressIsToldOfKeysThatAreThere() throws {
        var snapshot = Snapshot()
        for index in 0..<100 { snapshot.set("key:\(index)") }
        snapshot.end()
        let engine = makeEngine()
        var counts: [Int] = []
        var loading = SnapshotLoading()
        loading.progressInterval = 0
        loading.progress = { _ in
            counts.append(engine.database(0).count)
            return true
        }
        try engine.load(from: Input(snapshot.bytes), loading)
        #expect(counts == Array(1...100))
    }

    private final class Input: SnapshotInput {
        private var rest: ArraySlice<UInt8>
        let byteCount: Int

        init(_ bytes: [UInt8]) {
            rest = bytes[...]
            byteCount = bytes.count
        }

        func read(to target: UnsafeMutableRawBufferPointer) -> Int {
            let taken = rest.prefix(target.count)
            target.copyBytes(from: taken)
            rest = rest.dropFirst(taken.count)
            return taken.count
        }
    }
}
