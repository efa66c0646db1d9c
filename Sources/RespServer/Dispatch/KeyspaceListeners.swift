// Who on the server hears of changes of the keyspace: those who watch keys, those who wait for them, those who are subscribed to events, and
// those who keep what they have read. The engine tells of changes only while there is somebody to hear.

import RespCodec
import StoreEngine

final class KeyspaceListeners: KeyspaceObserver {
    private let engine: Engine
    private let filter: KeyFilter
    let watches: WatchRegistry
    let blocked: BlockedClients
    let events = KeyspaceEvents()
    let tracking: Tracking
    private let replies: ReplyQueue
    /// All connections.
    var connections: () -> [Connection] = { [] }

    /// - Parameter replies: where messages to clients go, and whose command runs.
    init(engine: Engine, replies: ReplyQueue = ReplyQueue(), timers: LoopTimers? = nil) {
        self.engine = engine
        self.replies = replies
        tracking = Tracking(engine: engine, replies: replies)
        filter = KeyFilter(engine: engine)
        watches = WatchRegistry(engine: engine, filter: filter)
        blocked = BlockedClients(engine: engine, filter: filter, timers: timers)
    }

    /// To be called when somebody has begun to listen, or has ceased to.
    func update() {
        let tellsEvents = events.isHeard
        engine.isObserved = watches.keyCount > 0 || blocked.count > 0 || tellsEvents || tracking.isActive
        engine.tellsNotices = tellsEvents && events.wantsNotices
    }

    func keyNoticed(_ key: ByteSlice, database: Int, event: KeyEvent) { events.tell(key, database: database, event) }

    func keyChanged(_ key: ByteSlice, database: Int, event: KeyEvent) {
        if tracking.isActive && event.breaksWatches {
            let isOfItself = event.eventClass == .expired || event.eventClass == .evicted
            tracking.keyChanged(key, by: isOfItself ? nil : replies.current)
        }
        events.tell(key, database: database, event)
        guard filter.mayHold(key) else { return }
        watches.keyChanged(key.array, database: database, event: event)
        blocked.keyChanged(key, database: database, event: event)
    }

    func keysWillFlush() { if tracking.isActive { tracking.allKeysChanged(connections()) } }

    func databaseWillFlush(_ database: Int, presence: (ByteSlice) -> KeyPresence) {
        watches.databaseWillFlush(database, presence: presence)
        blocked.databaseWillFlush(database)
    }

    func databasesWillSwap(_ first: Int, _ second: Int, presence: (Int, ByteSlice) -> KeyPresence) {
        watches.databasesWillSwap(first, second, presence: presence)
        blocked.databasesWillSwap(first, second)
    }
}
