// Members in the order of their scores, and each one's rank: a B+ tree of blocks that the tree does not own.
//
//     branch            [ first | count ] [ first | count ] ...        `first`: score and block of the first entry below
//                            |                  |
//     leaf              score, block | ...  <->  score, block | ...    up to 66 of each
//
// Entries are ordered by score, and by the bytes of their member where scores are equal (0 and -0 are). A leaf has the scores beside
// the blocks, so a search reads a block only to compare members of one score: in a large set nearly every block read is a cache miss. The
// counts give an entry's rank, and the entry of a rank, in one descent.
//
// A full leaf first shares with a neighbour that has room, and two full neighbours become three leaves: leaves that were filled in
// random order are thus five sixths full. A full leaf at either end of the tree stays full, as the next entry begins a new one: entries
// often come in order. Nodes are split and joined on the way down, so one descent is enough.
//
// Invariants: leaves are at one depth, linked in order, and none is empty, but the root; `first` of each child other than a
// branch's first is exactly the first entry below it; counts are exact.
//
// Rejected: a skip list (a node per member: two to three pointers and a block header each, and a cache miss for each step); parts of
// scores in the leaves (4 bytes less per member, but a cache miss for each comparison where many scores are near each other, as
// times are).

import CLinux
import Glibc
import RespCodec

/// A plain value with one owner, which calls `deallocateSlice` at the end. Nodes lie in the allocator. A block's member must not change
/// while it is in the tree.
@safe struct RankedTree<Layout: TableLayout> {
    private static var capacity: Int { RankedNode.capacity }

    let allocator: SlabAllocator
    private(set) var count = 0
    var root: RankedNode
    /// Levels of branches above the leaves.
    private(set) var height = 0
    private var leafCount = 1
    private var branchCount = 0

    init(allocator: SlabAllocator) {
        self.allocator = allocator
        root = RankedLeaf(allocator).node
    }

    /// Bytes of the nodes.
    var ownByteCount: Int { leafCount * RankedLeaf.size + branchCount * RankedBranch.size }

    // MARK: searching

    /// How many of the entries `range`, all of one score, have a member before `member`, or also that member itself.
    @inline(never)
    private static func bound(
        _ member: ByteSlice, in range: Range<Int>, includingEqual: Bool, _ block: (Int) -> UnsafeMutableRawPointer
    ) -> Int {
        var low = range.lowerBound
        var high = range.upperBound
        while low < high {
            let middle = (low + high) >> 1
            let other = unsafe Layout.key(of: block(middle))
            let isBefore = includingEqual ? !(member < other) : other < member
            if isBefore { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Where in the leaf an entry is or belongs.
    @inline(__always)
    func position(in leaf: RankedLeaf, _ score: Double, _ member: ByteSlice) -> Int {
        let scores = unsafe UnsafePointer(leaf.scores)
        let count = leaf.count
        let low = unsafe RankedNode.lowerBound(scores, count, score)
        guard unsafe low < count && scores[low] == score else { return low }
        let high = unsafe low &+ RankedNode.upperBound(scores + low, count &- low, score)
        return unsafe Self.bound(member, in: low..<high, includingEqual: false) { unsafe leaf.block($0) }
    }

    /// The child below which an entry is or belongs.
    @inline(__always)
    func child(of branch: RankedBranch, _ score: Double, _ member: ByteSlice) -> Int {
        let scores = unsafe UnsafePointer(branch.scores) + 1
        let count = branch.count &- 1
        let low = unsafe RankedNode.lowerBound(scores, count, score)
        guard unsafe low < count && scores[low] == score else { return low }
        let high = unsafe low &+ RankedNode.upperBound(scores + low, count &- low, score)
        return unsafe Self.bound(member, in: low + 1..<high + 1, includingEqual: true) { unsafe branch.blocks[$0] } - 1
    }

    /// How many entries are before this one, which may be in the tree or not.
    /// - Complexity: O(log n).
    func rank(_ score: Double, _ member: ByteSlice) -> Int {
        var node = root
        var rank = 0
        for _ in 0..<height {
            let branch = node.branch
            let index = child(of: branch, score, member)
            unsafe node = branch.children[index]
            node.leaf.prefetch()
            rank &+= unsafe branch.sum(before: index)
        }
        return rank &+ position(in: node.leaf, score, member)
    }

    /// How many entries `isBefore` holds for, which must be all entries up to some rank.
    /// - Complexity: O(log n).
    func rank(where isBefore: (Double, UnsafeMutableRawPointer) -> Bool) -> Int {
        var node = root
        var rank = 0
        for _ in 0..<height {
            let branch = node.branch
            var low = 1
            var high = branch.count
            while low < high {
                let middle = (low + high) >> 1
                if unsafe isBefore(branch.scores[middle], branch.blocks[middle]) {
                    low = middle + 1
                } else {
                    high = middle
                }
            }
            rank += unsafe branch.sum(before: low - 1)
            unsafe node = branch.children[low - 1]
        }
        let leaf = node.leaf
        var low = 0
        var high = leaf.count
        while low < high {
            let middle = (low + high) >> 1
            if unsafe isBefore(leaf.scores[middle], leaf.block(middle)) { low = middle + 1 } else { high = middle }
        }
        return rank + low
    }

    /// How many entries have a score below `score`, or equal to it if `includingEqual`.
    /// - Complexity: O(log n).
    func count(below score: Double, includingEqual: Bool) -> Int {
        func bound(_ scores: UnsafePointer<Double>, _ count: Int) -> Int {
            unsafe includingEqual
                ? RankedNode.upperBound(scores, count, score) : RankedNode.lowerBound(scores, count, score)
        }
        var node = root
        var rank = 0
        for _ in 0..<height {
            let branch = node.branch
            let index = unsafe bound(UnsafePointer(branch.scores) + 1, branch.count &- 1)
            rank &+= unsafe branch.sum(before: index)
            unsafe node = branch.children[index]
        }
        return unsafe rank &+ bound(UnsafePointer(node.leaf.scores), node.leaf.count)
    }

    /// The block of an entry; nil if it is not in the tree.
    /// - Complexity: O(log n).
    func find(_ score: Double, _ member: ByteSlice) -> UnsafeMutableRawPointer? {
        var node = root
        for _ in 0..<height { unsafe node = node.branch.children[child(of: node.branch, score, member)] }
        let leaf = node.leaf
        let index = position(in: leaf, score, member)
        guard unsafe index < leaf.count && leaf.scores[index] == score else { return nil }
        let block = unsafe leaf.block(index)
        return unsafe Layout.hasKey(block, member) ? block : nil
    }

    private func place(ofRank rank: Int) -> (leaf: RankedLeaf, index: Int) {
        precondition(rank >= 0 && rank < count, "no entry has such a rank")
        var node = root
        var rest = rank
        for _ in 0..<height {
            let branch = node.branch
            var index = 0
            while unsafe rest >= Int(branch.counts[index]) {
                unsafe rest &-= Int(branch.counts[index])
                index &+= 1
            }
            unsafe node = branch.children[index]
        }
        return (node.leaf, rest)
    }

    /// The entry of a rank, from 0.
    /// - Complexity: O(log n).
    func entry(atRank rank: Int) -> (score: Double, block: UnsafeMutableRawPointer) {
        let (leaf, index) = place(ofRank: rank)
        return unsafe (leaf.scores[index], leaf.block(index))
    }

    /// Calls `body` with the scores and blocks of `count` entries from that of rank `start` on, forwards or backwards, until it
    /// returns false. The tree must not change meanwhile.
    @inline(__always)
    func forEach(
        from start: Int, count: Int, reversed: Bool, _ body: (Double, UnsafeMutableRawPointer) -> Bool
    ) {
        guard count > 0 else { return }
        var (leaf, index) = place(ofRank: start)
        var remaining = count
        while true {
            let here = min(remaining, reversed ? index + 1 : leaf.count - index)
            let step = reversed ? -1 : 1
            // Blocks lie anywhere in memory: the next ones are prefetched while one is visited.
            let ahead = 8
            var asked = index
            for _ in 0..<min(ahead, here) {
                leaf.prefetchBlock(asked)
                asked &+= step
            }
            var place = index
            var left = here
            while left > 0 {
                if left > ahead {
                    leaf.prefetchBlock(asked)
                    asked &+= step
                }
                guard unsafe body(leaf.scores[place], leaf.block(place)) else { return }
                place &+= step
                left &-= 1
            }
            remaining -= here
            guard remaining > 0, let neighbour = reversed ? leaf.previous : leaf.next else { return }
            leaf = neighbour
            index = reversed ? leaf.count - 1 : 0
        }
    }

    // MARK: inserting

    /// Adds an entry that is not in the tree.
    /// - Complexity: O(log n).
    mutating func insert(_ score: Double, _ block: UnsafeMutableRawPointer) {
        let member = unsafe Layout.key(of: block)
        if root.isFull { raise() }
        var node = root
        var level = height
        while level > 0 {
            let branch = node.branch
            var index = child(of: branch, score, member)
            var next = unsafe branch.children[index]
            next.leaf.prefetch()
            if next.isFull {
                if level == 1 {
                    unsafe makeRoom(below: branch, at: index, score, block)
                } else {
                    splitBranch(below: branch, at: index)
                }
                index = child(of: branch, score, member)
                unsafe next = branch.children[index]
            }
            unsafe branch.counts[index] &+= 1
            node = next
            level &-= 1
        }
        let leaf = node.leaf
        unsafe leaf.insert(score, block, at: position(in: leaf, score, member))
        count &+= 1
    }

    private func newBranch(_ counter: inout Int) -> RankedBranch {
        counter += 1
        return RankedBranch(allocator)
    }

    /// Puts a branch above the root, with the root as its only child.
    private mutating func raise() {
        let branch = newBranch(&branchCount)
        // Score and block of a first child are not used.
        unsafe branch.insert(root, count: count, 0, root.address, at: 0)
        root = branch.node
        height += 1
    }

    /// Makes room in or beside the full leaf `index` below a branch that is not full.
    @inline(never)
    private mutating func makeRoom(
        below branch: RankedBranch, at index: Int, _ score: Double, _ block: UnsafeMutableRawPointer
    ) {
        let leaf = unsafe branch.children[index].leaf
        // At either end the new entry gets a leaf of its own.
        if unsafe leaf.next == nil && isBehind(leaf, leaf.count - 1, score, block) {
            let added = addLeaf(behind: leaf)
            return unsafe branch.insert(added.node, count: 0, score, block, at: index + 1)
        }
        if unsafe leaf.previous == nil && !isBehind(leaf, 0, score, block) {
            let added = RankedLeaf(allocator)
            leaf.previous = added
            added.next = leaf
            leafCount += 1
            unsafe branch.insert(added.node, count: 0, score, block, at: index)
            return unsafe branch.noteLeaf(index + 1)
        }
        let before = index > 0 ? unsafe branch.children[index - 1].count : Int.max
        let after = index + 1 < branch.count ? unsafe branch.children[index + 1].count : Int.max
        let left = after <= before ? index : index - 1
        if min(before, after) <= Self.capacity - 2 { return shareLeaves(below: branch, left) }
        let added: RankedLeaf
        if min(before, after) == Int.max {
            added = addLeaf(behind: leaf)
            unsafe leaf.moveTail(leaf.count / 2, to: added)
            unsafe branch.insert(added.node, count: added.count, 0, added.address, at: index + 1)
            unsafe branch.noteLeaf(index)
            return unsafe branch.noteLeaf(index + 1)
        }
        // Two full ones become three.
        let first = unsafe branch.children[left].leaf
        let second = unsafe branch.children[left + 1].leaf
        let third = (first.count + second.count) / 3
        added = addLeaf(behind: first)
        unsafe first.moveTail(first.count - third, to: added)
        unsafe second.moveHead(third - added.count, to: added)
        unsafe branch.insert(added.node, count: added.count, 0, added.address, at: left + 1)
        for index in left...left + 2 { unsafe branch.noteLeaf(index) }
    }

    /// Whether an entry comes after the one at a place of a leaf.
    private func isBehind(_ leaf: RankedLeaf, _ index: Int, _ score: Double, _ block: UnsafeMutableRawPointer) -> Bool {
        let other = unsafe leaf.scores[index]
        return unsafe other < score || other == score && Layout.key(of: leaf.block(index)) < Layout.key(of: block)
    }

    private mutating func addLeaf(behind leaf: RankedLeaf) -> RankedLeaf {
        let added = RankedLeaf(allocator)
        leaf.link(added)
        leafCount += 1
        return added
    }

    /// Makes the leaves `left` and the next one equally full.
    private func shareLeaves(below branch: RankedBranch, _ left: Int) {
        let first = unsafe branch.children[left].leaf
        let second = unsafe branch.children[left + 1].leaf
        let surplus = first.count - (first.count + second.count) / 2
        if surplus > 0 {
            unsafe first.moveTail(surplus, to: second)
        } else {
            unsafe second.moveHead(-surplus, to: first)
        }
        unsafe branch.noteLeaf(left)
        unsafe branch.noteLeaf(left + 1)
    }

    /// Splits the full branch `index` below one that is not full: in halves, but at either end, where entries may come in order, so
    /// that all but one child stay together.
    private mutating func splitBranch(below branch: RankedBranch, at index: Int) {
        let left = unsafe branch.children[index].branch
        let right = newBranch(&branchCount)
        let share = index == branch.count - 1 ? 1 : index == 0 ? left.count - 1 : left.count / 2
        let moved = unsafe left.moveTail(share, to: right)
        unsafe branch.counts[index] &-= UInt32(truncatingIfNeeded: moved)
        unsafe branch.insert(right.node, count: moved, right.scores[0], right.blocks[0], at: index + 1)
    }

    // MARK: removing

    /// Removes an entry, which must be in the tree.
    /// - Complexity: O(log n).
    mutating func remove(_ score: Double, _ block: UnsafeMutableRawPointer) {
        let member = unsafe Layout.key(of: block)
        while height > 0 && root.count == 1 { lower() }
        var node = root
        // The only place above the leaves where the entry may be the first below a child.
        var naming: (branch: RankedBranch, index: Int)?
        var level = height
        while level > 0 {
            let branch = node.branch
            var index = child(of: branch, score, member)
            if unsafe branch.children[index].count < Self.capacity / 4 && branch.count > 1 {
                fill(below: branch, at: index, areLeaves: level == 1)
                index = child(of: branch, score, member)
            }
            if unsafe index > 0 && branch.blocks[index] == block { naming = (branch, index) }
            unsafe branch.counts[index] &-= 1
            unsafe node = branch.children[index]
            level -= 1
        }
        let leaf = node.leaf
        let index = position(in: leaf, score, member)
        precondition(unsafe index < leaf.count && leaf.block(index) == block, "the tree has lost an entry")
        unsafe leaf.remove(at: index)
        count -= 1
        if index == 0, let naming {
            precondition(leaf.count > 0, "a leaf was emptied")
            unsafe naming.branch.set(naming.index, leaf.scores[0], leaf.block(0))
        }
    }

    /// Removes up to `most` entries from that of rank `rank` on, all of one leaf and at least one, and returns how many; `body` gets the
    /// block of each, and may free it.
    /// - Complexity: O(log n + entries removed).
    mutating func removeSome(fromRank rank: Int, atMost most: Int, _ body: (UnsafeMutableRawPointer) -> Void) -> Int {
        precondition(most > 0 && rank >= 0 && rank < count, "a rank outside the tree")
        while height > 0 && root.count == 1 { lower() }
        var node = root
        var index = rank
        var path: [(branch: RankedBranch, index: Int)] = []
        for level in stride(from: height, to: 0, by: -1) {
            let branch = node.branch
            var (child, before) = branch.child(ofRank: index)
            if unsafe branch.children[child].count < Self.capacity / 4 && branch.count > 1 {
                fill(below: branch, at: child, areLeaves: level == 1)
                (child, before) = branch.child(ofRank: index)
            }
            path.append((branch, child))
            index -= before
            unsafe node = branch.children[child]
        }
        let leaf = node.leaf
        // A leaf keeps one entry: it is joined with a neighbour before its last one is removed.
        let removed = min(most, leaf.count - index, height > 0 ? leaf.count - 1 : leaf.count)
        precondition(removed > 0, "a leaf was emptied")
        for place in index..<index + removed { unsafe body(leaf.block(place)) }
        unsafe leaf.remove(from: index, count: removed)
        count -= removed
        for (branch, child) in path { unsafe branch.counts[child] &-= UInt32(truncatingIfNeeded: removed) }
        if index == 0, let naming = path.last(where: { $0.index > 0 }) {
            unsafe naming.branch.set(naming.index, leaf.scores[0], leaf.block(0))
        }
        return removed
    }

    /// Replaces a root that has one child by that child.
    private mutating func lower() {
        let branch = root.branch
        unsafe root = branch.children[0]
        unsafe allocator.deallocate(branch.address)
        branchCount -= 1
        height -= 1
    }

    /// Joins the child `index` to a neighbour, or gives it some of the neighbour's entries or children.
    @inline(never)
    private mutating func fill(below branch: RankedBranch, at index: Int, areLeaves: Bool) {
        let left = index > 0 ? index - 1 : index
        let first = unsafe branch.children[left]
        let second = unsafe branch.children[left + 1]
        let total = first.count + second.count
        let joins = total <= Self.capacity * 3 / 4
        guard areLeaves else {
            // The first child of the second branch will no longer be a first one, and needs its score and block.
            unsafe second.branch.set(0, branch.scores[left + 1], branch.blocks[left + 1])
            let surplus = first.count - total / 2
            if joins || surplus <= 0 {
                let moved = unsafe second.branch.moveHead(joins ? second.count : -surplus, to: first.branch)
                unsafe branch.counts[left] &+= UInt32(truncatingIfNeeded: moved)
                unsafe branch.counts[left + 1] &-= UInt32(truncatingIfNeeded: moved)
            } else {
                let moved = unsafe first.branch.moveTail(surplus, to: second.branch)
                unsafe branch.counts[left] &-= UInt32(truncatingIfNeeded: moved)
                unsafe branch.counts[left + 1] &+= UInt32(truncatingIfNeeded: moved)
            }
            if joins {
                unsafe branch.remove(at: left + 1)
                unsafe allocator.deallocate(second.address)
                branchCount -= 1
            } else {
                unsafe branch.set(left + 1, second.branch.scores[0], second.branch.blocks[0])
            }
            return
        }
        guard joins else { return shareLeaves(below: branch, left) }
        unsafe second.leaf.moveHead(second.count, to: first.leaf)
        second.leaf.unlink()
        unsafe branch.noteLeaf(left)
        unsafe branch.remove(at: left + 1)
        unsafe allocator.deallocate(second.address)
        leafCount -= 1
    }

    /// Changes the score of an entry, which must be in the tree.
    /// - Complexity: O(log n).
    mutating func move(_ block: UnsafeMutableRawPointer, from old: Double, to new: Double) {
        let member = unsafe Layout.key(of: block)
        var node = root
        for _ in 0..<height { unsafe node = node.branch.children[child(of: node.branch, old, member)] }
        let leaf = node.leaf
        let index = position(in: leaf, old, member)
        precondition(unsafe index < leaf.count && leaf.block(index) == block, "the tree has lost an entry")
        // Often it stays between the same two. The first of a leaf may also be named in a branch.
        let isBehind = unsafe index > 0 && leaf.scores[index - 1] < new
        let isBefore = unsafe index + 1 < leaf.count ? new < leaf.scores[index + 1] : leaf.next == nil
        if isBehind && isBefore {
            unsafe leaf.scores[index] = new
            return
        }
        unsafe remove(old, block)
        unsafe insert(new, block)
    }

    // MARK: building and freeing

    /// Fills an empty tree with `sorted` entries: leaves are full, and the branches of a level are equally full.
    /// - Complexity: O(n).
    mutating func build(_ sorted: UnsafeBufferPointer<RankedEntry>) {
        precondition(count == 0 && height == 0, "only an empty tree is built")
        guard sorted.count > 0 else { return }
        var level: [RankedChild] = []
        var leaf = root.leaf
        for index in 0..<sorted.count {
            if leaf.node.isFull { leaf = addLeaf(behind: leaf) }
            let entry = unsafe sorted[index]
            unsafe leaf.set(leaf.count, entry.score, entry.block)
            if leaf.count == 0 { level.append(RankedChild(node: leaf.node, count: 0, first: entry)) }
            leaf.node.count += 1
        }
        count = sorted.count
        level = level.map { RankedChild(node: $0.node, count: $0.node.count, first: $0.first) }
        while level.count > 1 {
            let parents = (level.count + Self.capacity - 1) / Self.capacity
            var above: [RankedChild] = []
            for parent in 0..<parents {
                let children = level[level.count * parent / parents..<level.count * (parent + 1) / parents]
                let branch = newBranch(&branchCount)
                var total = 0
                for child in children {
                    unsafe branch.insert(
                        child.node, count: child.count, child.first.score, child.first.block, at: branch.count)
                    total += child.count
                }
                above.append(RankedChild(node: branch.node, count: total, first: children[children.startIndex].first))
            }
            level = above
            height += 1
        }
        root = level[0].node
    }

    /// Frees up to about `budget` nodes; true when all are freed, and the tree must not be used any more.
    @unsafe mutating func deallocateSlice(budget: Int) -> Bool {
        var budget = budget
        return deallocate(root, level: height, &budget)
    }

    private func deallocate(_ node: RankedNode, level: Int, _ budget: inout Int) -> Bool {
        if level > 0 {
            while node.count > 0 {
                guard budget > 0, unsafe deallocate(node.branch.children[node.count - 1], level: level - 1, &budget)
                else { return false }
                node.count -= 1
            }
        }
        unsafe allocator.deallocate(node.address)
        budget -= 1
        return true
    }

    // MARK: checking

    /// Traps when an invariant of the head of this file does not hold. For tests.
    func checkInvariants() {
        var leaves = 0
        var branches = 0
        var previous: RankedLeaf?
        var last: (score: Double, block: UnsafeMutableRawPointer)?
        func check(_ node: RankedNode, level: Int) -> Int {
            precondition(node.count <= Self.capacity, "a node overflows")
            precondition(node.count > 0 || node == root, "a node is empty")
            guard level > 0 else {
                let leaf = node.leaf
                leaves += 1
                precondition(leaf.previous == previous, "a leaf's back link is wrong")
                precondition(previous == nil || previous?.next == leaf, "a leaf's link is wrong")
                previous = leaf
                for index in 0..<leaf.count {
                    let score = unsafe leaf.scores[index]
                    let block = unsafe leaf.block(index)
                    if let last = unsafe last {
                        precondition(
                            unsafe last.score < score
                                || last.score == score && Layout.key(of: last.block) < Layout.key(of: block),
                            "entries are out of order")
                    }
                    unsafe last = (score, block)
                }
                return leaf.count
            }
            branches += 1
            let branch = node.branch
            var total = 0
            for index in 0..<branch.count {
                let child = unsafe branch.children[index]
                let count = check(child, level: level - 1)
                precondition(unsafe Int(branch.counts[index]) == count, "a branch miscounts")
                total += count
                guard index > 0 else { continue }
                var first = child
                for _ in 0..<level - 1 { unsafe first = first.branch.children[0] }
                precondition(unsafe branch.blocks[index] == first.leaf.block(0), "a branch names another entry")
                precondition(unsafe branch.scores[index] == first.leaf.scores[0], "a branch names another score")
            }
            return total
        }
        precondition(check(root, level: height) == count, "the tree miscounts")
        precondition(previous?.next == nil, "the last leaf has a next one")
        precondition(leaves == leafCount && branches == branchCount, "the tree miscounts its nodes")
    }
}

/// A score and the block of its member.
@safe struct RankedEntry {
    let score: Double
    let block: UnsafeMutableRawPointer

    @unsafe init(_ score: Double, _ block: UnsafeMutableRawPointer) {
        self.score = score
        unsafe self.block = block
    }
}

/// A node that is to get a parent.
private struct RankedChild {
    let node: RankedNode
    let count: Int
    let first: RankedEntry
}
