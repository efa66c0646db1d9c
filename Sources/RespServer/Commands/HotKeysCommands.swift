// HOTKEYS: which keys take most of the server's time and traffic.

import RespCodec
import StoreEngine

enum HotKeysCommands {
    static let all: [Command<SessionContext>] = [
        .container(
            "HOTKEYS", group: .server, since: "8.6.0", summary: "Commands about the keys that are used most.",
            subcommands: [
                subcommand(
                    "GET", arity: 2, summary: "Returns the keys that were used most.",
                    complexity: "O(K log K) in the keys returned", run: get
                )
                .differing(
                    "The totals of all commands are of those that have keys, their bytes those of all connections. Times are taken to the nanosecond."
                ),
                .help(of: "HOTKEYS", group: .server, since: "8.6.0", help),
                subcommand("RESET", arity: 2, summary: "Forgets what was found out.") {
                    (context, _) throws(CommandError) in
                    guard context.server.hotKeys.found?.isActive != true else {
                        throw .message("ERR hotkey tracking session in progress, stop tracking first")
                    }
                    context.server.removeHotKeys()
                    context.reply.ok()
                },
                subcommand(
                    "START", arity: -2,
                    syntax:
                        "metrics=<METRICS count:integer [CPU] [NET]> [COUNT k:integer] [DURATION seconds:integer] [SAMPLE ratio:integer] [SLOTS count:integer slot:integer ...]",
                    summary: "Begins to find out which keys are used most.", run: start
                )
                .differing("What a script takes is counted for the keys that it declares, whichever it uses."),
                subcommand("STOP", arity: 2, summary: "Ends finding out; the result is kept.") {
                    (context, _) throws(CommandError) in
                    guard context.server.hotKeys.found?.isActive == true else { return context.reply.null() }
                    context.server.stopHotKeys()
                    context.reply.ok()
                },
            ])
    ]

    private static let help = [
        "GET", "    Return the keys that took most time, and those that took most bytes.",
        "RESET", "    Forget them. To be called after STOP.",
        "START METRICS <count> [CPU] [NET] [COUNT <k>] [DURATION <seconds>] [SAMPLE <ratio>]",
        "    Begin to find out which keys take most of the processor's time, of the bytes sent and received, or both:",
        "    the <k> first of them (10 unless told), for <seconds> or until STOP, by looking at one of <ratio>",
        "    requests (at each unless told).",
        "STOP", "    Do not look at requests any more.",
    ]

    private static func subcommand(
        _ name: String, arity: Int, syntax: String = "", summary: String, complexity: String = "O(1)",
        run: @escaping Command<SessionContext>.Run
    ) -> Command<SessionContext> {
        Command(
            name, group: .server, since: "8.6.0", arity: arity, flags: [.admin, .noScript], syntax: syntax,
            summary: summary,
            complexity: complexity, run: run)
    }

    // MARK: beginning

    @Sendable private static func start(_ context: inout SessionContext, _ arguments: Arguments) throws(CommandError) {
        guard context.server.hotKeys.found?.isActive != true else {
            throw .message("ERR hotkey tracking session already in progress")
        }
        var reader = ArgumentReader(arguments, from: 2)
        guard arguments.count >= 4, reader.takes("metrics") else {
            throw .message("ERR METRICS parameter is required")
        }
        var options = HotKeys.Options()
        try readMetrics(&reader, &options)
        while !reader.isAtEnd {
            if reader.takes("count", with: 1) {
                options.count = try number(&reader, 1...64, "ERR COUNT must be between 1 and 64")
            } else if reader.takes("duration", with: 1) {
                let seconds = try number(&reader, 1...1_000_000, "ERR DURATION must be between 1 and 1000000")
                options.duration = Int64(seconds) * 1000
            } else if reader.takes("sample", with: 1) {
                options.ratio = try number(&reader, 1...Int(Int32.max), "ERR SAMPLE ratio must be positive")
            } else if reader.takes("slots", with: 1) {
                throw .message("ERR SLOTS parameter cannot be used in non-cluster mode")
            } else {
                throw .syntax
            }
        }
        context.server.startHotKeys(options)
        context.reply.ok()
    }

    /// How many kinds of figures there are, known or not, and which.
    private static func readMetrics(
        _ reader: inout ArgumentReader, _ options: inout HotKeys.Options
    ) throws(CommandError) {
        var left = try number(&reader, 1...2, "ERR METRICS count must be > 0 and <= 2")
        while left > 0 && !reader.isAtEnd {
            if reader.takes("cpu") {
                guard !options.tracksTime else { throw .message("ERR METRICS CPU defined more than once!") }
                options.tracksTime = true
            } else if reader.takes("net") {
                guard !options.tracksBytes else { throw .message("ERR METRICS NET defined more than once!") }
                options.tracksBytes = true
            } else {
                reader.skip()
            }
            left -= 1
        }
        guard left == 0 else {
            throw .message("ERR METRICS count does not match number of metric types provided")
        }
        guard options.tracksTime || options.tracksBytes else {
            throw .message("ERR METRICS no valid metrics passed. Supported: CPU|NET")
        }
    }

    private static func number(
        _ reader: inout ArgumentReader, _ range: ClosedRange<Int>, _ error: StaticString
    ) throws(CommandError) -> Int {
        guard let number = Decimal.parse(reader.next()), range.contains(number) else { throw .message(error) }
        return number
    }

    // MARK: the result

    @Sendable private static func get(_ context: inout SessionContext, _ arguments: Arguments) throws(CommandError) {
        let server = context.server
        let reply = context.reply
        server.hotKeys.found?.follow(server.hotKeyTotals)
        guard let found = server.hotKeys.found else { return reply.null() }
        let options = found.options
        func field(_ name: ByteSlice, _ value: Int) {
            reply.bulkString(name)
            reply.integer(value)
        }
        // One map for each node of a cluster.
        reply.array(1)
        reply.map(7 + (options.tracksTime ? 3 : 0) + (options.tracksBytes ? 2 : 0))
        field("tracking-active", found.isActive ? 1 : 0)
        field("sample-ratio", options.ratio)
        reply.bulkString("selected-slots")
        reply.array(1)
        reply.array(2)
        reply.integer(0)
        reply.integer(16383)
        field("all-commands-all-slots-us", Int(server.clock.microseconds(cycles: found.totals.cycles)))
        field("net-bytes-all-commands-all-slots", found.totals.bytes)
        field("collection-start-time-unix-ms", Int(found.start))
        field("collection-duration-ms", Int(max(0, (found.end ?? server.now) - found.start)))
        if options.tracksTime {
            let (before, time) = (found.timeAtStart, SystemFacts.processorTime(of: .process))
            field("total-cpu-time-user-ms", time.userMicroseconds / 1000 - before.userMicroseconds / 1000)
            field("total-cpu-time-sys-ms", time.systemMicroseconds / 1000 - before.systemMicroseconds / 1000)
        }
        if options.tracksBytes { field("total-net-bytes", found.byBytes.total) }
        func keys(_ name: ByteSlice, _ hitters: HeavyHitters, _ figure: (Int) -> Int) {
            reply.bulkString(name)
            let largest = hitters.largest(options.count)
            reply.array(2 * largest.count)
            for (key, count) in largest {
                reply.bulkString(key)
                reply.integer(figure(count))
            }
        }
        if options.tracksTime {
            keys("by-cpu-time-us", found.byTime) { max(1, Int(server.clock.microseconds(cycles: UInt64($0)))) }
        }
        if options.tracksBytes { keys("by-net-bytes", found.byBytes) { $0 } }
    }

}
