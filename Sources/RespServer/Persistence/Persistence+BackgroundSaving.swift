// Saving in the background: a slice of the snapshot each turn, between the clients.
//
// A slice takes up to half a millisecond when nobody else has something to do, and a part of what the clients had of the turn otherwise, so
// that these keep most of their speed. The helper thread writes the file meanwhile; while it has enough to do, the loop waits for it.

import CLinux
import Glibc
import StoreEngine

extension Persistence {
    /// How many seconds pass after a failure before another snapshot is taken by itself.
    private static let retryDelay: Int64 = 5
    /// Up to this many keys are saved at once after a flush.
    private static let fewKeys = 1000
    /// Slices take such a part of what the clients had.
    private static let share = 0.1

    /// Begins to save in the background. If that cannot be, the log says so, and it counts as a snapshot that failed.
    func saveInBackground() {
        lastTry = now / 1000
        isScheduled = false
        // Nothing has failed: it is tried again after a while.
        guard problemOfOwnership() == nil else { return }
        saveCount += 1
        guard let file = makeSnapshotFile() else {
            log.warning("Background saving error")
            lastSaveSucceeded = false
            owner?.updateGate()
            return
        }
        let saver = SnapshotSaver(engine, snapshotContents(), to: file)
        saver.begin()
        background = BackgroundSave(saver, file, start: now / 1000, changeCount: engine.changeCount)
        savesInSlices = true
        log.notice("Background saving started")
    }

    /// Gives up what is being saved in the background, if anything is.
    func cancelBackgroundSave() {
        guard let background else { return }
        guard background.file.cancel() else {
            // It has its name by now, or has failed.
            helper.waitUntilIdle()
            return endBackgroundSave(background)
        }
        background.saver.end()
        self.background = nil
        savesInSlices = false
        timer.set(for: nil)
        if let rewrite = background.rewrite { owner?.rewriteWasCancelled(rewrite) }
    }

    /// Ends what the thread has whole, and waits for the disk: nothing changes the names of files by itself from then on.
    func settleBackgroundSave() {
        guard let background, background.isWritten else { return }
        helper.waitUntilIdle()
        endBackgroundSave(background)
    }

    /// Writes a slice.
    func saveSlice() {
        guard let background, !background.isWritten else {
            savesInSlices = false
            return
        }
        if case .failed = background.file.outcome { return endBackgroundSave(background) }
        let delay = configuration.settings.keySaveDelayMicroseconds
        if delay != 0 && Syscall.monotonicMicroseconds() < background.restsUntil { return rest(until: now + 1) }
        let start = clinux_cycle_counter()
        let isAlone = owner?.isTurnEmpty ?? true
        let shared = UInt64(Double(start &- clock.turnStart) * Self.share)
        let most = clock.millisecond / 2
        let length = isAlone ? most : min(max(shared, most / 20), most)
        let (before, steps) = (background.saver.keyCount, background.saver.stepCount)
        let isOver = writeSlice(of: background) {
            delay == 0
                ? clinux_cycle_counter() &- start >= length : background.saver.stepCount > steps
        }
        if isOver { return }
        if delay != 0 {
            // A negative one is a microsecond for that many keys together.
            let keys = max(background.saver.keyCount - before, 1)
            let pause = delay > 0 ? keys * delay : keys / -delay
            background.restsUntil = Syscall.monotonicMicroseconds() + Int64(pause)
        }
        if delay != 0 || !background.file.hasRoom { rest(until: now + 1) }
    }

    // MARK: its memory

    /// Bytes that wait to be written to a snapshot.
    var waitingBytes: Int { background == nil ? 0 : helper.pendingSize }

    /// Bytes that are only there until they have been written, which is not put off.
    var writableBytes: Int {
        guard background != nil, configuration.settings.keySaveDelayMicroseconds == 0 else { return 0 }
        return waitingBytes + engine.bytesHeldBySnapshot
    }

    /// Writes more of what is being saved while that takes more than `most` bytes of memory: what was dropped before it was written, and what
    /// waits for the disk.
    /// - Parameter end: when it is enough, in cycles.
    func relieveMemory(_ most: Int, until end: UInt64) {
        guard let background else { return }
        while case let waiting = waitingBytes, writableBytes > most {
            let left = end &- clinux_cycle_counter()
            guard left > 0 && left < UInt64.max / 2 else { return }
            if background.isWritten || !background.file.hasRoom {
                guard waiting > 0 else { return }
                helper.wait(untilBelow: waiting - 1, microseconds: Int(left * 1000 / clock.millisecond))
            } else if writeSlice(of: background, { clinux_cycle_counter() >= end }) {
                return
            }
        }
    }

    /// - Returns: whether all is written, but for what the file needs at its end.
    private func writeSlice(of background: BackgroundSave, _ isEnough: () -> Bool) -> Bool {
        guard background.saver.slice(isEnough) else { return false }
        background.saver.end()
        background.isWritten = true
        background.rewrite?.removesHistory = !configuration.settings.keepsLogHistory
        background.file.finish(version: background.saver.version, publishing: background.rewrite?.publication())
        rest(until: now + 1)
        return true
    }

    private func rest(until time: Int64) {
        savesInSlices = false
        timer.set(for: time)
    }

    /// Looks how far the file is.
    func continueSaving() {
        guard let background else { return }
        if background.file.outcome != nil { return endBackgroundSave(background) }
        if background.isWritten {
            timer.set(for: now + 1)
        } else {
            // Every millisecond, as long as there is no room.
            background.file.relieve(microseconds: 250)
            savesInSlices = true
        }
    }

    private func endBackgroundSave(_ background: BackgroundSave) {
        background.saver.end()
        self.background = nil
        savesInSlices = false
        timer.set(for: nil)
        let seconds = Int(now / 1000 - background.start)
        if let rewrite = background.rewrite, let outcome = background.file.outcome {
            owner?.endRewrite(rewrite, outcome, seconds: seconds)
            return
        }
        lastDuration = seconds
        switch background.file.outcome {
        case .saved:
            log.notice("Background saving terminated with success")
            engine.changesSaved(upTo: background.changeCount)
            lastSave = now / 1000
            lastSaveSucceeded = true
            noteSnapshotFile()
        case .failed(let reason):
            log.warning("Write error while saving DB to the disk(\(reason))")
            log.warning("Background saving error")
            lastSaveSucceeded = false
        case nil: break
        }
        owner?.updateGate()
    }

    /// To be called when all databases have been flushed: what there was before is not to come back. A base of the append-only file is another
    /// matter, as what follows it has the flush.
    func followFlush() {
        followedFlushes = engine.flushCount
        guard background?.rewrite == nil else { return }
        if background != nil {
            cancelBackgroundSave()
            log.notice("Background saving given up, as all data was flushed")
        }
        guard !configuration.settings.savePoints.isEmpty, problemOfOwnership() == nil else { return }
        // Before the flush is acknowledged, as long as hardly anything has come since.
        if engine.databasesInUse.reduce(0, { $0 + $1.count }) > Self.fewKeys {
            saveInBackground()
        } else if !saveNow() {
            lastSaveSucceeded = false
            owner?.updateGate()
        }
    }

    // MARK: save points

    /// Begins a snapshot if it is time for one.
    func followSavePoints() {
        guard background == nil, loading == nil else { return }
        let seconds = now / 1000
        guard lastSaveSucceeded && !isOthers || seconds - lastTry > Self.retryDelay else { return }
        if isScheduled {
            saveInBackground()
            return
        }
        for point in configuration.settings.savePoints
        where engine.unsavedChangeCount >= point.changes && seconds - lastSave > Int64(point.seconds) {
            if !isOthers { log.notice("\(point.changes) changes in \(point.seconds) seconds. Saving...") }
            saveInBackground()
            return
        }
    }

    /// Whether writes are refused because the last snapshot could not be saved.
    var refusesWrites: Bool {
        let settings = configuration.settings
        return !lastSaveSucceeded && settings.stopsWritesOnSaveError && !settings.savePoints.isEmpty
    }

    static let misconfiguration: StaticString =
        "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that may modify the data set are disabled, because this instance is configured to report errors during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error."
}
