// Who is served when. Clients that have more to do than fits into their slice of a turn, or that no event tells of, are queued for the next
// turn, first come first served; behind them come the events of the turn. A command that takes long has others served within its own turn: so
// it is known at any time who is still to come.

final class TurnQueue {
    // No other code runs while one of these is modified, so exclusive access is not checked at run time: they are looked at in every turn.

    /// To be served in the next turn.
    @safe @exclusivity(unchecked) private var queued: [Connection] = []
    /// Of those that are served in this turn, who is still to come; and which events of the turn are.
    @safe @exclusivity(unchecked) private var serving: ArraySlice<Connection> = []
    @safe @exclusivity(unchecked) private var events = 0..<0
    /// The turn at hand is the last one: nobody is served any more.
    @safe @exclusivity(unchecked) private(set) var isStopping = false

    func stop() { isStopping = true }

    /// Whether somebody is to be served in the next turn.
    @inline(__always) var hasQueued: Bool { !queued.isEmpty }
    /// Whether nobody is to be served, in this turn or the next.
    var isIdle: Bool { events.isEmpty && queued.isEmpty }

    // MARK: connections

    /// Has a connection served in the next turn, once.
    func enqueue(_ connection: Connection) {
        guard !connection.isQueued else { return }
        connection.isQueued = true
        queued.append(connection)
    }

    /// Keeps a connection from being queued while others are served within its command. `putBack` ends that, and queues it.
    func setAside(_ connection: Connection) {
        queued.removeAll { $0 === connection }
        connection.isQueued = true
    }

    func putBack(_ connection: Connection) {
        connection.isQueued = false
        enqueue(connection)
    }

    /// Begins with those that were queued in the last turn.
    @inline(__always)
    func beginServing() { if hasQueued { takeQueued() } }

    private func takeQueued() {
        serving = queued[...]
        queued = []
    }

    /// Whether somebody is still to come in this turn.
    @inline(__always) var isServing: Bool { !serving.isEmpty }

    /// The next one to be served; somebody must be still to come.
    func next() -> Connection {
        let connection = serving.removeFirst()
        connection.isQueued = false
        return connection
    }

    /// Leaves those who are still to come to the next turn: they are its first ones.
    func putOff() {
        queued = serving + queued
        serving = []
    }

    // MARK: events

    /// - Parameter count: how many events the turn has.
    @inline(__always)
    func beginEvents(_ count: Int) { events = 0..<count }

    /// The index of the next event.
    @inline(__always)
    func nextEvent() -> Int? { events.popFirst() }
}
