// The order of elements in SORT: by numbers, or by texts.
//
// Each element gets a 64-bit key in the wanted order, and items of such a key and an index are sorted by radix. The key of a double is its
// bits, slightly changed; that of a text is eight of its bytes at a time. What is still equal, usually little, is compared. Comparing all,
// as Redis does, takes two accesses to distant memory for each of count * log2(count) comparisons.

import RespCodec

enum SortOrder {
    /// The indexes of elements by their numbers; elements of equal numbers by their texts.
    static func byNumbers(_ numbers: [Double], of elements: [PackedElement], descending: Bool) -> [Int] {
        var items: [SortItem] = []
        items.reserveCapacity(numbers.count)
        for (index, number) in numbers.enumerated() {
            // Zeros of both signs are equal.
            let bits = (number + 0).bitPattern
            items.append(SortItem(key: number < 0 ? ~bits : bits | 1 << 63, index: index))
        }
        RadixSort.sort(&items, 0..<items.count)
        if hasDifferentEquals(items, elements) {
            let texts = SortTexts(elements, endingAtZero: false)
            var start = 0
            while start < items.count {
                let run = run(items, from: start, until: items.count)
                sortByTexts(&items, run, from: 0, texts, descending: false)
                start = run.upperBound
            }
        }
        let order = items.map(\.index)
        // Elements that compare equal are identical, so the whole order can be reversed.
        return descending ? order.reversed() : order
    }

    /// The indexes of texts by their bytes; equal texts keep their order, also if descending. Elements without a text come first.
    /// - Parameter wanted: if not nil, only these places are sorted, and equal texts are in the order in which `PartialSort` leaves them.
    static func byTexts(
        _ elements: [PackedElement?], endingAtZero: Bool, descending: Bool, wanted: Range<Int>? = nil
    ) -> [Int] {
        let texts = SortTexts(elements.map { $0 ?? .bytes(.empty) }, endingAtZero: endingAtZero)
        if let wanted {
            var order = Array(0..<elements.count)
            PartialSort.sort(&order, wanted: wanted) { left, right in
                let order =
                    switch (elements[left] == nil, elements[right] == nil) {
                    case (true, true): 0
                    case (true, false): -1
                    case (false, true): 1
                    case (false, false): texts[left] == texts[right] ? 0 : texts[left] < texts[right] ? -1 : 1
                    }
                return descending ? -order : order
            }
            return order
        }
        let absent = elements.indices.filter { elements[$0] == nil }
        var items = elements.indices.filter { elements[$0] != nil }.map { SortItem(key: 0, index: $0) }
        sortByTexts(&items, 0..<items.count, from: 0, texts, descending: descending)
        let order = items.map(\.index)
        return descending ? order + absent : absent + order
    }

    // MARK: runs of equal keys

    /// The range of items from `start` on that have the same key.
    private static func run(_ items: [SortItem], from start: Int, until limit: Int) -> Range<Int> {
        var end = start + 1
        while end < limit && items[end].key == items[start].key { end += 1 }
        return start..<end
    }

    /// Whether elements with equal numbers have different texts.
    private static func hasDifferentEquals(_ items: [SortItem], _ elements: [PackedElement]) -> Bool {
        for place in items.indices.dropFirst() where items[place].key == items[place - 1].key {
            guard case .integer(let left) = elements[items[place - 1].index],
                case .integer(let right) = elements[items[place].index], left == right
            else { return true }
        }
        return false
    }

    /// Sorts a range of items by their texts, whose first `offset` bytes are equal. They must be in the order of their indexes.
    private static func sortByTexts(
        _ items: inout [SortItem], _ range: Range<Int>, from offset: Int, _ texts: borrowing SortTexts,
        descending: Bool
    ) {
        // Few texts, or long ones with a common beginning, are compared directly.
        if range.count <= 16 { return insertByTexts(&items, range, texts, descending) }
        if offset > 64 {
            let sorted = items[range].sorted { precedes($0, $1, texts, descending) }
            return items.replaceSubrange(range, with: sorted)
        }
        let mask: UInt64 = descending ? .max : 0
        for place in range { items[place].key = texts.word(items[place].index, at: offset) ^ mask }
        RadixSort.sort(&items, range)
        let end = offset + 8
        var start = range.lowerBound
        while start < range.upperBound {
            let run = run(items, from: start, until: range.upperBound)
            start = run.upperBound
            guard run.count > 1 else { continue }
            let lengths = run.map { texts[items[$0].index].count }
            if lengths.allSatisfy({ $0 > end }) {
                sortByTexts(&items, run, from: end, texts, descending: descending)
            } else if lengths.contains(where: { $0 != lengths[0] }) {
                // Some texts end here, and the padding equals zero bytes of others.
                let sorted = items[run].sorted { precedes($0, $1, texts, descending) }
                items.replaceSubrange(run, with: sorted)
            }
        }
    }

    private static func insertByTexts(
        _ items: inout [SortItem], _ range: Range<Int>, _ texts: borrowing SortTexts, _ descending: Bool
    ) {
        for place in range.dropFirst() {
            var current = place
            while current > range.lowerBound && precedes(items[current], items[current - 1], texts, descending) {
                items.swapAt(current, current - 1)
                current -= 1
            }
        }
    }

    private static func precedes(
        _ left: SortItem, _ right: SortItem, _ texts: borrowing SortTexts, _ descending: Bool
    ) -> Bool {
        let (first, second) = (texts[left.index], texts[right.index])
        if first == second { return left.index < right.index }
        return descending ? second < first : first < second
    }
}
