// Blocks in the order of their names: the groups of a stream, the consumers of a group.
//
// Up to 512 are a sorted array of addresses. More are a ranked tree, in which the score is six bytes of a name, those behind what all names began
// with when the tree was made: so a search reads few other names. Each block begins with a `StoredName`; the rest of it belongs to the owner.
//
// Rejected: a table, which has no order, while XINFO and XPENDING list by name; a tree for few names, which takes twice the memory.

import Glibc
import RespCodec

/// A name in a block of its own, so that the block that has the name has a fixed layout.
@unsafe struct StoredName {
    let start: UnsafeMutableRawPointer
    let count: Int

    init(_ name: ByteSlice, _ allocator: SlabAllocator) {
        unsafe start = allocator.allocate(max(name.count, 1))
        unsafe count = name.count
        unsafe memcpy(start, name.rawBytes.baseAddress!, name.count)
    }

    var bytes: ByteSlice { unsafe ByteSlice(start: start, count: count) }

    @unsafe func deallocate(_ allocator: SlabAllocator) { unsafe allocator.deallocate(start) }
}

/// What a ranked tree of named blocks needs to know of them.
private enum NameLayout: TableLayout {
    @inline(__always) static func key(of block: UnsafeMutableRawPointer) -> ByteSlice {
        unsafe block.assumingMemoryBound(to: StoredName.self).pointee.bytes
    }
}

/// A plain value with one owner, which passes the allocator to each call, always the same, and calls `deallocate` at the end.
@safe struct NamedBlocks {
    private typealias Tree = RankedTree<NameLayout>

    @unsafe private struct TreeStorage {
        var tree: Tree
        /// What names in the tree usually begin with.
        let prefix: StoredName
    }

    /// From how many names on they are a tree, and up to how many they become an array again.
    private static let (treeCount, arrayCount) = (513, 256)

    /// The array, or the block that the tree's own variables are in.
    private var base: UnsafeMutableRawPointer?
    /// How many names there are, times two; and 1 if they are in a tree.
    private var state = 0

    #if DEBUG
    /// How many blocks were moved. For tests.
    private(set) var steps = 0
    #endif

    @inline(__always) private mutating func step(_ count: Int) {
        #if DEBUG
        steps += count
        #endif
    }

    private(set) var count: Int {
        get { state >> 1 }
        set { state = newValue << 1 | state & 1 }
    }
    private var isTree: Bool { state & 1 != 0 }

    private var storage: UnsafeMutablePointer<TreeStorage> {
        unsafe base.unsafelyUnwrapped.assumingMemoryBound(to: TreeStorage.self)
    }

    private var tree: Tree {
        unsafeAddress { unsafe UnsafePointer(storage).pointer(to: \.tree)! }
        nonmutating unsafeMutableAddress { unsafe storage.pointer(to: \.tree)! }
    }

    /// The score of a name in the tree.
    private func score(_ name: ByteSlice) -> Double { unsafe Self.score(name, storage.pointee.prefix.bytes) }

    /// A number that ascends with names: of those that begin with `prefix` the next six bytes, below and above these for all others.
    private static func score(_ name: ByteSlice, _ prefix: ByteSlice) -> Double {
        let length = prefix.count
        let common = commonLength(name, prefix)
        guard common == length else { return name < prefix ? -1 : 0x1p48 }
        var number: UInt64 = 0
        for index in length..<length + 6 { number = number << 8 | (index < name.count ? UInt64(name[index]) : 0) }
        return Double(number)
    }

    /// With how many equal bytes two names begin.
    private static func commonLength(_ left: ByteSlice, _ right: ByteSlice) -> Int {
        let most = min(left.count, right.count)
        var length = 0
        while length < most && left[length] == right[length] { length += 1 }
        return length
    }

    private func slot(_ index: Int) -> UnsafeMutableRawPointer {
        unsafe UnsafeMutableRawPointer(
            bitPattern: base.unsafelyUnwrapped.load(fromByteOffset: index * 8, as: UInt.self)
        ).unsafelyUnwrapped
    }

    // MARK: reading

    /// A block by its place in the order of names.
    /// - Complexity: O(log n); O(1) for a few.
    subscript(index: Int) -> UnsafeMutableRawPointer {
        precondition(UInt(bitPattern: index) < UInt(bitPattern: count), "a name that is not there")
        return unsafe isTree ? tree.entry(atRank: index).block : slot(index)
    }

    /// Calls `body` with each block, in the order of names.
    func forEach(_ body: (UnsafeMutableRawPointer) -> Void) {
        guard isTree else {
            for index in 0..<count { unsafe body(slot(index)) }
            return
        }
        unsafe tree.forEach(from: 0, count: count, reversed: false) { _, block in
            unsafe body(block)
            return true
        }
    }

    /// How many names of the array are before `name`.
    private func rank(_ name: ByteSlice) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) >> 1
            if unsafe NameLayout.key(of: slot(middle)) < name { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// The block of a name; nil if it is not there.
    /// - Complexity: O(log n).
    func find(_ name: ByteSlice) -> UnsafeMutableRawPointer? {
        if isTree { return unsafe tree.find(score(name), name) }
        let rank = rank(name)
        guard rank < count, unsafe NameLayout.key(of: slot(rank)) == name else { return nil }
        return unsafe slot(rank)
    }

    // MARK: changing

    /// Inserts a block, whose name must not be there.
    /// - Complexity: O(log n).
    @unsafe mutating func insert(_ block: UnsafeMutableRawPointer, _ allocator: SlabAllocator) {
        if !isTree && count + 1 >= Self.treeCount { becomeTree(allocator) }
        let name = unsafe NameLayout.key(of: block)
        if isTree {
            step(1)
            unsafe tree.insert(score(name), block)
            count += 1
        } else {
            unsafe insert(block, at: rank(name), allocator)
        }
    }

    @unsafe private mutating func insert(
        _ block: UnsafeMutableRawPointer, at index: Int, _ allocator: SlabAllocator
    ) {
        let held = unsafe base.map { unsafe allocator.capacity(of: $0) } ?? 0
        if held < (count + 1) * 8 {
            let size = max((count + count / 2 + 1) * 8, 8)
            unsafe base =
                base.map { unsafe allocator.reallocate($0, size: size, keeping: count * 8) }
                ?? allocator.allocate(size)
        }
        let place = unsafe base.unsafelyUnwrapped + index * 8
        unsafe memmove(place + 8, place, (count - index) * 8)
        unsafe place.storeBytes(of: UInt(bitPattern: block), as: UInt.self)
        step(count - index)
        count += 1
    }

    /// Removes a block, which must be there.
    /// - Complexity: O(log n).
    @unsafe mutating func remove(_ block: UnsafeMutableRawPointer, _ allocator: SlabAllocator) {
        let name = unsafe NameLayout.key(of: block)
        if isTree {
            step(1)
            unsafe tree.remove(score(name), block)
            count -= 1
            if count <= Self.arrayCount { becomeArray(allocator) }
            return
        }
        let index = rank(name)
        precondition(unsafe index < count && slot(index) == block, "a name that is not there")
        let place = unsafe base.unsafelyUnwrapped + index * 8
        unsafe memmove(place, place + 8, (count - index - 1) * 8)
        step(count - index - 1)
        count -= 1
        if count == 0 { unsafe deallocate(allocator) }
    }

    private mutating func becomeTree(_ allocator: SlabAllocator) {
        step(count)
        // The first and the last one have in common what all have.
        let (first, last) = unsafe (NameLayout.key(of: slot(0)), NameLayout.key(of: slot(count - 1)))
        let prefix = first[0..<Self.commonLength(first, last)]
        let block = unsafe allocator.allocate(MemoryLayout<TreeStorage>.stride)
        let storage = unsafe block.bindMemory(to: TreeStorage.self, capacity: 1)
        unsafe storage.initialize(
            to: TreeStorage(tree: Tree(allocator: allocator), prefix: StoredName(prefix, allocator)))
        let sorted = (0..<count).map { index in
            unsafe RankedEntry(Self.score(NameLayout.key(of: slot(index)), prefix), slot(index))
        }
        unsafe sorted.withUnsafeBufferPointer { unsafe storage.pointee.tree.build($0) }
        if let base = unsafe base { unsafe allocator.deallocate(base) }
        unsafe base = block
        state |= 1
    }

    private mutating func becomeArray(_ allocator: SlabAllocator) {
        step(count)
        let array = unsafe allocator.allocate(max(count * 8, 8))
        var place = unsafe array
        unsafe forEach { block in
            unsafe place.storeBytes(of: UInt(bitPattern: block), as: UInt.self)
            unsafe place += 8
        }
        freeTree(allocator)
        unsafe base = array
        state &= ~1
    }

    private func freeTree(_ allocator: SlabAllocator) {
        while unsafe !tree.deallocateSlice(budget: Int.max) {}
        unsafe storage.pointee.prefix.deallocate(allocator)
        unsafe storage.deinitialize(count: 1)
        unsafe allocator.deallocate(storage)
    }

    /// Frees the array or tree, not the blocks.
    @unsafe mutating func deallocate(_ allocator: SlabAllocator) {
        if isTree {
            freeTree(allocator)
        } else if let base = unsafe base {
            unsafe allocator.deallocate(base)
        }
        unsafe base = nil
        state = 0
    }

    /// Bytes in use, the blocks not counted.
    func byteCount(_ allocator: SlabAllocator) -> Int {
        guard let base = unsafe base else { return 0 }
        return unsafe allocator.capacity(of: base) + (isTree ? tree.ownByteCount : 0)
    }

    /// Traps when an invariant does not hold. For tests.
    func checkInvariants() {
        if isTree {
            tree.checkInvariants()
            precondition(tree.count == count, "a tree with other names")
        }
        precondition(isTree ? count > Self.arrayCount : count < Self.treeCount, "names in the other form")
        var last: ByteSlice?
        unsafe forEach { block in
            let name = unsafe NameLayout.key(of: block)
            precondition(last.map { $0 < name } ?? true, "names out of order")
            precondition(unsafe find(name) == block, "a name that is not found")
            last = name
        }
    }
}
