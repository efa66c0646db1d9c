// Hashes: a forward list of fields and values alternating while small, a table when large. Nothing here knows of clients or replies.
//
// A small hash whose fields may have deadlines is a forward list of field, value and deadline alternating: see
// HashValue+FieldExpiry.swift.
// A field that has expired counts as absent in look-ups, but is included in `count` until it is removed.

import Glibc
import RespCodec

/// A value of a hash. Valid until the hash changes.
typealias HashElement = PackedElement

/// The hash at a slot of a database.
@safe struct HashValue {
    let database: Database
    let slot: Slot
    /// The time by which fields expire.
    let now: Int64
    /// The limits of a packed hash: its number of fields, and the length of each field and value.
    private let maximumPackedEntries: Int
    private let maximumPackedLength: Int

    @inline(__always)
    init(_ database: Database, _ slot: Slot, settings: EngineSettings, now: Int64) {
        self.database = database
        self.slot = slot
        self.now = now
        maximumPackedEntries = settings.hashMaxPackedEntries
        maximumPackedLength = settings.hashMaxPackedValue
    }

    var entry: Entry { database.entry(at: slot) }
    var payload: PackedPayload<ForwardOnly> { PackedPayload(database, slot) }
    var list: ForwardList { entry.forwardList }
    var table: HashTable { unsafe HashTable(at: entry.pointer) }
    var isTable: Bool { entry.encoding == .table }
    /// Whether the key has a deadline, or a field has: a bit of the slot.
    @inline(__always) var mayExpire: Bool { database.hasDeadline(slot) }

    /// How many fields there are, including those that have expired and are not removed yet.
    var count: Int { entry.fieldCount }

    /// To be called when fields were added, or removed if less than 0 of them.
    @inline(__always)
    func countChanged(by change: Int) {
        let count = count
        database.sizeChanged(.hash, from: count &- change, to: count)
    }

    // MARK: looking up

    /// The value of a field; nil if there is no such field, or it is expired.
    /// - Complexity: O(1), O(fields) while packed.
    @inline(__always)
    func value(of field: ByteSlice) -> HashElement? {
        switch entry.encoding {
        case .packed:
            let list = list
            guard let offset = list.find(PackedValue(field), stride: 2) else { return nil }
            return list[list.next(after: offset)]
        case .packedWithDeadlines:
            return triples.value(of: field, now: now)
        default:
            let table = table
            guard let slot = table.find(field) else { return nil }
            if let deadline = table.deadline(at: slot), deadline < now { return nil }
            return .bytes(table.value(at: slot))
        }
    }

    /// Calls `body` with each field that is not expired and its value; the hash must not change meanwhile.
    @inline(__always)
    func forEach(_ body: (HashElement, HashElement) -> Void) {
        guard hasDeadlines else { return entry.forEachField(body) }
        forEachWithDeadline { field, value, deadline in
            if deadline.map({ $0 >= now }) ?? true { body(field, value) }
        }
    }

    /// Calls `body` with each field, its value and its deadline, those that have expired included; the hash must not change meanwhile.
    func forEachWithDeadline(_ body: (HashElement, HashElement, Int64?) -> Void) {
        entry.forEachFieldWithDeadline(body)
    }

    /// Calls `body` with the fields at a cursor, or nil for a field that has expired, and returns the next cursor: all at once while
    /// packed, see `SegmentedTable.scan`.
    func scan(_ cursor: UInt64, _ body: ((HashElement, HashElement)?) -> Void) -> UInt64 {
        guard isTable else {
            forEachWithDeadline { field, value, deadline in
                body(deadline.map({ $0 >= now }) ?? true ? (field, value) : nil)
            }
            return 0
        }
        return table.scan(cursor) { field, value, deadline in
            body(deadline.map({ $0 >= now }) ?? true ? (.bytes(field), .bytes(value)) : nil)
        }
    }

    /// Calls `body` with `wanted` different random fields and their values: any selection is as likely as any other. There must be that
    /// many. Only for a table in which no field has expired.
    /// - Complexity: O(wanted) expected.
    func visitRandom(
        _ wanted: Int, using generator: inout RandomSource, _ body: (HashElement, HashElement) -> Void
    ) {
        table.table.visitRandom(wanted, using: &generator) { word in
            let entry = unsafe FieldEntry(SlotWord.entry(word))
            body(.bytes(entry.field), .bytes(entry.value))
        }
    }

    /// A random field and its value. There must be one. Only for a hash in which no field has expired.
    /// - Complexity: O(1) expected, O(fields) while packed.
    func random(using generator: inout RandomSource) -> (field: HashElement, value: HashElement) {
        if isTable {
            let entry = unsafe FieldEntry(table.table.random(using: &generator))
            return (.bytes(entry.field), .bytes(entry.value))
        }
        let list = list
        let stride = entry.encoding == .packed ? 2 : DeadlineTriples.stride
        let count = count
        let field = list.offset(ofElement: generator.below(count) * stride, of: count * stride)
        return (list[field], list[list.next(after: field)])
    }

    // MARK: changing

    /// Sets a field; true when it is new.
    /// - Parameter keepsDeadline: whether the field keeps its deadline; else that is removed.
    @inline(__always) @discardableResult
    func set(_ field: ByteSlice, _ value: ByteSlice, keepsDeadline: Bool = false) -> Bool {
        let isNew = setUncounted(field, value, keepsDeadline: keepsDeadline)
        if isNew { countChanged(by: 1) }
        return isNew
    }

    @inline(__always)
    private func setUncounted(_ field: ByteSlice, _ value: ByteSlice, keepsDeadline: Bool) -> Bool {
        if entry.encoding != .table
            && (field.count > maximumPackedLength || value.count > maximumPackedLength
                || !list.mayTake(field.count &+ value.count))
        {
            unpack()
        }
        switch entry.encoding {
        case .packed:
            return setPacked(PackedValue(field), PackedValue(value))
        case .packedWithDeadlines:
            return setWithDeadlines(field, value, keepsDeadline: keepsDeadline)
        default:
            guard mayExpire else { return table.set(field, value) }
            return setWithDeadlines(field, value, keepsDeadline: keepsDeadline)
        }
    }

    private func setPacked(_ field: PackedValue, _ value: PackedValue) -> Bool {
        let list = list
        if let offset = list.find(field, stride: 2) {
            payload.replace(at: list.next(after: offset), with: value)
            unpackIfOverfull()
            return false
        }
        if isFull {
            unpack()
            return table.set(field.bytes, value.bytes)
        }
        let room = payload.withRoom(for: ForwardList.length(of: field) + ForwardList.length(of: value))
        room.append(field)
        room.append(value)
        return true
    }

    /// Whether a packed hash has as many fields as it may.
    var isFull: Bool { count >= maximumPackedEntries }

    /// Makes a packed hash a table if it has more fields than the limit, which may have been lowered.
    @inline(__always)
    func unpackIfOverfull() { if count > maximumPackedEntries { unpack() } }

    /// Makes a packed hash a table if the fields and values in the arguments from `first` on would exceed its limits, should all be new.
    func prepare(for arguments: Arguments, from first: Int) {
        guard entry.encoding != .table else { return }
        if (arguments.count - first) / 2 > maximumPackedEntries { return unpack() }
        for index in first..<arguments.count where arguments[index].count > maximumPackedLength { return unpack() }
    }

    /// Removes a field, expired or not; false when there is none. A hash without fields is to be removed by the caller.
    func remove(_ field: ByteSlice) -> Bool {
        let isRemoved = removeUncounted(field)
        if isRemoved { countChanged(by: -1) }
        return isRemoved
    }

    private func removeUncounted(_ field: ByteSlice) -> Bool {
        if entry.encoding == .packed {
            guard let offset = list.find(PackedValue(field), stride: 2) else { return false }
            payload.remove(at: offset, count: 2)
            return true
        }
        return changingDeadlines {
            guard !isTable else { return table.remove(field) }
            guard let offset = triples.find(field) else { return false }
            payload.remove(at: offset, count: DeadlineTriples.stride)
            return true
        }
    }

    /// Moves the fields from the list to a table.
    func unpack() {
        let table = HashTable(allocator: database.allocator, hash: database.hash)
        forEachWithDeadline { field, value, deadline in
            field.withBytes { field in
                value.withBytes { value in _ = table.set(field, value) }
                if let deadline, let slot = table.find(field) { table.setDeadline(deadline, at: slot) }
            }
        }
        let entry = database.resizePayload(slot, to: 8, keeping: 0)
        unsafe entry.setEncoding(.table)
        unsafe entry.pointer = table.address
    }
}

extension ForwardList {
    /// Calls `body` with each pair of elements.
    @inline(__always)
    func forEachPair(_ body: (PackedElement, PackedElement) -> Void) {
        var offset = first
        let end = end
        while offset < end {
            let value = next(after: offset)
            body(self[offset], self[value])
            offset = next(after: value)
        }
    }
}

extension Entry {
    /// How many fields a hash has, expired or not.
    @inline(__always) var fieldCount: Int {
        switch encoding {
        case .packed: forwardList.count / 2
        case .packedWithDeadlines: forwardList.count / DeadlineTriples.stride
        default: unsafe HashTable(at: pointer).count
        }
    }

    /// Calls `body` with each field and value of a hash, expired or not. The hash must not change meanwhile.
    @inline(__always)
    func forEachField(_ body: (HashElement, HashElement) -> Void) {
        guard encoding == .packed else { return forEachFieldWithDeadline { field, value, _ in body(field, value) } }
        forwardList.forEachPair(body)
    }

    /// Calls `body` with each field, value and deadline of a hash, expired or not. The hash must not change meanwhile.
    func forEachFieldWithDeadline(_ body: (HashElement, HashElement, Int64?) -> Void) {
        switch encoding {
        case .packed: forwardList.forEachPair { field, value in body(field, value, nil) }
        case .packedWithDeadlines: DeadlineTriples(forwardList).forEach(body)
        default: unsafe HashTable(at: pointer).forEach { body(.bytes($0), .bytes($1), $2) }
        }
    }
}

extension KeyspaceContext {
    /// The hash at a key; nil if the key is absent.
    /// - Throws: `wrongType`.
    @inline(__always)
    func hash(at key: ByteSlice, _ access: KeyAccess) throws(CommandError) -> HashValue? {
        guard let slot = try find(key, as: .hash, access) else { return nil }
        return HashValue(database, slot, settings: settings, now: engine.expiryTime)
    }

    /// The hash at a key; if the key is absent, a new one without fields, which the caller must fill.
    @inline(__always)
    func hashMade(at key: ByteSlice) throws(CommandError) -> HashValue {
        if let slot = try find(key, as: .hash, .write) {
            return HashValue(database, slot, settings: settings, now: engine.expiryTime)
        }
        let entry = makeEntry(.hash, .packed, key: key, deadline: nil, payload: ForwardList.emptySize)
        unsafe _ = ForwardList.makeEmpty(at: entry.payload)
        return HashValue(database, insert(entry, key: key), settings: settings, now: engine.expiryTime)
    }
}
