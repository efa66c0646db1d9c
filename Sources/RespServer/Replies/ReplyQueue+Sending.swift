// From the queue to the sockets.

import Glibc
import RespCodec

extension ReplyQueue {
    /// What of a long reply is not sent keeps the buffer it was written to if it is at least this much.
    private static let worthTheBuffer = 64 * 1024
    /// Of values that are larger than this no more goes out at once: a client may take it as fast as it goes.
    private static let mostAtOnce = 1 << 20

    @inline(__always)
    private func count(_ count: Int, to connection: Connection) {
        outputBytes &+= count
        connection.outputByteCount &+= count
    }

    /// Sends all parts of a connection.
    /// - Parameter first: the first of them.
    @inline(__always)
    func send(_ first: Part, of all: [Part], to connection: Connection) {
        if first.next < 0 {
            unsafe send(bytes(of: first).rawBytes, connection)
        } else {
            sendChain(from: first, of: all, to: connection)
        }
    }

    private func sendChain(from first: Part, of all: [Part], to connection: Connection) {
        var pieces: [UnsafeRawBufferPointer] = unsafe []
        var part = first
        while true {
            unsafe pieces.append(bytes(of: part).rawBytes)
            guard part.next >= 0 else { break }
            part = all[part.next]
        }
        unsafe send(pieces, connection)
    }

    private func send(_ bytes: UnsafeRawBufferPointer, _ connection: Connection) {
        count(bytes.count, to: connection)
        var sent = 0
        if connection.unsent == nil && !mustWaitForLog(connection) {
            guard let count = unsafe taken(connection.transport.send(bytes), by: connection) else { return }
            sent = count
        }
        guard sent < bytes.count, hasRoom(for: bytes.count - sent, connection) else { return }
        unsafe connection.outputQueue().append(UnsafeRawBufferPointer(rebasing: bytes[sent...]))
        hasUnsent(connection)
    }

    private func send(_ pieces: [UnsafeRawBufferPointer], _ connection: Connection) {
        let total = unsafe pieces.reduce(0) { $0 + $1.count }
        count(total, to: connection)
        guard let sent = unsafe sendNow(pieces, connection), sent < total, hasRoom(for: total - sent, connection)
        else { return }
        unsafe keep(pieces, from: sent, connection)
        hasUnsent(connection)
    }

    /// Whether `count` more bytes may wait for a connection. If not, it is closed, and nothing is copied for it.
    private func hasRoom(for count: Int, _ connection: Connection) -> Bool {
        guard limits.isOverHardLimit(connection.unsentByteCount + count, connection) else { return true }
        owner?.closeOverLimit(connection)
        return false
    }

    /// How much of some bytes goes out at once; nil if that ends the connection.
    private func sendNow(_ pieces: [UnsafeRawBufferPointer], _ connection: Connection) -> Int? {
        connection.unsent == nil && !mustWaitForLog(connection)
            ? unsafe taken(connection.transport.send(pieces), by: connection) : 0
    }

    /// How many bytes a socket took; nil if it has ended, and with it the connection.
    @inline(__always)
    private func taken(_ transfer: Transfer, by connection: Connection) -> Int? {
        switch transfer {
        case .bytes(let count):
            writes &+= 1
            steps.step()
            return count
        case .wouldBlock: return 0
        case .ended, .failed:
            close(connection)
            return nil
        }
    }

    /// - Parameter lent: which of the pieces may stay where they are.
    private func keep(
        _ pieces: [UnsafeRawBufferPointer], from sent: Int, _ connection: Connection, lent: [Int: BorrowedBytes] = [:]
    ) {
        var sent = sent
        let queue = connection.outputQueue()
        for index in unsafe pieces.indices {
            let piece = unsafe pieces[index]
            let skipped = min(sent, piece.count)
            sent -= skipped
            let rest = unsafe UnsafeRawBufferPointer(rebasing: piece[skipped...])
            if rest.count >= Self.worthTheBuffer,
                let owner = lent[index].flatMap({ owner?.keep($0, count: rest.count) })
            {
                unsafe queue.append(rest, keptBy: owner)
            } else {
                unsafe queue.append(rest)
            }
        }
    }

    /// Sends the run at hand, behind what is queued.
    func sendRun(of connection: Connection) {
        if writer.isOverfull {
            writer.discardRun()
            hasDiscardedLongRun = true
            if !connection.isClosed { owner?.closeOverLimit(connection) }
            return
        }
        sendParts()
        if connection.isClosed { return writer.discardRun() }
        prepare()
        let run = writer.run
        let (pieces, lent) = unsafe pieces(of: run)
        let total = unsafe pieces.reduce(0) { $0 + $1.count }
        count(total, to: connection)
        let isVeryLong = lent.values.contains { $0.bytes.count > Self.mostAtOnce }
        let first = unsafe isVeryLong ? Self.first(pieces) : pieces
        guard let sent = unsafe sendNow(first, connection) else { return writer.discardRun() }
        if sent < total {
            guard hasRoom(for: total - sent, connection) else { return writer.discardRun() }
            if unsafe pieces.count == 1 && total - sent >= Self.worthTheBuffer {
                let taken = unsafe writer.takeBuffer()
                unsafe connection.outputQueue().append(
                    block: taken.base, sent: run.lowerBound + sent, count: taken.count, capacity: taken.capacity)
            } else {
                unsafe keep(pieces, from: sent, connection, lent: lent)
            }
            hasUnsent(connection)
        }
        writer.removeAll()
    }

    /// The first bytes of a run, no more than go out at once.
    private static func first(_ pieces: [UnsafeRawBufferPointer]) -> [UnsafeRawBufferPointer] {
        var left = mostAtOnce
        var first: [UnsafeRawBufferPointer] = unsafe []
        for index in unsafe pieces.indices where left > 0 {
            unsafe first.append(UnsafeRawBufferPointer(rebasing: pieces[index].prefix(left)))
            left -= unsafe pieces[index].count
        }
        return unsafe first
    }

    /// The bytes of a run in order, those included that lie elsewhere, and which pieces are these.
    private func pieces(of run: Range<Int>) -> (pieces: [UnsafeRawBufferPointer], lent: [Int: BorrowedBytes]) {
        var pieces: [UnsafeRawBufferPointer] = unsafe []
        var lent: [Int: BorrowedBytes] = [:]
        var place = run.lowerBound
        func add(_ bytes: ByteSlice) { if bytes.count > 0 { unsafe pieces.append(bytes.rawBytes) } }
        for borrowed in writer.borrowed {
            add(writer.written(place..<borrowed.position))
            unsafe lent[pieces.count] = borrowed
            add(borrowed.bytes)
            place = borrowed.position
        }
        add(writer.written(place..<run.upperBound))
        return unsafe (pieces, lent)
    }

    // MARK: what sockets would not take

    private func close(_ connection: Connection) { owner?.close(connection, mayLinger: false) }

    /// Takes note that a connection has more unsent than before.
    private func hasUnsent(_ connection: Connection) {
        if mustWaitForLog(connection) {
            waitForLog(connection)
        } else if !connection.isWatchedForWriting {
            watchForWriting(connection)
        }
        checkLimit(connection)
        if !connection.isClosed && connection.unsentByteCount >= limits.mostUnsentBytes(connection.clientClass) {
            connection.isBehind = true
        }
        owner?.unsentChanged(connection)
    }

    /// Closes a connection that has taken too little for too long.
    func checkLimit(_ connection: Connection) {
        guard let owner, limits.isExceeded(by: connection, now: owner.now) else { return }
        owner.closeOverLimit(connection)
    }

    /// Sends more of what a socket would not take before, up to a bound, so that others get their turn.
    func flush(_ connection: Connection) {
        var budget = 1 << 20
        if connection.waitsForLog { return }
        while let queue = connection.unsent {
            // The socket may take more: to ask for it anew has the loop told at once.
            guard budget > 0 else {
                watchForWriting(connection)
                break
            }
            let front = unsafe UnsafeRawBufferPointer(rebasing: queue.front.prefix(budget))
            let result = unsafe connection.transport.send(front)
            guard case .bytes(let count) = result else {
                if result != .wouldBlock { return close(connection) }
                break
            }
            writes &+= 1
            queue.removeFirst(count)
            if queue.byteCount == 0 { connection.dropOutputQueue() }
            // What it did not take it will ask for.
            if count < front.count { break }
            budget -= count
        }
        if connection.isBehind
            && connection.unsentByteCount <= limits.mostUnsentBytes(connection.clientClass) / 2
        {
            connection.isBehind = false
            owner?.enqueue(connection)
        }
        owner?.unsentChanged(connection)
        guard connection.unsent == nil else {
            if !connection.isWatchedForWriting { watchForWriting(connection) }
            return
        }
        connection.softLimitSince = nil
        if connection.isClosing {
            // What it was answered in this turn is still to go out, and the end of the turn closes it then.
            if !hasQueued(connection) { owner?.close(connection, mayLinger: true) }
            return
        }
        connection.isWatchedForWriting = false
        owner?.updateInterest(connection)
    }

    /// Has the loop told when the socket can be written to, at once if it can be now.
    private func watchForWriting(_ connection: Connection) {
        connection.isWatchedForWriting = true
        owner?.updateInterest(connection)
    }
}
