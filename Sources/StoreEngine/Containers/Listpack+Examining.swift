// Validating listpacks from outside, before they are used.

import Glibc
import RespCodec

extension Listpack {
    /// The result of validating a listpack from outside.
    struct Examination {
        /// How many elements it holds.
        let count: Int
        /// Whether every text that spells an integer is kept as an integer. `find` works only on such lists.
        let isCanonical: Bool
    }

    /// Validates bytes that should be a listpack: every element must lie within them and be readable in both directions, and size and
    /// count must be those in the head. Nil if they are not a list.
    /// - Complexity: O(bytes).
    static func examine(_ bytes: ByteSlice) -> Examination? {
        guard bytes.count >= emptySize, bytes.count <= Int(UInt32.max), bytes.last == 0xFF else { return nil }
        let (total, storedCount) = unsafe (
            bytes.rawBytes.loadUnaligned(as: UInt32.self),
            bytes.rawBytes.loadUnaligned(fromByteOffset: 4, as: UInt16.self)
        )
        guard Int(total) == bytes.count else { return nil }
        let end = bytes.count - 1
        // Counted from the head.
        var offset = Self.emptySize - 1
        var count = 0
        var isCanonical = true
        while offset < end {
            guard let head = Head(bytes[offset..<end]) else { return nil }
            let length = head.size + head.dataLength
            let back = backLength(length)
            guard length + back <= end - offset else { return nil }
            for index in 0..<back {
                let part = UInt8(truncatingIfNeeded: length >> (7 * (back - 1 - index))) & 0x7F
                guard bytes[offset + length + index] == part | (index == 0 ? 0 : 0x80) else { return nil }
            }
            if head.isText && isCanonical {
                let text = bytes[offset + head.size..<offset + length]
                isCanonical = text.count > Decimal.maximumLength || Decimal.parse(text) == nil
            }
            offset += length + back
            count += 1
        }
        guard storedCount == 65535 || Int(storedCount) == count else { return nil }
        return Examination(count: count, isCanonical: isCanonical)
    }

    /// The first bytes of an element, which say what follows them.
    private struct Head {
        let isText: Bool
        /// Bytes before the data.
        let size: Int
        let dataLength: Int

        /// Nil for an unknown encoding, or if the head does not fit `bytes`, which must not be empty.
        init?(_ bytes: ByteSlice) {
            let type = bytes[0]
            switch type {
            case 0x00...0x7F: (isText, size, dataLength) = (false, 1, 0)
            case 0x80...0xBF: (isText, size, dataLength) = (true, 1, Int(type & 0x3F))
            case 0xC0...0xDF: (isText, size, dataLength) = (false, 1, 1)
            case 0xE0...0xEF:
                guard bytes.count >= 2 else { return nil }
                (isText, size, dataLength) = (true, 2, Int(type & 0x0F) << 8 | Int(bytes[1]))
            case 0xF0:
                guard bytes.count >= 5 else { return nil }
                let length = unsafe bytes.rawBytes.loadUnaligned(fromByteOffset: 1, as: UInt32.self)
                (isText, size, dataLength) = (true, 5, Int(length))
            case 0xF1: (isText, size, dataLength) = (false, 1, 2)
            case 0xF2: (isText, size, dataLength) = (false, 1, 3)
            case 0xF3: (isText, size, dataLength) = (false, 1, 4)
            case 0xF4: (isText, size, dataLength) = (false, 1, 8)
            default: return nil
            }
        }
    }

    /// Whether any two of the elements number 0, `stride`, 2 `stride` and so on are equal. The list must be canonical.
    /// - Complexity: O(elements), O(elements) of memory.
    func hasDuplicates(stride: Int, hash: KeyHash) -> Bool {
        let count = count / stride
        guard count > 1 else { return false }
        // A hash table of the offsets of elements, plus 1, at most half full; 0 is a free place.
        let capacity = 1 << (Int.bitWidth - (count * 2 - 1).leadingZeroBitCount)
        return unsafe withUnsafeTemporaryAllocation(of: UInt32.self, capacity: capacity) { places in
            unsafe places.initialize(repeating: 0)
            var offset = first
            while offset < end {
                let element = self[offset]
                var place = Int(truncatingIfNeeded: element.hashed(hash)) & (capacity - 1)
                while unsafe places[place] != 0 {
                    if unsafe self[Int(places[place]) - 1].isSame(as: element) { return true }
                    place = (place + 1) & (capacity - 1)
                }
                unsafe places[place] = UInt32(offset + 1)
                for _ in 0..<stride { offset = next(after: offset) }
            }
            return false
        }
    }
}

extension PackedElement {
    fileprivate func hashed(_ hash: KeyHash) -> UInt64 {
        switch self {
        case .integer(let value): unsafe withUnsafeBytes(of: value) { unsafe hash(ByteSlice($0)) }
        case .bytes(let bytes): hash(bytes)
        }
    }

    /// Whether two elements of canonical lists are the same text.
    fileprivate func isSame(as other: PackedElement) -> Bool {
        switch (self, other) {
        case (.integer(let one), .integer(let two)): one == two
        case (.bytes(let one), .bytes(let two)): one == two
        default: false
        }
    }
}
