import Testing

@testable import RespServer

@Suite struct ServerRatesTests {
    /// Sixteen figures make a mean, and the seventeenth takes the place of the first.
    @Test func meansFollowTheLastSixteenLooks() {
        var rates = ServerRates()
        var statistics = ServerStatistics()
        for look in 1...16 {
            statistics.commandsProcessed += 100
            rates.sample(statistics, outputBytes: look * 1000, milliseconds: 100)
            #expect(abs(rates.commands - 1000 * Double(look) / 16) < 1e-6)
            #expect(abs(rates.outputBytes - 10_000 * Double(look) / 16) < 1e-6)
        }
        for look in 1...16 {
            rates.sample(statistics, outputBytes: 16_000, milliseconds: 100)
            #expect(abs(rates.commands - 1000 * Double(16 - look) / 16) < 1e-6)
        }
        #expect(rates.commands == 0 && rates.outputBytes == 0)
    }

    /// What was reset in between has gone down: that is no negative rate. Without turns their length is not known anew.
    @Test func whatGoesDownIsNoRate() {
        var rates = ServerRates()
        var statistics = ServerStatistics()
        statistics.commandsProcessed = 1000
        statistics.turns = 10
        statistics.turnCycles = 5000
        rates.sample(statistics, outputBytes: 0, milliseconds: 1000)
        #expect(abs(rates.turnCycles - 500.0 / 16) < 1e-6)
        rates.sample(ServerStatistics(), outputBytes: 0, milliseconds: 1000)
        #expect(abs(rates.commands - 1000.0 / 16) < 1e-6 && abs(rates.turnCycles - 500.0 / 16) < 1e-6)
    }
}
