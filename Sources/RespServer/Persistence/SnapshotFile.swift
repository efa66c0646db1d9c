// A snapshot on its way to its file: blocks come from whoever walks the data, the helper thread encodes and writes them.
//
// Everything goes to a temporary file first, which takes the name of the last snapshot when it is whole and on the disk: whatever fails before
// leaves that one as it was. Parts whose place is not known yet lie in one file without a name, as runs of bytes, in the order in which
// they came.
//
// Nobody who changes data waits for the disk: where it is slow, what must be kept of what changes piles up in memory. Where much has, the loop
// gives the helper thread a part of its time, which that may need where both have one processor.

import Glibc
import RespCodec
import StoreEngine
import Synchronization

final class SnapshotFile: SnapshotDestination {
    struct Options {
        var compresses = true
        var hasChecksum = true
        /// Whether it is a snapshot, and not commands.
        var isFramed = true
        /// Whether it is brought to the disk as it grows, and not at the end alone.
        var syncsOnTheWay = true
        /// How many bytes may wait to be written while there is room for more.
        var mostWaiting = 1 << 20
    }

    enum Outcome: Sendable {
        case saved(byteCount: Int)
        case failed(String)
    }

    /// So often in a row `relieve` may find that nothing was done.
    private static let mostIdle = 4

    /// Parts whose place is not known yet, in a file without a name.
    @safe private final class Spool {
        let file: DataFile
        var end = 0
        /// Where the bytes of each part lie.
        var runs: [Int: [Range<Int>]] = [:]

        init(_ file: DataFile) { self.file = file }

        @unsafe func append(_ bytes: UnsafeRawBufferPointer, of part: Int) throws(SyscallError) {
            unsafe try file.write(bytes, at: end)
            let run = end..<end + bytes.count
            var all = runs.removeValue(forKey: part) ?? []
            if let last = all.last, last.upperBound == end {
                all[all.count - 1] = last.lowerBound..<run.upperBound
            } else {
                all.append(run)
            }
            runs[part] = all
            end = run.upperBound
        }
    }

    /// What the helper thread works on.
    @safe private final class Work: @unchecked Sendable {
        /// Another part of the file is brought to the disk whenever it has grown so much.
        private static let syncedPart = 4 << 20

        let directory: DataDirectory
        let file: DataFile
        let temporaryName: String
        let name: String
        let syncsOnTheWay: Bool
        var output: SnapshotOutput!
        var error: SyscallError?
        var written = 0
        var synced = 0
        var spool: Spool?
        /// Encodes what goes to the spool.
        var partOutput: SnapshotOutput!
        /// Which part that is.
        var currentPart = 0

        init(
            _ directory: DataDirectory, _ name: String, _ temporaryNames: some Sequence<String>, _ options: Options
        ) throws(SyscallError) {
            self.directory = directory
            self.name = name
            syncsOnTheWay = options.syncsOnTheWay
            (file, temporaryName) = try directory.makeLockedFile(temporaryNames)
            output = unsafe SnapshotOutput(
                compresses: options.compresses, hasChecksum: options.hasChecksum && options.isFramed,
                isFramed: options.isFramed, pause: HelperThread.breathe
            ) { [unowned self] bytes in
                attempt { () throws(SyscallError) in unsafe try file.write(bytes) }
                written += bytes.count
                if syncsOnTheWay && written - synced >= Self.syncedPart {
                    file.beginSync(from: synced, count: written - synced)
                    synced = written
                }
                return error == nil
            }
            partOutput = unsafe SnapshotOutput(
                compresses: options.compresses, hasChecksum: false, pause: HelperThread.breathe
            ) { [unowned self] bytes in
                attempt { () throws(SyscallError) in
                    if spool == nil { spool = Spool(try directory.makeNamelessFile()) }
                    unsafe try spool?.append(bytes, of: currentPart)
                }
                return error == nil
            }
        }

        private func attempt(_ body: () throws(SyscallError) -> Void) {
            guard error == nil else { return }
            do throws(SyscallError) { try body() } catch { self.error = error }
        }

        func add(_ block: SnapshotBlock, to part: Int) {
            guard part > 0 else { return output.add(block) }
            currentPart = part
            partOutput.add(block)
            partOutput.flush()
        }

        /// Copies a part to where it belongs.
        func append(_ part: Int) {
            guard error == nil, let spool, let runs = spool.runs.removeValue(forKey: part) else { return }
            unsafe withUnsafeTemporaryAllocation(byteCount: 256 << 10, alignment: 16) { buffer in
                for run in runs {
                    var place = run.lowerBound
                    while error == nil && place < run.upperBound {
                        var count = 0
                        let wanted = unsafe UnsafeMutableRawBufferPointer(
                            rebasing: buffer[..<min(buffer.count, run.upperBound - place)])
                        attempt { () throws(SyscallError) in unsafe count = try spool.file.read(to: wanted, at: place) }
                        if error == nil && count == 0 { error = SyscallError("pread", EIO) }
                        if count > 0 {
                            unsafe output.add(encoded: ByteSlice(UnsafeRawBufferPointer(rebasing: buffer[..<count])))
                        }
                        place += count
                        HelperThread.breathe()
                    }
                }
            }
            if spool.runs.isEmpty {
                attempt { () throws(SyscallError) in try spool.file.truncate(to: 0) }
                spool.end = 0
            }
        }

        /// Brings all of it to the disk.
        func complete(version: UInt16) {
            unsafe output.finish(version: version) { digits, offset in
                attempt { () throws(SyscallError) in unsafe try file.write(digits, at: offset) }
                return error == nil
            }
            attempt { () throws(SyscallError) in try file.sync() }
            attempt { () throws(SyscallError) in try file.close() }
        }

        /// The file takes its name.
        func takeName() { attempt { () throws(SyscallError) in try directory.rename(temporaryName, to: name) } }

        /// Makes sure that the name is on the disk, and what is to follow.
        func syncName(publishing publish: (@Sendable () throws(SyscallError) -> Void)?) -> Outcome {
            attempt { () throws(SyscallError) in
                try directory.sync()
                try publish?()
            }
            return error.map { .failed("\($0)") } ?? .saved(byteCount: written)
        }
    }

    private let thread: HelperThread
    private let mostWaiting: Int
    private let work: Work
    private let state = State()

    /// How it stands, for both threads.
    private final class State: Sendable {
        private struct Value {
            var outcome: Outcome?
            /// The file takes its name, or has it.
            var isNamed = false
        }

        private let value = Mutex(Value())

        var outcome: Outcome? { value.withLock { $0.outcome } }

        func end(_ outcome: Outcome) { value.withLock { $0.outcome = outcome } }

        /// Removes the temporary file, whose name may be another's from then on.
        /// - Returns: false if there is an outcome, or the file has its name.
        func giveUp(_ reason: String, _ work: Work) -> Bool {
            value.withLock {
                guard $0.outcome == nil, !$0.isNamed else { return false }
                work.directory.remove(work.temporaryName)
                $0.outcome = .failed(reason)
                return true
            }
        }

        /// Has the file take its name, if there is no outcome. That may take long: the file that had it may be a large one, which goes.
        /// - Returns: whether it has it now.
        func name(_ work: Work) -> Bool {
            let mayTakeName = value.withLock {
                $0.isNamed = $0.outcome == nil
                return $0.isNamed
            }
            guard mayTakeName else { return false }
            work.takeName()
            guard let error = work.error else { return true }
            work.directory.remove(work.temporaryName)
            end(.failed("\(error)"))
            return false
        }
    }

    /// Makes the temporary file, of the first of some names that is free.
    init(
        _ name: String, in directory: DataDirectory, temporaryNames: some Sequence<String>, _ options: Options,
        thread: HelperThread
    ) throws(SyscallError) {
        work = try Work(directory, name, temporaryNames, options)
        self.thread = thread
        mostWaiting = options.mostWaiting
    }

    /// Whether a block can be taken without waiting.
    var hasRoom: Bool { thread.pendingSize < mostWaiting }

    private var lastFinished = 0
    private var idleCount = 0

    /// To be called every millisecond while there is no room: gives the helper thread some time if more waits than what there is room for, or
    /// if it seems to have none of its own, because others use the processor that it has.
    func relieve(microseconds: Int) {
        let pending = thread.pendingSize
        let finished = thread.finishedCount
        idleCount = finished != lastFinished ? 0 : idleCount + 1
        lastFinished = finished
        if pending > mostWaiting * 3 / 2 {
            thread.wait(untilBelow: mostWaiting, microseconds: microseconds)
        } else if idleCount >= Self.mostIdle && pending > 0 {
            thread.wait(untilBelow: pending - 1, microseconds: microseconds)
        }
    }

    /// Whether whoever hands over a block waits for room.
    var waitsForRoom = false

    func take(_ block: SnapshotBlock, part: Int) {
        submit(size: block.capacity) { $0.add(block, to: part) }
        if waitsForRoom { thread.wait(untilBelow: mostWaiting) }
    }

    func append(part: Int) { submit(size: 0) { $0.append(part) } }

    private func submit(size: Int, _ job: @escaping @Sendable (Work) -> Void) {
        thread.submit(size: size) { [work, state] in
            guard state.outcome == nil else { return }
            job(work)
            if let error = work.error { _ = state.giveUp("\(error)", work) }
        }
    }

    /// Everything has been taken: has the file finished.
    /// - Parameter publish: what is to be done when it has its name.
    func finish(version: UInt16, publishing publish: (@Sendable () throws(SyscallError) -> Void)? = nil) {
        submit(size: 0) { $0.complete(version: version) }
        thread.submit { [work, state] in
            if state.name(work) { state.end(work.syncName(publishing: publish)) }
        }
    }

    /// What came of it; nil while nothing has failed and it is not finished.
    var outcome: Outcome? { state.outcome }

    func waitForOutcome() -> Outcome {
        thread.waitUntilIdle()
        return outcome ?? .failed("it was not finished")
    }

    /// Says whether the temporary file is to be removed if the process is ended by a second signal.
    func goesWithProcess(_ goes: Bool) { Signals.temporaryFile(goes ? work.temporaryName : nil, in: work.directory) }

    /// Gives the snapshot up, as if it had never begun. What the thread is doing for it is not waited for.
    /// - Returns: false if that is too late: the file has its name, or there is an outcome.
    func cancel() -> Bool { state.giveUp("it was cancelled", work) }
}
