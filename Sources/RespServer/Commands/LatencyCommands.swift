// LATENCY: how long commands took, as histograms, and the spikes that the latency monitor has seen.

import RespCodec
import StoreEngine

enum LatencyCommands {
    static let all: [Command<SessionContext>] = [
        .container(
            "LATENCY", group: .server, since: "2.8.13", summary: "Commands about how long things took.",
            subcommands: [
                subcommand("DOCTOR", summary: "Returns a report on spikes of latency, with advice.") {
                    (context, _) throws(CommandError) in
                    let server = context.server
                    let report = server.observer.latency.report(
                        LatencyMonitor.Circumstances(
                            slowlogThresholdMicroseconds: server.configuration.settings.slowlogThresholdMicroseconds,
                            now: seconds))
                    context.reply.verbatim(Array(report.utf8))
                },
                subcommand(
                    "GRAPH", arity: 3, syntax: "event",
                    summary: "Returns the spikes of an event as a graph of characters.",
                    run: graph),
                .help(of: "LATENCY", group: .server, since: "2.8.13", help),
                subcommand(
                    "HISTOGRAM", since: "7.0.0", arity: -2, syntax: "[command ...]",
                    summary: "Returns how many calls of commands took up to which time.",
                    complexity: "O(N) in the commands", run: histogram),
                subcommand(
                    "HISTORY", arity: 3, syntax: "event", summary: "Returns the newest spikes of an event."
                ) { (context, arguments) throws(CommandError) in
                    let spikes = context.server.observer.latency[arguments[2].description]?.spikes ?? []
                    context.reply.array(spikes.count)
                    for spike in spikes {
                        context.reply.array(2)
                        context.reply.integer(spike.time)
                        context.reply.integer(spike.latency)
                    }
                },
                subcommand("LATEST", summary: "Returns the newest spike of each event.") {
                    (context, _) throws(CommandError) in
                    let observed = context.server.observer.latency.observed
                    context.reply.array(observed.count)
                    for (event, series) in observed {
                        context.reply.array(4)
                        context.reply.bulkString(text: event.rawValue)
                        context.reply.integer(series.latest.time)
                        context.reply.integer(series.latest.latency)
                        context.reply.integer(series.longest)
                    }
                },
                subcommand(
                    "RESET", arity: -2, tips: ["request_policy:all_nodes", "response_policy:agg_sum"],
                    syntax: "[event [event ...]]", summary: "Forgets the spikes of events."
                ) { (context, arguments) throws(CommandError) in
                    let observer = context.server.observer
                    guard arguments.count > 2 else { return context.reply.integer(observer.latency.reset()) }
                    var count = 0
                    for index in 2..<arguments.count {
                        count += observer.latency.reset { arguments[index].equalsIgnoringCase(Array($0.rawValue.utf8)) }
                    }
                    context.reply.integer(count)
                },
            ])
    ]

    private static let help = [
        "DOCTOR", "    Return a report on spikes of latency, with advice.",
        "GRAPH <event>", "    Return the spikes of an event as a graph.",
        "HISTORY <event>",
        "    Return the newest spikes of an event: when each was, and how many milliseconds it took.",
        "LATEST", "    Return the newest spike of each event, and the longest one.",
        "RESET [<event> ...]", "    Forget the spikes of events, of all if none is named.",
        "HISTOGRAM [COMMAND ...]",
        "    Return how many calls of commands, or of all, took up to about 1, 2, 4 and so on microseconds.",
    ]

    private static func subcommand(
        _ name: String, since: String = "2.8.13", arity: Int = 2,
        tips: [String] = ["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
        syntax: String = "", summary: String, complexity: String = "O(1)", run: @escaping Command<SessionContext>.Run
    ) -> Command<SessionContext> {
        Command(
            name, group: .server, since: since, arity: arity, flags: [.admin, .noScript, .loading, .stale], tips: tips,
            syntax: syntax, summary: summary, complexity: complexity, run: run)
    }

    private static var seconds: Int { Int(Syscall.wallMicroseconds() / 1_000_000) }

    @Sendable private static func graph(_ context: inout SessionContext, _ arguments: Arguments) throws(CommandError) {
        let name = arguments[2].description
        guard let series = context.server.observer.latency[name] else {
            throw .quoting("ERR No samples available for event '", arguments[2], "'")
        }
        context.reply.verbatim(Array(LatencyMonitor.graph(of: name, series, now: seconds).utf8))
    }

    @Sendable private static func histogram(
        _ context: inout SessionContext, _ arguments: Arguments
    ) throws(CommandError) {
        let table = context.server.commands
        var records: [CommandRecord] = []
        if arguments.count == 2 {
            records = table.allRecords
        } else {
            for index in 2..<arguments.count {
                if let record = table.find(fullName: arguments[index]) { records += [record] + record.subcommands }
            }
        }
        records.removeAll { $0.handle.latencies.isEmpty }
        let reply = context.reply
        reply.map(records.count)
        for record in records {
            let histogram = record.handle.latencies
            let distribution = histogram.distribution
            reply.bulkString(text: record.fullName)
            reply.map(2)
            reply.bulkString("calls")
            reply.integer(histogram.total)
            reply.bulkString("histogram_usec")
            reply.map(distribution.count)
            for (microseconds, calls) in distribution {
                reply.integer(microseconds)
                reply.integer(calls)
            }
        }
    }
}
