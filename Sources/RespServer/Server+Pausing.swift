// CLIENT PAUSE: holding back commands for a while. What a client sends behind a command that is held back
// waits with it.

import RespCodec
import StoreEngine

extension Server {
    /// Whether a command of these flags must wait for the end of a pause; its client is then set aside.
    @inline(__always)
    func holdsBack(_ flags: CommandFlags, _ connection: Connection) -> Bool {
        guard pausedUntil > 0 else { return false }
        return holdsBackWhilePaused(flags, connection)
    }

    private func holdsBackWhilePaused(_ flags: CommandFlags, _ connection: Connection) -> Bool {
        // Keys that are due stay during a pause, and not a command longer: who writes must not find them in the way.
        engine.removesExpiredKeys = pausedUntil <= engine.now
        guard pausedUntil > engine.now, !flags.contains(.ignoresPause) else { return false }
        if pausesWritesOnly {
            let writesInTransaction =
                flags.contains(.transactionControl)
                && connection.transaction?.queue.contains { !$0.record.flags.isDisjoint(with: [.write, .mayWrite]) }
                    == true
            guard !flags.isDisjoint(with: [.write, .mayWrite]) || writesInTransaction else { return false }
        }
        connection.isPaused = true
        held.append(connection)
        return true
    }

    /// Lets clients go on when the pause is over.
    func releaseHeld() {
        guard pausedUntil > 0 else { return }
        guard pausedUntil <= engine.now else {
            engine.removesExpiredKeys = false
            return
        }
        pausedUntil = 0
        engine.removesExpiredKeys = true
        let waiting = held
        held = []
        for connection in waiting where !connection.isClosed {
            connection.isPaused = false
            enqueue(connection)
        }
    }
}
