// Changing strings in place, for SETBIT, BITFIELD and HyperLogLogs, and making strings of computed bytes.
//
// A string that was accessed this way is "raw", even if it did not change, as in Redis, which first moves it to a buffer of its own.

import Glibc
import RespCodec

extension KeyspaceContext {
    /// The bytes of a string; nil for one that is stored as an integer. Valid until the next change of the key.
    func storedBytes(_ entry: Entry) -> ByteSlice? {
        switch entry.encoding {
        case .integer: return nil
        case .external:
            let (block, length) = unsafe entry.external
            return unsafe ByteSlice(start: block, count: length)
        default: return entry.inlineBytes
        }
    }

    /// Throws `stringTooLong` unless the system has the memory for a string of `length` bytes. To be called when an offset in a request
    /// makes a string longer than the bytes that the request contains.
    func checkStringGrowth(from before: Int, to length: Int) throws(CommandError) {
        guard length - before > 1 << 26 else { return }
        guard SlabAllocator.canAllocate(length) else { throw .stringTooLong }
    }

    /// The bytes of a string for changing in place. The string is extended with zeros to `length` bytes if it is shorter, and created if
    /// the key is absent. Valid until the next change of the database.
    /// - Parameter range: which of them are changed.
    @inline(__always)
    func editableBytes(
        _ key: ByteSlice, _ slot: Slot?, atLeast length: Int, changing range: Range<Int>
    ) -> UnsafeMutableRawBufferPointer {
        if let slot {
            database.willChangeBytes(slot, range)
            let entry = entry(slot)
            if entry.encoding == .external {
                let (block, held) = unsafe entry.external
                if held >= length { return unsafe UnsafeMutableRawBufferPointer(start: block, count: held) }
            } else if entry.encoding != .integer {
                let bytes = entry.inlineBytes
                if bytes.count >= length {
                    unsafe entry.setEncoding(.raw)
                    return unsafe UnsafeMutableRawBufferPointer(mutating: bytes.rawBytes)
                }
            }
        }
        return unsafe lengthenedBytes(key, slot, atLeast: length, changing: range)
    }

    @inline(never)
    private func lengthenedBytes(
        _ key: ByteSlice, _ slot: Slot?, atLeast length: Int, changing range: Range<Int>
    ) -> UnsafeMutableRawBufferPointer {
        guard let slot else {
            let (entry, bytes) = unsafe makeRawString(key, length: length, isZeroed: true)
            store(entry, key: key, replacing: nil)
            return unsafe bytes
        }
        overwriteString(slot, length: max(stringLength(entry(slot)), length), offset: 0, with: .empty)
        return unsafe editableBytes(key, slot, atLeast: 0, changing: range)
    }

    /// A new entry, not in the table, with a raw string of `length` bytes, and these bytes, which the caller must write.
    /// - Parameter isZeroed: whether the bytes are zero. For a long string that takes no time until they are used.
    func makeRawString(
        _ key: ByteSlice, length: Int, isZeroed: Bool = false
    ) -> (entry: Entry, bytes: UnsafeMutableRawBufferPointer) {
        if Self.liesInline(length, key: key) {
            let entry = makeEntry(.string, .raw, key: key, deadline: nil, payload: Entry.inlineSize(length))
            let bytes = unsafe UnsafeMutableRawBufferPointer(start: entry.setInlineLength(length), count: length)
            if isZeroed { unsafe memset(bytes.baseAddress!, 0, length) }
            return unsafe (entry, bytes)
        }
        let block = unsafe database.allocator.allocateLarge(length, isZeroed: isZeroed)
        let entry = makeEntry(.string, .external, key: key, deadline: nil, payload: 16)
        unsafe entry.external = (block, length)
        return unsafe (entry, UnsafeMutableRawBufferPointer(start: block, count: length))
    }

    /// Shortens a raw string to its first `length` bytes.
    func shortenString(_ slot: Slot, to length: Int) {
        let before = stringLength(entry(slot))
        // What is cut off may be written over later, as if there were nothing.
        database.willChangeBytes(slot, min(length, before)..<before)
        let entry = entry(slot)
        precondition(length <= before, "a string is not lengthened by shortening")
        database.sizeChanged(.string, from: before, to: length)
        switch entry.encoding {
        case .external:
            let (block, _) = unsafe entry.external
            unsafe entry.external = (block, length)
        case .embedded, .raw:
            // The length prefix may become shorter, so the bytes move to the front.
            let bytes = entry.inlineBytes
            unsafe memmove(entry.setInlineLength(length), bytes.rawBytes.baseAddress!, length)
        default: preconditionFailure("a number is not shortened")
        }
    }

    /// Replaces the value of the key by a raw string of `length` bytes, at least one, that `write` fills. The key loses its deadline.
    ///
    /// The old value exists while `write` runs, so that the new one can be computed from it. The block of a long string may be reused, and
    /// then `write` gets the old bytes: it must not read a byte after it has written it.
    func replaceString(
        _ key: ByteSlice, slot: Slot?, length: Int, _ write: (UnsafeMutableRawBufferPointer) -> Void
    ) {
        if let slot, let block = unsafe reusableBlock(slot, length: length) {
            database.willChangeBytes(slot, 0..<stringLength(entry(slot)))
            unsafe write(UnsafeMutableRawBufferPointer(start: block, count: length))
            database.sizeChanged(.string, from: stringLength(entry(slot)), to: length)
            unsafe entry(slot).external = (block, length)
            if database.hasDeadline(slot) { database.setDeadline(slot, nil) }
            return
        }
        let (entry, bytes) = unsafe makeRawString(key, length: length)
        unsafe write(bytes)
        store(entry, key: key, replacing: slot)
    }

    /// The block of a long string, if it has room for `length` bytes and is not much too large.
    func reusableBlock(_ slot: Slot, length: Int) -> UnsafeMutableRawPointer? {
        let entry = entry(slot)
        guard entry.encoding == .external, !Self.liesInline(length, key: entry.key) else { return nil }
        let (block, _) = unsafe entry.external
        if unsafe database.allocator.isPinned(block) { return nil }
        let capacity = unsafe database.allocator.capacity(of: block)
        return unsafe capacity >= length && capacity / 2 <= length ? block : nil
    }
}
