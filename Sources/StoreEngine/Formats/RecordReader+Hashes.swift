// Reads hashes.

import RespCodec

extension RecordReader {
    mutating func hash(
        _ type: RecordType, key: ByteSlice, deadline: Int64?, _ context: KeyspaceContext
    ) throws(FormatError) -> Entry {
        if type == .packedHash {
            let (list, isCanonical) = try packedList(stride: 2, context)
            if isCanonical && list.count / 2 <= context.settings.hashMaxPackedEntries {
                guard !list.hasDuplicates(stride: 2, hash: context.engine.hash) else { throw HashAssembler.duplicate }
                return context.makePackedHash(.packed, list, key: key, deadline: deadline)
            }
            var assembler = HashAssembler(context)
            var offset = list.first
            while offset < list.end {
                let value = list.next(after: offset)
                try assembler.add(list[offset], list[value])
                offset = list.next(after: value)
            }
            return try assembler.entry(key: key, deadline: deadline)
        }
        var assembler = HashAssembler(context)
        switch type {
        case .hashZipMap:
            var map = try ZipMap(try string())
            while let (field, value) = try map.next() { try assembler.add(field, value) }
        case .hashZipList:
            var list = try ZipList(try string())
            while let field = try list.next() {
                guard let value = try list.next() else { throw .damaged("a field without a value") }
                try assembler.add(field, value)
            }
        default:
            let count = try count(ofAtLeast: 2)
            assembler.expected = likelyCount(count, size: 4)
            for _ in 0..<count {
                try assembler.add(try string(.first), try string(.second))
                release()
            }
        }
        return try assembler.entry(key: key, deadline: deadline)
    }
}

/// Puts a hash together from its fields: a packed list up to the thresholds, a table beyond.
struct HashAssembler: ~Copyable {
    private let context: KeyspaceContext
    private var packed = PackedListBuilder()
    private var table: HashTable?
    /// How many fields are likely to come.
    var expected = 0

    static let duplicate = FormatError.damaged("a field that is there twice")

    init(_ context: KeyspaceContext) { self.context = context }

    deinit { if let table { context.engine.freeing.free(table) } }

    mutating func add(_ field: PackedElement, _ value: PackedElement) throws(FormatError) {
        guard field.withBytes({ field in value.withBytes { isAdded(field, $0) } }) else { throw Self.duplicate }
    }

    mutating func add(_ field: ByteSlice, _ value: ByteSlice) throws(FormatError) {
        guard isAdded(field, value) else { throw Self.duplicate }
    }

    /// Adds a field; false if it was seen to be there already, which may also come out later.
    private mutating func isAdded(_ field: ByteSlice, _ value: ByteSlice) -> Bool {
        if let table { return table.set(field, value) }
        let settings = context.settings
        if packed.list.count / 2 < settings.hashMaxPackedEntries
            && max(field.count, value.count) <= settings.hashMaxPackedValue
            && packed.append(PackedValue(field), PackedValue(value))
        {
            return true
        }
        return isUnpacked() && table?.set(field, value) == true
    }

    /// Moves the fields from the packed list to a table; false if one was there twice.
    private mutating func isUnpacked() -> Bool {
        let table = HashTable(
            allocator: context.database.allocator, hash: context.engine.hash, expecting: expected)
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

    /// The hash as a new entry of a key.
    mutating func entry(key: ByteSlice, deadline: Int64?) throws(FormatError) -> Entry {
        if let table {
            self.table = nil
            return context.makeLarge(.hash, .table, table, key: key, deadline: deadline)
        }
        let list = packed.list
        guard list.count > 0 else { throw .empty }
        guard !list.hasDuplicates(stride: 2, hash: context.engine.hash) else { throw Self.duplicate }
        return context.makePackedHash(.packed, list, key: key, deadline: deadline)
    }
}
