// Goal: spikes are kept as Redis keeps them, and told as it tells them. Method: times that the test sets; the graph is compared with what
// redis-server draws of the same spikes.

import Testing

@testable import RespServer

@Suite struct LatencyMonitorTests {
    @Test func onlySpikesAreKept() {
        var monitor = LatencyMonitor()
        monitor.add(.command, milliseconds: 1000, now: 1000)
        #expect(monitor.observed.isEmpty)
        monitor.threshold = 10
        monitor.add(.command, milliseconds: 9, now: 1000)
        #expect(monitor.observed.isEmpty && monitor["command"] == nil && monitor["nosuch"] == nil)
        monitor.add(.command, milliseconds: 10, now: 1000)
        monitor.add(.fastCommand, milliseconds: 11, now: 2000)
        #expect(monitor.observed.map(\.event) == [.command, .fastCommand])
        #expect(monitor["fast-command"]?.longest == 11 && monitor["Fast-Command"] == nil)
        let counts = [
            monitor.reset { $0 == .expireCycle }, monitor.reset { $0 == .command }, monitor.reset(), monitor.reset(),
        ]
        #expect(counts == [0, 1, 1, 0] && monitor.observed.isEmpty)
    }

    @Test func ofEachSecondTheLongest() throws {
        var series = LatencyMonitor.Series()
        for (latency, time) in [(20, 1), (50, 1), (30, 1), (10, 2)] { series.add(latency, time: time) }
        #expect(series.spikes.map(\.latency) == [50, 10] && series.latest.time == 2 && series.longest == 50)
        for time in 3..<1000 { series.add(time % 7, time: time) }
        #expect(series.spikes.count == LatencyMonitor.Series.maxCount && series.longest == 50)
        #expect(series.spikes.map(\.time) == Array(840..<1000))
    }

    @Test func graph() {
        var series = LatencyMonitor.Series()
        let spikes = [(10, 100), (40, 3700), (20, 90_000), (130, 100_000), (70, 100_050), (10, 100_059)]
        for (latency, time) in spikes { series.add(latency, time: time) }
        let graph = LatencyMonitor.graph(of: "command", series, now: 100_060)
        let lines = graph.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines[0] == "command - high 130 ms, low 10 ms (all time high 130 ms)")
        #expect(lines[1] == String(repeating: "-", count: 80))
        #expect(
            lines[2...].map(String.init)
                == ["   #  ", "   |_ ", " _ || ", "_|o||_", "      ", "112111", "ddhm0s", "    s ", ""])
        // More than fit into a line go on in the next.
        for time in 0..<100 { series.add(10, time: 200_000 + time) }
        let long = LatencyMonitor.graph(of: "command", series, now: 200_100)
        #expect(long.split(separator: "\n", omittingEmptySubsequences: false).filter(\.isEmpty).count == 2)
    }

    @Test func reports() {
        var monitor = LatencyMonitor()
        let circumstances = LatencyMonitor.Circumstances(slowlogThresholdMicroseconds: 10_000, now: 100)
        #expect(monitor.report(circumstances).hasPrefix("I'm sorry, Dave, I can't do that."))
        monitor.threshold = 5
        #expect(monitor.report(circumstances).hasPrefix("Dave, no latency spike was observed"))
        monitor.add(.command, milliseconds: 10, now: 80_000)
        monitor.add(.command, milliseconds: 21, now: 90_000)
        monitor.add(.expireCycle, milliseconds: 7, now: 95_000)
        let report = monitor.report(circumstances)
        #expect(
            report.contains(
                "1. command: 2 latency spikes (average 15ms, mean deviation 5ms, period 10.00 sec). Worst all time event 21ms.\n"
            ), "\(report)")
        #expect(
            report.contains("2. expire-cycle: 1 latency spikes (average 7ms, mean deviation 0ms, period 5.00 sec)."))
        #expect(report.contains("CONFIG SET slowlog-log-slower-than 5000"))
        let off = LatencyMonitor.Circumstances(slowlogThresholdMicroseconds: -1, now: 100)
        #expect(monitor.report(off).contains("slow log is switched off"))
    }
}
