// The options of `respcli bench`. Those that redis-benchmark has mean the same.

import RespCodec

struct BenchOptions {
    var server = ServerOptions()
    /// Servers to measure, with the names they were given; the one of the address options if there are none.
    var servers: [(name: String, server: ServerOptions)] = []
    var clients = 50
    var requests = 100_000
    var dataSize = 3
    var pipeline = 1
    /// Whether a client keeps its connection; otherwise it makes a new one for each batch of requests.
    var keepsConnections = true
    var threads = 1
    /// Random numbers are drawn below this; 0 for none.
    var keyCount = 0
    /// Requests per second of all clients together; 0 for as many as possible.
    var rate = 0.0
    var tests: Set<String>?
    var usesResp3 = false
    var enablesTracking = false
    var isQuiet = false
    var isCSV = false
    var isJSON = false
    var isIdle = false
    var isLooping = false
    var readsLastArgument = false
    var precision = 3
    var rounds = 1
    var command: [Bytes] = []

    private typealias Entry = OptionEntry<BenchOptions>
    private static let load = "Load"
    private static let output = "Output"

    private static func number(
        _ name: String, _ placeholder: String, _ help: String, section: String = load, range: ClosedRange<Int>,
        set: @escaping @Sendable (inout BenchOptions, Int) -> Void
    ) -> Entry {
        Entry.number(name, value: placeholder, section: section, range: range, help: help, set: set)
    }

    static let table = OptionTable<BenchOptions>(
        ServerOptions.addressEntries.map { $0.lifted(\.server) }
            + ServerOptions.passwordEntries.map { $0.lifted(\.server) }
            + serverEntries + ServerOptions.encryptionEntries.map { $0.lifted(\.server) } + loadEntries + outputEntries)

    private static let serverEntries: [Entry] = [
        Entry(
            "--server", value: "[NAME=]URI", section: "Server",
            help: "Measure this server, too: given more than once, all of them side by side."
        ) { options, value in
            var server = ServerOptions()
            var name: String?
            var uri = value
            if let mark = value.firstIndex(of: UInt8(ascii: "=")), !ConnectionURI.isURI(value) {
                name = Text.string(Bytes(value[..<mark]))
                uri = Bytes(value[(mark + 1)...])
            }
            if let message = server.take(uri) { return message }
            options.servers.append((name ?? server.endpoint.description, server))
            return nil
        },
        number("--dbnum", "DATABASE", "Select this database (0).", section: "Server", range: 0...Int(Int32.max)) {
            $0.server.database = $1
        },
        .flag("-3", section: "Server", help: "Speak RESP3.") { $0.usesResp3 = true },
        .flag("--enable-tracking", section: "Server", help: "Send CLIENT TRACKING ON first.") {
            $0.enablesTracking = true
        },
    ]

    private static let loadEntries: [Entry] = [
        Entry(
            "-t", value: "TESTS", section: load, completion: .words(BenchTest.names),
            help:
                "Only these tests, separated by commas: ping, set, get, incr, lpush, rpush,\nlpop, rpop, sadd, hset, spop, zadd, zpopmin, lrange, mset, xadd and others."
        ) { options, value in
            let names = value.split(separator: UInt8(ascii: ",")).map { Text.string(Bytes($0)).lowercased() }
            guard !names.isEmpty else {
                return "-t names no test; there are \(BenchTest.names.joined(separator: ", "))."
            }
            let known = Set(BenchTest.names)
            if let unknown = names.first(where: { !known.contains($0) }) {
                return "There is no test \"\(unknown)\"; there are \(BenchTest.names.joined(separator: ", "))."
            }
            options.tests = Set(names)
            return nil
        },
        number("-n", "COUNT", "Requests of each test (100000).", range: 1...1_000_000_000_000) { $0.requests = $1 },
        number("-c", "COUNT", "Clients, each with a connection (50).", range: 1...100_000) { $0.clients = $1 },
        number("-P", "COUNT", "Requests that a client sends at once (1).", range: 1...100_000) { $0.pipeline = $1 },
        number(
            "-k", "0|1",
            "1 keeps connections, 0 makes a new one for each batch of requests, and latencies\ninclude that (1).",
            range: 0...1
        ) { $0.keepsConnections = $1 == 1 },
        number("-d", "BYTES", "Bytes of the values that are written (3).", range: 1...512 * 1024 * 1024) {
            $0.dataSize = $1
        },
        number(
            "-r", "COUNT", "Replace __rand_int__ in requests by twelve digits below COUNT, each time anew.",
            range: 0...999_999_999_999
        ) { $0.keyCount = $1 },
        number("--threads", "COUNT", "Threads that the clients are divided among (1).", range: 1...500) {
            $0.threads = $1
        },
        Entry(
            "--rate", value: "RATE", section: load,
            help:
                "Send RATE requests per second, however fast the server answers; latencies\ncount from when a request was due."
        ) { options, value in
            let (rate, isWhole) = Text.double(value)
            // The time between two requests, divided among threads, is a number of nanoseconds.
            guard isWhole, (0.001...1e9).contains(rate) else {
                return "--rate takes a number of requests per second from 0.001 to 1000000000."
            }
            options.rate = rate
            return nil
        },
        number(
            "--rounds", "COUNT", "Repeat each test, by turns with several servers, and show the medians (1).",
            range: 1...1000
        ) {
            $0.rounds = $1
        },
        .flag("-l", section: load, help: "Begin again without end.") { $0.isLooping = true },
        .flag("-I", section: load, help: "Only open the connections, and wait.") { $0.isIdle = true },
        .flag("-x", section: load, help: "Read the last argument of the command from standard input.") {
            $0.readsLastArgument = true
        },
    ]

    private static let outputEntries: [Entry] = [
        .flag("-q", section: output, help: "One line for each test.") { $0.isQuiet = true },
        .flag("--csv", section: output, help: "Comma-separated values.") { $0.isCSV = true },
        .flag("--json", section: output, help: "One JSON array of all results.") { $0.isJSON = true },
        number("--precision", "DIGITS", "Decimals of milliseconds (3).", section: output, range: 0...6) {
            $0.precision = $1
        },
    ]

    static let usage = """
        Usage: respcli bench [OPTIONS] [COMMAND [ARGUMENT ...]]

        Sends many requests and tells how many were answered per second, and how long that took. Without a command, the
        known tests one after the other.

        """ + table.help + """

              --help             This text.
              -v, --version      The version.

            Examples
              respcli bench -t set,get -P 16 -r 1000000
              respcli bench --rate 20000 -n 200000 -t get
              respcli bench --server a=redis://db1 --server b=redis://db2 --rounds 3 -q
              respcli bench -r 10000 LPUSH mylist __rand_int__

            """
}
