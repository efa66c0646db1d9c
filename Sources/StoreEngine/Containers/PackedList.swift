// A short sequence of strings and integers in one block, in two forms: a packed list, which is in the listpack format, and a forward
// list, which is the same without what makes it readable from behind. Where nobody goes backwards, as in hashes, that saves a byte for
// each element.
//
//     total bytes (4) | element count (2) | element | element | ... | 0xFF
//     element:  encoding and data | length of that, readable from behind (1 to 5 bytes, 7 bits each): not in a forward list
//
// Strings that are the canonical text of a 64-bit integer are stored as integers. The format is the one of RDB files and of the
// Redis documentation, so that saving a small collection is a copy of its block.
//
// Elements are named by their offset. The block's memory belongs to somebody else, who makes it large enough before elements
// are put in. Invariants: the total is the offset behind the 0xFF; the count is exact, or 65535 for "count them".
//
// Source: the listpack specification (antirez/listpack, listpack.md).

import Glibc
import RespCodec

/// One element of a packed list. Bytes are good until the list changes.
enum PackedElement {
    case integer(Int)
    case bytes(ByteSlice)

    /// The element as text.
    func withBytes<Result>(_ body: (ByteSlice) -> Result) -> Result {
        switch self {
        case .integer(let value): Decimal.withText(value, body)
        case .bytes(let bytes): body(bytes)
        }
    }

    /// The integer that the element is or spells.
    var integer: Int? {
        switch self {
        case .integer(let value): value
        case .bytes(let bytes): Decimal.parse(bytes)
        }
    }

    var byteCount: Int {
        switch self {
        case .integer(let value): Decimal.length(of: value)
        case .bytes(let bytes): bytes.count
        }
    }
}

/// What is looked for or put in: the bytes, and the integer they spell if they do.
struct PackedValue {
    let bytes: ByteSlice
    let integer: Int?

    @inline(__always)
    init(_ bytes: ByteSlice) {
        self.bytes = bytes
        // Most strings that are no integers do not even begin like one.
        let mayBeInteger = bytes.count > 0 && (bytes[0] &- UInt8(ascii: "0") <= 9 || bytes[0] == UInt8(ascii: "-"))
        integer = mayBeInteger ? Decimal.parse(bytes) : nil
    }

    /// An integer of which there is no text: good for all that a list does.
    init(integer: Int) {
        bytes = .empty
        self.integer = integer
    }

    /// Bytes of the encoding and the data, without the length behind.
    @inline(__always) fileprivate var dataLength: Int { isShortString ? bytes.count &+ 1 : longerDataLength }

    private var longerDataLength: Int {
        if let integer {
            if integer >= 0 && integer <= 127 { return 1 }
            if integer >= -4096 && integer <= 4095 { return 2 }
            if integer >= -32768 && integer <= 32767 { return 3 }
            if integer >= -8_388_608 && integer <= 8_388_607 { return 4 }
            if integer >= -2_147_483_648 && integer <= 2_147_483_647 { return 5 }
            return 9
        }
        if bytes.count < 64 { return 1 + bytes.count }
        if bytes.count < 4096 { return 2 + bytes.count }
        return 5 + bytes.count
    }

    /// Whether it becomes a string with one byte of length.
    @inline(__always) fileprivate var isShortString: Bool { integer == nil && bytes.count < 64 }

    /// Bytes of the whole element of a packed list.
    @inline(__always) var encodedLength: Int { isShortString ? bytes.count &+ 2 : longerEncodedLength }

    private var longerEncodedLength: Int { longerDataLength + PackedList.backLength(longerDataLength) }
}

/// Which form a list has.
protocol PackedForm {
    /// Whether an element's length stands behind it, too.
    static var isReadableBackwards: Bool { get }
}

enum BothWays: PackedForm {
    @inline(__always) static var isReadableBackwards: Bool { true }
}

enum ForwardOnly: PackedForm {
    @inline(__always) static var isReadableBackwards: Bool { false }
}

typealias PackedList = PackedElements<BothWays>
typealias ForwardList = PackedElements<ForwardOnly>

@safe struct PackedElements<Form: PackedForm> {
    static var headerSize: Int { 6 }
    /// Bytes of a list of no elements.
    static var emptySize: Int { 7 }
    /// Bytes that a list should not grow beyond: the format counts them in 32 bits.
    static var maximumSize: Int { 1 << 30 }

    /// Bytes that an element takes.
    @inline(__always) static func length(of value: PackedValue) -> Int {
        Form.isReadableBackwards ? value.encodedLength : value.dataLength
    }

    /// Whether elements of so many bytes of text altogether, at most three of them, may be added.
    @inline(__always) func mayTake(_ length: Int) -> Bool { byteCount &+ length &+ 64 <= Self.maximumSize }

    private let base: UnsafeMutableRawPointer

    @unsafe init(_ base: UnsafeMutableRawPointer) { unsafe self.base = base }

    /// Bytes that are a packed list, to be looked at only.
    init(lookingAt bytes: ByteSlice) { unsafe base = UnsafeMutableRawPointer(mutating: bytes.rawBytes.baseAddress!) }

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
        nonmutating set { unsafe base.storeBytes(of: UInt32(newValue), as: UInt32.self) }
    }

    /// The list as it lies in memory.
    var bytes: ByteSlice { unsafe ByteSlice(start: base, count: byteCount) }

    private var storedCount: Int {
        get { unsafe Int(base.loadUnaligned(fromByteOffset: 4, as: UInt16.self)) }
        nonmutating set { unsafe base.storeBytes(of: UInt16(min(newValue, 65535)), toByteOffset: 4, as: UInt16.self) }
    }

    /// How many elements there are.
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
    /// Offset behind the last element.
    var end: Int { byteCount - 1 }

    @inline(__always) private func byte(_ offset: Int) -> Int {
        unsafe Int(base.load(fromByteOffset: offset, as: UInt8.self))
    }

    /// Bytes in which the length of an element's encoding and data stands behind it.
    static func backLength(_ length: Int) -> Int {
        guard Form.isReadableBackwards else { return 0 }
        if length < 128 { return 1 }
        if length < 16384 { return 2 }
        if length < 2_097_152 { return 3 }
        if length < 268_435_456 { return 4 }
        return 5
    }

    /// Bytes of the encoding and the data of the element at `offset`.
    private func dataLength(at offset: Int) -> Int {
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
        default: preconditionFailure("a packed list holds an unknown encoding")
        }
    }

    /// Offset of the element behind the one at `offset`.
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
        guard let value = self[offset].integer else { preconditionFailure("a packed list holds no integer here") }
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
        // What small integers and short strings are compared with: no small integer is `Int.min`, no string has a length below 0.
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

    /// Puts `value` behind the last element. The memory must have room for it.
    @inline(__always)
    func append(_ value: PackedValue) {
        let start = end
        let length = write(value, at: start)
        unsafe base.storeBytes(of: 0xFF, toByteOffset: start + length, as: UInt8.self)
        byteCount = start + length + 1
        if storedCount != 65535 { storedCount += 1 }
    }

    /// Puts `value` before the element at `offset`, which may be `end`. The memory must have room for it.
    func insert(_ value: PackedValue, at offset: Int) {
        let total = byteCount
        let length = Self.length(of: value)
        unsafe memmove(base + offset + length, base + offset, total - offset)
        _ = write(value, at: offset)
        byteCount = total + length
        if storedCount != 65535 { storedCount += 1 }
    }

    /// Puts `value` in the place of the element at `offset`. The memory must have room for the change.
    func replace(at offset: Int, with value: PackedValue) {
        let total = byteCount
        let after = next(after: offset)
        let difference = Self.length(of: value) - (after - offset)
        if difference != 0 { unsafe memmove(base + after + difference, base + after, total - after) }
        _ = write(value, at: offset)
        byteCount = total + difference
    }

    /// Takes out `removed` elements from the one at `offset` on.
    func remove(at offset: Int, count removed: Int) {
        var after = offset
        for _ in 0..<removed { after = next(after: after) }
        let total = byteCount
        let count = count
        unsafe memmove(base + offset, base + after, total - after)
        byteCount = total - (after - offset)
        storedCount = count - removed
    }

    /// Takes out the elements for which `body`, which sees them in their order, returns true. An element is good during its call.
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

    /// Puts `value` behind every `stride` elements, of which the list holds a multiple. The memory must have room for it.
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

    /// Puts elements that were written from `end` on into the list: the last of them ends before `newEnd`.
    func take(_ added: Int, upTo newEnd: Int) {
        unsafe base.storeBytes(of: 0xFF, toByteOffset: newEnd, as: UInt8.self)
        byteCount = newEnd + 1
        let count = storedCount
        if count != 65535 { storedCount = count + added }
    }

    /// Writes an element and returns its length. It is part of the list only once it was taken in, if it is put behind the end.
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

    /// Writes the length from behind, and returns how many bytes it took: 7 bits a byte, the high part first, all but the first byte
    /// marked.
    private static func writeBackLength(_ length: Int, to target: UnsafeMutablePointer<UInt8>) -> Int {
        let back = backLength(length)
        for index in 0..<back {
            let part = UInt8(truncatingIfNeeded: length >> (7 * (back - 1 - index))) & 0x7F
            unsafe target[index] = part | (index == 0 ? 0 : 0x80)
        }
        return back
    }
}

// MARK: - in the other form

extension PackedElements {
    /// Bytes of a list of the same elements in another form.
    /// - Complexity: O(elements).
    func byteCount<Other: PackedForm>(as form: Other.Type) -> Int {
        var total = Self.emptySize
        var offset = first
        let end = end
        while offset < end {
            let length = dataLength(at: offset)
            total += length + PackedElements<Other>.backLength(length)
            offset += length + Self.backLength(length)
        }
        return total
    }

    /// Makes a list of the same elements in another form at `target`, which has room for it.
    @unsafe func copy<Other: PackedForm>(as form: Other.Type, to target: UnsafeMutableRawPointer) {
        var place = Self.headerSize
        var offset = first
        let end = end
        while offset < end {
            let length = dataLength(at: offset)
            unsafe memcpy(target + place, base + offset, length)
            place += length
            unsafe place += PackedElements<Other>.writeBackLength(
                length, to: (target + place).assumingMemoryBound(to: UInt8.self))
            offset += length + Self.backLength(length)
        }
        unsafe target.storeBytes(of: 0xFF, toByteOffset: place, as: UInt8.self)
        let copy = unsafe PackedElements<Other>(target)
        copy.byteCount = place + 1
        copy.storedCount = storedCount
    }
}

extension ForwardList {
    /// Lends a packed list of the same elements to `body`.
    func withPackedList<Result>(_ body: (PackedList) -> Result) -> Result {
        unsafe withUnsafeTemporaryAllocation(byteCount: byteCount(as: BothWays.self), alignment: 8) { buffer in
            unsafe copy(as: BothWays.self, to: buffer.baseAddress!)
            return unsafe body(PackedList(buffer.baseAddress!))
        }
    }

    /// Offset of element number `index` of `count`.
    func offset(ofElement index: Int, of count: Int) -> Int {
        precondition(index >= 0 && index <= count, "an element outside the list")
        var offset = first
        for _ in 0..<index { offset = next(after: offset) }
        return offset
    }
}

// MARK: - backwards

extension PackedList {
    /// Offset of the element before `offset`, which may be `end`; nil at the first.
    func previous(before offset: Int) -> Int? {
        guard offset > first else { return nil }
        var length = 0
        var shift = 0
        var position = offset - 1
        while true {
            let byte = byte(position)
            length |= (byte & 0x7F) << shift
            if byte & 0x80 == 0 { break }
            shift += 7
            position -= 1
        }
        return position - length
    }
}

// MARK: - at the front

/// A list whose memory has room in front of it, too, can begin earlier or later: then its front is as cheap to change
/// as its end.
extension PackedList {
    /// Puts `value` before the first element, where the memory in front of the list must have room, and returns the
    /// list, which begins as many bytes earlier. `value` must not lie in the list.
    @inline(__always)
    func prependedInFront(_ value: PackedValue) -> PackedList {
        let total = byteCount
        let stored = storedCount
        let length = value.encodedLength
        let moved = unsafe PackedList(base - length)
        _ = moved.write(value, at: Self.headerSize)
        moved.byteCount = total + length
        moved.storedCount = stored != 65535 ? stored + 1 : stored
        return moved
    }

    /// Takes out the first `removed` elements by letting the list begin behind them, and returns it and how many bytes
    /// later it begins.
    func droppingFirst(_ removed: Int) -> (list: PackedList, length: Int) {
        let total = byteCount
        let stored = storedCount
        var offset = first
        for _ in 0..<removed { offset = next(after: offset) }
        let length = offset - first
        let moved = unsafe PackedList(base + length)
        moved.byteCount = total - length
        moved.storedCount = stored != 65535 ? stored - removed : stored
        return (moved, length)
    }

    /// Takes out the last element.
    func removeLast() {
        guard let offset = previous(before: end) else { preconditionFailure("an empty list has no last element") }
        truncate(at: offset, removing: 1)
    }

    /// Takes out everything from the element at `offset` on, which is `removed` elements.
    func truncate(at offset: Int, removing removed: Int) {
        unsafe base.storeBytes(of: 0xFF, toByteOffset: offset, as: UInt8.self)
        byteCount = offset + 1
        if storedCount != 65535 { storedCount -= removed }
    }
}

// MARK: - as parts of a longer list

extension PackedList {
    /// Offset of element number `index` of `count`, sought from the nearer end. `index` may be `count`, which is the
    /// end.
    func offset(ofElement index: Int, of count: Int) -> Int {
        if index <= count / 2 {
            var offset = first
            for _ in 0..<index { offset = next(after: offset) }
            return offset
        }
        var offset = end
        for _ in index..<count {
            guard let previous = previous(before: offset) else {
                preconditionFailure("a list is shorter than its count")
            }
            offset = previous
        }
        return offset
    }

    /// Calls `body` with the elements from number `index` of `count` on, which must be one of them, towards the end or
    /// backwards towards the front, until it returns false; returns whether it never did.
    @inline(__always)
    func visit(from index: Int, of count: Int, backwards: Bool, _ body: (PackedElement) -> Bool) -> Bool {
        var offset = self.offset(ofElement: index, of: count)
        if backwards {
            while true {
                guard body(self[offset]) else { return false }
                guard let previous = previous(before: offset) else { return true }
                offset = previous
            }
        }
        let end = end
        while offset < end {
            guard body(self[offset]) else { return false }
            offset = next(after: offset)
        }
        return true
    }

    /// Looks at up to `limit` elements from the front, or from the end if `backwards`, and calls `body` with the number
    /// of each that is `value`, counted from where it began, until it returns false; returns whether it never did.
    func forEachMatch(_ value: PackedValue, backwards: Bool = false, limit: Int = Int.max, _ body: (Int) -> Bool)
        -> Bool
    {
        var number = 0
        var offset = backwards ? end : first
        let end = end
        while number < limit {
            if backwards {
                guard let previous = previous(before: offset) else { break }
                offset = previous
            } else if offset == end {
                break
            }
            if matches(value, at: offset) { guard body(number) else { return false } }
            if !backwards { offset = next(after: offset) }
            number += 1
        }
        return true
    }

    /// Takes out elements that are `value`: all but the first `skipped` of them, up to `limit`. Returns how many that
    /// were.
    /// - Complexity: O(bytes), however many there are.
    func removeMatches(_ value: PackedValue, skipping skipped: Int, limit: Int) -> Int {
        let total = byteCount
        var skipped = skipped
        var removed = 0
        // What stays is moved together run by run: up to `written` it has been, and the next run begins at `runStart`.
        var written = 0
        var runStart = 0
        var offset = first
        while offset < total - 1 && removed < limit {
            let next = next(after: offset)
            if matches(value, at: offset) {
                if skipped > 0 {
                    skipped -= 1
                } else {
                    if written != runStart { unsafe memmove(base + written, base + runStart, offset - runStart) }
                    written += offset - runStart
                    runStart = next
                    removed += 1
                }
            }
            offset = next
        }
        guard removed > 0 else { return 0 }
        unsafe memmove(base + written, base + runStart, total - runStart)
        byteCount = written + total - runStart
        if storedCount != 65535 { storedCount -= removed }
        return removed
    }

    /// Copies the whole list to `target`, which has room for its `byteCount`.
    @unsafe func copy(to target: UnsafeMutableRawPointer) { unsafe memmove(target, base, byteCount) }

    /// Makes a list of the elements from the one at `offset` on, `count` of them, at `target`, which has room for as
    /// many bytes as `emptySize` and theirs.
    @unsafe func copyRest(from offset: Int, count: Int, to target: UnsafeMutableRawPointer) {
        let length = byteCount - offset
        unsafe memcpy(target + Self.headerSize, base + offset, length)
        let copy = unsafe PackedList(target)
        copy.byteCount = Self.headerSize + length
        copy.storedCount = count
    }

    /// Puts all elements of another list behind the last one. The memory must have room for them.
    func append(contentsOf other: PackedList) {
        let start = end
        let added = other.count
        unsafe memcpy(base + start, other.base + Self.headerSize, other.byteCount - Self.headerSize)
        byteCount = start + other.byteCount - Self.headerSize
        if storedCount != 65535 { storedCount += added }
    }
}
