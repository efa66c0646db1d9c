// The engine's variables, reached through a handle that costs no reference count.

import RespCodec

/// A handle: copies share the engine's state. The variables are its members (`engine.now`), and so are the parts that work on them
/// (`engine.expiry`).
@dynamicMemberLookup
@usableFromInline @safe struct EngineState {
    @unsafe struct Storage {
        var variables: EngineVariables
        unowned(unsafe) var observer: (any KeyspaceObserver)?
    }

    /// The variables are what its memory begins with.
    @usableFromInline let storage: UnsafeMutableRawPointer

    init(databaseCount: Int, seed: UInt64) {
        let memory = UnsafeMutablePointer<Storage>.allocate(capacity: 1)
        unsafe memory.initialize(to: Storage(variables: EngineVariables(databaseCount: databaseCount, seed: seed)))
        unsafe storage = UnsafeMutableRawPointer(memory)
        // The database that clients begin with.
        _ = database(0)
    }

    /// Frees the state and everything in it.
    @unsafe func deallocate() {
        abandonDatabases()
        freeing.releaseAll()
        unsafe self.directory.deallocate()
        let memory = unsafe storage.assumingMemoryBound(to: Storage.self)
        unsafe memory.deinitialize(count: 1)
        unsafe memory.deallocate()
    }

    // MARK: variables

    @inline(__always) var variables: EngineVariables {
        unsafeAddress { unsafe UnsafePointer(storage.assumingMemoryBound(to: EngineVariables.self)) }
        nonmutating unsafeMutableAddress { unsafe storage.assumingMemoryBound(to: EngineVariables.self) }
    }

    @inlinable @inline(__always)
    func pointer<Value>(to path: KeyPath<EngineVariables, Value>) -> UnsafeMutablePointer<Value> {
        // The path is written where this is inlined, so that the offset is a constant.
        let offset = unsafe MemoryLayout<EngineVariables>.offset(of: path).unsafelyUnwrapped
        return unsafe (storage + offset).assumingMemoryBound(to: Value.self)
    }

    @inlinable subscript<Value>(dynamicMember path: KeyPath<EngineVariables, Value>) -> Value {
        @inline(__always) unsafeAddress { unsafe UnsafePointer(pointer(to: path)) }
    }

    @inlinable subscript<Value>(dynamicMember path: WritableKeyPath<EngineVariables, Value>) -> Value {
        @inline(__always) unsafeAddress { unsafe UnsafePointer(pointer(to: path)) }
        @inline(__always) nonmutating unsafeMutableAddress { unsafe pointer(to: path) }
    }

    /// Who hears of changes, as long as `isObserved`.
    var observer: (any KeyspaceObserver)? {
        get { unsafe storage.assumingMemoryBound(to: Storage.self).pointee.observer }
        nonmutating set { unsafe storage.assumingMemoryBound(to: Storage.self).pointee.observer = newValue }
    }

    // MARK: time

    /// Before every deadline.
    static let beforeAllTime = Int64.min / 2
    /// Whether effects are run: what they say was so elsewhere, and nothing of it is to be judged again.
    var isReplaying: Bool { self.expiryTime == Self.beforeAllTime }

    /// Sets the time, and with it the clock of accesses.
    func setTime(_ milliseconds: Int64) {
        self.now = milliseconds
        if !isReplaying { self.expiryTime = milliseconds }
        accessClock.setTime(milliseconds)
        expiry.moveWindow(to: milliseconds)
        freeing.measureSurplus(at: milliseconds)
    }

    // MARK: changes

    @inline(__always) var isObserved: Bool {
        get { self.listeners.contains(.observer) }
        nonmutating set { if newValue { self.listeners.insert(.observer) } else { self.listeners.remove(.observer) } }
    }

    /// Whether the observer is told of what is no change of its own.
    @inline(__always) var tellsNotices: Bool {
        get { self.listeners.contains(.notices) }
        nonmutating set { if newValue { self.listeners.insert(.notices) } else { self.listeners.remove(.notices) } }
    }

    /// Whether somebody takes the effects of writes.
    @inline(__always) var isRecorded: Bool { self.listeners.contains(.effects) }

    /// Has effects taken from now on, or no longer.
    func recordEffects(with recorder: EffectRecorder?) {
        unsafe self.borrowedEffects = recorder.map { unsafe Unmanaged.passUnretained($0) }
        self.effects = recorder
        if recorder != nil { self.listeners.insert(.effects) } else { self.listeners.remove(.effects) }
    }

    /// Counts changes: the only place where that is done.
    @inline(__always) func countChanges(_ count: Int) { self.changeCount &+= count }

    /// Says that a key was changed. Effects follow from what is counted here: see `commandEnded`.
    @inline(__always)
    func changed(_ key: ByteSlice, _ event: KeyEvent, count: Int, in database: Database) {
        countChanges(count)
        if !self.listeners.isDisjoint(with: [.observer, .accessClock]) { tellChanged(key, event, in: database) }
    }

    /// Tells those of a change who want to know of each key.
    @inline(never)
    private func tellChanged(_ key: ByteSlice, _ event: KeyEvent, in database: Database) {
        if self.listeners.contains(.accessClock) { accessClock.noteChange(key, in: database) }
        if isObserved { observer?.keyChanged(key, database: database.index, event: event) }
    }

    /// Tells the observer of what is no change of its own. To be called only if `tellsNotices`.
    @inline(never)
    func notice(_ key: ByteSlice, _ event: KeyEvent, in database: Database) {
        observer?.keyNoticed(key, database: database.index, event: event)
    }

    /// Says that a key was removed though no command was to do so: as DEL to those who take effects.
    func keyRemoved(_ key: ByteSlice, _ event: KeyEvent, in database: Database) {
        if isRecorded { beginEffect("DEL", key, in: database)?.endUnasked() }
        changed(key, event, count: 1, in: database)
        changesTold(1)
    }
}
