import StoreEngine
import RespCodec
enum ConnectionCommands { static let all: [Command<SessionContext>] = [] }
enum ServerCommands { static let all: [Command<SessionContext>] = [] }
