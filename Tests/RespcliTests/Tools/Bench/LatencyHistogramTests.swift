// Goal: latencies are kept as they are. Method: values against sorted lists.

import Testing

@testable import respcli

@Suite struct LatencyHistogramTests {
    @Test func percentilesAreRightToATenthOfAPercent() {
        var random = FastRandom(seed: 3)
        var histogram = LatencyHistogram()
        var values: [Int] = []
        for _ in 0..<20_000 {
            let value = Int(random.below(1 << (1 + random.below(35))))
            histogram.add(value)
            values.append(value)
        }
        values.sort()
        for percentage in [0.01, 1, 25, 50, 90, 99, 99.9, 100] {
            let exact = values[max(0, Int((percentage / 100 * 20_000).rounded(.up)) - 1)]
            let told = histogram.percentile(percentage)
            #expect(told >= exact && Double(told) <= Double(exact) * 1.001 + 1)
        }
        #expect(histogram.maximum == values.last && histogram.minimum == values.first && histogram.count == 20_000)
        #expect(histogram.mean == Double(values.reduce(0, +)) / 20_000)
    }

    @Test func bounds() {
        var histogram = LatencyHistogram()
        #expect(histogram.percentile(50) == 0 && histogram.mean == 0)
        histogram.add(-5)
        histogram.add(Int.max)
        histogram.add(10, times: 8)
        #expect(histogram.count == 10 && histogram.minimum == 0 && histogram.percentile(50) == 10)
        #expect(histogram.count(upTo: 10) == 9 && histogram.count(upTo: -1) == 0)
        var other = LatencyHistogram()
        other.add(20)
        other.add(histogram)
        #expect(other.count == 11 && other.minimum == 0 && other.percentile(90) == 20)
    }
}
