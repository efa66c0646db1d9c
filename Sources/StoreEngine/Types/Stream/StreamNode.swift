// Some entries of a stream in one listpack, in the layout of snapshots.
//
//     live | deleted | fields | field ... | 0         the master entry: how many entries, and the fields of the first
//     flags | milliseconds | sequence | value ... | elements           an entry with the master's fields
//     flags | milliseconds | sequence | fields | field | value | ... | elements           an entry with its own
//
// Milliseconds and sequence are differences to the node's id, that of its first entry. The number of elements at the
// end of an entry (not counting itself) leads back to its flags; the 0 of the master entry marks the beginning. Deleting
// an entry sets a flag: nothing moves, and offsets of entries stay valid until one of the counts at the front changes
// its length.
//
// Source: Redis, t_stream.c, "Low level stream encoding".

import RespCodec

/// A node of a stream. Valid until the stream changes.
struct StreamNode {
    let list: Listpack
    /// The id of the first entry, even if it is deleted.
    let id: StreamID

    struct Flags {
        static let deleted = 1
        static let sameFields = 2
    }

    // MARK: the master entry

    private var deletedOffset: Int { list.next(after: list.first) }
    /// How many entries there are, without deleted ones.
    var liveCount: Int { list.integer(at: list.first) }
    var deletedCount: Int { list.integer(at: deletedOffset) }
    private var fieldCountOffset: Int { list.next(after: deletedOffset) }

    /// How many fields the master entry has, and the offset of the first.
    @inline(__always) var master: (fields: Int, offset: Int) {
        let offset = fieldCountOffset
        return (list.integer(at: offset), list.next(after: offset))
    }

    /// The offset of the first entry, or the list's end.
    var firstEntry: Int {
        var (fields, offset) = master
        while fields > 0 {
            offset = list.next(after: offset)
            fields -= 1
        }
        return list.next(after: offset)
    }

    /// Sets the counts. The list must have room for two bytes more.
    /// - Returns: by how much what lies after them has moved.
    func setCounts(live: Int, deleted: Int) -> Int {
        let size = list.byteCount
        list.replace(at: list.first, with: PackedValue(integer: live))
        list.replace(at: deletedOffset, with: PackedValue(integer: deleted))
        return list.byteCount - size
    }

    // MARK: entries

    /// An entry, and the offsets of its parts.
    struct Entry {
        /// The offset of the flags.
        let offset: Int
        let flags: Int
        let id: StreamID
        let fieldCount: Int
        /// The offset of the first field, or of the first value if the fields are the master's.
        let content: Int

        var isDeleted: Bool { flags & Flags.deleted != 0 }
        var hasSameFields: Bool { flags & Flags.sameFields != 0 }
    }

    /// The entry at an offset.
    @inline(__always)
    func entry(at offset: Int, masterFields: Int) -> Entry {
        let flags = list.integer(at: offset)
        var position = list.next(after: offset)
        let milliseconds = list.integer(at: position)
        position = list.next(after: position)
        let sequence = list.integer(at: position)
        position = list.next(after: position)
        var fields = masterFields
        if flags & Flags.sameFields == 0 {
            fields = list.integer(at: position)
            position = list.next(after: position)
        }
        let id = StreamID(
            milliseconds: id.milliseconds &+ UInt64(bitPattern: Int64(milliseconds)),
            sequence: id.sequence &+ UInt64(bitPattern: Int64(sequence)))
        return Entry(offset: offset, flags: flags, id: id, fieldCount: fields, content: position)
    }

    /// The offset after an entry: of the next one, or the list's end.
    @inline(__always)
    func next(after entry: Entry) -> Int {
        var offset = entry.content
        var remaining = entry.hasSameFields ? entry.fieldCount : entry.fieldCount &* 2
        while remaining > 0 {
            offset = list.next(after: offset)
            remaining &-= 1
        }
        return list.next(after: offset)
    }

    /// The offset of the entry before the one at `offset`, which may be the list's end; nil before the first.
    func previous(before offset: Int) -> Int? {
        guard var position = list.previous(before: offset) else { return nil }
        let elements = list.integer(at: position)
        guard elements > 0 else { return nil }
        for _ in 0..<elements {
            guard let before = list.previous(before: position) else {
                preconditionFailure("an entry begins before its node")
            }
            position = before
        }
        return position
    }

    /// Sets the deleted flag of an entry. The flags' length stays the same.
    func markDeleted(_ entry: Entry) {
        list.replace(at: entry.offset, with: PackedValue(integer: entry.flags | Flags.deleted))
    }

    /// The id of the last entry, deleted or not.
    var lastID: StreamID {
        guard let offset = previous(before: list.end) else { return id }
        return entry(at: offset, masterFields: 0).id
    }

    // MARK: writing

    /// An upper bound of the bytes of an element whose text has `length` bytes.
    @inline(__always) static func elementBound(_ length: Int) -> Int {
        length &+ (length < 64 ? 2 : length < 4096 ? 4 : 10)
    }
    /// An upper bound of the bytes of an entry's numbers and of a change of the counts.
    static let numbersBound = 48

    /// Fields and values alternating, in the arguments of a request.
    struct Content {
        let arguments: Arguments
        let first: Int

        var fieldCount: Int { (arguments.count - first) / 2 }
        @inline(__always) func field(_ index: Int) -> ByteSlice { arguments[first &+ index &* 2] }
        @inline(__always) func value(_ index: Int) -> ByteSlice { arguments[first &+ index &* 2 &+ 1] }
    }

    /// Writes the master entry of an empty list, for one entry that will be added.
    func begin(_ content: Content) {
        var end = list.end
        func put(_ value: PackedValue) { end += list.write(value, at: end) }
        put(PackedValue(integer: 1))
        put(PackedValue(integer: 0))
        put(PackedValue(integer: content.fieldCount))
        for index in 0..<content.fieldCount { put(PackedValue(content.field(index))) }
        put(PackedValue(integer: 0))
        list.take(content.fieldCount + 4, upTo: end)
    }

    /// Whether these are the master's fields.
    @inline(__always)
    func hasFields(of content: Content) -> Bool {
        let (fields, start) = master
        guard fields == content.fieldCount else { return false }
        var offset = start
        for index in 0..<fields {
            guard list.matches(PackedValue(content.field(index)), at: offset) else { return false }
            offset = list.next(after: offset)
        }
        return true
    }

    /// Writes an entry after the last one. The caller updates the counts. The list must have room.
    @inline(__always)
    func append(_ id: StreamID, _ content: Content, sameFields: Bool) {
        let list = list
        var end = list.end
        func put(_ value: PackedValue) { end += list.write(value, at: end) }
        func difference(_ value: UInt64, _ base: UInt64) -> PackedValue {
            PackedValue(integer: Int(truncatingIfNeeded: value &- base))
        }
        let fields = content.fieldCount
        put(PackedValue(integer: sameFields ? Flags.sameFields : 0))
        put(difference(id.milliseconds, self.id.milliseconds))
        put(difference(id.sequence, self.id.sequence))
        if sameFields {
            for index in 0..<fields { put(PackedValue(content.value(index))) }
        } else {
            put(PackedValue(integer: fields))
            for index in 0..<fields {
                put(PackedValue(content.field(index)))
                put(PackedValue(content.value(index)))
            }
        }
        let elements = sameFields ? fields + 3 : fields * 2 + 4
        put(PackedValue(integer: elements))
        list.take(elements + 1, upTo: end)
    }
}
