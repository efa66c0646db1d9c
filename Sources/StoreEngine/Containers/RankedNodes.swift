// The nodes of a ranked tree: see RankedTree.swift for what they mean.
//
//     leaf, 960 bytes        count | next | previous | scores (8 bytes each) | blocks (6 bytes each)
//     branch, 1856 bytes     count | scores | blocks | children | counts: 8, 8, 8 and 4 bytes for each child
//
// Blocks are addresses of 48 bits; leaves, which have as many as there are members, keep just these bits. Scores have an array of their
// own, so that a search by score stays within a few cache lines. The score and the block of a child are those of the first entry below it;
// those of a branch's first child are not maintained.
//
// The nodes are handles on raw memory, and trust their owner, `RankedTree`: indexes are not checked, so what takes one is `@unsafe`.

import CLinux
import Glibc
import RespCodec

/// The head that leaves and branches have in common.
@safe struct RankedNode: Equatable {
    static let capacity = 66

    let address: UnsafeMutableRawPointer

    @unsafe init(_ address: UnsafeMutableRawPointer) { unsafe self.address = address }

    /// Entries of a leaf, children of a branch.
    @inline(__always) var count: Int {
        get { unsafe Int(truncatingIfNeeded: address.load(as: UInt32.self)) }
        nonmutating set { unsafe address.storeBytes(of: UInt32(truncatingIfNeeded: newValue), as: UInt32.self) }
    }
    @inline(__always) var isFull: Bool { count == RankedNode.capacity }
    @inline(__always) var leaf: RankedLeaf {
        StepCount.step()
        return unsafe RankedLeaf(address)
    }
    @inline(__always) var branch: RankedBranch {
        StepCount.step()
        return unsafe RankedBranch(address)
    }

    static func == (left: RankedNode, right: RankedNode) -> Bool { unsafe left.address == right.address }

    /// How many of the first `count` scores are below `score`, where the scores ascend. Without a branch that depends on the scores:
    /// the branch would be unpredictable.
    @inline(__always)
    static func lowerBound(_ scores: UnsafePointer<Double>, _ count: Int, _ score: Double) -> Int {
        var base = 0
        var length = count
        while length > 1 {
            let half = length &>> 1
            let isBelow = unsafe scores[base &+ half &- 1] < score
            base &+= isBelow ? half : 0
            length &-= half
        }
        guard length == 1 else { return 0 }
        return unsafe base &+ (scores[base] < score ? 1 : 0)
    }

    /// How many of the first `count` scores are not above `score`.
    static func upperBound(_ scores: UnsafePointer<Double>, _ count: Int, _ score: Double) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low &+ high) &>> 1
            if unsafe scores[middle] <= score { low = middle &+ 1 } else { high = middle }
        }
        return low
    }
}

@safe struct RankedLeaf: Equatable {
    static let size = blocksOffset + RankedNode.capacity * 6 + 2  // a block is read as 8 bytes
    private static let scoresOffset = 24
    private static let blocksOffset = scoresOffset + RankedNode.capacity * 8
    private static let blockMask: UInt64 = 1 << 48 - 1

    let address: UnsafeMutableRawPointer

    @unsafe init(_ address: UnsafeMutableRawPointer) { unsafe self.address = address }

    init(_ allocator: SlabAllocator) {
        unsafe address = allocator.allocate(RankedLeaf.size)
        node.count = 0
        next = nil
        previous = nil
    }

    @inline(__always) var node: RankedNode { unsafe RankedNode(address) }
    @inline(__always) var count: Int { node.count }
    static func == (left: RankedLeaf, right: RankedLeaf) -> Bool { unsafe left.address == right.address }

    private func neighbour(_ offset: Int) -> RankedLeaf? {
        StepCount.step()
        return unsafe UnsafeMutableRawPointer(bitPattern: address.load(fromByteOffset: offset, as: UInt.self))
            .map { unsafe RankedLeaf($0) }
    }
    private func setNeighbour(_ offset: Int, _ leaf: RankedLeaf?) {
        let bits = leaf.map { unsafe UInt(bitPattern: $0.address) } ?? 0
        unsafe address.storeBytes(of: bits, toByteOffset: offset, as: UInt.self)
    }
    var next: RankedLeaf? {
        get { neighbour(8) }
        nonmutating set { setNeighbour(8, newValue) }
    }
    var previous: RankedLeaf? {
        get { neighbour(16) }
        nonmutating set { setNeighbour(16, newValue) }
    }

    @inline(__always) var scores: UnsafeMutablePointer<Double> {
        unsafe (address + RankedLeaf.scoresOffset).assumingMemoryBound(to: Double.self)
    }
    @inline(__always) private func place(of index: Int) -> UnsafeMutableRawPointer {
        unsafe address + RankedLeaf.blocksOffset + index &* 6
    }
    @inline(__always) func block(_ index: Int) -> UnsafeMutableRawPointer {
        let bits = unsafe place(of: index).loadUnaligned(as: UInt64.self) & RankedLeaf.blockMask
        return unsafe UnsafeMutableRawPointer(bitPattern: UInt(bits)).unsafelyUnwrapped
    }
    @inline(__always) func set(_ index: Int, _ score: Double, _ block: UnsafeMutableRawPointer) {
        let bits = UInt64(UInt(bitPattern: block))
        unsafe scores[index] = score
        let place = unsafe place(of: index)
        unsafe place.storeBytes(of: UInt32(truncatingIfNeeded: bits), as: UInt32.self)
        unsafe place.storeBytes(of: UInt16(truncatingIfNeeded: bits &>> 32), toByteOffset: 4, as: UInt16.self)
    }

    @inline(__always) func prefetch() {
        // The lines that a binary search of the scores reads first.
        unsafe clinux_prefetch(address)
        unsafe clinux_prefetch(address + 256)
        unsafe clinux_prefetch(address + 128)
        unsafe clinux_prefetch(address + 384)
    }

    @inline(__always) func prefetchBlock(_ index: Int) {
        let block = unsafe block(index)
        unsafe clinux_prefetch(block)
        unsafe clinux_prefetch(block + 27)
    }

    @inline(__always) func insert(_ score: Double, _ block: UnsafeMutableRawPointer, at index: Int) {
        let count = count
        unsafe memmove(scores + index + 1, scores + index, (count &- index) &* 8)
        unsafe memmove(place(of: index + 1), place(of: index), (count &- index) &* 6)
        unsafe set(index, score, block)
        node.count = count &+ 1
    }

    @unsafe @inline(__always) func remove(at index: Int) { unsafe remove(from: index, count: 1) }

    @unsafe @inline(__always) func remove(from index: Int, count removed: Int) {
        let behind = count &- index &- removed
        unsafe memmove(scores + index, scores + (index + removed), behind &* 8)
        unsafe memmove(place(of: index), place(of: index + removed), behind &* 6)
        node.count = count &- removed
    }

    /// Moves the last `moved` entries to the front of `right`.
    @unsafe func moveTail(_ moved: Int, to right: RankedLeaf) {
        unsafe memmove(right.scores + moved, right.scores, right.count * 8)
        unsafe memmove(right.place(of: moved), right.place(of: 0), right.count * 6)
        unsafe memcpy(right.scores, scores + (count - moved), moved * 8)
        unsafe memcpy(right.place(of: 0), place(of: count - moved), moved * 6)
        right.node.count += moved
        node.count -= moved
    }

    /// Moves the first `moved` entries to the end of `left`.
    @unsafe func moveHead(_ moved: Int, to left: RankedLeaf) {
        unsafe memcpy(left.scores + left.count, scores, moved * 8)
        unsafe memcpy(left.place(of: left.count), place(of: 0), moved * 6)
        unsafe memmove(scores, scores + moved, (count - moved) * 8)
        unsafe memmove(place(of: 0), place(of: moved), (count - moved) * 6)
        left.node.count += moved
        node.count -= moved
    }

    /// Links an empty leaf after this one.
    func link(_ leaf: RankedLeaf) {
        leaf.next = next
        leaf.previous = self
        next?.previous = leaf
        next = leaf
    }

    func unlink() {
        previous?.next = next
        next?.previous = previous
    }
}

@safe struct RankedBranch {
    static let size = countsOffset + RankedNode.capacity * 4
    private static let scoresOffset = 8
    private static let blocksOffset = scoresOffset + RankedNode.capacity * 8
    private static let childrenOffset = blocksOffset + RankedNode.capacity * 8
    private static let countsOffset = childrenOffset + RankedNode.capacity * 8

    let address: UnsafeMutableRawPointer

    @unsafe init(_ address: UnsafeMutableRawPointer) { unsafe self.address = address }

    init(_ allocator: SlabAllocator) {
        unsafe address = allocator.allocate(RankedBranch.size)
        node.count = 0
    }

    @inline(__always) var node: RankedNode { unsafe RankedNode(address) }
    @inline(__always) var count: Int { node.count }

    @inline(__always) var scores: UnsafeMutablePointer<Double> {
        unsafe (address + RankedBranch.scoresOffset).assumingMemoryBound(to: Double.self)
    }
    @inline(__always) var blocks: UnsafeMutablePointer<UnsafeMutableRawPointer> {
        unsafe (address + RankedBranch.blocksOffset).assumingMemoryBound(to: UnsafeMutableRawPointer.self)
    }
    @inline(__always) var children: UnsafeMutablePointer<RankedNode> {
        unsafe (address + RankedBranch.childrenOffset).assumingMemoryBound(to: RankedNode.self)
    }
    /// Entries below each child.
    @inline(__always) var counts: UnsafeMutablePointer<UInt32> {
        unsafe (address + RankedBranch.countsOffset).assumingMemoryBound(to: UInt32.self)
    }

    /// The child below which the entry of a rank is, and how many entries are below those before it.
    func child(ofRank rank: Int) -> (index: Int, before: Int) {
        var before = 0
        for index in 0..<count {
            let below = unsafe Int(counts[index])
            if rank < before + below { return (index, before) }
            before += below
        }
        preconditionFailure("a rank outside the branch")
    }

    /// Entries below the children before `index`.
    @unsafe @inline(__always) func sum(before index: Int) -> Int {
        var sum: UInt32 = 0
        for child in 0..<index { unsafe sum &+= counts[child] }
        return Int(sum)
    }

    func set(_ index: Int, _ score: Double, _ block: UnsafeMutableRawPointer) {
        unsafe scores[index] = score
        unsafe blocks[index] = block
    }

    /// Updates count and first entry of child `index`, a leaf.
    @unsafe func noteLeaf(_ index: Int) {
        let leaf = unsafe children[index].leaf
        unsafe counts[index] = UInt32(truncatingIfNeeded: leaf.count)
        if leaf.count > 0 { unsafe set(index, leaf.scores[0], leaf.block(0)) }
    }

    @unsafe private func move(_ count: Int, from start: Int, to target: RankedBranch, at place: Int) {
        unsafe memmove(target.scores + place, scores + start, count * 8)
        unsafe memmove(target.blocks + place, blocks + start, count * 8)
        unsafe memmove(target.children + place, children + start, count * 8)
        unsafe memmove(target.counts + place, counts + start, count * 4)
    }

    func insert(
        _ child: RankedNode, count: Int, _ score: Double, _ block: UnsafeMutableRawPointer, at index: Int
    ) {
        unsafe move(self.count - index, from: index, to: self, at: index + 1)
        unsafe set(index, score, block)
        unsafe children[index] = child
        unsafe counts[index] = UInt32(truncatingIfNeeded: count)
        node.count += 1
    }

    @unsafe func remove(at index: Int) {
        unsafe move(count - index - 1, from: index + 1, to: self, at: index)
        node.count -= 1
    }

    /// Moves the last `moved` children to the front of `right`; returns how many entries are below them.
    @unsafe func moveTail(_ moved: Int, to right: RankedBranch) -> Int {
        unsafe right.move(right.count, from: 0, to: right, at: moved)
        unsafe move(moved, from: count - moved, to: right, at: 0)
        right.node.count += moved
        node.count -= moved
        return unsafe right.sum(before: moved)
    }

    /// Moves the first `moved` children to the end of `left`; returns how many entries are below them.
    @unsafe func moveHead(_ moved: Int, to left: RankedBranch) -> Int {
        let entries = unsafe sum(before: moved)
        unsafe move(moved, from: 0, to: left, at: left.count)
        unsafe move(count - moved, from: moved, to: self, at: 0)
        left.node.count += moved
        node.count -= moved
        return entries
    }
}
