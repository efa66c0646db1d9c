// A thread of a load: some clients on one epoll instance.
//
// As fast as possible, a client sends its next batch when the last reply of the one before has come. At a fixed rate, request number k of
// the thread is due at start + k / rate; it is sent then by a client that is free, or later by the first that is, and its latency counts
// from when it was due: so a server that stops for a moment is seen by all requests that would have come in that time.

import CLinux
import Glibc
import Synchronization

/// What all threads share.
final class BenchShared: Sendable {
    let total: Int
    private let taken = Atomic<Int>(0)
    let completed = Atomic<Int>(0)
    let isStopped = Atomic<Bool>(false)

    init(total: Int) { self.total = total }

    /// Takes up to `count` of the requests that are left.
    func take(_ count: Int) -> Int {
        let before = taken.wrappingAdd(count, ordering: .relaxed).oldValue
        return max(0, min(count, total - before))
    }
}

struct BenchWorker {
    struct Result {
        var latencies = LatencyHistogram()
        var errorCount = 0
        var firstError: Bytes?
        var failure: ConnectionFailure?
    }

    private let connections: [BenchConnection]
    private let shared: BenchShared
    private let pipeline: Int
    /// Nanoseconds between requests of this thread; 0 for as fast as possible.
    private let gap: Double
    private var random: FastRandom
    private var result = Result()
    private var room = Bytes(repeating: 0, count: 64 * 1024)

    init(_ connections: [BenchConnection], _ shared: BenchShared, pipeline: Int, ratePerSecond: Double, seed: UInt64) {
        self.connections = connections
        self.shared = shared
        self.pipeline = pipeline
        gap = ratePerSecond > 0 ? 1e9 / ratePerSecond : 0
        random = FastRandom(seed: seed)
    }

    /// Runs until all requests are answered.
    mutating func run() -> Result {
        do throws(ConnectionFailure) {
            if gap > 0 { try runAtRate() } else { try runAtFullSpeed() }
        } catch {
            result.failure = error
            shared.isStopped.store(true, ordering: .relaxed)
        }
        for connection in connections {
            result.errorCount += connection.errorCount
            if result.firstError == nil { result.firstError = connection.firstError }
        }
        return result
    }

    // MARK: waiting for sockets

    private static let readEvents = UInt32(EPOLLIN.rawValue)
    private static let bothEvents = UInt32(EPOLLIN.rawValue) | UInt32(EPOLLOUT.rawValue)

    private func watch(_ index: Int, _ epoll: CInt, writing: Bool, operation: CInt) throws(ConnectionFailure) {
        var event = epoll_event()
        event.events = writing ? Self.bothEvents : Self.readEvents
        event.data.u64 = UInt64(index)
        guard epoll_ctl(epoll, operation, connections[index].descriptor, &event) == 0 else {
            throw .system(code: errno)
        }
    }

    private func makeEpoll() throws(ConnectionFailure) -> CInt {
        let epoll = epoll_create1(CInt(EPOLL_CLOEXEC))
        guard epoll >= 0 else { throw .system(code: errno) }
        for index in connections.indices { try watch(index, epoll, writing: false, operation: EPOLL_CTL_ADD) }
        return epoll
    }

    /// Begins to send `count` requests, on a new connection if the client wants one.
    private mutating func begin(_ count: Int, _ index: Int, _ epoll: CInt, _ wasSending: Bool) throws(ConnectionFailure)
    {
        let connection = connections[index]
        let isNew = connection.needsConnection
        if isNew { try connection.reconnect() }
        try connection.begin(count, &random)
        if isNew {
            // The old socket has left the instance when it was closed.
            try watch(index, epoll, writing: connection.isSending, operation: EPOLL_CTL_ADD)
        } else {
            try adjust(index, epoll, wasSending)
        }
    }

    /// Adjusts whether the socket is watched for room, which is rarely needed.
    private func adjust(_ index: Int, _ epoll: CInt, _ wasSending: Bool) throws(ConnectionFailure) {
        let isSending = connections[index].isSending
        if isSending != wasSending { try watch(index, epoll, writing: isSending, operation: EPOLL_CTL_MOD) }
    }

    private func wait(_ epoll: CInt, _ events: inout [epoll_event], _ timeout: CInt) throws(ConnectionFailure) -> Int {
        let count = epoll_wait(epoll, &events, CInt(events.count), timeout)
        if count >= 0 { return Int(count) }
        guard errno == EINTR else { throw .system(code: errno) }
        return 0
    }

    // MARK: as fast as possible

    private mutating func runAtFullSpeed() throws(ConnectionFailure) {
        let epoll = try makeEpoll()
        defer { close(epoll) }
        var events = [epoll_event](repeating: epoll_event(), count: 256)
        var active = 0
        for index in connections.indices {
            let count = shared.take(pipeline)
            guard count > 0 else { break }
            active += 1
            connections[index].startTime = Clock.nanoseconds
            try begin(count, index, epoll, false)
        }
        while active > 0 && !shared.isStopped.load(ordering: .relaxed) {
            let count = try wait(epoll, &events, 100)
            for event in 0..<count {
                let index = Int(events[event].data.u64)
                let connection = connections[index]
                let wasSending = connection.isSending
                if wasSending { try connection.sendMore() }
                let replies = try connection.receive(into: &room)
                if replies > 0 {
                    let now = Clock.nanoseconds
                    result.latencies.add(now - connection.startTime, times: replies)
                    shared.completed.wrappingAdd(replies, ordering: .relaxed)
                    if connection.missing == 0 {
                        let next = shared.take(pipeline)
                        if next > 0 {
                            connection.startTime = now
                            try begin(next, index, epoll, wasSending)
                            continue
                        }
                        active -= 1
                    }
                }
                try adjust(index, epoll, wasSending)
            }
        }
    }

    // MARK: at a fixed rate

    private mutating func runAtRate() throws(ConnectionFailure) {
        let epoll = try makeEpoll()
        defer { close(epoll) }
        let timer = timerfd_create(CLOCK_MONOTONIC, CInt(TFD_NONBLOCK) | CInt(TFD_CLOEXEC))
        guard timer >= 0 else { throw .system(code: errno) }
        defer { close(timer) }
        var event = epoll_event()
        event.events = Self.readEvents
        event.data.u64 = UInt64(connections.count)
        guard epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event) == 0 else { throw .system(code: errno) }
        clinux_use_exact_timers()

        var events = [epoll_event](repeating: epoll_event(), count: 256)
        var free = Array(connections.indices)
        let start = Clock.nanoseconds
        /// Requests of this thread that have been sent.
        var sent = 0
        var hasMore = true
        func dueTime(_ number: Int) -> Int { start + Int(Double(number) * gap) }
        while (hasMore || free.count < connections.count) && !shared.isStopped.load(ordering: .relaxed) {
            let now = Clock.nanoseconds
            while hasMore, let index = free.last, dueTime(sent) <= now {
                // All that is due, up to a batch.
                var due = 1
                while due < pipeline && dueTime(sent + due) <= now { due += 1 }
                let count = shared.take(due)
                if count < due { hasMore = false }
                guard count > 0 else { break }
                free.removeLast()
                connections[index].dueTimes = (sent..<(sent + count)).map(dueTime)
                sent += count
                try begin(count, index, epoll, false)
            }
            if hasMore && !free.isEmpty { try arm(timer, at: dueTime(sent)) }
            let count = try wait(epoll, &events, 100)
            for event in 0..<count {
                let index = Int(events[event].data.u64)
                if index == connections.count {
                    var expirations: UInt64 = 0
                    _ = read(timer, &expirations, 8)
                    continue
                }
                let connection = connections[index]
                let wasSending = connection.isSending
                if wasSending { try connection.sendMore() }
                let replies = try connection.receive(into: &room)
                if replies > 0 {
                    let now = Clock.nanoseconds
                    for due in connection.dueTimes.prefix(replies) { result.latencies.add(now - due) }
                    connection.dueTimes.removeFirst(min(replies, connection.dueTimes.count))
                    shared.completed.wrappingAdd(replies, ordering: .relaxed)
                    if connection.missing == 0 { free.append(index) }
                }
                try adjust(index, epoll, wasSending)
            }
        }
    }

    private func arm(_ timer: CInt, at time: Int) throws(ConnectionFailure) {
        var setting = itimerspec()
        // A time of 0 would switch the timer off.
        let time = max(time, 1)
        setting.it_value = timespec(tv_sec: time / 1_000_000_000, tv_nsec: time % 1_000_000_000)
        guard timerfd_settime(timer, CInt(TFD_TIMER_ABSTIME), &setting, nil) == 0 else {
            throw .system(code: errno)
        }
    }
}
