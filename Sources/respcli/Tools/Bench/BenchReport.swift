// What `respcli bench` prints: a chart of latencies for each test, a line, comma-separated values, or JSON; a table for several servers.

import RespCodec
import TerminalKit

struct BenchReport {
    private let options: BenchOptions
    private let names: [String]
    private var output = StandardOutput()
    private var hasResults = false

    init(_ options: BenchOptions, _ names: [String]) {
        self.options = options
        self.names = names
    }

    mutating func begin() {
        if options.isJSON {
            output.write("[")
        } else if options.isCSV {
            output.write(
                (names.count > 1 ? "\"server\"," : "")
                    + "\"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\",\"p50_latency_ms\","
                    + "\"p95_latency_ms\",\"p99_latency_ms\",\"max_latency_ms\"\n")
        }
        output.flush()
    }

    mutating func end() {
        if options.isJSON { output.write(hasResults ? "\n]\n" : "]\n") }
        output.flush()
    }

    /// Adds the results of one test, one for each server.
    mutating func add(_ results: [BenchResult]) {
        if options.isJSON {
            for result in results {
                output.write(hasResults ? ",\n" : "\n")
                output.write(json(result))
                hasResults = true
            }
        } else if options.isCSV {
            for result in results { output.write(csv(result)) }
        } else if options.isQuiet {
            for result in results {
                let name = names.count > 1 ? "\(result.title) (\(result.server))" : result.title
                output.write(
                    "\(name): \(Text.format("%.2f", result.perSecond)) requests per second, "
                        + "p50=\(milliseconds(result.latencies.percentile(50))) msec\n")
            }
        } else if results.count > 1 {
            output.write(Self.comparison(results, milliseconds))
        } else {
            for result in results { output.write(chart(result)) }
        }
        output.flush()
    }

    private func milliseconds(_ nanoseconds: Int) -> String { milliseconds(Double(nanoseconds)) }

    private func milliseconds(_ nanoseconds: Double) -> String {
        Amount.fixed(nanoseconds / 1e6, decimals: options.precision)
    }

    // MARK: for programs

    private func csv(_ result: BenchResult) -> String {
        let latencies = result.latencies
        let fields =
            (names.count > 1 ? [result.server] : []) + [
                result.title, Text.format("%.2f", result.perSecond), milliseconds(latencies.mean),
                milliseconds(latencies.minimum), milliseconds(latencies.percentile(50)),
                milliseconds(latencies.percentile(95)), milliseconds(latencies.percentile(99)),
                milliseconds(latencies.maximum),
            ]
        return fields.map {
            "\"" + $0.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
        }
        .joined(separator: ",") + "\n"
    }

    static let percentiles = [50, 75, 90, 95, 99, 99.9, 99.99, 100]

    private func json(_ result: BenchResult) -> String {
        func quoted(_ text: String) -> String {
            var bytes: Bytes = []
            ByteEscapes.json.appendQuoted(text.utf8, to: &bytes)
            return Text.string(bytes)
        }
        let latencies = result.latencies
        let percentiles = Self.percentiles.map {
            "\"\($0 == $0.rounded() ? "\(Int($0))" : "\($0)")\": \(milliseconds(latencies.percentile($0)))"
        }
        return "{\"server\": \(quoted(result.server)), \"test\": \(quoted(result.title)), "
            + "\"requests\": \(latencies.count), \"errors\": \(result.errorCount), "
            + "\"seconds\": \(Text.format("%.6f", result.seconds)), \"rps\": \(Text.format("%.2f", result.perSecond)), "
            + "\"clients\": \(options.clients), \"pipeline\": \(options.pipeline), \"threads\": \(options.threads), "
            + "\"rate\": \(options.rate > 0 ? Text.format("%.2f", options.rate) : "null"), "
            + "\"latency_ms\": {\"mean\": \(milliseconds(latencies.mean)), \"min\": \(milliseconds(latencies.minimum)), "
            + "\"percentiles\": {\(percentiles.joined(separator: ", "))}}}"
    }

    // MARK: for people

    private func chart(_ result: BenchResult) -> String {
        let latencies = result.latencies
        var text = "====== \(result.title) ======\n"
        text += "  \(latencies.count) requests in \(Text.format("%.2f", result.seconds)) seconds, "
        text += "\(options.clients) clients, pipeline \(options.pipeline), \(options.threads) "
        text += options.threads == 1 ? "thread" : "threads"
        if options.rate > 0 { text += ", \(Amount.fixed(options.rate, decimals: 0)) requests per second asked for" }
        text += "\n  \(Text.format("%.2f", result.perSecond)) requests per second\n\n"
        text += "  latency in milliseconds: mean \(milliseconds(latencies.mean)), "
        text += "lowest \(milliseconds(latencies.minimum))\n"
        let rows = Self.percentiles.map { percentage in
            BarChart.Row(
                label: percentage == 100
                    ? "max" : "p" + (percentage == percentage.rounded() ? "\(Int(percentage))" : "\(percentage)"),
                value: Double(latencies.percentile(percentage)), text: milliseconds(latencies.percentile(percentage)))
        }
        let usesSigns = TerminalDevice.canMoveCursor(1)
        for line in BarChart.lines(
            rows, width: min(76, TerminalDevice.size(1).columns - 4), isLogarithmic: true, usesBlocks: usesSigns)
        {
            text += "  " + line + "\n"
        }
        return text + "\n"
    }

    static func comparison(_ results: [BenchResult], _ milliseconds: (Int) -> String) -> String {
        var rows = [["====== \(results[0].title)", "requests/s", "relative", "p50 ms", "p99 ms", "p99.9 ms", "max ms"]]
        let first = results[0].perSecond
        for result in results {
            let latencies = result.latencies
            rows.append([
                "  " + result.server, Text.format("%.2f", result.perSecond),
                Text.format("%.3f", first > 0 ? result.perSecond / first : 0), milliseconds(latencies.percentile(50)),
                milliseconds(latencies.percentile(99)), milliseconds(latencies.percentile(99.9)),
                milliseconds(latencies.maximum),
            ])
        }
        return TextTable.lines(rows, leftColumns: 1).joined(separator: "\n") + "\n\n"
    }
}
