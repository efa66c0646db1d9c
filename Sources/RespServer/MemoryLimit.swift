// What the server knows of `maxmemory`: whether it is exceeded, for how long it was, and what of the append-only file counts.
// `Server+Memory.swift` keeps within it.

/// For how long more memory was in use than allowed, in spite of all that was done; in microseconds.
struct MemoryExcess {
    private var earlier: Int64 = 0
    private var start: Int64?

    var current: Int64 { start.map { Syscall.monotonicMicroseconds() - $0 } ?? 0 }
    /// Since the start of the server, or the last reset.
    var total: Int64 { earlier + current }

    mutating func begin() { if start == nil { start = Syscall.monotonicMicroseconds() } }

    mutating func end() {
        earlier += current
        start = nil
    }

    mutating func reset() { self = MemoryExcess() }
}

final class MemoryLimit {
    /// When more room is to be made.
    let timer: LoopTimer
    /// Whether more memory is in use than may be, or so much is held that it is urgent to have fewer pages, or to write what a snapshot needs:
    /// then whoever needs room sees to it first.
    var isExceeded = false
    var isUrgent = false
    var excess = MemoryExcess()
    /// Those whose commands wait until there is room.
    var suspended = SuspendedClients()
    /// In which turn there was last no room for more of a request.
    var turnOfWait = -1
    /// The command for which room is being made.
    var reservation: Reservation?
    var reservedBytes: Int { reservation?.reservedBytes ?? 0 }

    init(_ timers: LoopTimers) { timer = timers.add() }

    // MARK: the append-only file

    /// How many bytes of what is to be written are of evictions.
    private var evictionLogBytes = 0
    /// How many bytes were to be written when they were counted last.
    private var followedLogBytes = 0

    /// By how many bytes the log may grow, or shrink, before it is counted anew.
    private static let uncountedLogGrowth = 64 << 10

    /// What counts of `bytes` that are still to be written.
    func countedBytes(ofLog bytes: Int) -> Int { max(0, bytes - evictionLogBytes) }

    @inline(__always)
    func mustCount(log bytes: Int) -> Bool { (bytes &- followedLogBytes).magnitude > Self.uncountedLogGrowth }

    func logWasCounted(_ bytes: Int) { followedLogBytes = bytes }

    /// - Parameter left: how many bytes are still to be written.
    func logWasWritten(_ left: Int) { evictionLogBytes = min(evictionLogBytes, left) }

    func evictionsWereLogged(_ bytes: Int) { evictionLogBytes += bytes }

    // MARK: what the system counts

    // The system counts the program itself, what lies free between blocks of malloc, and what is not in use of pages. How much that is for
    // what is in use nobody knows beforehand: what is written next may go where something was, or need pages of its own. So what may be in
    // use follows what is counted: it grows while that is less than `maxmemory` and a part of it, by half of what is missing, and in steps where
    // that is little; and it shrinks while it is more.
    //
    //     counted       less than 1.04 of maxmemory | up to 1.048 | more                      | from 1.063 on
    //     may be used   more, step by step          | as much     | less; pages are drained   | who needs room waits until pages are drained

    /// The limit that is followed.
    private var limit = 0
    /// What may be in use, what is counted otherwise included.
    private var allowedBytes = 0
    /// What the system counts, but for pages and large blocks of the engine and what counts for the limit otherwise.
    private var outsideBytes = 0
    /// Whether more may be in use than that if the system counts no more then than it may.
    private(set) var isProvisional = false
    /// When it was looked at last, in cycles.
    private(set) var measured: UInt64 = 0
    /// Whether it counted so much that less may be in use.
    private var isPressed = false
    /// From when on it is looked whether free blocks of malloc are worth giving back, in milliseconds since 1970.
    private var nextReturn: Int64 = 0

    /// From this limit on it is seen to that not only what is in use is within it, but, by and large, what the system counts.
    private static let leastFollowed = 40 << 20
    /// The system may count more by this part of the limit, ...
    private static let toleratedPart = 25
    /// ... by this part more than that until something is done, ...
    private static let pressurePart = 128
    /// ... and by this part of it more than that until it is urgent.
    private static let urgentPart = 64
    /// What a snapshot needs may come to this part of the limit, or to this many bytes.
    private static let snapshotPart = 128
    private static let leastOfSnapshot = 512 << 10
    /// Who needs room waits for it while so much is missing, a part of the limit.
    private static let farPart = 32
    /// No limit counts as larger, so that nothing overflows.
    private static let largest = 1 << 60
    /// This part of the limit may always be in use.
    private static let leastAllowedPart = 2
    /// What is in use grows by this part of the limit until the system is asked again.
    private static let stepPart = 128
    /// What is in use shrinks by this part of what is too much: with it pages become sparse, and are drained.
    private static let shrinkingPart = 8
    /// Free blocks of malloc are given back when they are this part of the limit at least, ...
    private static let returnedPart = 32
    /// ... and only so often, in milliseconds: that takes time, and so does it to get the pages again.
    private static let returnInterval: Int64 = 250
    /// How much is received at once of a large argument at most: under a millisecond's work.
    private static let mostReceived = 4 << 20
    /// Requests that have not arrived whole may come to this part of the limit before they are read with regard to what room there is.
    private static let inputPart = 64
    /// Pages and large blocks may take so much more than what may be in use of a limit that is not followed: a part of it, ...
    private static let looserPart = 32
    /// ... and at least.
    private static let leastLooser = 4 << 20

    /// How many bytes clients had sent when that was asked last whether they have sent much.
    private var followedInput = 0

    /// Whether clients have sent so much since the last time that the system may count much more though no more is in use: what was written
    /// lies where room was in use already, but no page was.
    @inline(__always)
    func follow(input: Int) -> Bool {
        // The count begins anew with CONFIG RESETSTAT.
        guard limit >= Self.leastFollowed && (input &- followedInput).magnitude > limit / Self.stepPart else {
            return false
        }
        followedInput = input
        return true
    }

    /// How much of a large argument is received at once: no more than a step.
    var mostReceived: Int {
        limit >= Self.leastFollowed ? min(limit / Self.stepPart, Self.mostReceived) : Self.mostReceived
    }

    /// Takes note of a limit, 0 for none.
    /// - Returns: whether it is a new one: then it is to be found out how much may be in use.
    func follow(_ limit: Int) -> Bool {
        let limit = min(limit, Self.largest)
        guard limit != self.limit else { return false }
        self.limit = limit
        (allowedBytes, isProvisional) = (limit, false)
        return true
    }

    /// Finds out how much may be in use of the limit.
    /// - Parameters:
    ///   - resident: what the system counts, 0 if it does not tell. Not asked for below the limit from which it matters: the system takes its time for it.
    ///   - held: what of it is pages and large blocks of the engine.
    ///   - used: what is in use of these.
    ///   - own: what counts for the limit besides.
    ///   - expected: what is going to be in use, too, and for which room is made.
    ///   - cycles: the time.
    func measure(
        resident: @autoclosure () -> Int, held: Int, used: Int, own: Int, expected: Int = 0, at cycles: UInt64
    ) {
        measured = cycles
        isPressed = false
        guard limit >= Self.leastFollowed, case let resident = resident(), resident > 0 else { return }
        outsideBytes = resident - held - own
        let excess = resident - limit - limit / Self.toleratedPart
        let inUse = used + own + expected
        var allowed = allowedBytes
        isPressed = excess > limit / Self.pressurePart
        if excess < 0 {
            allowed = inUse + max(limit / Self.stepPart, -excess / 2)
        } else if isPressed {
            // Not over and over again where nothing can be evicted.
            allowed = max(min(allowed, inUse) - excess / Self.shrinkingPart, min(allowed, inUse - excess))
        } else {
            allowed = max(allowed, inUse)
        }
        allowedBytes = min(max(allowed, limit / Self.leastAllowedPart), limit)
        isProvisional = excess < 0 && allowedBytes < limit
    }

    /// Whether the system counts too much, and much of it is free blocks of malloc. Then these are to be given back.
    /// - Parameters:
    ///   - now: in milliseconds since 1970.
    ///   - free: how many bytes there are of them. Not asked for unless it matters.
    func mayReturnFree(at now: Int64, _ free: @autoclosure () -> Int) -> Bool {
        guard isPressed && now >= nextReturn else { return false }
        nextReturn = now + Self.returnInterval
        return free() > limit / Self.returnedPart
    }

    /// Has what may be in use grow as if the system did not count too much.
    func goOnUnmeasured(used: Int) {
        guard isProvisional else { return }
        allowedBytes = min(max(allowedBytes, used + limit / Self.stepPart), limit)
        isProvisional = allowedBytes < limit
    }

    /// How many bytes the engine may have in use; nil for no limit.
    /// - Parameter own: what counts for the limit besides.
    func engineLimit(own: Int) -> Int? { limit > 0 ? max(0, allowedBytes - own) : nil }

    /// How many bytes pages and large blocks of the engine may take.
    /// - Parameter own: what counts for the limit besides them.
    func residentLimit(own: Int) -> Int {
        guard limit >= Self.leastFollowed else { return limit - own + max(limit / Self.looserPart, Self.leastLooser) }
        return limit + limit / Self.toleratedPart + limit / Self.pressurePart - outsideBytes - own
    }

    /// How many bytes a snapshot may need before whoever needs room sees to it that more of it is written first.
    var mostOfSnapshot: Int { Self.mostOfSnapshot(limit) }

    /// The same for any limit.
    static func mostOfSnapshot(_ limit: Int) -> Int { max(limit / snapshotPart, leastOfSnapshot) }

    /// Whether so much of a snapshot is to be written that whoever needs room waits for it.
    func isFarBehind(_ writable: Int) -> Bool { writable > 2 * mostOfSnapshot }

    /// Whether requests that have not arrived whole take so much that there may be no room for what they still lack.
    @inline(__always) func isMuch(input: Int) -> Bool { input > limit / Self.inputPart }

    /// Whether so much more is in use than may be that whoever needs room waits for it: a command may use as much again as is missing.
    func isFar(_ excess: Int) -> Bool { excess > limit / Self.farPart }

    /// Whether so much more is held than may be that it is not left to later turns to give it back.
    func isMuch(_ residentExcess: Int) -> Bool { residentExcess > limit / Self.urgentPart }
}
