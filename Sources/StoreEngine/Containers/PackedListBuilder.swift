// A packed list that grows in memory of its own, for those who do not know yet where it will lie.

import Glibc
import RespCodec

@safe struct PackedListBuilder: ~Copyable {
    private var start: UnsafeMutableRawPointer
    private var capacity: Int

    /// - Parameter capacity: bytes the list will have, as far as is known.
    init(capacity: Int = 0) {
        self.capacity = max(min(capacity, PackedList.maximumSize), 256)
        unsafe start = Self.allocated(nil, self.capacity)
        unsafe _ = PackedList.makeEmpty(at: start)
    }

    deinit { unsafe free(start) }

    /// The list as it is. Good until the next change.
    var list: PackedList { unsafe PackedList(start) }

    /// Puts `value` behind the last element; false, and nothing is put in, when the list would become too long for its format.
    mutating func append(_ value: PackedValue) -> Bool {
        let needed = list.byteCount + value.encodedLength
        guard needed <= PackedList.maximumSize else { return false }
        if needed > capacity {
            capacity = needed * 2
            unsafe start = Self.allocated(start, capacity)
        }
        list.append(value)
        return true
    }

    /// Puts in both or none.
    mutating func append(_ one: PackedValue, _ other: PackedValue) -> Bool {
        guard list.byteCount + one.encodedLength + other.encodedLength <= PackedList.maximumSize else { return false }
        return append(one) && append(other)
    }

    /// Takes all elements out.
    mutating func removeAll() { unsafe _ = PackedList.makeEmpty(at: start) }

    private static func allocated(_ block: UnsafeMutableRawPointer?, _ size: Int) -> UnsafeMutableRawPointer {
        unsafe SystemMemory.reallocate(block, size)
    }
}
