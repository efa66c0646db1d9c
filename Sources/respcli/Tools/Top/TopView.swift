// The lines of `respcli top`, from what is known of the server. Knows no terminal and no connection.

import TerminalKit

struct TopView {
    var address: String
    var sample: ServerSample
    var rates: [ServerSample.Rate]
    /// Commands per second, the newest last.
    var history: [Double]
    var keys: KeySampling
    /// Fields of the clients with the most memory.
    var clients: [[String: String]]

    func lines(width: Int, height: Int) -> [String] {
        let info = sample.info
        func number(_ name: String) -> Int { info.integer(name) ?? 0 }
        let name = info["server_name"] ?? (info["valkey_version"] != nil ? "valkey" : "redis")
        let version = info["valkey_version"] ?? info["redis_version"] ?? "?"
        let total = rates.reduce(0) { $0 + $1.perSecond }
        let hits = Double(number("keyspace_hits"))
        let misses = Double(number("keyspace_misses"))
        let limit = number("maxmemory")
        let memory = Text.size(number("used_memory")) + (limit > 0 ? " of " + Text.size(limit) : "")
        var lines = [
            "\(address)  \(name) \(version)  up \(Amount.duration(number("uptime_in_seconds")))  \(info["role"] ?? "")",
            "memory \(memory)  resident \(Text.size(number("used_memory_rss")))  keys \(info.keyCount)  "
                + "clients \(number("connected_clients")) (\(number("blocked_clients")) blocked)",
            "hits \(hits + misses > 0 ? Amount.fixed(100 * hits / (hits + misses), decimals: 1) + " %" : "-")  "
                + "expired \(number("expired_keys"))  evicted \(number("evicted_keys"))  "
                + "in \(Amount.bytes((info.double("instantaneous_input_kbps") ?? 0) * 1024))/s  "
                + "out \(Amount.bytes((info.double("instantaneous_output_kbps") ?? 0) * 1024))/s",
            "",
            "commands per second: \(Amount.short(total))",
            BarChart.sparkline(history, width: width),
            "",
        ]
        // What is left of the height is shared by three parts.
        let room = max(3, (height - lines.count - 6) / 3)
        lines += commandLines(room: room, width: width)
        lines.append("")
        lines += keyLines(room: room, width: width)
        lines.append("")
        lines += clientLines(room: room)
        return lines
    }

    private func commandLines(room: Int, width: Int) -> [String] {
        var rows = [["command", "per second", "mean us", "p50 us", "p99 us", "p99.9 us"]]
        for rate in rates.prefix(room) {
            let latency = sample.latencies[rate.name] ?? [:]
            func text(_ name: String) -> String { latency[name].map { Amount.fixed($0, decimals: 1) } ?? "-" }
            rows.append([
                rate.name, Amount.fixed(rate.perSecond, decimals: 1), Amount.fixed(rate.microseconds, decimals: 1),
                text("p50"), text("p99"), text("p99.9"),
            ])
        }
        let table = TextTable.lines(rows, leftColumns: 1)
        // Beside the table, how long the calls of each command took, as bars.
        let tableWidth = table.map(\.count).max() ?? 0
        let most = rates.prefix(room).compactMap { sample.latencies[$0.name]?["p99"] }.max() ?? 0
        guard width - tableWidth > 14, most > 0 else { return table }
        return table.enumerated().map { index, line in
            guard index > 0, let p99 = sample.latencies[rates[index - 1].name]?["p99"] else { return line }
            let padding = String(repeating: " ", count: tableWidth - line.count + 2)
            return line + padding + BarChart.bar(p99 / most, min(40, width - tableWidth - 4))
        }
    }

    private func keyLines(room: Int, width: Int) -> [String] {
        let shares = keys.shares.prefix(room).map {
            BarChart.Row(label: $0.type, value: $0.share, text: Amount.fixed($0.share * 100, decimals: 1) + " %")
        }
        let half = max(20, width / 2 - 2)
        let left = ["memory by type (of keys taken at random)"] + BarChart.lines(shares, width: min(50, half))
        var right = ["hottest keys"]
        if !keys.hasCounters {
            right.append("(counted under a maxmemory-policy of LFU)")
        } else {
            right += keys.hottest.prefix(room).map { "\(BarChart.right("\($0.counter)", 5))  \(Text.quoted($0.key))" }
        }
        return (0..<max(left.count, right.count)).map { row in
            let first = row < left.count ? Frame.clipped(left[row], columns: half) : ""
            let padding = String(repeating: " ", count: max(0, half + 2 - CharacterWidth.of(first)))
            return first + (row < right.count ? padding + right[row] : "")
        }
    }

    private func clientLines(room: Int) -> [String] {
        var rows = [["client", "name", "command", "memory", "age s", "idle s"]]
        for client in clients.prefix(room) {
            rows.append([
                client["addr"] ?? "", client["name"] ?? "", client["cmd"] ?? "",
                Text.size(Int(client["tot-mem"] ?? "") ?? 0), client["age"] ?? "", client["idle"] ?? "",
            ])
        }
        return TextTable.lines(rows, leftColumns: 3)
    }
}
