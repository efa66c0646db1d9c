// A small ordered map from ids of 128 bits to words of 64: a B+ tree.
//
// Streams keep their nodes in one, and groups their pending entries. Ids are mostly added and removed in order, so a full
// last leaf is not split in halves: a new one is begun, and leaves stay full. All nodes have one layout, of words:
//
//     count, level | previous leaf | next leaf | id (2), value | id (2), value | ...
//
// The value of an inner node's slot is the address of a child; the id in front of it is a lower bound of the child's
// ids (that of the first slot is not used). Leaves begin small and grow by doubling, so that a tree of a few ids takes
// little memory; a leaf that has become much too large for its slots shrinks, and a nearly empty node is joined with a
// neighbour.
//
// Invariants: ids ascend within a leaf and from leaf to leaf; all leaves are at one depth; no node is empty; an inner
// root has at least two children; each child's ids are at or above its own bound and below the next one's.
//
// Rejected: the segmented table, which has no order; a radix tree, as Redis has it, whose nodes for two ids in a row
// differ at the last byte and cost a block each.

/// A plain value with one owner, which passes the allocator to each call, always the same, and calls `deallocate` at the end.
@safe struct IDTree {
    private static let slotWords = 3
    private static let headerWords = 3
    static let maximumSlots = 40
    private static let minimumSlots = 2

    private(set) var count = 0
    private var root: UnsafeMutablePointer<UInt64>?

    // MARK: nodes

    @safe fileprivate struct Node: Equatable {
        let words: UnsafeMutablePointer<UInt64>

        @unsafe init(_ words: UnsafeMutablePointer<UInt64>) { unsafe self.words = words }
        @inline(__always) @unsafe init?(bits: UInt64) {
            guard let words = unsafe UnsafeMutablePointer<UInt64>(bitPattern: UInt(bits)) else { return nil }
            unsafe self.words = words
        }

        static func size(slots: Int) -> Int { (headerWords + slots * slotWords) * 8 }

        init(_ allocator: SlabAllocator, level: Int, slots: Int) {
            let block = unsafe allocator.allocate(Self.size(slots: slots))
            unsafe words = block.bindMemory(to: UInt64.self, capacity: headerWords + slots * slotWords)
            unsafe words[0] = UInt64(level) << 32
            unsafe words[1] = 0
            unsafe words[2] = 0
        }

        static func == (left: Node, right: Node) -> Bool { unsafe left.words == right.words }
        var bits: UInt64 { unsafe UInt64(UInt(bitPattern: words)) }
        @inline(__always) var count: Int {
            get { unsafe Int(words[0] & 0xFFFF_FFFF) }
            nonmutating set { unsafe words[0] = words[0] & ~0xFFFF_FFFF | UInt64(newValue) }
        }
        @inline(__always) var level: Int { unsafe Int(words[0] >> 32) }
        var previous: Node? {
            get { unsafe Node(bits: words[1]) }
            nonmutating set { unsafe words[1] = newValue?.bits ?? 0 }
        }
        @inline(__always) var next: Node? {
            get { unsafe Node(bits: words[2]) }
            nonmutating set { unsafe words[2] = newValue?.bits ?? 0 }
        }
        @inline(__always) private func word(_ index: Int) -> Int { headerWords &+ index &* slotWords }
        @inline(__always) func id(_ index: Int) -> StreamID {
            let word = word(index)
            return unsafe StreamID(milliseconds: words[word], sequence: words[word &+ 1])
        }
        func setID(_ index: Int, _ id: StreamID) {
            unsafe words[word(index)] = id.milliseconds
            unsafe words[word(index) + 1] = id.sequence
        }
        @inline(__always) func value(_ index: Int) -> UInt64 { unsafe words[word(index) &+ 2] }
        func setValue(_ index: Int, _ value: UInt64) { unsafe words[word(index) + 2] = value }
        @inline(__always) func child(_ index: Int) -> Node {
            guard let node = unsafe Node(bits: value(index)) else {
                preconditionFailure("an inner slot without a child")
            }
            return node
        }

        func capacity(_ allocator: SlabAllocator) -> Int {
            unsafe min((allocator.capacity(of: words) / 8 - headerWords) / slotWords, maximumSlots)
        }

        /// How many slots have ids at or below `id`.
        @inline(__always) func rank(_ id: StreamID) -> Int {
            var low = 0
            var high = count
            // Ids that come in order go to the end.
            if high > 0 && self.id(high &- 1) <= id { return high }
            while low < high {
                let middle = (low &+ high) >> 1
                if self.id(middle) <= id { low = middle &+ 1 } else { high = middle }
            }
            return low
        }

        func insert(at index: Int, _ id: StreamID, _ value: UInt64) {
            let count = count
            let start = unsafe words + word(index)
            unsafe (start + slotWords).update(from: start, count: (count - index) * slotWords)
            self.count = count + 1
            setID(index, id)
            setValue(index, value)
        }

        func remove(at index: Int) {
            let count = count
            let start = unsafe words + word(index)
            unsafe start.update(from: start + slotWords, count: (count - index - 1) * slotWords)
            self.count = count - 1
        }

        /// Moves the slots from `index` on to the end of another node.
        func move(from index: Int, to other: Node) {
            let moved = count - index
            unsafe (other.words + other.word(other.count)).update(from: words + word(index), count: moved * slotWords)
            other.count += moved
            count = index
        }

        /// Moves the node to a block for `slots` slots, updates the links of its neighbours, and returns where it is now.
        func resized(_ allocator: SlabAllocator, slots: Int) -> Node {
            let used = Self.size(slots: count)
            let block = unsafe allocator.reallocate(words, size: Self.size(slots: slots), keeping: used)
            let moved = unsafe Node(
                block.bindMemory(to: UInt64.self, capacity: headerWords + slots * slotWords))
            if moved != self {
                moved.previous?.next = moved
                moved.next?.previous = moved
            }
            return moved
        }

        @unsafe func deallocate(_ allocator: SlabAllocator) { unsafe allocator.deallocate(words) }

        /// Moves the node out of a draining page; nil if it has stayed.
        func moved(_ mover: inout BlockMover) -> Node? {
            guard let block = unsafe mover.move(words) else { return nil }
            // Of the block that it was nothing may be read any more, not even how many slots it has.
            let moved = unsafe Node(block.assumingMemoryBound(to: UInt64.self))
            moved.previous?.next = moved
            moved.next?.previous = moved
            return moved
        }
    }

    private var rootNode: Node? { unsafe root.map { unsafe Node($0) } }

    // MARK: places

    /// The place of one id. Valid until the tree changes.
    @safe struct Place {
        private let node: Node
        private let index: Int

        fileprivate init(_ node: Node, _ index: Int) {
            self.node = node
            self.index = index
        }

        @inline(__always) var id: StreamID { node.id(index) }
        @inline(__always) var value: UInt64 {
            get { node.value(index) }
            nonmutating set { node.setValue(index, newValue) }
        }

        @inline(__always) var next: Place? {
            StepCount.step()
            if index &+ 1 < node.count { return Place(node, index &+ 1) }
            return node.next.map { Place($0, 0) }
        }
        @inline(__always) var previous: Place? {
            StepCount.step()
            if index > 0 { return Place(node, index &- 1) }
            return node.previous.map { Place($0, $0.count - 1) }
        }
    }

    var isEmpty: Bool { count == 0 }

    var first: Place? {
        guard var node = rootNode else { return nil }
        while node.level > 0 { node = node.child(0) }
        return Place(node, 0)
    }

    var last: Place? {
        guard var node = rootNode else { return nil }
        while node.level > 0 { node = node.child(node.count - 1) }
        return Place(node, node.count - 1)
    }

    @inline(__always) private func leaf(for id: StreamID) -> Node? {
        guard var node = rootNode else { return nil }
        while node.level > 0 { node = node.child(max(node.rank(id) &- 1, 0)) }
        return node
    }

    /// The place of an id.
    /// - Complexity: O(log n), as for everything here that looks for an id.
    func find(_ id: StreamID) -> Place? {
        guard let leaf = leaf(for: id) else { return nil }
        let rank = leaf.rank(id)
        return rank > 0 && leaf.id(rank - 1) == id ? Place(leaf, rank - 1) : nil
    }

    /// The greatest id at or below `id`.
    func place(atOrBefore id: StreamID) -> Place? {
        guard let leaf = leaf(for: id) else { return nil }
        let rank = leaf.rank(id)
        if rank > 0 { return Place(leaf, rank - 1) }
        return leaf.previous.map { Place($0, $0.count - 1) }
    }

    /// The smallest id at or above `id`.
    func place(atOrAfter id: StreamID) -> Place? {
        guard let leaf = leaf(for: id) else { return nil }
        let rank = leaf.rank(id)
        if rank > 0 && leaf.id(rank - 1) == id { return Place(leaf, rank - 1) }
        if rank < leaf.count { return Place(leaf, rank) }
        return leaf.next.map { Place($0, 0) }
    }

    // MARK: inserting

    /// A node after an insertion: where it is now, its new right neighbour if it was split, and whether the id was new.
    private struct Grown {
        var node: Node
        var sibling: Node?
        var isNew = true
    }

    /// Inserts an id; false, and nothing changes, when it is there already.
    mutating func insert(_ id: StreamID, _ value: UInt64, _ allocator: SlabAllocator) -> Bool {
        guard let root = rootNode else {
            let node = Node(allocator, level: 0, slots: Self.minimumSlots)
            node.insert(at: 0, id, value)
            unsafe self.root = node.words
            count = 1
            return true
        }
        let grown = Self.insert(id, value, into: root, allocator)
        unsafe self.root = grown.node.words
        if let sibling = grown.sibling {
            let top = Node(allocator, level: grown.node.level + 1, slots: Self.minimumSlots)
            top.insert(at: 0, grown.node.id(0), grown.node.bits)
            top.insert(at: 1, sibling.id(0), sibling.bits)
            unsafe self.root = top.words
        }
        if grown.isNew { count += 1 }
        return grown.isNew
    }

    private static func insert(_ id: StreamID, _ value: UInt64, into node: Node, _ allocator: SlabAllocator) -> Grown {
        let rank = node.rank(id)
        guard node.level > 0 else {
            if rank > 0 && node.id(rank - 1) == id { return Grown(node: node, isNew: false) }
            return place(id, value, at: rank, of: node, allocator)
        }
        let index = max(rank - 1, 0)
        let grown = insert(id, value, into: node.child(index), allocator)
        node.setValue(index, grown.node.bits)
        guard let sibling = grown.sibling else { return Grown(node: node, isNew: grown.isNew) }
        return place(sibling.id(0), sibling.bits, at: index + 1, of: node, allocator)
    }

    /// Inserts a slot into a node, which grows or is split if it is full.
    private static func place(
        _ id: StreamID, _ value: UInt64, at index: Int, of node: Node, _ allocator: SlabAllocator
    ) -> Grown {
        let count = node.count
        let capacity = node.capacity(allocator)
        if count < capacity {
            node.insert(at: index, id, value)
            return Grown(node: node)
        }
        if capacity < maximumSlots {
            let larger = node.resized(allocator, slots: min(capacity * 2, maximumSlots))
            larger.insert(at: index, id, value)
            return Grown(node: larger)
        }
        // When ids come in order, full nodes stay full.
        let isLast = index == count && node.next == nil
        let sibling = Node(allocator, level: node.level, slots: isLast ? maximumSlots / 4 : maximumSlots)
        if node.level == 0 {
            sibling.next = node.next
            sibling.previous = node
            node.next?.previous = sibling
            node.next = sibling
        }
        if isLast {
            sibling.insert(at: 0, id, value)
        } else {
            let half = count / 2
            node.move(from: half, to: sibling)
            if index <= half {
                node.insert(at: index, id, value)
            } else {
                sibling.insert(at: index - half, id, value)
            }
        }
        return Grown(node: node, sibling: sibling)
    }

    // MARK: removing

    /// Removes an id and returns its value; nil when it is not there.
    @discardableResult
    mutating func remove(_ id: StreamID, _ allocator: SlabAllocator) -> UInt64? {
        guard let root = rootNode else { return nil }
        var removed: UInt64?
        let left = Self.remove(id, from: root, &removed, allocator)
        if removed != nil { count -= 1 }
        setRoot(left, allocator)
        return removed
    }

    /// Makes a node the root, or the first node below it that is a leaf or has several children.
    private mutating func setRoot(_ node: Node?, _ allocator: SlabAllocator) {
        var node = node
        while let inner = node, inner.level > 0 && inner.count == 1 {
            node = inner.child(0)
            unsafe inner.deallocate(allocator)
        }
        unsafe root = node?.words
    }

    /// - Returns: the node, which may have moved; nil if it became empty and was freed.
    private static func remove(
        _ id: StreamID, from node: Node, _ removed: inout UInt64?, _ allocator: SlabAllocator
    ) -> Node? {
        let rank = node.rank(id)
        guard node.level > 0 else {
            guard rank > 0 && node.id(rank - 1) == id else { return node }
            removed = node.value(rank - 1)
            node.remove(at: rank - 1)
            return trimmed(node, allocator)
        }
        let index = max(rank - 1, 0)
        let child = remove(id, from: node.child(index), &removed, allocator)
        guard removed != nil else { return node }
        return replaceChild(child, at: index, of: node, allocator)
    }

    /// Frees a node that has become empty, and moves one that is much too large to a smaller block.
    /// - Returns: the node, which may have moved; nil if it was freed.
    private static func trimmed(_ node: Node, _ allocator: SlabAllocator) -> Node? {
        let count = node.count
        guard count > 0 else {
            node.previous?.next = node.next
            node.next?.previous = node.previous
            unsafe node.deallocate(allocator)
            return nil
        }
        guard count >= minimumSlots && count * 4 <= node.capacity(allocator) else { return node }
        return node.resized(allocator, slots: count * 2)
    }

    /// Replaces the child at `index`, nil if that was freed, and joins it with a neighbour if both are small.
    private static func replaceChild(_ child: Node?, at index: Int, of node: Node, _ allocator: SlabAllocator) -> Node?
    {
        guard let child else {
            node.remove(at: index)
            return trimmed(node, allocator)
        }
        node.setValue(index, child.bits)
        guard child.count * 4 < maximumSlots else { return node }
        let left = index > 0 ? index - 1 : 0
        guard left + 1 < node.count else { return node }
        let (first, second) = (node.child(left), node.child(left + 1))
        let total = first.count + second.count
        guard total * 4 <= maximumSlots * 3 else { return node }
        let joined = first.capacity(allocator) >= total ? first : first.resized(allocator, slots: total)
        let start = joined.count
        second.move(from: 0, to: joined)
        joined.setID(start, joined.level > 0 ? node.id(left + 1) : joined.id(start))
        if second.level == 0 {
            joined.next = second.next
            second.next?.previous = joined
        }
        unsafe second.deallocate(allocator)
        node.setValue(left, joined.bits)
        node.remove(at: left + 1)
        return trimmed(node, allocator)
    }

    // MARK: defragmentation

    /// Moves the nodes on the way to the leaf of an id out of draining pages, and calls `body` with the places of this leaf from the id on.
    /// - Returns: the first id of the next leaf; nil at the end.
    /// - Complexity: O(log n).
    mutating func moveNodes(
        from id: StreamID, _ mover: inout BlockMover, _ body: (Place, inout BlockMover) -> Void
    ) -> StreamID? {
        guard var node = rootNode else { return nil }
        if let moved = node.moved(&mover) {
            unsafe root = moved.words
            node = moved
        }
        while node.level > 0 {
            let index = max(node.rank(id) - 1, 0)
            var child = node.child(index)
            if let moved = child.moved(&mover) {
                node.setValue(index, moved.bits)
                child = moved
            }
            node = child
        }
        let rank = node.rank(id)
        for index in (rank > 0 && node.id(rank - 1) == id ? rank - 1 : rank)..<node.count {
            body(Place(node, index), &mover)
        }
        return node.next?.id(0)
    }

    // MARK: freeing

    /// Calls `body` with the values of the first leaf, and removes it. Does nothing to an empty tree.
    mutating func removeFirstLeaf(_ allocator: SlabAllocator, _ body: (UInt64) -> Void) {
        guard let root = rootNode else { return }
        var leaf = root
        while leaf.level > 0 { leaf = leaf.child(0) }
        for index in 0..<leaf.count { body(leaf.value(index)) }
        count -= leaf.count
        leaf.count = 0
        setRoot(Self.withoutFirstLeaf(root, allocator), allocator)
    }

    private static func withoutFirstLeaf(_ node: Node, _ allocator: SlabAllocator) -> Node? {
        guard node.level > 0 else { return trimmed(node, allocator) }
        guard let child = withoutFirstLeaf(node.child(0), allocator) else {
            node.remove(at: 0)
            return trimmed(node, allocator)
        }
        node.setValue(0, child.bits)
        return node
    }

    /// Frees the tree, not what its values refer to.
    /// - Complexity: O(n).
    @unsafe mutating func deallocate(_ allocator: SlabAllocator) {
        while !isEmpty { removeFirstLeaf(allocator) { _ in } }
    }

    /// An estimate of the bytes that the tree takes, from its count.
    func byteCount(_ allocator: SlabAllocator) -> Int {
        guard let root = rootNode else { return 0 }
        guard root.level > 0 else { return unsafe allocator.capacity(of: root.words) }
        return count * Self.slotWords * 8 * 9 / 8
    }

    // MARK: checking

    /// How many nodes a look-up visits; 0 for an empty tree. For tests.
    var levelCount: Int { rootNode.map { $0.level + 1 } ?? 0 }

    /// Traps when an invariant of the head of this file does not hold. For tests.
    func checkInvariants() {
        guard let root = rootNode else { return precondition(count == 0, "a count without ids") }
        var leaves: [Node] = []
        var total = 0
        func walk(_ node: Node, from low: StreamID, to high: StreamID?) {
            precondition(node.count > 0, "an empty node")
            if node.level == 0 {
                leaves.append(node)
                total += node.count
                for index in 0..<node.count {
                    precondition(index == 0 || node.id(index - 1) < node.id(index), "ids out of order")
                    precondition(
                        node.id(index) >= low && (high.map { node.id(index) < $0 } ?? true), "an id out of bounds")
                }
                return
            }
            for index in 0..<node.count {
                let child = node.child(index)
                precondition(child.level == node.level - 1, "leaves at different depths")
                walk(
                    child, from: index == 0 ? low : node.id(index),
                    to: index + 1 < node.count ? node.id(index + 1) : high)
            }
        }
        walk(root, from: .zero, to: nil)
        precondition(root.level == 0 || root.count > 1, "a root with one child")
        precondition(total == count, "a wrong count")
        for index in leaves.indices {
            precondition(leaves[index].previous == (index > 0 ? leaves[index - 1] : nil), "a wrong link back")
            precondition(leaves[index].next == (index + 1 < leaves.count ? leaves[index + 1] : nil), "a wrong link")
        }
    }
}
