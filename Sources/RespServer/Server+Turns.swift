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
import StoreEngine

extension Server {
    func run() {
        while !isStopping {
            let count = loop.wait(now: now, hasWork: hasWork)
            takeTurn(count) { loop[$0] }
            if Signals.received != 0 && !isUpkeepPaused { stop(because: Signals.received) }
        }
        // What was done behind SHUTDOWN.
        if appendOnly.writer.hasWork { _ = finishLog() }
        replies.send()
        for connection in connections.byAge { close(connection) }
        lingering.closeAll()
        closeListeners()
    }

    /// - Parameter count: how many events there are.
    @inline(__always)
    func takeTurn(_ count: Int, _ event: (Int) -> Epoll.Event) {
        beginTurn(events: count)
        loop.timers.run(now: now)
        serveQueued()
        events = 0..<count
        while let index = events.popFirst() {
            if index & 15 == 15 { updateTime() }
            handle(event(index))
        }
        serveBlocked()
        if tracking.hasBroadcasts { tracking.broadcast() }
        if engine.flushCount != persistence.followedFlushes { followFlush() }
        if appendOnly.takesEffects { flushLog() }
        if !appendOnly.waiting.isEmpty { serveLogWaits() }
        replies.send()
        if savesInSlices { saveSlice() }
        if engine.hasGarbage { engine.freeSlice() }
        if pubsub.hasDeparted { removeDepartedSubscriptions() }
        closeFinished()
        endTurn()
    }

    /// A turn within a command that takes long: only clients are served, who can do little.
    func takeTurnWhileBusy() {
        clock.beginTurn()
        // Those whose turn was still to come.
        queue = Array(serving) + queue
        serving = []
        serveQueued()
        while let index = events.popFirst() { handle(loop[index]) }
        events = 0..<loop.wait(now: now, hasWork: true)
        while let index = events.popFirst() { handle(loop[index]) }
        replies.send()
        closeWaiting()
        _ = clock.lap()
        // What has written is waited for: half of it must not be all that is saved.
        if Signals.received != 0 && !isUpkeepPaused && !scripts.hasWritten { stop(because: Signals.received) }
    }

    @inline(__always)
    private func beginTurn(events count: Int) {
        updateTime()
        clock.beginTurn()
        loop.beginTurn(events: count, cycles: clock.turnStart, millisecond: clock.millisecond)
    }

    @inline(__always)
    private func endTurn() {
        setExpiryTimer()
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
        engine.hasGarbage || !closing.isEmpty || !queue.isEmpty || savesInSlices || pubsub.hasDeparted
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
    func enqueue(_ connection: Connection) {
        guard !connection.isQueued else { return }
        connection.isQueued = true
        queue.append(connection)
    }

    private func serveQueued() {
        guard !queue.isEmpty else { return }
        serving = queue[...]
        queue = []
        while let connection = serving.first {
            if clock.isTurnOver {
                queue = serving + queue
                break
            }
            serving.removeFirst()
            connection.isQueued = false
            if !connection.isEnding { serve(connection) }
        }
        serving = []
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

    // MARK: what is done at its time

    /// Removes keys whose deadline has passed, some at a time.
    func expireKeys() {
        guard activeExpireEnabled else { return }
        let start = clinux_cycle_counter()
        _ = engine.expireCycle(budget: 1000)
        if engine.tellsChanges { engine.endEffects() }
        let taken = clinux_cycle_counter() &- start
        statistics.expiryCycles &+= taken
        observer.observe(.expireCycle, cycles: taken)
    }

    /// The timer follows the earliest deadline, which any command may have changed.
    @inline(__always)
    private func setExpiryTimer() {
        guard activeExpireEnabled, engine.removesExpiredKeys, let deadline = engine.nextDeadline else {
            return expiryTimer.set(for: nil)
        }
        expiryTimer.set(for: deadline + 1)
    }

    func closeLingering() {
        lingering.closeExpired(now: now)
        lingeringTimer.set(for: lingering.nextDeadline)
    }

    /// Upkeep: `hz` times a second.
    func maintain() {
        let start = clinux_cycle_counter()
        defer { statistics.upkeepCycles &+= clinux_cycle_counter() &- start }
        let passed = now - lastUpkeep
        lastUpkeep = now
        upkeepTimer.set(for: now + Int64(1000 / configuration.settings.hz))
        if isUpkeepPaused { return }
        clock.correctMillisecond()
        rates.sample(statistics, outputBytes: replies.outputBytes, milliseconds: passed)
        memoryPeak.follow(engine.usedBytes, now: now)
        if engine.isMemoryLimited { maintainMemoryLimit() }
        if configuration.settings.activeDefragmentation || engine.isDefragmenting { followDefragmentation() }
        maintainScripts()
        if now - lastIdleCheck >= 100 || now < lastIdleCheck { closeIdle() }
        maintainLog()
        followLogGrowth()
        followSavePoints()
        if tracking.hasUpkeep {
            tracking.maintain()
            keyspaceListeners.update()
        }
    }

    func maintainScripts() { scriptTimer.set(for: scripts.maintain() ? now : nil) }

    /// Closes clients that do not take what they are sent, or send nothing, for too long. What is asked of them is counted in seconds: a
    /// look at all of them ten times a second is enough.
    private func closeIdle() {
        lastIdleCheck = now
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

    // MARK: the end

    func stop(because signal: Int32) {
        log.warning(
            signal == SIGINT
                ? "Received SIGINT scheduling shutdown..." : "Received SIGTERM scheduling shutdown...")
        let settings = configuration.settings
        if !shutDown(signal == SIGINT ? settings.shutdownOnSIGINT : settings.shutdownOnSIGTERM) {
            log.warning(
                "\(signal == SIGINT ? "SIGINT" : "SIGTERM") received but errors trying to shut down the server, check the logs for more information"
            )
            Signals.forget()
        }
    }

    /// Ends the server after this turn, and saves first if that is wanted.
    /// - Returns: false if data could not be saved, and the server goes on.
    func shutDown(_ options: ShutdownOptions) -> Bool {
        log.warning("User requested shutdown...")
        let mustEnd = !options.isDisjoint(with: [.force, .noSave])
        if appendOnly.state == .waitsForBase && persistence.background?.rewrite != nil {
            log.warning("Writing initial AOF\(mustEnd ? ". Exit anyway." : ", can't exit.")")
            guard mustEnd else { return false }
        }
        if persistence.background?.rewrite != nil { cancelBackgroundSave() }
        // Writes that clients were told of must be in the append-only file before the process ends.
        guard finishLog() || mustEnd else { return false }
        // What is half loaded must not replace what is on the disk.
        let saves =
            options.contains(.save)
            || !options.contains(.noSave) && !configuration.settings.savePoints.isEmpty
        if saves || options.contains(.noSave) || persistence.background != nil { cancelBackgroundSave() }
        if saves && persistence.loading == nil {
            log.notice("Saving the final RDB snapshot before exiting.")
            if !saveNow() {
                guard options.contains(.force) else {
                    log.warning("Error trying to save the DB, can't exit.")
                    return false
                }
                log.warning("Error trying to save the DB. Exit anyway.")
            }
        }
        isStopping = true
        // What a script has done up to here is not to be what is left of it.
        if scripts.isBusy { setLogging(false) }
        // What would be done from here on, in the rest of the turn, is neither saved nor acknowledged: nobody is served any more.
        pause.begin(until: .max, forWritesOnly: false, now: now)
        updateGate()
        return true
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

    func updateInterest(_ connection: Connection) { loop.updateInterest(connection) }

    func unsentChanged(_ connection: Connection) {
        if clientMemory.isFollowed { countMemory(of: connection) }
    }
}
