// What a command on the connection or the server sees.

import RespCodec
import StoreEngine

struct SessionContext: ReplyingContext {
    let server: Server
    let connection: Connection
    let reply: ReplyWriter
    /// Whether another command runs this one as a part of itself: it may neither wait nor take over the connection.
    var isNested = false
}
