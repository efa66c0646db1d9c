// The groups of a stream, their consumers, and pending entries: those that were delivered and not yet acknowledged.
//
// A pending entry is one block, in three structures: the group's tree and its consumer's, both by id, and the group's list
// by time of delivery. The list serves commands that claim the entries that have been idle longest, without visiting all.
// Entries that were released (they have no consumer any more) are at its head, in the order in which they were released,
// and count as idle for an infinite time.
//
//     group     name | last id, entries read | tree of pending entries | consumers | oldest, newest, last released
//     consumer  name | seen, active | tree of pending entries
//     pending   id | delivery time, count | consumer | earlier, later
//
// Invariants: the group's tree has the entries of all its consumers' trees and the released ones; the list has the
// same, in order of time after the released ones.

import RespCodec

/// One entry that was delivered. Valid until it is removed.
@safe struct PendingEntry: Equatable {
    @unsafe fileprivate struct Storage {
        let id: StreamID
        var deliveryTime: Int64
        var deliveryCount: Int
        var consumer: UnsafeMutableRawPointer?
        var earlier: UnsafeMutablePointer<Storage>?
        var later: UnsafeMutablePointer<Storage>?
    }

    fileprivate let pointer: UnsafeMutablePointer<Storage>

    @unsafe fileprivate init(_ pointer: UnsafeMutablePointer<Storage>) { unsafe self.pointer = pointer }

    fileprivate init(bits: UInt64) {
        unsafe pointer = UnsafeMutablePointer<Storage>(bitPattern: UInt(bits))!
    }

    static func == (left: PendingEntry, right: PendingEntry) -> Bool { unsafe left.pointer == right.pointer }
    fileprivate var bits: UInt64 { unsafe UInt64(UInt(bitPattern: pointer)) }

    var id: StreamID { unsafe pointer.pointee.id }
    /// Milliseconds since 1970; 0 once it was released.
    var deliveryTime: Int64 { unsafe pointer.pointee.deliveryTime }
    var deliveryCount: Int {
        get { unsafe pointer.pointee.deliveryCount }
        nonmutating set { unsafe pointer.pointee.deliveryCount = newValue }
    }
    /// Whether no consumer has it.
    var isReleased: Bool { unsafe pointer.pointee.consumer == nil }

    /// Counts one more delivery; the count stays at the greatest number.
    func countDelivery() { if deliveryCount < Int.max { deliveryCount += 1 } }

    /// How long ago it was delivered.
    func idle(_ now: Int64) -> Int64 { now &- deliveryTime }

    /// The next one in the order of delivery.
    var later: PendingEntry? { unsafe pointer.pointee.later.map { unsafe PendingEntry($0) } }
}

/// A consumer of a group. Valid until it is removed.
@safe struct StreamConsumer: Equatable {
    @unsafe fileprivate struct Storage {
        let name: StoredName
        var seenTime: Int64
        var activeTime: Int64
        var pending = IDTree()
    }

    fileprivate let pointer: UnsafeMutablePointer<Storage>

    @unsafe fileprivate init(at address: UnsafeMutableRawPointer) {
        unsafe pointer = address.assumingMemoryBound(to: Storage.self)
    }

    fileprivate init(_ name: ByteSlice, seen: Int64, active: Int64, _ allocator: SlabAllocator) {
        let block = unsafe allocator.allocate(MemoryLayout<Storage>.stride)
        unsafe pointer = block.bindMemory(to: Storage.self, capacity: 1)
        unsafe pointer.initialize(
            to: Storage(name: StoredName(name, allocator), seenTime: seen, activeTime: active))
    }

    static func == (left: StreamConsumer, right: StreamConsumer) -> Bool { unsafe left.pointer == right.pointer }
    fileprivate var address: UnsafeMutableRawPointer { unsafe UnsafeMutableRawPointer(pointer) }

    var name: ByteSlice { unsafe pointer.pointee.name.bytes }
    /// When it last tried to read or claim entries, in milliseconds since 1970.
    var seenTime: Int64 {
        get { unsafe pointer.pointee.seenTime }
        nonmutating set { unsafe pointer.pointee.seenTime = newValue }
    }
    /// When it last got entries, in milliseconds since 1970; -1 if never.
    var activeTime: Int64 {
        get { unsafe pointer.pointee.activeTime }
        nonmutating set { unsafe pointer.pointee.activeTime = newValue }
    }
    fileprivate var tree: IDTree {
        unsafeAddress { unsafe UnsafePointer(pointer).pointer(to: \.pending)! }
        nonmutating unsafeMutableAddress { unsafe pointer.pointer(to: \.pending)! }
    }
    var pendingCount: Int { tree.count }
    /// What is pending, by id.
    var pending: PendingEntries { PendingEntries(tree.first) }
    func pending(from id: StreamID) -> PendingEntries { PendingEntries(tree.place(atOrAfter: id)) }

    fileprivate func deallocate(_ allocator: SlabAllocator) {
        unsafe pointer.pointee.name.deallocate(allocator)
        unsafe allocator.deallocate(pointer)
    }
}

/// Pending entries in the order of their ids. They must not change meanwhile.
struct PendingEntries: Sequence, IteratorProtocol {
    private var place: IDTree.Place?

    fileprivate init(_ place: IDTree.Place?) { self.place = place }

    mutating func next() -> PendingEntry? {
        guard let place else { return nil }
        self.place = place.next
        return PendingEntry(bits: place.value)
    }
}

/// A handle on a group. Valid until it is destroyed.
@safe struct StreamGroup {
    @unsafe private struct Storage {
        let name: StoredName
        var lastID: StreamID
        var entriesRead: Int
        var pending = IDTree()
        var consumers = NamedBlocks()
        var oldest: UnsafeMutablePointer<PendingEntry.Storage>?
        var newest: UnsafeMutablePointer<PendingEntry.Storage>?
        var lastReleased: UnsafeMutablePointer<PendingEntry.Storage>?
        /// The entry with a consumer that was linked last, if it is still there.
        var lastLinked: UnsafeMutablePointer<PendingEntry.Storage>?
        var releasedCount = 0
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
    func consumer(at index: Int) -> StreamConsumer { unsafe StreamConsumer(at: consumers[index]) }

    func consumer(_ name: ByteSlice) -> StreamConsumer? {
        guard let index = consumers.find(name) else { return nil }
        return consumer(at: index)
    }

    /// A new consumer; nil if there is one of this name.
    func makeConsumer(_ name: ByteSlice, seen: Int64, active: Int64 = -1) -> StreamConsumer? {
        let (consumer, isNew) = consumer(made: name, seen: seen, active: active)
        return isNew ? consumer : nil
    }

    /// The consumer of a name, which is made if there is none; and whether it is new.
    func consumer(made name: ByteSlice, seen: Int64, active: Int64 = -1) -> (consumer: StreamConsumer, isNew: Bool) {
        let (index, isFound) = consumers.place(of: name)
        if isFound { return (consumer(at: index), false) }
        let consumer = StreamConsumer(name, seen: seen, active: active, allocator)
        unsafe consumers.insert(consumer.address, at: index, allocator)
        return (consumer, true)
    }

    /// Removes a consumer with its pending entries, and returns how many these were; nil if there is none of this name.
    func removeConsumer(_ name: ByteSlice) -> Int? {
        guard let index = consumers.find(name) else { return nil }
        let consumer = consumer(at: index)
        let count = consumer.pendingCount
        while !consumer.tree.isEmpty {
            consumer.tree.removeFirstLeaf(allocator) { bits in
                let entry = PendingEntry(bits: bits)
                tree.remove(entry.id, allocator)
                unlink(entry)
                unsafe allocator.deallocate(entry.pointer)
            }
        }
        _ = unsafe consumers.remove(at: index, allocator)
        consumer.deallocate(allocator)
        return count
    }

    /// The consumer of an entry; nil if it was released.
    func consumer(of entry: PendingEntry) -> StreamConsumer? {
        unsafe entry.pointer.pointee.consumer.map { unsafe StreamConsumer(at: $0) }
    }

    // MARK: pending entries

    private var tree: IDTree {
        unsafeAddress { unsafe UnsafePointer(pointer).pointer(to: \.pending)! }
        nonmutating unsafeMutableAddress { unsafe pointer.pointer(to: \.pending)! }
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
    var oldest: PendingEntry? { unsafe pointer.pointee.oldest.map { unsafe PendingEntry($0) } }

    func pendingEntry(_ id: StreamID) -> PendingEntry? { tree.find(id).map { PendingEntry(bits: $0.value) } }

    /// A new pending entry, which counts as released; nil if there is one of this id.
    func makePending(_ id: StreamID, deliveryCount: Int) -> PendingEntry? {
        let block = unsafe allocator.allocate(MemoryLayout<PendingEntry.Storage>.stride)
        let entry = unsafe PendingEntry(block.bindMemory(to: PendingEntry.Storage.self, capacity: 1))
        guard tree.insert(id, entry.bits, allocator) else {
            unsafe allocator.deallocate(block)
            return nil
        }
        unsafe entry.pointer.initialize(
            to: PendingEntry.Storage(id: id, deliveryTime: 0, deliveryCount: deliveryCount))
        link(entry)
        return entry
    }

    /// Notes that an entry was delivered for the first time, as far as this consumer knows; returns what is pending by that.
    @discardableResult
    func deliver(_ id: StreamID, to consumer: StreamConsumer, now: Int64) -> PendingEntry {
        guard let entry = makePending(id, deliveryCount: 1) ?? pendingEntry(id) else {
            preconditionFailure("an entry is neither pending nor new")
        }
        entry.deliveryCount = 1
        assign(entry, to: consumer, time: now)
        return entry
    }

    /// Assigns an entry to a consumer, with a time of delivery.
    func assign(_ entry: PendingEntry, to consumer: StreamConsumer, time: Int64) {
        unlink(entry)
        if let owner = self.consumer(of: entry), owner != consumer {
            owner.tree.remove(entry.id, allocator)
        }
        if self.consumer(of: entry) != consumer {
            _ = consumer.tree.insert(entry.id, entry.bits, allocator)
            unsafe entry.pointer.pointee.consumer = consumer.address
        }
        unsafe entry.pointer.pointee.deliveryTime = time
        link(entry)
    }

    /// Releases an entry from its consumer, so that any consumer can claim it.
    func release(_ entry: PendingEntry) {
        unlink(entry)
        consumer(of: entry)?.tree.remove(entry.id, allocator)
        unsafe entry.pointer.pointee.consumer = nil
        unsafe entry.pointer.pointee.deliveryTime = 0
        link(entry)
    }

    /// Removes an entry; false if it is not pending.
    func removePending(_ id: StreamID) -> Bool {
        guard let bits = tree.remove(id, allocator) else { return false }
        let entry = PendingEntry(bits: bits)
        consumer(of: entry)?.tree.remove(id, allocator)
        unlink(entry)
        unsafe allocator.deallocate(entry.pointer)
        return true
    }

    // MARK: the order of delivery

    /// The entry after which one with this time belongs, if that is not the first of those with a consumer. The search begins at the entry
    /// that was linked last, as many are often linked with the same time.
    private func place(of time: Int64) -> UnsafeMutablePointer<PendingEntry.Storage>? {
        var before = unsafe pointer.pointee.newest
        if let last = unsafe pointer.pointee.lastLinked, unsafe last.pointee.deliveryTime <= time,
            let newest = unsafe before, unsafe newest.pointee.deliveryTime > time
        {
            unsafe before = last
            while let next = unsafe before?.pointee.later, unsafe next.pointee.deliveryTime <= time {
                unsafe before = next
            }
            return unsafe before
        }
        while let current = unsafe before, unsafe current.pointee.deliveryTime > time {
            unsafe before = current.pointee.earlier
        }
        return unsafe before
    }

    /// Links an entry in the list: a released one after the others, any other one by its time.
    private func link(_ entry: PendingEntry) {
        let item = unsafe entry.pointer
        var before: UnsafeMutablePointer<PendingEntry.Storage>?
        if entry.isReleased {
            unsafe before = pointer.pointee.lastReleased
            unsafe pointer.pointee.lastReleased = item
            unsafe pointer.pointee.releasedCount += 1
        } else {
            let time = entry.deliveryTime
            let zone = unsafe pointer.pointee.lastReleased
            defer { unsafe pointer.pointee.lastLinked = item }
            // Mostly it is the newest. One that is older than all others belongs after the released ones.
            let eldest = unsafe zone == nil ? pointer.pointee.oldest : zone!.pointee.later
            if let eldest = unsafe eldest, unsafe eldest.pointee.deliveryTime <= time {
                unsafe before = place(of: time)
            } else {
                unsafe before = zone
            }
        }
        let after = unsafe before == nil ? pointer.pointee.oldest : before!.pointee.later
        unsafe item.pointee.earlier = before
        unsafe item.pointee.later = after
        if let before = unsafe before {
            unsafe before.pointee.later = item
        } else {
            unsafe pointer.pointee.oldest = item
        }
        if let after = unsafe after {
            unsafe after.pointee.earlier = item
        } else {
            unsafe pointer.pointee.newest = item
        }
    }

    private func unlink(_ entry: PendingEntry) {
        let item = unsafe entry.pointer
        let (before, after) = unsafe (item.pointee.earlier, item.pointee.later)
        if unsafe pointer.pointee.lastLinked == item { unsafe pointer.pointee.lastLinked = nil }
        if entry.isReleased {
            unsafe pointer.pointee.releasedCount -= 1
            if unsafe pointer.pointee.lastReleased == item { unsafe pointer.pointee.lastReleased = before }
        }
        if let before = unsafe before {
            unsafe before.pointee.later = after
        } else {
            unsafe pointer.pointee.oldest = after
        }
        if let after = unsafe after {
            unsafe after.pointee.earlier = before
        } else {
            unsafe pointer.pointee.newest = before
        }
    }

    // MARK: size and freeing

    /// Bytes in use, names not counted.
    var byteCount: Int {
        let entry = unsafe MemoryLayout<PendingEntry.Storage>.size
        var bytes = unsafe allocator.capacity(of: pointer) + tree.byteCount(allocator) + tree.count * entry
        bytes += unsafe consumers.byteCount(allocator) + consumerCount * MemoryLayout<StreamConsumer.Storage>.size
        return bytes + (consumerCount > 0 ? tree.byteCount(allocator) : 0)
    }

    func copied(to allocator: SlabAllocator) -> StreamGroup {
        let copy = StreamGroup(name, lastID: lastID, entriesRead: entriesRead, allocator)
        var copies: [UInt: StreamConsumer] = [:]
        for index in 0..<consumerCount {
            let consumer = consumer(at: index)
            let made = copy.makeConsumer(consumer.name, seen: consumer.seenTime, active: consumer.activeTime)
            copies[unsafe UInt(bitPattern: consumer.address)] = made
        }
        var next = oldest
        while let entry = next {
            guard let made = copy.makePending(entry.id, deliveryCount: entry.deliveryCount) else {
                preconditionFailure("an id is pending twice")
            }
            if let consumer = consumer(of: entry), let owner = copies[unsafe UInt(bitPattern: consumer.address)] {
                copy.assign(made, to: owner, time: entry.deliveryTime)
            }
            next = entry.later
        }
        return copy
    }

    /// Frees a part of the group, and decreases `budget`; true when everything is freed.
    func deallocateSlice(_ budget: inout Int) -> Bool {
        var left = budget
        defer { budget = left }
        while !tree.isEmpty {
            guard left > 0 else { return false }
            tree.removeFirstLeaf(allocator) { bits in
                unsafe allocator.deallocate(PendingEntry(bits: bits).pointer)
                left -= 1
            }
        }
        while consumerCount > 0 {
            let consumer = consumer(at: consumerCount - 1)
            while !consumer.tree.isEmpty {
                guard left > 0 else { return false }
                consumer.tree.removeFirstLeaf(allocator) { _ in left -= 1 }
            }
            guard left > 0 else { return false }
            _ = unsafe consumers.remove(at: consumerCount - 1, allocator)
            consumer.deallocate(allocator)
            left -= 1
        }
        unsafe pointer.pointee.name.deallocate(allocator)
        unsafe allocator.deallocate(pointer)
        return true
    }

    /// Traps when an invariant does not hold. For tests.
    func checkInvariants() {
        tree.checkInvariants()
        var owned = 0
        for index in 0..<consumerCount {
            let consumer = consumer(at: index)
            consumer.tree.checkInvariants()
            owned += consumer.pendingCount
            for entry in consumer.pending {
                precondition(self.consumer(of: entry) == consumer && pendingEntry(entry.id) == entry, "a stray entry")
            }
        }
        precondition(owned + releasedCount == pendingCount, "entries of nobody")
        var (listed, released) = (0, 0)
        var time = Int64.min
        var next = oldest
        while let entry = next {
            listed += 1
            if entry.isReleased {
                precondition(released + 1 == listed, "a released entry behind others")
                released += 1
            } else {
                precondition(entry.deliveryTime >= time, "entries out of order")
                time = entry.deliveryTime
            }
            next = entry.later
        }
        precondition(listed == pendingCount && released == releasedCount, "a list with other entries")
    }
}
