// The keys that are to go next, as far as was seen.

/// Up to sixteen candidates, the best last.
struct EvictionPool {
    struct Candidate {
        /// The higher, the sooner it goes.
        let rank: Int64
        /// That of the key, which it is found by: the pool holds no keys, and may outlive those that it knows of.
        let hash: UInt64
        let database: Int
    }

    private static let capacity = 16

    /// By which the candidates were ranked.
    let order: EvictionOrder
    private var places = InlineArray<16, Candidate>(repeating: Candidate(rank: 0, hash: 0, database: 0))
    private(set) var count = 0

    init(order: EvictionOrder = .none) { self.order = order }

    /// Whether there is a place for a candidate of this rank.
    @inline(__always)
    func takes(_ rank: Int64) -> Bool { count < Self.capacity || rank > places[0].rank }

    /// Adds a candidate for which there is a place, unless it is in already. The worst one may have to give way.
    mutating func insert(_ candidate: Candidate) {
        for index in 0..<count where places[index].hash == candidate.hash {
            guard places[index].database == candidate.database else { continue }
            if places[index].rank == candidate.rank { return }
            remove(at: index)
            break
        }
        if count == Self.capacity { remove(at: 0) }
        var index = count
        while index > 0, places[index - 1].rank > candidate.rank {
            places[index] = places[index - 1]
            index -= 1
        }
        places[index] = candidate
        count += 1
    }

    private mutating func remove(at index: Int) {
        count -= 1
        for place in index..<count { places[place] = places[place + 1] }
    }

    mutating func removeBest() -> Candidate? {
        guard count > 0 else { return nil }
        count -= 1
        return places[count]
    }

    /// For tests.
    var candidates: [Candidate] { (0..<count).map { places[$0] } }
}
