// A server without sockets: its clients are scripts, which tell how much is sent at once, how much is taken, and when they end.

import CLinux
import Glibc
import RespCodec
import StoreEngine
import TestSupport

@testable import RespServer

/// A client that sends what it is given piece by piece, and takes what it is told to take.
final class ScriptedClient: ScriptedPeer {
    /// What is sent next; an empty piece ends the connection.
    var pieces: [[UInt8]] = []
    /// How many bytes it takes of the next sends: nil once for "would block", fewer than 0 once for an error. Everything when there is
    /// nothing more.
    var takes: [Int?] = []
    private(set) var received: [UInt8] = []
    /// In how many runs of bytes it was sent to.
    private(set) var sentRuns = 0
    /// Called before it takes anything.
    var onSend: () -> Void = {}
    fileprivate(set) var connection: Connection!
    var text: String { String(decoding: received, as: UTF8.self) }

    /// What it receives meanwhile.
    func received(during body: () -> Void) -> String {
        let before = received.count
        body()
        return String(decoding: received[before...], as: UTF8.self)
    }

    override func read(_ room: UnsafeMutableRawBufferPointer) -> Transfer {
        guard !isClosed, let piece = pieces.first else { return .wouldBlock }
        guard !piece.isEmpty else { return .ended }
        let count = min(piece.count, room.count)
        piece.withUnsafeBytes { room.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[..<count])) }
        if count == piece.count { pieces.removeFirst() } else { pieces[0].removeFirst(count) }
        return .bytes(count)
    }

    override func send(_ parts: [UnsafeRawBufferPointer]) -> Transfer {
        precondition(!isClosed, "nothing is sent to who is closed")
        onSend()
        sentRuns += parts.count
        let all = parts.flatMap { Array($0) }
        guard !takes.isEmpty else {
            received += all
            return .bytes(all.count)
        }
        guard let count = takes.removeFirst() else { return .wouldBlock }
        guard count >= 0 else { return .failed(ECONNRESET) }
        received += all.prefix(count)
        return .bytes(min(count, all.count))
    }
}

final class ScriptedServer {
    let server: Server
    private var clients: [ScriptedClient] = []

    /// - Parameter configuration: lines of a configuration file. Nothing is saved unless they say so: a flush would.
    init(_ configuration: String = "") {
        guard case .success(let configuration) = load("save \"\"\nhash-seed \(TestSeed.ofRun)\n\(configuration)"),
            let log = Optional(Log()),
            let server = try? Server(configuration: configuration, log: log)
        else { preconditionFailure("no server") }
        self.server = server
    }

    /// A new client; its descriptor may be one that was used before.
    func connect(descriptor: Int32? = nil) -> ScriptedClient {
        let client = ScriptedClient(descriptor: descriptor ?? Int32(100 + clients.count))
        let connection = Connection(
            .scripted(client), id: server.connections.nextID, isUnix: true, now: server.engine.now, unixPath: "test")
        client.connection = connection
        server.enter(connection)
        clients.append(client)
        return client
    }

    /// A new client that has sent some requests.
    func connect(sending lines: String) -> ScriptedClient {
        let client = connect()
        send(client, lines)
        return client
    }

    /// Has a client send requests, and runs until they are answered.
    func send(_ client: ScriptedClient, _ lines: String) {
        client.pieces.append(requests(lines))
        run()
    }

    static func readable(_ client: ScriptedClient) -> Epoll.Event {
        Epoll.Event(
            word: Epoll.word(client.descriptor, registration: client.connection.registration), flags: EPOLLIN.rawValue)
    }

    /// Takes one turn with the events that sockets of such clients would have, or with these.
    func turn(_ events: [Epoll.Event]? = nil) {
        let events =
            events
            ?? clients.filter { !$0.isClosed }.compactMap { client in
                var flags: UInt32 = 0
                if !client.pieces.isEmpty { flags |= EPOLLIN.rawValue }
                if client.isWatchedForWriting { flags |= EPOLLOUT.rawValue }
                guard flags != 0 else { return nil }
                let word = Epoll.word(client.descriptor, registration: client.connection.registration)
                return Epoll.Event(word: word, flags: flags)
            }
        server.takeTurn(events.count) { events[$0] }
    }

    /// Takes turns until nobody has anything to send or to take, also in a turn that only timers ask for.
    func run() {
        for _ in 0..<100_000 {
            turn()
            if isBusy { continue }
            turn()
            if !isBusy { return }
        }
        preconditionFailure("it never comes to rest")
    }

    private var isBusy: Bool {
        clients.contains { client in
            !client.isClosed
                && (!client.pieces.isEmpty && !client.connection.isSuspended || client.isWatchedForWriting
                    || client.connection.isQueued)
        }
    }

    /// What a client is answered that sends these bytes in these pieces.
    func answer(_ pieces: [[UInt8]], takes: [Int?] = []) -> String {
        let client = connect()
        client.pieces = pieces
        client.takes = takes
        run()
        server.close(client.connection)
        return client.text
    }
}

/// Requests as they go over the wire, one for each line.
func requests(_ lines: String) -> [UInt8] {
    lines.split(separator: "\n").flatMap { line in
        let words = line.split(separator: " ")
        return Array("*\(words.count)\r\n".utf8) + words.flatMap { Array("$\($0.utf8.count)\r\n\($0)\r\n".utf8) }
    }
}
