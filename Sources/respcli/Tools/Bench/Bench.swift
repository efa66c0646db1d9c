// `respcli bench`: a load generator. Each test opens its connections, sends its requests from one or more threads, and is reported when all
// replies have come.

import Glibc
import RespCodec
import TerminalKit

/// What a test on one server has shown.
struct BenchResult {
    var server: String
    var title: String
    var requestLength: Int
    var seconds: Double
    var latencies: LatencyHistogram
    var errorCount: Int
    var firstError: Bytes?

    var perSecond: Double { seconds > 0 ? Double(latencies.count) / seconds : 0 }
}

struct Bench {
    private let options: BenchOptions
    private let servers: [(name: String, server: ServerOptions)]

    static func main(_ arguments: [Bytes]) -> CInt {
        var options = BenchOptions()
        guard let rest = BenchOptions.table.parse(arguments, tool: .bench, into: &options) else { return 1 }
        options.command = rest
        if options.server.password == nil { options.server.password = Text.environment("REDISCLI_AUTH") }
        return Bench(options).run()
    }

    init(_ options: BenchOptions) {
        self.options = options
        servers =
            options.servers.isEmpty
            ? [(options.server.endpoint.description, options.server)]
            : options.servers.map { name, server in
                var server = server
                server.database = max(server.database, options.server.database)
                if server.password == nil { server.password = options.server.password }
                return (name, server)
            }
    }

    func run() -> CInt {
        if options.isIdle { return idle() }
        var tests: [BenchTest]
        if options.command.isEmpty {
            let data = BenchTest.data(options.dataSize, seed: UInt64(Clock.nanoseconds))
            tests = BenchTest.selected(options.tests, data: data, isRandom: options.keyCount > 0)
        } else {
            var command = options.command
            if options.readsLastArgument {
                var input = StandardInput()
                command.append(input.readAll())
            }
            let title = Text.string(Bytes(options.command.joined(separator: " ".utf8)))
            tests = [BenchTest(title: title, words: command)]
        }
        if let problem = tests.lazy.compactMap({ memoryProblem($0.requestLength) }).first {
            StandardError.write("Error: \(problem)\n")
            return 1
        }
        var report = BenchReport(options, servers.map(\.name))
        report.begin()
        var hasFailed = false
        repeat {
            for test in tests {
                let request = test.request
                var results: [[BenchResult]] = servers.map { _ in [] }
                for _ in 0..<options.rounds {
                    for (index, server) in servers.enumerated() {
                        switch measure(test.title, request, on: server) {
                        case .success(let result): results[index].append(result)
                        case .failure(let failure):
                            report.end()
                            StandardError.write(
                                "Error: \(server.server.endpoint.description): \(failure.message)\(Self.advice(failure))\n"
                            )
                            return 1
                        }
                    }
                }
                // The one in the middle by speed stands for all.
                let medians = results.map { $0.sorted { $0.perSecond < $1.perSecond }[$0.count / 2] }
                for result in medians where result.errorCount > 0 {
                    hasFailed = true
                    let text = result.firstError.map { Text.string($0) } ?? ""
                    StandardError.write("\(result.title): \(result.errorCount) errors, the first: \(text)\n")
                }
                report.add(medians)
            }
        } while options.isLooping
        report.end()
        return hasFailed ? 1 : 0
    }

    /// Bytes that the requests of all clients may take.
    private static let memoryLimit = 1 << 30

    /// What is wrong with the options if the batches of all clients, of which each has its own, need too much memory; else nil.
    private func memoryProblem(_ requestLength: Int) -> String? {
        let bytes = Double(options.clients) * Double(options.pipeline) * Double(requestLength)
        guard bytes > Double(Self.memoryLimit) else { return nil }
        var factors = "-c \(options.clients), -P \(options.pipeline)"
        if options.command.isEmpty { factors += " and -d \(options.dataSize)" }
        return "\(factors): requests of \(Amount.bytes(Double(requestLength))) would take \(Amount.bytes(bytes)) "
            + "of memory, of which there may be \(Amount.bytes(Double(Self.memoryLimit)))"
    }

    private static func advice(_ failure: ConnectionFailure) -> String {
        switch failure {
        case .closed: " (perhaps too many clients: see maxclients of the server, or fewer with -c)"
        case .system(EMFILE): " (too many open files: ulimit -n, or fewer clients with -c)"
        case .system(EADDRNOTAVAIL):
            " (no free port of this machine: closed connections keep theirs for a minute; see net.ipv4.ip_local_port_range)"
        default: failure.advice(ServerOptions.addressNames)
        }
    }

    // MARK: connections

    /// The commands that a connection begins with.
    private func setup(for server: ServerOptions) -> [[Bytes]] {
        var setup: [[Bytes]] = []
        if options.usesResp3 { setup.append([Bytes("HELLO".utf8), Bytes("3".utf8)]) }
        if let password = server.password {
            setup.insert([Bytes("AUTH".utf8)] + (server.user.map { [$0] } ?? []) + [password], at: 0)
        }
        if options.enablesTracking { setup.append(["CLIENT", "TRACKING", "ON"].map { Bytes($0.utf8) }) }
        if server.database != 0 { setup.append([Bytes("SELECT".utf8), Decimal.text(server.database)]) }
        return setup
    }

    private func connect(_ server: ServerOptions) throws(ConnectionFailure) -> ServerConnection {
        let connection = try ServerConnection(to: server)
        let setup = setup(for: server)
        for command in setup { connection.append(command) }
        for command in setup {
            let reply = try connection.receive()
            if let message = reply.errorText {
                throw .malformed("\(Text.string(command[0])) failed: \(Text.string(message))")
            }
        }
        return connection
    }

    /// Opens connections and waits until one of them is closed.
    private func idle() -> CInt {
        var output = StandardOutput()
        output.write("Creating \(options.clients) idle connections and waiting forever (Ctrl+C when done)\n")
        output.flush()
        do throws(ConnectionFailure) {
            var connections: [ServerConnection] = []
            for _ in 0..<options.clients { connections.append(try connect(servers[0].server)) }
            while true {
                var waiting = connections.map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
                guard poll(&waiting, nfds_t(waiting.count), -1) >= 0 || errno == EINTR else {
                    throw .system(code: errno)
                }
                for (index, entry) in waiting.enumerated() where entry.revents != 0 {
                    // What comes without a request is an error, or the end.
                    let reply = try connections[index].receive()
                    if let message = reply.errorText { throw .malformed(Text.string(message)) }
                }
            }
        } catch {
            StandardError.write("Error: \(servers[0].server.endpoint.description): \(error.message)\n")
            return 1
        }
    }

    // MARK: measuring

    private func measure(
        _ title: String, _ request: BenchRequest, on server: (name: String, server: ServerOptions)
    ) -> Swift.Result<BenchResult, ConnectionFailure> {
        let shared = BenchShared(total: options.requests)
        let threadCount = min(options.threads, options.clients)
        var groups: [[BenchConnection]] = (0..<threadCount).map { _ in [] }
        do throws(ConnectionFailure) {
            for index in 0..<options.clients {
                groups[index % threadCount].append(
                    BenchConnection(
                        try connect(server.server), server.server, request, pipeline: options.pipeline,
                        keyCount: options.keyCount, setup: options.keepsConnections ? nil : setup(for: server.server)))
            }
        } catch {
            return .failure(error)
        }
        let start = Clock.nanoseconds
        let threads = groups.enumerated().map { index, group in
            WorkerThread(
                BenchWorker(
                    group, shared, pipeline: options.pipeline, ratePerSecond: options.rate / Double(threadCount),
                    seed: UInt64(start) &+ UInt64(index) &* 0x9E37_79B9_7F4A_7C15))
        }
        showProgress(shared, title: servers.count > 1 ? "\(title) (\(server.name))" : title, threads)
        var latencies = LatencyHistogram()
        var result = BenchResult(
            server: server.name, title: title, requestLength: request.bytes.count, seconds: 0,
            latencies: latencies, errorCount: 0)
        var failure: ConnectionFailure?
        for thread in threads {
            let part = thread.join()
            latencies.add(part.latencies)
            result.errorCount += part.errorCount
            if result.firstError == nil { result.firstError = part.firstError }
            if failure == nil { failure = part.failure }
        }
        result.seconds = Double((threads.map(\.endTime).max() ?? start) - start) / 1e9
        result.latencies = latencies
        if let failure { return .failure(failure) }
        return .success(result)
    }

    private func showProgress(_ shared: BenchShared, title: String, _ threads: [WorkerThread]) {
        guard
            let progress = ProgressDisplay(label: title, unit: "requests", total: options.requests)
        else { return }
        while !threads.allSatisfy(\.hasEnded) {
            progress.update(shared.completed.load(ordering: .relaxed))
            Clock.sleep(microseconds: 20_000)
        }
    }
}
