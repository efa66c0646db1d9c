// `--pipe`: sends what comes from standard input as it is, reads replies at the same time, and counts them. When the input ends, an
// ECHO of random bytes follows, whose reply tells that all others have arrived.

import Glibc
import RespCodec
import TerminalKit

struct PipeMode {
    private let session: Session
    private static let markLength = 20
    private static let blockLength = 256 * 1024

    init(_ session: Session) { self.session = session }

    func run() -> CInt {
        signal(SIGPIPE, SIG_IGN)
        let connection = session.modeConnection
        let progress = ProgressDisplay(label: "pipe", unit: "bytes", total: Self.inputSize)
        let mark = (0..<Self.markLength).map { _ in UInt8.random(in: 0...255) }
        var counter = ReplyCounter(mark: mark)
        var block = Bytes(repeating: 0, count: Self.blockLength)
        var received = Bytes(repeating: 0, count: Self.blockLength)
        /// The range of `block` that has been read and not sent.
        var unsent = 0..<0
        var hasEnded = false
        var isFinished = false
        var sentCount = 0
        var hasTimedOut = false
        var lastReply = Clock.milliseconds
        /// Why nothing can be sent any more. What the server has sent before is still received: it may tell the reason.
        var sendingFailure: ConnectionFailure?

        while !isFinished {
            var waiting = pollfd(fd: connection.descriptor, events: Int16(POLLIN), revents: 0)
            if sendingFailure == nil && (!hasEnded || !unsent.isEmpty) { waiting.events |= Int16(POLLOUT) }
            if !connection.hasPending { _ = poll(&waiting, 1, 1000) }

            do throws(ConnectionFailure) {
                while let count = try connection.tryReceive(into: &received) {
                    let before = counter.replies
                    try counter.take(received, count: count)
                    for message in counter.takeErrors() {
                        progress?.clear()
                        StandardError.write(Text.string(message) + "\n")
                    }
                    if counter.replies != before { lastReply = Clock.milliseconds }
                    if hasEnded && counter.hasMark {
                        isFinished = true
                        break
                    }
                    if count < received.count { break }
                }
            } catch {
                progress?.clear()
                // The server has told why, if it closed the connection because of what was sent.
                if error.isLostConnection && counter.errors > 0 { session.end(status: 1) }
                if let sendingFailure { session.failMode("Error writing to the server: \(sendingFailure.message)") }
                session.failMode("Error reading replies from server: \(error.message)")
            }

            // As much as the socket takes, but not so much that replies are left waiting for long.
            var budget = 4
            while !isFinished && waiting.revents & Int16(POLLOUT) != 0 && budget > 0 {
                budget -= 1
                if unsent.isEmpty {
                    if hasEnded { break }
                    let count = block.withUnsafeMutableBytes { read(STDIN_FILENO, $0.baseAddress, $0.count) }
                    if count < 0 {
                        if errno == EINTR { continue }
                        session.failMode("Error reading from stdin: \(Text.systemError(errno))")
                    }
                    if count == 0 {
                        hasEnded = true
                        lastReply = Clock.milliseconds
                        // The line end completes a request that the input leaves incomplete; by itself it means nothing.
                        let echo = Bytes("\r\n*2\r\n$4\r\nECHO\r\n$\(mark.count)\r\n".utf8) + mark + Bytes("\r\n".utf8)
                        block.replaceSubrange(0..<echo.count, with: echo)
                        unsent = 0..<echo.count
                        session.show("All data transferred. Waiting for the last reply...\n", progress)
                    } else {
                        unsent = 0..<count
                    }
                }
                do throws(ConnectionFailure) {
                    let sent = try connection.trySend(block[unsent])
                    unsent = (unsent.lowerBound + sent)..<unsent.upperBound
                    sentCount += sent
                } catch {
                    sendingFailure = error
                    break
                }
                if !unsent.isEmpty { break }
            }
            progress?.update(sentCount)

            let timeout = session.options.pipeTimeoutSeconds
            if !isFinished && hasEnded && timeout > 0 && Clock.milliseconds - lastReply > timeout * 1000 {
                progress?.clear()
                StandardError.write("No replies for \(timeout) seconds: exiting.\n")
                hasTimedOut = true
                break
            }
        }
        if isFinished { session.show("Last reply received from server.\n", progress) }
        progress?.clear()
        let errors = counter.errors + (hasTimedOut ? 1 : 0)
        session.show("errors: \(errors), replies: \(counter.replies)\n", progress)
        return errors > 0 ? 1 : 0
    }

    /// The bytes of standard input, if it is a file.
    private static var inputSize: Int? {
        var information = stat()
        guard fstat(STDIN_FILENO, &information) == 0, information.st_mode & S_IFMT == S_IFREG else { return nil }
        return Int(information.st_size)
    }
}

/// Counts the replies in what a server sends. Simple strings and integers, which most replies to writes are, are only skipped.
struct ReplyCounter {
    private(set) var replies = 0
    private(set) var errors = 0
    /// Whether the bulk string `mark` has arrived. It does not count as a reply.
    private(set) var hasMark = false
    private let mark: Bytes
    private var parser = ReplyParser()
    private var messages: [Bytes] = []

    init(mark: Bytes) { self.mark = mark }

    mutating func take(_ buffer: Bytes, count: Int) throws(ConnectionFailure) {
        try buffer.withByteSlice { (slice) throws(ConnectionFailure) in
            var input = slice[0..<count]
            while !input.isEmpty {
                if !parser.isInsideReply, input[0] == UInt8(ascii: "+") || input[0] == UInt8(ascii: ":"),
                    let end = input.index(of: 0x0A)
                {
                    replies += 1
                    input = input.dropFirst(end + 1)
                    continue
                }
                switch parser.parse(&input) {
                case .needMore: return
                case .failure(let failure): throw .malformed(failure.message)
                case .reply(let reply): note(reply)
                }
            }
        }
    }

    private mutating func note(_ reply: Reply) {
        if reply.isPush { return }
        if let message = reply.errorText {
            errors += 1
            messages.append(message)
        } else if case .bulkString(let bytes) = reply, bytes == mark {
            hasMark = true
            return
        }
        replies += 1
    }

    /// The error messages since the last call.
    mutating func takeErrors() -> [Bytes] {
        defer { messages.removeAll(keepingCapacity: true) }
        return messages
    }
}
