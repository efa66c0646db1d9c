// What is noticed of commands that ran: how long each took, which were slow, and which had large requests or replies.
//
// The request path counts a call in the histogram of its command. Only a call that took at least `TurnClock.noticed` cycles, or the first
// one of a command, comes here.

import CLinux
import RespCodec
import StoreEngine

/// A call that is over.
struct FinishedCall {
    let command: CommandHandle
    let arguments: Arguments
    unowned(unsafe) let connection: Connection
    /// How long it took, with what it took before it waited.
    let cycles: UInt64
    /// Whether it was a part of another one.
    var isNested = false
}

/// What is to be noticed of the request at hand, beyond its time. Most requests have nothing of it.
struct ObservedRequest {
    /// Its words, where its command may keep or free the memory in which they lie.
    var words: LoggedWords?
    /// It may be one for the log of large requests.
    var mayBeLarge = false
    /// Its reply, which is to be sent at once, has been looked at.
    var hasMeasuredReply = false
}

final class CommandObserver {
    private(set) var logs = CommandLogs()
    var latency = LatencyMonitor()
    private(set) var tracksLatency = true
    /// `words` and `mayBeLarge` are set only while a request that came in pieces is executed, `hasMeasuredReply` by `executeWithChecks`. No
    /// other code runs while one of them is modified, so exclusive access is not checked at run time.
    @safe @exclusivity(unchecked) var request = ObservedRequest()
    /// Whether requests are measured that came in one piece.
    private var measuresAllRequests = false
    /// From how many bytes on replies are logged.
    private(set) var noticedReply = Int.max
    private let clock: TurnClock

    init(_ clock: TurnClock) { self.clock = clock }

    func follow(_ settings: Settings) {
        logs.follow(settings)
        latency.threshold = settings.latencyMonitorThresholdMilliseconds
        tracksLatency = settings.latencyTracking
        measuresAllRequests = logs.measuresRequests
        noticedReply = logs[.largeReply].isOn ? logs[.largeReply].threshold : Int.max
        clock.noticedMicroseconds = logs[.slow].isOn ? logs[.slow].threshold : Int.max
    }

    func resetLog(_ kind: CommandLog.Kind) { logs[kind].removeAll() }

    /// Whether anything of a request may have to be logged once its command has run.
    var mayLog: Bool { CommandLog.Kind.allCases.contains { logs[$0].isOn } }

    /// Commands that must be looked at.
    var gate: CommandFlags { logs.gate }

    // MARK: time

    /// Looks at a call that took long, or whose time is not counted yet.
    func observe(_ call: FinishedCall) {
        let microseconds = clock.microseconds(cycles: call.cycles)
        call.command.latencies.countAny(
            UInt64(min(max(microseconds * 1000, 0), 1e15)), isTracked: tracksLatency)
        let whole = Int(microseconds)
        let flags = call.command.flags
        if latency.threshold > 0 {
            latency.add(flags.contains(.fast) ? .fastCommand : .command, milliseconds: whole / 1000, now: Self.now)
        }
        if logs[.slow].accepts(whole) { log(call, .slow, whole) }
    }

    /// Takes note of how long an event took that is no command.
    /// - Parameter cycles: of the processor.
    func observe(_ event: LatencyMonitor.Event, cycles: UInt64) {
        guard latency.threshold > 0 else { return }
        latency.add(event, milliseconds: Int(clock.microseconds(cycles: cycles) / 1000), now: Self.now)
    }

    private static var now: Int64 { Syscall.wallMicroseconds() / 1000 }

    // MARK: bytes

    /// The bytes of a request, if they matter; else 0.
    @inline(__always)
    func measure(_ arguments: Arguments) -> Int {
        measuresAllRequests || request.mayBeLarge ? arguments.requestByteCount : 0
    }

    /// Looks at the sizes of a call's request and reply.
    /// - Parameter requestByteCount: 0 if it does not matter.
    func observe(_ call: FinishedCall, requestByteCount: Int, replyByteCount: Int) {
        if requestByteCount > 0 && logs[.largeRequest].accepts(requestByteCount) {
            log(call, .largeRequest, requestByteCount)
        }
        if logs[.largeReply].accepts(replyByteCount) { log(call, .largeReply, replyByteCount) }
    }

    private func log(_ call: FinishedCall, _ kind: CommandLog.Kind, _ value: Int) {
        guard !call.command.flags.contains(.skipSlowLog) else { return }
        let words =
            (call.isNested ? nil : request.words)
            ?? LoggedWords(call.arguments, hiding: call.command.record.info.secrets)
        let connection = unsafe call.connection
        logs[kind].append(value, words, address: connection.address, name: connection.name, now: Self.now)
    }
}
