// A hash table of objects that are found by their names, which are bytes: looking for one makes no copy of the name.
//
// The objects stand in an array at the place that their hash tells, or behind it (linear probing). Removing one moves up those
// that stand behind it only because its place was taken, so there are no marks of what was removed, and churn leaves no trace.

import RespCodec

/// What a `NamedTable` finds by its name.
class NamedObject {
    let name: [UInt8]
    let hash: UInt64

    /// - Parameter hash: of the name, the same function for all of a table.
    init(_ name: ByteSlice, hash: UInt64) {
        self.name = name.array
        self.hash = hash
    }
}

struct NamedTable<Element: NamedObject> {
    private static var leastCapacity: Int { 8 }

    /// A power of two, or none.
    private var places: [Element?] = []
    private(set) var count = 0

    init() {}

    /// The memory of the places, without that of the objects.
    var byteCount: Int { places.capacity * MemoryLayout<Element?>.stride }

    @inline(__always)
    private var mask: Int { places.count &- 1 }

    /// - Complexity: O(1).
    @inline(__always)
    func find(_ name: ByteSlice, hash: UInt64) -> Element? {
        guard count > 0 else { return nil }
        var place = Int(truncatingIfNeeded: hash) & mask
        while let element = places[place] {
            if element.hash == hash && element.name.withByteSlice({ $0 == name }) { return element }
            place = (place &+ 1) & mask
        }
        return nil
    }

    /// Adds an object whose name is not in the table.
    /// - Complexity: O(1), amortized.
    mutating func insert(_ element: Element) {
        if (count + 1) * 4 > places.count * 3 { resize(to: max(places.count * 2, Self.leastCapacity)) }
        place(element)
        count += 1
    }

    private mutating func place(_ element: Element) {
        var place = Int(truncatingIfNeeded: element.hash) & mask
        while places[place] != nil { place = (place &+ 1) & mask }
        places[place] = element
    }

    private mutating func resize(to capacity: Int) {
        let old = places
        places = Array(repeating: nil, count: capacity)
        for case let element? in old { place(element) }
    }

    /// Removes an object that is in the table.
    /// - Complexity: O(1), amortized.
    mutating func remove(_ element: Element) {
        var hole = Int(truncatingIfNeeded: element.hash) & mask
        while let found = places[hole], found !== element { hole = (hole &+ 1) & mask }
        precondition(places[hole] != nil, "an object that is not in the table")
        LinearProbing.remove(at: hole, from: &places, empty: nil) { $0?.hash }
        count -= 1
        if count == 0 {
            places = []
        } else if places.count > Self.leastCapacity && count * 8 < places.count {
            resize(to: places.count / 2)
        }
    }

    /// In no order. The table must not be changed meanwhile.
    func forEach<Failure>(_ body: (Element) throws(Failure) -> Void) throws(Failure) {
        for case let element? in places { try body(element) }
    }

    /// The object at a place or the next one behind it; nil of an empty table.
    func element(near place: Int) -> Element? {
        guard count > 0 else { return nil }
        var place = place & mask
        while true {
            if let element = places[place] { return element }
            place = (place &+ 1) & mask
        }
    }
}
