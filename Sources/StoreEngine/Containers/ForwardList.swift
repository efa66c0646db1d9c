// Forward lists, which are listpacks that cannot be read backwards, and copying a list of either form to the other.

import Glibc
import RespCodec

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

    /// Writes a list of the same elements in another form to `target`, which has room for it.
    /// - Complexity: O(bytes).
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
    /// Calls `body` with a listpack of the same elements.
    func withListpack<Result>(_ body: (Listpack) -> Result) -> Result {
        unsafe withUnsafeTemporaryAllocation(byteCount: byteCount(as: BothWays.self), alignment: 8) { buffer in
            unsafe copy(as: BothWays.self, to: buffer.baseAddress!)
            return unsafe body(Listpack(buffer.baseAddress!))
        }
    }

    /// Offset of element number `index` of `count`.
    /// - Complexity: O(index).
    func offset(ofElement index: Int, of count: Int) -> Int {
        precondition(index >= 0 && index <= count, "an element outside the list")
        var offset = first
        for _ in 0..<index { offset = next(after: offset) }
        return offset
    }
}
