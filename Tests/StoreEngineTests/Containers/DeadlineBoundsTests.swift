// Goal: a bound is never later than what it stands for, little earlier, and as early as another where that is as early.

import TestSupport
import Testing

@testable import StoreEngine

struct DeadlineBoundsTests {
    private typealias Code = DeadlineBounds.Code

    @Test func codesGrowWithDistancesAndAreLittleBelowThem() {
        var distances: [Int64] = [0, 1, 1023, 1024, 1025, 2047, 2048, 2049, 4095, 4096, Int64.max - 1, Int64.max]
        for bit in 0..<63 {
            distances += [1 << Int64(bit), 1 << Int64(bit) + 1, 1 << Int64(bit) + (1 << Int64(bit)) / 2]
        }
        distances = distances.filter { $0 >= 0 }.sorted()
        for (distance, next) in zip(distances, distances.dropFirst()) {
            let code = Code(distance: distance)
            #expect(code <= Code(distance: next) && code < .never)
            #expect(code.distance <= distance && distance - code.distance <= distance / 1024)
            #expect(Code(distance: code.distance) == code)
        }
        #expect(Code(distance: -1) == .due && Code(distance: Int64.min) == .due && Code(distance: 1) > .due)
    }

    @Test(arguments: [1, 2]) func boundsStayBelowDeadlinesWhereverTheyAreMeasuredFrom(seed: UInt64) {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        var random = RandomSource(seed: TestSeed.fixed(seed))
        let starts: [Int64] = [0, -5, 1_700_000_000_000, Int64.max - 10, Int64.min + 10]
        let bounds = DeadlineBounds(allocator, buckets: 64, before: 1000)
        #expect((0..<64).allSatisfy { bounds[$0] == .never })
        var earliest: [Int: Int64] = [:]
        for _ in 0..<5000 {
            let bucket = random.below(64)
            let deadline = Int64(bitPattern: random.next()) >> Int64(random.below(64))
            bounds.note(deadline, in: bucket, of: 64)
            earliest[bucket] = min(earliest[bucket] ?? Int64.max, deadline)
            if random.below(100) == 0 {
                let start = random.below(3) == 0 ? starts[random.below(starts.count)] : deadline
                bounds.restart(at: start, buckets: 64)
            }
            if random.below(300) == 0 {
                let start = earliest.values.min() ?? 0
                bounds.restart(allDueAt: start, buckets: 64)
                for bucket in 0..<64 { earliest[bucket] = max(start, earliest[bucket] ?? start) }
            }
            let isBound = earliest.allSatisfy { bucket, deadline in
                let code = bounds[bucket]
                return code <= bounds.code(of: deadline) && (code == .due || bounds.time(of: code) <= deadline)
            }
            #expect(isBound)
        }
    }
}
