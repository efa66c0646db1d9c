// Every command that needs a session: a client, its connection, or the server itself.

import StoreEngine

enum SessionCommands {
    static let all: [Command<SessionContext>] = ConnectionCommands.all + TransactionCommands.all + ServerCommands.all
}
