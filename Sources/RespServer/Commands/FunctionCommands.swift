// FUNCTION, which manages libraries of functions, and FCALL, which calls one.

import RespCodec
import StoreEngine

enum FunctionCommands {
    private static let write: CommandFlags = [.write, .noScript]
    private static let toShards = ["request_policy:all_shards", "response_policy:all_succeeded"]

    static let all: [Command<SessionContext>] = [
        call(
            "FCALL", isReadOnly: false,
            notes: "We cannot tell how the keys will be used so we assume the worst, RW and UPDATE",
            summary: "Calls a function."
        ) { (context, arguments) throws(CommandError) in
            try call(context, arguments, isReadOnly: false)
        },
        call(
            "FCALL_RO", isReadOnly: true,
            notes: "We cannot tell how the keys will be used so we assume the worst, RO and ACCESS",
            summary: "Calls a function that writes nothing."
        ) { (context, arguments) throws(CommandError) in
            try call(context, arguments, isReadOnly: true)
        },
        .container(
            "FUNCTION", group: .scripting, since: "7.0.0", summary: "Commands about libraries of functions.",
            subcommands: [
                Command(
                    "DELETE", group: .scripting, since: "7.0.0", arity: 3, flags: write, effect: .explicit,
                    tips: toShards,
                    syntax: "library-name", summary: "Removes a library.", complexity: "O(N) in its functions"
                ) { (context, arguments) throws(CommandError) in
                    try context.server.scripts.deleteLibrary(arguments[2])
                    tellEffect(context, arguments)
                    context.reply.ok()
                },
                Command(
                    "DUMP", group: .scripting, since: "7.0.0", arity: 2, flags: .noScript, syntax: "",
                    summary: "Returns all libraries as bytes.", complexity: "O(N) in the libraries"
                ) { (context, _) throws(CommandError) in
                    FunctionPayload.write(
                        context.server.scripts.functions.sorted.map(\.code), to: context.reply,
                        compresses: context.server.configuration.settings.engine.compressesRecords)
                },
                Command(
                    "FLUSH", group: .scripting, since: "7.0.0", arity: -2, flags: write, effect: .explicit,
                    tips: toShards, syntax: "flush-type=[ASYNC | SYNC]", summary: "Removes all libraries.",
                    complexity: "O(N) in the libraries", run: flush),
                .help(of: "FUNCTION", group: .scripting, since: "7.0.0", help),
                Command(
                    "KILL", group: .scripting, since: "7.0.0", arity: 2, flags: [.noScript, .allowBusy],
                    tips: ["request_policy:all_shards", "response_policy:one_succeeded"], syntax: "",
                    summary: "Ends the function that runs.", complexity: "O(1)"
                ) { (context, _) throws(CommandError) in
                    try context.server.scripts.kill(isFunction: true)
                    context.reply.ok()
                },
                Command(
                    "LIST", group: .scripting, since: "7.0.0", arity: -2, flags: [.noScript],
                    tips: ["nondeterministic_output_order"], syntax: "[LIBRARYNAME library-name-pattern] [WITHCODE]",
                    summary: "Returns the libraries.", complexity: "O(N) in the functions", run: list),
                Command(
                    "LOAD", group: .scripting, since: "7.0.0", arity: -3, flags: write.union(.denyOOM),
                    effect: .explicit,
                    tips: toShards, syntax: "[REPLACE] function-code", summary: "Loads a library.",
                    complexity: "O(1), and what the library does when it is loaded", run: load),
                Command(
                    "RESTORE", group: .scripting, since: "7.0.0", arity: -3, flags: write.union(.denyOOM),
                    effect: .explicit, tips: toShards,
                    syntax: "serialized-value policy=[FLUSH | APPEND | REPLACE]",
                    summary: "Loads libraries from bytes.", complexity: "O(N) in the libraries", run: restore
                ).differing("What is wrong with a damaged payload is told in words of its own."),
                Command(
                    "STATS", group: .scripting, since: "7.0.0", arity: 2, flags: [.noScript, .allowBusy],
                    tips: ["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
                    syntax: "",
                    summary: "Tells of the function that runs, and how many there are.", complexity: "O(1)", run: tell),
            ]),
    ]

    private static func call(
        _ name: String, isReadOnly: Bool, notes: String, summary: String, run: @escaping Command<SessionContext>.Run
    ) -> Command<SessionContext> {
        let flags: CommandFlags = [
            .noScript, .stale, .skipMonitor, .noMandatoryKeys, .movableKeys, .runsScript,
        ]
        return Command(
            name, group: .scripting, since: "7.0.0", arity: -3,
            flags: flags.union(isReadOnly ? .readOnly : .mayWrite), effect: isReadOnly ? .none : .explicit,
            keys: [
                KeySpec(
                    isReadOnly ? [.ro, .access] : [.rw, .access, .update], begin: .index(2),
                    find: .keyCount(count: 0, first: 1, step: 1), notes: notes)
            ],
            syntax: "function numkeys [key ...] [arg ...]", summary: summary, complexity: "That of the function",
            run: run
        ).runningScript(.function)
    }

    private static let help = [
        "DELETE <LIBRARY NAME>", "    Remove a library.", "DUMP",
        "    Return all libraries as bytes for FUNCTION RESTORE.",
        "FLUSH [ASYNC|SYNC]", "    Remove all libraries. Both modes do the same.",
        "KILL", "    End the function that runs, unless it has written.",
        "LIST [LIBRARYNAME PATTERN] [WITHCODE]", "    Return the libraries.",
        "LOAD [REPLACE] <FUNCTION CODE>", "    Load a library.",
        "RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]", "    Load libraries from bytes of FUNCTION DUMP.",
        "STATS", "    Tell of the function that runs, and how many there are.",
    ]

    // MARK: calling

    private static func call(_ context: SessionContext, _ arguments: Arguments, isReadOnly: Bool) throws(CommandError) {
        let server = context.server
        if !server.monitors.isEmpty, let command = server.commands.find(arguments[0]) {
            server.show(command.record, arguments, of: context.connection)
        }
        guard let function = server.scripts.functions.function(arguments[1]) else {
            throw .message("ERR Function not found")
        }
        guard let count = Decimal.parse(arguments[2]) else { throw .message("ERR Bad number of keys provided") }
        guard count <= arguments.count - 3 else {
            throw .tooManyKeys
        }
        guard count >= 0 else { throw .negativeKeyCount }
        try server.scripts.callFunction(function, context, arguments, keyCount: count, isReadOnly: isReadOnly)
    }

    // MARK: managing

    @Sendable private static func load(_ context: inout SessionContext, _ arguments: Arguments) throws(CommandError) {
        var reader = ArgumentReader(arguments, from: 2)
        var replaces = false
        while reader.left > 1 {
            guard reader.takes("replace") else {
                throw .quoting("ERR Unknown option given: ", reader.current, "", limit: 128)
            }
            replaces = true
        }
        let name = try context.server.scripts.loadLibrary(reader.next(), replaces: replaces)
        tellEffect(context, arguments)
        context.reply.bulkString(name)
    }

    @Sendable private static func restore(_ context: inout SessionContext, _ arguments: Arguments) throws(CommandError)
    {
        guard arguments.count <= 4 else { throw .subcommandSyntax(of: "FUNCTION", arguments[1]) }
        var policy = ScriptRunner.RestorePolicy.append
        var reader = ArgumentReader(arguments, from: 3)
        if !reader.isAtEnd {
            if reader.takes("replace") {
                policy = .replace
            } else if reader.takes("flush") {
                policy = .flush
            } else if !reader.takes("append") {
                throw .message("ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.")
            }
        }
        try context.server.scripts.restoreLibraries(arguments[2], policy)
        tellEffect(context, arguments)
        context.reply.ok()
    }

    @Sendable private static func flush(_ context: inout SessionContext, _ arguments: Arguments) throws(CommandError) {
        guard arguments.count <= 3 else { throw .subcommandSyntax(of: "FUNCTION", arguments[1]) }
        var options = ArgumentReader(arguments, from: 2)
        if !options.isAtEnd {
            _ = try options.either(
                "sync", or: "async", otherwise: .message("ERR FUNCTION FLUSH only supports SYNC|ASYNC option"))
        }
        context.server.scripts.flushFunctions()
        tellEffect(context, arguments)
        context.reply.ok()
    }

    /// Whatever has changed the libraries has the same effect anywhere.
    private static func tellEffect(_ context: SessionContext, _ arguments: Arguments) {
        context.server.engine.tellEffect(arguments, database: context.connection.database)
    }

    @Sendable private static func list(_ context: inout SessionContext, _ arguments: Arguments) throws(CommandError) {
        var pattern: ByteSlice?
        var hasCode = false
        var options = ArgumentReader(arguments, from: 2)
        while !options.isAtEnd {
            if !hasCode && options.takes("withcode") {
                hasCode = true
            } else if pattern == nil && options.takes("libraryname") {
                guard !options.isAtEnd else { throw .message("ERR library name argument was not given") }
                pattern = options.next()
            } else {
                throw .quoting("ERR Unknown argument ", options.current, "", limit: 128)
            }
        }
        let reply = context.reply
        let libraries = context.server.scripts.functions.sorted.filter { library in
            guard let pattern else { return true }
            return library.name.withByteSlice { GlobPattern.matches(pattern, $0, ignoringCase: true) }
        }
        reply.array(libraries.count)
        for library in libraries {
            reply.map(hasCode ? 4 : 3)
            reply.bulkString("library_name")
            reply.bulkString(library.name)
            reply.bulkString("engine")
            reply.bulkString("LUA")
            reply.bulkString("functions")
            reply.array(library.functions.count)
            for function in library.functions { describe(function, reply) }
            if hasCode {
                reply.bulkString("library_code")
                reply.bulkString(library.code)
            }
        }
    }

    private static func describe(_ function: ScriptFunction, _ reply: ReplyWriter) {
        reply.map(3)
        reply.bulkString("name")
        reply.bulkString(function.name)
        reply.bulkString("description")
        if let description = function.description { reply.bulkString(description) } else { reply.null() }
        reply.bulkString("flags")
        let flags = ScriptFlags.named.filter { function.flags.contains($0.flag) }
        reply.set(flags.count)
        for flag in flags { reply.status(text: flag.name) }
    }

    @Sendable private static func tell(_ context: inout SessionContext, _ arguments: Arguments) throws(CommandError) {
        let scripts = context.server.scripts
        let reply = context.reply
        if let run = scripts.run, !run.isFunction { throw scripts.busyError }
        reply.map(2)
        reply.bulkString("running_script")
        if let run = scripts.run {
            reply.map(3)
            reply.bulkString("name")
            reply.bulkString(run.name)
            reply.bulkString("command")
            reply.array(run.arguments.count)
            for index in 0..<run.arguments.count { reply.bulkString(run.arguments[index]) }
            reply.bulkString("duration_ms")
            reply.integer(run.milliseconds(context.server.clock))
        } else {
            reply.null()
        }
        reply.bulkString("engines")
        reply.map(1)
        reply.bulkString("LUA")
        reply.map(2)
        reply.bulkString("libraries_count")
        reply.integer(scripts.functions.libraryCount)
        reply.bulkString("functions_count")
        reply.integer(scripts.functions.functionCount)
    }
}
