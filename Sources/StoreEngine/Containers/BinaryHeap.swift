// A binary heap: what comes first by its elements' order is found at once.

public protocol HeapElement {
    /// Whether this one comes up before the other.
    func precedes(_ other: Self) -> Bool
}

public struct BinaryHeap<Element: HeapElement> {
    /// Element `i` does not precede element `(i - 1) / 2`.
    @usableFromInline var elements: [Element] = []

    @inlinable public init() {}

    @inlinable public var count: Int { elements.count }
    @inlinable public var first: Element? { elements.first }

    /// - Returns: over how many levels it rose.
    /// - Complexity: O(log n).
    @inlinable @discardableResult
    public mutating func insert(_ element: Element) -> Int {
        elements.append(element)
        var index = elements.count - 1
        var levels = 0
        while index > 0, element.precedes(elements[(index - 1) / 2]) {
            elements.swapAt(index, (index - 1) / 2)
            index = (index - 1) / 2
            levels += 1
        }
        return levels
    }

    /// Removes the first element, which there must be.
    /// - Returns: over how many levels the one sank that took its place.
    /// - Complexity: O(log n).
    @inlinable @discardableResult
    public mutating func removeFirst() -> Int {
        elements.swapAt(0, elements.count - 1)
        elements.removeLast()
        var index = 0
        var levels = 0
        while true {
            var least = index
            for child in 2 * index + 1...2 * index + 2
            where child < elements.count && elements[child].precedes(elements[least]) {
                least = child
            }
            if least == index { return levels }
            elements.swapAt(index, least)
            index = least
            levels += 1
        }
    }

    /// Removes the elements for which `body` returns true.
    /// - Complexity: O(n log n).
    @inlinable
    public mutating func removeAll(where body: (Element) -> Bool) {
        // A sorted array is a heap.
        elements = elements.filter { !body($0) }.sorted { $0.precedes($1) }
    }
}
