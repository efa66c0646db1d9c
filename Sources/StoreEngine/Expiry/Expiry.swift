// What becomes of keys, and of fields of hashes, whose deadlines have passed. They go in one of two ways: before a request that names
// them (`RequestExpiry.swift`), or without being asked for (`ActiveExpiry.swift`).

import RespCodec

/// A handle on the engine, and the part of it that removes what has expired.
struct Expiry {
    struct Variables {
        /// The earliest deadline of any key of any database, or a moment before it. Databases lower it, the active cycle puts it
        /// right.
        var earliestDeadline = Int64.max
        /// By what deadlines in entries are read.
        var window = DeadlineWindow(at: 0)
    }

    let engine: EngineState

    /// The earliest deadline of any key, or a moment that is not after it.
    @inline(__always) var earliestDeadline: Int64 {
        get { engine.variables.expiry.earliestDeadline }
        nonmutating set { engine.variables.expiry.earliestDeadline = newValue }
    }

    /// Whether any key, or field of a hash, of any database may have expired.
    @inline(__always) var mayHaveExpired: Bool { earliestDeadline < engine.expiryTime }

    /// By what deadlines in entries are read.
    @inline(__always) var window: DeadlineWindow { engine.variables.expiry.window }

    /// To be called when the time is set: moves the window of deadlines on with it. Not while entries that are in no table may still be
    /// read, or keys are kept that have expired.
    func moveWindow(to time: Int64) {
        guard engine.snapshot == nil && !engine.isReplaying else { return }
        engine.variables.expiry.window.move(to: time, earliest: earliestDeadline)
    }

    /// To be called when no database has a key any more.
    func allKeysDropped() { earliestDeadline = Int64.max }

    /// Removes a key that has expired.
    func removeKey(_ slot: Slot, key: ByteSlice, in database: Database) {
        guard engine.removesExpiredKeys else { return }
        let entry = database.detach(slot)
        engine.statistics.expiredKeys &+= 1
        engine.keyRemoved(key, .expired, in: database)
        unsafe engine.freeing.free(entry, in: database)
    }

    /// Removes fields that have expired from a hash, and the hash with its last field.
    /// - Parameter budget: see `HashValue.removeExpired`.
    func removeFields(_ slot: Slot, in database: Database, budget: inout Int) {
        guard engine.removesExpiredKeys else { return }
        database.willChange(slot)
        func hash() -> HashValue { HashValue(database, slot, settings: engine.settings, now: engine.expiryTime) }
        let effect = engine.isRecorded ? engine.beginEffect("HDEL", database.entry(at: slot).key, in: database) : nil
        let removed = hash().removeExpired(budget: &budget) { effect?.add($0) }
        guard removed > 0 else {
            effect?.cancel()
            return
        }
        fieldsRemoved(removed, at: database.entry(at: slot).key, in: database, effect)
        if hash().count == 0 {
            let entry = database.detach(slot)
            engine.changed(entry.key, .del, count: 0, in: database)
            unsafe engine.freeing.free(entry, in: database)
        }
    }

    /// Counts fields that were removed because they were expired, and says so.
    /// - Parameter effect: with the fields that were removed.
    func fieldsRemoved(_ count: Int, at key: ByteSlice, in database: Database, _ effect: EffectWords?) {
        engine.statistics.expiredFields &+= count
        effect?.endUnasked()
        engine.changed(key, .hexpired, count: count, in: database)
        engine.changesTold(count)
    }
}

extension EngineState {
    @inline(__always) var expiry: Expiry { Expiry(engine: self) }
}
