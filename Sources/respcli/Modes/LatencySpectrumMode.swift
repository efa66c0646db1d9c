// `--latency-dist`: the latencies of PING as a line of colours, each second. Each character stands for a range of latencies, and its
// background for how many of the samples fell into it.

import RespCodec

struct LatencySpectrumMode {
    private let session: Session
    private let palette: [Int]

    /// The upper bound of each range in microseconds; the last has none.
    private static let ranges: [(maximum: Int, mark: Character)] =
        [(10, "."), (125, "-"), (250, "*"), (500, "#")]
        + (1...9).map { ($0 * 1000, Character("\($0)")) }
        + zip((1...5).map { $0 * 10_000 } + (1...5).map { $0 * 100_000 }, "ABCDEFGHIJ").map { ($0, $1) }
        + zip([1, 2, 4, 8, 16, 30, 60].map { $0 * 1_000_000 }, "KLMNOPQ").map { ($0, $1) }
        + [(Int.max, "?")]

    private static let colors = [
        0, 233, 234, 235, 237, 239, 241, 243, 245, 247, 144, 143, 142, 184, 226, 214, 208, 202, 196,
    ]
    private static let grays = [0, 233, 234, 235, 237, 239, 241, 243, 245, 247, 249, 251, 253]

    init(_ session: Session) {
        self.session = session
        palette = session.options.isMonochrome ? Self.grays : Self.colors
    }

    func run() -> CInt {
        let interval = session.options.intervalMicroseconds ?? 1_000_000
        var counts = [Int](repeating: 0, count: Self.ranges.count)
        var start = Clock.microseconds
        var lines = 0
        while true {
            let before = Clock.microseconds
            _ = session.askReconnecting([Bytes("PING".utf8)])
            let latency = Clock.microseconds - before
            counts[Self.ranges.firstIndex { latency <= $0.maximum } ?? counts.count - 1] += 1
            if Clock.microseconds - start > interval {
                if lines % 20 == 0 { session.output.write(legend) }
                lines += 1
                session.output.write(spectrum(counts))
                session.output.flush()
                counts = [Int](repeating: 0, count: Self.ranges.count)
                start = Clock.microseconds
            }
            Clock.sleep(microseconds: LatencyMode.pauseMicroseconds)
        }
    }

    private func spectrum(_ counts: [Int]) -> String {
        let total = counts.reduce(0, +)
        var text = "\u{1B}[38;5;0m"
        for (range, count) in zip(Self.ranges, counts) {
            let share = Double(count) / Double(total) * Double(palette.count - 1)
            text += "\u{1B}[48;5;\(palette[Int(share.rounded(.up))])m\(range.mark)"
        }
        return text + "\u{1B}[0m\n"
    }

    private var legend: String {
        """
        ---------------------------------------------
        . - * #          .01 .125 .25 .5 milliseconds
        1,2,3,...,9      from 1 to 9     milliseconds
        A,B,C,D,E        10,20,30,40,50  milliseconds
        F,G,H,I,J        .1,.2,.3,.4,.5       seconds
        K,L,M,N,O,P,Q,?  1,2,4,8,16,30,60,>60 seconds
        From 0 to 100%: \(palette.map { "\u{1B}[48;5;\($0)m " }.joined())\u{1B}[0m
        ---------------------------------------------

        """
    }
}
