// Eviction: keys go to make room when more memory is in use than allowed.
//
// Bytes in use are counted exactly, so whether there is room is a comparison. To find a key that is worth less than most, a few that lie
// side by side at a random place of a table are looked at: by their hashes they have nothing to do with each other, and a look costs
// the same whatever the size of the table. The best of them are kept in a pool, which gets better with every look; the
// best of the pool goes, unless it was used since. Where any key will do, all that a look finds go, one after the other. Databases take
// turns.
//
// What was taken out and is large waits to be freed in slices, and counts until it is. So that no more keys go than must, nothing is
// evicted while something waits. Once keys have to go, a little more goes than must, so that not every command finds memory full again: to
// notice that costs more than an eviction.
//
// Source: Redis, evict.c, for the policies, the pool and its size. Rejected: lists in the order of use, which cost each key two
// pointers and each use of a key a few cache misses.

import RespCodec

/// Which keys go first when there is no more room.
public enum EvictionOrder: Sendable {
    /// None goes.
    case none
    case leastRecentlyUsed
    case leastFrequentlyUsed
    /// As the least recently used, but only changes count.
    case leastRecentlyModified
    case random
    /// Those whose deadlines are nearest.
    case shortestTimeToLive

    /// What the access clock has to tell.
    public var accessTracking: AccessTracking {
        switch self {
        case .leastFrequentlyUsed: .frequency
        case .leastRecentlyModified: .change
        case .none, .leastRecentlyUsed, .random, .shortestTimeToLive: .use
        }
    }
}

/// What came of making room.
public enum EvictionProgress: Sendable {
    /// No more memory is in use than allowed.
    case enough
    /// Something was freed, and more must be.
    case continues
    /// No key to evict was found yet, but there may be some.
    case searching
    /// Too much memory is in use, and there is no key that may be evicted.
    case exhausted
}

/// A key that is not evicted for now.
struct SparedKey: Equatable {
    let hash: UInt64
    let database: Int
}

/// A handle on the engine, and the part of it that makes room.
struct Eviction {
    struct Variables {
        /// How many bytes may be in use.
        var limit = Int.max
        /// What of them is only there until a snapshot has written it: as if it had been freed.
        var held = 0
        /// The sum of both.
        var bound = Int.max
        /// How many bytes pages and large blocks may take.
        var residentLimit = Int.max
        var pool = EvictionPool()
        /// The place of the database that was looked at last, and how many in a row had no key that may go.
        var place = 0
        var fruitless = 0
        /// Keys that do not go, by their hashes and databases.
        var spared: [SparedKey] = []
        /// Where the next looks begin.
        var starts = SampleStarts()
        /// How many keys are still to go before the next turn of the access clock begins.
        var keysOfTurn = 0
    }

    /// How many keys a slice evicts.
    private static let keysOfSlice = 16
    /// How far below the limit evicting comes: a small part of it, and some dozens of small keys.
    private static let marginPart = 4096
    private static let mostMargin = 16 << 10
    /// How many databases are looked at, and from how many of them keys are taken, for one key.
    private static let databasesOfLook = 512
    private static let sourcesOfLook = 16
    /// How many keys are found at once where any will do: they are neighbours in the table, so that only the first is waited for.
    private static let keysOfRandomLook = 8

    let engine: EngineState

    private var variables: Variables {
        unsafeAddress { unsafe UnsafePointer(engine.pointer(to: \.eviction)) }
        nonmutating unsafeMutableAddress { unsafe engine.pointer(to: \.eviction) }
    }

    /// Whether there is a limit.
    @inline(__always) var isLimited: Bool { engine.listeners.contains(.memoryLimit) }

    /// How many bytes may be in use; nil for no limit.
    var limit: Int? {
        get { isLimited ? variables.limit : nil }
        nonmutating set {
            variables.limit = newValue ?? Int.max
            setBound()
            if newValue != nil { engine.listeners.insert(.memoryLimit) } else { engine.listeners.remove(.memoryLimit) }
        }
    }

    /// Whether more memory is in use than allowed.
    @inline(__always) var isOverLimit: Bool { engine.allocator.usedBytes > variables.bound }
    var excess: Int { engine.allocator.usedBytes - variables.bound }

    /// How many bytes pages and large blocks may take while there is a limit: what is in use lies in more of them the more often keys of
    /// many sizes came and went.
    var residentLimit: Int {
        get { variables.residentLimit }
        nonmutating set { variables.residentLimit = newValue }
    }

    /// How much more they take; negative while it is less, or while there is no limit.
    var residentExcess: Int {
        isLimited ? engine.allocator.residentBytes - variables.held - variables.residentLimit : -1
    }

    /// Bytes that only a snapshot still needs: values that no key has any more, and pages of long strings as they were before a change.
    var heldBytes: Int {
        get { variables.held }
        nonmutating set {
            variables.held = newValue
            setBound()
        }
    }

    private func setBound() {
        variables.bound = variables.limit == Int.max ? Int.max : variables.limit &+ variables.held
    }

    /// Does a bounded part of what it takes to get below the limit: frees some of what waits to be freed, or evicts a few keys.
    /// - Complexity: O(1).
    func slice() -> EvictionProgress {
        if variables.pool.order != engine.settings.evictionOrder {
            variables.pool = EvictionPool(order: engine.settings.evictionOrder)
        }
        guard isOverLimit else { return .enough }
        let goal = variables.bound - min(variables.limit / Self.marginPart, Self.mostMargin)
        for _ in 0..<Self.keysOfSlice where engine.allocator.usedBytes > goal {
            if engine.freeing.holdsMemoryInUse {
                if isOverLimit { engine.freeing.slice() }
                break
            }
            guard let (slot, database) = choose() else {
                if !isOverLimit { break }
                return variables.fruitless < engine.directory.inUse.count ? .searching : .exhausted
            }
            evict(slot, in: database)
        }
        return isOverLimit ? .continues : .enough
    }

    private func evict(_ slot: Slot, in database: Database) {
        unsafe database.allocator.prefetchPage(of: database.entry(at: slot).address)
        let entry = database.detach(slot)
        engine.statistics.evictedKeys &+= 1
        if engine.accessClock.tracksFrequency { countInTurn(database) }
        // The key lies in the entry, which outlives the event.
        engine.keyRemoved(entry.key, .evicted, in: database)
        unsafe engine.freeing.free(entry, in: database)
        engine.effects?.endGroup()
    }

    private func countInTurn(_ database: Database) {
        variables.keysOfTurn -= 1
        guard variables.keysOfTurn < 0 else { return }
        engine.accessClock.advanceTurn()
        // As if all databases were as large as this one.
        let keys = engine.settings.evictsOnlyVolatileKeys ? database.deadlineCount : database.count
        variables.keysOfTurn = keys * engine.directory.inUse.count / AccessFrequency.turnsPerRound
    }

    // MARK: choosing

    private func choose() -> (Slot, Database)? {
        switch engine.settings.evictionOrder {
        case .none:
            // As if all had been looked at.
            variables.fruitless = engine.directory.inUse.count
            return nil
        case .random: return chooseAtRandom()
        case .leastRecentlyUsed, .leastFrequentlyUsed, .leastRecentlyModified, .shortestTimeToLive:
            return chooseBest()
        }
    }

    private func chooseAtRandom() -> (Slot, Database)? {
        if let found = takeBest() { return found }
        visitDatabases(sources: 1) { database in
            sample(Self.keysOfRandomLook, of: database) { _, entry in add(entry, rank: 0, in: database) }
            return variables.pool.count > 0
        }
        return takeBest()
    }

    private func chooseBest() -> (Slot, Database)? {
        visitDatabases(sources: Self.sourcesOfLook) { database in
            var found = 0
            sample(engine.settings.evictionSamples, of: database) { _, entry in
                found += 1
                let rank = rank(of: entry)
                if variables.pool.takes(rank) { add(entry, rank: rank, in: database) }
            }
            return found > 0
        }
        return takeBest()
    }

    private func add(_ entry: Entry, rank: Int64, in database: Database) {
        variables.pool.insert(
            EvictionPool.Candidate(rank: rank, hash: engine.hash(entry.key), database: database.index))
    }

    /// The best of the pool that is still there, and no better than it was.
    private func takeBest() -> (Slot, Database)? {
        while let candidate = variables.pool.removeBest() {
            guard let database = engine.databaseInUse(candidate.database),
                let slot = database.table.find(hash: candidate.hash)
            else { continue }
            let entry = database.entry(at: slot)
            // It may have been used since, or have lost its deadline.
            if isEvictable(entry), !isSpared(entry, in: database), rank(of: entry) >= candidate.rank {
                return (slot, database)
            }
        }
        return nil
    }

    /// Calls `body` with databases that have keys that may be evicted, from the one behind the last on, until it has found some in
    /// `sources` of them. Of very many databases only some are looked at.
    private func visitDatabases(sources: Int, _ body: (Database) -> Bool) {
        var sources = sources
        let count = engine.directory.inUse.count
        for _ in 0..<min(count, Self.databasesOfLook) {
            variables.place = variables.place + 1 < count ? variables.place + 1 : 0
            let database = engine.directory.inUse[variables.place]
            let spared = variables.spared.isEmpty ? 0 : variables.spared.count { $0.database == database.index }
            let count = engine.settings.evictsOnlyVolatileKeys ? database.deadlineCount : database.count
            guard count > spared else {
                variables.fruitless += 1
                continue
            }
            // Where some are, they are found sooner or later.
            variables.fruitless = 0
            guard body(database) else { continue }
            sources -= 1
            if sources == 0 { return }
        }
    }

    /// Calls `body` with up to `count` entries that may be evicted, from a random place of the database on.
    private func sample(_ count: Int, of database: Database, _ body: (Slot, Entry) -> Void) {
        let having: UInt64 = engine.settings.evictsOnlyVolatileKeys ? SlotWord.deadlineBit : 0
        // While one look is taken, the memory for the next ones is on its way.
        let start = variables.starts.next(using: &engine.random)
        database.table.prefetchSegment(at: variables.starts.third, having: having)
        database.table.prefetchBuckets(at: variables.starts.second, having: having)
        database.table.prefetchEntries(count, at: variables.starts.first, having: having)
        database.table.sample(count, having: having, from: start, using: &engine.random) { slot in
            let entry = database.entry(at: slot)
            if isEvictable(entry) && !isSpared(entry, in: database) { body(slot, entry) }
        }
    }

    @inline(__always)
    private func isSpared(_ entry: Entry, in database: Database) -> Bool {
        !variables.spared.isEmpty
            && variables.spared.contains(SparedKey(hash: engine.hash(entry.key), database: database.index))
    }

    /// Has these keys stay, and no others.
    func spare(_ keys: [SparedKey]) { variables.spared = keys }

    private func isEvictable(_ entry: Entry) -> Bool {
        !engine.settings.evictsOnlyVolatileKeys || entry.deadline(engine.expiry.window) != nil
    }

    /// The higher, the sooner the entry is to go. Does not change as time passes, unless the entry is used; of a frequency it becomes
    /// higher, or once in many turns a little lower.
    private func rank(of entry: Entry) -> Int64 {
        switch engine.settings.evictionOrder {
        case .leastRecentlyUsed, .leastRecentlyModified: -engine.accessClock.lastUse(entry)
        case .leastFrequentlyUsed: Int64(engine.accessClock.disuse(entry))
        case .shortestTimeToLive: -(entry.deadline(engine.expiry.window) ?? Int64.max)
        case .none, .random: 0
        }
    }
}

/// Where the next three samples begin.
struct SampleStarts {
    private(set) var first = SampleStart()
    private(set) var second = SampleStart()
    private(set) var third = SampleStart()

    mutating func next(using random: inout RandomSource) -> SampleStart {
        defer { (first, second, third) = (second, third, SampleStart(using: &random)) }
        return first
    }
}

extension EngineState {
    @inline(__always) var eviction: Eviction { Eviction(engine: self) }
}

extension Engine {
    /// How many bytes may be in use for keys, values and tables before `makeRoom` has something to do; nil for no limit. Nobody is
    /// kept from using more: whoever runs commands asks `isOverMemoryLimit` first.
    public var memoryLimit: Int? {
        get { state.eviction.limit }
        set { state.eviction.limit = newValue }
    }

    /// Whether there is a limit.
    @inlinable @inline(__always) public var isMemoryLimited: Bool { state.listeners.contains(.memoryLimit) }

    /// How many bytes the memory may take that is held for what is in use, free pages included, while there is a limit. Nothing keeps
    /// within it by itself.
    public var residentLimit: Int {
        get { state.eviction.residentLimit }
        set { state.eviction.residentLimit = newValue }
    }

    /// How much more it takes, negative if it is less: then free pages are to be given back, and values to be moved together.
    public var residentExcess: Int { state.eviction.residentExcess }

    /// Whether there is a limit, and more memory is held than that may take.
    public var holdsTooMuch: Bool { residentExcess > 0 }

    /// Gives some free pages back to the system that are usually kept to be used again.
    /// - Complexity: O(size classes of the allocator).
    public func giveBackSomePages() { state.allocator.giveBackSome() }

    /// Whether there are such pages.
    public var hasFreePages: Bool { state.allocator.hasFreePages }

    /// Whether there is a limit, and more memory is in use.
    public var isOverMemoryLimit: Bool { state.eviction.isOverLimit }

    /// How much more is in use than allowed; negative if it is less.
    public var memoryExcess: Int { state.eviction.excess }

    /// Bytes in use that do not count for the limit: a snapshot frees them when it has written them.
    public var bytesHeldBySnapshot: Int { state.eviction.heldBytes }

    /// How many keys may be spared at once: each of them is compared with all that are looked at.
    private static var mostSpared: Int { 32 }

    /// Has the keys of a request that is to run when there is room for it stay until `spareNoKeys`.
    /// - Returns: false if they are too many.
    public func spareKeys(_ keys: [KeySpec], of request: Arguments, database: Int) -> Bool {
        var spared: [SparedKey] = []
        keys.forEachKey(in: request) { index, _ in
            if spared.count <= Self.mostSpared {
                spared.append(SparedKey(hash: state.hash(request[index]), database: database))
            }
        }
        guard spared.count <= Self.mostSpared else { return false }
        state.eviction.spare(spared)
        return true
    }

    public func spareNoKeys() { state.eviction.spare([]) }

    /// Does a bounded part of what it takes to get below the limit: frees a slice of what waits to be freed, or evicts a few keys, by
    /// the settings.
    /// - Complexity: O(1), some tens of microseconds.
    public func makeRoom() -> EvictionProgress { state.eviction.slice() }
}
