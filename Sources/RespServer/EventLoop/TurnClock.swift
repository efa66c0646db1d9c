// How long a turn and a client's slice of it have taken, by the processor's counter, which is read after each command.

import CLinux

final class TurnClock {
    /// Counts the turns of the loop.
    private(set) var turn = 0
    /// When the last command was over.
    private(set) var last: UInt64 = 0
    private(set) var turnStart: UInt64 = 0
    private var sliceStart: UInt64 = 0
    private var sliceLength: UInt64 = 0
    /// Cycles of about a millisecond; corrected while the server runs.
    private(set) var millisecond: UInt64 = 1 << 20
    /// From how many cycles on commands are looked at (`CommandObserver`): a millisecond or less.
    private(set) var noticed: UInt64 = 1 << 20
    /// From how many microseconds on they are; where that is more than a millisecond, others are looked at in vain.
    var noticedMicroseconds = Int.max { didSet { followMillisecond() } }
    /// Nanoseconds in 2^20 cycles.
    private var nanosecondRate: UInt64 = 1_000_000
    private let startCycles: UInt64
    private let startMicroseconds: Int64

    init() { (startCycles, startMicroseconds) = Self.read() }

    /// The time of both clocks. Between the two readings the system may let others run, which would make a short time tell a wrong rate: the
    /// closest of three counts.
    private static func read() -> (cycles: UInt64, microseconds: Int64) {
        var (best, closest) = ((cycles: UInt64(0), microseconds: Int64(0)), UInt64.max)
        for _ in 0..<3 {
            let before = clinux_cycle_counter()
            let microseconds = Syscall.monotonicMicroseconds()
            let apart = clinux_cycle_counter() &- before
            if apart < closest { (best, closest) = ((before &+ apart / 2, microseconds), apart) }
        }
        return best
    }

    @inline(__always)
    func beginTurn() {
        turn &+= 1
        last = clinux_cycle_counter()
        turnStart = last
    }

    /// Reads the counter, and returns how many cycles have passed since it was read last.
    @inline(__always)
    func lap() -> UInt64 {
        let now = clinux_cycle_counter()
        let taken = now &- last
        last = now
        return taken
    }

    /// The time up to now is charged to no command: what is counted next begins here.
    @inline(__always)
    func restart() { last = clinux_cycle_counter() }

    /// Nanoseconds for up to a millisecond's cycles.
    @inline(__always)
    func nanoseconds(short cycles: UInt64) -> UInt64 { (cycles &* nanosecondRate) &>> 20 }

    /// How many cycles the turn has taken up to now.
    @inline(__always) var turnCycles: UInt64 { clinux_cycle_counter() &- turnStart }

    /// Whether the clients have had their share of this turn, 4 ms. Who has not been served then is among the first of the next.
    @inline(__always) var isTurnOver: Bool { last &- turnStart > millisecond &* 4 }

    /// One connection begins to be served.
    @inline(__always) func beginSlice() {
        sliceStart = last
        sliceLength = millisecond / 8
    }

    /// Lets the connection go on that is being served, for 2 ms in all, since what it asks for costs less done
    /// at once, or since its replies are to meet an output limit together.
    func extendSlice() { sliceLength = millisecond &* 2 }

    /// Whether it has been served for long enough, an eighth of a millisecond if nothing was said.
    @inline(__always) var isSliceOver: Bool { last &- sliceStart > sliceLength }

    /// Microseconds for a number of cycles, by what has passed since the start.
    func microseconds(cycles: UInt64) -> Double {
        let now = Self.read()
        guard now.cycles > startCycles else { return 0 }
        return Double(cycles) * Double(now.microseconds - startMicroseconds) / Double(now.cycles - startCycles)
    }

    /// Since the server was made.
    var uptimeSeconds: Int { Int((Syscall.monotonicMicroseconds() - startMicroseconds) / 1_000_000) }

    func correctMillisecond() {
        let now = Self.read()
        let elapsed = now.microseconds - startMicroseconds
        // To the microsecond: of a short time that tells no rate.
        guard elapsed >= 1000 else { return }
        millisecond = max(1000, UInt64(Double(now.cycles &- startCycles) * 1000 / Double(elapsed)))
        followMillisecond()
    }

    private func followMillisecond() {
        nanosecondRate = (1_000_000 << 20) / millisecond
        // A call at the edge is looked at rather once too often.
        noticed =
            noticedMicroseconds >= 1000 ? millisecond : UInt64(max(0, noticedMicroseconds - 1)) * millisecond / 1000
    }
}
