// The names of the keys that patterns give for some elements, one after the other in reused memory: SORT looks up many keys, and
// prefetches several before it reads the first.

import Glibc
import RespCodec

@safe struct SortKeys {
    private var bytes: UnsafeMutablePointer<UInt8>
    private var capacity = 1024
    private var used = 0
    private var ends: [Int] = []
    private var hashes: [UInt64] = []

    init() { unsafe bytes = .allocate(capacity: capacity) }

    /// Frees the memory. The value must not be used afterwards.
    @unsafe func deallocate() { unsafe bytes.deallocate() }

    mutating func removeAll() {
        used = 0
        ends.removeAll(keepingCapacity: true)
    }

    /// Adds the name that consists of `prefix`, the element and `suffix`.
    mutating func append(_ prefix: ByteSlice, _ element: PackedElement, _ suffix: ByteSlice) {
        let needed = used + prefix.count + suffix.count + max(element.byteCount, Decimal.maximumLength)
        if needed > capacity { grow(to: needed) }
        put(prefix)
        switch element {
        case .integer(let value): unsafe used += Decimal.write(value, to: bytes + used)
        case .bytes(let text): put(text)
        }
        put(suffix)
        ends.append(used)
    }

    private mutating func put(_ text: ByteSlice) {
        unsafe memcpy(bytes + used, text.rawBytes.baseAddress!, text.count)
        used += text.count
    }

    private mutating func grow(to needed: Int) {
        capacity = max(capacity * 2, needed)
        let larger = unsafe SystemMemory.allocate(UInt8.self, count: capacity)
        unsafe larger.update(from: bytes, count: used)
        unsafe bytes.deallocate()
        unsafe bytes = larger
    }

    /// Name number `index`, valid until the next change.
    subscript(index: Int) -> ByteSlice {
        let start = index == 0 ? 0 : ends[index - 1]
        return unsafe ByteSlice(start: bytes + start, count: ends[index] - start)
    }

    /// Prefetches the entries of these keys in a database.
    mutating func prefetch(from database: Database) {
        let hash = database.hash
        hashes.removeAll(keepingCapacity: true)
        for index in ends.indices { hashes.append(hash(self[index])) }
        let segments = database.table.segments
        for index in hashes.indices { segments.prefetchSegment(hashes[index]) }
        for index in hashes.indices { segments.prefetchBucket(hashes[index]) }
        for index in hashes.indices { segments.prefetchEntry(hashes[index]) }
    }
}
