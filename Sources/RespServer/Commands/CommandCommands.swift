// COMMAND: which commands exist and what arguments they take, derived from the commands' declarations.

import RespCodec
import StoreEngine

enum CommandCommands {
    static let all: [Command<SessionContext>] = [
        Command(
            "COMMAND", group: .server, since: "2.8.13", arity: -1, flags: [.loading, .stale],
            categories: ["connection"],
            tips: unordered, syntax: "", summary: "Describes all commands.",
            complexity: "O(N) in the number of commands",
            subcommands: subcommands
        ) { (context, _) throws(CommandError) in
            describeAll(context)
        }
    ]

    private static let unordered = ["nondeterministic_output_order"]

    private static let subcommands: [Command<SessionContext>] = [
        subcommand(
            "COUNT", since: "2.8.13", arity: 2, summary: "Returns how many commands there are.", complexity: "O(1)"
        ) {
            (context, _) throws(CommandError) in
            context.reply.integer(context.server.commands.records.count)
        },
        subcommand(
            "DOCS", since: "7.0.0", arity: -2, tips: unordered, syntax: "[command-name [command-name ...]]",
            summary: "Returns the documentation of commands.", run: documentation),
        subcommand(
            "GETKEYS", since: "2.8.13", arity: -3, syntax: "command [arg [arg ...]]",
            summary: "Returns the keys among a command's arguments."
        ) { (context, arguments) throws(CommandError) in
            try replyKeys(context, arguments, withFlags: false)
        },
        subcommand(
            "GETKEYSANDFLAGS", since: "7.0.0", arity: -3, syntax: "command [arg [arg ...]]",
            summary: "Returns the keys among a command's arguments and what is done with each."
        ) { (context, arguments) throws(CommandError) in
            try replyKeys(context, arguments, withFlags: true)
        },
        .help(of: "COMMAND", group: .server, since: "5.0.0", categories: ["connection"], help),
        subcommand(
            "INFO", since: "2.8.13", arity: -2, tips: unordered, syntax: "[command-name [command-name ...]]",
            summary: "Describes commands."
        ) { (context, arguments) throws(CommandError) in
            guard arguments.count > 2 else { return describeAll(context) }
            context.reply.array(arguments.count - 2)
            for index in 2..<arguments.count where !context.reply.isOverfull {
                if let record = context.server.commands.find(fullName: arguments[index]) {
                    describe(record, context.reply)
                } else {
                    context.reply.null()
                }
            }
        }
        .changed("7.0.0", "Without names, describes all commands."),
        subcommand(
            "LIST", since: "7.0.0", arity: -2, tips: unordered,
            syntax: "[FILTERBY filterby=<MODULE module-name | ACLCAT category | PATTERN pattern>]",
            summary: "Returns the names of commands.", run: list),
    ]

    private static func subcommand(
        _ name: String, since: String, arity: Int, tips: [String] = [], syntax: String = "", summary: String,
        complexity: String = "O(N)", run: @escaping Command<SessionContext>.Run
    ) -> Command<SessionContext> {
        Command(
            name, group: .server, since: since, arity: arity, flags: [.loading, .stale], categories: ["connection"],
            tips: tips, syntax: syntax, summary: summary, complexity: complexity, run: run)
    }

    private static let help = [
        "(no subcommand)", "    Describe every command.",
        "COUNT", "    Return how many commands there are.",
        "DOCS [<command-name> ...]", "    Return the documentation of the commands named, or of all.",
        "GETKEYS <full-command>", "    Return the keys of a command with its arguments.",
        "GETKEYSANDFLAGS <full-command>",
        "    Return the keys of a command with its arguments, and what is done with each.",
        "INFO [<command-name> ...]", "    Describe the commands named, or all.",
        "LIST [FILTERBY (MODULE <module-name>|ACLCAT <category>|PATTERN <pattern>)]",
        "    Return the names of all commands, or of those that a filter lets through.",
    ]

    // MARK: INFO

    private static func describeAll(_ context: SessionContext) {
        let records = context.server.commands.records
        context.reply.array(records.count)
        for record in records { describe(record, context.reply) }
    }

    private static func describe(_ record: CommandRecord, _ reply: ReplyWriter) {
        let legacy = record.keyRange
        reply.array(10)
        reply.bulkString(text: record.fullName)
        reply.integer(record.arity)
        var flags = record.flags
        flags.remove(.protected)
        if legacy.isIncomplete { flags.insert(.movableKeys) }
        statuses(flags.names.map { "\($0)" }, reply)
        reply.integer(legacy.first)
        reply.integer(legacy.last)
        reply.integer(legacy.step)
        statuses(record.categories.map { "@" + $0 }, reply)
        reply.set(record.info.tips.count)
        for tip in record.info.tips { reply.bulkString(text: tip) }
        reply.set(record.info.keys.count)
        for spec in record.info.keys { describe(spec, reply) }
        guard !record.subcommands.isEmpty else { return reply.set(0) }
        reply.array(record.subcommands.count)
        for subcommand in record.subcommands { describe(subcommand, reply) }
    }

    static func statuses(_ texts: [String], _ reply: ReplyWriter) {
        reply.set(texts.count)
        for text in texts { reply.status(text: text) }
    }

    private static func describe(_ spec: KeySpec, _ reply: ReplyWriter) {
        func form(_ field: ByteSlice, _ type: ByteSlice, _ count: Int) {
            reply.bulkString(field)
            reply.map(2)
            reply.bulkString("type")
            reply.bulkString(type)
            reply.bulkString("spec")
            reply.map(count)
        }
        func number(_ name: ByteSlice, _ value: Int) {
            reply.bulkString(name)
            reply.integer(value)
        }
        reply.map(spec.notes == nil ? 3 : 4)
        if let notes = spec.notes {
            reply.bulkString("notes")
            reply.bulkString(text: notes)
        }
        reply.bulkString("flags")
        statuses(spec.flags.names.map { "\($0)" }, reply)
        switch spec.begin {
        case .index(let index):
            form("begin_search", "index", 1)
            number("index", index)
        case .keyword(let word, let from):
            form("begin_search", "keyword", 2)
            reply.bulkString("keyword")
            reply.bulkString(ByteSlice(word))
            number("startfrom", from)
        case .unknown:
            form("begin_search", "unknown", 0)
            return form("find_keys", "unknown", 0)
        }
        switch spec.find {
        case .range(let last, let step, let limit):
            form("find_keys", "range", 3)
            number("lastkey", last)
            number("keystep", step)
            number("limit", limit)
        case .keyCount(let count, let first, let step):
            form("find_keys", "keynum", 3)
            number("keynumidx", count)
            number("firstkey", first)
            number("keystep", step)
        }
    }

    // MARK: LIST

    @Sendable private static func list(_ context: inout SessionContext, _ arguments: Arguments) throws(CommandError) {
        var isWanted: (CommandRecord) -> Bool = { _ in true }
        var options = ArgumentReader(arguments, from: 2)
        if !options.isAtEnd {
            guard options.left == 3, options.takes("filterby") else { throw .syntax }
            if options.takes("module") {
                isWanted = { _ in false }
            } else if options.takes("aclcat") {
                let category = options.next().upToZero.lowercasedText
                isWanted = { $0.categories.contains(category) }
            } else if options.takes("pattern") {
                let pattern = options.next()
                isWanted = { record in
                    Array(record.fullName.utf8).withByteSlice {
                        Engine.matches(pattern: pattern, $0, ignoringCase: true)
                    }
                }
            } else {
                throw .syntax
            }
        }
        let names = context.server.commands.records.flatMap { [$0] + $0.subcommands }.filter(isWanted).map(\.fullName)
        context.reply.array(of: names)
    }

    // MARK: DOCS

    @Sendable private static func documentation(
        _ context: inout SessionContext, _ arguments: Arguments
    ) throws(CommandError) {
        let commands = context.server.commands
        let reply = context.reply
        if arguments.count > 2 {
            let records = (2..<arguments.count).compactMap { commands.find(fullName: arguments[$0]) }
            reply.map(records.count)
            for record in records where !reply.isOverfull { reply.raw(documentation(of: record, reply.version)) }
            return
        }
        reply.map(commands.records.count)
        for record in commands.records where !reply.isOverfull { reply.raw(documentation(of: record, reply.version)) }
    }

    /// The encoded documentation of a command, written on first use.
    private static func documentation(of record: CommandRecord, _ version: ProtocolVersion) -> ByteSlice {
        if let written = record.documentation[version] { return written }
        // It is never freed, as commands live as long as the process.
        let writer = ReplyWriter(capacity: 1024)
        writer.version = version
        document(record, writer)
        let written = writer.written(0..<writer.count)
        record.documentation[version] = written
        return written
    }

    private static func document(_ record: CommandRecord, _ reply: ReplyWriter) {
        let info = record.info
        let isForSystem = !record.flags.isDisjoint(with: [.protected, .asking, .systemOnly])
        let documentFlag = info.deprecation != nil ? "deprecated" : isForSystem ? "syscmd" : nil
        let parts = SyntaxParser.arguments(of: info)
        var fields = [("summary", info.summary), ("since", info.since), ("group", info.group.rawValue)]
        if !info.complexity.isEmpty { fields.append(("complexity", info.complexity)) }
        let optional = [
            documentFlag != nil, !info.history.isEmpty, !parts.isEmpty, !record.subcommands.isEmpty,
        ]
        reply.bulkString(text: record.fullName)
        reply.map(fields.count + optional.count { $0 } + (info.deprecation == nil ? 0 : 2))
        for (name, value) in fields {
            reply.bulkString(text: name)
            reply.bulkString(text: value)
        }
        if let documentFlag {
            reply.bulkString("doc_flags")
            statuses([documentFlag], reply)
        }
        if let deprecation = info.deprecation {
            reply.bulkString("deprecated_since")
            reply.bulkString(text: deprecation.version)
            reply.bulkString("replaced_by")
            reply.bulkString(text: deprecation.text)
        }
        if !info.history.isEmpty {
            reply.bulkString("history")
            reply.set(info.history.count)
            for change in info.history { reply.array(of: [change.version, change.text]) }
        }
        if !parts.isEmpty {
            reply.bulkString("arguments")
            document(parts, reply)
        }
        if !record.subcommands.isEmpty {
            reply.bulkString("subcommands")
            reply.map(record.subcommands.count)
            for subcommand in record.subcommands { document(subcommand, reply) }
        }
    }

    private static func document(_ parts: [SyntaxPart], _ reply: ReplyWriter) {
        reply.array(parts.count)
        for part in parts {
            var fields = [("name", part.name), ("type", part.type.rawValue)]
            let isGroup = part.type == .oneOf || part.type == .block
            if !isGroup { fields.append(("display_text", part.displayText)) }
            let optional = [
                part.keySpec != nil, part.token != nil, part.since != nil, part.deprecatedSince != nil,
                !part.flags.isEmpty,
                isGroup,
            ]
            reply.map(fields.count + optional.count { $0 })
            for (name, value) in fields {
                reply.bulkString(text: name)
                reply.bulkString(text: value)
            }
            if let keySpec = part.keySpec {
                reply.bulkString("key_spec_index")
                reply.integer(keySpec)
            }
            if let token = part.token {
                reply.bulkString("token")
                reply.bulkString(text: token)
            }
            if let since = part.since {
                reply.bulkString("since")
                reply.bulkString(text: since)
            }
            if let deprecatedSince = part.deprecatedSince {
                reply.bulkString("deprecated_since")
                reply.bulkString(text: deprecatedSince)
            }
            if !part.flags.isEmpty {
                reply.bulkString("flags")
                statuses(part.flags, reply)
            }
            if isGroup {
                reply.bulkString("arguments")
                document(part.parts, reply)
            }
        }
    }
}

// MARK: derived from a command's declaration

extension CommandTable {
    /// The command that a request names: of a container its subcommand, if that is named, too.
    func record(of request: Arguments) -> CommandRecord? {
        let found = find(request[0])?.record
        return request.count > 1 && found?.subcommands.isEmpty == false ? found?.subcommand(request[1]) : found
    }

    /// The command of a full name: "get", or "config|get".
    func find(fullName: ByteSlice) -> CommandRecord? {
        guard let bar = fullName.index(of: UInt8(ascii: "|")) else { return find(fullName)?.record }
        let rest = fullName.dropFirst(bar + 1)
        guard rest.index(of: UInt8(ascii: "|")) == nil else { return nil }
        return find(fullName[0..<bar])?.record.subcommand(rest)
    }
}

extension CommandRecord {
    /// The access categories, in the order in which Redis lists them.
    var categories: [String] {
        var found = Set(info.categories)
        let isBareContainer = handle.data == nil && session == nil
        // A generic command that declares the categories of other groups, as SORT does those of types, is only in these.
        let isElsewhere =
            info.group == .generic
            && CommandGroup.allCases.contains { $0 != .generic && $0.category.map(found.contains) == true }
        if !isBareContainer && !isElsewhere, let category = info.group.category { found.insert(category) }
        if flags.contains(.write) { found.insert("write") }
        if flags.contains(.readOnly) && !flags.contains(.runsScript) { found.insert("read") }
        if flags.contains(.admin) { found.formUnion(["admin", "dangerous"]) }
        if flags.contains(.pubsub) { found.insert("pubsub") }
        if flags.contains(.blocking) { found.insert("blocking") }
        found.insert(flags.contains(.fast) ? "fast" : "slow")
        return Self.allCategories.filter(found.contains)
    }

    private static let allCategories = [
        "keyspace", "read", "write", "set", "sortedset", "list", "hash", "string", "bitmap", "hyperloglog", "geo",
        "stream",
        "pubsub", "admin", "fast", "slow", "blocking", "dangerous", "connection", "transaction", "scripting",
    ]

    /// The keys as a first, a last and a step; incomplete when these do not give all keys.
    var keyRange: (first: Int, last: Int, step: Int, isIncomplete: Bool) {
        let specs = info.keys
        guard !specs.isEmpty else { return (0, 0, 0, false) }
        if specs.count == 1, case .index(let first) = specs[0].begin, case .range(let last, let step, _) = specs[0].find
        {
            return (first, last >= 0 ? first + last : last, step, specs[0].flags.contains(.incomplete))
        }
        // Several specs count as one range if each takes up where the one before it ends.
        var range = (first: 0, last: 0)
        var isIncomplete = false
        for spec in specs {
            guard case .index(let first) = spec.begin, case .range(let end, let step, _) = spec.find, step == 1,
                range.last == 0 || range.last == first - 1
            else {
                isIncomplete = true
                continue
            }
            if spec.flags.contains(.incomplete) { isIncomplete = true }
            let last = end >= 0 ? first + end : end
            range.first = range.first == 0 ? first : min(range.first, first)
            // A last key that is counted from the end is after any other.
            range.last = UInt(bitPattern: last) > UInt(bitPattern: range.last) ? last : range.last
        }
        return range.first == 0 ? (0, 0, 0, true) : (range.first, range.last, 1, isIncomplete)
    }
}

extension CommandGroup {
    /// The access category that all commands of the group are in.
    fileprivate var category: String? {
        switch self {
        case .generic: "keyspace"
        case .transactions: "transaction"
        case .sortedSet: "sortedset"
        case .pubsub, .server, .cluster: nil
        case .string, .hash, .connection, .list, .set, .stream, .bitmap, .hyperloglog, .geo, .scripting:
            rawValue
        }
    }
}
