// Reads whole values and makes entries of them.
//
// An entry is made when all of the value was read and found valid, and is in no table yet; so reading a damaged value changes nothing.
// Listpacks and arrays of integers that a container will trust are validated element by element first. Larger collections are put
// together by an assembler each, which follows the thresholds of the encodings, and frees what it has if no entry is made.

import RespCodec

extension RecordReader {
    /// A value of the form `type` as a new entry of a key.
    /// - Throws: when the value is not valid. Nothing is left behind then.
    /// - Complexity: O(bytes of the value), O(n log n) for what must be put in an order.
    mutating func value(
        _ type: RecordType, key: ByteSlice, deadline: Int64?, _ context: KeyspaceContext
    ) throws(FormatError) -> Entry {
        release()
        switch type {
        case .string:
            switch try string(longerThan: Self.longestInPieces) {
            case .bytes(let string): return context.makeString(key, string, deadline: deadline)
            case .pending(let count): return try longString(count, key: key, deadline: deadline, context)
            case .compressed(let bytes, let count):
                return try longString(count, from: bytes, key: key, deadline: deadline, context)
            }
        case .sortedSet, .sortedSetOfTexts, .sortedSetZipList, .packedSortedSet:
            return try sortedSet(type, key: key, deadline: deadline, context)
        case .stream, .streamOfRedis5, .streamOfRedis7:
            return try stream(type, key: key, deadline: deadline, context)
        case .list, .listZipList, .listOfZipLists, .listOfListpacks:
            return try list(type, key: key, deadline: deadline, context)
        case .set, .setOfIntegers, .packedSet:
            return try set(type, key: key, deadline: deadline, context)
        case .hash, .hashZipMap, .hashZipList, .packedHash:
            return try hash(type, key: key, deadline: deadline, context)
        case .hashOfValkeyOrPreview where version == RecordType.valkeyVersion:
            return try hashOfValkey(key: key, deadline: deadline, context)
        case .hashOfValkeyOrPreview, .packedHashOfPreview, .hashWithDeadlines, .packedHashWithDeadlines:
            return try hashWithDeadlines(type, key: key, deadline: deadline, context)
        }
    }

    /// Longer strings are copied to where they will lie as they come.
    private static var longestInPieces: Int { 256 << 10 }

    /// - Parameter compressed: what it is decompressed from; nil if it lies in the source as it is.
    private mutating func longString(
        _ count: Int, from compressed: ByteSlice? = nil, key: ByteSlice, deadline: Int64?, _ context: KeyspaceContext
    ) throws(FormatError) -> Entry {
        guard SlabAllocator.canAllocate(count) else { throw .damaged("a string that there is no memory for") }
        let block = unsafe context.database.allocator.allocateLarge(count)
        do throws(FormatError) {
            if let compressed {
                unsafe try decompress(compressed, count, to: block)
            } else {
                unsafe try copy(count, to: block)
            }
        } catch {
            unsafe context.database.allocator.deallocate(block)
            throw error
        }
        let entry = context.makeEntry(.string, .external, key: key, deadline: deadline, payload: 16)
        unsafe entry.external = (block, count)
        return entry
    }

    /// A validated listpack of one or more groups of `stride` elements. That no two groups have the same first element is not checked.
    mutating func listpack(stride: Int, _ context: KeyspaceContext) throws(FormatError) -> (
        Listpack, isCanonical: Bool
    ) {
        let bytes = try string()
        guard let examination = Listpack.examine(bytes), examination.count % stride == 0 else {
            throw .damaged("a listpack")
        }
        guard examination.count > 0 else { throw .empty }
        return unsafe (Listpack(lookingAt: bytes), examination.isCanonical)
    }
}

extension KeyspaceContext {
    /// A new entry, not in the table, with the elements of a listpack.
    func makePacked(
        _ type: ValueType, _ encoding: Encoding, _ list: Listpack, key: ByteSlice, deadline: Int64?
    ) -> Entry {
        func make<Form: PackedForm>(_ form: Form.Type) -> Entry {
            let size = list.byteCount(as: form)
            let entry = makeEntry(type, encoding, key: key, deadline: deadline, payload: size)
            unsafe list.copy(as: form, size: size, to: entry.payload)
            return entry
        }
        return type == .list ? make(BothWays.self) : make(ForwardOnly.self)
    }

    /// A new entry, not in the table, of a value in a block of its own.
    func makeLarge(
        _ type: ValueType, _ encoding: Encoding, _ value: some LargeValue, key: ByteSlice, deadline: Int64?
    ) -> Entry {
        let entry = makeEntry(type, encoding, key: key, deadline: deadline, payload: 8)
        unsafe entry.pointer = value.address
        return entry
    }
}
