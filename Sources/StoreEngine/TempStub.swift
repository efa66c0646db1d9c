import RespCodec
enum GenericCommands { static let all: [Command<KeyspaceContext>] = [] }
enum HashCommands { static let all: [Command<KeyspaceContext>] = [] }
