// CLIENT: what a connection says about itself, and looking after the others.

import RespCodec
import StoreEngine

enum ClientCommands {
    static let all: [Command<SessionContext>] = [
        .container(
            "CLIENT", group: .connection, since: "2.4.0", summary: "Commands about client connections.",
            subcommands: subcommands)
    ]

    private static let subcommands: [Command<SessionContext>] = [
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
        ) { (context, _) throws(CommandError) in
            context.reply.verbatim(Array(ClientLine.text(of: context.connection, now: context.server.engine.now).utf8))
        },
        subcommand(
            "KILL", since: "2.4.0", arity: -3, flags: [.admin, .noScript],
            syntax:
                "<ip:port | <[ID client-id] | [TYPE <NORMAL | MASTER | SLAVE | REPLICA | PUBSUB>] | [USER username] | [ADDR ip:port] | [LADDR ip:port] | [SKIPME <YES | NO>] | [MAXAGE maxage]> ...>",
            summary: "Closes connections.", complexity: "O(N) in the connections", run: kill),
        subcommand(
            "LIST", since: "2.4.0", arity: -2, flags: [.admin, .noScript], tips: ["nondeterministic_output"],
            syntax: "[TYPE <NORMAL | MASTER | REPLICA | PUBSUB>] [ID client-id [client-id ...]]",
            summary: "Describes connections.", complexity: "O(N) in the connections", run: list),
        subcommand(
            "NO-EVICT", since: "7.0.0", arity: 3, flags: [.admin, .noScript], syntax: "<ON | OFF>",
            summary: "Whether the connection may be closed to free memory."
        ) { (context, arguments) throws(CommandError) in
            // ON keeps its promise: no connection is closed to free memory in this version. OFF promises nothing.
            context.connection.isNoEvict = try onOrOff(arguments[2])
            context.reply.ok()
        },
        subcommand(
            "NO-TOUCH", since: "7.2.0", arity: 3, syntax: "<ON | OFF>",
            summary: "Whether the connection's commands count as uses of keys."
        ) { (context, arguments) throws(CommandError) in
            context.connection.isNoTouch = try onOrOff(arguments[2])
            context.connection.updateChecks()
            context.reply.ok()
        },
        subcommand(
            "PAUSE", since: "3.0.0", arity: -3, flags: [.admin, .noScript], syntax: "timeout [WRITE | ALL]",
            summary: "Holds back the commands of clients for a time.", run: pause),
        subcommand(
            "REPLY", since: "3.2.0", arity: 3, flags: [.noScript, .changesReplies], syntax: "<ON | OFF | SKIP>",
            summary: "Whether the connection gets replies.",
            run: setReplyMode),
        subcommand(
            "SETINFO", since: "7.2.0", arity: 4, tips: SessionCommands.toAllNodes,
            syntax: "<LIB-NAME libname | LIB-VER libver>",
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
            "UNBLOCK", since: "5.0.0", arity: -3, flags: [.admin, .noScript], syntax: "client-id [TIMEOUT | ERROR]",
            summary: "Ends the waiting of a connection for a key.", complexity: "O(log N) in the connections that wait",
            run: unblock),
        subcommand("UNPAUSE", since: "6.2.0", arity: 2, flags: [.admin, .noScript], summary: "Ends a pause.") {
            (context, _) throws(CommandError) in
            if context.server.pausedUntil > 0 { context.server.pausedUntil = context.server.engine.now }
            context.reply.ok()
        },
    ]

    private static func subcommand(
        _ name: String, since: String, arity: Int, flags: CommandFlags = [.noScript], tips: [String] = [],
        syntax: String = "",
        summary: String, complexity: String = "O(1)", run: @escaping Command<SessionContext>.Run
    ) -> Command<SessionContext> {
        Command(
            name, group: .connection, since: since, arity: arity, flags: flags.union([.loading, .stale]), tips: tips,
            syntax: syntax,
            summary: summary, complexity: complexity, run: run)
    }

    private static let help = [
        "GETNAME", "    Return the name of this connection.",
        "ID", "    Return the number of this connection.",
        "INFO", "    Describe this connection.",
        "KILL <ip:port>", "    Close the connection that comes from an address.",
        "KILL <option> <value> [<option> <value> [...]]", "    Close all connections that fit the options:",
        "    * ADDR <ip:port>, LADDR <ip:port>, ID <client-id>, USER <username>",
        "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)", "    * SKIPME (YES|NO): leave this connection out (default: yes).",
        "    * MAXAGE <seconds>: those that are open for at least so long.",
        "LIST [options ...]", "    Describe connections:", "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
        "    * ID <client-id> [<client-id> ...]",
        "NO-EVICT (ON|OFF)", "    Keep this connection when memory runs short.",
        "NO-TOUCH (ON|OFF)", "    Do not count this connection's commands as uses of keys.",
        "PAUSE <timeout> [WRITE|ALL]", "    Hold back all commands, or those that write, for a number of milliseconds.",
        "REPLY (ON|OFF|SKIP)", "    Whether this connection gets replies; SKIP leaves out the next one.",
        "SETINFO <option> <value>", "    Tell about this connection's library: LIB-NAME or LIB-VER.",
        "SETNAME <name>", "    Name this connection.",
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

    private static func onOrOff(_ word: ByteSlice) throws(CommandError) -> Bool {
        if word.equalsIgnoringCase("on") { return true }
        guard word.equalsIgnoringCase("off") else { throw .syntax }
        return false
    }

    @Sendable private static func setInfo(_ context: inout SessionContext, _ arguments: Arguments) throws(CommandError)
    {
        let option = arguments[2]
        let value = arguments[3]
        let isName = option.equalsIgnoringCase("lib-name")
        guard isName || option.equalsIgnoringCase("lib-ver") else {
            throw .quoting("ERR Unrecognized option '", option, "'")
        }
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
        let word = arguments[2]
        if word.equalsIgnoringCase("on") {
            connection.replyMode = .on
            context.reply.ok()
        } else if word.equalsIgnoringCase("off") {
            connection.replyMode = .off
        } else if word.equalsIgnoringCase("skip") {
            if connection.replyMode != .off { connection.replyMode = .skipNext }
        } else {
            throw .syntax
        }
        connection.updateChecks()
    }

    @Sendable private static func pause(_ context: inout SessionContext, _ arguments: Arguments) throws(CommandError) {
        guard arguments.count <= 4 else { throw .subcommandSyntax(of: "CLIENT", arguments[1]) }
        var writesOnly = false
        if arguments.count == 4 {
            writesOnly = arguments[3].equalsIgnoringCase("write")
            guard writesOnly || arguments[3].equalsIgnoringCase("all") else {
                throw .message("ERR CLIENT PAUSE mode must be WRITE or ALL")
            }
        }
        guard let timeout = Decimal.parse(arguments[2]) else {
            throw .message("ERR timeout is not an integer or out of range")
        }
        guard timeout >= 0 else { throw .message("ERR timeout is negative") }
        let server = context.server
        let (end, overflow) = server.engine.now.addingReportingOverflow(Int64(timeout))
        guard !overflow else { throw .message("ERR timeout is out of range") }
        // A pause under way is only ever made longer and stricter.
        let isPaused = server.pausedUntil > server.engine.now
        server.pausesWritesOnly = writesOnly && (!isPaused || server.pausesWritesOnly)
        server.pausedUntil = max(server.pausedUntil, end)
        context.reply.ok()
    }

    // MARK: the others

    @Sendable private static func unblock(_ context: inout SessionContext, _ arguments: Arguments) throws(CommandError)
    {
        var withError = false
        if arguments.count == 4 {
            withError = arguments[3].equalsIgnoringCase("error")
            guard withError || arguments[3].equalsIgnoringCase("timeout") else {
                throw .message("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")
            }
        } else if arguments.count != 3 {
            throw .subcommandSyntax(of: "CLIENT", arguments[1])
        }
        guard let id = Decimal.parse(arguments[2]) else { throw .notInteger }
        let server = context.server
        guard let waiter = server.connection(id: id)?.waiting,
            !server.unblocked.contains(where: { $0.waiter === waiter })
        else { return context.reply.integer(0) }
        server.unblocked.append((waiter, withError))
        context.reply.integer(1)
    }

    private static func isClientType(_ word: ByteSlice) throws(CommandError) -> Bool {
        if word.equalsIgnoringCase("normal") { return true }
        for known: StaticString in ["master", "slave", "replica", "pubsub"] where word.equalsIgnoringCase(known) {
            return false
        }
        throw .quoting("ERR Unknown client type '", word, "'")
    }

    /// All connections, the oldest first.
    private static func connections(_ server: Server) -> [Connection] {
        server.connections.compactMap { $0 }.sorted { $0.id < $1.id }
    }

    @Sendable private static func list(_ context: inout SessionContext, _ arguments: Arguments) throws(CommandError) {
        var listed: [Connection]
        if arguments.count == 2 {
            listed = connections(context.server)
        } else if arguments.count == 4 && arguments[2].equalsIgnoringCase("type") {
            listed = try isClientType(arguments[3]) ? connections(context.server) : []
        } else if arguments.count > 3 && arguments[2].equalsIgnoringCase("id") {
            listed = []
            for index in 3..<arguments.count {
                guard let id = Decimal.parse(arguments[index]) else { throw .message("ERR Invalid client ID") }
                if let connection = context.server.connection(id: id) { listed.append(connection) }
            }
        } else {
            throw .syntax
        }
        let now = context.server.engine.now
        context.reply.verbatim(Array(listed.map { ClientLine.text(of: $0, now: now) }.joined().utf8))
    }

    /// What KILL's options ask for; nil stands for "any".
    private struct Filter {
        var id: Int?
        var address: String?
        var localAddress: String?
        var isNormal: Bool?
        var createdBefore: Int64?
        var skipsSelf = true

        func accepts(_ connection: Connection) -> Bool {
            if let id, Int(connection.id) != id { return false }
            if let address, connection.address != address { return false }
            if let localAddress, connection.localAddress != localAddress { return false }
            if let createdBefore, connection.created > createdBefore { return false }
            return isNormal ?? true
        }
    }

    private static func filter(_ arguments: Arguments, now: Int64) throws(CommandError) -> Filter {
        var filter = Filter()
        var index = 2
        while index < arguments.count {
            let option = arguments[index]
            guard index + 1 < arguments.count else { throw .syntax }
            let value = arguments[index + 1]
            if option.equalsIgnoringCase("id") {
                guard let id = Decimal.parse(value), id >= 1 else {
                    throw .message("ERR client-id should be greater than 0")
                }
                filter.id = id
            } else if option.equalsIgnoringCase("type") {
                filter.isNormal = try isClientType(value)
            } else if option.equalsIgnoringCase("addr") {
                filter.address = value.description
            } else if option.equalsIgnoringCase("laddr") {
                filter.localAddress = value.description
            } else if option.equalsIgnoringCase("user") {
                guard value == "default" else { throw .quoting("ERR No such user '", value, "'") }
            } else if option.equalsIgnoringCase("maxage") {
                guard let seconds = Decimal.parse(value) else {
                    throw .message("ERR maxage is not an integer or out of range")
                }
                guard seconds >= 1 else { throw .message("ERR maxage should be greater than 0") }
                filter.createdBefore = now - Int64(min(seconds, Int(Int32.max))) * 1000
            } else if option.equalsIgnoringCase("skipme") {
                filter.skipsSelf = value.equalsIgnoringCase("yes")
                guard filter.skipsSelf || value.equalsIgnoringCase("no") else { throw .syntax }
            } else {
                throw .syntax
            }
            index += 2
        }
        return filter
    }

    @Sendable private static func kill(_ context: inout SessionContext, _ arguments: Arguments) throws(CommandError) {
        let isOldForm = arguments.count == 3
        var filter = Filter()
        if isOldForm {
            filter.address = arguments[2].description
            filter.skipsSelf = false
        } else {
            filter = try Self.filter(arguments, now: context.server.engine.now)
        }
        var killed = 0
        for connection in connections(context.server) where filter.accepts(connection) {
            if connection === context.connection {
                if filter.skipsSelf { continue }
                context.server.closeLater(connection)
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

/// A connection as a line of CLIENT LIST.
private enum ClientLine {
    /// - Parameter now: By the engine's clock, in milliseconds.
    static func text(of connection: Connection, now: Int64) -> String {
        let queued = connection.transaction?.byteCount ?? 0
        let unparsed = connection.pending?.byteCount ?? 0
        let unsent = connection.unsent.byteCount
        let fields: [(String, String)] = [
            ("id", "\(connection.id)"), ("addr", connection.address), ("laddr", connection.localAddress),
            ("fd", "\(connection.descriptor)"), ("name", shown(connection.name)),
            ("age", "\(max(0, now - connection.created) / 1000)"),
            ("idle", "\(max(0, now - connection.lastActive) / 1000)"), ("flags", flags(of: connection)),
            ("db", "\(connection.database)"), ("sub", "0"), ("psub", "0"), ("ssub", "0"),
            ("multi", "\(connection.transaction?.queue.count ?? -1)"), ("watch", "\(connection.watches.count)"),
            ("qbuf", "\(unparsed)"), ("qbuf-free", "0"),
            ("argv-mem", "0"), ("multi-mem", "\(queued)"), ("rbs", "0"), ("rbp", "0"), ("obl", "\(unsent)"),
            ("oll", "0"),
            ("omem", "\(connection.unsent.capacity)"),
            ("tot-mem", "\(queued + unparsed + connection.unsent.capacity + connection.objectByteCount)"),
            ("events", connection.isWatchedForWriting ? "rw" : "r"),
            ("cmd", connection.lastCommand?.pointee.record.fullName ?? "NULL"),
            ("user", connection.user), ("redir", "-1"), ("resp", "\(connection.version.rawValue)"),
            ("lib-name", shown(connection.libraryName)), ("lib-ver", shown(connection.libraryVersion)),
        ]
        return fields.map { "\($0.0)=\($0.1)" }.joined(separator: " ") + "\n"
    }

    private static func shown(_ name: String) -> String { String(name.prefix { $0 != "\0" }) }

    private static func flags(of connection: Connection) -> String {
        var flags = ""
        if connection.transaction != nil { flags += "x" }
        if connection.isPaused || connection.waiting != nil { flags += "b" }
        if connection.watches.isBroken { flags += "d" }
        if connection.isClosing { flags += "c" }
        if connection.isUnix { flags += "U" }
        if connection.isNoEvict { flags += "e" }
        if connection.isNoTouch { flags += "T" }
        return flags.isEmpty ? "N" : flags
    }
}
