// Entries of a snapshot on their way to the table of keys.
//
// The keys of a snapshot lie in the order of another hash, so each belongs to a random place of the table: to a segment and a bucket of
// it that are in no cache once there are millions. Inserted one at a time, keys would wait for one after the other of these, most of the time
// that loading takes. So entries are collected, and their places prefetched before the first of them is looked for: that of a segment as
// soon as the key is known, that of the bucket, which the segment tells, once the batch is full.
//
// Entries of a batch are in no table: nobody finds them, and nothing moves them.

import RespCodec

/// Up to `capacity` entries of one database, in the order in which they were read.
@safe struct EntryBatch: ~Copyable {
    /// An entry, and what is told of its record if the key is there already.
    struct Item {
        let entry: Entry
        let hash: UInt64
        /// Where the record begins and ends in the file.
        let start: Int
        let end: Int
        /// The form of its value.
        let type: UInt8
    }

    /// So many that what memory can deliver at once is requested, and so few that what was prefetched first is still there.
    static let capacity = 64

    private let items = UnsafeMutablePointer<Item>.allocate(capacity: capacity)
    private(set) var count = 0

    deinit { unsafe items.deallocate() }

    @inline(__always) var isFull: Bool { count == Self.capacity }

    @inline(__always)
    subscript(index: Int) -> Item {
        precondition(index >= 0 && index < count, "no item of the batch")
        return unsafe items[index]
    }

    /// Adds an entry, of which there must be fewer than `capacity`, and prefetches its segment.
    @inline(__always)
    mutating func append(_ item: Item, for database: Database) {
        precondition(count < Self.capacity, "a batch has no more room")
        database.table.segments.prefetchForInsertion(item.hash)
        unsafe (items + count).initialize(to: item)
        count &+= 1
    }

    /// Prefetches the buckets of all entries.
    func prefetchBuckets(of database: Database) {
        guard count > 1 else { return }
        let segments = database.table.segments
        for index in 0..<count { unsafe segments.prefetchBucket(items[index].hash) }
    }

    /// Forgets the entries, which have an owner now.
    mutating func removeAll() { count = 0 }
}
