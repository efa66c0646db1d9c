// Commands on sets.

import RespCodec

enum SetCommands {
    static let all: [Command<KeyspaceContext>] = []
}
