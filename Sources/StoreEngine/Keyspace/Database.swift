// One database: a table of entries, in the allocator that all databases of an engine share.
//
// Knows keys, entries and their memory; knows nothing of commands, replies, or who wants to hear of a change. A database is made
// when it is first used (`EngineState.database`), and is itself a block of the allocator. What a key owns may go to another database
// as it is, because the memory is the same.

import Glibc
import RespCodec

/// A handle: copies share the database.
@safe public struct Database {
    @unsafe struct Storage {
        /// At the beginning, where the database's address is the table's.
        var table: SegmentedTable<EntryLayout>
        var index: Int
        var deadlineCount = 0
        var fieldDeadlineCount = 0
        var sizes = KeySizes()
        /// Of the whole engine.
        let expiry: UnsafeMutablePointer<Expiry.Variables>
        #if DEBUG
        let announced = AnnouncedKeys()
        #endif
    }

    let storage: UnsafeMutablePointer<Storage>

    /// The database at an address that the engine holds.
    @unsafe @inline(__always) init(at storage: UnsafeMutablePointer<Storage>) { unsafe self.storage = storage }

    init(index: Int, hash: KeyHash, expiry: UnsafeMutablePointer<Expiry.Variables>, allocator: SlabAllocator) {
        unsafe storage = allocator.allocate(MemoryLayout<Storage>.stride).bindMemory(to: Storage.self, capacity: 1)
        unsafe storage.initialize(
            to: Storage(table: SegmentedTable(allocator: allocator, hash: hash), index: index, expiry: expiry))
    }

    /// Frees the database, which must be empty.
    @unsafe func deallocate() {
        precondition(count == 0, "a database with keys is not to be freed")
        let allocator = allocator
        forgetSizes()
        _ = unsafe table.deallocateSlice(from: 0, budget: Int.max) { _ in }
        unsafe storage.deinitialize(count: 1)
        unsafe allocator.deallocate(storage)
    }

    /// Ends a database whose memory, keys and all, goes with its allocator.
    @unsafe func abandon() { unsafe storage.deinitialize(count: 1) }

    /// Takes all keys out, and returns the table that they are in.
    func detachAll() -> SegmentedTable<EntryLayout> {
        let full = table
        forgetSizes()
        unsafe storage.pointee.table = SegmentedTable(allocator: full.allocator, hash: full.hash)
        unsafe storage.pointee.table.ticket = full.allocator.snapshot?.ticketOfNewTables ?? 0
        unsafe storage.pointee.deadlineCount = 0
        unsafe storage.pointee.fieldDeadlineCount = 0
        return full
    }

    @inline(__always) private var tablePointer: UnsafeMutablePointer<SegmentedTable<EntryLayout>> {
        unsafe UnsafeMutableRawPointer(storage).assumingMemoryBound(to: SegmentedTable<EntryLayout>.self)
    }
    @inline(__always) var table: SegmentedTable<EntryLayout> {
        unsafeAddress { unsafe UnsafePointer(tablePointer) }
        nonmutating unsafeMutableAddress { unsafe tablePointer }
    }

    /// The number that SELECT takes.
    public var index: Int {
        get { unsafe storage.pointee.index }
        nonmutating set { unsafe storage.pointee.index = newValue }
    }
    @inline(__always) var allocator: SlabAllocator { table.allocator }
    /// How this database and its tables hash keys.
    var hash: KeyHash { table.hash }
    /// How many keys there are, those that have expired and are not yet removed included.
    public var count: Int { table.count }
    /// How many keys have a deadline.
    public var deadlineCount: Int { unsafe storage.pointee.deadlineCount }
    /// How many hashes have fields with deadlines, those included whose last such field was removed before its time.
    public var fieldDeadlineCount: Int { unsafe storage.pointee.fieldDeadlineCount }
    /// About how long keys that have a deadline still live on the average, in milliseconds, by as many samples; 0 if none has one.
    /// - Complexity: O(samples).
    public func meanTimeToLive(now: Int64, samples: Int = 400) -> Int {
        guard deadlineCount > 0 else { return 0 }
        // Of its own, so that nothing that is drawn depends on who asks.
        var random = RandomSource(seed: UInt64(truncatingIfNeeded: now))
        var sum: Int64 = 0
        var found: Int64 = 0
        for _ in 0..<samples {
            guard let deadline = deadline(of: randomEntry(using: &random)), deadline > now else { continue }
            // Some deadlines are as far away as can be written.
            sum = sum.addingReportingOverflow(deadline - now).partialValue
            found += 1
        }
        return found > 0 ? Int(max(0, sum) / found) : 0
    }

    /// About how many bytes the table of keys takes without the keys.
    public var tableBytes: Int { table.ownByteCount(samples: 500) }
    /// Segments of the table, for statistics.
    public var segmentCount: Int { table.segmentCount }

    // MARK: entries

    @inline(__always) func entry(at slot: Slot) -> Entry { unsafe Entry(table.entry(at: slot)) }

    /// A new entry that is not in the table yet, its payload of `payload` bytes still to be written.
    @inline(__always)
    func makeEntry(
        _ type: ValueType, _ encoding: Encoding, key: ByteSlice, deadline: Int64?, payload: Int, accessClock: UInt32
    ) -> Entry {
        let window = deadlineWindow
        let size = Entry.size(keyLength: key.count, deadline: deadline, window, payload: payload)
        let entry = unsafe Entry(allocator.allocate(size))
        entry.write(type: type, encoding: encoding, key: key, deadline: deadline, window, accessClock: accessClock)
        return entry
    }

    /// Puts a new entry in the table; its key must not be there, not even as one that has expired.
    /// - Parameter stringLength: of a string, how long it is, if that is known.
    @inline(__always) @discardableResult
    func insert(_ entry: Entry, hash: UInt64, stringLength: Int? = nil) -> Slot {
        #if DEBUG
        precondition(table.find(entry.key, hash: hash) == nil, "a key has one entry")
        note(entry.key)
        #endif
        if let stringLength { addSize(.string, stringLength) } else { countSize(of: entry) }
        let (own, field) = (deadline(of: entry), entry.nextFieldDeadline)
        if own != nil { unsafe storage.pointee.deadlineCount += 1 }
        if field != nil { unsafe storage.pointee.fieldDeadlineCount += 1 }
        return unsafe table.insert(entry.address, hash: hash, deadline: noted(Entry.earlier(own, field)))
    }

    /// Puts a new entry of the same key in the place of an old one, whose block, but not what it points to, is freed. What the old one
    /// points to may be gone: its fields are forgotten and its size is counted no more first (`forgetFields`, `uncountSize`).
    @inline(__always)
    func replace(_ slot: Slot, with entry: Entry) {
        willChange(slot)
        let old = unsafe table.entry(at: slot)
        countSize(of: entry)
        let (own, field) = (deadline(of: entry), entry.nextFieldDeadline)
        unsafe storage.pointee.deadlineCount += (own != nil ? 1 : 0) - (deadline(slot) != nil ? 1 : 0)
        if field != nil { unsafe storage.pointee.fieldDeadlineCount += 1 }
        unsafe table.replace(slot, with: entry.address, deadline: noted(Entry.earlier(own, field)))
        unsafe allocator.deallocate(old)
    }

    /// Takes an entry out of the table without freeing anything.
    func detach(_ slot: Slot) -> Entry {
        willChange(slot)
        let entry = entry(at: slot)
        uncountSize(of: entry)
        if deadline(slot) != nil { unsafe storage.pointee.deadlineCount -= 1 }
        forgetFields(slot)
        table.remove(slot)
        return entry
    }

    /// Makes the entry's block large enough for `payload` bytes of payload, keeping what is there, and returns the entry where it
    /// is now. Shrinks a block that became much too large.
    func resizePayload(_ slot: Slot, to payload: Int, keeping: Int) -> Entry {
        checkAnnounced(entry(at: slot).key)
        return unsafe resizePayload(at: slot.word, to: payload, keeping: keeping)
    }

    /// As above, for an entry whose address is in a slot's word or in one like it elsewhere.
    @unsafe func resizePayload(at word: UnsafeMutablePointer<UInt64>, to payload: Int, keeping: Int) -> Entry {
        let old = unsafe SlotWord.entry(word.pointee)
        let before = unsafe Entry(old).payloadOffset
        let moved = unsafe allocator.reallocate(old, size: before + payload, keeping: before + keeping)
        if unsafe moved != old {
            unsafe word.pointee = word.pointee & ~SlotWord.pointerMask | UInt64(UInt(bitPattern: moved))
        }
        return unsafe Entry(moved)
    }

    /// Room for the payload in the entry's present block.
    func payloadCapacity(_ entry: Entry) -> Int { blockSize(of: entry) - entry.payloadOffset }

    /// Bytes of the entry's present block.
    func blockSize(of entry: Entry) -> Int { unsafe allocator.capacity(of: entry.address) }

    /// Bytes of the entry's block and of the one it may have for a long string.
    func byteCount(of entry: Entry) -> Int {
        let own = unsafe allocator.capacity(of: entry.address)
        return entry.encoding == .external ? unsafe own + allocator.capacity(of: entry.external.block) : own
    }

    /// Makes room for about as many keys as are likely to come, if there are none yet.
    func reserve(_ count: Int) {
        guard self.count == 0, count > 0 else { return }
        let empty = table
        unsafe storage.pointee.table = SegmentedTable(
            allocator: empty.allocator, hash: empty.hash, expecting: min(count, Self.mostReserved))
        var old = empty
        _ = unsafe old.deallocateSlice(from: 0, budget: Int.max) { _ in }
    }

    /// The count comes from a file or a client, and may be far too large.
    private static let mostReserved = 1 << 27

    // MARK: all entries

    /// Calls `body` with each entry. The database must not change meanwhile.
    func forEachEntry(_ body: (Entry) -> Void) { unsafe table.forEach { body(unsafe Entry($0)) } }

    /// Calls `body` with the entries at a cursor and returns the next cursor: see `SegmentedTable.scan`.
    func scan(_ cursor: UInt64, _ body: (Entry) -> Void) -> UInt64 {
        unsafe table.scan(cursor) { body(unsafe Entry($0)) }
    }

    /// A random entry. There must be one.
    /// - Complexity: O(1) expected.
    func randomEntry(using generator: inout RandomSource) -> Entry { unsafe Entry(table.random(using: &generator)) }

    // MARK: deadlines

    // The table has one deadline for an entry, the earliest of the key's own and, in a hash, of its fields'. So a slot whose bit says
    // "has a deadline" may be that of a key that stays.

    /// Whether the key has a deadline, or a field of it has.
    @inline(__always) func hasDeadline(_ slot: Slot) -> Bool { table.hasDeadline(slot) }

    /// By what the deadlines in entries are read. It must not be kept: it moves on with the time.
    @inline(__always) var deadlineWindow: DeadlineWindow { unsafe storage.pointee.expiry.pointee.window }

    /// When the key expires, or nil if it stays.
    @inline(__always) func deadline(_ slot: Slot) -> Int64? { hasDeadline(slot) ? deadline(of: entry(at: slot)) : nil }

    /// When the key of an entry expires, which may be in no table; nil if it stays.
    @inline(__always) func deadline(of entry: Entry) -> Int64? { entry.deadline(deadlineWindow) }

    /// Whether the key of an entry has expired by a time.
    @inline(__always) func isExpired(_ entry: Entry, _ now: Int64) -> Bool { entry.isExpired(now, deadlineWindow) }

    /// Whether the key at a slot has expired by a time.
    @inline(__always) func isExpired(_ slot: Slot, _ now: Int64) -> Bool {
        hasDeadline(slot) && isExpired(entry(at: slot), now)
    }

    /// When something of an entry expires: the key, or the first field of a hash. May be a moment too early.
    @inline(__always) func nextDeadline(of entry: Entry) -> Int64? { entry.nextDeadline(deadlineWindow) }

    /// Gives the key a deadline or takes it away. The entry may move.
    func setDeadline(_ slot: Slot, _ deadline: Int64?) {
        willChange(slot)
        let entry = entry(at: slot)
        unsafe storage.pointee.deadlineCount += (deadline != nil ? 1 : 0) - (self.deadline(slot) != nil ? 1 : 0)
        let next = noted(Entry.earlier(deadline, entry.nextFieldDeadline))
        if entry.hasDeadline ? entry.deadlineField.replace(deadline, deadlineWindow) : deadline == nil {
            return table.setDeadline(next, at: slot)
        }
        let payload = entry.payloadSize
        let moved = makeEntry(
            entry.type, entry.encoding, key: entry.key, deadline: deadline, payload: payload,
            accessClock: entry.accessClock)
        unsafe memcpy(moved.payload, entry.payload, payload)
        unsafe table.replace(slot, with: moved.address, deadline: next)
        unsafe allocator.deallocate(entry.address)
    }

    /// Tells the table when the entry expires next, after that may have changed.
    func noteDeadline(_ slot: Slot) { table.setDeadline(noted(nextDeadline(of: entry(at: slot))), at: slot) }

    /// To be called after any deadline of a hash's fields may have changed.
    /// - Parameter had: whether any field had a deadline before.
    func fieldDeadlinesChanged(_ slot: Slot, had: Bool) {
        unsafe storage.pointee.fieldDeadlineCount += (entry(at: slot).nextFieldDeadline != nil ? 1 : 0) - (had ? 1 : 0)
        noteDeadline(slot)
    }

    /// Counts a hash's fields no more, because they are about to leave the database. To be called once.
    @inline(__always) func forgetFields(_ slot: Slot) {
        if hasDeadline(slot) && entry(at: slot).nextFieldDeadline != nil {
            unsafe storage.pointee.fieldDeadlineCount -= 1
        }
    }

    /// A deadline as the table takes it: the last moment that can be counted stands for none there. Has it waited for.
    @inline(__always)
    private func noted(_ deadline: Int64?) -> Int64 {
        guard let deadline else { return SegmentedTable<EntryLayout>.noDeadline }
        let earliest = unsafe storage.pointee.expiry.pointee.earliestDeadline
        if deadline < earliest { unsafe storage.pointee.expiry.pointee.earliestDeadline = deadline }
        return min(deadline, SegmentedTable<EntryLayout>.noDeadline - 1)
    }

    // MARK: checking

    /// Traps when an invariant of the table of keys does not hold. For tests.
    func checkInvariants() { table.checkInvariants(deadlineWindow) }
}
