// A session with a server: the connection and its setup, the state that commands change, and the three kinds.
//
//     oneShot   the command of the command line; an error of the connection ends the program
//     piped     commands from a pipe or file; continues when the server closes the connection, and connects again
//     prompt    typed commands; continues after any error
//
// After the connection is lost, the next command connects again and sets the connection up: password, database, protocol.
// Commands after a SELECT must not run in another database.

import RespCodec

final class Session {
    enum Kind { case oneShot, piped, prompt }

    let options: Options
    let kind: Kind
    /// The server, which CONNECT and redirections change.
    var server: ServerOptions
    var connection: ServerConnection?
    var output = StandardOutput()
    var input = StandardInput()
    var formatter: ReplyFormatter
    /// The prompt, if the terminal can do more than show lines.
    var prompt: Prompt?
    /// Becomes readable on Ctrl-C while something runs that it ends, at the prompt.
    var interrupt: CInt?
    /// What is known about commands; empty until the server was asked.
    var guide = CommandGuide([])
    /// Whether the server itself has told what is in `guide`.
    var knowsCommands = false
    /// Whether the server was asked for that on this connection.
    var hasAskedForCommands = false

    /// How long the pager has been on the screen, in milliseconds: no time of commands.
    var pagerMilliseconds = 0

    /// The database that the session should be in, and the one that the connection is in.
    var wantedDatabase: Int
    var selectedDatabase = 0
    var isInTransaction = false
    /// Whether the connection has subscriptions, in a session that takes commands meanwhile.
    var isSubscribed = false
    /// The database to return to when a transaction is not executed.
    var databaseBeforeTransaction = 0
    /// Whether new connections switch to RESP3; no longer after RESET, and as the last HELLO says.
    var wantsResp3: Bool
    /// Who new connections authenticate as, if that was typed; else as the options say.
    var typedCredentials: Credentials?
    /// Whether the next connection must announce that the command was redirected to it for once.
    var announcesRedirection = false

    init(_ options: Options) {
        self.options = options
        let isOneShot = !options.command.isEmpty || options.scriptPath != nil || options.mode != nil
        kind = isOneShot ? .oneShot : Terminal.isInput ? .prompt : .piped
        server = options.server
        formatter = ReplyFormatter(options)
        wantedDatabase = options.server.database
        wantsResp3 = options.protocolChoice == .resp3 || options.protocolChoice == .preferResp3
    }

    /// Runs the session to its end and returns the status to exit with.
    func run() -> CInt {
        if options.asksForPassword { server.password = Terminal.askPassword(&input, &output) }
        if let mode = options.mode { return run(mode) }
        if let path = options.scriptPath { return runScript(at: path) }
        guard kind == .oneShot else {
            runLines()
            return 0
        }
        connect(isQuiet: true)
        guard let command = completedCommand() else { return 1 }
        let isDone = issue(command, times: options.repetitions)
        output.flush()
        return isDone ? 0 : 1
    }

    /// The command of the command line, with quotes removed and an argument read from standard input as the options say; nil,
    /// with a message, if that fails.
    private func completedCommand() -> [Bytes]? {
        var command = options.command
        if options.hasQuotedInput {
            let unquoted = command.compactMap(Self.unquoted)
            guard unquoted.count == command.count else {
                output.write("Invalid quoted string\n")
                output.flush()
                return nil
            }
            command = unquoted
        }
        switch options.inputArgument {
        case .none:
            break
        case .last:
            command.append(input.readAll())
        case .tag(let tag):
            guard let index = command.firstIndex(of: tag) else {
                StandardError.write("Using -X option but stdin tag not match.\n")
                return nil
            }
            command[index] = input.readAll()
        }
        return command
    }

    /// The word that `text` is without its quotes; nil if they do not balance or there is not exactly one word.
    static func unquoted(_ text: Bytes) -> Bytes? {
        guard let words = text.withByteSlice({ QuotedWords.split($0) }), words.count == 1 else { return nil }
        return words[0]
    }

    // MARK: connecting

    /// Connects and sets the connection up.
    ///
    /// - Parameter isQuiet: whether a failure to connect is not reported. A refused password always is.
    /// - Returns: whether all of it succeeded. If only the setup failed, there is a connection.
    @discardableResult
    func connect(isQuiet: Bool = false) -> Bool {
        connection = nil
        hasAskedForCommands = false
        selectedDatabase = 0
        isInTransaction = false
        isSubscribed = false
        do throws(ConnectionFailure) {
            connection = try ServerConnection(to: server)
        } catch {
            if !isQuiet {
                StandardError.write("Could not connect to Redis at \(server.endpoint.description): \(error.message)\n")
            }
            return false
        }
        tell("connected to \(server.endpoint.description)\(server.isEncrypted ? ", encrypted" : "")")
        return authenticate() && selectWantedDatabase() && switchProtocol()
    }

    /// Tells on standard error what is done, if that is wanted.
    func tell(_ text: String) {
        if options.isVerbose { StandardError.write("respcli: \(text)\n") }
    }

    /// Sends one of the session's own commands and waits for its reply; nil, with a message, if the connection fails.
    func ask(_ command: [Bytes]) -> Reply? {
        guard let connection else { return nil }
        do throws(ConnectionFailure) {
            try connection.send(command)
            return try nextAnswer(from: connection, interrupt: interrupt)
        } catch {
            if error == .interrupted {
                // The reply may still come, and belongs to nothing then.
                self.connection = nil
            } else {
                StandardError.write("\nI/O error\n")
            }
            return nil
        }
    }

    /// Runs `body` so that Ctrl-C ends what it waits for, and not the program, if there is a prompt to go back to.
    func interruptible<Result>(_ body: () -> Result) -> Result {
        guard prompt != nil, interrupt == nil else { return body() }
        return Interrupts.whileStreaming { descriptor in
            interrupt = descriptor
            defer { interrupt = nil }
            return body()
        }
    }

    private func authenticate() -> Bool {
        let given = server.password.map { Credentials(user: server.user, password: $0) }
        guard let credentials = typedCredentials ?? given else { return true }
        let user = credentials.user.map { [$0] } ?? []
        guard let reply = ask([Bytes("AUTH".utf8)] + user + [credentials.password]) else { return false }
        guard let message = reply.errorText else {
            tell("authenticated" + (credentials.user.map { " as \(Text.string($0))" } ?? ""))
            return true
        }
        StandardError.write("AUTH failed: \(Text.string(message))\n")
        return false
    }

    @discardableResult
    func selectWantedDatabase() -> Bool {
        guard wantedDatabase != selectedDatabase else { return true }
        guard let reply = ask([Bytes("SELECT".utf8), Decimal.text(wantedDatabase)]) else { return false }
        if let message = reply.errorText {
            StandardError.write("SELECT \(wantedDatabase) failed: \(Text.string(message))\n")
            return false
        }
        selectedDatabase = wantedDatabase
        tell("selected database \(wantedDatabase)")
        return true
    }

    private func switchProtocol() -> Bool {
        guard wantsResp3 else { return true }
        guard let reply = ask([Bytes("HELLO".utf8), Bytes("3".utf8)]) else { return false }
        guard let message = reply.errorText else {
            tell("speaking RESP3")
            return true
        }
        StandardError.write("HELLO 3 failed: \(Text.string(message))\n")
        return options.protocolChoice != .resp3
    }

    // MARK: receiving

    /// The next reply that is not a push. Pushes before it are printed, or dropped, as the options say.
    func nextAnswer(
        from connection: ServerConnection, interrupt: CInt? = nil
    ) throws(ConnectionFailure) -> Reply {
        while true {
            let reply = try connection.receive(interrupt: interrupt)
            guard reply.isPush else { return reply }
            print(push: reply)
        }
    }

    private func print(push: Reply) {
        guard options.showsPushes else { return }
        if formatter.format != .terminal || !formatter.appendInvalidation(push, to: &output.pending) {
            formatter.append(push, to: &output.pending)
        }
    }

    /// What the server has sent without being asked, as it is printed, and whether it may send more: not after it has closed the connection,
    /// which the next command takes notice of. Waits for nothing.
    func takeUnasked() -> (text: Bytes, mayGoOn: Bool) {
        var mayGoOn = false
        if let connection, connection.failure == nil, !connection.isStale {
            do throws(ConnectionFailure) {
                repeat {
                    try connection.receiveAvailable()
                    while let reply = try connection.receiveBuffered() {
                        if reply.isPush && !isSubscribed {
                            print(push: reply)
                        } else {
                            formatter.append(reply, to: &output.pending)
                        }
                    }
                } while connection.hasPending
                mayGoOn = true
            } catch {}
        }
        defer { output.pending.removeAll(keepingCapacity: true) }
        return (output.pending, mayGoOn)
    }
}
