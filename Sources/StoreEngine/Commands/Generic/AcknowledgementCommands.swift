// WAIT: waiting until writes are on replicas. There are none, so that nothing is ever acknowledged: who asks for none is answered at once,
// and who asks for some when the time is over.

import RespCodec

enum AcknowledgementCommands {
    static let all: [Command<KeyspaceContext>] = [
        Command(
            "WAIT", group: .generic, since: "3.0.0", arity: 3, flags: [.blocking], categories: ["connection"],
            tips: ["request_policy:all_shards", "response_policy:agg_min"],
            syntax: "numreplicas:integer timeout:integer",
            summary: "Waits until the connection's writes are on a number of replicas.", complexity: "O(1)"
        ) { (context, arguments) throws(CommandError) in
            var reader = ArgumentReader(arguments, from: 1)
            let wanted = try reader.integer()
            let deadline = try reader.waitDeadline(now: context.now)
            guard wanted > 0 else { return context.reply.integer(0) }
            context.wait(for: arguments, 0..<0, until: deadline, timeoutReply: .zero) { _ in Need(.elements(1)) }
        }
        .differing("There are no replicas: nothing is ever acknowledged.")
    ]
}
