// EVAL and its kin, which run scripts, and SCRIPT, which manages them.

import RespCodec
import StoreEngine

enum ScriptCommands {
    static let all: [Command<SessionContext>] = [
        evaluation(
            "EVAL", since: "2.6.0", script: "script",
            notes: "We cannot tell how the keys will be used so we assume the worst, RW and UPDATE",
            summary: "Runs a script.", run: evaluate
        )
        .differing(
            "`server` is another name of `redis`, without what only Valkey has there, as `SERVER_NAME`. What a script sets of `cjson` is forgotten at its end, and it nests at most 2,000 deep; patterns of more than 16 KB are too complex; `script-memory-limit` bounds what the interpreter takes."
        ),
        evaluation(
            "EVALSHA", since: "2.6.0", script: "sha1", summary: "Runs a script that is known by its digest.",
            run: evaluateDigest),
        evaluation(
            "EVAL_RO", since: "7.0.0", isReadOnly: true, script: "script",
            notes: "We cannot tell how the keys will be used so we assume the worst, RO and ACCESS",
            summary: "Runs a script that writes nothing.", run: evaluateReadOnly),
        evaluation(
            "EVALSHA_RO", since: "7.0.0", isReadOnly: true, script: "sha1",
            summary: "Runs a script that writes nothing and is known by its digest.", run: evaluateDigestReadOnly),
        .container(
            "SCRIPT", group: .scripting, since: "2.6.0", summary: "Commands about scripts.",
            subcommands: [
                Command(
                    "DEBUG", group: .scripting, since: "3.2.0", arity: 3, flags: .noScript,
                    syntax: "mode=<YES | SYNC | NO>", summary: "Sets how the client's scripts are debugged.",
                    complexity: "O(1)", run: debug
                ).differing("`YES` and `SYNC` are refused: there is no debugger."),
                Command(
                    "EXISTS", group: .scripting, since: "2.6.0", arity: -3, flags: .noScript,
                    tips: ["request_policy:all_shards", "response_policy:agg_logical_and"], syntax: "sha1 [sha1 ...]",
                    summary: "Tells which scripts are known.", complexity: "O(N) in the digests", run: exists),
                Command(
                    "FLUSH", group: .scripting, since: "2.6.0", arity: -2, flags: .noScript,
                    tips: ["request_policy:all_nodes", "response_policy:all_succeeded"],
                    syntax: "flush-type=[ASYNC | SYNC]@6.2.0", summary: "Forgets all scripts.",
                    complexity: "O(N) in the scripts", run: flush
                ).changed("6.2.0", "Takes `ASYNC` and `SYNC`.").inLog(.changesScripts),
                .help(of: "SCRIPT", group: .scripting, since: "5.0.0", help),
                Command(
                    "KILL", group: .scripting, since: "2.6.0", arity: 2, flags: [.noScript, .allowBusy],
                    tips: ["request_policy:all_shards", "response_policy:one_succeeded"], syntax: "",
                    summary: "Ends the script that runs.", complexity: "O(1)"
                ) { (context, _) throws(CommandError) in
                    try context.server.scripts.kill(isFunction: false)
                    context.reply.ok()
                },
                Command(
                    "LOAD", group: .scripting, since: "2.6.0", arity: 3, flags: [.noScript, .stale],
                    tips: ["request_policy:all_nodes", "response_policy:all_succeeded"], syntax: "script",
                    summary: "Compiles a script and keeps it.", complexity: "O(N) in the bytes of the script"
                ) { (context, arguments) throws(CommandError) in
                    let script = try context.server.scripts.script(body: arguments[2], isDroppable: false)
                    context.reply.bulkString(script.digest)
                }.inLog(.changesScripts),
                Command(
                    "SHOW", group: .scripting, since: "8.0.0", arity: 3, flags: [.noScript, .stale], syntax: "sha1",
                    summary: "Returns the text of a script.", complexity: "O(1)"
                ) { (context, arguments) throws(CommandError) in
                    guard let script = context.server.scripts.find(digest: arguments[2]) else {
                        throw .message("NOSCRIPT No matching script.")
                    }
                    context.reply.bulkString(script.body)
                }.ofValkey(),
            ]),
    ]

    private static func evaluation(
        _ name: String, since: String, isReadOnly: Bool = false, script: String, notes: String? = nil, summary: String,
        run: @escaping Command<SessionContext>.Run
    ) -> Command<SessionContext> {
        let flags: CommandFlags = [
            .noScript, .stale, .skipMonitor, .noMandatoryKeys, .movableKeys, .runsScript,
        ]
        return Command(
            name, group: .scripting, since: since, arity: -3, flags: flags.union(isReadOnly ? .readOnly : .mayWrite),
            effect: isReadOnly ? .none : .explicit,
            keys: [
                KeySpec(
                    isReadOnly ? [.ro, .access] : [.rw, .access, .update], begin: .index(2),
                    find: .keyCount(count: 0, first: 1, step: 1), notes: notes)
            ],
            syntax: "\(script) numkeys [key ...] [arg ...]", summary: summary,
            complexity: "That of the script", run: run
        ).runningScript(script == "sha1" ? .digest : .text)
    }

    private static let help = [
        "DEBUG (YES|SYNC|NO)", "    Debugging is not supported.",
        "EXISTS <sha1> [<sha1> ...]", "    Return information about the existence of the scripts in the script cache.",
        "FLUSH [ASYNC|SYNC]", "    Forget all scripts. Both modes do the same.",
        "KILL", "    End the script that runs, unless it has written.",
        "LOAD <script>", "    Load a script into the script cache without running it.",
        "SHOW <sha1>", "    Return the text of a script in the script cache.",
    ]

    // MARK: running

    @Sendable private static func evaluate(_ context: inout SessionContext, _ arguments: Arguments)
        throws(CommandError)
    { try evaluate(context, arguments, isDigest: false, isReadOnly: false) }

    @Sendable private static func evaluateReadOnly(_ context: inout SessionContext, _ arguments: Arguments)
        throws(CommandError)
    { try evaluate(context, arguments, isDigest: false, isReadOnly: true) }

    @Sendable private static func evaluateDigest(_ context: inout SessionContext, _ arguments: Arguments)
        throws(CommandError)
    { try evaluate(context, arguments, isDigest: true, isReadOnly: false) }

    @Sendable private static func evaluateDigestReadOnly(_ context: inout SessionContext, _ arguments: Arguments)
        throws(CommandError)
    { try evaluate(context, arguments, isDigest: true, isReadOnly: true) }

    @inline(__always)
    private static func evaluate(
        _ context: SessionContext, _ arguments: Arguments, isDigest: Bool, isReadOnly: Bool
    ) throws(CommandError) {
        try context.uncountedServer.use { (server) throws(CommandError) in
            try evaluate(context, arguments, isDigest: isDigest, isReadOnly: isReadOnly, on: server)
        }
    }

    @inline(__always)
    private static func evaluate(
        _ context: SessionContext, _ arguments: Arguments, isDigest: Bool, isReadOnly: Bool, on server: Server
    ) throws(CommandError) {
        // Before the commands of the script are.
        if !server.monitors.isEmpty, let command = server.commands.find(arguments[0]) {
            server.show(command.record, arguments, of: context.connection)
        }
        if context.connection.wantsDebugger { throw noDebugger }
        if isDigest && arguments[1].count != 40 {
            throw .noSuchScript
        }
        let keyCount = try keyCount(arguments)
        let scripts = server.scripts
        let script =
            try isDigest
            ? scripts.script(digest: arguments[1]) : scripts.script(body: arguments[1], isDroppable: true)
        try scripts.evaluate(script, context, arguments, keyCount: keyCount, isReadOnly: isReadOnly)
    }

    /// How many of the arguments from 3 on are keys.
    @inline(__always)
    static func keyCount(_ arguments: Arguments) throws(CommandError) -> Int {
        guard let count = Decimal.parse(arguments[2]) else { throw .notInteger }
        guard count <= arguments.count - 3 else {
            throw .tooManyKeys
        }
        guard count >= 0 else { throw .negativeKeyCount }
        return count
    }

    // MARK: managing

    @Sendable private static func debug(_ context: inout SessionContext, _ arguments: Arguments) throws(CommandError) {
        var reader = ArgumentReader(arguments, from: 2)
        if reader.takes("no") {
            context.connection.wantsDebugger = false
            return context.reply.ok()
        }
        guard reader.takes("yes") || reader.takes("sync") else { throw .message("ERR Use SCRIPT DEBUG YES/SYNC/NO") }
        // A client that does not look at this reply must not have its script run all the same.
        context.connection.wantsDebugger = true
        throw noDebugger
    }

    private static let noDebugger = CommandError.message(
        "ERR SCRIPT DEBUG is not supported by this server: scripts run without a debugger")

    @Sendable private static func exists(_ context: inout SessionContext, _ arguments: Arguments) throws(CommandError) {
        context.reply.array(arguments.count - 2)
        for index in 2..<arguments.count {
            context.reply.integer(context.server.scripts.contains(digest: arguments[index]) ? 1 : 0)
        }
    }

    @Sendable private static func flush(_ context: inout SessionContext, _ arguments: Arguments) throws(CommandError) {
        var options = ArgumentReader(arguments, from: 2)
        if !options.isAtEnd {
            let error = CommandError.message("ERR SCRIPT FLUSH only support SYNC|ASYNC option")
            guard arguments.count == 3 else { throw error }
            _ = try options.either("sync", or: "async", otherwise: error)
        }
        context.server.scripts.flush()
        context.reply.ok()
    }
}
