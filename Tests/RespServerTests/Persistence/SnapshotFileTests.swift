// A snapshot file while the thread that writes it is held up: by a slow disk, or where it is given up at an awkward moment.

import Glibc
import Synchronization
import Testing

@testable import RespServer
@testable import StoreEngine

struct SnapshotFileTests {
    /// A job that lasts until it is released.
    private final class Barrier: Sendable {
        private let isOpen = Mutex(false)

        func open() { isOpen.withLock { $0 = true } }
        func wait() { while !isOpen.withLock({ $0 }) { usleep(200) } }
    }

    private let directory = TemporaryDirectory()
    private let thread = HelperThread()

    private var names: [String] {
        (try? DataDirectory(directory.path).names.filter { !$0.hasPrefix(".") }.sorted()) ?? []
    }

    private func makeFile() throws -> SnapshotFile {
        try SnapshotFile(
            "dump.rdb", in: DataDirectory(directory.path),
            temporaryNames: Persistence.temporaryNames(process: getpid()),
            SnapshotFile.Options(), thread: thread)
    }

    /// Hands so many kilobytes over to a file.
    private func fill(_ file: SnapshotFile, _ kilobytes: Int) {
        let stream = SnapshotStream(file)
        defer { stream.deallocate() }
        let bytes = [UInt8](repeating: 7, count: 1000)
        for _ in 0..<kilobytes { bytes.withByteSlice { stream.append($0) } }
        stream.flush()
    }

    /// The size of a file that must be saved in the end.
    private func savedByteCount(_ file: SnapshotFile) -> Int {
        guard case .saved(let byteCount) = file.waitForOutcome() else {
            Issue.record("it was not saved")
            return 0
        }
        return byteCount
    }

    @Test func whoHandsOverABlockDoesNotWait() throws {
        let barrier = Barrier()
        thread.submit { barrier.wait() }
        let file = try makeFile()
        fill(file, 20_000)
        #expect(!file.hasRoom)
        barrier.open()
        file.finish(version: SnapshotSaver.leastVersion)
        #expect(savedByteCount(file) > 20_000_000 && names == ["dump.rdb"])
    }

    /// Also when everything was handed over, a file that is given up does not take the place of the last one; another may be begun at once.
    @Test func oneThatIsGivenUpTakesNoName() throws {
        let barrier = Barrier()
        thread.submit { barrier.wait() }
        let first = try makeFile()
        fill(first, 10)
        first.finish(version: SnapshotSaver.leastVersion)
        #expect(names.count == 1 && first.cancel() && names == [])
        let second = try makeFile()
        #expect(names.count == 1)
        fill(second, 20)
        second.finish(version: SnapshotSaver.leastVersion)
        barrier.open()
        #expect(savedByteCount(second) > 20_000 && names == ["dump.rdb"] && !second.cancel())
        guard case .failed = first.outcome else {
            Issue.record("it was given up")
            return
        }
    }

    /// Parts lie side by side in one file until their places are known.
    @Test func parts() throws {
        let file = try makeFile()
        let streams = (1...50).map { (part: $0, stream: SnapshotStream(file, part: $0)) }
        for round in 0..<200 {
            for (part, stream) in streams {
                [UInt8](repeating: UInt8(part), count: 500 + round).withByteSlice { stream.append($0) }
            }
        }
        for (part, stream) in streams.reversed() {
            stream.flush()
            stream.deallocate()
            file.append(part: part)
        }
        thread.waitUntilIdle()
        #expect(try openFiles() == 2)
        file.finish(version: SnapshotSaver.leastVersion)
        let byteCount = savedByteCount(file)
        let bytes = try DataDirectory(directory.path).openFile("dump.rdb").readAll(atMost: byteCount)
        let expected = (1...50).reversed().flatMap { part in
            [UInt8](repeating: UInt8(part), count: (0..<200).reduce(0) { $0 + 500 + $1 })
        }
        #expect(bytes.count > expected.count && Array(bytes.prefix(expected.count)) == expected)
    }

    /// How many files of the directory this process has open, those without a name included.
    private func openFiles() throws -> Int {
        try DataDirectory("/proc/self/fd").names.count { name in
            var target = [UInt8](repeating: 0, count: 4096)
            let count = target.withUnsafeMutableBytes {
                readlink("/proc/self/fd/\(name)", $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
            }
            return count > 0 && target.prefix(count).starts(with: "\(directory.path)/".utf8)
        }
    }
}
