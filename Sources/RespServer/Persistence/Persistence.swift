// The data on the disk: when they were saved last and what came of it, and what is being loaded. `Persistence+Saving.swift` saves at once,
// `Persistence+BackgroundSaving.swift` while commands run.

import StoreEngine

/// A snapshot that is being taken while commands run.
final class BackgroundSave {
    let saver: SnapshotSaver
    let file: SnapshotFile
    /// In seconds since 1970.
    let start: Int64
    /// How many changes the engine had counted when it began.
    let changeCount: Int
    /// Whether everything was written, and it is the file that is waited for.
    var isWritten = false
    /// If it is to be the base of the append-only file.
    var rewrite: LogRewrite?
    /// Until when it rests, in microseconds of the monotonic clock.
    var restsUntil: Int64 = 0

    init(_ saver: SnapshotSaver, _ file: SnapshotFile, start: Int64, changeCount: Int) {
        self.saver = saver
        self.file = file
        self.start = start
        self.changeCount = changeCount
    }
}

/// What it asks of the server.
protocol PersistenceOwner: AnyObject {
    /// The code of the libraries of functions, which snapshots have.
    var savedLibraries: [[UInt8]] { get }
    /// Whether nobody has had anything executed in this turn, and nobody is to be served.
    var isTurnEmpty: Bool { get }
    /// Is called when it has changed whether writes are refused, or whether something is loaded.
    func updateGate()
    /// The base of the append-only file is written, or has failed; `seconds` is how long it took.
    func endRewrite(_ rewrite: LogRewrite, _ outcome: SnapshotFile.Outcome, seconds: Int)
    /// It is not written after all.
    func rewriteWasCancelled(_ rewrite: LogRewrite)
}

final class Persistence {
    /// A file that is being loaded.
    struct Loading {
        /// In seconds since 1970.
        let start: Int64
        let byteCount: Int
        var loadedBytes = 0
        /// What the file says of the memory that its data took.
        var usedMemory = 0

        /// From 0 to 100.
        var percentage: Double { byteCount == 0 ? 0 : Double(loadedBytes) * 100 / Double(byteCount) }

        /// - Parameter now: in seconds since 1970.
        func remainingSeconds(now: Int64) -> Int {
            let elapsed = Int(now - start)
            return elapsed == 0 ? 1 : elapsed * (byteCount - loadedBytes) / (loadedBytes + 1)
        }
    }

    let engine: Engine
    let configuration: Configuration
    let log: Log
    let clock: TurnClock
    unowned var owner: (any PersistenceOwner)?
    /// In milliseconds since 1970.
    var now: Int64 { engine.now }

    let lock = SnapshotLock()
    /// Whether another server has it, or has written what this one knows nothing of, as was seen last and told.
    private(set) var isOthers = false
    /// Which version of the snapshot file was loaded or saved last, and where.
    private var known: (path: String, version: FileVersion?)?
    private var hasToldOfVersion = false
    let helper = HelperThread(niceness: 10)
    /// When it is to be looked how far the file is of a snapshot that rests or is written.
    let timer: LoopTimer
    /// Whether each turn writes a slice of a snapshot.
    var savesInSlices = false
    /// In seconds since 1970: at first when the server started.
    var lastSave: Int64
    var lastSaveSucceeded = true
    /// How many snapshots were begun.
    var saveCount = 0
    var loading: Loading?
    /// How often all databases had been flushed when that was last looked at.
    var followedFlushes = 0
    /// Whose command loads, and waits for that; nil when the server starts.
    var loader: Connection?
    var background: BackgroundSave?
    /// Whether a snapshot is to be taken as soon as that is possible.
    var isScheduled = false
    /// When one was last begun in the background, in seconds since 1970.
    var lastTry: Int64 = 0
    /// How long the last one in the background took, in seconds; -1 if there was none.
    var lastDuration = -1
    var lastLoad = SnapshotContents()

    init(_ engine: Engine, _ configuration: Configuration, _ log: Log, _ clock: TurnClock, _ timers: LoopTimers) {
        self.engine = engine
        self.configuration = configuration
        self.log = log
        self.clock = clock
        lastSave = Syscall.wallMicroseconds() / 1_000_000
        timer = timers.add()
        timer.action = { [unowned self] in continueSaving() }
    }

    /// To be called when the snapshot file has been saved, or is about to be loaded.
    func noteSnapshotFile() {
        known = (configuration.settings.snapshotPath, versionOfSnapshotFile)
    }

    private var versionOfSnapshotFile: FileVersion? {
        let settings = configuration.settings
        return (try? DataDirectory(settings.directory))?.version(of: settings.dbFilename)
    }

    /// Makes sure that the snapshot file is this server's to write.
    /// - Returns: why it is not; then the log says so, too, once.
    func problemOfOwnership() -> String? {
        let settings = configuration.settings
        if let holder = lock.take(in: settings.directory, for: settings.dbFilename) {
            if !isOthers {
                log.warning(
                    "No snapshot is saved for now: \(holder.text). Nothing is overwritten. \(Self.adviceOnOwnership)"
                )
            }
            isOthers = true
            return holder.text
        }
        guard isOthers else { return nil }
        // What the other one has saved meanwhile is all that there is of its data now.
        if let known, known.path == settings.snapshotPath, case let version? = versionOfSnapshotFile,
            version != known.version
        {
            lock.release()
            let text = "\(known.path) was written by another server since this one loaded or saved it"
            if !hasToldOfVersion {
                log.warning("No snapshot is saved for now: \(text). Move it away, or name another file with dbfilename")
            }
            hasToldOfVersion = true
            return text
        }
        log.notice("The snapshot file \(settings.snapshotPath) is this server's to write now")
        isOthers = false
        hasToldOfVersion = false
        return nil
    }

    /// Takes the snapshot file for this server, if it saves by itself.
    /// - Returns: false if it is another's, and this one was told when to save, or where.
    func takeOwnership() -> Bool {
        let settings = configuration.settings
        guard !settings.savePoints.isEmpty, problemOfOwnership() != nil else { return true }
        return !settings.givesSavePoints && !settings.givesDirectory
    }

    /// To be called when the settings name another file, or other save points.
    func moveOwnership() {
        if lock.isHeld || !configuration.settings.savePoints.isEmpty { _ = problemOfOwnership() }
    }

    private static let adviceOnOwnership =
        "Give each server a directory of its own with --dir, or a file with --dbfilename, or have this one not save with --save ''."

    /// Temporary files bear the number of the process; another process of that number, in another container, may have made the first.
    static func temporaryNames(process: Int32) -> some Sequence<String> {
        (0..<100).lazy.map { $0 == 0 ? "temp-\(process).rdb" : "temp-\(process)-\($0).rdb" }
    }

    /// The number of the process that a temporary file is of; nil for any other name.
    static func process(ofTemporary name: String) -> Int32? {
        guard name.hasPrefix("temp-"), name.hasSuffix(".rdb") else { return nil }
        return Int32(name.dropFirst(5).dropLast(4).prefix { $0 != "-" })
    }
}
