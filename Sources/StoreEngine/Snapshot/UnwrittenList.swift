// The nodes of a list that a snapshot writes some at a time.
//
// Opening it takes time that does not depend on its length: it takes down how many nodes there are, and has the chain's mark change, so that all
// of them differ from it. A node that differs is still to be written; it gets the mark when it was, and whatever is linked meanwhile has it
// from the start. So the nodes between the cursor and the end are some that are to be written, and others:
//
//     head -> new -> written -> written -> unwritten -> new -> unwritten -> changed -> tail
//                                          cursor                           kept in front of it: what it held
//
//   - Before a node changes that is to be written, what it holds is kept in front of it, and it counts as one of the others.
//   - What is kept in front of a node that is removed goes in front of its neighbour.
//   - A run of nodes that is cut off in one piece is not copied. It is held instead of being freed, and stands in front of the node that
//     followed it, or of what was kept there.
//
// So every change costs at most one copy of each node that it changes, all together at most one for each node there was, and each is freed
// when it was written.
//
// Rejected: the addresses of all nodes, taken down when the list is opened (O(nodes) in one command, and memory for each).

import RespCodec

/// What a node of a list held.
struct KeptNode {
    private let kind: ListNode.Kind
    private let bytes: [UInt8]
    private let byteCount: Int

    init(_ node: ListNode) {
        kind = node.kind
        byteCount = node.byteCount
        bytes =
            switch kind {
            case .plain: node.plainBytes.array
            case .packed: node.list.bytes.array
            case .compressed: node.compressedBytes.array
            }
    }

    /// Calls `body` with each element.
    func forEachElement(_ body: (PackedElement) -> Void) {
        func visit(_ list: Listpack) {
            var offset = list.first
            while offset < list.end {
                body(list[offset])
                offset = list.next(after: offset)
            }
        }
        bytes.withByteSlice { bytes in
            switch kind {
            case .plain: body(.bytes(bytes))
            case .packed: unsafe visit(Listpack(lookingAt: bytes))
            case .compressed:
                let list = LZF.decompressed(bytes, count: byteCount)
                list.withByteSlice { unsafe visit(Listpack(lookingAt: $0)) }
            }
        }
    }

    func write<Sink: ByteSink>(to records: RecordWriter<Sink>) {
        records.write(number: kind == .plain ? SavedNode.plain : SavedNode.packed)
        bytes.withByteSlice { bytes in
            if kind == .compressed {
                records.write(compressed: bytes, length: byteCount)
            } else {
                records.write(string: bytes)
            }
        }
    }
}

final class UnwrittenList {
    /// A run of nodes that was cut off the list.
    final class Run {
        let chain: ListChain
        /// The next node to be looked at; nil when all were.
        fileprivate var node: ListNode?
        /// The bytes of the chain, which is freed when it was written; nil while that is another's business.
        var heldBytes: Int?

        fileprivate init(_ chain: ListChain, from node: ListNode) {
            self.chain = chain
            self.node = node
        }
    }

    /// What is written in front of a node.
    private final class Earlier {
        enum Content {
            case kept(KeptNode)
            case run(Run)
        }

        let content: Content
        var next: Earlier?

        init(_ content: Content) { self.content = content }
    }

    private struct Queue {
        var first: Earlier
        var last: Earlier

        init(_ content: Earlier.Content) {
            first = Earlier(content)
            last = first
        }

        /// - Complexity: O(1).
        mutating func append(_ other: Queue) {
            last.next = other.first
            last = other.last
        }
    }

    enum Content {
        case node(ListNode)
        case kept(KeptNode)
    }

    private let chain: ListChain
    /// How many nodes are still to be written, kept or not.
    private(set) var nodesLeft: Int
    /// The next node of the chain to be looked at; nil behind the last.
    private var cursor: ListNode?
    /// By the addresses of the nodes in front of which they stand.
    private var earlier: [UInt: Queue] = [:]
    private var earlierAtEnd: Queue?
    private(set) var runs: [UInt: Run] = [:]

    init(_ chain: ListChain) {
        self.chain = chain
        nodesLeft = chain.nodeCount
        cursor = chain.head
        chain.isOpen = true
        chain.isMarked.toggle()
    }

    private func isUnwritten(_ node: ListNode) -> Bool { node.isMarked != chain.isMarked }

    // MARK: what stands in front of a node

    private func key(_ node: ListNode) -> UInt { unsafe UInt(bitPattern: node.address) }

    private func first(inFrontOf node: ListNode?) -> Earlier? {
        guard let node else { return earlierAtEnd?.first }
        return node.hasEarlier ? earlier[key(node)]?.first : nil
    }

    private func take(inFrontOf node: ListNode) -> Queue? {
        guard node.hasEarlier else { return nil }
        node.hasEarlier = false
        return earlier.removeValue(forKey: key(node))
    }

    /// Puts something in front of a node, or of the end, and of what stands there.
    private func put(_ queue: Queue, inFrontOf node: ListNode?) {
        var queue = queue
        guard let node else {
            if let behind = earlierAtEnd { queue.append(behind) }
            earlierAtEnd = queue
            return
        }
        if let behind = take(inFrontOf: node) { queue.append(behind) }
        earlier[key(node)] = queue
        node.hasEarlier = true
    }

    /// Has something stand behind what stands in front of a node, from where that is taken.
    private func append(_ content: Earlier.Content, takingWhatIsInFrontOf node: ListNode) -> Queue {
        let queue = Queue(content)
        guard var before = take(inFrontOf: node) else { return queue }
        before.append(queue)
        return before
    }

    private func removeFirst(inFrontOf node: ListNode?) {
        guard let node else {
            if let next = earlierAtEnd?.first.next { earlierAtEnd?.first = next } else { earlierAtEnd = nil }
            return
        }
        if let next = earlier[key(node)]?.first.next {
            earlier[key(node)]?.first = next
        } else {
            _ = take(inFrontOf: node)
        }
    }

    // MARK: changes

    /// The elements of a node are about to change.
    /// - Complexity: O(bytes of the node), once for each.
    func willChange(_ node: ListNode) {
        guard isUnwritten(node) else { return }
        put(append(.kept(KeptNode(node)), takingWhatIsInFrontOf: node), inFrontOf: node)
        node.isMarked = chain.isMarked
    }

    /// A node is about to be removed from the chain, and freed.
    func willRemove(_ node: ListNode) {
        willChange(node)
        let next = node.next
        if node == cursor { cursor = next }
        if let queue = take(inFrontOf: node) { put(queue, inFrontOf: next) }
    }

    /// A run of nodes is about to go to a chain of its own, and to be freed with it.
    /// - Returns: whether something of it is still to be written.
    /// - Complexity: O(nodes of the run that need not be written, up to the first that does).
    func willCut(_ first: ListNode, through last: ListNode, to rest: ListChain) -> Run? {
        let next = last.next
        var start = first
        while start != cursor, !isUnwritten(start), !start.hasEarlier {
            guard start != last, let node = start.next else { return nil }
            start = node
        }
        // All nodes in front of the cursor were written, so what is to be written of the run begins here in any case.
        if start == cursor { cursor = next }
        let run = Run(rest, from: start)
        runs[unsafe UInt(bitPattern: rest.address)] = run
        put(append(.run(run), takingWhatIsInFrontOf: start), inFrontOf: next)
        return run
    }

    // MARK: writing

    /// Looks at the next node, and writes it if it is to be written.
    /// - Returns: a run of which all was written.
    func step(_ write: (Content) -> Void) -> Run? {
        var level: Run?
        var position = cursor
        while let earlier = first(inFrontOf: position) {
            switch earlier.content {
            case .kept(let node):
                removeFirst(inFrontOf: position)
                write(.kept(node))
                nodesLeft -= 1
                return nil
            case .run(let run):
                guard let node = run.node else {
                    removeFirst(inFrontOf: position)
                    runs[unsafe UInt(bitPattern: run.chain.address)] = nil
                    return run
                }
                level = run
                position = node
            }
        }
        guard let node = position else { preconditionFailure("a list ends before all of it was written") }
        if isUnwritten(node) {
            write(.node(node))
            node.isMarked = chain.isMarked
            nodesLeft -= 1
        }
        if let level { level.node = node.next } else { cursor = node.next }
        return nil
    }

    /// Ends its being open.
    /// - Returns: the runs that are left.
    /// - Complexity: O(nodes that were not written).
    func close() -> [Run] {
        var rest: [Run] = []
        while nodesLeft > 0 { if let run = step({ _ in }) { rest.append(run) } }
        rest += runs.values
        runs = [:]
        // Only runs without anything to be written are left.
        for queue in earlier.values { unlink(queue) }
        if let earlierAtEnd { unlink(earlierAtEnd) }
        earlier = [:]
        earlierAtEnd = nil
        chain.isOpen = false
        return rest
    }

    /// A long queue must not be freed recursively.
    private func unlink(_ queue: Queue) {
        var item = queue.first.next
        queue.first.next = nil
        while let current = item {
            item = current.next
            current.next = nil
        }
    }
}
