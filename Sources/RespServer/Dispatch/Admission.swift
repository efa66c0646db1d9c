// What must be looked at before a command runs. A gate of command flags tells which commands that are: one for the server, one for each
// connection. Almost always both are open, and a request costs one test; behind the gate stands one ordered list of checks.

import RespCodec
import StoreEngine

/// What becomes of a request.
private enum Admission {
    case run(CommandRecord)
    /// It belongs to a transaction.
    case queue(CommandRecord, CommandFlags, Transaction)
    case refuse(CommandRecord?, CommandError)
    /// Its client is suspended; it will be looked at again.
    case suspend
    /// It is not a client's.
    case hangUp

    /// The same, but that nothing runs and nothing is queued.
    func refused(_ error: CommandError) -> Admission {
        switch self {
        case .run(let record), .queue(let record, _, _): .refuse(record, error)
        case .refuse, .suspend, .hangUp: self
        }
    }

    /// The command that it names.
    var record: CommandRecord? {
        switch self {
        case .run(let record), .queue(let record, _, _): record
        case .refuse(let record, _): record
        case .suspend, .hangUp: nil
        }
    }
}

extension Server {
    /// Executes a request behind the gate.
    /// - Parameter hasLostArguments: whether not all of it was kept, for want of memory: then it does not run, whatever there is by now.
    /// - Returns: False if its client has been suspended before it.
    func executeWithChecks(
        _ found: CommandRecord?, _ arguments: Arguments, on connection: Connection, adoptable: AdoptableArguments?,
        hasLostArguments: Bool = false
    ) -> Bool {
        var admission = admit(found, arguments, connection)
        if hasLostArguments { admission = admission.refused(.outOfMemory) }
        if case .suspend = admission { return false }
        connection.lastCommand = admission.record?.handle
        if connection.replyMode == .skipNext { connection.replyMode = .skipping }
        // However long the reply will be that is dropped, what was answered before stays.
        if connection.replyMode != .on { replies.handOver(to: connection) }
        let start = reply.count
        switch admission {
        case .run(let record):
            // What monitors are shown must not be freed before.
            var call = Call(
                record.handle, arguments, for: connection, replyingTo: reply,
                adoptable: monitors.isEmpty ? adoptable : nil)
            if connection.leavesAccessTimes(record) { call.options.insert(.leavesAccessTimes) }
            // The time for making room is not the command's.
            clock.restart()
            runMeasured(call)
            tracking.remember(record.handle, arguments, readBy: connection)
            showToMonitors(record, arguments, of: connection)
        case .queue(let record, let flags, let transaction):
            queue(record.handle, arguments, flags, in: transaction, of: connection)
        case .refuse(let record, let error):
            refuse(record, on: connection, error)
            // The transaction that they saw begin ends here.
            if let record, record.flags.contains(.executesTransaction) {
                showToMonitors(record, arguments, of: connection)
            }
        case .hangUp: rejectBrowser(connection)
        case .suspend: break
        }
        releaseReservation(of: connection)
        connection.forgetCachingChoice(behind: admission.record)
        if connection.replyMode == .off { replies.discard(from: start) }
        // The reply of a command that waits is still to come.
        if connection.replyMode == .skipping && connection.waiting == nil {
            replies.discard(from: start)
            connection.replyMode = .on
            connection.updateGate()
        }
        observer.request.hasMeasuredReply = reply.needsSending
        return true
    }

    /// Puts a command behind those that EXEC is to run.
    /// - Parameter flags: those of the call.
    func queue(
        _ command: CommandHandle, _ arguments: Arguments, _ flags: CommandFlags, in transaction: Transaction,
        of connection: Connection
    ) {
        connection.lastCommand = command
        // It counts when EXEC runs it.
        connection.commandCount &-= 1
        // What EXEC will not run need not be kept.
        let isBroken = connection.watches.map(keyspaceListeners.watches.isBroken) ?? false
        if !transaction.isAborted && !isBroken { transaction.append(command, arguments, flags: flags) }
        reply.status("QUEUED")
    }

    /// Runs a call, and has its time and the sizes of its request and its reply looked at.
    @discardableResult
    func runMeasured(_ call: Call) -> Bool {
        let requestByteCount = observer.measure(call.arguments)
        let start = reply.count
        let begin = clock.last
        guard run(call) else { return false }
        if hotKeys.isSampling {
            sampleKeys(call, cycles: clock.last &- begin, replyByteCount: reply.byteCount(from: start))
        }
        if requestByteCount > 0 || reply.byteCount(from: start) >= observer.noticedReply {
            let connection = unsafe call.connection
            // What nobody is sent is no large reply.
            let replyByteCount = connection.replyMode == .on ? reply.byteCount(from: start) : -1
            observer.observe(
                FinishedCall(command: call.command, arguments: call.arguments, connection: connection, cycles: 0),
                requestByteCount: requestByteCount, replyByteCount: replyByteCount)
        }
        return true
    }

    /// The checks, in the order in which Redis makes them.
    private func admit(_ found: CommandRecord?, _ arguments: Arguments, _ connection: Connection) -> Admission {
        guard let container = found else {
            return isBrowser(arguments) ? .hangUp : .refuse(nil, Self.unknownCommand(arguments))
        }
        var record = container
        if !container.subcommands.isEmpty && arguments.count > 1 {
            guard let subcommand = container.subcommand(arguments[1]) else {
                return .refuse(nil, .unknownSubcommand(of: container.info.name, arguments[1]))
            }
            record = subcommand
        }
        let flags = record.flags
        guard record.accepts(arguments.count) else { return .refuse(record, .wrongArity(record.fullName)) }
        if flags.contains(.protected), !allows(configuration.settings.enableDebugCommand, connection) {
            return .refuse(record, .text(Self.debugRefusal))
        }
        if !connection.isAuthenticated && !flags.contains(.noAuth) {
            return .refuse(record, .message("NOAUTH Authentication required."))
        }
        if connection.transaction != nil && !flags.contains(.transactionControl) {
            if flags.contains(.noMulti) {
                return .refuse(record, .message("ERR Command not allowed inside a transaction"))
            }
            if flags.contains(.changesReplies) {
                // Only Valkey refuses it, and it names the command.
                return .refuse(record, .text("ERR Command '\(record.fullName)' not allowed inside a transaction"))
            }
        }
        if isWrite(flags, connection), let storageProblem { return .refuse(record, storageProblem) }
        if connection.isLimitedToMessages && !flags.contains(.allowedToSubscribers) {
            return .refuse(
                record,
                .text(
                    "ERR Can't execute '\(record.fullName)': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
                ))
        }
        if persistence.loading != nil && !runsWhileLoading(flags, connection) {
            return .refuse(record, .loading)
        }
        if scripts.isBusy && !flags.contains(.allowBusy) { return .refuse(record, scripts.busyError) }
        // What a script says of itself counts for what may have to wait, or needs memory.
        let callFlags = record.info.script == nil ? flags : scripts.flags(of: record, arguments)
        if connection.isMonitor && !callFlags.isDisjoint(with: [.write, .readOnly, .mayWrite]) {
            return .refuse(record, .message("ERR Replica can't interact with the keyspace"))
        }
        if isPaused(callFlags, connection) {
            pause.suspended.suspend(connection)
            return .suspend
        }
        if record.info.growth != nil && !mayGrow(record, arguments, connection) {
            memoryLimit.suspended.suspend(connection)
            return .suspend
        }
        switch room(for: callFlags, isScript: record.info.script != nil, connection) {
        case .granted: break
        case .refused: return .refuse(record, .outOfMemory)
        case .later:
            memoryLimit.suspended.suspend(connection)
            return .suspend
        }
        if let transaction = connection.transaction, !flags.contains(.transactionControl) {
            return .queue(record, callFlags, transaction)
        }
        return .run(record)
    }

    /// Whether a command may run while data is loaded: a transaction only if all that was queued before may.
    private func runsWhileLoading(_ flags: CommandFlags, _ connection: Connection) -> Bool {
        guard flags.contains(.loading) else { return false }
        return !flags.contains(.executesTransaction)
            || connection.transaction?.queue.allSatisfy { $0.command.flags.contains(.loading) } != false
    }

    /// Whether a command is refused while data cannot be saved.
    private func isWrite(_ flags: CommandFlags, _ connection: Connection) -> Bool {
        !flags.isDisjoint(with: [.write, .asksForHealth])
            || flags.contains(.executesTransaction) && connection.transaction?.flags.contains(.write) == true
    }

    // MARK: refusals

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
        errors.count(reply)
        connection.transaction?.isAborted = true
    }

    /// Whether a request is a line of HTTP: somebody lets a browser speak to the server.
    private func isBrowser(_ arguments: Arguments) -> Bool {
        arguments.count > 0 && (arguments[0].equalsIgnoringCase("post") || arguments[0].equalsIgnoringCase("host:"))
    }

    private func rejectBrowser(_ connection: Connection) {
        log.warning(
            "Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: commands to the server. This is likely due to an attacker attempting to use Cross Protocol Scripting to compromise your instance. Connection from \(connection.address) aborted."
        )
        connections.closeLater(connection)
    }

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

    /// Whether a client may do what only clients of this machine, or none, are to do.
    func allows(_ rule: AccessRule, _ connection: Connection) -> Bool {
        switch rule {
        case .yes: true
        case .local: connection.isLocal
        case .no: false
        }
    }
}
