// The groups of a stream, their consumers, and pending entries: those that were delivered and not yet acknowledged.
//
// A pending entry is one block, in three structures: the group's tree and its consumer's, both by id, and the group's order of
// delivery, for commands that claim the entries that have been idle longest, without visiting all. Entries that were
// released (they have no consumer any more) are first in that order, as they were released, and count as idle for an
// infinite time.
//
//     group     name | last id, entries read | tree of pending entries | consumers | order of delivery
//
// Invariants: the group's tree has the entries of all its consumers' trees and the released ones; the order has the same.

import RespCodec

/// A handle on a group. Valid until it is destroyed.
@safe struct StreamGroup {
    @unsafe private struct Storage {
        let name: StoredName
        var lastID: StreamID
        var entriesRead: Int
        var pending = IDTree()
        var consumers = NamedBlocks()
        var order = DeliveryOrder()
        var releasedCount = 0
        /// Whether a snapshot still has to write pending entries: what one was is kept before it changes.
        var isFrozen = false
    }

    /// What becomes of how often an entry was delivered, when somebody gets it.
    enum DeliveryCount {
        case same
        /// One more; the count stays at the greatest number.
        case next
        case exactly(Int)
    }

    /// The value of `entriesRead` when the number is unknown.
    static let unknown = -1

    private let pointer: UnsafeMutablePointer<Storage>
    private let allocator: SlabAllocator

    @unsafe init(at address: UnsafeMutableRawPointer, _ allocator: SlabAllocator) {
        unsafe pointer = address.assumingMemoryBound(to: Storage.self)
        self.allocator = allocator
    }

    init(_ name: ByteSlice, lastID: StreamID, entriesRead: Int, _ allocator: SlabAllocator) {
        let block = unsafe allocator.allocate(MemoryLayout<Storage>.stride)
        unsafe pointer = block.bindMemory(to: Storage.self, capacity: 1)
        unsafe pointer.initialize(
            to: Storage(name: StoredName(name, allocator), lastID: lastID, entriesRead: entriesRead))
        self.allocator = allocator
    }

    var address: UnsafeMutableRawPointer { unsafe UnsafeMutableRawPointer(pointer) }
    var name: ByteSlice { unsafe pointer.pointee.name.bytes }
    /// The id of the last entry that was delivered.
    var lastID: StreamID {
        get { unsafe pointer.pointee.lastID }
        nonmutating set { unsafe pointer.pointee.lastID = newValue }
    }
    /// How many entries of the stream were read up to `lastID`; or `unknown`.
    var entriesRead: Int {
        get { unsafe pointer.pointee.entriesRead }
        nonmutating set { unsafe pointer.pointee.entriesRead = newValue }
    }

    // MARK: consumers

    private var consumers: NamedBlocks {
        unsafeAddress { unsafe UnsafePointer(pointer).pointer(to: \.consumers)! }
        nonmutating unsafeMutableAddress { unsafe pointer.pointer(to: \.consumers)! }
    }

    var consumerCount: Int { consumers.count }

    /// A consumer by its place in the order of names.
    /// - Complexity: O(log n); to visit all, use `forEachConsumer`.
    func consumer(at index: Int) -> StreamConsumer { unsafe StreamConsumer(at: consumers[index]) }

    /// Calls `body` with each consumer in the order of names. There must be the same ones meanwhile.
    func forEachConsumer(_ body: (StreamConsumer) -> Void) {
        unsafe consumers.forEach { unsafe body(StreamConsumer(at: $0)) }
    }

    func consumer(_ name: ByteSlice) -> StreamConsumer? {
        unsafe consumers.find(name).map { unsafe StreamConsumer(at: $0) }
    }

    /// A new consumer; nil if there is one of this name.
    func makeConsumer(_ name: ByteSlice, seen: Int64, active: Int64 = -1) -> StreamConsumer? {
        let (consumer, isNew) = consumer(made: name, seen: seen, active: active)
        return isNew ? consumer : nil
    }

    /// The consumer of a name, which is made if there is none; and whether it is new.
    func consumer(made name: ByteSlice, seen: Int64, active: Int64 = -1) -> (consumer: StreamConsumer, isNew: Bool) {
        if let consumer = consumer(name) { return (consumer, false) }
        let consumer = StreamConsumer(name, seen: seen, active: active, allocator)
        unsafe consumers.insert(consumer.address, allocator)
        return (consumer, true)
    }

    /// Removes a consumer with its pending entries, and returns how many these were; nil if there is none of this name.
    func removeConsumer(_ name: ByteSlice) -> Int? {
        guard let consumer = consumer(name) else { return nil }
        let count = consumer.pendingCount
        while !consumer.tree.isEmpty {
            consumer.tree.removeFirstLeaf(allocator) { bits in
                let entry = PendingEntry(bits: bits)
                willChange(entry)
                tree.remove(entry.id, allocator)
                order.remove(entry, allocator)
                unsafe entry.deallocate(allocator)
            }
        }
        if isFrozen { allocator.snapshot?.willRemove(consumer, of: self) }
        unsafe consumers.remove(consumer.address, allocator)
        unsafe consumer.deallocate(allocator)
        return count
    }

    /// The consumer of an entry; nil if it was released.
    func consumer(of entry: PendingEntry) -> StreamConsumer? {
        unsafe entry.consumer.map { unsafe StreamConsumer(at: $0) }
    }

    // MARK: pending entries

    private var tree: IDTree {
        unsafeAddress { unsafe UnsafePointer(pointer).pointer(to: \.pending)! }
        nonmutating unsafeMutableAddress { unsafe pointer.pointer(to: \.pending)! }
    }

    /// The pending entries in the order of delivery.
    private var order: DeliveryOrder {
        unsafeAddress { unsafe UnsafePointer(pointer).pointer(to: \.order)! }
        nonmutating unsafeMutableAddress { unsafe pointer.pointer(to: \.order)! }
    }

    var pendingCount: Int { tree.count }
    /// How many of the pending entries were released.
    var releasedCount: Int { unsafe pointer.pointee.releasedCount }
    /// What is pending, by id.
    var pending: PendingEntries { PendingEntries(tree.first) }
    func pending(from id: StreamID) -> PendingEntries { PendingEntries(tree.place(atOrAfter: id)) }
    var firstPendingID: StreamID? { tree.first?.id }
    var lastPendingID: StreamID? { tree.last?.id }
    /// The first pending entry in the order of delivery, released ones first.
    var oldest: PendingEntry? { order.oldest }
    #if DEBUG
    /// How many steps keeping the order of delivery has taken, and finding consumers. For tests.
    var steps: Int { order.steps + consumers.steps }
    #endif

    func pendingEntry(_ id: StreamID) -> PendingEntry? { tree.find(id).map { PendingEntry(bits: $0.value) } }

    /// A new pending entry that is in no order yet; nil if there is one of this id.
    private func makeEntry(_ id: StreamID, deliveryCount: Int) -> PendingEntry? {
        let entry = PendingEntry(id, deliveryCount: deliveryCount, allocator)
        guard tree.insert(id, entry.bits, allocator) else {
            unsafe entry.deallocate(allocator)
            return nil
        }
        if isFrozen { allocator.snapshot?.hasAdded(id, to: self) }
        return entry
    }

    /// A new pending entry, which counts as released; nil if there is one of this id.
    func makePending(_ id: StreamID, deliveryCount: Int) -> PendingEntry? {
        guard let entry = makeEntry(id, deliveryCount: deliveryCount) else { return nil }
        unsafe pointer.pointee.releasedCount += 1
        order.insert(entry, allocator)
        return entry
    }

    /// Notes that an entry was delivered for the first time, as far as this consumer knows; returns what is pending by that.
    @discardableResult
    func deliver(_ id: StreamID, to consumer: StreamConsumer, now: Int64) -> PendingEntry {
        if let entry = makeEntry(id, deliveryCount: 1) {
            _ = consumer.tree.insert(id, entry.bits, allocator)
            unsafe entry.assign(to: consumer.address, time: now)
            order.insert(entry, allocator)
            return entry
        }
        guard let entry = pendingEntry(id) else { preconditionFailure("an entry is neither pending nor new") }
        assign(entry, to: consumer, time: now, count: .exactly(1))
        return entry
    }

    /// Assigns an entry to a consumer, with a time of delivery.
    func assign(_ entry: PendingEntry, to consumer: StreamConsumer, time: Int64, count: DeliveryCount) {
        willChange(entry)
        switch count {
        case .same: break
        case .next: if entry.deliveryCount < Int.max { entry.setDeliveryCount(entry.deliveryCount + 1) }
        case .exactly(let count): entry.setDeliveryCount(count)
        }
        takeOut(entry)
        let owner = self.consumer(of: entry)
        if owner != consumer {
            owner?.tree.remove(entry.id, allocator)
            _ = consumer.tree.insert(entry.id, entry.bits, allocator)
        }
        unsafe entry.assign(to: consumer.address, time: time)
        order.insert(entry, allocator)
    }

    /// Releases an entry from its consumer, so that any consumer can claim it.
    func release(_ entry: PendingEntry, deliveryCount: Int) {
        willChange(entry)
        entry.setDeliveryCount(deliveryCount)
        takeOut(entry)
        consumer(of: entry)?.tree.remove(entry.id, allocator)
        unsafe entry.assign(to: nil, time: 0)
        unsafe pointer.pointee.releasedCount += 1
        order.insert(entry, allocator)
    }

    /// Removes an entry; false if it is not pending.
    func removePending(_ id: StreamID) -> Bool {
        if isFrozen, let entry = pendingEntry(id) { willChange(entry) }
        guard let bits = tree.remove(id, allocator) else { return false }
        let entry = PendingEntry(bits: bits)
        consumer(of: entry)?.tree.remove(id, allocator)
        takeOut(entry)
        unsafe entry.deallocate(allocator)
        return true
    }

    // MARK: snapshots

    var isFrozen: Bool {
        get { unsafe pointer.pointee.isFrozen }
        nonmutating set { unsafe pointer.pointee.isFrozen = newValue }
    }

    /// To be called before an entry changes or is removed.
    @inline(__always) private func willChange(_ entry: PendingEntry) {
        if isFrozen { allocator.snapshot?.willChange(entry, of: self) }
    }

    /// Takes an entry out of the order of delivery.
    private func takeOut(_ entry: PendingEntry) {
        if entry.isReleased { unsafe pointer.pointee.releasedCount -= 1 }
        order.remove(entry, allocator)
    }

    // MARK: size and freeing

    /// Bytes in use, names not counted.
    var byteCount: Int {
        var bytes = unsafe allocator.capacity(of: pointer) + tree.byteCount(allocator)
        bytes += tree.count * PendingEntry.size + order.byteCount(tree.count, allocator)
        bytes += consumers.byteCount(allocator) + consumerCount * StreamConsumer.size
        return bytes + (consumerCount > 0 ? tree.byteCount(allocator) : 0)
    }

    func copied(to allocator: SlabAllocator) -> StreamGroup {
        let copy = StreamGroup(name, lastID: lastID, entriesRead: entriesRead, allocator)
        var copies: [UInt: StreamConsumer] = [:]
        forEachConsumer { consumer in
            let made = copy.makeConsumer(consumer.name, seen: consumer.seenTime, active: consumer.activeTime)
            copies[unsafe UInt(bitPattern: consumer.address)] = made
        }
        order.forEach { entry in
            let consumer = consumer(of: entry).flatMap { copies[unsafe UInt(bitPattern: $0.address)] }
            if let consumer {
                let made = copy.deliver(entry.id, to: consumer, now: entry.deliveryTime)
                made.setDeliveryCount(entry.deliveryCount)
            } else {
                _ = copy.makePending(entry.id, deliveryCount: entry.deliveryCount)
            }
        }
        precondition(copy.pendingCount == pendingCount, "an id is pending twice")
        return copy
    }

    /// Moves some of what the group has out of draining pages; true at the end. Stage 1 of the place is the pending entries, 2 the consumers,
    /// 3 and 4 the order of delivery.
    func defragment(_ place: inout ValuePlace, _ mover: inout BlockMover) -> Bool {
        mover.spend(1)
        switch place.stage {
        case 1:
            let next = tree.moveNodes(from: place.id, &mover) { move(at: $0, &$1) }
            place.id = next ?? .zero
            if next == nil { (place.stage, place.consumer) = (2, 0) }
        case 2:
            guard place.consumer < consumerCount else {
                place.stage = 3
                return false
            }
            let next = consumer(at: place.consumer).tree.moveNodes(from: place.id, &mover) { _, _ in }
            place.id = next ?? .zero
            if next == nil { place.consumer += 1 }
        case 3:
            order.moveFirstRun(&mover)
            place.stage = 4
        default:
            let next = order.moveRuns(from: place.id, &mover)
            place.id = next ?? .zero
            return next == nil
        }
        return false
    }

    /// Moves the pending entry at a place of the group's tree.
    private func move(at place: IDTree.Place, _ mover: inout BlockMover) {
        let entry = PendingEntry(bits: place.value)
        let moved = entry.moved(&mover) { moved in
            consumer(of: moved)?.tree.find(moved.id)?.value = moved.bits
            order.replace(entry, with: moved)
        }
        guard let moved else { return }
        place.value = moved.bits
        mover.spend(Self.stepsOfReplacing)
    }

    /// What it costs to find a pending entry in the tree of its consumer: see `BlockMover`.
    private static let stepsOfReplacing = 6

    /// Frees a part of what the group has, and decreases `budget`; true when only `deallocate` is left to call.
    @unsafe func deallocateSlice(_ budget: inout Int) -> Bool {
        var left = budget
        defer { budget = left }
        while !tree.isEmpty {
            guard left > 0 else { return false }
            tree.removeFirstLeaf(allocator) { bits in
                unsafe PendingEntry(bits: bits).deallocate(allocator)
                left -= 1
            }
        }
        while !order.isEmpty {
            guard left > 0 else { return false }
            order.removeFirstRun(allocator)
            left -= 1
        }
        while consumerCount > 0 {
            let consumer = consumer(at: consumerCount - 1)
            while !consumer.tree.isEmpty {
                guard left > 0 else { return false }
                consumer.tree.removeFirstLeaf(allocator) { _ in left -= 1 }
            }
            guard left > 0 else { return false }
            unsafe consumers.remove(consumer.address, allocator)
            unsafe consumer.deallocate(allocator)
            left -= 1
        }
        return true
    }

    /// Frees the group, which has nothing any more.
    @unsafe func deallocate() {
        unsafe pointer.pointee.name.deallocate(allocator)
        unsafe allocator.deallocate(pointer)
    }

    /// Traps when an invariant does not hold. For tests.
    func checkInvariants() {
        tree.checkInvariants()
        order.checkInvariants()
        consumers.checkInvariants()
        var owned = 0
        forEachConsumer { consumer in
            consumer.tree.checkInvariants()
            owned += consumer.pendingCount
            for entry in consumer.pending {
                precondition(self.consumer(of: entry) == consumer && pendingEntry(entry.id) == entry, "a stray entry")
            }
        }
        precondition(owned + releasedCount == pendingCount, "entries of nobody")
        var (listed, released) = (0, 0)
        order.forEach { entry in
            listed += 1
            released += entry.isReleased ? 1 : 0
            precondition(pendingEntry(entry.id) == entry, "a stray entry in the order of delivery")
        }
        precondition(listed == pendingCount && released == releasedCount, "an order with other entries")
    }
}
