// The write barrier of the keyspace: every change of what a key holds passes it.
//
// Whoever changes the value of an existing key in place, replaces its entry or takes it out, says so first, here. A snapshot that is being
// written writes what it has not come to before that changes (`SnapshotSaver+Changes.swift`). Looking for a key with an access that may change
// it passes the barrier, and so does whatever the database itself does with a slot; a value that is changed after it was looked
// up for reading is announced where it changes.
//
// A debug build notes which keys were announced or made during a command, and stops at a change that is told of (`changed`) without
// having been announced, and at a slot that is used after its entry may have moved (`SegmentedTable.check`).

import RespCodec

extension Database {
    /// To be called before anything of an existing key changes but its access clock: its value in place, its entry, its deadline.
    @inline(__always)
    func willChange(_ slot: Slot) {
        #if DEBUG
        note(entry(at: slot).key)
        #endif
        if table.ticket != 0 { beforeChange(slot) }
    }

    @inline(never)
    private func beforeChange(_ slot: Slot) {
        table.beforeChange(slot)
        allocator.snapshot?.willChange(entry(at: slot))
    }

    /// To be called before bytes of a string change where they lie.
    /// - Parameter range: which; those behind its end are not there yet.
    @inline(__always)
    func willChangeBytes(_ slot: Slot, _ range: Range<Int>) {
        willChange(slot)
        if table.ticket != 0 { beforeChangeOfBytes(slot, range) }
        if allocator.hasPinned { unpin(slot, range) }
    }

    @inline(never)
    private func beforeChangeOfBytes(_ slot: Slot, _ range: Range<Int>) {
        let entry = entry(at: slot)
        if entry.encoding == .external { unsafe allocator.snapshot?.willChange(range, ofBlock: entry.external.block) }
    }

    /// Gives a string whose bytes are pinned, and some of which will change, a block of its own.
    @inline(never)
    private func unpin(_ slot: Slot, _ range: Range<Int>) {
        let entry = entry(at: slot)
        guard entry.encoding == .external, unsafe allocator.isPinned(entry.external.block) else { return }
        let (block, length) = unsafe entry.external
        guard range.lowerBound < length, !range.isEmpty else { return }
        let copy = unsafe allocator.allocateLarge(length)
        unsafe copy.copyMemory(from: block, byteCount: length)
        unsafe entry.external = (copy, length)
        unsafe allocator.snapshot?.hasMoved(bytesFrom: block, to: copy)
        unsafe allocator.deallocate(block)
    }

    #if DEBUG
    /// Which keys were announced or made since the command began.
    final class AnnouncedKeys {
        var keys: Set<[UInt8]> = []
    }

    func note(_ key: ByteSlice) { unsafe storage.pointee.announced.keys.insert(key.array) }

    func hasAnnounced(_ key: ByteSlice) -> Bool { unsafe storage.pointee.announced.keys.contains(key.array) }

    /// For tests: what the command that ran last has announced or made.
    var announcedKeys: Set<[UInt8]> { unsafe storage.pointee.announced.keys }

    /// A command begins.
    func forgetAnnouncedKeys() { unsafe storage.pointee.announced.keys.removeAll() }
    #endif

    /// Stops a debug build if a change of the key was not announced.
    @inline(__always)
    func checkAnnounced(_ key: ByteSlice) {
        #if DEBUG
        precondition(hasAnnounced(key), "a key was changed without Database.willChange: \(key)")
        #endif
    }
}
