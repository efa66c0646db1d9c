// Copying a list of one form to another: to and from listpacks when values are saved and loaded, and when a list becomes large.

import Glibc
import RespCodec

extension PackedElements {
    /// Bytes of a list of the same elements in another form.
    /// - Complexity: O(elements), O(1) if both forms are readable backwards.
    func byteCount<Other: PackedForm>(as form: Other.Type) -> Int {
        guard Form.isReadableBackwards != Other.isReadableBackwards else {
            return PackedElements<Other>.size(ofElements: end)
        }
        var total = 0
        var offset = first
        let end = end
        while offset < end {
            let next = next(after: offset)
            // Up to 127 bytes an element's length takes a byte.
            let isShort = next &- offset <= 127
            let length = isShort ? next &- offset &- Self.backLength(1) : dataLength(at: offset)
            total &+= length &+ PackedElements<Other>.backLength(length)
            offset = next
        }
        return PackedElements<Other>.size(ofElements: total)
    }

    /// Writes a list of the same elements in another form to `target`, which has room for the `size` bytes that it takes.
    /// - Complexity: O(bytes).
    @unsafe func copy<Other: PackedForm>(as form: Other.Type, size: Int, to target: UnsafeMutableRawPointer) {
        let copy = unsafe PackedElements<Other>.makeEmpty(
            at: target, forElements: size - PackedElements<Other>.emptySize)
        let end = end
        if Form.isReadableBackwards == Other.isReadableBackwards {
            unsafe memcpy(copy.body, body, end)
            copy.end = end
        } else {
            var place = copy.first
            var offset = first
            while offset < end {
                let target = unsafe copy.body + place
                let type = byte(offset)
                if type & 0x80 == 0 || type & 0xC0 == 0x80 {
                    // The usual cases: a small integer, a short string. Either length takes a byte.
                    let length = type & 0x80 == 0 ? 1 : 1 &+ (type & 0x3F)
                    unsafe ByteSlice(start: body + offset, count: length).copyShort(to: target)
                    if Other.isReadableBackwards {
                        unsafe target.storeBytes(
                            of: UInt8(truncatingIfNeeded: length), toByteOffset: length, as: UInt8.self)
                    }
                    place &+= length &+ PackedElements<Other>.backLength(1)
                    offset &+= length &+ Self.backLength(1)
                    continue
                }
                let length = dataLength(at: offset)
                unsafe ByteSlice(start: body + offset, count: length).copyShort(to: target)
                place += length
                unsafe place += PackedElements<Other>.writeBackLength(
                    length, to: (target + length).assumingMemoryBound(to: UInt8.self))
                offset += length + Self.backLength(length)
            }
            copy.end = place
        }
        copy.storedCount = count
    }

    /// The most bytes that a listpack of the same elements can take: the length of an element takes one byte, and at most one more for
    /// every 128 bytes of it.
    private var largestListpack: Int {
        Listpack.size(ofElements: Form.isReadableBackwards ? end : end + end / 128 + count)
    }

    /// Calls `body` with a listpack of the same elements.
    /// - Complexity: O(bytes).
    func withListpack<Result>(_ body: (Listpack) -> Result) -> Result {
        let size = largestListpack
        return unsafe withUnsafeTemporaryAllocation(byteCount: size, alignment: 8) { buffer in
            unsafe copy(as: SavedForm.self, size: size, to: buffer.baseAddress!)
            return unsafe body(Listpack(buffer.baseAddress!))
        }
    }
}

extension ForwardList {
    /// Offset of element number `index` of `count`.
    /// - Complexity: O(index).
    func offset(ofElement index: Int, of count: Int) -> Int {
        precondition(index >= 0 && index <= count, "an element outside the list")
        var offset = first
        for _ in 0..<index { offset = next(after: offset) }
        return offset
    }
}
