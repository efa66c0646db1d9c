// What the server waits for: descriptors, and times.
//
// Parts that have something done at a time register a timer and set it whenever that time changes. A turn compares the clock with the
// earliest of them; where none is over and nobody has work, the loop sleeps until a descriptor has an event or that time comes.

import Glibc

final class EventLoop {
    private let epoll: Epoll
    // No other code runs while one of these is modified, so exclusive access is not checked at run time: they change in every turn.
    @safe @exclusivity(unchecked) private var wakeTimer: WakeTimer
    @safe @exclusivity(unchecked) private var arrivals = ArrivalMeter()
    let timers = LoopTimers()
    /// Who is told by a signal of another thread, once somebody waits for one.
    private var signal: (source: EventSignal, timer: LoopTimer)?

    init() throws(SyscallError) {
        epoll = try Epoll()
        wakeTimer = try WakeTimer()
        try epoll.addByLevel(wakeTimer.descriptor, word: Epoll.word(wakeTimer.descriptor, registration: 0))
    }

    // MARK: waiting

    /// Waits for events and returns how many there are.
    /// - Parameters:
    ///   - now: in milliseconds, by the clock of the timers.
    ///   - hasWork: Only looks: there is something to do even if no event comes.
    func wait(now: Int64, hasWork: Bool) -> Int {
        guard !hasWork && timers.earliest > now else { return epoll.wait(blocking: false) }
        wakeTimer.set(for: timers.earliest, now: now)
        if arrivals.gathers { arrivals.gather() }
        return epoll.wait(blocking: true)
    }

    /// One of the events that `wait` found.
    @inline(__always) subscript(index: Int) -> Epoll.Event { epoll[index] }

    /// Whether an event is that of the time to wake at, or a signal; it is done with then.
    func isWakeUp(_ descriptor: Int32) -> Bool {
        if descriptor == wakeTimer.descriptor {
            wakeTimer.hasFired()
        } else if let signal, signal.source.descriptor == descriptor {
            signal.source.take()
            // What is to be done is done where a turn begins.
            signal.timer.set(for: timers.time)
        } else {
            return false
        }
        return true
    }

    // MARK: how much comes

    /// Takes note of a turn that found `count` events: see `ArrivalMeter`.
    @inline(__always)
    func beginTurn(events count: Int, cycles: UInt64, millisecond: UInt64) {
        arrivals.turn(events: count, cycles: cycles, millisecond: millisecond)
    }

    /// Takes note of a connection's event.
    @inline(__always)
    func count(_ connection: Connection) { arrivals.count(&connection.lastEvent) }

    // MARK: descriptors

    func watch(_ listener: Listener) throws(SyscallError) {
        try epoll.addByLevel(listener.descriptor, word: Epoll.word(listener.descriptor, registration: 0))
    }

    /// Has a timer's action done in the turn that follows a signal of another thread. To be called once.
    func watch(_ signal: EventSignal, _ timer: LoopTimer) throws(SyscallError) {
        precondition(self.signal == nil, "one signal is watched")
        try epoll.addByLevel(signal.descriptor, word: Epoll.word(signal.descriptor, registration: 0))
        self.signal = (signal, timer)
    }

    /// Watches a connection's socket by edges.
    func watch(_ connection: Connection) throws(SyscallError) {
        try epoll.add(connection.descriptor, word: word(connection))
    }

    /// Changes which events of a connection's socket are reported, as its state asks. What is ready already is reported in the next wait.
    func updateInterest(_ connection: Connection) {
        switch connection.transport {
        case .socket(let descriptor):
            epoll.modify(descriptor, word: word(connection), writing: connection.isWatchedForWriting)
        case .scripted(let peer): peer.isWatchedForWriting = connection.isWatchedForWriting
        }
    }

    /// Tells as long as a socket is readable.
    func watchByLevel(_ descriptor: Int32, registration: UInt64) {
        epoll.modifyToLevel(descriptor, word: Epoll.word(descriptor, registration: registration))
    }

    func unwatch(_ descriptor: Int32) { epoll.remove(descriptor) }

    private func word(_ connection: Connection) -> UInt64 {
        Epoll.word(connection.descriptor, registration: connection.registration)
    }
}
