// Commands on places, which are kept in sorted sets.

import RespCodec

enum GeoCommands {
    static let all: [Command<KeyspaceContext>] = []
}
