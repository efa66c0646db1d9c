// Commands on sorted sets.

import RespCodec

enum SortedSetCommands {
    static let all: [Command<KeyspaceContext>] = []
}
