// Reads hashes.

import RespCodec

extension RecordReader {
    mutating func hash(
        _ type: RecordType, key: ByteSlice, deadline: Int64?, _ context: KeyspaceContext
    ) throws(FormatError) -> Entry {
        if type == .packedHash {
            let (list, isCanonical) = try listpack(stride: 2, context)
            if isCanonical && list.count / 2 <= context.settings.hashMaxPackedEntries {
                guard !list.hasDuplicates(stride: 2, hash: context.engine.hash) else {
                    throw HashAssembler.duplicateInListpack
                }
                return context.makePacked(.hash, .packed, list, key: key, deadline: deadline)
            }
            var assembler = HashAssembler(context, duplicate: HashAssembler.duplicateInListpack)
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
