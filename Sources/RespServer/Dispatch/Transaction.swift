// Commands that a client has queued between MULTI and EXEC. Their arguments lie side by side, so that queueing a command is a copy, and a
// transaction that is over leaves its memory to the next one.

import Glibc
import RespCodec
import StoreEngine

@safe final class Transaction {
    struct Queued {
        let command: CommandHandle
        /// Which pieces are its arguments.
        fileprivate let pieces: Range<Int>
    }

    /// One whose arguments had room for more than this is not used again; nor is one of many commands (`reset`).
    private static let mostKept = 64 << 10

    // No other code runs while one of these is modified, so exclusive access is not checked at run time.

    @safe @exclusivity(unchecked) private(set) var queue: [Queued] = []
    /// Those of all queued commands.
    @safe @exclusivity(unchecked) private(set) var flags: CommandFlags = []
    /// A command was refused while queueing, so EXEC will refuse all.
    var isAborted = false
    /// The arguments of all commands, and where each lies behind `base`.
    private var base: UnsafeMutableRawPointer
    private var capacity = 256
    /// The bytes of the arguments.
    private(set) var argumentByteCount = 0
    private let pieces = ArgumentList(capacity: 16)

    init() { unsafe base = SystemMemory.allocate(capacity) }

    deinit {
        unsafe free(base)
        unsafe pieces.deallocate()
    }

    /// The memory of the queued requests.
    var byteCount: Int {
        argumentByteCount + pieces.count * MemoryLayout<ArgumentPiece>.stride
            + queue.count * MemoryLayout<Queued>.stride
    }

    /// - Parameter flags: those of the call.
    /// - Complexity: O(arguments and their bytes), amortized.
    func append(_ command: CommandHandle, _ arguments: Arguments, flags: CommandFlags) {
        var length = 0
        for index in 0..<arguments.count { length += arguments[index].count }
        if argumentByteCount + length > capacity { grow(to: argumentByteCount + length) }
        let first = pieces.count
        for index in 0..<arguments.count {
            let argument = arguments[index]
            if argument.count > 0 {
                unsafe memcpy(base + argumentByteCount, argument.rawBytes.baseAddress!, argument.count)
            }
            pieces.append(ArgumentPiece(offset: argumentByteCount, count: argument.count))
            argumentByteCount += argument.count
        }
        queue.append(Queued(command: command, pieces: first..<pieces.count))
        self.flags.formUnion(flags)
    }

    /// The arguments of a command; valid until another one is queued.
    func arguments(of queued: Queued) -> Arguments { unsafe pieces.view(queued.pieces, base: base) }

    /// Large ones get only a sixteenth more than they need.
    private func grow(to length: Int) {
        capacity = length + min(length, max(1 << 20, length / 16))
        unsafe base = SystemMemory.reallocate(base, capacity)
    }

    /// Forgets all commands.
    /// - Returns: Whether it is small enough to be kept for the next transaction.
    func reset() -> Bool {
        guard capacity <= Self.mostKept, queue.capacity <= 1024, pieces.count <= 4096 else { return false }
        queue.removeAll(keepingCapacity: true)
        flags = []
        isAborted = false
        argumentByteCount = 0
        pieces.removeAll()
        return true
    }
}
