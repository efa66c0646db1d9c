// When to let requests gather before the loop looks for them.
//
// Where many clients each send one request after the other, the loop would be woken for nearly every one, and the wake-up costs the kernel as
// much as the request. To look away for a moment lets several arrive, which then share one wake-up: the server takes a quarter less
// time for each, and as many clients get as many answers. It is done only while
//
//   - at least a dozen clients send by turns: a few would wait for nothing but their own replies;
//   - they send so fast that several requests arrive in that moment;
//   - the loop does not find many at once as it is.
//
// So a server with few clients, or with time on its hands, answers at once; a busy one answers up to 50 microseconds later.

import CLinux
import Glibc

struct ArrivalMeter {
    /// How long the loop looks away.
    static let gatheringNanoseconds = 50_000
    /// Events of a turn from which on there is nothing to gain.
    private static let enough = 8
    /// How many events come in a millisecond, at least: three while the loop looks away.
    private static let gapsInMillisecond = 60
    /// How many other events come between two of one client, at least.
    private static let manyClients = 12

    /// Whether the loop should look away before it looks again.
    private(set) var gathers = false
    private var eventCount = 0
    /// How many events lie between two of one connection, in 64ths, as a mean of the last.
    private var distance = 0
    /// Cycles from one event to the next, as a mean of the last turns.
    private var gap = 1 << 30
    private var lastTurn: UInt64 = 0

    init() { clinux_use_exact_timers() }

    /// Counts an event of a connection whose event before it had the number `last`.
    @inline(__always)
    mutating func count(_ last: inout Int) {
        eventCount &+= 1
        distance &+= (min(eventCount &- last, 4 &* Self.manyClients) &* 64 &- distance) / 16
        last = eventCount
    }

    /// Takes note of a turn that found `count` events.
    /// - Parameters:
    ///   - cycles: the time, by the processor's counter.
    ///   - millisecond: how many cycles a millisecond has.
    @inline(__always)
    mutating func turn(events count: Int, cycles: UInt64, millisecond: UInt64) {
        guard count > 0 else { return }
        let mean = Int(truncatingIfNeeded: min(cycles &- lastTurn, 1 << 30)) / count
        gap &+= (mean &- gap) / 16
        lastTurn = cycles
        gathers =
            count < Self.enough && distance > Self.manyClients * 64 && gap < Int(millisecond) / Self.gapsInMillisecond
    }

    /// Looks away.
    func gather() {
        var time = timespec(tv_sec: 0, tv_nsec: Self.gatheringNanoseconds)
        unsafe nanosleep(&time, nil)
    }
}
