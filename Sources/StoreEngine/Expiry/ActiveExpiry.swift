// Active expiry: keys, and fields of hashes, go when their deadlines have passed, though nobody asks for them.
//
// Nothing is sampled. The table of each database knows its segments by their earliest deadlines, so the cycle takes what has expired
// in about the order in which it did, a bounded number each turn. The earliest deadline of all databases stands here, as a bound that
// is never after the truth: the loop sleeps until then, and a request compares it with the time (`RequestExpiry.swift`).

import RespCodec

/// What active expiry remembers between its cycles.
struct ActiveExpiry {
    /// The earliest deadline of any key of any database, or a moment before it. Databases lower it, the cycle puts it right.
    var earliestDeadline = Int64.max
}

extension EngineState {
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
    @inline(__always) var earliestDeadline: Int64 { unsafe storage.pointee.expiry.earliestDeadline }

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
        unsafe storage.pointee.expiry.earliestDeadline = earliest
        return true
    }
}
