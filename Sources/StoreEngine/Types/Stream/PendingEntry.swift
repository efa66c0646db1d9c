// What was delivered and not yet acknowledged: one block for each entry, which is in three structures: the group's tree and its consumer's, both
// by id, and the group's order of delivery.
//
//     id | delivery time, count | consumer | run of the order of delivery

import RespCodec

/// One entry that was delivered. Valid until it is removed.
@safe struct PendingEntry: Equatable {
    @unsafe private struct Storage {
        let id: StreamID
        var deliveryTime: Int64 = 0
        var deliveryCount: Int
        var consumer: UnsafeMutableRawPointer?
        var run: UnsafeMutableRawPointer?
    }

    /// Bytes of an entry.
    static var size: Int { unsafe MemoryLayout<Storage>.size }

    private let pointer: UnsafeMutablePointer<Storage>

    init(bits: UInt64) { unsafe pointer = UnsafeMutablePointer(bitPattern: UInt(bits)).unsafelyUnwrapped }

    /// A new entry, which counts as released and is in no structure.
    init(_ id: StreamID, deliveryCount: Int, _ allocator: SlabAllocator) {
        let block = unsafe allocator.allocate(Self.size)
        unsafe pointer = block.bindMemory(to: Storage.self, capacity: 1)
        unsafe pointer.initialize(to: Storage(id: id, deliveryCount: deliveryCount))
    }

    @unsafe func deallocate(_ allocator: SlabAllocator) { unsafe allocator.deallocate(pointer) }

    static func == (left: PendingEntry, right: PendingEntry) -> Bool { unsafe left.pointer == right.pointer }
    @inline(__always) var bits: UInt64 { unsafe UInt64(UInt(bitPattern: pointer)) }

    var id: StreamID { unsafe pointer.pointee.id }
    /// Milliseconds since 1970; 0 once it was released.
    var deliveryTime: Int64 { unsafe pointer.pointee.deliveryTime }
    var deliveryCount: Int { unsafe pointer.pointee.deliveryCount }
    /// Whether no consumer has it.
    var isReleased: Bool { unsafe pointer.pointee.consumer == nil }

    /// How long ago it was delivered.
    func idle(_ now: Int64) -> Int64 { now &- deliveryTime }

    /// Moves the entry out of a draining page; nil if it has stayed.
    /// - Parameter redirect: called with the copy while the old block is still there.
    func moved(_ mover: inout BlockMover, _ redirect: (PendingEntry) -> Void) -> PendingEntry? {
        let block = unsafe mover.move(pointer) { copy in
            redirect(PendingEntry(bits: UInt64(UInt(bitPattern: copy))))
        }
        return unsafe block.map { PendingEntry(bits: UInt64(UInt(bitPattern: $0))) }
    }

    // MARK: for the group

    func setDeliveryCount(_ count: Int) { unsafe pointer.pointee.deliveryCount = count }

    @unsafe var consumer: UnsafeMutableRawPointer? { unsafe pointer.pointee.consumer }

    /// Notes whose it is, nil for nobody, and since when. It must not be in the order of delivery.
    @unsafe func assign(to consumer: UnsafeMutableRawPointer?, time: Int64) {
        unsafe pointer.pointee.consumer = consumer
        unsafe pointer.pointee.deliveryTime = time
    }

    /// The run of the order of delivery that it is in.
    @unsafe var run: UnsafeMutableRawPointer? {
        get { unsafe pointer.pointee.run }
        nonmutating set { unsafe pointer.pointee.run = newValue }
    }

    /// By what entries are in order: the time of delivery, 0 for released ones, which come first.
    @inline(__always) var rank: UInt64 {
        if isReleased { return 0 }
        return max(UInt64(bitPattern: deliveryTime) ^ 1 << 63, 1)
    }
}

/// Pending entries in the order of their ids. They must not change meanwhile.
struct PendingEntries: Sequence, IteratorProtocol {
    private var place: IDTree.Place?

    init(_ place: IDTree.Place?) { self.place = place }

    mutating func next() -> PendingEntry? {
        guard let place else { return nil }
        self.place = place.next
        return PendingEntry(bits: place.value)
    }
}
