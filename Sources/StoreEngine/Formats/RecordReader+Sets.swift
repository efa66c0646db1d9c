// Reads sets.

import RespCodec

extension RecordReader {
    mutating func set(
        _ type: RecordType, key: ByteSlice, deadline: Int64?, _ context: KeyspaceContext
    ) throws(FormatError) -> Entry {
        let limits = context.setLimits
        switch type {
        case .setOfIntegers:
            let bytes = try string()
            guard let integers = SavedIntegers(bytes) else { throw .damaged("an array of integers") }
            if integers.count <= limits.integers {
                let entry = context.makeEntry(
                    .set, .integers, key: key, deadline: deadline, payload: integers.sizeOfSet)
                unsafe integers.makeSet(at: entry.payload)
                return entry
            }
            let set = UnattachedSet(context, for: key, .table, deadline: deadline)
            for index in 0..<integers.count { set.value.add(.integer(integers[index])) }
            return set.detach()
        case .packedSet:
            let (list, isCanonical) = try listpack(stride: 1, context)
            if isCanonical && list.count <= limits.entries {
                guard !list.hasDuplicates(stride: 1, hash: context.engine.hash) else { throw FormatError.memberTwice }
                return context.makePacked(.set, .packed, list, key: key, deadline: deadline)
            }
            let encoding = list.count <= limits.entries ? Encoding.packed : .table
            let set = UnattachedSet(context, for: key, encoding, deadline: deadline)
            var offset = list.first
            while offset < list.end {
                guard set.value.add(list[offset]) else {
                    set.free()
                    throw FormatError.memberTwice
                }
                offset = list.next(after: offset)
            }
            return set.detach()
        default:
            let count = try count(ofAtLeast: 1)
            guard count > 0 else { throw .empty }
            let encoding = count <= limits.integers ? Encoding.integers : .table
            let set = UnattachedSet(
                context, for: key, encoding, deadline: deadline, expecting: likelyCount(count, size: 3))
            do throws(FormatError) {
                for _ in 0..<count {
                    guard set.value.add(try string()) else { throw FormatError.memberTwice }
                    release()
                }
            } catch {
                set.free()
                throw error
            }
            return set.detach()
        }
    }
}
