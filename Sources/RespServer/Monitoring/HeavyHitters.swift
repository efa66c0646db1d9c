// The keys with the largest sums of some figure among very many, in memory for few.
//
// As many keys have a counter as there is room for. A key without one takes over the smallest counter, with what it has counted: that is how
// much the new key's count may be too large, and is kept beside it. So a key whose share of everything is larger than one
// counter's is never missed, and its count less the error is never more than what it really had.
//
// Counters are a heap by count, the smallest first, with an index by key.
//
// - Source: Metwally, Agrawal and El Abbadi, "Efficient computation of frequent and top-k elements in data streams" (2005).

struct HeavyHitters {
    private struct Counter {
        var key: [UInt8]
        var count: Int
        var error: Int
    }

    private let capacity: Int
    private var counters: [Counter] = []
    private var places: [[UInt8]: Int] = [:]
    /// All that was added.
    private(set) var total = 0

    /// - Parameter capacity: for how many keys there is room, at least 1.
    init(capacity: Int) {
        precondition(capacity > 0, "room for no key")
        self.capacity = capacity
        counters.reserveCapacity(capacity)
    }

    /// - Complexity: O(log n) in the counters.
    mutating func add(_ amount: Int, to key: [UInt8]) {
        guard amount > 0 else { return }
        total &+= amount
        if let place = places[key] {
            counters[place].count &+= amount
            sink(place)
        } else if counters.count < capacity {
            places[key] = counters.count
            counters.append(Counter(key: key, count: amount, error: 0))
            rise(counters.count - 1)
        } else {
            let smallest = counters[0]
            places[smallest.key] = nil
            places[key] = 0
            counters[0] = Counter(key: key, count: smallest.count &+ amount, error: smallest.count)
            sink(0)
        }
    }

    /// Up to so many keys with the largest counts, the largest first, and what each surely had.
    func largest(_ count: Int) -> [(key: [UInt8], count: Int)] {
        let sure = counters.map { (key: $0.key, count: $0.count - $0.error) }
        return Array(
            sure.sorted { $0.count != $1.count ? $0.count > $1.count : $0.key.lexicographicallyPrecedes($1.key) }
                .prefix(count))
    }

    private mutating func exchange(_ one: Int, _ other: Int) {
        counters.swapAt(one, other)
        places[counters[one].key] = one
        places[counters[other].key] = other
    }

    private mutating func rise(_ start: Int) {
        var place = start
        while place > 0, counters[place].count < counters[(place - 1) / 2].count {
            exchange(place, (place - 1) / 2)
            place = (place - 1) / 2
        }
    }

    private mutating func sink(_ start: Int) {
        var place = start
        while true {
            var smallest = place
            for child in [2 * place + 1, 2 * place + 2]
            where child < counters.count && counters[child].count < counters[smallest].count {
                smallest = child
            }
            guard smallest != place else { return }
            exchange(place, smallest)
            place = smallest
        }
    }
}
