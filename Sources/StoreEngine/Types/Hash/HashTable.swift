// The fields of a large hash: the segmented table, with field, value and deadline together in one block.
//
//     1 to 13 bytes     length of the field: see `LengthPrefix`
//     field
//     1 to 13 bytes     length of the value
//     value
//     8 bytes           deadline, milliseconds since 1970; only if the slot's bit for deadlines is set
//
// So fields without a deadline take no memory for it, and the table finds the fields that have expired.

import Glibc
import RespCodec

enum FieldLayout: TableLayout {
    @inline(__always) static func key(of entry: UnsafeMutableRawPointer) -> ByteSlice { unsafe FieldEntry(entry).field }
    @inline(__always) static func deadline(of entry: UnsafeMutableRawPointer, _ window: DeadlineWindow) -> Int64 {
        unsafe FieldEntry(entry).deadline
    }
}

/// The block of one field, value and deadline. A handle on raw memory, which trusts what it was made of.
@safe struct FieldEntry {
    let address: UnsafeMutableRawPointer

    @unsafe init(_ address: UnsafeMutableRawPointer) { unsafe self.address = address }

    private func run(at offset: Int) -> ByteSlice {
        let (length, size) = unsafe LengthPrefix.read(address + offset)
        return unsafe ByteSlice(start: address + offset + size, count: length)
    }

    private func write(_ bytes: ByteSlice, at offset: Int) -> Int {
        let size = unsafe LengthPrefix.write(bytes.count, to: address + offset)
        unsafe memmove(address + offset + size, bytes.rawBytes.baseAddress!, bytes.count)
        return offset + size + bytes.count
    }

    @inline(__always) var field: ByteSlice { run(at: 0) }
    var value: ByteSlice {
        let field = field
        return run(at: LengthPrefix.size(field.count) + field.count)
    }

    /// Bytes of a deadline.
    static let deadlineSize = 8

    /// When the field expires. Only for an entry whose slot has the bit for deadlines.
    var deadline: Int64 {
        get { unsafe address.loadUnaligned(fromByteOffset: deadlineOffset, as: Int64.self) }
        nonmutating set { unsafe address.storeBytes(of: newValue, toByteOffset: deadlineOffset, as: Int64.self) }
    }

    private var deadlineOffset: Int { Self.size(field: field, value: value) }

    static func size(field: ByteSlice, value: ByteSlice) -> Int {
        LengthPrefix.size(field.count) + field.count + LengthPrefix.size(value.count) + value.count
    }

    func write(field: ByteSlice, value: ByteSlice) { _ = write(value, at: write(field, at: 0)) }

    /// Overwrites the value; the block must have room.
    func write(value: ByteSlice) {
        let field = field
        _ = write(value, at: LengthPrefix.size(field.count) + field.count)
    }
}

/// A handle on a table of fields in the allocator of a database. Valid until the table is freed.
@safe struct HashTable: LargeValue, TableHandle {
    let pointer: UnsafeMutablePointer<SegmentedTable<FieldLayout>>

    @unsafe init(pointer: UnsafeMutablePointer<SegmentedTable<FieldLayout>>) { unsafe self.pointer = pointer }

    func find(_ field: ByteSlice) -> Slot? { table.find(field, hash: table.hash(field)) }

    func value(at slot: Slot) -> ByteSlice {
        table.check(slot)
        return unsafe FieldEntry(table.entry(at: slot)).value
    }

    /// The value of a field, expired or not.
    func value(of field: ByteSlice) -> ByteSlice? { find(field).map { value(at: $0) } }

    /// Sets a field, and removes its deadline; true when it is new.
    @discardableResult
    func set(_ field: ByteSlice, _ value: ByteSlice) -> Bool {
        let hash = table.hash(field)
        if let slot = table.find(field, hash: hash) {
            replace(slot, field, value, deadline: nil)
            return false
        }
        let entry = unsafe FieldEntry(table.allocator.allocate(FieldEntry.size(field: field, value: value)))
        entry.write(field: field, value: value)
        _ = unsafe table.insert(entry.address, hash: hash, deadline: Self.noDeadline)
        return true
    }

    /// Sets the value and the deadline of the field at `slot`.
    func replace(_ slot: Slot, _ field: ByteSlice, _ value: ByteSlice, deadline: Int64?) {
        if table.ticket != 0 { table.beforeChange(slot) }
        let allocator = table.allocator
        let size = FieldEntry.size(field: field, value: value) + (deadline == nil ? 0 : FieldEntry.deadlineSize)
        let capacity = unsafe allocator.capacity(of: table.entry(at: slot))
        if size <= capacity && capacity - size < 64 {
            let entry = unsafe FieldEntry(table.entry(at: slot))
            entry.write(value: value)
            if let deadline { entry.deadline = deadline }
            if table.hasDeadline(slot) || deadline != nil { table.setDeadline(deadline ?? Self.noDeadline, at: slot) }
            return
        }
        let entry = unsafe FieldEntry(allocator.allocate(size))
        entry.write(field: field, value: value)
        if let deadline { entry.deadline = deadline }
        let old = unsafe table.entry(at: slot)
        unsafe table.replace(slot, with: entry.address, deadline: deadline ?? Self.noDeadline)
        unsafe allocator.deallocate(old)
    }

    /// Removes a field; false when there is none.
    func remove(_ field: ByteSlice) -> Bool {
        guard let slot = find(field) else { return false }
        remove(slot)
        return true
    }

    private func remove(_ slot: Slot) {
        if table.ticket != 0 { table.beforeChange(slot) }
        let entry = unsafe table.entry(at: slot)
        table.remove(slot)
        unsafe table.allocator.deallocate(entry)
    }

    // MARK: deadlines

    private static var noDeadline: Int64 { SegmentedTable<FieldLayout>.noDeadline }

    /// A lower bound of the deadlines of fields; nil if no field has one.
    var earliestDeadline: Int64? {
        let earliest = table.earliestDeadline
        return earliest == Self.noDeadline ? nil : earliest
    }

    /// When the field expires; nil if it has no deadline.
    func deadline(at slot: Slot) -> Int64? {
        table.hasDeadline(slot) ? unsafe FieldEntry(table.entry(at: slot)).deadline : nil
    }

    /// Sets or removes the deadline of the field at `slot`.
    func setDeadline(_ deadline: Int64?, at slot: Slot) {
        if table.ticket != 0 { table.beforeChange(slot) }
        let entry = unsafe FieldEntry(table.entry(at: slot))
        guard let deadline else {
            if table.hasDeadline(slot) { table.setDeadline(Self.noDeadline, at: slot) }
            return
        }
        let (field, value) = (entry.field, entry.value)
        let size = FieldEntry.size(field: field, value: value) + FieldEntry.deadlineSize
        if unsafe size <= table.allocator.capacity(of: table.entry(at: slot)) {
            entry.deadline = deadline
            table.setDeadline(deadline, at: slot)
        } else {
            replace(slot, field, value, deadline: deadline)
        }
    }

    /// Removes a field that expired before `now`; false when there is none.
    /// - Parameters:
    ///   - budget: what may be looked into in vain: see `SegmentedTable.nextExpired`.
    ///   - willRemove: called with the field before it is removed.
    func removeExpired(now: Int64, budget: inout Int, willRemove: (ByteSlice) -> Void) -> Bool {
        guard let slot = table.nextExpired(now: now - 1, .unused, budget: &budget) else { return false }
        unsafe willRemove(FieldEntry(table.entry(at: slot)).field)
        remove(slot)
        return true
    }

    // MARK: all fields

    /// Calls `body` with each field, value and deadline. The table must not change meanwhile.
    @inline(__always)
    func forEach(_ body: (ByteSlice, ByteSlice, Int64?) -> Void) {
        table.forEachWord { word in Self.read(word, body) }
    }

    /// As `forEach`, for the fields at a cursor; returns the next cursor: see `SegmentedTable.scan`.
    func scan(_ cursor: UInt64, _ body: (ByteSlice, ByteSlice, Int64?) -> Void) -> UInt64 {
        table.scanWords(cursor) { word in Self.read(word, body) }
    }

    @inline(__always)
    private static func read(_ word: UInt64, _ body: (ByteSlice, ByteSlice, Int64?) -> Void) {
        let entry = unsafe FieldEntry(SlotWord.entry(word))
        body(entry.field, entry.value, SlotWord.hasDeadline(word) ? entry.deadline : nil)
    }

    /// Bytes in use, estimated from the size of up to `samples` fields.
    /// - Complexity: O(samples + fields / 400).
    func byteCount(samples: Int) -> Int {
        unsafe table.byteCount(samples: samples) + table.allocator.capacity(of: pointer)
    }

    func copied(to allocator: SlabAllocator, hash: KeyHash) -> any LargeValue {
        let copy = HashTable(allocator: allocator, hash: hash, expecting: count)
        forEach { field, value, deadline in
            copy.set(field, value)
            if let deadline, let slot = copy.find(field) { copy.setDeadline(deadline, at: slot) }
        }
        return copy
    }

    func defragment(_ place: inout ValuePlace, _ mover: inout BlockMover) -> Bool {
        table.moveEntries(&place.table, &mover)
    }

    /// Frees up to about `budget` fields from directory place `index` on. Returns the place to continue from; nil when everything is freed,
    /// and the handle must not be used any more.
    @unsafe func deallocateSlice(from index: Int, budget: Int) -> Int? {
        let allocator = table.allocator
        let next = unsafe table.deallocateSlice(from: index, budget: budget) { unsafe allocator.deallocate($0) }
        if next == nil { unsafe allocator.deallocate(pointer) }
        return next
    }
}
