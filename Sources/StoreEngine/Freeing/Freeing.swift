// Lazy freeing: what no key has any more is freed in slices, so that no command and no turn takes time that grows with a value.
//
// Small values and entries are freed at once; the rest becomes `Garbage`. Between commands, `slice` frees a bounded part of it, bounded in
// elements and in bytes: large elements are put aside first, and go some at a time (`SlabAllocator.freeDiscarded`). When
// nothing waits, it gives pages that nobody needs back to the system, and forgets empty databases.

import RespCodec

/// A handle on the engine, and the part of it that frees what no key has any more.
struct Freeing {
    struct Variables {
        var garbage = Garbage()
        /// When it was last looked how much memory is not needed.
        var lastMeasured: Int64 = 0
    }

    let engine: EngineState

    private var garbage: Garbage {
        unsafeAddress { unsafe UnsafePointer(engine.pointer(to: \.freeing.garbage)) }
        nonmutating unsafeMutableAddress { unsafe engine.pointer(to: \.freeing.garbage) }
    }

    // MARK: freeing

    /// Frees an entry that is in no table any more, a large value of it in slices later.
    @unsafe func free(_ entry: Entry, in database: Database) {
        unsafe freePayload(of: entry, in: database)
        unsafe database.allocator.deallocate(entry.address)
    }

    /// Frees what an entry points to, but not the entry.
    @inline(__always) @unsafe func freePayload(of entry: Entry, in database: Database) {
        unsafe freePayload(of: entry, in: database.allocator)
    }

    @inline(__always) @unsafe private func freePayload(of entry: Entry, in allocator: SlabAllocator) {
        switch entry.encoding {
        case .integer, .embedded, .raw, .packed, .packedWithDeadlines, .integers: break
        case .external:
            if unsafe engine.snapshot?.takesOver(blockAt: entry.external.block, of: allocator) == true { return }
            unsafe allocator.deallocate(entry.external.block)
        case .table, .chain, .tree, .stream: if let value = entry.large { unsafe free(value) }
        }
    }

    /// Frees a large value that no key has any more, at once or in slices later.
    /// - Parameter isCounted: whether it counts as an object that is freed in the background.
    @unsafe func free(_ value: any LargeValue, isCounted: Bool = true) {
        if let snapshot = engine.snapshot, snapshot.takesOver(value) { return }
        engine.allocator.postponingLarge { unsafe garbage.add(value, isCounted: isCounted) }
    }

    /// Frees the keys of a database, and their table, in slices.
    @unsafe func free(_ table: SegmentedTable<EntryLayout>) { unsafe garbage.add(table) }

    /// Gives up an allocator, and everything that waits in it.
    /// - Parameter keyCount: how many keys there were.
    @unsafe func retire(_ allocator: SlabAllocator, keyCount: Int) {
        unsafe garbage.retire(allocator, keyCount: keyCount)
    }

    /// Forgets what waits: its memory goes with its allocator.
    func forgetWaiting() { garbage.forgetWaiting() }

    /// Gives up an allocator in which nothing waits.
    @unsafe func release(_ allocator: SlabAllocator) { unsafe garbage.release(allocator) }

    /// Gives all memory of allocators that were given up back at once.
    func releaseAll() { garbage.releaseAll(leavingPinnedTo: engine.allocator) }

    // MARK: slices

    /// Whether there is something for `slice` to do.
    var hasWork: Bool {
        !garbage.isEmpty || engine.allocator.hasDiscarded || engine.allocator.hasSurplus || engine.mayBeSwept
    }
    /// Whether something waits that counts as in use.
    var holdsMemoryInUse: Bool { garbage.holdsMemoryInUse || engine.allocator.hasDiscarded }
    /// How many values and keys of dropped databases wait to be freed.
    var garbageCount: Int { garbage.count }
    /// How many of those have been freed.
    var freedCount: Int { garbage.freedCount }

    func resetFreedCount() { garbage.resetFreedCount() }

    /// Frees a bounded part of what waits.
    func slice() {
        if engine.allocator.hasDiscarded {
            engine.allocator.freeDiscarded()
        } else if !garbage.isEmpty {
            engine.allocator.postponingLarge { freeGarbage() }
        } else if engine.allocator.hasSurplus {
            engine.allocator.giveBackSlice()
        } else if engine.mayBeSwept {
            engine.sweepSlice()
        }
    }

    private func freeGarbage() {
        // What entries leave of large values is added afterwards: nobody else may reach the garbage while some of it is freed.
        var freed: [any LargeValue] = []
        garbage.freeSlice(leavingPinnedTo: engine.allocator) { entry, allocator in
            if let value = entry.large {
                freed.append(value)
            } else {
                unsafe freePayload(of: entry, in: allocator)
            }
            unsafe allocator.deallocate(entry.address)
        }
        for value in freed { unsafe free(value, isCounted: false) }
    }

    /// Looks once a second how much memory is not needed.
    func measureSurplus(at time: Int64) {
        // The clock may have been put back.
        guard (time &- engine.variables.freeing.lastMeasured).magnitude >= 1000 else { return }
        engine.variables.freeing.lastMeasured = time
        engine.allocator.measureSurplus()
    }
}

extension EngineState {
    @inline(__always) var freeing: Freeing { Freeing(engine: self) }
}
