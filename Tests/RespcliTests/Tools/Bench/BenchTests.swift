// Goal: replies are counted and latencies kept as they are. Method: texts in any pieces; values against sorted lists.

import Testing

@testable import respcli

@Suite struct ReplySkipperTests {
    private static let replies = [
        "+OK\r\n", "+PONG\r\n", ":12\r\n", "-ERR no\r\n", "$5\r\nhello\r\n", "$0\r\n\r\n", "$-1\r\n", "*-1\r\n",
        "*0\r\n",
        "*2\r\n+OK\r\n$1\r\nx\r\n", "*2\r\n*0\r\n*1\r\n*2\r\n:1\r\n:2\r\n", "%1\r\n+k\r\n*1\r\n:1\r\n", "~1\r\n#t\r\n",
        "_\r\n",
        ",1.5\r\n", "=7\r\ntxt:abc\r\n", "(123\r\n", "%0\r\n", "|1\r\n+a\r\n+b\r\n:1\r\n",
    ]

    private static func count(_ pieces: [Bytes]) -> ReplySkipper? {
        var skipper = ReplySkipper()
        var tail: Bytes = []
        var replies = 0
        for piece in pieces {
            let bytes = tail + piece
            guard !bytes.isEmpty else { continue }
            let (completed, consumed) = bytes.withUnsafeBufferPointer { skipper.take($0.baseAddress!, $0.count) }
            replies += completed
            if skipper.isBroken { return skipper }
            tail = Bytes(bytes[consumed...])
        }
        #expect(replies == Self.replies.count && tail.isEmpty)
        return skipper
    }

    @Test func anyPieces() {
        let wire = Bytes(Self.replies.joined().utf8)
        for cut in 0...wire.count { #expect(Self.count([Bytes(wire[..<cut]), Bytes(wire[cut...])])?.errorCount == 1) }
        let skipper = Self.count(wire.map { [$0] })
        #expect(skipper?.errorCount == 1 && skipper?.firstError == Bytes("ERR no".utf8))
    }

    @Test func noise() {
        for text in ["HTTP/1.1 200\r\n", "$x\r\n", "*99999999999999999999\r\n", "$9999999999999\r\n", "\r\n"] {
            var skipper = ReplySkipper()
            let bytes = Bytes(text.utf8)
            _ = bytes.withUnsafeBufferPointer { skipper.take($0.baseAddress!, $0.count) }
            #expect(skipper.isBroken, "\(text)")
        }
    }
}

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

@Suite struct BenchRequestTests {
    @Test func placesOfNumbers() {
        let request = BenchRequest([Bytes("SET".utf8), Bytes("a__rand_int__b__rand_int__".utf8)])
        #expect(request.places.count == 2)
        for place in request.places { #expect(request.bytes[place..<(place + 12)].elementsEqual("__rand_int__".utf8)) }
        #expect(BenchRequest(raw: Bytes("PING\r\n".utf8)).places.isEmpty)
    }

    @Test func tests() {
        let data = Bytes("xyz".utf8)
        #expect(BenchTest.selected(nil, data: data, isRandom: false).count == 21)
        #expect(
            BenchTest.selected(["ping"], data: data, isRandom: false).map(\.title) == ["PING_INLINE", "PING_MBULK"])
        #expect(BenchTest.selected(["lrange_300"], data: data, isRandom: false).count == 2)
        #expect(BenchTest.names.contains("lrange") && Set(BenchTest.names).count == BenchTest.names.count)
    }
}
