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
            let background = context.server.persistence.background
            guard background == nil || background?.rewrite != nil else { throw inProgress }
            try checkOwnership(context)
            guard context.server.persistence.saveNow() else { throw .message("ERR") }
            context.reply.ok()
        },
        Command(
            "BGSAVE", group: .server, since: "1.0.0", arity: -1, flags: [.admin, .noScript, .noAsyncLoading],
            syntax: "operation=[SCHEDULE@3.2.2 | CANCEL@8.1.0]",
            summary: "Saves all data to the snapshot file while commands run.",
            complexity: "O(1)", run: saveInBackground
        )
        .changed("3.2.2", "Takes `SCHEDULE`.")
        .changed("8.1.0", "Takes `CANCEL`.")
        .differing("There is no second process: what there was when it began is written between commands."),
        Command(
            "LASTSAVE", group: .server, since: "1.0.0", arity: 1, flags: [.loading, .stale, .fast],
            categories: ["admin", "dangerous"], tips: ["nondeterministic_output"], syntax: "",
            summary: "Returns when data was saved last, in seconds since 1970: at first, when the server started.",
            complexity: "O(1)"
        ) { (context, _) throws(CommandError) in
            context.reply.integer(Int(context.server.persistence.lastSave))
        },
    ]

    /// - Throws: if another server saves to the file.
    private static func checkOwnership(_ context: SessionContext) throws(CommandError) {
        if let problem = context.server.persistence.problemOfOwnership() {
            throw .text("ERR Nothing is saved, as \(problem)")
        }
    }

    private static let inProgress = CommandError.message("ERR Background save already in progress")

    @Sendable private static func saveInBackground(
        _ context: inout SessionContext, _ arguments: Arguments
    ) throws(CommandError) {
        let (server, persistence) = (context.server, context.server.persistence)
        var isScheduled = false
        if arguments.count > 1 {
            guard arguments.count == 2 else { throw .syntax }
            var options = ArgumentReader(arguments, from: 1)
            if options.takes("cancel") { return try cancel(context) }
            guard options.takes("schedule") else { throw .syntax }
            isScheduled = true
        }
        let isRewriting = persistence.background?.rewrite != nil
        guard persistence.background == nil || isRewriting else { throw inProgress }
        guard !isRewriting || isScheduled || context.isNested else {
            throw .message(
                "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to schedule a BGSAVE whenever possible."
            )
        }
        if isRewriting || context.isNested {
            persistence.isScheduled = true
            return context.reply.status("Background saving scheduled")
        }
        try checkOwnership(context)
        server.persistence.saveInBackground()
        context.reply.status("Background saving started")
    }

    private static func cancel(_ context: SessionContext) throws(CommandError) {
        let (server, persistence) = (context.server, context.server.persistence)
        if let background = persistence.background, background.rewrite == nil {
            server.persistence.cancelBackgroundSave()
            server.log.notice("Background saving cancelled")
            context.reply.status("Background saving cancelled")
        } else if persistence.isScheduled {
            persistence.isScheduled = false
            context.reply.status("Scheduled background saving cancelled")
        } else {
            throw .message("ERR Background saving is currently not in progress or scheduled")
        }
    }
}
