// Goal: how often a key is used fades with time as the settings say.

import Testing

@testable import StoreEngine

@Suite struct AccessFrequencyTests {
    private func run(_ engine: Engine, _ words: String...) -> String {
        String(decoding: engine.execute(words.map { Array($0.utf8) }), as: UTF8.self)
    }

    /// What OBJECT FREQ tells of a key that was used 50 times and then not for an hour.
    private func countAfterAnHour(decayMinutes: Int) -> String {
        let engine = Engine(seed: 1)
        engine.accessTracking = .frequency
        engine.settings.frequencyLogFactor = 0
        engine.settings.frequencyDecayMinutes = decayMinutes
        engine.setTime(1_000_000_000)
        _ = run(engine, "SET", "k", "v")
        for _ in 0..<50 { _ = run(engine, "GET", "k") }
        #expect(run(engine, "OBJECT", "FREQ", "k") == ":55\r\n")
        engine.setTime(1_000_000_000 + 3_600_000)
        return run(engine, "OBJECT", "FREQ", "k")
    }

    @Test func theCounterFadesByTheMinutesSet() {
        #expect(countAfterAnHour(decayMinutes: 0) == ":55\r\n")
        #expect(countAfterAnHour(decayMinutes: 10) == ":49\r\n")
        #expect(countAfterAnHour(decayMinutes: 2) == ":25\r\n")
        #expect(countAfterAnHour(decayMinutes: 1) == ":0\r\n")
    }
}
