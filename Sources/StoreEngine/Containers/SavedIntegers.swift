// A sorted array of integers as RDB files have it: the intset format.
//
//     width (4) | count (4) | integer | integer | ...
//
// Source: Redis, intset.h, on the layout.

import RespCodec

struct SavedIntegers {
    static let headerSize = 8

    let width: Int
    let count: Int
    private let integers: ByteSlice

    /// Validates bytes from outside: nil if they are not a set of integers and nothing else, or an empty one. The width must be known, the
    /// integers as many as their head says, each greater than the one before.
    /// - Complexity: O(integers).
    init?(_ bytes: ByteSlice) {
        guard bytes.count > Self.headerSize else { return nil }
        width = unsafe Int(bytes.rawBytes.loadUnaligned(as: UInt32.self))
        count = unsafe Int(bytes.rawBytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
        integers = bytes.dropFirst(Self.headerSize)
        guard [2, 4, 8].contains(width), 1...IntegerSet.maximumCount ~= count, integers.count == count * width else {
            return nil
        }
        for index in 1..<count where self[index - 1] >= self[index] { return nil }
    }

    subscript(index: Int) -> Int {
        precondition(index >= 0 && index < count, "an integer outside the set")
        let bytes = unsafe integers.rawBytes
        return switch width {
        case 2: unsafe Int(bytes.loadUnaligned(fromByteOffset: index * 2, as: Int16.self))
        case 4: unsafe Int(bytes.loadUnaligned(fromByteOffset: index * 4, as: Int32.self))
        default: unsafe bytes.loadUnaligned(fromByteOffset: index * 8, as: Int.self)
        }
    }

    /// Bytes of an `IntegerSet` of the same integers.
    var sizeOfSet: Int { IntegerSet.headerSize + integers.count }

    /// Writes an `IntegerSet` of the same integers to `target`, which has room for it.
    @unsafe func makeSet(at target: UnsafeMutableRawPointer) {
        unsafe IntegerSet.make(integers, width: width, at: target)
    }
}
