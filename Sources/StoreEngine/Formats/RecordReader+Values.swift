// Reads whole values and makes entries of them.
//
// An entry is made when all of the value was read and found sound, and is in no table yet; so whoever reads a damaged value has changed
// nothing. Packed lists and arrays of integers that a container will trust are gone through element by element first. Larger
// collections are put together by an assembler each, which keeps to the thresholds of the encodings and frees what it has if it is not
// asked for an entry.

import RespCodec

extension RecordReader {
    /// A value of the form `type` as a new entry of a key.
    /// - Throws: when the value is not sound. Nothing is left behind then.
    /// - Complexity: O(bytes of the value), O(n log n) for what must be put in an order.
    mutating func value(
        _ type: RecordType, key: ByteSlice, deadline: Int64?, _ context: KeyspaceContext
    ) throws(FormatError) -> Entry {
        release()
        switch type {
        case .string:
            return context.makeString(key, try string(), deadline: deadline)
        case .hash, .hashZipMap, .hashZipList, .packedHash:
            return try hash(type, key: key, deadline: deadline, context)
        case .hashWithDeadlines, .packedHashWithDeadlines:
            return try hashWithDeadlines(type, key: key, deadline: deadline, context)
        default:
            throw .unknownType(type.rawValue)
        }
    }

    /// A packed list of `stride` elements for each of what it holds, no two of them with the same first; at least one.
    mutating func packedList(stride: Int, _ context: KeyspaceContext) throws(FormatError) -> (
        PackedList, isCanonical: Bool
    ) {
        let bytes = try string()
        guard let examination = PackedList.examine(bytes), examination.count % stride == 0 else {
            throw .damaged("a packed list")
        }
        guard examination.count > 0 else { throw .empty }
        return (PackedList(lookingAt: bytes), examination.isCanonical)
    }

    // MARK: hashes

    private mutating func hash(
        _ type: RecordType, key: ByteSlice, deadline: Int64?, _ context: KeyspaceContext
    ) throws(FormatError) -> Entry {
        if type == .packedHash {
            let (list, isCanonical) = try packedList(stride: 2, context)
            if isCanonical && list.count / 2 <= context.settings.hashMaxPackedEntries {
                guard !list.hasDuplicates(stride: 2, hash: context.engine.hash) else { throw HashAssembler.duplicate }
                return context.makePacked(.hash, .packed, list, key: key, deadline: deadline)
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
            for _ in 0..<(try count(ofAtLeast: 2)) {
                try assembler.add(try string(.first), try string(.second))
                release()
            }
        }
        return try assembler.entry(key: key, deadline: deadline)
    }
}

extension KeyspaceContext {
    /// A new entry, not in the table, with a copy of a packed list.
    func makePacked(
        _ type: ValueType, _ encoding: Encoding, _ list: PackedList, key: ByteSlice, deadline: Int64?
    ) -> Entry {
        let bytes = list.bytes
        let entry = makeEntry(type, encoding, key: key, deadline: deadline, payload: bytes.count)
        unsafe entry.payload.copyMemory(from: bytes.rawBytes.baseAddress!, byteCount: bytes.count)
        return entry
    }

    /// A new entry, not in the table, of a value that lies outside of it.
    func makeLarge(
        _ type: ValueType, _ encoding: Encoding, _ value: some LargeValue, key: ByteSlice, deadline: Int64?
    ) -> Entry {
        let entry = makeEntry(type, encoding, key: key, deadline: deadline, payload: 8)
        unsafe entry.pointer = value.address
        return entry
    }
}

/// Puts a hash together from its fields: a packed list up to the thresholds, a table beyond.
struct HashAssembler: ~Copyable {
    private let context: KeyspaceContext
    private var packed = PackedListBuilder()
    private var table: HashTable?

    static let duplicate = FormatError.damaged("a field that is there twice")

    init(_ context: KeyspaceContext) { self.context = context }

    deinit { if let table { context.engine.orphan(table, in: context.database) } }

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
        let table = HashTable(allocator: context.database.allocator, hash: context.engine.hash)
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
        return context.makePacked(.hash, .packed, list, key: key, deadline: deadline)
    }
}
