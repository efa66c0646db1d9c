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
    private var last = (commands: 0, input: 0, output: 0)

    mutating func sample(_ statistics: ServerStatistics, milliseconds: Int64) {
        let seconds = Double(max(1, milliseconds)) / 1000
        func follow(_ rate: inout Double, _ difference: Int) {
            rate += (Double(max(0, difference)) / seconds - rate) / 16
        }
        follow(&commands, statistics.commandsProcessed - last.commands)
        follow(&inputBytes, statistics.inputBytes - last.input)
        follow(&outputBytes, statistics.outputBytes - last.output)
        last = (statistics.commandsProcessed, statistics.inputBytes, statistics.outputBytes)
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
    var connectionCount = 0
    var nextConnectionID: UInt64 = 1
    @exclusivity(unchecked) private var lastMaintenance: Int64 = 0
    private(set) var rates = ServerRates()
    /// Whether keys go at their deadline by themselves; DEBUG can stop that, and then they go when somebody looks.
    var activeExpireEnabled = true
    @exclusivity(unchecked) var isStopping = false
    var exitStatus: Int32 = 0
    var peakUsedBytes = 0
    /// What the program itself took before there was anything in it.
    let residentAtStart = SystemFacts.residentBytes

    // MARK: the request path

    /// Where input is read to, with room in front for the beginning of a request.
    let input =
        UnsafeMutableRawPointer.allocate(
            byteCount: PartialRequest.mostParsedAgain + Server.inputCapacity, alignment: 64)
        + PartialRequest.mostParsedAgain
    static let inputCapacity = 64 * 1024
    let arguments = ArgumentList(capacity: 4096)
    @exclusivity(unchecked) var parser = RequestParser()
    @exclusivity(unchecked) var lastCycles: UInt64 = 0
    /// A command that took more cycles than this has taken about a millisecond; corrected while the server runs.
    @exclusivity(unchecked) private(set) var longCycles: UInt64 = 1 << 20
    /// Whether time stands still, as it does within a transaction.
    @exclusivity(unchecked) var holdsTime = false
    /// Requests that were parsed and are about to be executed together, and their keys.
    let batch = UnsafeMutablePointer<ParsedRequest>.allocate(capacity: Server.batchCapacity)
    let keys = UnsafeMutablePointer<HashedKey>.allocate(capacity: Server.batchCapacity)
    let members = UnsafeMutablePointer<HashedMember>.allocate(capacity: Server.batchCapacity)
    static let batchCapacity = 32
    /// Whose requests are being executed, and where in `reply` begins what has not been queued for it.
    @exclusivity(unchecked) var replyingTo: Connection?
    @exclusivity(unchecked) var replyStart = 0
    /// How many bytes one connection may be answered at once.
    @exclusivity(unchecked) var mostReplyBytes = Int.max / 2
    /// Replies of this turn that have not been sent yet: whose, and where in `reply` they are.
    @exclusivity(unchecked) var replies: [(connection: Connection, range: Range<Int>)] = []
    /// Connections that may have more to read than was read in this turn.
    @exclusivity(unchecked) var unread: [Connection] = []
    @exclusivity(unchecked) var dying: [Connection] = []
    /// Connections that were closed in this turn, kept until its end: others may still be looking at them.
    @exclusivity(unchecked) private var closed: [Connection] = []

    // MARK: waiting and pausing

    /// Clients that waited for a key and may go on.
    @exclusivity(unchecked) var released: [Connection] = []
    /// Waits that CLIENT UNBLOCK ends, once it has been answered, and whether with an error.
    @exclusivity(unchecked) var unblocked: [(waiter: WaitingCommand, withError: Bool)] = []

    @exclusivity(unchecked) var pausedUntil: Int64 = 0
    var pausesWritesOnly = false
    var held: [Connection] = []

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
        batch.initialize(repeating: ParsedRequest(), count: Self.batchCapacity)
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
            updateTime()
            lastCycles = clinux_cycle_counter()
            arrivals.turn(events: count, cycles: lastCycles, millisecond: longCycles)
            readUnread()
            for index in 0..<count {
                if index & 15 == 15 { updateTime() }
                handle(epoll[index])
            }
            releaseHeld()
            serveDueWaits()
            if activeExpireEnabled && !engine.expireDue(budget: 1000) { workLeft = true }
            serveBlocked()
            resumeReleased()
            sendReplies()
            if engine.hasGarbage { engine.freeSlice() }
            maintain()
            closeDying()
            if Signals.received != 0 { stop(because: Signals.received) }
        }
        sendReplies()
        for case let connection? in connections { close(connection) }
        closeListeners()
    }

    @exclusivity(unchecked) private var workLeft = false

    /// Whether there is something to do even if no client asks for anything. Otherwise sets the timer for when there will be.
    private func hasWork() -> Bool {
        if workLeft || engine.hasGarbage || !dying.isEmpty || !unread.isEmpty {
            workLeft = false
            return true
        }
        var time = lastMaintenance + maintenanceInterval
        if activeExpireEnabled, engine.removesDueKeys, let deadline = engine.nextDeadline {
            time = min(time, deadline + 1)
        }
        if pausedUntil > 0 { time = min(time, pausedUntil) }
        if let deadline = keyspaceListeners.blocked.nextAlarm { time = min(time, deadline) }
        if time <= engine.now { return true }
        timer.set(for: time, now: engine.now)
        return false
    }

    @inline(__always)
    private func handle(_ event: Epoll.Event) {
        let descriptor = Int(UInt32(truncatingIfNeeded: event.word))
        if event.word >> 32 == 0 {
            if Int32(descriptor) == timer.descriptor { return timer.hasFired() }
            return accept(Int32(descriptor))
        }
        guard descriptor < connections.count, let connection = connections[descriptor],
            connection.id & 0xFFFF_FFFF == event.word >> 32, !connection.isClosed
        else { return }
        arrivals.count(&connection.lastEvent)
        if event.isWritable && connection.isWatchedForWriting { flush(connection) }
        if event.isHangUp {
            connection.isHungUp = true
            if connection.isHeld { return close(connection) }
        }
        if event.isReadable && !connection.isClosed && !connection.isHeld { readAndExecute(connection) }
    }

    /// Goes on with connections that had more to read than was read in the last turn.
    private func readUnread() {
        guard !unread.isEmpty else { return }
        let connections = unread
        unread = []
        for connection in connections where !connection.isClosed {
            if connection.isHeld && connection.isHungUp {
                close(connection)
            } else if !connection.isHeld {
                readAndExecute(connection)
            }
        }
    }

    private func accept(_ listener: Int32) {
        for _ in 0..<1000 {
            let descriptor = clinux_accept_nonblocking(listener)
            guard descriptor >= 0 else {
                if errno != EAGAIN && errno != EINTR {
                    log.warning("Accepting client connection: \(String(cString: strerror(errno)))")
                }
                return
            }
            admit(descriptor, isUnix: listeners.first { $0.descriptor == listener }?.isUnix == true)
        }
    }

    private func admit(_ descriptor: Int32, isUnix: Bool) {
        let settings = configuration.settings
        if connectionCount >= settings.maxClients {
            turnAway(descriptor, "-ERR max number of clients reached\r\n")
            return
        }
        if !isUnix {
            Syscall.setOption(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
            if settings.tcpKeepaliveSeconds > 0 {
                let interval = Int32(settings.tcpKeepaliveSeconds)
                Syscall.setOption(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1)
                Syscall.setOption(descriptor, Int32(IPPROTO_TCP), TCP_KEEPIDLE, interval)
                Syscall.setOption(descriptor, Int32(IPPROTO_TCP), TCP_KEEPINTVL, max(1, interval / 3))
                Syscall.setOption(descriptor, Int32(IPPROTO_TCP), TCP_KEEPCNT, 3)
            }
        }
        let connection = Connection(
            descriptor: descriptor, id: nextConnectionID, isUnix: isUnix, now: engine.now,
            unixPath: settings.unixSocket)
        if settings.protectedMode && settings.requirePassword.isEmpty && !connection.isLocal {
            turnAway(descriptor, ByteSlice(Self.protectedModeText))
            return
        }
        nextConnectionID += 1
        connection.isAuthenticated = settings.requirePassword.isEmpty
        connection.updateCare()
        do throws(SyscallError) {
            try epoll.add(descriptor, word: Epoll.word(descriptor, registration: connection.id))
        } catch {
            Glibc.close(descriptor)
            return
        }
        while connections.count <= Int(descriptor) { connections.append(nil) }
        connections[Int(descriptor)] = connection
        connectionCount += 1
        statistics.connectionsReceived += 1
        log.verbose("Accepted \(connection.address)")
    }

    private static let protectedModeText: StaticString =
        "-DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the default user. In this mode connections are only accepted from the loopback interface. If you want to connect from external computers, set a password, or switch protected mode off with CONFIG SET protected-mode no from a local connection, in the configuration file, or on the command line.\r\n"

    private func turnAway(_ descriptor: Int32, _ text: ByteSlice) {
        text.withSpan { span in
            span.withUnsafeBytes { _ = Syscall.send(descriptor, $0.baseAddress!, $0.count) }
        }
        statistics.connectionsRejected += 1
        Glibc.close(descriptor)
    }

    // MARK: closing

    /// Marks a connection to be closed at the end of the turn, after its replies have been sent.
    func closeLater(_ connection: Connection) {
        guard !connection.closesAfterReply else { return }
        connection.closesAfterReply = true
        dying.append(connection)
    }

    private func closeDying() {
        closed.removeAll(keepingCapacity: true)
        guard !dying.isEmpty else { return }
        let now = dying
        dying = []
        for connection in now where !connection.isClosed {
            // What is unsent is waited for by the write interest; the close follows it.
            if connection.unsent.byteCount == 0 { close(connection) }
        }
    }

    func close(_ connection: Connection) {
        guard !connection.isClosed else { return }
        log.verbose(
            "Closed connection id=\(connection.id) addr=\(connection.address) fd=\(connection.descriptor) name=\(connection.name)"
        )
        connection.isClosed = true
        closed.append(connection)
        unwatchAll(connection)
        forgetWait(of: connection)
        epoll.remove(connection.descriptor)
        Glibc.close(connection.descriptor)
        connections[Int(connection.descriptor)] = nil
        connectionCount -= 1
        connection.partial = nil
        connection.unsent = OutputQueue()
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
        for case let connection? in connections where connection.unsent.byteCount > 0 { checkOutputLimit(connection) }
        let timeout = Int64(configuration.settings.timeoutSeconds) * 1000
        guard timeout > 0 else { return }
        for case let connection? in connections
        where engine.now - connection.lastActive > timeout && !connection.isHeld {
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
