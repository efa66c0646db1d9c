// Moves blocks out of draining pages for those who own them, and keeps count of what that costs.

import CLinux
import RespCodec

struct BlockMover {
    let allocator: SlabAllocator
    /// Whether every block moves, wherever it lies: for tests.
    let movesAll: Bool
    /// What is left of the slice, in steps of some tens of nanoseconds: one for each block that is looked at, more for one that moves.
    private var budget: Int
    private(set) var movedCount = 0
    private(set) var keptCount = 0

    private static let stepsOfMove = 4
    private static let bytesOfStep = 256

    init(_ allocator: SlabAllocator, budget: Int, movesAll: Bool = false) {
        self.allocator = allocator
        self.budget = budget
        self.movesAll = movesAll
    }

    /// Whether the slice is over. What is underway may go on a little.
    @inline(__always) var isOver: Bool { budget <= 0 }

    @inline(__always) mutating func spend(_ steps: Int) { budget &-= steps }

    /// Moves a block if it is to move.
    /// - Parameter redirect: called with the copy before the block is freed, where more than its owner refers to it.
    /// - Returns: where it is now; nil if it has stayed.
    @inline(__always)
    mutating func move(
        _ block: UnsafeMutableRawPointer, _ redirect: (UnsafeMutableRawPointer) -> Void = { _ in }
    ) -> UnsafeMutableRawPointer? {
        budget &-= 1
        guard unsafe allocator.isToMove(block, always: movesAll), let copy = unsafe copy(block) else {
            keptCount &+= 1
            return nil
        }
        unsafe redirect(copy)
        unsafe allocator.deallocate(block)
        return unsafe copy
    }

    @inline(never)
    private mutating func copy(_ block: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer? {
        guard let copy = unsafe allocator.copyToMove(block, always: movesAll) else { return nil }
        movedCount &+= 1
        budget &-= unsafe Self.stepsOfMove &+ allocator.capacity(of: block) / Self.bytesOfStep
        return unsafe copy
    }

    /// Moves the entry of a slot.
    /// - Returns: whether it has moved.
    @inline(__always)
    @unsafe mutating func moveEntry(
        at word: UnsafeMutablePointer<UInt64>, _ redirect: (UnsafeMutableRawPointer) -> Void = { _ in }
    ) -> Bool {
        guard let moved = unsafe move(SlotWord.entry(word.pointee), redirect) else { return false }
        unsafe word.pointee = word.pointee & ~SlotWord.pointerMask | UInt64(UInt(bitPattern: moved))
        return true
    }
}

/// How far a value is walked whose elements are moved some at a time. Elements that come, go or change their places meanwhile may be
/// missed.
struct ValuePlace {
    /// Which of its parts comes next.
    var stage = 0
    var table = TablePlace()
    /// A rank in a tree, or the number of a group of a stream.
    var index = 0
    /// The number of a consumer of that group.
    var consumer = 0
    var id = StreamID.zero
}
