// The server: everything it owns, and the loop that moves it.
//
// One turn of the loop: wait for events; accept; read and execute; write what was answered; expire keys that are due; free some of
// what was dropped; close. Each phase does a bounded amount of work, so no client and no upkeep holds up the others for long.

import CLinux
import Glibc
import RespCodec
import StoreEngine

struct ServerStatistics {
    var connectionsReceived = 0
    var connectionsRejected = 0
    var commandsProcessed = 0
    var inputBytes = 0
    var outputBytes = 0
    /// Times that something was read from a socket, or written to one.
    var reads = 0
    var writes = 0
    /// Turns of the loop, and how long they took without the wait for events.
    var turns = 0
    var turnCycles: UInt64 = 0
    var errorReplies = 0
    var errors: [String: Int] = [:]
    var clientsClosedByOutputLimit = 0
    var clientsClosedByQueryLimit = 0
}

/// What happens in a second, as a mean that follows the last seconds.
struct ServerRates {
    private(set) var commands = 0.0
    private(set) var inputBytes = 0.0
    private(set) var outputBytes = 0.0
    private(set) var turns = 0.0
    /// How long a turn took, in cycles.
    private(set) var turnCycles = 0.0
    private var last = ServerStatistics()

    mutating func sample(_ statistics: ServerStatistics, milliseconds: Int64) {
        let seconds = Double(max(1, milliseconds)) / 1000
        func follow(_ rate: inout Double, _ difference: Int) {
            rate += (Double(max(0, difference)) / seconds - rate) / 16
        }
        follow(&commands, statistics.commandsProcessed - last.commandsProcessed)
        follow(&inputBytes, statistics.inputBytes - last.inputBytes)
        follow(&outputBytes, statistics.outputBytes - last.outputBytes)
        follow(&turns, statistics.turns - last.turns)
        if statistics.turns > last.turns && statistics.turnCycles >= last.turnCycles {
            let cycles = Double(statistics.turnCycles - last.turnCycles) / Double(statistics.turns - last.turns)
            turnCycles += (cycles - turnCycles) / 16
        }
        last = statistics
    }
}

final class Server {
    // What changes with every request is without the check that nobody reads it meanwhile: the server runs on one thread, and
    // nothing is handed out of it as inout while commands run.

    let configuration: Configuration
    let log: Log
    let engine: Engine
    let reply = ReplyWriter(capacity: 64 * 1024)
    let commands = CommandTable()
    let keyspaceListeners: KeyspaceListeners
    let epoll: Epoll
    @exclusivity(unchecked) private var timer: WakeTimer
    @exclusivity(unchecked) private var arrivals = ArrivalMeter()
    let runID: String
    let startMicroseconds = Syscall.monotonicMicroseconds()
    let startCycles = clinux_cycle_counter()
    @exclusivity(unchecked) var statistics = ServerStatistics()

    var listeners: [Listener] = []
    /// By descriptor.
    @exclusivity(unchecked) var connections: [Connection?] = []
    /// The descriptors of connections, by id.
    var descriptors: [UInt64: Int32] = [:]
    var connectionCount = 0
    var nextConnectionID: UInt64 = 1
    @exclusivity(unchecked) private var lastMaintenance: Int64 = 0
    private(set) var rates = ServerRates()
    /// Whether keys go at their deadline by themselves; DEBUG can stop that, and then they go when somebody looks.
    var activeExpireEnabled = true
    @exclusivity(unchecked) var isStopping = false
    var exitStatus: Int32 = 0
    var supervisor = Supervisor()
    var peakUsedBytes = 0 {
        didSet { if peakUsedBytes > oldValue { peakUsedTime = Int(engine.now / 1000) } }
    }
    /// When the most memory was in use so far, in seconds since 1970.
    private(set) var peakUsedTime = Int(Syscall.wallMicroseconds() / 1_000_000)
    /// What the program itself took before there was anything in it.
    let residentAtStart = SystemFacts.residentBytes
    var lastSample = SampledFigures()
    /// What commands did, while DEBUG EFFECTS records it.
    var effectLog: EffectLog?

    // MARK: the request path

    let reader = RequestReader()
    @exclusivity(unchecked) var lastCycles: UInt64 = 0
    /// A command that took more cycles than this has taken about a millisecond; corrected while the server runs.
    @exclusivity(unchecked) private(set) var longCycles: UInt64 = 1 << 20
    /// Commands that must be looked at before they run, whoever asks.
    @exclusivity(unchecked) var gate: CommandFlags = []
    /// The requests of the reader's batch and their keys, as the engine is to know them.
    let calls = UnsafeMutablePointer<BatchedCall>.allocate(capacity: RequestReader.batchCapacity)
    let keys = UnsafeMutablePointer<HashedKey>.allocate(capacity: RequestReader.batchCapacity)
    let members = UnsafeMutablePointer<HashedMember>.allocate(capacity: RequestReader.batchCapacity)
    /// Whose requests are being executed: what is written to `reply` is its.
    @exclusivity(unchecked) var replyingTo: Connection?
    /// How many bytes one connection may be answered at once.
    @exclusivity(unchecked) var mostReplyBytes = Int.max / 2
    /// Replies of this turn that have not been sent yet: whose, and where in `reply` they are.
    @exclusivity(unchecked) var replies: [(connection: Connection, range: Range<Int>)] = []

    // MARK: turns

    /// Counts the turns of the loop.
    @exclusivity(unchecked) private(set) var turn = 0
    @exclusivity(unchecked) private var turnStart: UInt64 = 0
    /// When the connection at hand began to be served, and for how long it may be; in cycles.
    @exclusivity(unchecked) var sliceStart: UInt64 = 0
    @inline(__always) var sliceCycles: UInt64 { longCycles / 4 }
    /// Connections to be served in the next turn though no event tells of them, first come first served.
    @exclusivity(unchecked) private var queue: [Connection] = []
    @exclusivity(unchecked) var closing: [Connection] = []
    /// Connections that were closed in this turn, kept until its end: others may still be looking at them.
    @exclusivity(unchecked) var closed: [Connection] = []
    var lingering = LingeringSockets()

    // MARK: waiting and pausing

    /// Waits that CLIENT UNBLOCK ends, once it has been answered, and whether with an error.
    @exclusivity(unchecked) var unblocked: [(waiter: WaitingCommand, withError: Bool)] = []

    @exclusivity(unchecked) var pause = Pause()

    init(configuration: Configuration, log: Log) throws(SyscallError) {
        self.configuration = configuration
        self.log = log
        engine = Engine(databases: configuration.settings.databases, seed: UInt64.random(in: 1...UInt64.max))
        keyspaceListeners = KeyspaceListeners(engine: engine)
        epoll = try Epoll()
        timer = try WakeTimer()
        try epoll.addByLevel(timer.descriptor, word: Epoll.word(timer.descriptor, registration: 0))
        var id = ""
        for _ in 0..<40 { id.append("0123456789abcdef".randomElement() ?? "0") }
        runID = id
        engine.observer = keyspaceListeners
        reply.beginBorrowing()
        for command in Engine.allCommands { commands.add(CommandRecord(command)) }
        for command in SessionCommands.all { commands.add(CommandRecord(command)) }
        followSettings()
        updateTime()
    }

    // MARK: time

    /// Tells the engine what time it is: once a turn, after every sixteenth event of it, and after a command that took
    /// long.
    func updateTime() { engine.setTime(Syscall.wallMicroseconds() / 1000) }

    /// Microseconds for a number of cycles, by what has passed since the start.
    func microseconds(cycles: UInt64) -> Double {
        let elapsed = Double(clinux_cycle_counter() &- startCycles)
        guard elapsed > 0 else { return 0 }
        return Double(cycles) * Double(Syscall.monotonicMicroseconds() - startMicroseconds) / elapsed
    }

    // MARK: the loop

    func run() {
        while !isStopping {
            let mayWait = !hasWork()
            if mayWait && arrivals.gathers { arrivals.gather() }
            let count = epoll.wait(blocking: mayWait)
            takeTurn(count) { epoll[$0] }
            if Signals.received != 0 { stop(because: Signals.received) }
        }
        sendReplies()
        for case let connection? in connections { close(connection) }
        lingering.closeAll()
        closeListeners()
    }

    /// One turn: what `count` events ask for, and everything else whose time it is.
    @inline(__always)
    func takeTurn(_ count: Int, _ event: (Int) -> Epoll.Event) {
        beginTurn(events: count)
        endPauseInTime()
        serveQueued()
        for index in 0..<count {
            if index & 15 == 15 { updateTime() }
            handle(event(index))
        }
        serveDueWaits()
        if activeExpireEnabled && !engine.expireCycle(budget: 1000) { workLeft = true }
        serveBlocked()
        sendReplies()
        if engine.hasGarbage { engine.freeSlice() }
        maintain()
        closeFinished()
        statistics.turns &+= 1
        statistics.turnCycles &+= clinux_cycle_counter() &- turnStart
    }

    @inline(__always)
    private func beginTurn(events count: Int) {
        turn &+= 1
        updateTime()
        lastCycles = clinux_cycle_counter()
        turnStart = lastCycles
        arrivals.turn(events: count, cycles: lastCycles, millisecond: longCycles)
    }

    /// Whether the clients have had their share of this turn. Who has not been served then is among the first of the next.
    @inline(__always) private var isTurnOver: Bool { lastCycles &- turnStart > longCycles &* 8 }

    @exclusivity(unchecked) private var workLeft = false

    /// Whether there is something to do even if no client asks for anything. Otherwise sets the timer for when there will be.
    func hasWork() -> Bool {
        if workLeft || engine.hasGarbage || !closing.isEmpty || !queue.isEmpty {
            workLeft = false
            return true
        }
        var time = lastMaintenance + maintenanceInterval
        if activeExpireEnabled, engine.removesExpiredKeys, let deadline = engine.nextDeadline {
            time = min(time, deadline + 1)
        }
        if pause.end > 0 { time = min(time, pause.end) }
        if let deadline = keyspaceListeners.blocked.nextAlarm { time = min(time, deadline) }
        if time <= engine.now { return true }
        timer.set(for: time, now: engine.now)
        return false
    }

    /// Has a connection served in the next turn, once.
    func enqueue(_ connection: Connection) {
        guard !connection.isQueued else { return }
        connection.isQueued = true
        queue.append(connection)
    }

    private func serveQueued() {
        guard !queue.isEmpty else { return }
        let connections = queue
        queue = []
        for (index, connection) in connections.enumerated() {
            if isTurnOver {
                queue = connections[index...] + queue
                return
            }
            connection.isQueued = false
            if !connection.isEnding { serve(connection) }
        }
    }

    @inline(__always)
    private func handle(_ event: Epoll.Event) {
        let descriptor = Int(UInt32(truncatingIfNeeded: event.word))
        if event.word >> 32 == 0 {
            if Int32(descriptor) == timer.descriptor { return timer.hasFired() }
            return accept(Int32(descriptor))
        }
        guard descriptor < connections.count, let connection = connections[descriptor],
            connection.registration == event.word >> 32, !connection.isClosed
        else { return lingering.drain(Int32(descriptor), into: reader.room, RequestReader.capacity) }
        arrivals.count(&connection.lastEvent)
        if event.isWritable && connection.isWatchedForWriting { flush(connection) }
        if event.isHangUp { connection.isHungUp = true }
        guard event.isReadable && !connection.isEnding else { return }
        if connection.lastTurn == turn || connection.isQueued || isTurnOver { return enqueue(connection) }
        serve(connection)
    }

    // MARK: upkeep

    private var maintenanceInterval: Int64 { Int64(1000 / configuration.settings.hz) }

    private func maintain() {
        // Somebody may have put the clock back.
        lastMaintenance = min(lastMaintenance, engine.now)
        guard engine.now - lastMaintenance >= maintenanceInterval else { return }
        longCycles = max(1000, UInt64(1e6 / max(1, microseconds(cycles: 1000))))
        rates.sample(statistics, milliseconds: engine.now - lastMaintenance)
        lastMaintenance = engine.now
        peakUsedBytes = max(peakUsedBytes, engine.usedBytes)
        lingering.closeExpired(now: engine.now)
        for case let connection? in connections where connection.unsent.byteCount > 0 { checkOutputLimit(connection) }
        let timeout = Int64(configuration.settings.timeoutSeconds) * 1000
        guard timeout > 0 else { return }
        for case let connection? in connections
        where engine.now - connection.lastActive > timeout && !connection.isPaused && connection.waiting == nil {
            close(connection)
        }
    }

    private func stop(because signal: Int32) {
        log.warning(
            signal == SIGINT
                ? "Received SIGINT scheduling shutdown..." : "Received SIGTERM scheduling shutdown...")
        shutDown()
    }

    func shutDown() {
        log.warning("User requested shutdown...")
        isStopping = true
    }
}
