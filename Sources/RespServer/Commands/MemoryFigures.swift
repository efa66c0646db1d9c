// What the server's memory is used for, for INFO and MEMORY.
//
// Used memory is the bytes of all blocks in use of the databases, the buffers of the server, what it holds for clients (`clientBytes`), the logs
// of commands, scripts with their interpreters, and what is still to be written to the append-only file; active memory counts whole pages of
// the databases' allocator instead of blocks; resident memory is what the system counts for the process, and the allocator's part of that is
// what was added since the start.

import StoreEngine

struct MemoryFigures {
    /// The buffers that all connections share.
    let startup: Int
    /// What clients hold, the channels and patterns they are subscribed to, and the keys that they have read while tracking.
    let clients: Int
    /// Scripts and functions, and the interpreters in which they run.
    let scripts: Int
    /// What is still to be written to the append-only file.
    let log: Int
    /// The logs of commands.
    let commandLogs: Int
    /// For each database that has keys: bytes of its table, and bytes of deadlines.
    let tables: [(database: Int, main: Int, expires: Int)]
    let used: Int
    let active: Int
    let resident: Int
    /// Resident memory without what the program had at its start.
    let allocatorResident: Int
    let peak: Int
    let keys: Int

    /// Memory that is not keys and values.
    var overhead: Int {
        startup + clients + scripts + log + commandLogs + tables.reduce(0) { $0 + $1.main + $1.expires }
    }
    var dataset: Int { max(used - overhead, 0) }
    var bytesPerKey: Int { keys > 0 ? (used - startup) / keys : 0 }

    init(_ server: Server) {
        let sample = server.sampledFigures
        clients = sample.clientBytes
        startup = server.sharedBytes
        scripts = server.scripts.byteCount
        log = server.appendOnly.takesEffects ? server.appendOnly.writer.log.heldCount : 0
        commandLogs = server.observer.logs.byteCount
        let databases = server.engine.databasesInUse
        tables = databases.filter { $0.count > 0 }.map {
            ($0.index, $0.tableBytes, $0.deadlineCount * MemoryLayout<Int64>.size)
        }
        keys = databases.reduce(0) { $0 + $1.count }
        let data = server.engine.usedBytes
        let other = startup + clients + scripts + log + commandLogs
        used = other + data
        active = other + max(server.engine.heldBytes, data)
        resident = sample.residentBytes
        allocatorResident = max(resident - server.upkeep.residentAtStart + startup, startup)
        server.upkeep.memoryPeak.follow(used, now: server.now)
        peak = server.upkeep.memoryPeak.bytes
    }

    static func ratio(_ part: Int, _ whole: Int) -> Double { whole > 0 ? Double(part) / Double(whole) : 0 }
}

/// Figures that take longer to determine than the rest of INFO, and are cached for up to a tenth of a second.
struct SampledFigures {
    fileprivate var time = Int64.min
    fileprivate(set) var residentBytes = 0
    /// What is held for clients.
    fileprivate(set) var clientBytes = 0
    fileprivate(set) var largestInput = 0
    fileprivate(set) var largestOutput = 0
}

extension Server {
    /// Bytes of the buffers that all connections share.
    var sharedBytes: Int { RequestReader.capacity + reply.capacity }

    /// The cached figures, or new ones.
    /// - Complexity: O(n) in the connections if the cached ones are too old.
    var sampledFigures: SampledFigures {
        let time = engine.now / 100
        guard upkeep.lastSample.time != time else { return upkeep.lastSample }
        var sample = SampledFigures()
        sample.time = time
        sample.residentBytes = SystemFacts.residentBytes
        for connection in connections.all {
            sample.largestInput = max(sample.largestInput, connection.pending?.byteCount ?? 0)
            sample.largestOutput = max(sample.largestOutput, connection.unsentByteCount)
            _ = clientMemory.count(connection)
        }
        sample.clientBytes = clientBytes
        upkeep.lastSample = sample
        return sample
    }
}
