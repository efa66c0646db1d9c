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
    let scripts: ScriptRunner
    let persistence: Persistence
    let appendOnly: AppendOnlyFile

    // MARK: the loop

    let loop: EventLoop
    let clock = TurnClock()
    let turns = TurnQueue()
    let expiry: ExpiryCycle
    let defragmentation: DefragmentationSchedule
    let upkeep: Upkeep

    // MARK: connections

    let listeners: Listeners
    let connections = ConnectionTable()
    let lingering: LingeringSockets

    // MARK: the request path

    let reader = RequestReader()
    let batch = RequestBatch()
    let replies = ReplyQueue()
    /// The writer of `replies`.
    let reply: ReplyWriter
    /// Commands that must be looked at before they run, whoever asks.
    private(set) var gate: CommandFlags = []
    let pause: Pause
    let migration: Migration
    let monitors = Monitors()
    let observer: CommandObserver
    let hotKeys: HotKeySampler
    /// A transaction that is over, whose memory the next one uses.
    var spareTransaction: Transaction?
    let pubsub: PubSub
    var tracking: Tracking { keyspaceListeners.tracking }
    let memoryLimit: MemoryLimit
    let clientMemory: ClientMemory

    // MARK: what is told of the server

    let runID: String
    var statistics = ServerStatistics()
    let errors: ErrorCounter
    var supervisor = Supervisor()

    init(configuration: Configuration, log: Log) throws(SyscallError) {
        self.configuration = configuration
        self.log = log
        let seed = configuration.settings.hashSeed
        engine = Engine(
            databases: configuration.settings.databases,
            seed: seed.isEmpty
                ? UInt64.random(in: 1...UInt64.max) : Array(seed.utf8).withByteSlice { Engine.seed(from: $0) })
        loop = try EventLoop()
        listeners = Listeners(loop, configuration, log)
        observer = CommandObserver(clock)
        errors = ErrorCounter(log)
        reply = replies.writer
        // Parts register timers, which are looked at in the order of these lines.
        let timers = loop.timers
        pause = Pause(timers)
        expiry = ExpiryCycle(engine, observer, timers)
        memoryLimit = MemoryLimit(timers)
        clientMemory = ClientMemory(timers)
        keyspaceListeners = KeyspaceListeners(engine: engine, replies: replies, timers: timers)
        lingering = LingeringSockets(loop)
        hotKeys = HotKeySampler(timers)
        scripts = ScriptRunner(timers)
        persistence = Persistence(engine, configuration, log, clock, timers)
        defragmentation = DefragmentationSchedule(engine, configuration, persistence, clock, observer, timers)
        appendOnly = AppendOnlyFile(engine, configuration, log, persistence, scripts, replies, observer, timers)
        upkeep = Upkeep(timers)
        migration = Migration(engine, timers)
        pubsub = PubSub(engine: engine)
        keyspaceListeners.events.pubsub = pubsub
        var id = ""
        for _ in 0..<40 { id.append("0123456789abcdef".randomElement() ?? "0") }
        runID = id
        setTimerActions()
        keyspaceListeners.tracking.connection = { [unowned self] id in connections[id: Int(id)] }
        keyspaceListeners.connections = { [unowned self] in connections.byAge }
        keyspaceListeners.events.publish = { [unowned self] channel, payload in publish(payload, to: channel) }
        replies.owner = self
        persistence.owner = self
        appendOnly.owner = self
        scripts.server = self
        engine.observer = keyspaceListeners
        engine.refusals = RefusedPayloads { log.verbose($0) }
        for command in Engine.allCommands { commands.add(CommandRecord(command)) }
        for command in SessionCommands.all { commands.add(CommandRecord(command)) }
        followSettings()
        updateTime()
        upkeep.timer.set(for: now)
    }

    /// What is done at the times of those parts for which that takes others, too.
    private func setTimerActions() {
        pause.timer.action = { [unowned self] in pauseInTime() }
        memoryLimit.timer.action = { [unowned self] in makeRoomInTime() }
        clientMemory.timer.action = { [unowned self] in evictClients() }
        keyspaceListeners.blocked.timer?.action = { [unowned self] in serveExpiredWaits() }
        hotKeys.timer.action = { [unowned self] in stopHotKeysInTime() }
        migration.timer.action = { [unowned self] in goOnMigrating() }
        upkeep.timer.action = { [unowned self] in maintain() }
    }

    /// To be called when what the gate depends on has changed.
    func updateGate() {
        gate = pause.gate.union(monitors.gate).union(observer.gate)
        if memoryLimit.isExceeded { gate.formUnion([.denyOOM, .runsScript]) }
        if configuration.settings.maxMemory > 0 { gate.formUnion(.growsAtOnce) }
        if storageProblem != nil { gate.formUnion([.write, .asksForHealth, .executesTransaction]) }
        if scripts.isBusy || persistence.loading != nil || turns.isStopping { gate = .any }
        if hotKeys.samplesAll { gate = .any }
    }

    /// For a batch of requests that is to be looked at. `updateGate` opens it again.
    @inline(never)
    func closeGateForSample() { gate = .any }
}
