// A listpack that grows in memory of its own, until it is known where it will be stored.

import Glibc
import RespCodec

@safe struct ListpackBuilder: ~Copyable {
    private var start: UnsafeMutableRawPointer
    private var capacity: Int

    /// - Parameter capacity: how many bytes the list is expected to take.
    init(capacity: Int = 0) {
        self.capacity = max(min(capacity, Listpack.maximumSize), 256)
        unsafe start = Self.allocated(nil, self.capacity)
        unsafe _ = Listpack.makeEmpty(at: start)
    }

    deinit { unsafe free(start) }

    /// The list as it is. Valid until the next change.
    var list: Listpack { unsafe Listpack(start) }

    /// Adds `value` after the last element; false, and nothing is added, when the list would become too long for its format.
    mutating func append(_ value: PackedValue) -> Bool {
        let needed = list.byteCount + value.encodedLength
        guard needed <= Listpack.maximumSize else { return false }
        if needed > capacity {
            capacity = needed * 2
            unsafe start = Self.allocated(start, capacity)
        }
        list.append(value)
        return true
    }

    /// Adds both values or none.
    mutating func append(_ one: PackedValue, _ other: PackedValue) -> Bool {
        guard list.byteCount + one.encodedLength + other.encodedLength <= Listpack.maximumSize else { return false }
        return append(one) && append(other)
    }

    /// Removes all elements.
    mutating func removeAll() { unsafe _ = Listpack.makeEmpty(at: start) }

    private static func allocated(_ block: UnsafeMutableRawPointer?, _ size: Int) -> UnsafeMutableRawPointer {
        unsafe SystemMemory.reallocate(block, size)
    }
}
