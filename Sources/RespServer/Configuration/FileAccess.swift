// What configuration needs of the file system: reading whole files, matching names, replacing a file so that either the
// old or the new content is there after a crash, and finding directories.

import Glibc

/// A system call on a file that failed.
struct FileFailure: Error {
    let code: Int32
    init(_ code: Int32 = errno) { self.code = code }
    /// The system's message, such as "No such file or directory".
    var text: String { unsafe String(cString: strerror(code)) }
    var isAbsence: Bool { code == ENOENT }
}

enum FileAccess {
    /// More than any configuration needs: a limit in case a device or a data file is named by mistake.
    static let largestFile = 16 << 20

    /// The whole content of a file of at most `largestFile` bytes.
    static func read(_ path: String) -> Result<[UInt8], FileFailure> {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return .failure(FileFailure()) }
        defer { close(descriptor) }
        return readAll(descriptor)
    }

    static func readStandardInput() -> Result<[UInt8], FileFailure> { readAll(STDIN_FILENO) }

    private static func readAll(_ descriptor: Int32) -> Result<[UInt8], FileFailure> {
        var content: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16384)
        while true {
            let count = unsafe Glibc.read(descriptor, &chunk, chunk.count)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { return .failure(FileFailure()) }
            if count == 0 { return .success(content) }
            guard content.count + count <= largestFile else { return .failure(FileFailure(EFBIG)) }
            content += chunk[..<count]
        }
    }

    /// The paths that match a shell pattern, sorted; none if nothing does.
    static func paths(matching pattern: String) -> [String] {
        var found = unsafe glob_t()
        defer { unsafe globfree(&found) }
        guard unsafe glob(pattern, 0, nil, &found) == 0, let names = unsafe found.gl_pathv else { return [] }
        return unsafe (0..<Int(found.gl_pathc)).compactMap { unsafe names[$0].map { unsafe String(cString: $0) } }
    }

    static var currentDirectory: String {
        guard let path = unsafe getcwd(nil, 0) else { return "" }
        defer { unsafe free(path) }
        return unsafe String(cString: path)
    }

    static func absolute(_ path: String, from directory: String) -> String {
        if path.hasPrefix("/") { return path }
        return directory.hasSuffix("/") ? directory + path : "\(directory)/\(path)"
    }

    /// The absolute path of a directory, without symbolic links, if a process could enter it.
    static func enterableDirectory(_ path: String, from directory: String) -> Result<String, FileFailure> {
        if path.isEmpty { return .failure(FileFailure(ENOENT)) }
        guard let resolved = unsafe realpath(absolute(path, from: directory), nil) else {
            return .failure(FileFailure())
        }
        defer { unsafe free(resolved) }
        var status = stat()
        guard unsafe stat(resolved, &status) == 0 else { return .failure(FileFailure()) }
        guard status.st_mode & S_IFMT == S_IFDIR else { return .failure(FileFailure(ENOTDIR)) }
        guard unsafe access(resolved, X_OK) == 0 else { return .failure(FileFailure()) }
        return unsafe .success(String(cString: resolved))
    }

    static func enter(_ directory: String) -> FileFailure? { unsafe chdir(directory) == 0 ? nil : FileFailure() }

    /// Whether a file can be opened for appending; it is created if it is not there.
    static func checkAppending(to path: String) -> FileFailure? {
        let descriptor = unsafe open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { return FileFailure() }
        close(descriptor)
        return nil
    }

    /// Writes `content` beside the file, forces it to storage, and renames it over the file.
    ///
    /// The file keeps its mode and, where the process may set it, its owner; a new one gets 0644 less the umask. A
    /// symbolic link stays a link: what it points to is replaced.
    static func replace(_ path: String, with content: [UInt8]) -> FileFailure? {
        var target = path
        if let resolved = unsafe realpath(path, nil) {
            target = unsafe String(cString: resolved)
            unsafe free(resolved)
        }
        var template = Array("\(target).XXXXXX".utf8CString)
        let descriptor = unsafe mkstemp(&template)
        guard descriptor >= 0 else { return FileFailure() }
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        if let failure = fill(descriptor, with: content, asWas: target) {
            close(descriptor)
            unsafe unlink(template)
            return failure
        }
        close(descriptor)
        guard unsafe rename(template, target) == 0 else {
            let failure = FileFailure()
            unsafe unlink(template)
            return failure
        }
        return synchronizeDirectory(of: target)
    }

    private static func fill(_ descriptor: Int32, with content: [UInt8], asWas target: String) -> FileFailure? {
        if let failure = write(content, to: descriptor) { return failure }
        var old = stat()
        if unsafe stat(target, &old) == 0 {
            // Only root may set another owner; else the file belongs to the user who rewrites it.
            if fchown(descriptor, old.st_uid, old.st_gid) != 0 && errno != EPERM { return FileFailure() }
            guard fchmod(descriptor, old.st_mode & 0o7777) == 0 else { return FileFailure() }
        } else {
            let mask = umask(0)
            umask(mask)
            guard fchmod(descriptor, 0o644 & ~mask) == 0 else { return FileFailure() }
        }
        return fsync(descriptor) == 0 ? nil : FileFailure()
    }

    private static func write(_ content: [UInt8], to descriptor: Int32) -> FileFailure? {
        var written = 0
        while written < content.count {
            let count = unsafe content.withUnsafeBytes {
                unsafe Glibc.write(descriptor, $0.baseAddress! + written, content.count - written)
            }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return FileFailure() }
            written += count
        }
        return nil
    }

    private static func synchronizeDirectory(of path: String) -> FileFailure? {
        let slash = path.utf8.lastIndex(of: UInt8(ascii: "/"))
        let parent = slash.map { String(path[..<$0]) } ?? "."
        let descriptor = unsafe open(parent.isEmpty ? "/" : parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return FileFailure() }
        defer { close(descriptor) }
        return fsync(descriptor) == 0 || errno == EINVAL ? nil : FileFailure()
    }
}
