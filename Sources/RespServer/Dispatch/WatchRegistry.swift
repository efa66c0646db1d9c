// Who watches which key: WATCH breaks a client's transaction when a key it watches is changed.
//
//     key -> cohort of the clients that watch it -> those clients, each of which holds its cohorts
//
// A change does not look for clients: it marks the key's cohort broken and drops it, and each of the clients finds that out when it
// comes to EXEC. So a change costs the same however many watch the key, and later ones nothing.
//
// A key that has expired when it is watched counts as absent: that it is removed later is no change. So a key may have two cohorts,
// one of those who found it in this state.

import RespCodec
import StoreEngine

/// Clients that watch a key, and that one change of it breaks the watches of.
final class WatchCohort {
    let key: WatchedKey
    /// The key was there when it was watched, but expired.
    fileprivate(set) var wasExpired: Bool
    fileprivate(set) var isBroken = false
    fileprivate var count = 0

    init(_ key: WatchedKey, wasExpired: Bool) {
        self.key = key
        self.wasExpired = wasExpired
    }
}

/// What one client watches.
final class ClientWatches {
    /// No other code runs while they are modified, so exclusive access is not checked at run time.
    @safe @exclusivity(unchecked) private var cohorts: [WatchCohort] = []
    /// The same, once they are many.
    private var identities: Set<ObjectIdentifier> = []
    /// How many changes had broken watches of anybody when these were looked at last, and whether one of them was broken then.
    fileprivate var lookedAfter = 0
    fileprivate var wasBroken = false
    fileprivate var keyCount: Int { cohorts.count }
    /// About what a key takes besides its bytes: a cohort, which several clients may share, and its places in tables.
    private static let bytesOfKey = 160
    private var keyBytes = 0
    /// The memory that it takes, cohorts that others have, too, included.
    var byteCount: Int { keyBytes + cohorts.count * Self.bytesOfKey }

    /// How many keys are watched; none once one of them was changed.
    var count: Int { isBroken ? 0 : cohorts.count }
    /// Whether one of the keys was changed.
    /// - Complexity: O(n) in the keys.
    var isBroken: Bool { cohorts.contains { $0.isBroken } }

    /// How many keys several clients watch, each counted once.
    /// - Complexity: O(n) in the keys of all.
    static func keyCount(ofAll watches: [ClientWatches]) -> Int {
        Set(watches.lazy.flatMap { $0.cohorts.lazy.map(\.key) }).count
    }

    fileprivate func contains(_ cohort: WatchCohort, _ steps: StepCounter) -> Bool {
        guard identities.isEmpty else { return identities.contains(ObjectIdentifier(cohort)) }
        steps.step(cohorts.count)
        return cohorts.contains { $0 === cohort }
    }

    fileprivate func add(_ cohort: WatchCohort) {
        cohorts.append(cohort)
        keyBytes += cohort.key.key.count
        if cohorts.count == 16 {
            identities = Set(cohorts.map { ObjectIdentifier($0) })
        } else if cohorts.count > 16 {
            identities.insert(ObjectIdentifier(cohort))
        }
    }

    fileprivate func removeAll() -> [WatchCohort] {
        defer {
            cohorts = []
            identities = []
            keyBytes = 0
            wasBroken = false
        }
        return cohorts
    }

    fileprivate func contains(where condition: (WatchCohort) -> Bool) -> Bool { cohorts.contains(where: condition) }
}

final class WatchRegistry {
    /// Who watches one key.
    private struct Cohorts {
        var regular: WatchCohort?
        /// Of those for whom the key was expired already. There is none while the key is absent.
        var expired: WatchCohort?
        var isEmpty: Bool { regular == nil && expired == nil }
    }

    /// By the number of the database. No other code runs while a table is modified, so exclusive access is not checked at run time.
    @safe @exclusivity(unchecked) private var tables: [[[UInt8]: Cohorts]] = []
    /// An empty table with room for up to this many keys is kept.
    private static let keptCapacity = 64
    private let engine: Engine
    private let filter: KeyFilter
    let steps = StepCounter()

    init(engine: Engine, filter: KeyFilter) {
        self.engine = engine
        self.filter = filter
    }

    /// How many keys are watched and were not changed since.
    private(set) var keyCount = 0
    /// How many times a change has broken watches.
    private var breakCount = 0

    /// Whether one of the keys that a client watches was changed.
    /// - Complexity: O(1) if no change has broken anybody's watches since the last call, else O(n) in the keys.
    func isBroken(_ watches: ClientWatches) -> Bool {
        if !watches.wasBroken && watches.lookedAfter != breakCount {
            steps.step(watches.keyCount)
            watches.lookedAfter = breakCount
            watches.wasBroken = watches.isBroken
        }
        return watches.wasBroken
    }

    /// - Complexity: O(1).
    func watch(_ key: ByteSlice, database: Int, by watches: ClientWatches) {
        steps.step()
        let bytes = key.array
        while tables.count <= database { tables.append([:]) }
        let found = tables[database][bytes]
        for cohort in [found?.regular, found?.expired] {
            if let cohort, watches.contains(cohort, steps) { return }
        }
        let isExpired = engine.presence(of: key, database: database) == .expired
        let cohort: WatchCohort
        if let present = isExpired ? found?.expired : found?.regular {
            cohort = present
        } else {
            cohort = WatchCohort(WatchedKey(database: database, key: bytes), wasExpired: isExpired)
            filter.add(bytes)
            var cohorts = found ?? Cohorts()
            if isExpired { cohorts.expired = cohort } else { cohorts.regular = cohort }
            set(cohorts, key: bytes, database: database)
        }
        cohort.count += 1
        watches.add(cohort)
    }

    /// - Complexity: O(n) in the keys that this client watches.
    func unwatchAll(_ watches: ClientWatches) {
        for cohort in watches.removeAll() where !cohort.isBroken {
            steps.step()
            cohort.count -= 1
            guard cohort.count == 0 else { continue }
            filter.remove(cohort.key.key)
            var cohorts = tables[cohort.key.database][cohort.key.key] ?? Cohorts()
            if cohort.wasExpired { cohorts.expired = nil } else { cohorts.regular = nil }
            set(cohorts, key: cohort.key.key, database: cohort.key.database)
        }
    }

    /// Whether a key that the client watches has expired since, without anybody having looked.
    func hasExpired(_ watches: ClientWatches) -> Bool {
        watches.contains { cohort in
            let key = cohort.key
            return !cohort.wasExpired
                && key.key.withByteSlice { engine.presence(of: $0, database: key.database) } == .expired
        }
    }

    private func set(_ cohorts: Cohorts, key: [UInt8], database: Int) {
        guard cohorts.isEmpty else {
            if tables[database].updateValue(cohorts, forKey: key) == nil { keyCount += 1 }
            return
        }
        guard tables[database].removeValue(forKey: key) != nil else { return }
        keyCount -= 1
        // A small table is kept for those who watch next.
        if tables[database].isEmpty && tables[database].capacity > Self.keptCapacity { tables[database] = [:] }
    }

    /// The keys of a database that are watched.
    private func watched(_ database: Int) -> [[UInt8]: Cohorts] { database < tables.count ? tables[database] : [:] }

    // MARK: what happens to keys

    /// - Complexity: O(1).
    func keyChanged(_ key: [UInt8], database: Int, event: KeyEvent) {
        guard event.breaksWatches, database < tables.count, var cohorts = tables[database][key] else {
            return
        }
        steps.step()
        if event.eventClass == .expired {
            change(&cohorts, to: .absent)
        } else {
            breakWatches(&cohorts.regular)
            breakWatches(&cohorts.expired)
        }
        set(cohorts, key: key, database: database)
    }

    /// - Complexity: O(1) for each watched key of the database.
    func databaseWillFlush(_ database: Int, presence: (ByteSlice) -> KeyPresence) {
        for (key, cohorts) in watched(database) where key.withByteSlice(presence) != .absent {
            steps.step()
            var cohorts = cohorts
            change(&cohorts, to: .absent)
            set(cohorts, key: key, database: database)
        }
    }

    /// - Complexity: O(1) for each watched key of one of the databases, if there are any keys.
    func databasesWillSwap(_ first: Int, _ second: Int, presence: (Int, ByteSlice) -> KeyPresence) {
        guard engine.database(first).count > 0 || engine.database(second).count > 0 else { return }
        for (database, other) in [(first, second), (second, first)] {
            for (key, cohorts) in watched(database) {
                steps.step()
                let (old, new) = key.withByteSlice { (presence(database, $0), presence(other, $0)) }
                var cohorts = cohorts
                if old != .absent {
                    change(&cohorts, to: new)
                } else if new == .expired {
                    // What counted as absent still does.
                    cohorts.expired = cohorts.regular
                    cohorts.regular = nil
                    cohorts.expired?.wasExpired = true
                } else if new == .live {
                    breakWatches(&cohorts.regular)
                } else {
                    continue
                }
                set(cohorts, key: key, database: database)
            }
        }
    }

    /// The key, which was there, is replaced as a whole by what `new` says.
    private func change(_ cohorts: inout Cohorts, to new: KeyPresence) {
        breakWatches(&cohorts.regular)
        switch new {
        case .live: breakWatches(&cohorts.expired)
        case .expired: break
        case .absent:
            cohorts.regular = cohorts.expired
            cohorts.expired = nil
            cohorts.regular?.wasExpired = false
        }
    }

    private func breakWatches(_ cohort: inout WatchCohort?) {
        guard let broken = cohort else { return }
        broken.isBroken = true
        breakCount &+= 1
        filter.remove(broken.key.key)
        cohort = nil
    }
}
