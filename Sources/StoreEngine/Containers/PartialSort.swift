// Sorting only a range of the places: the elements that belong there are put there in order, the others come in any order.
//
// The quicksort of Bentley and McIlroy, without the partitions outside the range. Redis sorts the same way when SORT has a LIMIT, and the
// order of equal elements follows from the steps of the algorithm, so the same steps are taken here. Only input on which it would take
// quadratic time is sorted by another algorithm.
//
// Source: J. L. Bentley and M. D. McIlroy, "Engineering a Sort Function", Software: Practice and Experience 23 (11), 1993.

enum PartialSort {
    /// Puts the elements that belong at `wanted` there.
    /// - Parameter compare: below zero if the first comes before the second, zero if either may.
    /// - Complexity: O(count + wanted log wanted), usually.
    static func sort<Element>(
        _ elements: inout [Element], wanted: Range<Int>, by compare: (Element, Element) -> Int
    ) {
        guard !wanted.isEmpty else { return }
        var depth = 4
        var size = elements.count
        while size > 0 {
            depth += 4
            size >>= 1
        }
        sort(&elements, 0..<elements.count, wanted, depth, compare)
    }

    private static func sort<Element>(
        _ elements: inout [Element], _ range: Range<Int>, _ wanted: Range<Int>, _ depth: Int,
        _ compare: (Element, Element) -> Int
    ) {
        var range = range
        var depth = depth
        while true {
            if range.count < 7 { return sortFew(&elements, range, compare) }
            guard depth > 0 else {
                elements[range].sort { compare($0, $1) < 0 }
                return
            }
            depth -= 1
            let (less, greater) = partition(&elements, range, compare)
            if less.count > 1 && less.overlaps(wanted) { sort(&elements, less, wanted, depth, compare) }
            guard greater.count > 1 && greater.overlaps(wanted) else { return }
            range = greater
        }
    }

    private static func sortFew<Element>(
        _ elements: inout [Element], _ range: Range<Int>, _ compare: (Element, Element) -> Int
    ) {
        for place in range.dropFirst() {
            var current = place
            while current > range.lowerBound && compare(elements[current - 1], elements[current]) > 0 {
                elements.swapAt(current, current - 1)
                current -= 1
            }
        }
    }

    /// Which of three places holds the middle element.
    private static func median<Element>(
        _ elements: [Element], _ first: Int, _ second: Int, _ third: Int, _ compare: (Element, Element) -> Int
    ) -> Int {
        func order(_ left: Int, _ right: Int) -> Int { compare(elements[left], elements[right]) }
        if order(first, second) < 0 {
            return order(second, third) < 0 ? second : order(first, third) < 0 ? third : first
        }
        return order(second, third) > 0 ? second : order(first, third) < 0 ? first : third
    }

    /// Chooses an element, and puts what is less before it and what is greater after it, with its equals between.
    private static func partition<Element>(
        _ elements: inout [Element], _ range: Range<Int>, _ compare: (Element, Element) -> Int
    ) -> (less: Range<Int>, greater: Range<Int>) {
        let count = range.count
        let start = range.lowerBound
        let end = range.upperBound
        var pivot = start + count / 2
        if count > 7 {
            var low = start
            var high = end - 1
            if count > 40 {
                let step = count / 8
                low = median(elements, low, low + step, low + 2 * step, compare)
                pivot = median(elements, pivot - step, pivot, pivot + step, compare)
                high = median(elements, high - 2 * step, high - step, high, compare)
            }
            pivot = median(elements, low, pivot, high, compare)
        }
        elements.swapAt(start, pivot)
        // Equal elements are collected at both ends, and moved to the middle afterwards.
        var equalEnd = start + 1
        var next = start + 1
        var last = end - 1
        var equalStart = end - 1
        while true {
            while next <= last {
                let order = compare(elements[next], elements[start])
                if order > 0 { break }
                if order == 0 {
                    elements.swapAt(equalEnd, next)
                    equalEnd += 1
                }
                next += 1
            }
            while next <= last {
                let order = compare(elements[last], elements[start])
                if order < 0 { break }
                if order == 0 {
                    elements.swapAt(last, equalStart)
                    equalStart -= 1
                }
                last -= 1
            }
            if next > last { break }
            elements.swapAt(next, last)
            next += 1
            last -= 1
        }
        let lessCount = next - equalEnd
        let greaterCount = equalStart - last
        exchange(&elements, start, next, min(equalEnd - start, lessCount))
        exchange(&elements, next, end, min(greaterCount, end - equalStart - 1))
        return (start..<start + lessCount, end - greaterCount..<end)
    }

    /// Exchanges `count` elements from `first` on with the `count` before `second`.
    private static func exchange<Element>(
        _ elements: inout [Element], _ first: Int, _ second: Int, _ count: Int
    ) {
        for offset in 0..<max(count, 0) { elements.swapAt(first + offset, second - count + offset) }
    }
}
