// A sorted array of integers in one block.
//
//     count and width (4) | integer | integer | ...
//
// All integers take 2, 4 or 8 bytes, in which the widest of them fits; removing one does not make them narrower again. The lowest two bits
// of the head are 0, 1 or 2 for these widths, the others are the count. In RDB files the head is four bytes longer: see `SavedIntegers`.
//
// The owner of the block makes it large enough before an integer is inserted. Invariants: the integers ascend; the width is
// 2, 4 or 8.

import Glibc
import RespCodec

@safe struct IntegerSet {
    static let headerSize = 4
    /// As many as the head can say. With more, the 32-bit arithmetic of other readers of files might overflow, too.
    static let maximumCount = 1 << 30 - 1

    private let base: UnsafeMutableRawPointer

    @unsafe init(_ base: UnsafeMutableRawPointer) { unsafe self.base = base }

    /// Writes an empty set at `base`, which has room for `headerSize` bytes.
    @unsafe static func makeEmpty(at base: UnsafeMutableRawPointer) -> IntegerSet {
        let set = unsafe IntegerSet(base)
        set.head = 0
        return set
    }

    private var head: UInt32 {
        @inline(__always) get { unsafe base.loadUnaligned(as: UInt32.self) }
        nonmutating set { unsafe base.storeBytes(of: newValue, as: UInt32.self) }
    }

    /// Bytes of each integer.
    private(set) var width: Int {
        get { 2 &<< (Int(head) & 3) }
        nonmutating set { head = head & ~3 | UInt32(newValue.trailingZeroBitCount - 1) }
    }

    /// How many integers there are.
    private(set) var count: Int {
        get { Int(head) &>> 2 }
        nonmutating set { head = head & 3 | UInt32(newValue) << 2 }
    }

    /// Bytes of the whole set.
    var byteCount: Int { Self.headerSize + count * width }

    /// Bytes in which an integer fits.
    static func width(of value: Int) -> Int {
        if value >= Int(Int16.min) && value <= Int(Int16.max) { return 2 }
        return value >= Int(Int32.min) && value <= Int(Int32.max) ? 4 : 8
    }

    /// Bytes of the whole set with one more integer.
    func byteCount(adding value: Int) -> Int { Self.headerSize + (count + 1) * max(width, Self.width(of: value)) }

    @inline(__always)
    private func load(_ index: Int, width: Int) -> Int {
        StepCount.step()
        let offset = Self.headerSize &+ index &* width
        switch width {
        case 2: return unsafe Int(base.loadUnaligned(fromByteOffset: offset, as: Int16.self))
        case 4: return unsafe Int(base.loadUnaligned(fromByteOffset: offset, as: Int32.self))
        default: return unsafe base.loadUnaligned(fromByteOffset: offset, as: Int.self)
        }
    }

    @inline(__always)
    private func store(_ value: Int, _ index: Int, width: Int) {
        let offset = Self.headerSize &+ index &* width
        switch width {
        case 2: unsafe base.storeBytes(of: Int16(truncatingIfNeeded: value), toByteOffset: offset, as: Int16.self)
        case 4: unsafe base.storeBytes(of: Int32(truncatingIfNeeded: value), toByteOffset: offset, as: Int32.self)
        default: unsafe base.storeBytes(of: value, toByteOffset: offset, as: Int.self)
        }
    }

    /// The integers by size, the smallest first.
    @inline(__always)
    subscript(index: Int) -> Int {
        precondition(UInt(bitPattern: index) < UInt(bitPattern: count), "an integer outside the set")
        return load(index, width: width)
    }

    /// Where an integer is, or where it would go.
    /// - Complexity: O(log integers).
    func place(of value: Int) -> (index: Int, isFound: Bool) {
        let count = count
        let width = width
        guard Self.width(of: value) <= width else { return (value < 0 ? 0 : count, false) }
        guard count > 0 else { return (0, false) }
        // Integers are often added in ascending order.
        if value > load(count &- 1, width: width) { return (count, false) }
        let index = Self.firstPlace(0, count &- 1) { load($0, width: width) >= value }
        return (index, load(index, width: width) == value)
    }

    /// The first place that fits, by halving; all behind it fit, and the last does.
    @inline(__always)
    static func firstPlace(_ first: Int, _ last: Int, fits: (Int) -> Bool) -> Int {
        var low = first
        var high = last
        while low < high {
            let middle = (low &+ high) &>> 1
            if fits(middle) { high = middle } else { low = middle &+ 1 }
        }
        return low
    }

    func contains(_ value: Int) -> Bool { place(of: value).isFound }

    // MARK: as in files

    /// Bytes of the set in a file.
    var savedSize: Int { SavedIntegers.headerSize + count * width }

    /// Calls `body` with the set as it is in a file.
    /// - Complexity: O(integers).
    func withSavedBytes<Result>(_ body: (ByteSlice) -> Result) -> Result {
        let size = savedSize
        return unsafe withUnsafeTemporaryAllocation(byteCount: size, alignment: 8) { buffer in
            let start = buffer.baseAddress!
            unsafe start.storeBytes(of: UInt32(width), as: UInt32.self)
            unsafe start.storeBytes(of: UInt32(count), toByteOffset: 4, as: UInt32.self)
            unsafe memcpy(start + SavedIntegers.headerSize, base + Self.headerSize, count * width)
            return unsafe body(ByteSlice(start: start, count: size))
        }
    }

    /// Writes a set at `base`, which has room for it, of integers that ascend and take `width` bytes each.
    @unsafe static func make(_ integers: ByteSlice, width: Int, at base: UnsafeMutableRawPointer) {
        let set = unsafe makeEmpty(at: base)
        set.width = width
        set.count = integers.count / width
        unsafe memcpy(base + headerSize, integers.rawBytes.baseAddress!, integers.count)
    }

    /// Calls `body` with the integers that are in another set, or with those that are not, until it returns false.
    /// - Returns: whether all such integers were seen.
    /// - Complexity: O(integers of both), O(integers * log(others)) where the other has far more.
    func visit(_ areWanted: Bool, in other: IntegerSet, _ body: (Int) -> Bool) -> Bool {
        let count = count
        let width = width
        let otherCount = other.count
        let otherWidth = other.width
        let isFarLarger = otherCount / 16 > count
        // Both ascend, so the search in the other one continues where it was.
        var place = 0
        for index in 0..<count {
            let value = load(index, width: width)
            if isFarLarger {
                guard other.contains(value) != areWanted || body(value) else { return false }
                continue
            }
            while place < otherCount && other.load(place, width: otherWidth) < value { place &+= 1 }
            let isFound = place < otherCount && other.load(place, width: otherWidth) == value
            guard isFound != areWanted || body(value) else { return false }
        }
        return true
    }

    // MARK: changing

    /// Inserts an integer at the index that `place(of:)` returns. The memory must have room for it.
    /// - Complexity: O(integers after it), O(integers) if it is wider than all others.
    func insert(_ value: Int, at index: Int) {
        let count = count
        precondition(UInt(bitPattern: index) <= UInt(bitPattern: count), "a place outside the set")
        let old = width
        let new = max(old, Self.width(of: value))
        if new > old {
            // A wider integer than all others is smaller or larger than all others.
            let shift = index == 0 ? 1 : 0
            for place in (0..<count).reversed() { store(load(place, width: old), place + shift, width: new) }
            width = new
        } else if index < count {
            let start = unsafe base + Self.headerSize + index * new
            unsafe memmove(start + new, start, (count - index) * new)
        }
        store(value, index, width: new)
        self.count = count + 1
    }

    /// Removes the integer at `index`.
    func remove(at index: Int) {
        let count = count
        let width = width
        precondition(index >= 0 && index < count, "an integer outside the set")
        let start = unsafe base + Self.headerSize + index * width
        unsafe memmove(start, start + width, (count - index - 1) * width)
        self.count = count - 1
    }

    /// Removes the integers for which `body` returns true; it gets them in ascending order.
    func removeAll(where body: (Int) -> Bool) {
        let width = width
        var kept = 0
        for index in 0..<count {
            let value = load(index, width: width)
            guard !body(value) else { continue }
            store(value, kept, width: width)
            kept += 1
        }
        count = kept
    }

    /// Traps when an invariant of the head of this file does not hold. For tests.
    func checkInvariants() {
        precondition([2, 4, 8].contains(width), "an invalid width")
        for index in 1..<max(count, 1) { precondition(self[index - 1] < self[index], "integers that do not ascend") }
    }
}
