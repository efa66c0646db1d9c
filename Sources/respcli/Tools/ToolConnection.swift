// A connection that is set up: authenticated, in its database, and in a protocol. For the tools, which have no session.

import RespCodec

/// Why a tool cannot go on: an address, and what happened there.
struct ToolFailure: Error {
    let message: String
    /// Whether it is about one key, so that others may do better.
    var isOfOneKey = false
    /// Whether the user may not run a command, with whatever key.
    var isMissingPermission = false

    init(_ message: String, isOfOneKey: Bool = false) {
        self.message = message
        self.isOfOneKey = isOfOneKey
    }

    /// An error reply.
    init(_ connection: ToolConnection, _ command: String, _ reply: Bytes) {
        message = "\(connection.server.endpoint.description): \(command): \(Text.string(reply))"
        isMissingPermission = reply.starts(with: "NOPERM".utf8) && Text.string(reply).contains("command")
        let code = Text.string(Bytes(reply.prefix { $0 != UInt8(ascii: " ") }))
        isOfOneKey = !isMissingPermission && !Self.statesOfServer.contains(code)
    }

    init(_ endpoint: Endpoint, _ failure: ConnectionFailure) {
        message = "\(endpoint.description): \(failure.message)"
    }

    /// The codes of errors that every other key would meet, too.
    private static let statesOfServer: Set<String> = [
        "BUSY", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "MISCONF", "NOAUTH", "NOREPLICAS", "OOM", "READONLY",
    ]
}

final class ToolConnection {
    let server: ServerOptions
    private let connection: ServerConnection

    /// - Parameter options: which options name another server, for advice; nil if it was named without one.
    init(_ server: ServerOptions, usesResp3: Bool = false, options: String? = nil) throws(ToolFailure) {
        self.server = server
        do throws(ConnectionFailure) {
            connection = try ServerConnection(to: server)
        } catch {
            throw ToolFailure(
                "Could not connect to Redis at \(server.endpoint.description): \(error.message)\(error.advice(options))"
            )
        }
        var setup: [[Bytes]] = []
        if let password = server.password {
            setup.append([Bytes("AUTH".utf8)] + (server.user.map { [$0] } ?? []) + [password])
        }
        if usesResp3 { setup.append([Bytes("HELLO".utf8), Bytes("3".utf8)]) }
        if server.database != 0 { setup.append([Bytes("SELECT".utf8), Decimal.text(server.database)]) }
        for (command, reply) in zip(setup, try ask(all: setup)) {
            if let message = reply.errorText {
                throw ToolFailure(
                    "\(server.endpoint.description): \(Text.string(command[0])) failed: \(Text.string(message))")
            }
        }
    }

    /// The replies to commands that are sent at once.
    func ask(all commands: [[Bytes]]) throws(ToolFailure) -> [Reply] {
        do throws(ConnectionFailure) {
            for command in commands { connection.append(command) }
            var replies: [Reply] = []
            replies.reserveCapacity(commands.count)
            while replies.count < commands.count {
                let reply = try connection.receive()
                if !reply.isPush { replies.append(reply.withoutAttributes) }
            }
            return replies
        } catch {
            throw ToolFailure(server.endpoint, error)
        }
    }

    func ask(_ command: [Bytes]) throws(ToolFailure) -> Reply { try ask(all: [command])[0] }

    func ask(_ words: String...) throws(ToolFailure) -> Reply { try ask(words.map { Bytes($0.utf8) }) }

    /// The reply to a command that must not fail.
    func need(_ command: [Bytes]) throws(ToolFailure) -> Reply {
        let reply = try ask(command)
        if let message = reply.errorText { throw ToolFailure(self, Text.string(command[0]), message) }
        return reply
    }
}

extension Reply {
    /// The elements of an array or a set; none for anything else.
    var listElements: [Reply] {
        switch self {
        case .array(let elements), .set(let elements): elements
        default: []
        }
    }

    var integerValue: Int? {
        if case .integer(let value) = self { return value }
        return nil
    }
}

/// The keys of a database, some at a time; may go on where an earlier walk stopped.
struct KeyWalk {
    private let connection: ToolConnection
    private let arguments: [Bytes]
    private(set) var cursor: UInt
    private(set) var hasEnded = false
    private var hasBegun = false

    /// - Parameter arguments: of SCAN, behind the cursor.
    init(_ connection: ToolConnection, _ arguments: [Bytes], from cursor: UInt = 0) {
        self.connection = connection
        self.arguments = arguments
        self.cursor = cursor
    }

    mutating func next() throws(ToolFailure) -> [Bytes]? {
        guard !hasEnded else { return nil }
        let reply = try connection.need([Bytes("SCAN".utf8), Bytes(String(cursor).utf8)] + arguments)
        let parts = reply.listElements
        guard parts.count == 2, let next = parts[0].stringBytes?.withByteSlice({ Decimal.parseUnsigned($0) }) else {
            throw ToolFailure("\(connection.server.endpoint.description): SCAN: a reply that is none of SCAN's")
        }
        cursor = next
        hasEnded = next == 0
        // A key may come more than once.
        var seen: Set<Bytes> = []
        return parts[1].listElements.compactMap(\.stringBytes).filter { seen.insert($0).inserted }
    }
}
