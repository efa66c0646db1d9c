// Files of data: opened and replaced within a directory that is held open, so that they stay together whatever becomes of its path.

import CLinux
import Glibc

/// A directory that files are made in.
@safe final class DataDirectory: @unchecked Sendable {
    fileprivate let descriptor: Int32

    init(_ path: String) throws(SyscallError) {
        descriptor = unsafe Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw SyscallError("open") }
    }

    deinit { close(descriptor) }

    func makeFile(_ name: String) throws(SyscallError) -> DataFile {
        let file = unsafe openat(descriptor, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw SyscallError("open") }
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

    func openFile(_ name: String) throws(SyscallError) -> DataFile {
        let file = unsafe openat(descriptor, name, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw SyscallError("open") }
        return DataFile(file)
    }

    func rename(_ name: String, to other: String) throws(SyscallError) {
        guard unsafe renameat(descriptor, name, descriptor, other) == 0 else { throw SyscallError("rename") }
    }

    func remove(_ name: String) { unsafe _ = unlinkat(descriptor, name, 0) }

    /// Makes sure that the names of files are on the disk.
    func sync() throws(SyscallError) {
        guard fsync(descriptor) == 0 else { throw SyscallError("fsync") }
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

    @unsafe func write(_ bytes: UnsafeRawBufferPointer) throws(SyscallError) {
        var done = 0
        while done < bytes.count {
            let count = unsafe Glibc.write(descriptor, bytes.baseAddress! + done, bytes.count - done)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw SyscallError("write", count == 0 ? EIO : errno) }
            done += count
        }
    }

    /// Writes at a place of the file.
    @unsafe func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(SyscallError) {
        let count = unsafe pwrite(descriptor, bytes.baseAddress!, bytes.count, off_t(offset))
        guard count == bytes.count else { throw SyscallError("pwrite", count < 0 ? errno : EIO) }
    }

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
    }

    func close() throws(SyscallError) {
        isOpen = false
        guard Glibc.close(descriptor) == 0 else { throw SyscallError("close") }
    }
}
