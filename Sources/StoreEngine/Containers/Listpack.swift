// A short sequence of strings and integers in one block, in two forms: a listpack, and a forward
// list, which leaves out the lengths that make it readable backwards. Hashes, which are only read forwards, save a byte for each element
// by it.
//
//     total bytes (4) | element count (2) | element | element | ... | 0xFF
//     element:  encoding and data | length of that, readable backwards (1 to 5 bytes, 7 bits each): not in a forward list
//
// Strings that are the canonical text of a 64-bit integer are stored as integers. The format is the one of RDB files and of the
// Redis documentation, so that saving a small collection is a copy of its block.
//
// An element is identified by its offset. The owner of the block makes it large enough before elements are added. A list trusts its
// bytes: those from outside must pass `examine` first, and offsets must be those of elements.
//
// Invariants: the total is the offset after the 0xFF; the count is exact, or 65535 if there are more than it can say: then
// elements are counted.
//
// Source: the listpack specification (antirez/listpack, listpack.md).

import Glibc
import RespCodec

/// Which form a list has.
protocol PackedForm {
    /// Whether an element is followed by its length.
    static var isReadableBackwards: Bool { get }
}

enum BothWays: PackedForm {
    @inline(__always) static var isReadableBackwards: Bool { true }
}

enum ForwardOnly: PackedForm {
    @inline(__always) static var isReadableBackwards: Bool { false }
}

typealias Listpack = PackedElements<BothWays>
typealias ForwardList = PackedElements<ForwardOnly>

@safe struct PackedElements<Form: PackedForm> {
    static var headerSize: Int { 6 }
    /// Bytes of a list of no elements.
    static var emptySize: Int { 7 }
    /// The largest size of a list: the format counts its bytes in 32 bits.
    static var maximumSize: Int { 1 << 30 }

    /// Bytes that an element takes.
    @inline(__always) static func length(of value: PackedValue) -> Int {
        Form.isReadableBackwards ? value.encodedLength : value.dataLength
    }

    /// Whether up to three elements with `length` bytes of text in total may be added.
    @inline(__always) func mayTake(_ length: Int) -> Bool { byteCount &+ length &+ 64 <= Self.maximumSize }

    let base: UnsafeMutableRawPointer

    @unsafe init(_ base: UnsafeMutableRawPointer) { unsafe self.base = base }

    /// Bytes that are a listpack, which must not be changed. They are trusted: see `examine`.
    @unsafe init(lookingAt bytes: ByteSlice) {
        unsafe base = UnsafeMutableRawPointer(mutating: bytes.rawBytes.baseAddress!)
    }

    /// Writes an empty list at `base`, which has room for `emptySize` bytes.
    @unsafe static func makeEmpty(at base: UnsafeMutableRawPointer) -> PackedElements {
        let list = unsafe PackedElements(base)
        list.byteCount = emptySize
        list.storedCount = 0
        unsafe base.storeBytes(of: 0xFF, toByteOffset: headerSize, as: UInt8.self)
        return list
    }

    /// Bytes of the whole list.
    var byteCount: Int {
        get { unsafe Int(base.loadUnaligned(as: UInt32.self)) }
        nonmutating set {
            assert(newValue >= Self.emptySize, "a list is smaller than an empty one")
            unsafe base.storeBytes(of: UInt32(newValue), as: UInt32.self)
        }
    }

    /// The bytes of the list.
    var bytes: ByteSlice { unsafe ByteSlice(start: base, count: byteCount) }

    /// The count in the head: 65535 for "count them".
    var storedCount: Int {
        get { unsafe Int(base.loadUnaligned(fromByteOffset: 4, as: UInt16.self)) }
        nonmutating set { unsafe base.storeBytes(of: UInt16(min(newValue, 65535)), toByteOffset: 4, as: UInt16.self) }
    }

    /// How many elements there are.
    /// - Complexity: O(1), O(elements) for 65535 of them or more.
    var count: Int {
        let stored = storedCount
        guard stored == 65535 else { return stored }
        var count = 0
        var offset = first
        while offset < end {
            count += 1
            offset = next(after: offset)
        }
        return count
    }

    /// Offset of the first element; equal to `end` when there is none.
    var first: Int { Self.headerSize }
    /// Offset after the last element.
    var end: Int { byteCount - 1 }

    /// The byte at `offset`, which must lie behind the head and before the end: a debug build stops where it does not. So it does wherever
    /// an offset is none of the list.
    @inline(__always) func byte(_ offset: Int) -> Int {
        assert(offset >= Self.headerSize && offset < byteCount, "an offset outside of its list")
        return unsafe Int(base.load(fromByteOffset: offset, as: UInt8.self))
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
        case 0xF0: return unsafe 5 + Int(base.loadUnaligned(fromByteOffset: offset + 1, as: UInt32.self))
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
        case 0xF1: return unsafe .integer(Int(base.loadUnaligned(fromByteOffset: offset + 1, as: Int16.self)))
        case 0xF2:
            let value = byte(offset + 1) | byte(offset + 2) << 8 | byte(offset + 3) << 16
            return .integer(value > 8_388_607 ? value - 16_777_216 : value)
        case 0xF3: return unsafe .integer(Int(base.loadUnaligned(fromByteOffset: offset + 1, as: Int32.self)))
        default: return unsafe .integer(Int(base.loadUnaligned(fromByteOffset: offset + 1, as: Int64.self)))
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
        unsafe ByteSlice(start: base + offset, count: count)
    }

    /// Whether the element at `offset` is `value`.
    func matches(_ value: PackedValue, at offset: Int) -> Bool {
        let type = byte(offset)
        if type & 0xC0 == 0x80 {
            // The usual case: a short string.
            let length = type & 0x3F
            guard length == value.bytes.count && value.integer == nil else { return false }
            return unsafe sameBytes(base + offset + 1, value.bytes.rawBytes.baseAddress!, count: length)
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
                if unsafe type & 0x3F == length && sameBytes(base + offset + 1, text, count: length) { return offset }
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
        let length = write(value, at: start)
        unsafe base.storeBytes(of: 0xFF, toByteOffset: start + length, as: UInt8.self)
        byteCount = start + length + 1
        if storedCount != 65535 { storedCount += 1 }
    }

    /// Inserts `value` before the element at `offset`, which may be `end`. The memory must have room for it.
    /// - Complexity: O(bytes after it).
    func insert(_ value: PackedValue, at offset: Int) {
        let total = byteCount
        let length = Self.length(of: value)
        unsafe memmove(base + offset + length, base + offset, total - offset)
        _ = write(value, at: offset)
        byteCount = total + length
        if storedCount != 65535 { storedCount += 1 }
    }

    /// Replaces the element at `offset` by `value`. The memory must have room for the change.
    /// - Complexity: O(bytes after it).
    func replace(at offset: Int, with value: PackedValue) {
        let total = byteCount
        let after = next(after: offset)
        let difference = Self.length(of: value) - (after - offset)
        if difference != 0 { unsafe memmove(base + after + difference, base + after, total - after) }
        _ = write(value, at: offset)
        byteCount = total + difference
    }

    /// Removes `removed` elements from the one at `offset` on.
    func remove(at offset: Int, count removed: Int) {
        var after = offset
        for _ in 0..<removed { after = next(after: after) }
        let total = byteCount
        let count = count
        unsafe memmove(base + offset, base + after, total - after)
        byteCount = total - (after - offset)
        storedCount = count - removed
    }

    /// Removes the elements for which `body` returns true; it gets them in order. An element is valid during its call.
    /// - Complexity: O(bytes).
    func removeAll(where body: (PackedElement) -> Bool) {
        let end = end
        var offset = first
        var kept = offset
        var count = 0
        while offset < end {
            let next = next(after: offset)
            if !body(self[offset]) {
                if kept != offset { unsafe memmove(base + kept, base + offset, next - offset) }
                kept += next - offset
                count += 1
            }
            offset = next
        }
        unsafe base.storeBytes(of: 0xFF, toByteOffset: kept, as: UInt8.self)
        byteCount = kept + 1
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
                unsafe memcpy(base + target, source.base + start, end - start)
                target += end - start
                target += write(value, at: target)
                start = end
            }
            unsafe base.storeBytes(of: 0xFF, toByteOffset: target, as: UInt8.self)
            byteCount = target + 1
        }
        storedCount = old + old / stride
    }

    /// Moves the elements in `range`, given by offsets, to before the element at `target`, which lies outside of them and may be `end`.
    func move(_ range: Range<Int>, to target: Int) {
        let length = range.count
        unsafe withUnsafeTemporaryAllocation(byteCount: length, alignment: 1) { moved in
            guard let copy = moved.baseAddress else { return }
            unsafe memcpy(copy, base + range.lowerBound, length)
            if target < range.lowerBound {
                unsafe memmove(base + target + length, base + target, range.lowerBound - target)
                unsafe memcpy(base + target, copy, length)
            } else {
                unsafe memmove(base + range.lowerBound, base + range.upperBound, target - range.upperBound)
                unsafe memcpy(base + target - length, copy, length)
            }
        }
    }

    /// Makes `added` elements that were written from `end` on part of the list: the last of them ends before `newEnd`.
    func take(_ added: Int, upTo newEnd: Int) {
        unsafe base.storeBytes(of: 0xFF, toByteOffset: newEnd, as: UInt8.self)
        byteCount = newEnd + 1
        let count = storedCount
        if count != 65535 { storedCount = count + added }
    }

    /// Writes an element at `offset` and returns its length. Written from `end` on, it becomes part of the list only by `take`.
    @inline(__always)
    func write(_ value: PackedValue, at offset: Int) -> Int {
        guard value.isShortString else { return writeLonger(value, at: offset) }
        let count = value.bytes.count
        let target = unsafe base + offset
        unsafe target.storeBytes(of: 0x80 | UInt8(truncatingIfNeeded: count), as: UInt8.self)
        unsafe value.bytes.copyShort(to: target + 1)
        guard Form.isReadableBackwards else { return count &+ 1 }
        unsafe target.storeBytes(
            of: UInt8(truncatingIfNeeded: count &+ 1), toByteOffset: count &+ 1, as: UInt8.self)
        return count &+ 2
    }

    private func writeLonger(_ value: PackedValue, at offset: Int) -> Int {
        let target = unsafe (base + offset).assumingMemoryBound(to: UInt8.self)
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
