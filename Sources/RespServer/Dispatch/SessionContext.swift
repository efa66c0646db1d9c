// What a command on the connection or the server sees.

import RespCodec
import StoreEngine

struct SessionContext: ReplyingContext {
    // Whoever runs the command holds them: counting references would cost more than many a command does.
    let uncountedServer: Uncounted<Server>
    let uncountedConnection: Uncounted<Connection>
    let reply: ReplyWriter
    /// Whether another command runs this one as a part of itself: it may neither wait nor take over the connection.
    var isNested = false

    @inline(__always) var server: Server { uncountedServer.object }
    @inline(__always) var connection: Connection { uncountedConnection.object }

    @inline(__always)
    init(server: Server, connection: Connection, reply: ReplyWriter, isNested: Bool = false) {
        unsafe uncountedServer = Uncounted(server)
        unsafe uncountedConnection = Uncounted(connection)
        self.reply = reply
        self.isNested = isNested
    }
}
