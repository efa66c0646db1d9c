// Writes effects to the increment at hand: one write for all that a turn has done, and the disk as `appendfsync` says.
//
// How far the log has come is told by positions, which count the bytes of all effects there have been, whatever files they are in:
//
//     synced <= written <= told (log.position)
//
//   - `always`: what was written is brought to the disk at once, before anybody is answered who depends on it.
//   - `everysec`: a thread does that once a second. While it does, writes wait: the kernel might have them wait in the middle of a turn.
//     When that lasts for two seconds, they do not wait any longer.
//   - `no`: the kernel does that when it likes.
//
// In a new file nothing is written before all of the one before is on the disk, or two seconds have passed: a loss of power could leave a gap
// otherwise.
//
// Large arguments are written in several turns, a part in each, and all else at once. Nothing counts as written before all of it is that
// there was at the beginning.
// With `always` the thread brings it to the disk, too, if it is much, and whoever has written meanwhile waits for that.
//
// A write that fails leaves its bytes where they are, to be tried again; the part of it that was written is cut off. After an error of fsync
// nobody knows which of the last bytes are on the disk, nor will a second call tell. Such a failure lasts until the whole log was written
// anew elsewhere (`isSaved(upTo:isRecovered:)`).
//
// What was synced counts only if a start would find it: the files are looked at by their names after each sync (`AppendFileWatch`), and once
// a second. Where others have removed, replaced or cut any of them, nothing is acknowledged until that is made good (`isMended`, or as above).
//
// While the log moves to another directory, what is written goes to the former increment, too: until there is a base in the new place, the
// former files are what counts.

import CLinux
import StoreEngine
import Synchronization

final class AppendLogWriter {
    struct Failure: Equatable, Sendable {
        let reason: String
        /// Whether it does not help to try again.
        let isLasting: Bool
        /// If others have done something to the files.
        var cure: AppendFileWatch.Cure?
    }

    /// What the thread has done.
    private final class Progress: Sendable {
        let pending = Atomic<Int>(0)
        let position = Atomic<Int>(0)
        let failure = Mutex<Failure?>(nil)
        /// Whether the files are being looked at, without a sync.
        let isLooking = Atomic<Bool>(false)
        /// How many increments there were: one that is not at hand any more may go, as a rewrite replaces it.
        let increment = Atomic<Int>(0)

        /// What has become of a file, if it is still the increment at hand after it was looked at.
        func lookAt(_ file: DataFile, _ watch: AppendFileWatch?, increment: Int) -> Failure? {
            let problem = AppendLogWriter.lookAt(file, watch)
            return self.increment.load(ordering: .acquiring) == increment ? problem : nil
        }
    }

    /// For so long writes wait for the thread, in milliseconds.
    private static let longestPostponement: Int64 = 2000
    /// So many bytes of large arguments a turn writes, or this part of what there is: the more there is, the faster it goes.
    private static let bytesOfTurn = 1 << 20
    private static let partOfTurn = 64
    /// More than this the loop does not bring to the disk itself.
    private static let mostSyncedByLoop = 1 << 20
    /// What could not be written is tried again after this time, in milliseconds.
    private static let retryInterval: Int64 = 100
    /// Between two lines in the log about writes that fail, in milliseconds.
    private static let reportInterval: Int64 = 30_000
    /// Between two looks at the files, in milliseconds.
    private static let lookInterval: Int64 = 1000

    let log = EffectLog()
    var sync = AppendSync.everySecond
    private let report: Log
    private let thread = HelperThread()
    /// Another one for each time that the log is on: what the thread does for a log that was given up says nothing of the next.
    private var progress = Progress()
    private var file: DataFile?
    private var identity: FileIdentity?
    /// Where the log was before it began to move, and how many bytes that had.
    private var former: (file: DataFile, size: Int)?
    /// The file before the one at hand, and how many bytes that had, while nothing may be written to the new one.
    private var held: (file: DataFile, size: Int)?
    /// What a start would find; nil while what is written is worth nothing without a base that is still being written.
    var watch: AppendFileWatch?
    private var lastLook: Int64 = 0
    /// How many bytes of the increment at hand are good.
    private(set) var fileSize = 0
    private(set) var writtenPosition = 0
    /// Up to where syncs were begun, and up to where those of the loop have come.
    private var begunPosition = 0
    private var syncedByLoop = 0
    private(set) var failure: Failure?
    /// What is being written in several turns, and how far that is; none of it is removed from the log.
    private var unfinished: (count: Int, written: Int)?
    private(set) var delayedSyncs = 0
    /// For how long each write waits, in microseconds: for tests.
    var flushDelay = 0
    private var postponedSince: Int64?
    private var lastSync: Int64 = 0
    private var lastReport = Int64.min / 2
    /// After a write that failed: when it is tried again.
    private var nextTry: Int64 = 0

    /// How long the last flush took to write and to sync, in cycles, and whether the thread synced meanwhile.
    private(set) var writeCycles: UInt64 = 0
    private(set) var syncCycles: UInt64 = 0
    private(set) var wroteDuringSync = false

    init(log report: Log) { self.report = report }

    // MARK: how far it is

    /// Up to where everything is on the disk.
    var syncedPosition: Int { max(syncedByLoop, progress.position.load(ordering: .acquiring)) }
    var pendingSyncs: Int { progress.pending.load(ordering: .acquiring) }
    /// Whether a flush has something to do.
    var hasWork: Bool {
        log.wholeCount > 0 || begunPosition < writtenPosition || failure != nil
            // What the thread has begun and not brought to an end has failed.
            || (pendingSyncs == 0 ? syncedPosition < begunPosition : sync == .always)
    }
    /// Whether there is something that waits for the thread, to be written or to be told of.
    var isPostponed: Bool { postponedSince != nil || held != nil || sync == .always && pendingSyncs > 0 }
    /// Whether more is to be written in the next turn.
    @inline(__always) var isUnfinished: Bool { unfinished != nil }

    func resetStatistics() { delayedSyncs = 0 }

    // MARK: writing

    /// Writes what there is to be written, and brings it to the disk.
    /// - Parameters:
    ///   - now: in milliseconds.
    ///   - mustWrite: whether it is not put off, and all of it is written.
    ///   - goesOn: whether more is written of what takes several turns.
    ///   - leavesSyncing: whether the disk is left alone.
    func flush(now: Int64, mustWrite: Bool = false, goesOn: Bool = true, leavesSyncing: Bool = false) {
        guard let file else { return }
        (writeCycles, syncCycles) = (0, 0)
        takeFailureOfThread()
        guard failure?.isLasting != true, held == nil else { return }
        if failure != nil && !mustWrite && now < nextTry && now >= nextTry - Self.retryInterval { return }
        if log.wholeCount > 0 {
            // What was begun is brought to its end.
            if sync != .always && !mustWrite && unfinished == nil && isPostponed(now: now) { return }
            postponedSince = nil
            guard unfinished == nil || goesOn || mustWrite, write(to: file, now: now, isBounded: !mustWrite) else {
                return
            }
        } else if failure != nil {
            isSolved()
        }
        if !leavesSyncing { synchronize(file, now: now) }
    }

    private func isPostponed(now: Int64) -> Bool {
        guard pendingSyncs > 0 else { return false }
        guard let since = postponedSince, since <= now else {
            postponedSince = now
            return true
        }
        guard now - since >= Self.longestPostponement else { return true }
        delayedSyncs += 1
        report.notice(
            "Asynchronous AOF fsync is taking too long (disk is busy?). Writing the AOF buffer without waiting for fsync to complete, this may slow down Redis."
        )
        return false
    }

    /// - Parameter isBounded: whether no more is written than a turn should take.
    /// - Returns: whether everything was written.
    private func write(to file: DataFile, now: Int64, isBounded: Bool) -> Bool {
        var (wanted, written) = unfinished ?? (log.wholeCount, 0)
        if !isBounded { wanted = log.wholeCount }
        let most = isBounded ? max(Self.bytesOfTurn, wanted / Self.partOfTurn) : Int.max
        if unfinished == nil { Syscall.sleep(microseconds: flushDelay) }
        unfinished = nil
        wroteDuringSync = sync == .everySecond && pendingSyncs > 0
        let start = clinux_cycle_counter()
        let error = write(to: file, from: &written, to: wanted, mostKept: most)
        writeCycles = clinux_cycle_counter() &- start
        guard let error else {
            guard written == wanted else {
                unfinished = (wanted, written)
                return false
            }
            writeToFormer(wanted)
            isWritten(wanted)
            if failure != nil { isSolved() }
            return true
        }
        let reports = now - lastReport >= Self.reportInterval || now < lastReport
        if reports {
            lastReport = now
            report.warning(
                written == 0
                    ? "Error writing to the AOF file: \(error.reason)"
                    : "Short write while writing to the AOF file: (nwritten=\(written), expected=\(wanted)): \(error.reason)"
            )
        }
        if written > 0 {
            do throws(SyscallError) {
                try file.truncate(to: fileSize)
            } catch {
                if reports {
                    report.warning(
                        "Could not remove short write from the append-only file.  Redis may refuse to load the AOF the next time it starts.  ftruncate: \(error.reason)"
                    )
                }
                // The rest of it will follow.
                writeToFormer(written)
                isWritten(written)
            }
        }
        failure = Failure(reason: error.reason, isLasting: false)
        nextTry = now + Self.retryInterval
        return false
    }

    /// Writes the bytes of the log from one place to another, or until so many of large arguments were written.
    /// - Parameter written: how far it is.
    private func write(
        to file: DataFile, from written: inout Int, to end: Int, mostKept: Int = .max
    ) -> SyscallError? {
        var (left, failure) = (mostKept, SyscallError?.none)
        unsafe log.lend(from: written, to: end) { bytes, isKept in
            guard left > 0 || !isKept else { return false }
            let part = unsafe isKept ? UnsafeRawBufferPointer(rebasing: bytes.prefix(left)) : bytes
            let (count, error) = unsafe file.append(part)
            written += count
            if isKept { left -= count }
            failure = error
            return error == nil && count == bytes.count
        }
        return failure
    }

    /// Drops what was written of what takes several turns: it is to be written again, or not at all.
    private func abandonUnfinished() {
        guard unfinished != nil else { return }
        unfinished = nil
        do throws(SyscallError) {
            try file?.truncate(to: fileSize)
        } catch {
            report.warning("Could not remove what was written of an effect from the append-only file: \(error.reason)")
        }
    }

    private func writeToFormer(_ count: Int) {
        guard let (file, size) = former else { return }
        var written = 0
        guard let error = write(to: file, from: &written, to: count) else {
            former = (file, size + written)
            return
        }
        report.warning("The former append-only file could not be written any more: \(error.reason)")
        try? file.truncate(to: size)
        former = nil
    }

    private func isWritten(_ count: Int) {
        fileSize += count
        writtenPosition += count
        log.removeFirst(count)
    }

    private func isSolved() {
        failure = nil
        report.notice("AOF write error looks solved, Redis can write again.")
    }

    private func fail(_ new: Failure) {
        guard failure?.isLasting != true else { return }
        report.warning(
            new.cure == nil
                ? "Fail to fsync the AOF file: \(new.reason). No writes are taken until the append-only file has been rewritten."
                : "The append-only file would not be loaded as it is: \(new.reason). No writes are taken until that is made good."
        )
        failure = new
    }

    // MARK: what others do to the files

    fileprivate static func lookAt(_ file: DataFile, _ watch: AppendFileWatch?) -> Failure? {
        let damage =
            watch?.damage()
            ?? (file.hasName
                ? nil : AppendFileWatch.Damage(reason: "the increment was removed", cure: .rewrite))
        return damage.map { Failure(reason: $0.reason, isLasting: true, cure: $0.cure) }
    }

    /// Whether the increment at hand was not removed.
    var hasNamedFile: Bool { file?.hasName ?? true }

    /// Tells the watch how long the increments are.
    private func noteSizes() {
        watch?.note(identity, hasBytes: fileSize)
        if let former { watch?.note(former.file.identity, hasBytes: former.size) }
    }

    /// Has the thread look at the files from time to time, also while nothing is written.
    /// - Returns: whether it has found something.
    func lookAtFiles(now: Int64) -> Bool {
        guard let file, let watch, failure == nil else { return false }
        takeFailureOfThread()
        guard failure == nil else { return true }
        guard now - lastLook >= Self.lookInterval || now < lastLook,
            progress.isLooking.compareExchange(expected: false, desired: true, ordering: .relaxed)
                .exchanged
        else { return false }
        lastLook = now
        noteSizes()
        thread.submit { [progress, increment = progress.increment.load(ordering: .relaxed)] in
            if let problem = progress.lookAt(file, watch, increment: increment) {
                progress.failure.withLock { $0 = $0 ?? problem }
            }
            progress.isLooking.store(false, ordering: .relaxed)
        }
        return false
    }

    /// The files are found as they should be; what was written is synced once more.
    func isMended() {
        progress.failure.withLock { $0 = nil }
        begunPosition = syncedPosition
        if failure != nil { isSolved() }
    }

    // MARK: the disk

    private func synchronize(_ file: DataFile, now: Int64) {
        switch sync {
        case .no: break
        case .always:
            // What is begun comes first, so that positions only grow.
            guard syncedPosition < writtenPosition, pendingSyncs == 0 else { return }
            if writtenPosition - syncedPosition > Self.mostSyncedByLoop { return beginSync(file, isKept: true) }
            let start = clinux_cycle_counter()
            defer { syncCycles = clinux_cycle_counter() &- start }
            do throws(SyscallError) {
                try file.syncData()
                try former?.file.syncData()
                noteSizes()
                if let problem = Self.lookAt(file, watch) { return fail(problem) }
                takeFailureOfThread()
                guard failure == nil else { return }
                begunPosition = writtenPosition
                syncedByLoop = writtenPosition
                lastSync = now
            } catch {
                fail(Failure(reason: error.reason, isLasting: true))
            }
        case .everySecond:
            // The first is a second after the start.
            if lastSync == 0 { lastSync = now }
            guard begunPosition < writtenPosition, now - lastSync >= 1000 || now < lastSync, pendingSyncs == 0 else {
                return
            }
            beginSync(file, isKept: true)
            lastSync = now
        }
    }

    /// - Parameter isKept: whether the file is to stay; else it may be deleted by then.
    private func beginSync(_ file: DataFile, isKept: Bool) {
        begunPosition = writtenPosition
        progress.pending.add(1, ordering: .relaxed)
        noteSizes()
        let increment = progress.increment.load(ordering: .relaxed)
        thread.submit { [progress, position = writtenPosition, former = former?.file, watch] in
            var problem: Failure?
            do throws(SyscallError) {
                try file.syncData()
                try former?.syncData()
                if isKept { problem = progress.lookAt(file, watch, increment: increment) }
            } catch {
                problem = Failure(reason: error.reason, isLasting: true)
            }
            progress.failure.withLock { failure in
                failure = failure ?? problem
                if failure == nil { progress.position.store(position, ordering: .releasing) }
            }
            progress.pending.subtract(1, ordering: .releasing)
        }
    }

    private func takeFailureOfThread() {
        guard failure?.isLasting != true, let found = progress.failure.withLock({ $0 }) else { return }
        fail(found)
    }

    // MARK: files

    /// Goes on in another file. What was written to the one before is brought to the disk by the thread.
    /// - Parameters:
    ///   - size: how many bytes it has.
    ///   - keepsFormer: whether the one before is written to as well, until `leaveFormer` or `returnToFormer`.
    ///   - isHeld: whether nothing is to be written to it before `release` or `returnToHeld`.
    func open(_ new: DataFile, size: Int, keepsFormer: Bool = false, isHeld: Bool = false) {
        abandonUnfinished()
        nextTry = 0
        if let file, failure?.isLasting != true, syncedPosition < writtenPosition { beginSync(file, isKept: false) }
        noteSizes()
        progress.increment.add(1, ordering: .releasing)
        let previous = file.map { (file: $0, size: fileSize) }
        former = keepsFormer ? previous : nil
        held = isHeld ? previous : nil
        file = new
        identity = new.identity
        fileSize = size
        postponedSince = nil
        log.beginAnew()
    }

    /// The new file is all that counts from now on.
    func leaveFormer() { former = nil }

    /// Goes on in the file from before.
    /// - Returns: false if that cannot be written any more.
    func returnToFormer() -> Bool {
        guard let former else { return false }
        abandonUnfinished()
        self.former = nil
        goBack(to: former)
        return true
    }

    /// The new file may be written to.
    func release() { held = nil }

    /// Goes on in the file before the new one, to which nothing was written.
    /// - Returns: how long it is.
    func returnToHeld() -> Int {
        if let held { goBack(to: held) }
        held = nil
        return fileSize
    }

    private func goBack(to earlier: (file: DataFile, size: Int)) {
        progress.increment.add(1, ordering: .releasing)
        file = earlier.file
        identity = earlier.file.identity
        fileSize = earlier.size
        log.beginAnew()
    }

    /// All data of up to a position is on the disk otherwise.
    /// - Parameter isRecovered: whether that was done because of a failure, with nothing written since.
    func isSaved(upTo position: Int, isRecovered: Bool) {
        if isRecovered {
            progress.failure.withLock { $0 = nil }
            if failure != nil { isSolved() }
        }
        guard failure == nil else { return }
        syncedByLoop = max(syncedByLoop, min(position, writtenPosition))
        begunPosition = max(begunPosition, syncedByLoop)
    }

    /// The file was cut off.
    func isTruncated(to size: Int) {
        fileSize = size
        noteSizes()
    }

    /// Counts what was not written as written: it is in what is saved otherwise.
    func dropUnwritten() {
        abandonUnfinished()
        writtenPosition += log.wholeCount
        begunPosition = writtenPosition
        log.removeFirst(log.wholeCount)
    }

    /// Writes everything and brings it to the disk.
    /// - Returns: what was wrong, if anything.
    func finish(now: Int64) -> String? {
        guard let file else { return nil }
        flush(now: now, mustWrite: true, leavesSyncing: true)
        thread.waitUntilIdle()
        takeFailureOfThread()
        if let failure { return failure.reason }
        do throws(SyscallError) {
            try file.syncData()
        } catch {
            fail(Failure(reason: error.reason, isLasting: true))
            return error.reason
        }
        begunPosition = writtenPosition
        syncedByLoop = writtenPosition
        return nil
    }

    /// Writes everything, and lets go of the file. A thread brings it to the disk, which nobody waits for.
    func closeInBackground(now: Int64) {
        if let file {
            flush(now: now, mustWrite: true, leavesSyncing: true)
            if let failure {
                report.warning("Fail to fsync the AOF file: \(failure.reason)")
            } else if syncedPosition < writtenPosition {
                thread.submit { [report] in
                    do throws(SyscallError) { try file.syncData() } catch {
                        report.warning("Fail to fsync the AOF file: \(error.reason)")
                    }
                }
            }
        }
        close()
    }

    /// Lets go of the file, and of what was not written.
    func close() {
        abandonUnfinished()
        file = nil
        identity = nil
        former = nil
        held = nil
        failure = nil
        progress = Progress()
        fileSize = 0
        postponedSince = nil
        dropUnwritten()
        syncedByLoop = writtenPosition
    }
}
