// How large the values of a database are: for each type, how many keys have a value whose size is between two powers of two. It is what
// `INFO keysizes` tells, which looks at no key for it.
//
// The size of a string is its length in bytes, that of a number the length of its text; the size of a collection is how many elements it
// has, fields that have expired and are not removed yet included. Streams are not counted.
//
//     bin 0   size 0
//     bin n   sizes from 2^(n-1) up to 2^n - 1
//
// Invariant, whenever no value is being changed: a bin of a type counts the keys in the table whose value is of that type and has a
// size of that bin. An entry is counted when it comes into the table and no more when it leaves it, by `Database`; a value that is
// changed in place tells its size before and after, by `sizeChanged`, which has nothing to do unless the bins differ. What is at no
// key yet is not counted.
//
// Rejected: bins for all sizes from the start. They would take 2.5 KB, and there may be 100,000 databases with a key each. Those of a
// type are made when it is first used, in a block of the allocator, up to the size that is needed.

import RespCodec

@safe struct KeySizes {
    /// Of one type.
    @safe struct Bins {
        /// Nil if there are none.
        fileprivate var counts: UnsafeMutablePointer<Int>?
        fileprivate var capacity = 0
    }

    static let typeCount = 5
    /// The bin of the largest size is number 63.
    static let largestCapacity = 64
    fileprivate static let smallestCapacity = 8

    /// By type.
    fileprivate var bins = InlineArray<5, Bins>(repeating: Bins())

    /// The number of the bin that counts a size.
    @inline(__always) static func bin(of size: Int) -> Int { Int.bitWidth &- size.leadingZeroBitCount }

    /// The smallest size that a bin counts.
    static func smallestSize(of bin: Int) -> Int { bin == 0 ? 0 : 1 << (bin - 1) }

    /// Whether sizes are of one bin: the highest bit that is set in either is set in both.
    @inline(__always) static func haveOneBin(_ size: Int, _ other: Int) -> Bool { size ^ other <= size & other }
}

extension ValueType {
    /// Those whose sizes are counted, by their numbers.
    public static let sized: [ValueType] = [.string, .list, .set, .sortedSet, .hash]

    @inline(__always) fileprivate var isSized: Bool { self != .stream }
}

extension Database {
    @inline(__always) private func bins(_ type: ValueType) -> UnsafeMutablePointer<KeySizes.Bins> {
        unsafe withUnsafeMutablePointer(to: &storage.pointee.sizes) { sizes in
            unsafe UnsafeMutableRawPointer(sizes).assumingMemoryBound(to: KeySizes.Bins.self) + Int(type.rawValue)
        }
    }

    /// Calls `body` with each bin of a type that counts any keys: the smallest size that it counts, and how many keys.
    public func forEachKeySize(of type: ValueType, _ body: (_ smallest: Int, _ count: Int) -> Void) {
        let bins = unsafe bins(type)
        guard type.isSized, let counts = unsafe bins.pointee.counts else { return }
        for bin in 0..<(unsafe bins.pointee.capacity) where unsafe counts[bin] != 0 {
            unsafe body(KeySizes.smallestSize(of: bin), counts[bin])
        }
    }

    /// How many bytes the bins take.
    fileprivate var sizeBytes: Int {
        var sum = 0
        for type in ValueType.sized {
            if let counts = unsafe bins(type).pointee.counts { unsafe sum += allocator.capacity(of: counts) }
        }
        return sum
    }

    // MARK: values that are changed

    /// To be called when a value of a key has changed in place.
    @inline(__always)
    func sizeChanged(_ type: ValueType, from old: Int, to new: Int) {
        if !KeySizes.haveOneBin(old, new) { moveSize(type, from: old, to: new) }
    }

    /// The same for a string that is a number, before and after.
    @inline(__always)
    func numberChanged(from old: Int, to new: Int) {
        // Bins of lengths begin at 10, 1000, 10^7 and 10^15, which, but for the first, are multiples of eight.
        if UInt(bitPattern: old ^ new) < 8 && old >= 16 { return }
        moveNumber(from: old, to: new)
    }

    @inline(never)
    private func moveNumber(from old: Int, to new: Int) {
        sizeChanged(.string, from: Decimal.length(of: old), to: Decimal.length(of: new))
    }

    @inline(never)
    private func moveSize(_ type: ValueType, from old: Int, to new: Int) {
        removeSize(type, old)
        addSize(type, new)
    }

    // MARK: entries

    /// Counts an entry that comes into the table.
    @inline(__always)
    func countSize(of entry: Entry) {
        let type = entry.type
        if type.isSized { addSize(type, entry.valueSize) }
    }

    /// Counts an entry no more, which must still have its value.
    func uncountSize(of entry: Entry) {
        let type = entry.type
        if type.isSized { removeSize(type, entry.valueSize) }
    }

    /// Counts no key any more.
    func forgetSizes() {
        for type in ValueType.sized {
            let bins = unsafe bins(type)
            guard let counts = unsafe bins.pointee.counts else { continue }
            unsafe allocator.deallocate(UnsafeMutableRawPointer(counts))
            unsafe bins.pointee = KeySizes.Bins()
        }
    }

    // MARK: bins

    /// Counts one value more of a size.
    @inline(__always)
    func addSize(_ type: ValueType, _ size: Int) {
        let bins = unsafe bins(type)
        let bin = KeySizes.bin(of: size)
        if unsafe bin >= bins.pointee.capacity { unsafe grow(bins, for: bin) }
        unsafe bins.pointee.counts.unsafelyUnwrapped[bin] &+= 1
    }

    @inline(__always)
    private func removeSize(_ type: ValueType, _ size: Int) {
        let bins = unsafe bins(type)
        let bin = KeySizes.bin(of: size)
        assert(unsafe bin < bins.pointee.capacity && bins.pointee.counts![bin] > 0, "a size that was not counted")
        unsafe bins.pointee.counts.unsafelyUnwrapped[bin] &-= 1
    }

    /// Makes room for a bin.
    @inline(never)
    private func grow(_ bins: UnsafeMutablePointer<KeySizes.Bins>, for bin: Int) {
        var capacity = KeySizes.smallestCapacity
        while capacity <= bin { capacity *= 2 }
        let block = unsafe allocator.allocate(capacity * MemoryLayout<Int>.stride)
        let counts = unsafe block.bindMemory(to: Int.self, capacity: capacity)
        unsafe counts.initialize(repeating: 0, count: capacity)
        if let old = unsafe bins.pointee.counts {
            unsafe counts.update(from: old, count: bins.pointee.capacity)
            unsafe allocator.deallocate(UnsafeMutableRawPointer(old))
        }
        unsafe bins.pointee = KeySizes.Bins(counts: counts, capacity: capacity)
    }
}

extension Entry {
    /// Bytes of a string, elements of a collection; 0 for a stream.
    var valueSize: Int {
        switch type {
        case .string: stringLength
        case .list: encoding == .packed ? twoWayList.count : unsafe ListChain(at: pointer).count
        case .set: SetView(self).count
        case .sortedSet: encoding == .packed ? forwardList.count / 2 : unsafe SortedSetTable(at: pointer).count
        case .hash: fieldCount
        case .stream: 0
        }
    }
}

extension Engine {
    /// How many bytes the counts of sizes of all databases take.
    var keySizeBytes: Int { databasesInUse.reduce(0) { $0 + $1.sizeBytes } }

    /// What is wrong with the counts of sizes of values, by a look at all keys; nil if nothing is.
    /// - Complexity: O(keys).
    public func problemOfKeySizes() -> String? {
        for database in databasesInUse {
            var found = [[Int: Int]](repeating: [:], count: KeySizes.typeCount)
            database.forEachEntry { entry in
                guard entry.type.isSized else { return }
                let smallest = KeySizes.smallestSize(of: KeySizes.bin(of: entry.valueSize))
                found[Int(entry.type.rawValue)][smallest, default: 0] += 1
            }
            for type in ValueType.sized {
                var counted: [Int: Int] = [:]
                database.forEachKeySize(of: type) { counted[$0] = $1 }
                let found = found[Int(type.rawValue)]
                guard counted != found else { continue }
                func text(_ sizes: [Int: Int]) -> String {
                    sizes.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
                }
                return "sizes of \(type.name) values of database \(database.index) are \(text(found)),"
                    + " but counted as \(text(counted))"
            }
        }
        return nil
    }
}
