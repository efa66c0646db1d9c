// An array whose first element needs no memory of its own: for lists of which nearly all have one element.

struct InlineFirstArray<Element>: RandomAccessCollection {
    private var head: Element?
    /// Empty while there is none in front.
    private var others: [Element] = []

    init() {}

    var startIndex: Int { 0 }
    @inline(__always) var endIndex: Int { count }
    /// Not by the indices, as collections count otherwise.
    @inline(__always) var count: Int { head == nil ? 0 : others.count &+ 1 }

    subscript(place: Int) -> Element {
        @inline(__always) get {
            guard place > 0 else {
                guard let head else { preconditionFailure("an element that there is not") }
                return head
            }
            return others[place &- 1]
        }
        @inline(__always) set {
            if place > 0 {
                others[place &- 1] = newValue
            } else {
                precondition(head != nil, "an element that there is not")
                head = newValue
            }
        }
    }

    /// The memory that it takes besides itself.
    var byteCount: Int { others.capacity * MemoryLayout<Element>.stride }

    mutating func append(_ element: Element) {
        if head == nil { head = element } else { others.append(element) }
    }

    @discardableResult
    mutating func removeLast() -> Element {
        guard others.isEmpty else { return others.removeLast() }
        guard let last = head else { preconditionFailure("an element that there is not") }
        head = nil
        others = []
        return last
    }

    /// Removes an element. The last one takes its place.
    /// - Returns: the one that was moved, if one was.
    mutating func remove(at place: Int) -> Element? {
        let last = removeLast()
        guard place < count else { return nil }
        self[place] = last
        return last
    }
}
