// What an engine is made of, in one place in memory, reached through a handle that costs no reference count.

import Glibc
import RespCodec

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
        var expiry = ActiveExpiry()
        var freeing = LazyFreeing()
        var accessClock = AccessClock()
        var hash: KeyHash
        var now: Int64 = 0
        var expiryTime: Int64 = 0
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

    /// Sets the time, and with it the clock of accesses.
    func setTime(_ milliseconds: Int64) {
        now = milliseconds
        expiryTime = milliseconds
        unsafe storage.pointee.accessClock.setTime(milliseconds)
        measureSurplus(at: milliseconds)
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

}

extension EngineState {
    /// Frees the state and everything in it.
    func deallocate() {
        for database in unsafe storage.pointee.databasesInUse { database.abandon() }
        unsafe storage.pointee.freeing.retire(allocator)
        unsafe storage.pointee.freeing.releaseAll()
        freeDirectory()
        unsafe storage.deinitialize(count: 1)
        unsafe storage.deallocate()
    }
}
