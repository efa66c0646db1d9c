// The databases of an engine: made when they are first used, dropped, exchanged, and forgotten when they are empty and many.
//
// All share one allocator, so a key can go from one to another as it is. Dropping the keys of the only database that has any, or of
// all, drops the allocator; of one among others, its table goes to be freed in slices.

import RespCodec

extension EngineState {
    /// Up to so many databases in use, nobody looks for empty ones.
    static let leastSwept = 256
    /// How many databases a slice looks at.
    private static let databasesOfSlice = 512

    @inline(never)
    func makeDatabase(_ index: Int) -> Database {
        let database = unsafe Database(
            index: index, hash: hash, alarm: pointer(to: \.expiry.earliestDeadline), allocator: allocator)
        unsafe storage.pointee.databases[index] = database.storage
        if let last = unsafe storage.pointee.databasesInUse.last, last.index > index {
            unsafe storage.pointee.areInOrder = false
        }
        unsafe storage.pointee.databasesInUse.append(database)
        return database
    }

    /// The database of an index, nil if it was not used yet.
    func databaseInUse(_ index: Int) -> Database? {
        precondition(UInt(bitPattern: index) < UInt(bitPattern: databaseCount), "no such database")
        return unsafe storage.pointee.databases[index].map { unsafe Database(at: $0) }
    }

    /// The databases that were used, by index.
    /// - Complexity: O(n log n) for n of them, when others are in use than the last time.
    var databasesInUse: [Database] {
        if unsafe !storage.pointee.areInOrder {
            unsafe storage.pointee.databasesInUse.sort { $0.index < $1.index }
            unsafe storage.pointee.areInOrder = true
        }
        return unsafe storage.pointee.databasesInUse
    }

    // MARK: dropping

    /// Drops all keys of a database. Handles of databases end here.
    /// - Complexity: O(databases in use); what the keys have is freed in slices.
    func flush(_ index: Int) {
        guard let database = databaseInUse(index), database.count > 0 else { return }
        observeFlush(database)
        if unsafe storage.pointee.databasesInUse.allSatisfy({ $0.count == 0 || $0.index == index }) {
            dropAll()
        } else {
            unsafe storage.pointee.freeing.add(database.detachAll())
        }
    }

    /// Drops all keys of all databases, and those that are empty with them. Handles of databases end here.
    /// - Complexity: O(databases in use); the memory is given back in slices.
    func flushAll() {
        let inUse = databasesInUse
        guard inUse.contains(where: { $0.count > 0 || $0.index > 0 }) else { return }
        for database in inUse where database.count > 0 { observeFlush(database) }
        dropAll()
    }

    private func observeFlush(_ database: Database) {
        guard isObserved, let observer else { return }
        let index = database.index
        observer.databaseWillFlush(index) { presence(of: $0, database: index) }
    }

    /// Drops everything that the allocator has given out, databases and values that wait to be freed included.
    private func dropAll() {
        for database in unsafe storage.pointee.databasesInUse {
            unsafe storage.pointee.databases[database.index] = nil
            database.abandon()
        }
        unsafe storage.pointee.databasesInUse.removeAll()
        unsafe storage.pointee.areInOrder = true
        unsafe storage.pointee.mostInUse = Self.leastSwept
        unsafe storage.pointee.sweepPlace = 0
        unsafe storage.pointee.expiry.earliestDeadline = Int64.max
        unsafe storage.pointee.freeing.retire(allocator)
        unsafe storage.pointee.allocator = SlabAllocator()
        _ = database(0)
    }

    // MARK: exchanging

    /// Exchanges two databases.
    /// - Complexity: O(1), apart from what the observer does.
    func swapDatabases(_ first: Int, _ second: Int) {
        if isObserved, let observer {
            observer.databasesWillSwap(first, second) { presence(of: $1, database: $0) }
        }
        let (one, other) = unsafe (storage.pointee.databases[first], storage.pointee.databases[second])
        unsafe storage.pointee.databases[first] = other
        unsafe storage.pointee.databases[second] = one
        if let one = unsafe one { unsafe one.pointee.index = second }
        if let other = unsafe other { unsafe other.pointee.index = first }
        unsafe storage.pointee.areInOrder = false
    }

    // MARK: forgetting

    /// Whether there are so many more databases in use than at the last time that empty ones are looked for.
    @inline(__always) var mayBeSwept: Bool {
        unsafe storage.pointee.sweepPlace > 0 || storage.pointee.databasesInUse.count > storage.pointee.mostInUse
    }

    /// Forgets the empty ones of some databases. To be called when nobody holds a handle of one.
    func sweepSlice() {
        var place = unsafe storage.pointee.sweepPlace
        if place == 0 { place = unsafe storage.pointee.databasesInUse.count }
        for _ in 0..<Self.databasesOfSlice where place > 0 {
            place -= 1
            let database = unsafe storage.pointee.databasesInUse[place]
            guard database.count == 0 && database.index != 0 else { continue }
            unsafe storage.pointee.databases[database.index] = nil
            // The last one was looked at before.
            let last = unsafe storage.pointee.databasesInUse.removeLast()
            if unsafe place < storage.pointee.databasesInUse.count {
                unsafe storage.pointee.databasesInUse[place] = last
                unsafe storage.pointee.areInOrder = false
            }
            database.deallocate()
        }
        unsafe storage.pointee.sweepPlace = place
        if place == 0 {
            unsafe storage.pointee.mostInUse = max(Self.leastSwept, storage.pointee.databasesInUse.count * 2)
        }
    }
}
