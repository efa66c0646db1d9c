// What a command on the connection or the server sees.

import RespCodec
import StoreEngine

struct SessionContext: ReplyingContext {
    let server: Server
    let connection: Connection
    let reply: ReplyWriter
}
