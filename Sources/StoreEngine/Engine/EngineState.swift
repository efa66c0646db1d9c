// What an engine is made of, in one place in memory, reached through a handle that costs no reference count.

import Glibc
import RespCodec

/// Settings of the engine that can change while it runs.
public struct EngineSettings: Sendable {
    /// A hash with more fields than this becomes a table.
    public var hashMaxPackedEntries = 512
    /// A hash with a field or value longer than this, in bytes, becomes a table.
    public var hashMaxPackedValue = 64
    /// A set of integers with more members than this is no longer kept as a sorted array.
    public var setMaxIntsetEntries = 512
    /// A set with more members than this becomes a table.
    public var setMaxPackedEntries = 128
    /// A set with a member longer than this, in bytes, becomes a table.
    public var setMaxPackedValue = 64
    /// A sorted set with more members than this becomes a tree.
    public var sortedSetMaxPackedEntries = 128
    /// A sorted set with a member longer than this, in bytes, becomes a tree.
    public var sortedSetMaxPackedValue = 64
    /// How large a packed list of a list may be: as many elements if positive; -1 to -5 stand for 4, 8, 16, 32 and 64 KiB.
    public var listMaxPackedSize = -2
    /// How many nodes at each end of a list are not compressed; 0 for all.
    public var listCompressDepth = 0
    /// From how many bytes on an element of a large list gets a node of its own, and is kept there as it is.
    public var listPlainElementSize = EngineSettings.unsetPlainElementSize
    public static let unsetPlainElementSize = 1 << 30
    /// Bytes of a stream's node; 0 for no limit.
    public var streamNodeMaxBytes = 4096
    /// Entries of a stream's node; 0 for no limit.
    public var streamNodeMaxEntries = 100
    /// Bytes up to which a HyperLogLog stays sparse.
    public var hyperLogLogSparseMaxBytes = 3000
    /// Bytes of the longest string.
    public var maximumStringLength = 512 * 1024 * 1024
    /// Whether strings of snapshots and of DUMP are compressed.
    public var compressesRecords = true
    /// Whether the access clock counts how often instead of when.
    public var tracksFrequency = false
    public var frequencyLogFactor = 10
    public var frequencyDecayMinutes = 1

    public init() {}

    /// Bytes of the longest string that may come out of a compressed one, even where none so long may be set any more.
    var longestRestoredString: Int { max(maximumStringLength, 512 * 1024 * 1024) }
}

/// Counters of the engine, since the start or the last reset.
public struct EngineStatistics: Sendable {
    public var keyspaceHits = 0
    public var keyspaceMisses = 0
    public var expiredKeys = 0
    /// Fields of hashes.
    public var expiredFields = 0
    /// Of the deadlines met by the active cycle: the longest time any came late, in milliseconds.
    public var expireLagMilliseconds: Int64 = 0
    /// Values given to slice-by-slice freeing.
    public var lazyFreedObjects = 0

    public init() {}
}

/// A large value whose key is gone, to be freed in slices.
struct Orphan {
    let value: any LargeValue
    var next = 0
}

/// The keys of a dropped database while others have keys, to be freed in slices.
struct DroppedTable {
    var table: SegmentedTable<EntryLayout>
    var next = 0
}

/// A handle: copies share the engine's state.
@safe struct EngineState {
    @unsafe struct Storage {
        /// By index, nil for those that were not used yet. Memory of zeros, which costs nothing where nothing was written.
        let databases: UnsafeMutablePointer<UnsafeMutablePointer<Database.Storage>?>
        let databaseCount: Int
        /// Those that were used, in any order.
        var databasesInUse: [Database] = []
        var areInOrder = true
        /// How many databases in use are worth looking for empty ones among them, and how far that is.
        var mostInUse = EngineState.leastSwept
        var sweepPlace = 0
        var allocator = SlabAllocator()
        /// The earliest deadline of any key of any database, or a moment before it.
        var earliestDeadline = Int64.max
        var hash: KeyHash
        var now: Int64 = 0
        var expiryTime: Int64 = 0
        /// 24 bits for the entries: see `Entry.accessClock`.
        var accessClock: UInt32 = 0
        var dirty = 0
        var listeners: ChangeListeners = []
        var effects: EffectRecorder?
        var removesExpiredKeys = true
        var settings = EngineSettings()
        var statistics = EngineStatistics()
        var random: RandomSource
        unowned(unsafe) var observer: (any KeyspaceObserver)?
        /// What the command that runs waits for, if it does.
        var wait: Wait?
        var orphans: [Orphan] = []
        var droppedTables: [DroppedTable] = []
        var retired: [SlabAllocator] = []
        /// When it was last looked how much memory is not needed.
        var lastMeasured: Int64 = 0
    }

    let storage: UnsafeMutablePointer<Storage>

    init(databaseCount: Int, seed: UInt64) {
        let hash = KeyHash(seed: seed)
        unsafe storage = .allocate(capacity: 1)
        unsafe storage.initialize(
            to: Storage(
                databases: Self.makeDirectory(databaseCount), databaseCount: databaseCount, hash: hash,
                random: RandomSource(seed: seed ^ 0x5851_F42D_4C95_7F2D)))
        // Where everyone begins.
        _ = database(0)
    }

    private static func directorySize(_ databaseCount: Int) -> Int {
        databaseCount * MemoryLayout<UInt>.stride
    }

    private static func makeDirectory(_ databaseCount: Int) -> UnsafeMutablePointer<
        UnsafeMutablePointer<Database.Storage>?
    > {
        let size = directorySize(databaseCount)
        let block = unsafe mmap(
            nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        guard let block = unsafe block, unsafe block != MAP_FAILED else { SystemMemory.exhausted(size) }
        return unsafe block.bindMemory(to: UnsafeMutablePointer<Database.Storage>?.self, capacity: databaseCount)
    }

    fileprivate func freeDirectory() {
        unsafe _ = munmap(storage.pointee.databases, Self.directorySize(databaseCount))
    }
}

extension EngineState {
    /// The database of an index, made if it was not used yet.
    @inline(__always) func database(_ index: Int) -> Database {
        precondition(UInt(bitPattern: index) < UInt(bitPattern: databaseCount), "no such database")
        guard let made = unsafe storage.pointee.databases[index] else { return makeDatabase(index) }
        return unsafe Database(at: made)
    }
    @inline(__always) var databaseCount: Int { unsafe storage.pointee.databaseCount }
    /// What all keys, values and tables lie in.
    var allocator: SlabAllocator { unsafe storage.pointee.allocator }
    @inline(__always) var hash: KeyHash { unsafe storage.pointee.hash }
    @inline(__always) var now: Int64 {
        get { unsafe storage.pointee.now }
        nonmutating set { unsafe storage.pointee.now = newValue }
    }
    /// Before every deadline.
    static let beforeAllTime = Int64.min / 2
    /// Whether effects are run: what they say was so elsewhere, and nothing of it is to be judged again.
    var isReplaying: Bool { expiryTime == Self.beforeAllTime }
    /// By what time keys and fields are expired: now, but before all time while effects are run.
    @inline(__always) var expiryTime: Int64 {
        get { unsafe storage.pointee.expiryTime }
        nonmutating set { unsafe storage.pointee.expiryTime = newValue }
    }
    /// Changes since the last save.
    @inline(__always) var dirty: Int { unsafe storage.pointee.dirty }
    @inline(__always) private var listeners: ChangeListeners {
        get { unsafe storage.pointee.listeners }
        nonmutating set { unsafe storage.pointee.listeners = newValue }
    }
    /// Whether anybody hears of changes.
    @inline(__always) var isHeard: Bool { !listeners.isEmpty }
    @inline(__always) var isObserved: Bool {
        get { listeners.contains(.observer) }
        nonmutating set { if newValue { listeners.insert(.observer) } else { listeners.remove(.observer) } }
    }
    /// Whether somebody takes the effects of writes.
    @inline(__always) var isRecorded: Bool { listeners.contains(.effects) }
    var effects: EffectRecorder? {
        get { unsafe storage.pointee.effects }
        nonmutating set {
            unsafe storage.pointee.effects = newValue
            if newValue != nil { listeners.insert(.effects) } else { listeners.remove(.effects) }
        }
    }
    /// Whether keys that have expired are removed; else they only count as absent for those who look for them.
    var removesExpiredKeys: Bool {
        get { unsafe storage.pointee.removesExpiredKeys }
        nonmutating set { unsafe storage.pointee.removesExpiredKeys = newValue }
    }
    var observer: (any KeyspaceObserver)? {
        get { unsafe storage.pointee.observer }
        nonmutating set { unsafe storage.pointee.observer = newValue }
    }
    var settings: EngineSettings {
        unsafeAddress { unsafe UnsafePointer(pointer(to: \.settings)) }
        nonmutating unsafeMutableAddress { unsafe pointer(to: \.settings) }
    }
    var statistics: EngineStatistics {
        unsafeAddress { unsafe UnsafePointer(pointer(to: \.statistics)) }
        nonmutating unsafeMutableAddress { unsafe pointer(to: \.statistics) }
    }
    var random: RandomSource {
        get { unsafe storage.pointee.random }
        nonmutating set { unsafe storage.pointee.random = newValue }
    }

    @inline(__always)
    func pointer<Value>(to path: KeyPath<Storage, Value>) -> UnsafeMutablePointer<Value> {
        let offset = unsafe MemoryLayout<Storage>.offset(of: path).unsafelyUnwrapped
        return unsafe (UnsafeMutableRawPointer(storage) + offset).assumingMemoryBound(to: Value.self)
    }

    /// What the command that has run waits for.
    var wait: Wait? {
        get { unsafe storage.pointee.wait }
        nonmutating set { unsafe storage.pointee.wait = newValue }
    }

    // MARK: the access clock

    /// The clock of an entry that is made now.
    @inline(__always) var freshAccessClock: UInt32 {
        if settings.tracksFrequency { return AccessFrequency.fresh(now: now) }
        return unsafe storage.pointee.accessClock
    }

    /// Sets the time, and with it the clock of accesses.
    func setTime(_ milliseconds: Int64) {
        now = milliseconds
        expiryTime = milliseconds
        unsafe storage.pointee.accessClock = UInt32(truncatingIfNeeded: milliseconds / 1000) & 0xFF_FFFF
        // The clock may have been put back.
        if unsafe (milliseconds &- storage.pointee.lastMeasured).magnitude >= 1000 {
            unsafe storage.pointee.lastMeasured = milliseconds
            allocator.measureSurplus()
        }
    }

    /// Counts a use of the entry.
    @inline(__always) func touch(_ entry: Entry) {
        if settings.tracksFrequency {
            entry.accessClock = AccessFrequency.touched(
                entry.accessClock, now: now, settings: settings, random: &random)
        } else {
            entry.accessClock = unsafe storage.pointee.accessClock
        }
    }

    // MARK: changes

    /// Counts changes: the only place where that is done.
    @inline(__always) func countChanges(_ count: Int) { unsafe storage.pointee.dirty &+= count }

    /// Says that a key was changed. Effects follow from what is counted here: see `commandEnded`.
    @inline(__always)
    func changed(_ key: ByteSlice, _ event: KeyEvent, count: Int, in database: Database) {
        countChanges(count)
        if isObserved { observer?.keyChanged(key, database: database.index, event: event) }
    }

    // MARK: freeing

    /// Frees an entry that is in no table any more, a large value of it in slices later.
    func free(_ entry: Entry, in database: Database) { free(entry, in: database.allocator) }

    private func free(_ entry: Entry, in allocator: SlabAllocator) {
        freePayload(of: entry, in: allocator)
        unsafe allocator.deallocate(entry.address)
    }

    @inline(__always) func freePayload(of entry: Entry, in database: Database) {
        freePayload(of: entry, in: database.allocator)
    }

    @inline(__always) private func freePayload(of entry: Entry, in allocator: SlabAllocator) {
        switch entry.encoding {
        case .integer, .embedded, .raw, .packed, .packedWithDeadlines, .integers: break
        case .external: unsafe allocator.deallocate(entry.external.block)
        case .table, .chain, .tree, .stream: if let value = entry.large { orphan(value) }
        }
    }

    /// Frees a large value that no key has any more: at once if it is not so large, else in slices later.
    func orphan(_ value: any LargeValue) {
        if value.count <= 64 {
            var next = value.deallocateSlice(from: 0, budget: Int.max)
            while let place = next { next = value.deallocateSlice(from: place, budget: Int.max) }
            return
        }
        statistics.lazyFreedObjects += 1
        unsafe storage.pointee.orphans.append(Orphan(value: value))
    }

    /// Whether there is something for `freeSlice` to do.
    var hasGarbage: Bool {
        unsafe !storage.pointee.orphans.isEmpty || !storage.pointee.droppedTables.isEmpty
            || !storage.pointee.retired.isEmpty || storage.pointee.allocator.hasSurplus || mayBeSwept
    }
    /// How many values and dropped databases wait to be freed.
    var garbageCount: Int {
        unsafe storage.pointee.orphans.count + storage.pointee.droppedTables.count + storage.pointee.retired.count
    }

    /// Frees a bounded part of what waits: some hundreds of fields or keys, one chunk of dropped databases, or some free pages.
    func freeSlice() {
        if var orphan = unsafe storage.pointee.orphans.popLast() {
            if let next = orphan.value.deallocateSlice(from: orphan.next, budget: 512) {
                orphan.next = next
                unsafe storage.pointee.orphans.append(orphan)
            }
        } else if var dropped = unsafe storage.pointee.droppedTables.popLast() {
            let allocator = dropped.table.allocator
            let next = unsafe dropped.table.deallocateSlice(from: dropped.next, budget: 512) { address in
                free(unsafe Entry(address), in: allocator)
            }
            if let next {
                dropped.next = next
                unsafe storage.pointee.droppedTables.append(dropped)
            }
        } else if let allocator = unsafe storage.pointee.retired.last {
            if allocator.releaseSlice() { unsafe storage.pointee.retired.removeLast() }
        } else if allocator.hasSurplus {
            allocator.giveBackSlice()
        } else if mayBeSwept {
            sweepSlice()
        }
    }

    // MARK: expiry

    /// Whether a key is there; leaves no trace.
    func presence(of key: ByteSlice, database index: Int) -> KeyPresence {
        guard let database = databaseInUse(index), let slot = database.table.find(key, hash: hash(key)) else {
            return .absent
        }
        return database.entry(at: slot).isExpired(expiryTime) ? .expired : .live
    }

    /// Removes a key that has expired.
    func expire(_ slot: Slot, key: ByteSlice, in database: Database) {
        guard removesExpiredKeys else { return }
        let entry = database.detach(slot)
        statistics.expiredKeys &+= 1
        if isRecorded { beginEffect("DEL", key, in: database)?.end() }
        changed(key, .expired, count: 1, in: database)
        changesTold(1)
        free(entry, in: database)
    }

    /// The earliest deadline of any key, or a moment that is not after it.
    @inline(__always) var earliestDeadline: Int64 { unsafe storage.pointee.earliestDeadline }

    /// Removes up to `limit` fields that have expired from a hash, and the hash with its last field. Returns how many.
    func expireFields(_ slot: Slot, in database: Database, limit: Int) -> Int {
        guard removesExpiredKeys else { return 0 }
        database.willChange(slot)
        let effect = isRecorded ? beginEffect("HDEL", database.entry(at: slot).key, in: database) : nil
        let removed = HashValue(database, slot, settings: settings, now: expiryTime).removeExpired(limit: limit) {
            effect?.add($0)
        }
        guard removed > 0 else {
            effect?.cancel()
            return 0
        }
        fieldsExpired(removed, at: database.entry(at: slot).key, in: database, effect)
        if HashValue(database, slot, settings: settings, now: expiryTime).count == 0 {
            let entry = database.detach(slot)
            changed(entry.key, .del, count: 0, in: database)
            free(entry, in: database)
        }
        return removed
    }

    /// Counts fields that were removed because they were expired, and says so.
    /// - Parameter effect: with the fields that were removed.
    func fieldsExpired(_ count: Int, at key: ByteSlice, in database: Database, _ effect: EffectWords?) {
        statistics.expiredFields &+= count
        effect?.end()
        changed(key, .hexpired, count: count, in: database)
        changesTold(count)
    }

    /// Removes up to `budget` keys, and fields of hashes, that are expired; true when none is left that is.
    func expireCycle(budget: Int) -> Bool {
        guard mayHaveExpired, removesExpiredKeys else { return true }
        var remaining = budget
        var earliest = Int64.max
        for database in unsafe storage.pointee.databasesInUse {
            while let slot = database.table.nextExpired(now: now - 1) {
                guard remaining > 0 else { return false }
                let entry = database.entry(at: slot)
                if let deadline = entry.nextDeadline {
                    statistics.expireLagMilliseconds = max(statistics.expireLagMilliseconds, now - 1 - deadline)
                }
                if entry.isExpired(expiryTime) {
                    remaining -= 1
                    // The key lies in the entry, which outlives the event.
                    expire(slot, key: entry.key, in: database)
                } else {
                    // Where no field has expired after all, the table has learned it by now.
                    remaining -= max(1, expireFields(slot, in: database, limit: remaining))
                }
                effects?.endGroup()
            }
            earliest = min(earliest, database.table.earliestDeadline)
        }
        unsafe storage.pointee.earliestDeadline = earliest
        return true
    }
}

extension EngineState {
    /// Frees the state and everything in it.
    func deallocate() {
        unsafe storage.pointee.retired.append(allocator)
        for allocator in unsafe storage.pointee.retired { while !allocator.releaseSlice() {} }
        freeDirectory()
        unsafe storage.deinitialize(count: 1)
        unsafe storage.deallocate()
    }
}
