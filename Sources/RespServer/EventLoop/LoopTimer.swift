// Times at which parts of the server have something to do. There are few parts, so that a list is the quickest way to find the earliest.

/// What one part has done at a time, in milliseconds since 1970. It may be called earlier, when somebody puts the clock back: it looks at
/// the time itself, and sets the timer anew.
final class LoopTimer {
    /// When it is to be done; `Int64.max` for never.
    fileprivate(set) var time = Int64.max
    /// What is to be done. A part that adds its timer before its own `init` is done sets this afterwards.
    var action: () -> Void
    private unowned let timers: LoopTimers

    fileprivate init(_ timers: LoopTimers, _ action: @escaping () -> Void) {
        self.timers = timers
        self.action = action
    }

    /// - Parameter time: nil for never.
    /// - Complexity: O(1).
    @inline(__always)
    func set(for time: Int64?) {
        let time = time ?? Int64.max
        guard time != self.time else { return }
        self.time = time
        timers.earliest = min(timers.earliest, time)
    }
}

final class LoopTimers {
    private var timers: [LoopTimer] = []
    /// No timer's time comes before this one. It may be that of a timer that was put off.
    fileprivate(set) var earliest = Int64.max
    /// The time of the last turn, and of this one while timers are done.
    private(set) var time = Int64.min
    let steps = StepCounter()

    /// Registers what is to be done at the times that the timer is set for.
    func add(_ action: @escaping () -> Void = {}) -> LoopTimer {
        let timer = LoopTimer(self, action)
        timers.append(timer)
        return timer
    }

    /// Does what is to be done at `now` or before, in the order in which it was registered.
    /// - Complexity: O(1) where there is nothing to do, else O(n) in the timers.
    @inline(__always)
    func run(now: Int64) {
        guard now >= earliest || now < time else {
            time = now
            return
        }
        runExpired(now: now)
    }

    private func runExpired(now: Int64) {
        // What was to be done in an hour by a clock that has been put back an hour is to be looked at now.
        let wasPutBack = now < time
        time = now
        steps.step(timers.count)
        for timer in timers where timer.time <= now || wasPutBack && timer.time < Int64.max {
            timer.time = Int64.max
            timer.action()
        }
        earliest = timers.reduce(Int64.max) { min($0, $1.time) }
    }
}
