// A short sequence of strings and integers in one block.
//
//     head | element | element | ...
//     element:  encoding and data | length of that, readable backwards (1 to 5 bytes, 7 bits each): not in a forward list
//
//     head of a listpack:       total bytes (4) | element count (2)       and behind the last element 0xFF
//     head of a compact list:   bytes of the elements (1) | element count (1)       below 255 bytes
//                               0xFF | bytes of the elements (4) | element count (2)
//
// Strings that are the canonical text of a 64-bit integer are stored as integers. There are three forms:
//
//   - A listpack is the format of RDB files and of the Redis documentation. The nodes of large lists and of streams are in it, so that
//     saving one is a copy of its block.
//   - A two-way list is a listpack with a compact head, five bytes smaller: a small list, in the block of its key.
//   - A forward list has a compact head and leaves out the lengths that make it readable backwards, a byte for each element: small hashes,
//     sets and sorted sets, in the blocks of their keys.
//
// The latter two become listpacks when they are saved: see `Listpack+Converting.swift`.
//
// An element is identified by its offset from the first one. The owner of the block makes it large enough before elements are added, and
// the head of a compact list long enough (`withLongHead`). A list trusts its bytes: those from outside must pass `examine` first, and
// offsets must be those of elements.
//
// Invariants: the bytes are those up to the end of the last element; the count is exact, or 65535 if there are more than it can say: then
// elements are counted. In a short head it can say all: an element takes a byte.
//
// Source: the listpack specification (antirez/listpack, listpack.md).

import Glibc
import RespCodec

/// Which form a list has.
protocol PackedForm {
    /// Whether an element is followed by its length.
    static var isReadableBackwards: Bool { get }
    /// Whether the head takes no more bytes than it has to; else it is that of files.
    static var isCompact: Bool { get }
}

protocol ReadableBackwards: PackedForm {}

extension ReadableBackwards {
    @inline(__always) static var isReadableBackwards: Bool { true }
}

enum SavedForm: ReadableBackwards {
    @inline(__always) static var isCompact: Bool { false }
}

enum BothWays: ReadableBackwards {
    @inline(__always) static var isCompact: Bool { true }
}

enum ForwardOnly: PackedForm {
    @inline(__always) static var isReadableBackwards: Bool { false }
    @inline(__always) static var isCompact: Bool { true }
}

typealias Listpack = PackedElements<SavedForm>
typealias TwoWayList = PackedElements<BothWays>
typealias ForwardList = PackedElements<ForwardOnly>

@safe struct PackedElements<Form: PackedForm> {
    /// The largest size of a list: the format counts its bytes in 32 bits.
    static var maximumSize: Int { 1 << 30 }

    private static var savedHeadSize: Int { 6 }
    private static var shortHeadSize: Int { 2 }
    private static var longHeadSize: Int { 7 }
    /// In the first byte of a compact list: its head is a long one.
    private static var longMark: UInt8 { 0xFF }

    /// Bytes of a list whose elements take `length` bytes.
    static func size(ofElements length: Int) -> Int {
        guard Form.isCompact else { return savedHeadSize + length + 1 }
        return (length < Int(longMark) ? shortHeadSize : longHeadSize) + length
    }

    /// Bytes of a list of no elements.
    static var emptySize: Int { size(ofElements: 0) }

    /// Bytes that an element takes.
    @inline(__always) static func length(of value: PackedValue) -> Int {
        Form.isReadableBackwards ? value.encodedLength : value.dataLength
    }

    /// Whether up to three elements with `length` bytes of text in total may be added.
    @inline(__always) func mayTake(_ length: Int) -> Bool { end &+ length &+ 64 <= Self.maximumSize }

    let base: UnsafeMutableRawPointer
    /// The first element, from where offsets count.
    let body: UnsafeMutableRawPointer

    @unsafe @inline(__always) init(_ base: UnsafeMutableRawPointer) {
        unsafe self.base = base
        guard Form.isCompact else {
            unsafe body = base + Self.savedHeadSize
            return
        }
        let isLong = unsafe base.load(as: UInt8.self) == Self.longMark
        unsafe body = base + (isLong ? Self.longHeadSize : Self.shortHeadSize)
    }

    /// Bytes that are a listpack, which must not be changed. They are trusted: see `examine`.
    @unsafe init(lookingAt bytes: ByteSlice) {
        unsafe self.init(UnsafeMutableRawPointer(mutating: bytes.rawBytes.baseAddress!))
    }

    /// Writes an empty list at `base`, which has room for `emptySize` bytes.
    /// - Parameter length: how many bytes of elements its head must be able to say.
    @unsafe static func makeEmpty(at base: UnsafeMutableRawPointer, forElements length: Int = 0) -> PackedElements {
        if Form.isCompact { unsafe base.storeBytes(of: length < Int(longMark) ? 0 : longMark, as: UInt8.self) }
        let list = unsafe PackedElements(base)
        list.end = 0
        list.storedCount = 0
        return list
    }

    // MARK: the head

    /// Whether it is a compact list with a short head.
    @inline(__always) private var isShort: Bool {
        Form.isCompact ? unsafe body == base + Self.shortHeadSize : false
    }

    /// Offset of the first element; equal to `end` when there is none.
    @inline(__always) var first: Int { 0 }

    /// Offset after the last element.
    @inline(__always) var end: Int {
        get {
            guard Form.isCompact else { return unsafe Int(base.loadUnaligned(as: UInt32.self)) &- Self.emptySize }
            if isShort { return unsafe Int(base.load(as: UInt8.self)) }
            return unsafe Int(base.loadUnaligned(fromByteOffset: 1, as: UInt32.self))
        }
        nonmutating set {
            setEnd(newValue)
            if !Form.isCompact { unsafe body.storeBytes(of: 0xFF, toByteOffset: newValue, as: UInt8.self) }
        }
    }

    /// Sets where the elements end, where the byte that marks the end of a listpack is already.
    @inline(__always) func setEnd(_ end: Int) {
        assert(end >= 0, "a list is smaller than an empty one")
        if !Form.isCompact {
            unsafe base.storeBytes(of: UInt32(end &+ Self.emptySize), as: UInt32.self)
        } else if isShort {
            precondition(end < Int(Self.longMark), "a list is too long for its head")
            unsafe base.storeBytes(of: UInt8(truncatingIfNeeded: end), as: UInt8.self)
        } else {
            unsafe base.storeBytes(of: UInt32(end), toByteOffset: 1, as: UInt32.self)
        }
    }

    /// Bytes of the whole list.
    @inline(__always) var byteCount: Int {
        unsafe (body - base) &+ end &+ (Form.isCompact ? 0 : 1)
    }

    /// The bytes of the list.
    var bytes: ByteSlice { unsafe ByteSlice(start: base, count: byteCount) }

    /// The count in the head: 65535 for "count them".
    @inline(__always) var storedCount: Int {
        get {
            if isShort { return unsafe Int(base.load(fromByteOffset: 1, as: UInt8.self)) }
            return unsafe Int(base.loadUnaligned(fromByteOffset: Form.isCompact ? 5 : 4, as: UInt16.self))
        }
        nonmutating set {
            if isShort { return unsafe base.storeBytes(of: UInt8(newValue), toByteOffset: 1, as: UInt8.self) }
            unsafe base.storeBytes(
                of: UInt16(min(newValue, 65535)), toByteOffset: Form.isCompact ? 5 : 4, as: UInt16.self)
        }
    }

    /// Counts elements that were added, or removed if less than 0.
    @inline(__always) private func countChanged(by change: Int) {
        let stored = storedCount
        if stored != 65535 { storedCount = stored &+ change }
    }

    /// How many elements there are.
    /// - Complexity: O(1), O(elements) for 65535 of them or more.
    @inline(__always) var count: Int {
        let stored = storedCount
        return stored == 65535 ? counted : stored
    }

    private var counted: Int {
        var count = 0
        var offset = first
        while offset < end {
            count += 1
            offset = next(after: offset)
        }
        return count
    }

    /// Whether the head can say that there are `more` more bytes.
    @inline(__always) func headAllows(_ more: Int) -> Bool { !isShort || end &+ more < Int(Self.longMark) }

    /// Bytes of the whole list with a head that can say that there are `more` more bytes of elements, and with these.
    @inline(__always) func byteCount(with more: Int) -> Int {
        unsafe end &+ more &+ (headAllows(more) ? body - base : Self.longHeadSize)
    }

    /// The list with a long head. The memory must have room for it.
    func withLongHead() -> PackedElements {
        guard isShort else { return self }
        let (end, count) = (end, storedCount)
        unsafe memmove(base + Self.longHeadSize, body, end)
        unsafe base.storeBytes(of: Self.longMark, as: UInt8.self)
        let list = unsafe PackedElements(base)
        list.end = end
        list.storedCount = count
        return list
    }

    /// The list with a short head if that suffices.
    func withShortestHead() -> PackedElements {
        let (end, count) = (end, storedCount)
        guard Form.isCompact && !isShort && end < Int(Self.longMark) else { return self }
        unsafe memmove(base + Self.shortHeadSize, body, end)
        unsafe base.storeBytes(of: 0, as: UInt8.self)
        let list = unsafe PackedElements(base)
        list.end = end
        list.storedCount = count
        return list
    }

    // MARK: reading

    /// The byte at `offset`, which must lie before the end: a debug build stops where it does not. So it does wherever an offset is none of
    /// the list.
    @inline(__always) func byte(_ offset: Int) -> Int {
        assert(offset >= 0 && offset < end, "an offset outside of its list")
        return unsafe Int(body.load(fromByteOffset: offset, as: UInt8.self))
    }

    /// Bytes of the length that follows an element, whose encoding and data take `length` bytes.
    static func backLength(_ length: Int) -> Int {
        guard Form.isReadableBackwards else { return 0 }
        if length < 128 { return 1 }
        if length < 16384 { return 2 }
        if length < 2_097_152 { return 3 }
        if length < 268_435_456 { return 4 }
        return 5
    }

    /// Bytes of the encoding and the data of the element at `offset`.
    func dataLength(at offset: Int) -> Int {
        let type = byte(offset)
        if type & 0x80 == 0 { return 1 }
        if type & 0xC0 == 0x80 { return 1 + (type & 0x3F) }
        if type & 0xE0 == 0xC0 { return 2 }
        if type & 0xF0 == 0xE0 { return 2 + ((type & 0x0F) << 8 | byte(offset + 1)) }
        switch type {
        case 0xF0: return unsafe 5 + Int(body.loadUnaligned(fromByteOffset: offset + 1, as: UInt32.self))
        case 0xF1: return 3
        case 0xF2: return 4
        case 0xF3: return 5
        case 0xF4: return 9
        default: preconditionFailure("a listpack holds an unknown encoding")
        }
    }

    /// Offset of the element after the one at `offset`.
    @inline(__always)
    func next(after offset: Int) -> Int {
        let type = byte(offset)
        // The usual cases: a small integer, a short string, a small integer again.
        let rest = Form.isReadableBackwards ? 2 : 1
        if type & 0x80 == 0 { return offset &+ rest }
        if type & 0xC0 == 0x80 { return offset &+ rest &+ (type & 0x3F) }
        if type & 0xE0 == 0xC0 { return offset &+ rest &+ 1 }
        return nextAfterLonger(offset)
    }

    private func nextAfterLonger(_ offset: Int) -> Int {
        let length = dataLength(at: offset)
        return offset + length + Self.backLength(length)
    }

    @inline(__always)
    subscript(offset: Int) -> PackedElement {
        let type = byte(offset)
        if type & 0xC0 == 0x80 { return .bytes(slice(offset &+ 1, type & 0x3F)) }
        if type & 0x80 == 0 { return .integer(type) }
        return longerElement(at: offset)
    }

    private func longerElement(at offset: Int) -> PackedElement {
        let type = byte(offset)
        if type & 0xE0 == 0xC0 { return .integer(smallInteger(at: offset)) }
        if type & 0xF0 == 0xE0 { return .bytes(slice(offset + 2, (type & 0x0F) << 8 | byte(offset + 1))) }
        switch type {
        case 0xF0: return .bytes(slice(offset + 5, dataLength(at: offset) - 5))
        case 0xF1: return unsafe .integer(Int(body.loadUnaligned(fromByteOffset: offset + 1, as: Int16.self)))
        case 0xF2:
            let value = byte(offset + 1) | byte(offset + 2) << 8 | byte(offset + 3) << 16
            return .integer(value > 8_388_607 ? value - 16_777_216 : value)
        case 0xF3: return unsafe .integer(Int(body.loadUnaligned(fromByteOffset: offset + 1, as: Int32.self)))
        default: return unsafe .integer(Int(body.loadUnaligned(fromByteOffset: offset + 1, as: Int64.self)))
        }
    }

    /// The integer at `offset`, which holds one.
    @inline(__always)
    func integer(at offset: Int) -> Int {
        let type = byte(offset)
        if type & 0x80 == 0 { return type }
        guard let value = self[offset].integer else { preconditionFailure("a listpack holds no integer here") }
        return value
    }

    /// The integer of 13 bits at `offset`.
    @inline(__always)
    private func smallInteger(at offset: Int) -> Int {
        let value = (byte(offset) & 0x1F) &<< 8 | byte(offset &+ 1)
        return value > 4095 ? value &- 8192 : value
    }

    @inline(__always) private func slice(_ offset: Int, _ count: Int) -> ByteSlice {
        unsafe ByteSlice(start: body + offset, count: count)
    }

    /// Whether the element at `offset` is `value`.
    func matches(_ value: PackedValue, at offset: Int) -> Bool {
        let type = byte(offset)
        if type & 0xC0 == 0x80 {
            // The usual case: a short string.
            let length = type & 0x3F
            guard length == value.bytes.count && value.integer == nil else { return false }
            return unsafe sameBytes(body + offset + 1, value.bytes.rawBytes.baseAddress!, count: length)
        }
        switch self[offset] {
        case .integer(let integer): return value.integer == integer
        case .bytes(let bytes): return value.integer == nil && bytes == value.bytes
        }
    }

    /// Offset of the first of every `stride` elements that is `value`; the list holds a multiple of `stride`.
    /// - Complexity: O(elements).
    func find(_ value: PackedValue, stride: Int = 1) -> Int? {
        let end = end
        var offset = first
        // To compare with small integers and short strings; neither `Int.min` nor -1 matches any of these.
        let integer = value.integer ?? Int.min
        let length = value.integer == nil ? value.bytes.count : -1
        let text = unsafe value.bytes.rawBytes.baseAddress!
        while offset < end {
            let type = byte(offset)
            if type & 0x80 == 0 {
                if type == integer { return offset }
            } else if type & 0xC0 == 0x80 {
                if unsafe type & 0x3F == length && sameBytes(body + offset + 1, text, count: length) { return offset }
            } else if type & 0xE0 == 0xC0 {
                if smallInteger(at: offset) == integer { return offset }
            } else if matches(value, at: offset) {
                return offset
            }
            for _ in 0..<stride { offset = next(after: offset) }
        }
        return nil
    }

    // MARK: changing

    /// Adds `value` after the last element. The memory must have room for it.
    @inline(__always)
    func append(_ value: PackedValue) {
        let start = end
        end = start &+ write(value, at: start)
        countChanged(by: 1)
    }

    /// Inserts `value` before the element at `offset`, which may be `end`. The memory must have room for it.
    /// - Complexity: O(bytes after it).
    func insert(_ value: PackedValue, at offset: Int) {
        let end = end
        let length = Self.length(of: value)
        unsafe memmove(body + offset + length, body + offset, end - offset)
        _ = write(value, at: offset)
        self.end = end + length
        countChanged(by: 1)
    }

    /// Replaces the element at `offset` by `value`. The memory must have room for the change.
    /// - Complexity: O(bytes after it).
    func replace(at offset: Int, with value: PackedValue) {
        let after = next(after: offset)
        let difference = Self.length(of: value) - (after - offset)
        if difference != 0 {
            let end = end
            unsafe memmove(body + after + difference, body + after, end - after)
            self.end = end + difference
        }
        _ = write(value, at: offset)
    }

    /// Removes `removed` elements from the one at `offset` on.
    func remove(at offset: Int, count removed: Int) {
        var after = offset
        for _ in 0..<removed { after = next(after: after) }
        let end = end
        let count = count
        unsafe memmove(body + offset, body + after, end - after)
        self.end = end - (after - offset)
        storedCount = count - removed
    }

    /// Removes the elements for which `body` returns true; it gets them in order. An element is valid during its call.
    /// - Complexity: O(bytes).
    func removeAll(where isRemoved: (PackedElement) -> Bool) {
        let end = end
        var offset = first
        var kept = offset
        var count = 0
        while offset < end {
            let next = next(after: offset)
            if !isRemoved(self[offset]) {
                if kept != offset { unsafe memmove(body + kept, body + offset, next - offset) }
                kept += next - offset
                count += 1
            }
            offset = next
        }
        self.end = kept
        storedCount = count
    }

    /// Inserts `value` after every `stride` elements, of which the list holds a multiple. The memory must have room for it.
    /// - Complexity: O(bytes).
    func insert(_ value: PackedValue, behindEvery stride: Int) {
        let old = count
        unsafe withUnsafeTemporaryAllocation(byteCount: byteCount, alignment: 8) { buffer in
            unsafe memcpy(buffer.baseAddress!, base, byteCount)
            let source = unsafe PackedElements(buffer.baseAddress!)
            var start = source.first
            var target = first
            while start < source.end {
                var end = start
                for _ in 0..<stride { end = source.next(after: end) }
                unsafe memcpy(body + target, source.body + start, end - start)
                target += end - start
                target += write(value, at: target)
                start = end
            }
            end = target
        }
        storedCount = old + old / stride
    }

    /// Moves the elements in `range`, given by offsets, to before the element at `target`, which lies outside of them and may be `end`.
    func move(_ range: Range<Int>, to target: Int) {
        let length = range.count
        unsafe withUnsafeTemporaryAllocation(byteCount: length, alignment: 1) { moved in
            guard let copy = moved.baseAddress else { return }
            unsafe memcpy(copy, body + range.lowerBound, length)
            if target < range.lowerBound {
                unsafe memmove(body + target + length, body + target, range.lowerBound - target)
                unsafe memcpy(body + target, copy, length)
            } else {
                unsafe memmove(body + range.lowerBound, body + range.upperBound, target - range.upperBound)
                unsafe memcpy(body + target - length, copy, length)
            }
        }
    }

    /// Makes `added` elements that were written from `end` on part of the list: the last of them ends before `newEnd`.
    func take(_ added: Int, upTo newEnd: Int) {
        end = newEnd
        countChanged(by: added)
    }

    /// Writes an element at `offset` and returns its length. Written from `end` on, it becomes part of the list only by `take`.
    @inline(__always)
    func write(_ value: PackedValue, at offset: Int) -> Int {
        guard value.isShortString else { return writeLonger(value, at: offset) }
        let count = value.bytes.count
        let target = unsafe body + offset
        unsafe target.storeBytes(of: 0x80 | UInt8(truncatingIfNeeded: count), as: UInt8.self)
        unsafe value.bytes.copyShort(to: target + 1)
        guard Form.isReadableBackwards else { return count &+ 1 }
        unsafe target.storeBytes(
            of: UInt8(truncatingIfNeeded: count &+ 1), toByteOffset: count &+ 1, as: UInt8.self)
        return count &+ 2
    }

    private func writeLonger(_ value: PackedValue, at offset: Int) -> Int {
        let target = unsafe (body + offset).assumingMemoryBound(to: UInt8.self)
        let length = value.dataLength
        if let integer = value.integer {
            let bits = UInt64(bitPattern: Int64(integer))
            switch length {
            case 1:
                unsafe target[0] = UInt8(truncatingIfNeeded: bits)
            case 2:
                unsafe target[0] = 0xC0 | UInt8(truncatingIfNeeded: bits >> 8) & 0x1F
                unsafe target[1] = UInt8(truncatingIfNeeded: bits)
            default:
                unsafe target[0] = length == 9 ? 0xF4 : 0xF1 + UInt8(length - 3)
                for index in 1..<length {
                    unsafe target[index] = UInt8(truncatingIfNeeded: bits >> UInt64(8 * (index - 1)))
                }
            }
        } else {
            let count = value.bytes.count
            let dataStart = length - count
            switch dataStart {
            case 1:
                unsafe target[0] = 0x80 | UInt8(count)
            case 2:
                unsafe target[0] = 0xE0 | UInt8(count >> 8)
                unsafe target[1] = UInt8(truncatingIfNeeded: count)
            default:
                unsafe target[0] = 0xF0
                unsafe UnsafeMutableRawPointer(target + 1).storeBytes(of: UInt32(count), as: UInt32.self)
            }
            unsafe memcpy(target + dataStart, value.bytes.rawBytes.baseAddress!, count)
        }
        return unsafe length + Self.writeBackLength(length, to: target + length)
    }

    /// Writes the length that follows an element, and returns how many bytes it took: 7 bits in each, the highest first, with the top bit
    /// set in all but the first byte.
    @unsafe static func writeBackLength(_ length: Int, to target: UnsafeMutablePointer<UInt8>) -> Int {
        let back = backLength(length)
        for index in 0..<back {
            let part = UInt8(truncatingIfNeeded: length >> (7 * (back - 1 - index))) & 0x7F
            unsafe target[index] = part | (index == 0 ? 0 : 0x80)
        }
        return back
    }
}
