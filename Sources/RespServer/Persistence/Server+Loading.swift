// Loading the snapshot file: when the server starts, and for DEBUG RELOAD.
//
// At the start clients are served in between, though they can do little: what is not for a server that loads is answered with -LOADING.

import Glibc
import RespCodec
import StoreEngine

extension Server {
    /// Whether everything that there was to load is loaded now.
    enum LoadOutcome {
        case loaded
        /// There is no file.
        case nothingThere
        case failed
    }

    /// Loads what there is on the disk.
    /// - Returns: false if it cannot be loaded, or the server is to stop: then it must not go on.
    func loadData() -> Bool {
        guard persistence.takeOwnership() else {
            log.warning("The server does not start, as it was told to save to that file")
            return false
        }
        removeLeftovers()
        return configuration.settings.appendOnly ? loadFromLog() : loadOnlySnapshot()
    }

    func loadOnlySnapshot() -> Bool {
        let start = Syscall.monotonicMicroseconds()
        let outcome = loadSnapshot(replacing: false, serving: true)
        updateGate()
        switch outcome {
        case .nothingThere: return true
        case .loaded:
            let seconds = Double(Syscall.monotonicMicroseconds() - start) / 1e6
            log.notice("DB loaded from disk: \(Self.text(ofSeconds: seconds)) seconds")
            return true
        case .failed:
            if !turns.isStopping { log.warning("Fatal error loading the DB, check server logs. Exiting.") }
            return false
        }
    }

    static func text(ofSeconds seconds: Double) -> String {
        let thousandths = Int((seconds * 1000).rounded())
        let rest = String(thousandths % 1000)
        return "\(thousandths / 1000)." + String(repeating: "0", count: 3 - rest.utf8.count) + rest
    }

    /// Loads the snapshot file.
    /// - Parameters:
    ///   - replacing: whether keys and libraries that are there give way; else they are an error.
    ///   - serving: whether clients are served meanwhile.
    func loadSnapshot(replacing: Bool, serving: Bool) -> LoadOutcome {
        let settings = configuration.settings
        let name = settings.dbFilename
        persistence.noteSnapshotFile()
        let file: DataFile
        do throws(SyscallError) {
            file = try DataDirectory(settings.directory).openFile(name)
        } catch {
            if error.number == ENOENT && !name.isEmpty { return .nothingThere }
            if name.isEmpty { return .nothingThere }
            log.warning("Fatal error: can't open the RDB file \(name) for reading: \(error.reason)")
            return .failed
        }
        guard let byteCount = file.byteCount else {
            log.warning("Fatal error: can't open the RDB file \(name) for reading: it is no ordinary file")
            return .failed
        }
        persistence.loading = Persistence.Loading(start: now / 1000, byteCount: byteCount)
        defer {
            persistence.loading = nil
            updateGate()
        }
        updateGate()
        let input = LoadedFile(file, byteCount: byteCount)
        if serving { input.progress = { [unowned self] in loadingProgress($0) } }
        do throws(SnapshotError) {
            let contents = try engine.load(from: input, loadingOptions(settings, replacing: replacing, input))
            persistence.lastLoad = contents
            if contents.hasNoChecksum && settings.rdbChecksum {
                log.notice("RDB file was saved with checksum disabled: no check performed.")
            }
            if contents.followingByteCount > 0 {
                log.warning(
                    "The RDB file \(settings.directory)/\(name) goes on behind its end: \(contents.followingByteCount) bytes were not read."
                )
            }
            log.notice(
                "Done loading RDB, keys loaded: \(contents.keyCount), keys expired: \(contents.expiredCount), empty keys skipped: \(contents.emptyCount)."
            )
            return .loaded
        } catch {
            if turns.isStopping { return .failed }
            let reason = input.error.map { "it cannot be read (\($0)) at offset \(error.offset)" } ?? "\(error)"
            let advice =
                scripts.lacksInterpreter ? "" : "examine it with redis-check-rdb, restore it from a backup, or "
            log.warning(
                "The RDB file \(settings.directory)/\(name) cannot be loaded: \(reason). It was left as it is: \(advice)move it away to start without its data."
            )
            return .failed
        }
    }

    func loadingOptions(
        _ settings: Settings, replacing: Bool, _ input: LoadedFile
    ) -> SnapshotLoading {
        scripts.lacksInterpreter = false
        var loading = SnapshotLoading()
        loading.replaces = replacing
        loading.checksChecksum = settings.rdbChecksum && engine.settings.comparesChecksums
        loading.information = { [unowned self] name, text, _ in tell(name, text) }
        loading.emptyKey = { [log] key in
            log.notice("skipping empty key: \(key[0..<min(key.count, 128)]), which an old server has saved by mistake")
        }
        loading.library = { [unowned self] code in
            do throws(CommandError) {
                _ = try scripts.loadLibrary(code, replaces: replacing)
                return nil
            } catch {
                let writer = ReplyWriter(capacity: 256)
                defer { unsafe writer.deallocate() }
                error.write(to: writer)
                return writer.lastError.description
            }
        }
        let delay = settings.keyLoadDelayMicroseconds
        loading.progress = { offset in
            Syscall.sleep(microseconds: delay)
            return input.reached(offset)
        }
        if delay > 0 { loading.progressInterval = 0 }
        return loading
    }

    /// Says what a file tells of the server that saved it.
    private func tell(_ name: ByteSlice, _ text: ByteSlice) {
        switch name {
        case "redis-ver", "valkey-ver": log.notice("Loading RDB produced by version \(text.description)")
        case "ctime":
            guard let time = Decimal.parse(text) else { return }
            log.notice("RDB age \(max(0, Int(now / 1000) - time)) seconds")
        case "used-mem":
            guard let bytes = Decimal.parse(text), bytes >= 0 else { return }
            persistence.loading?.usedMemory = bytes
            let hundredths = bytes / 10486
            log.notice(
                "RDB memory usage when created \(hundredths / 100).\(hundredths % 100 / 10)\(hundredths % 10) Mb")
        default: break
        }
    }

    /// Serves clients, and says from time to time how far it has come.
    /// - Returns: whether to go on.
    func loadingProgress(_ offset: Int) -> Bool {
        let before = persistence.loading?.percentage ?? 0
        persistence.loading?.loadedBytes = offset
        let after = persistence.loading?.percentage ?? 0
        if Int(before / 10) < Int(after / 10) && after < 100 { log.notice("Loading: \(Int(after)) % done") }
        updateTime()
        return continueWhileLoading()
    }

    /// Serves clients while something is loaded.
    /// - Returns: whether to go on.
    func continueWhileLoading() -> Bool {
        if let loader = persistence.loader { serveWhileBusy(loader) } else { takeTurnWhileBusy() }
        return !turns.isStopping
    }

    /// Removes what processes have left that ended while they saved.
    private func removeLeftovers() {
        guard let directory = try? DataDirectory(configuration.settings.directory) else { return }
        for name in directory.names where name != configuration.settings.dbFilename {
            guard let process = Persistence.process(ofTemporary: name), process > 0,
                process == SystemFacts.processID || !SystemFacts.isRunning(process),
                // In another container there may be a process of that number.
                let file = try? directory.openFile(name), file.lock()
            else { continue }
            log.notice("Removing \(name), which a process has left that ended while it saved")
            directory.remove(name)
        }
    }
}

/// A file of data while it is read, up to the size that it had at first.
final class LoadedFile: SnapshotInput {
    let byteCount: Int
    private let file: DataFile
    private(set) var error: SyscallError?
    /// Is called from time to time with how many bytes were read, and tells whether to go on.
    var progress: ((Int) -> Bool)?
    private let offset: Int
    private var read = 0
    private var left: Int { byteCount - offset - read }
    private var lastProgress: Int64 = 0
    private var isStopped = false

    /// How often others are served, in microseconds.
    private static let interval: Int64 = 5000

    /// - Parameter offset: where the file is read from.
    init(_ file: DataFile, byteCount: Int, from offset: Int = 0) {
        self.file = file
        self.byteCount = byteCount
        self.offset = offset
    }

    @unsafe func read(to target: UnsafeMutableRawBufferPointer) -> Int {
        guard reached(read), left > 0 else { return 0 }
        do throws(SyscallError) {
            let count = unsafe try file.read(
                to: UnsafeMutableRawBufferPointer(rebasing: target[..<min(target.count, left)]))
            read += count
            return count
        } catch {
            self.error = error
            return 0
        }
    }

    var hasFailed: Bool { error != nil || isStopped }

    /// Takes note of how far it has come; false when it is to end.
    func reached(_ offset: Int) -> Bool {
        guard let progress, !isStopped else { return !isStopped }
        let time = Syscall.monotonicMicroseconds()
        guard time - lastProgress >= Self.interval else { return true }
        isStopped = !progress(offset)
        lastProgress = Syscall.monotonicMicroseconds()
        return !isStopped
    }
}
