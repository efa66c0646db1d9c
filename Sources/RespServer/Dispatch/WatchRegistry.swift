// Who watches which key: WATCH breaks a client's transaction when a key it watches is changed.

import RespCodec
import StoreEngine

final class WatchRegistry: KeyspaceObserver {
    private var watchers: [WatchedKey: [Connection]] = [:]
    private let engine: Engine

    init(engine: Engine) { self.engine = engine }

    var keyCount: Int { watchers.count }

    func watch(_ key: ByteSlice, by connection: Connection) {
        let watched = WatchedKey(database: connection.database, key: key.array)
        guard !connection.watched.contains(watched) else { return }
        connection.watched.append(watched)
        watchers[watched, default: []].append(connection)
        engine.isObserved = true
    }

    func unwatchAll(_ connection: Connection) {
        for key in connection.watched {
            watchers[key]?.removeAll { $0 === connection }
            if watchers[key]?.isEmpty == true { watchers[key] = nil }
        }
        connection.watched = []
        connection.watchBroken = false
        engine.isObserved = !watchers.isEmpty
    }

    private func touch(_ key: WatchedKey) {
        for connection in watchers[key] ?? [] { connection.watchBroken = true }
    }

    func keyChanged(_ key: ByteSlice, database: Int, event: KeyEvent) {
        touch(WatchedKey(database: database, key: key.array))
    }

    func databaseWillFlush(_ database: Int, contains: (ByteSlice) -> Bool) {
        for key in watchers.keys where key.database == database && key.key.withByteSlice({ contains($0) }) { touch(key) }
    }

    func databasesWillSwap(_ first: Int, _ second: Int, contains: (Int, ByteSlice) -> Bool) {
        for key in watchers.keys where key.database == first || key.database == second {
            if key.key.withByteSlice({ contains(first, $0) || contains(second, $0) }) { touch(key) }
        }
    }
}
