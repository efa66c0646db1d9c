// What the server counts, for INFO; CONFIG RESETSTAT sets it back.

struct ServerStatistics {
    var connectionsReceived = 0
    var connectionsRejected = 0
    var commandsProcessed = 0
    var inputBytes = 0
    /// Times that something was read from a socket.
    var reads = 0
    /// Turns of the loop, and how long they took without the wait for events.
    var turns = 0
    var turnCycles: UInt64 = 0
    var errorReplies = 0
    /// By the first word of their texts.
    var errors: [String: Int] = [:]
    var clientsClosedByOutputLimit = 0
    var clientsClosedByQueryLimit = 0
}
