// Active expiry: keys whose deadline has passed go by themselves, some at a time, at the earliest deadline of all.

import CLinux
import StoreEngine

final class ExpiryCycle {
    /// Whether keys go at their deadline by themselves; DEBUG can stop that, and then they go when somebody looks.
    var isEnabled = true
    /// How long the removal of expired keys took.
    private(set) var cycles: UInt64 = 0
    private let engine: Engine
    private let observer: CommandObserver
    private let timer: LoopTimer

    init(_ engine: Engine, _ observer: CommandObserver, _ timers: LoopTimers) {
        self.engine = engine
        self.observer = observer
        timer = timers.add()
        timer.action = { [unowned self] in expireKeys() }
    }

    func resetStatistics() { cycles = 0 }

    /// Removes keys whose deadline has passed, some at a time.
    private func expireKeys() {
        guard isEnabled else { return }
        let start = clinux_cycle_counter()
        _ = engine.expireCycle(budget: 1000)
        if engine.tellsChanges { engine.endEffects() }
        let taken = clinux_cycle_counter() &- start
        cycles &+= taken
        observer.observe(.expireCycle, cycles: taken)
    }

    /// The timer follows the earliest deadline, which any command may have changed. To be called at the end of each turn.
    @inline(__always)
    func followDeadlines() {
        guard isEnabled, engine.removesExpiredKeys, let deadline = engine.nextDeadline else {
            return timer.set(for: nil)
        }
        timer.set(for: deadline + 1)
    }
}
