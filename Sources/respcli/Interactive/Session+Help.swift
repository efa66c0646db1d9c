// What the server says about its commands: asked once for hints, and anew for HELP.

import RespCodec

extension Session {
    /// Asks for what hints and completion need, once for each connection until the server has told. Where it does not, as servers before
    /// Redis 7.0, or cannot be asked, they are made from what another one told earlier.
    func learnCommands() {
        guard !knowsCommands else { return }
        if let connection, connection.failure == nil, !isInTransaction, !isSubscribed, !hasAskedForCommands {
            hasAskedForCommands = true
            if let reply = ask([Bytes("COMMAND".utf8), Bytes("DOCS".utf8)]), reply.errorText == nil {
                let entries = CommandHelp.entries(of: reply)
                guard entries.isEmpty else {
                    guide = CommandGuide(entries)
                    knowsCommands = true
                    RememberedCommands.keep(reply)
                    return
                }
            }
        }
        if guide.isEmpty { guide = CommandGuide(RememberedCommands.entries) }
    }

    /// Prints help: general, about the command that `words` name, or about the group after an `@`.
    func printHelp(for words: [Bytes]) {
        guard let first = words.first else {
            output.write(Usage.promptHelp)
            return
        }
        if connection == nil || connection?.failure != nil { guard connect() else { return } }
        guard let reply = ask([Bytes("COMMAND".utf8), Bytes("DOCS".utf8)]) else { return }
        if let message = reply.errorText {
            StandardError.write("COMMAND DOCS failed: \(Text.string(message))\n")
            return
        }
        let group = first.first == UInt8(ascii: "@") ? Bytes(first.dropFirst()).map(Text.lowercased) : nil
        for entry in CommandHelp.entries(of: reply) {
            if let group {
                if entry.group.map(Text.lowercased) == group { entry.append(showsGroup: false, to: &output.pending) }
            } else if entry.begins(with: words) {
                entry.append(showsGroup: true, to: &output.pending)
            }
        }
        output.write("\r\n")
    }
}
