// Whether the files of an append-only file are still what is found when the server starts the next time.
//
// Who has a file open can write to it and sync it long after it was removed, renamed, replaced or cut by somebody else: nothing of that would
// be an error, and all of it would be lost. So before anybody is told that something is on the disk, everything that a start needs is looked
// at by its name: the directory, the manifest, the base, all increments, and the lock, without which another server might come.
//
// Each file is held open, so that no other one can get its inode number.

import Glibc
import Synchronization

final class AppendFileWatch: Sendable {
    /// What is to be done about what others have done.
    struct Cure: OptionSet, Sendable {
        let rawValue: Int

        /// The lock is made anew.
        static let lock = Cure(rawValue: 1)
        /// The manifest is written anew.
        static let manifest = Cure(rawValue: 2)
        /// There is another base, from memory, and another increment.
        static let rewrite = Cure(rawValue: 4)
        /// The directory is made again, too.
        static let directory = Cure(rawValue: 8)
    }

    struct Damage: Equatable, Sendable {
        var reason: String
        var cure: Cure
    }

    private struct Entry {
        let name: String
        /// Nil if there was no such file when it was to be opened.
        let file: DataFile?
        let identity: FileIdentity?
        /// It is not shorter.
        var byteCount: Int
    }

    private struct State {
        var lock: FileIdentity?
        var manifest: Entry?
        var files: [Entry] = []
    }

    private let directory: DataDirectory
    private let path: String
    private let manifestName: String
    private let lockName: String
    private let state = Mutex(State())

    /// - Parameter path: of the directory.
    init(_ directory: DataDirectory, path: String, manifestName: String, lockName: String) {
        self.directory = directory
        self.path = path
        self.manifestName = manifestName
        self.lockName = lockName
    }

    // MARK: what there is

    /// Watches what a manifest names, from when it has its name on.
    /// - Parameter publish: gives it its name; nobody looks meanwhile.
    func follow(_ manifest: AppendManifest, publish: () throws(SyscallError) -> Void = {})
        throws(SyscallError)
    {
        var problem: SyscallError?
        state.withLock { state in
            do throws(SyscallError) { try publish() } catch {
                problem = error
                return
            }
            state.manifest = manifest.isEmpty ? nil : open(manifestName)
            let before = state.files
            state.files = manifest.files.compactMap { file in
                before.first { $0.name == file.name && $0.file != nil } ?? open(file.name)
            }
        }
        if let problem { throw problem }
    }

    /// - Returns: nil if nothing can be told of it.
    private func open(_ name: String) -> Entry? {
        do throws(SyscallError) {
            let file = try directory.openFile(name)
            guard let identity = file.identity, let byteCount = file.byteCount else { return nil }
            return Entry(name: name, file: file, identity: identity, byteCount: byteCount)
        } catch {
            return error.number == ENOENT
                ? Entry(name: name, file: nil, identity: nil, byteCount: 0) : nil
        }
    }

    /// Watches a lock.
    func follow(_ lock: FileLock) { state.withLock { $0.lock = lock.identity } }

    /// The server itself has made a file this long.
    func note(_ identity: FileIdentity?, hasBytes count: Int) { note(hasBytes: count) { $0.identity == identity } }

    /// The same, by its name.
    func note(_ name: String, hasBytes count: Int) { note(hasBytes: count) { $0.name == name } }

    private func note(hasBytes count: Int, _ isMeant: (Entry) -> Bool) {
        state.withLock { state in
            for index in state.files.indices where isMeant(state.files[index]) { state.files[index].byteCount = count }
        }
    }

    // MARK: what became of it

    /// Whether the directory is where it was.
    var isInPlace: Bool { directory.isFound(at: path) != false && directory.isThere }

    /// What others have done; nil if they have done nothing. It takes a few calls of the system, none of which waits for the disk.
    func damage() -> Damage? {
        guard isInPlace else {
            return Damage(
                reason: "the directory \(path) was removed, renamed or replaced",
                cure: [.directory, .rewrite])
        }
        return state.withLock { state in
            var damage: Damage?
            func note(_ reason: String?, _ cure: Cure) {
                guard let reason else { return }
                damage = Damage(
                    reason: damage.map { "\($0.reason); \(reason)" } ?? reason,
                    cure: (damage?.cure ?? []).union(cure))
            }
            if let manifest = state.manifest { note(problem(of: manifest, isWhole: true), .manifest) }
            for file in state.files { note(problem(of: file), .rewrite) }
            if let lock = state.lock {
                note(problem(of: Entry(name: lockName, file: nil, identity: lock, byteCount: 0)), .lock)
            }
            return damage
        }
    }

    /// - Parameter isWhole: whether it is not longer, either.
    private func problem(of entry: Entry, isWhole: Bool = false) -> String? {
        guard let identity = entry.identity else { return "\(entry.name) is not there" }
        switch directory.find(entry.name) {
        case .nothing: return "\(entry.name) was removed or renamed"
        case .unknown: return nil
        case .found(let other, _) where other != identity:
            return "\(entry.name) was replaced by another file"
        case .found(_, let byteCount):
            if byteCount < entry.byteCount {
                return "\(entry.name) was cut to \(byteCount) of \(entry.byteCount) bytes"
            }
            return isWhole && byteCount != entry.byteCount ? "\(entry.name) was changed" : nil
        }
    }
}
