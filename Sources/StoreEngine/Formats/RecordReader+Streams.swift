// Reads streams. Their nodes are copied as they are, so they are validated first: see `StreamNode.examined`.
//
// - Source: Redis 7.4, rdb.c, on RDB_TYPE_STREAM_LISTPACKS and its successors.

import RespCodec

extension RecordReader {
    mutating func stream(
        _ type: RecordType, key: ByteSlice, deadline: Int64?, _ context: KeyspaceContext
    ) throws(FormatError) -> Entry {
        let stream = StreamValue(context.database.allocator)
        do throws(FormatError) {
            try readEntries(type, into: stream)
            for _ in 0..<(try count(ofAtLeast: 5)) { try readGroup(type, into: stream) }
        } catch {
            unsafe context.engine.freeing.free(stream)
            throw error
        }
        return context.makeLarge(.stream, .stream, stream, key: key, deadline: deadline)
    }

    private mutating func id() throws(FormatError) -> StreamID {
        StreamID(milliseconds: try number(), sequence: try number())
    }

    /// An id as sixteen bytes.
    private mutating func plainID() throws(FormatError) -> StreamID {
        StreamID(milliseconds: try bigEndian(), sequence: try bigEndian())
    }

    // MARK: entries

    private mutating func readEntries(_ type: RecordType, into stream: StreamValue) throws(FormatError) {
        var last: StreamID?
        for _ in 0..<(try count(ofAtLeast: 2)) {
            guard try byte() == 16 else { throw .damaged("a node of a stream without its id") }
            let id = try plainID()
            let bytes = try string()
            guard let examination = Listpack.examine(bytes), examination.isCanonical,
                let lastOfNode = unsafe StreamNode(list: Listpack(lookingAt: bytes), id: id).examined()
            else { throw .damaged("a node of a stream") }
            if let last, id <= last { throw .damaged("nodes of a stream that are not in order") }
            last = lastOfNode
            stream.appendNode(id, bytes)
            release()
        }
        stream.finishBuilding()
        let length = try number()
        guard length == UInt64(stream.length) else { throw .damaged("a stream of another length") }
        stream.lastID = try id()
        if let last, last > stream.lastID { throw .damaged("a stream with an id behind its last") }
        stream.entriesAdded = stream.length
        guard type != .streamOfRedis5 else { return }
        // The first id, which is known by now.
        _ = try id()
        stream.maximumDeletedID = try id()
        // As in Redis, a count above the largest integer is kept as it is.
        stream.entriesAdded = Int(truncatingIfNeeded: try number())
    }

    // MARK: groups

    private mutating func readGroup(_ type: RecordType, into stream: StreamValue) throws(FormatError) {
        release()
        let name = try string()
        let lastID = try id()
        var entriesRead = stream.entriesAdded(upTo: lastID) ?? StreamGroup.unknown
        if type != .streamOfRedis5 { entriesRead = Int(truncatingIfNeeded: try number()) }
        guard let group = stream.makeGroup(name, lastID: lastID, entriesRead: entriesRead) else {
            throw .damaged("a group that is there twice")
        }
        var pending = try readPending(of: group)
        for _ in 0..<(try count(ofAtLeast: 10)) { try readConsumer(type, of: group, &pending) }
        // Only later versions know entries that were released; in others somebody has lost their consumers.
        guard version >= RecordType.firstVersionWithReleased || pending.allSatisfy({ $0.owner != nil }) else {
            throw .damaged("a pending entry without a consumer")
        }
        // In this order each entry is added at the end of the order of delivery.
        pending.sort { $0.time < $1.time }
        for entry in pending {
            if let owner = entry.owner { group.assign(entry.entry, to: owner, time: entry.time, count: .same) }
        }
    }

    /// The pending entries of a group, by id. Those that no consumer has in the end were released.
    private mutating func readPending(of group: StreamGroup) throws(FormatError) -> [SavedPending] {
        var pending: [SavedPending] = []
        for _ in 0..<(try count(ofAtLeast: 25)) {
            release()
            let id = try plainID()
            let time = try time()
            let deliveryCount = Int(clamping: try number())
            if let last = pending.last, id <= last.id { throw .damaged("pending entries that are not in order") }
            guard let entry = group.makePending(id, deliveryCount: deliveryCount) else {
                throw .damaged("an entry that is pending twice")
            }
            pending.append(SavedPending(id: id, time: time, entry: entry))
        }
        return pending
    }

    private mutating func readConsumer(
        _ type: RecordType, of group: StreamGroup, _ pending: inout [SavedPending]
    ) throws(FormatError) {
        release()
        let name = try string()
        let seen = try time()
        let active = type == .stream ? try time() : seen
        guard let consumer = group.makeConsumer(name, seen: seen, active: active) else {
            throw .damaged("a consumer that is there twice (Duplicate stream consumer detected)")
        }
        for _ in 0..<(try count(ofAtLeast: 16)) {
            release()
            let id = try plainID()
            let index = pending.firstIndex(atOrAfter: id)
            guard index < pending.count, pending[index].id == id, pending[index].owner == nil else {
                throw .damaged("an entry of a consumer that is not pending, or of two")
            }
            pending[index].owner = consumer
        }
    }
}

/// A pending entry while its group is read.
private struct SavedPending {
    let id: StreamID
    let time: Int64
    let entry: PendingEntry
    var owner: StreamConsumer?
}

extension Array where Element == SavedPending {
    fileprivate func firstIndex(atOrAfter id: StreamID) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if self[middle].id < id { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

extension StreamNode {
    /// Validates a node from outside, whose list is valid and canonical: master entry and entries must be complete and end with the list,
    /// counts be right and ids ascend, and numbers take as few bytes as they can, because they are changed in place.
    /// - Returns: the id of the last entry, the node's own if there is none; nil if the node is not valid.
    /// - Complexity: O(elements).
    func examined() -> StreamID? {
        var cursor = Cursor(list)
        guard let live = cursor.number(), let deleted = cursor.number(), let fields = cursor.number(), live >= 0,
            deleted >= 0,
            fields >= 0, cursor.skip(fields), cursor.number() == 0
        else { return nil }
        var (liveSeen, deletedSeen) = (0, 0)
        var last: StreamID?
        while !cursor.isAtEnd {
            guard let flags = cursor.number(), 0...(Flags.deleted | Flags.sameFields) ~= flags,
                let milliseconds = cursor.number(), let sequence = cursor.number()
            else { return nil }
            let id = StreamID(
                milliseconds: id.milliseconds &+ UInt64(bitPattern: Int64(milliseconds)),
                sequence: id.sequence &+ UInt64(bitPattern: Int64(sequence)))
            if let last { guard id > last else { return nil } } else { guard id >= self.id else { return nil } }
            last = id
            let elements: Int
            if flags & Flags.sameFields != 0 {
                guard cursor.skip(fields) else { return nil }
                elements = 3 + fields
            } else {
                guard let own = cursor.number(), own >= 0, own <= list.byteCount, cursor.skip(2 * own) else {
                    return nil
                }
                elements = 4 + 2 * own
            }
            guard cursor.number() == elements else { return nil }
            if flags & Flags.deleted != 0 { deletedSeen += 1 } else { liveSeen += 1 }
        }
        return liveSeen == live && deletedSeen == deleted ? last ?? id : nil
    }

    /// Reads the elements of a valid list one after the other.
    private struct Cursor {
        private let list: Listpack
        private var offset: Int
        private let end: Int

        init(_ list: Listpack) {
            self.list = list
            offset = list.first
            end = list.end
        }

        var isAtEnd: Bool { offset >= end }

        /// The next element, if it is an integer in its shortest form.
        mutating func number() -> Int? {
            guard offset < end, case .integer(let value) = list[offset] else { return nil }
            let next = list.next(after: offset)
            guard next - offset == PackedValue(integer: value).encodedLength else { return nil }
            offset = next
            return value
        }

        /// Skips `count` elements; false if there are fewer.
        mutating func skip(_ count: Int) -> Bool {
            var left = count
            while left > 0 {
                guard offset < end else { return false }
                offset = list.next(after: offset)
                left -= 1
            }
            return true
        }
    }
}
