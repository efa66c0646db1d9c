// From a request to its command: look-up, the checks that a command's flags and the client's state ask for, the call, and its
// statistics. Rules are decided by flags, never by which command it is.

import CLinux
import RespCodec
import StoreEngine

extension Server {
    /// Executes one request whose command has been looked up.
    ///
    /// - Parameter key: its only key, if that has been hashed.
    @inline(__always)
    func execute(
        _ command: UnsafeMutablePointer<CommandRecord.Hot>?, _ arguments: Arguments, on connection: Connection,
        key: HashedKey?,
        adoptable: AdoptableArguments? = nil
    ) {
        guard let command, !connection.needsChecks, command.pointee.accepts(arguments.count),
            let run = command.pointee.direct
        else {
            return executeCarefully(command?.pointee.record, arguments, on: connection, adoptable: adoptable)
        }
        let errors = reply.errorCount
        engine.run(
            run, keys: command.pointee.keys, arguments, database: connection.database, reply: reply, key: key,
            adoptable: adoptable)
        finish(command, errorsBefore: errors)
        connection.lastCommand = command
    }

    /// Counts a call that is over. The time since the last one counted is this one's.
    @inline(__always)
    func finish(_ command: UnsafeMutablePointer<CommandRecord.Hot>, errorsBefore: Int) {
        let now = clinux_cycle_counter()
        let taken = now &- lastCycles
        command.pointee.cycles &+= taken
        command.pointee.calls &+= 1
        lastCycles = now
        if taken > longCycles && !holdsTime { updateTime() }
        if reply.errorCount != errorsBefore {
            command.pointee.failedCalls += 1
            countError()
        }
    }

    private func countError() {
        let text = reply.lastError
        let code = text[0..<(text.index(of: UInt8(ascii: " ")) ?? text.count)].description
        statistics.errors[code, default: 0] += 1
        statistics.errorReplies += 1
    }

    private func refuse(_ record: CommandRecord?, on connection: Connection, _ error: CommandError) {
        let start = reply.count
        error.write(to: reply)
        record?.countRejection()
        connection.commandCount &-= 1
        if record?.flags.contains(.executesTransaction) == true {
            // Who sent EXEC waits for the replies of a transaction, and is told that there will be none.
            let text = reply.lastError.array
            reply.truncate(to: start)
            let reason = text.starts(with: Array("ERR ".utf8)) ? text.dropFirst(4) : text[...]
            CommandError.bytes(Array("EXECABORT Transaction discarded because of: ".utf8) + reason).write(to: reply)
            endTransaction(connection)
        }
        countError()
        connection.transaction?.isAborted = true
    }

    // MARK: the careful way

    func executeCarefully(
        _ found: CommandRecord?, _ arguments: Arguments, on connection: Connection, adoptable: AdoptableArguments?
    ) {
        let start = reply.count
        if connection.replyMode == .skipNext { connection.replyMode = .skipping }
        defer {
            if connection.replyMode == .off { reply.truncate(to: start) }
            // The reply of a command that waits is still to come.
            if connection.replyMode == .skipping && connection.waiting == nil {
                reply.truncate(to: start)
                connection.replyMode = .on
                connection.updateChecks()
            }
        }
        guard let container = found else {
            if isBrowser(arguments) { return turnAwayBrowser(connection) }
            return refuse(nil, on: connection, Self.unknownCommand(arguments))
        }
        var record = container
        if !container.subcommands.isEmpty && arguments.count > 1 {
            guard let subcommand = container.subcommand(arguments[1]) else {
                return refuse(nil, on: connection, .unknownSubcommand(of: container.info.name, arguments[1]))
            }
            record = subcommand
        }
        guard record.accepts(arguments.count) else {
            return refuse(record, on: connection, .wrongArity(record.fullName))
        }
        if !connection.isAuthenticated && !record.flags.contains(.noAuth) {
            return refuse(record, on: connection, .message("NOAUTH Authentication required."))
        }
        if record.flags.contains(.protected), !allowsDebug(connection) {
            return refuse(record, on: connection, .text(Self.debugRefusal))
        }
        if let transaction = connection.transaction, !record.flags.contains(.transactionControl) {
            if record.flags.contains(.noMulti) {
                return refuse(record, on: connection, .message("ERR Command not allowed inside a transaction"))
            }
            if record.flags.contains(.changesReplies) {
                // Only Valkey refuses it, and it names the command.
                let name = record.fullName
                return refuse(
                    record, on: connection, .text("ERR Command '\(name)' not allowed inside a transaction"))
            }
            // It counts when EXEC runs it.
            connection.commandCount &-= 1
            transaction.append(Transaction.Queued(record: record, arguments: OwnedArguments(arguments)))
            return reply.status("QUEUED")
        }
        call(record, arguments, on: connection, adoptable: adoptable)
    }

    /// Runs a command that has passed all checks.
    func call(
        _ record: CommandRecord, _ arguments: Arguments, on connection: Connection, adoptable: AdoptableArguments?
    ) {
        connection.lastCommand = record.hot
        let errors = reply.errorCount
        if let run = record.data {
            if connection.isNoTouch && !record.flags.contains(.alwaysTouches) { engine.touches = false }
            // Within a transaction nobody waits.
            if record.flags.contains(.blocking) && !holdsTime {
                runWaiting(run, record, arguments, on: connection)
            } else {
                engine.run(
                    run, keys: record.hot.pointee.keys, arguments, database: connection.database, reply: reply,
                    adoptable: adoptable)
            }
            engine.touches = true
        } else {
            let start = reply.count
            do throws(CommandError) {
                guard let run = record.session else { throw .wrongArity(record.fullName) }
                var context = SessionContext(server: self, connection: connection, reply: reply)
                try run(&context, arguments)
            } catch {
                reply.truncate(to: start)
                error.write(to: reply)
            }
        }
        finish(record.hot, errorsBefore: errors)
    }

    /// Whether a request is a line of HTTP: somebody lets a browser speak to the server.
    private func isBrowser(_ arguments: Arguments) -> Bool {
        arguments.count > 0 && (arguments[0].equalsIgnoringCase("post") || arguments[0].equalsIgnoringCase("host:"))
    }

    private func turnAwayBrowser(_ connection: Connection) {
        log.warning(
            "Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: commands to the server. This is likely due to an attacker attempting to use Cross Protocol Scripting to compromise your instance. Connection from \(connection.address) aborted."
        )
        closeLater(connection)
    }

    // MARK: refusals

    private static func unknownCommand(_ arguments: Arguments) -> CommandError {
        var listed: [UInt8] = []
        for index in 1..<max(arguments.count, 1) where listed.count < 128 {
            listed +=
                [UInt8(ascii: "'")] + CommandError.shown(arguments[index], limit: 128 - listed.count) + Array("' ".utf8)
        }
        let name = arguments.count > 0 ? CommandError.shown(arguments[0], limit: 128) : []
        return .bytes(Array("ERR unknown command '".utf8) + name + Array("', with args beginning with: ".utf8) + listed)
    }

    private static let debugRefusal =
        "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it from a local connection, otherwise you need to set this option in the configuration file, and then restart the server."

    private func allowsDebug(_ connection: Connection) -> Bool {
        switch configuration.settings.enableDebugCommand {
        case .yes: true
        case .local: connection.isLocal
        case .no: false
        }
    }
}
