// Every command that needs a session: a client, its connection, or the server itself.

import StoreEngine

enum SessionCommands {
    /// Hints to a proxy: to be sent to all nodes, and to have succeeded on each.
    static let toAllNodes = ["request_policy:all_nodes", "response_policy:all_succeeded"]

    static let all: [Command<SessionContext>] =
        ConnectionCommands.all + TransactionCommands.all + PubSubCommands.all + ServerCommands.all
}
