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

extension AppendOnlyFile {
    // MARK: in each turn

    /// Writes what was done. To be called where no command runs.
    func flush(mustWrite: Bool = false) {
        if !isScriptBusy {
            engine.endEffects()
            noteEffectsOfNobody()
        }
        if prepared != nil { settleIncrement(waits: mustWrite) }
        guard writer.hasWork else { return }
        write(mustWrite: mustWrite)
    }

    /// - Parameter goesOn: whether more is written of what takes several turns.
    private func write(mustWrite: Bool = false, goesOn: Bool = true) {
        let start = clinux_cycle_counter()
        let before = writer.failure
        writer.flush(now: now, mustWrite: mustWrite, goesOn: goesOn, leavesSyncing: leavesSyncing)
        if writer.writeCycles > 0 {
            observer.observe(.logWrite, cycles: writer.writeCycles)
            observer.observe(
                writer.wroteDuringSync
                    ? .logWriteDuringSync : persistence.background == nil ? .logWriteAlone : .logWriteDuringSave,
                cycles: writer.writeCycles)
        }
        if writer.syncCycles > 0 { observer.observe(.logSync, cycles: writer.syncCycles) }
        if writer.isPostponed { timer.set(for: now + 1) }
        cycles &+= clinux_cycle_counter() &- start
        if writer.failure != before { owner?.updateGate() }
        if engine.isMemoryLimited { owner?.logWasWritten() }
        readOn()
    }

    /// Whether the disk is left alone for now.
    private var leavesSyncing: Bool {
        configuration.settings.leavesSyncingOnRewrite && persistence.background != nil
    }

    /// Brings the log as far as replies that are about to leave may depend on it.
    /// - Returns: whether all may leave; if not, each is to be asked for with `mayLeave`.
    func prepareToSend() -> Bool {
        if prepared != nil { settleIncrement(waits: false) }
        if writer.log.wholeCount > 0 || needsSync { write(goesOn: isScriptBusy) }
        return (!writer.log.hasOpenGroup || isScriptBusy) && !needsSync
    }

    /// Whether what was written must come to the disk before it is told of.
    private var needsSync: Bool {
        guard writer.sync == .always else { return false }
        return leavesSyncing
            ? writer.log.wholeCount > 0 : writer.syncedPosition < writer.log.position
    }

    /// Whether a connection may be sent what it is answered.
    func mayLeave(_ connection: Connection) -> Bool {
        if writer.log.hasOpenGroup && !isScriptBusy { return false }
        guard writer.sync == .always else { return true }
        return connection.loggedPosition <= (leavesSyncing ? writer.writtenPosition : writer.syncedPosition)
    }

    /// Looks whether something can be written that was put off, and whether anything has come to the disk.
    func goOn() {
        if takesEffects { flush() }
        owner?.serveLogWaits()
    }

    /// Upkeep: what was put off, what the disk refused, waits for the log, and a log that has grown much.
    func maintain() {
        if takesEffects {
            flush()
            if writer.lookAtFiles(now: now) { owner?.updateGate() }
            if writer.failure?.isLasting == true { recover() }
            owner?.serveLogWaits()
            readOn()
        }
        followGrowth()
    }

    // MARK: who takes effects

    /// To be called when it has changed who takes effects.
    func followSinks() {
        engine.endEffects()
        engine.effectSink = makeSink()
        replies.asksOwner = takesEffects
    }

    func setLogging(_ isOn: Bool) {
        takesEffects = isOn
        followSinks()
        readOn()
    }

    func followSettings() {
        let settings = configuration.settings
        let confirmsMore = settings.appendSync == .always && writer.sync != .always
        writer.sync = settings.appendSync
        // What was acknowledged before it was written is no less safe than what comes now.
        if confirmsMore && takesEffects { write(mustWrite: true) }
        writer.log.time = settings.notesTimeInLog ? { [unowned self] in now / 1000 } : nil
    }

    // MARK: on and off

    /// Begins to log, at the start of the server, when everything is loaded.
    /// - Parameter directory: where it was loaded from.
    func begin(in directory: AppendDirectory) throws(AppendFileError) {
        var manifest = directory.manifest
        if manifest.isEmpty {
            let name = nextBaseName(in: directory)
            guard let size = saveBase(name, in: directory) else {
                throw AppendFileError("The AOF base file \(name) could not be written in \(directory.path)")
            }
            log.notice("Creating AOF base file \(name) on server start")
            manifest.replaceBase(with: name, keepingIncrements: 0)
            byteCountOfBase = size
            earlierByteCount = size
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
        if !isNew { earlierByteCount -= size }
        log.notice("\(isNew ? "Creating" : "Opening") AOF incr file \(name) on server start")
        writer.open(file, size: size)
        self.directory = directory
        state = .on
        setLogging(true)
        removeHistory()
    }

    /// CONFIG SET appendonly.
    /// - Parameter isNested: whether it runs within a transaction or a script.
    /// - Returns: why it cannot be.
    func follow(_ isOn: Bool, isNested: Bool) -> String? {
        if isOn && state == .off {
            return start(isNested: isNested) ? nil : "Unable to turn on AOF. Check server logs."
        }
        if !isOn && state != .off { stop() }
        return nil
    }

    private func start(isNested: Bool) -> Bool {
        if writer.failure != nil {
            log.warning("AOF reopen, just ignore the last error.")
            writer.close()
        }
        state = .waitsForBase
        if let background = persistence.background {
            if background.rewrite != nil {
                log.notice(
                    "AOF was enabled but there is already an AOF rewriting in background. Stopping background AOF and starting a rewrite now."
                )
                persistence.cancelBackgroundSave()
            } else {
                isScheduled = true
                log.notice(
                    "AOF was enabled but there is already another background operation. An AOF background was scheduled to start when possible."
                )
                return true
            }
        }
        if isNested || scripts.isRunning {
            isScheduled = true
            log.notice(
                "AOF was enabled during a transaction. An AOF background was scheduled to start when possible.")
            return true
        }
        guard rewriteInBackground() else {
            state = .off
            log.warning(
                "The AOF cannot be enabled, as no background AOF rewrite could be begun. Check the above logs for more info about the error."
            )
            return false
        }
        return true
    }

    private func stop() {
        if persistence.background?.rewrite != nil {
            log.notice("Killing running AOF rewrite child: there is none, the rewrite is given up")
            persistence.cancelBackgroundSave()
        }
        if takesEffects {
            engine.endEffects()
        }
        settleIncrement(waits: true)
        state = .off
        isScheduled = false
        writer.closeInBackground(now: now)
        directory = nil
        earlierByteCount = 0
        setLogging(false)
        owner?.updateGate()
    }

    /// Writes and syncs what there is, before the server ends.
    /// - Returns: false if it cannot be.
    func finish() -> Bool {
        guard takesEffects else { return true }
        // Of a script that has not come to its end nothing is written.
        if !isScriptBusy { engine.endEffects() }
        settleIncrement(waits: true)
        log.notice("Calling fsync() on the AOF file.")
        guard isLoadable() else { return false }
        guard let problem = writer.finish(now: now) else { return true }
        log.warning("Fail to fsync the AOF file: \(problem).")
        return false
    }

    /// Makes sure that a start finds the files; false, and a line in the log, if it does not.
    private func isLoadable() -> Bool {
        guard state == .on, let directory else { return true }
        let damage = directory.watch.damage()
        guard damage != nil || writer.failure?.cure != nil else { return true }
        guard mend(directory) == .done else {
            log.warning("The append-only file would not be loaded as it is: \(damage?.reason ?? "")")
            return false
        }
        if writer.failure?.cure != nil { writer.isMended() }
        return true
    }

    /// Takes effects for a base that is being written from now on.
    /// - Parameters:
    ///   - moves: whether the log goes to another directory with it.
    ///   - isHeld: whether nothing is to be written to it yet.
    func beginIncrement(_ file: DataFile, moves: Bool, isHeld: Bool) {
        earlierByteCount += writer.fileSize
        writer.open(file, size: 0, keepsFormer: moves, isHeld: isHeld)
        if !takesEffects { setLogging(true) }
    }

    /// No longer takes effects, as the base that they were for came to nothing.
    func dropIncrement() {
        writer.close()
        setLogging(false)
        owner?.updateGate()
    }

    /// Removes what a rewrite has replaced, where it has not done that itself.
    func removeHistory() {
        guard let directory, !configuration.settings.keepsLogHistory, !directory.manifest.history.isEmpty,
            persistence.background?.rewrite == nil
        else { return }
        directory.manifestFile.removeHistory(of: directory.manifest, log)
        directory.hasNoHistory()
    }

    // MARK: refusals

    /// Why writes are refused, if the log cannot be written.
    var problem: String? {
        guard takesEffects, let failure = writer.failure else { return nil }
        return "MISCONF Errors writing to the AOF file: \(failure.reason)"
    }
}
