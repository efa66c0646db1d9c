// One MIGRATE on its way: what the loop and the thread that speaks to the other server share.
//
// The loop adds parts, each with the requests of some keys, while there is room for them; the thread sends them, and notes for each request in
// turn whether it was acknowledged. Either tells the other by a signal that there is something new. Parts are kept until they have been sent and
// the first of all answers has come: up to then the thread may begin anew on another connection.

import Glibc
import RespCodec
import Synchronization

/// The requests that make some keys. Nobody writes to it any more once it has been handed over.
@safe final class TransferPart: @unchecked Sendable {
    let writer = ReplyWriter(capacity: 1024)
    /// Where each request ends.
    private(set) var ends: [Int] = []

    deinit { unsafe writer.deallocate() }

    var byteCount: Int { writer.count }
    var requestCount: Int { ends.count }

    /// To be called when a request has been written.
    func endRequest() { ends.append(writer.count) }
}

/// A connection to another server that may be used again.
struct KeptSocket: Sendable, Equatable {
    let descriptor: Int32
    /// The database that is selected there; nil if that is not known.
    var database: Int?
}

final class KeyTransfer: Sendable {
    struct Target: Sendable {
        let host: [UInt8]
        let port: [UInt8]
        /// A database of the other server.
        let database: Int
        /// How long it may take to connect, and how long nothing may come or go afterwards.
        let timeoutMilliseconds: Int
        /// The words of the request that authenticates; empty if there is none.
        let login: [[UInt8]]
    }

    enum Outcome: Sendable, Equatable {
        /// Everything was answered, if not refused before.
        case answered
        case unconnected
        case broken(whileWriting: Bool)
    }

    /// What has become of it.
    struct Result {
        var outcome: Outcome
        /// Of the requests that were answered, in order: whether they were acknowledged.
        var verdicts: [Bool]
        /// The first error that was answered.
        var refusal: [UInt8]?
        /// A connection that can be used again.
        var socket: KeptSocket?
    }

    private struct State {
        var newParts: [TransferPart] = []
        var isComplete = false
        /// The bytes of all parts that are kept.
        var heldByteCount = 0
        var wantsRoom = false
        var verdicts: [Bool] = []
        var refusal: [UInt8]?
        var outcome: Outcome?
        var isCancelled = false
        /// What the thread uses now.
        var descriptor: Int32?
        /// What is left when it is over.
        var socket: KeptSocket?
    }

    /// There is room for another part while fewer bytes than this are kept.
    static let mostHeld = 16 << 20

    let target: Target
    /// A connection to the same server that is there already.
    let kept: KeptSocket?
    /// For the thread.
    let signal: EventSignal
    /// For the loop.
    private let loopSignal: EventSignal
    private let state = Mutex(State())

    /// - Parameter kept: gives the connection that is there already, which belongs to the transfer then.
    init(
        to target: Target, telling loopSignal: EventSignal, over kept: () -> KeptSocket?
    ) throws(SyscallError) {
        signal = try EventSignal()
        self.target = target
        self.kept = kept()
        self.loopSignal = loopSignal
    }

    // MARK: the loop

    /// Whether another part may be added. If not, the loop gets a signal when it may.
    var hasRoom: Bool {
        state.withLock {
            $0.wantsRoom = $0.heldByteCount >= Self.mostHeld
            return !$0.wantsRoom
        }
    }

    func add(_ part: TransferPart, isLast: Bool) {
        state.withLock {
            if part.requestCount > 0 { $0.newParts.append(part) }
            $0.heldByteCount += part.requestCount > 0 ? part.byteCount : 0
            $0.isComplete = isLast
        }
        signal.send()
    }

    var isOver: Bool { state.withLock { $0.outcome != nil } }

    /// Waits until the thread has something to tell.
    func wait() { loopSignal.wait() }

    /// What has become of it, which is to be asked once. If it is not over it counts as broken, and what is acknowledged from now on is not
    /// noted any more.
    func end() -> Result {
        let result = state.withLock { state in
            if state.outcome == nil {
                state.isCancelled = true
                if let descriptor = state.descriptor { TargetSocket.interrupt(descriptor) }
            }
            defer { state.socket = nil }
            return Result(
                outcome: state.outcome ?? .broken(whileWriting: false), verdicts: state.verdicts,
                refusal: state.refusal, socket: state.socket)
        }
        signal.send()
        return result
    }

    // MARK: the thread

    var isCancelled: Bool { state.withLock { $0.isCancelled } }

    /// The parts that were added since the last call, and whether there will be no more.
    func takeParts() -> (parts: [TransferPart], isComplete: Bool, isCancelled: Bool) {
        state.withLock { state in
            defer { state.newParts = [] }
            return (state.newParts, state.isComplete, state.isCancelled)
        }
    }

    /// Says that parts are not kept any more.
    func freed(_ byteCount: Int) {
        let tells = state.withLock { state in
            state.heldByteCount -= byteCount
            guard state.wantsRoom, state.heldByteCount < Self.mostHeld / 2 else { return false }
            state.wantsRoom = false
            return true
        }
        if tells { loopSignal.send() }
    }

    /// Says which connection is used, so that it can be interrupted.
    /// - Returns: false if it is not to be used any more.
    func use(_ descriptor: Int32) -> Bool {
        state.withLock { state in
            guard !state.isCancelled else { return false }
            state.descriptor = descriptor
            return true
        }
    }

    /// Closes the connection that is used.
    func close(_ descriptor: Int32) {
        state.withLock { state in
            state.descriptor = nil
            Glibc.close(descriptor)
        }
    }

    /// Notes answers. Once the loop does not wait for them any more they count as not come.
    func note(_ verdicts: [Bool], refusal: [UInt8]?) {
        state.withLock { state in
            guard !state.isCancelled else { return }
            state.verdicts += verdicts
            if state.refusal == nil { state.refusal = refusal }
        }
    }

    /// Says what has become of it.
    func finish(_ outcome: Outcome, _ socket: KeptSocket?) {
        let isCancelled = state.withLock { state in
            state.descriptor = nil
            state.newParts = []
            guard !state.isCancelled else { return true }
            state.outcome = outcome
            state.socket = socket
            return false
        }
        if isCancelled, let socket { Glibc.close(socket.descriptor) }
        loopSignal.send()
    }
}
