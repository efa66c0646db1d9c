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
        let connection = unsafe call.connection
        if let waiter = connection.waiting {
            return keyspaceListeners.blocked.setAlarm(of: waiter, retryTime: wait.retryTime)
        }
        let request = wait.request.map { OwnedArguments($0) } ?? OwnedArguments(call.arguments)
        suspend(
            WaitingCommand(connection: connection, record: call.command.record, arguments: request, wait: wait))
    }

    /// Suspends a client that does not wait yet.
    func suspend(_ waiter: WaitingCommand) {
        waiter.connection.waiting = waiter
        // It counts when it is over.
        statistics.commandsProcessed &-= 1
        waiter.connection.commandCount &-= 1
        keyspaceListeners.blocked.add(waiter)
        keyspaceListeners.update()
    }

    /// Runs again what waited for keys that have changed. To be called between commands.
    @inline(__always)
    func serveBlocked() {
        if keyspaceListeners.blocked.hasReady { serveReady() }
    }

    private func serveReady() {
        // Replies to others must not stand among those of the connection at hand.
        if appendOnly.takesEffects, let connection = replies.current { appendOnly.noteEffects(of: connection) }
        let interrupted = replies.interrupt()
        let blocked = keyspaceListeners.blocked
        for (waiter, withError) in blocked.takeUnblocked() { endWait(waiter, withError: withError) }
        // During a pause nothing is changed, and so nobody served; the turn in which it ends comes here again.
        while blocked.hasReady && !holdsData {
            for queue in blocked.takeReady() {
                var round = blocked.round(through: queue)
                while let waiter = round.next() { runAgain(waiter) }
            }
        }
        replies.resume(interrupted)
    }

    func runAgain(_ waiter: Waiter) {
        guard let waiter = waiter as? WaitingCommand else { return }
        let connection = waiter.connection
        replies.begin(for: connection)
        defer { withExtendedLifetime(connection) { replies.end() } }
        var call = Call(waiter.record.handle, waiter.arguments.view, for: connection, replyingTo: reply)
        call.options.insert(.hasWaited)
        if connection.leavesAccessTimes(waiter.record) { call.options.insert(.leavesAccessTimes) }
        let hasReplied = runMeasured(call)
        tracking.remember(waiter.record.handle, waiter.arguments.view, readBy: connection)
        engine.endEffects()
        if appendOnly.takesEffects { appendOnly.noteEffects(of: connection) }
        withExtendedLifetime(waiter.arguments) {}
        if hasReplied { goOn(behind: waiter) }
    }

    /// Ends a wait whose answer has been written, and lets the client go on.
    private func goOn(behind waiter: WaitingCommand) {
        let connection = waiter.connection
        forgetWait(of: connection)
        statistics.commandsProcessed &+= 1
        connection.commandCount &+= 1
        if connection.replyMode == .off { reply.discardRun() }
        if connection.replyMode == .skipping {
            reply.discardRun()
            connection.replyMode = .on
            connection.updateGate()
        }
        connection.lastActive = now
        // What it had sent behind the command can go on.
        enqueue(connection)
    }

    /// Takes a client out of those that wait.
    func forgetWait(of connection: Connection) {
        guard let waiter = connection.waiting else { return }
        connection.waiting = nil
        keyspaceListeners.blocked.remove(waiter)
        if clientMemory.isFollowed { countMemory(of: connection) }
        keyspaceListeners.update()
    }

    /// Ends the waits whose time is over, and runs commands again whose time it is.
    func serveExpiredWaits() {
        while let waiter = keyspaceListeners.blocked.nextExpired(now: now) {
            if waiter.isTimeOver(now: now) {
                if let waiter = waiter as? WaitingCommand { endWait(waiter, withError: false) }
            } else if holdsData {
                // Nothing is changed during a pause.
                keyspaceListeners.blocked.setAlarm(of: waiter, retryTime: max(pause.end, now + 10))
            } else {
                runAgain(waiter)
                serveBlocked()
            }
        }
    }

    /// Ends a wait as if its time were over, or with an error.
    private func endWait(_ waiter: WaitingCommand, withError: Bool) {
        let connection = waiter.connection
        replies.begin(for: connection)
        defer { withExtendedLifetime(connection) { replies.end() } }
        if withError {
            reply.error("UNBLOCKED client unblocked via CLIENT UNBLOCK")
        } else if waiter.wait.timeoutReply == .byCommand {
            var call = Call(waiter.record.handle, waiter.arguments.view, for: waiter.connection, replyingTo: reply)
            call.isNested = true
            call.options = []
            perform(call)
        } else {
            waiter.wait.timeoutReply.write(to: reply)
        }
        if reply.hasUncountedErrors {
            errors.count(reply)
            waiter.record.handle.failedCalls += 1
        }
        waiter.record.handle.calls &+= 1
        let taken = clock.lap()
        observer.observe(.commandUnblocking, cycles: taken)
        observer.observe(
            FinishedCall(
                command: waiter.record.handle, arguments: waiter.arguments.view, connection: waiter.connection,
                cycles: waiter.cycles &+ taken))
        goOn(behind: waiter)
    }
}
