// Reads hashes of which fields have deadlines. A packed one is taken as it lies if it is as this server would have made it; any other,
// and a large one, is put together in a table first, which finds fields that are there twice.
//
// - Source: Redis 7.4, rdb.c, on RDB_TYPE_HASH_METADATA and RDB_TYPE_HASH_LISTPACK_EX.

import RespCodec

extension RecordReader {
    mutating func hashWithDeadlines(
        _ type: RecordType, key: ByteSlice, deadline: Int64?, _ context: KeyspaceContext
    ) throws(FormatError) -> Entry {
        let earliest = try time()
        guard 0...DeadlineHashAssembler.lastDeadline ~= earliest else { throw DeadlineHashAssembler.badDeadline }
        var assembler = DeadlineHashAssembler(context)
        guard type == .packedHashWithDeadlines else {
            for _ in 0..<(try count(ofAtLeast: 3)) {
                let number = try number()
                guard number <= UInt64(DeadlineHashAssembler.lastDeadline) else {
                    throw DeadlineHashAssembler.badDeadline
                }
                let deadline = number == 0 ? 0 : earliest + Int64(number) - 1
                try assembler.add(try string(.first), try string(.second), deadline)
                release()
            }
            return try assembler.entry(key: key, deadline: deadline)
        }
        let (list, isCanonical) = try packedList(stride: DeadlineTriples.stride, context)
        if isCanonical, list.count / DeadlineTriples.stride <= context.settings.hashMaxPackedEntries,
            DeadlineHashAssembler.isInOrder(list)
        {
            guard !list.hasDuplicates(stride: DeadlineTriples.stride, hash: context.engine.hash) else {
                throw HashAssembler.duplicate
            }
            return context.makePackedHash(.packedWithDeadlines, list, key: key, deadline: deadline)
        }
        var offset = list.first
        while offset < list.end {
            let value = list.next(after: offset)
            let place = list.next(after: value)
            guard let deadline = list[place].integer else { throw DeadlineHashAssembler.badDeadline }
            try assembler.add(list[offset], list[value], Int64(deadline))
            offset = list.next(after: place)
        }
        return try assembler.entry(key: key, deadline: deadline)
    }
}

extension RecordReader {
    /// Deadlines that lie behind the last that is counted here are taken for that.
    mutating func hashOfValkey(
        key: ByteSlice, deadline: Int64?, _ context: KeyspaceContext
    ) throws(FormatError) -> Entry {
        var assembler = DeadlineHashAssembler(context)
        for _ in 0..<(try count(ofAtLeast: 2 + MemoryLayout<Int64>.size)) {
            let field = try string(.first)
            let value = try string(.second)
            let time = try time()
            guard time >= -1 else { throw DeadlineHashAssembler.badDeadline }
            try assembler.add(field, value, time == -1 ? 0 : min(max(time, 1), DeadlineHashAssembler.lastDeadline))
            release()
        }
        return try assembler.entry(key: key, deadline: deadline)
    }
}

/// Puts a hash together from fields with deadlines, 0 for none.
struct DeadlineHashAssembler: ~Copyable {
    /// The last moment that Redis can count.
    static let lastDeadline: Int64 = 0xFFFF_FFFF_FFFF
    static let badDeadline = FormatError.damaged("the deadline of a field")

    private let context: KeyspaceContext
    private let table: HashTable
    /// Whether nothing is too long for a packed list.
    private var fits = true
    private var isTaken = false

    init(_ context: KeyspaceContext) {
        self.context = context
        table = HashTable(allocator: context.database.allocator, hash: context.engine.hash)
    }

    deinit { if !isTaken { context.engine.freeing.free(table) } }

    /// Whether the deadlines of a packed list are sound and in their order, those that there are none of at the end.
    static func isInOrder(_ list: PackedList) -> Bool {
        var last: Int64 = 1
        var offset = list.first
        while offset < list.end {
            let place = list.next(after: list.next(after: offset))
            guard case .integer(let number) = list[place], 0...lastDeadline ~= Int64(number) else { return false }
            let deadline = number == 0 ? Int64.max : Int64(number)
            guard deadline >= last else { return false }
            last = deadline
            offset = list.next(after: place)
        }
        return true
    }

    mutating func add(_ field: PackedElement, _ value: PackedElement, _ deadline: Int64) throws(FormatError) {
        guard 0...Self.lastDeadline ~= deadline else { throw Self.badDeadline }
        guard field.withBytes({ field in value.withBytes { isAdded(field, $0, deadline) } }) else {
            throw HashAssembler.duplicate
        }
    }

    mutating func add(_ field: ByteSlice, _ value: ByteSlice, _ deadline: Int64) throws(FormatError) {
        guard 0...Self.lastDeadline ~= deadline else { throw Self.badDeadline }
        guard isAdded(field, value, deadline) else { throw HashAssembler.duplicate }
    }

    private mutating func isAdded(_ field: ByteSlice, _ value: ByteSlice, _ deadline: Int64) -> Bool {
        guard table.set(field, value) else { return false }
        if deadline > 0, let slot = table.find(field) { table.setDeadline(deadline, at: slot) }
        if max(field.count, value.count) > context.settings.hashMaxPackedValue { fits = false }
        return true
    }

    /// The hash as a new entry of a key.
    mutating func entry(key: ByteSlice, deadline: Int64?) throws(FormatError) -> Entry {
        guard table.count > 0 else { throw .empty }
        if fits && table.count <= context.settings.hashMaxPackedEntries {
            var fields: [(deadline: Int64, field: ByteSlice, value: ByteSlice)] = []
            table.forEach { field, value, deadline in fields.append((deadline ?? Int64.max, field, value)) }
            fields.sort { $0.deadline < $1.deadline }
            var packed = PackedListBuilder()
            var isWhole = true
            for (deadline, field, value) in fields where isWhole {
                let number = deadline == Int64.max ? 0 : Int(deadline)
                isWhole =
                    packed.append(PackedValue(field), PackedValue(value)) && packed.append(PackedValue(integer: number))
            }
            if isWhole {
                return context.makePackedHash(.packedWithDeadlines, packed.list, key: key, deadline: deadline)
            }
        }
        isTaken = true
        return context.makeLarge(.hash, .table, table, key: key, deadline: deadline)
    }
}
