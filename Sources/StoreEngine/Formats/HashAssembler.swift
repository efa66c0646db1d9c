// Puts a hash together from its fields as they are read: a listpack up to the thresholds, a table beyond.
//
// Fields without deadlines are gathered in a listpack, which becomes a table once it is too long; that a field is there twice may
// come out only at the end. Fields with deadlines come in any order, and a packed hash has them in the order of their deadlines: they
// are gathered in a table, and become a listpack at the end if it may be one.

import RespCodec

struct HashAssembler: ~Copyable {
    /// The latest deadline that Redis can store.
    static let lastDeadline: Int64 = 0xFFFF_FFFF_FFFF
    static let badDeadline = FormatError.damaged("the deadline of a field")
    static let duplicate = FormatError.damaged("a field that is there twice")
    /// The same in a listpack, in the words of Redis.
    static let duplicateInListpack = FormatError.damaged("listpack with dup elements")

    private let context: KeyspaceContext
    /// Whether it makes a hash whose fields may have deadlines, even if none of them has.
    private let hasDeadlines: Bool
    private var packed = ListpackBuilder()
    private var table: HashTable?
    /// Whether no field or value was too long for a listpack.
    private var areAllShort = true
    /// What is thrown for a field that is there already.
    private let duplicate: FormatError
    /// How many fields are likely to come.
    var expected = 0

    init(_ context: KeyspaceContext, hasDeadlines: Bool = false, duplicate: FormatError = Self.duplicate) {
        self.context = context
        self.duplicate = duplicate
        self.hasDeadlines = hasDeadlines
        if hasDeadlines { table = makeTable() }
    }

    deinit { if let table { unsafe context.engine.freeing.free(table) } }

    private func makeTable() -> HashTable {
        HashTable(allocator: context.database.allocator, hash: context.engine.hash, expecting: expected)
    }

    // MARK: fields

    /// Adds a field and its value, which are elements of some list.
    /// - Throws: as the other `add`.
    mutating func add(_ field: PackedElement, _ value: PackedElement, deadline: Int64 = 0) throws(FormatError) {
        try Self.check(deadline)
        let isNew = field.withBytes { field in value.withBytes { insert(field, $0, deadline: deadline) } }
        guard isNew else { throw duplicate }
    }

    /// Adds a field.
    /// - Parameter deadline: in milliseconds since 1970; 0 for none, which is all that a hash without deadlines takes.
    /// - Throws: when the deadline cannot be kept, or the field is seen to be there already.
    mutating func add(_ field: ByteSlice, _ value: ByteSlice, deadline: Int64 = 0) throws(FormatError) {
        try Self.check(deadline)
        guard insert(field, value, deadline: deadline) else { throw duplicate }
    }

    private static func check(_ deadline: Int64) throws(FormatError) {
        guard 0...lastDeadline ~= deadline else { throw badDeadline }
    }

    /// False if the field was seen to be there already.
    private mutating func insert(_ field: ByteSlice, _ value: ByteSlice, deadline: Int64) -> Bool {
        let settings = context.settings
        if max(field.count, value.count) > settings.hashMaxPackedValue { areAllShort = false }
        if table == nil {
            if areAllShort && packed.list.count / 2 < settings.hashMaxPackedEntries
                && packed.append(PackedValue(field), PackedValue(value))
            {
                return true
            }
            guard unpack() else { return false }
        }
        guard let table, table.set(field, value) else { return false }
        if deadline > 0, let slot = table.find(field) { table.setDeadline(deadline, at: slot) }
        return true
    }

    /// Moves the fields from the listpack to a table; false if one was there twice.
    private mutating func unpack() -> Bool {
        let table = makeTable()
        self.table = table
        let list = packed.list
        var offset = list.first
        while offset < list.end {
            let value = list.next(after: offset)
            let isNew = list[offset].withBytes { field in list[value].withBytes { table.set(field, $0) } }
            guard isNew else { return false }
            offset = list.next(after: value)
        }
        packed.removeAll()
        return true
    }

    // MARK: the entry

    /// The hash as a new entry of a key, in no table yet.
    /// - Throws: when it has no fields, or a field was there twice.
    mutating func entry(key: ByteSlice, deadline: Int64?) throws(FormatError) -> Entry {
        guard let table else {
            let list = packed.list
            guard list.count > 0 else { throw .empty }
            guard !list.hasDuplicates(stride: 2, hash: context.engine.hash) else { throw duplicate }
            return context.makePacked(.hash, .packed, list, key: key, deadline: deadline)
        }
        guard table.count > 0 else { throw .empty }
        if hasDeadlines && areAllShort && table.count <= context.settings.hashMaxPackedEntries && pack(table) {
            return context.makePacked(.hash, .packedWithDeadlines, packed.list, key: key, deadline: deadline)
        }
        self.table = nil
        return context.makeLarge(.hash, .table, table, key: key, deadline: deadline)
    }

    /// Copies the fields to the listpack, each with its deadline, in the order of these; false if they are too many for its format.
    private mutating func pack(_ table: HashTable) -> Bool {
        var fields: [(deadline: Int64, field: ByteSlice, value: ByteSlice)] = []
        table.forEach { field, value, deadline in fields.append((deadline ?? Int64.max, field, value)) }
        fields.sort { $0.deadline < $1.deadline }
        for (deadline, field, value) in fields {
            let number = deadline == Int64.max ? 0 : Int(deadline)
            guard packed.append(PackedValue(field), PackedValue(value)), packed.append(PackedValue(integer: number))
            else { return false }
        }
        return true
    }
}
