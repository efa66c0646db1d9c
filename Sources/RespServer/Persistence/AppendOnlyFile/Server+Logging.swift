// The append-only file of a running server: effects are written before the replies of those leave who have made them.
//
// Usually that is once, at the end of a turn. Replies that leave earlier, because they are long, have what there is written before them. What
// belongs to a group that is not whole, as within EXEC, is in no file yet: whoever was answered by then gets it at the end.
//
// With `appendfsync always` nobody is told of a write that is not on the disk. When the disk fails, whoever has written waits for an answer
// until it works again, further writes are refused, and reads go on.

import CLinux
import RespCodec
import StoreEngine

extension Server {
    // MARK: in each turn

    /// Writes what was done. To be called where no command runs.
    func flushLog(mustWrite: Bool = false) {
        if !scripts.isBusy {
            engine.endEffects()
            appendOnly.noteEffectsOfNobody()
        }
        guard appendOnly.writer.hasWork else { return }
        writeLog(mustWrite: mustWrite)
    }

    private func writeLog(mustWrite: Bool = false) {
        let writer = appendOnly.writer
        let start = clinux_cycle_counter()
        let before = writer.failure
        writer.flush(now: now, mustWrite: mustWrite, leavesSyncing: leavesSyncing)
        if writer.writeCycles > 0 {
            observer.observe(.logWrite, cycles: writer.writeCycles)
            observer.observe(
                writer.wroteDuringSync
                    ? .logWriteDuringSync : persistence.background == nil ? .logWriteAlone : .logWriteDuringSave,
                cycles: writer.writeCycles)
        }
        if writer.syncCycles > 0 { observer.observe(.logSync, cycles: writer.syncCycles) }
        if writer.isPostponed { appendOnly.timer.set(for: now + 1) }
        statistics.logCycles &+= clinux_cycle_counter() &- start
        if writer.failure != before { updateGate() }
        if engine.isMemoryLimited {
            memoryLimit.logWasWritten(writer.log.heldCount)
            followLogMemory()
        }
    }

    /// Whether the disk is left alone for now.
    private var leavesSyncing: Bool {
        configuration.settings.leavesSyncingOnRewrite && persistence.background != nil
    }

    /// Brings the log as far as replies that are about to leave may depend on it.
    /// - Returns: whether all may leave; if not, each is to be asked for with `mayLeave`.
    func prepareToSend() -> Bool {
        let writer = appendOnly.writer
        if writer.log.wholeCount > 0 || needsSync { writeLog() }
        return (!writer.log.hasOpenGroup || scripts.isBusy) && !needsSync
    }

    /// Whether what was written must come to the disk before it is told of.
    private var needsSync: Bool {
        let writer = appendOnly.writer
        guard writer.sync == .always else { return false }
        return leavesSyncing
            ? writer.log.wholeCount > 0 : writer.syncedPosition < writer.log.position
    }

    /// Whether a connection may be sent what it is answered.
    func mayLeave(_ connection: Connection) -> Bool {
        let writer = appendOnly.writer
        if writer.log.hasOpenGroup && !scripts.isBusy { return false }
        guard writer.sync == .always else { return true }
        return connection.loggedPosition <= (leavesSyncing ? writer.writtenPosition : writer.syncedPosition)
    }

    /// Looks whether something can be written that was put off, and whether anything has come to the disk.
    func continueLogging() {
        if appendOnly.takesEffects { flushLog() }
        serveLogWaits()
    }

    /// Upkeep: what was put off, what the disk refused, waits for the log.
    func maintainLog() {
        guard appendOnly.takesEffects else { return }
        flushLog()
        if appendOnly.writer.failure?.isLasting == true { recoverLog() }
        serveLogWaits()
    }

    // MARK: who takes effects

    /// To be called when it has changed who takes effects.
    func followEffectSinks() {
        engine.endEffects()
        engine.effectSink = appendOnly.makeSink()
        replies.asksOwner = appendOnly.takesEffects
    }

    func setLogging(_ isOn: Bool) {
        appendOnly.takesEffects = isOn
        followEffectSinks()
    }

    func followLogSettings() {
        let settings = configuration.settings
        let writer = appendOnly.writer
        writer.sync = settings.appendSync
        writer.log.time = settings.notesTimeInLog ? { [unowned self] in now / 1000 } : nil
    }

    // MARK: on and off

    /// Begins to log, at the start of the server, when everything is loaded.
    /// - Parameter directory: where it was loaded from.
    func beginLogging(in directory: AppendDirectory) throws(AppendFileError) {
        var manifest = directory.manifest
        if manifest.isEmpty {
            let name = nextBaseName(in: directory)
            guard let size = saveBase(name, in: directory) else {
                throw AppendFileError("The AOF base file \(name) could not be written in \(directory.path)")
            }
            log.notice("Creating AOF base file \(name) on server start")
            manifest.replaceBase(with: name, keepingIncrements: 0)
            appendOnly.byteCountOfBase = size
            appendOnly.earlierByteCount = size
        }
        let isNew = manifest.increments.isEmpty
        if isNew { manifest.addIncrement(manifest.nextIncrementName(of: directory.fileName)) }
        let name = manifest.increments[manifest.increments.count - 1].name
        let file = try AppendFileError.unless(
            { () throws(SyscallError) in
                let file = try directory.files.openForAppending(name, isEmptied: false)
                if manifest != directory.manifest { try directory.store(manifest) }
                return file
            }, { "The append-only file \(name) cannot be opened in \(directory.path): \($0)" })
        let size = directory.files.byteCount(of: name) ?? 0
        if !isNew { appendOnly.earlierByteCount -= size }
        log.notice("\(isNew ? "Creating" : "Opening") AOF incr file \(name) on server start")
        appendOnly.writer.open(file, size: size)
        appendOnly.directory = directory
        appendOnly.state = .on
        setLogging(true)
        removeLogHistory()
    }

    /// CONFIG SET appendonly.
    /// - Parameter isNested: whether it runs within a transaction or a script.
    /// - Returns: why it cannot be.
    func followAppendOnly(_ isOn: Bool, isNested: Bool) -> String? {
        if isOn && appendOnly.state == .off {
            return startLogging(isNested: isNested) ? nil : "Unable to turn on AOF. Check server logs."
        }
        if !isOn && appendOnly.state != .off { stopLogging() }
        return nil
    }

    private func startLogging(isNested: Bool) -> Bool {
        let writer = appendOnly.writer
        if writer.failure != nil {
            log.warning("AOF reopen, just ignore the last error.")
            writer.close()
        }
        appendOnly.state = .waitsForBase
        if let background = persistence.background {
            if background.rewrite != nil {
                log.notice(
                    "AOF was enabled but there is already an AOF rewriting in background. Stopping background AOF and starting a rewrite now."
                )
                cancelBackgroundSave()
            } else {
                appendOnly.isScheduled = true
                log.notice(
                    "AOF was enabled but there is already another background operation. An AOF background was scheduled to start when possible."
                )
                return true
            }
        }
        if isNested || scripts.isRunning {
            appendOnly.isScheduled = true
            log.notice(
                "AOF was enabled during a transaction. An AOF background was scheduled to start when possible.")
            return true
        }
        guard rewriteInBackground() else {
            appendOnly.state = .off
            log.warning(
                "The AOF cannot be enabled, as no background AOF rewrite could be begun. Check the above logs for more info about the error."
            )
            return false
        }
        return true
    }

    private func stopLogging() {
        if persistence.background?.rewrite != nil {
            log.notice("Killing running AOF rewrite child: there is none, the rewrite is given up")
            cancelBackgroundSave()
        }
        if appendOnly.takesEffects {
            engine.endEffects()
        }
        appendOnly.state = .off
        appendOnly.isScheduled = false
        appendOnly.writer.closeInBackground(now: now)
        appendOnly.directory = nil
        appendOnly.earlierByteCount = 0
        setLogging(false)
        updateGate()
    }

    /// Writes and syncs what there is, before the server ends.
    /// - Returns: false if it cannot be.
    func finishLog() -> Bool {
        guard appendOnly.takesEffects else { return true }
        // Of a script that has not come to its end nothing is written.
        if !scripts.isBusy { engine.endEffects() }
        appendOnly.writer.waitForBackground()
        log.notice("Calling fsync() on the AOF file.")
        guard let problem = appendOnly.writer.finish(now: now) else { return true }
        log.warning("Fail to fsync the AOF file: \(problem).")
        return false
    }

    /// Takes effects for a base that is being written from now on.
    /// - Parameter moves: whether the log goes to another directory with it.
    func beginIncrement(_ file: DataFile, moves: Bool) {
        appendOnly.earlierByteCount += appendOnly.writer.fileSize
        appendOnly.writer.open(file, size: 0, keepsFormer: moves)
        if !appendOnly.takesEffects { setLogging(true) }
    }

    /// No longer takes effects, as the base that they were for came to nothing.
    func dropIncrement() {
        appendOnly.writer.close()
        setLogging(false)
        updateGate()
    }

    /// Removes files that a rewrite has replaced.
    func removeLogHistory() {
        guard let directory = appendOnly.directory, !configuration.settings.keepsLogHistory,
            !directory.manifest.history.isEmpty
        else { return }
        let names = directory.manifest.history.map(\.name)
        for name in names { log.notice("Removing the history file \(name) in the background") }
        appendOnly.writer.inBackground { [files = directory.files] in for name in names { files.remove(name) } }
        var manifest = directory.manifest
        manifest.forgetHistory()
        do throws(SyscallError) {
            try directory.store(manifest)
        } catch {
            // They are removed again another time.
            log.warning("The AOF manifest file in \(directory.path) could not be written: \(error)")
        }
    }

    // MARK: refusals

    /// Why writes are refused, if the log cannot be written.
    var logProblem: String? {
        guard appendOnly.takesEffects, let failure = appendOnly.writer.failure else { return nil }
        return "MISCONF Errors writing to the AOF file: \(failure.reason)"
    }

    /// Why writes are refused; nil if they are not.
    var storageProblem: CommandError? {
        if refusesWritesOfSaves { return .message(Self.misconfiguration) }
        return logProblem.map { .text($0) }
    }
}
