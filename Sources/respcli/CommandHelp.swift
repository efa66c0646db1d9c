// What HELP prints about commands: the reply of COMMAND DOCS, so that it describes the commands of the server.

import RespCodec

/// A command, or a subcommand, as its server documents it.
struct CommandHelp: Equatable {
    /// "SET", or "CONFIG GET".
    var name: Bytes
    var summary: Bytes = []
    var since: Bytes?
    var group: Bytes = []
    /// The syntax of the arguments: `key value [NX|XX] [GET]`.
    var syntax: Bytes = []

    /// All commands and subcommands of a reply to COMMAND DOCS, by name.
    static func entries(of reply: Reply) -> [CommandHelp] {
        var entries: [CommandHelp] = []
        for (name, documentation) in pairs(of: reply) { collect(name, nil, documentation, into: &entries) }
        return entries.sorted { $0.name.lexicographicallyPrecedes($1.name) }
    }

    private static func collect(
        _ command: Bytes, _ subcommand: Bytes?, _ reply: Reply, into entries: inout [CommandHelp]
    ) {
        var name = command.map(Text.uppercased)
        if let subcommand {
            // The name of a subcommand may begin with its command and a bar.
            let own = subcommand.firstIndex(of: UInt8(ascii: "|")).map { subcommand[($0 + 1)...] } ?? subcommand[...]
            name += Bytes(" ".utf8) + own.map(Text.uppercased)
        }
        var entry = CommandHelp(name: name)
        var subcommands: [(Bytes, Reply)] = []
        for (key, value) in pairs(of: reply) {
            switch Text.string(key) {
            case "summary": entry.summary = value.stringBytes ?? []
            case "since": entry.since = value.stringBytes
            case "group": entry.group = value.stringBytes ?? []
            case "arguments": entry.syntax = syntax(of: elements(of: value), separator: " ")
            case "subcommands": subcommands = pairs(of: value)
            default: break
            }
        }
        entries.append(entry)
        for (name, documentation) in subcommands { collect(command, name, documentation, into: &entries) }
    }

    // MARK: the syntax of arguments

    private static func syntax(of arguments: [Reply], separator: String) -> Bytes {
        Bytes(arguments.map(syntax).joined(separator: separator.utf8))
    }

    private static func syntax(of argument: Reply) -> Bytes {
        var name: Bytes = []
        var shownName: Bytes?
        var type = ""
        var token: Bytes?
        var flags: Set<String> = []
        var inner: [Reply] = []
        for (key, value) in pairs(of: argument) {
            switch Text.string(key) {
            case "name": name = value.stringBytes ?? []
            case "display_text": shownName = value.stringBytes
            case "type": type = Text.string(value.stringBytes ?? [])
            case "token": token = value.stringBytes
            case "flags": flags = Set(elements(of: value).map { Text.string($0.stringBytes ?? []) })
            case "arguments": inner = elements(of: value)
            default: break
            }
        }
        var body: Bytes
        switch type {
        case "oneof": body = syntax(of: inner, separator: "|")
        case "block": body = syntax(of: inner, separator: " ")
        case "pure-token": body = []
        default: body = visible(shownName ?? name)
        }
        var prefix = token.map(visible) ?? []
        if token != nil && type != "pure-token" { prefix += " ".utf8 }
        var text = prefix + body
        if flags.contains("multiple") {
            let repeated = flags.contains("multiple_token") ? prefix + body : body
            text += Bytes(" [".utf8) + repeated + Bytes(" ...]".utf8)
        }
        return flags.contains("optional") ? Bytes("[".utf8) + text + Bytes("]".utf8) : text
    }

    private static func visible(_ text: Bytes) -> Bytes { text.isEmpty ? Bytes("\"\"".utf8) : text }

    // MARK: reading replies

    private static func elements(of reply: Reply) -> [Reply] {
        switch reply.withoutAttributes {
        case .array(let elements), .set(let elements): elements
        default: []
        }
    }

    /// The entries of a map, which RESP2 sends as an array.
    private static func pairs(of reply: Reply) -> [(Bytes, Reply)] {
        switch reply.withoutAttributes {
        case .map(let entries):
            return entries.compactMap { entry in entry.key.stringBytes.map { ($0, entry.value) } }
        case .array(let elements):
            return stride(from: 0, to: elements.count - 1, by: 2).compactMap { index in
                elements[index].stringBytes.map { ($0, elements[index + 1]) }
            }
        default:
            return []
        }
    }

    // MARK: printing

    /// Appends the entry as a paragraph.
    /// - Parameter showsGroup: whether to show its group.
    func append(showsGroup: Bool, to text: inout Bytes) {
        text += "\r\n  \u{1B}[1m".utf8
        text += name
        text += "\u{1B}[0m \u{1B}[90m".utf8
        text += syntax
        text += "\u{1B}[0m\r\n".utf8
        func line(_ title: String, _ value: Bytes) {
            text += "  \u{1B}[33m\(title):\u{1B}[0m ".utf8
            text += value
            text += "\r\n".utf8
        }
        line("summary", summary)
        if let since { line("since", since) }
        if showsGroup { line("group", group) }
    }

    /// Whether the words of the name begin with `words`, in any letter case.
    func begins(with words: [Bytes]) -> Bool {
        let own = name.split(separator: UInt8(ascii: " "))
        return words.count <= own.count && zip(words, own).allSatisfy { $0.map(Text.uppercased).elementsEqual($1) }
    }
}

extension Session {
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
