// What an engine consists of, declared once. `EngineState` and `Engine` reach every field by its name.
//
// All fields are stored properties without observers: they are found by their offsets.

import RespCodec

/// Who is told why a payload was refused. A bare closure would be stored wrapped, and have no key path offset.
public struct RefusedPayloads {
    let tell: (String) -> Void

    public init(_ tell: @escaping (String) -> Void) { self.tell = tell }
}

/// The variables of an engine, in one place in memory.
@safe public struct EngineVariables {
    /// How many databases there are, used or not.
    public let databaseCount: Int
    var directory: DatabaseDirectory
    /// What all keys, values and tables lie in.
    var allocator = SlabAllocator()
    /// By what keys are found.
    let hash: KeyHash
    /// Where everything random comes from.
    var random: RandomSource
    /// Milliseconds since 1970, as last set.
    public internal(set) var now: Int64 = 0
    /// By what time keys and fields are expired: `now`, but earlier than any deadline while effects are run.
    var expiryTime: Int64 = 0
    /// How many changes there have been. It only grows: who tells effects compares it.
    public internal(set) var changeCount = 0
    /// How many of those are saved.
    var savedChangeCount = 0
    /// How often commands have flushed all databases.
    public internal(set) var flushCount = 0
    /// Who hears of changes.
    @usableFromInline var listeners: ChangeListeners = []
    /// Who takes the effects of writes: see `EngineState.recordEffects`.
    var effects: EffectRecorder?
    /// The same, without a reference count.
    var borrowedEffects: Unmanaged<EffectRecorder>?
    /// Whether keys that have expired are removed; else they only count as absent for those who look for them.
    public var removesExpiredKeys = true
    public var settings = EngineSettings()
    public var statistics = EngineStatistics()
    /// Is told why RESTORE has refused a payload.
    public var refusals: RefusedPayloads?
    /// What the command that has run waits for, if it does.
    var wait: Wait?

    /// What is being written of all keys.
    var snapshot: SnapshotSaver?
    /// The ticket that a table got last: see `SegmentedTable.ticket`.
    var lastTicket: UInt32 = 0

    // MARK: parts

    var accessClock = AccessClock.Variables()
    var expiry = Expiry.Variables()
    var freeing = Freeing.Variables()
    var eviction = Eviction.Variables()
    var defragmentation = Defragmentation.Variables()

    init(databaseCount: Int, seed: UInt64) {
        self.databaseCount = databaseCount
        directory = DatabaseDirectory(databaseCount)
        hash = KeyHash(seed: seed)
        random = RandomSource(seed: seed ^ 0x5851_F42D_4C95_7F2D)
    }
}
