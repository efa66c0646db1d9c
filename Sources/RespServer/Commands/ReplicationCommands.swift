// ROLE: what this server is to others. It is a primary that has no replicas.

import RespCodec
import StoreEngine

enum ReplicationCommands {
    static let all: [Command<SessionContext>] = [
        Command(
            "ROLE", group: .server, since: "2.8.12", arity: 1, flags: [.noScript, .loading, .stale, .fast],
            categories: ["admin", "dangerous"], syntax: "",
            summary: "Returns whether the server is a primary or a replica, and whose.", complexity: "O(1)"
        ) { (context, _) throws(CommandError) in
            context.reply.array(3)
            context.reply.bulkString("master")
            context.reply.integer(0)
            context.reply.array(0)
        }
        .differing("There is no replication: always a primary without replicas.")
    ]
}
