// Saving all data to a snapshot file.

import StoreEngine

extension Persistence {
    /// Saves everything at once; nobody is served meanwhile.
    /// - Returns: whether it is saved. If not, the log says why, and the last snapshot is as it was.
    func saveNow() -> Bool {
        guard problemOfOwnership() == nil else { return false }
        saveCount += 1
        guard let file = makeSnapshotFile() else { return false }
        switch saveAll(to: file, snapshotContents()) {
        case .saved:
            log.notice("DB saved on disk")
            engine.changesSaved(upTo: engine.changeCount)
            lastSave = now / 1000
            lastSaveSucceeded = true
            noteSnapshotFile()
            owner?.updateGate()
            return true
        case .failed(let reason):
            log.warning("Write error while saving DB to the disk(\(reason))")
            return false
        }
    }

    /// Writes everything to a file at once.
    func saveAll(to file: SnapshotFile, _ contents: SnapshotSaver.Contents) -> SnapshotFile.Outcome {
        file.waitsForRoom = true
        file.goesWithProcess(true)
        defer { file.goesWithProcess(false) }
        let saver = SnapshotSaver(engine, contents, to: file)
        let delay = configuration.settings.keySaveDelayMicroseconds
        saver.saveAll(pause: delay > 0 ? { Syscall.sleep(microseconds: delay) } : nil)
        file.finish(version: saver.version)
        return file.waitForOutcome()
    }

    /// How snapshots are written.
    /// - Parameter syncsOnTheWay: whether they are brought to the disk as they grow.
    func snapshotOptions(syncsOnTheWay: Bool) -> SnapshotFile.Options {
        let settings = configuration.settings
        var options = SnapshotFile.Options(
            compresses: settings.engine.compressesRecords, hasChecksum: settings.rdbChecksum,
            syncsOnTheWay: syncsOnTheWay)
        let limit = settings.maxMemory
        if limit > 0 { options.mostWaiting = min(options.mostWaiting, MemoryLimit.mostOfSnapshot(limit)) }
        return options
    }

    /// A new file of the name that the settings say; nil, and a line in the log, if there can be none.
    func makeSnapshotFile() -> SnapshotFile? {
        let settings = configuration.settings
        let options = snapshotOptions(syncsOnTheWay: settings.rdbSaveIncrementalFsync)
        do throws(SyscallError) {
            return try SnapshotFile(
                settings.dbFilename, in: DataDirectory(settings.directory),
                temporaryNames: Self.temporaryNames(process: SystemFacts.processID), options, thread: helper)
        } catch {
            log.warning(
                "Failed opening the temp RDB file temp-\(SystemFacts.processID).rdb (in server root dir \(settings.directory)) for saving: \(error.reason)"
            )
            return nil
        }
    }

    /// What the base of an append-only file has besides keys.
    func baseContents() -> SnapshotSaver.Contents {
        var contents = snapshotContents(isBase: true)
        contents.isCommands = !configuration.settings.basesAreSnapshots
        contents.time = configuration.settings.notesTimeInLog ? now / 1000 : nil
        return contents
    }

    /// What a snapshot has besides keys.
    /// - Parameter isBase: whether it is the base of an append-only file.
    func snapshotContents(isBase: Bool = false) -> SnapshotSaver.Contents {
        var contents = SnapshotSaver.Contents()
        contents.information = [
            ("redis-ver", Product.redisVersion), ("redis-bits", "\(Int.bitWidth)"), ("ctime", "\(now / 1000)"),
            ("used-mem", "\(engine.usedBytes)"), ("aof-base", isBase ? "1" : "0"),
        ]
        contents.libraries = owner?.savedLibraries ?? []
        return contents
    }
}
