// Sorting by digits against the library's sort, for few items and many, and for keys of few and of many digits.

import TestSupport
import Testing

@testable import StoreEngine

@Suite struct RadixSortTests {
    @Test(arguments: [0, 1, 2, 399, 400, 5000], [UInt64(1), 7, 1 << 11, 1 << 30, .max])
    func itemsAreSortedByKeyAndThenByIndex(count: Int, bound: UInt64) {
        var random = SeededRandom(seed: TestSeed.ofRun)
        var items = (0..<count).map { SortItem(key: random.next() % bound, index: $0) }
        let expected = items.sorted { $0.key != $1.key ? $0.key < $1.key : $0.index < $1.index }
        RadixSort.sort(&items, 0..<count)
        #expect(items.map(\.key) == expected.map(\.key) && items.map(\.index) == expected.map(\.index))
    }

    @Test(arguments: [100, 1000]) func whatIsOutsideTheRangeStays(count: Int) {
        var random = SeededRandom(seed: TestSeed.ofRun)
        var items = (0..<count).map { SortItem(key: random.next(), index: $0) }
        let before = items
        let range = 10..<count - 20
        RadixSort.sort(&items, range)
        #expect(items[..<10].map(\.index) == before[..<10].map(\.index))
        #expect(items[(count - 20)...].map(\.index) == before[(count - 20)...].map(\.index))
        #expect(items[range].map(\.key) == before[range].map(\.key).sorted())
    }
}
