// What a server tells about itself at a moment, and what two of these moments say together.

import RespCodec

struct ServerSample {
    struct Command: Equatable {
        var calls: Int
        var microseconds: Int
    }

    var time: Int
    var info: ServerInfo
    /// By name.
    var commands: [String: Command] = [:]
    /// Percentiles in microseconds by command, as the server has them since its start: p50, p99, p99.9.
    var latencies: [String: [String: Double]] = [:]

    init(time: Int, info text: Bytes) {
        self.time = time
        info = ServerInfo(text)
        for line in info.lines {
            if line.name.hasPrefix("cmdstat_") {
                let parts = info.parts(line.name)
                commands[String(line.name.dropFirst(8))] = Command(
                    calls: Int(parts["calls"] ?? "") ?? 0, microseconds: Int(parts["usec"] ?? "") ?? 0)
            } else if line.name.hasPrefix("latency_percentiles_usec_") {
                latencies[String(line.name.dropFirst(25))] = info.parts(line.name).compactMapValues { Double($0) }
            }
        }
    }

    struct Rate: Equatable {
        var name: String
        var perSecond: Double
        /// Mean of the calls in between.
        var microseconds: Double
    }

    /// Calls per second since `earlier`, the most frequent first.
    func rates(since earlier: ServerSample) -> [Rate] {
        let seconds = Double(time - earlier.time) / 1e9
        guard seconds > 0 else { return [] }
        return commands.compactMap { name, now in
            let before = earlier.commands[name] ?? Command(calls: 0, microseconds: 0)
            // A restart or CONFIG RESETSTAT in between begins again.
            let calls = now.calls >= before.calls ? now.calls - before.calls : now.calls
            let time =
                now.microseconds >= before.microseconds ? now.microseconds - before.microseconds : now.microseconds
            guard calls > 0 else { return nil }
            return Rate(name: name, perSecond: Double(calls) / seconds, microseconds: Double(time) / Double(calls))
        }.sorted { ($1.perSecond, $0.name) < ($0.perSecond, $1.name) }
    }
}

/// An estimate of what is in a database, from random keys.
struct KeySampling {
    private(set) var memory: [String: Int] = [:]
    private(set) var counts: [String: Int] = [:]
    /// The highest counters of use that were seen.
    private(set) var hottest: [(key: Bytes, counter: Int)] = []
    private(set) var hasCounters = true
    private static let batch = 20
    private static let listed = 10

    var isEmpty: Bool { counts.isEmpty }

    /// Looks at some more keys.
    mutating func sample(_ connection: ToolConnection) throws(ToolFailure) {
        let keys = Set(
            try connection.ask(all: (0..<Self.batch).map { _ in [Bytes("RANDOMKEY".utf8)] }).compactMap(\.stringBytes))
        guard !keys.isEmpty else {
            self = KeySampling()
            return
        }
        let list = Array(keys)
        let types = try connection.ask(all: list.map { [Bytes("TYPE".utf8), $0] })
        let sizes = try connection.ask(all: list.map { [Bytes("MEMORY".utf8), Bytes("USAGE".utf8), $0] })
        for (type, size) in zip(types, sizes) {
            guard let size = size.integerValue, let type = type.stringBytes else { continue }
            memory[Text.string(type), default: 0] += size
            counts[Text.string(type), default: 0] += 1
        }
        guard hasCounters else { return }
        let counters = try connection.ask(all: list.map { [Bytes("OBJECT".utf8), Bytes("FREQ".utf8), $0] })
        if counters.contains(where: { $0.errorText.map { Text.string($0).contains("LFU") } ?? false }) {
            hasCounters = false
            return
        }
        for (key, reply) in zip(list, counters) {
            guard let counter = reply.integerValue else { continue }
            hottest.removeAll { $0.key == key }
            hottest.append((key, counter))
        }
        hottest.sort { $0.counter > $1.counter }
        hottest.removeLast(max(0, hottest.count - Self.listed))
    }

    /// The share of memory of each type, the largest first.
    var shares: [(type: String, share: Double)] {
        let total = Double(memory.values.reduce(0, +))
        guard total > 0 else { return [] }
        return memory.map { ($0.key, Double($0.value) / total) }.sorted { ($1.1, $0.0) < ($0.1, $1.0) }
    }
}
