// MULTI, EXEC, DISCARD, WATCH and UNWATCH.

import RespCodec
import StoreEngine

enum TransactionCommands {
    private static let control: CommandFlags = [.noScript, .loading, .stale, .fast, .allowBusy, .transactionControl]

    static let all: [Command<SessionContext>] = [
        Command(
            "MULTI", group: .transactions, since: "1.2.0", arity: 1, flags: control, syntax: "",
            summary: "Begins a transaction.",
            complexity: "O(1)", run: begin),
        Command(
            "EXEC", group: .transactions, since: "1.2.0", arity: 1,
            flags: [.noScript, .loading, .stale, .skipSlowLog, .transactionControl, .executesTransaction], syntax: "",
            summary: "Runs the commands of a transaction.", complexity: "That of the commands", run: execute),
        Command(
            "DISCARD", group: .transactions, since: "2.0.0", arity: 1, flags: control, syntax: "",
            summary: "Forgets a transaction.", complexity: "O(N) in the commands queued", run: discard),
        Command(
            "WATCH", group: .transactions, since: "2.2.0", arity: -2, flags: control,
            keys: [KeySpec([.ro], begin: .index(1), find: .range(last: -1, step: 1, limit: 0))],
            syntax: "key [key ...]",
            summary: "Lets the next transaction fail if a key changes before it.", complexity: "O(1) for each key",
            run: watch),
        Command(
            "UNWATCH", group: .transactions, since: "2.2.0", arity: 1,
            flags: [.noScript, .loading, .stale, .fast, .allowBusy], syntax: "", summary: "Forgets the keys watched.",
            complexity: "O(N) in the keys watched"
        ) { (context, _) throws(CommandError) in
            context.server.unwatchAll(context.connection)
            context.reply.ok()
        },
    ]

    @Sendable static func begin(_ context: inout SessionContext, _ arguments: Arguments) throws(CommandError) {
        guard context.connection.transaction == nil else { throw .message("ERR MULTI calls can not be nested") }
        context.connection.transaction = context.server.makeTransaction()
        context.connection.updateGate()
        context.reply.ok()
    }

    @Sendable static func discard(_ context: inout SessionContext, _ arguments: Arguments) throws(CommandError) {
        guard context.connection.transaction != nil else { throw .message("ERR DISCARD without MULTI") }
        context.server.endTransaction(context.connection)
        context.reply.ok()
    }

    @Sendable static func watch(_ context: inout SessionContext, _ arguments: Arguments) throws(CommandError) {
        guard context.connection.transaction == nil else { throw .message("ERR WATCH inside MULTI is not allowed") }
        let keyspaceListeners = context.server.keyspaceListeners
        let connection = context.connection
        let watches = connection.watches ?? ClientWatches()
        connection.watches = watches
        for index in 1..<arguments.count {
            keyspaceListeners.watches.watch(arguments[index], database: connection.database, by: watches)
        }
        keyspaceListeners.update()
        context.reply.ok()
    }

    @Sendable static func execute(_ context: inout SessionContext, _ arguments: Arguments) throws(CommandError) {
        let connection = context.connection
        let server = context.server
        guard let transaction = connection.transaction else { throw .message("ERR EXEC without MULTI") }
        let isBroken =
            connection.watches.map { $0.isBroken || server.keyspaceListeners.watches.hasExpired($0) } ?? false
        server.endTransaction(connection)
        guard !transaction.isAborted else {
            throw .message("EXECABORT Transaction discarded because of previous errors.")
        }
        guard !isBroken else { return context.reply.nullArray() }
        let replyStart = context.reply.count
        context.reply.array(transaction.queue.count)
        defer { server.updateTime() }
        for queued in transaction.queue {
            let command = queued.command
            let arguments = transaction.arguments(of: queued)
            var call = Call(command, arguments, for: connection, replyingTo: context.reply)
            call.isNested = true
            call.options =
                connection.isNoTouch && connection.leavesAccessTimes(command.record) ? .leavesAccessTimes : []
            let start = context.reply.count
            let isKilled = connection.isEnding
            server.runMeasured(call)
            // A client that has killed itself is told nothing more.
            if isKilled { server.replies.discard(from: start) }
            connection.commandCount &+= 1
            if connection.tracker != nil { server.tracking.remember(command, arguments, readBy: connection) }
            if !server.monitors.isEmpty { server.showToMonitors(command.record, arguments, of: connection) }
            server.replies.handOverWithinCommand(to: connection, from: replyStart)
        }
        server.keep(transaction)
    }
}

extension Server {
    /// An empty transaction.
    fileprivate func makeTransaction() -> Transaction {
        guard let kept = spareTransaction else { return Transaction() }
        spareTransaction = nil
        return kept
    }

    /// Lets the next client have a transaction that is over.
    fileprivate func keep(_ transaction: Transaction) { if transaction.reset() { spareTransaction = transaction } }

    /// Forgets the client's transaction and what it watches.
    func endTransaction(_ connection: Connection) {
        connection.transaction = nil
        unwatchAll(connection)
        connection.updateGate()
    }

    func unwatchAll(_ connection: Connection) {
        guard let watches = connection.watches else { return }
        keyspaceListeners.watches.unwatchAll(watches)
        connection.watches = nil
        keyspaceListeners.update()
    }
}
