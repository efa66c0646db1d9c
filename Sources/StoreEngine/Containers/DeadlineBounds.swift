// Lower bounds of the deadlines in a segment's buckets, in two bytes each.
//
//     8 bytes   the start: what the bounds are measured from
//     2 bytes   of each bucket, a `Code`: how long after the start its earliest deadline is at least
//
// A code has 10 bits of precision and 6 of magnitude, as a floating-point number: what is near is known to the millisecond, what is a
// minute away to 60 ms, and always too early, never too late. A bucket that a bound says to look at though nothing in it has expired is
// measured anew from the time it then is. Codes grow with what they stand for, so they are compared as they are.
//
// Rejected: eight bytes for each bucket, which is more than one for each key that expires.

/// A handle on the bounds of one segment.
@safe struct DeadlineBounds {
    /// How long after the start something is.
    struct Code: Comparable {
        let bits: UInt16

        /// The start itself, or before it.
        static let due = Code(bits: 0)
        /// Of a bucket without deadlines.
        static let never = Code(bits: UInt16.max)

        private static let precision = 10

        /// The code of a distance in milliseconds, rounded down; `due` for those that are not above 0.
        @inline(__always) init(distance: Int64) {
            let distance = UInt64(max(0, distance))
            let magnitude = UInt64.bitWidth &- distance.leadingZeroBitCount &- Self.precision
            guard magnitude > 0 else {
                bits = UInt16(truncatingIfNeeded: distance)
                return
            }
            let fraction = UInt16(truncatingIfNeeded: distance &>> UInt64(magnitude &- 1)) & (1 << Self.precision - 1)
            bits = UInt16(truncatingIfNeeded: magnitude) &<< UInt16(Self.precision) | fraction
        }

        private init(bits: UInt16) { self.bits = bits }

        /// The least distance that has this code.
        @inline(__always) var distance: Int64 {
            let magnitude = Int64(bits &>> UInt16(Self.precision))
            let fraction = Int64(bits & (1 << Self.precision - 1))
            return magnitude == 0 ? fraction : (fraction | 1 << Int64(Self.precision)) &<< (magnitude &- 1)
        }

        @inline(__always) static func < (left: Code, right: Code) -> Bool { left.bits < right.bits }
    }

    let address: UnsafeMutableRawPointer

    @unsafe init(_ address: UnsafeMutableRawPointer) { unsafe self.address = address }

    private static let startSize = MemoryLayout<Int64>.size

    /// Bytes of the bounds of `buckets` buckets.
    private static func byteCount(buckets: Int) -> Int { startSize + buckets * MemoryLayout<Code>.size }

    /// How long before the first deadline the bounds are measured from, at least, so that not every earlier one moves the start.
    private static let leastLead: Int64 = 1000

    /// Bounds for buckets of which none has a deadline, for those of about a time.
    init(_ allocator: SlabAllocator, buckets: Int, before time: Int64) {
        unsafe address = allocator.allocate(Self.byteCount(buckets: buckets))
        start = Self.leading(time, by: Self.leastLead)
        setAll(to: .never, buckets)
    }

    /// Milliseconds since 1970.
    private var start: Int64 {
        get { unsafe address.loadUnaligned(as: Int64.self) }
        nonmutating set { unsafe address.storeBytes(of: newValue, as: Int64.self) }
    }

    subscript(bucket: Int) -> Code {
        @inline(__always) get {
            unsafe address.loadUnaligned(fromByteOffset: Self.startSize &+ bucket &* 2, as: Code.self)
        }
        @inline(__always) nonmutating set {
            unsafe address.storeBytes(of: newValue, toByteOffset: Self.startSize &+ bucket &* 2, as: Code.self)
        }
    }

    private func setAll(to code: Code, _ buckets: Int) {
        for bucket in 0..<buckets { self[bucket] = code }
    }

    /// The code of a time. What has a lower code than that of now, or the same, may lie in the past.
    @inline(__always) func code(of time: Int64) -> Code {
        let (distance, isOver) = time.subtractingReportingOverflow(start)
        return Code(distance: isOver ? (time < 0 ? 0 : Int64.max) : distance)
    }

    /// The earliest time that has a code. What is `due` may have been earlier.
    func time(of code: Code) -> Int64 {
        let (time, isOver) = start.addingReportingOverflow(code.distance)
        return isOver ? Int64.max - 1 : time
    }

    private static func leading(_ time: Int64, by lead: Int64) -> Int64 {
        let (start, isOver) = time.subtractingReportingOverflow(lead)
        return isOver ? Int64.min : start
    }

    /// Takes note of a deadline in a bucket.
    @inline(__always) func note(_ deadline: Int64, in bucket: Int, of buckets: Int) {
        if deadline < start { moveStart(before: deadline, buckets) }
        let code = code(of: deadline)
        if code < self[bucket] { self[bucket] = code }
    }

    /// Measures from before an earlier deadline on: from the start, all those behind it would look as if they had come. The lead grows
    /// with how far the start moves, so that it does not move again and again.
    @inline(never) private func moveStart(before deadline: Int64, _ buckets: Int) {
        let (by, isOver) = start.subtractingReportingOverflow(deadline)
        restart(at: Self.leading(deadline, by: isOver ? Int64.max : max(by, Self.leastLead)), buckets: buckets)
    }

    /// Measures from another time on. Of what lies before it only that is known.
    func restart(at time: Int64, buckets: Int) {
        let (by, isOver) = time.subtractingReportingOverflow(start)
        for bucket in 0..<buckets {
            let code = self[bucket]
            if code == .due || code == .never { continue }
            self[bucket] = isOver ? .due : Code(distance: code.distance &- by)
        }
        start = time
    }

    /// Says that any bucket may hold a deadline that is as early as `start`.
    func restart(allDueAt start: Int64, buckets: Int) {
        self.start = start
        setAll(to: .due, buckets)
    }
}
