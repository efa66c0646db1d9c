// What the server's own COMMAND DOCS say about its commands: for HELP, for hints while typing, and for completion.

import RespCodec

/// A command, or a subcommand, as its server documents it.
struct CommandHelp: Equatable, Sendable {
    /// "SET", or "CONFIG GET".
    var name: Bytes
    var summary: Bytes = []
    var since: Bytes?
    var group: Bytes = []
    var arguments: [ArgumentSyntax] = []
    /// The names of its subcommands.
    var subcommands: [Bytes] = []

    /// The syntax of the arguments: `key value [NX|XX] [GET]`.
    var syntax: Bytes { ArgumentSyntax.notation(of: arguments, separator: " ") }

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
            case "summary": entry.summary = text(value)
            case "since": entry.since = text(value)
            case "group": entry.group = text(value)
            case "arguments": entry.arguments = elements(of: value).map { argument($0, depth: 0) }
            case "subcommands": subcommands = pairs(of: value)
            default: break
            }
        }
        entry.subcommands = subcommands.map { name, _ in
            Bytes(name[((name.firstIndex(of: UInt8(ascii: "|")) ?? -1) + 1)...]).map(Text.uppercased)
        }
        entries.append(entry)
        for (name, documentation) in subcommands { collect(command, name, documentation, into: &entries) }
    }

    // MARK: the syntax of arguments

    private static func argument(_ reply: Reply, depth: Int) -> ArgumentSyntax {
        var name: Bytes = []
        var shownName: Bytes?
        var type = ""
        var flags: Set<String> = []
        var inner: [Reply] = []
        var argument = ArgumentSyntax(name: [], kind: .text)
        for (key, value) in pairs(of: reply) {
            switch Text.string(key) {
            case "name": name = text(value)
            case "display_text": shownName = text(value)
            case "type": type = Text.string(value.stringBytes ?? [])
            case "token": argument.token = text(value)
            case "flags": flags = Set(elements(of: value).map { Text.string($0.stringBytes ?? []) })
            case "arguments": inner = elements(of: value)
            default: break
            }
        }
        argument.name = shownName ?? name
        switch type {
        case "oneof": argument.kind = .choice(inner.map { self.argument($0, depth: depth + 1) })
        case "block": argument.kind = .block(inner.map { self.argument($0, depth: depth + 1) })
        case "pure-token": argument.kind = .token
        case "integer", "unix-time": argument.kind = .number(isWhole: true)
        case "double": argument.kind = .number(isWhole: false)
        default: argument.kind = .text
        }
        argument.isOptional = flags.contains("optional")
        argument.isRepeated = flags.contains("multiple")
        argument.repeatsToken = flags.contains("multiple_token")
        return argument
    }

    // MARK: reading replies

    /// A text for people, without the control characters by which a server might change what the terminal shows.
    private static func text(_ reply: Reply) -> Bytes {
        (reply.stringBytes ?? []).filter { $0 >= 0x20 && $0 != 0x7F }
    }

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
            return entries.compactMap { $0.key.stringBytes == nil ? nil : (text($0.key), $0.value) }
        case .array(let elements):
            return stride(from: 0, to: elements.count - 1, by: 2).compactMap { index in
                elements[index].stringBytes == nil ? nil : (text(elements[index]), elements[index + 1])
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
