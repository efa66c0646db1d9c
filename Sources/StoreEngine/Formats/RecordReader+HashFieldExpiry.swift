// Reads hashes whose fields have deadlines. A listpack is copied as it is if this server would have made the same; from any other one,
// and from a large hash, an assembler makes the value, and finds duplicate fields.
//
// - Source: Redis 7.4, rdb.c, on RDB_TYPE_HASH_METADATA and RDB_TYPE_HASH_LISTPACK_EX, and rdb.h on the forms of previews, which "don't
//   attach min TTL at start"; files of these that Redis 8.2 loads.

import RespCodec

extension RecordReader {
    mutating func hashWithDeadlines(
        _ type: RecordType, key: ByteSlice, deadline: Int64?, _ context: KeyspaceContext
    ) throws(FormatError) -> Entry {
        // In the forms of previews deadlines are distances to nothing: what is 1 is the first millisecond.
        let isOfPreview = type == .hashOfValkeyOrPreview || type == .packedHashOfPreview
        let earliest = isOfPreview ? 1 : try time()
        guard 0...HashAssembler.lastDeadline ~= earliest else { throw HashAssembler.badDeadline }
        var assembler = HashAssembler(context, hasDeadlines: true)
        guard type == .packedHashWithDeadlines || type == .packedHashOfPreview else {
            for _ in 0..<(try count(ofAtLeast: 3)) {
                let number = try number()
                guard number <= UInt64(HashAssembler.lastDeadline) else { throw HashAssembler.badDeadline }
                let deadline = number == 0 ? 0 : earliest + Int64(number) - 1
                try assembler.add(try string(.first), try string(.second), deadline: deadline)
                release()
            }
            return try assembler.entry(key: key, deadline: deadline)
        }
        let (list, isCanonical) = try listpack(stride: DeadlineTriples.stride, context)
        if isCanonical, list.count / DeadlineTriples.stride <= context.settings.hashMaxPackedEntries,
            list.isOrderedByDeadline
        {
            guard !list.hasDuplicates(stride: DeadlineTriples.stride, hash: context.engine.hash) else {
                throw HashAssembler.duplicate
            }
            return context.makePacked(.hash, .packedWithDeadlines, list, key: key, deadline: deadline)
        }
        var offset = list.first
        while offset < list.end {
            let value = list.next(after: offset)
            let place = list.next(after: value)
            guard let deadline = list[place].integer else { throw HashAssembler.badDeadline }
            try assembler.add(list[offset], list[value], deadline: Int64(deadline))
            offset = list.next(after: place)
        }
        return try assembler.entry(key: key, deadline: deadline)
    }

    /// A hash as Valkey 9 writes it. Deadlines after `HashAssembler.lastDeadline` are read as that.
    mutating func hashOfValkey(
        key: ByteSlice, deadline: Int64?, _ context: KeyspaceContext
    ) throws(FormatError) -> Entry {
        var assembler = HashAssembler(context, hasDeadlines: true)
        for _ in 0..<(try count(ofAtLeast: 2 + MemoryLayout<Int64>.size)) {
            let field = try string(.first)
            let value = try string(.second)
            let time = try time()
            guard time >= -1 else { throw HashAssembler.badDeadline }
            let deadline = time == -1 ? 0 : min(max(time, 1), HashAssembler.lastDeadline)
            try assembler.add(field, value, deadline: deadline)
            release()
        }
        return try assembler.entry(key: key, deadline: deadline)
    }
}

extension Listpack {
    /// Whether the third of each three elements is a sound deadline, and the fields are in the order of their deadlines, those that have
    /// none at the end.
    fileprivate var isOrderedByDeadline: Bool {
        var last: Int64 = 1
        var offset = first
        while offset < end {
            let place = next(after: next(after: offset))
            guard case .integer(let number) = self[place], 0...HashAssembler.lastDeadline ~= Int64(number) else {
                return false
            }
            let deadline = number == 0 ? Int64.max : Int64(number)
            guard deadline >= last else { return false }
            last = deadline
            offset = next(after: place)
        }
        return true
    }
}
