// The keys with the largest sums of some figure among very many, in memory for few.
//
// As many keys have a counter as there is room for. A key without one takes over the smallest counter, with what it has counted: that is how
// much the new key's count may be too large, and is kept beside it. So a key whose share of everything is larger than one
// counter's is never missed, and its count less the error is never more than what it really had.
//
// The counters are found by key, in a table of their places (linear probing), and a heap has their places by count, the smallest first: in
// both nothing moves but numbers.
//
// - Source: Metwally, Agrawal and El Abbadi, "Efficient computation of frequent and top-k elements in data streams" (2005).

import RespCodec
import StoreEngine

struct HeavyHitters {
    private struct Counter {
        var key: [UInt8]
        var hash: UInt64
        var count: Int
        var error: Int
        /// Where it stands in the heap.
        var heapPlace: Int
    }

    private let capacity: Int
    private var counters: [Counter] = []
    /// Places in `counters`.
    private var heap: [Int] = []
    /// Places in `counters`, each where the hash of its key tells or behind that; -1 where there is none. At most half of it is in use.
    private var table: [Int32]
    /// All that was added.
    private(set) var total = 0
    let steps = StepCounter()

    /// - Parameter capacity: for how many keys there is room, at least 1.
    init(capacity: Int) {
        precondition(capacity > 0 && capacity < 1 << 30, "room for no key, or for too many")
        self.capacity = capacity
        var size = 2
        while size < 2 * capacity { size *= 2 }
        table = Array(repeating: -1, count: size)
        counters.reserveCapacity(capacity)
        heap.reserveCapacity(capacity)
    }

    /// - Parameter hash: of the key, hard to guess.
    /// - Complexity: O(log n) in the counters.
    mutating func add(_ amount: Int, to key: ByteSlice, hash: UInt64) {
        guard amount > 0 else { return }
        total &+= amount
        if let place = find(key, hash) {
            counters[place].count &+= amount
            sink(counters[place].heapPlace)
        } else if counters.count < capacity {
            let place = counters.count
            enter(place, hash)
            counters.append(Counter(key: key.array, hash: hash, count: amount, error: 0, heapPlace: place))
            heap.append(place)
            rise(place)
        } else {
            let place = heap[0]
            remove(place)
            enter(place, hash)
            let smallest = counters[place].count
            counters[place] = Counter(
                key: key.array, hash: hash, count: smallest &+ amount, error: smallest, heapPlace: 0)
            sink(0)
        }
    }

    /// Up to `count` keys with the largest counts, the largest first, and what each surely had.
    func largest(_ count: Int) -> [(key: [UInt8], count: Int)] {
        let sure = counters.map { (key: $0.key, count: $0.count - $0.error) }
        return Array(
            sure.sorted { $0.count != $1.count ? $0.count > $1.count : $0.key.lexicographicallyPrecedes($1.key) }
                .prefix(count))
    }

    // MARK: the table

    private func home(of hash: UInt64) -> Int { Int(truncatingIfNeeded: hash) & (table.count - 1) }
    private func slot(behind slot: Int) -> Int { (slot + 1) & (table.count - 1) }

    private func find(_ key: ByteSlice, _ hash: UInt64) -> Int? {
        var slot = home(of: hash)
        while table[slot] >= 0 {
            let place = Int(table[slot])
            if counters[place].hash == hash, counters[place].key.withByteSlice({ $0 == key }) { return place }
            slot = self.slot(behind: slot)
        }
        return nil
    }

    private mutating func enter(_ place: Int, _ hash: UInt64) {
        var slot = home(of: hash)
        while table[slot] >= 0 { slot = self.slot(behind: slot) }
        table[slot] = Int32(place)
    }

    /// Takes out a counter.
    private mutating func remove(_ place: Int) {
        var hole = home(of: counters[place].hash)
        while Int(table[hole]) != place { hole = slot(behind: hole) }
        let counters = counters
        LinearProbing.remove(at: hole, from: &table, empty: -1) { $0 < 0 ? nil : counters[Int($0)].hash }
    }

    // MARK: the heap

    @inline(__always)
    private func count(at heapPlace: Int) -> Int { counters[heap[heapPlace]].count }

    private mutating func put(_ place: Int, at heapPlace: Int) {
        heap[heapPlace] = place
        counters[place].heapPlace = heapPlace
    }

    private mutating func rise(_ start: Int) {
        var heapPlace = start
        let place = heap[start]
        let count = counters[place].count
        while heapPlace > 0, count < self.count(at: (heapPlace - 1) / 2) {
            steps.step()
            put(heap[(heapPlace - 1) / 2], at: heapPlace)
            heapPlace = (heapPlace - 1) / 2
        }
        put(place, at: heapPlace)
    }

    private mutating func sink(_ start: Int) {
        var heapPlace = start
        let place = heap[start]
        let count = counters[place].count
        while true {
            var child = 2 * heapPlace + 1
            guard child < heap.count else { break }
            if child + 1 < heap.count && self.count(at: child + 1) < self.count(at: child) { child += 1 }
            guard self.count(at: child) < count else { break }
            steps.step()
            put(heap[child], at: heapPlace)
            heapPlace = child
        }
        put(place, at: heapPlace)
    }
}
