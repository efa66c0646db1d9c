// MEMORY USAGE: how many bytes a key costs. What else MEMORY tells needs the server.

import RespCodec

enum KeyMemoryCommands {
    static let all: [Command<KeyspaceContext>] = [
        .container(
            "MEMORY", group: .server, since: "4.0.0", summary: "Commands about the use of memory.",
            subcommands: [
                Command(
                    "USAGE", group: .server, since: "4.0.0", arity: -3, flags: [.readOnly],
                    keys: [KeySpec([.ro], begin: .index(2))], syntax: "key [SAMPLES count]",
                    summary: "Returns the bytes in use for a key and its value.", complexity: "O(N) in the samples",
                    run: usage)
            ])
    ]

    private static let defaultSamples = 5

    @Sendable static func usage(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        var samples = defaultSamples
        var options = ArgumentReader(arguments, from: 3)
        while !options.isAtEnd {
            guard options.takes("samples", with: 1) else { throw .syntax }
            let count = try options.integer()
            guard count >= 0 else { throw .syntax }
            samples = count == 0 ? Int.max : count
        }
        guard let slot = context.find(arguments[2], .peek) else { return context.reply.null() }
        context.reply.integer(context.memoryUsage(slot, samples: samples))
    }
}

extension KeyspaceContext {
    /// Bytes in use for a key: its slot, its block, and what that points to.
    func memoryUsage(_ slot: Slot, samples: Int) -> Int {
        let entry = entry(slot)
        let own = MemoryLayout<UInt64>.size + database.byteCount(of: entry)
        return own + (entry.large?.byteCount(samples: samples) ?? 0)
    }
}
