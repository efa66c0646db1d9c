// Keeping within `maxmemory`.
//
// While there is a limit, it is looked at after each command. Over it, the gate is closed for commands that may use more memory: such a
// command first makes room, for a time that `maxmemory-eviction-tenacity` says, and is refused if there was nothing to be had. What is
// left to do is done in the turns that follow; while that is much, because scripts or transactions have written much at once, or because
// what was evicted is still to be written to a snapshot, such commands wait, and all others go on. Without a limit, none of this costs a
// request anything: while there is one, the engine counts as listened to.
//
// What counts is `used_memory` of INFO: what the engine has given out, to the byte, what the server holds for itself, what clients hold
// (`Connections/ClientMemory.swift`) and what is held for several of them, the logs of commands, and what is still to be written to the
// append-only file, which is as large as what clients write in a turn, or while the disk is slow. What was dropped counts until it is freed.
//
// With a limit of some size, what the system counts is looked at, too: where that is too much, less may be in use (`MemoryLimit.swift`).
//
// What eviction itself puts in the log does not count: where keys are small, DEL and the name take more than the key did, so that each
// eviction would ask for the next, until nothing is left.

import CLinux
import Glibc
import RespCodec
import StoreEngine

extension Server {
    /// While room is made, what the system counts is looked at again after this time.
    private static let millisecondsBetweenMeasures: UInt64 = 2
    /// How many times a key to evict is looked for in vain before that is left to the next turn.
    private static let mostSearches = 100

    /// Has the engine follow `maxmemory`.
    /// - Complexity: O(1).
    func followMemoryLimit() {
        memoryLimit.logWasCounted(appendOnly.writer.log.heldCount)
        let ownBytes = ownBytes
        if memoryLimit.follow(configuration.settings.maxMemory) { measureMemory() }
        let taken = ownBytes + clientMemory.expectedByteCount + memoryLimit.reservedBytes
        engine.memoryLimit = memoryLimit.engineLimit(own: taken)
        engine.residentLimit = memoryLimit.residentLimit(own: taken)
        followRoom()
        // Where there was nothing to be had, there may be something now.
        if memoryLimit.isExceeded { memoryLimit.timer.set(for: now) }
    }

    private func measureMemory() {
        guard persistence.loading == nil else {
            return memoryLimit.goOnUnmeasured(used: engine.usedBytes + ownBytes)
        }
        // What a snapshot needs comes and goes: no keys go for it, unless it is much.
        let kept = engine.bytesHeldBySnapshot
        let waiting = min(persistence.waitingBytes, memoryLimit.mostOfSnapshot)
        func measure() {
            memoryLimit.measure(
                resident: SystemFacts.residentBytes - kept - waiting, held: engine.residentBytes - kept,
                used: engine.usedBytes - kept, own: ownBytes,
                expected: clientMemory.expectedByteCount + memoryLimit.reservedBytes, at: clinux_cycle_counter())
        }
        measure()
        // No key goes for what others than the engine have freed.
        if memoryLimit.mayReturnFree(at: now, Syscall.freeMemory) {
            Syscall.returnFreeMemory()
            measure()
        }
    }

    /// To be called at times: follows what is counted by nobody when it changes.
    func maintainMemoryLimit() {
        measureMemory()
        followMemoryLimit()
        defragmentation.relieveMemory()
        guard isFarBehind else { return }
        memoryLimit.isUrgent = true
        followRoom()
    }

    /// To be called in each turn while there is a limit.
    @inline(__always)
    func followInput() { if memoryLimit.follow(input: statistics.inputBytes) { maintainMemoryLimit() } }

    /// Has large blocks go back to the system at once while it matters what the system counts. To be called when a setting has changed that
    /// decides it.
    func followReturning() {
        let settings = configuration.settings
        engine.returnsLargeBlocks = settings.maxMemory > 0 || settings.activeDefragmentation
        Syscall.returnLargeBlocks(all: engine.returnsLargeBlocks)
    }

    /// Says in the log what a limit asks for that may not be meant.
    func warnOfMemoryLimit() {
        let limit = configuration.settings.maxMemory
        if limit > 0 && limit < 1 << 20 {
            log.warning("maxmemory is \(limit) bytes, less than a megabyte: is that what is meant?")
        }
        if limit > 0 && ownBytes + engine.usedBytes > limit {
            log.warning(
                "More memory is in use than maxmemory allows, \(ownBytes + engine.usedBytes) bytes and not \(limit): "
                    + "keys are evicted as maxmemory-policy says, or commands that may use more are refused")
        }
    }

    /// What counts besides the engine's memory.
    private var ownBytes: Int {
        sharedBytes + clientBytes + observer.logs.byteCount + scripts.byteCount + countedLogBytes
    }

    /// What is held for clients but for values that count as the engine's: by each for itself, as far as that is followed, and what is found for all of them in one place.
    var clientBytes: Int {
        clientMemory.byteCount - clientMemory.keptByteCount + tracking.byteCount + pubsub.byteCount
            + keyspaceListeners.blocked.unownedByteCount
    }

    /// Bytes of the log that are still to be written, but for those of evictions.
    var countedLogBytes: Int {
        appendOnly.takesEffects ? memoryLimit.countedBytes(ofLog: appendOnly.writer.log.heldCount) : 0
    }

    /// To be called after commands and after writes to the append-only file, while there is a limit and effects are logged.
    @inline(__always)
    func followLogMemory() {
        if memoryLimit.mustCount(log: appendOnly.writer.log.heldCount) { countLog() }
    }

    @inline(never)
    private func countLog() {
        memoryLimit.logWasWritten(appendOnly.writer.log.heldCount)
        followMemoryLimit()
    }

    /// To be called where memory may have been taken or given back. Closes or opens the gate.
    @inline(__always)
    func followMemoryUse() {
        if isShortOfRoom != memoryLimit.isExceeded { memoryUseChanged() }
    }

    @inline(__always) private var isShortOfRoom: Bool { engine.isOverMemoryLimit || memoryLimit.isUrgent }

    private func memoryUseChanged() {
        guard memoryLimit.isProvisional && !memoryLimit.isExceeded else { return followRoom() }
        maintainMemoryLimit()
        // Nothing moves now: a command may be at work.
        memoryLimit.isUrgent =
            isFarBehind
            || isMuchTooMuchHeld && (engine.hasFreePages || engine.isDefragmenting && defragmentation.isAllowed)
        followRoom()
    }

    private func followRoom() {
        guard isShortOfRoom != memoryLimit.isExceeded else { return }
        memoryLimit.isExceeded = isShortOfRoom
        updateGate()
        if memoryLimit.isExceeded {
            memoryLimit.timer.set(for: now)
        } else {
            memoryLimit.timer.set(for: memoryLimit.suspended.isEmpty ? nil : now)
            memoryLimit.excess.end()
        }
    }

    /// What comes of a command that may need room.
    enum Room {
        case granted
        case refused
        case later
    }

    /// Makes room for a command of these flags if it needs some. A script does that may write, whatever it says of itself.
    func room(for flags: CommandFlags, isScript: Bool, _ connection: Connection) -> Room {
        guard memoryLimit.isExceeded else { return .granted }
        let isDenied = needsRoom(flags, connection)
        guard isDenied || isScript && !flags.isDisjoint(with: [.write, .mayWrite]) else { return .granted }
        // Where others wait, room is made once a turn for all of them: it takes time that nobody else is served.
        if !memoryLimit.suspended.isEmpty && isFarFromRoom { return .later }
        guard makeRoom() else { return isDenied ? .refused : .granted }
        guard isFarFromRoom else { return .granted }
        memoryLimit.timer.set(for: now)
        return .later
    }

    /// Whether it is worth waiting: until much was evicted, or until what was evicted has been written.
    private var isFarFromRoom: Bool { !holdsData && (memoryLimit.isFar(engine.memoryExcess) || isFarBehind) }

    /// Whether so much that a snapshot needs is to be written that this comes first, as with it more is held than may be.
    private var isFarBehind: Bool {
        guard engine.isMemoryLimited else { return false }
        let writable = persistence.writableBytes
        return memoryLimit.isFarBehind(writable) && engine.residentExcess + writable > 0
    }

    /// Goes on making room, and lets those who wait for it go on when there is some, or when none is to be had.
    func makeRoomInTime() {
        if makeRoom(relievesSnapshot: true) && isFarFromRoom {
            memoryLimit.timer.set(for: now)
        } else {
            resume(memoryLimit.suspended.take())
        }
    }

    /// Whether a command of these flags may use more memory. In a transaction that is queued every command does: it is kept.
    func needsRoom(_ flags: CommandFlags, _ connection: Connection) -> Bool {
        if flags.contains(.denyOOM) { return true }
        guard let transaction = connection.transaction else { return false }
        return flags.contains(.executesTransaction)
            ? transaction.flags.contains(.denyOOM) : !flags.contains(.transactionControl)
    }

    /// Makes room, for a bounded time; if that was too short, goes on in the next turn.
    /// - Parameter relievesSnapshot: whether more of what is being saved is written first where much waits for it: once a turn, as it takes
    ///   time that nobody else is served.
    /// - Returns: False if there is no room, and no key that may go.
    @discardableResult
    func makeRoom(relievesSnapshot: Bool = false) -> Bool {
        // Nothing is removed during a pause.
        guard !holdsData else { return true }
        // Clients that hold more than they may go before keys do; who is being served goes when its turn is over.
        evictClients(sparing: replies.current)
        let start = clinux_cycle_counter()
        if memoryLimit.isProvisional
            || start &- memoryLimit.measured > Self.millisecondsBetweenMeasures &* clock.millisecond
        {
            measureMemory()
            followMemoryLimit()
        }
        let logged = appendOnly.writer.log.heldCount
        defer {
            memoryLimit.evictionsWereLogged(appendOnly.writer.log.heldCount - logged)
            hurry()
            observer.observe(.evictionCycle, cycles: clinux_cycle_counter() &- start)
        }
        let limit = evictionCycles
        var searches = 0
        if persistence.background != nil {
            if relievesSnapshot {
                persistence.relieveMemory(
                    memoryLimit.mostOfSnapshot, until: start &+ clock.millisecond / 2)
            }
            // What is evicted would only be added to what is kept.
            if isFarBehind {
                memoryLimit.timer.set(for: now)
                return true
            }
        }
        while true {
            switch engine.makeRoom() {
            case .enough: return true
            case .continues: break
            case .searching: searches += 1
            case .exhausted:
                // Nobody is refused for what was not taken yet.
                if giveUpReservation() { continue }
                memoryLimit.excess.begin()
                return false
            }
            guard searches < Self.mostSearches, clinux_cycle_counter() &- start <= limit else {
                memoryLimit.excess.begin()
                memoryLimit.timer.set(for: now)
                // There are keys that may go: the next turns find them.
                return true
            }
        }
    }

    /// Sees to it that there are fewer pages while there are far too many, for half a millisecond at most.
    private func hurry() {
        defragmentation.relieveMemory()
        let cycles = min(evictionCycles, clock.millisecond / 2)
        memoryLimit.isUrgent =
            isMuchTooMuchHeld && (engine.hasFreePages || defragmentation.hurry(cycles)) && isMuchTooMuchHeld
            || isFarBehind
        followMemoryUse()
    }

    private var isMuchTooMuchHeld: Bool {
        memoryLimit.isMuch(engine.residentExcess)
    }

    /// Whether memory is over its limit, and requests that have not arrived whole take much of it: then more of them is only read when there is
    /// room for it.
    @inline(__always) var sparesInput: Bool {
        engine.isMemoryLimited && memoryLimit.isMuch(input: clientMemory.inputByteCount) && isFull
    }

    private var isFull: Bool { memoryLimit.isExceeded || engine.holdsTooMuch }

    /// Whether more of a request, one with a large argument or one of many, is to wait until there is room for it. What has arrived counts, so
    /// that otherwise clients could send much faster than keys are evicted. Room is made once a turn for all who wait.
    func mustWaitForRoom() -> Bool {
        guard engine.isMemoryLimited, isFull, !holdsData else { return false }
        if memoryLimit.turnOfWait == clock.turn { return true }
        // Where nothing may go, the command will be refused.
        if memoryLimit.isExceeded && !makeRoom() { return false }
        guard memoryLimit.isExceeded || waitsForPages() else { return false }
        memoryLimit.turnOfWait = clock.turn
        return true
    }

    /// Whether more is held than may be, and pages are on their way back to the system.
    func waitsForPages() -> Bool {
        defragmentation.relieveMemory()
        return engine.isDefragmenting && defragmentation.isAllowed && engine.holdsTooMuch
    }

    /// For how many cycles a command may make room: up to half a millisecond at the default of 10, and from there on 15% more for each
    /// step.
    ///
    /// - Source: Redis, evict.c, "Algorithm for converting tenacity".
    private var evictionCycles: UInt64 {
        let tenacity = configuration.settings.maxMemoryEvictionTenacity
        if tenacity >= 100 { return UInt64.max }
        let microseconds = tenacity <= 10 ? 50 * Double(tenacity) : 500 * pow(1.15, Double(tenacity - 10))
        return UInt64(microseconds / 1000 * Double(clock.millisecond))
    }
}
