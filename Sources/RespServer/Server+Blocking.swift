// Commands that wait for a key: setting their clients aside, running them again when a key has changed, and ending their waits.
//
// After each command, the keys that it changed and that somebody waits for are gone through in the order of the changes, and those
// who wait for each in the order in which they came, as long as the key holds what the next one needs: that one is run again. What such
// a command changes may in turn let others go on. Nothing of this happens within a transaction: it is one command to the others.

import RespCodec
import StoreEngine

extension Server {
    /// Suspends the client of a command that waits. Who has waited already keeps its place.
    func suspend(_ call: Call, _ wait: Wait) {
        let connection = call.connection
        if let waiter = connection.waiting {
            return keyspaceListeners.blocked.setAlarm(of: waiter, retryTime: wait.retryTime)
        }
        let request = wait.request.map { OwnedArguments($0) } ?? OwnedArguments(call.arguments)
        let waiter = WaitingCommand(
            connection: connection, record: call.command.pointee.record, arguments: request, wait: wait)
        connection.waiting = waiter
        keyspaceListeners.blocked.add(waiter)
        keyspaceListeners.update()
    }

    /// Runs again what waited for keys that have changed. To be called between commands.
    func serveBlocked() {
        guard keyspaceListeners.blocked.hasReady || !unblocked.isEmpty else { return }
        // Replies to others must not stand among those of the connection at hand.
        cutReply()
        let version = reply.version
        for (waiter, withError) in unblocked where !waiter.isOver { unblock(waiter, withError: withError) }
        unblocked = []
        while keyspaceListeners.blocked.hasReady {
            for queue in keyspaceListeners.blocked.takeReady() {
                var round = keyspaceListeners.blocked.round(through: queue)
                while let waiter = round.next() { runAgain(waiter) }
            }
        }
        reply.version = version
    }

    private func runAgain(_ waiter: Waiter) {
        guard let waiter = waiter as? WaitingCommand else { return }
        let connection = waiter.connection
        reply.version = connection.version
        var call = Call(waiter.record.hot, waiter.arguments.view, for: connection)
        call.options.insert(.hasWaited)
        if connection.leavesAccessTimes(waiter.record) { call.options.insert(.leavesAccessTimes) }
        let hasReplied = run(call)
        engine.endEffects()
        withExtendedLifetime(waiter.arguments) {}
        guard hasReplied else { return }
        // The call was counted when it began to wait.
        waiter.record.hot.pointee.calls &-= 1
        endWait(waiter)
    }

    /// Ends a wait whose answer has been written, sends the answer and lets the client go on.
    private func endWait(_ waiter: WaitingCommand) {
        let connection = waiter.connection
        forgetWait(of: connection)
        if connection.replyMode == .off { reply.discardRun() }
        if connection.replyMode == .skipping {
            reply.discardRun()
            connection.replyMode = .on
            connection.updateGate()
        }
        connection.lastActive = engine.now
        handOverReply(to: connection)
        // What it had sent behind the command can go on.
        enqueue(connection)
    }

    /// Takes a client out of those that wait.
    func forgetWait(of connection: Connection) {
        guard let waiter = connection.waiting else { return }
        connection.waiting = nil
        keyspaceListeners.blocked.remove(waiter)
        keyspaceListeners.update()
    }

    /// Ends the waits whose time is over, and runs commands again whose time it is.
    func serveDueWaits() {
        while let waiter = keyspaceListeners.blocked.nextDue(now: engine.now) {
            cutReply()
            if waiter.isTimeOver(now: engine.now) {
                if let waiter = waiter as? WaitingCommand { unblock(waiter, withError: false) }
            } else if pause.end > engine.now {
                // Nothing is changed during a pause.
                keyspaceListeners.blocked.setAlarm(of: waiter, retryTime: pause.end)
            } else {
                runAgain(waiter)
                serveBlocked()
            }
        }
    }

    /// Ends a wait as if its time were over, or with an error.
    private func unblock(_ waiter: WaitingCommand, withError: Bool) {
        reply.version = waiter.connection.version
        if withError {
            reply.error("UNBLOCKED client unblocked via CLIENT UNBLOCK")
        } else {
            waiter.wait.timeoutReply.write(to: reply)
        }
        endWait(waiter)
    }

    /// Queues what has been written for the connection at hand, so that what follows may be for another.
    private func cutReply() {
        if let connection = replyingTo { handOverReply(to: connection) } else { startReply() }
    }
}
