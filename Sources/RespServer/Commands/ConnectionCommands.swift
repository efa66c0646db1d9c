// The connection itself: greeting, authentication, which database, and the way out.

import RespCodec
import StoreEngine

enum ConnectionCommands {
    private static let greeting: CommandFlags = [.noScript, .loading, .stale, .fast, .noAuth, .allowBusy]

    static let all: [Command<SessionContext>] =
        [
            Command(
                "PING", group: .connection, since: "1.0.0", arity: -1,
                flags: [.fast, .allowedToSubscribers, .asksForHealth],
                tips: ["request_policy:all_shards", "response_policy:all_succeeded"], syntax: "[message]",
                summary: "Answers PONG, or with the message.", complexity: "O(1)", run: ping),
            Command(
                "ECHO", group: .connection, since: "1.0.0", arity: 2, flags: [.loading, .stale, .fast],
                syntax: "message",
                summary: "Answers with the message.", complexity: "O(1)"
            ) { (context, arguments) throws(CommandError) in context.reply.bulkString(arguments[1]) },
            Command(
                "AUTH", group: .connection, since: "1.0.0", arity: -2, flags: greeting,
                syntax: "[username]@6.0.0 password",
                summary: "Authenticates the connection.", complexity: "O(1)", run: authenticate
            )
            .changed("6.0.0", "Takes a user name.").hiding(.all),
            Command(
                "HELLO", group: .connection, since: "6.0.0", arity: -1, flags: greeting,
                syntax: "[protover [AUTH username password] [SETNAME clientname]]",
                summary: "Chooses the protocol, and may authenticate and name the connection.", complexity: "O(1)",
                run: hello
            )
            .changed("6.2.0", "Without a protocol version, describes the connection and changes nothing.")
            .differing("Tells `server_name` and `resp_server_version` besides.")
            .hiding(
                .options(
                    from: 2,
                    [
                        SecretArguments.Option("AUTH", operands: 2, isSecret: true),
                        SecretArguments.Option("SETNAME", operands: 1, isSecret: false),
                    ])),
            Command(
                "SELECT", group: .connection, since: "1.0.0", arity: 2, flags: [.loading, .stale, .fast],
                syntax: "index",
                summary: "Chooses the database of the connection.", complexity: "O(1)", run: select
            ).inLog(.selectsDatabase),
            Command(
                "QUIT", group: .connection, since: "1.0.0", arity: -1,
                flags: greeting.union([.transactionControl, .allowedToSubscribers]),
                syntax: "",
                summary: "Closes the connection.", complexity: "O(1)"
            ) { (context, _) throws(CommandError) in
                context.reply.ok()
                context.server.connections.closeLater(context.connection)
            }
            .deprecated("7.2.0", replacedBy: "closing the connection"),
            Command(
                "RESET", group: .connection, since: "6.2.0", arity: 1,
                flags: greeting.union([.transactionControl, .allowedToSubscribers]),
                syntax: "",
                summary: "Puts the connection back into the state of a new one.", complexity: "O(1)", run: reset),
        ] + ClientCommands.all

    @Sendable static func ping(_ context: inout SessionContext, _ arguments: Arguments) throws(CommandError) {
        guard arguments.count <= 2 else { throw .wrongArity("ping") }
        if context.connection.isLimitedToMessages {
            context.reply.array(2)
            context.reply.bulkString("pong")
            return context.reply.bulkString(arguments.count == 1 ? .empty : arguments[1])
        }
        arguments.count == 1 ? context.reply.status("PONG") : context.reply.bulkString(arguments[1])
    }

    @Sendable static func select(_ context: inout SessionContext, _ arguments: Arguments) throws(CommandError) {
        context.connection.database = try arguments.databaseIndex(1, of: context.server.engine.databaseCount)
        context.reply.ok()
    }

    @Sendable static func reset(_ context: inout SessionContext, _ arguments: Arguments) throws(CommandError) {
        let connection = context.connection
        context.server.endTransaction(connection)
        connection.database = 0
        connection.version = .resp2
        context.reply.version = .resp2
        context.server.endMonitoring(connection)
        context.server.unsubscribeFromAll(connection)
        context.server.endTracking(connection)
        context.server.forgetAuthentication(of: connection)
        connection.name = ""
        if connection.replyMode != .skipping { connection.replyMode = .on }
        connection.isNoTouch = false
        connection.isNoEvict = false
        connection.updateGate()
        context.reply.status("RESET")
    }

    // MARK: authentication

    private static let wrongPassword = CommandError.message(
        "WRONGPASS invalid username-password pair or user is disabled.")

    /// Whether the password is the one that is set. Takes the same time wherever two of one length differ.
    private static func isPassword(_ given: ByteSlice, _ wanted: [UInt8]) -> Bool {
        var difference = given.count ^ wanted.count
        for index in 0..<given.count { difference |= Int(given[index] ^ (index < wanted.count ? wanted[index] : 0)) }
        return difference == 0
    }

    private static func logIn(
        _ context: SessionContext, user: ByteSlice, password: ByteSlice
    ) throws(CommandError) {
        let wanted = context.server.configuration.settings.requirePassword
        guard user == "default", wanted.isEmpty || isPassword(password, wanted) else {
            context.server.statistics.deniedAuthentications += 1
            throw wrongPassword
        }
        context.connection.hasAuthenticated = true
        context.connection.isAuthenticated = true
        context.connection.updateGate()
    }

    @Sendable static func authenticate(_ context: inout SessionContext, _ arguments: Arguments) throws(CommandError) {
        guard arguments.count <= 3 else { throw .syntax }
        if arguments.count == 2 && context.server.configuration.settings.requirePassword.isEmpty {
            throw .message(
                "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?"
            )
        }
        let user: ByteSlice = arguments.count == 3 ? arguments[1] : "default"
        try logIn(context, user: user, password: arguments[arguments.count - 1])
        context.reply.ok()
    }

    @Sendable static func hello(_ context: inout SessionContext, _ arguments: Arguments) throws(CommandError) {
        let connection = context.connection
        var version = connection.version
        var options = ArgumentReader(arguments, from: 1)
        if !options.isAtEnd {
            let number = try options.integer(
                otherwise: .message("ERR Protocol version is not an integer or out of range"))
            guard let known = ProtocolVersion(rawValue: number) else {
                throw .message("NOPROTO unsupported protocol version")
            }
            version = known
        }
        var credentials: (user: ByteSlice, password: ByteSlice)?
        var name: ByteSlice?
        while !options.isAtEnd {
            if options.takes("auth", with: 2) {
                credentials = (options.next(), options.next())
            } else if options.takes("setname", with: 1) {
                guard ClientCommands.isValidName(options.current) else { throw ClientCommands.invalidName }
                name = options.next()
            } else {
                throw .quoting("ERR Syntax error in HELLO option '", options.current, "'")
            }
        }
        if let credentials { try logIn(context, user: credentials.user, password: credentials.password) }
        guard connection.isAuthenticated else {
            throw .message(
                "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time"
            )
        }
        if let name { connection.name = name.description }
        connection.version = version
        connection.updateGate()
        context.reply.version = version
        greet(connection, context.reply)
    }

    private static func greet(_ connection: Connection, _ reply: ReplyWriter) {
        func field(_ name: ByteSlice, _ value: String) {
            reply.bulkString(name)
            reply.bulkString(text: value)
        }
        reply.map(9)
        field("server", "redis")
        field("version", Product.redisVersion)
        reply.bulkString("proto")
        reply.integer(connection.version.rawValue)
        reply.bulkString("id")
        reply.integer(Int(connection.id))
        field("mode", "standalone")
        field("role", "master")
        reply.bulkString("modules")
        reply.array(0)
        field("server_name", Product.name)
        field("resp_server_version", Product.version)
    }
}
