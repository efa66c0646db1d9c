// The loop. One turn:
//
//   1. what parts have to do at this time: a pause ends, keys expire or are evicted, waits end, upkeep
//   2. clients who were not done in the last turn
//   3. events: who has come, what was sent, who takes replies again
//   4. what waited for keys that have changed, and trackers who are told of them together; saves that a flush makes senseless end
//   5. what was done is written to the append-only file; who waits for that is answered
//   6. replies and messages go out
//   7. some of a snapshot is written
//   8. some of what was dropped is freed, and of the subscriptions of clients that have gone
//   9. who is done with is closed
//
// Each phase does a bounded amount of work, so no client and no upkeep holds up the others for long.

import CLinux
import Glibc
import RespCodec
import StoreEngine

extension Server {
    func run() {
        while !turns.isStopping {
            let count = loop.wait(now: now, hasWork: hasWork)
            takeTurn(count) { loop[$0] }
            if Signals.received != 0 && !upkeep.isPaused { stop(because: Signals.received) }
        }
        // What was done behind SHUTDOWN.
        if appendOnly.writer.hasWork { _ = appendOnly.finish() }
        replies.send()
        for connection in connections.byAge { close(connection) }
        lingering.closeAll()
        removeTraces()
    }

    /// - Parameter count: how many events there are.
    @inline(__always)
    func takeTurn(_ count: Int, _ event: (Int) -> Epoll.Event) {
        beginTurn(events: count)
        loop.timers.run(now: now)
        serveQueued()
        turns.beginEvents(count)
        while let index = turns.nextEvent() {
            if index & 15 == 15 { updateTime() }
            handle(event(index))
        }
        serveBlocked()
        if tracking.hasBroadcasts { tracking.broadcast() }
        if engine.flushCount != persistence.followedFlushes { persistence.followFlush() }
        if appendOnly.takesEffects { appendOnly.flush() }
        if !appendOnly.waiting.isEmpty { serveLogWaits() }
        replies.send()
        if engine.isMemoryLimited { followInput() }
        if persistence.savesInSlices { persistence.saveSlice() }
        if engine.hasGarbage { engine.freeSlice() }
        if pubsub.hasDeparted { removeDepartedSubscriptions() }
        closeFinished()
        endTurn()
    }

    /// A turn within a command that takes long: only clients are served, who can do little.
    func takeTurnWhileBusy() {
        clock.beginTurn()
        // Those whose turn was still to come. No room is made meanwhile: who waits for it is told why nothing happens.
        turns.putOff()
        if !memoryLimit.suspended.isEmpty { resume(memoryLimit.suspended.take()) }
        serveQueued()
        while let index = turns.nextEvent() { handle(loop[index]) }
        turns.beginEvents(loop.wait(now: now, hasWork: true))
        while let index = turns.nextEvent() { handle(loop[index]) }
        replies.send()
        closeWaiting()
        _ = clock.lap()
        // A script that has written runs to its end first, so that no half of its writes is saved.
        if Signals.received != 0 && !upkeep.isPaused && !scripts.hasWritten { stop(because: Signals.received) }
    }

    @inline(__always)
    private func beginTurn(events count: Int) {
        updateTime()
        clock.beginTurn()
        loop.beginTurn(events: count, cycles: clock.turnStart, millisecond: clock.millisecond)
    }

    @inline(__always)
    private func endTurn() {
        expiry.followDeadlines()
        statistics.turns &+= 1
        let taken = clock.turnCycles
        statistics.turnCycles &+= taken
        statistics.longestTurnCycles = max(statistics.longestTurnCycles, taken)
        statistics.mostCommandsInATurn = max(
            statistics.mostCommandsInATurn, statistics.commandsProcessed &- statistics.commandsBeforeTurn)
        statistics.commandsBeforeTurn = statistics.commandsProcessed
    }

    /// Whether there is something to do even if nothing happens and it is no timer's time.
    @inline(__always) var hasWork: Bool {
        engine.hasGarbage || connections.hasClosing || turns.hasQueued || persistence.savesInSlices
            || pubsub.hasDeparted || appendOnly.writer.isUnfinished
    }

    // MARK: time

    /// Tells the engine what time it is: once a turn, after every sixteenth event of it, and after a command that took
    /// long.
    ///
    /// While a script is busy, time stands still.
    func updateTime() {
        if !scripts.isBusy { engine.setTime(Syscall.wallMicroseconds() / 1000) }
    }

    // MARK: clients

    /// Has a connection served in the next turn, once.
    func enqueue(_ connection: Connection) { turns.enqueue(connection) }

    private func serveQueued() {
        turns.beginServing()
        while turns.isServing {
            if clock.isTurnOver { return turns.putOff() }
            let connection = turns.next()
            if !connection.isEnding { serve(connection) }
        }
    }

    @inline(__always)
    private func handle(_ event: Epoll.Event) {
        let descriptor = Int(UInt32(truncatingIfNeeded: event.word))
        if event.word >> 32 == 0 {
            if !loop.isWakeUp(Int32(descriptor)) { accept(Int32(descriptor)) }
            return
        }
        guard let connection = connections[descriptor, registration: event.word >> 32], !connection.isClosed
        else { return unsafe lingering.drain(Int32(descriptor), into: reader.room, RequestReader.capacity) }
        loop.count(connection)
        if event.isWritable && connection.isWatchedForWriting {
            connection.lastActive = now
            replies.flush(connection)
        }
        if event.isHangUp { connection.isHungUp = true }
        guard event.isReadable && !connection.isEnding else { return }
        if connection.lastTurn == clock.turn || connection.isQueued || clock.isTurnOver { return enqueue(connection) }
        serve(connection)
    }
}

extension Server: ReplyQueueOwner {
    @inline(__always) var now: Int64 { engine.now }

    func closeOverLimit(_ connection: Connection) {
        statistics.clientsClosedByOutputLimit += 1
        log.warning(
            "Client id=\(connection.id) addr=\(connection.address) scheduled to be closed ASAP for overcoming of output buffer limits."
        )
        close(connection)
    }

    func prepareToSend() -> Bool { appendOnly.prepareToSend() }
    func mayLeave(_ connection: Connection) -> Bool { appendOnly.mayLeave(connection) }
    func keep(_ bytes: BorrowedBytes, count: Int) -> AnyObject? { engine.keep(bytes, count: count) }
    func updateInterest(_ connection: Connection) { loop.updateInterest(connection) }

    func unsentChanged(_ connection: Connection) {
        if clientMemory.isFollowed { countMemory(of: connection) }
    }
}
