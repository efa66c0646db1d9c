// A seam for tests: who is told of each change of the files of data can rebuild what a loss of power may leave of them.

import Synchronization

/// A change that the system has made, or something that it has brought to the disk. Files and directories go by their inode numbers.
enum DiskChange: Sendable {
    case madeDirectory(UInt64, name: String, in: UInt64)
    case made(UInt64, name: String, in: UInt64)
    case renamed(String, in: UInt64, to: String, of: UInt64)
    case removed(String, in: UInt64)
    case wrote([UInt8], to: UInt64, at: Int)
    case cut(UInt64, to: Int)
    case synced(UInt64)
    case syncedNames(UInt64)
}

/// Told of changes in the order in which they are made, on whatever thread makes them.
protocol DiskObserver: AnyObject, Sendable {
    func note(_ change: DiskChange)
}

/// Who observes the disk; in a server, nobody.
final class DiskObservation: Sendable {
    static let shared = DiskObservation()

    private let observer = Mutex<(any DiskObserver)?>(nil)

    func begin(_ new: any DiskObserver) { observer.withLock { $0 = new } }
    func end() { observer.withLock { $0 = nil } }

    var isOn: Bool { observer.withLock { $0 != nil } }

    /// - Parameter change: made only where somebody asks for it.
    func note(_ change: () -> DiskChange) { observer.withLock { $0 }?.note(change()) }
}
