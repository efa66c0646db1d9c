// Groups of streams and what is pending, against a naive model, and memory all given back.

import RespCodec
import TestSupport
import Testing

@testable import StoreEngine

private func id(_ milliseconds: UInt64, _ sequence: UInt64 = 0) -> StreamID {
    StreamID(milliseconds: milliseconds, sequence: sequence)
}

struct StreamGroupTests {
    private struct Pending: Equatable {
        var consumer: String?
        var time: Int64
        var count: Int
    }

    private func check(_ group: StreamGroup, _ model: [StreamID: Pending], _ hint: Comment) {
        group.checkInvariants()
        let found = group.pending.map { entry in
            (
                entry.id,
                Pending(
                    consumer: group.consumer(of: entry)?.name.description, time: entry.deliveryTime,
                    count: entry.deliveryCount)
            )
        }
        #expect(found.map { $0.0 } == model.keys.sorted(), hint)
        for (id, pending) in found { #expect(model[id] == pending, hint) }
    }

    @Test(arguments: [1, 2, 3]) func agreesWithADictionary(seed: UInt64) {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        var random = RandomSource(seed: TestSeed.fixed(seed))
        let stream = StreamValue(allocator)
        let before = allocator.usedBytes
        let names = ["", "a", "ab", "b", "zz", String(repeating: "long", count: 100)]
        guard let group = Array("group".utf8).withByteSlice({ stream.makeGroup($0, lastID: .zero, entriesRead: 0) })
        else {
            return #expect(Bool(false))
        }
        func consumer(_ name: String) -> StreamConsumer {
            Array(name.utf8).withByteSlice { group.makeConsumer($0, seen: 1) ?? group.consumer($0)! }
        }
        var model: [StreamID: Pending] = [:]
        var now: Int64 = 1
        for step in 0..<6000 {
            let hint: Comment = "seed \(seed), step \(step)"
            now += Int64(random.below(3))
            let target = random.below(3) > 0 && !model.isEmpty ? group.oldest!.id : id(UInt64(random.below(400)))
            let name = names[random.below(names.count)]
            switch random.below(20) {
            case 0..<9:
                let fresh = id(UInt64(random.below(400)))
                group.deliver(fresh, to: consumer(name), now: now)
                model[fresh] = Pending(consumer: name, time: now, count: 1)
            case 9..<13:
                let wasPending = model.removeValue(forKey: target) != nil
                #expect(group.removePending(target) == wasPending, hint)
            case 13..<16:
                guard let entry = group.pendingEntry(target) else { continue }
                let time = random.below(2) == 0 ? now : Int64(random.below(Int(now) + 1))
                group.assign(entry, to: consumer(name), time: time, count: .next)
                model[target] = Pending(consumer: name, time: time, count: model[target]!.count + 1)
            case 16..<18:
                guard let entry = group.pendingEntry(target) else { continue }
                group.release(entry, deliveryCount: entry.deliveryCount)
                model[target]?.consumer = nil
                model[target]?.time = 0
            case 18:
                guard random.below(10) == 0 else { continue }
                let count = model.values.count { $0.consumer == name }
                let removed = Array(name.utf8).withByteSlice { group.removeConsumer($0) }
                #expect((removed ?? 0) == count, hint)
                model = model.filter { $0.value.consumer != name }
            default:
                #expect(group.releasedCount == model.values.count { $0.consumer == nil }, hint)
            }
            if step % 100 == 0 { check(group, model, hint) }
        }
        check(group, model, "seed \(seed)")
        let copy = group.copied(to: allocator)
        check(copy, model, "a copy, seed \(seed)")
        var budget = Int.max
        let isGone = copy.deallocateSlice(&budget)
        #expect(isGone)
        copy.deallocate()
        guard let rest = Array("group".utf8).withByteSlice({ stream.detachGroup($0) }) else {
            return #expect(Bool(false))
        }
        var next = rest.deallocateSlice(from: 0, budget: 5)
        while let place = next { next = rest.deallocateSlice(from: place, budget: 5) }
        #expect(allocator.usedBytes == before)
    }

    @Test func groupsAreInOrderOfTheirNames() {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        let stream = StreamValue(allocator)
        let names = (0..<500).map { Array("group\($0 * 7919 % 500)".utf8) }
        for name in names {
            #expect(name.withByteSlice { stream.makeGroup($0, lastID: .zero, entriesRead: 0) != nil })
            #expect(name.withByteSlice { stream.makeGroup($0, lastID: .zero, entriesRead: 0) == nil })
        }
        #expect((0..<500).map { stream.group(at: $0).name.array } == names.sorted { $0.lexicographicallyPrecedes($1) })
        var next = stream.deallocateSlice(from: 0, budget: 50)
        while let place = next { next = stream.deallocateSlice(from: place, budget: 50) }
        #expect(allocator.usedBytes == 0)
    }
}
