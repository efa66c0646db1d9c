// Upkeep: what is done `hz` times a second, whatever happens: figures that follow the time, clients that do nothing, and the
// upkeep of other parts.

import CLinux
import StoreEngine

final class Upkeep {
    /// DEBUG can stop upkeep, for tests of what does not depend on it.
    var isPaused = false
    var rates = ServerRates()
    var memoryPeak = MemoryPeak()
    /// Figures of memory that are kept for a moment.
    var lastSample = SampledFigures()
    /// What the program itself took before there was anything in it.
    let residentAtStart = SystemFacts.residentBytes
    let timer: LoopTimer
    private var lastTenth: Int64 = 0

    init(_ timers: LoopTimers) { timer = timers.add() }

    /// Takes note that it is time for what is done ten times a second at most, however large `hz` is.
    /// - Returns: How many milliseconds have passed since the last time; nil if it is too early.
    func takeTenth(now: Int64) -> Int64? {
        let passed = now - lastTenth
        guard passed >= 100 || passed < 0 else { return nil }
        lastTenth = now
        return passed
    }
}

extension Server {
    /// Upkeep: `hz` times a second.
    func maintain() {
        let start = clinux_cycle_counter()
        defer { statistics.upkeepCycles &+= clinux_cycle_counter() &- start }
        upkeep.timer.set(for: now + Int64(1000 / configuration.settings.hz))
        if upkeep.isPaused { return }
        clock.correctMillisecond()
        if let passed = upkeep.takeTenth(now: now) {
            upkeep.rates.sample(statistics, outputBytes: replies.outputBytes, milliseconds: passed)
            closeIdle()
            defragmentation.forget()
        }
        upkeep.memoryPeak.follow(engine.usedBytes, now: now)
        if engine.isMemoryLimited { maintainMemoryLimit() }
        if configuration.settings.activeDefragmentation || engine.isDefragmenting { defragmentation.follow() }
        scripts.maintain()
        appendOnly.maintain()
        persistence.followSavePoints()
        if tracking.hasUpkeep {
            tracking.maintain()
            keyspaceListeners.update()
        }
    }

    /// Closes clients that do not take what they are sent, or send nothing, for too long.
    private func closeIdle() {
        let timeout = Int64(configuration.settings.timeoutSeconds) * 1000
        for connection in connections.all {
            if connection.unsent != nil { replies.checkLimit(connection) }
            if timeout > 0 && now - connection.lastActive > timeout && !connection.isPaused
                && connection.waiting == nil && !connection.isMonitor && connection.subscriber == nil
            {
                close(connection)
            }
        }
    }
}
