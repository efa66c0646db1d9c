// The append-only file: `AppendOnlyFile+Logging.swift` writes it, `AppendOnlyFile+Rewriting.swift` has a snapshot become its base.
//
//     off --CONFIG SET appendonly yes--> waiting for a base: effects go to a temporary increment --base is whole--> on
//      ^-- CONFIG SET appendonly no ----------------------------------------------------------------------------------'
//
// A server that starts with it goes from off to on: the base is what it has loaded, or is written before anybody is served. CONFIG SET
// appendonly no ends the wait for a base, too.

import RespCodec
import StoreEngine

/// A base that is being written.
struct LogRewrite {
    let directory: AppendDirectory
    let baseName: String
    /// Effects up to here are in the base.
    let position: Int
    /// Whether the log is on, and has begun an increment with it.
    let hasIncrement: Bool
    /// Whether it is done because the log could not be written.
    let recovers: Bool
    /// Whether the log goes to another directory with it.
    let moves: Bool
    /// Of the base and of all increments but the one at hand when it began.
    let earlierByteCount: Int
    /// What the manifest says when the base is being written, and when it is whole.
    let before: AppendManifest
    let manifest: AppendManifest
    /// The name of an increment that has a temporary one until then.
    let temporaryIncrement: String?
    /// Has the increment in the manifest, where that was left to a thread.
    let preparation: HelperTask?

    let log: Log
    /// Whether what the base replaces is removed.
    var removesHistory = false

    /// Has the manifest name the base, for the thread that has written that.
    /// - Throws: if it cannot be; then the base is gone, unless the manifest names it all the same.
    func publication() -> @Sendable () throws(SyscallError) -> Void {
        let (file, temporaryName) = (directory.manifestFile, directory.temporaryIncrementName)
        return {
            [baseName, before, manifest, temporaryIncrement, preparation, removesHistory, log]
            () throws(SyscallError) in
            do throws(SyscallError) {
                if case .failure(let error) = preparation?.outcome { throw error }
                if let temporaryIncrement { try file.files.rename(temporaryName, to: temporaryIncrement) }
                try file.replace(before, with: manifest)
            } catch {
                log.warning("The AOF manifest file \(file.name) could not be replaced: \(error)")
                if !file.mayName(baseName) { file.files.remove(baseName) }
                throw error
            }
            if removesHistory { file.removeHistory(of: manifest, log) }
        }
    }
}

/// An increment that is being put in the manifest.
struct PreparedIncrement {
    /// For so long, in milliseconds, what is logged stays in memory for it, and so much of it does: then the disk is waited for.
    static let longestWait: Int64 = 2000
    static let mostHeld = 8 << 20

    let directory: AppendDirectory
    let start: Int64
    let manifest: AppendManifest
    let task: HelperTask
}

/// What it asks of the server.
protocol AppendOnlyFileOwner: AnyObject {
    /// Is called when it has changed whether writes are refused.
    func updateGate()
    /// Goes on with those whose writes are on the disk by now.
    func serveLogWaits()
    /// Less than before is still to be written, while memory is limited.
    func logWasWritten()
    /// Has a connection served.
    func enqueue(_ connection: Connection)
}

final class AppendOnlyFile {
    enum State {
        case off
        /// Effects are worth something once there is a base that they follow.
        case waitsForBase
        case on
    }

    let engine: Engine
    let configuration: Configuration
    let log: Log
    let persistence: Persistence
    let scripts: ScriptRunner
    let replies: ReplyQueue
    let observer: CommandObserver
    unowned var owner: (any AppendOnlyFileOwner)?
    /// In milliseconds since 1970.
    var now: Int64 { engine.now }
    /// Whether a script is under way of which nothing is written before its end.
    var isScriptBusy: Bool { scripts.isBusy }

    let writer: AppendLogWriter
    /// While somebody waits for the log, or that for a thread.
    let timer: LoopTimer
    var state = State.off { didSet { followWatch() } }
    /// While it is not off, or is being rewritten.
    var directory: AppendDirectory? {
        didSet {
            if let oldValue, oldValue !== directory { oldValue.unlock() }
            followWatch()
        }
    }

    private func followWatch() { writer.watch = state == .on ? directory?.watch : nil }

    // MARK: effects

    /// Whether what commands do goes to the file.
    var takesEffects = false
    /// What commands did, while DEBUG EFFECTS records it.
    var recorded: EffectLog?
    private var split: SplitEffects?

    /// Who takes effects now, if anybody.
    func makeSink() -> (any EffectSink)? {
        split = nil
        guard takesEffects else { return recorded }
        guard let recorded else { return writer.log }
        let both = SplitEffects(writer.log, recorded)
        split = both
        return both
    }

    // MARK: who has written

    /// Up to where it is known who has written what is in the log.
    private var notedPosition = 0

    /// To be called when a client's commands have run and before anybody else's do, and before it is answered: whose their effects are.
    @inline(__always)
    func noteEffects(of connection: Connection) {
        let position = writer.log.position
        guard position != notedPosition else { return }
        notedPosition = position
        connection.loggedPosition = position
    }

    /// Effects up to here belong to no client: no reply waits for them.
    func noteEffectsOfNobody() { notedPosition = writer.log.position }

    /// Who waits until what they have written is on the disk.
    var waiting: [Connection] = []

    // MARK: who would write much

    /// More of large arguments is received only while no more than this is still to be written: otherwise clients could send faster than
    /// that goes. Of a limit of memory it is a part at most.
    private static let mostBehind = 32 << 20
    private static let partOfLimit = 16
    /// Those whose large arguments wait.
    private var delayed: [Connection] = []

    private var isBehind: Bool {
        let limit = configuration.settings.maxMemory
        let most = limit > 0 ? min(Self.mostBehind, limit / Self.partOfLimit) : Self.mostBehind
        return takesEffects && writer.log.wholeCount > most && writer.failure == nil
    }

    /// Whether a connection's large argument is not to be read on for now; then it is served again when it is time.
    func delays(_ connection: Connection) -> Bool {
        guard isBehind else { return false }
        if !delayed.contains(where: { $0 === connection }) { delayed.append(connection) }
        return true
    }

    /// Goes on with large arguments if they need not wait any more.
    func readOn() {
        guard !delayed.isEmpty, !isBehind else { return }
        for connection in delayed { owner?.enqueue(connection) }
        delayed = []
    }

    // MARK: sizes

    /// Of the base and of all increments but the one at hand.
    var earlierByteCount = 0
    /// What all had together when it was rewritten last, or of the base, when it was loaded.
    var byteCountOfBase = 0
    var byteCount: Int { earlierByteCount + writer.fileSize }

    // MARK: rewriting

    /// When the log was last tried to be written anew after a failure.
    private var lastRecovery = Int64.min / 2

    /// Whether it may be tried again to write the log anew; then that counts as done.
    func mayRecover() -> Bool {
        let now = now
        guard now - lastRecovery >= 1000 || now < lastRecovery else { return false }
        lastRecovery = now
        return true
    }

    var isScheduled = false
    /// If nothing may be written to the increment at hand, as a start would not know of it.
    var prepared: PreparedIncrement?
    var rewriteCount = 0
    var failuresInARow = 0
    var lastRewriteSucceeded = true
    /// In seconds; -1 if there was none.
    var lastDuration = -1
    /// After several failures it rests for longer and longer.
    private var restsUntil: Int64?
    private var restMinutes = 0

    private static let mostFailures = 3
    private static let longestRest = 60

    /// Whether it has failed so often that it is not tried again by itself for now.
    func isResting() -> Bool {
        let seconds = now / 1000
        guard failuresInARow >= Self.mostFailures else {
            (restsUntil, restMinutes) = (nil, 0)
            return false
        }
        if let restsUntil {
            if seconds < restsUntil { return true }
            self.restsUntil = nil
            return false
        }
        restMinutes = restMinutes == 0 ? 1 : min(restMinutes * 2, Self.longestRest)
        restsUntil = seconds + Int64(restMinutes) * 60
        log.warning(
            "Background AOF rewrite has repeatedly failed and triggered the limit, will retry in \(restMinutes) minutes"
        )
        return true
    }

    init(
        _ engine: Engine, _ configuration: Configuration, _ log: Log, _ persistence: Persistence,
        _ scripts: ScriptRunner,
        _ replies: ReplyQueue, _ observer: CommandObserver, _ timers: LoopTimers
    ) {
        self.engine = engine
        self.configuration = configuration
        self.log = log
        self.persistence = persistence
        self.scripts = scripts
        self.replies = replies
        self.observer = observer
        writer = AppendLogWriter(log: log)
        timer = timers.add()
        timer.action = { [unowned self] in goOn() }
    }

    /// What writing it took.
    var cycles: UInt64 = 0

    func resetStatistics() {
        cycles = 0
        rewriteCount = 0
        failuresInARow = 0
        writer.resetStatistics()
    }
}

/// Two who take the same effects.
final class SplitEffects: EffectSink {
    private let first: EffectLog
    private let second: EffectLog

    init(_ first: EffectLog, _ second: EffectLog) {
        self.first = first
        self.second = second
    }

    func take(_ words: Arguments, database: Int) {
        first.take(words, database: database)
        second.take(words, database: database)
    }

    func endGroup() {
        first.endGroup()
        second.endGroup()
    }
}
