// DUMP and RESTORE: a value as bytes.

import RespCodec

enum SerializationCommands {
    static let all: [Command<KeyspaceContext>] = []
}
