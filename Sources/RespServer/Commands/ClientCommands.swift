// CLIENT: what a connection says about itself, and looking after the others.

import RespCodec
import StoreEngine

enum ClientCommands {
    static let all: [Command<SessionContext>] = [
        .container(
            "CLIENT", group: .connection, since: "2.4.0", summary: "Commands about client connections.",
            subcommands: (subcommands + tracking).sorted { $0.name < $1.name })
    ]

    private static let subcommands: [Command<SessionContext>] = [
        subcommand(
            "CAPA", since: "8.0.0", arity: -3, flags: [.noScript, .allowBusy], syntax: "capability [capability ...]",
            summary:
                "Tells what the client is able to do. `redirect`, following redirections, is known, and nothing else."
        ) { (context, arguments) throws(CommandError) in
            for index in 2..<arguments.count where arguments[index].isWord("redirect") {
                context.connection.followsRedirections = true
            }
            context.reply.ok()
        }.ofValkey(),
        subcommand("GETNAME", since: "2.6.9", arity: 2, summary: "Returns the name of the connection.") {
            (context, _) throws(CommandError) in
            let name = context.connection.name
            name.isEmpty ? context.reply.null() : context.reply.bulkString(text: name)
        },
        .help(of: "CLIENT", group: .connection, since: "5.0.0", help),
        subcommand("ID", since: "5.0.0", arity: 2, summary: "Returns the number of the connection.") {
            (context, _) throws(CommandError) in context.reply.integer(Int(context.connection.id))
        },
        subcommand(
            "INFO", since: "6.2.0", arity: 2, tips: ["nondeterministic_output"], summary: "Describes the connection."
        ) { (context, arguments) throws(CommandError) in
            let text = context.reply.beginDeferred()
            ClientLine.write(
                context.connection, now: context.server.engine.now, request: arguments, to: context.reply)
            context.reply.endVerbatim(text)
        }
        .asIn("Redis 8.2.0"),
        subcommand(
            "KILL", since: "2.4.0", arity: -3, flags: [.admin, .noScript],
            syntax: "filter=<old-format=ip:port@-2.8.12 | new-format=<\(killFilters)> ...>",
            summary: "Closes connections.", complexity: "O(N) in the connections", run: kill
        )
        .changed("2.8.12", "Takes filters.")
        .changed("2.8.12", "Takes `ID`.")
        .changed("3.2.0", "`TYPE` may be `master`.")
        .changed("5.0.0", "`TYPE` may be `replica`, which `slave` stood for.")
        .changed("6.2.0", "Takes `LADDR`.")
        .changed("7.4.0", "Takes `MAXAGE`.")
        .changed("8.0.0", "`TYPE` may be `primary`, which `master` stood for.")
        .changed("8.1.0", "`ID` takes several.")
        .changed("9.0.0", "Takes the other filters, and their negations.")
        .differing("`capa` is told only of a connection that has announced what it can."),
        subcommand(
            "LIST", since: "2.4.0", arity: -2, flags: [.admin, .noScript], tips: ["nondeterministic_output"],
            syntax: listFilters,
            summary: "Describes connections.", complexity: "O(N) in the connections", run: list
        )
        .changed("2.8.12", "Tells `id`.")
        .changed("5.0.0", "Takes `TYPE`.")
        .changed("6.0.0", "Tells `user`.")
        .changed("6.2.0", "Tells `argv-mem`, `tot-mem`, `laddr` and `redir`, and takes `ID`.")
        .changed("7.0.0", "Tells `resp`, `multi-mem`, `rbs` and `rbp`.")
        .changed("7.0.3", "Tells `ssub`.")
        .changed("7.2.0", "Tells `lib-name` and `lib-ver`.")
        .changed("7.4.0", "Tells `watch`.")
        .changed("8.0.0", "Tells `io-thread`; `TYPE` may be `primary`.")
        .changed("8.1.0", "Takes `USER`, `ADDR`, `LADDR`, `SKIPME` and `MAXAGE`.")
        .changed("9.0.0", "Takes the other filters, and their negations."),
        subcommand(
            "NO-EVICT", since: "7.0.0", arity: 3, flags: [.admin, .noScript], syntax: "enabled=<ON | OFF>",
            summary: "Whether the connection may be closed to free memory."
        ) { (context, arguments) throws(CommandError) in
            context.connection.isNoEvict = try onOrOff(arguments)
            // It may be the one that is to be closed.
            context.server.followClientMemoryLimits()
            context.reply.ok()
        },
        subcommand(
            "NO-TOUCH", since: "7.2.0", arity: 3, syntax: "enabled=<ON | OFF>",
            summary: "Whether the connection's commands count as uses of keys."
        ) { (context, arguments) throws(CommandError) in
            context.connection.isNoTouch = try onOrOff(arguments)
            context.connection.updateGate()
            context.reply.ok()
        },
        subcommand(
            "PAUSE", since: "3.0.0", arity: -3, flags: [.admin, .noScript], syntax: "timeout mode=[WRITE | ALL]@6.2.0",
            summary: "Holds back the commands of clients for a time.", run: pause
        )
        .changed("6.2.0", "Takes `WRITE` and `ALL`."),
        subcommand(
            "REPLY", since: "3.2.0", arity: 3, flags: [.noScript, .changesReplies], syntax: "action=<ON | OFF | SKIP>",
            summary: "Whether the connection gets replies.",
            run: setReplyMode),
        subcommand(
            "SETINFO", since: "7.2.0", arity: 4, tips: SessionCommands.toAllNodes,
            syntax: "attr=<LIB-NAME libname | LIB-VER libver>",
            summary: "Tells the client library of the connection.", run: setInfo),
        subcommand(
            "SETNAME", since: "2.6.9", arity: 3, tips: SessionCommands.toAllNodes, syntax: "connection-name",
            summary: "Names the connection."
        ) { (context, arguments) throws(CommandError) in
            guard isValidName(arguments[2]) else { throw invalidName }
            context.connection.name = arguments[2].description
            context.reply.ok()
        },
        subcommand(
            "UNBLOCK", since: "5.0.0", arity: -3, flags: [.admin, .noScript],
            syntax: "client-id unblock-type=[TIMEOUT | ERROR]",
            summary: "Ends the waiting of a connection for a key.", complexity: "O(log N) in the connections that wait",
            run: unblock),
        subcommand("UNPAUSE", since: "6.2.0", arity: 2, flags: [.admin, .noScript], summary: "Ends a pause.") {
            (context, _) throws(CommandError) in
            context.server.pause.finish(now: context.server.now)
            context.server.followPause()
            context.reply.ok()
        },
    ]

    static func subcommand(
        _ name: String, since: String, arity: Int, flags: CommandFlags = [.noScript], tips: [String] = [],
        syntax: String = "",
        summary: String, complexity: String = "O(1)", run: @escaping Command<SessionContext>.Run
    ) -> Command<SessionContext> {
        Command(
            name, group: .connection, since: since, arity: arity,
            flags: flags.union([.loading, .stale, .keepsCaching]),
            tips: tips,
            syntax: syntax,
            summary: summary, complexity: complexity, run: run)
    }

    private static let killFilters: String = {
        let kinds = "<NORMAL | MASTER | PRIMARY | SLAVE | REPLICA | PUBSUB>"
        let first = [
            "ID@2.8.12 client-id ...",
            "TYPE@2.8.12 client-type=<NORMAL | MASTER@3.2.0 | PRIMARY@8.0.0 | SLAVE | REPLICA@5.0.0 | PUBSUB>",
            "USER username", "ADDR addr=ip:port", "LADDR@6.2.0 laddr=ip:port", "SKIPME skipme=<YES | NO>",
            "MAXAGE@7.4.0 maxage",
        ]
        return (first + newFilters(kinds)).map { "[\($0)]" }.joined(separator: " | ")
    }()

    private static let listFilters: String = {
        let kinds = "<NORMAL | MASTER | REPLICA | PUBSUB>"
        let first = [
            "TYPE@5.0.0 client-type=\(kinds)", "ID@6.2.0 client-id ...", "USER@8.1.0 username",
            "ADDR@8.1.0 addr=ip:port",
            "LADDR@8.1.0 laddr=ip:port", "SKIPME@8.1.0 skipme=<YES | NO>", "MAXAGE@8.1.0 maxage",
        ]
        return (first + newFilters(kinds)).map { "[\($0)]" }.joined(separator: " ")
    }()

    /// The filters that came last and to both commands at once, as `syntax` has them.
    private static func newFilters(_ kinds: String) -> [String] {
        [
            ("NAME", "name"), ("IDLE", "idle:integer"), ("FLAGS", "flags"), ("LIB-NAME", "lib-name"),
            ("LIB-VER", "lib-ver"), ("DB", "db"), ("CAPA", "capa"), ("IP", "ip"),
            ("NOT-TYPE", "not-client-type=\(kinds)"), ("NOT-ID", "not-client-id:integer ..."),
            ("NOT-USER", "not-username"), ("NOT-ADDR", "not-addr=ip:port"), ("NOT-LADDR", "not-laddr=ip:port"),
            ("NOT-NAME", "not-name"), ("NOT-FLAGS", "not-flags"), ("NOT-LIB-NAME", "not-lib-name"),
            ("NOT-LIB-VER", "not-lib-ver"), ("NOT-DB", "not-db:integer"), ("NOT-CAPA", "not-capa"),
            ("NOT-IP", "not-ip"),
        ].map { "\($0)@9.0.0 \($1)" }
    }

    private static let help = [
        "CACHING (YES|NO)", "    Say whether this connection keeps what it reads with the next command.",
        "GETNAME", "    Return the name of this connection.",
        "GETREDIR", "    Return who is told about keys that this connection keeps.",
        "ID", "    Return the number of this connection.",
        "INFO", "    Describe this connection.",
        "KILL <ip:port>", "    Close the connection that comes from an address.",
        "KILL <option> <value> [<option> <value> [...]]", "    Close all connections that fit the options:",
        "    * ADDR <ip:port>, LADDR <ip:port>, IP <ip>, ID <client-id> [<client-id> ...], USER <username>",
        "    * TYPE (NORMAL|PRIMARY|REPLICA|PUBSUB), NAME <name>, LIB-NAME <name>, LIB-VER <version>",
        "    * DB <number>, FLAGS <letters as in the list>, CAPA <letters>",
        "    * NOT- before any of these: those that do not fit it.",
        "    * SKIPME (YES|NO): leave this connection out (default: yes).",
        "    * MAXAGE <seconds>: those that are open for at least so long.",
        "    * IDLE <seconds>: those that have done nothing for at least so long.",
        "LIST [options ...]", "    Describe connections, or those that fit the options, which are those of KILL.",
        "    SKIPME is no unless told.",
        "NO-EVICT (ON|OFF)", "    Keep this connection when memory runs short.",
        "CAPA <capability> [...]", "    Tell what this client is able to do: redirect.",
        "NO-TOUCH (ON|OFF)", "    Do not count this connection's commands as uses of keys.",
        "PAUSE <timeout> [WRITE|ALL]", "    Hold back all commands, or those that write, for a number of milliseconds.",
        "REPLY (ON|OFF|SKIP)", "    Whether this connection gets replies; SKIP leaves out the next one.",
        "SETINFO <option> <value>", "    Tell about this connection's library: LIB-NAME or LIB-VER.",
        "SETNAME <name>", "    Name this connection.",
        "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]] [OPTIN] [OPTOUT] [NOLOOP]",
        "    Whether this connection is told when keys change that it has read, or that begin as its prefixes do.",
        "TRACKINGINFO", "    Return what this connection is told about keys that it keeps.",
        "UNBLOCK <client-id> [TIMEOUT|ERROR]",
        "    End the waiting of a connection for a key, as if its time were over or with an error.",
        "UNPAUSE", "    End a pause.",
    ]

    // MARK: names

    static let invalidName = CommandError.message(
        "ERR Client names cannot contain spaces, newlines or special characters.")

    /// Names stand between spaces in CLIENT LIST: printable ASCII without spaces, up to a zero byte as C has it.
    static func isValidName(_ name: ByteSlice) -> Bool {
        (0..<(name.index(of: 0) ?? name.count)).allSatisfy { name[$0] >= 0x21 && name[$0] <= 0x7E }
    }

    private static func onOrOff(_ arguments: Arguments) throws(CommandError) -> Bool {
        var reader = ArgumentReader(arguments, from: 2)
        return try reader.either("on", or: "off")
    }

    @Sendable private static func setInfo(_ context: inout SessionContext, _ arguments: Arguments) throws(CommandError)
    {
        let option = arguments[2]
        let value = arguments[3]
        var reader = ArgumentReader(arguments, from: 2)
        let isName = try reader.either(
            "lib-name", or: "lib-ver", otherwise: .quoting("ERR Unrecognized option '", option, "'"))
        guard isValidName(value) else {
            throw .quoting("ERR ", option, " cannot contain spaces, newlines or special characters.")
        }
        if isName {
            context.connection.libraryName = value.description
        } else {
            context.connection.libraryVersion = value.description
        }
        context.reply.ok()
    }

    // MARK: replies and pauses

    @Sendable private static func setReplyMode(_ context: inout SessionContext, _ arguments: Arguments)
        throws(CommandError)
    {
        let connection = context.connection
        var reader = ArgumentReader(arguments, from: 2)
        if reader.takes("on") {
            connection.replyMode = .on
            context.reply.ok()
        } else if reader.takes("off") {
            connection.replyMode = .off
        } else if reader.takes("skip") {
            if connection.replyMode != .off { connection.replyMode = .skipNext }
        } else {
            throw .syntax
        }
        connection.updateGate()
    }

    @Sendable private static func pause(_ context: inout SessionContext, _ arguments: Arguments) throws(CommandError) {
        guard arguments.count <= 4 else { throw .subcommandSyntax(of: "CLIENT", arguments[1]) }
        var reader = ArgumentReader(arguments, from: 3)
        var writesOnly = false
        if !reader.isAtEnd {
            writesOnly = try reader.either(
                "write", or: "all", otherwise: .message("ERR CLIENT PAUSE mode must be WRITE or ALL"))
        }
        guard let timeout = Decimal.parse(arguments[2]) else {
            throw .timeoutNotInteger
        }
        guard timeout >= 0 else { throw .negativeTimeout }
        let server = context.server
        let (end, overflow) = server.engine.now.addingReportingOverflow(Int64(timeout))
        guard !overflow else { throw .timeoutOutOfRange }
        // An earlier pause whose time is over ends now: clients that it suspended go on, whatever this one is for.
        server.pauseInTime()
        server.pause.begin(until: end, forWritesOnly: writesOnly, now: server.engine.now)
        server.followPause()
        context.reply.ok()
    }

    // MARK: the others

    @Sendable private static func unblock(_ context: inout SessionContext, _ arguments: Arguments) throws(CommandError)
    {
        guard arguments.count <= 4 else { throw .subcommandSyntax(of: "CLIENT", arguments[1]) }
        var withError = false
        var reader = ArgumentReader(arguments, from: 3)
        if !reader.isAtEnd {
            withError = try reader.either(
                "error", or: "timeout",
                otherwise: .message("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"))
        }
        guard let id = Decimal.parse(arguments[2]) else { throw .notInteger }
        let server = context.server
        guard let waiter = server.connections[id: id]?.waiting, !server.migration.isWaitedFor(by: waiter),
            server.keyspaceListeners.blocked.unblock(waiter, withError: withError)
        else { return context.reply.integer(0) }
        context.reply.integer(1)
    }

    private static func filter(
        _ context: SessionContext, _ arguments: Arguments, idMessage: StaticString?
    ) throws(CommandError) -> ClientFilter {
        try ClientFilter(
            arguments, from: 2, now: context.server.engine.now,
            databaseCount: context.server.configuration.settings.databases, idMessage: idMessage)
    }

    @Sendable private static func list(_ context: inout SessionContext, _ arguments: Arguments) throws(CommandError) {
        var listed: [Connection] = []
        var ids = ArgumentReader(arguments, from: 2)
        let isByID = ids.takes("id", with: 1)
        if isByID && !(3..<arguments.count).contains(where: { ClientFilter.isName(arguments[$0]) }) {
            // As in Redis: in the order of the request, and as often as named.
            while !ids.isAtEnd {
                let id = try ids.integer(otherwise: .message("ERR Invalid client ID"))
                if let connection = context.server.connections[id: id] { listed.append(connection) }
            }
        } else if arguments.count > 2 {
            let filter = try filter(context, arguments, idMessage: nil)
            let asking = filter.skipsSelf == true ? context.connection : nil
            listed = context.server.connections.byAge.filter { $0 !== asking && filter.accepts($0) }
        } else {
            listed = context.server.connections.byAge
        }
        let now = context.server.engine.now
        let text = context.reply.beginDeferred()
        for connection in listed where !context.reply.isOverfull {
            ClientLine.write(
                connection, now: now, request: connection === context.connection ? arguments : nil, to: context.reply)
        }
        context.reply.endVerbatim(text)
    }

    @Sendable private static func kill(_ context: inout SessionContext, _ arguments: Arguments) throws(CommandError) {
        let isOldForm = arguments.count == 3
        let filter =
            isOldForm
            ? ClientFilter(address: arguments[2].description)
            : try filter(context, arguments, idMessage: "ERR client-id should be greater than 0")
        let skipsSelf = filter.skipsSelf ?? !isOldForm
        var killed = 0
        for connection in context.server.connections.byAge where filter.accepts(connection) {
            if connection === context.connection {
                if skipsSelf { continue }
                context.server.connections.closeLater(connection)
            } else {
                context.server.close(connection)
            }
            killed += 1
        }
        guard isOldForm else { return context.reply.integer(killed) }
        guard killed > 0 else { throw .message("ERR No such client") }
        context.reply.ok()
    }
}
