// The order in which pending entries were delivered, against a sorted array; what keeping it costs, in steps and bytes.

import RespCodec
import TestSupport
import Testing

@testable import StoreEngine

private var owner: UnsafeMutableRawPointer? { UnsafeMutableRawPointer(bitPattern: 64) }

/// An entry and its time, nil if it was released.
private struct Delivery: Equatable {
    let id: StreamID
    let time: Int64?
}

struct DeliveryOrderTests {
    private let allocator = SlabAllocator()

    private func makeEntry(_ number: UInt64, _ time: Int64?) -> PendingEntry {
        let entry = PendingEntry(StreamID(milliseconds: number, sequence: 0), deliveryCount: 1, allocator)
        if let time { entry.assign(to: owner, time: time) }
        return entry
    }

    private func contents(_ order: DeliveryOrder) -> [Delivery] {
        var found: [Delivery] = []
        order.forEach { found.append(Delivery(id: $0.id, time: $0.isReleased ? nil : $0.deliveryTime)) }
        return found
    }

    private enum Times: CaseIterable { case ascending, descending, few, any }

    @Test(arguments: Times.allCases.indices, [1, 2]) func agreesWithASortedArray(kind: Int, seed: UInt64) {
        defer { while !allocator.releaseSlice() {} }
        var random = RandomSource(seed: TestSeed.fixed(seed))
        var order = DeliveryOrder()
        var model: [PendingEntry] = []
        for step in 0..<9000 {
            let hint: Comment = "\(Times.allCases[kind]), seed \(seed), step \(step)"
            let grows = random.below(100) < (step < 5000 ? 65 : 35)
            var entry: PendingEntry?
            if !model.isEmpty && (!grows || random.below(4) == 0) {
                let place = random.below(3) == 0 ? 0 : random.below(model.count)
                let removed = model.remove(at: place)
                order.remove(removed, allocator)
                if grows { entry = removed } else { removed.deallocate(allocator) }
            } else {
                entry = makeEntry(UInt64(step), nil)
            }
            if let entry {
                let time: Int64 =
                    switch Times.allCases[kind] {
                    case .ascending: Int64(step)
                    case .descending: Int64(10_000 - step)
                    case .few: Int64(random.below(4)) - 1
                    case .any: random.below(50) == 0 ? Int64.min : Int64(random.below(3000)) - 100
                    }
                let isReleased = random.below(6) == 0
                entry.assign(to: isReleased ? nil : owner, time: isReleased ? 0 : time)
                let place = model.firstIndex { $0.rank > entry.rank } ?? model.count
                model.insert(entry, at: place)
                order.insert(entry, allocator)
            }
            #expect(order.oldest == model.first, hint)
            if step % 250 == 0 {
                order.checkInvariants()
                #expect(
                    contents(order) == model.map { Delivery(id: $0.id, time: $0.isReleased ? nil : $0.deliveryTime) },
                    hint)
            }
        }
        order.checkInvariants()
        for (index, entry) in model.enumerated() {
            if index % 3 > 0 { order.remove(entry, allocator) }
            entry.deallocate(allocator)
        }
        while !order.isEmpty { order.removeFirstRun(allocator) }
        #expect(allocator.usedBytes == 0)
    }

    /// Steps of giving `changes` of `count` entries other times.
    private func steps(_ count: Int, changes: Int, _ time: (Int, inout RandomSource) -> Int64?) -> Int {
        var random = RandomSource(seed: TestSeed.fixed(5))
        var order = DeliveryOrder()
        let entries = (0..<count).map { makeEntry(UInt64($0), Int64($0 * 10)) }
        for entry in entries { order.insert(entry, allocator) }
        let before = order.steps
        for number in 0..<changes {
            let entry = entries[random.below(count)]
            let time = time(number, &random)
            order.remove(entry, allocator)
            entry.assign(to: time == nil ? nil : owner, time: time ?? 0)
            order.insert(entry, allocator)
        }
        order.checkInvariants()
        let steps = order.steps - before
        while !order.isEmpty { order.removeFirstRun(allocator) }
        for entry in entries { entry.deallocate(allocator) }
        return steps
    }

    /// The cost of a change of an entry's time does not grow with what is pending.
    @Test func changesOfTimesTakeFewSteps() {
        defer { while !allocator.releaseSlice() {} }
        let count = 60_000
        #expect(steps(count, changes: 4000) { _, random in Int64(random.below(count * 10)) } < 4000 * 24)
        #expect(steps(count, changes: 4000) { _, random in Int64(random.below(2)) * Int64(count * 5) } < 4000 * 24)
        #expect(steps(count, changes: 4000) { number, _ in Int64(count * 5 - number) } < 4000 * 24)
        #expect(steps(count, changes: 4000) { _, _ in nil } < 4000 * 24)
        #expect(steps(count, changes: 4000) { number, _ in Int64(count * 10 + number) } < 4000 * 8)
        #expect(allocator.usedBytes == 0)
    }

    @Test func entriesTakeFewBytes() {
        defer { while !allocator.releaseSlice() {} }
        var order = DeliveryOrder()
        let entries = (0..<10_000).map { makeEntry(UInt64($0), Int64($0 / 3)) }
        for entry in entries { order.insert(entry, allocator) }
        #expect(allocator.usedBytes < entries.count * 56)
        // What is left where most has gone, wherever that was.
        for (index, entry) in entries.enumerated() where index % 50 != 0 {
            order.remove(entry, allocator)
            entry.deallocate(allocator)
        }
        order.checkInvariants()
        #expect(allocator.usedBytes < 200 * 80)
        for (index, entry) in entries.enumerated() where index % 50 == 0 {
            order.remove(entry, allocator)
            entry.deallocate(allocator)
        }
        #expect(allocator.usedBytes == 0)
    }
}
