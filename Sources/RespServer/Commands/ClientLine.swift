// A connection as a line of CLIENT LIST: its fields in the order of Redis 8.2.

import RespCodec
import StoreEngine

enum ClientLine {
    /// A command that is not over, such as the one that asks, does not count yet.
    ///
    /// - Parameters:
    ///   - now: By the engine's clock, in milliseconds.
    ///   - request: What the connection is asking; nil for one that is not.
    static func write(_ connection: Connection, now: Int64, request: Arguments?, to reply: ReplyWriter) {
        let queued = connection.transaction?.byteCount ?? 0
        let pending = connection.pending
        let unparsed = (pending?.unparsedCount ?? 0) + (request?.requestByteCount ?? 0)
        // Arguments of a request that has not arrived whole count, too, and those of a command that waits.
        let argumentBytes =
            (request?.argumentByteCount ?? 0) + (pending.map { $0.arrivedByteCount - $0.unparsedCount } ?? 0)
            + (connection.waiting?.arguments.argumentByteCount ?? 0)
        let unsent = connection.unsentByteCount
        let outputMemory = connection.unsent?.memoryByteCount ?? 0
        func field(_ name: ByteSlice, _ value: Int) { reply.text(name, "=", value, " ") }
        func field(_ name: ByteSlice, text value: String) { reply.text(name, "=", string: value, " ") }
        field("id", Int(connection.id))
        field("addr", text: connection.address)
        field("laddr", text: connection.localAddress)
        field("fd", Int(connection.descriptor))
        name("name", connection.name, to: reply)
        field("age", Int(max(0, now - connection.created) / 1000))
        field("idle", Int(max(0, now - connection.lastActive) / 1000))
        field("flags", text: flags(of: connection))
        // As in Valkey, but only where there is something to tell.
        if connection.followsRedirections { reply.raw("capa=r ") }
        field("db", connection.database)
        field("sub", connection.subscriber?.channelCount ?? 0)
        field("psub", connection.subscriber?.patternCount ?? 0)
        field("ssub", connection.subscriber?.shardChannelCount ?? 0)
        field("multi", connection.transaction?.queue.count ?? -1)
        field("watch", connection.watches?.count ?? 0)
        field("qbuf", unparsed)
        reply.raw("qbuf-free=0 ")
        field("argv-mem", argumentBytes)
        field("multi-mem", queued)
        reply.raw("rbs=0 rbp=0 ")
        // There is no buffer of its own: all that waits is in the list.
        reply.raw("obl=0 ")
        field("oll", connection.unsent?.pieceCount ?? 0)
        field("omem", outputMemory)
        let asked = request.map { $0.requestByteCount + $0.argumentByteCount } ?? 0
        field("tot-mem", connection.byteCountBesidesOutput + outputMemory + asked)
        reply.raw(connection.isWatchedForWriting ? "events=rw " : "events=r ")
        field("cmd", text: connection.lastCommand?.record.fullName ?? "NULL")
        field("user", text: connection.user)
        field("redir", connection.tracker.map { Int($0.redirection) } ?? -1)
        field("resp", connection.version.rawValue)
        name("lib-name", connection.libraryName, to: reply)
        name("lib-ver", connection.libraryVersion, to: reply)
        reply.raw("io-thread=0 ")
        field("tot-net-in", connection.inputByteCount)
        field("tot-net-out", connection.outputByteCount - unsent)
        reply.text("tot-cmds", "=", connection.commandCount, "\n")
    }

    /// Names end at a zero byte.
    private static func name(_ field: ByteSlice, _ name: String, to reply: ReplyWriter) {
        let end = name.utf8.firstIndex(of: 0)
        reply.text(field, "=", string: end.map { String(name[..<$0]) } ?? name, " ")
    }

    /// What CLIENT LIST tells of the state of a connection, one letter for each thing; N for none.
    static func flags(of connection: Connection) -> String {
        var flags = connection.isMonitor ? "O" : ""
        if connection.subscriber != nil { flags += "P" }
        if connection.transaction != nil { flags += "x" }
        if connection.isPaused || connection.waiting != nil { flags += "b" }
        if let tracker = connection.tracker {
            flags += "t"
            if tracker.isRedirectionBroken { flags += "R" }
            if tracker.options.contains(.broadcasts) { flags += "B" }
        }
        if connection.watches?.isBroken == true { flags += "d" }
        if connection.isClosing { flags += "c" }
        if connection.isUnix { flags += "U" }
        if connection.isNoEvict { flags += "e" }
        if connection.isNoTouch { flags += "T" }
        return flags.isEmpty ? "N" : flags
    }
}
