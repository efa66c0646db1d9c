// Streams: entries in order of their ids, in nodes of some hundred, and the groups that read them. Nothing here knows
// of clients or replies.
//
// The nodes (see `StreamNode`) are found through a tree by the ids of their first entries. The last one, which grows,
// is known without a look-up; it doubles its block as it grows, and gives back what it does not need when the next one
// is begun. Nodes without a living entry are freed at once, so the first living entry is always in the first node and
// the last in the last.
//
// Invariants: `length` is the sum of the nodes' living entries; `firstID` is the id of the first of them, or 0-0;
// `headOffset` is that entry's offset in its node, or 0 if it is to be looked for; `lastID` never gets smaller unless
// it is set.

import Glibc
import RespCodec

/// A handle on a stream at an address that an entry of the keyspace holds.
@safe struct StreamValue: LargeValue {
    /// When the next node is begun.
    struct Limits {
        /// Bytes of a node; 0 for as many as a list may have.
        let bytes: Int
        /// Entries of a node, deleted ones included; 0 for any number.
        let entries: Int
    }

    @unsafe private struct Storage {
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
    }

    /// No list is made larger than this.
    private static let maximumNodeSize = 1 << 30
    /// Up to here the block of a node doubles.
    private static let doublingLimit = 4096

    private let pointer: UnsafeMutablePointer<Storage>

    /// The stream at an address that an entry holds.
    @unsafe init(at address: UnsafeMutableRawPointer) {
        unsafe pointer = address.assumingMemoryBound(to: Storage.self)
    }

    /// A new stream without entries.
    init(_ allocator: SlabAllocator) {
        let block = unsafe allocator.allocate(MemoryLayout<Storage>.size)
        unsafe pointer = block.bindMemory(to: Storage.self, capacity: 1)
        unsafe pointer.initialize(to: Storage(allocator: allocator))
    }

    var address: UnsafeMutableRawPointer { unsafe UnsafeMutableRawPointer(pointer) }
    var allocator: SlabAllocator { unsafe pointer.pointee.allocator }

    // MARK: facts

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

    // MARK: nodes

    private var nodes: IDTree {
        unsafeAddress { unsafe UnsafePointer(pointer).pointer(to: \.nodes)! }
        nonmutating unsafeMutableAddress { unsafe pointer.pointer(to: \.nodes)! }
    }
    private var headOffset: Int {
        get { unsafe pointer.pointee.headOffset }
        nonmutating set { unsafe pointer.pointee.headOffset = newValue }
    }

    private static func block(_ place: IDTree.Place) -> UnsafeMutableRawPointer {
        unsafe UnsafeMutableRawPointer(bitPattern: UInt(place.value))!
    }

    fileprivate static func node(at place: IDTree.Place) -> StreamNode {
        unsafe StreamNode(list: PackedList(block(place)), id: place.id)
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

    private func removeNode(_ id: StreamID) {
        guard let value = nodes.remove(id, allocator) else { preconditionFailure("a node that is not there") }
        unsafe allocator.deallocate(UnsafeMutableRawPointer(bitPattern: UInt(value))!)
        headOffset = 0
        if unsafe id == pointer.pointee.tailID { tailChanged() }
    }

    private func tailChanged() {
        let last = nodes.last
        unsafe pointer.pointee.tail = last.map { unsafe Self.block($0) }
        unsafe pointer.pointee.tailID = last?.id ?? .zero
    }

    // MARK: adding

    /// The id of the entry that would be added at a time; nil if there is none left.
    func nextID(now: Int64) -> StreamID? {
        let milliseconds = UInt64(max(now, 0))
        if milliseconds > lastID.milliseconds { return StreamID(milliseconds: milliseconds, sequence: 0) }
        return lastID.successor
    }

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
            let node = unsafe StreamNode(list: PackedList(tail), id: pointer.pointee.tailID)
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
        let size = PackedList.emptySize + fieldBound + valueBound + StreamNode.numbersBound
        let block = unsafe allocator.allocate(size)
        _ = nodes.insert(id, UInt64(UInt(bitPattern: block)), allocator)
        unsafe pointer.pointee.tail = block
        unsafe pointer.pointee.tailID = id
        let node = unsafe StreamNode(list: PackedList.makeEmpty(at: block), id: id)
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
        // Beyond the limit of doubling, an eighth more than needed keeps the copying in proportion.
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
                node.markDeleted(entry)
                if !settle(place, deleted: 1) { removeNode(place.id) }
                if id == firstID { updateFirst() }
                return true
            }
            guard entry.id < id else { return false }
            offset = node.next(after: entry)
        }
        return false
    }

    /// Notes that `deleted` entries of a node have been marked; false if it has no living entry left.
    private func settle(_ place: IDTree.Place, deleted: Int) -> Bool {
        length -= deleted
        let node = Self.node(at: place)
        let live = node.liveCount - deleted
        guard live > 0 else { return false }
        if withRoom(for: 4, at: place).setCounts(live: live, deleted: node.deletedCount + deleted) != 0 {
            headOffset = 0
        }
        return true
    }

    /// Looks for the first living entry.
    private func updateFirst() {
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

    // MARK: trimming

    /// What is to be left of a stream.
    enum Threshold {
        /// At most so many entries.
        case length(Int)
        /// No entry of a smaller id.
        case id(StreamID)
    }

    /// Deletes entries from the first on, and returns how many.
    /// - Parameters:
    ///   - approximately: only nodes that may go whole are looked into.
    ///   - most: at most about so many are deleted; 0 for any number.
    ///   - references: what becomes of entries that groups have pending.
    /// - Complexity: O(nodes that go), and O(entries of a node) unless approximately; O(entries that go)
    ///   with regard to groups.
    func trim(to threshold: Threshold, approximately: Bool, most: Int, references: References = .keep) -> Int {
        if references != .keep && groupCount > 0 {
            return trimByEntry(to: threshold, approximately: approximately, most: most, references)
        }
        let before = length
        while let place = nodes.first {
            if case .length(let maximum) = threshold, length <= maximum { break }
            let node = Self.node(at: place)
            let live = node.liveCount
            if most > 0 && before - length + live > most { break }
            if goesWhole(node, live, threshold) {
                length -= live
                removeNode(place.id)
                continue
            }
            if !approximately { trimFirstNode(place, to: threshold) }
            break
        }
        if length != before { updateFirst() }
        return before - length
    }

    private func goesWhole(_ node: StreamNode, _ live: Int, _ threshold: Threshold) -> Bool {
        switch threshold {
        case .length(let maximum): length - live >= maximum
        case .id(let minimum): node.lastID < minimum
        }
    }

    /// Marks the first entries of the first node as deleted, not all of them.
    private func trimFirstNode(_ place: IDTree.Place, to threshold: Threshold) {
        let node = Self.node(at: place)
        let fields = node.master.fields
        var offset = headOffset > 0 ? headOffset : node.firstEntry
        var deleted = 0
        while offset < node.list.end {
            let entry = node.entry(at: offset, masterFields: fields)
            switch threshold {
            case .length(let maximum) where length - deleted > maximum: break
            case .id(let minimum) where entry.id < minimum: break
            default: return finish()
            }
            if !entry.isDeleted {
                node.markDeleted(entry)
                deleted += 1
            }
            offset = node.next(after: entry)
        }
        finish()

        func finish() {
            guard deleted > 0 else { return }
            headOffset = offset
            if !settle(place, deleted: deleted) { removeNode(place.id) }
        }
    }

    // MARK: deleting with regard to groups

    /// What becomes of an entry that groups have pending, or have not read, when it is to be deleted.
    enum References {
        /// It is deleted, and stays pending.
        case keep
        /// It is deleted, and is no longer pending.
        case delete
        /// It is deleted only when all groups have read and acknowledged it.
        case acknowledged
    }

    /// Whether a group has an entry pending or will still read it.
    /// - Complexity: O(groups).
    func isReferenced(_ id: StreamID) -> Bool {
        for index in 0..<groupCount {
            let group = group(at: index)
            if group.lastID < id || group.pendingEntry(id) != nil { return true }
        }
        return false
    }

    /// Takes an entry out of all that is pending; false if it was pending nowhere.
    @discardableResult
    func removeReferences(to id: StreamID) -> Bool {
        var removed = false
        for index in 0..<groupCount where group(at: index).removePending(id) { removed = true }
        return removed
    }

    private func trimByEntry(
        to threshold: Threshold, approximately: Bool, most: Int, _ references: References
    ) -> Int {
        let before = length
        var examined = 0
        var next = nodes.first
        while let place = next {
            if case .length(let maximum) = threshold, length <= maximum { break }
            let node = Self.node(at: place)
            let live = node.liveCount
            // What must stay counts, too: else each call would go through all that nobody has acknowledged.
            if most > 0 && examined + live > most { break }
            examined += live
            if approximately && !goesWhole(node, live, threshold) { break }
            let id = place.id
            let fields = node.master.fields
            var deleted = 0
            var isOver = false
            var offset = node.firstEntry
            while offset < node.list.end {
                let entry = node.entry(at: offset, masterFields: fields)
                switch threshold {
                case .length(let maximum): isOver = length - deleted <= maximum
                case .id(let minimum): isOver = entry.id >= minimum
                }
                if isOver { break }
                if references == .delete { removeReferences(to: entry.id) }
                if !entry.isDeleted && (references == .delete || !isReferenced(entry.id)) {
                    node.markDeleted(entry)
                    deleted += 1
                }
                offset = node.next(after: entry)
            }
            if deleted > 0 {
                headOffset = 0
                if !settle(place, deleted: deleted) { removeNode(id) }
            }
            if isOver { break }
            next = id.successor.flatMap { nodes.place(atOrAfter: $0) }
        }
        if length != before { updateFirst() }
        return before - length
    }

    // MARK: groups

    var groups: NamedBlocks {
        unsafeAddress { unsafe UnsafePointer(pointer).pointer(to: \.groups)! }
        nonmutating unsafeMutableAddress { unsafe pointer.pointer(to: \.groups)! }
    }

    var groupCount: Int { groups.count }

    func group(_ name: ByteSlice) -> StreamGroup? {
        guard let index = groups.find(name) else { return nil }
        return group(at: index)
    }

    /// A group by its place in the order of names.
    func group(at index: Int) -> StreamGroup { unsafe StreamGroup(at: groups[index], allocator) }

    /// A new group; nil if there is one of this name.
    func makeGroup(_ name: ByteSlice, lastID: StreamID, entriesRead: Int) -> StreamGroup? {
        guard groups.find(name) == nil else { return nil }
        let group = StreamGroup(name, lastID: lastID, entriesRead: entriesRead, allocator)
        unsafe groups.insert(group.address, allocator)
        return group
    }

    /// Takes a group out, in a stream of nothing else, which is to be freed; nil if there is none of this name.
    func detachGroup(_ name: ByteSlice) -> StreamValue? {
        guard let index = groups.find(name) else { return nil }
        let rest = StreamValue(allocator)
        unsafe rest.groups.insert(groups.remove(at: index, allocator), allocator)
        return rest
    }

    // MARK: building

    /// Puts a node behind the others, as a snapshot has it: the bytes of a sound list whose entries are sound.
    func appendNode(_ id: StreamID, _ bytes: ByteSlice) {
        let block = unsafe allocator.allocate(bytes.count)
        unsafe block.copyMemory(from: bytes.rawBytes.baseAddress!, byteCount: bytes.count)
        _ = nodes.insert(id, UInt64(UInt(bitPattern: block)), allocator)
        tailChanged()
    }

    /// Counts the entries of nodes that were appended, and looks for the first.
    func finishBuilding() {
        var empty: [StreamID] = []
        length = 0
        forEachNode { node in
            length += node.liveCount
            if node.liveCount == 0 { empty.append(node.id) }
        }
        for id in empty { removeNode(id) }
        updateFirst()
    }

    // MARK: as a large value

    /// Entries and what is pending.
    var count: Int {
        var total = length
        for index in 0..<groupCount { total += 1 + group(at: index).pendingCount + group(at: index).consumerCount }
        return total
    }

    func byteCount(samples: Int) -> Int {
        var bytes = unsafe allocator.capacity(of: pointer) + nodes.byteCount(allocator)
        var (measured, sum) = (0, 0)
        var place = nodes.first
        while let current = place, measured < samples || samples == 0 {
            sum += unsafe allocator.capacity(of: Self.block(current))
            measured += 1
            place = current.next
        }
        if measured > 0 { bytes += Int(Double(sum) / Double(measured) * Double(nodeCount)) }
        for index in 0..<groupCount { bytes += group(at: index).byteCount }
        return bytes
    }

    func copied(to allocator: SlabAllocator, hash: KeyHash) -> any LargeValue {
        let copy = StreamValue(allocator)
        forEachNode { node in copy.appendNode(node.id, node.list.bytes) }
        copy.length = length
        copy.lastID = lastID
        copy.firstID = firstID
        copy.maximumDeletedID = maximumDeletedID
        copy.entriesAdded = entriesAdded
        copy.headOffset = headOffset
        for index in 0..<groupCount {
            let group = group(at: index)
            unsafe copy.groups.insert(group.copied(to: allocator).address, allocator)
        }
        return copy
    }

    func deallocateSlice(from place: Int, budget: Int) -> Int? {
        let allocator = allocator
        var left = budget
        while groupCount > 0 {
            guard left > 0 else { return 1 }
            let group = group(at: groupCount - 1)
            guard group.deallocateSlice(&left) else { return 1 }
            _ = unsafe groups.remove(at: groupCount - 1, allocator)
        }
        while !nodes.isEmpty {
            guard left > 0 else { return 1 }
            nodes.removeFirstLeaf(allocator) { value in
                unsafe allocator.deallocate(UnsafeMutableRawPointer(bitPattern: UInt(value))!)
                left -= 1
            }
        }
        groups.deallocate(allocator)
        unsafe allocator.deallocate(pointer)
        return nil
    }

    // MARK: checking

    /// Walks the stream and stops the program when an invariant does not hold. For tests.
    func checkInvariants() {
        nodes.checkInvariants()
        var total = 0
        var first: StreamID?
        var last = StreamID.zero
        forEachNode { node in
            let fields = node.master.fields
            var (live, deleted) = (0, 0)
            var offset = node.firstEntry
            while offset < node.list.end {
                let entry = node.entry(at: offset, masterFields: fields)
                precondition(entry.id > last, "ids out of order")
                last = entry.id
                if entry.isDeleted {
                    deleted += 1
                } else {
                    live += 1
                    if first == nil {
                        first = entry.id
                        precondition(headOffset == 0 || headOffset == offset, "a wrong offset of the first entry")
                    }
                }
                let next = node.next(after: entry)
                precondition(node.previous(before: next) == offset, "a wrong way back")
                offset = next
            }
            precondition(live == node.liveCount && deleted == node.deletedCount, "wrong counts in a node")
            precondition(live > 0, "a node without a living entry")
            total += live
        }
        precondition(total == length && (first ?? .zero) == firstID && last <= lastID, "wrong counts in a stream")
        precondition(unsafe (nodes.last?.id ?? .zero) == pointer.pointee.tailID, "a wrong last node")
        for index in 0..<groupCount { group(at: index).checkInvariants() }
    }
}

/// Entries of a stream in their order or against it. The stream must not change while they are looked at.
struct StreamEntries {
    private var place: IDTree.Place?
    private let low: StreamID
    private let high: StreamID
    private let backwards: Bool
    /// Where in the node the next entry begins; backwards, where the last one began.
    private var offset = 0
    private var masterFields = 0
    private var masterOffset = 0
    private(set) var node: StreamNode?

    fileprivate init(
        _ nodes: IDTree, firstID: StreamID, headOffset: Int, from low: StreamID, to high: StreamID, backwards: Bool
    ) {
        self.low = low
        self.high = high
        self.backwards = backwards
        guard low <= high else { return }
        if backwards {
            enter(high == .maximum ? nodes.last : nodes.place(atOrBefore: high))
        } else {
            let start = low <= firstID ? nodes.first : nodes.place(atOrBefore: low) ?? nodes.first
            enter(start)
            if headOffset > 0, let start, start.previous == nil { offset = headOffset }
        }
    }

    private mutating func enter(_ place: IDTree.Place?) {
        self.place = place
        guard let place else {
            node = nil
            return
        }
        let node = StreamValue.node(at: place)
        (masterFields, masterOffset) = node.master
        offset = backwards ? node.list.end : node.firstEntry
        self.node = node
    }

    /// The next living entry; nil behind the last.
    mutating func next() -> StreamNode.Entry? { backwards ? nextBackwards() : nextForwards() }

    private mutating func nextForwards() -> StreamNode.Entry? {
        while let node {
            guard offset < node.list.end else {
                enter(place?.next)
                continue
            }
            let entry = node.entry(at: offset, masterFields: masterFields)
            guard entry.id <= high else { break }
            offset = node.next(after: entry)
            if !entry.isDeleted && entry.id >= low { return entry }
        }
        enter(nil)
        return nil
    }

    private mutating func nextBackwards() -> StreamNode.Entry? {
        while let node {
            guard let start = node.previous(before: offset) else {
                enter(place?.previous)
                continue
            }
            let entry = node.entry(at: start, masterFields: masterFields)
            guard entry.id >= low else { break }
            offset = start
            if !entry.isDeleted && entry.id <= high { return entry }
        }
        enter(nil)
        return nil
    }

    /// Calls `body` with each field and value of the entry that came last.
    @inline(__always)
    func forEachField(of entry: StreamNode.Entry, _ body: (PackedElement, PackedElement) -> Void) {
        guard let list = node?.list else { return }
        var field = entry.hasSameFields ? masterOffset : entry.content
        var value = entry.hasSameFields ? entry.content : 0
        for _ in 0..<entry.fieldCount {
            if entry.hasSameFields {
                body(list[field], list[value])
                field = list.next(after: field)
                value = list.next(after: value)
            } else {
                value = list.next(after: field)
                body(list[field], list[value])
                field = list.next(after: value)
            }
        }
    }
}

extension KeyspaceContext {
    /// The stream at a key; nil if the key is absent.
    /// - Throws: `wrongType`.
    func stream(at key: ByteSlice, _ access: KeyAccess) throws(CommandError) -> StreamValue? {
        guard let slot = try find(key, as: .stream, access) else { return nil }
        return unsafe StreamValue(at: entry(slot).pointer)
    }

    /// The stream at a key, a new one without entries if the key is absent.
    /// - Throws: `wrongType`.
    func streamMade(at key: ByteSlice) throws(CommandError) -> StreamValue {
        if let stream = try stream(at: key, .write) { return stream }
        let stream = StreamValue(database.allocator)
        let entry = makeEntry(.stream, .stream, key: key, deadline: nil, payload: 8)
        unsafe entry.pointer = stream.address
        database.insert(entry, hash: hash(key))
        return stream
    }
}
