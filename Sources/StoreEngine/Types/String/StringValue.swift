// Strings: how they are stored, read and changed in their entries.
//
// Text that is the canonical form of a 64-bit integer is stored as the integer. Other strings are in the entry, or, above some 16 KiB, in
// a block of their own, which grows with spare room.

import Glibc
import RespCodec

extension KeyspaceContext {
    /// The largest string with its key that is stored in the entry.
    private static var largestInline: Int { SlabAllocator.largestSmall - 1024 }

    /// Whether a string of `length` bytes is stored in the entry of its key.
    static func liesInline(_ length: Int, key: ByteSlice) -> Bool { length + key.count <= largestInline }

    /// Calls `body` with the string's bytes.
    func withString<Result>(_ entry: Entry, _ body: (ByteSlice) -> Result) -> Result {
        switch entry.encoding {
        case .integer: return Decimal.withText(entry.integer, body)
        case .external:
            let (block, length) = unsafe entry.external
            return unsafe body(ByteSlice(start: block, count: length))
        default: return body(entry.inlineBytes)
        }
    }

    /// Writes the string as a reply.
    /// - Parameter isStable: whether the command leaves the string as it is.
    @inline(__always)
    func replyString(_ entry: Entry, isStable: Bool = false) {
        switch entry.encoding {
        case .embedded, .raw: reply.bulkString(entry.inlineBytes)
        default:
            withString(entry) { bytes in
                guard isStable else { return reply.bulkString(bytes) }
                unsafe reply.bulkString(stable: bytes, of: entry.externalBlock)
            }
        }
    }

    func stringLength(_ entry: Entry) -> Int { entry.stringLength }

    /// Sets the key to a string, replacing whatever it held.
    /// - Parameters:
    ///   - deadline: when the key expires; nil for no deadline.
    ///   - keepsText: whether the bytes are stored as text even if they spell an integer.
    @inline(__always)
    func setString(_ key: ByteSlice, _ value: ByteSlice, slot: Slot?, deadline: Int64?, keepsText: Bool = false) {
        if !keepsText && value.count <= Decimal.maximumLength, let integer = Decimal.parse(value) {
            return setInteger(key, integer, slot: slot, deadline: deadline)
        }
        guard Self.liesInline(value.count, key: key) else {
            return store(makeExternal(key, value, deadline: deadline), key: key, replacing: slot)
        }
        let payload = Entry.inlineSize(value.count)
        if let slot {
            // A string that fits the block of the old one overwrites it.
            let old = entry(slot)
            let offset = old.payloadOffset
            let room = database.blockSize(of: old) - offset
            if old.hasDeadline == (deadline != nil) && database.hasDeadline(slot) == (deadline != nil)
                && payload <= room
                && room &- payload < 8 && (old.isKind(.string, .embedded) || old.isKind(.string, .raw))
            {
                database.willChange(slot)
                database.sizeChanged(.string, from: old.inlineLength(at: offset), to: value.count)
                unsafe old.setKind(.string, .embedded)
                unsafe _ = memcpy(
                    old.setInlineLength(value.count, at: offset), value.rawBytes.baseAddress!, value.count)
                if let deadline { database.setDeadline(slot, deadline) }
                return
            }
        }
        store(
            makeEmbedded(key, value, payload: payload, deadline: deadline), key: key, replacing: slot,
            stringLength: value.count)
    }

    @inline(__always)
    private func makeEmbedded(_ key: ByteSlice, _ value: ByteSlice, payload: Int, deadline: Int64?) -> Entry {
        let entry = makeEntry(.string, .embedded, key: key, deadline: deadline, payload: payload)
        unsafe _ = memcpy(entry.setInlineLength(value.count), value.rawBytes.baseAddress!, value.count)
        return entry
    }

    /// A string as a new entry, not in the table.
    func makeString(_ key: ByteSlice, _ value: ByteSlice, deadline: Int64?) -> Entry {
        if value.count <= Decimal.maximumLength, let integer = Decimal.parse(value) {
            return makeInteger(key, integer, deadline: deadline)
        }
        guard Self.liesInline(value.count, key: key) else {
            return makeExternal(key, value, deadline: deadline)
        }
        return makeEmbedded(key, value, payload: Entry.inlineSize(value.count), deadline: deadline)
    }

    func setInteger(_ key: ByteSlice, _ value: Int, slot: Slot?, deadline: Int64?) {
        if let slot, entry(slot).encoding == .integer, database.hasDeadline(slot) == (deadline != nil) {
            database.willChange(slot)
            let entry = entry(slot)
            let old = entry.integer
            entry.integer = value
            database.numberChanged(from: old, to: value)
            if let deadline { database.setDeadline(slot, deadline) }
            return
        }
        store(makeInteger(key, value, deadline: deadline), key: key, replacing: slot)
    }

    @inline(__always)
    private func makeInteger(_ key: ByteSlice, _ value: Int, deadline: Int64?) -> Entry {
        let entry = makeEntry(.string, .integer, key: key, deadline: deadline, payload: 8)
        entry.integer = value
        return entry
    }

    private func makeExternal(_ key: ByteSlice, _ value: ByteSlice, deadline: Int64?) -> Entry {
        let block: UnsafeMutableRawPointer
        // What is to be a run of pages is not taken over.
        if !database.allocator.usesRun(for: value.count),
            let adopted = unsafe adoptable?.adopt(value, by: database.allocator)
        {
            unsafe block = adopted
        } else {
            unsafe block = database.allocator.allocateLarge(value.count)
            unsafe block.copyMemory(from: value.rawBytes.baseAddress!, byteCount: value.count)
        }
        let entry = makeEntry(.string, .external, key: key, deadline: deadline, payload: 16)
        unsafe entry.external = (block, value.count)
        return entry
    }

    /// Extends the string with zeros to `length` bytes, and writes `bytes` at `offset`. The key keeps its deadline.
    func overwriteString(_ slot: Slot, length: Int, offset: Int, with bytes: ByteSlice) {
        database.willChangeBytes(slot, offset..<offset + bytes.count)
        let entry = entry(slot)
        let before = stringLength(entry)
        if entry.encoding == .external || !Self.liesInline(length, key: entry.key) {
            growExternal(slot, to: length)
            let (block, _) = unsafe self.entry(slot).external
            if length > before { unsafe memset(block + before, 0, length - before) }
            unsafe memmove(block + offset, bytes.rawBytes.baseAddress!, bytes.count)
            return
        }
        var text = entry.encoding == .integer ? Decimal.text(entry.integer) : []
        let payload = Entry.inlineSize(length)
        var target = entry
        if database.payloadCapacity(entry) < payload {
            target = database.resizePayload(slot, to: payload, keeping: entry.payloadSize)
        }
        let wasInteger = target.encoding == .integer
        database.sizeChanged(.string, from: before, to: length)
        // The length prefix may become longer, so the old bytes are moved first.
        let source = wasInteger ? ByteSlice.empty : target.inlineBytes
        unsafe target.setEncoding(.raw)
        let place: UnsafeMutableRawPointer
        if wasInteger {
            unsafe place = target.setInlineLength(length)
            unsafe text.withUnsafeMutableBytes { unsafe place.copyMemory(from: $0.baseAddress!, byteCount: before) }
        } else {
            let start = unsafe target.payload + (Entry.inlineSize(length) - length)
            if unsafe start != source.rawBytes.baseAddress! {
                unsafe memmove(start, source.rawBytes.baseAddress!, before)
            }
            unsafe place = target.setInlineLength(length)
        }
        if length > before { unsafe memset(place + before, 0, length - before) }
        unsafe memmove(place + offset, bytes.rawBytes.baseAddress!, bytes.count)
    }

    /// Moves the string to a block of its own with room for `length` bytes, and sets its length.
    private func growExternal(_ slot: Slot, to length: Int) {
        let entry = entry(slot)
        if entry.encoding == .external {
            let (block, old) = unsafe entry.external
            database.sizeChanged(.string, from: old, to: length)
            let capacity = unsafe database.allocator.capacity(of: block)
            if capacity < length {
                // Twice the room up to a mebibyte, then one mebibyte more, then a sixteenth: appending stays linear, even where the
                // system has to copy what it moves.
                let roomy = max(length, capacity + min(capacity, max(1 << 20, capacity / 16)))
                let moved = unsafe database.allocator.reallocate(block, size: roomy, keeping: old)
                if unsafe moved != block { unsafe database.allocator.snapshot?.hasMoved(bytesFrom: block, to: moved) }
                unsafe entry.external = (moved, length)
            } else {
                unsafe entry.external = (block, length)
            }
            return
        }
        let block = unsafe database.allocator.allocateLarge(length)
        withString(entry) { unsafe block.copyMemory(from: $0.rawBytes.baseAddress!, byteCount: $0.count) }
        let key = entry.key.array
        key.withByteSlice { key in
            let moved = makeEntry(.string, .external, key: key, deadline: database.deadline(slot), payload: 16)
            unsafe moved.external = (block, length)
            store(moved, key: key, replacing: slot)
        }
    }
}

extension Entry {
    /// The block of its own that a long string has.
    var externalBlock: UnsafeRawPointer? { unsafe encoding == .external ? UnsafeRawPointer(external.block) : nil }

    /// How many bytes a string has.
    @inline(__always) var stringLength: Int {
        switch encoding {
        case .integer: Decimal.length(of: integer)
        case .external: unsafe external.length
        default: inlineBytes.count
        }
    }
}
