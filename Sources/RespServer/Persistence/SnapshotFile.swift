// A snapshot on its way to its file: blocks come from whoever walks the data, the helper thread encodes and writes them.
//
// Everything goes to a temporary file first, which takes the name of the last snapshot when it is whole and on the disk: whatever fails before
// leaves that one as it was.

import Glibc
import RespCodec
import StoreEngine
import Synchronization

final class SnapshotFile: SnapshotDestination {
    struct Options {
        var compresses = true
        var hasChecksum = true
        /// Whether it is brought to the disk as it grows, and not at the end alone.
        var syncsOnTheWay = true
    }

    enum Outcome: Sendable {
        case saved(byteCount: Int)
        case failed(String)
    }

    /// How many bytes may wait to be written.
    private static let mostWaiting = 8 << 20

    /// A part of the file whose place is not known yet, in a file of its own.
    @safe private final class Part {
        let file: DataFile
        var output: SnapshotOutput!

        init(_ file: DataFile) { self.file = file }
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
        let compresses: Bool
        var parts: [Int: Part] = [:]

        init(_ directory: DataDirectory, _ name: String, _ temporaryName: String, _ options: Options)
            throws(SyscallError)
        {
            self.directory = directory
            self.name = name
            self.temporaryName = temporaryName
            syncsOnTheWay = options.syncsOnTheWay
            compresses = options.compresses
            file = try directory.makeFile(temporaryName)
            output = unsafe SnapshotOutput(compresses: options.compresses, hasChecksum: options.hasChecksum) {
                [unowned self] bytes in
                attempt { () throws(SyscallError) in unsafe try file.write(bytes) }
                written += bytes.count
                if syncsOnTheWay && written - synced >= Self.syncedPart {
                    file.beginSync(from: synced, count: written - synced)
                    synced = written
                }
                return error == nil
            }
        }

        private func attempt(_ body: () throws(SyscallError) -> Void) {
            guard error == nil else { return }
            do throws(SyscallError) { try body() } catch { self.error = error }
        }

        func add(_ block: SnapshotBlock, to number: Int) {
            guard number > 0 else { return output.add(block) }
            if parts[number] == nil {
                attempt { () throws(SyscallError) in parts[number] = Part(try directory.makeNamelessFile()) }
                guard let part = parts[number] else { return }
                part.output = unsafe SnapshotOutput(compresses: compresses, hasChecksum: false) {
                    [unowned self, unowned part] bytes in
                    attempt { () throws(SyscallError) in unsafe try part.file.write(bytes) }
                    return error == nil
                }
            }
            parts[number]?.output.add(block)
        }

        /// Copies a part to where it belongs.
        func append(_ number: Int) {
            guard error == nil, let part = parts.removeValue(forKey: number) else { return }
            part.output.flush()
            unsafe withUnsafeTemporaryAllocation(byteCount: 256 << 10, alignment: 16) { buffer in
                var offset = 0
                while error == nil && offset < part.output.byteCount {
                    var count = 0
                    attempt { () throws(SyscallError) in unsafe count = try part.file.read(to: buffer, at: offset) }
                    if error == nil && count == 0 { error = SyscallError("pread", EIO) }
                    if count > 0 {
                        unsafe output.add(encoded: ByteSlice(UnsafeRawBufferPointer(rebasing: buffer[..<count])))
                    }
                    offset += count
                }
            }
        }

        /// The file takes its name.
        func finish(version: UInt16) -> Outcome {
            unsafe output.finish(version: version) { digits, offset in
                attempt { () throws(SyscallError) in unsafe try file.write(digits, at: offset) }
                return error == nil
            }
            attempt { () throws(SyscallError) in try file.sync() }
            attempt { () throws(SyscallError) in try file.close() }
            attempt { () throws(SyscallError) in try directory.rename(temporaryName, to: name) }
            attempt { () throws(SyscallError) in try directory.sync() }
            guard let error else { return .saved(byteCount: written) }
            directory.remove(temporaryName)
            return .failed("\(error)")
        }
    }

    private let thread: HelperThread
    private let work: Work
    private let result = SharedOutcome()

    /// What came of it, for both threads.
    private final class SharedOutcome: Sendable {
        let value = Mutex<Outcome?>(nil)
    }

    /// Makes the temporary file.
    init(
        _ name: String, in directory: DataDirectory, temporaryName: String, _ options: Options, thread: HelperThread
    ) throws(SyscallError) {
        work = try Work(directory, name, temporaryName, options)
        self.thread = thread
    }

    /// Whether a block can be taken without waiting.
    var hasRoom: Bool { thread.pendingSize < Self.mostWaiting }

    func take(_ block: SnapshotBlock, part: Int) {
        submit(size: block.capacity) { $0.add(block, to: part) }
        thread.wait(untilBelow: Self.mostWaiting)
    }

    func append(part: Int) { submit(size: 0) { $0.append(part) } }

    private func submit(size: Int, _ job: @escaping @Sendable (Work) -> Void) {
        thread.submit(size: size) { [work, result] in
            guard result.value.withLock({ $0 == nil }) else { return }
            job(work)
            guard let error = work.error else { return }
            work.directory.remove(work.temporaryName)
            result.value.withLock { $0 = .failed("\(error)") }
        }
    }

    /// Everything has been taken: has the file finished.
    func finish(version: UInt16) {
        thread.submit { [work, result] in
            guard result.value.withLock({ $0 == nil }) else { return }
            let outcome = work.finish(version: version)
            result.value.withLock { $0 = outcome }
        }
    }

    /// What came of it; nil while nothing has failed and it is not finished.
    var outcome: Outcome? { result.value.withLock { $0 } }

    func waitForOutcome() -> Outcome {
        thread.waitUntilIdle()
        return outcome ?? .failed("it was not finished")
    }

    /// Gives the snapshot up, as if it had never begun.
    func cancel() {
        result.value.withLock { $0 = $0 ?? .failed("it was cancelled") }
        thread.submit { [work] in work.directory.remove(work.temporaryName) }
    }
}
