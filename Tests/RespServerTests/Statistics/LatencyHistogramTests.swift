// Goal: every time is counted in the bucket of HdrHistogram, and figures come out as Redis tells them. Method: every bucket's bounds are
// looked at; figures are compared with those of sorted lists of times.

import TestSupport
import Testing

@testable import RespServer

@Suite struct LatencyHistogramTests {
    @Test func bucketsFollowOneAnotherWithoutGaps() {
        var next = 0
        for bucket in 0..<LatencyHistogram.bucketCount {
            let (first, last) = (LatencyHistogram.shortest(in: bucket), LatencyHistogram.longest(in: bucket))
            #expect(first == next && last >= first)
            #expect(LatencyHistogram.bucket(of: UInt64(first)) == bucket)
            #expect(LatencyHistogram.bucket(of: UInt64(last)) == bucket)
            // Two significant digits.
            #expect((last - first) * 100 < max(first, 1))
            next = last + 1
        }
        #expect(next > Int(LatencyHistogram.longest))
    }

    private func histogram(of times: [UInt64]) -> LatencyHistogram {
        var histogram = LatencyHistogram()
        for time in times { histogram.countAny(time, isTracked: true) }
        return histogram
    }

    @Test func distribution() {
        var empty = LatencyHistogram()
        #expect(empty.isEmpty && empty.total == 0 && empty.distribution.isEmpty)
        #expect(empty.percentiles([0, 50, 100]) == [0, 0, 0])
        empty.reset()
        var one = histogram(of: [0, 1, 1031, 1032, 20_000_000, 5_000_000_000])
        defer { one.reset() }
        #expect(one.total == 6)
        let found = one.distribution
        #expect(found.map(\.microseconds) == [1, 2, 33_816, 1_073_741])
        #expect(found.map(\.calls) == [3, 4, 5, 6])
        #expect(one.percentiles([0, 50, 100]) == [1, 1031, 1_002_438_655])
    }

    @Test func percentilesAreThoseOfTheSortedTimes() {
        var random = SeededRandom(seed: TestSeed.ofRun)
        for _ in 0..<20 {
            let times = (0..<Int.random(in: 1...300, using: &random)).map { _ in
                UInt64.random(in: 1...(1 << UInt64.random(in: 1...29, using: &random)), using: &random)
            }.sorted()
            var one = histogram(of: times)
            defer { one.reset() }
            for percentage in [0, 1, 12.5, 50, 90, 99, 99.9, 100] {
                let place = max(1, Int(percentage / 100 * Double(times.count) + 0.5)) - 1
                let bucket = LatencyHistogram.bucket(of: times[place])
                let expected =
                    percentage == 0 ? LatencyHistogram.shortest(in: bucket) : LatencyHistogram.longest(in: bucket)
                #expect(one.percentiles([percentage]) == [expected], "\(times)")
            }
            #expect(one.distribution.last!.calls == times.count)
        }
    }

    @Test func nothingIsCountedWhileItIsSwitchedOff() {
        var one = LatencyHistogram()
        defer { one.reset() }
        func isCounted(_ nanoseconds: UInt64) -> Bool { one.count(nanoseconds) }
        #expect(!isCounted(5))
        one.countAny(5, isTracked: false)
        #expect(isCounted(5) && one.isEmpty && one.total == 0)
        one.decideAnew()
        #expect(!isCounted(5))
        one.countAny(5, isTracked: true)
        #expect(isCounted(6) && one.total == 2)
        one.decideAnew()
        one.countAny(7, isTracked: false)
        #expect(isCounted(7) && one.total == 2 && !one.isEmpty)
        one.reset()
        #expect(one.isEmpty && !isCounted(1))
    }
}
