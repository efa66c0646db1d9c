// What the server counts, for INFO; CONFIG RESETSTAT sets it back. Plain numbers: some are counted with every request, and adding to a
// number needs no check that nobody else is changing them meanwhile.

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
    var longestTurnCycles: UInt64 = 0
    var mostCommandsInATurn = 0
    /// How many commands there had been when the last turn was over.
    var commandsBeforeTurn = 0
    /// How long upkeep took.
    var upkeepCycles: UInt64 = 0
    /// How long the commands took that others ran as a part of themselves.
    var nestedCycles: UInt64 = 0
    /// Wrong names of users and passwords.
    var deniedAuthentications = 0
    var clientsClosedByOutputLimit = 0
    var clientsClosedByQueryLimit = 0
    /// By `maxmemory-clients`.
    var evictedClients = 0
}
