// From bytes to batches of requests. One reader serves all connections of a thread: it owns the memory into which sockets are read and the
// places of the requests found there. It knows nothing of commands and keeps nothing of a connection between two calls: what is
// unfinished goes to the connection's own `PendingInput`, parser and all.

import Glibc
import RespCodec

/// One request of a batch.
struct ParsedRequest {
    /// Its arguments, by their places in the reader's list.
    var firstArgument = 0
    var argumentCount = 0
    /// Where the bytes of the one before end in the window; its own begin there, or behind empty requests.
    var start = 0
}

@safe final class RequestReader {
    static let capacity = 64 * 1024
    static let batchCapacity = 32

    /// Where input is read to, with room in front for the beginning of a request.
    private var memory = UnsafeMutableRawPointer.allocate(
        byteCount: PendingInput.mostParsedAgain + RequestReader.capacity, alignment: 64)
    /// Where the arguments of the batch are.
    let arguments = ArgumentList(capacity: 4096)
    private var batch = UnsafeMutablePointer<ParsedRequest>.allocate(capacity: RequestReader.batchCapacity)
    /// Requests in the batch.
    private(set) var count = 0
    /// What is asked of requests.
    var limits = RequestLimits()

    init() { unsafe batch.initialize(repeating: ParsedRequest(), count: Self.batchCapacity) }

    deinit {
        unsafe memory.deallocate()
        unsafe arguments.deallocate()
        unsafe batch.deallocate()
    }

    /// Exchanges what two readers have read: what one of them is at stays as it is while the other works in its place.
    ///
    /// No property is passed on as inout: that would have every use of it checked for exclusivity when it runs.
    func exchange(with other: RequestReader) {
        unsafe (memory, other.memory) = (other.memory, memory)
        unsafe (batch, other.batch) = (other.batch, batch)
        (count, other.count) = (other.count, count)
        (limits, other.limits) = (other.limits, limits)
        arguments.exchange(with: other.arguments)
    }

    @inline(__always) subscript(index: Int) -> ParsedRequest {
        precondition(index >= 0 && index < Self.batchCapacity, "a request outside the batch")
        return unsafe batch[index]
    }

    /// Where to read to: `capacity` bytes.
    @inline(__always) var room: UnsafeMutableRawPointer { unsafe memory + PendingInput.mostParsedAgain }

    /// The bytes that were read to `room`, behind the short beginning of a request: a pipeline that is cut anywhere by reading costs no
    /// more than parsing that again.
    @inline(__always)
    func window(_ count: Int, behind beginning: UnsafeRawBufferPointer?) -> UnsafeRawBufferPointer {
        guard let beginning = unsafe beginning, let source = beginning.baseAddress else {
            return unsafe UnsafeRawBufferPointer(start: room, count: count)
        }
        unsafe memcpy(room - beginning.count, source, beginning.count)
        return unsafe UnsafeRawBufferPointer(start: room - beginning.count, count: beginning.count + count)
    }

    /// How the reading of a batch ended.
    struct Ending {
        /// `request`: the batch is full or the window ends with its last request. Else the request that begins at `start` was not read
        /// to its end.
        var outcome = RequestParser.Outcome.request
        /// Where what is not in the batch begins.
        var start = 0
        /// Whether an empty request stood in front of the first one.
        var beganEmpty = false
        /// The unfinished request's arguments so far begin here in the reader's list.
        var firstArgument = 0
        /// How far its parsing came.
        var position = 0
    }

    /// How many empty requests are passed over at once.
    private static let mostEmpty = 4096

    /// Reads requests of `window` from `position` on, `limit` at most. Empty ones are passed over, some at a time.
    /// - Parameter parser: a new one, which keeps what it knows of an unfinished request.
    @inline(__always)
    func readBatch(
        _ window: UnsafeRawBufferPointer, from position: Int, limit: Int, parser: inout RequestParser
    ) -> Ending {
        arguments.removeAll()
        count = 0
        var ending = Ending(start: position, position: position)
        var emptyCount = 0
        while count < limit && ending.position < window.count {
            ending.firstArgument = arguments.count
            ending.outcome = unsafe parser.parse(window, position: &ending.position, into: arguments)
            guard case .request = ending.outcome else { return ending }
            let argumentCount = arguments.count - ending.firstArgument
            guard argumentCount > 0 else {
                if count == 0 { ending.beganEmpty = true }
                emptyCount += 1
                if emptyCount == Self.mostEmpty { break }
                continue
            }
            unsafe batch[count] = ParsedRequest(
                firstArgument: ending.firstArgument, argumentCount: argumentCount, start: ending.start)
            count += 1
            ending.start = ending.position
        }
        // Empty requests behind the last one are left for the next batch, as what they mean may depend on it.
        if count == 0 { ending.start = ending.position }
        return ending
    }
}
