// Examining files of data without a server: `resp-server --check FILE`, or the program under the name of redis-check-rdb or redis-check-aof,
// whose arguments, words and exit statuses it then has.
//
// The files are read by what reads them when a server starts (`SnapshotReader`, `EffectReader`, `AppendManifest`), so what is found sound
// here is what loads. Nothing of a snapshot is kept in memory, and no command is run.

import Glibc
import ProcessArguments
import StoreEngine

/// Why an examination is over: what was found, or that it could not be done.
struct CheckFailure: Error {
    let text: String

    init(_ text: String) { self.text = text }
}

struct FileCheck {
    /// What a file is taken for.
    enum Kind {
        case snapshot
        case log
        /// What it looks like; a directory is that of an append-only file.
        case any
    }

    /// What is done about what is not sound.
    enum Mode: Equatable {
        case examine
        /// What comes behind the last sound request of an append-only file is cut off, if whoever is asked agrees.
        case fix
        /// What was written to an append-only file after a time is cut off, in seconds since 1970.
        case cut(Int64)
    }

    enum Start: Equatable {
        case check(Kind, Mode, path: String)
        /// A text to show.
        case show(String)
        /// A text to show for arguments that make no sense.
        case refuse(String)
    }

    /// What a program of this name is asked to examine; nil if it is to be a server.
    /// - Parameter arguments: without the name.
    static func start(name: String, _ arguments: [[UInt8]]) -> Start? {
        let words = arguments.map { String(decoding: $0, as: UTF8.self) }
        let program = name.split(separator: "/").last.map(String.init) ?? name
        if isNamed(program, "check-rdb") {
            if words.first == "-v" || words.first == "--version" {
                return .show("redis-check-rdb \(Product.redisVersion)")
            }
            guard words.count == 1 else { return .refuse("Usage: \(name) <rdb-file-name>") }
            return .check(.snapshot, .examine, path: words[0])
        }
        let isLog = isNamed(program, "check-aof")
        guard isLog || words.first == "--check" else { return nil }
        let usage =
            isLog
            ? "Usage: \(name) [--fix|--truncate-to-timestamp $timestamp] <file.manifest|file.aof>"
            : "Usage: \(name) --check [--fix|--truncate-to-timestamp $timestamp] <file|append-only directory>"
        let rest = isLog ? words : Array(words.dropFirst())
        switch (rest.count, rest.first) {
        case (1, _) where isLog || rest[0] != "--fix": return .check(isLog ? .log : .any, .examine, path: rest[0])
        case (2, "--fix"): return .check(isLog ? .log : .any, .fix, path: rest[1])
        case (3, "--truncate-to-timestamp"):
            guard let time = Int64(rest[1]) else { return .refuse("Invalid timestamp, aborting...") }
            return .check(isLog ? .log : .any, .cut(time), path: rest[2])
        default: return .refuse(usage)
        }
    }

    private static func isNamed(_ program: String, _ tool: String) -> Bool {
        ["redis-\(tool)", "resp-\(tool)"].contains { program.hasPrefix($0) }
    }

    /// Does what is asked for, and tells what came of it on the standard output.
    /// - Returns: the exit status of the process.
    static func run(_ start: Start) -> Int32 {
        switch start {
        case .show(let text):
            print(text)
            return 0
        case .refuse(let text):
            print(text)
            return 1
        case .check(let kind, let mode, let path):
            do throws(CheckFailure) {
                try FileCheck(mode: mode) { print($0) }.check(path, as: kind)
                return 0
            } catch {
                if !error.text.isEmpty { print(error.text) }
                return 1
            }
        }
    }

    // MARK: one path

    let mode: Mode
    /// Takes a line of what is found.
    let say: (String) -> Void
    /// Whether the file is to be shortened, as far as it is asked for.
    var confirm: () -> Bool = FileCheck.askForConfirmation

    init(mode: Mode, say: @escaping (String) -> Void) {
        self.mode = mode
        self.say = say
    }

    func check(_ path: String, as kind: Kind) throws(CheckFailure) {
        let (parent, name) = Self.split(path)
        let directory = try open(parent, for: path)
        if kind == .any, let inner = try? directory.directory(name, isMade: false) {
            return try checkDirectory(inner, path)
        }
        let file = try open(name, in: directory, for: path)
        guard let byteCount = file.byteCount else {
            throw CheckFailure("Cannot open file \(path): It is no ordinary file")
        }
        let isSnapshot = try reading(path) { () throws(SyscallError) in try file.beginsWithSnapshot }
        if kind == .snapshot || kind == .any && isSnapshot {
            return try checkSnapshot(file, byteCount, path, isAlone: kind == .snapshot)
        }
        let log = LogCheck(mode: mode, say: say, confirm: confirm)
        if try isManifest(file, path) {
            try log.checkAll(of: name, in: directory, path: parent)
        } else {
            try log.checkAlone(name, in: directory, path: path)
        }
    }

    /// A snapshot, or an append-only file that begins with one.
    private func checkSnapshot(
        _ file: DataFile, _ byteCount: Int, _ path: String, isAlone: Bool
    ) throws(CheckFailure) {
        let check = SnapshotCheck(file, byteCount: byteCount, path: path, say: say)
        guard let end = check.run() else { throw CheckFailure("") }
        if end < byteCount && !isAlone {
            // Of before Redis 7: it is gone through again, in the words for that.
            let (parent, name) = Self.split(path)
            let log = LogCheck(mode: mode, say: say, confirm: confirm)
            try log.checkAlone(name, in: try open(parent, for: path), path: path)
        }
    }

    private func checkDirectory(_ directory: DataDirectory, _ path: String) throws(CheckFailure) {
        let suffix = ".manifest"
        let manifests = directory.names.filter { $0.hasSuffix(suffix) && !$0.hasPrefix("temp-") }.sorted()
        guard !manifests.isEmpty else { throw CheckFailure("There is no manifest of an append-only file in \(path)") }
        for name in manifests {
            try LogCheck(mode: mode, say: say, confirm: confirm).checkAll(of: name, in: directory, path: path)
        }
    }

    /// Whether a file is a manifest: its first line that is no comment begins as one of those.
    private func isManifest(_ file: DataFile, _ path: String) throws(CheckFailure) -> Bool {
        var start: [UInt8] = []
        try reading(path) { () throws(SyscallError) in start = try file.start(atMost: 64 << 10) }
        for line in start.split(separator: 0x0A) where line.first != UInt8(ascii: "#") {
            return line.starts(with: "file".utf8)
        }
        return false
    }

    // MARK: the system

    private static func split(_ path: String) -> (directory: String, name: String) {
        var path = path
        while path.count > 1 && path.hasSuffix("/") { path.removeLast() }
        guard let slash = path.lastIndex(of: "/") else { return (".", path) }
        return (slash == path.startIndex ? "/" : String(path[..<slash]), String(path[path.index(after: slash)...]))
    }

    private func open(_ directory: String, for path: String) throws(CheckFailure) -> DataDirectory {
        try reading(path) { () throws(SyscallError) in try DataDirectory(directory) }
    }

    private func open(_ name: String, in directory: DataDirectory, for path: String) throws(CheckFailure) -> DataFile {
        try reading(path) { () throws(SyscallError) in try directory.openFile(name) }
    }

    private func reading<Result>(
        _ path: String, _ body: () throws(SyscallError) -> Result
    ) throws(CheckFailure) -> Result {
        do throws(SyscallError) { return try body() } catch {
            throw CheckFailure("Cannot open file \(path): \(error.reason)")
        }
    }

    /// Asks whoever has started the program.
    static func askForConfirmation() -> Bool {
        print("Continue? [y/N]: ", terminator: "")
        fflush(nil)
        return readLine()?.lowercased().hasPrefix("y") == true
    }
}
