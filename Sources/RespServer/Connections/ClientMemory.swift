// What clients hold: it counts against `maxmemory`, and `maxmemory-clients` bounds it by itself.
//
// While there is one of these limits, a connection is counted anew whenever it has been served, and when what it has not taken changes. So the
// sum is right at any time, a request that arrives in pieces included, and to keep it costs nothing that grows with the connections.
// Without a limit nobody counts, and INFO goes through all of them.

import RespCodec

final class ClientMemory {
    /// When clients are to be closed that hold too much.
    let timer: LoopTimer
    /// Whether the sum follows every change.
    var isFollowed = false
    /// The sum of all connections' `countedByteCount`.
    private(set) var byteCount = 0
    /// What of it is requests that have not been executed, most of them because they have not arrived whole.
    private(set) var inputByteCount = 0
    /// What of it is values of keys, on their way to clients, which count as in use of the engine.
    private(set) var keptByteCount = 0
    /// How much more the commands of requests that are arriving are going to take: see `Server.expectedByteCount`.
    private(set) var expectedByteCount = 0

    init(_ timers: LoopTimers) { timer = timers.add() }

    /// Counts a connection anew.
    /// - Returns: Whether it holds more or less than when it was counted last.
    @inline(__always)
    func count(_ connection: Connection) -> Bool {
        let (bytes, input) = (connection.byteCount, connection.pending?.memoryByteCount ?? 0)
        let kept = connection.unsent?.keptByteCount ?? 0
        guard
            bytes != connection.countedByteCount || input != connection.countedInputByteCount
                || kept != connection.countedKeptByteCount
        else { return false }
        byteCount += bytes - connection.countedByteCount
        inputByteCount += input - connection.countedInputByteCount
        keptByteCount += kept - connection.countedKeptByteCount
        (connection.countedByteCount, connection.countedInputByteCount) = (bytes, input)
        connection.countedKeptByteCount = kept
        return true
    }

    /// Takes note of how much more than what has arrived a request is going to take.
    /// - Returns: Whether that has changed.
    @inline(__always)
    func expect(_ bytes: Int, of connection: Connection) -> Bool {
        guard bytes != connection.expectedByteCount else { return false }
        expectedByteCount += bytes - connection.expectedByteCount
        connection.expectedByteCount = bytes
        return true
    }

    func forget(_ connection: Connection) {
        _ = expect(0, of: connection)
        byteCount -= connection.countedByteCount
        inputByteCount -= connection.countedInputByteCount
        keptByteCount -= connection.countedKeptByteCount
        (connection.countedByteCount, connection.countedInputByteCount) = (0, 0)
        connection.countedKeptByteCount = 0
    }
}

extension Connection {
    /// What it watches, and what it is told of: subscriptions, and prefixes of keys.
    var registrationByteCount: Int {
        (subscriber?.byteCount ?? 0) + (watches?.byteCount ?? 0) + (tracker?.prefixes.byteCount ?? 0)
    }

    /// Input, queued commands, the command that waits, watches, subscriptions, names, and the object itself.
    var byteCountBesidesOutput: Int {
        (pending?.memoryByteCount ?? 0) + (transaction?.byteCount ?? 0) + (waiting?.byteCount ?? 0)
            + registrationByteCount + nameByteCount + objectByteCount
    }

    /// All that it holds, what it is still to be sent included.
    var byteCount: Int { byteCountBesidesOutput + (unsent?.heldByteCount ?? 0) }

    /// The memory of names: short ones lie in the object.
    static func byteCount(ofNames names: String...) -> Int {
        names.reduce(0) { $1.utf8.count > 15 ? $0 + $1.utf8.count + 48 : $0 }
    }
}

extension Server {
    /// To be called after a limit has been set or removed.
    func followClientMemoryLimits() {
        let settings = configuration.settings
        let isLimited = settings.maxMemory > 0 || settings.maxMemoryClients != 0
        if isLimited && !clientMemory.isFollowed {
            for connection in connections.all { _ = clientMemory.count(connection) }
        }
        clientMemory.isFollowed = isLimited
        if isOverClientLimit { clientMemory.timer.set(for: now) }
    }

    /// To be called when a connection may hold more or less than before, while this is followed.
    @inline(never)
    func countMemory(of connection: Connection) {
        guard !connection.isClosed, clientMemory.count(connection) else { return }
        _ = clientMemory.expect(expectedByteCount(of: connection), of: connection)
        if engine.isMemoryLimited { followMemoryLimit() }
        if isOverClientLimit { clientMemory.timer.set(for: now) }
    }

    /// Large arguments below this size make no difference to any limit.
    private static let leastExpected = 1 << 20

    /// How much more memory the command of a request with large arguments is going to take at once than these do: most copy them, and of
    /// transactions the log has another copy. Room for it is made as they arrive. Where no key may go, or it is more than a half of the limit together, there is no
    /// use in that.
    private func expectedByteCount(of connection: Connection) -> Int {
        let settings = configuration.settings
        let arrived = (connection.pending?.largeByteCount ?? 0) + (connection.transaction?.byteCount ?? 0)
        guard arrived >= Self.leastExpected, settings.maxMemory > 0, settings.maxMemoryPolicy != .noEviction else {
            return 0
        }
        let isInTransaction = connection.transaction != nil
        let isTakenOver =
            !isInTransaction && connection.pending?.withCommandName { Self.takesArgumentsOver($0) } == true
        let copies = isTakenOver ? 0 : isInTransaction && appendOnly.takesEffects ? 2 : 1
        return min(copies * arrived, max(0, settings.maxMemory / 2 - arrived))
    }

    /// Whether large arguments of a command become values as they are.
    private static func takesArgumentsOver(_ name: ByteSlice) -> Bool {
        ["set", "mset", "setex", "psetex", "setnx"].contains { name.equalsIgnoringCase($0) }
    }

    /// A connection has gone: what it held counts no longer.
    func memoryGoes(with connection: Connection) {
        clientMemory.forget(connection)
        if engine.isMemoryLimited { followMemoryLimit() }
    }

    /// A limit below this would close every client as soon as it comes: nobody could change it any more.
    ///
    /// - Source: Redis, networking.c, `getClientEvictionLimit`.
    private static let leastClientLimit = 128 << 10

    /// How much all clients may hold; nil if there is no limit.
    private var clientLimit: Int? {
        let setting = configuration.settings.maxMemoryClients
        let limit = setting < 0 ? configuration.settings.maxMemory / 100 * -setting : setting
        return limit > 0 ? max(limit, Self.leastClientLimit) : nil
    }

    private var isOverClientLimit: Bool { clientLimit.map { clientMemory.byteCount > $0 } ?? false }

    /// Closes clients that hold most memory while all of them hold more than `maxmemory-clients` allows.
    /// - Parameter spared: one that is not closed.
    /// - Complexity: O(n log n) in the connections where that is so, else O(1).
    func evictClients(sparing spared: Connection? = nil) {
        guard let limit = clientLimit, clientMemory.byteCount > limit else { return }
        var candidates = connections.all.filter { !$0.isNoEvict && $0 !== spared }
        candidates.sort { $0.countedByteCount > $1.countedByteCount }
        for connection in candidates where !connection.isClosed {
            guard clientMemory.byteCount > limit else { return }
            log.notice(
                "Evicting client: id=\(connection.id) addr=\(connection.address) name=\(connection.name), which holds \(connection.countedByteCount) bytes"
            )
            statistics.evictedClients += 1
            // It may be sending still, and is to see an end, not an error of its connection.
            close(connection, mayLinger: true)
        }
    }
}
