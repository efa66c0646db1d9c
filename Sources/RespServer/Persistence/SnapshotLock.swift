// The right to write the snapshot file: a file beside it, locked as long as a server has it. Two servers that save to the same file would each
// overwrite what the other has saved.

final class SnapshotLock {
    /// Somebody else who has it.
    struct Holder {
        /// Of the snapshot file.
        let path: String
        /// As `DataDirectory.holder` tells it.
        let process: String

        var text: String {
            "another server\(process) saves to \(path): it has locked \(path)\(FileLock.suffix)"
        }
    }

    private struct Held {
        let lock: FileLock
        let directory: DataDirectory
        let path: String
        let name: String

        /// Whether others who want to write the snapshot file find it locked.
        var isFound: Bool { directory.isAt(path) && lock.isAt(name, in: directory) }

        func release() {
            // Whoever has opened it and waits sees that it is gone when he gets it.
            if lock.isAt(name, in: directory) { directory.remove(name) }
            lock.release()
        }
    }

    private var held: Held?

    /// Takes the lock, or makes sure that this server has it: where the file was removed, it is made and locked anew.
    /// - Parameters:
    ///   - path: of the directory.
    ///   - fileName: of the snapshot file.
    /// - Returns: who has it instead; nil also where no file can be locked.
    func take(in path: String, for fileName: String) -> Holder? {
        let name = fileName + FileLock.suffix
        if let held {
            if held.path == path && held.name == name && held.isFound { return nil }
            release()
        }
        guard !fileName.isEmpty else { return nil }
        do throws(SyscallError) {
            let directory = try DataDirectory(path)
            guard let lock = try directory.lock(name) else {
                return Holder(path: "\(path)/\(fileName)", process: directory.holder(ofLock: name))
            }
            held = Held(lock: lock, directory: directory, path: path, name: name)
        } catch {
            // Where no file can be made, no snapshot can be, either.
        }
        return nil
    }

    /// Leaves it to others.
    func release() {
        held?.release()
        held = nil
    }

    var isHeld: Bool { held != nil }
}
