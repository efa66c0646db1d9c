// The latency monitor: for each kind of event the newest of its spikes, which are the times it took at least `latency-monitor-threshold`
// milliseconds. LATENCY tells of them.

struct LatencyMonitor {
    /// What the server does that may take long, by the names that Redis has for it.
    enum Event: String, CaseIterable {
        case command
        case fastCommand = "fast-command"
        case commandUnblocking = "command-unblocking"
        case expireCycle = "expire-cycle"
        case evictionCycle = "eviction-cycle"
        case defragmentationCycle = "active-defrag-cycle"
        case logWrite = "aof-write"
        case logWriteAlone = "aof-write-alone"
        case logWriteDuringSync = "aof-write-pending-fsync"
        case logWriteDuringSave = "aof-write-active-child"
        case logSync = "aof-fsync-always"
    }

    struct Spike {
        /// In seconds since 1970.
        let time: Int
        /// In milliseconds.
        var latency: Int
    }

    /// The spikes of one event: the longest of each second, of the newest seconds that had one.
    struct Series {
        static let maxCount = 160
        /// The oldest is the first.
        private(set) var spikes: [Spike] = []
        private(set) var longest = 0

        var latest: Spike { spikes[spikes.count - 1] }

        mutating func add(_ latency: Int, time: Int) {
            longest = max(longest, latency)
            if let last = spikes.last, last.time == time {
                spikes[spikes.count - 1].latency = max(last.latency, latency)
                return
            }
            if spikes.count == Self.maxCount { spikes.removeFirst() }
            spikes.append(Spike(time: time, latency: latency))
        }
    }

    /// In milliseconds; 0 is off.
    var threshold = 0
    private var series = Event.allCases.map { _ in Series() }

    /// Events that have spikes, in a fixed order.
    var observed: [(event: Event, series: Series)] {
        zip(Event.allCases, series).filter { !$1.spikes.isEmpty }.map { ($0, $1) }
    }

    /// The spikes of an event; nil if it has none.
    subscript(name: String) -> Series? {
        guard let index = Event.allCases.firstIndex(where: { $0.rawValue == name }), !series[index].spikes.isEmpty
        else { return nil }
        return series[index]
    }

    /// Takes note of how long something took.
    /// - Parameter now: in milliseconds since 1970.
    mutating func add(_ event: Event, milliseconds: Int, now: Int64) {
        guard threshold > 0, milliseconds >= threshold else { return }
        let index = Event.allCases.firstIndex(of: event)!
        series[index].add(milliseconds, time: Int(now / 1000))
    }

    /// Forgets the spikes of the events that fit.
    /// - Returns: How many had any.
    mutating func reset(where fits: (Event) -> Bool = { _ in true }) -> Int {
        var count = 0
        for (index, event) in Event.allCases.enumerated() where !series[index].spikes.isEmpty && fits(event) {
            series[index] = Series()
            count += 1
        }
        return count
    }
}
