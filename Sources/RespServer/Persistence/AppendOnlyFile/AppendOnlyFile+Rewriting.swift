// Rewriting the append-only file: a snapshot of what there is becomes its base, and what is done from its beginning on the increment that
// follows it.
//
// The new increment is in the manifest before anything is written to it. When the base is whole and has its name, the manifest is replaced:
// from then on it and the new increment are all there is, and the files before them are history, which is removed. Whatever fails before
// leaves the old base and all increments, and the new one among them, as they are: they hold the same. The disk is waited for by the thread
// that writes the base, before it begins, and when it is done; what is logged meanwhile stays in memory.
//
// When the setting `dir` has changed since, the base goes to the new directory, with a temporary increment. The log in the old one goes on until
// the base is whole, and stays there as it is then.

import Glibc
import StoreEngine

extension AppendOnlyFile {
    /// Begins to rewrite the append-only file.
    /// - Parameter recovers: whether what cannot be written to the old one is dropped: it will be in the new base.
    /// - Returns: false, and a line in the log, if that cannot be.
    func rewriteInBackground(recovers: Bool = false) -> Bool {
        isScheduled = false
        engine.endEffects()
        do throws(AppendFileError) {
            try beginRewrite(recovers: recovers)
        } catch {
            for line in error.lines { log.warning(line) }
            rewriteHasFailed()
            if !takesEffects { self.directory = nil }
            return false
        }
        rewriteCount += 1
        log.notice("Background append only file rewriting started")
        return true
    }

    private func beginRewrite(recovers: Bool) throws(AppendFileError) {
        let directory = try openLogDirectory(recovers: recovers)
        if takesEffects {
            if recovers {
                writer.dropUnwritten()
            } else {
                flush(mustWrite: true)
                // The new base will contain the effects that are still in memory, so they must not be written to the increment behind it.
                guard writer.log.wholeCount == 0 else {
                    throw AppendFileError(
                        "The append-only file is not rewritten while it cannot be written: \(writer.failure?.reason ?? "")"
                    )
                }
            }
        }
        let baseName = nextBaseName(in: directory)
        guard let base = makeBaseFile(baseName, in: directory) else {
            throw AppendFileError("Can't rewrite append only file in background")
        }
        let moves = state == .on && !recovers && directory !== self.directory
        let earlier = earlierByteCount
        let isTemporary = state == .waitsForBase || moves
        var before = directory.manifest
        let increment =
            isTemporary ? directory.temporaryIncrementName : before.nextIncrementName(of: directory.fileName)
        do throws(AppendFileError) {
            if state != .off { try beginIncrement(increment, in: directory, moves: moves, isHeld: !isTemporary) }
        } catch {
            _ = base.cancel()
            throw error
        }
        if state != .off && !isTemporary {
            before.addIncrement(increment)
            prepare(before, in: directory)
        }
        if !moves { self.directory = directory }
        var manifest = before
        manifest.replaceBase(with: baseName, keepingIncrements: state == .on && !moves ? 1 : 0)
        let temporaryIncrement = isTemporary ? manifest.nextIncrementName(of: directory.fileName) : nil
        if let temporaryIncrement { manifest.addIncrement(temporaryIncrement) }
        let saver = SnapshotSaver(engine, persistence.baseContents(), to: base)
        saver.begin()
        let background = BackgroundSave(saver, base, start: now / 1000, changeCount: engine.changeCount)
        background.rewrite = LogRewrite(
            directory: directory, baseName: baseName, position: writer.log.position,
            hasIncrement: state != .off, recovers: recovers, moves: moves, earlierByteCount: earlier,
            before: before, manifest: manifest,
            temporaryIncrement: temporaryIncrement, preparation: prepared?.task,
            log: log)
        persistence.background = background
        persistence.savesInSlices = true
    }

    /// The directory of the log, which is made again where it is gone; another one if the settings name another.
    private func openLogDirectory(recovers: Bool) throws(AppendFileError) -> AppendDirectory {
        if let directory {
            let isMeant = directory.files.isAt(AppendDirectory.path(configuration.settings))
            if recovers ? directory.watch.isInPlace : isMeant { return directory }
            if recovers { self.directory = nil }
        }
        guard let directory = try AppendDirectory.open(configuration.settings, isMade: true, log: log) else {
            throw AppendFileError("There is no append-only dir")
        }
        return directory
    }

    /// Has effects go to a new increment.
    private func beginIncrement(
        _ name: String, in directory: AppendDirectory, moves: Bool, isHeld: Bool
    ) throws(AppendFileError) {
        let file = try AppendFileError.unless(
            { () throws(SyscallError) in try directory.files.openForAppending(name, isEmptied: true) },
            { "Can't open the append-only file \(name): \($0.reason)" })
        log.notice("Creating AOF incr file \(name) on background rewrite")
        beginIncrement(file, moves: moves, isHeld: isHeld)
    }

    /// Has the thread put the increment at hand in the manifest; until that is done nothing is written to it.
    private func prepare(_ manifest: AppendManifest, in directory: AppendDirectory) {
        let (old, file) = (directory.manifest, directory.manifestFile)
        let task = HelperTask(on: persistence.helper) { () throws(SyscallError) in
            try file.replace(old, with: manifest)
        }
        prepared = PreparedIncrement(directory: directory, start: now, manifest: manifest, task: task)
    }

    /// Looks whether the manifest has the increment at hand, and goes on with the one before where it cannot.
    /// - Parameter waits: whether the disk is waited for, also if it does not take long.
    func settleIncrement(waits: Bool) {
        guard let prepared else { return }
        let waits =
            waits || writer.log.wholeCount > PreparedIncrement.mostHeld
            || writer.sync != .always && now - prepared.start >= PreparedIncrement.longestWait
        guard let outcome = waits ? prepared.task.wait() : prepared.task.outcome else { return timer.set(for: now + 1) }
        self.prepared = nil
        switch outcome {
        case .success:
            prepared.directory.isStored(prepared.manifest)
            writer.release()
        case .failure(let error):
            earlierByteCount -= writer.returnToHeld()
            log.warning("The AOF manifest file in \(prepared.directory.path) could not be replaced: \(error)")
            rewriteHasFailed()
            persistence.cancelBackgroundSave()
        }
    }

    private func rewriteHasFailed() {
        lastRewriteSucceeded = false
        failuresInARow += 1
    }

    // MARK: the base

    func nextBaseName(in directory: AppendDirectory) -> String {
        directory.manifest.nextBaseName(
            of: directory.fileName, isSnapshot: configuration.settings.basesAreSnapshots)
    }

    private func makeBaseFile(_ name: String, in directory: AppendDirectory) -> SnapshotFile? {
        var options = persistence.snapshotOptions(syncsOnTheWay: configuration.settings.rewriteIncrementalFsync)
        options.isFramed = configuration.settings.basesAreSnapshots
        do throws(SyscallError) {
            return try SnapshotFile(
                name, in: directory.files, temporaryNames: [directory.temporaryBaseName], options,
                thread: persistence.helper)
        } catch {
            log.warning(
                "Opening the temp file for AOF rewrite \(directory.temporaryBaseName) in \(directory.path): \(error.reason)"
            )
            return nil
        }
    }

    /// Writes a base at once.
    /// - Returns: its size; nil, and a line in the log, if it cannot be written.
    func saveBase(_ name: String, in directory: AppendDirectory) -> Int? {
        guard let file = makeBaseFile(name, in: directory) else { return nil }
        switch persistence.saveAll(to: file, persistence.baseContents()) {
        case .saved(let byteCount): return byteCount
        case .failed(let reason):
            log.warning("Write error writing append only file on disk: \(reason)")
            return nil
        }
    }

    // MARK: the end

    func rewriteWasCancelled(_ rewrite: LogRewrite) {
        settleIncrement(waits: true)
        giveUp(rewrite)
        if state == .off { self.directory = nil }
    }

    /// To be called when the base of a rewrite is written, or has failed.
    func endRewrite(_ rewrite: LogRewrite, _ outcome: SnapshotFile.Outcome, seconds: Int) {
        lastDuration = seconds
        settleIncrement(waits: true)
        defer {
            owner?.updateGate()
            if state == .off { self.directory = nil }
        }
        do throws(AppendFileError) {
            guard case .saved(let byteCount) = outcome else {
                if case .failed(let reason) = outcome {
                    log.warning("Write error writing append only file on disk: \(reason)")
                }
                throw AppendFileError("Background AOF rewrite terminated with error")
            }
            log.notice("Background AOF rewrite terminated with success")
            takeOver(rewrite, byteCount)
        } catch {
            for line in error.lines { log.warning(line) }
            rewriteHasFailed()
            giveUp(rewrite)
            return
        }
        lastRewriteSucceeded = true
        failuresInARow = 0
        log.notice("Background AOF rewrite finished successfully")
    }

    /// Effects that only the base would have made whole are dropped; the base is tried again.
    private func giveUp(_ rewrite: LogRewrite) {
        if rewrite.moves {
            // What was written meanwhile is in the former one.
            if writer.returnToFormer() { earlierByteCount = rewrite.earlierByteCount }
            removeIncrement(of: rewrite)
            return
        }
        guard state == .waitsForBase, rewrite.hasIncrement else { return }
        log.notice(
            "Removing the temp incr aof file \(rewrite.directory.temporaryIncrementName) in the background")
        dropIncrement()
        // At once: the next one has the same name.
        removeIncrement(of: rewrite)
        isScheduled = true
    }

    /// Removes an increment that no manifest names, by whatever name it has.
    private func removeIncrement(of rewrite: LogRewrite) {
        let directory = rewrite.directory
        directory.files.remove(directory.temporaryIncrementName)
        if let name = rewrite.temporaryIncrement, !directory.manifestFile.mayName(name) { directory.files.remove(name) }
    }

    private func takeOver(_ rewrite: LogRewrite, _ byteCount: Int) {
        let directory = rewrite.directory
        directory.isStored(rewrite.manifest)
        if rewrite.removesHistory { directory.hasNoHistory() }
        if rewrite.moves {
            log.notice("The append-only file is in \(directory.path) from now on")
            self.directory = directory
            writer.leaveFormer()
        }
        if state != .off {
            earlierByteCount = byteCount
            byteCountOfBase = self.byteCount
            state = .on
            directory.isTakenOver()
            writer.isSaved(upTo: rewrite.position, isRecovered: rewrite.recovers)
            flush(mustWrite: true)
        }
        removeHistory()
    }

    // MARK: by itself

    /// Begins a rewrite if it is time for one.
    func followGrowth() {
        guard persistence.background == nil, persistence.loading == nil else { return }
        if isScheduled {
            if !isResting() { _ = rewriteInBackground() }
            return
        }
        let settings = configuration.settings
        guard state == .on, settings.rewritePercentage > 0, byteCount > settings.rewriteMinSize,
            writer.failure == nil
        else { return }
        let base = max(byteCountOfBase, 1)
        let growth = Int(Double(byteCount) * 100 / Double(base)) - 100
        guard growth >= settings.rewritePercentage, !isResting() else { return }
        log.notice("Starting automatic rewriting of AOF on \(growth)% growth")
        _ = rewriteInBackground()
    }

    /// Does what is to be done after a failure that does not pass: where others have taken no more than the manifest or the lock, these are
    /// made anew, else the whole log is.
    func recover() {
        guard state != .off, mayRecover() else { return }
        if state == .on, writer.failure?.cure != nil, let directory {
            switch mend(directory) {
            case .done:
                writer.isMended()
                owner?.updateGate()
                return flush()
            case .mustWait: return
            case .needsRewrite: break
            }
        }
        guard persistence.background == nil else { return }
        _ = rewriteInBackground(recovers: true)
    }

    enum Mending {
        case done
        /// It is to be tried again.
        case mustWait
        case needsRewrite
    }

    /// Makes good what others have done to the files, but for what only a rewrite can.
    func mend(_ directory: AppendDirectory) -> Mending {
        guard let damage = directory.watch.damage() else {
            return directory.isContested || !writer.hasNamedFile ? .needsRewrite : .done
        }
        if damage.cure.contains(.directory) { return .needsRewrite }
        if damage.cure.contains(.lock) && !directory.lockAnew(log) { return .mustWait }
        if damage.cure.contains(.rewrite) || directory.isContested { return .needsRewrite }
        if damage.cure.contains(.manifest) {
            // The thread may be about to replace it.
            guard prepared == nil, persistence.background?.rewrite == nil || persistence.background?.isWritten == false
            else { return .mustWait }
            do throws(SyscallError) {
                persistence.helper.waitUntilIdle()
                try directory.store(directory.manifest)
                log.notice("The manifest in \(directory.path) was written anew")
            } catch {
                log.warning("The AOF manifest file in \(directory.path) could not be written: \(error)")
                return .mustWait
            }
        }
        return directory.watch.damage() == nil ? .done : .mustWait
    }
}
