// Loading the append-only file: the base, and then the increments in their order.
//
// What ends too early is cut at the end of its last whole request, or in front of the transaction that is not whole, if it is the last of
// the files and `aof-load-truncated` allows it: there the server went down while it wrote. Any other damage ends the start, as what follows
// it would be lost without a word.

import Glibc
import RespCodec
import StoreEngine

extension Server {
    /// Loads the data of a server that keeps an append-only file, and begins to log.
    /// - Returns: false if it cannot be, or the server is to stop.
    func loadFromLog() -> Bool {
        persistence.noteSnapshotFile()
        do throws(AppendFileError) {
            guard
                let directory = try AppendDirectory.open(
                    configuration.settings, isMade: true, upgrades: true, log: log)
            else { return false }
            if directory.manifest.isEmpty {
                // The append-only file is new: the data is in the snapshot.
                guard loadOnlySnapshot() else { return false }
            } else {
                let start = Syscall.monotonicMicroseconds()
                try loadLog(from: directory, serving: true)
                log.notice(
                    "DB loaded from append only file: \(Self.text(ofSeconds: Double(Syscall.monotonicMicroseconds() - start) / 1e6)) seconds"
                )
            }
            try appendOnly.begin(in: directory)
            return true
        } catch {
            for line in error.lines { log.warning(line) }
            // The disk has more than was loaded: nothing of this is to be saved.
            engine.changesSaved(upTo: engine.changeCount)
            return false
        }
    }

    /// Loads all files that a manifest names.
    /// - Parameter serving: whether clients are served meanwhile.
    func loadLog(from directory: AppendDirectory, serving: Bool) throws(AppendFileError) {
        let sizes = try directory.sizes()
        let total = sizes.reduce(0, +)
        persistence.loading = Persistence.Loading(start: now / 1000, byteCount: total)
        engine.isReplaying = true
        defer {
            persistence.followedFlushes = engine.flushCount
            engine.isReplaying = false
            persistence.loading = nil
            updateGate()
        }
        updateGate()
        let runner = LogRunner(self)
        var before = 0
        for (index, file) in directory.manifest.files.enumerated() {
            let start = Syscall.monotonicMicroseconds()
            let loading = LogLoading(
                directory: directory, name: file.name, byteCount: sizes[index], offset: before,
                isLast: index == sizes.count - 1 || file.kind != .base && sizes[(index + 1)...].allSatisfy { $0 == 0 },
                serving: serving)
            try load(loading, runner)
            before += sizes[index]
            log.notice(
                "DB loaded from \(file.kind == .base ? "base" : "incr") file \(file.name): \(Self.text(ofSeconds: Double(Syscall.monotonicMicroseconds() - start) / 1e6)) seconds"
            )
        }
        if let failure = runner.firstFailure {
            log.warning(
                "\(runner.failureCount) commands of the append-only file were answered with an error, the first, at offset \(failure.offset) of its file, being \(failure.reason)"
            )
        }
        engine.changesSaved(upTo: engine.changeCount)
        appendOnly.earlierByteCount = directory.manifest.files.reduce(0) {
            $0 + (directory.files.byteCount(of: $1.name) ?? 0)
        }
        appendOnly.byteCountOfBase = directory.manifest.base == nil ? 0 : sizes[0]
    }

    /// One of the files.
    private struct LogLoading {
        let directory: AppendDirectory
        let name: String
        let byteCount: Int
        /// How many bytes the files before it have.
        let offset: Int
        /// Nothing follows it: what it ends with may not have come to the disk when the power was lost.
        let isLast: Bool
        let serving: Bool

        /// What to do about a damaged file.
        var advice: String {
            "make a backup of your AOF file, then use ./redis-check-aof --fix <filename.manifest>"
        }
    }

    private func load(_ loading: LogLoading, _ runner: LogRunner) throws(AppendFileError) {
        guard loading.byteCount > 0 else { return }
        func cannotOpen(_ error: SyscallError) -> String {
            "Fatal error: can't open the append log file \(loading.name) for reading: \(error.reason)"
        }
        let file = try AppendFileError.unless(
            { () throws(SyscallError) in try loading.directory.files.openFile(loading.name) }, cannotOpen)
        var offset = 0
        if try AppendFileError.unless({ () throws(SyscallError) in try file.beginsWithSnapshot }, cannotOpen) {
            offset = try loadSnapshotPart(of: file, loading)
            try AppendFileError.unless({ () throws(SyscallError) in try file.seek(to: offset) }, cannotOpen)
        }
        if offset == loading.byteCount { return }
        let input = makeInput(file, loading, from: offset)
        let reader = EffectReader(input, offset: offset) { runner.knows($0) }
        try run(reader, input, runner, loading)
    }

    private func makeInput(_ file: DataFile, _ loading: LogLoading, from offset: Int = 0)
        -> LoadedFile
    {
        let input = LoadedFile(file, byteCount: loading.byteCount, from: offset)
        if loading.serving { input.progress = { [unowned self] in loadingProgress(loading.offset + $0) } }
        return input
    }

    /// Loads the snapshot that a base is, or begins with.
    /// - Returns: where in the file it ends.
    private func loadSnapshotPart(of file: DataFile, _ loading: LogLoading) throws(AppendFileError) -> Int {
        let isOld = loading.name == loading.directory.fileName
        log.notice(isOld ? "Reading RDB preamble from AOF file..." : "Reading RDB base file on AOF loading...")
        let input = makeInput(file, loading)
        var options = loadingOptions(configuration.settings, replacing: false, input)
        options.isContinued = true
        do throws(SnapshotError) {
            let contents = try engine.load(from: input, options)
            persistence.lastLoad = contents
            if isOld { log.notice("Reading the remaining AOF tail...") }
            return contents.byteCount
        } catch {
            if turns.isStopping { throw Self.wasStopped }
            let reason = input.error.map { "it cannot be read (\($0)) at offset \(error.offset)" } ?? "\(error)"
            let advice = scripts.lacksInterpreter ? "" : ": \(loading.advice), or restore it from a backup"
            throw AppendFileError(
                "Error reading the RDB \(isOld ? "preamble of the AOF" : "base") file \(loading.directory.path)/\(loading.name), AOF loading aborted: \(reason). It was left as it is\(advice)."
            )
        }
    }

    private func run(
        _ reader: EffectReader, _ input: LoadedFile, _ runner: LogRunner, _ loading: LogLoading
    ) throws(AppendFileError) {
        let delay = configuration.settings.keyLoadDelayMicroseconds
        if delay > 0 { reader.batchLimit = 1 }
        while true {
            switch reader.next() {
            case .requests:
                do throws(LogRunner.Mistake) {
                    try runner.run(reader)
                } catch {
                    throw switch error.cause {
                    case .damage: damaged(loading, at: error.offset, error.reason)
                    case .unknownCommand: unknown(loading, at: error.offset, error.reason)
                    case .noInterpreter: unrunnable(loading, at: error.offset, error.reason)
                    }
                }
                if delay > 0 {
                    Syscall.sleep(microseconds: delay)
                    _ = input.reached(reader.offset)
                }
            case .end: return
            case .torn(let offset, let isGroup):
                if isGroup {
                    log.warning("Revert incomplete MULTI/EXEC transaction in AOF file \(loading.name)")
                }
                return try cut(loading, at: offset)
            case .damaged(let offset, let what):
                if loading.isLast && configuration.settings.loadsTruncatedLogs && reader.endsInZeros(from: offset) {
                    log.warning("The AOF \(loading.name) ends with nothing but zeros from about offset \(offset) on")
                    return try cut(loading, at: offset)
                }
                throw damaged(loading, at: offset, what)
            case .later: preconditionFailure("all of it is read, whenever it was written")
            case .stopped:
                guard let error = input.error else { throw Self.wasStopped }
                throw AppendFileError(
                    "Unrecoverable error reading the append only file \(loading.name) at offset \(reader.offset): \(error.reason)"
                )
            }
        }
    }

    private static let wasStopped = AppendFileError("AOF loading was stopped")

    private func unknown(_ loading: LogLoading, at offset: Int, _ what: String) -> AppendFileError {
        AppendFileError(
            "\(what) reading the append only file \(loading.name): if it is known to another server, load it there, else \(loading.advice) (\(loading.directory.path)/\(loading.name), at offset \(offset); it was left as it is)"
        )
    }

    private func unrunnable(_ loading: LogLoading, at offset: Int, _ what: String) -> AppendFileError {
        AppendFileError(
            "Cannot run a script of the append only file \(loading.name): \(what) (\(loading.directory.path)/\(loading.name), at offset \(offset); it was left as it is)"
        )
    }

    private func damaged(_ loading: LogLoading, at offset: Int, _ what: String) -> AppendFileError {
        AppendFileError(
            "Bad file format reading the append only file \(loading.name): \(loading.advice) (\(loading.directory.path)/\(loading.name): \(what), at offset \(offset); it was left as it is)"
        )
    }

    /// Drops what a file has from an offset on, where it was not written to its end.
    private func cut(_ loading: LogLoading, at offset: Int) throws(AppendFileError) {
        guard configuration.settings.loadsTruncatedLogs else {
            throw AppendFileError(
                "Unexpected end of file reading the append only file \(loading.name) at offset \(offset) of \(loading.byteCount). You can: 1) Make a backup of your AOF file, then use ./redis-check-aof --fix <filename.manifest>. 2) Alternatively you can set the 'aof-load-truncated' configuration option to yes and restart the server."
            )
        }
        log.warning("!!! Warning: short read while loading the AOF file \(loading.name)!!!")
        guard loading.isLast else {
            throw AppendFileError(
                "Fatal error: the truncated file is not the last file: \(loading.directory.path)/\(loading.name) ends within what begins at offset \(offset). It was left as it is: \(loading.advice), or restore it from a backup."
            )
        }
        log.warning("!!! Truncating the AOF \(loading.name) at offset \(offset) !!!")
        do throws(SyscallError) {
            let file = try loading.directory.files.openForWriting(loading.name)
            loading.directory.watch.note(loading.name, hasBytes: offset)
            try file.truncate(to: offset)
            try file.sync()
        } catch {
            throw AppendFileError("Error truncating the AOF file \(loading.name): \(error.reason)")
        }
        log.warning("AOF \(loading.name) loaded anyway because aof-load-truncated is enabled")
    }

    // MARK: again

    /// Drops all data and loads it from the append-only file, for DEBUG LOADAOF. Where the files are damaged a server that adds to
    /// them ends: a part of the data must not take the place of what is there to be repaired.
    /// - Parameter loader: whose command that is, while which others are served; nil if they are not.
    /// - Returns: false if not all of it could be loaded.
    func reloadLog(for loader: Connection?) -> Bool {
        // Of the files in another directory nothing is loaded.
        if persistence.background?.rewrite?.moves == true { persistence.cancelBackgroundSave() }
        guard appendOnly.state != .waitsForBase else {
            log.warning("The append-only file is not loaded before its first base is written")
            return false
        }
        if appendOnly.takesEffects { appendOnly.flush(mustWrite: true) }
        persistence.settleBackgroundSave()
        let isOn = appendOnly.state == .on
        do throws(AppendFileError) {
            // Who has opened it has locked it, for this process, too.
            let opened =
                appendOnly.directory == nil
                ? try AppendDirectory.open(configuration.settings, isMade: false, log: log) : nil
            guard let directory = appendOnly.directory ?? opened, !directory.manifest.isEmpty else {
                throw AppendFileError("There is no append-only file to be loaded")
            }
            try reload(from: directory, for: loader)
            if isOn, let name = directory.manifest.increments.last?.name {
                appendOnly.writer.isTruncated(to: directory.files.byteCount(of: name) ?? 0)
                appendOnly.earlierByteCount -= appendOnly.writer.fileSize
            }
            return true
        } catch {
            for line in error.lines { log.warning(line) }
            return false
        }
    }

    private func reload(from directory: AppendDirectory, for loader: Connection?) throws(AppendFileError) {
        // Before anything is dropped: whether all files are there.
        _ = try directory.sizes()
        engine.hidesEffects = true
        defer { engine.hidesEffects = false }
        engine.removeAll()
        scripts.flushFunctions()
        persistence.loader = loader
        defer { persistence.loader = nil }
        do throws(AppendFileError) {
            try loadLog(from: directory, serving: loader != nil)
        } catch {
            guard appendOnly.state == .on && !turns.isStopping else { throw error }
            for line in error.lines { log.warning(line) }
            log.warning("The server ends, as it has only a part of the data that is on the disk")
            exit(1)
        }
    }
}
