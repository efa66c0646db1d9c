// Blocks in the order of their names: the groups of a stream, the consumers of a group.
//
// A sorted array of addresses. Each block begins with a `StoredName`; the rest of it belongs to the owner.
//
// Rejected: a table, which has no order, while XINFO and XPENDING list by name; a tree, as there are mostly few names.

import Glibc
import RespCodec

/// A name in a block of its own, so that the block that has the name has a fixed layout.
@unsafe struct StoredName {
    let start: UnsafeMutableRawPointer
    let count: Int

    init(_ name: ByteSlice, _ allocator: SlabAllocator) {
        unsafe start = allocator.allocate(max(name.count, 1))
        unsafe count = name.count
        unsafe memcpy(start, name.rawBytes.baseAddress!, name.count)
    }

    var bytes: ByteSlice { unsafe ByteSlice(start: start, count: count) }

    func deallocate(_ allocator: SlabAllocator) { unsafe allocator.deallocate(start) }
}

/// A plain value with one owner, which passes the allocator to each call, always the same, and calls `deallocate` at the end.
@safe struct NamedBlocks {
    private var slots: UnsafeMutableRawPointer?
    private(set) var count = 0

    subscript(index: Int) -> UnsafeMutableRawPointer {
        precondition(UInt(bitPattern: index) < UInt(bitPattern: count), "a name that is not there")
        return unsafe UnsafeMutableRawPointer(
            bitPattern: slots!.loadUnaligned(fromByteOffset: index * 8, as: UInt.self))!
    }

    private func name(_ index: Int) -> ByteSlice {
        unsafe self[index].assumingMemoryBound(to: StoredName.self).pointee.bytes
    }

    /// How many names are before `name`.
    private func rank(_ name: ByteSlice) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) >> 1
            if self.name(middle) < name { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// The place of a name; if it is not there, where it belongs.
    /// - Complexity: O(log n).
    func place(of name: ByteSlice) -> (index: Int, isFound: Bool) {
        let rank = rank(name)
        return (rank, rank < count && self.name(rank) == name)
    }

    /// The place of a name; nil if it is not there.
    /// - Complexity: O(log n).
    func find(_ name: ByteSlice) -> Int? {
        let place = place(of: name)
        return place.isFound ? place.index : nil
    }

    /// Inserts a block, whose name must not be there.
    /// - Complexity: O(log n + blocks after it).
    @unsafe mutating func insert(_ block: UnsafeMutableRawPointer, _ allocator: SlabAllocator) {
        unsafe insert(block, at: rank(block.assumingMemoryBound(to: StoredName.self).pointee.bytes), allocator)
    }

    /// Inserts a block at the index that `place(of:)` has returned for its name.
    @unsafe mutating func insert(_ block: UnsafeMutableRawPointer, at index: Int, _ allocator: SlabAllocator) {
        let held = unsafe slots.map { unsafe allocator.capacity(of: $0) } ?? 0
        if held < (count + 1) * 8 {
            let size = max((count + count / 2 + 1) * 8, 8)
            unsafe slots =
                slots.map { unsafe allocator.reallocate($0, size: size, keeping: count * 8) }
                ?? allocator.allocate(size)
        }
        let place = unsafe slots! + index * 8
        unsafe memmove(place + 8, place, (count - index) * 8)
        unsafe place.storeBytes(of: UInt(bitPattern: block), as: UInt.self)
        count += 1
    }

    /// Removes a block.
    @unsafe mutating func remove(at index: Int, _ allocator: SlabAllocator) -> UnsafeMutableRawPointer {
        let block = unsafe self[index]
        let place = unsafe slots! + index * 8
        unsafe memmove(place, place + 8, (count - index - 1) * 8)
        count -= 1
        if count == 0 { deallocate(allocator) }
        return unsafe block
    }

    /// Frees the array, not the blocks.
    mutating func deallocate(_ allocator: SlabAllocator) {
        if let slots = unsafe slots { unsafe allocator.deallocate(slots) }
        unsafe slots = nil
        count = 0
    }

    func byteCount(_ allocator: SlabAllocator) -> Int { unsafe slots.map { unsafe allocator.capacity(of: $0) } ?? 0 }
}
