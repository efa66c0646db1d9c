// The directory of an append-only file: its manifest, which is replaced as a whole, and the files that it names.
//
// Whoever has it has locked a file beside the manifest: two servers that write to the same files would destroy what the other has written.
// What others do to the files all the same is noticed by `AppendFileWatch`.

import Glibc
import RespCodec

/// Why an append-only file cannot be used.
struct AppendFileError: Error {
    /// For the log, line by line.
    let lines: [String]

    init(_ lines: String...) { self.lines = lines }

    /// Does something with files, and says what it means where that cannot be done.
    static func unless<Result>(
        _ body: () throws(SyscallError) -> Result, _ text: (SyscallError) -> String
    ) throws(AppendFileError) -> Result {
        do throws(SyscallError) { return try body() } catch { throw AppendFileError(text(error)) }
    }
}

final class AppendDirectory {
    /// For texts.
    let path: String
    /// What the names of its files begin with.
    let fileName: String
    let files: DataDirectory
    private(set) var manifest: AppendManifest

    static func manifestName(of fileName: String) -> String { "\(fileName).manifest" }
    static func lockName(of fileName: String) -> String { fileName + FileLock.suffix }
    /// Where effects go until there is a first base, here or in the directory to which the log moves.
    var temporaryIncrementName: String { "temp-\(fileName).incr" }
    /// Where a base is written until it is whole.
    var temporaryBaseName: String { "temp-rewriteaof-bg-\(SystemFacts.processID).aof" }
    private var lock: FileLock
    /// What a start would find.
    let watch: AppendFileWatch
    /// Whether another server has had the lock meanwhile: what it did to the files is not known.
    private(set) var isContested = false

    private init(path: String, fileName: String, files: DataDirectory, manifest: AppendManifest, lock: FileLock) {
        self.lock = lock
        self.path = path
        self.fileName = fileName
        self.files = files
        self.manifest = manifest
        watch = AppendFileWatch(
            files, path: path, manifestName: Self.manifestName(of: fileName),
            lockName: Self.lockName(of: fileName))
        watch.follow(lock)
    }

    /// Where the settings say that it is.
    static func path(_ settings: Settings) -> String { "\(settings.directory)/\(settings.appendDirectoryName)" }

    /// Opens the directory that the settings name, and reads its manifest.
    /// - Parameters:
    ///   - isMade: whether it is made if it is not there.
    ///   - upgrades: whether a file of before Redis 7 is taken in.
    /// - Returns: nil if it is not there.
    static func open(
        _ settings: Settings, isMade: Bool, upgrades: Bool = false, log: Log
    ) throws(AppendFileError) -> AppendDirectory? {
        let (name, fileName) = (settings.appendDirectoryName, settings.appendFileName)
        let path = Self.path(settings)
        let parent: DataDirectory
        let files: DataDirectory
        let lock: FileLock?
        do throws(SyscallError) {
            parent = try DataDirectory(settings.directory)
            files = try parent.directory(name, isMade: isMade)
            if isMade { try parent.sync() }
            lock = try files.lock(lockName(of: fileName))
        } catch {
            if error.number == ENOENT && !isMade { return nil }
            throw AppendFileError("Can't open or create append-only dir \(path): \(error.reason)")
        }
        guard let lock else {
            let holder = files.holder(ofLock: lockName(of: fileName))
            throw AppendFileError(
                "Another server uses the append-only directory \(path)\(holder). Two servers would destroy each other's data: give this one a directory of its own with dir or appenddirname, or end the other one."
            )
        }
        let manifest = try AppendManifest(readingFrom: manifestName(of: fileName), in: files, path: path)
        let directory = AppendDirectory(
            path: path, fileName: fileName, files: files, manifest: manifest ?? AppendManifest(), lock: lock)
        if manifest == nil {
            let names = directory.manifest.leaveOut(files.names, of: fileName)
            if !names.isEmpty {
                log.warning(
                    "There is no manifest in \(path), but \(names.sorted().joined(separator: ", ")): these are not loaded, and left as they are"
                )
            }
        }
        try? directory.watch.follow(directory.manifest)
        directory.removeLeftovers(log)
        if upgrades { try directory.upgrade(from: parent, log) }
        return directory
    }

    /// Leaves it to others, or to this server when it opens it again; jobs of other threads may keep it open for a while.
    func unlock() { lock.release() }

    /// Makes the file that is locked again, where others have removed it.
    /// - Returns: false if another server has locked it since, or it cannot be made.
    func lockAnew(_ log: Log) -> Bool {
        let name = Self.lockName(of: fileName)
        do throws(SyscallError) {
            guard let new = try files.lock(name) else {
                if !isContested {
                    log.warning(
                        "Another server\(files.holder(ofLock: name)) has locked the append-only directory \(path), from which \(name) was removed. Nothing is written there until that one has ended."
                    )
                }
                isContested = true
                return false
            }
            lock.release()
            lock = new
            watch.follow(new)
            log.notice("\(name) in \(path) was made and locked anew")
            return true
        } catch {
            log.warning("\(name) in \(path) could not be made anew: \(error)")
            return false
        }
    }

    /// All that counts was written anew.
    func isTakenOver() { isContested = false }

    /// Removes what a server has left that ended before it was whole.
    private func removeLeftovers(_ log: Log) {
        for name in files.names where isTemporary(name) {
            // Another server, which has another file name, may be writing its base.
            if let file = try? files.openFile(name), !file.lock() { continue }
            log.notice("Removing \(name) in \(path), which a server has left that ended while it wrote it")
            files.remove(name)
        }
    }

    private func isTemporary(_ name: String) -> Bool {
        name == manifestFile.temporaryName || name == temporaryIncrementName
            || name.hasPrefix("temp-rewriteaof-") && name.hasSuffix(".aof")
    }

    /// Takes in an append-only file of before Redis 7, which is a file of its own.
    private func upgrade(from parent: DataDirectory, _ log: Log) throws(AppendFileError) {
        guard parent.byteCount(of: fileName) != nil else { return }
        // It may be that it was begun and not finished.
        let isBegun =
            manifest.increments.isEmpty && manifest.base?.name == fileName && files.byteCount(of: fileName) == nil
        guard manifest.isEmpty || isBegun else { return }
        do throws(SyscallError) {
            try store(AppendManifest(oldBase: fileName))
        } catch {
            throw AppendFileError("Error trying to write the AOF manifest file in \(path): \(error)")
        }
        do throws(SyscallError) {
            try parent.move(fileName, to: files)
            try files.sync()
            try parent.sync()
        } catch {
            throw AppendFileError("Error trying to move the old AOF file \(fileName) into dir \(path): \(error.reason)")
        }
        log.notice("Successfully migrated an old-style AOF file (\(fileName)) into the AOF directory (\(path)).")
    }

    // MARK: changing it

    /// Where the manifest is.
    var manifestFile: AppendManifestFile {
        AppendManifestFile(files: files, name: Self.manifestName(of: fileName), watch: watch)
    }

    /// Puts a manifest in the place of the old one, on the disk, too.
    func store(_ new: AppendManifest) throws(SyscallError) {
        try manifestFile.replace(manifest, with: new)
        manifest = new
    }

    /// A thread has put a manifest in the place of the old one.
    func isStored(_ new: AppendManifest) { manifest = new }

    /// What was history was removed.
    func hasNoHistory() { manifest.forgetHistory() }

    /// The sizes of the files that are to be loaded.
    /// - Throws: if one of them is not there.
    func sizes() throws(AppendFileError) -> [Int] {
        var sizes: [Int] = []
        for file in manifest.files {
            guard let size = files.byteCount(of: file.name) else {
                throw AppendFileError(
                    "Unable to obtain the AOF file \(file.name) length. stat: No such file or directory. The manifest in \(path) names it: restore it from a backup."
                )
            }
            sizes.append(size)
        }
        return sizes
    }
}
