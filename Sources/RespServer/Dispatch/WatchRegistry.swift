// Who watches which key: WATCH breaks a client's transaction when a key it watches is changed.
//
// A key that is due when it is watched counts as absent: that it is removed later is no change.

import RespCodec
import StoreEngine

final class WatchRegistry {
    /// One client's interest in one key.
    private struct Watcher {
        let connection: Connection
        /// The key was there when it was watched, but due.
        var wasDue: Bool
    }

    private var watchers: [WatchedKey: [Watcher]] = [:]
    private let engine: Engine
    private let filter: KeyFilter

    init(engine: Engine, filter: KeyFilter) {
        self.engine = engine
        self.filter = filter
    }

    var keyCount: Int { watchers.count }

    func watch(_ key: ByteSlice, by connection: Connection) {
        let watched = WatchedKey(database: connection.database, key: key.array)
        guard !connection.watched.contains(watched) else { return }
        connection.watched.append(watched)
        filter.add(watched.key)
        let wasDue = engine.presence(of: key, database: watched.database) == .due
        watchers[watched, default: []].append(Watcher(connection: connection, wasDue: wasDue))
    }

    func unwatchAll(_ connection: Connection) {
        for key in connection.watched {
            filter.remove(key.key)
            watchers[key]?.removeAll { $0.connection === connection }
            if watchers[key]?.isEmpty == true { watchers[key] = nil }
        }
        connection.watched = []
        connection.watchBroken = false
    }

    /// Whether a key that the client watches has become due since, without anybody having looked.
    func hasExpired(_ connection: Connection) -> Bool {
        connection.watched.contains { key in
            key.key.withByteSlice { engine.presence(of: $0, database: key.database) } == .due
                && watchers[key]?.contains { $0.connection === connection && !$0.wasDue } == true
        }
    }

    // MARK: what happens to keys

    func keyChanged(_ key: ByteSlice, database: Int, event: KeyEvent) {
        guard event.breaksWatches else { return }
        let isExpiry = event.eventClass == .expired
        update(WatchedKey(database: database, key: key.array)) { watcher in
            if isExpiry && watcher.wasDue { watcher.wasDue = false } else { watcher.connection.watchBroken = true }
        }
    }

    func databaseWillFlush(_ database: Int, presence: (ByteSlice) -> KeyPresence) {
        for key in Array(watchers.keys) where key.database == database && key.key.withByteSlice(presence) != .absent {
            update(key) { Self.change(&$0, to: .absent) }
        }
    }

    func databasesWillSwap(_ first: Int, _ second: Int, presence: (Int, ByteSlice) -> KeyPresence) {
        for key in Array(watchers.keys) where key.database == first || key.database == second {
            let other = key.database == first ? second : first
            let (old, new) = key.key.withByteSlice { (presence(key.database, $0), presence(other, $0)) }
            if old == .absent && new == .absent { continue }
            update(key) { watcher in
                // What was not there is still not there, logically.
                if old == .absent && new == .due { watcher.wasDue = true } else { Self.change(&watcher, to: new) }
            }
        }
    }

    /// The key's place is taken, all of a sudden, by what `new` says.
    private static func change(_ watcher: inout Watcher, to new: KeyPresence) {
        if watcher.wasDue && new != .live {
            watcher.wasDue = new == .due
        } else {
            watcher.connection.watchBroken = true
        }
    }

    private func update(_ key: WatchedKey, _ body: (inout Watcher) -> Void) {
        guard let index = watchers.index(forKey: key) else { return }
        for place in watchers.values[index].indices { body(&watchers.values[index][place]) }
    }
}
