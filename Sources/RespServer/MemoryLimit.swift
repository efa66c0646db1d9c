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
    /// Whether more memory is in use than `maxmemory` allows.
    var isExceeded = false
    var excess = MemoryExcess()

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

    /// What the system counts besides what is in use, as far as data have to give way to it.
    private(set) var lostBytes = 0
    /// When that was found out, in cycles.
    private(set) var measured: UInt64 = 0

    /// From this limit on it is seen to that not only what is in use is within it, but, by and large, what the system counts.
    private static let leastFollowed = 64 << 20
    /// A limit may be exceeded by this part of it by what is no data, ...
    private static let toleratedPart = 25
    /// ... this part of it is the most that data have to give way to, ...
    private static let mostLostPart = 3
    /// ... and this part the most at once while keys are evicted: the pages that they have left are given back by and by.
    private static let mostLostAtOncePart = 128

    /// Finds out how much of what is no data is lost to them: as much as exceeds a part of the limit.
    /// - Parameters:
    ///   - overhead: how much more the system counts than is in use: what is not in use of pages, what lies free between blocks of malloc,
    ///     and the program itself. Not asked for below the limit from which it matters: the system takes its time for it.
    ///   - cycles: the time.
    func measureLostBytes(overhead: @autoclosure () -> Int, limit: Int, at cycles: UInt64) {
        measured = cycles
        guard limit >= Self.leastFollowed else {
            lostBytes = 0
            return
        }
        let excess = min(max(0, overhead() - limit / Self.toleratedPart), limit / Self.mostLostPart)
        lostBytes = isExceeded ? min(excess, lostBytes + limit / Self.mostLostAtOncePart) : excess
    }
}
