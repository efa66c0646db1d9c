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
    private var last: Int64 = 0
    private var lastIdleCheck: Int64 = 0

    /// How often clients are looked at, in milliseconds: what is asked of them is counted in seconds.
    private static let idleCheckInterval: Int64 = 100

    init(_ timers: LoopTimers) { timer = timers.add() }

    /// - Returns: How many milliseconds have passed since the last time.
    func begin(now: Int64, interval: Int64) -> Int64 {
        defer { last = now }
        timer.set(for: now + interval)
        return now - last
    }

    /// Whether it is time to look at all clients; then that counts as done.
    func checksIdleClients(now: Int64) -> Bool {
        guard now - lastIdleCheck >= Self.idleCheckInterval || now < lastIdleCheck else { return false }
        lastIdleCheck = now
        return true
    }
}

extension Server {
    /// Upkeep: `hz` times a second.
    func maintain() {
        let start = clinux_cycle_counter()
        defer { statistics.upkeepCycles &+= clinux_cycle_counter() &- start }
        let passed = upkeep.begin(now: now, interval: Int64(1000 / configuration.settings.hz))
        if upkeep.isPaused { return }
        clock.correctMillisecond()
        upkeep.rates.sample(statistics, outputBytes: replies.outputBytes, milliseconds: passed)
        upkeep.memoryPeak.follow(engine.usedBytes, now: now)
        if engine.isMemoryLimited { maintainMemoryLimit() }
        if configuration.settings.activeDefragmentation || engine.isDefragmenting { defragmentation.follow() }
        scripts.maintain()
        if upkeep.checksIdleClients(now: now) { closeIdle() }
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
