// The members of a large sorted set: a table of them by name, and a tree of the same blocks by score.
//
//     8 bytes           score
//     1 to 13 bytes     length of the member: see `LengthPrefix`
//     member
//
// The score is in the block for look-ups by name, and in the tree for searches by score.
//
// Invariant: table and tree have the same blocks, with the same scores; only while a set is built, from `insertUnordered` to `order`, is
// the tree empty.

import Glibc
import RespCodec

enum ScoredMemberLayout: TableLayout {
    static var usualByteCount: Int { 32 }
    @inline(__always) static func key(of entry: UnsafeMutableRawPointer) -> ByteSlice {
        unsafe MemberBlock(entry).member
    }
}

/// The block of one member and its score. A handle on raw memory, which trusts what it was made of.
@safe struct MemberBlock {
    let address: UnsafeMutableRawPointer

    @unsafe init(_ address: UnsafeMutableRawPointer) { unsafe self.address = address }

    /// A new block of an allocator.
    @inline(__always)
    init(_ allocator: SlabAllocator, _ member: ByteSlice, _ score: Double) {
        unsafe address = allocator.allocate(8 &+ LengthPrefix.size(member.count) &+ member.count)
        self.score = score
        let size = unsafe LengthPrefix.write(member.count, to: address + 8)
        unsafe memcpy(address + 8 + size, member.rawBytes.baseAddress!, member.count)
    }

    @inline(__always) var score: Double {
        get { unsafe address.loadUnaligned(as: Double.self) }
        nonmutating set { unsafe address.storeBytes(of: newValue, as: Double.self) }
    }

    @inline(__always) var member: ByteSlice {
        let (length, size) = unsafe LengthPrefix.read(address + 8)
        return unsafe ByteSlice(start: address + 8 + size, count: length)
    }
}

/// A handle on a table and a tree in the allocator of a database. Valid until they are freed.
@safe struct SortedSetTable: LargeValue {
    @unsafe struct Storage {
        var table: SegmentedTable<ScoredMemberLayout>
        var tree: RankedTree<ScoredMemberLayout>
    }

    private let storage: UnsafeMutablePointer<Storage>

    /// The table at an address that an entry contains.
    @unsafe init(at address: UnsafeMutableRawPointer) {
        unsafe storage = address.assumingMemoryBound(to: Storage.self)
    }

    /// A new empty table, with room for about as many members as are `expected`.
    init(allocator: SlabAllocator, hash: KeyHash, expecting expected: Int = 0) {
        let block = unsafe allocator.allocate(MemoryLayout<Storage>.stride)
        unsafe storage = block.bindMemory(to: Storage.self, capacity: 1)
        unsafe storage.initialize(
            to: Storage(
                table: SegmentedTable(allocator: allocator, hash: hash, expecting: expected),
                tree: RankedTree(allocator: allocator)))
    }

    var address: UnsafeMutableRawPointer { unsafe UnsafeMutableRawPointer(storage) }
    private var allocator: SlabAllocator { table.allocator }

    @inline(__always) var table: SegmentedTable<ScoredMemberLayout> {
        unsafeAddress { unsafe UnsafePointer(UnsafeRawPointer(storage).assumingMemoryBound(to: SegmentedTable.self)) }
        nonmutating unsafeMutableAddress {
            unsafe UnsafeMutableRawPointer(storage).assumingMemoryBound(to: SegmentedTable<ScoredMemberLayout>.self)
        }
    }
    @inline(__always) var tree: RankedTree<ScoredMemberLayout> {
        unsafeAddress { unsafe UnsafePointer(treePointer) }
        nonmutating unsafeMutableAddress { unsafe treePointer }
    }
    @inline(__always) private var treePointer: UnsafeMutablePointer<RankedTree<ScoredMemberLayout>> {
        let offset = unsafe MemoryLayout<Storage>.offset(of: \.tree).unsafelyUnwrapped
        return unsafe (UnsafeMutableRawPointer(storage) + offset).assumingMemoryBound(to: RankedTree.self)
    }

    var count: Int { table.count }

    // MARK: members

    @inline(__always)
    func find(_ member: ByteSlice) -> MemberBlock? {
        guard let slot = table.find(member, hash: table.hash(member)) else { return nil }
        return unsafe MemberBlock(table.entry(at: slot))
    }

    /// Adds a member that is not in the set.
    @inline(__always)
    func insert(_ member: ByteSlice, _ score: Double) {
        let block = MemberBlock(allocator, member, score)
        _ = unsafe table.insert(
            block.address, hash: table.hash(member), deadline: SegmentedTable<ScoredMemberLayout>.noDeadline)
        unsafe tree.insert(score, block.address)
    }

    /// Changes the score of a member of the set.
    func setScore(_ block: MemberBlock, _ score: Double) {
        if table.ticket != 0, let slot = table.find(block.member, hash: table.hash(block.member)) {
            table.beforeChange(slot)
        }
        unsafe tree.move(block.address, from: block.score, to: score)
        block.score = score
    }

    /// Removes a member; false when there is none.
    func remove(_ member: ByteSlice) -> Bool {
        guard let slot = table.find(member, hash: table.hash(member)) else { return false }
        if table.ticket != 0 { table.beforeChange(slot) }
        let block = unsafe MemberBlock(table.entry(at: slot))
        table.remove(slot)
        unsafe tree.remove(block.score, block.address)
        unsafe allocator.deallocate(block.address)
        return true
    }

    /// Removes the members of these ranks.
    /// - Complexity: O(ranks + log(members)).
    func remove(ranks: Range<Int>) {
        var left = ranks.count
        while left > 0 {
            left -= unsafe tree.removeSome(fromRank: ranks.lowerBound, atMost: left) { block in
                let member = unsafe MemberBlock(block).member
                guard let slot = table.find(member, hash: table.hash(member)) else {
                    preconditionFailure("a member of the tree is not in the table")
                }
                if table.ticket != 0 { table.beforeChange(slot) }
                table.remove(slot)
                unsafe allocator.deallocate(block)
            }
        }
    }

    func rank(of block: MemberBlock) -> Int { tree.rank(block.score, block.member) }

    // MARK: building

    /// Adds a member to the table only; `order` must follow.
    func insertUnordered(_ block: MemberBlock, hash: UInt64) {
        _ = unsafe table.insert(block.address, hash: hash, deadline: SegmentedTable<ScoredMemberLayout>.noDeadline)
    }

    /// Removes a member from the table only, and frees its block.
    func removeUnordered(_ slot: Slot) {
        let block = unsafe table.entry(at: slot)
        table.remove(slot)
        unsafe allocator.deallocate(block)
    }

    /// Builds the tree of the table's members, which are `entries`, in any order.
    func order(_ entries: UnsafeMutableBufferPointer<RankedEntry>) {
        var entries = unsafe entries
        unsafe entries.sort { left, right in
            if left.score != right.score { return left.score < right.score }
            return unsafe MemberBlock(left.block).member < MemberBlock(right.block).member
        }
        unsafe tree.build(UnsafeBufferPointer(entries))
    }

    // MARK: as a large value

    /// Bytes in use, estimated from the size of up to `samples` members.
    /// - Complexity: O(samples + members / 400).
    func byteCount(samples: Int) -> Int {
        unsafe table.byteCount(samples: samples) + tree.ownByteCount + allocator.capacity(of: storage)
    }

    func copied(to allocator: SlabAllocator, hash: KeyHash) -> any LargeValue {
        let copy = SortedSetTable(allocator: allocator, hash: hash, expecting: count)
        let entries = unsafe UnsafeMutableBufferPointer(
            start: SystemMemory.allocate(RankedEntry.self, count: count), count: count)
        defer { unsafe entries.deallocate() }
        var index = 0
        unsafe tree.forEach(from: 0, count: count, reversed: false) { score, block in
            let member = unsafe MemberBlock(block).member
            let copied = MemberBlock(allocator, member, score)
            copy.insertUnordered(copied, hash: hash(member))
            unsafe entries.initializeElement(at: index, to: RankedEntry(score, copied.address))
            index += 1
            return true
        }
        unsafe copy.tree.build(UnsafeBufferPointer(entries))
        return copy
    }

    func defragment(_ place: inout ValuePlace, _ mover: inout BlockMover) -> Bool {
        while place.stage == 0 && !mover.isOver {
            guard let word = unsafe table.nextWord(&place.table, &mover) else {
                guard place.table.isAtEnd else { return false }
                table.moveOwnBlocks(&mover)
                place.stage = 1
                break
            }
            let block = unsafe SlotWord.entry(word.pointee)
            let hasMoved = unsafe mover.moveEntry(at: word) { copy in
                unsafe tree.replace(block, with: copy, score: MemberBlock(copy).score)
            }
            if hasMoved {
                table.outdateSlots()
                mover.spend(Self.stepsOfReplacing)
            }
        }
        while place.stage == 1 && !mover.isOver {
            guard let next = tree.moveNodes(atRank: place.index, &mover) else { return true }
            place.index = next
        }
        return false
    }

    /// What it costs to find a block in the tree: see `BlockMover`.
    private static let stepsOfReplacing = 8

    /// The place from which the nodes of the tree are freed, after all members.
    private static let treePlace = 1 << 60

    /// Frees up to about `budget` members or nodes from a place on. Returns the place to continue from; nil when everything is freed, and
    /// the handle must not be used any more.
    @unsafe func deallocateSlice(from place: Int, budget: Int) -> Int? {
        let allocator = allocator
        guard place == Self.treePlace else {
            return unsafe table.deallocateSlice(from: place, budget: budget) { unsafe allocator.deallocate($0) }
                ?? Self.treePlace
        }
        guard unsafe tree.deallocateSlice(budget: budget) else { return place }
        unsafe allocator.deallocate(storage)
        return nil
    }
}
