// Commands that a client has queued between MULTI and EXEC.

import RespCodec

final class Transaction {
    struct Queued {
        let record: CommandRecord
        let arguments: OwnedArguments
    }

    var queue: [Queued] = []
    /// A command was refused while queueing, so EXEC will refuse all.
    var isAborted = false

    var byteCount: Int { queue.reduce(0) { $0 + $1.arguments.byteCount } }
}
