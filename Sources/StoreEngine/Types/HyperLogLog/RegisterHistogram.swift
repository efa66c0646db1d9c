// How many registers have which rank, and the estimated number of elements.

/// - Source: Ertl, "New cardinality estimation algorithms for HyperLogLog sketches", arXiv:1702.01284, algorithm 6.
struct RegisterHistogram {
    /// The largest rank of a hash; damaged registers may have up to 63.
    private static let largestRank = 51
    private var counts = InlineArray<64, Int>(repeating: 0)

    mutating func add(_ rank: UInt8, count: Int) { counts[Int(rank)] += count }

    /// The estimated number of different elements.
    var estimate: Int {
        let registers = Double(HyperLogLog.registerCount)
        var sum = registers * Self.tau((registers - Double(counts[Self.largestRank])) / registers)
        for rank in stride(from: Self.largestRank - 1, through: 1, by: -1) {
            sum += Double(counts[rank])
            sum *= 0.5
        }
        sum += registers * Self.sigma(Double(counts[0]) / registers)
        let halfByLogarithmOf2 = 0.721347520444481703680
        let estimate = (halfByLogarithmOf2 * registers * registers / sum).rounded()
        // Only registers that no hash can set give an estimate that is no integer.
        return Int(exactly: estimate) ?? Int.min
    }

    private static func sigma(_ ratio: Double) -> Double {
        if ratio == 1 { return .infinity }
        var power = ratio
        var weight = 1.0
        var sum = ratio
        while true {
            power *= power
            let before = sum
            sum += power * weight
            weight += weight
            if sum == before { return sum }
        }
    }

    private static func tau(_ ratio: Double) -> Double {
        if ratio == 0 || ratio == 1 { return 0 }
        var root = ratio
        var weight = 1.0
        var sum = 1 - ratio
        while true {
            root = root.squareRoot()
            let before = sum
            weight *= 0.5
            sum -= (1 - root) * (1 - root) * weight
            if sum == before { return sum / 3 }
        }
    }
}
