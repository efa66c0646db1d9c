// Examining an append-only file, in the words of redis-check-aof: one of before Redis 7, or all files that a manifest names.
//
// It is shortened only where nothing follows what is cut off: in the last of its files.

import Glibc
import StoreEngine

struct LogCheck {
    let mode: FileCheck.Mode
    let say: (String) -> Void
    let confirm: () -> Bool

    private enum Outcome {
        case sound
        case empty
        case fixed
        case cut
    }

    /// One of the files, as it was when it was opened: what a server appends later is not looked at.
    private struct Part {
        /// In its directory.
        let fileName: String
        /// As it is told.
        let name: String
        let path: String
        let directory: DataDirectory
        let file: DataFile
        /// Nil if it is no ordinary file.
        let byteCount: Int?
        var isLast = true
    }

    // MARK: which files

    /// A file of before Redis 7, or one that is looked at by itself.
    func checkAlone(_ name: String, in directory: DataDirectory, path: String) throws(CheckFailure) {
        say("Start checking Old-Style AOF")
        let locks = try lockAll(of: name, in: directory, path)
        defer { for lock in locks { lock.release() } }
        let part = try open(name, in: directory, path: path, name: path)
        let isSnapshot = try reading(path) { () throws(SyscallError) in try part.file.beginsWithSnapshot
        }
        tell(try check(part, isSnapshot: isSnapshot), "AOF", of: part)
    }

    /// All files that a manifest names.
    /// - Parameter path: of the directory.
    func checkAll(of manifestName: String, in directory: DataDirectory, path: String) throws(CheckFailure) {
        say("Start checking Multi Part AOF")
        let lock =
            mode == .examine
            ? nil : try lock(String(manifestName.dropLast(".manifest".count)), in: directory, path)
        defer { lock?.release() }
        let (files, parts) = try openAll(of: manifestName, in: directory, path)
        for (index, part) in parts.enumerated() {
            let isBase = files[index].kind == .base
            if isBase {
                let isSnapshot = try reading(part.path) { () throws(SyscallError) in
                    try part.file.beginsWithSnapshot
                }
                say("Start to check BASE AOF (\(isSnapshot ? "RDB" : "RESP") format).")
                tell(try check(part, isSnapshot: isSnapshot), "BASE AOF", of: part)
            } else {
                if index == 0 || files[index - 1].kind == .base { say("Start to check INCR files.") }
                tell(try check(part, isSnapshot: false), "INCR AOF", of: part)
            }
        }
        say("All AOF files and manifest are valid")
    }

    /// So often the manifest is read when a rewrite has removed what it named.
    private static let mostReadings = 100

    /// Opens all files of a manifest before any of them is read: a server may rewrite them meanwhile.
    private func openAll(
        of manifestName: String, in directory: DataDirectory, _ path: String
    ) throws(CheckFailure) -> ([AppendManifest.File], [Part]) {
        var last: AppendManifest?
        for _ in 0..<Self.mostReadings {
            let manifest = try read(manifestName, in: directory, path)
            let files = manifest.files
            do throws(CheckFailure) {
                var parts: [Part] = []
                for file in files {
                    var part = try open(
                        file.name, in: directory, path: "\(path)/\(file.name)", name: file.name)
                    part.isLast = parts.count == files.count - 1
                    parts.append(part)
                }
                return (files, parts)
            } catch {
                // What is missing where nothing has changed stays missing.
                if manifest == last { throw error }
                last = manifest
            }
        }
        throw CheckFailure(
            "The files in \(path) change all the time: end the server that rewrites them")
    }

    private func read(
        _ manifestName: String, in directory: DataDirectory, _ path: String
    ) throws(CheckFailure) -> AppendManifest {
        do throws(AppendFileError) {
            guard let read = try AppendManifest(readingFrom: manifestName, in: directory, path: path)
            else {
                throw AppendFileError("Cannot open file \(path)/\(manifestName)")
            }
            return read
        } catch {
            throw CheckFailure(error.lines.joined(separator: "\n"))
        }
    }

    /// Locks the append-only files that a file may belong to, if it may be shortened.
    private func lockAll(
        of name: String, in directory: DataDirectory, _ path: String
    ) throws(CheckFailure) -> [FileLock] {
        guard mode != .examine else { return [] }
        let suffix = FileLock.suffix
        var locks: [FileLock] = []
        for lockName in directory.names where lockName.hasSuffix(suffix) {
            let prefix = String(lockName.dropLast(suffix.count))
            guard name == prefix || name.hasPrefix("\(prefix).") else { continue }
            if let lock = try lock(prefix, in: directory, path) { locks.append(lock) }
        }
        return locks
    }

    /// Makes sure that no server writes to what may be shortened.
    private func lock(
        _ fileName: String, in directory: DataDirectory, _ path: String
    ) throws(CheckFailure) -> FileLock? {
        let name = AppendDirectory.lockName(of: fileName)
        // A directory of Redis has none.
        guard directory.byteCount(of: name) != nil else { return nil }
        do throws(SyscallError) {
            if let lock = try directory.lock(name) { return lock }
        } catch {
            throw CheckFailure("Cannot open file \(path)/\(name): \(error.reason)")
        }
        throw CheckFailure("A server uses the append-only file in \(path): end it before its files are changed")
    }

    /// For so long a server that is in the middle of writing is waited for, in milliseconds: others may have its processor.
    private static let longestWait = 2000
    private static let waitStep = 10

    /// Whether a file becomes longer because a server is writing to it.
    private func grows(_ part: Part, beyond byteCount: Int) -> Bool {
        for _ in 0..<Self.longestWait / Self.waitStep {
            if let now = part.file.byteCount, now > byteCount { return true }
            guard part.directory.isInUse else { return false }
            Syscall.sleep(microseconds: Self.waitStep * 1000)
        }
        return false
    }

    private func tell(_ outcome: Outcome, _ kind: String, of part: Part) {
        switch outcome {
        case .sound: say("\(kind) \(part.name) is valid")
        case .empty: say("\(kind) \(part.name) is empty")
        case .fixed: say("Successfully truncated AOF \(part.name)")
        case .cut: say("Successfully truncated AOF \(part.name) to timestamp \(lastTime ?? 0)")
        }
    }

    private var lastTime: Int64? { if case .cut(let time) = mode { time } else { nil } }

    // MARK: one of them

    private func check(_ part: Part, isSnapshot: Bool) throws(CheckFailure) -> Outcome {
        let file = part.file
        guard let byteCount = part.byteCount else {
            throw CheckFailure("Cannot stat file: \(part.name), aborting...")
        }
        guard byteCount > 0 else { return .empty }
        var start = 0
        if isSnapshot {
            let snapshot = SnapshotCheck(file, byteCount: byteCount, path: part.path, say: say)
            guard let end = snapshot.run() else {
                throw CheckFailure("RDB preamble of AOF file is not sane, aborting.")
            }
            say("RDB preamble is OK, proceeding with AOF tail...")
            start = end
            try reading(part.path) { () throws(SyscallError) in try file.seek(to: end) }
        }
        let input = LoadedFile(file, byteCount: byteCount, from: start)
        let reader = EffectReader(input, offset: start)
        reader.lastTime = lastTime
        var lines = 1
        while true {
            switch reader.next() {
            case .requests:
                for index in 0..<reader.count { lines += 1 + 2 * reader.words(index).count }
                // MULTI and EXEC.
                if reader.isGroup { lines += 6 }
                continue
            case .end: return try finish(part, byteCount, byteCount, lines)
            case .torn(_, let isGroup):
                let rest = reader.rest()
                lines += rest.lineCount
                // A server was in the middle of writing it when its size was taken.
                if mode == .examine, part.isLast, grows(part, beyond: byteCount) {
                    return try finish(part, byteCount, rest.offset, lines)
                }
                sayReason(
                    rest.offset,
                    isGroup && rest.offset == byteCount
                        ? "Reached EOF before reading EXEC for MULTI" : "Reached EOF within a request")
            case .damaged(let offset, let what):
                let rest = reader.rest(upTo: offset)
                lines += rest.lineCount
                if rest.isRequest { sayReason(offset, "Found \(what)") } else { say("AOF \(part.name) format error") }
            case .later(let offset): return try cut(part, at: offset)
            case .stopped: throw CheckFailure("Failed to read from AOF \(part.name), aborting...")
            }
            return try shorten(part, byteCount, to: reader.offset, lines)
        }
    }

    private func sayReason(_ offset: Int, _ text: String) {
        let digits = String(offset, radix: 16)
        say("0x" + String(repeating: " ", count: max(0, 16 - digits.utf8.count)) + digits + ": \(text)")
    }

    private func sayAnalysis(_ part: Part, _ byteCount: Int, soundUpTo offset: Int, _ lines: Int) {
        say(
            "AOF analyzed: filename=\(part.name), size=\(byteCount), ok_up_to=\(offset), ok_up_to_line=\(lines), diff=\(byteCount - offset)"
        )
    }

    private func finish(
        _ part: Part, _ byteCount: Int, _ offset: Int, _ lines: Int
    ) throws(CheckFailure) -> Outcome {
        if let lastTime {
            say("Truncate nothing in AOF \(part.name) to timestamp \(lastTime)")
        } else {
            sayAnalysis(part, byteCount, soundUpTo: offset, lines)
        }
        return .sound
    }

    /// Cuts off what is not sound, if that is asked for.
    private func shorten(
        _ part: Part, _ byteCount: Int, to offset: Int, _ lines: Int
    ) throws(CheckFailure) -> Outcome {
        sayAnalysis(part, byteCount, soundUpTo: offset, lines)
        guard mode == .fix else {
            throw CheckFailure("AOF \(part.name) is not valid. Use the --fix option to try fixing it.")
        }
        guard part.isLast else {
            throw CheckFailure("Failed to truncate AOF \(part.name) because it is not the last file")
        }
        say(
            "This will shrink the AOF \(part.name) from \(byteCount) bytes, with \(byteCount - offset) bytes, to \(offset) bytes"
        )
        guard confirm() else { throw CheckFailure("Aborting...") }
        try truncate(part, to: offset, "Failed to truncate AOF \(part.name)")
        return .fixed
    }

    /// Cuts off what was written after the time.
    private func cut(_ part: Part, at offset: Int) throws(CheckFailure) -> Outcome {
        let time = lastTime ?? 0
        guard offset > 0 else {
            throw CheckFailure("AOF \(part.path) has nothing before timestamp \(time), aborting...")
        }
        guard part.isLast else {
            throw CheckFailure(
                "Failed to truncate AOF \(part.path) to timestamp \(time) to offset \(offset) because it is not the last file.\nIf you insist, please delete all files after this file according to the manifest file and delete the corresponding records in manifest file manually. Then re-run redis-check-aof."
            )
        }
        try truncate(part, to: offset, "Failed to truncate AOF \(part.path) to timestamp \(time)")
        return .cut
    }

    private func truncate(_ part: Part, to offset: Int, _ text: String) throws(CheckFailure) {
        var isTheSame = true
        do throws(SyscallError) {
            let file = try part.directory.openForWriting(part.fileName)
            isTheSame = file.byteCount == part.byteCount && file.identity == part.file.identity
            guard isTheSame else { throw SyscallError("ftruncate", EBUSY) }
            try file.truncate(to: offset)
            try file.sync()
        } catch {
            throw CheckFailure(
                "\(text): \(isTheSame ? error.reason : "somebody has written to it meanwhile")")
        }
    }

    // MARK: the system

    private func open(
        _ fileName: String, in directory: DataDirectory, path: String, name: String
    ) throws(CheckFailure) -> Part {
        let file = try reading(path) { () throws(SyscallError) in try directory.openFile(fileName) }
        return Part(
            fileName: fileName, name: name, path: path, directory: directory, file: file,
            byteCount: file.byteCount)
    }

    private func reading<Result>(
        _ path: String, _ body: () throws(SyscallError) -> Result
    ) throws(CheckFailure) -> Result {
        do throws(SyscallError) { return try body() } catch {
            throw CheckFailure("Cannot open file \(path): \(error.reason), aborting...")
        }
    }
}
