// CONFIG: the settings of the running server.

import RespCodec
import StoreEngine

enum ConfigCommands {
    static let all: [Command<SessionContext>] = [
        .container(
            "CONFIG", group: .server, since: "2.0.0", summary: "Commands about the settings of the server.",
            subcommands: [
                subcommand(
                    "GET", since: "2.0.0", arity: -3, syntax: "parameter [parameter ...]",
                    summary: "Returns settings whose names fit patterns.",
                    complexity: "O(N) in the settings and patterns", run: get
                )
                .changed("7.0.0", "Takes several patterns."),
                .help(of: "CONFIG", group: .server, since: "5.0.0", help),
                subcommand(
                    "RESETSTAT", since: "2.0.0", arity: 2, tips: SessionCommands.toAllNodes,
                    summary: "Sets the statistics of INFO back to zero."
                ) {
                    (context, _) throws(CommandError) in
                    context.server.configuration.resetStatistics()
                    context.reply.ok()
                },
                subcommand(
                    "REWRITE", since: "2.8.0", arity: 2, tips: SessionCommands.toAllNodes,
                    summary: "Writes the settings to the configuration file."
                ) {
                    (context, _) throws(CommandError) in
                    try refusing { () throws(ConfigurationRefusal) in try context.server.configuration.rewrite() }
                    context.reply.ok()
                },
                subcommand(
                    "SET", since: "2.0.0", arity: -4, tips: SessionCommands.toAllNodes,
                    syntax: "parameter value [parameter value ...]", summary: "Changes settings, all or none.",
                    complexity: "O(N) in the settings given", run: set
                )
                .changed("7.0.0", "Takes several settings.").hiding(.valuesOfSettings)
                .differing("A name or value with a zero byte in it is refused: it does not end there."),
            ])
    ]

    private static func subcommand(
        _ name: String, since: String, arity: Int, flags: CommandFlags = [.admin, .noScript], tips: [String] = [],
        syntax: String = "", summary: String, complexity: String = "O(1)", run: @escaping Command<SessionContext>.Run
    ) -> Command<SessionContext> {
        Command(
            name, group: .server, since: since, arity: arity, flags: flags.union([.loading, .stale]), tips: tips,
            syntax: syntax, summary: summary, complexity: complexity, run: run)
    }

    private static let help = [
        "GET <pattern> [<pattern> ...]", "    Return the settings whose names fit a pattern, with their values.",
        "RESETSTAT", "    Set the statistics of INFO back to zero.",
        "REWRITE", "    Write the settings to the configuration file.",
        "SET <directive> <value> [<directive> <value> ...]", "    Change settings, all or none.",
    ]

    @Sendable private static func get(_ context: inout SessionContext, _ arguments: Arguments) throws(CommandError) {
        let found = context.server.configuration.get(Array(arguments.owned.dropFirst(2)))
        context.reply.map(found.count)
        for setting in found {
            context.reply.bulkString(setting.name)
            context.reply.bulkString(setting.value)
        }
    }

    @Sendable private static func set(_ context: inout SessionContext, _ arguments: Arguments) throws(CommandError) {
        let server = context.server
        let pairs = Array(arguments.owned.dropFirst(2))
        let (isLocal, isLoading) = (context.connection.isLocal, server.persistence.loading != nil)
        let isNested = context.isNested
        try refusing { () throws(ConfigurationRefusal) in
            try server.configuration.set(
                pairs, clientIsLocal: isLocal, isLoading: isLoading, isNested: isNested)
        }
        context.reply.ok()
    }

    /// Turns a refusal of the configuration into a command's error.
    static func refusing(_ body: () throws(ConfigurationRefusal) -> Void) throws(CommandError) {
        do throws(ConfigurationRefusal) {
            try body()
        } catch {
            throw .bytes(error.reply)
        }
    }
}
