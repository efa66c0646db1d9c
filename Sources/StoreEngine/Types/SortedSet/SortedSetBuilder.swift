// Builds a sorted set: members are added in any order, may be added again or removed, and are sorted at the end.
//
// Sorting once costs much less than inserting each member in the tree, and members that come in sorted runs, as from other sorted sets,
// are merged run by run.

import RespCodec

struct SortedSetBuilder {
    private let database: Database
    private let table: SortedSetTable
    private var entries: [RankedEntry] = []
    private var longest = 0
    private var hasRemoved = false

    /// - Parameter expected: how many members are likely to be added.
    init(_ database: Database, expecting expected: Int = 0) {
        self.database = database
        table = SortedSetTable(allocator: database.allocator, hash: database.hash, expecting: expected)
        entries.reserveCapacity(expected)
    }

    var count: Int { table.count }

    /// Adds a member that was not added before.
    mutating func add(_ member: ByteSlice, _ score: Double) { add(member, score, hash: database.hash(member)) }

    private mutating func add(_ member: ByteSlice, _ score: Double, hash: UInt64) {
        let block = MemberBlock(database.allocator, member, score)
        table.insertUnordered(block, hash: hash)
        longest = max(longest, member.count)
        unsafe entries.append(RankedEntry(score, block.address))
    }

    /// Adds a member; if it was added before, its score becomes the result of `combine` on its own and the new one.
    mutating func add(_ member: ByteSlice, _ score: Double, combine: (Double, Double) -> Double) {
        let hash = database.hash(member)
        if let slot = table.table.find(member, hash: hash) {
            let block = unsafe MemberBlock(table.table.entry(at: slot))
            block.score = combine(block.score, score)
        } else {
            add(member, score, hash: hash)
        }
    }

    /// Removes a member again, if it is there.
    mutating func remove(_ member: ByteSlice) {
        guard let slot = table.table.find(member, hash: database.hash(member)) else { return }
        table.removeUnordered(slot)
        hasRemoved = true
    }

    /// Sorts the members.
    private mutating func order() {
        if hasRemoved {
            entries.removeAll()
            longest = 0
            unsafe table.table.forEach { address in
                let block = unsafe MemberBlock(address)
                unsafe entries.append(RankedEntry(block.score, address))
                longest = max(longest, block.member.count)
            }
        } else {
            for index in entries.indices {
                unsafe entries[index] = RankedEntry(MemberBlock(entries[index].block).score, entries[index].block)
            }
        }
        unsafe entries.withUnsafeMutableBufferPointer { unsafe table.order($0) }
    }

    /// Calls `body` with each member and its score, in order.
    mutating func forEachOrdered(_ body: (ByteSlice, Double) -> Void) {
        order()
        for entry in entries { unsafe body(MemberBlock(entry.block).member, entry.score) }
    }

    /// Frees everything. The builder must not be used afterwards.
    func discard(_ engine: EngineState) { unsafe engine.freeing.free(table) }

    /// An entry, in no table yet, with the members as its value. The builder must not be used afterwards.
    mutating func makeEntry(_ key: ByteSlice, _ context: KeyspaceContext, deadline: Int64? = nil) -> Entry {
        order()
        let settings = context.settings
        let isSmall = count <= settings.sortedSetMaxPackedEntries && longest <= settings.sortedSetMaxPackedValue
        var length = 0
        if isSmall { forEachPacked { length += ForwardList.length(of: $0) + ForwardList.length(of: $1) } }
        let size = ForwardList.size(ofElements: length)
        guard isSmall && size <= ForwardList.maximumSize else {
            let entry = context.makeEntry(.sortedSet, .tree, key: key, deadline: deadline, payload: 8)
            unsafe entry.pointer = table.address
            return entry
        }
        let entry = context.makeEntry(.sortedSet, .packed, key: key, deadline: deadline, payload: size)
        let list = unsafe ForwardList.makeEmpty(at: entry.payload, forElements: length)
        forEachPacked { member, score in
            list.append(member)
            list.append(score)
        }
        discard(context.engine)
        return entry
    }

    private func forEachPacked(_ body: (PackedValue, PackedValue) -> Void) {
        for entry in entries {
            PackedValue.withScore(entry.score) { unsafe body(PackedValue(MemberBlock(entry.block).member), $0) }
        }
    }
}

extension KeyspaceContext {
    /// Stores the sorted set at a key, and replaces what is there; removes the key if there are no members.
    /// - Parameter changes: how much this adds to the count of changes, if there are members.
    func store(_ builder: inout SortedSetBuilder, at key: ByteSlice, _ event: KeyEvent, changes: Int = 1) {
        let slot = find(key, .peek)
        guard builder.count > 0 else {
            builder.discard(engine)
            guard let slot else { return }
            removeQuietly(slot)
            return changed(key, .del)
        }
        let entry = builder.makeEntry(key, self)
        noticeOverwriting(key, slot, with: .sortedSet)
        store(entry, key: key, replacing: slot)
        changed(key, event, count: changes)
    }
}
