// From a readable socket to executed requests.
//
// Input is read into the reader's window, which all connections share. Requests that are whole are executed from there in batches: the table
// is asked for every key's cache lines before the first command runs, so that a pipeline waits for memory once instead of once a
// request. What cannot be executed yet moves to the connection's own `PendingInput`, parser and all: between two calls nothing here holds
// anything of any connection.
//
// A connection is served at most once a turn, and for a slice of time only. One that may not be served for now (it waits for a key, it is
// paused, it does not take its replies) is still read from, as far as `client-query-buffer-limit` allows, so that its end is noticed; but not
// one that waits for room.

import CLinux
import Glibc
import RespCodec
import StoreEngine

extension Server {
    /// Bytes that a client may have sent before it has authenticated without their being a request.
    private static let unauthenticatedInputLimit = 1024 * 1024
    /// So many bytes are read at once of a request that may have to wait for the room for the rest of it: most are shorter.
    private static let sparedInput = 256

    /// Executes what a connection has sent: what is kept of it already, then what its socket has.
    func serve(_ connection: Connection) {
        connection.lastTurn = clock.turn
        connection.lastActive = now
        clock.beginSlice()
        replies.begin(for: connection)
        // Its pipeline is answered in one slice, so that an output limit sees the replies together.
        if replies.limitsReplies(to: connection) { clock.extendSlice() }
        if let pending = connection.pending { goOn(with: pending, connection) }
        // What is kept comes before what is read.
        if !connection.isEnding && !connection.isQueued { read(connection) }
        if appendOnly.takesEffects { appendOnly.noteEffects(of: connection) }
        withExtendedLifetime(connection) { replies.end() }
        if clientMemory.isFollowed { countMemory(of: connection) }
    }

    // MARK: reading

    @inline(__always)
    private func read(_ connection: Connection) {
        guard connection.pending == nil || connection.pending!.isShort, !connection.isSuspended else {
            return readBehindPending(connection)
        }
        let isSparing = sparesInput
        if isSparing && connection.pending.map({ $0.arrivedByteCount >= Self.sparedInput }) == true {
            return readBehindPending(connection)
        }
        let most = isSparing ? Self.sparedInput : RequestReader.capacity
        let transfer = unsafe connection.transport.read(reader.room, most)
        guard let count = accepted(transfer, of: most, connection) else { return }
        var window = unsafe reader.window(count, behind: nil)
        if let pending = connection.pending {
            unsafe window = reader.window(count, behind: pending.rest)
            connection.pending = nil
        }
        if connection.transaction != nil && isOverQueryLimit(connection, unparsed: count) { return }
        let rest = unsafe consume(window, from: 0, connection)
        guard rest.start < window.count, !connection.isEnding else { return }
        let pending = PendingInput()
        unsafe pending.append(UnsafeRawBufferPointer(rebasing: window[rest.start...]))
        if let unfinished = rest.unfinished {
            // No block is asked for yet.
            if isSparing { pending.waitForInput() } else { begin(unfinished, at: rest.start, in: pending) }
        }
        connection.pending = pending
        // There may be more of a large argument, whose place is known now.
        if pending.missingByteCount > 0 { readBehindPending(connection) }
    }

    /// Adds to what is kept of a connection's input, a large argument straight to its own memory.
    private func readBehindPending(_ connection: Connection) {
        // Input takes memory.
        if connection.isPaused && memoryLimit.suspended.contains(connection) { return }
        let pending = connection.pending ?? PendingInput()
        if pending.missingByteCount > 0 && appendOnly.takesEffects && appendOnly.delays(connection) { return }
        if engine.isMemoryLimited && (sparesInput || pending.missingByteCount > 0) {
            if mustWaitForRoom() { return enqueue(connection) }
            // Making room may have evicted keys that it tracks: it may have been closed for not taking the messages.
            if connection.isEnding { return }
            if memoryLimit.isExceeded { loseArguments(of: pending, connection) }
        }
        if pending.missingByteCount > 0 {
            // Some at a time, so that others get their turn. What has been read makes room for more to arrive at once.
            let most = memoryLimit.mostReceived
            var received = 0
            while case let missing = pending.missingByteCount, missing > 0, received < most {
                // What is thrown away goes where nobody looks.
                let room = unsafe pending.receivingRoom?.baseAddress
                let wanted = min(missing, most - received, unsafe room == nil ? RequestReader.capacity : Int.max)
                let transfer = unsafe connection.transport.read(room ?? reader.room, wanted)
                if transfer == .wouldBlock && received > 0 { break }
                guard let count = accepted(transfer, of: wanted, connection),
                    // The limit holds, too, for an argument that these bytes complete.
                    !isOverQueryLimit(connection, unparsed: pending.unparsedCount + count)
                else { return }
                pending.received(count)
                received += count
            }
            if engine.isMemoryLimited { followInput() }
        } else {
            let most = sparesInput && !pending.hasLostArguments ? Self.sparedInput : RequestReader.capacity
            let transfer = unsafe connection.transport.read(reader.room, most)
            guard let count = accepted(transfer, of: most, connection) else { return }
            unsafe pending.append(UnsafeRawBufferPointer(start: reader.room, count: count))
        }
        connection.pending = pending
        if isOverQueryLimit(connection, unparsed: pending.unparsedCount) { return }
        if clientMemory.isFollowed {
            // Once its request has been executed it holds nothing any more.
            countMemory(of: connection)
            evictClients()
            if connection.isEnding { return }
        }
        goOn(with: pending, connection)
    }

    /// Throws arguments away as they arrive if their command is refused for want of memory anyhow.
    @inline(never)
    private func loseArguments(of pending: PendingInput, _ connection: Connection) {
        guard !pending.hasLostArguments, let command = pending.withCommandName({ commands.find($0) }),
            // `mustWaitForRoom` has tried to make room.
            !holdsData, needsRoom(command.flags, connection)
        else { return }
        pending.loseArguments()
        if clientMemory.isFollowed { countMemory(of: connection) }
    }

    /// How many bytes came; nil when there is nothing to do with them.
    private func accepted(_ transfer: Transfer, of wanted: Int, _ connection: Connection) -> Int? {
        switch transfer {
        case .bytes(let count):
            // There may be more, or the end.
            if count == wanted || connection.isHungUp { enqueue(connection) }
            statistics.reads &+= 1
            statistics.inputBytes += count
            connection.inputByteCount += count
            return count
        case .wouldBlock: return nil
        case .ended:
            connection.hasEnded = true
            // Whose keys are on their way to another server is told whether they are there.
            if let waiter = connection.waiting, migration.isWaitedFor(by: waiter) { return nil }
            // Who has sent all requests and only reads is answered to the end. What was executed in this turn has its replies sent;
            // what waits is not executed any more.
            if connection.isPaused || connection.waiting != nil || !connection.isBehind {
                forgetWait(of: connection)
                connections.closeLater(connection)
            }
            return nil
        case .failed:
            close(connection)
            return nil
        }
    }

    /// Closes a connection that has sent more than may be kept of its input. What it has queued in a transaction counts.
    private func isOverQueryLimit(_ connection: Connection, unparsed: Int) -> Bool {
        let size = unparsed + (connection.transaction?.argumentByteCount ?? 0)
        let limit = configuration.settings.clientQueryBufferLimit
        guard
            size > limit || (size > Self.unauthenticatedInputLimit && !connection.isAuthenticated)
        else { return false }
        statistics.clientsClosedByQueryLimit += 1
        log.warning(
            "Closing client that reached max query buffer length: id=\(connection.id) addr=\(connection.address)")
        close(connection)
        return true
    }

    // MARK: executing

    /// What `consume` leaves of a window.
    private struct Rest {
        /// Where what was not executed begins; the window's end if there is nothing.
        var start: Int
        /// How far the parsing of the request there came, if it is not all there.
        var unfinished: (parser: RequestParser, ending: RequestReader.Ending)?
    }

    /// Executes the requests of a window that are whole, as many as may be now.
    private func consume(_ window: UnsafeRawBufferPointer, from start: Int, _ connection: Connection) -> Rest {
        var place = start
        guard let base = window.baseAddress else { return Rest(start: window.count) }
        // How many requests are read at once: few behind a command that made reading more useless, as the next one may again.
        var limit = RequestReader.batchCapacity
        while place < window.count {
            // The bounds may have changed with the last command (AUTH, CONFIG SET).
            reader.limits.isUnauthenticated = !connection.isAuthenticated
            var parser = RequestParser(limits: reader.limits)
            let ending = unsafe reader.readBatch(
                window, from: place, limit: connection.needsChecks ? 1 : min(limit, hotKeys.batchLimit), parser: &parser
            )
            if connection.needsChecks && ending.beganEmpty && connection.replyMode == .skipNext {
                // The empty request was the one without a reply.
                connection.replyMode = .on
                connection.updateGate()
            }
            unsafe batch.lookUp(reader, base, commands: commands, engine: engine, database: connection.database)
            place = ending.start
            let hasSample = prepareSample(reader.count)
            defer { if hasSample { endSample() } }
            // Reading and looking up are charged to no command.
            clock.restart()
            if reader.count == 0 {
                // Empty requests cost time, too.
                _ = clock.lap()
                if clock.isSliceOver && place < window.count && ending.outcome == .request {
                    enqueue(connection)
                    return Rest(start: place)
                }
            }
            var isOutdated = false
            for index in 0..<reader.count {
                let request = reader[index]
                let view = unsafe reader.arguments.view(
                    request.firstArgument..<request.firstArgument + request.argumentCount, base: base)
                let replyStart = reply.count
                guard execute(batch.command(index), view, on: connection, key: batch.key(index)) else {
                    return Rest(start: request.start)
                }
                afterCommand(connection, view, replyStart: replyStart)
                let next = index + 1 < reader.count ? reader[index + 1].start : ending.start
                if !connection.state.isSubset(of: .isInTransaction) {
                    if connection.isEnding { return Rest(start: window.count) }
                    if connection.isSuspended { return Rest(start: next) }
                    // A command may have changed what the next ones are checked for, also one that is malformed or not all there.
                    if index + 1 < reader.count || ending.outcome != .request {
                        place = next
                        isOutdated = true
                        if !hasSample { hotKeys.takeBack(reader.count - index - 1) }
                        break
                    }
                }
                if clock.isSliceOver && next < window.count {
                    enqueue(connection)
                    if !hasSample { hotKeys.takeBack(reader.count - index - 1) }
                    return Rest(start: next)
                }
            }
            if isOutdated {
                limit = 1
                continue
            }
            if limit < RequestReader.batchCapacity && !connection.needsChecks { limit *= 2 }
            switch ending.outcome {
            case .request: break
            case .needMore: return Rest(start: ending.start, unfinished: (parser, ending))
            case .failure(let error):
                fail(connection, error)
                return Rest(start: window.count)
            }
        }
        return Rest(start: window.count)
    }

    /// - Parameter replyStart: where the command's reply begins.
    @inline(__always)
    private func afterCommand(_ connection: Connection, _ arguments: Arguments, replyStart: Int) {
        statistics.commandsProcessed &+= 1
        connection.commandCount &+= 1
        if engine.isHeard {
            // What a busy script has changed so far is told when it ends.
            if engine.tellsChanges && !scripts.isBusy {
                engine.endEffects()
                // Where anybody waits for a key, the engine is observed.
                if engine.isObserved { serveBlocked() }
            }
            if engine.isMemoryLimited {
                if appendOnly.takesEffects { followLogMemory() }
                followMemoryUse()
            }
        }
        if reply.needsSending { sendLongReply(connection, arguments, replyStart: replyStart) }
    }

    @inline(never)
    private func sendLongReply(_ connection: Connection, _ arguments: Arguments, replyStart: Int) {
        if let command = connection.lastCommand, !observer.request.hasMeasuredReply {
            observer.observe(
                FinishedCall(command: command, arguments: arguments, connection: connection, cycles: 0),
                requestByteCount: 0, replyByteCount: reply.byteCount(from: replyStart))
        }
        observer.request.hasMeasuredReply = false
        if appendOnly.takesEffects { appendOnly.noteEffects(of: connection) }
        replies.handOverLong(to: connection)
        clock.restart()
    }

    private func fail(_ connection: Connection, _ error: ProtocolError) {
        log.verbose(
            "\(String(decoding: error.message, as: UTF8.self)) from client id=\(connection.id) addr=\(connection.address), closing it"
        )
        let start = reply.count
        (ByteSlice("ERR ").array + error.message).withByteSlice { reply.error($0) }
        errors.count(reply)
        if connection.replyMode != .on { reply.truncate(to: start) }
        connections.closeLater(connection)
    }

    // MARK: what is kept

    private func begin(
        _ unfinished: (parser: RequestParser, ending: RequestReader.Ending), at start: Int, in pending: PendingInput
    ) {
        let list = reader.arguments
        let pieces = (unfinished.ending.firstArgument..<list.count).map {
            ArgumentPiece(offset: list[$0].offset - start, count: list[$0].count)
        }
        pending.begin(unfinished.parser, position: unfinished.ending.position - start, arguments: pieces)
    }

    /// Executes what is kept of a connection's input, as far as may be now.
    private func goOn(with pending: PendingInput, _ connection: Connection) {
        while !connection.isSuspended && !connection.isEnding && !pending.needsInput {
            if pending.isInsideRequest {
                guard finishRequest(pending, connection) else { break }
            } else {
                let rest = unsafe consume(pending.bytes, from: pending.start, connection)
                pending.executed(upTo: rest.start)
                if let unfinished = rest.unfinished { begin(unfinished, at: 0, in: pending) }
                break
            }
        }
        withExtendedLifetime(pending) {}
        if connection.isEnding || pending.isEmpty { connection.pending = nil }
    }

    /// Goes on with the request that is under way; executes it if it is whole now.
    /// - Returns: Whether to go on with what is behind it.
    private func finishRequest(_ pending: PendingInput, _ connection: Connection) -> Bool {
        if !pending.isWhole {
            var limits = reader.limits
            limits.isUnauthenticated = !connection.isAuthenticated
            switch pending.parse(limits: limits) {
            case .needMore: return false
            case .failure(let error):
                fail(connection, error)
                return false
            case .request: break
            }
        }
        let hasSample = prepareSample(1)
        defer { if hasSample { endSample() } }
        clock.restart()
        let isExecuted = pending.withRequest { arguments in
            // While a command takes long, those of others run within it.
            let outer = observer.request
            observer.request = observed(pending, arguments)
            defer { observer.request = outer }
            let command = commands.find(arguments[0])
            let replyStart = reply.count
            let isExecuted =
                observer.request.mayBeLarge || pending.hasLostArguments
                ? executeWithChecks(
                    command?.record, arguments, on: connection, adoptable: pending.large,
                    hasLostArguments: pending.hasLostArguments)
                : execute(command, arguments, on: connection, key: nil, adoptable: pending.large)
            guard isExecuted else { return false }
            afterCommand(connection, arguments, replyStart: replyStart)
            return true
        }
        guard isExecuted else { return false }
        pending.executed(upTo: pending.position)
        guard clock.isSliceOver && !pending.isEmpty else { return true }
        enqueue(connection)
        return false
    }

    /// What the observer must know of a request before it runs.
    @inline(never)
    private func observed(_ pending: PendingInput, _ arguments: Arguments) -> ObservedRequest {
        var request = ObservedRequest()
        let log = observer.logs[.largeRequest]
        request.mayBeLarge = log.isOn && pending.byteCount + 2 * arguments.count >= log.threshold
        // A command that takes over the memory of a large argument may free it.
        if !pending.large.blocks.isEmpty, observer.mayLog, let command = commands.find(arguments[0]),
            command.data != nil
        {
            request.words = LoggedWords(arguments, hiding: command.record.info.secrets)
        }
        return request
    }
}
