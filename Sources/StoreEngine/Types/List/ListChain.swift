// A large list: a doubly linked chain of nodes, each with as many elements as fit a few kilobytes.
//
//     chain -> head <-> node <-> node <-> ... <-> tail
//              packed  (compressed ...)          packed
//
// The ends are found in O(1), an index by walking from the nearer end over the nodes' counts. Nodes grow by pushes. A full
// node is split when an element is inserted in its middle, and its neighbours are merged then; removing elements merges
// nothing. When new nodes are made is as in Redis, because a list that shrinks becomes packed again when one is left.
//
// With a compress depth of d, all but d nodes at each end are compressed (if that saves something). A compressed node is
// decompressed to a scratch copy for reading, and in place for a change.
//
// While a snapshot has it open, nodes differ in their mark from the chain that are still to be written, and what is about to change is
// told to it (`UnwrittenList`).
//
// Invariants: `count` is the sum of the nodes' counts, none of which is 0; `nodeCount` is how many nodes there are; the end nodes are not
// compressed; unless it is open, all nodes have the chain's mark.
//
// Rejected: an index over the nodes (a look-up in the middle of a million elements walks some fourteen hundred nodes of
// 32 bytes that mostly lie in order, which is some microseconds; each split would have to move the index).

import Glibc
import RespCodec

/// A handle on a chain in the allocator of a database. Valid until the chain is freed.
@safe struct ListChain: LargeValue {
    @unsafe private struct Storage {
        var head: ListNode?
        var tail: ListNode?
        var count: Int
        let allocator: SlabAllocator
        let nodeSize: Int32
        let mostInNode: UInt16
        var isOpen = false
        var isMarked = false
        let compressDepth: Int32
        var nodeCount: UInt32 = 0
    }

    private static let storageSize = 48

    private let storage: UnsafeMutablePointer<Storage>

    /// The chain at an address that an entry contains.
    @unsafe init(at address: UnsafeMutableRawPointer) { unsafe storage = address.assumingMemoryBound(to: Storage.self) }

    /// A new chain without elements.
    init(allocator: SlabAllocator, limits: ListLimits) {
        self.init(
            allocator, nodeSize: limits.nodeSize, mostInNode: limits.nodeCount, compressDepth: limits.compressDepth)
    }

    private init(_ allocator: SlabAllocator, nodeSize: Int, mostInNode: Int, compressDepth: Int) {
        unsafe storage = allocator.allocate(Self.storageSize).bindMemory(to: Storage.self, capacity: 1)
        unsafe storage.initialize(
            to: Storage(
                head: nil, tail: nil, count: 0, allocator: allocator, nodeSize: Int32(nodeSize),
                mostInNode: UInt16(mostInNode), compressDepth: Int32(clamping: compressDepth)))
    }

    /// A chain without elements and with the same limits.
    private func makeSibling(in allocator: SlabAllocator) -> ListChain {
        ListChain(
            allocator, nodeSize: maximumSize, mostInNode: maximumCount, compressDepth: compressDepth)
    }

    var address: UnsafeMutableRawPointer { unsafe UnsafeMutableRawPointer(storage) }

    @inline(__always) var head: ListNode? {
        get { unsafe storage.pointee.head }
        nonmutating set { unsafe storage.pointee.head = newValue }
    }
    @inline(__always) var tail: ListNode? {
        get { unsafe storage.pointee.tail }
        nonmutating set { unsafe storage.pointee.tail = newValue }
    }
    @inline(__always) var count: Int {
        get { unsafe storage.pointee.count }
        nonmutating set { unsafe storage.pointee.count = newValue }
    }
    @inline(__always) var allocator: SlabAllocator { unsafe storage.pointee.allocator }
    @inline(__always) var maximumSize: Int { unsafe Int(storage.pointee.nodeSize) }
    @inline(__always) var maximumCount: Int { unsafe Int(storage.pointee.mostInNode) }
    private var compressDepth: Int { unsafe Int(storage.pointee.compressDepth) }
    /// How many nodes there are.
    var nodeCount: Int {
        get { unsafe Int(storage.pointee.nodeCount) }
        nonmutating set { unsafe storage.pointee.nodeCount = UInt32(newValue) }
    }

    @inline(__always) func node(at end: ListEnd) -> ListNode? { end == .head ? head : tail }

    /// The only node, if there is just one.
    var onlyNode: ListNode? { head == tail ? head : nil }

    // MARK: the ends

    /// Whether an element may be added to a node.
    @inline(__always)
    func allows(_ node: ListNode?, _ value: PackedValue, length: Int, _ limits: ListLimits) -> Bool {
        guard let node, node.kind != .plain, value.bytes.count < limits.plainElementSize else { return false }
        return node.byteCount &+ length <= maximumSize && node.count < maximumCount
    }

    /// Adds an element at an end.
    /// - Complexity: O(1) amortized; elements of a node are moved now and then.
    @inline(__always)
    func push(_ value: PackedValue, at end: ListEnd, _ limits: ListLimits) {
        let length = value.encodedLength
        if let node = node(at: end), allows(node, value, length: length, limits) {
            willChange(node)
            node.push(value, length: length, at: end, limit: maximumSize, in: allocator)
            count &+= 1
        } else {
            pushNode(value, at: end, limits)
        }
    }

    @inline(never)
    private func pushNode(_ value: PackedValue, at end: ListEnd, _ limits: ListLimits) {
        let old = node(at: end)
        if let old, old.kind == .packed { old.trim(in: allocator, entirely: true) }
        let node = makeNode(value, at: end, limits)
        link(node, nextTo: old, after: end == .tail)
        count += 1
        updateCompression(old)
    }

    /// A node of one element, with room to grow at an end.
    func makeNode(_ value: PackedValue, at end: ListEnd, _ limits: ListLimits) -> ListNode {
        guard value.bytes.count < limits.plainElementSize else { return .makePlain(value.bytes, in: allocator) }
        let length = value.encodedLength
        let node = ListNode.makePacked(room: length, in: allocator)
        node.push(value, length: length, at: end, limit: maximumSize, in: allocator)
        return node
    }

    /// Removes the element at an end. There must be one.
    @inline(__always)
    func pop(at end: ListEnd) {
        guard let node = node(at: end) else { preconditionFailure("an empty list has no element") }
        count &-= 1
        if node.count > 1 {
            willChange(node)
            return node.pop(at: end)
        }
        remove(node)
        updateCompression()
    }

    // MARK: nodes

    /// Appends a node with a copy of a list of `count` elements, which must not exceed the limits of a node.
    func appendNode(_ list: Listpack, count added: Int) {
        let old = tail
        let node = ListNode.makePacked(copying: list, count: added, capacity: list.byteCount, in: allocator)
        link(node, nextTo: old, after: true)
        count += added
        updateCompression(old)
    }

    /// Links a node before or after another, or into an empty chain.
    func link(_ node: ListNode, nextTo old: ListNode?, after: Bool) {
        let previous = after ? old : old?.previous
        let next = after ? old?.next : old
        node.previous = previous
        node.next = next
        if let previous { previous.next = node } else { head = node }
        if let next { next.previous = node } else { tail = node }
        node.isMarked = isMarked
        nodeCount += 1
    }

    /// Removes a run of so many nodes from the chain.
    private func unlink(_ first: ListNode, through last: ListNode, nodeCount unlinked: Int) {
        nodeCount -= unlinked
        if let previous = first.previous { previous.next = last.next } else { head = last.next }
        if let next = last.next { next.previous = first.previous } else { tail = first.previous }
        first.previous = nil
        last.next = nil
    }

    /// Removes a node from the chain and frees it.
    func remove(_ node: ListNode) {
        if isOpen { allocator.snapshot?.willRemove(node, of: self) }
        unlink(node, through: node, nodeCount: 1)
        unsafe node.free(in: allocator)
    }

    /// Element number `index`: its node, its number there, and the number of the node.
    /// - Complexity: O(nodes from the nearer end).
    func locate(_ index: Int) -> (node: ListNode, index: Int, number: Int) {
        precondition(index >= 0 && index < count, "an element outside the list")
        if index < count / 2 {
            var rest = index
            var number = 0
            var node = head
            while let current = node {
                if rest < current.count { return (current, rest, number) }
                rest -= current.count
                number &+= 1
                node = current.next
            }
        } else {
            var rest = count - 1 - index
            var number = nodeCount - 1
            var node = tail
            while let current = node {
                if rest < current.count { return (current, current.count - 1 - rest, number) }
                rest -= current.count
                number &-= 1
                node = current.previous
            }
        }
        preconditionFailure("a list has fewer elements than it counts")
    }

    // MARK: snapshots

    /// Whether a snapshot writes it some nodes at a time.
    @inline(__always) var isOpen: Bool {
        get { unsafe storage.pointee.isOpen }
        nonmutating set { unsafe storage.pointee.isOpen = newValue }
    }

    /// What nodes are marked with that a snapshot has written, or that are none of its.
    @inline(__always) var isMarked: Bool {
        get { unsafe storage.pointee.isMarked }
        nonmutating set { unsafe storage.pointee.isMarked = newValue }
    }

    /// To be called before the elements of a node change.
    @inline(__always) func willChange(_ node: ListNode) {
        if isOpen, node.isMarked != isMarked { tell(node) }
    }

    @inline(never) private func tell(_ node: ListNode) { allocator.snapshot?.willChange(node, of: self) }

    // MARK: compressing

    /// Restores which nodes are compressed: decompresses those near the ends, and compresses the ones next to them, and
    /// `node`, which was changed or has got other neighbours, if it is not near an end.
    func updateCompression(_ node: ListNode? = nil) {
        guard compressDepth > 0 else { return }
        settleAlways(node)
    }

    private func settleAlways(_ node: ListNode?) {
        var fromHead = head
        var fromTail = tail
        var isNear = false
        for _ in 0..<compressDepth {
            guard let first = fromHead, let last = fromTail else { return }
            first.decompress(in: allocator)
            last.decompress(in: allocator)
            if first == node || last == node { isNear = true }
            if first == last || first.next == last { return }
            fromHead = first.next
            fromTail = last.previous
        }
        fromHead?.compress(in: allocator)
        fromTail?.compress(in: allocator)
        if !isNear { node?.compress(in: allocator) }
    }

    // MARK: as a large value

    /// Calls `body` with each node from head to tail.
    func forEachNode(_ body: (ListNode) -> Void) {
        var node = head
        while let current = node {
            body(current)
            node = current.next
        }
    }

    /// - Complexity: O(samples).
    func byteCount(samples: Int) -> Int {
        var bytes = 0
        var elements = 0
        var nodes = 0
        var node = head
        while let current = node, nodes < samples {
            bytes += current.heldBytes(in: allocator)
            elements += current.count
            nodes += 1
            node = current.next
        }
        if elements < count && elements > 0 { bytes = Int(Double(bytes) / Double(elements) * Double(count)) }
        return unsafe bytes + allocator.capacity(of: storage)
    }

    func copied(to allocator: SlabAllocator, hash: KeyHash) -> any LargeValue {
        let copy = makeSibling(in: allocator)
        var node = head
        while let current = node {
            copy.link(current.copied(to: allocator), nextTo: copy.tail, after: true)
            node = current.next
        }
        copy.count = count
        return copy
    }

    @unsafe func deallocateSlice(from place: Int, budget: Int) -> Int? {
        // The nodes that are left are where the next slice continues. Freeing a node costs about as much as two elements of
        // a table.
        var left = max(budget / 2, 1)
        while let node = head {
            guard left > 0 else { return 1 }
            left -= 1
            unlink(node, through: node, nodeCount: 1)
            unsafe node.free(in: allocator)
        }
        unsafe allocator.deallocate(storage)
        return nil
    }

    /// Moves nodes out of draining pages; true at the end. Where the next slice goes on is noted in the allocator, as there is one walk at a time; it
    /// ends early if that node is freed meanwhile.
    func defragment(_ place: inout ValuePlace, _ mover: inout BlockMover) -> Bool {
        let allocator = allocator
        var node = place.stage == 0 ? head : unsafe allocator.bookmark.map { unsafe ListNode(at: $0) }
        place.stage = 1
        unsafe allocator.bookmark = nil
        while let current = node {
            guard !mover.isOver else {
                unsafe allocator.bookmark = current.address
                return false
            }
            let moved = current.moved(&mover)
            if moved != current {
                if let previous = moved.previous { previous.next = moved } else { head = moved }
                if let next = moved.next { next.previous = moved } else { tail = moved }
            }
            node = moved.next
        }
        return true
    }

    /// Removes a run of nodes with `removed` elements and returns them as a chain of their own, for the caller to free.
    /// - Parameter nodes: how many nodes it is.
    func cut(_ first: ListNode, through last: ListNode, nodeCount nodes: Int, count removed: Int) -> ListChain {
        // The nodes go to another chain.
        unsafe allocator.bookmark = nil
        let rest = makeSibling(in: allocator)
        if isOpen { allocator.snapshot?.willCut(first, through: last, of: self, to: rest) }
        unlink(first, through: last, nodeCount: nodes)
        count -= removed
        rest.isMarked = isMarked
        rest.nodeCount = nodes
        rest.head = first
        rest.tail = last
        rest.count = removed
        return rest
    }

    // MARK: checking

    /// Traps when an invariant of the head of this file does not hold. For tests.
    func checkInvariants() {
        var total = 0
        var nodes = 0
        var previous: ListNode? = nil
        var node = head
        while let current = node {
            precondition(current.previous == previous, "a node's back link is wrong")
            precondition(isOpen || current.isMarked == isMarked && !current.hasEarlier, "a node has a wrong mark")
            nodes += 1
            current.checkInvariants(in: allocator)
            total += current.count
            previous = current
            node = current.next
        }
        precondition(previous == tail, "the last node is not the tail")
        precondition(total == count, "the list's count is wrong")
        precondition(nodes == nodeCount, "the list's count of nodes is wrong")
        var fromHead = head
        var fromTail = tail
        for _ in 0..<max(compressDepth, 1) {
            precondition(fromHead?.kind != .compressed && fromTail?.kind != .compressed, "an end node is compressed")
            fromHead = fromHead?.next
            fromTail = fromTail?.previous
        }
    }
}
