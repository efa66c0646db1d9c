// Reads whole values and makes entries of them.
//
// An entry is made when all of the value was read and found sound, and is in no table yet; so whoever reads a damaged value has changed
// nothing. Packed lists and arrays of integers that a container will trust are gone through element by element first. Larger
// collections are put together by an assembler each, which keeps to the thresholds of the encodings and frees what it has if it is not
// asked for an entry.

import RespCodec

extension RecordReader {
    /// A value of the form `type` as a new entry of a key.
    /// - Throws: when the value is not sound. Nothing is left behind then.
    /// - Complexity: O(bytes of the value), O(n log n) for what must be put in an order.
    mutating func value(
        _ type: RecordType, key: ByteSlice, deadline: Int64?, _ context: KeyspaceContext
    ) throws(FormatError) -> Entry {
        release()
        switch type {
        case .string:
            return context.makeString(key, try string(), deadline: deadline)
        case .sortedSet, .sortedSetOfTexts, .sortedSetZipList, .packedSortedSet:
            return try sortedSet(type, key: key, deadline: deadline, context)
        case .stream, .streamOfRedis5, .streamOfRedis7:
            return try stream(type, key: key, deadline: deadline, context)
        case .list, .listZipList, .listOfZipLists, .listOfPackedLists:
            return try list(type, key: key, deadline: deadline, context)
        case .set, .setOfIntegers, .packedSet:
            return try set(type, key: key, deadline: deadline, context)
        case .hash, .hashZipMap, .hashZipList, .packedHash:
            return try hash(type, key: key, deadline: deadline, context)
        case .hashOfValkey: return try hashOfValkey(key: key, deadline: deadline, context)
        case .hashWithDeadlines, .packedHashWithDeadlines:
            return try hashWithDeadlines(type, key: key, deadline: deadline, context)
        }
    }

    /// A packed list of `stride` elements for each of what it holds, no two of them with the same first; at least one.
    mutating func packedList(stride: Int, _ context: KeyspaceContext) throws(FormatError) -> (
        PackedList, isCanonical: Bool
    ) {
        let bytes = try string()
        guard let examination = PackedList.examine(bytes), examination.count % stride == 0 else {
            throw .damaged("a packed list")
        }
        guard examination.count > 0 else { throw .empty }
        return (PackedList(lookingAt: bytes), examination.isCanonical)
    }
}

extension KeyspaceContext {
    /// A new entry, not in the table, with a copy of a packed list.
    func makePacked(
        _ type: ValueType, _ encoding: Encoding, _ list: PackedList, key: ByteSlice, deadline: Int64?
    ) -> Entry {
        makePacked(type, encoding, copying: list.bytes, key: key, deadline: deadline)
    }

    /// A new entry, not in the table, of a hash with the elements of a packed list.
    func makePackedHash(_ encoding: Encoding, _ list: PackedList, key: ByteSlice, deadline: Int64?) -> Entry {
        let size = list.byteCount(as: ForwardOnly.self)
        let entry = makeEntry(.hash, encoding, key: key, deadline: deadline, payload: size)
        unsafe list.copy(as: ForwardOnly.self, to: entry.payload)
        return entry
    }

    /// A new entry, not in the table, whose payload is a copy of these bytes.
    func makePacked(
        _ type: ValueType, _ encoding: Encoding, copying bytes: ByteSlice, key: ByteSlice, deadline: Int64?
    ) -> Entry {
        let entry = makeEntry(type, encoding, key: key, deadline: deadline, payload: bytes.count)
        unsafe entry.payload.copyMemory(from: bytes.rawBytes.baseAddress!, byteCount: bytes.count)
        return entry
    }

    /// A new entry, not in the table, of a value that lies outside of it.
    func makeLarge(
        _ type: ValueType, _ encoding: Encoding, _ value: some LargeValue, key: ByteSlice, deadline: Int64?
    ) -> Entry {
        let entry = makeEntry(type, encoding, key: key, deadline: deadline, payload: 8)
        unsafe entry.pointer = value.address
        return entry
    }
}
