// A connection as a line of CLIENT LIST: its fields in the order of Redis 8.2.

import StoreEngine

enum ClientLine {
    /// A command that is not over, such as the one that asks, does not count yet.
    ///
    /// - Parameter now: By the engine's clock, in milliseconds.
    static func text(of connection: Connection, now: Int64) -> String {
        let queued = connection.transaction?.byteCount ?? 0
        let unparsed = connection.pending?.byteCount ?? 0
        let unsent = connection.unsent.byteCount
        let fields: [(String, String)] = [
            ("id", "\(connection.id)"), ("addr", connection.address), ("laddr", connection.localAddress),
            ("fd", "\(connection.descriptor)"), ("name", shown(connection.name)),
            ("age", "\(max(0, now - connection.created) / 1000)"),
            ("idle", "\(max(0, now - connection.lastActive) / 1000)"), ("flags", flags(of: connection)),
            ("db", "\(connection.database)"), ("sub", "0"), ("psub", "0"), ("ssub", "0"),
            ("multi", "\(connection.transaction?.queue.count ?? -1)"), ("watch", "\(connection.watches.count)"),
            ("qbuf", "\(unparsed)"), ("qbuf-free", "0"),
            ("argv-mem", "0"), ("multi-mem", "\(queued)"), ("rbs", "0"), ("rbp", "0"), ("obl", "\(unsent)"),
            ("oll", "0"),
            ("omem", "\(connection.unsent.capacity)"),
            ("tot-mem", "\(queued + unparsed + connection.unsent.capacity + connection.objectByteCount)"),
            ("events", connection.isWatchedForWriting ? "rw" : "r"),
            ("cmd", connection.lastCommand?.pointee.record.fullName ?? "NULL"),
            ("user", connection.user), ("redir", "-1"), ("resp", "\(connection.version.rawValue)"),
            ("lib-name", shown(connection.libraryName)), ("lib-ver", shown(connection.libraryVersion)),
            ("io-thread", "0"),
            ("tot-net-in", "\(connection.inputByteCount)"), ("tot-net-out", "\(connection.outputByteCount - unsent)"),
            ("tot-cmds", "\(connection.commandCount)"),
        ]
        return fields.map { "\($0.0)=\($0.1)" }.joined(separator: " ") + "\n"
    }

    /// Names end at a zero byte.
    private static func shown(_ name: String) -> String { String(name.prefix { $0 != "\0" }) }

    /// What CLIENT LIST tells of the state of a connection, one letter for each thing; N for none.
    static func flags(of connection: Connection) -> String {
        var flags = ""
        if connection.transaction != nil { flags += "x" }
        if connection.isPaused || connection.waiting != nil { flags += "b" }
        if connection.watches.isBroken { flags += "d" }
        if connection.isClosing { flags += "c" }
        if connection.isUnix { flags += "U" }
        if connection.isNoEvict { flags += "e" }
        if connection.isNoTouch { flags += "T" }
        return flags.isEmpty ? "N" : flags
    }
}
