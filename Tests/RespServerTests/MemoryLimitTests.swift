// How much of a limit may be in use, by what the system counts.

import Testing

@testable import RespServer

struct MemoryLimitTests {
    private static let limit = 100 << 20
    private static let base = 15 << 20
    private static let step = limit / 128

    private func makeLimit(_ limit: Int = limit) -> MemoryLimit {
        let memoryLimit = MemoryLimit(LoopTimers())
        #expect(memoryLimit.follow(limit) && !memoryLimit.follow(limit))
        return memoryLimit
    }

    /// Adds data whose pages take a part more than what is in use until there is no more room.
    private func fill(_ memoryLimit: MemoryLimit, from start: Int = 0, pages: (Int) -> Int) -> (used: Int, looks: Int) {
        var (used, looks) = (start, 0)
        repeat {
            memoryLimit.measure(
                resident: Self.base + pages(used), held: pages(used), used: used, own: 0, at: UInt64(looks))
            used = max(used, memoryLimit.engineLimit(own: 0) ?? 0)
            looks += 1
        } while memoryLimit.isProvisional
        return (used, looks)
    }

    @Test func dataFillWhatTheRestLeaves() {
        // Base and a tenth are too much for all of the limit to be in use.
        let (used, looks) = fill(makeLimit()) { $0 * 11 / 10 }
        let resident = Self.base + used * 11 / 10
        #expect(resident > Self.limit * 103 / 100 && resident < Self.limit * 105 / 100)
        #expect(looks < 20, "\(looks) looks for 100 MB")
        // In pages that are larger than what was there before, data stay below the same bound.
        let (other, _) = fill(makeLimit()) { $0 + 12 << 20 }
        #expect(Self.base + other + 12 << 20 < Self.limit * 105 / 100)
        // Where there is room enough, all of it may be in use, and a small limit is only for data.
        #expect(fill(makeLimit(1000 << 20)) { $0 }.used == 1000 << 20)
        #expect(fill(makeLimit(39 << 20)) { $0 * 2 }.used == 39 << 20)
    }

    /// Keys come and go in the same pages: what is free in them is used again, and nobody gives way to it.
    @Test func roomWithinPagesIsUsedAgain() {
        let memoryLimit = makeLimit()
        let held = 85 << 20
        let (used, _) = fill(memoryLimit, from: 60 << 20) { max(held, $0) }
        #expect(used >= held)
        var lowest = used
        for look in 0..<1000 {
            memoryLimit.measure(
                resident: Self.limit * 104 / 100 + 1, held: held, used: used - look % 3 << 14, own: 0, at: 1)
            lowest = min(lowest, memoryLimit.engineLimit(own: 0) ?? 0)
        }
        #expect(lowest == used)
    }

    @Test func lessIsInUseWhileTheSystemCountsTooMuch() {
        let memoryLimit = makeLimit()
        var used = 95 << 20
        let excess = 8 << 20
        let resident = Self.limit * 104 / 100 + excess
        memoryLimit.measure(resident: resident, held: resident - Self.base, used: used, own: 0, at: 1)
        #expect(memoryLimit.engineLimit(own: 0) == used - excess / 8 && !memoryLimit.isProvisional)
        #expect(memoryLimit.residentLimit(own: 0) < resident - Self.base)
        // Nothing can be evicted: what may be in use does not become less and less.
        for _ in 0..<100 {
            memoryLimit.measure(resident: resident, held: resident - Self.base, used: used, own: 0, at: 1)
        }
        #expect(memoryLimit.engineLimit(own: 0) == used - excess)
        // What is evicted leaves sparse pages: half of the limit may always be in use.
        for _ in 0..<1000 {
            used = memoryLimit.engineLimit(own: 0) ?? 0
            memoryLimit.measure(resident: resident, held: resident - Self.base, used: used, own: 0, at: 1)
        }
        #expect(used == Self.limit / 2)
    }

    @Test func whatIsCountedOtherwiseIsTakenFromTheEngine() {
        let memoryLimit = makeLimit()
        memoryLimit.measure(resident: 50 << 20, held: 30 << 20, used: 30 << 20, own: 5 << 20, at: 1)
        let engine = memoryLimit.engineLimit(own: 5 << 20) ?? 0
        #expect(engine > 30 << 20 && memoryLimit.engineLimit(own: 15 << 20) == engine - 10 << 20)
        #expect(memoryLimit.residentLimit(own: 5 << 20) + 20 << 20 < Self.limit * 105 / 100)
        #expect(!memoryLimit.isMuch(1 << 20) && memoryLimit.isMuch(2 << 20))
        #expect(memoryLimit.follow(0) && memoryLimit.engineLimit(own: 0) == nil)
    }

    /// While a snapshot is written nothing is measured, and no keys go for what it needs.
    @Test func unmeasuredItGrowsOn() {
        let memoryLimit = makeLimit()
        memoryLimit.measure(resident: 50 << 20, held: 30 << 20, used: 30 << 20, own: 0, at: 1)
        var used = memoryLimit.engineLimit(own: 0) ?? 0
        var steps = 0
        while memoryLimit.isProvisional {
            memoryLimit.goOnUnmeasured(used: used)
            #expect((memoryLimit.engineLimit(own: 0) ?? 0) - used <= Self.step)
            used = memoryLimit.engineLimit(own: 0) ?? 0
            steps += 1
        }
        #expect(used == Self.limit && steps > 50 && steps < 129)
    }

    /// Who was told that there is too much may use what is in use as soon as the system counts as much as it may.
    @Test func whatIsInUseMayBeWhenTheSystemCountsNoMoreThanItMay() {
        let memoryLimit = makeLimit()
        let (used, tolerated) = (95 << 20, Self.limit * 104 / 100)
        for _ in 0..<100 {
            memoryLimit.measure(resident: tolerated + 8 << 20, held: 90 << 20, used: used, own: 0, at: 1)
        }
        #expect((memoryLimit.engineLimit(own: 0) ?? 0) < used)
        memoryLimit.measure(resident: tolerated + 1000, held: 90 << 20, used: used, own: 0, at: 1)
        #expect(memoryLimit.engineLimit(own: 0) == used && !memoryLimit.isProvisional)
        // Where the system tells nothing, nothing changes.
        memoryLimit.measure(resident: 0, held: 90 << 20, used: used, own: 0, at: 1)
        #expect(memoryLimit.engineLimit(own: 0) == used && !memoryLimit.isProvisional)
    }

    @Test(arguments: [Int.max, Int.max - 1, Int.max / 26 * 25]) func theLargestLimitsAreFollowed(limit: Int) {
        let memoryLimit = makeLimit(limit)
        memoryLimit.measure(resident: 50 << 20, held: 30 << 20, used: 30 << 20, own: 1 << 20, at: 1)
        #expect((memoryLimit.engineLimit(own: 1 << 20) ?? 0) > 1 << 58)
        #expect(memoryLimit.residentLimit(own: 1 << 20) > 1 << 58 && !memoryLimit.follow(limit))
    }

    /// What a snapshot needs is a part of the limit, but no less than what it takes to go on.
    @Test func aSnapshotNeedsAPartOfTheLimit() {
        for (limit, most) in [(0, 512 << 10), (50 << 20, 512 << 10), (100 << 20, 800 << 10), (1 << 30, 8 << 20)] {
            #expect(MemoryLimit.mostOfSnapshot(limit) == most)
        }
        let memoryLimit = makeLimit()
        #expect(!memoryLimit.isFarBehind(2 * memoryLimit.mostOfSnapshot))
        #expect(memoryLimit.isFarBehind(2 * memoryLimit.mostOfSnapshot + 1))
        for (setting, most) in [("0", 1 << 20), ("50mb", 512 << 10), ("1gb", 1 << 20)] {
            let server = ScriptedServer("maxmemory \(setting)").server
            #expect(server.persistence.snapshotOptions(syncsOnTheWay: true).mostWaiting == most)
        }
    }

    @Test func howMuchCameIsFollowedInSteps() {
        let memoryLimit = makeLimit()
        #expect(!memoryLimit.follow(input: Self.step) && memoryLimit.follow(input: Self.step + 1))
        #expect(!memoryLimit.follow(input: 2 * Self.step + 1) && memoryLimit.follow(input: 0))
        #expect(memoryLimit.mostReceived == Self.step)
        // A small limit is only for data, and without one much is received.
        #expect(!makeLimit(39 << 20).follow(input: 1 << 30) && makeLimit(39 << 20).mostReceived == 4 << 20)
        #expect(makeLimit(10 << 30).mostReceived == 4 << 20)
        #expect(memoryLimit.follow(0) && memoryLimit.mostReceived == 4 << 20 && !memoryLimit.follow(input: 1 << 30))
    }

    /// Room that is made for something counts as if it were in use, so that no less may be in use for it over and over again.
    @Test func whatIsExpectedIsInUse() {
        let memoryLimit = makeLimit()
        let (used, expected) = (Self.limit / 2, Self.limit / 4)
        for time in 0..<100 {
            memoryLimit.measure(
                resident: Self.limit * 107 / 100, held: Self.limit * 92 / 100, used: used, own: 0, expected: expected,
                at: UInt64(time))
        }
        #expect((memoryLimit.engineLimit(own: expected) ?? 0) >= used - Self.limit * 3 / 100)
    }
}
