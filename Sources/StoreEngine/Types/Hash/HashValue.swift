// Hashes: a packed list of fields and values by turns while small, a table when large. Nothing here knows of clients or replies.

import Glibc
import RespCodec

/// A value of a hash. Good until the hash changes.
typealias HashElement = PackedElement

/// The hash at a slot of a database.
@safe struct HashValue {
    /// Up to where a hash stays packed.
    struct Limits {
        let entries: Int
        let length: Int
    }

    private let database: Database
    private let slot: Slot
    private let limits: Limits

    init(_ database: Database, _ slot: Slot, limits: Limits) {
        self.database = database
        self.slot = slot
        self.limits = limits
    }

    private var entry: Entry { database.entry(at: slot) }
    var isPacked: Bool { entry.encoding == .packed }
    private var payload: PackedPayload { PackedPayload(database, slot) }
    private var list: PackedList { entry.packedList }
    private var table: HashTable { unsafe HashTable(at: entry.pointer) }

    /// How many fields there are.
    var count: Int { isPacked ? list.count / 2 : table.count }

    // MARK: looking up

    /// - Complexity: O(1), O(fields) while packed.
    @inline(__always)
    func value(of field: ByteSlice) -> HashElement? {
        guard isPacked else { return table.value(of: field).map { .bytes($0) } }
        let list = list
        guard let offset = list.find(PackedValue(field), stride: 2) else { return nil }
        return list[list.next(after: offset)]
    }

    /// Calls `body` with each field and its value; the hash must not change meanwhile.
    func forEach(_ body: (HashElement, HashElement) -> Void) { entry.forEachField(body) }

    /// Calls `body` with the fields at a cursor, and returns the next cursor: all at once while packed, see `SegmentedTable.scan`.
    func scan(_ cursor: UInt64, _ body: (HashElement, HashElement) -> Void) -> UInt64 {
        guard isPacked else {
            return unsafe table.table.scan(cursor) { address in
                let entry = unsafe FieldEntry(address)
                body(.bytes(entry.field), .bytes(entry.value))
            }
        }
        forEach(body)
        return 0
    }

    /// A field and its value by chance. There must be one.
    func random(using generator: inout RandomSource) -> (field: HashElement, value: HashElement) {
        guard isPacked else {
            let entry = unsafe FieldEntry(table.table.random(using: &generator))
            return (.bytes(entry.field), .bytes(entry.value))
        }
        let list = list
        guard let field = list.offset(ofElement: generator.below(count) * 2) else {
            preconditionFailure("a hash has a field")
        }
        return (list[field], list[list.next(after: field)])
    }

    // MARK: changing

    /// Sets a field; true when it is new.
    @inline(__always) @discardableResult
    func set(_ field: ByteSlice, _ value: ByteSlice) -> Bool {
        if isPacked && (field.count > limits.length || value.count > limits.length) { unpack() }
        guard isPacked else { return table.set(field, value) }
        return setPacked(PackedValue(field), PackedValue(value))
    }

    private func setPacked(_ field: PackedValue, _ value: PackedValue) -> Bool {
        let list = list
        if let offset = list.find(field, stride: 2) {
            payload.replace(at: list.next(after: offset), with: value)
            return false
        }
        if list.count / 2 >= limits.entries {
            unpack()
            return table.set(field.bytes, value.bytes)
        }
        let room = payload.withRoom(for: field.encodedLength + value.encodedLength)
        room.append(field)
        room.append(value)
        return true
    }

    /// Removes a field; false when there is none. A hash without fields is to be removed by the caller.
    func remove(_ field: ByteSlice) -> Bool {
        guard isPacked else { return table.remove(field) }
        guard let offset = list.find(PackedValue(field), stride: 2) else { return false }
        payload.remove(at: offset, count: 2)
        return true
    }

    /// Moves the fields from the packed list to a table.
    private func unpack() {
        let table = HashTable(allocator: database.allocator, hash: database.hash)
        forEach { field, value in
            field.withBytes { field in value.withBytes { value in _ = table.set(field, value) } }
        }
        let entry = database.resizePayload(slot, to: 8, keeping: 0)
        entry.encoding = .table
        unsafe entry.pointer = table.address
    }
}

extension Entry {
    /// Calls `body` with each field and value of a hash, which must not change meanwhile.
    func forEachField(_ body: (HashElement, HashElement) -> Void) {
        guard encoding == .packed else { return unsafe HashTable(at: pointer).forEach { body(.bytes($0), .bytes($1)) } }
        let list = packedList
        var offset = list.first
        let end = list.end
        while offset < end {
            let value = list.next(after: offset)
            body(list[offset], list[value])
            offset = list.next(after: value)
        }
    }
}

extension KeyspaceContext {
    /// The hash at a key; nil if the key is absent.
    /// - Throws: `wrongType`.
    @inline(__always)
    func hash(at key: ByteSlice, _ access: KeyAccess) throws(CommandError) -> HashValue? {
        guard let slot = try find(key, as: .hash, access) else { return nil }
        return hash(in: slot)
    }

    /// The hash at a key, a new one without fields if the key is absent.
    @inline(__always)
    func hashMade(at key: ByteSlice) throws(CommandError) -> HashValue {
        if let slot = try find(key, as: .hash, .write) { return hash(in: slot) }
        let entry = makeEntry(.hash, .packed, key: key, deadline: nil, payload: PackedList.emptySize)
        unsafe _ = PackedList.makeEmpty(at: entry.payload)
        return hash(in: database.insert(entry, hash: hash(key)))
    }

    @inline(__always)
    private func hash(in slot: Slot) -> HashValue {
        let limits = HashValue.Limits(entries: settings.hashMaxPackedEntries, length: settings.hashMaxPackedValue)
        return HashValue(database, slot, limits: limits)
    }
}
