// The page of all commands, docs/COMMANDS.md, made from their declarations: `resp-server --commands` prints it.

import StoreEngine

struct CommandPage {
    private let records: [CommandRecord]

    init(_ table: CommandTable) {
        records = table.records.sorted { $0.fullName < $1.fullName }
    }

    /// The page of the commands of this program.
    static var ofAllCommands: String {
        let table = CommandTable()
        for command in Engine.allCommands { table.add(CommandRecord(command)) }
        for command in SessionCommands.all { table.add(CommandRecord(command)) }
        return CommandPage(table).text
    }

    var text: String {
        var text = """
            # Commands

            What \(Product.name) has, by family. *Since* is the version of Redis, or of Valkey, that brought a command; *as in* the newest version
            in which something came that is here, too: options, or what a reply tells. Replies, errors and options are those of that version,
            but for what the last column tells. The texts of `HELP`, of summaries and of reports are this program's own.

            Made by `\(Product.name) --commands`.

            """
        let groups = Dictionary(grouping: records) { $0.info.group.rawValue }
        for group in groups.keys.sorted() {
            text += "\n## \(group)\n\n| command | since | as in | what is different |\n|---|---|---|---|\n"
            for record in groups[group]! {
                text += row(record)
                for subcommand in record.subcommands.sorted(by: { $0.fullName < $1.fullName }) {
                    text += row(subcommand)
                }
            }
        }
        return text
    }

    private func row(_ record: CommandRecord) -> String {
        let info = record.info
        let name = record.fullName.uppercased().split(separator: "|").joined(separator: " ")
        let words = [name] + SyntaxParser.arguments(of: info).map(Self.shown)
        let syntax = words.joined(separator: " ").split(separator: "|").joined(separator: "\\|")
        let versions = [info.since] + info.history.map(\.version)
        let newest = versions.max { Self.number($0) < Self.number($1) } ?? info.since
        let isOfValkey = info.isOfValkey
        let release = info.release ?? Self.release(newest, isOfValkey)
        return "| `\(syntax)` | \(Self.release(info.since, isOfValkey)) | \(release) | \(info.difference ?? "") |\n"
    }

    /// An argument as people write it.
    private static func shown(_ part: SyntaxPart) -> String {
        var text: String
        switch part.type {
        case .token: text = part.token.map { $0.isEmpty ? "\"\"" : $0 } ?? part.displayText
        case .oneOf:
            text = part.parts.map(shown).joined(separator: " | ")
            if !part.isOptional || part.token != nil { text = "<\(text)>" }
        case .block: text = part.parts.map(shown).joined(separator: " ")
        default: text = part.displayText
        }
        if part.type != .token, let token = part.token {
            let once = "\(token) \(text)"
            text = !part.isMultiple ? once : part.repeatsToken ? "\(once) [\(once) ...]" : "\(once) [\(text) ...]"
        } else if part.isMultiple {
            text = "\(text) [\(text) ...]"
        }
        return part.isOptional ? "[\(text)]" : text
    }

    private static func number(_ version: String) -> Int {
        version.split(separator: ".").reduce(0) { $0 * 1000 + (Int($1) ?? 0) }
    }

    /// A version with the name of the server that has it. From 8.1 on Valkey numbers its versions with odd digits where Redis has even ones,
    /// and it alone has come to 9.
    private static func release(_ version: String, _ isOfValkey: Bool) -> String {
        let parts = version.split(separator: ".").map { Int($0) ?? 0 }
        let isValkey = parts[0] >= 9 || parts[0] == 8 && parts.count > 1 && parts[1] % 2 == 1
        return "\(isOfValkey || isValkey ? "Valkey" : "Redis") \(version)"
    }
}
