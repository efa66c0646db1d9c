/// What happens in a second: means of the last sixteen looks, ten a second, as Redis takes them.
struct ServerRates {
    /// The mean of the last sixteen figures; those that were not given yet are 0.
    private struct Mean {
        private static let count = 16
        private var figures = [Double](repeating: 0, count: Mean.count)
        private var place = 0

        mutating func add(_ figure: Double) {
            figures[place] = figure
            place = (place + 1) % Self.count
        }

        var value: Double { figures.reduce(0, +) / Double(Self.count) }
    }

    private var commandMean = Mean()
    private var inputMean = Mean()
    private var outputMean = Mean()
    private var turnMean = Mean()
    private var cycleMean = Mean()
    private var last = ServerStatistics()
    private var lastOutputBytes = 0

    var commands: Double { commandMean.value }
    var inputBytes: Double { inputMean.value }
    var outputBytes: Double { outputMean.value }
    var turns: Double { turnMean.value }
    /// How long a turn took, in cycles.
    var turnCycles: Double { cycleMean.value }

    /// Takes note of what has happened since the last look.
    /// - Parameter milliseconds: how long that was.
    mutating func sample(_ statistics: ServerStatistics, outputBytes sent: Int, milliseconds: Int64) {
        let seconds = Double(max(1, milliseconds)) / 1000
        func rate(_ difference: Int) -> Double { Double(max(0, difference)) / seconds }
        commandMean.add(rate(statistics.commandsProcessed - last.commandsProcessed))
        inputMean.add(rate(statistics.inputBytes - last.inputBytes))
        outputMean.add(rate(sent - lastOutputBytes))
        turnMean.add(rate(statistics.turns - last.turns))
        let turns = statistics.turns - last.turns
        if turns > 0 && statistics.turnCycles >= last.turnCycles {
            cycleMean.add(Double(statistics.turnCycles - last.turnCycles) / Double(turns))
        }
        last = statistics
        lastOutputBytes = sent
    }
}
