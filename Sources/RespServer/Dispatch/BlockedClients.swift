// Clients whose command waits for a key.
//
//     key -> queue of waiters: see `WaitQueue`
//     alarms -> heap of waiters that have a deadline, or are run again at some time
//     ready -> keys that have changed and are waited for, in the order of the changes
//
// A waiter stands in the queue of each of its keys and perhaps in the heap. Idle waiters cost nothing but their memory.

import RespCodec
import StoreEngine

/// One client's command that waits.
final class WaitingCommand: Waiter {
    let connection: Connection
    let record: CommandRecord
    let arguments: OwnedArguments
    /// How long it has run so far, without the waiting.
    var cycles: UInt64 = 0

    /// About what one takes besides its arguments, its place among the alarms included.
    private static let bytesOfItself = 288

    /// The memory that it takes, with what was made only for it of the queues in which it stands.
    var byteCount: Int { arguments.byteCount + queueByteCount + Self.bytesOfItself }

    init(connection: Connection, record: CommandRecord, arguments: OwnedArguments, wait: Wait) {
        self.connection = connection
        self.record = record
        self.arguments = arguments
        super.init(database: connection.database, wait: wait)
    }
}

final class BlockedClients {
    /// Those who wait for keys of one database.
    private struct Database {
        var queues = NamedTable<WaitQueue>()
        /// How many of the keys somebody waits for who must hear of the key's going, too.
        var endingCount = 0
    }

    private var databases: [Int: Database] = [:]
    // Looked at in every turn. No other code runs while one of them is modified, so exclusive access is not checked at run time.
    @safe @exclusivity(unchecked) private var ready: [WaitQueue] = []
    /// Waits that CLIENT UNBLOCK ends, once it has been answered, and whether with an error.
    @safe @exclusivity(unchecked) private var unblocked: [(waiter: WaitingCommand, withError: Bool)] = []
    private var roundCount = 0
    private var alarms = AlarmHeap()
    private var alarmCount = 0
    private let engine: Engine
    let steps = StepCounter()
    private let filter: KeyFilter
    /// Stands at the first alarm.
    let timer: LoopTimer?

    init(engine: Engine, filter: KeyFilter, timers: LoopTimers? = nil) {
        self.engine = engine
        self.filter = filter
        timer = timers?.add()
    }

    /// How many clients wait.
    private(set) var count = 0
    /// How many have ever waited.
    private var totalCount = 0
    /// How many of them have a deadline.
    private(set) var deadlineCount = 0
    /// How many keys are waited for.
    private(set) var keyCount = 0
    /// How many of these by clients that must hear of the key's going, too.
    private(set) var endingKeyCount = 0
    /// The memory of queues and lanes that counts with none of those who stand in them.
    private(set) var unownedByteCount = 0
    /// Whether a key that is waited for has changed, or a wait is to be ended.
    @inline(__always) var hasReady: Bool { !ready.isEmpty || !unblocked.isEmpty }

    func add(_ waiter: Waiter) {
        count += 1
        totalCount += 1
        var isFirst = false
        for (key, need) in waiter.begin(number: totalCount).lazy.map({ ($0.key, $0.need) }) {
            let queue = key.withByteSlice { self.queue(of: $0, for: waiter) }
            let wasEnding = queue.endingLaneCount > 0
            let lane = queue.lane(for: need)
            if lane.isEmpty {
                isFirst = true
                waiter.own(&lane.memory)
            }
            lane.add(waiter)
            if !wasEnding && queue.endingLaneCount > 0 {
                endingKeyCount += 1
                databases[waiter.database]?.endingCount += 1
            }
        }
        if waiter.wait.deadline != nil { deadlineCount += 1 }
        // What the first of a lane does not get the others do not.
        setAlarm(of: waiter, retryTime: isFirst ? waiter.wait.retryTime : nil)
    }

    private func queue(of key: ByteSlice, for waiter: Waiter) -> WaitQueue {
        let (database, hash) = (waiter.database, engine.hash(key))
        if let queue = databases[database]?.queues.find(key, hash: hash) { return queue }
        let queue = WaitQueue(key, hash: hash, database: database, steps)
        waiter.own(&queue.memory)
        databases[database, default: Database()].queues.insert(queue)
        keyCount += 1
        filter.add(queue.name)
        return queue
    }

    /// Says when a command that waits is to be run again though no key has changed; nil for never.
    func setAlarm(of waiter: Waiter, retryTime: Int64?) {
        // The millisecond of the deadline is still waited for.
        let end = waiter.wait.deadline.map { $0 == Int64.max ? $0 : $0 + 1 }
        let time = if let end, let retryTime { min(end, retryTime) } else { end ?? retryTime }
        replaceAlarm(of: waiter, with: waiter.isOver ? nil : time)
    }

    private func replaceAlarm(of waiter: Waiter, with time: Int64?) {
        guard waiter.alarm != time else { return }
        alarmCount += (time != nil ? 1 : 0) - (waiter.alarm != nil ? 1 : 0)
        waiter.setAlarm(time)
        if let time { alarms.insert(time, waiter) }
        alarms.dropStale(alive: alarmCount)
        timer?.set(for: nextAlarm)
    }

    /// Ends a wait, however it has ended.
    func remove(_ waiter: Waiter) {
        guard !waiter.isOver else { return }
        count -= 1
        if waiter.wait.deadline != nil { deadlineCount -= 1 }
        let lanes = waiter.end()
        replaceAlarm(of: waiter, with: nil)
        for lane in lanes { leave(lane, waiter) }
    }

    private func leave(_ lane: WaitLane, _ waiter: Waiter) {
        lane.waiterIsOver()
        let queue = lane.queue
        unownedByteCount += lane.memory.leave(waiter) + queue.memory.leave(waiter)
        guard lane.isEmpty else {
            // Whoever is the first now has not been tried.
            if lane.need.claims { markReady(queue, forAll: false) }
            return
        }
        queue.remove(lane)
        unownedByteCount -= lane.memory.unownedByteCount
        if lane.need.endsWithKey && queue.endingLaneCount == 0 {
            endingKeyCount -= 1
            databases[queue.database]?.endingCount -= 1
        }
        guard queue.lanes.isEmpty else { return }
        unownedByteCount -= queue.memory.unownedByteCount
        databases[queue.database]?.queues.remove(queue)
        if databases[queue.database]?.queues.count == 0 { databases[queue.database] = nil }
        keyCount -= 1
        filter.remove(queue.name)
    }

    // MARK: keys

    func keyChanged(_ key: ByteSlice, database: Int, event: KeyEvent) {
        guard count > 0, let queue = databases[database]?.queues.find(key, hash: engine.hash(key)) else { return }
        markReady(queue, forAll: event.servesWaits)
    }

    /// All keys of a database go at once.
    func databaseWillFlush(_ database: Int) {
        guard let waited = databases[database], waited.endingCount > 0 else { return }
        waited.queues.forEach { queue in
            steps.step()
            if queue.endingLaneCount > 0 { markReady(queue, forAll: true) }
        }
    }

    /// Two databases change places.
    /// - Complexity: O(1) for each key waited for in one of them, if the other has any keys.
    func databasesWillSwap(_ first: Int, _ second: Int) {
        for (database, other) in [(first, second), (second, first)] {
            guard let waited = databases[database], waited.endingCount > 0 || engine.database(other).count > 0
            else { continue }
            waited.queues.forEach { queue in
                if queue.isServed(by: engine, in: other) { markReady(queue, forAll: true) }
            }
        }
    }

    private func markReady(_ queue: WaitQueue, forAll: Bool) {
        guard forAll || queue.claimingLaneCount > 0 else { return }
        if queue.readiness == .none { ready.append(queue) }
        if forAll || queue.readiness == .none { queue.readiness = forAll ? .forAll : .forClaims }
    }

    /// The queues of the keys that have changed since the last call, in the order of their first changes.
    func takeReady() -> [WaitQueue] {
        let queues = ready
        ready = []
        return queues
    }

    /// Has a wait ended between two commands.
    /// - Returns: False if it was to be ended already.
    func unblock(_ waiter: WaitingCommand, withError: Bool) -> Bool {
        guard !unblocked.contains(where: { $0.waiter === waiter }) else { return false }
        unblocked.append((waiter, withError))
        return true
    }

    /// The waits to be ended that nothing else has ended meanwhile.
    func takeUnblocked() -> [(waiter: WaitingCommand, withError: Bool)] {
        defer { unblocked = [] }
        return unblocked.filter { !$0.waiter.isOver }
    }

    /// Goes through the queue of a key that has changed.
    func round(through queue: WaitQueue) -> WaitRound {
        roundCount += 1
        return WaitRound(queue, number: roundCount, engine: engine)
    }

    // MARK: time

    /// When the next wait ends or its command is run again, in milliseconds since 1970; nil if none is.
    var nextAlarm: Int64? { alarms.first?.time }

    /// Whose time to end or to be run again has come; nil when there is none.
    func nextExpired(now: Int64) -> Waiter? {
        guard let first = alarms.first, first.time <= now else { return nil }
        return first.waiter
    }
}
