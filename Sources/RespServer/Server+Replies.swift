// Sending what was answered. The replies of a turn lie in one buffer; each connection's run is sent from there, and only what its
// socket does not take moves to the connection and waits until the socket can be written to.

import Glibc
import RespCodec

extension Server {
    /// Replies up to here are let through whatever the limit: Redis has so many bytes for each client that it does not count.
    private static let uncountedReply = 16 * 1024

    /// Takes the bound of a reply from the settings.
    func applyReplyLimit() {
        let hard = configuration.settings.normalOutputLimit.hardBytes
        mostReplyBytes = hard > 0 && hard < Int.max / 2 ? hard + Self.uncountedReply : Int.max / 2
    }

    /// What is written from here on is one connection's.
    @inline(__always)
    func startReply() {
        replyStart = reply.count
        reply.limit = replyStart &+ mostReplyBytes
    }

    /// Queues what has been written since `startReply`, and starts anew.
    @inline(__always)
    func handOverReply(to connection: Connection) {
        if reply.isOverfull {
            // It may have been broken off.
            reply.truncate(to: replyStart)
            closeOverLimit(connection)
        } else if reply.count > replyStart {
            queueReply(connection, replyStart..<reply.count)
        }
        startReply()
    }

    private func queueReply(_ connection: Connection, _ range: Range<Int>) {
        replies.append((connection, range))
        // Large replies go out at once, so that the buffer stays small.
        if reply.count > 1 << 20 { sendReplies() }
    }

    func sendReplies() {
        for (connection, range) in replies where !connection.isClosed {
            statistics.outputBytes += range.count
            connection.outputByteCount += range.count
            reply.written(range).withSpan { span in
                span.withUnsafeBytes { send($0, connection) }
            }
        }
        replies.removeAll(keepingCapacity: true)
        reply.removeAll()
    }

    private func send(_ bytes: UnsafeRawBufferPointer, _ connection: Connection) {
        var sent = 0
        if connection.unsent.byteCount == 0 {
            switch Syscall.send(connection.descriptor, bytes.baseAddress!, bytes.count) {
            case .bytes(let count): sent = count
            case .wouldBlock: break
            case .ended, .failed: return close(connection)
            }
        }
        guard sent < bytes.count else { return }
        connection.unsent.append(UnsafeRawBufferPointer(rebasing: bytes[sent...]))
        if !connection.isWatchedForWriting { watchForWriting(connection) }
        checkOutputLimit(connection)
    }

    /// Sends more of what a socket would not take before, up to a bound, so that others get their turn.
    func flush(_ connection: Connection) {
        var budget = 1 << 20
        while connection.unsent.byteCount > 0 {
            // The socket may take more: to ask for it anew has the loop told at once.
            guard budget > 0 else { return watchForWriting(connection) }
            let front = connection.unsent.front
            let result = Syscall.send(connection.descriptor, front.baseAddress!, front.count)
            guard case .bytes(let count) = result else {
                if result != .wouldBlock { close(connection) }
                return
            }
            connection.unsent.removeFirst(count)
            // What it did not take it will ask for.
            if count < front.count { return }
            budget -= count
        }
        connection.softLimitSince = nil
        if connection.closesAfterReply { return close(connection) }
        connection.isWatchedForWriting = false
        updateInterest(connection)
    }

    /// Has the loop told when the socket can be written to, at once if it can be now.
    private func watchForWriting(_ connection: Connection) {
        connection.isWatchedForWriting = true
        updateInterest(connection)
    }

    /// Has the loop told of what the connection's state asks for, at once of what is there already.
    func updateInterest(_ connection: Connection) {
        epoll.modify(
            connection.descriptor, word: Epoll.word(connection.descriptor, registration: connection.id),
            reading: !connection.isHeld, writing: connection.isWatchedForWriting)
    }

    /// Closes a connection that has taken too little for too long.
    func checkOutputLimit(_ connection: Connection) {
        let limit = configuration.settings.normalOutputLimit
        let size = connection.unsent.byteCount
        var exceeded = limit.hardBytes > 0 && size >= limit.hardBytes
        if limit.softBytes > 0 && size >= limit.softBytes {
            let since = connection.softLimitSince ?? engine.now
            connection.softLimitSince = since
            if engine.now - since > Int64(limit.softSeconds) * 1000 { exceeded = true }
        } else {
            connection.softLimitSince = nil
        }
        if exceeded { closeOverLimit(connection) }
    }

    func closeOverLimit(_ connection: Connection) {
        statistics.clientsClosedByOutputLimit += 1
        log.warning(
            "Client id=\(connection.id) addr=\(connection.address) scheduled to be closed ASAP for overcoming of output buffer limits."
        )
        close(connection)
    }
}
