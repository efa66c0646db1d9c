// When to let requests gather before the loop looks for them.
//
// Where many clients each send one request after the other, the loop would be woken for nearly every one, and the wake-up costs the kernel as
// much as the request. To look away for a moment lets several arrive, which then share one wake-up: the server takes a quarter less
// time for each, and as many clients get as many answers. It is done only while
//
//   - at least a dozen clients send by turns: a few would wait for nothing but their own replies;
//   - they send so fast that several requests arrive in that moment;
//   - the loop does not find many at once as it is;
//   - as many requests come as without: that is tried out again and again, with the times of `Trial`.
//
// So a server with few clients, or with time on its hands, answers at once; a busy one answers up to 100 microseconds later.

import CLinux
import Glibc

struct ArrivalMeter {
    /// Events of a turn from which on there is nothing to gain.
    private static let enough = 8
    /// How many events come in a millisecond, at least: three in 50 microseconds.
    private static let gapsInMillisecond = 60
    /// How many other events come between two of one client, at least.
    private static let manyClients = 12

    /// For how many nanoseconds the loop should look away before it looks again; 0 for not at all.
    private(set) var gatheringTime = 0
    /// Whether it should.
    @inline(__always) var gathers: Bool { gatheringTime > 0 }
    private var trial = Trial()
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
        guard distance > Self.manyClients * 64 && gap < Int(millisecond) / Self.gapsInMillisecond else {
            gatheringTime = 0
            return trial.reset()
        }
        if cycles >= trial.end { trial.goOn(at: cycles, events: eventCount, millisecond: millisecond) }
        gatheringTime = count < Self.enough ? trial.time : 0
    }

    /// Looks away.
    func gather() {
        var time = timespec(tv_sec: 0, tv_nsec: gatheringTime)
        unsafe nanosleep(&time, nil)
    }
}

/// Tries out for how long the loop may look away: a few milliseconds with each time, one after the other, and then goes on for long with the
/// longest with which about as many requests came as with the best. Clients that wait for their replies send less if these come too late;
/// how late that is nobody knows beforehand.
private struct Trial {
    /// In nanoseconds.
    private static let times: [3 of Int] = [0, 50_000, 100_000]
    private static let milliseconds: UInt64 = 4
    private static let millisecondsBetween: UInt64 = 150
    /// This part of the best rate is about as good.
    private static let enough = 0.97

    /// For how long the loop looks away now, in nanoseconds.
    private(set) var time = 0
    /// When the next time is tried, in cycles.
    private(set) var end: UInt64 = 0
    /// Which time is tried; -1 before the first, and how many there are behind the last.
    private var step = -1
    private var start: UInt64 = 0
    private var firstEvent = 0
    /// Events per cycle with each time; the newest counts half, what was before the rest.
    private var rates: [3 of Double] = .init(repeating: 0)

    /// Begins anew with the next turn.
    @inline(__always)
    mutating func reset() { if step >= 0 { self = Trial() } }

    /// To be called when the time at hand is over.
    mutating func goOn(at cycles: UInt64, events: Int, millisecond: UInt64) {
        if Self.times.indices.contains(step) {
            let rate = Double(events &- firstEvent) / Double(max(cycles &- start, 1))
            rates[step] = rates[step] == 0 ? rate : (rates[step] + rate) / 2
        }
        step = step < Self.times.count ? step + 1 : 0
        start = cycles
        firstEvent = events
        if step < Self.times.count {
            time = Self.times[step]
            end = cycles &+ Self.milliseconds &* millisecond
        } else {
            time = Self.times[longest]
            end = cycles &+ Self.millisecondsBetween &* millisecond
        }
    }

    /// The place of the longest time with which about as many requests came as with the best.
    private var longest: Int {
        let most = rates.indices.reduce(0) { max($0, rates[$1]) }
        return rates.indices.last { rates[$0] >= most * Self.enough } ?? 0
    }
}
