import Testing

@testable import RespServer

@Suite struct UpkeepTests {
    /// However often upkeep comes, ten times a second are enough for rates and idle clients; a clock that was set back stops nothing.
    @Test func tenTimesASecondIsEnough() {
        let upkeep = Upkeep(LoopTimers())
        func taken(at times: [Int64]) -> [Int64] { times.compactMap { upkeep.takeTenth(now: $0) } }
        #expect(taken(at: [1_000_000]) == [1_000_000])
        #expect(taken(at: (1...1000).map { 1_000_000 + $0 * 2 }) == Array(repeating: 100, count: 20))
        #expect(taken(at: [1_002_000 + 1000]) == [1000])
        #expect(taken(at: [5000]) == [5000 - 1_003_000])
        #expect(taken(at: [5099, 5100]) == [100])
    }
}
