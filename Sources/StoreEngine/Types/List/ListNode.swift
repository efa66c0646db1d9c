// One node of a large list: some elements in a block, and the links to its neighbours.
//
//     node (32 bytes):  previous | next | block | where the contents begin in it (4) | elements (2) | kind (1) | notes (1)
//     block:            | room | contents | room |
//     contents          packed:      a listpack
//                       compressed:  bytes of that list (4), compressed bytes (4), LZF
//                       plain:       bytes of the one element (8), the element
//
// The contents have room on both sides, so that pushes and pops cost the same at either end: without its first element a
// listpack begins later, with a new first element it begins earlier. Only when a side has no room left are the contents
// moved, so that half of the free room is on that side: pushes are O(1) amortized.
//
// Nodes are separate from their contents because contents move when they grow, while walks read links and counts: nodes
// that are made one after the other lie next to each other.
//
// The notes are those of a snapshot that is being written (`UnwrittenList`). Nothing here looks at them: the chain tells of changes.
//
// Rejected: links inside the blocks (a walk would touch a new page for every node).

import Glibc
import RespCodec

/// Which end of a list.
enum ListEnd {
    case head
    case tail
}

@safe struct ListNode: Equatable {
    enum Kind: UInt8 {
        case packed
        case compressed
        case plain
    }

    @unsafe private struct Storage {
        var previous: UnsafeMutablePointer<Storage>?
        var next: UnsafeMutablePointer<Storage>?
        var block: UnsafeMutableRawPointer
        var start: UInt32
        var count: UInt16
        var kind: Kind
        var notes: UInt8 = 0
    }

    private static let storageSize = 32
    private static let compressedHeaderSize = 8
    private static let plainHeaderSize = 8
    /// Lists smaller than this are not compressed, ...
    private static let leastCompressed = 48
    /// ... nor those that would not become smaller by this.
    private static let leastGain = 8
    private static let smallestBlock = 256

    private let storage: UnsafeMutablePointer<Storage>

    private init(_ storage: UnsafeMutablePointer<Storage>) { unsafe self.storage = storage }

    static func == (left: ListNode, right: ListNode) -> Bool { unsafe left.storage == right.storage }

    // MARK: making and freeing

    /// A node without elements, whose block has room for `room` bytes of them.
    static func makePacked(room: Int, in allocator: SlabAllocator) -> ListNode {
        let block = unsafe allocator.allocate(max(room + Listpack.emptySize, smallestBlock))
        unsafe _ = Listpack.makeEmpty(at: block)
        return unsafe make(block: block, count: 0, kind: .packed, in: allocator)
    }

    /// A node with a copy of a list of `count` elements, in a block with room for a list of `capacity` bytes.
    static func makePacked<Form: ReadableBackwards>(
        copying list: PackedElements<Form>, count: Int, capacity: Int, in allocator: SlabAllocator
    ) -> ListNode {
        let size = list.byteCount(as: SavedForm.self)
        let block = unsafe allocator.allocate(max(capacity, size))
        unsafe list.copy(as: SavedForm.self, size: size, to: block)
        return unsafe make(block: block, count: count, kind: .packed, in: allocator)
    }

    static func makePlain(_ bytes: ByteSlice, in allocator: SlabAllocator) -> ListNode {
        let block = unsafe makePlainBlock(bytes, in: allocator)
        return unsafe make(block: block, count: 1, kind: .plain, in: allocator)
    }

    private static func makePlainBlock(_ bytes: ByteSlice, in allocator: SlabAllocator) -> UnsafeMutableRawPointer {
        let block = unsafe allocator.allocate(plainHeaderSize + bytes.count)
        unsafe block.storeBytes(of: bytes.count, as: Int.self)
        unsafe memcpy(block + plainHeaderSize, bytes.rawBytes.baseAddress!, bytes.count)
        return unsafe block
    }

    private static func make(
        block: UnsafeMutableRawPointer, count: Int, kind: Kind, in allocator: SlabAllocator
    ) -> ListNode {
        let storage = unsafe allocator.allocate(storageSize).bindMemory(to: Storage.self, capacity: 1)
        unsafe storage.initialize(
            to: Storage(previous: nil, next: nil, block: block, start: 0, count: UInt16(count), kind: kind))
        return unsafe ListNode(storage)
    }

    @unsafe func free(in allocator: SlabAllocator) {
        if unsafe allocator.bookmark == address { unsafe allocator.bookmark = nil }
        unsafe allocator.deallocate(storage.pointee.block)
        unsafe allocator.deallocate(storage)
    }

    /// Moves the node and its contents out of draining pages, and returns where it is now. What refers to it is still to be told.
    func moved(_ mover: inout BlockMover) -> ListNode {
        if let block = unsafe mover.move(storage.pointee.block) { unsafe storage.pointee.block = block }
        guard let moved = unsafe mover.move(address) else { return self }
        return unsafe ListNode(at: moved)
    }

    /// A copy of its own without neighbours.
    func copied(to target: SlabAllocator) -> ListNode {
        let length = contentByteCount
        let block = unsafe target.allocate(length)
        unsafe memcpy(block, contents, length)
        return unsafe Self.make(block: block, count: count, kind: kind, in: target)
    }

    // MARK: snapshots

    private static let markBit: UInt8 = 1
    private static let earlierBit: UInt8 = 2

    /// The chain's mark, unless a snapshot still has to write what the node holds.
    @inline(__always) var isMarked: Bool {
        get { unsafe storage.pointee.notes & Self.markBit != 0 }
        nonmutating set { note(Self.markBit, newValue) }
    }

    /// Whether a snapshot has to write in front of it what other nodes held.
    var hasEarlier: Bool {
        get { unsafe storage.pointee.notes & Self.earlierBit != 0 }
        nonmutating set { note(Self.earlierBit, newValue) }
    }

    @inline(__always) private func note(_ bit: UInt8, _ isSet: Bool) {
        if isSet { unsafe storage.pointee.notes |= bit } else { unsafe storage.pointee.notes &= ~bit }
    }

    /// The address by which a snapshot knows it.
    var address: UnsafeMutableRawPointer { unsafe UnsafeMutableRawPointer(storage) }

    /// The node at an address that the allocator or a mover has.
    @unsafe init(at address: UnsafeMutableRawPointer) {
        unsafe storage = address.assumingMemoryBound(to: Storage.self)
    }

    // MARK: contents

    @inline(__always) var previous: ListNode? {
        get {
            StepCount.step()
            return unsafe storage.pointee.previous.map { unsafe ListNode($0) }
        }
        nonmutating set { unsafe storage.pointee.previous = newValue?.storage }
    }
    @inline(__always) var next: ListNode? {
        get {
            StepCount.step()
            return unsafe storage.pointee.next.map { unsafe ListNode($0) }
        }
        nonmutating set { unsafe storage.pointee.next = newValue?.storage }
    }
    /// How many elements there are.
    @inline(__always) var count: Int {
        get { unsafe Int(storage.pointee.count) }
        nonmutating set { unsafe storage.pointee.count = UInt16(newValue) }
    }
    @inline(__always) var kind: Kind { unsafe storage.pointee.kind }

    @inline(__always) private var contents: UnsafeMutableRawPointer {
        unsafe storage.pointee.block + Int(storage.pointee.start)
    }

    /// The elements of a packed node. Valid until the node changes.
    @inline(__always) var list: Listpack { unsafe Listpack(contents) }

    /// The element of a plain node.
    var plainBytes: ByteSlice {
        unsafe ByteSlice(start: contents + Self.plainHeaderSize, count: contents.loadUnaligned(as: Int.self))
    }

    /// Bytes of the list, compressed or not, or of the plain element.
    @inline(__always) var byteCount: Int {
        switch kind {
        case .packed: list.byteCount
        case .compressed: unsafe Int(contents.loadUnaligned(as: UInt32.self))
        case .plain: plainBytes.count
        }
    }

    private var contentByteCount: Int {
        switch kind {
        case .packed: list.byteCount
        case .compressed: Self.compressedHeaderSize + compressedBytes.count
        case .plain: Self.plainHeaderSize + plainBytes.count
        }
    }

    /// The compressed bytes of a compressed node's list.
    var compressedBytes: ByteSlice {
        unsafe ByteSlice(
            start: contents + Self.compressedHeaderSize,
            count: Int(contents.loadUnaligned(fromByteOffset: 4, as: UInt32.self)))
    }

    /// Bytes taken from the allocator.
    func heldBytes(in allocator: SlabAllocator) -> Int {
        unsafe allocator.capacity(of: storage.pointee.block) + Self.storageSize
    }

    // MARK: visiting

    /// Calls `body` with the list of a node that is not plain; for a compressed one with a temporary copy.
    @inline(__always)
    private func withList<Result>(_ body: (Listpack) -> Result) -> Result {
        kind == .packed ? body(list) : withDecompressed(body)
    }

    private func withDecompressed<Result>(_ body: (Listpack) -> Result) -> Result {
        unsafe withUnsafeTemporaryAllocation(byteCount: byteCount, alignment: 8) { buffer in
            unsafe Self.decompress(compressedBytes, to: buffer)
            return unsafe body(Listpack(buffer.baseAddress!))
        }
    }

    private static func decompress(_ bytes: ByteSlice, to buffer: UnsafeMutableRawBufferPointer) {
        let isWhole = unsafe LZF.decompress(bytes, to: buffer)
        precondition(isWhole, "a node does not hold what was compressed")
    }

    /// Calls `body` with the elements from number `index` on, or backwards, until it returns false.
    /// - Returns: whether `body` always returned true.
    @inline(__always)
    func visit(from index: Int, backwards: Bool, _ body: (PackedElement) -> Bool) -> Bool {
        if kind == .plain { return body(.bytes(plainBytes)) }
        return withList { $0.visit(from: index, of: count, backwards: backwards, body) }
    }

    /// See `Listpack`.
    func forEachMatch(_ value: PackedValue, backwards: Bool, limit: Int, _ body: (Int) -> Bool) -> Bool {
        if kind == .plain { return limit > 0 && plainBytes == value.bytes ? body(0) : true }
        return withList { $0.forEachMatch(value, backwards: backwards, limit: limit, body) }
    }

    // MARK: changing a packed node

    /// Adds an element at an end. `length` is how many bytes it takes, `limit` the largest size that the list will get.
    @inline(__always)
    func push(_ value: PackedValue, length: Int, at end: ListEnd, limit: Int, in allocator: SlabAllocator) {
        let block = unsafe storage.pointee.block
        let start = unsafe Int(storage.pointee.start)
        switch end {
        case .tail:
            if unsafe allocator.capacity(of: block) &- start &- list.byteCount < length {
                makeRoom(length, at: .tail, limit: limit, in: allocator)
            }
            list.append(value)
        case .head:
            if start < length { makeRoom(length, at: .head, limit: limit, in: allocator) }
            _ = list.prependedInFront(value)
            unsafe storage.pointee.start -= UInt32(length)
        }
        unsafe storage.pointee.count += 1
    }

    /// Removes the element at an end.
    @inline(__always)
    func pop(at end: ListEnd) {
        switch end {
        case .tail: list.removeLast()
        case .head: unsafe storage.pointee.start += UInt32(list.droppingFirst(1).length)
        }
        unsafe storage.pointee.count -= 1
    }

    /// Moves the list within its block, or to a larger one, so that there is room for `length` more bytes at an end.
    private func makeRoom(_ length: Int, at end: ListEnd, limit: Int, in allocator: SlabAllocator) {
        let size = list.byteCount
        StepCount.step(size)
        let old = unsafe storage.pointee.block
        let capacity = unsafe allocator.capacity(of: old)
        let spare = capacity - size - length
        let start: Int
        if spare >= 0 && (capacity >= limit || spare > capacity / 2) {
            // Half of the room that is free then goes to that end.
            start = end == .head ? length + spare / 2 : spare / 2
            unsafe memmove(old + start, contents, size)
        } else {
            let larger = max(size + length, min(2 * capacity, limit))
            let block = unsafe allocator.allocate(larger)
            start = unsafe end == .head ? allocator.capacity(of: block) - size : 0
            unsafe memcpy(block + start, contents, size)
            unsafe allocator.deallocate(old)
            unsafe storage.pointee.block = block
        }
        unsafe storage.pointee.start = UInt32(start)
    }

    /// The list with room for `length` more bytes after it.
    private func listWithRoom(for length: Int, limit: Int, in allocator: SlabAllocator) -> Listpack {
        let used = unsafe Int(storage.pointee.start) + list.byteCount
        if unsafe allocator.capacity(of: storage.pointee.block) - used < length {
            makeRoom(length, at: .tail, limit: limit, in: allocator)
        }
        return list
    }

    /// Inserts `value` before element number `index`.
    func insert(_ value: PackedValue, at index: Int, limit: Int, in allocator: SlabAllocator) {
        let list = listWithRoom(for: value.encodedLength, limit: limit, in: allocator)
        list.insert(value, at: list.offset(ofElement: index, of: count))
        count += 1
    }

    /// Replaces element number `index` by `value`.
    func replace(at index: Int, with value: PackedValue, limit: Int, in allocator: SlabAllocator) {
        let list = listWithRoom(for: value.encodedLength, limit: limit, in: allocator)
        list.replace(at: list.offset(ofElement: index, of: count), with: value)
        trim(in: allocator)
    }

    /// How many bytes larger the list would be if `value` replaced element number `index`.
    func growth(at index: Int, with value: PackedValue) -> Int {
        withList { list in
            let offset = list.offset(ofElement: index, of: count)
            return value.encodedLength - (list.next(after: offset) - offset)
        }
    }

    /// Removes `removed` elements from number `index` on; at least one must stay.
    func remove(at index: Int, count removed: Int, in allocator: SlabAllocator) {
        if index == 0 {
            unsafe storage.pointee.start += UInt32(list.droppingFirst(removed).length)
        } else if index + removed == count {
            list.truncate(at: list.offset(ofElement: index, of: count), removing: removed)
        } else {
            list.remove(at: list.offset(ofElement: index, of: count), count: removed)
        }
        count -= removed
        trim(in: allocator)
    }

    /// See `Listpack`.
    func removeMatches(_ value: PackedValue, skipping skipped: Int, limit: Int, in allocator: SlabAllocator) -> Int {
        let removed = list.removeMatches(value, skipping: skipped, limit: limit)
        count -= removed
        if count > 0 { trim(in: allocator) }
        return removed
    }

    /// Moves the elements from number `index` on to a new node. Both must have at least one.
    func split(at index: Int, in allocator: SlabAllocator) -> ListNode {
        let list = list
        let offset = list.offset(ofElement: index, of: count)
        let block = unsafe allocator.allocate(Listpack.size(ofElements: list.end - offset))
        unsafe list.copyRest(from: offset, count: count - index, to: block)
        let rest = unsafe Self.make(block: block, count: count - index, kind: .packed, in: allocator)
        list.truncate(at: offset, removing: count - index)
        count = index
        trim(in: allocator)
        return rest
    }

    /// Appends all elements of another packed node.
    func append(contentsOf other: ListNode, limit: Int, in allocator: SlabAllocator) {
        listWithRoom(for: other.list.end, limit: limit, in: allocator)
            .append(contentsOf: other.list)
        count += other.count
    }

    /// Replaces the element of a plain node.
    func replacePlain(with bytes: ByteSlice, in allocator: SlabAllocator) {
        let block = unsafe Self.makePlainBlock(bytes, in: allocator)
        unsafe allocator.deallocate(storage.pointee.block)
        unsafe storage.pointee.block = block
    }

    /// Shrinks the block if it has become much too large; with `entirely`, to just the contents.
    func trim(in allocator: SlabAllocator, entirely: Bool = false) {
        let size = list.byteCount
        let old = unsafe storage.pointee.block
        let capacity = unsafe allocator.capacity(of: old)
        guard capacity > size + size / (entirely ? 32 : 2) + 64 else { return }
        let block = unsafe allocator.allocate(size)
        guard unsafe allocator.capacity(of: block) < capacity else { return unsafe allocator.deallocate(block) }
        unsafe memcpy(block, contents, size)
        unsafe allocator.deallocate(old)
        unsafe storage.pointee.block = block
        unsafe storage.pointee.start = 0
    }

    // MARK: compressing

    /// Compresses a packed node if that saves something.
    func compress(in allocator: SlabAllocator) {
        guard kind == .packed, list.byteCount >= Self.leastCompressed else { return }
        let source = list.bytes
        let room = source.count - Self.leastGain
        unsafe withUnsafeTemporaryAllocation(byteCount: room, alignment: 8) { buffer in
            guard let length = unsafe LZF.compress(source, to: buffer) else {
                return trim(in: allocator, entirely: true)
            }
            let block = unsafe allocator.allocate(Self.compressedHeaderSize + length)
            unsafe block.storeBytes(of: UInt32(source.count), as: UInt32.self)
            unsafe block.storeBytes(of: UInt32(length), toByteOffset: 4, as: UInt32.self)
            unsafe memcpy(block + Self.compressedHeaderSize, buffer.baseAddress!, length)
            unsafe setBlock(block, .compressed, in: allocator)
        }
    }

    /// Makes a compressed node a packed one again.
    func decompress(in allocator: SlabAllocator) {
        guard kind == .compressed else { return }
        let length = byteCount
        let block = unsafe allocator.allocate(length)
        unsafe Self.decompress(compressedBytes, to: UnsafeMutableRawBufferPointer(start: block, count: length))
        unsafe setBlock(block, .packed, in: allocator)
    }

    private func setBlock(_ block: UnsafeMutableRawPointer, _ kind: Kind, in allocator: SlabAllocator) {
        unsafe allocator.deallocate(storage.pointee.block)
        unsafe storage.pointee.block = block
        unsafe storage.pointee.start = 0
        unsafe storage.pointee.kind = kind
    }

    // MARK: checking

    /// Traps when an invariant does not hold. For tests.
    func checkInvariants(in allocator: SlabAllocator) {
        precondition(count > 0, "a node of a list has an element")
        let capacity = unsafe allocator.capacity(of: storage.pointee.block)
        precondition(
            unsafe Int(storage.pointee.start) + contentByteCount <= capacity, "a node's contents do not fit its block")
        guard kind != .plain else { return precondition(count == 1, "a plain node has one element") }
        withList { list in
            precondition(list.count == count, "a node's count is wrong")
            precondition(list.offset(ofElement: count, of: count) == list.end, "a node's list has another length")
            var offset = list.first
            for _ in 0..<count { offset = list.next(after: offset) }
            precondition(offset == list.end, "a node's list ends elsewhere")
        }
    }
}
