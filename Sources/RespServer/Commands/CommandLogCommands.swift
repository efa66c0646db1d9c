// SLOWLOG and COMMANDLOG: the commands that took long, or had large requests or replies.

import RespCodec
import StoreEngine

enum CommandLogCommands {
    static let all: [Command<SessionContext>] = [
        .container(
            "SLOWLOG", group: .server, since: "2.2.12", summary: "Commands about the log of slow commands.",
            subcommands: slowLogCommands),
        .container(
            "COMMANDLOG", group: .server, since: "8.1.0",
            summary: "Commands about the logs of commands that were slow, or large.", subcommands: commandLogCommands),
    ]

    private static let resetTips = ["request_policy:all_nodes", "response_policy:all_succeeded"]
    private static let countTips = [
        "request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output",
    ]
    private static let entryTips = ["request_policy:all_nodes", "nondeterministic_output"]

    private static let slowLogCommands: [Command<SessionContext>] = [
        subcommand(
            "GET", since: "2.2.12", arity: -2, tips: entryTips, syntax: "[count]",
            summary: "Returns the newest entries of the log of slow commands.",
            complexity: "O(N) in the entries returned"
        ) { (context, arguments) throws(CommandError) in
            guard arguments.count <= 3 else { throw .subcommandSyntax(of: "SLOWLOG", arguments[1]) }
            try writeEntries(context, .slow, count: arguments.count == 3 ? arguments[2] : "10")
        }
        .changed("4.0.0", "Tells the client's address and name."),
        .help(
            of: "SLOWLOG", group: .server, since: "6.2.0",
            [
                "GET [<count>]", "    Return the newest entries, 10 unless told, all for -1: their number, time,",
                "    duration in microseconds, words, the address and the name of the client.",
                "LEN", "    Return how many entries there are.", "RESET", "    Remove all entries.",
            ]),
        subcommand(
            "LEN", since: "2.2.12", arity: 2, tips: countTips,
            summary: "Returns how many slow commands the log has."
        ) { (context, _) throws(CommandError) in context.reply.integer(context.server.observer.logs[.slow].count) },
        subcommand(
            "RESET", since: "2.2.12", arity: 2, tips: resetTips, summary: "Empties the log of slow commands.",
            complexity: "O(N) in the entries"
        ) { (context, _) throws(CommandError) in
            context.server.observer.resetLog(.slow)
            context.reply.ok()
        },
    ]

    private static let kinds = "type=<SLOW | LARGE-REQUEST | LARGE-REPLY>"

    private static let commandLogCommands: [Command<SessionContext>] = [
        subcommand(
            "GET", since: "8.1.0", arity: 4, tips: entryTips, syntax: "count \(kinds)",
            summary: "Returns the newest entries of a log.", complexity: "O(N) in the entries returned"
        ) { (context, arguments) throws(CommandError) in
            _ = try limit(arguments[2])
            try writeEntries(context, kind(arguments[3]), count: arguments[2])
        }
        .differing("The commands of a transaction count by themselves, not with those before them."),
        .help(
            of: "COMMANDLOG", group: .server, since: "8.1.0",
            [
                "GET <count> <type>", "    Return the newest entries of a log, all for -1: their number, time,",
                "    duration in microseconds or size in bytes, words, the address and the name of the client.",
                "    <type> is slow, large-request or large-reply.",
                "LEN <type>", "    Return how many entries a log has.", "RESET <type>", "    Empty a log.",
            ]),
        subcommand(
            "LEN", since: "8.1.0", arity: 3, tips: countTips, syntax: kinds,
            summary: "Returns how many entries a log has."
        ) { (context, arguments) throws(CommandError) in
            context.reply.integer(context.server.observer.logs[try kind(arguments[2])].count)
        },
        subcommand(
            "RESET", since: "8.1.0", arity: 3, tips: resetTips, syntax: kinds, summary: "Empties a log.",
            complexity: "O(N) in the entries"
        ) { (context, arguments) throws(CommandError) in
            context.server.observer.resetLog(try kind(arguments[2]))
            context.reply.ok()
        },
    ]

    private static func subcommand(
        _ name: String, since: String, arity: Int, tips: [String], syntax: String = "", summary: String,
        complexity: String = "O(1)", run: @escaping Command<SessionContext>.Run
    ) -> Command<SessionContext> {
        Command(
            name, group: .server, since: since, arity: arity, flags: [.admin, .loading, .stale], tips: tips,
            syntax: syntax, summary: summary, complexity: complexity, run: run)
    }

    private static func kind(_ word: ByteSlice) throws(CommandError) -> CommandLog.Kind {
        if word.isWord("slow") { return .slow }
        if word.isWord("large-request") { return .largeRequest }
        if word.isWord("large-reply") { return .largeReply }
        throw .message("ERR type should be one of the following: slow, large-request, large-reply")
    }

    /// How many entries are asked for.
    private static func limit(_ word: ByteSlice) throws(CommandError) -> Int {
        guard let count = Decimal.parse(word), count >= -1 else {
            throw .message("ERR count should be greater than or equal to -1")
        }
        return count == -1 ? Int.max : count
    }

    private static func writeEntries(
        _ context: SessionContext, _ kind: CommandLog.Kind, count word: ByteSlice
    ) throws(CommandError) {
        let log = context.server.observer.logs[kind]
        let entries = log.newest(min(try limit(word), log.count))
        let reply = context.reply
        reply.array(entries.count)
        for entry in entries {
            reply.array(6)
            reply.integer(entry.id)
            reply.integer(entry.time)
            reply.integer(entry.value)
            reply.array(entry.words.words.count)
            for word in entry.words.words { reply.bulkString(word) }
            reply.bulkString(text: entry.address)
            reply.bulkString(text: entry.name)
        }
    }
}
