// The pending entries of a group in the order of their delivery, for commands that claim what has been idle longest: released entries first, as they
// were released, then all others by time, those of one time as they were delivered.
//
// The order is cut into runs of up to forty entries. An entry knows its run, so it is taken out without a search; and the last run is known, to
// which nearly all entries are added. For the others an index has the runs behind the first by their keys:
//
//     index                (rank, label)         (rank, label)
//                                |                     |
//     run          count | key | entry ...    count | key | entry ...        24 bytes, and 6 for each entry
//
// A key's first half is a lower bound of the ranks (see `PendingEntry.rank`) of its run, and an upper bound of those before. An entry is added behind
// all of its rank: to the last run whose key has that rank or a lower one. The label tells runs apart whose keys have one rank. Such a run
// follows the others, or is split off in front of them, so a label one above or below its neighbour's is never taken.
//
// Invariants: ranks ascend or stay equal from entry to entry; no run is empty; keys ascend from run to run; the first run has none.
//
// Rejected: a list, in which the place of an entry with an earlier time is found step by step; a tree with a slot of three words for each entry,
// which takes four times as much memory.

import Glibc

/// A plain value with one owner, which passes the allocator to each call, always the same, and removes all runs at the end.
@safe struct DeliveryOrder {
    static let maximumSlots = 40
    private static let middleLabel: UInt64 = 1 << 63

    private var first: Run?
    private var last: Run?
    private var index = IDTree()

    #if DEBUG
    /// How many runs and entries were looked at or moved. For tests.
    private(set) var steps = 0
    #endif

    @inline(__always) private mutating func step(_ count: Int = 1) {
        #if DEBUG
        steps += count
        #endif
    }

    // MARK: runs

    @safe fileprivate struct Run: Equatable {
        private static let headerSize = 24
        private static let slotSize = 6

        let address: UnsafeMutableRawPointer

        @unsafe init(_ address: UnsafeMutableRawPointer) { unsafe self.address = address }
        init(bits: UInt64) { unsafe address = UnsafeMutableRawPointer(bitPattern: UInt(bits)).unsafelyUnwrapped }

        /// Bytes of a run, a multiple of 8.
        static func size(slots: Int) -> Int { (headerSize + slots * slotSize + 7) & ~7 }

        init(_ allocator: SlabAllocator, slots: Int) {
            unsafe address = allocator.allocate(Self.size(slots: slots))
            count = 0
            key = .zero
        }

        static func == (left: Run, right: Run) -> Bool { unsafe left.address == right.address }
        var bits: UInt64 { unsafe UInt64(UInt(bitPattern: address)) }

        @inline(__always) var count: Int {
            get { unsafe address.load(as: Int.self) }
            nonmutating set { unsafe address.storeBytes(of: newValue, as: Int.self) }
        }
        var key: StreamID {
            get { unsafe (address + 8).load(as: StreamID.self) }
            nonmutating set { unsafe (address + 8).storeBytes(of: newValue, as: StreamID.self) }
        }

        func capacity(_ allocator: SlabAllocator) -> Int {
            unsafe min((allocator.capacity(of: address) - Self.headerSize) / Self.slotSize, maximumSlots)
        }

        @inline(__always) private func slot(_ index: Int) -> UnsafeMutableRawPointer {
            unsafe address + Self.headerSize + index &* Self.slotSize
        }

        /// Addresses have 48 bits.
        @inline(__always) subscript(index: Int) -> PendingEntry {
            get {
                let slot = unsafe slot(index)
                let low = unsafe slot.loadUnaligned(as: UInt32.self)
                let high = unsafe slot.loadUnaligned(fromByteOffset: 4, as: UInt16.self)
                return PendingEntry(bits: UInt64(high) << 32 | UInt64(low))
            }
            nonmutating set {
                let slot = unsafe slot(index)
                let bits = newValue.bits
                unsafe slot.storeBytes(of: UInt32(truncatingIfNeeded: bits), as: UInt32.self)
                unsafe slot.storeBytes(
                    of: UInt16(truncatingIfNeeded: bits >> 32), toByteOffset: 4, as: UInt16.self)
            }
        }

        func index(of entry: PendingEntry) -> Int {
            var index = 0
            while self[index] != entry {
                index &+= 1
                precondition(index < count, "an entry is not in its run")
            }
            return index
        }

        /// How many entries have a rank up to this one.
        func rank(_ rank: UInt64) -> Int {
            var (low, high) = (0, count)
            while low < high {
                let middle = (low + high) >> 1
                if self[middle].rank <= rank { low = middle + 1 } else { high = middle }
            }
            return low
        }

        func insert(_ entry: PendingEntry, at index: Int) {
            let count = count
            unsafe memmove(slot(index + 1), slot(index), (count - index) * Self.slotSize)
            self[index] = entry
            self.count = count + 1
            unsafe entry.run = address
        }

        func remove(at index: Int) {
            let count = count
            unsafe memmove(slot(index), slot(index + 1), (count - index - 1) * Self.slotSize)
            self.count = count - 1
        }

        /// Moves the entries from `index` on to the end of another run, which has room.
        func move(from index: Int, to other: Run) {
            let (start, moved) = (other.count, count - index)
            unsafe memcpy(other.slot(start), slot(index), moved * Self.slotSize)
            other.count = start + moved
            count = index
            other.claimEntries(from: start)
        }

        /// Tells the entries from `index` on that they are in this run.
        private func claimEntries(from index: Int) {
            for index in index..<count { unsafe self[index].run = address }
        }

        /// Moves the run to a block for `slots` entries, and returns where it is now.
        func resized(_ allocator: SlabAllocator, slots: Int) -> Run {
            let block = unsafe allocator.reallocate(
                address, size: Self.size(slots: slots), keeping: Self.size(slots: count))
            let moved = unsafe Run(block)
            if moved != self { moved.claimEntries(from: 0) }
            return moved
        }

        @unsafe func deallocate(_ allocator: SlabAllocator) { unsafe allocator.deallocate(address) }

        /// Moves the run out of a draining page; nil if it has stayed.
        func moved(_ mover: inout BlockMover) -> Run? {
            guard let block = unsafe mover.move(address) else { return nil }
            let moved = unsafe Run(block)
            moved.claimEntries(from: 0)
            return moved
        }
    }

    /// The last run in which entries of a rank may be; the first, if all others have greater ranks.
    private func run(of rank: UInt64) -> Run? {
        index.place(atOrBefore: StreamID(milliseconds: rank, sequence: .max)).map { Run(bits: $0.value) } ?? first
    }

    private func next(after run: Run) -> Run? {
        let place = run == first ? index.first : index.find(run.key)?.next
        return place.map { Run(bits: $0.value) }
    }

    private func previous(before run: Run) -> Run? {
        guard run != first, let place = index.find(run.key) else { return nil }
        return place.previous.map { Run(bits: $0.value) } ?? first
    }

    // MARK: reading

    var isEmpty: Bool { first == nil }

    /// The first entry.
    var oldest: PendingEntry? { first?[0] }

    /// Calls `body` with each run, in order.
    private func forEachRun(_ body: (Run) -> Void) {
        guard let first else { return }
        body(first)
        var place = index.first
        while let current = place {
            body(Run(bits: current.value))
            place = current.next
        }
    }

    /// Calls `body` with each entry, in order.
    func forEach(_ body: (PendingEntry) -> Void) {
        forEachRun { run in
            for index in 0..<run.count { body(run[index]) }
        }
    }

    // MARK: adding

    /// Adds an entry behind all of its rank.
    /// - Complexity: O(log n); O(1) for an entry that belongs at the end.
    mutating func insert(_ entry: PendingEntry, _ allocator: SlabAllocator) {
        step()
        guard let last else {
            let run = Run(allocator, slots: 1)
            run.insert(entry, at: 0)
            (first, self.last) = (run, run)
            return
        }
        let rank = entry.rank
        let count = last.count
        if last[count - 1].rank <= rank { return insert(entry, rank, at: count, of: last, allocator) }
        guard let run = run(of: rank) else { preconditionFailure("an order without a first run") }
        step(index.levelCount + 6)
        insert(entry, rank, at: run.rank(rank), of: run, allocator)
    }

    @inline(__always)
    private mutating func insert(
        _ entry: PendingEntry, _ rank: UInt64, at index: Int, of run: Run, _ allocator: SlabAllocator
    ) {
        let capacity = run.capacity(allocator)
        if run.count < capacity { return run.insert(entry, at: index) }
        makeRoom(for: entry, rank, at: index, of: run, capacity, allocator)
    }

    /// Adds an entry to a full run, which grows or is split.
    @inline(never)
    private mutating func makeRoom(
        for entry: PendingEntry, _ rank: UInt64, at index: Int, of run: Run, _ capacity: Int, _ allocator: SlabAllocator
    ) {
        if capacity < Self.maximumSlots {
            return resize(run, slots: min(capacity * 2, Self.maximumSlots), allocator).insert(entry, at: index)
        }
        // Where entries come in order, full runs stay full.
        if index == run.count {
            let added = Run(allocator, slots: Self.maximumSlots / 4)
            added.insert(entry, at: 0)
            return link(added, rank, behind: run, before: nil, allocator)
        }
        let half = run.count / 2
        let added = Run(allocator, slots: Self.maximumSlots)
        let next = next(after: run)
        step(run.count - half)
        run.move(from: half, to: added)
        link(added, added[0].rank, behind: run, before: next, allocator)
        if index <= half { run.insert(entry, at: index) } else { added.insert(entry, at: index - half) }
    }

    /// Puts a run whose first entry has this rank into the index.
    private mutating func link(
        _ run: Run, _ rank: UInt64, behind previous: Run, before next: Run?, _ allocator: SlabAllocator
    ) {
        var label = Self.middleLabel
        if previous != first && previous.key.milliseconds == rank {
            label = previous.key.sequence + 1
        } else if let next, next.key.milliseconds == rank {
            label = next.key.sequence - 1
        }
        run.key = StreamID(milliseconds: rank, sequence: label)
        let isNew = index.insert(run.key, run.bits, allocator)
        precondition(isNew, "two runs have one key")
        if previous == last { last = run }
    }

    /// Moves a run to a block for `slots` entries.
    @discardableResult
    private mutating func resize(_ run: Run, slots: Int, _ allocator: SlabAllocator) -> Run {
        let moved = run.resized(allocator, slots: slots)
        guard moved != run else { return run }
        step(moved.count)
        if run == last { last = moved }
        if run == first { first = moved } else { index.find(moved.key)?.value = moved.bits }
        return moved
    }

    // MARK: removing

    /// Removes an entry, which must be there.
    /// - Complexity: O(1), amortized.
    mutating func remove(_ entry: PendingEntry, _ allocator: SlabAllocator) {
        guard let address = unsafe entry.run else { preconditionFailure("an entry is in no run") }
        let run = unsafe Run(address)
        step()
        run.remove(at: run.index(of: entry))
        let count = run.count
        if count == 0 { return drop(run, allocator) }
        if count * 4 <= Self.maximumSlots && count % 5 == 0 || first == last { shrink(run, allocator) }
    }

    /// Joins a run with a neighbour if both are small; or moves it to a smaller block, if it is the only one.
    private mutating func shrink(_ run: Run, _ allocator: SlabAllocator) {
        let count = run.count
        if first == last {
            if count * 4 <= run.capacity(allocator) { resize(run, slots: count * 2, allocator) }
            return
        }
        step(index.levelCount)
        let most = Self.maximumSlots * 3 / 4
        if let next = next(after: run), count + next.count <= most {
            join(run, next, allocator)
        } else if let previous = previous(before: run), count + previous.count <= most {
            join(previous, run, allocator)
        }
    }

    private mutating func join(_ left: Run, _ right: Run, _ allocator: SlabAllocator) {
        var left = left
        let total = left.count + right.count
        if left.capacity(allocator) < total { left = resize(left, slots: Self.maximumSlots, allocator) }
        step(right.count)
        right.move(from: 0, to: left)
        drop(right, allocator)
    }

    /// Frees a run, whose entries are not looked at.
    private mutating func drop(_ run: Run, _ allocator: SlabAllocator) {
        step(index.levelCount)
        if run == first {
            first = index.first.map { Run(bits: $0.value) }
            if let first { index.remove(first.key, allocator) } else { last = nil }
        } else {
            if run == last { last = previous(before: run) }
            index.remove(run.key, allocator)
        }
        unsafe run.deallocate(allocator)
    }

    /// Frees the first run, whose entries may be gone.
    mutating func removeFirstRun(_ allocator: SlabAllocator) {
        if let first { drop(first, allocator) }
    }

    /// An estimate of the bytes that the order of `count` entries takes.
    func byteCount(_ count: Int, _ allocator: SlabAllocator) -> Int {
        guard let first else { return 0 }
        if index.isEmpty { return unsafe allocator.capacity(of: first.address) }
        return index.byteCount(allocator) + Run.size(slots: count * 9 / 8)
    }

    // MARK: defragmentation

    /// Notes where a pending entry is that moves.
    func replace(_ entry: PendingEntry, with moved: PendingEntry) {
        guard let address = unsafe moved.run else { preconditionFailure("an entry is in no run") }
        let run = unsafe Run(address)
        run[run.index(of: entry)] = moved
    }

    mutating func moveFirstRun(_ mover: inout BlockMover) {
        guard let old = first, let moved = old.moved(&mover) else { return }
        if old == last { last = moved }
        first = moved
    }

    /// Moves some of the runs behind the first, from a key on.
    /// - Returns: the key to go on with; nil at the end.
    mutating func moveRuns(from key: StreamID, _ mover: inout BlockMover) -> StreamID? {
        var last = last
        let next = index.moveNodes(from: key, &mover) { place, mover in
            let run = Run(bits: place.value)
            guard let moved = run.moved(&mover) else { return }
            place.value = moved.bits
            if run == last { last = moved }
        }
        self.last = last
        return next
    }

    // MARK: checking

    /// Traps when an invariant of the head of this file does not hold. For tests.
    func checkInvariants() {
        index.checkInvariants()
        var rank: UInt64 = 0
        var previous: Run?
        forEachRun { run in
            precondition(run.count > 0, "an empty run")
            if previous != nil {
                precondition(index.find(run.key)?.value == run.bits, "a run with another key")
                precondition(rank <= run.key.milliseconds, "a key below the ranks before it")
                precondition(run[0].rank >= run.key.milliseconds, "a key above its ranks")
            }
            for index in 0..<run.count {
                let entry = run[index]
                precondition(unsafe entry.run == run.address, "an entry in another run")
                precondition(entry.rank >= rank, "entries out of order")
                rank = entry.rank
            }
            previous = run
        }
        precondition(previous == last, "a wrong last run")
    }
}
