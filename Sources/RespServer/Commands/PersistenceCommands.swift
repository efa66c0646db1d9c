// Saving data to the disk.

import RespCodec
import StoreEngine

enum PersistenceCommands {
    static let all: [Command<SessionContext>] = [
        Command(
            "SAVE", group: .server, since: "1.0.0", arity: 1, flags: [.admin, .noScript, .noMulti, .noAsyncLoading],
            syntax: "", summary: "Saves all data to the snapshot file, while nobody is served.",
            complexity: "O(N) in the bytes of all keys and values"
        ) { (context, _) throws(CommandError) in
            guard context.server.saveNow() else { throw .message("ERR") }
            context.reply.ok()
        },
        Command(
            "LASTSAVE", group: .server, since: "1.0.0", arity: 1, flags: [.loading, .stale, .fast],
            categories: ["admin", "dangerous"], tips: ["nondeterministic_output"], syntax: "",
            summary: "Returns when data was saved last, in seconds since 1970: at first, when the server started.",
            complexity: "O(1)"
        ) { (context, _) throws(CommandError) in
            context.reply.integer(Int(context.server.persistence.lastSave))
        },
    ]
}
