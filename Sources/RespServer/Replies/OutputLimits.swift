// How much may wait to be sent to one client: `client-output-buffer-limit`, by the class of the client, and bounds of our own.

import RespCodec

/// What `client-output-buffer-limit` names.
enum ClientClass {
    case normal
    case replica
    case pubsub
}

struct OutputLimits {
    /// Replies up to here are let through whatever the limit: Redis has a buffer of that size for each client, which it does not count.
    private static let uncountedReply = 16 * 1024
    /// A client that has this many bytes unsent is not served further until it has taken half of them, unless its limit ends it before.
    private static let behindBytes = 16 * 1024 * 1024
    /// What may wait for a client that has not authenticated.
    private static let unauthenticatedBytes = 16 * 1024

    var normal = OutputBufferLimit(hardBytes: 0, softBytes: 0, softSeconds: 0)
    var replica = OutputBufferLimit(hardBytes: 0, softBytes: 0, softSeconds: 0)
    var pubsub = OutputBufferLimit(hardBytes: 0, softBytes: 0, softSeconds: 0)

    subscript(client: ClientClass) -> OutputBufferLimit {
        switch client {
        case .normal: normal
        case .replica: replica
        case .pubsub: pubsub
        }
    }

    /// How many bytes a client may be answered at once.
    func mostReplyBytes(_ client: ClientClass) -> Int {
        let hard = self[client].hardBytes
        // Without a limit a reply is bounded by the machine, but not below what any value may need.
        let most = max(SystemFacts.totalMemory / 2, 1 << 30)
        return hard > 0 && hard < most ? max(hard, Self.uncountedReply) : most
    }

    /// How many bytes may be unsent before a client is not served further. With a hard limit there is no such
    /// bound: the client is closed at the limit.
    func mostUnsentBytes(_ client: ClientClass) -> Int {
        let limit = self[client]
        let (most, overflow) = limit.softBytes.addingReportingOverflow(Self.behindBytes)
        return limit.hardBytes > 0 || overflow ? Int.max : most
    }

    /// Whether a client with `size` bytes unsent is closed at once.
    func isOverHardLimit(_ size: Int, _ connection: Connection) -> Bool {
        let hard = self[connection.clientClass].hardBytes
        return (hard > 0 && size >= hard) || (size > Self.unauthenticatedBytes && !connection.isAuthenticated)
    }

    /// Whether a client has taken too little for too long.
    func isExceeded(by connection: Connection, now: Int64) -> Bool {
        let limit = self[connection.clientClass]
        let size = connection.unsentByteCount
        guard limit.softBytes > 0 && size >= limit.softBytes else {
            connection.softLimitSince = nil
            return isOverHardLimit(size, connection)
        }
        let since = connection.softLimitSince ?? now
        connection.softLimitSince = since
        return now - since > Int64(limit.softSeconds) * 1000 || isOverHardLimit(size, connection)
    }
}
