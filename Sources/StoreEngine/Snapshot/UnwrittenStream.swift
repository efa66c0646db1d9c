// The nodes of a stream that a snapshot writes some at a time.
//
// They are walked by their ids. Opening the stream takes down how many nodes there are, and which is the last. Before a node changes that the walk
// has not come to, what it holds is kept, to be written at its place; from then on its id is left out wherever it turns up, as are those
// of nodes that are new. The last node is kept at once: it changes with each entry that is added, and says nothing. So does one that
// becomes the last, because those behind it were removed.
//
// Rejected: the addresses of all nodes, taken down when the stream is opened (O(nodes) in one command, and memory for each).

import RespCodec

final class UnwrittenStream {
    private let stream: StreamValue
    /// How many nodes are still to be written, kept or not.
    private(set) var nodesLeft: Int
    /// Nodes with lesser ids were written.
    private var position = StreamID.zero
    /// The id of the last node there was.
    private let last: StreamID
    /// What is not as it was, from the position on.
    private var changed: Set<StreamID> = []
    /// What of that is to be written as it was.
    private var kept = BinaryHeap<Kept>()

    /// How many nodes are kept.
    var keptCount: Int { kept.count }

    private struct Kept: HeapElement {
        let id: StreamID
        let bytes: [UInt8]

        /// The one of the least id comes first.
        func precedes(_ other: Kept) -> Bool { id < other.id }
    }

    init(_ stream: StreamValue) {
        self.stream = stream
        nodesLeft = stream.nodeCount
        last = stream.nodes.last?.id ?? .zero
        stream.isFrozen = true
        if let place = stream.nodes.last { willChange(StreamValue.node(at: place)) }
    }

    // MARK: changes

    private func isAhead(_ id: StreamID) -> Bool { nodesLeft > 0 && id >= position && id <= last }

    /// A node is about to change, or to be removed.
    /// - Complexity: O(bytes of the node + log(nodes kept)), once for each.
    func willChange(_ node: StreamNode) {
        guard isAhead(node.id), changed.insert(node.id).inserted else { return }
        kept.insert(Kept(id: node.id, bytes: node.list.bytes.array))
    }

    /// A node was added.
    func hasAdded(_ id: StreamID) { if isAhead(id) { changed.insert(id) } }

    // MARK: writing

    /// Writes up to `most` nodes, until `isOver`.
    func slice(most: Int, isOver: () -> Bool, write: (StreamID, ByteSlice) -> Void) {
        var left = most
        var place = stream.nodes.place(atOrAfter: position)
        while nodesLeft > 0, left > 0, !isOver() {
            left -= 1
            if let first = kept.first, isNext(first, before: place) {
                first.bytes.withByteSlice { write(first.id, $0) }
                kept.removeFirst()
                nodesLeft -= 1
                if let current = place, current.id == first.id { place = current.next }
                pass(first.id)
            } else {
                guard let current = place else { preconditionFailure("a stream ends before all of it was written") }
                let id = current.id
                if changed.isEmpty || !changed.contains(id) {
                    write(id, StreamValue.node(at: current).list.bytes)
                    nodesLeft -= 1
                }
                place = current.next
                pass(id)
            }
        }
    }

    private func isNext(_ kept: Kept, before place: IDTree.Place?) -> Bool {
        guard let place else { return true }
        return kept.id <= place.id
    }

    private func pass(_ id: StreamID) {
        changed.remove(id)
        position = id.successor ?? .maximum
    }

    /// Ends its being open.
    func close() { stream.isFrozen = false }
}
