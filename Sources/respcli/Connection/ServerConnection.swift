// One connection: commands are sent as arrays of bulk strings, one by one or many at once; replies are parsed.

import RespCodec

final class ServerConnection {
    let endpoint: Endpoint
    private let socket: ClientSocket
    private var parser = ReplyParser(limits: replyLimits)
    /// What a server may send is bounded by what it holds, and memory is taken only for what has come.
    private static let replyLimits = {
        var limits = ReplyLimits()
        limits.textLength = 1 << 40
        limits.depth = 1024
        return limits
    }()
    private var buffer = Bytes(repeating: 0, count: 64 * 1024)
    /// The range of `buffer` that has been received and not parsed.
    private var unread = 0..<0
    /// Requests that have not been sent.
    private var unsent: Bytes = []
    /// Why the connection cannot be used any more; nil while it can.
    private(set) var failure: ConnectionFailure?

    init(to server: ServerOptions) throws(ConnectionFailure) {
        endpoint = server.endpoint
        socket = try ClientSocket(to: server)
    }

    var descriptor: CInt { socket.descriptor }

    /// Whether the server has closed the connection since the last reply.
    var isStale: Bool { socket.isClosedByPeer }

    // MARK: sending

    /// Prepares a request, which `flush` or `receive` sends.
    func append(_ command: [Bytes]) { RequestEncoder.append(command, to: &unsent) }

    /// Bytes of requests that have not been sent.
    var unsentCount: Int { unsent.count }

    func flush() throws(ConnectionFailure) {
        guard !unsent.isEmpty else { return }
        do throws(ConnectionFailure) {
            try socket.send(unsent)
            unsent.removeAll(keepingCapacity: unsent.count <= 1024 * 1024)
        } catch {
            unsent = []
            failure = error
            throw error
        }
    }

    func send(_ command: [Bytes]) throws(ConnectionFailure) {
        append(command)
        try flush()
    }

    /// Sends bytes that are requests already.
    func send(raw bytes: Bytes) throws(ConnectionFailure) {
        unsent += bytes
        try flush()
    }

    // MARK: receiving

    /// The next reply or push, after sending what is unsent.
    ///
    /// - Parameter interrupt: see `ClientSocket.receive`.
    func receive(interrupt: CInt? = nil) throws(ConnectionFailure) -> Reply {
        try flush()
        do throws(ConnectionFailure) {
            while true {
                if let reply = try parse() { return reply }
                unread = 0..<(try socket.receive(into: &buffer, interrupt: interrupt))
            }
        } catch {
            failure = error
            throw error
        }
    }

    /// The next reply or push if it has been received already.
    func receiveBuffered() throws(ConnectionFailure) -> Reply? {
        do throws(ConnectionFailure) {
            return try parse()
        } catch {
            failure = error
            throw error
        }
    }

    /// The next bytes as they are, at least one and at most `limit`.
    func receiveRaw(limit: Int) throws(ConnectionFailure) -> ArraySlice<UInt8> {
        do throws(ConnectionFailure) {
            try flush()
            if unread.isEmpty { unread = 0..<(try socket.receive(into: &buffer)) }
        } catch {
            failure = error
            throw error
        }
        let taken = unread.prefix(limit)
        unread = taken.upperBound..<unread.upperBound
        return buffer[taken]
    }

    /// A reply from what has been received; nil if there is no complete one.
    private func parse() throws(ConnectionFailure) -> Reply? {
        guard !unread.isEmpty else { return nil }
        let range = unread
        let (outcome, taken) = buffer.withByteSlice { slice in
            var input = slice[range]
            let outcome = parser.parse(&input)
            return (outcome, range.count - input.count)
        }
        unread = (range.lowerBound + taken)..<range.upperBound
        switch outcome {
        case .reply(let reply): return reply
        case .needMore: return nil
        case .failure(let failure): throw .malformed(failure.message)
        }
    }

    // MARK: without waiting

    /// Takes in what has come already, for `receiveBuffered`.
    func receiveAvailable() throws(ConnectionFailure) {
        guard unread.isEmpty else { return }
        do throws(ConnectionFailure) {
            if let count = try socket.tryReceive(into: &buffer) { unread = 0..<count }
        } catch {
            failure = error
            throw error
        }
    }

    /// Sends as much of `bytes` as the socket takes now; returns how many bytes that is, possibly 0.
    func trySend(_ bytes: ArraySlice<UInt8>) throws(ConnectionFailure) -> Int { try socket.trySend(bytes) }

    /// Receives what there is; nil if there is nothing now.
    func tryReceive(into buffer: inout Bytes) throws(ConnectionFailure) -> Int? {
        try socket.tryReceive(into: &buffer)
    }

    /// Whether bytes were received that `poll` does not know of.
    var hasPending: Bool { socket.hasPending }
}

enum RequestEncoder {
    /// Appends `command` as an array of bulk strings.
    static func append(_ command: [Bytes], to request: inout Bytes) {
        request.append(UInt8(ascii: "*"))
        appendLine(command.count, to: &request)
        for argument in command {
            request.append(UInt8(ascii: "$"))
            appendLine(argument.count, to: &request)
            request += argument
            request.append(0x0D)
            request.append(0x0A)
        }
    }

    /// How many bytes `append` adds for `command`.
    static func length(of command: [Bytes]) -> Int {
        func line(_ number: Int) -> Int { 3 + Decimal.text(number).count }
        return command.reduce(line(command.count)) { $0 + line($1.count) + $1.count + 2 }
    }

    private static func appendLine(_ number: Int, to request: inout Bytes) {
        request += Decimal.text(number)
        request.append(0x0D)
        request.append(0x0A)
    }
}
