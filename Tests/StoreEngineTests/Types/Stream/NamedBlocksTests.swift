// Blocks by their names, few and many, against a sorted array; what finding a place for a name costs, in steps and bytes.

import RespCodec
import TestSupport
import Testing

@testable import StoreEngine

struct NamedBlocksTests {
    private let allocator = SlabAllocator()

    private func makeBlock(_ name: [UInt8]) -> UnsafeMutableRawPointer {
        let block = allocator.allocate(MemoryLayout<StoredName>.stride)
        block.bindMemory(to: StoredName.self, capacity: 1)
            .initialize(to: name.withByteSlice { StoredName($0, allocator) })
        return block
    }

    private func name(of block: UnsafeMutableRawPointer) -> [UInt8] {
        block.assumingMemoryBound(to: StoredName.self).pointee.bytes.array
    }

    private func free(_ block: UnsafeMutableRawPointer) {
        block.assumingMemoryBound(to: StoredName.self).pointee.deallocate(allocator)
        allocator.deallocate(block)
    }

    /// How many names of a sorted array come before this one.
    private func rank(of name: [UInt8], in model: [[UInt8]]) -> Int {
        var (low, high) = (0, model.count)
        while low < high {
            let middle = (low + high) / 2
            if model[middle].lexicographicallyPrecedes(name) { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Names that differ at their beginning or only later, that begin each other, and with zero bytes; `alike`, with one beginning.
    private func randomName(_ random: inout RandomSource, alike: Bool) -> [UInt8] {
        switch alike ? 5 : random.below(7) {
        case 0: (0..<random.below(4)).map { _ in UInt8(random.below(3)) }
        case 1: Array("\(random.below(1500))".utf8)
        case 2: (0..<8).map { _ in UInt8(random.below(256)) }
        case 3: Array("consumer-".utf8.prefix(random.below(10)))
        case 4: Array("consumer".utf8.prefix(random.below(9))) + [UInt8(random.below(256))]
        default: Array("consumer-\(random.below(3000))".utf8)
        }
    }

    @Test(arguments: [1, 2, 3]) func agreesWithASortedArray(seed: UInt64) {
        defer { while !allocator.releaseSlice() {} }
        var random = RandomSource(seed: TestSeed.fixed(seed))
        var blocks = NamedBlocks()
        var model: [[UInt8]] = []
        for step in 0..<12_000 {
            let hint: Comment = "seed \(seed), step \(step)"
            // Up to more than a thousand, down to few, and up again.
            let grows = random.below(100) < (step < 4000 || step > 9000 ? 85 : 15)
            let name =
                grows || model.isEmpty
                ? randomName(&random, alike: step < 1500) : model[random.below(model.count)]
            let place = rank(of: name, in: model)
            let isThere = place < model.count && model[place] == name
            let found = name.withByteSlice { blocks.find($0) }
            #expect(found.map { self.name(of: $0) } == (isThere ? name : nil), hint)
            if let found {
                #expect(blocks[place] == found, hint)
                if !grows {
                    blocks.remove(found, allocator)
                    free(found)
                    model.remove(at: place)
                }
            } else {
                blocks.insert(makeBlock(name), allocator)
                model.insert(name, at: place)
            }
            #expect(blocks.count == model.count)
            if step % 1000 == 0 {
                blocks.checkInvariants()
                var names: [[UInt8]] = []
                blocks.forEach { names.append(self.name(of: $0)) }
                #expect(names == model, hint)
            }
        }
        #expect(model.count > 600)
        while blocks.count > 0 {
            let last = blocks[blocks.count - 1]
            blocks.remove(last, allocator)
            free(last)
            if blocks.count % 200 == 0 { blocks.checkInvariants() }
        }
        #expect(allocator.usedBytes == 0)
    }

    /// Each name that is added in front of all others moves few of them, however many there are.
    @Test func namesInAnyOrderTakeFewSteps() {
        defer { while !allocator.releaseSlice() {} }
        var blocks = NamedBlocks()
        let count = 20_000
        for number in 0..<count { blocks.insert(makeBlock(Array("\(90_000 - number)".utf8)), allocator) }
        #expect(blocks.steps < count * 10)
        let before = blocks.steps
        for _ in 0..<count {
            let block = blocks[0]
            blocks.remove(block, allocator)
            free(block)
        }
        #expect(blocks.steps - before < count * 10 && allocator.usedBytes == 0)
    }

    /// Few names take no more than an array of addresses with some room to grow.
    @Test(arguments: [1, 2, 10, 100, 512]) func fewNamesTakeFewBytes(count: Int) {
        defer { while !allocator.releaseSlice() {} }
        var blocks = NamedBlocks()
        for number in 0..<count { blocks.insert(makeBlock(Array("\(number)".utf8)), allocator) }
        #expect(blocks.byteCount(allocator) <= max(count * 8 * 8 / 5, 16))
        blocks.forEach { free($0) }
        blocks.deallocate(allocator)
        #expect(allocator.usedBytes == 0)
    }
}
