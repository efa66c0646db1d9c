// Commands on streams.

import RespCodec

enum StreamCommands {
    static let all: [Command<KeyspaceContext>] = []
}
