// What a command on the connection or the server sees.

import RespCodec
import StoreEngine

struct SessionContext: ReplyingContext {
    // Whoever runs the command holds them: counting references would cost more than many a command does.
    private unowned(unsafe) let heldServer: Server
    private unowned(unsafe) let heldConnection: Connection
    let reply: ReplyWriter
    /// Whether another command runs this one as a part of itself: it may neither wait nor take over the connection.
    var isNested = false

    @inline(__always) var server: Server { unsafe heldServer }
    @inline(__always) var connection: Connection { unsafe heldConnection }

    @inline(__always)
    init(server: Server, connection: Connection, reply: ReplyWriter, isNested: Bool = false) {
        unsafe heldServer = server
        unsafe heldConnection = connection
        self.reply = reply
        self.isNested = isNested
    }
}
