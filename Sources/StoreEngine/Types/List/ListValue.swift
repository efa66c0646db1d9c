// Lists: a two-way list in the entry while small, a chain of listpacks when large. Nothing here knows of clients or
// replies.
//
// A list becomes large before elements are added that would exceed `ListLimits`, and packed again when it has shrunk to one
// node of half that size. As in Redis the first is decided before a command adds all its elements, the second after each
// command that removes elements: so `prepare` and `shrink` are separate steps.

import Glibc
import RespCodec

/// The list at a slot of a database.
@safe struct ListValue {
    private let database: Database
    private let slot: Slot
    private let limits: ListLimits

    init(_ database: Database, _ slot: Slot, limits: ListLimits) {
        self.database = database
        self.slot = slot
        self.limits = limits
    }

    @inline(__always) private var entry: Entry { database.entry(at: slot) }
    @inline(__always) var isPacked: Bool { entry.encoding == .packed }
    private var payload: PackedPayload<BothWays> { PackedPayload(database, slot) }
    @inline(__always) private var list: TwoWayList { entry.twoWayList }
    @inline(__always) private var chain: ListChain { unsafe ListChain(at: entry.pointer) }

    /// How many elements there are.
    @inline(__always) var count: Int { isPacked ? list.count : chain.count }

    /// To be called when elements were added, or removed if less than 0 of them.
    @inline(__always)
    private func countChanged(by change: Int, to count: Int) {
        database.sizeChanged(.list, from: count &- change, to: count)
    }

    // MARK: visiting

    /// Calls `body` with each element from head to tail; the list must not change meanwhile.
    func forEach(_ body: (PackedElement) -> Void) { entry.forEachElement(body) }

    /// Calls `body` with the elements from number `index` on, towards the tail or backwards towards the head, until it
    /// returns false.
    @inline(__always)
    func visit(from index: Int, backwards: Bool = false, _ body: (PackedElement) -> Bool) {
        let entry = entry
        if entry.encoding == .packed {
            let list = entry.twoWayList
            let count = list.count
            guard index >= 0 && index < count else { return }
            _ = list.visit(from: index, of: count, backwards: backwards, body)
        } else {
            unsafe ListChain(at: entry.pointer).visit(from: index, backwards: backwards, body)
        }
    }

    /// Calls `body` with element number `index`, or nil if there is none.
    @inline(__always)
    func withElement<Result>(at index: Int, _ body: (PackedElement?) -> Result) -> Result {
        let count = count
        guard index >= 0 && index < count else { return body(nil) }
        var result: Result?
        visit(from: index) { element in
            result = body(element)
            return false
        }
        guard let result else { preconditionFailure("a list has fewer elements than it counts") }
        return result
    }

    /// The element at an end, valid until the list changes. There must be one.
    @inline(__always)
    func element(at end: ListEnd) -> PackedElement {
        if isPacked { return list.element(at: end) }
        guard let node = chain.node(at: end) else { preconditionFailure("an empty list has no element") }
        return node.kind == .packed ? node.list.element(at: end) : .bytes(node.plainBytes)
    }

    /// Looks at up to `limit` elements from the head, or from the tail if `backwards`, and calls `body` with the number
    /// of each that is `value`, counted from there, until it returns false.
    func forEachMatch(_ value: PackedValue, backwards: Bool, limit: Int, _ body: (Int) -> Bool) {
        guard isPacked else { return chain.forEachMatch(value, backwards: backwards, limit: limit, body) }
        _ = list.forEachMatch(value, backwards: backwards, limit: limit, body)
    }

    // MARK: inserting

    /// Makes the list a large one if adding `count` elements of `bytes` bytes would exceed the limits of a packed one. To be
    /// called before they are added.
    @inline(__always)
    func prepare(bytes: Int, count added: Int) {
        guard isPacked else { return }
        let list = list
        if limits.isExceeded(bytes: list.byteCount(as: SavedForm.self) + bytes, count: list.count + added) { unpack() }
    }

    /// Adds an element at an end, after `prepare`. It must not lie in the list.
    @inline(__always)
    func push(_ element: ByteSlice, at end: ListEnd) {
        let value = PackedValue(element)
        if isPacked {
            let list = listWithRoom(for: value.encodedLength)
            if end == .tail { list.append(value) } else { list.insert(value, at: list.first) }
            countChanged(by: 1, to: list.count)
        } else {
            let chain = chain
            chain.push(value, at: end, limits)
            countChanged(by: 1, to: chain.count)
        }
    }

    /// Adds an element at an end. It must not lie in the list.
    func append(_ element: ByteSlice, at end: ListEnd) {
        prepare(bytes: element.count, count: 1)
        push(element, at: end)
    }

    /// The list in a block with room for `length` more bytes, and some more if the block has to grow.
    @inline(__always)
    private func listWithRoom(for length: Int) -> TwoWayList {
        let size = list.end
        return payload.withRoom(for: length, spare: size >= 256 ? size / 16 : 0)
    }

    /// Inserts an element before or after the first one that is `pivot`; false if there is none.
    func insert(_ element: ByteSlice, nextTo pivot: ByteSlice, after: Bool) -> Bool {
        prepare(bytes: element.count, count: 1)
        let value = PackedValue(element)
        let pivot = PackedValue(pivot)
        guard isPacked else {
            let chain = chain
            guard let (node, index) = chain.firstMatch(pivot) else { return false }
            chain.insert(value, nextTo: index, of: node, after: after, limits)
            countChanged(by: 1, to: chain.count)
            return true
        }
        guard let offset = list.find(pivot) else { return false }
        payload.insert(value, at: after ? list.next(after: offset) : offset)
        countChanged(by: 1, to: list.count)
        return true
    }

    /// Replaces element number `index`; false if there is none.
    func replace(at index: Int, with element: ByteSlice) -> Bool {
        prepare(bytes: element.count, count: 1)
        let count = count
        guard index >= 0 && index < count else { return false }
        let value = PackedValue(element)
        if isPacked {
            payload.replace(at: list.offset(ofElement: index, of: count), with: value)
        } else {
            chain.replace(at: index, with: value, limits)
        }
        return true
    }

    // MARK: removing

    /// Removes the element at an end. There must be one. A list without elements is to be removed by the caller.
    @inline(__always)
    func removeElement(at end: ListEnd) {
        if isPacked {
            let list = list
            if end == .head { list.remove(at: list.first, count: 1) } else { list.removeLast() }
            countChanged(by: -1, to: list.count)
            payload.trim()
        } else {
            let chain = chain
            chain.pop(at: end)
            countChanged(by: -1, to: chain.count)
        }
    }

    /// Removes `removed` elements from number `start` on, both within the list. Of a large list whole nodes are
    /// returned as a chain for the caller to free.
    func remove(from start: Int, count removed: Int) -> ListChain? {
        guard removed > 0 else { return nil }
        defer { countChanged(by: -removed, to: count) }
        guard isPacked else { return chain.remove(from: start, count: removed) }
        payload.remove(at: list.offset(ofElement: start, of: list.count), count: removed)
        return nil
    }

    /// Removes up to `limit` elements that are `element`, the first ones from the head, or from the tail if
    /// `backwards`. Returns how many.
    func removeMatches(_ element: ByteSlice, backwards: Bool, limit: Int) -> Int {
        let removed = removeMatches(PackedValue(element), backwards: backwards, limit: limit)
        countChanged(by: -removed, to: count)
        return removed
    }

    private func removeMatches(_ value: PackedValue, backwards: Bool, limit: Int) -> Int {
        guard isPacked else { return chain.removeMatches(value, backwards: backwards, limit: limit) }
        let list = list
        var skipped = 0
        if backwards && limit < list.count {
            var matches = 0
            _ = list.forEachMatch(value) { _ in
                matches += 1
                return true
            }
            skipped = max(matches - limit, 0)
        }
        let removed = list.removeMatches(value, skipping: skipped, limit: limit)
        if removed > 0 { payload.trim() }
        return removed
    }

    /// Traps when an invariant does not hold. For tests.
    func checkInvariants() { if !isPacked { chain.checkInvariants() } }

    // MARK: converting

    /// Makes a large list packed if it has become small. To be called after elements were removed or replaced.
    @inline(__always)
    func shrink() {
        guard !isPacked else { return }
        let chain = chain
        guard let node = chain.onlyNode, node.kind == .packed else { return }
        if limits.isFarFromExceeded(bytes: node.byteCount, count: node.count) { pack(chain, node) }
    }

    @inline(never)
    private func pack(_ chain: ListChain, _ node: ListNode) {
        let list = node.list
        let size = list.byteCount(as: BothWays.self)
        let entry = database.resizePayload(slot, to: size, keeping: 0)
        unsafe entry.setEncoding(.packed)
        unsafe list.copy(as: BothWays.self, size: size, to: entry.payload)
        if database.allocator.snapshot?.takesOver(chain) != true {
            _ = unsafe chain.deallocateSlice(from: 0, budget: Int.max)
        }
    }

    /// Moves the elements to a chain.
    @inline(never)
    private func unpack() {
        let chain = ListChain(allocator: database.allocator, limits: limits)
        let list = list
        let count = list.count
        if count > ListLimits.highestNodeCount {
            // Elements without bytes do not count in the limit of bytes, so there can be more than go into one node.
            forEach { element in element.withBytes { chain.push(PackedValue($0), at: .tail, limits) } }
        } else if count > 0 {
            let node = ListNode.makePacked(
                copying: list, count: count, capacity: min(list.byteCount(as: SavedForm.self) * 2, limits.nodeSize),
                in: database.allocator)
            chain.link(node, nextTo: nil, after: true)
            chain.count = count
        }
        let entry = database.resizePayload(slot, to: 8, keeping: 0)
        unsafe entry.setEncoding(.chain)
        unsafe entry.pointer = chain.address
    }
}

extension PackedElements where Form: ReadableBackwards {
    /// The element at an end. There must be one.
    @inline(__always)
    fileprivate func element(at end: ListEnd) -> PackedElement {
        guard end == .tail else { return self[first] }
        guard let last = previous(before: self.end) else { preconditionFailure("an empty list has no element") }
        return self[last]
    }
}

extension Entry {
    /// Calls `body` with each element of a list, which must not change meanwhile.
    func forEachElement(_ body: (PackedElement) -> Void) {
        guard encoding == .packed else {
            return unsafe ListChain(at: pointer).visit(from: 0, backwards: false) {
                body($0)
                return true
            }
        }
        let list = twoWayList
        var offset = list.first
        let end = list.end
        while offset < end {
            body(list[offset])
            offset = list.next(after: offset)
        }
    }
}

extension KeyspaceContext {
    /// The list at a key; nil if the key is absent.
    /// - Throws: `wrongType`.
    @inline(__always)
    func list(at key: ByteSlice, _ access: KeyAccess) throws(CommandError) -> ListValue? {
        guard let slot = try find(key, as: .list, access) else { return nil }
        return ListValue(database, slot, limits: ListLimits(settings))
    }

    /// The list at a key; if the key is absent, a new one without elements, which the caller must fill.
    @inline(__always)
    func listMade(at key: ByteSlice) throws(CommandError) -> ListValue {
        let slot: Slot
        if let found = try find(key, as: .list, .write) {
            slot = found
        } else {
            let entry = makeEntry(.list, .packed, key: key, deadline: nil, payload: TwoWayList.emptySize)
            unsafe _ = TwoWayList.makeEmpty(at: entry.payload)
            slot = insert(entry, key: key)
        }
        return ListValue(database, slot, limits: ListLimits(settings))
    }
}
