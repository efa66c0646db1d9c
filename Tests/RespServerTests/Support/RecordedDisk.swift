// A disk that remembers what was done to it, and in what states a loss of power may leave it.
//
// What was written to a file since it was synced last may be there, or not, or the last write in part; names that were given, changed or
// taken since their directory was synced last may be as before or as now, or the first of them. Files and directories do not wait for each
// other: a file may have its new name without its content.

import Synchronization

@testable import RespServer

final class RecordedDisk: DiskObserver {
    /// What is left of what was not synced.
    enum Rest: CaseIterable {
        case nothing
        case everything
        /// Of names the first half; of writes all, and of the last one the first half.
        case part
    }

    /// Files by their paths below the directory that is recorded. A directory ends with a slash.
    typealias State = [String: [UInt8]]

    private let root: UInt64
    private let changes = Mutex<[DiskChange]>([])

    /// - Parameter root: the inode number of a directory that is empty.
    init(root: UInt64) { self.root = root }

    func note(_ change: DiskChange) { changes.withLock { $0.append(change) } }

    /// How much was done so far.
    var count: Int { changes.withLock { $0.count } }

    // MARK: what is left

    private struct File {
        var content: [UInt8] = []
        var pending: [DiskChange] = []

        mutating func apply(_ change: DiskChange, half: Bool = false) {
            switch change {
            case .wrote(let bytes, _, let offset):
                let bytes = half ? Array(bytes.prefix(bytes.count / 2)) : bytes
                if content.count < offset { content += Array(repeating: 0, count: offset - content.count) }
                let end = min(content.count, offset + bytes.count)
                content.replaceSubrange(offset..<end, with: bytes)
            case .cut(_, let count):
                content = Array(content.prefix(count)) + Array(repeating: 0, count: max(0, count - content.count))
            default: break
            }
        }

        mutating func settle(_ rest: Rest) {
            for (index, change) in pending.enumerated() where rest != .nothing {
                apply(change, half: rest == .part && index == pending.count - 1)
            }
            pending = []
        }
    }

    /// What a name in a directory stands for.
    private enum Item {
        case file(Int)
        case directory(UInt64)
    }

    private struct Directory {
        var items: [String: Item] = [:]
        /// A name, and what it stands for from then on; several names at a time change together.
        var pending: [[(name: String, item: Item?)]] = []
        /// As a process sees it.
        var now: [String: Item] = [:]

        mutating func change(_ names: [(name: String, item: Item?)]) {
            pending.append(names)
            for (name, item) in names { now[name] = item }
        }

        mutating func settle(_ rest: Rest) {
            let kept =
                switch rest {
                case .nothing: 0
                case .everything: pending.count
                case .part: pending.count / 2
                }
            for names in pending.prefix(kept) { for (name, item) in names { items[name] = item } }
            pending = []
        }
    }

    /// What a loss of power behind the first `count` changes leaves.
    func state(after count: Int, names: Rest, writes: Rest) -> State {
        var directories = [root: Directory()]
        var files: [File] = []
        /// An inode number may be that of several files, one after the other.
        var places: [UInt64: Int] = [:]
        for change in changes.withLock({ $0.prefix(count) }) {
            switch change {
            case .madeDirectory(let number, let name, let parent):
                guard directories[parent] != nil else { continue }
                directories[number] = Directory()
                directories[parent]?.change([(name, .directory(number))])
            case .made(let number, let name, let parent):
                guard directories[parent] != nil else { continue }
                places[number] = files.count
                directories[parent]?.change([(name, .file(files.count))])
                files.append(File())
            case .renamed(let name, let from, let other, let to):
                guard let item = directories[from]?.now[name] else { continue }
                if from == to {
                    directories[from]?.change([(name, nil), (other, item)])
                } else {
                    directories[to]?.change([(other, item)])
                    directories[from]?.change([(name, nil)])
                }
            case .removed(let name, let parent): directories[parent]?.change([(name, nil)])
            case .wrote(_, let number, _), .cut(let number, _):
                if let place = places[number] { files[place].pending.append(change) }
            case .synced(let number): if let place = places[number] { files[place].settle(.everything) }
            case .syncedNames(let number): directories[number]?.settle(.everything)
            }
        }
        for number in directories.keys { directories[number]?.settle(names) }
        for place in files.indices { files[place].settle(writes) }
        var state: State = [:]
        func collect(_ directory: UInt64, _ path: String) {
            for (name, item) in directories[directory]?.items ?? [:] {
                switch item {
                case .file(let place): state[path + name] = files[place].content
                case .directory(let number):
                    state[path + name + "/"] = []
                    collect(number, path + name + "/")
                }
            }
        }
        collect(root, "")
        return state
    }
}
