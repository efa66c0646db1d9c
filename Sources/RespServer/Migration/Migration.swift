// MIGRATE: moving keys to another server, while this one serves its clients.
//
// A thread speaks to the other server (`TransferRun`), and the loop hands it the requests of the keys, some at a time, as long as it takes them
// (`KeyTransfer`). So a slow target, or one that does not answer, holds up only who has asked. What is moved must not change before it is known
// whether the other server has it: until then data are held as in a pause of writes, reads are served, and the next MIGRATE waits with all other
// writes, so that there is one at a time. Within a transaction or a script the loop waits for the thread.
//
//     MIGRATE --keys are there--> sending --all answered, time over, connection lost--> over: acknowledged keys are removed, the client is answered
//                                  |--its client is killed-----> goes on, and nobody is answered
//                                  `--the server ends-----------> what was acknowledged so far is removed, and nobody is answered
//
// A key is removed only when the other server has said that it has it. What was sent and not answered stays, and may be on both.

import RespCodec
import StoreEngine

/// A MIGRATE as the loop sees it.
final class OutgoingKeys {
    let transfer: KeyTransfer
    /// What the connection is found by: see `TargetSockets`.
    let socketName: [UInt8]
    let arguments: OwnedArguments
    /// The database that the keys are in.
    let database: Int
    let keepsKeys: Bool
    let replaces: Bool
    /// Which arguments name keys that were there, and how many of them were looked at since.
    private let places: [Int]
    private var next = 0
    /// Which arguments name the keys of the requests, in order.
    private(set) var requested: [Int] = []
    /// Who waits for it, if anybody does.
    var waiter: WaitingCommand?
    /// What has become of it, once the keys that were acknowledged are removed.
    fileprivate var result: KeyTransfer.Result?

    init(
        _ places: [Int], of arguments: OwnedArguments, database: Int, keepsKeys: Bool, replaces: Bool,
        transfer: KeyTransfer, socketName: [UInt8]
    ) {
        self.places = places
        self.arguments = arguments
        self.database = database
        self.keepsKeys = keepsKeys
        self.replaces = replaces
        self.transfer = transfer
        self.socketName = socketName
    }

    var isComplete: Bool { next == places.count }
    var isOver: Bool { result != nil || transfer.isOver }

    /// A part has about this many bytes, unless a single key has more, and no more keys are looked at for it.
    private static let partSize = 256 << 10
    private static let partKeys = 1000

    /// Makes the requests of some more keys, if there is room for them.
    /// - Returns: whether it has, so that it is to be called again unless all are complete.
    func addPart(_ engine: Engine) -> Bool {
        guard !isComplete, transfer.hasRoom else { return false }
        let part = TransferPart()
        let end = min(places.count, next + Self.partKeys)
        let view = arguments.view
        while next < end && part.byteCount < Self.partSize {
            let place = places[next]
            next += 1
            if engine.writeRestore(of: view[place], database: database, replaces: replaces, to: part.writer) {
                requested.append(place)
                part.endRequest()
            }
        }
        transfer.add(part, isLast: isComplete)
        return true
    }
}

final class Migration {
    /// When there is something to do: more requests to make, a result, or connections that were kept for long enough.
    let timer: LoopTimer
    private(set) var current: OutgoingKeys?
    var sockets = TargetSockets()
    private let engine: Engine
    private let thread = HelperThread()
    private var signal: EventSignal?
    private var idleEnd: Int64?

    init(_ engine: Engine, _ timers: LoopTimers) {
        self.engine = engine
        timer = timers.add()
    }

    func isWaitedFor(by waiter: Waiter) -> Bool { current?.waiter === waiter }

    /// Has the thread begin, with the first requests.
    /// - Throws: `SyscallError` if there are no descriptors left.
    func begin(
        _ places: [Int], of arguments: OwnedArguments, database: Int, keepsKeys: Bool, replaces: Bool,
        to target: KeyTransfer.Target, on loop: EventLoop
    ) throws(SyscallError) -> OutgoingKeys {
        precondition(current == nil, "keys go to one server at a time")
        if signal == nil {
            let signal = try EventSignal()
            try loop.watch(signal, timer)
            self.signal = signal
        }
        guard let signal else { preconditionFailure("there is a signal by now") }
        let name = TargetSockets.name(host: target.host, port: target.port)
        let transfer = try KeyTransfer(to: target, telling: signal) { sockets.take(name) }
        let outgoing = OutgoingKeys(
            places, of: arguments, database: database, keepsKeys: keepsKeys, replaces: replaces, transfer: transfer,
            socketName: name)
        current = outgoing
        thread.submit { TransferRun(transfer).run() }
        goOn(outgoing)
        return outgoing
    }

    /// Makes some more requests, and comes back in the next turn if there is room for others.
    func goOn(_ outgoing: OutgoingKeys) {
        let goesOn = outgoing.addPart(engine) && !outgoing.isComplete
        timer.set(for: goesOn ? engine.now : idleEnd)
    }

    /// Makes all requests, and waits for the thread.
    func wait(for outgoing: OutgoingKeys) {
        while !outgoing.transfer.isOver {
            if !outgoing.addPart(engine) { outgoing.transfer.wait() }
        }
    }

    /// Ends what is under way, and removes what was acknowledged so far; whoever waits is answered in the next turn.
    func settle() {
        guard let current else { return }
        _ = settle(current)
        engine.endEffects()
        timer.set(for: engine.now)
    }

    /// Removes what was acknowledged. What is not over ends here, and counts as broken.
    private func settle(_ outgoing: OutgoingKeys) -> KeyTransfer.Result {
        if let result = outgoing.result { return result }
        let result = outgoing.transfer.end()
        outgoing.result = result
        if let socket = result.socket { sockets.keep(socket, as: outgoing.socketName, now: engine.now) }
        if !outgoing.keepsKeys {
            let acknowledged = zip(outgoing.requested, result.verdicts).lazy.filter { $0.1 }.map { $0.0 }
            engine.removeTransferred(acknowledged, of: outgoing.arguments.view, database: outgoing.database)
        }
        return result
    }

    /// Removes what was acknowledged, and tells what has become of it.
    func conclude(_ outgoing: OutgoingKeys, _ reply: ReplyWriter) {
        let result = settle(outgoing)
        current = nil
        closeIdle()
        if let refusal = result.refusal {
            return (Array("ERR Target instance replied with error: ".utf8) + refusal).withByteSlice { reply.error($0) }
        }
        switch result.outcome {
        case .answered: reply.ok()
        case .unconnected: reply.error("IOERR error or timeout connecting to the client")
        case .broken(whileWriting: true): reply.error("IOERR error or timeout writing to target instance")
        case .broken(whileWriting: false): reply.error("IOERR error or timeout reading to target instance")
        }
    }

    /// Closes connections that were kept for long enough.
    func closeIdle() {
        idleEnd = sockets.closeIdle(now: engine.now)
        if current == nil { timer.set(for: idleEnd) }
    }
}

extension Server {
    /// Goes on with the keys that are under way.
    func goOnMigrating() {
        migration.closeIdle()
        guard let outgoing = migration.current else { return }
        guard outgoing.isOver else { return migration.goOn(outgoing) }
        end(outgoing)
        // What is paused no more, and what waits for keys, goes on in this turn.
        serveBlocked()
    }

    /// Ends a MIGRATE that is over, and answers its client if that is still there.
    private func end(_ outgoing: OutgoingKeys) {
        if let waiter = outgoing.waiter, !waiter.isOver {
            runAgain(waiter)
        } else {
            let writer = ReplyWriter(capacity: 512)
            defer { unsafe writer.deallocate() }
            migration.conclude(outgoing, writer)
            engine.endEffects()
        }
        releaseWrites()
    }
}
