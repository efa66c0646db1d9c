// `--latency` and `--latency-history`: how many milliseconds PING takes, again and again.

import RespCodec

struct LatencyMode {
    private let session: Session
    private let keepsHistory: Bool
    /// Between one PING and the next.
    static let pauseMicroseconds = 10_000
    private static let historyMilliseconds = 15_000

    init(_ session: Session, keepsHistory: Bool) {
        self.session = session
        self.keepsHistory = keepsHistory
    }

    func run() -> CInt {
        let given = session.options.intervalMicroseconds.map { $0 / 1000 }
        let historyLength = given ?? Self.historyMilliseconds
        let wholeLength = given ?? 1000
        let format = session.formatter.format
        var start = Clock.milliseconds
        var minimum = 0
        var maximum = 0
        var sum = 0
        var count = 0
        while true {
            let before = Clock.milliseconds
            _ = session.askReconnecting([Bytes("PING".utf8)])
            let latency = Clock.milliseconds - before
            minimum = count == 0 ? latency : min(minimum, latency)
            maximum = max(maximum, latency)
            sum += latency
            count += 1
            let line = Self.line(minimum, maximum, Double(sum) / Double(count), count, format)
            if format == .terminal {
                session.output.write("\u{1B}[0G\u{1B}[2K" + line)
            } else if keepsHistory {
                session.output.write(line)
            } else if Clock.milliseconds - start > wholeLength {
                session.show(line, nil)
                return 0
            }
            if keepsHistory && Clock.milliseconds - start > historyLength {
                let seconds = Double(Clock.milliseconds - start) / 1000
                session.output.write(" -- \(Text.format("%.2f", seconds)) seconds range\n")
                start = Clock.milliseconds
                (minimum, maximum, sum, count) = (0, 0, 0, 0)
            }
            session.output.flush()
            Clock.sleep(microseconds: Self.pauseMicroseconds)
        }
    }

    private static func line(
        _ minimum: Int, _ maximum: Int, _ average: Double, _ count: Int, _ format: OutputFormat
    ) -> String {
        let average = Text.format("%.2f", average)
        switch format {
        case .terminal: return "min: \(minimum), max: \(maximum), avg: \(average) (\(count) samples)"
        case .csv: return "\(minimum),\(maximum),\(average),\(count)\n"
        case .raw: return "\(minimum) \(maximum) \(average) \(count)\n"
        case .json, .quotedJSON:
            return "{\"min\": \(minimum), \"max\": \(maximum), \"avg\": \(average), \"count\": \(count)}\n"
        }
    }
}
