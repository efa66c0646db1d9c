// WAIT and WAITAOF: waiting until writes are on replicas or in the append-only file. There are neither, so that nothing is ever
// acknowledged: who asks for none is answered at once, and who asks for some when the time is over.

import RespCodec

enum AcknowledgementCommands {
    static let all: [Command<KeyspaceContext>] = [
        command(
            "WAIT", since: "3.0.0", arity: 3, syntax: "numreplicas:integer timeout:integer",
            summary: "Waits until the connection's writes are on so many replicas."
        ) { (context, arguments) throws(CommandError) in
            var reader = ArgumentReader(arguments, from: 1)
            let wanted = try reader.integer()
            let deadline = try reader.waitDeadline(now: context.now)
            guard wanted > 0 else { return context.reply.integer(0) }
            context.wait(for: arguments, 0..<0, until: deadline, timeoutReply: .zero) { _ in Need(.elements(1)) }
        },
        command(
            "WAITAOF", since: "7.2.0", arity: 4, syntax: "numlocal:integer numreplicas:integer timeout:integer",
            summary:
                "Waits until the connection's writes are in the append-only files of this server and of so many replicas."
        ) { (context, arguments) throws(CommandError) in
            var reader = ArgumentReader(arguments, from: 1)
            let local = try reader.integer()
            guard local == 0 || local == 1 else {
                throw .message("ERR value is out of range, value must between 0 and 1")
            }
            let wanted = try reader.integer(atLeast: 0, otherwise: .mustBePositive)
            let deadline = try reader.waitDeadline(now: context.now)
            guard local == 0 else {
                throw .message("ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.")
            }
            let nothing = Wait.TimeoutReply.twoZeros
            guard wanted > 0 else { return nothing.write(to: context.reply) }
            context.wait(for: arguments, 0..<0, until: deadline, timeoutReply: nothing) { _ in Need(.elements(1)) }
        },
    ]

    private static func command(
        _ name: String, since: String, arity: Int, syntax: String, summary: String,
        run: @escaping Command<KeyspaceContext>.Run
    ) -> Command<KeyspaceContext> {
        Command(
            name, group: .generic, since: since, arity: arity, flags: [.blocking], categories: ["connection"],
            tips: ["request_policy:all_shards", "response_policy:agg_min"], syntax: syntax, summary: summary,
            complexity: "O(1)", run: run
        )
        .differing("There are no replicas, and no append-only file: nothing is ever acknowledged.")
    }
}
