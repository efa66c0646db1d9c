// Room for what commands take at once that make large values of short requests: COPY, BITOP, SETRANGE, SETBIT, BITFIELD, and RESTORE of what is
// compressed.
//
// While keys may be evicted, such a command tells before it runs how much that is (`Command/Growth.swift`), so much counts as in use, and it
// waits until there is room for it; its own keys stay. There is one such reservation at a time: others wait for theirs. Where no key is left
// that may go, it is given up: the command runs without, and nobody is refused because of it.

import CLinux
import RespCodec
import StoreEngine

/// A command for which room is made before it runs.
struct Reservation {
    let connection: Connection
    let byteCount: Int
    /// When it began, in milliseconds.
    let start: Int64
    /// How much more than that is made free, so that pages become sparse enough to be drained.
    private(set) var extra = 0
    /// Whether no room is made for it any more.
    var isGivenUp = false
    var reservedBytes: Int { isGivenUp ? 0 : byteCount + extra }

    /// It waits no longer than this, in milliseconds.
    static let longestWait: Int64 = 5000
    /// What is not even this part of the limit makes no difference, ...
    static let leastPart = 64
    /// ... and for what is more than this part of it no room is made: much else would have to go.
    static let mostPart = 2
    /// Parts of the limit that what is made free besides comes to at most, and at once.
    private static let extraPart = 8
    private static let stepPart = 64

    /// Has more be made free, as `excess` bytes more are held than may be.
    /// - Returns: false if it is enough.
    mutating func makeMoreFree(_ excess: Int, of limit: Int) -> Bool {
        let step = min(excess, limit / Self.stepPart, limit / Self.extraPart - extra)
        extra += max(step, 0)
        return step > 0
    }
}

extension Server {
    /// Whether a command may run as far as the memory is concerned that it takes at once; if not, it is to be asked again when there may be room.
    func mayGrow(_ record: CommandRecord, _ arguments: Arguments, _ connection: Connection) -> Bool {
        let settings = configuration.settings
        guard let growth = record.info.growth, engine.isMemoryLimited, settings.maxMemoryPolicy != .noEviction,
            connection.transaction == nil, !holdsData
        else { return true }
        let own = memoryLimit.reservation.flatMap { $0.connection === connection ? $0 : nil }
        if own?.isGivenUp == true { return true }
        let byteCount = engine.growth(growth, arguments, database: connection.database, reply: reply)
        guard byteCount >= settings.maxMemory / Reservation.leastPart,
            byteCount <= settings.maxMemory / Reservation.mostPart
        else { return true }
        if memoryLimit.reservation != nil && own == nil { return false }
        if own?.byteCount != byteCount {
            guard engine.spareKeys(record.info.keys, of: arguments, database: connection.database) else { return true }
            memoryLimit.reservation = Reservation(
                connection: connection, byteCount: byteCount, start: own?.start ?? now)
            followMemoryLimit()
        }
        if hasReservedRoom() { return true }
        // Where none is to be had, it is given up meanwhile.
        makeRoom()
        guard let reservation = memoryLimit.reservation, !reservation.isGivenUp, !hasReservedRoom() else { return true }
        guard now - reservation.start < Reservation.longestWait else {
            giveUpReservation()
            return true
        }
        memoryLimit.timer.set(for: now)
        return false
    }

    /// Whether there is room for the command at hand, in pages, too. Where these do not go back to the system by themselves, some more
    /// keys go.
    private func hasReservedRoom() -> Bool {
        if memoryLimit.isExceeded || waitsForPages() { return false }
        guard engine.holdsTooMuch,
            memoryLimit.reservation?.makeMoreFree(engine.residentExcess, of: configuration.settings.maxMemory) == true
        else { return true }
        followMemoryLimit()
        return false
    }

    /// No more room is made for the command that waits for some.
    /// - Returns: false if none does.
    @discardableResult
    func giveUpReservation() -> Bool {
        guard memoryLimit.reservation?.isGivenUp == false else { return false }
        memoryLimit.reservation?.isGivenUp = true
        engine.spareNoKeys()
        followMemoryLimit()
        return true
    }

    /// The command of a connection has run, or never will.
    func releaseReservation(of connection: Connection) {
        guard memoryLimit.reservation?.connection === connection else { return }
        memoryLimit.reservation = nil
        engine.spareNoKeys()
        followMemoryLimit()
        // Others may wait for theirs.
        if !memoryLimit.suspended.isEmpty { memoryLimit.timer.set(for: now) }
    }
}
