// Sorting by a 64-bit key, digit by digit, from the lowest on.
//
// A pass sorts the items stably by one digit of eleven bits, so that after the pass over the highest digit all are in order. A digit that
// is the same in all keys takes no pass: keys of small numbers take two or three of the six. For thousands of items a sort by comparison
// takes several times as long; a few items are sorted by comparison.

import RespCodec

/// An item in a sort: its key, and which one it is.
struct SortItem {
    var key: UInt64
    var index: Int
}

enum RadixSort {
    private static let digitBits: UInt64 = 11
    private static let digitCount = 6
    private static let radix = 1 << Int(digitBits)
    /// From this many items on, passes take less time than comparisons.
    private static let fewest = 400

    /// Sorts the items of a range by their keys, and items of equal keys by their indexes. They must be in the order of their indexes.
    /// - Complexity: O(items), O(items log items) for less than 400.
    static func sort(_ items: inout [SortItem], _ range: Range<Int>) {
        guard range.count > 1 else { return }
        if range.count < fewest {
            return items[range].sort { $0.key != $1.key ? $0.key < $1.key : $0.index < $1.index }
        }
        unsafe items.withUnsafeMutableBufferPointer {
            unsafe sort(UnsafeMutableBufferPointer(rebasing: $0[range]))
        }
    }

    private static func sort(_ items: UnsafeMutableBufferPointer<SortItem>) {
        let count = items.count
        let mask = UInt64(radix - 1)
        unsafe withUnsafeTemporaryAllocation(of: Int.self, capacity: digitCount * radix) { counts in
            unsafe counts.initialize(repeating: 0)
            for place in 0..<count {
                var key = unsafe items[place].key
                for digit in 0..<digitCount {
                    unsafe counts[digit &* radix &+ Int(key & mask)] &+= 1
                    key >>= digitBits
                }
            }
            let spare = unsafe UnsafeMutableBufferPointer(
                start: SystemMemory.allocate(SortItem.self, count: count), count: count)
            defer { unsafe spare.deallocate() }
            var source = unsafe items
            var target = unsafe spare
            for digit in 0..<digitCount {
                let shift = UInt64(digit) * digitBits
                let starts = unsafe UnsafeMutableBufferPointer(rebasing: counts[digit * radix..<(digit + 1) * radix])
                if unsafe starts[Int(source[0].key >> shift & mask)] == count { continue }
                var sum = 0
                for value in 0..<radix {
                    let next = unsafe sum + starts[value]
                    unsafe starts[value] = sum
                    sum = next
                }
                for place in 0..<count {
                    let item = unsafe source[place]
                    let value = Int(item.key >> shift & mask)
                    unsafe target[starts[value]] = item
                    unsafe starts[value] &+= 1
                }
                unsafe swap(&source, &target)
            }
            if unsafe source.baseAddress != items.baseAddress {
                unsafe _ = items.update(fromContentsOf: source)
            }
        }
    }
}
