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

    private let directory: String
    private let thread = HelperThread()

    init() {
        var template = Array("/tmp/snapshot-XXXXXX".utf8CString)
        directory = template.withUnsafeMutableBufferPointer { String(cString: mkdtemp($0.baseAddress!)) }
    }

    private var names: [String] {
        (try? DataDirectory(directory).names.filter { !$0.hasPrefix(".") }.sorted()) ?? []
    }

    private func makeFile() throws -> SnapshotFile {
        try SnapshotFile(
            "dump.rdb", in: DataDirectory(directory), temporaryNames: Persistence.temporaryNames(process: getpid()),
            SnapshotFile.Options(), thread: thread)
    }

    /// Fills a file with the keys of an engine.
    private func save(_ keys: Int, _ file: SnapshotFile, part: Int = 0) {
        let stream = SnapshotStream(file, part: part)
        defer { stream.deallocate() }
        let bytes = [UInt8](repeating: 7, count: 1000)
        for _ in 0..<keys { bytes.withByteSlice { stream.append($0) } }
        stream.flush()
    }

    private func remove() {
        for name in names { unlink("\(directory)/\(name)") }
        rmdir(directory)
    }

    @Test func whoHandsOverABlockDoesNotWait() throws {
        defer { remove() }
        let barrier = Barrier()
        thread.submit { barrier.wait() }
        let file = try makeFile()
        save(20_000, file)
        #expect(!file.hasRoom)
        barrier.open()
        file.finish(version: SnapshotSaver.leastVersion)
        guard case .saved(let byteCount) = file.waitForOutcome() else {
            Issue.record("it was not saved")
            return
        }
        #expect(byteCount > 20_000_000 && names == ["dump.rdb"])
    }

    /// Also when everything was handed over, a file that is given up does not take the place of the last one; another may be begun at once.
    @Test func oneThatIsGivenUpTakesNoName() throws {
        defer { remove() }
        let barrier = Barrier()
        thread.submit { barrier.wait() }
        let first = try makeFile()
        save(10, first)
        first.finish(version: SnapshotSaver.leastVersion)
        #expect(names.count == 1 && first.cancel() && names == [])
        let second = try makeFile()
        #expect(names.count == 1)
        save(20, second)
        second.finish(version: SnapshotSaver.leastVersion)
        barrier.open()
        guard case .saved(let byteCount) = second.waitForOutcome() else {
            Issue.record("it was not saved")
            return
        }
        #expect(byteCount > 20_000 && names == ["dump.rdb"] && !second.cancel())
        guard case .failed = first.outcome else {
            Issue.record("it was given up")
            return
        }
    }

    /// Parts lie side by side in one file until their places are known.
    @Test func parts() throws {
        defer { remove() }
        let file = try makeFile()
        let before = try descriptors()
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
        #expect(try descriptors() <= before + 1)
        file.finish(version: SnapshotSaver.leastVersion)
        guard case .saved = file.waitForOutcome() else {
            Issue.record("it was not saved")
            return
        }
        let bytes = try read("\(directory)/dump.rdb")
        let expected = (1...50).reversed().flatMap { part in
            [UInt8](repeating: UInt8(part), count: (0..<200).reduce(0) { $0 + 500 + $1 })
        }
        #expect(bytes.count > expected.count && Array(bytes.prefix(expected.count)) == expected)
    }

    private func descriptors() throws -> Int { try DataDirectory("/proc/self/fd").names.count }

    private func read(_ path: String) throws -> [UInt8] {
        let file = try DataDirectory(directory).openFile(String(path.split(separator: "/").last!))
        var bytes = [UInt8](repeating: 0, count: file.byteCount ?? 0)
        var count = 0
        while count < bytes.count {
            count += try bytes.withUnsafeMutableBytes { buffer in
                try file.read(to: UnsafeMutableRawBufferPointer(rebasing: buffer[count...]), at: count)
            }
        }
        return bytes
    }
}
