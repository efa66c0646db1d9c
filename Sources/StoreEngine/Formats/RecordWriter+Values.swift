// Writes whole values: their type, then what they hold.
//
// A value that lies packed in its entry is written as it lies there, in one piece.

import RespCodec

extension RecordWriter {
    /// The form in which a value is written.
    static func type(of entry: Entry) -> RecordType {
        switch (entry.type, entry.encoding) {
        case (.string, _): .string
        case (.sortedSet, .packed): .packedSortedSet
        case (.sortedSet, _): .sortedSet
        case (.stream, _): .streamOfRedis7
        case (.list, _): .listOfPackedLists
        case (.set, .integers): .setOfIntegers
        case (.set, _): .set
        case (.hash, .packed): .packedHash
        case (.hash, .packedWithDeadlines): .packedHashWithDeadlines
        case (.hash, .table): entry.earliestFieldDeadline == nil ? .hash : .hashWithDeadlines
        default: preconditionFailure("a type that is not written yet")
        }
    }

    /// Writes a value without its type.
    /// - Complexity: O(bytes of the value).
    func write(valueOf entry: Entry, _ context: KeyspaceContext) {
        switch (entry.type, entry.encoding) {
        case (.string, .integer): write(integer: entry.integer)
        case (.string, _): context.withString(entry) { write(string: $0) }
        case (.sortedSet, .packed): write(string: entry.packedList.bytes)
        case (.sortedSet, _): write(members: unsafe SortedSetTable(at: entry.pointer))
        case (.stream, _): write(stream: unsafe StreamValue(at: entry.pointer))
        case (.list, .packed): write(nodes: entry.packedList)
        case (.list, _): write(nodesOf: unsafe ListChain(at: entry.pointer))
        case (.set, .integers): write(string: entry.integerSet.bytes)
        case (.set, _): writeMembers(SetView(entry))
        case (.hash, .packed): write(string: entry.packedList.bytes)
        case (.hash, .packedWithDeadlines):
            write(time: entry.earliestFieldDeadline ?? 0)
            write(string: entry.packedList.bytes)
        case (.hash, .table):
            writeFields(unsafe HashTable(at: entry.pointer), earliestDeadline: entry.earliestFieldDeadline)
        default: preconditionFailure("a type that is not written yet")
        }
    }

    /// - Parameter earliest: from which on deadlines are counted, 0 standing for none; nil if no field has one.
    private func writeFields(_ table: HashTable, earliestDeadline earliest: Int64?) {
        if let earliest { write(time: earliest) }
        write(length: table.count)
        table.forEach { field, value, deadline in
            if let earliest { write(number: deadline.map { UInt64($0 - earliest) + 1 } ?? 0) }
            write(string: field)
            write(string: value)
        }
    }

    private func writeMembers(_ set: SetView) {
        write(length: set.count)
        set.forEach { write(element: $0) }
    }

    /// The members with the highest scores come first: readers that put each in its place find it at the front.
    private func write(members table: SortedSetTable) {
        let count = table.count
        write(length: count)
        unsafe table.tree.forEach(from: count - 1, count: count, reversed: true) { score, block in
            unsafe write(string: MemberBlock(block).member)
            write(double: score)
            return true
        }
    }

    /// A small list as a large one of a single node.
    private func write(nodes list: PackedList) {
        write(length: 1)
        write(number: SavedNode.packed)
        write(string: list.bytes)
    }

    private func write(nodesOf chain: ListChain) {
        var nodes = 0
        chain.forEachNode { _ in nodes += 1 }
        write(length: nodes)
        chain.forEachNode { node in
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
    }

    private func write(id: StreamID) {
        write(number: id.milliseconds)
        write(number: id.sequence)
    }

    /// An id as sixteen bytes.
    private func write(plainID id: StreamID) {
        sink.append(bigEndian: id.milliseconds)
        sink.append(bigEndian: id.sequence)
    }

    private func write(stream: StreamValue) {
        write(length: stream.nodeCount)
        stream.forEachNode { node in
            write(length: 16)
            write(plainID: node.id)
            write(string: node.list.bytes)
        }
        write(length: stream.length)
        write(id: stream.lastID)
        write(id: stream.firstID)
        write(id: stream.maximumDeletedID)
        write(length: stream.entriesAdded)
        write(length: stream.groupCount)
        for index in 0..<stream.groupCount { write(group: stream.group(at: index)) }
    }

    private func write(group: StreamGroup) {
        write(string: group.name)
        write(id: group.lastID)
        write(number: UInt64(bitPattern: Int64(group.entriesRead)))
        write(length: group.pendingCount)
        for entry in group.pending {
            write(plainID: entry.id)
            write(time: entry.deliveryTime)
            write(length: entry.deliveryCount)
        }
        write(length: group.consumerCount)
        for index in 0..<group.consumerCount {
            let consumer = group.consumer(at: index)
            write(string: consumer.name)
            write(time: consumer.seenTime)
            write(length: consumer.pendingCount)
            for entry in consumer.pending { write(plainID: entry.id) }
        }
    }
}
