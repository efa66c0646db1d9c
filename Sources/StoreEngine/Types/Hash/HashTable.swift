// The fields of a large hash: the segmented table, with field and value together in one block.
//
//     1 or 5 bytes  length of the field        1 or 5 bytes  length of the value
//     field                                    value

import Glibc
import RespCodec

enum FieldLayout: TableLayout {
    @inline(__always) static func key(of entry: UnsafeMutableRawPointer) -> ByteSlice { unsafe FieldEntry(entry).field }
    @inline(__always) static func hasKey(_ entry: UnsafeMutableRawPointer, _ key: ByteSlice) -> Bool {
        let field = unsafe FieldEntry(entry).field
        guard field.count == key.count else { return false }
        return unsafe sameBytes(field.rawBytes.baseAddress!, key.rawBytes.baseAddress!, count: key.count)
    }
    @inline(__always) static func deadline(of entry: UnsafeMutableRawPointer) -> Int64 { Int64.max }
}

/// One field and its value.
@safe struct FieldEntry {
    let address: UnsafeMutableRawPointer

    @unsafe init(_ address: UnsafeMutableRawPointer) { unsafe self.address = address }

    private func run(at offset: Int) -> ByteSlice {
        let short = unsafe address.load(fromByteOffset: offset, as: UInt8.self)
        if short < 255 { return unsafe ByteSlice(start: address + offset + 1, count: Int(short)) }
        let length = unsafe Int(address.loadUnaligned(fromByteOffset: offset + 1, as: UInt32.self))
        return unsafe ByteSlice(start: address + offset + 5, count: length)
    }

    private static func lengthSize(_ length: Int) -> Int { length < 255 ? 1 : 5 }

    private func write(_ bytes: ByteSlice, at offset: Int) -> Int {
        let size = Self.lengthSize(bytes.count)
        unsafe address.storeBytes(of: UInt8(min(bytes.count, 255)), toByteOffset: offset, as: UInt8.self)
        if size == 5 { unsafe address.storeBytes(of: UInt32(bytes.count), toByteOffset: offset + 1, as: UInt32.self) }
        unsafe memmove(address + offset + size, bytes.rawBytes.baseAddress!, bytes.count)
        return offset + size + bytes.count
    }

    @inline(__always) var field: ByteSlice { run(at: 0) }
    var value: ByteSlice {
        let field = field
        return run(at: Self.lengthSize(field.count) + field.count)
    }

    static func size(field: ByteSlice, value: ByteSlice) -> Int {
        lengthSize(field.count) + field.count + lengthSize(value.count) + value.count
    }

    func write(field: ByteSlice, value: ByteSlice) { _ = write(value, at: write(field, at: 0)) }

    /// Overwrites the value; the block must have room.
    func write(value: ByteSlice) {
        let field = field
        _ = write(value, at: Self.lengthSize(field.count) + field.count)
    }
}

/// A handle on a table of fields that lives in a database's allocator.
@safe struct HashTable: LargeValue {
    private let pointer: UnsafeMutablePointer<SegmentedTable<FieldLayout>>

    /// The table at an address that an entry holds.
    @unsafe init(at address: UnsafeMutableRawPointer) {
        unsafe pointer = address.assumingMemoryBound(to: SegmentedTable<FieldLayout>.self)
    }

    /// A new empty table.
    init(allocator: SlabAllocator, hash: KeyHash) {
        let block = unsafe allocator.allocate(MemoryLayout<SegmentedTable<FieldLayout>>.size)
        unsafe pointer = block.bindMemory(to: SegmentedTable<FieldLayout>.self, capacity: 1)
        unsafe pointer.initialize(to: SegmentedTable(allocator: allocator, hash: hash))
    }

    var address: UnsafeMutableRawPointer { unsafe UnsafeMutableRawPointer(pointer) }

    var table: SegmentedTable<FieldLayout> {
        unsafeAddress { unsafe UnsafePointer(pointer) }
        nonmutating unsafeMutableAddress { unsafe pointer }
    }

    var count: Int { table.count }

    func value(of field: ByteSlice) -> ByteSlice? {
        guard let slot = table.find(field, hash: table.hash(field)) else { return nil }
        return unsafe FieldEntry(slot.entry).value
    }

    /// Sets a field; true when it is new.
    @discardableResult
    func set(_ field: ByteSlice, _ value: ByteSlice) -> Bool {
        let hash = table.hash(field)
        let size = FieldEntry.size(field: field, value: value)
        let allocator = table.allocator
        if let slot = table.find(field, hash: hash) {
            let capacity = unsafe allocator.capacity(of: slot.entry)
            if size <= capacity && capacity - size < 64 {
                unsafe FieldEntry(slot.entry).write(value: value)
                return false
            }
            let entry = unsafe FieldEntry(allocator.allocate(size))
            entry.write(field: field, value: value)
            let old = unsafe slot.entry
            unsafe table.replace(slot, with: entry.address, deadline: SegmentedTable<FieldLayout>.noDeadline)
            unsafe allocator.deallocate(old)
            return false
        }
        let entry = unsafe FieldEntry(allocator.allocate(size))
        entry.write(field: field, value: value)
        _ = unsafe table.insert(entry.address, hash: hash, deadline: SegmentedTable<FieldLayout>.noDeadline)
        return true
    }

    /// Removes a field; false when there is none.
    func remove(_ field: ByteSlice) -> Bool {
        guard let slot = table.find(field, hash: table.hash(field)) else { return false }
        let entry = unsafe slot.entry
        table.remove(slot)
        unsafe table.allocator.deallocate(entry)
        return true
    }

    /// Calls `body` with each field and value. The table must not change meanwhile.
    func forEach(_ body: (ByteSlice, ByteSlice) -> Void) {
        unsafe table.forEach { entry in
            let field = unsafe FieldEntry(entry)
            body(field.field, field.value)
        }
    }

    /// Bytes in use, those of the fields by as many samples.
    /// - Complexity: O(samples + fields / 400).
    func byteCount(samples: Int) -> Int {
        let allocator = table.allocator
        var measured = 0
        var bytes = 0
        var cursor: UInt64 = 0
        repeat {
            cursor = unsafe table.scan(cursor) { entry in
                guard measured < samples else { return }
                measured += 1
                bytes += unsafe allocator.capacity(of: entry)
            }
        } while cursor != 0 && measured < samples
        let fields = measured == 0 ? 0 : Double(bytes) / Double(measured) * Double(count)
        return unsafe Int(fields) + table.ownByteCount + allocator.capacity(of: pointer)
    }

    func copied(to allocator: SlabAllocator, hash: KeyHash) -> any LargeValue {
        let copy = HashTable(allocator: allocator, hash: hash)
        forEach { copy.set($0, $1) }
        return copy
    }

    /// Frees up to about `budget` fields from directory place `index` on; nil when all is gone, the handle's memory too.
    func deallocateSlice(from index: Int, budget: Int) -> Int? {
        let allocator = table.allocator
        let next = unsafe table.deallocateSlice(from: index, budget: budget) { unsafe allocator.deallocate($0) }
        if next == nil { unsafe allocator.deallocate(pointer) }
        return next
    }
}
