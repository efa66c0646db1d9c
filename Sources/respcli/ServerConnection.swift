// One connection: commands are sent as arrays of bulk strings, replies are parsed.

import RespCodec

final class ServerConnection {
    private let socket: ClientSocket
    private var parser = ReplyParser()
    private var buffer = Bytes(repeating: 0, count: 16 * 1024)
    /// The range of `buffer` that has been received and not parsed.
    private var unread = 0..<0
    /// Why the connection cannot be used any more; nil while it can.
    private(set) var failure: ConnectionFailure?

    init(to endpoint: Endpoint) throws(ConnectionFailure) {
        socket = try ClientSocket(to: endpoint)
    }

    func send(_ command: [Bytes]) throws(ConnectionFailure) {
        var request = Bytes("*".utf8) + Decimal.text(command.count) + Self.lineEnd
        for argument in command {
            request.append(UInt8(ascii: "$"))
            request += Decimal.text(argument.count)
            request += Self.lineEnd
            request += argument
            request += Self.lineEnd
        }
        do throws(ConnectionFailure) {
            try socket.send(request)
        } catch {
            failure = error
            throw error
        }
    }

    private static let lineEnd = Bytes("\r\n".utf8)

    /// The next reply or push.
    ///
    /// - Parameter interrupt: see `ClientSocket.receive`.
    func receive(interrupt: CInt? = nil) throws(ConnectionFailure) -> Reply {
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

    /// A reply from what has been received; nil if there is no complete one.
    private func parse() throws(ConnectionFailure) -> Reply? {
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
}
