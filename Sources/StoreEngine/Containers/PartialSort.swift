// Sorting only a part of the places: what belongs there is put there in order, and the rest is not worked on further.
//
// Quicksort as Bentley and McIlroy engineered it, where partitions outside the wanted places are left alone. Redis sorts the same way
// where it wants the first so many of a larger number; equal elements end up where the steps of the algorithm happen to carry them, so
// the same steps are taken here. Only input made to be bad for it, on which it would take quadratic time, is sorted otherwise.
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

    /// Puts what is less than an element in front and what is greater behind, with its equals between.
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
        // Equals are gathered at both ends, and moved to the middle afterwards.
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

    /// Exchanges `count` elements from `first` on with those in front of `second`.
    private static func exchange<Element>(
        _ elements: inout [Element], _ first: Int, _ second: Int, _ count: Int
    ) {
        for offset in 0..<max(count, 0) { elements.swapAt(first + offset, second - count + offset) }
    }
}
