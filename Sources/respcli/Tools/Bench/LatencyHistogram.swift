// Latencies, counted in classes that are as wide as a 1024th of their values, so that any percentile is right to a tenth of a percent.
//
//     0...2047 ns           a class for each
//     2^k...2^(k+1)-1 ns    1024 classes of equal width, for k from 11 up to 43 (two hours and more)

struct LatencyHistogram {
    private static let bits = 10
    private static let largestExponent = 43
    private var counts = [UInt32](repeating: 0, count: (largestExponent - bits + 2) << bits)
    private(set) var count = 0
    private(set) var sum = 0
    private(set) var minimum = Int.max
    private(set) var maximum = 0

    private static let largest = 1 << (largestExponent + 1) - 1

    private static func index(of value: Int) -> Int {
        guard value >= 2 << bits else { return value }
        let exponent = Int.bitWidth - 1 - value.leadingZeroBitCount
        let shift = exponent - bits
        return shift << bits + value >> shift
    }

    /// The largest value of a class.
    private static func upperBound(_ index: Int) -> Int {
        guard index >= 2 << bits else { return index }
        let shift = index >> bits - 1
        let mantissa = index - shift << bits
        return (mantissa + 1) << shift - 1
    }

    /// Adds `times` equal latencies of `nanoseconds`.
    mutating func add(_ nanoseconds: Int, times: Int = 1) {
        let value = min(max(0, nanoseconds), Self.largest)
        counts[Self.index(of: value)] &+= UInt32(truncatingIfNeeded: times)
        count += times
        sum += value * times
        minimum = min(minimum, value)
        maximum = max(maximum, value)
    }

    mutating func add(_ other: LatencyHistogram) {
        for index in counts.indices { counts[index] &+= other.counts[index] }
        count += other.count
        sum += other.sum
        minimum = min(minimum, other.minimum)
        maximum = max(maximum, other.maximum)
    }

    var mean: Double { count > 0 ? Double(sum) / Double(count) : 0 }

    /// The latency that `percentage` of all do not exceed; 0 without any.
    func percentile(_ percentage: Double) -> Int {
        guard count > 0 else { return 0 }
        let wanted = max(1, Int((percentage / 100 * Double(count)).rounded(.up)))
        var seen = 0
        for (index, number) in counts.enumerated() where number > 0 {
            seen += Int(number)
            if seen >= wanted { return min(Self.upperBound(index), maximum) }
        }
        return maximum
    }

    /// How many were at most so long.
    func count(upTo nanoseconds: Int) -> Int {
        guard nanoseconds >= 0 else { return 0 }
        return counts[...Self.index(of: min(nanoseconds, Self.largest))].reduce(0) { $0 + Int($1) }
    }
}
