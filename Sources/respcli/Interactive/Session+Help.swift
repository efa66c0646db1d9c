// What the server says about its commands: asked once for hints, and anew for HELP.

import RespCodec

extension Session {
    /// Asks for what hints and completion need. A server that does not tell leaves the prompt without them.
    func learnCommands() {
        guard let connection, connection.failure == nil, !isInTransaction, !isSubscribed,
            let reply = ask([Bytes("COMMAND".utf8), Bytes("DOCS".utf8)]), reply.errorText == nil
        else { return }
        guide = CommandGuide(CommandHelp.entries(of: reply))
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
