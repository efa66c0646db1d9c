// MONITOR.

import RespCodec
import StoreEngine

enum MonitorCommand {
    static let all: [Command<SessionContext>] = [
        Command(
            "MONITOR", group: .server, since: "1.0.0", arity: 1, flags: [.admin, .noScript, .loading, .stale],
            syntax: "",
            summary: "Shows the requests of all clients as they run.", complexity: "O(1)", run: monitor)
    ]

    @Sendable private static func monitor(_ context: inout SessionContext, _ arguments: Arguments) throws(CommandError)
    {
        guard !context.isNested else { throw .message("ERR MONITOR isn't allowed for DENY BLOCKING client") }
        // A client that is a monitor already gets no reply.
        guard !context.connection.isMonitor else { return }
        context.server.beginMonitoring(context.connection)
        context.reply.ok()
    }
}
