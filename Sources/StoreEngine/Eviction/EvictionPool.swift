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
    private(set) var candidates: [Candidate] = []

    init(order: EvictionOrder = .none) { self.order = order }

    /// Whether there is a place for a candidate of this rank.
    func takes(_ rank: Int64) -> Bool { candidates.count < Self.capacity || rank > candidates[0].rank }

    /// Adds a candidate for which there is a place, unless it is in already. The worst one may have to give way.
    mutating func insert(_ candidate: Candidate) {
        if let known = candidates.firstIndex(where: { $0.hash == candidate.hash && $0.database == candidate.database })
        {
            guard candidates[known].rank != candidate.rank else { return }
            candidates.remove(at: known)
        } else if candidates.count == Self.capacity {
            candidates.removeFirst()
        }
        let place = candidates.firstIndex { $0.rank > candidate.rank } ?? candidates.count
        candidates.insert(candidate, at: place)
    }

    mutating func removeBest() -> Candidate? { candidates.popLast() }
}
