// Where the server's memory goes, for INFO and MEMORY.
//
// Used is what the databases have given out, to the byte, and what the server holds for itself and its clients; active is the same with
// whole pages of the databases' allocator; resident is what the system counts, and the allocator's part of that
// is what was added since the start.

import StoreEngine

struct MemoryFigures {
    /// Held from the start: the buffers that all connections share.
    let startup: Int
    /// Held for clients: what they have sent and what was not yet sent to them.
    let clients: Int
    /// By database that has keys: its table, and of that the deadlines.
    let tables: [(database: Int, main: Int, expires: Int)]
    let used: Int
    let active: Int
    let resident: Int
    /// The same without the program itself.
    let allocatorResident: Int
    let peak: Int
    let keys: Int

    /// What is not keys and values.
    var overhead: Int { startup + clients + tables.reduce(0) { $0 + $1.main + $1.expires } }
    var dataset: Int { max(used - overhead, 0) }
    var bytesPerKey: Int { keys > 0 ? (used - startup) / keys : 0 }

    init(_ server: Server) {
        var clients = 0
        for case let connection? in server.connections {
            clients +=
                connection.unsent.byteCount + (connection.pending?.byteCount ?? 0)
                + (connection.transaction?.byteCount ?? 0)
        }
        self.clients = clients
        startup = RequestReader.capacity + server.reply.capacity
        let databases = server.engine.databasesInUse
        tables = databases.filter { $0.count > 0 }.map {
            ($0.index, $0.tableBytes, $0.deadlineCount * MemoryLayout<Int64>.size)
        }
        keys = databases.reduce(0) { $0 + $1.count }
        let data = server.engine.usedBytes
        used = startup + clients + data
        active = startup + clients + max(server.engine.heldBytes, data)
        let sampleTime = server.engine.now / 100
        if server.residentSample.time != sampleTime {
            server.residentSample = (sampleTime, SystemFacts.residentBytes)
        }
        resident = server.residentSample.bytes
        allocatorResident = max(resident - server.residentAtStart + startup, startup)
        server.peakUsedBytes = max(server.peakUsedBytes, used)
        peak = server.peakUsedBytes
    }

    static func ratio(_ part: Int, _ whole: Int) -> Double { whole > 0 ? Double(part) / Double(whole) : 0 }
}
