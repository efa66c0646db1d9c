// Commands about the append-only file.

import RespCodec
import StoreEngine

enum AppendOnlyCommands {
    static let all: [Command<SessionContext>] = [
        Command(
            "BGREWRITEAOF", group: .server, since: "1.0.0", arity: 1, flags: [.admin, .noScript, .noAsyncLoading],
            syntax: "", summary: "Rewrites the append-only file while commands run.", complexity: "O(1)", run: rewrite
        )
        .differing("There is no second process: what there was when it began is written between commands."),
        Command(
            "WAITAOF", group: .generic, since: "7.2.0", arity: 4, flags: [.blocking], categories: ["connection"],
            tips: ["request_policy:all_shards", "response_policy:agg_min"],
            syntax: "numlocal:integer numreplicas:integer timeout:integer",
            summary:
                "Waits until the connection's writes are in the append-only files of this server and of a number of replicas.",
            complexity: "O(1)", run: wait
        )
        .differing("There are no replicas, of which none ever acknowledges anything."),
    ]

    @Sendable private static func rewrite(_ context: inout SessionContext, _ arguments: Arguments) throws(CommandError)
    {
        let server = context.server
        if server.persistence.background?.rewrite != nil {
            throw .message("ERR Background append only file rewriting already in progress")
        }
        if server.persistence.background != nil || context.isNested {
            server.appendOnly.isScheduled = true
            // Asked for by hand, it does not rest after failures.
            server.appendOnly.failuresInARow = 0
            return context.reply.status("Background append only file rewriting scheduled")
        }
        guard server.appendOnly.rewriteInBackground() else {
            throw .message(
                "ERR Can't execute an AOF background rewriting. Please check the server logs for more information.")
        }
        context.reply.status("Background append only file rewriting started")
    }

    @Sendable private static func wait(_ context: inout SessionContext, _ arguments: Arguments) throws(CommandError) {
        let server = context.server
        let connection = context.connection
        var reader = ArgumentReader(arguments, from: 1)
        let local = try reader.integer()
        guard local == 0 || local == 1 else {
            throw .message("ERR value is out of range, value must between 0 and 1")
        }
        let replicas = try reader.integer(atLeast: 0, otherwise: .mustBePositive)
        let now = server.engine.now
        var deadline = try reader.waitDeadline(now: now)
        guard local == 0 || server.configuration.settings.appendOnly else {
            throw .message("ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.")
        }
        let appendOnly = server.appendOnly
        if server.appendOnly.takesEffects { server.appendOnly.noteEffects(of: connection) }
        let isSynced = appendOnly.state == .on && connection.loggedPosition <= appendOnly.writer.syncedPosition
        if let waiting = connection.waiting { deadline = waiting.wait.deadline }
        guard replicas > 0 || local > 0 && !isSynced, !context.isNested, deadline.map({ $0 >= now }) ?? true else {
            context.reply.array(2)
            context.reply.integer(isSynced ? 1 : 0)
            return context.reply.integer(0)
        }
        if connection.waiting == nil { appendOnly.waiting.append(connection) }
        server.engine.requestWait(Wait(until: deadline))
    }
}

extension Server {
    /// Goes on with those whose writes are on the disk by now.
    func serveLogWaits() {
        guard !appendOnly.waiting.isEmpty else { return }
        let waiting = appendOnly.waiting
        appendOnly.waiting = []
        let synced = appendOnly.state == .on ? appendOnly.writer.syncedPosition : -1
        for connection in waiting {
            guard let waiter = connection.waiting, waiter.wait.timeoutReply == .byCommand, !connection.isEnding else {
                continue
            }
            appendOnly.waiting.append(connection)
            guard connection.loggedPosition <= synced || appendOnly.state == .off else { continue }
            runAgain(waiter)
        }
        appendOnly.waiting.removeAll { $0.waiting == nil }
        // Nobody tells the loop when a thread has brought something to the disk.
        if !appendOnly.waiting.isEmpty { appendOnly.timer.set(for: now + 5) }
    }
}
