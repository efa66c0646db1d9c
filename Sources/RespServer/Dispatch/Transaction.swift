// Commands that a client has queued between MULTI and EXEC.

import RespCodec
import StoreEngine

final class Transaction {
    struct Queued {
        let record: CommandRecord
        let arguments: OwnedArguments
    }

    private(set) var queue: [Queued] = []
    /// Those of all queued commands.
    private(set) var flags: CommandFlags = []
    /// The bytes of the arguments.
    private(set) var argumentByteCount = 0
    /// The memory of the queued requests.
    private(set) var byteCount = 0
    /// A command was refused while queueing, so EXEC will refuse all.
    var isAborted = false

    /// - Parameter flags: those of the call.
    func append(_ request: Queued, flags: CommandFlags) {
        queue.append(request)
        self.flags.formUnion(flags)
        argumentByteCount += request.arguments.argumentByteCount
        byteCount += request.arguments.byteCount
    }
}
