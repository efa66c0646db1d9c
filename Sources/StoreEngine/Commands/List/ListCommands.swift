// Commands on lists.

import RespCodec

enum ListCommands {
    static let all: [Command<KeyspaceContext>] = []
}
