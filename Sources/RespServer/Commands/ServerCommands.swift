// The server itself: its clock and its end; and the list of all commands that need the server.

import RespCodec
import StoreEngine

enum ServerCommands {
    static let all: [Command<SessionContext>] =
        [
            Command(
                "TIME", group: .server, since: "2.6.0", arity: 1, flags: [.loading, .stale, .fast],
                tips: ["nondeterministic_output"], syntax: "",
                summary: "Returns the server's time: seconds and microseconds.",
                complexity: "O(1)"
            ) { (context, _) throws(CommandError) in
                let now = Int(context.server.scripts.run?.shownTime ?? Syscall.wallMicroseconds())
                context.reply.array(2)
                context.reply.bulkString(now / 1_000_000)
                context.reply.bulkString(now % 1_000_000)
            },
            Command(
                "SHUTDOWN", group: .server, since: "1.0.0", arity: -1,
                flags: [.admin, .noScript, .loading, .stale, .noMulti, .allowBusy],
                syntax: "save-selector=[NOSAVE | SAVE] [NOW]@7.0.0 [FORCE]@7.0.0 [ABORT]@7.0.0",
                summary: "Ends the server, and saves all data first if asked to.",
                complexity: "O(N) in the bytes of all keys and values when saving, else O(1)", run: shutDown
            )
            .changed("7.0.0", "Takes `NOW`, `FORCE` and `ABORT`."),
        ] + ClusterCommands.all + CommandCommands.all + CommandLogCommands.all + ConfigCommands.all + DebugCommands.all
        + FunctionCommands.all + HotKeysCommands.all + InfoCommands.all + LatencyCommands.all + LolwutCommands.all
        + MemoryCommands.all
        + ModuleCommands.all + MonitorCommand.all + PersistenceCommands.all + AppendOnlyCommands.all
        + MigrateCommand.all
        + ReplicationCommands.all
        + ScriptCommands.all

    @Sendable private static func shutDown(_ context: inout SessionContext, _ arguments: Arguments) throws(CommandError)
    {
        var options: ShutdownOptions = []
        var aborts = false
        var reader = ArgumentReader(arguments, from: 1)
        while !reader.isAtEnd {
            if !options.contains(.save) && reader.takes("nosave") {
                options.insert(.noSave)
            } else if !options.contains(.noSave) && reader.takes("save") {
                options.insert(.save)
            } else if reader.takes("now") {
                options.insert(.now)
            } else if reader.takes("force") {
                options.insert(.force)
            } else if reader.takes("abort") {
                aborts = true
            } else {
                throw .syntax
            }
        }
        guard !aborts else {
            guard options.isEmpty else { throw .syntax }
            guard Signals.received != 0 else { throw .message("ERR No shutdown in progress.") }
            // A signal has asked for it, and nothing was done about it yet.
            Signals.forget()
            context.server.log.warning("Shutdown manually aborted.")
            return context.reply.ok()
        }
        let scripts = context.server.scripts
        if scripts.isBusy && !options.contains(.noSave) { throw scripts.busyError }
        guard context.server.shutDown(options) else { throw .message("ERR Errors trying to SHUTDOWN. Check logs.") }
        context.server.connections.closeLater(context.connection)
    }
}
