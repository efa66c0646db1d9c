// Moving the nodes of a ranked tree, and the blocks that it refers to.

import RespCodec

extension RankedTree {
    /// Has the tree refer to a copy of the block of an entry. The block must still be there.
    /// - Complexity: O(log n).
    func replace(_ block: UnsafeMutableRawPointer, with copy: UnsafeMutableRawPointer, score: Double) {
        let member = unsafe Layout.key(of: copy)
        var node = root
        for _ in 0..<height {
            let branch = node.branch
            let index = child(of: branch, score, member)
            // The first entry below a child is named on the way to it.
            if unsafe branch.blocks[index] == block { unsafe branch.blocks[index] = copy }
            unsafe node = branch.children[index]
        }
        let leaf = node.leaf
        let index = position(in: leaf, score, member)
        precondition(unsafe index < leaf.count && leaf.block(index) == block, "the tree has lost an entry")
        unsafe leaf.set(index, leaf.scores[index], copy)
    }

    /// Moves the nodes on the way to the leaf that has the entry of a rank, out of draining pages.
    /// - Returns: the rank of the first entry of the next leaf; nil at the end.
    /// - Complexity: O(log n).
    mutating func moveNodes(atRank rank: Int, _ mover: inout BlockMover) -> Int? {
        if let moved = unsafe mover.move(root.address) { unsafe root = RankedNode(moved) }
        guard rank < count else { return nil }
        var node = root
        var rest = rank
        for level in stride(from: height, to: 0, by: -1) {
            let branch = node.branch
            let (index, before) = branch.child(ofRank: rest)
            rest -= before
            unsafe node = branch.children[index]
            guard let moved = unsafe mover.move(node.address) else { continue }
            unsafe node = RankedNode(moved)
            unsafe branch.children[index] = node
            guard level == 1 else { continue }
            node.leaf.previous?.next = node.leaf
            node.leaf.next?.previous = node.leaf
        }
        return rank - rest + node.count
    }
}
