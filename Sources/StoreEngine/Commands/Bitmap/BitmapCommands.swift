// Commands on the bits of strings.

import RespCodec

enum BitmapCommands {
    static let all: [Command<KeyspaceContext>] = []
}
