// Reads lists.

import RespCodec

/// How a node of a list is saved.
enum SavedNode {
    /// An element of its own.
    static let plain: UInt64 = 1
    /// A listpack.
    static let packed: UInt64 = 2
}

extension RecordReader {
    mutating func list(
        _ type: RecordType, key: ByteSlice, deadline: Int64?, _ context: KeyspaceContext
    ) throws(FormatError) -> Entry {
        var assembler = ListAssembler(context)
        switch type {
        case .list:
            for _ in 0..<(try count(ofAtLeast: 1)) {
                assembler.append(try string())
                release()
            }
        case .listZipList:
            var list = try ZipList(try string())
            while let element = try list.next() { assembler.append(element) }
        case .listOfZipLists:
            for _ in 0..<(try count(ofAtLeast: 1)) {
                var list = try ZipList(try string())
                while let element = try list.next() { assembler.append(element) }
                release()
            }
        default:
            let nodes = try count(ofAtLeast: 2)
            for _ in 0..<nodes {
                try node(isOnly: nodes == 1, &assembler)
                release()
            }
        }
        return try assembler.entry(key: key, deadline: deadline)
    }

    private mutating func node(isOnly: Bool, _ assembler: inout ListAssembler) throws(FormatError) {
        switch try number() {
        case SavedNode.plain:
            let element = try string()
            guard !element.isEmpty else { throw .damaged("a node of a list without its element") }
            assembler.append(element, inNodeOfItsOwn: true)
        case SavedNode.packed:
            let bytes = try string()
            guard let examination = Listpack.examine(bytes) else { throw .damaged("a listpack") }
            unsafe assembler.append(Listpack(lookingAt: bytes), examination, isOnly: isOnly)
        default:
            throw .damaged("a node of a list of no known kind")
        }
    }
}

/// Puts a list together from its elements: a listpack up to the limit, a chain beyond.
struct ListAssembler: ~Copyable {
    private let context: KeyspaceContext
    private let limits: ListLimits
    private var packed = ListpackBuilder()
    private var chain: ListChain?

    init(_ context: KeyspaceContext) {
        self.context = context
        limits = ListLimits(context.settings)
    }

    deinit { if let chain { unsafe context.engine.freeing.free(chain) } }

    mutating func append(_ element: PackedElement) { element.withBytes { append($0) } }

    /// - Parameter inNodeOfItsOwn: whether it was in a node of its own in the saved list, which was then a large one.
    mutating func append(_ element: ByteSlice, inNodeOfItsOwn: Bool = false) {
        let value = PackedValue(element)
        if chain == nil {
            let bytes = packed.list.byteCount + value.encodedLength
            if !inNodeOfItsOwn && !limits.isExceeded(bytes: bytes, count: packed.list.count + 1) && packed.append(value)
            {
                return
            }
            unpack()
        }
        chain?.push(value, at: .tail, limits)
    }

    /// Adds the elements of a validated list: as a node, if it can be one as it is.
    mutating func append(_ list: Listpack, _ examination: Listpack.Examination, isOnly: Bool) {
        let count = examination.count
        guard count > 0 else { return }
        let isNode =
            examination.isCanonical && list.byteCount <= limits.nodeSize && count <= limits.nodeCount
            && !(isOnly && !limits.isExceeded(bytes: list.byteCount, count: count))
        guard isNode else {
            var offset = list.first
            while offset < list.end {
                append(list[offset])
                offset = list.next(after: offset)
            }
            return
        }
        unpack()
        chain?.appendNode(list, count: count)
    }

    /// Moves the elements from the listpack to a chain.
    private mutating func unpack() {
        guard chain == nil else { return }
        let chain = ListChain(allocator: context.database.allocator, limits: limits)
        self.chain = chain
        let list = packed.list
        var offset = list.first
        while offset < list.end {
            list[offset].withBytes { chain.push(PackedValue($0), at: .tail, limits) }
            offset = list.next(after: offset)
        }
        packed.removeAll()
    }

    /// The list as a new entry of a key.
    mutating func entry(key: ByteSlice, deadline: Int64?) throws(FormatError) -> Entry {
        if let chain {
            guard chain.count > 0 else { throw .empty }
            self.chain = nil
            return context.makeLarge(.list, .chain, chain, key: key, deadline: deadline)
        }
        guard packed.list.count > 0 else { throw .empty }
        return context.makePacked(.list, .packed, packed.list, key: key, deadline: deadline)
    }
}
