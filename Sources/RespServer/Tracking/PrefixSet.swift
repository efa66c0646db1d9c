// The prefixes of one client: none of them begins as another one does.

/// Prefixes in the order of their bytes.
struct PrefixSet: RandomAccessCollection {
    private var sorted: [[UInt8]] = []
    /// About what a prefix takes besides its bytes: an array, and a place in the table of all clients' prefixes.
    private static let bytesOfPrefix = 96
    private var prefixBytes = 0
    #if DEBUG
    /// Comparisons of prefixes. For tests.
    let steps = StepCounter()
    #endif

    /// The memory that they take.
    var byteCount: Int { prefixBytes + sorted.count * Self.bytesOfPrefix }

    var startIndex: Int { 0 }
    var endIndex: Int { sorted.count }
    subscript(place: Int) -> [UInt8] { sorted[place] }

    /// How many of them come before `prefix`.
    private func place(of prefix: [UInt8]) -> Int {
        var low = 0
        var high = sorted.count
        while low < high {
            step()
            let middle = (low + high) / 2
            if sorted[middle].lexicographicallyPrecedes(prefix) { low = middle + 1 } else { high = middle }
        }
        return low
    }

    @inline(__always) private func step() {
        #if DEBUG
        steps.step()
        #endif
    }

    /// Adds a prefix that overlaps with none.
    mutating func insert(_ prefix: [UInt8]) {
        sorted.insert(prefix, at: place(of: prefix))
        prefixBytes += prefix.count
    }

    /// The first one that begins as `prefix` does, or as which `prefix` begins.
    /// - Complexity: O(log n). The one with which a prefix begins is next to it: all between them would begin so, too.
    func firstOverlap(with prefix: [UInt8]) -> [UInt8]? {
        let place = place(of: prefix)
        if place > 0 && prefix.starts(with: sorted[place - 1]) { return sorted[place - 1] }
        return place < sorted.count && sorted[place].starts(with: prefix) ? sorted[place] : nil
    }

    /// The first of some prefixes that overlaps with one behind it, and the first of those.
    /// - Complexity: O(n log n).
    static func firstOverlap(in prefixes: [[UInt8]], _ steps: StepCounter? = nil) -> (place: Int, other: Int)? {
        let order = prefixes.indices.sorted {
            steps?.step()
            return prefixes[$0] == prefixes[$1] ? $0 < $1 : prefixes[$0].lexicographicallyPrecedes(prefixes[$1])
        }
        // In this order a prefix comes right before those that begin with it. `outer` has the prefixes that the one at hand begins with, the
        // longest last, each with the smallest place in `prefixes` among itself and those before it.
        var outer: [(place: Int, first: Int)] = []
        var first: Int?
        for place in order {
            while let last = outer.last, !prefixes[place].starts(with: prefixes[last.place]) {
                steps?.step()
                outer.removeLast()
            }
            let smallest = Swift.min(place, outer.last?.first ?? place)
            if !outer.isEmpty { first = Swift.min(first ?? smallest, smallest) }
            outer.append((place, smallest))
        }
        guard let first else { return nil }
        let other = prefixes[(first + 1)...].firstIndex {
            steps?.step()
            return $0.starts(with: prefixes[first]) || prefixes[first].starts(with: $0)
        }
        return other.map { (first, $0) }
    }
}
