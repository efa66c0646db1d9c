// Reads sorted sets.

import RespCodec

extension RecordReader {
    mutating func sortedSet(
        _ type: RecordType, key: ByteSlice, deadline: Int64?, _ context: KeyspaceContext
    ) throws(FormatError) -> Entry {
        if type == .packedSortedSet {
            let (list, isCanonical) = try listpack(stride: 2, context)
            if isCanonical && list.count / 2 <= context.settings.sortedSetMaxPackedEntries && list.isOrderedByScore {
                guard !list.hasDuplicates(stride: 2, hash: context.engine.hash) else { throw FormatError.memberTwice }
                return context.makePacked(.sortedSet, .packed, list, key: key, deadline: deadline)
            }
            return try build(key: key, deadline: deadline, context) { (_, builder) throws(FormatError) in
                var offset = list.first
                while offset < list.end {
                    let score = list.next(after: offset)
                    try Self.add(list[offset], try Self.score(list[score]), to: &builder)
                    offset = list.next(after: score)
                }
            }
        }
        if type == .sortedSetZipList {
            return try build(key: key, deadline: deadline, context) { (reader, builder) throws(FormatError) in
                var list = try ZipList(try reader.string())
                while let member = try list.next() {
                    guard let score = try list.next() else { throw .damaged("a member without a score") }
                    try Self.add(member, try Self.score(score), to: &builder)
                }
            }
        }
        let count = try count(ofAtLeast: 2)
        let expected = likelyCount(count, size: 4)
        return try build(key: key, deadline: deadline, context, expecting: expected) {
            (reader, builder) throws(FormatError) in
            for _ in 0..<count {
                let member = try reader.string()
                let score = type == .sortedSet ? try reader.double() : try reader.scoreAsText()
                try Self.add(.bytes(member), score, to: &builder)
                reader.release()
            }
        }
    }

    /// Reads members in any order with `body`, which adds them to a builder.
    private mutating func build(
        key: ByteSlice, deadline: Int64?, _ context: KeyspaceContext, expecting expected: Int = 0,
        _ body: (inout RecordReader, inout SortedSetBuilder) throws(FormatError) -> Void
    ) throws(FormatError) -> Entry {
        var builder = SortedSetBuilder(context.database, expecting: expected)
        do throws(FormatError) {
            try body(&self, &builder)
            guard builder.count > 0 else { throw .empty }
        } catch {
            builder.discard(context.engine)
            throw error
        }
        return builder.makeEntry(key, context, deadline: deadline)
    }

    private static func add(
        _ member: PackedElement, _ score: Double, to builder: inout SortedSetBuilder
    ) throws(FormatError) {
        guard !score.isNaN else { throw .damaged("a score that is no number") }
        let count = builder.count
        member.withBytes { builder.add($0, score) { $1 } }
        guard builder.count > count else { throw FormatError.memberTwice }
    }

    private static func score(_ element: PackedElement) throws(FormatError) -> Double {
        switch element {
        case .integer(let value): return Double(value)
        case .bytes(let text):
            guard let score = FloatingPoint64.parse(text) else { throw .damaged("a score that is no number") }
            return score
        }
    }

    /// A score as old servers saved it: one byte for the length of its text, or for infinities and NaN.
    private mutating func scoreAsText() throws(FormatError) -> Double {
        switch try byte() {
        case 255: return -Double.infinity
        case 254: return Double.infinity
        case 253: throw .damaged("a score that is no number")
        case let length:
            guard let score = FloatingPoint64.parse(try take(Int(length))) else {
                throw .damaged("a score that is no number")
            }
            return score
        }
    }
}

extension Listpack {
    /// Whether the second element of each pair is a number, and the pairs are in the order of these numbers, and of the first elements if
    /// numbers are equal.
    fileprivate var isOrderedByScore: Bool {
        var previous: (score: Double, member: PackedElement)?
        var offset = first
        while offset < end {
            let place = next(after: offset)
            let score: Double
            switch self[place] {
            case .integer(let value): score = Double(value)
            case .bytes(let text):
                guard let number = FloatingPoint64.parse(text) else { return false }
                score = number
            }
            let member = self[offset]
            if let previous {
                let isInOrder =
                    previous.score < score
                    || previous.score == score && previous.member.withBytes { one in member.withBytes { one < $0 } }
                guard isInOrder else { return false }
            }
            previous = (score, member)
            offset = next(after: place)
        }
        return true
    }
}
