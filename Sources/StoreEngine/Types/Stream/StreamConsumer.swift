// The consumers of a group.
//
//     name | seen, active | tree of pending entries

import RespCodec

/// A consumer of a group. Valid until it is removed.
@safe struct StreamConsumer: Equatable {
    @unsafe private struct Storage {
        let name: StoredName
        var seenTime: Int64
        var activeTime: Int64
        var pending = IDTree()
    }

    /// Bytes of a consumer, its name not counted.
    static var size: Int { unsafe MemoryLayout<Storage>.size }

    private let pointer: UnsafeMutablePointer<Storage>

    @unsafe init(at address: UnsafeMutableRawPointer) {
        unsafe pointer = address.assumingMemoryBound(to: Storage.self)
    }

    init(_ name: ByteSlice, seen: Int64, active: Int64, _ allocator: SlabAllocator) {
        let block = unsafe allocator.allocate(MemoryLayout<Storage>.stride)
        unsafe pointer = block.bindMemory(to: Storage.self, capacity: 1)
        unsafe pointer.initialize(
            to: Storage(name: StoredName(name, allocator), seenTime: seen, activeTime: active))
    }

    static func == (left: StreamConsumer, right: StreamConsumer) -> Bool { unsafe left.pointer == right.pointer }
    var address: UnsafeMutableRawPointer { unsafe UnsafeMutableRawPointer(pointer) }

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
    /// For the group: what is pending, by id.
    var tree: IDTree {
        unsafeAddress { unsafe UnsafePointer(pointer).pointer(to: \.pending)! }
        nonmutating unsafeMutableAddress { unsafe pointer.pointer(to: \.pending)! }
    }
    var pendingCount: Int { tree.count }
    /// What is pending, by id.
    var pending: PendingEntries { PendingEntries(tree.first) }
    func pending(from id: StreamID) -> PendingEntries { PendingEntries(tree.place(atOrAfter: id)) }

    @unsafe func deallocate(_ allocator: SlabAllocator) {
        unsafe pointer.pointee.name.deallocate(allocator)
        unsafe allocator.deallocate(pointer)
    }
}
