import Testing

@testable import RespServer

@Suite struct UpkeepTests {
    /// However often upkeep comes, ten times a second are enough for rates and idle clients; a clock that was set back stops nothing.
    @Test func tenTimesASecondIsEnough() {
        let upkeep = Upkeep(LoopTimers())
        #expect(upkeep.takeTenth(now: 1_000_000) == 1_000_000)
        let taken = (1...1000).compactMap { upkeep.takeTenth(now: 1_000_000 + Int64($0) * 2) }
        #expect(taken == Array(repeating: 100, count: 20))
        #expect(upkeep.takeTenth(now: 1_002_000 + 1000) == 1000)
        #expect(upkeep.takeTenth(now: 5000) == 5000 - 1_003_000)
        #expect(upkeep.takeTenth(now: 5099) == nil && upkeep.takeTenth(now: 5100) == 100)
    }
}
