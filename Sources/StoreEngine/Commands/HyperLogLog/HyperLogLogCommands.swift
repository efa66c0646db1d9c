// Commands that estimate how many different elements there are.

import RespCodec

enum HyperLogLogCommands {
    static let all: [Command<KeyspaceContext>] = []
}
