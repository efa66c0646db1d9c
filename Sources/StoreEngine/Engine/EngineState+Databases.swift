// The databases of an engine: made when they are first used, dropped, exchanged, and forgotten when they are empty and many.
//
// All share one allocator, so a key can go from one to another as it is. Dropping the keys of the only database that has any, or of
// all, drops the allocator; of one among others, its table goes to be freed in slices.

import Glibc
import RespCodec

/// Where the databases of an engine are.
@safe struct DatabaseDirectory {
    /// Up to this many databases in use, nobody looks for empty ones.
    static let leastSwept = 256

    /// By index, nil for those that were not used yet. Memory of zeros, which costs nothing where nothing was written.
    let places: UnsafeMutablePointer<UnsafeMutablePointer<Database.Storage>?>
    private let byteCount: Int
    /// Those that were used, in any order.
    var inUse: [Database] = []
    var areInOrder = true
    /// How many databases in use are worth looking for empty ones among them, and how far that is.
    var mostInUse = leastSwept
    var sweepPlace = 0

    init(_ count: Int) {
        byteCount = count * MemoryLayout<UInt>.stride
        let block = unsafe mmap(
            nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        guard let block = unsafe block, unsafe block != MAP_FAILED else { SystemMemory.exhausted(byteCount) }
        unsafe places = block.bindMemory(to: UnsafeMutablePointer<Database.Storage>?.self, capacity: count)
    }

    @unsafe func deallocate() { unsafe _ = munmap(places, byteCount) }

    /// By an index that is known to be that of a database.
    @unsafe subscript(index: Int) -> UnsafeMutablePointer<Database.Storage>? {
        @inline(__always) get { unsafe places[index] }
        nonmutating set { unsafe places[index] = newValue }
    }
}

extension EngineState {
    /// How many databases a slice looks at.
    private static let databasesOfSlice = 512

    /// The database of an index, made if it was not used yet.
    @inline(__always) func database(_ index: Int) -> Database {
        precondition(UInt(bitPattern: index) < UInt(bitPattern: self.databaseCount), "no such database")
        guard let made = unsafe self.directory[index] else { return makeDatabase(index) }
        return unsafe Database(at: made)
    }

    @inline(never)
    private func makeDatabase(_ index: Int) -> Database {
        let database = unsafe Database(
            index: index, hash: self.hash, expiry: pointer(to: \.expiry), allocator: self.allocator)
        if let snapshot = self.snapshot { database.table.ticket = snapshot.ticketOfNewTables }
        unsafe self.directory[index] = database.storage
        if let last = self.directory.inUse.last, last.index > index { self.directory.areInOrder = false }
        self.directory.inUse.append(database)
        return database
    }

    /// The database of an index, nil if it was not used yet.
    func databaseInUse(_ index: Int) -> Database? {
        precondition(UInt(bitPattern: index) < UInt(bitPattern: self.databaseCount), "no such database")
        return unsafe self.directory[index].map { unsafe Database(at: $0) }
    }

    /// Whether a key is there; leaves no trace.
    func presence(of key: ByteSlice, database index: Int) -> KeyPresence {
        guard let database = databaseInUse(index), let slot = database.table.find(key, hash: self.hash(key)) else {
            return .absent
        }
        return database.isExpired(slot, self.expiryTime) ? .expired : .live
    }

    /// The databases that were used, by index.
    /// - Complexity: O(n log n) for n of them, when others are in use than the last time.
    var databasesInUse: [Database] {
        if !self.directory.areInOrder {
            self.directory.inUse.sort { $0.index < $1.index }
            self.directory.areInOrder = true
        }
        return self.directory.inUse
    }

    // MARK: dropping

    /// Drops all keys of a database. Handles of databases end here.
    /// - Complexity: O(databases in use); what the keys have is freed in slices.
    func flush(_ index: Int) {
        guard let database = databaseInUse(index), database.count > 0 else { return }
        observeFlush(database)
        if self.directory.inUse.allSatisfy({ $0.count == 0 || $0.index == index }) {
            dropAll()
        } else {
            let table = database.detachAll()
            if self.snapshot?.takesOver(table) != true { unsafe freeing.free(table) }
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
        let snapshot = self.snapshot
        snapshot?.databasesWillGo()
        let returnsLarge = self.allocator.returnsLarge
        abandonDatabases()
        self.allocator = SlabAllocator()
        self.allocator.snapshot = snapshot
        self.allocator.returnsLarge = returnsLarge
        _ = database(0)
    }

    /// Forgets all databases and gives up the allocator.
    func abandonDatabases() {
        let keyCount = self.directory.inUse.reduce(0) { $0 + $1.count }
        for database in self.directory.inUse {
            unsafe self.directory[database.index] = nil
            unsafe database.abandon()
        }
        self.directory.inUse.removeAll()
        self.directory.areInOrder = true
        self.directory.mostInUse = DatabaseDirectory.leastSwept
        self.directory.sweepPlace = 0
        expiry.allKeysDropped()
        defragmentation.allKeysDropped()
        if self.snapshot?.takesOver(self.allocator) == true {
            freeing.forgetWaiting()
        } else {
            unsafe freeing.retire(self.allocator, keyCount: keyCount)
        }
    }

    // MARK: exchanging

    /// Exchanges two databases.
    /// - Complexity: O(1), apart from what the observer does.
    func swapDatabases(_ first: Int, _ second: Int) {
        precondition(UInt(bitPattern: first) < UInt(bitPattern: self.databaseCount), "no such database")
        precondition(UInt(bitPattern: second) < UInt(bitPattern: self.databaseCount), "no such database")
        if isObserved, let observer {
            observer.databasesWillSwap(first, second) { presence(of: $1, database: $0) }
        }
        let (one, other) = unsafe (self.directory[first], self.directory[second])
        unsafe self.directory[first] = other
        unsafe self.directory[second] = one
        if let one = unsafe one { unsafe one.pointee.index = second }
        if let other = unsafe other { unsafe other.pointee.index = first }
        self.directory.areInOrder = false
    }

    // MARK: forgetting

    /// Whether databases in use have grown so much in number since the last time that empty ones are looked for.
    @inline(__always) var mayBeSwept: Bool {
        // A snapshot knows databases by their addresses.
        guard self.snapshot == nil else { return false }
        return self.directory.sweepPlace > 0 || self.directory.inUse.count > self.directory.mostInUse
    }

    /// Forgets the empty ones of some databases. To be called when nobody holds a handle of one.
    func sweepSlice() {
        var place = self.directory.sweepPlace
        if place == 0 { place = self.directory.inUse.count }
        for _ in 0..<Self.databasesOfSlice where place > 0 {
            place -= 1
            let database = self.directory.inUse[place]
            guard database.count == 0 && database.index != 0 else { continue }
            unsafe self.directory[database.index] = nil
            // The last one was looked at before.
            let last = self.directory.inUse.removeLast()
            if place < self.directory.inUse.count {
                self.directory.inUse[place] = last
                self.directory.areInOrder = false
            }
            unsafe database.deallocate()
        }
        self.directory.sweepPlace = place
        if place == 0 {
            self.directory.mostInUse = max(DatabaseDirectory.leastSwept, self.directory.inUse.count * 2)
        }
    }
}
