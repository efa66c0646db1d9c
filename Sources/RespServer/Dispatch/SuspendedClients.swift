// Clients whose commands must not run for now. What a client sends behind such a command waits with it.

struct SuspendedClients {
    /// By id, each with its number in the order in which they came.
    private var clients: [UInt64: (number: Int, connection: Connection)] = [:]
    private var lastNumber = 0

    var count: Int { clients.count }
    var isEmpty: Bool { clients.isEmpty }

    func contains(_ connection: Connection) -> Bool { clients[connection.id] != nil }

    mutating func suspend(_ connection: Connection) {
        connection.isPaused = true
        lastNumber += 1
        clients[connection.id] = (lastNumber, connection)
    }

    /// A client has gone.
    mutating func forget(_ connection: Connection) { clients[connection.id] = nil }

    /// Forgets all of them, and returns them in the order in which they came.
    mutating func take() -> [Connection] {
        defer { clients = [:] }
        return clients.values.sorted { $0.number < $1.number }.map(\.connection)
    }
}

extension Server {
    /// Has clients that were suspended served again. How long they waited does not count as idle.
    func resume(_ connections: [Connection]) {
        for connection in connections where !connection.isClosed {
            connection.isPaused = false
            connection.lastActive = now
            enqueue(connection)
        }
    }
}
