// OBJECT: how a value is kept.

import RespCodec

extension GenericCommands {
    static let inspecting: [Command<KeyspaceContext>] = [
        .container(
            "OBJECT", group: .generic, since: "2.2.3", summary: "Commands about how values are kept.",
            subcommands: [
                objectSubcommand("ENCODING", since: "2.2.3", "Returns how a value is encoded.") {
                    (context, entry) throws(CommandError) in
                    context.reply.bulkString(context.encodingName(entry))
                },
                objectSubcommand("FREQ", since: "4.0.0", "Returns how often a key is used, as a logarithm.") {
                    (context, entry) throws(CommandError) in
                    guard context.engine.accessClock.tracksFrequency else {
                        throw .message(
                            "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust."
                        )
                    }
                    let count = AccessFrequency.count(entry.accessClock, now: context.now, settings: context.settings)
                    context.reply.integer(Int(count))
                },
                .help(of: "OBJECT", group: .generic, since: "6.2.0", categories: ["keyspace"], objectHelp),
                objectSubcommand("IDLETIME", since: "2.2.3", "Returns for how many seconds a key has not been used.") {
                    (context, entry) throws(CommandError) in
                    guard !context.engine.accessClock.tracksFrequency else {
                        throw .message(
                            "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust."
                        )
                    }
                    context.reply.integer(context.engine.accessClock.idleSeconds(entry))
                },
                objectSubcommand("REFCOUNT", since: "2.2.3", "Returns how many hold a value.") {
                    (context, entry) throws(CommandError) in
                    // No value is shared.
                    context.reply.integer(1)
                },
            ])
    ]

    private static let objectHelp = [
        "ENCODING <key>", "    Return how the value of a key is encoded.",
        "FREQ <key>", "    Return how often a key is used, as a logarithm.",
        "IDLETIME <key>", "    Return for how many seconds a key has not been used.",
        "REFCOUNT <key>", "    Return how many hold the value of a key.",
    ]

    private static func objectSubcommand(
        _ name: String, since: String, _ summary: String,
        answer: @escaping @Sendable (KeyspaceContext, Entry) throws(CommandError) -> Void
    ) -> Command<KeyspaceContext> {
        Command(
            name, group: .generic, since: since, arity: 3, flags: [.readOnly],
            keys: [KeySpec([.ro], begin: .index(2))],
            tips: ["nondeterministic_output"],
            syntax: "key", summary: summary, complexity: "O(1)"
        ) { (context, arguments) throws(CommandError) in
            guard let slot = context.find(arguments[2], .examine) else { return context.reply.null() }
            try answer(context, context.entry(slot))
        }
    }
}

extension KeyspaceContext {
    /// The name OBJECT ENCODING gives to how an entry's value is kept.
    func encodingName(_ entry: Entry) -> ByteSlice {
        switch entry.encoding {
        case .integer: "int"
        case .embedded: stringLength(entry) <= 44 ? "embstr" : "raw"
        case .raw, .external: "raw"
        case .packed: "listpack"
        case .packedWithDeadlines: "listpackex"
        case .table: "hashtable"
        case .integers: "intset"
        case .chain: "quicklist"
        case .tree: "skiplist"
        case .stream: "stream"
        }
    }
}
