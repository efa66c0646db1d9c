// SORT: the elements of a collection in order.

import RespCodec

enum SortCommands {
    static let all: [Command<KeyspaceContext>] = []
}
