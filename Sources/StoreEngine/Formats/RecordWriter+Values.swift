// Writes whole values: their type, then their contents.
//
// A value that is packed in its entry is written in one piece, as a listpack or in the intset format.

import RespCodec

extension RecordType {
    /// The form in which a value is written for readers of a version of the RDB format. Hashes whose fields have deadlines always need
    /// version 12.
    init(of entry: Entry, version: UInt16) {
        switch (entry.type, entry.encoding) {
        case (.string, _): self = .string
        case (.sortedSet, .packed): self = .packedSortedSet
        case (.sortedSet, _): self = .sortedSet
        case (.stream, _): self = version >= RecordType.stream.version ? .stream : .streamOfRedis7
        case (.list, _): self = .listOfListpacks
        case (.set, .integers): self = .setOfIntegers
        case (.set, .packed) where version >= RecordType.packedSet.version: self = .packedSet
        case (.set, _): self = .set
        case (.hash, .packed): self = .packedHash
        case (.hash, .packedWithDeadlines): self = .packedHashWithDeadlines
        case (.hash, .table): self = entry.earliestFieldDeadline == nil ? .hash : .hashWithDeadlines
        default: preconditionFailure("a value of no known form")
        }
    }
}

extension RecordWriter {
    /// Writes a value without its type.
    /// - Parameter type: the form that `RecordType(of:version:)` chose for it.
    /// - Complexity: O(bytes of the value).
    func write(valueOf entry: Entry, as type: RecordType, _ context: KeyspaceContext) {
        switch type {
        case .string:
            if entry.encoding == .integer { return write(integer: entry.integer) }
            context.withString(entry) { write(string: $0) }
        case .packedSortedSet, .packedSet, .packedHash: entry.forwardList.withListpack { write(string: $0.bytes) }
        case .sortedSet: write(members: unsafe SortedSetTable(at: entry.pointer))
        case .stream, .streamOfRedis7: write(stream: unsafe StreamValue(at: entry.pointer), as: type)
        case .listOfListpacks:
            if entry.encoding == .packed { return entry.twoWayList.withListpack { write(nodes: $0) } }
            write(nodesOf: unsafe ListChain(at: entry.pointer))
        case .setOfIntegers: entry.integerSet.withSavedBytes { write(string: $0) }
        case .set: writeMembers(SetView(entry))
        case .packedHashWithDeadlines:
            write(time: entry.earliestFieldDeadline ?? 0)
            entry.forwardList.withListpack { write(string: $0.bytes) }
        case .hash, .hashWithDeadlines:
            writeFields(unsafe HashTable(at: entry.pointer), earliestDeadline: entry.earliestFieldDeadline)
        default: preconditionFailure("a form that is only read")
        }
    }

    /// - Parameter earliest: the earliest deadline, which the others are relative to; nil if no field has one.
    func writeFields(_ table: HashTable, earliestDeadline earliest: Int64?) {
        if let earliest { write(time: earliest) }
        write(length: table.count)
        table.forEach { write(field: $0, $1, deadline: $2, earliest: earliest) }
    }

    @inline(__always)
    func write(field: ByteSlice, _ value: ByteSlice, deadline: Int64?, earliest: Int64?) {
        if let earliest { write(number: deadline.map { UInt64($0 - earliest) + 1 } ?? 0) }
        write(string: field)
        write(string: value)
    }

    private func writeMembers(_ set: SetView) {
        write(length: set.count)
        set.forEach { write(element: $0) }
    }

    /// The members with the highest scores come first, so that readers that insert one by one always insert at the front.
    func write(members table: SortedSetTable) {
        let count = table.count
        write(length: count)
        unsafe table.tree.forEach(from: count - 1, count: count, reversed: true) { score, block in
            unsafe write(string: MemberBlock(block).member)
            write(double: score)
            return true
        }
    }

    /// A small list as a large one of a single node.
    private func write(nodes list: Listpack) {
        write(length: 1)
        write(number: SavedNode.packed)
        write(string: list.bytes)
    }

    func write(nodesOf chain: ListChain) {
        write(length: chain.nodeCount)
        chain.forEachNode { write(node: $0) }
    }

    func write(node: ListNode) {
        switch node.kind {
        case .plain:
            write(number: SavedNode.plain)
            write(string: node.plainBytes)
        case .packed:
            write(number: SavedNode.packed)
            write(string: node.list.bytes)
        case .compressed:
            write(number: SavedNode.packed)
            write(compressed: node.compressedBytes, length: node.byteCount)
        }
    }

    func write(id: StreamID) {
        write(number: id.milliseconds)
        write(number: id.sequence)
    }

    /// An id as sixteen bytes.
    func write(plainID id: StreamID) {
        sink.append(bigEndian: id.milliseconds)
        sink.append(bigEndian: id.sequence)
    }

    func write(stream: StreamValue, as type: RecordType) {
        write(length: stream.nodeCount)
        stream.forEachNode { write(nodeOfStream: $0.id, $0.list.bytes) }
        writeRest(of: stream, as: type)
    }

    func write(nodeOfStream id: StreamID, _ bytes: ByteSlice) {
        write(length: 16)
        write(plainID: id)
        write(string: bytes)
    }

    /// Everything of a stream but its nodes.
    private func writeRest(of stream: StreamValue, as type: RecordType) {
        writeFacts(of: stream)
        stream.forEachGroup { write(group: $0, as: type) }
    }

    /// What stands between the nodes of a stream and its groups.
    func writeFacts(of stream: StreamValue) {
        write(length: stream.length)
        write(id: stream.lastID)
        write(id: stream.firstID)
        write(id: stream.maximumDeletedID)
        write(number: UInt64(bitPattern: Int64(stream.entriesAdded)))
        write(length: stream.groupCount)
    }

    func write(pending id: StreamID, deliveryTime: Int64, deliveryCount: Int) {
        write(plainID: id)
        write(time: deliveryTime)
        write(length: deliveryCount)
    }

    private func write(group: StreamGroup, as type: RecordType) {
        write(string: group.name)
        write(id: group.lastID)
        write(number: UInt64(bitPattern: Int64(group.entriesRead)))
        write(length: group.pendingCount)
        for entry in group.pending {
            write(pending: entry.id, deliveryTime: entry.deliveryTime, deliveryCount: entry.deliveryCount)
        }
        write(length: group.consumerCount)
        group.forEachConsumer { consumer in
            write(string: consumer.name)
            write(time: consumer.seenTime)
            if type == .stream { write(time: consumer.activeTime) }
            write(length: consumer.pendingCount)
            for entry in consumer.pending { write(plainID: entry.id) }
        }
    }
}
