// The compact list of a small collection, which lies in the block of its entry and moves with it.

/// Good until the next insertion or removal in the keyspace's table.
@safe struct PackedPayload<Form: PackedForm> {
    private let database: Database
    /// The slot's word, or one like it, which holds the entry's address.
    private let word: UnsafeMutablePointer<UInt64>

    init(_ database: Database, _ slot: Slot) { unsafe self.init(database, at: slot.word) }

    @unsafe init(_ database: Database, at word: UnsafeMutablePointer<UInt64>) {
        self.database = database
        unsafe self.word = word
    }

    @inline(__always) private var entry: Entry { unsafe Entry(SlotWord.entry(word.pointee)) }

    /// The list where it is now. Any change through this type may move it.
    @inline(__always) var list: PackedElements<Form> { Self.list(of: entry) }

    @inline(__always) private static func list(of entry: Entry) -> PackedElements<Form> {
        unsafe PackedElements(entry.payload)
    }

    /// The list in a block with room for `more` more bytes of elements, and with a head that can say so. Offsets stay what they are.
    /// - Parameter spare: how much more room there shall be if the block has to grow.
    @inline(__always)
    func withRoom(for more: Int, spare: Int = 0) -> PackedElements<Form> {
        let entry = entry
        let list = Self.list(of: entry)
        let needed = list.byteCount(with: more)
        guard list.headAllows(more) else { return withLongHead(needed) }
        if database.payloadCapacity(entry) >= needed { return list }
        return unsafe Self.list(of: database.resizePayload(at: word, to: needed + spare, keeping: list.byteCount))
    }

    @inline(never)
    private func withLongHead(_ needed: Int) -> PackedElements<Form> {
        let size = list.byteCount
        if database.payloadCapacity(entry) < needed {
            _ = unsafe database.resizePayload(at: word, to: needed, keeping: size)
        }
        return list.withLongHead()
    }

    /// Gives back what the block has become too large by. Only with that a long head becomes a short one again.
    func trim() {
        let entry = entry
        let size = Self.list(of: entry).byteCount
        if database.payloadCapacity(entry) > size + size / 4 + 16 {
            let size = Self.list(of: entry).withShortestHead().byteCount
            _ = unsafe database.resizePayload(at: word, to: size, keeping: size)
        }
    }

    func append(_ value: PackedValue) { withRoom(for: PackedElements<Form>.length(of: value)).append(value) }

    /// Puts `value` before the element at `offset`, which may be the list's end.
    func insert(_ value: PackedValue, at offset: Int) {
        withRoom(for: PackedElements<Form>.length(of: value)).insert(value, at: offset)
    }

    func replace(at offset: Int, with value: PackedValue) {
        let list = list
        withRoom(for: PackedElements<Form>.length(of: value) - (list.next(after: offset) - offset)).replace(
            at: offset, with: value)
    }

    /// Takes out `count` elements from the one at `offset` on.
    func remove(at offset: Int, count: Int) {
        list.remove(at: offset, count: count)
        trim()
    }
}
