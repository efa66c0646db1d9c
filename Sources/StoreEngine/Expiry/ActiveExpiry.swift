// Active expiry: keys, and fields of hashes, go when their deadlines have passed, though nobody asks for them.
//
// Nothing is sampled. The table of each database knows its segments by their earliest deadlines, so the cycle takes what has expired
// in about the order in which it did, a bounded number each turn. It visits every database in use, one after the other. The earliest deadline of all databases is known as a bound that
// is never later than it: the loop sleeps until then, and a request compares it with the time (`RequestExpiry.swift`).

import RespCodec

extension Expiry {
    /// Removes keys, and fields of hashes, that are expired; true when none is left that is.
    /// - Parameter budget: about how many are removed, and places looked into in vain, at the most.
    func cycle(budget: Int) -> Bool {
        guard mayHaveExpired, engine.removesExpiredKeys else { return true }
        let now = engine.now
        var remaining = budget
        var earliest = Int64.max
        for database in engine.directory.inUse {
            while let slot = database.table.nextExpired(now: now - 1, database.deadlineWindow, budget: &remaining) {
                let entry = database.entry(at: slot)
                if let deadline = database.nextDeadline(of: entry) {
                    engine.statistics.expireLagMilliseconds = max(
                        engine.statistics.expireLagMilliseconds, now - 1 - deadline)
                }
                if database.isExpired(entry, engine.expiryTime) {
                    remaining -= 1
                    // The key lies in the entry, which outlives the event.
                    removeKey(slot, key: entry.key, in: database)
                } else {
                    // Where no field has expired after all, the table has learned it by now.
                    removeFields(slot, in: database, budget: &remaining)
                }
                engine.effects?.endGroup()
            }
            guard remaining > 0 else { return false }
            earliest = min(earliest, database.table.earliestDeadline)
        }
        earliestDeadline = earliest
        return true
    }
}
