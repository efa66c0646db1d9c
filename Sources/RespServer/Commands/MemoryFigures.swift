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
        let sample = server.sampledFigures
        clients = sample.clientBytes
        startup = server.sharedBytes
        let databases = server.engine.databasesInUse
        tables = databases.filter { $0.count > 0 }.map {
            ($0.index, $0.tableBytes, $0.deadlineCount * MemoryLayout<Int64>.size)
        }
        keys = databases.reduce(0) { $0 + $1.count }
        let data = server.engine.usedBytes
        used = startup + clients + data
        active = startup + clients + max(server.engine.heldBytes, data)
        resident = sample.residentBytes
        allocatorResident = max(resident - server.residentAtStart + startup, startup)
        server.memoryPeak.follow(used, now: server.now)
        peak = server.memoryPeak.bytes
    }

    static func ratio(_ part: Int, _ whole: Int) -> Double { whole > 0 ? Double(part) / Double(whole) : 0 }
}

/// Figures that take longer to find out than all the rest of INFO. They are at most a tenth of a second old.
struct SampledFigures {
    fileprivate var time = Int64.min
    fileprivate(set) var residentBytes = 0
    /// Input and output of clients, and what they have queued.
    fileprivate(set) var clientBytes = 0
    fileprivate(set) var largestInput = 0
    fileprivate(set) var largestOutput = 0
}

extension Server {
    /// What all connections share.
    var sharedBytes: Int { RequestReader.capacity + reply.capacity }

    /// - Complexity: O(n) in the connections, when the last sample is too old.
    var sampledFigures: SampledFigures {
        let time = engine.now / 100
        guard lastSample.time != time else { return lastSample }
        var sample = SampledFigures()
        sample.time = time
        sample.residentBytes = SystemFacts.residentBytes
        for connection in connections.all {
            let input = connection.pending?.byteCount ?? 0
            let output = connection.unsent.byteCount
            sample.largestInput = max(sample.largestInput, input)
            sample.largestOutput = max(sample.largestOutput, output)
            sample.clientBytes += input + output + (connection.transaction?.byteCount ?? 0)
        }
        lastSample = sample
        return sample
    }
}
