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
                let now = Int(Syscall.wallMicroseconds())
                context.reply.array(2)
                context.reply.bulkString(now / 1_000_000)
                context.reply.bulkString(now % 1_000_000)
            },
            Command(
                "SHUTDOWN", group: .server, since: "1.0.0", arity: -1,
                flags: [.admin, .noScript, .loading, .stale, .noMulti, .allowBusy],
                syntax: "save-selector=[NOSAVE | SAVE] [NOW] [FORCE] [ABORT]",
                summary: "Ends the server.", complexity: "O(1)", run: shutDown
            )
            .changed("7.0.0", "Takes `NOW`, `FORCE` and `ABORT`."),
        ] + CommandCommands.all + ConfigCommands.all + DebugCommands.all + FunctionCommands.all + InfoCommands.all
        + LolwutCommands.all + MemoryCommands.all

    @Sendable private static func shutDown(_ context: inout SessionContext, _ arguments: Arguments) throws(CommandError)
    {
        var options: ShutdownOptions = []
        var aborts = false
        for index in 1..<max(arguments.count, 1) {
            switch arguments[index].lowercasedText {
            case "nosave" where !options.contains(.save): options.insert(.noSave)
            case "save" where !options.contains(.noSave): options.insert(.save)
            case "now": options.insert(.now)
            case "force": options.insert(.force)
            case "abort": aborts = true
            default: throw .syntax
            }
        }
        guard !aborts else {
            guard options.isEmpty else { throw .syntax }
            throw .message("ERR No shutdown in progress.")
        }
        if options.contains(.save) && !options.contains(.force) {
            // To end here would lose what the caller asked to be kept.
            context.server.log.warning("SHUTDOWN SAVE is refused: this version has no snapshots")
            throw .message("ERR Errors trying to SHUTDOWN. Check logs.")
        }
        context.server.shutDown()
        context.server.closeLater(context.connection)
    }
}
