// How long the calls of a command took, as a histogram with a resolution of two digits.
//
// Times are counted in nanoseconds. Those below 256 have a bucket each; from there on every doubling of the time has 128 buckets, which
// become twice as wide with it:
//
//     nanoseconds   0 ... 255   256 ... 511   512 ... 1023       up to 1 s and a little more
//     buckets       256         128 of 2      128 of 4    ...    3,072 in all
//
// so that the place of a time follows from its highest bit with a few instructions. A histogram is made when its command is first
// called. While nothing is to be counted, counts go to memory that nobody looks at: the request path has one case.
//
// - Source: HdrHistogram, whose figures these are for 1 ns to 1 s and two significant digits.

@safe struct LatencyHistogram {
    static let bucketCount = 3072
    /// Longer times count as this one, in nanoseconds.
    static let longest: UInt64 = 1_000_000_000

    private var counts: UnsafeMutablePointer<UInt64>?
    /// Where counts go: to `counts`, to nobody's memory, or nil until that has been decided.
    private var target: UnsafeMutablePointer<UInt64>?

    nonisolated(unsafe) private static let nobodys: UnsafeMutablePointer<UInt64> = unsafe makeCounts()

    private static func makeCounts() -> UnsafeMutablePointer<UInt64> {
        let counts = UnsafeMutablePointer<UInt64>.allocate(capacity: bucketCount)
        unsafe counts.initialize(repeating: 0, count: bucketCount)
        return unsafe counts
    }

    /// Whether anything was counted since the last reset.
    var isEmpty: Bool { unsafe counts == nil }

    /// - Parameter nanoseconds: up to `longest`.
    @inline(__always)
    static func bucket(of nanoseconds: UInt64) -> Int {
        let shift = 56 &- (nanoseconds | 255).leadingZeroBitCount
        return shift &<< 7 &+ Int(truncatingIfNeeded: nanoseconds &>> UInt64(truncatingIfNeeded: shift))
    }

    /// The longest time that belongs to a bucket.
    static func longest(in bucket: Int) -> Int {
        let shift = max(0, bucket >> 7 - 1)
        return (bucket - shift << 7 + 1) << shift - 1
    }

    /// The shortest time that belongs to a bucket.
    static func shortest(in bucket: Int) -> Int {
        let shift = max(0, bucket >> 7 - 1)
        return (bucket - shift << 7) << shift
    }

    /// Counts a call.
    /// - Parameter nanoseconds: up to `longest`.
    /// - Returns: False if it has not been decided where counts go, or if the time is longer; then nothing is counted.
    @inline(__always)
    mutating func count(_ nanoseconds: UInt64) -> Bool {
        let bucket = Self.bucket(of: nanoseconds)
        guard let target = unsafe target, bucket < Self.bucketCount else { return false }
        unsafe target[bucket] &+= 1
        return true
    }

    /// Counts a call of any length, and decides where counts go.
    /// - Parameter isTracked: whether anything is to be counted.
    mutating func countAny(_ nanoseconds: UInt64, isTracked: Bool) {
        if unsafe target == nil {
            if isTracked && isEmpty { unsafe counts = Self.makeCounts() }
            unsafe target = isTracked ? counts : Self.nobodys
        }
        // As in Redis a call takes 1 ns at least.
        _ = count(min(max(nanoseconds, 1), Self.longest))
    }

    /// Whether calls are counted may have changed.
    mutating func decideAnew() { unsafe target = nil }

    mutating func reset() {
        unsafe counts?.deallocate()
        unsafe counts = nil
        unsafe target = nil
    }

    // MARK: figures

    private subscript(bucket: Int) -> Int {
        precondition(bucket >= 0 && bucket < Self.bucketCount, "a bucket outside the histogram")
        return unsafe counts.map { unsafe Int(truncatingIfNeeded: $0[bucket]) } ?? 0
    }

    /// How many calls were counted.
    var total: Int { (0..<Self.bucketCount).reduce(0) { $0 + self[$1] } }

    /// How many calls took up to how many microseconds: about 1, 2, 4 and so on, those left out that no call belongs to.
    var distribution: [(microseconds: Int, calls: Int)] {
        let total = total
        var found: [(microseconds: Int, calls: Int)] = []
        var next = 0
        var calls = 0
        var level: UInt64 = 1024
        while calls < total {
            let before = calls
            let last = min(Self.bucket(of: level), Self.bucketCount - 1)
            while next <= last {
                calls += self[next]
                next += 1
            }
            if calls > before { found.append((Self.longest(in: last) / 1000, calls)) }
            level *= 2
        }
        return found
    }

    /// Which times some percentages of the calls did not exceed, in nanoseconds.
    /// - Parameter percentages: from 0 to 100.
    func percentiles(_ percentages: [Double]) -> [Int] {
        let total = total
        return percentages.map { percentage in
            let wanted = max(1, Int(percentage / 100 * Double(total) + 0.5))
            var calls = 0
            for bucket in 0..<Self.bucketCount {
                calls += self[bucket]
                if calls >= wanted {
                    return percentage == 0 ? Self.shortest(in: bucket) : Self.longest(in: bucket)
                }
            }
            return 0
        }
    }
}
