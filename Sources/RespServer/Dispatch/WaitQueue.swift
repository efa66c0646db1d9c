// Those who wait for one key.
//
//     queue of a key -> lanes, one for each need, sorted -> waiters, first come first served
//
// Whoever stands in a lane needs the same of the key. So one look at the key tells for all of them whether the first may go on, and
// when the first is run again in vain, so would be the others. A change of the key costs as much as there are waiters that it serves and
// one look more, however many wait.
//
// A waiter whose wait is over is only marked. Its lane drops it when it comes up, or when the marked ones are the larger part.
//
// The memory of a queue or lane counts with the waiter for whom it was made, as long as that waits: most are of one waiter. Where others stay
// when that goes, it is nobody's, and counts by itself (`BlockedClients.unownedByteCount`).

import RespCodec
import StoreEngine

/// Who waits for keys.
class Waiter {
    let database: Int
    private(set) var wait: Wait
    /// The memory of queues and lanes that counts with it, and of its places in them.
    fileprivate(set) var queueByteCount = 0
    fileprivate(set) var isOver = false
    /// When it is looked at next though no key has changed.
    fileprivate(set) var alarm: Int64?
    /// Those who came earlier have smaller ones.
    fileprivate(set) var number = 0
    fileprivate(set) var lanes: [WaitLane] = []

    init(database: Int, wait: Wait) {
        self.database = database
        self.wait = wait
    }

    func isTimeOver(now: Int64) -> Bool { wait.deadline.map { $0 < now } ?? false }
}

extension Waiter {
    /// - Returns: what it waits for, which nobody else keeps.
    func begin(number: Int) -> [Wait.Key] {
        self.number = number
        defer { wait = wait.withoutKeys }
        return wait.keys
    }

    /// Has memory that was taken for it count with it.
    func own(_ memory: inout WaitMemory) {
        memory.owner = self
        queueByteCount += memory.byteCount
    }

    func setAlarm(_ time: Int64?) { alarm = time }

    /// Ends the wait; returns the lanes in which it stood.
    func end() -> [WaitLane] {
        isOver = true
        queueByteCount = 0
        defer { lanes = [] }
        return lanes
    }
}

/// The memory of a queue or a lane.
struct WaitMemory {
    /// About how much it is.
    let byteCount: Int
    /// For whom it was taken; nil once that waits no more.
    fileprivate(set) var owner: Waiter?

    init(_ byteCount: Int) { self.byteCount = byteCount }

    /// Takes note that a wait is over.
    /// - Returns: How much is nobody's now.
    mutating func leave(_ waiter: Waiter) -> Int {
        guard owner === waiter else { return 0 }
        owner = nil
        return byteCount
    }

    /// How much of it is nobody's.
    var unownedByteCount: Int { owner == nil ? byteCount : 0 }
}

/// Waiters that need the same of the same key, in the order in which they came.
final class WaitLane {
    /// The object, and the array of a single waiter.
    private static let bytesOfLane = 176
    /// A place in the array of waiters, and in that of the waiter's lanes.
    private static let bytesOfPlace = 16

    /// What it takes.
    var memory = WaitMemory(bytesOfLane)
    let need: Need
    unowned let queue: WaitQueue
    private var waiters: [Waiter] = []
    private var head = 0
    private var aliveCount = 0
    /// The round in which the first of them was run again in vain.
    fileprivate var futileRound = 0

    init(_ need: Need, of queue: WaitQueue) {
        self.need = need
        self.queue = queue
    }

    var isEmpty: Bool { aliveCount == 0 }

    func add(_ waiter: Waiter) {
        // A key may be named more than once.
        guard waiters.last !== waiter else { return }
        waiters.append(waiter)
        waiter.lanes.append(self)
        waiter.queueByteCount += Self.bytesOfPlace
        aliveCount += 1
    }

    /// The first that still waits; nil if none does.
    /// - Complexity: O(1) for each waiter that was ever added.
    var first: Waiter? {
        guard aliveCount > 0 else { return nil }
        while waiters[head].isOver {
            queue.steps.step()
            head += 1
        }
        if head > 32 && head > waiters.count / 2 { compact() }
        return waiters[head]
    }

    /// To be called when the wait of one of them is over.
    func waiterIsOver() {
        aliveCount -= 1
        if waiters.count - head > 8 + 2 * aliveCount { compact() }
    }

    private func compact() {
        queue.steps.step(waiters.count)
        waiters = waiters[head...].filter { !$0.isOver }
        head = 0
    }
}

/// All who wait for one key.
final class WaitQueue: NamedObject {
    /// The object, its place in a table, the array of a single lane, and what the array of the key's bytes takes besides them.
    private static let bytesOfQueue = 216

    enum Readiness {
        case none
        /// Only for those that wait to claim: see `KeyEvent.servesWaits`.
        case forClaims
        case forAll
    }

    /// What it takes, with its key.
    var memory: WaitMemory
    /// That of the key, which is the queue's name.
    let database: Int
    /// Sorted by what they need.
    private(set) var lanes: [WaitLane] = []
    /// How many of them must hear of the key's going, too.
    private(set) var endingLaneCount = 0
    private(set) var claimingLaneCount = 0
    /// Whether it waits to be gone through.
    var readiness = Readiness.none
    fileprivate let steps: StepCounter

    init(_ key: ByteSlice, hash: UInt64, database: Int, _ steps: StepCounter) {
        self.database = database
        self.steps = steps
        memory = WaitMemory(key.count + Self.bytesOfQueue)
        super.init(key, hash: hash)
    }

    /// The lane of those that need this, a new one if there is none.
    func lane(for need: Need) -> WaitLane {
        let index = partition { $0 < need }
        if index < lanes.count && lanes[index].need == need { return lanes[index] }
        let lane = WaitLane(need, of: self)
        lanes.insert(lane, at: index)
        if need.endsWithKey { endingLaneCount += 1 }
        if need.claims { claimingLaneCount += 1 }
        return lane
    }

    func remove(_ lane: WaitLane) {
        lanes.remove(at: partition { $0 < lane.need })
        if lane.need.endsWithKey { endingLaneCount -= 1 }
        if lane.need.claims { claimingLaneCount -= 1 }
    }

    /// The index of the first lane whose need does not come `before` something.
    private func partition(_ before: (Need) -> Bool) -> Int {
        var range = 0..<lanes.count
        while !range.isEmpty {
            steps.step()
            let middle = (range.lowerBound + range.upperBound) / 2
            range = before(lanes[middle].need) ? middle + 1..<range.upperBound : range.lowerBound..<middle
        }
        return range.lowerBound
    }

    func lanes(of kind: Need.Kind) -> Range<Int> {
        let start = partition { $0.kind.rawValue < kind.rawValue }
        return start..<partition { $0.kind.rawValue <= kind.rawValue }
    }

    /// Whether what the key is in a database serves anybody.
    func isServed(by engine: Engine, in database: Int) -> Bool {
        func meets(_ index: Int) -> Bool {
            steps.step()
            return name.withByteSlice { engine.meets(lanes[index].need, at: $0, database: database) }
        }
        let groups = lanes(of: .group)
        if groups.contains(where: meets) { return true }
        // Of the others the first of each kind tells for all.
        return ([.elements, .members, .entries] as [Need.Kind]).contains { lanes(of: $0).first.map(meets) ?? false }
    }
}

/// One going through the queue of a key that is ready: says who is to be run again, one after the other, as the key is then.
struct WaitRound {
    private let queue: WaitQueue
    private let engine: Engine
    private let number: Int
    private let onlyClaims: Bool
    private var last: (waiter: Waiter, lane: WaitLane)?
    /// The lanes of groups that are still to be looked at. The groups know nothing of one another: each is gone through once.
    private var groups: ArraySlice<WaitLane>?

    /// - Parameter number: greater than that of any round before.
    init(_ queue: WaitQueue, number: Int, engine: Engine) {
        self.queue = queue
        self.engine = engine
        self.number = number
        onlyClaims = queue.readiness == .forClaims
        queue.readiness = .none
    }

    /// Who is to be run again next; nil if the key has nothing for anybody any more. If the one named before still waits, nobody of
    /// its lane is named again.
    mutating func next() -> Waiter? {
        if let last, !last.waiter.isOver { last.lane.futileRound = number }
        guard let (waiter, lane) = nextTaker() ?? nextReader() ?? nextOfGroup() else { return nil }
        last = (waiter, lane)
        return waiter
    }

    private func isServed(_ lane: WaitLane) -> Bool {
        queue.steps.step()
        return queue.name.withByteSlice { engine.meets(lane.need, at: $0, database: queue.database) }
    }

    /// Of those that take something out of the key's value, the one that has waited longest and finds enough.
    private func nextTaker() -> (Waiter, WaitLane)? {
        guard !onlyClaims else { return nil }
        var found: (waiter: Waiter, lane: WaitLane)?
        for kind in [.elements, .members] as [Need.Kind] {
            for index in queue.lanes(of: kind) {
                let lane = queue.lanes[index]
                guard isServed(lane) else { break }
                guard lane.futileRound != number, let first = lane.first else { continue }
                if first.number < found?.waiter.number ?? Int.max { found = (first, lane) }
            }
        }
        return found
    }

    /// Of those that only read a stream, one that finds something: in which order they come makes no difference to them.
    private func nextReader() -> (Waiter, WaitLane)? {
        guard !onlyClaims, let index = queue.lanes(of: .entries).first else { return nil }
        let lane = queue.lanes[index]
        guard lane.futileRound != number, isServed(lane), let first = lane.first else { return nil }
        return (first, lane)
    }

    private mutating func nextOfGroup() -> (Waiter, WaitLane)? {
        var lanes = groups ?? queue.lanes[queue.lanes(of: .group)]
        defer { groups = lanes }
        while let lane = lanes.first {
            if lane.futileRound != number, lane.need.claims || !onlyClaims, let first = lane.first, isServed(lane) {
                return (first, lane)
            }
            lanes.removeFirst()
        }
        return nil
    }
}
