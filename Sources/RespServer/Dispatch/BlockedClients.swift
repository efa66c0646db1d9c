// Clients whose command waits for a key, in the order in which they came.
//
//     key -> queue of waiters, first come first served
//     alarms -> heap of waiters that have a deadline, or are run again at some time
//     ready -> keys that have changed and are waited for, in the order of the changes
//
// A waiter stands in the queue of each of its keys and perhaps in the heap. One whose wait is over is only marked; queues and heap drop
// the marked ones when these come up, or are the larger part. Idle waiters cost nothing but their memory.

import RespCodec
import StoreEngine

/// One client's command that waits.
final class WaitingCommand {
    let connection: Connection
    let record: CommandRecord
    let arguments: OwnedArguments
    let database: Int
    let wait: Wait
    /// What it waits for, each once.
    fileprivate let keys: Set<WatchedKey>
    fileprivate(set) var isOver = false
    /// When it is looked at next though no key has changed.
    fileprivate var alarm: Int64?

    init(connection: Connection, record: CommandRecord, arguments: OwnedArguments, wait: Wait) {
        self.connection = connection
        self.record = record
        self.arguments = arguments
        self.wait = wait
        let database = connection.database
        self.database = database
        keys = Set(wait.keys.map { WatchedKey(database: database, key: $0) })
    }

    /// Whether a key whose value is of this type, nil if it is gone, lets the command go on.
    func canGoOn(with type: ValueType?) -> Bool { type == wait.type || wait.endsWithKey }

    func isTimeOver(now: Int64) -> Bool { wait.deadline.map { $0 <= now } ?? false }

}

final class BlockedClients {
    private struct Queue {
        var waiters: [WaitingCommand] = []
        var overCount = 0
    }

    private var queues: [WatchedKey: Queue] = [:]
    private var ready: [WatchedKey] = []
    private var isReady: Set<WatchedKey> = []
    private var alarms = AlarmHeap()
    private var alarmCount = 0
    private let filter: KeyFilter

    init(filter: KeyFilter) { self.filter = filter }

    /// How many clients wait.
    private(set) var count = 0
    /// How many of them have a deadline.
    private(set) var deadlineCount = 0
    /// How many keys are waited for.
    var keyCount: Int { queues.count }
    /// How many of these by clients that must hear of the key's going, too.
    var endingKeyCount: Int { queues.values.count { $0.waiters.contains { $0.wait.endsWithKey && !$0.isOver } } }
    /// Whether a key that is waited for has changed.
    var hasReady: Bool { !ready.isEmpty }

    func add(_ waiter: WaitingCommand) {
        count += 1
        for key in waiter.keys {
            queues[key, default: Queue()].waiters.append(waiter)
            filter.add(key.key)
        }
        if waiter.wait.deadline != nil { deadlineCount += 1 }
        setAlarm(of: waiter, retryTime: waiter.wait.retryTime)
    }

    /// Says when a command that waits is to be run again though no key has changed; nil for never.
    func setAlarm(of waiter: WaitingCommand, retryTime: Int64?) {
        let times = [waiter.wait.deadline, retryTime].compactMap { $0 }
        replaceAlarm(of: waiter, with: waiter.isOver ? nil : times.min())
    }

    private func replaceAlarm(of waiter: WaitingCommand, with time: Int64?) {
        guard waiter.alarm != time else { return }
        alarmCount += (time != nil ? 1 : 0) - (waiter.alarm != nil ? 1 : 0)
        waiter.alarm = time
        if let time { alarms.insert(time, waiter) }
        alarms.dropStale(alive: alarmCount)
    }

    /// Ends a wait, however it has ended.
    func remove(_ waiter: WaitingCommand) {
        guard !waiter.isOver else { return }
        waiter.isOver = true
        count -= 1
        if waiter.wait.deadline != nil { deadlineCount -= 1 }
        replaceAlarm(of: waiter, with: nil)
        for key in waiter.keys {
            filter.remove(key.key)
            guard let index = queues.index(forKey: key) else { continue }
            queues.values[index].overCount += 1
            let total = queues.values[index].waiters.count
            if queues.values[index].overCount == total {
                queues.remove(at: index)
            } else if queues.values[index].overCount > 8 + total / 2 {
                queues.values[index].waiters.removeAll { $0.isOver }
                queues.values[index].overCount = 0
            }
        }
    }

    // MARK: keys

    func keyChanged(_ key: ByteSlice, database: Int) {
        guard count > 0 else { return }
        markReady(WatchedKey(database: database, key: key.array))
    }

    /// Every key of a database may have changed.
    func databaseChanged(_ database: Int) {
        for key in Array(queues.keys) where key.database == database { markReady(key) }
    }

    private func markReady(_ key: WatchedKey) {
        guard queues[key] != nil, isReady.insert(key).inserted else { return }
        ready.append(key)
    }

    /// The keys that have changed since the last call, in the order of their first changes.
    func takeReady() -> [WatchedKey] {
        let keys = ready
        ready = []
        isReady = []
        return keys
    }

    /// Who waits for a key now, in their order.
    func waiters(for key: WatchedKey) -> [WaitingCommand] { queues[key]?.waiters.filter { !$0.isOver } ?? [] }

    // MARK: time

    /// When the next wait ends or its command is run again, in milliseconds since 1970; nil if none is.
    var nextAlarm: Int64? { alarms.first?.time }

    /// Whose time to end or to be run again has come; nil when there is none.
    func nextDue(now: Int64) -> WaitingCommand? {
        guard let first = alarms.first, first.time <= now else { return nil }
        return first.waiter
    }
}

/// Waiters by alarm: a binary heap whose first is never stale. An entry is, once its waiter is over or has another alarm.
private struct AlarmHeap {
    private struct Entry {
        let time: Int64
        let waiter: WaitingCommand
        var isStale: Bool { waiter.alarm != time }
    }

    private var entries: [Entry] = []

    /// The one that is due first.
    var first: (time: Int64, waiter: WaitingCommand)? { entries.first.map { ($0.time, $0.waiter) } }

    mutating func insert(_ time: Int64, _ waiter: WaitingCommand) {
        entries.append(Entry(time: time, waiter: waiter))
        var index = entries.count - 1
        while index > 0, entries[index].time < entries[(index - 1) / 2].time {
            entries.swapAt(index, (index - 1) / 2)
            index = (index - 1) / 2
        }
    }

    /// Drops entries that are stale: those that come up, and all once they are the larger part.
    mutating func dropStale(alive: Int) {
        if entries.count > 64 && alive < entries.count / 2 {
            // A sorted array is a heap.
            entries = entries.filter { !$0.isStale }.sorted { $0.time < $1.time }
        }
        while let first = entries.first, first.isStale { removeFirst() }
    }

    private mutating func removeFirst() {
        entries.swapAt(0, entries.count - 1)
        entries.removeLast()
        var index = 0
        while true {
            var least = index
            for child in [2 * index + 1, 2 * index + 2]
            where child < entries.count && entries[child].time < entries[least].time {
                least = child
            }
            if least == index { return }
            entries.swapAt(index, least)
            index = least
        }
    }
}
