// Streams: entries in order of their ids, in nodes of about a hundred, and the groups that read them. Nothing here knows of
// clients or replies.
//
// The nodes (see `StreamNode`) are found in a tree by the ids of their first entries. The last one, which grows, is known
// without a look-up; its block is doubled as it grows, and shrunk when the next node is begun. Nodes with only deleted
// entries are freed at once, so the first entry is always in the first node and the last in the last.
//
// Invariants: `length` is the sum of the nodes' entries that are not deleted; `firstID` is the id of the first of them, or
// 0-0; `headOffset` is that entry's offset in its node, or 0 if it is not known; `lastID` decreases only if a command sets
// it.

import Glibc
import RespCodec

/// A handle on a stream, whose address an entry of the keyspace contains. Valid until the stream is freed.
@safe struct StreamValue {
    /// The limits of a node.
    struct Limits {
        /// Bytes of a node; 0 for as many as a list may have.
        let bytes: Int
        /// Entries of a node, deleted ones included; 0 for any number.
        let entries: Int
    }

    @unsafe struct Storage {
        let allocator: SlabAllocator
        var nodes = IDTree()
        var tail: UnsafeMutableRawPointer?
        var tailID = StreamID.zero
        var headOffset = 0
        var length = 0
        var lastID = StreamID.zero
        var firstID = StreamID.zero
        var maximumDeletedID = StreamID.zero
        var entriesAdded = 0
        var groups = NamedBlocks()
        /// Whether a snapshot still has to write nodes: what one holds is kept before it changes.
        var isFrozen = false
    }

    /// The largest size of a node.
    private static let maximumNodeSize = 1 << 30
    /// Up to this size the block of a node is doubled when it grows.
    private static let doublingLimit = 4096

    let pointer: UnsafeMutablePointer<Storage>

    /// The stream at an address that an entry contains.
    @unsafe init(at address: UnsafeMutableRawPointer) {
        unsafe pointer = address.assumingMemoryBound(to: Storage.self)
    }

    /// A new stream without entries.
    init(_ allocator: SlabAllocator) {
        let block = unsafe allocator.allocate(MemoryLayout<Storage>.stride)
        unsafe pointer = block.bindMemory(to: Storage.self, capacity: 1)
        unsafe pointer.initialize(to: Storage(allocator: allocator))
    }

    var address: UnsafeMutableRawPointer { unsafe UnsafeMutableRawPointer(pointer) }
    var allocator: SlabAllocator { unsafe pointer.pointee.allocator }

    // MARK: properties

    /// How many entries there are.
    var length: Int {
        get { unsafe pointer.pointee.length }
        nonmutating set { unsafe pointer.pointee.length = newValue }
    }
    /// The greatest id an entry ever had.
    var lastID: StreamID {
        get { unsafe pointer.pointee.lastID }
        nonmutating set { unsafe pointer.pointee.lastID = newValue }
    }
    /// The id of the first entry; 0-0 if there is none.
    var firstID: StreamID {
        get { unsafe pointer.pointee.firstID }
        nonmutating set { unsafe pointer.pointee.firstID = newValue }
    }
    /// The greatest id of an entry that was deleted by its id.
    var maximumDeletedID: StreamID {
        get { unsafe pointer.pointee.maximumDeletedID }
        nonmutating set { unsafe pointer.pointee.maximumDeletedID = newValue }
    }
    /// How many entries have ever been added.
    var entriesAdded: Int {
        get { unsafe pointer.pointee.entriesAdded }
        nonmutating set { unsafe pointer.pointee.entriesAdded = newValue }
    }
    var nodeCount: Int { unsafe pointer.pointee.nodes.count }

    /// The id of the last entry there is; nil if there is none.
    var lastEntryID: StreamID? {
        var entries = entries(backwards: true)
        return entries.next()?.id
    }

    /// Whether there is an entry with a greater id.
    func hasEntry(behind id: StreamID) -> Bool {
        guard lastID > id, let last = lastEntryID else { return false }
        return last > id
    }

    // MARK: nodes

    var nodes: IDTree {
        unsafeAddress { unsafe UnsafePointer(pointer).pointer(to: \.nodes)! }
        nonmutating unsafeMutableAddress { unsafe pointer.pointer(to: \.nodes)! }
    }
    var headOffset: Int {
        get { unsafe pointer.pointee.headOffset }
        nonmutating set { unsafe pointer.pointee.headOffset = newValue }
    }

    static func block(_ place: IDTree.Place) -> UnsafeMutableRawPointer {
        unsafe UnsafeMutableRawPointer(bitPattern: UInt(place.value))!
    }

    static func node(at place: IDTree.Place) -> StreamNode {
        unsafe StreamNode(list: Listpack(block(place)), id: place.id)
    }

    /// Calls `body` with each node, in order. The stream must not change meanwhile.
    func forEachNode(_ body: (StreamNode) -> Void) {
        var place = nodes.first
        while let current = place {
            body(Self.node(at: current))
            place = current.next
        }
    }

    /// A node in a block with room for `more` bytes.
    private func withRoom(for more: Int, at place: IDTree.Place) -> StreamNode {
        let node = Self.node(at: place)
        let needed = node.list.byteCount + more
        if unsafe allocator.capacity(of: Self.block(place)) < needed { move(place, toSize: needed) }
        return Self.node(at: place)
    }

    /// Moves a node to a block of at least `size` bytes.
    private func move(_ place: IDTree.Place, toSize size: Int) {
        let bytes = Self.node(at: place).list.byteCount
        let moved = unsafe allocator.reallocate(Self.block(place), size: size, keeping: bytes)
        place.value = UInt64(UInt(bitPattern: moved))
        if unsafe place.id == pointer.pointee.tailID { unsafe pointer.pointee.tail = moved }
    }

    /// To be called before a node changes or is freed, unless it is the last and gets an entry.
    @inline(__always) func willChange(_ place: IDTree.Place) {
        if isFrozen { allocator.snapshot?.willChange(Self.node(at: place), of: self) }
    }

    @inline(__always) var isFrozen: Bool {
        get { unsafe pointer.pointee.isFrozen }
        nonmutating set { unsafe pointer.pointee.isFrozen = newValue }
    }

    func removeNode(_ id: StreamID) {
        if isFrozen, let place = nodes.find(id) { willChange(place) }
        guard let value = nodes.remove(id, allocator) else { preconditionFailure("a node that is not there") }
        unsafe allocator.deallocate(UnsafeMutableRawPointer(bitPattern: UInt(value))!)
        headOffset = 0
        if unsafe id == pointer.pointee.tailID { tailChanged() }
    }

    func tailChanged() {
        let last = nodes.last
        unsafe pointer.pointee.tail = last.map { unsafe Self.block($0) }
        unsafe pointer.pointee.tailID = last?.id ?? .zero
        // From now on it gets entries without saying so.
        if let last { willChange(last) }
    }

    // MARK: adding

    /// Adds an entry, whose id must be greater than the last one. False, and nothing changes, when it is too large.
    func append(_ id: StreamID, _ content: StreamNode.Content, limits: Limits) -> Bool {
        let fields = content.fieldCount
        var (fieldBytes, valueBytes) = (0, 0)
        var (fieldBound, valueBound) = (0, 0)
        for index in 0..<fields {
            let (field, value) = (content.field(index).count, content.value(index).count)
            fieldBytes += field
            valueBytes += value
            fieldBound += StreamNode.elementBound(field)
            valueBound += StreamNode.elementBound(value)
        }
        let bytes = fieldBytes + valueBytes
        guard bytes <= Self.maximumNodeSize else { return false }
        if let tail = unsafe pointer.pointee.tail {
            let node = unsafe StreamNode(list: Listpack(tail), id: pointer.pointee.tailID)
            let limit = limits.bytes == 0 ? Self.maximumNodeSize : min(limits.bytes, Self.maximumNodeSize)
            let live = node.liveCount
            let isFull =
                node.list.byteCount + bytes >= limit
                || limits.entries > 0 && live + node.deletedCount >= limits.entries
            if !isFull {
                let same = node.hasFields(of: content)
                let needed = valueBound + (same ? 0 : fieldBound) + StreamNode.numbersBound
                append(id, content, to: growTail(node, by: needed), live: live, sameFields: same)
                return true
            }
            if let place = nodes.last { move(place, toSize: node.list.byteCount) }
        }
        let size = Listpack.emptySize + fieldBound + valueBound + StreamNode.numbersBound
        let block = unsafe allocator.allocate(size)
        _ = nodes.insert(id, UInt64(UInt(bitPattern: block)), allocator)
        if isFrozen { allocator.snapshot?.hasAdded(nodeOf: self, id) }
        unsafe pointer.pointee.tail = block
        unsafe pointer.pointee.tailID = id
        let node = unsafe StreamNode(list: Listpack.makeEmpty(at: block), id: id)
        node.begin(content)
        node.append(id, content, sameFields: true)
        added(id)
        return true
    }

    private func append(
        _ id: StreamID, _ content: StreamNode.Content, to node: StreamNode, live: Int, sameFields: Bool
    ) {
        let start = node.list.first
        if live < 127 {
            // The count is one byte before and after.
            _ = node.list.write(PackedValue(integer: live + 1), at: start)
        } else if node.setCounts(live: live + 1, deleted: node.deletedCount) != 0 {
            headOffset = 0
        }
        node.append(id, content, sameFields: sameFields)
        added(id)
    }

    private func added(_ id: StreamID) {
        length += 1
        unsafe pointer.pointee.entriesAdded &+= 1
        lastID = id
        if length == 1 {
            firstID = id
            headOffset = 0
        }
    }

    /// The last node, with room for `more` bytes.
    @inline(__always)
    private func growTail(_ node: StreamNode, by more: Int) -> StreamNode {
        guard let block = unsafe pointer.pointee.tail else { preconditionFailure("the last node is gone") }
        let capacity = unsafe allocator.capacity(of: block)
        let needed = node.list.byteCount + more
        if capacity >= needed { return node }
        guard let place = nodes.last else { preconditionFailure("the last node is in no tree") }
        // Beyond the limit of doubling, an eighth more than needed keeps appending O(1) amortized.
        let size =
            needed <= Self.doublingLimit ? min(max(capacity * 2, needed), Self.doublingLimit) : needed + needed / 8
        move(place, toSize: size)
        return Self.node(at: place)
    }

    // MARK: reading

    /// The entries from `low` to `high`, both included.
    func entries(
        from low: StreamID = .zero, to high: StreamID = .maximum, backwards: Bool = false
    ) -> StreamEntries {
        StreamEntries(nodes, firstID: firstID, headOffset: headOffset, from: low, to: high, backwards: backwards)
    }

    func contains(_ id: StreamID) -> Bool {
        guard id >= firstID && id <= lastID else { return false }
        var entries = entries(from: id, to: id)
        return entries.next() != nil
    }

    // MARK: deleting

    /// Deletes an entry; false if there is none of this id.
    func delete(_ id: StreamID) -> Bool {
        guard length > 0, id >= firstID && id <= lastID, let place = nodes.place(atOrBefore: id) else { return false }
        let node = Self.node(at: place)
        let fields = node.master.fields
        var offset = place.previous == nil && headOffset > 0 ? headOffset : node.firstEntry
        while offset < node.list.end {
            let entry = node.entry(at: offset, masterFields: fields)
            if entry.id == id {
                guard !entry.isDeleted else { return false }
                willChange(place)
                node.markDeleted(entry)
                if !updateCounts(place, deleted: 1) { removeNode(place.id) }
                if id == firstID { updateFirst() }
                return true
            }
            guard entry.id < id else { return false }
            offset = node.next(after: entry)
        }
        return false
    }

    /// Updates the counts after `deleted` entries of a node were marked; false if all its entries are deleted.
    func updateCounts(_ place: IDTree.Place, deleted: Int) -> Bool {
        length -= deleted
        let node = Self.node(at: place)
        let live = node.liveCount - deleted
        guard live > 0 else { return false }
        // The node may move to have room for longer numbers.
        let deletedCount = node.deletedCount + deleted
        if withRoom(for: 4, at: place).setCounts(live: live, deleted: deletedCount) != 0 {
            headOffset = 0
        }
        return true
    }

    /// Finds the first entry that is not deleted.
    func updateFirst() {
        guard let place = nodes.first else {
            firstID = .zero
            headOffset = 0
            return
        }
        let node = Self.node(at: place)
        let fields = node.master.fields
        var offset = headOffset > 0 ? headOffset : node.firstEntry
        while true {
            let entry = node.entry(at: offset, masterFields: fields)
            if !entry.isDeleted {
                firstID = entry.id
                headOffset = offset
                return
            }
            offset = node.next(after: entry)
        }
    }

    // MARK: groups

    var groups: NamedBlocks {
        unsafeAddress { unsafe UnsafePointer(pointer).pointer(to: \.groups)! }
        nonmutating unsafeMutableAddress { unsafe pointer.pointer(to: \.groups)! }
    }

    var groupCount: Int { groups.count }

    func group(_ name: ByteSlice) -> StreamGroup? {
        unsafe groups.find(name).map { unsafe StreamGroup(at: $0, allocator) }
    }

    /// A group by its place in the order of names.
    /// - Complexity: O(log n); to visit all, use `forEachGroup`.
    func group(at index: Int) -> StreamGroup { unsafe StreamGroup(at: groups[index], allocator) }

    /// Calls `body` with each group in the order of names. There must be the same ones meanwhile.
    func forEachGroup(_ body: (StreamGroup) -> Void) {
        let allocator = allocator
        unsafe groups.forEach { unsafe body(StreamGroup(at: $0, allocator)) }
    }

    /// A new group; nil if there is one of this name.
    func makeGroup(_ name: ByteSlice, lastID: StreamID, entriesRead: Int) -> StreamGroup? {
        guard unsafe groups.find(name) == nil else { return nil }
        let group = StreamGroup(name, lastID: lastID, entriesRead: entriesRead, allocator)
        unsafe groups.insert(group.address, allocator)
        return group
    }

    /// Removes a group and returns it in a stream of its own, for the caller to free; nil if there is none of this name.
    func detachGroup(_ name: ByteSlice) -> StreamValue? {
        guard let block = unsafe groups.find(name) else { return nil }
        let rest = StreamValue(allocator)
        unsafe groups.remove(block, allocator)
        unsafe rest.groups.insert(block, allocator)
        return rest
    }
}

extension KeyspaceContext {
    /// The stream at a key; nil if the key is absent.
    /// - Throws: `wrongType`.
    func stream(at key: ByteSlice, _ access: KeyAccess) throws(CommandError) -> StreamValue? {
        guard let slot = try find(key, as: .stream, access) else { return nil }
        return unsafe StreamValue(at: entry(slot).pointer)
    }

    /// The stream at a key; if the key is absent, a new one without entries.
    /// - Throws: `wrongType`.
    func streamMade(at key: ByteSlice) throws(CommandError) -> StreamValue {
        if let stream = try stream(at: key, .write) { return stream }
        let stream = StreamValue(database.allocator)
        let entry = makeEntry(.stream, .stream, key: key, deadline: nil, payload: 8)
        unsafe entry.pointer = stream.address
        insert(entry, key: key)
        return stream
    }
}
