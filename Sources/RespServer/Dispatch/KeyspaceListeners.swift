// Who on the server hears of changes of the keyspace: those who watch keys and those who wait for them. The engine tells of changes
// only while there is somebody to hear.

import RespCodec
import StoreEngine

final class KeyspaceListeners: KeyspaceObserver {
    private let engine: Engine
    private let filter: KeyFilter
    let watches: WatchRegistry
    let blocked: BlockedClients

    init(engine: Engine, timer: LoopTimer? = nil) {
        self.engine = engine
        filter = KeyFilter(engine: engine)
        watches = WatchRegistry(engine: engine, filter: filter)
        blocked = BlockedClients(engine: engine, filter: filter, timer: timer)
    }

    /// To be called when somebody has begun to listen, or has ceased to.
    func update() { engine.isObserved = watches.keyCount > 0 || blocked.count > 0 }

    func keyChanged(_ key: ByteSlice, database: Int, event: KeyEvent) {
        guard filter.mayHold(key) else { return }
        let key = key.array
        watches.keyChanged(key, database: database, event: event)
        blocked.keyChanged(key, database: database, event: event)
    }

    func databaseWillFlush(_ database: Int, presence: (ByteSlice) -> KeyPresence) {
        watches.databaseWillFlush(database, presence: presence)
        blocked.databaseWillFlush(database)
    }

    func databasesWillSwap(_ first: Int, _ second: Int, presence: (Int, ByteSlice) -> KeyPresence) {
        watches.databasesWillSwap(first, second, presence: presence)
        blocked.databasesWillSwap(first, second)
    }
}
