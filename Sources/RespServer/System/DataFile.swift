// Files of data: opened and replaced within a directory that is held open, so that they stay together whatever becomes of its path.

import CLinux
import Glibc

/// Whether some directory still has an open file, or an open directory.
private func hasLinks(_ descriptor: Int32) -> Bool {
    var status = stat()
    return unsafe fstat(descriptor, &status) == 0 && status.st_nlink > 0
}

/// Which file it is, whatever its name: as long as somebody has it open, no other has the same.
struct FileIdentity: Equatable, Sendable {
    fileprivate let device: UInt64
    fileprivate let inode: UInt64

    fileprivate init(_ status: stat) {
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
    }
}

private func identity(_ descriptor: Int32) -> FileIdentity? {
    var status = stat()
    return unsafe fstat(descriptor, &status) == 0 ? FileIdentity(status) : nil
}

/// By which number an open file or directory is known to who observes the disk.
private func inode(_ descriptor: Int32) -> UInt64 { identity(descriptor)?.inode ?? 0 }

/// What tells a file that was written again, or replaced by another, from what it was.
struct FileVersion: Equatable, Sendable {
    private let identity: FileIdentity
    private let byteCount: Int
    private let seconds: Int
    private let nanoseconds: Int

    fileprivate init(_ status: stat) {
        identity = FileIdentity(status)
        byteCount = Int(status.st_size)
        (seconds, nanoseconds) = (Int(status.st_mtim.tv_sec), Int(status.st_mtim.tv_nsec))
    }
}

/// A directory that files are made in.
@safe final class DataDirectory: @unchecked Sendable {
    fileprivate let descriptor: Int32

    init(_ path: String) throws(SyscallError) {
        descriptor = unsafe Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw SyscallError("open") }
    }

    private init(descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    private var number: UInt64 { inode(descriptor) }

    /// A directory in this one.
    /// - Parameter isMade: whether it is made if it is not there.
    func directory(_ name: String, isMade: Bool) throws(SyscallError) -> DataDirectory {
        let isNew = unsafe isMade && mkdirat(descriptor, name, 0o755) == 0
        if isMade && !isNew && errno != EEXIST { throw SyscallError("mkdir") }
        let other = unsafe openat(descriptor, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard other >= 0 else { throw SyscallError("open") }
        if isNew { DiskObservation.shared.note { .madeDirectory(inode(other), name: name, in: number) } }
        return DataDirectory(descriptor: other)
    }

    /// Locks a file that stands for the right to write to others, and makes it if it is not there. It says which process has it.
    /// - Returns: nil if somebody else has locked it. Where the file system knows no locks, everybody gets one.
    func lock(_ name: String) throws(SyscallError) -> FileLock? {
        // Who had it before may remove it just then.
        for _ in 0..<Self.mostTries {
            let file = try open(name, O_RDWR | O_CREAT, mode: 0o644)
            guard file.lock() || errno != EWOULDBLOCK else { return nil }
            let lock = FileLock(file)
            guard lock.isAt(name, in: self) else { continue }
            file.nameProcess()
            return lock
        }
        return nil
    }

    private static let mostTries = 100

    /// Which process says that it has locked a file, as it is told behind a word for it; empty if none does.
    func holder(ofLock name: String) -> String { process(ofLock: name).map { " (process \($0))" } ?? "" }

    private func process(ofLock name: String) -> Int32? {
        guard let text = try? openFile(name).start(atMost: 16) else { return nil }
        return Int32(String(decoding: text.prefix { $0 != 0x0A }, as: UTF8.self))
    }

    /// Whether a process that has locked a file here is still there.
    var isInUse: Bool {
        names.contains { name in
            guard name.hasSuffix(FileLock.suffix), let process = process(ofLock: name), process > 0 else {
                return false
            }
            return kill(process, 0) == 0 || errno == EPERM
        }
    }

    /// What is found under a name.
    enum Finding {
        case found(FileIdentity, byteCount: Int)
        case nothing
        /// It cannot be looked at.
        case unknown

        fileprivate init(_ name: String, in directory: Int32) {
            var status = stat()
            if unsafe fstatat(directory, name, &status, 0) == 0 {
                self = .found(FileIdentity(status), byteCount: Int(status.st_size))
            } else {
                self = errno == ENOENT || errno == ENOTDIR ? .nothing : .unknown
            }
        }

        /// Whether it is a certain file; nil if that is not known.
        fileprivate func isFile(_ identity: FileIdentity?) -> Bool? {
            switch self {
            case .found(let found, _): found == identity
            case .nothing: false
            case .unknown: nil
            }
        }
    }

    func find(_ name: String) -> Finding { Finding(name, in: descriptor) }

    /// Whether it is what is found at a path; nil if that cannot be looked at.
    func isFound(at path: String) -> Bool? { Finding(path, in: AT_FDCWD).isFile(identity(descriptor)) }

    /// Whether it is known to be what is found at a path.
    func isAt(_ path: String) -> Bool { isFound(at: path) == true }

    /// Whether it was not removed.
    var isThere: Bool { hasLinks(descriptor) }

    /// How many bytes a file has; nil if there is none, or it is no ordinary file.
    func byteCount(of name: String) -> Int? {
        var status = stat()
        guard unsafe fstatat(descriptor, name, &status, 0) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        return Int(status.st_size)
    }

    /// Which version of a file there is; nil if there is none.
    func version(of name: String) -> FileVersion? {
        var status = stat()
        return unsafe fstatat(descriptor, name, &status, 0) == 0 ? FileVersion(status) : nil
    }

    func makeFile(_ name: String) throws(SyscallError) -> DataFile {
        try open(name, O_RDWR | O_CREAT | O_TRUNC, mode: 0o666)
    }

    private func open(_ name: String, _ flags: Int32, mode: mode_t = 0) throws(SyscallError) -> DataFile {
        let wasThere = DiskObservation.shared.isOn && byteCount(of: name) != nil
        let file = unsafe openat(descriptor, name, flags | O_CLOEXEC, mode)
        guard file >= 0 else { throw SyscallError("open") }
        if wasThere && flags & O_TRUNC != 0 { DiskObservation.shared.note { .cut(inode(file), to: 0) } }
        if !wasThere && flags & O_CREAT != 0 {
            DiskObservation.shared.note { .made(inode(file), name: name, in: number) }
        }
        return DataFile(file)
    }

    /// A file that has no name, and is gone when it is closed.
    func makeNamelessFile() throws(SyscallError) -> DataFile {
        // O_TMPFILE, which is no constant to Swift.
        let file = unsafe openat(descriptor, ".", 0o20000000 | O_DIRECTORY | O_RDWR | O_CLOEXEC, 0o600)
        if file >= 0 { return DataFile(file) }
        // Not every file system can.
        let name = "temp-\(getpid())-part.rdb"
        let named = try makeFile(name)
        remove(name)
        return named
    }

    /// A file that is written to at its end, made if it is not there.
    /// - Parameter isEmptied: whether what it holds is dropped.
    func openForAppending(_ name: String, isEmptied: Bool) throws(SyscallError) -> DataFile {
        try open(name, O_WRONLY | O_APPEND | O_CREAT | (isEmptied ? O_TRUNC : 0), mode: 0o644)
    }

    /// A file that is there, to be shortened.
    func openForWriting(_ name: String) throws(SyscallError) -> DataFile {
        try open(name, O_WRONLY)
    }

    /// A new file of the first of some names that is free, locked as long as it is open.
    func makeLockedFile(_ names: some Sequence<String>) throws(SyscallError) -> (file: DataFile, name: String) {
        for name in names {
            do throws(SyscallError) {
                let file = try open(name, O_RDWR | O_CREAT | O_EXCL, mode: 0o666)
                _ = file.lock()
                return (file, name)
            } catch {
                guard error.number == EEXIST else { throw error }
            }
        }
        throw SyscallError("open", EEXIST)
    }

    func openFile(_ name: String) throws(SyscallError) -> DataFile {
        try open(name, O_RDONLY)
    }

    func rename(_ name: String, to other: String) throws(SyscallError) {
        guard unsafe renameat(descriptor, name, descriptor, other) == 0 else { throw SyscallError("rename") }
        DiskObservation.shared.note { .renamed(name, in: number, to: other, of: number) }
    }

    /// Moves a file to another directory.
    func move(_ name: String, to other: DataDirectory) throws(SyscallError) {
        guard unsafe renameat(descriptor, name, other.descriptor, name) == 0 else { throw SyscallError("rename") }
        DiskObservation.shared.note { .renamed(name, in: number, to: name, of: other.number) }
    }

    func remove(_ name: String) {
        guard unsafe unlinkat(descriptor, name, 0) == 0 else { return }
        DiskObservation.shared.note { .removed(name, in: number) }
    }

    /// Makes sure that the names of files are on the disk.
    func sync() throws(SyscallError) {
        guard fsync(descriptor) == 0 else { throw SyscallError("fsync") }
        DiskObservation.shared.note { .syncedNames(number) }
    }

    /// The names of all files.
    var names: [String] {
        let copy = unsafe openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard copy >= 0 else { return [] }
        guard let stream = unsafe fdopendir(copy) else {
            close(copy)
            return []
        }
        defer { unsafe closedir(stream) }
        var names: [String] = []
        while let entry = unsafe readdir(stream) {
            unsafe withUnsafePointer(to: entry.pointee.d_name) { name in
                unsafe name.withMemoryRebound(to: CChar.self, capacity: 256) {
                    unsafe names.append(String(cString: $0))
                }
            }
        }
        return names
    }
}

extension Signals {
    /// A file that goes with the process when a second signal ends that; nil for none.
    static func temporaryFile(_ name: String?, in directory: DataDirectory) {
        setTemporaryFile(name, directory.descriptor)
    }
}

/// A locked file, until it is released or nobody has this any more.
final class FileLock {
    private var file: DataFile?

    /// What its name has behind that of what it stands for.
    static let suffix = ".lock"

    fileprivate init(_ file: DataFile) { self.file = file }

    /// Which file it is; nil when it was released.
    var identity: FileIdentity? { file?.identity }

    /// Whether it is found by whoever wants to lock a file of this name.
    func isAt(_ name: String, in directory: DataDirectory) -> Bool { directory.find(name).isFile(identity) ?? true }

    func release() { file = nil }
}

/// An open file.
@safe final class DataFile: @unchecked Sendable {
    private let descriptor: Int32
    private var isOpen = true

    fileprivate init(_ descriptor: Int32) { self.descriptor = descriptor }

    deinit { if isOpen { Glibc.close(descriptor) } }

    /// How many bytes there are; nil for what is no ordinary file.
    var byteCount: Int? {
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        return Int(status.st_size)
    }

    var identity: FileIdentity? { RespServer.identity(descriptor) }

    /// Writes the number of the process into it, for whoever finds it locked.
    fileprivate func nameProcess() {
        let text = Array("\(getpid())\n".utf8)
        guard ftruncate(descriptor, 0) == 0 else { return }
        _ = unsafe text.withUnsafeBytes { unsafe pwrite(descriptor, $0.baseAddress!, $0.count, 0) }
    }

    /// Its first bytes. Where it is read from next does not change.
    func start(atMost limit: Int) throws(SyscallError) -> [UInt8] {
        var bytes: [UInt8] = []
        var problem: SyscallError?
        unsafe withUnsafeTemporaryAllocation(byteCount: limit, alignment: 1) { buffer in
            do throws(SyscallError) {
                let count = try unsafe read(to: buffer, at: 0)
                unsafe bytes = Array(buffer[..<count])
            } catch {
                problem = error
            }
        }
        if let problem { throw problem }
        return bytes
    }

    /// Whether it begins as a snapshot does. Where it is read from next does not change.
    var beginsWithSnapshot: Bool {
        get throws(SyscallError) {
            let magic = try start(atMost: 6)
            return magic.starts(with: "REDIS".utf8) || magic.starts(with: "VALKEY".utf8)
        }
    }

    @unsafe func write(_ bytes: UnsafeRawBufferPointer) throws(SyscallError) {
        if let error = unsafe append(bytes).error { throw error }
    }

    func writeAll(_ bytes: [UInt8]) throws(SyscallError) {
        var error: SyscallError?
        unsafe bytes.withUnsafeBytes { bytes in
            do throws(SyscallError) { try unsafe write(bytes) } catch let problem { error = problem }
        }
        if let error { throw error }
    }

    /// Reads all that is left.
    func readAll(atMost limit: Int) throws(SyscallError) -> [UInt8] {
        var content: [UInt8] = []
        var error: SyscallError?
        unsafe withUnsafeTemporaryAllocation(byteCount: 64 << 10, alignment: 16) { buffer in
            while error == nil {
                do throws(SyscallError) {
                    let count = unsafe try read(to: buffer)
                    guard count > 0 else { return }
                    guard content.count + count <= limit else { throw SyscallError("read", EFBIG) }
                    unsafe content += UnsafeRawBufferPointer(rebasing: buffer[..<count])
                } catch let problem {
                    error = problem
                }
            }
        }
        if let error { throw error }
        return content
    }

    /// Writes as much as can be.
    /// - Returns: how many bytes were written, and why not all.
    @unsafe func append(_ bytes: UnsafeRawBufferPointer) -> (written: Int, error: SyscallError?) {
        var done = 0
        while done < bytes.count {
            let count = unsafe Glibc.write(descriptor, bytes.baseAddress! + done, bytes.count - done)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return (done, SyscallError("write", count == 0 ? EIO : errno)) }
            DiskObservation.shared.note {
                let written = unsafe UnsafeRawBufferPointer(rebasing: bytes[done..<done + count])
                return unsafe .wrote(
                    Array(written), to: inode(descriptor), at: Int(lseek(descriptor, 0, SEEK_CUR)) - count)
            }
            done += count
        }
        return (done, nil)
    }

    /// Drops what is behind an offset.
    func truncate(to count: Int) throws(SyscallError) {
        guard ftruncate(descriptor, off_t(count)) == 0 else { throw SyscallError("ftruncate") }
        DiskObservation.shared.note { .cut(inode(descriptor), to: count) }
    }

    /// Whether some directory still has it.
    var hasName: Bool { hasLinks(descriptor) }

    /// Reads on from an offset.
    func seek(to offset: Int) throws(SyscallError) {
        guard lseek(descriptor, off_t(offset), SEEK_SET) >= 0 else { throw SyscallError("lseek") }
    }

    /// Writes at a place of the file.
    @unsafe func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(SyscallError) {
        let count = unsafe pwrite(descriptor, bytes.baseAddress!, bytes.count, off_t(offset))
        guard count == bytes.count else { throw SyscallError("pwrite", count < 0 ? errno : EIO) }
        DiskObservation.shared.note { unsafe .wrote(Array(bytes), to: inode(descriptor), at: offset) }
    }

    /// Locks the file for this process, if no other has locked it.
    func lock() -> Bool { flock(descriptor, LOCK_EX | LOCK_NB) == 0 }

    /// Reads some bytes at a place of the file; 0 at the end.
    @unsafe func read(to target: UnsafeMutableRawBufferPointer, at offset: Int) throws(SyscallError) -> Int {
        while true {
            let count = unsafe pread(descriptor, target.baseAddress!, target.count, off_t(offset))
            if count >= 0 { return count }
            guard errno == EINTR else { throw SyscallError("pread") }
        }
    }

    /// Reads some bytes; 0 at the end.
    @unsafe func read(to target: UnsafeMutableRawBufferPointer) throws(SyscallError) -> Int {
        while true {
            let count = unsafe Glibc.read(descriptor, target.baseAddress!, target.count)
            if count >= 0 { return count }
            guard errno == EINTR else { throw SyscallError("read") }
        }
    }

    /// Has the system begin to bring a part to the disk, without waiting for it.
    func beginSync(from offset: Int, count: Int) { clinux_begin_sync(descriptor, offset, count) }

    /// Makes sure that everything is on the disk.
    func sync() throws(SyscallError) {
        guard fsync(descriptor) == 0 else { throw SyscallError("fsync") }
        DiskObservation.shared.note { .synced(inode(descriptor)) }
    }

    /// Makes sure that its bytes are on the disk, and how many there are.
    func syncData() throws(SyscallError) {
        guard fdatasync(descriptor) == 0 else { throw SyscallError("fdatasync") }
        DiskObservation.shared.note { .synced(inode(descriptor)) }
    }

    func close() throws(SyscallError) {
        isOpen = false
        guard Glibc.close(descriptor) == 0 else { throw SyscallError("close") }
    }
}
