// What a command on data sees: a database, the time, where to reply, and one way to say that something changed.
//
// Each command that is run has one of its own (`Engine.run`), which owns nothing. Looking for a key removes nothing: what has expired among
// a request's keys went before its command runs (`Expiry/RequestExpiry.swift`), and any other key that has expired counts as absent. So a
// slot stays good until something is written.

import RespCodec

/// How a command looks for a key.
public enum KeyAccess: Sendable {
    /// Counts as a hit or a miss and as a use of the key.
    case read
    /// Counts as a use of the key. What it holds may be changed.
    case write
    /// Counts as a hit or a miss and as a use of the key. What it holds may be changed.
    case update
    /// Counts as a hit or a miss, but not as a use of the key.
    case inspect
    /// The same, but nobody is told of a miss.
    case examine
    /// Leaves no trace.
    case peek

    @inline(__always) fileprivate var isCounted: Bool { self != .write && self != .peek }
    @inline(__always) fileprivate var isUse: Bool { self == .read || self == .update || self == .write }
    @inline(__always) fileprivate var mayChange: Bool { self == .write || self == .update }
}

@safe public struct KeyspaceContext: ReplyingContext {
    let engine: EngineState
    public internal(set) var database: Database
    public let reply: ReplyWriter
    /// Milliseconds since 1970; the same during one command, transaction or script.
    public let now: Int64
    /// Arguments that were received in blocks of their own, which a command may keep instead of copying.
    /// Whoever runs the command holds them.
    unowned(unsafe) public let adoptable: AdoptableArguments?
    private(set) var options: CallOptions
    private let hashedKey: UnsafeRawPointer?
    private let hashOfKey: UInt64

    /// - Parameter hashed: a key whose hash is known already, and the hash.
    @inline(__always)
    public init(
        _ engine: borrowing Engine, database: Database, reply: ReplyWriter,
        hashed: (key: ByteSlice, hash: UInt64)? = nil,
        adoptable: AdoptableArguments? = nil, options: CallOptions = []
    ) {
        self.engine = engine.state
        self.database = database
        self.reply = reply
        unsafe self.adoptable = adoptable
        self.options = options
        now = engine.state.now
        // Behind an empty key another one may begin at the same place.
        unsafe hashedKey = hashed.flatMap { unsafe $0.key.count > 0 ? $0.key.rawBytes.baseAddress : nil }
        hashOfKey = hashed?.hash ?? 0
    }

    @inline(__always) var settings: EngineSettings { engine.settings }
    /// How long a command may make a string. What was let through once is let through where effects are run, whatever the settings are now.
    var maximumStringLength: Int { engine.isReplaying ? 1 << 40 : engine.settings.maximumStringLength }
    /// By what time keys and fields are expired: `now`, but earlier than any deadline while effects are run.
    @inline(__always) var expiryTime: Int64 { engine.expiryTime }

    /// Another database of the engine.
    func database(_ index: Int) -> Database { engine.database(index) }
    var databaseCount: Int { engine.databaseCount }

    @inline(__always)
    func hash(_ key: ByteSlice) -> UInt64 {
        if let hashedKey = unsafe hashedKey, unsafe hashedKey == key.rawBytes.baseAddress { return hashOfKey }
        return engine.hash(key)
    }

    // MARK: looking for keys

    /// The key's slot, unless it is absent or has expired. Changes nothing but the access clock and the counts of hits and misses.
    @inline(__always)
    func find(_ key: ByteSlice, _ access: KeyAccess = .write, in database: Database? = nil) -> Slot? {
        let database = database ?? self.database
        guard let slot = database.table.find(key, hash: hash(key)),
            // Most of the time nothing has expired that is still there.
            !engine.expiry.mayHaveExpired || !database.isExpired(slot, engine.expiryTime)
        else {
            if access.isCounted {
                engine.statistics.keyspaceMisses &+= 1
                if engine.tellsNotices && access != .examine { engine.notice(key, .keyMiss, in: database) }
            }
            return nil
        }
        if access.isCounted { engine.statistics.keyspaceHits &+= 1 }
        if access.isUse && !options.contains(.leavesAccessTimes) {
            engine.accessClock.touch(database.entry(at: slot))
        }
        if access.mayChange { database.willChange(slot) }
        return slot
    }

    /// The key's slot if it holds a value of this type; nil if it is absent.
    /// - Throws: `wrongType` for a value of another type.
    @inline(__always)
    func find(_ key: ByteSlice, as type: ValueType, _ access: KeyAccess = .write) throws(CommandError) -> Slot? {
        guard let slot = find(key, access) else { return nil }
        guard database.entry(at: slot).isType(type) else { throw .wrongType }
        return slot
    }

    @inline(__always) func entry(_ slot: Slot) -> Entry { database.entry(at: slot) }

    // MARK: changing keys

    /// Says that a key was changed: every command that changes one says so once per key, after the change.
    /// - Parameter count: how much this adds to the count of changes since the last save.
    @inline(__always)
    func changed(_ key: ByteSlice, _ event: KeyEvent, count: Int = 1, in database: Database? = nil) {
        let database = database ?? self.database
        database.checkAnnounced(key)
        engine.changed(key, event, count: count, in: database)
    }

    /// Says that a key, if it is there, gets a new value in place of the one that it has, which is not made of that. To be called before.
    @inline(__always)
    func noticeOverwriting(_ key: ByteSlice, _ slot: Slot?, with type: ValueType) {
        if engine.tellsNotices, let slot { noticeOverwritten(key, database.entry(at: slot).type, type, in: database) }
    }

    /// The same, but that nobody is told that a key is new, if it is made in place of one that was removed before.
    func replacing(_ isReplacement: Bool) -> KeyspaceContext {
        var context = self
        if isReplacement { context.options.insert(.replacesKeys) }
        return context
    }

    /// Says that the value of a key was replaced by another one.
    @inline(never)
    func noticeOverwritten(_ key: ByteSlice, _ old: ValueType, _ new: ValueType, in database: Database) {
        guard engine.tellsNotices else { return }
        engine.notice(key, .overwritten, in: database)
        if old != new { engine.notice(key, .typeChanged, in: database) }
    }

    /// Removes a key and frees its value, a large one in slices later. Says nothing to anybody.
    func removeQuietly(_ slot: Slot, in database: Database? = nil) {
        let database = database ?? self.database
        unsafe engine.freeing.free(database.detach(slot), in: database)
    }

    /// Removes a collection whose last element was taken out, and says so. To be called after the change itself was told of.
    func removeEmptied(_ key: ByteSlice) {
        guard let slot = find(key, .peek) else { return }
        removeQuietly(slot)
        changed(key, .del, count: 0)
    }

    /// Frees what an entry points to, but not the entry.
    @unsafe func freePayload(of entry: Entry, in database: Database? = nil) {
        unsafe engine.freeing.freePayload(of: entry, in: database ?? self.database)
    }

    /// A new entry for the current database, not in its table yet.
    @inline(__always)
    func makeEntry(_ type: ValueType, _ encoding: Encoding, key: ByteSlice, deadline: Int64?, payload: Int) -> Entry {
        database.makeEntry(
            type, encoding, key: key, deadline: deadline, payload: payload, accessClock: engine.accessClock.fresh)
    }

    /// Puts a new entry in a table; its key must not be there.
    /// - Parameter stringLength: of a string, how long it is, if that is known.
    @inline(__always) @discardableResult
    func insert(
        _ entry: Entry, key: ByteSlice, in database: Database? = nil, stringLength: Int? = nil
    ) -> Slot {
        let database = database ?? self.database
        let slot = database.insert(entry, hash: hash(key), stringLength: stringLength)
        if engine.tellsNotices && !options.contains(.replacesKeys) { engine.notice(key, .new, in: database) }
        return slot
    }

    /// The access clock of a key, if it tells how often the key is used: that does not begin anew with another value.
    func frequencyClock(_ slot: Slot) -> UInt32? {
        engine.accessClock.tracksFrequency ? database.entry(at: slot).accessClock : nil
    }

    /// Puts a new entry in the table, in place of the old one of its key if there is one.
    /// - Parameters:
    ///   - keepsFrequency: whether the key is used as often as before; else that is the entry's own.
    ///   - stringLength: of a string, how long it is, if that is known.
    @inline(__always)
    func store(
        _ entry: Entry, key: ByteSlice, replacing slot: Slot?, keepsFrequency: Bool = true, stringLength: Int? = nil
    ) {
        if let slot {
            database.willChange(slot)
            database.forgetFields(slot)
            database.uncountSize(of: database.entry(at: slot))
            if keepsFrequency, let frequency = frequencyClock(slot) { entry.accessClock = frequency }
            unsafe engine.freeing.freePayload(of: database.entry(at: slot), in: database)
            database.replace(slot, with: entry)
        } else {
            insert(entry, key: key, stringLength: stringLength)
        }
    }
}
