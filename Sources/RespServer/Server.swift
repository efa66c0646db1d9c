// The server: its parts, and how they are put together. `Server+Turns.swift` is the loop that moves them.

import Glibc
import RespCodec
import StoreEngine

final class Server {
    // What changes with every request is a plain number or a handle: of all else Swift checks at run time that nobody is using it while
    // it changes, and a few such checks cost as much as a short command.

    let configuration: Configuration
    let log: Log
    let engine: Engine
    let commands = CommandTable()
    let keyspaceListeners: KeyspaceListeners
    let scripts = ScriptRunner()
    let persistence: Persistence
    let appendOnly: AppendOnlyFile

    // MARK: the loop

    let loop: EventLoop
    let clock = TurnClock()
    /// Connections to be served in the next turn though no event tells of them, first come first served.
    var queue: [Connection] = []
    /// Of those that are served in this turn, who is still to come; and which events of the turn are.
    var serving: ArraySlice<Connection> = []
    var events = 0..<0
    let upkeepTimer: LoopTimer
    let expiryTimer: LoopTimer
    let evictionTimer: LoopTimer
    let clientEvictionTimer: LoopTimer
    let pauseTimer: LoopTimer
    let lingeringTimer: LoopTimer
    let hotKeysTimer: LoopTimer
    let defragmentationTimer: LoopTimer
    /// While there is much garbage of scripts.
    let scriptTimer: LoopTimer
    let saveTimer: LoopTimer
    /// While somebody waits for the log, or that for a thread.
    let logTimer: LoopTimer
    /// Whether each turn writes a slice of a snapshot.
    var savesInSlices = false
    var isStopping = false
    var exitStatus: Int32 = 0

    // MARK: connections

    var listeners: [Listener] = []
    var connections = ConnectionTable()
    /// To be closed at the end of the turn.
    var closing: [Connection] = []
    /// Connections that were closed in this turn, kept until its end: others may still be looking at them.
    var closed: [Connection] = []
    var lingering = LingeringSockets()

    // MARK: the request path

    let reader = RequestReader()
    let batch = RequestBatch()
    let replies = ReplyQueue()
    /// The writer of `replies`.
    let reply: ReplyWriter
    /// Commands that must be looked at before they run, whoever asks.
    private(set) var gate: CommandFlags = []
    var pause = Pause()
    let monitors = Monitors()
    let observer: CommandObserver
    let hotKeys = HotKeySampler()
    let pubsub: PubSub
    var tracking: Tracking { keyspaceListeners.tracking }
    let memoryLimit = MemoryLimit()
    let clientMemory = ClientMemory()
    var defragmentationPace = DefragmentationPace()
    /// Whether keys go at their deadline by themselves; DEBUG can stop that, and then they go when somebody looks.
    var activeExpireEnabled = true

    /// How many errors of those that the writer has written are in the statistics.
    var countedErrors = 0
    /// Whether the error that a script has answered with was counted when a command of the script had it.
    var isErrorCounted = false

    // MARK: what is told of the server

    let runID: String
    var statistics = ServerStatistics()
    var errors = ErrorStatistics()
    var lastUpkeep: Int64 = 0
    /// DEBUG can stop upkeep, for tests of what does not depend on it.
    var isUpkeepPaused = false
    var lastIdleCheck: Int64 = 0
    var rates = ServerRates()
    var memoryPeak = MemoryPeak()
    var lastSample = SampledFigures()
    /// What the program itself took before there was anything in it.
    let residentAtStart = SystemFacts.residentBytes
    var supervisor = Supervisor()

    init(configuration: Configuration, log: Log) throws(SyscallError) {
        self.configuration = configuration
        self.log = log
        let seed = configuration.settings.hashSeed
        engine = Engine(
            databases: configuration.settings.databases,
            seed: seed.isEmpty
                ? UInt64.random(in: 1...UInt64.max) : Array(seed.utf8).withByteSlice { Engine.seed(from: $0) })
        persistence = Persistence(now: Syscall.wallMicroseconds() / 1000)
        appendOnly = AppendOnlyFile(log: log)
        loop = try EventLoop()
        observer = CommandObserver(clock)
        reply = replies.writer
        // Timers are registered in the order in which they are looked at.
        let actions = TimerActions()
        pauseTimer = loop.timers.add { actions.server.pauseInTime() }
        expiryTimer = loop.timers.add { actions.server.expireKeys() }
        evictionTimer = loop.timers.add { actions.server.makeRoom() }
        clientEvictionTimer = loop.timers.add { actions.server.evictClients() }
        let waitTimer = loop.timers.add { actions.server.serveExpiredWaits() }
        lingeringTimer = loop.timers.add { actions.server.closeLingering() }
        hotKeysTimer = loop.timers.add { actions.server.stopHotKeysInTime() }
        defragmentationTimer = loop.timers.add { actions.server.defragment() }
        scriptTimer = loop.timers.add { actions.server.maintainScripts() }
        saveTimer = loop.timers.add { actions.server.continueSaving() }
        logTimer = loop.timers.add { actions.server.continueLogging() }
        upkeepTimer = loop.timers.add { actions.server.maintain() }
        keyspaceListeners = KeyspaceListeners(engine: engine, replies: replies, timer: waitTimer)
        pubsub = PubSub(engine: engine)
        keyspaceListeners.events.pubsub = pubsub
        var id = ""
        for _ in 0..<40 { id.append("0123456789abcdef".randomElement() ?? "0") }
        runID = id
        actions.server = self
        keyspaceListeners.tracking.connection = { [unowned self] id in connections[id: Int(id)] }
        keyspaceListeners.connections = { [unowned self] in connections.byAge }
        keyspaceListeners.events.publish = { [unowned self] channel, payload in publish(payload, to: channel) }
        replies.owner = self
        unsafe scripts.server = self
        engine.observer = keyspaceListeners
        engine.refusals = RefusedPayloads { log.verbose($0) }
        for command in Engine.allCommands { commands.add(CommandRecord(command)) }
        for command in SessionCommands.all { commands.add(CommandRecord(command)) }
        followSettings()
        updateTime()
        upkeepTimer.set(for: now)
    }

    /// To be called when what the gate depends on has changed.
    func updateGate() {
        gate = pause.gate.union(monitors.gate).union(observer.gate)
        if memoryLimit.isExceeded { gate.formUnion([.denyOOM, .runsScript]) }
        if storageProblem != nil { gate.formUnion([.write, .asksForHealth, .executesTransaction]) }
        if scripts.isBusy || persistence.loading != nil { gate = .any }
        if hotKeys.samplesAll { gate = .any }
    }

    /// For a batch of requests that is to be looked at. `updateGate` opens it again.
    @inline(never)
    func closeGateForSample() { gate = .any }

    /// Whose timers they are: known when all of the server is there.
    private final class TimerActions {
        // A weak reference would make every retain of the server a slow one.
        unowned var server: Server!
    }
}
