// What LATENCY DOCTOR and LATENCY GRAPH show. The texts for servers without spikes and the layout of the graph are those of Redis, which
// programs compare; the advice is about this server.

extension LatencyMonitor {
    /// What the report depends on besides the spikes.
    struct Circumstances {
        /// `slowlog-log-slower-than`.
        var slowlogThresholdMicroseconds: Int
        /// In seconds since 1970.
        var now: Int
    }

    func report(_ circumstances: Circumstances) -> String {
        let observed = observed
        if observed.isEmpty && threshold == 0 {
            return "I'm sorry, Dave, I can't do that. Latency monitoring is disabled in this Redis instance. "
                + "You may use \"CONFIG SET latency-monitor-threshold <milliseconds>.\" in order to enable it. "
                + "If we weren't in a deep space mission I'd suggest to take a look at "
                + "https://redis.io/topics/latency-monitor.\n"
        }
        if observed.isEmpty {
            return
                "Dave, no latency spike was observed during the lifetime of this Redis instance, not in the slightest bit. "
                + "I honestly think you ought to sit down calmly, take a stress pill, and think things over.\n"
        }
        var text =
            "Dave, I have observed latency spikes in this Redis instance. You don't mind talking about it, do you Dave?\n\n"
        for (index, (event, series)) in observed.enumerated() {
            text += "\(index + 1). \(event.rawValue): \(Summary(series, now: circumstances.now).text)\n"
        }
        text += "\nI have a few advices for you:\n\n"
        for advice in advice(for: Set(observed.map(\.event)), circumstances) { text += "- \(advice)\n" }
        return text
    }

    /// The figures of an event.
    private struct Summary {
        let text: String

        init(_ series: Series, now: Int) {
            let latencies = series.spikes.map(\.latency)
            let mean = latencies.reduce(0, +) / latencies.count
            let deviation = latencies.reduce(0) { $0 + abs($1 - mean) } / latencies.count
            let period = Double(max(1, now - series.spikes[0].time)) / Double(latencies.count)
            text =
                "\(latencies.count) latency spikes (average \(mean)ms, mean deviation \(deviation)ms, "
                + "period \(Self.twoDecimals(period)) sec). Worst all time event \(series.longest)ms."
        }

        private static func twoDecimals(_ value: Double) -> String {
            let hundredths = Int((value * 100).rounded())
            return "\(hundredths / 100).\(String(100 + hundredths % 100).dropFirst())"
        }
    }

    private func advice(for events: Set<Event>, _ circumstances: Circumstances) -> [String] {
        var advice: [String] = []
        if !events.isDisjoint(with: [.command, .commandUnblocking]) {
            let wanted = threshold * 1000
            if circumstances.slowlogThresholdMicroseconds < 0 {
                advice.append(
                    "The slow log is switched off, so that it is not known which commands were slow. "
                        + "'CONFIG SET slowlog-log-slower-than \(wanted)' switches it on.")
            } else if circumstances.slowlogThresholdMicroseconds > wanted {
                advice.append(
                    "The slow log leaves out commands that count as spikes here. "
                        + "'CONFIG SET slowlog-log-slower-than \(wanted)' shows these, too.")
            }
            advice.append(
                "SLOWLOG GET shows which commands were slow. Those whose time grows with the data (KEYS, SMEMBERS, SORT, LRANGE of "
                    + "a long list) can be replaced by SCAN and its kin, or by ranges.")
        }
        if events.contains(.fastCommand) {
            advice.append(
                "Commands that do little took long: the server was not running meanwhile. Look for other programs on this machine, "
                    + "for limits of the CPU time of a container, and for neighbours of a virtual machine. "
                    + "'redis-cli --intrinsic-latency 100', run on this machine, measures such pauses.")
        }
        if events.contains(.expireCycle) {
            advice.append(
                "Many keys expire at the same moment. A random part in their times to live spreads that out.")
        }
        if events.contains(.evictionCycle) {
            advice.append(
                "Much had to be evicted at once. A limit that was lowered with 'CONFIG SET maxmemory', or very large values, "
                    + "ask for that; 'maxmemory-eviction-tenacity' bounds how long a command may take over it.")
        }
        return advice
    }

    // MARK: the graph

    private static let graphWidth = 80

    /// The spikes of an event as a graph of characters, under each how long ago it was.
    /// - Parameter now: in seconds since 1970.
    static func graph(of name: String, _ series: Series, now: Int) -> String {
        let latencies = series.spikes.map(\.latency)
        let (low, high) = (latencies.min() ?? 0, latencies.max() ?? 0)
        var text = "\(name) - high \(high) ms, low \(low) ms (all time high \(series.longest) ms)\n"
        text += String(repeating: "-", count: graphWidth) + "\n"
        let bars = series.spikes.map { Bar($0, low: low, high: high, now: now) }
        for start in stride(from: 0, to: bars.count, by: graphWidth) {
            if start > 0 { text += "\n" }
            text += rows(of: bars[start..<min(start + graphWidth, bars.count)])
        }
        return text
    }

    /// One column of a graph.
    private struct Bar {
        static let rowCount = 4
        private static let characters = Array("_o#")
        /// How high it is, in parts of a row.
        private let step: Int
        private let label: [Character]

        init(_ spike: Spike, low: Int, high: Int, now: Int) {
            let stepCount = Self.characters.count * Self.rowCount
            let range = max(1, high - low)
            step = min(max(0, (spike.latency - low) * stepCount / range), stepCount - 1)
            let age = now - spike.time
            switch age {
            case ..<60: label = Array("\(age)s")
            case ..<3600: label = Array("\(age / 60)m")
            case ..<86_400: label = Array("\(age / 3600)h")
            default: label = Array("\(age / 86_400)d")
            }
        }

        /// What it shows in a row; the first row is the highest.
        func character(inRow row: Int) -> Character {
            let part = step - (Self.rowCount - 1 - row) * Self.characters.count
            if part < 0 { return " " }
            return part < Self.characters.count ? Self.characters[part] : "|"
        }

        /// A letter of its label; nil behind its end.
        func letter(_ index: Int) -> Character? { index < label.count ? label[index] : nil }
    }

    private static func rows(of bars: ArraySlice<Bar>) -> String {
        var text = ""
        for row in 0..<Bar.rowCount { text += String(bars.map { $0.character(inRow: row) }) + "\n" }
        text += String(repeating: " ", count: bars.count) + "\n"
        var index = 0
        while bars.contains(where: { $0.letter(index) != nil }) {
            text += String(bars.map { $0.letter(index) ?? " " }) + "\n"
            index += 1
        }
        return text
    }
}
