// Streams against naive models: entries with random operations in nodes of several sizes, and memory all given back.

import RespCodec
import TestSupport
import Testing

@testable import StoreEngine

private func id(_ milliseconds: UInt64, _ sequence: UInt64 = 0) -> StreamID {
    StreamID(milliseconds: milliseconds, sequence: sequence)
}

/// A stream as a list of its entries.
private struct Model {
    struct Entry: Equatable {
        let id: StreamID
        let content: [[UInt8]]
    }
    var entries: [Entry] = []
    var lastID = StreamID.zero
}

struct StreamValueTests {
    private static let shapes: [StreamValue.Limits] = [
        .init(bytes: 4096, entries: 100), .init(bytes: 0, entries: 3), .init(bytes: 150, entries: 0),
        .init(bytes: 0, entries: 400),
    ]

    private func read(_ stream: StreamValue, from low: StreamID, to high: StreamID, backwards: Bool) -> [Model.Entry] {
        var found: [Model.Entry] = []
        var entries = stream.entries(from: low, to: high, backwards: backwards)
        while let entry = entries.next() {
            var content: [[UInt8]] = []
            entries.forEachField(of: entry) { field, value in
                content.append(field.withBytes { $0.array })
                content.append(value.withBytes { $0.array })
            }
            found.append(Model.Entry(id: entry.id, content: content))
        }
        return found
    }

    private func append(_ entry: Model.Entry, to stream: StreamValue, _ limits: StreamValue.Limits) {
        let words = OwnedArguments(entry.content)
        #expect(stream.append(entry.id, StreamNode.Content(arguments: words.view, first: 0), limits: limits))
        withExtendedLifetime(words) {}
    }

    private func content(_ random: inout RandomSource) -> [[UInt8]] {
        let fields: [[[UInt8]]] = [
            [Array("field".utf8)], [Array("a".utf8), Array("b".utf8)], [Array("12".utf8)],
            [[], Array("x".utf8), Array("-7".utf8)],
        ]
        let lengths = [0, 1, 5, 60, 70, 130, 5000]
        return fields[random.below(10) < 7 ? 1 : random.below(4)].flatMap { field -> [[UInt8]] in
            let length = lengths[random.below(100) < 97 ? random.below(3) : random.below(7)]
            let value =
                random.below(3) == 0
                ? Decimal.text(random.below(1_000_000) - 500_000) : [UInt8](repeating: 0x76, count: length)
            return [field, value]
        }
    }

    @Test(arguments: [0, 1, 2, 3], [1, 2]) func agreesWithAListOfEntries(shape: Int, seed: UInt64) {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        let limits = Self.shapes[shape]
        var random = RandomSource(seed: TestSeed.fixed(seed))
        let stream = StreamValue(allocator)
        var model = Model()
        for step in 0..<4000 {
            let hint: Comment = "shape \(shape), seed \(seed), step \(step)"
            switch random.below(100) {
            case 0..<70:
                var next = model.lastID
                if random.below(3) == 0 {
                    next.sequence += UInt64(1 + random.below(3))
                } else {
                    next.milliseconds += 1 + UInt64(random.below(300))
                }
                let entry = Model.Entry(id: next, content: content(&random))
                append(entry, to: stream, limits)
                model.entries.append(entry)
                model.lastID = next
            case 70..<86:
                let isThere = random.below(4) > 0 && !model.entries.isEmpty
                let place = isThere ? random.below(2) == 0 ? 0 : random.below(model.entries.count) : 0
                let target = isThere ? model.entries[place].id : id(UInt64(random.below(5000)), 1)
                let found = model.entries.contains { $0.id == target }
                #expect(stream.contains(target) == found, hint)
                #expect(stream.delete(target) == found, hint)
                model.entries.removeAll { $0.id == target }
            case 86..<90:
                let maximum = max(model.entries.count - random.below(30), 0)
                #expect(
                    stream.trim(to: .length(maximum), approximately: false, most: 0) == model.entries.count - maximum,
                    hint)
                model.entries.removeFirst(model.entries.count - maximum)
            case 90..<92:
                let maximum = max(model.entries.count - random.below(60), 0)
                let deleted = stream.trim(to: .length(maximum), approximately: true, most: random.below(2) * 40)
                #expect(deleted <= model.entries.count - maximum, hint)
                model.entries.removeFirst(deleted)
            case 92..<94 where !model.entries.isEmpty:
                let minimum = model.entries[min(random.below(40), model.entries.count - 1)].id
                let deleted = model.entries.count { $0.id < minimum }
                #expect(stream.trim(to: .id(minimum), approximately: false, most: 0) == deleted, hint)
                model.entries.removeFirst(deleted)
            default:
                var bounds = [id(0), StreamID.maximum]
                for place in 0..<2 where random.below(3) > 0 && !model.entries.isEmpty {
                    bounds[place] = model.entries[random.below(model.entries.count)].id
                    if random.below(3) == 0 { bounds[place].sequence += 1 }
                }
                let wanted = model.entries.filter { bounds[0] <= $0.id && $0.id <= bounds[1] }
                #expect(read(stream, from: bounds[0], to: bounds[1], backwards: false) == wanted, hint)
                #expect(read(stream, from: bounds[0], to: bounds[1], backwards: true) == wanted.reversed(), hint)
            }
            #expect(stream.length == model.entries.count && stream.lastID == model.lastID, hint)
            #expect(
                stream.firstID == model.entries.first?.id ?? .zero && stream.lastEntryID == model.entries.last?.id, hint
            )
            if step % 100 == 0 { stream.checkInvariants() }
        }
        stream.checkInvariants()
        guard let copy = stream.copied(to: allocator, hash: KeyHash(seed: 1)) as? StreamValue else {
            return #expect(Bool(false))
        }
        copy.checkInvariants()
        #expect(read(copy, from: .zero, to: .maximum, backwards: false) == model.entries)
        // Built again from its nodes, as from a snapshot.
        let built = StreamValue(allocator)
        stream.forEachNode { built.appendNode($0.id, $0.list.bytes) }
        built.lastID = stream.lastID
        built.finishBuilding()
        built.checkInvariants()
        #expect(built.length == stream.length && built.firstID == stream.firstID)
        for value in [stream, copy, built] {
            var next = value.deallocateSlice(from: 0, budget: 7)
            while let place = next { next = value.deallocateSlice(from: place, budget: 7) }
        }
        #expect(allocator.usedBytes == 0)
        allocator.checkInvariants()
    }

    /// What XINFO reports of Redis's tree is estimated from the first nodes.
    @Test(arguments: [600, 5000]) func theTreeOfRedisIsEstimatedFromSomeNodes(count: Int) {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        let stream = StreamValue(allocator)
        for number in 1...UInt64(count) {
            append(.init(id: id(number * 1000), content: [[1], [2]]), to: stream, .init(bytes: 0, entries: 1))
        }
        var nodes = 0
        let steps = StepCount.of { nodes = stream.radixNodeCount }
        #expect(stream.nodeCount == count && nodes > count && steps == 512, "\(steps) nodes looked at")
        var next = stream.deallocateSlice(from: 0, budget: 100)
        while let place = next { next = stream.deallocateSlice(from: place, budget: 100) }
    }

    @Test func fullNodesAreTrimmed() {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        let stream = StreamValue(allocator)
        for number in 1...20_000 as ClosedRange<UInt64> {
            append(
                .init(
                    id: id(1_700_000_000_000 + number),
                    content: ["name", "value1234", "n", "567"].map { Array($0.utf8) }), to: stream,
                Self.shapes[0])
        }
        var bytes = 0
        stream.forEachNode { bytes += $0.list.byteCount }
        #expect(allocator.usedBytes < bytes + bytes / 20 + 5000, "\(allocator.usedBytes) bytes for \(bytes)")
        var next = stream.deallocateSlice(from: 0, budget: 100)
        while let place = next { next = stream.deallocateSlice(from: place, budget: 100) }
        #expect(allocator.usedBytes == 0)
    }

    // MARK: the size of Redis's tree

    private final class Trie {
        var children: [UInt8: Trie] = [:]
        func insert(_ bytes: ArraySlice<UInt8>) {
            guard let first = bytes.first else { return }
            let child = children[first] ?? Trie()
            children[first] = child
            child.insert(bytes.dropFirst())
        }
        /// Nodes when chains of only children are one.
        func count(inChain: Bool = false) -> Int {
            if children.count == 1, let child = children.values.first {
                return (inChain ? 0 : 1) + child.count(inChain: true)
            }
            return 1 + children.values.reduce(0) { $0 + $1.count() }
        }
    }

    @Test(arguments: [1, 2, 3]) func countsTheNodesOfARadixTree(seed: UInt64) {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        var random = RandomSource(seed: TestSeed.fixed(seed))
        for _ in 0..<60 {
            let stream = StreamValue(allocator)
            let trie = Trie()
            var next = id(UInt64(random.below(3)))
            for _ in 0..<random.below(60) {
                switch random.below(4) {
                case 0: next.sequence += UInt64(1 + random.below(1000))
                case 1: next = id(next.milliseconds + UInt64(1 + random.below(100_000)))
                default: next = id(next.milliseconds + 1, UInt64(random.below(3)))
                }
                append(.init(id: next, content: [[0x61], [0x62]]), to: stream, .init(bytes: 0, entries: 1))
                let bytes = [next.milliseconds, next.sequence].flatMap { word in
                    (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(56 - 8 * $0)) }
                }
                trie.insert(bytes[...])
            }
            #expect(stream.radixNodeCount == trie.count(), "seed \(seed)")
            while let place = stream.deallocateSlice(from: 0, budget: 1000) { _ = place }
        }
        #expect(allocator.usedBytes == 0)
    }
}
