/// What happens in a second, as a mean that follows the last seconds.
struct ServerRates {
    private(set) var commands = 0.0
    private(set) var inputBytes = 0.0
    private(set) var outputBytes = 0.0
    private(set) var turns = 0.0
    /// How long a turn took, in cycles.
    private(set) var turnCycles = 0.0
    private var last = ServerStatistics()
    private var lastOutputBytes = 0

    mutating func sample(_ statistics: ServerStatistics, outputBytes sent: Int, milliseconds: Int64) {
        let seconds = Double(max(1, milliseconds)) / 1000
        func follow(_ rate: inout Double, _ difference: Int) {
            rate += (Double(max(0, difference)) / seconds - rate) / 16
        }
        follow(&commands, statistics.commandsProcessed - last.commandsProcessed)
        follow(&inputBytes, statistics.inputBytes - last.inputBytes)
        follow(&outputBytes, sent - lastOutputBytes)
        follow(&turns, statistics.turns - last.turns)
        if statistics.turns > last.turns && statistics.turnCycles >= last.turnCycles {
            let cycles = Double(statistics.turnCycles - last.turnCycles) / Double(statistics.turns - last.turns)
            turnCycles += (cycles - turnCycles) / 16
        }
        last = statistics
        lastOutputBytes = sent
    }
}
