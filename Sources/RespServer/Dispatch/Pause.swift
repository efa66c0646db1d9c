// CLIENT PAUSE: suspending clients whose commands must not run for a while.
//
// While keys are moved to another server (`Migration`), data are held, too: as in a pause of writes, but for as long as that takes, and beside
// whatever pause there is.

import RespCodec
import StoreEngine

final class Pause {
    /// When the pause is to be looked at again.
    let timer: LoopTimer
    /// Until when, in milliseconds since 1970; 0 if there is no pause.
    private(set) var end: Int64 = 0
    private(set) var isForWritesOnly = false
    /// Whether data are held by something else than a pause.
    fileprivate(set) var holdsWrites = false
    /// Those whose commands wait for the end.
    var suspended = SuspendedClients()

    init(_ timers: LoopTimers) { timer = timers.add() }

    /// Commands that cannot be told to run without a look at the pause.
    var gate: CommandFlags {
        if end == 0 && !holdsWrites { return [] }
        return isForWritesOnly || end == 0 ? [.write, .mayWrite, .executesTransaction] : .any
    }

    /// Begins a pause. One under way is only ever made longer and stricter.
    func begin(until end: Int64, forWritesOnly: Bool, now: Int64) {
        isForWritesOnly = forWritesOnly && (self.end <= now || isForWritesOnly)
        self.end = max(self.end, end)
    }

    func finish(now: Int64) { if end > 0 { end = now } }

    /// Forgets a pause that is over. Returns whom it has suspended, in that order.
    func takeSuspended() -> [Connection] {
        end = 0
        return suspended.take()
    }
}

extension Server {
    /// Whether data are to stay as they are for now.
    var holdsData: Bool { pause.end > now || pause.holdsWrites || turns.isStopping }

    /// Whether a command of these flags must wait for the end of a pause, or of the server: what would be done in the rest of its last turn is
    /// neither saved nor acknowledged.
    func isPaused(_ flags: CommandFlags, _ connection: Connection) -> Bool {
        if turns.isStopping { return true }
        guard pause.end > 0 || pause.holdsWrites else { return false }
        let isInPause = pause.end > engine.now
        // Expired keys stay during a pause. When it is over they must be removed before the next write.
        guard isInPause || pause.holdsWrites else {
            engine.removesExpiredKeys = true
            return false
        }
        // Monitors count as replicas, which are not paused.
        guard !connection.isMonitor else { return false }
        if isInPause && !pause.isForWritesOnly { return true }
        let writes: CommandFlags = [.write, .mayWrite]
        return !flags.isDisjoint(with: writes)
            || flags.contains(.executesTransaction)
                && connection.transaction?.flags.isDisjoint(with: writes) == false
    }

    /// To be called after the pause has changed. Expired keys stay from the next turn on: whoever has begun the pause may go on writing, as the
    /// rest of a transaction does, and before a write they must be removed.
    func followPause() {
        updateGate()
        if pause.end == 0 && !pause.holdsWrites { engine.removesExpiredKeys = true }
        pause.timer.set(for: pause.end > 0 ? now : nil)
    }

    /// Has expired keys stay once a pause has begun, and lets clients go on when it is over.
    func pauseInTime() {
        guard pause.end > 0 else { return followPause() }
        guard pause.end <= now else {
            engine.removesExpiredKeys = false
            return pause.timer.set(for: pause.end)
        }
        resume(pause.takeSuspended())
        followPause()
    }

    /// Holds data from now on: nobody writes, and nothing expires or is evicted. Whoever has data held may change them.
    func holdWrites() {
        pause.holdsWrites = true
        engine.removesExpiredKeys = false
        updateGate()
    }

    /// Ends that. Where there is a pause, it goes on. Who still may not go on is suspended again, in the same order.
    func releaseWrites() {
        pause.holdsWrites = false
        guard pause.end == 0 else { return }
        resume(pause.takeSuspended())
        followPause()
    }
}
