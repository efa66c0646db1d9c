// The members of a large set: the segmented table, with each member in a block of its own.
//
//     1 to 13 bytes     length of the member: see `LengthPrefix`
//     member
//
// All sets have the same hash function, and a table is in the order of its hashes: looking each member of one table up in
// another visits both in the same order. So the slots of the other are in the cache, and only the members themselves have to
// be prefetched, which is done in batches. A slot has enough bits of the hash that most members of only one set are not read.

import CLinux
import Glibc
import RespCodec

enum MemberLayout: TableLayout {
    static var usualByteCount: Int { 32 }
    @inline(__always) static func key(of entry: UnsafeMutableRawPointer) -> ByteSlice {
        unsafe MemberEntry(entry).member
    }
}

/// The block of one member. A handle on raw memory, which trusts what it was made of.
@safe struct MemberEntry {
    let address: UnsafeMutableRawPointer

    @unsafe init(_ address: UnsafeMutableRawPointer) { unsafe self.address = address }

    @inline(__always) static func size(_ member: ByteSlice) -> Int { LengthPrefix.size(member.count) &+ member.count }

    @inline(__always) var member: ByteSlice {
        let (length, size) = unsafe LengthPrefix.read(address)
        return unsafe ByteSlice(start: address + size, count: length)
    }

    @inline(__always)
    func write(_ member: ByteSlice) {
        let size = unsafe LengthPrefix.write(member.count, to: address)
        unsafe memcpy(address + size, member.rawBytes.baseAddress!, member.count)
    }
}

/// A handle on a table of members in the allocator of a database. Valid until the table is freed.
@safe struct SetTable: LargeValue, TableHandle {
    let pointer: UnsafeMutablePointer<SegmentedTable<MemberLayout>>

    @unsafe init(pointer: UnsafeMutablePointer<SegmentedTable<MemberLayout>>) { unsafe self.pointer = pointer }

    @inline(__always)
    func contains(_ member: ByteSlice) -> Bool { table.find(member, hash: table.hash(member)) != nil }

    /// Adds a member; false when it is there already.
    @inline(__always) @discardableResult
    func add(_ member: ByteSlice) -> Bool {
        let hash = table.hash(member)
        guard table.find(member, hash: hash) == nil else { return false }
        insert(member, hash: hash)
        return true
    }

    /// Adds a member that is not there.
    @inline(__always)
    private func insert(_ member: ByteSlice, hash: UInt64) {
        let entry = unsafe MemberEntry(table.allocator.allocate(MemberEntry.size(member)))
        entry.write(member)
        _ = unsafe table.insert(entry.address, hash: hash, deadline: SegmentedTable<MemberLayout>.noDeadline)
    }

    /// Removes a member; false when it is not there.
    func remove(_ member: ByteSlice) -> Bool {
        guard let slot = table.find(member, hash: table.hash(member)) else { return false }
        remove(slot)
        return true
    }

    private func remove(_ slot: Slot) {
        if table.ticket != 0 { table.beforeChange(slot) }
        let entry = unsafe table.entry(at: slot)
        table.remove(slot)
        unsafe table.allocator.deallocate(entry)
    }

    // MARK: visiting

    /// Calls `body` with each member, until it returns false. The table must not change meanwhile.
    /// - Returns: whether all members were seen.
    func visit(_ body: (ByteSlice) -> Bool) -> Bool {
        visitBatches { batch in
            for index in 0..<batch.count { guard body(batch.member(index)) else { return false } }
            return true
        }
    }

    /// Some members of one segment, which were prefetched one batch ago.
    @safe struct Batch {
        static let capacity = 16

        let segment: Segment
        fileprivate let words: UnsafeMutablePointer<UInt64>
        let count: Int

        @inline(__always) func member(_ index: Int) -> ByteSlice {
            unsafe MemberEntry(SlotWord.entry(words[index])).member
        }
        @inline(__always) fileprivate func word(_ index: Int) -> UInt64 { unsafe words[index] }
    }

    /// Calls `body` with batches of members, until it returns false. The table must not change meanwhile.
    /// - Returns: whether all members were seen.
    func visitBatches(_ body: (Batch) -> Bool) -> Bool {
        unsafe withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 2 * Batch.capacity) { buffer in
            let start = buffer.baseAddress!
            var slots = unsafe table.slots
            var half = 0
            var ready = unsafe Self.fill(start, from: &slots)
            while ready > 0 {
                let batch = unsafe Batch(segment: slots.segment, words: start + half, count: ready)
                half = Batch.capacity - half
                ready = unsafe Self.fill(start + half, from: &slots)
                guard body(batch) else { return false }
            }
            return true
        }
    }

    /// Copies some slots, and prefetches their members.
    @inline(__always)
    private static func fill(_ words: UnsafeMutablePointer<UInt64>, from slots: inout TableSlots) -> Int {
        let count = unsafe slots.copy(to: words, capacity: Batch.capacity)
        for index in 0..<count { unsafe clinux_prefetch(SlotWord.entry(words[index])) }
        return count
    }

    /// Which of a batch's members, a bit for each, are in this table too; only those of `asked` are looked up.
    ///
    /// If this table's segment covers the hashes of the other's, the tag of a slot gives the bucket and excludes most
    /// members, and no hash is computed.
    func found(of batch: Batch, asked: UInt32) -> UInt32 {
        unsafe withUnsafeTemporaryAllocation(of: UInt64.self, capacity: Batch.capacity) { candidates in
            let prefix = unsafe batch.segment.header.pointee.prefix
            let shared = table.segment(prefix)
            let isShared = unsafe shared.header.pointee.depth <= batch.segment.header.pointee.depth
            // Members whose tag is in a slot, whose word is kept, or 0 if later buckets may have it too.
            var possible: UInt32 = 0
            var rest = asked
            while rest != 0 {
                let index = rest.trailingZeroBitCount
                rest &= rest &- 1
                let tag = SlotWord.tag(batch.word(index))
                let segment = isShared ? shared : table.segment(table.hash(batch.member(index)))
                let slots = unsafe segment.bucket(segment.home(tag))
                let matches = unsafe SlotWord.matches(slots, tag &<< 48)
                let word = matches == 0 ? 0 : unsafe slots[matches.trailingZeroBitCount]
                if word == 0 {
                    // A bucket with room ends the search.
                    guard unsafe slots[Segment.slotsPerBucket &- 1] != 0 else { continue }
                } else {
                    unsafe clinux_prefetch(SlotWord.entry(word))
                }
                unsafe candidates[index] = word
                possible |= 1 &<< UInt32(truncatingIfNeeded: index)
            }
            var found: UInt32 = 0
            while possible != 0 {
                let index = possible.trailingZeroBitCount
                possible &= possible &- 1
                let member = batch.member(index)
                let word = unsafe candidates[index]
                let isFound = unsafe word != 0 && MemberLayout.hasKey(SlotWord.entry(word), member)
                if isFound || contains(member) { found |= 1 &<< UInt32(truncatingIfNeeded: index) }
            }
            return found
        }
    }

    // MARK: random members

    /// A random member. There must be one.
    /// - Complexity: O(1) expected.
    func random(using generator: inout RandomSource) -> ByteSlice {
        unsafe MemberEntry(table.random(using: &generator)).member
    }

    /// Calls `body` with a random member, then removes it. There must be one.
    /// - Complexity: O(1) expected.
    @inline(__always)
    func removeRandom(using generator: inout RandomSource, _ body: (ByteSlice) -> Void) {
        let slot = table.randomSlot(using: &generator)
        body(unsafe MemberEntry(table.entry(at: slot)).member)
        remove(slot)
    }

    // MARK: as a large value

    /// Bytes in use, estimated from the size of up to `samples` members.
    /// - Complexity: O(samples + members / 400).
    func byteCount(samples: Int) -> Int {
        unsafe table.byteCount(samples: samples) + table.allocator.capacity(of: pointer)
    }

    func copied(to allocator: SlabAllocator, hash: KeyHash) -> any LargeValue {
        let copy = SetTable(allocator: allocator, hash: hash, expecting: count)
        _ = visit { member in
            copy.insert(member, hash: hash(member))
            return true
        }
        return copy
    }

    func defragment(_ place: inout ValuePlace, _ mover: inout BlockMover) -> Bool {
        table.moveEntries(&place.table, &mover)
    }

    /// Frees up to about `budget` members from directory place `index` on. Returns the place to continue from; nil when
    /// everything is freed, and the handle must not be used any more.
    @unsafe func deallocateSlice(from index: Int, budget: Int) -> Int? {
        let allocator = table.allocator
        let next = unsafe table.deallocateSlice(from: index, budget: budget) { unsafe allocator.deallocate($0) }
        if next == nil { unsafe allocator.deallocate(pointer) }
        return next
    }
}
