// What the server does for its data on the disk, and because of them.

import StoreEngine

extension Server {
    /// Why writes are refused; nil if they are not.
    var storageProblem: CommandError? {
        if persistence.refusesWrites { return .message(Persistence.misconfiguration) }
        return appendOnly.problem.map { .text($0) }
    }
}

extension Server: PersistenceOwner {
    var savedLibraries: [[UInt8]] { scripts.functions.sorted.map(\.code) }
    var isTurnEmpty: Bool { turns.isIdle && statistics.commandsProcessed == statistics.commandsBeforeTurn }

    func endRewrite(_ rewrite: LogRewrite, _ outcome: SnapshotFile.Outcome, seconds: Int) {
        appendOnly.endRewrite(rewrite, outcome, seconds: seconds)
    }

    func rewriteWasCancelled(_ rewrite: LogRewrite) { appendOnly.rewriteWasCancelled(rewrite) }
}

extension Server: AppendOnlyFileOwner {
    func logWasWritten() {
        memoryLimit.logWasWritten(appendOnly.writer.log.heldCount)
        followLogMemory()
    }
}
