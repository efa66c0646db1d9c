// Hot keys: which keys take most of the processor's time, and of the bytes that clients send and are sent. HOTKEYS tells of them.
//
// Requests are sampled, every `ratio`-th on the average. Between two samples nothing is done but to count down once for each batch of
// requests; the sample is a batch of its own and takes the slow path, which measures it. So what sampling costs becomes small with its ratio.
// With a ratio of 1 every request takes the slow path.

import RespCodec
import StoreEngine

struct HotKeys {
    struct Options {
        var tracksTime = false
        var tracksBytes = false
        /// How many keys are told of.
        var count = 10
        /// In milliseconds; nil until it is ended.
        var duration: Int64?
        var ratio = 1
    }

    /// What the whole server has done up to a moment.
    struct Totals {
        /// Of commands with keys.
        var cycles: UInt64 = 0
        var bytes = 0
    }

    /// This many requests are never served, nor can they be exceeded by those that are taken back.
    static let never = Int.max / 2

    let options: Options
    /// In milliseconds since 1970.
    let start: Int64
    private(set) var end: Int64?
    private(set) var byTime: HeavyHitters
    private(set) var byBytes: HeavyHitters
    /// What the process had used of the processor at the start.
    let timeAtStart: ProcessorTime
    private(set) var totals = Totals()
    private var totalsBefore: Totals
    private var random: RandomSource

    var isActive: Bool { end == nil }

    init(_ options: Options, now: Int64, totals: Totals, seed: UInt64) {
        self.options = options
        start = now
        // Sixteen counters for each key that is reported: a counter that is taken over by another key makes that key's count too large, and
        // with so many this befalls keys that are not reported.
        byTime = HeavyHitters(capacity: options.count * 16)
        byBytes = HeavyHitters(capacity: options.count * 16)
        timeAtStart = SystemFacts.processorTime(of: .process)
        totalsBefore = totals
        random = RandomSource(seed: seed)
    }

    /// How many requests there are up to the next sample: from 1 to twice the ratio less 1.
    mutating func drawDistance() -> Int { 1 + random.below(2 * options.ratio - 1) }

    /// Adds what a request took, to each of its keys the same part.
    mutating func add(
        cycles: Int, bytes: Int, to arguments: Arguments, _ specs: KeySpecs, _ hash: (ByteSlice) -> UInt64
    ) {
        var keyCount = 0
        specs.forEachKey(in: arguments) { _, _ in keyCount += 1 }
        guard keyCount > 0 else { return }
        specs.forEachKey(in: arguments) { index, _ in
            let key = arguments[index]
            let hash = hash(key)
            if options.tracksTime { byTime.add(cycles / keyCount, to: key, hash: hash) }
            if options.tracksBytes { byBytes.add(bytes / keyCount, to: key, hash: hash) }
        }
    }

    /// Takes in what the server has done since.
    mutating func follow(_ now: Totals) {
        guard isActive else { return }
        totals.cycles &+= now.cycles &- totalsBefore.cycles
        totals.bytes += now.bytes - totalsBefore.bytes
        totalsBefore = now
    }

    /// The statistics have been set back to nothing.
    mutating func statisticsWereReset() { totalsBefore = Totals() }

    mutating func stop(now: Int64) { end = now }
}

extension Server {
    /// What HOTKEYS compares with.
    var hotKeyTotals: HotKeys.Totals {
        HotKeys.Totals(
            cycles: commands.allRecords.reduce(0) { $1.info.keys.isEmpty ? $0 : $0 &+ $1.cycles },
            bytes: statistics.inputBytes + replies.outputBytes)
    }

    func startHotKeys(_ options: HotKeys.Options) {
        hotKeys.found = HotKeys(options, now: now, totals: hotKeyTotals, seed: UInt64.random(in: 1...UInt64.max))
        hotKeys.timer.set(for: options.duration.map { now + $0 })
        followHotKeys()
    }

    func stopHotKeys() {
        hotKeys.found?.follow(hotKeyTotals)
        hotKeys.found?.stop(now: now)
        hotKeys.timer.set(for: nil)
        followHotKeys()
    }

    func removeHotKeys() {
        hotKeys.found = nil
        followHotKeys()
    }

    /// To be called at the end of the time for which keys are counted.
    func stopHotKeysInTime() {
        guard let tracked = hotKeys.found, tracked.isActive, let duration = tracked.options.duration else { return }
        let end = tracked.start + duration
        end <= now ? stopHotKeys() : hotKeys.timer.set(for: end)
    }

    private func followHotKeys() {
        hotKeys.follow()
        updateGate()
    }

    /// Counts down to the next sample.
    /// - Parameter count: how many requests are about to run.
    /// - Returns: Whether there is a sample among them: then the gate has been closed, and `endSample` opens it behind them.
    @inline(__always)
    func prepareSample(_ count: Int) -> Bool {
        guard hotKeys.reachesSample(count) else { return false }
        closeGateForSample()
        return true
    }

    /// Out of line: the way of a request is not to be checked for what seldom happens.
    @inline(never)
    func endSample() { updateGate() }

    /// Looks at a request that has run, if it is a sample.
    func sampleKeys(_ call: Call, cycles: UInt64, replyByteCount: Int) {
        guard !call.command.record.info.keys.isEmpty else { return }
        hotKeys.take(call, cycles: cycles, replyByteCount: replyByteCount, engine.hash)
    }
}
