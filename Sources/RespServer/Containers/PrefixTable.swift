// Objects whose names are beginnings of other texts: finds all those with which a text begins.
//
// For each length that a name has, the text's beginning of that length is looked up. Names are of few lengths, however many they are:
// `user:1:` to `user:9999:` are of four.

import RespCodec

struct PrefixTable<Element: NamedObject> {
    private var elements = NamedTable<Element>()
    /// The lengths of names, ascending, and how many names have each.
    private var lengths: [(length: Int, count: Int)] = []

    init() {}

    var count: Int { elements.count }
    /// The memory of the table, without that of the objects.
    var byteCount: Int { elements.byteCount + lengths.capacity * MemoryLayout<(length: Int, count: Int)>.stride }

    /// The object of exactly this name.
    func find(_ name: ByteSlice, hash: UInt64) -> Element? { elements.find(name, hash: hash) }

    /// Where a length stands among those in use, or would.
    private func place(_ length: Int) -> Int {
        var (low, high) = (0, lengths.count)
        while low < high {
            let middle = (low + high) / 2
            if lengths[middle].length < length { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Adds an object whose name is not in the table.
    mutating func insert(_ element: Element) {
        elements.insert(element)
        let place = place(element.name.count)
        if place < lengths.count && lengths[place].length == element.name.count {
            lengths[place].count += 1
        } else {
            lengths.insert((element.name.count, 1), at: place)
        }
    }

    /// Removes an object that is in the table.
    mutating func remove(_ element: Element) {
        elements.remove(element)
        let place = place(element.name.count)
        lengths[place].count -= 1
        if lengths[place].count == 0 { lengths.remove(at: place) }
    }

    /// Calls `body` with each object whose name the text begins with, the shortest name first. The table must not be changed meanwhile.
    /// - Parameter hash: the function by which the objects' names were hashed.
    /// - Complexity: O(different lengths of names) look-ups.
    @inline(__always)
    func forEach(beginning text: ByteSlice, hash: (ByteSlice) -> UInt64, steps: StepCounter, _ body: (Element) -> Void)
    {
        for (length, _) in lengths {
            guard length <= text.count else { return }
            steps.step()
            let beginning = text[0..<length]
            if let element = elements.find(beginning, hash: hash(beginning)) { body(element) }
        }
    }

    /// In no order.
    func forEach<Failure>(_ body: (Element) throws(Failure) -> Void) throws(Failure) { try elements.forEach(body) }
}
