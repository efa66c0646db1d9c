// Sending what was answered. The replies of a turn lie in one buffer; each connection's run is sent from there, and only what its
// socket does not take moves to the connection and waits until the socket can be written to. A long run is sent at once: so the buffer
// stays small, large values go out from where they lie, and what a client does not take is known before its next request runs.

import Glibc
import RespCodec

extension Server {
    /// Replies up to here are let through whatever the limit: Redis has so many bytes for each client that it does not count.
    private static let uncountedReply = 16 * 1024
    /// A run of this many bytes is sent before the client's next request runs.
    private static let longRun = 256 * 1024
    /// What of a long reply is not sent keeps the buffer it was written to if it is at least this much.
    private static let worthTheBuffer = 64 * 1024
    /// A client that has so many bytes unsent is not served further until it has taken half of them, unless its limit ends it before.
    private static let behindBytes = 16 * 1024 * 1024
    /// What may wait for a client that has not authenticated.
    private static let unauthenticatedOutputLimit = 16 * 1024

    /// Takes the bound of a reply from the settings.
    func applyReplyLimit() {
        let hard = configuration.settings.normalOutputLimit.hardBytes
        // Without a limit a reply is bounded by the machine, but not below what any value may need.
        let most = max(SystemFacts.totalMemory / 2, 1 << 30)
        mostReplyBytes = hard > 0 && hard < most ? hard + Self.uncountedReply : most
    }

    /// What is written from here on is one connection's.
    @inline(__always)
    func startReply() { reply.beginRun(limit: mostReplyBytes, mark: Self.longRun) }

    /// Queues what has been written since `startReply`, or sends it if it is long, and starts anew.
    @inline(__always)
    func handOverReply(to connection: Connection) {
        if reply.isOverfull || reply.needsSending {
            sendLongReply(connection)
        } else if !reply.run.isEmpty {
            replies.append((connection, reply.run))
            if reply.count > 1 << 20 { sendReplies() }
        }
        startReply()
    }

    /// Sends what has been written so far within a command that runs others, as far as it must be sent before the next one of them.
    func sendWithinCommand(_ connection: Connection, from start: Int) {
        guard reply.needsSending else { return }
        if connection.replyMode == .on { handOverReply(to: connection) } else { reply.truncate(to: start) }
    }

    private func sendLongReply(_ connection: Connection) {
        if reply.isOverfull {
            reply.discardRun()
            if !connection.isClosed { closeOverLimit(connection) }
            return
        }
        // What was queued comes first.
        sendQueued()
        if connection.isClosed { return reply.discardRun() }
        let run = reply.run
        var sent = 0
        let parts = parts(of: run)
        let total = parts.reduce(0) { $0 + $1.count }
        count(sent: total, to: connection)
        if connection.unsent.byteCount == 0 {
            switch connection.transport.send(parts) {
            case .bytes(let count):
                statistics.writes &+= 1
                sent = count
            case .wouldBlock: break
            case .ended, .failed:
                reply.discardRun()
                return close(connection)
            }
        }
        if sent < total {
            guard !isOverHardLimit(connection.unsent.byteCount + total - sent, connection) else {
                reply.discardRun()
                return closeOverLimit(connection)
            }
            if parts.count == 1 && total - sent >= Self.worthTheBuffer {
                let taken = reply.takeBuffer()
                connection.unsent.append(
                    block: taken.base, sent: run.lowerBound + sent, count: taken.count, capacity: taken.capacity)
            } else {
                for part in parts {
                    let skipped = min(sent, part.count)
                    sent -= skipped
                    connection.unsent.append(UnsafeRawBufferPointer(rebasing: part[skipped...]))
                }
            }
            hasUnsent(connection)
        }
        reply.removeAll()
    }

    /// The bytes of a run in order, those included that lie elsewhere.
    private func parts(of run: Range<Int>) -> [UnsafeRawBufferPointer] {
        var parts: [UnsafeRawBufferPointer] = []
        var place = run.lowerBound
        func add(_ bytes: ByteSlice) { if bytes.count > 0 { parts.append(bytes.rawBytes) } }
        for borrowed in reply.borrowed {
            add(reply.written(place..<borrowed.position))
            add(borrowed.bytes)
            place = borrowed.position
        }
        add(reply.written(place..<run.upperBound))
        return parts
    }

    /// Sends what is queued. Nothing may be written that is not: see `handOverReply`.
    func sendReplies() {
        sendQueued()
        reply.removeAll()
    }

    private func sendQueued() {
        for (connection, range) in replies where !connection.isClosed {
            count(sent: range.count, to: connection)
            reply.written(range).withSpan { span in
                span.withUnsafeBytes { send($0, connection) }
            }
        }
        replies.removeAll(keepingCapacity: true)
    }

    @inline(__always)
    private func count(sent count: Int, to connection: Connection) {
        statistics.outputBytes += count
        connection.outputByteCount += count
    }

    private func send(_ bytes: UnsafeRawBufferPointer, _ connection: Connection) {
        var sent = 0
        if connection.unsent.byteCount == 0 {
            switch connection.transport.send(bytes) {
            case .bytes(let count):
                statistics.writes &+= 1
                sent = count
            case .wouldBlock: break
            case .ended, .failed: return close(connection)
            }
        }
        guard sent < bytes.count else { return }
        connection.unsent.append(UnsafeRawBufferPointer(rebasing: bytes[sent...]))
        hasUnsent(connection)
    }

    /// Takes note that a connection has more unsent than before.
    private func hasUnsent(_ connection: Connection) {
        if !connection.isWatchedForWriting { watchForWriting(connection) }
        checkOutputLimit(connection)
        if !connection.isClosed && connection.unsent.byteCount >= mostUnsentBytes { connection.isBehind = true }
    }

    /// With so many bytes unsent a client is not served further. Where there is a limit at which it is closed, it comes to that.
    private var mostUnsentBytes: Int {
        let limit = configuration.settings.normalOutputLimit
        return limit.hardBytes > 0 ? Int.max : limit.softBytes + Self.behindBytes
    }

    /// Sends more of what a socket would not take before, up to a bound, so that others get their turn.
    func flush(_ connection: Connection) {
        var budget = 1 << 20
        connection.lastActive = engine.now
        while connection.unsent.byteCount > 0 {
            // The socket may take more: to ask for it anew has the loop told at once.
            guard budget > 0 else {
                watchForWriting(connection)
                break
            }
            let front = connection.unsent.front
            let result = connection.transport.send(front)
            guard case .bytes(let count) = result else {
                if result != .wouldBlock { return close(connection) }
                break
            }
            statistics.writes &+= 1
            connection.unsent.removeFirst(count)
            // What it did not take it will ask for.
            if count < front.count { break }
            budget -= count
        }
        if connection.isBehind && connection.unsent.byteCount <= mostUnsentBytes / 2 {
            connection.isBehind = false
            enqueue(connection)
        }
        guard connection.unsent.byteCount == 0 else { return }
        connection.softLimitSince = nil
        if connection.isClosing { return close(connection, mayLinger: true) }
        connection.isWatchedForWriting = false
        updateInterest(connection)
    }

    /// Has the loop told when the socket can be written to, at once if it can be now.
    private func watchForWriting(_ connection: Connection) {
        connection.isWatchedForWriting = true
        updateInterest(connection)
    }

    /// Has the loop told of what the connection's state asks for, at once of what is there already.
    private func updateInterest(_ connection: Connection) {
        switch connection.transport {
        case .socket(let descriptor):
            epoll.modify(
                descriptor, word: Epoll.word(descriptor, registration: connection.registration),
                writing: connection.isWatchedForWriting)
        case .scripted(let peer): peer.isWatchedForWriting = connection.isWatchedForWriting
        }
    }

    // MARK: limits

    private func isOverHardLimit(_ size: Int, _ connection: Connection) -> Bool {
        let hard = configuration.settings.normalOutputLimit.hardBytes
        return (hard > 0 && size >= hard) || (size > Self.unauthenticatedOutputLimit && !connection.isAuthenticated)
    }

    /// Closes a connection that has taken too little for too long.
    func checkOutputLimit(_ connection: Connection) {
        let limit = configuration.settings.normalOutputLimit
        let size = connection.unsent.byteCount
        var exceeded = isOverHardLimit(size, connection)
        if limit.softBytes > 0 && size >= limit.softBytes {
            let since = connection.softLimitSince ?? engine.now
            connection.softLimitSince = since
            if engine.now - since > Int64(limit.softSeconds) * 1000 { exceeded = true }
        } else {
            connection.softLimitSince = nil
        }
        if exceeded { closeOverLimit(connection) }
    }

    private func closeOverLimit(_ connection: Connection) {
        statistics.clientsClosedByOutputLimit += 1
        log.warning(
            "Client id=\(connection.id) addr=\(connection.address) scheduled to be closed ASAP for overcoming of output buffer limits."
        )
        close(connection)
    }
}
