// From a request to its command. Rules are decided by flags, never by which command it is.

import RespCodec
import StoreEngine

extension Server {
    /// Executes one request whose command has been looked up.
    ///
    /// - Parameter key: its first key, if that has been hashed.
    /// - Returns: False if its client has been suspended before it, and the request is to be executed later.
    @inline(__always)
    func execute(
        _ command: CommandHandle?, _ arguments: Arguments, on connection: Connection,
        key: HashedKey?, adoptable: AdoptableArguments? = nil
    ) -> Bool {
        guard let command, command.flags.isDisjoint(with: connection.gate.union(gate)),
            command.accepts(arguments.count), command.data != nil || command.runsOnSession
        else {
            return executeBehindGate(command, arguments, on: connection, key: key, adoptable: adoptable)
        }
        connection.lastCommand = command
        run(Call(command, arguments, for: connection, replyingTo: reply, key: key, adoptable: adoptable))
        return true
    }

    /// Commands that a transaction does not queue, or that need the checks first.
    private static let unlikeOthersInTransactions: CommandFlags = [
        .transactionControl, .noMulti, .changesReplies, .protected, .runsScript,
    ]

    /// What stops most commands at the gate is only that they are to be queued, or that a tracking client's keys are to be remembered.
    @inline(never)
    private func executeBehindGate(
        _ command: CommandHandle?, _ arguments: Arguments, on connection: Connection,
        key: HashedKey?, adoptable: AdoptableArguments?
    ) -> Bool {
        guard let command, !connection.needsChecks, command.flags.isDisjoint(with: gate),
            command.accepts(arguments.count), command.data != nil || command.runsOnSession
        else { return executeWithChecks(command?.record, arguments, on: connection, adoptable: adoptable) }
        if let transaction = connection.transaction {
            // Queueing takes memory.
            guard command.flags.isDisjoint(with: Self.unlikeOthersInTransactions), !memoryLimit.isExceeded else {
                return executeWithChecks(command.record, arguments, on: connection, adoptable: adoptable)
            }
            queue(command, arguments, command.flags, in: transaction, of: connection)
            return true
        }
        connection.lastCommand = command
        run(Call(command, arguments, for: connection, replyingTo: reply, key: key, adoptable: adoptable))
        tracking.remember(command, arguments, key: key, readBy: connection)
        return true
    }
}
