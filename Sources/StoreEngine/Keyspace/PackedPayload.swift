// The packed list of a small collection, which lies in the block of its entry and moves with it.

/// Good until the next insertion or removal in the keyspace's table.
@safe struct PackedPayload {
    private let database: Database
    private let slot: Slot

    init(_ database: Database, _ slot: Slot) {
        self.database = database
        self.slot = slot
    }

    /// The list where it is now. Any change through this type may move it.
    @inline(__always) var list: PackedList { database.entry(at: slot).packedList }

    /// The list in a block with room for so many more bytes.
    @inline(__always)
    func withRoom(for more: Int) -> PackedList {
        let entry = database.entry(at: slot)
        let size = entry.packedList.byteCount
        if database.payloadCapacity(entry) >= size + more { return entry.packedList }
        return database.resizePayload(slot, to: size + more, keeping: size).packedList
    }

    /// Gives back what the block has become too large by.
    func trim() {
        let entry = database.entry(at: slot)
        let size = entry.packedList.byteCount
        if database.payloadCapacity(entry) > size + size / 4 + 16 {
            _ = database.resizePayload(slot, to: size, keeping: size)
        }
    }

    func append(_ value: PackedValue) { withRoom(for: value.encodedLength).append(value) }

    /// Puts `value` before the element at `offset`, which may be the list's end.
    func insert(_ value: PackedValue, at offset: Int) { withRoom(for: value.encodedLength).insert(value, at: offset) }

    func replace(at offset: Int, with value: PackedValue) {
        let list = list
        withRoom(for: value.encodedLength - (list.next(after: offset) - offset)).replace(at: offset, with: value)
    }

    /// Takes out `count` elements from the one at `offset` on.
    func remove(at offset: Int, count: Int) {
        list.remove(at: offset, count: count)
        trim()
    }
}
