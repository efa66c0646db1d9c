// From a readable socket to executed requests.
//
// Input goes into one buffer that all connections share. Requests that are whole are parsed in batches: the table is asked for
// every key's cache lines before the first command runs, so that a pipeline waits for memory once instead of once a request. The
// rest of an unfinished request moves to the connection, and if it is short, back in front of what is read next; a large argument
// gets a block of its own that the socket fills directly.

import CLinux
import Glibc
import RespCodec
import StoreEngine

/// A request of the batch.
struct ParsedRequest {
    var firstArgument = 0
    var argumentCount = 0
    /// Where its bytes begin in the window.
    var start = 0
    /// Where its key is among those of the batch; -1 if it has none that can be told without its command.
    var key = -1
    var command: UnsafeMutablePointer<CommandRecord.Hot>?
}

extension Server {
    /// Arguments of this many bytes are received in blocks of their own.
    private static let largeArgument = 32 * 1024

    func readAndExecute(_ connection: Connection) {
        connection.lastActive = engine.now
        beginReplying(to: connection)
        if let partial = connection.partial, !partial.isShort {
            readMore(connection, partial)
        } else {
            let transfer = Syscall.read(connection.descriptor, input, Self.inputCapacity)
            if let count = accepted(transfer, of: Self.inputCapacity, connection) {
                consume(behindPartial(of: connection, count), connection)
            }
        }
        endReplying()
    }

    /// The bytes that were read, with the beginning of an unfinished request in front of them: there is room for a short one, which is
    /// parsed again then. A pipeline that is cut anywhere by reading costs no more than that.
    private func behindPartial(of connection: Connection, _ count: Int) -> UnsafeMutableRawBufferPointer {
        guard let partial = connection.partial else { return UnsafeMutableRawBufferPointer(start: input, count: count) }
        connection.partial = nil
        let length = partial.bytes.count
        partial.bytes.withUnsafeBytes { (input - length).copyMemory(from: $0.baseAddress!, byteCount: length) }
        return UnsafeMutableRawBufferPointer(start: input - length, count: length + count)
    }

    @inline(__always)
    private func beginReplying(to connection: Connection) {
        replyingTo = connection
        startReply()
        reply.version = connection.version
    }

    @inline(__always)
    private func endReplying() {
        if let connection = replyingTo { handOverReply(to: connection) }
        replyingTo = nil
    }

    /// How many bytes came; nil when there is nothing to do with them.
    private func accepted(_ transfer: Transfer, of wanted: Int, _ connection: Connection) -> Int? {
        switch transfer {
        case .bytes(let count):
            if count == wanted || connection.isHungUp { unread.append(connection) }
            statistics.inputBytes += count
            connection.inputByteCount += count
            return count
        case .wouldBlock: return nil
        case .ended, .failed:
            close(connection)
            return nil
        }
    }

    /// Executes the whole requests of a window, and keeps the rest for later.
    private func consume(_ window: UnsafeMutableRawBufferPointer, _ connection: Connection) {
        var position = 0
        guard let base = window.baseAddress else { return }
        while position < window.count && !connection.isEnding {
            // The bounds may have changed with the last command (AUTH, CONFIG SET).
            parser.limits.isUnauthenticated = !connection.isAuthenticated
            let capacity = connection.needsCare ? 1 : Self.batchCapacity
            arguments.removeAll()
            var count = 0
            var keyCount = 0
            var memberCount = 0
            var outcome = RequestParser.Outcome.request
            var restStart = position
            var restArguments = 0
            while count < capacity && position < window.count {
                restStart = position
                restArguments = arguments.count
                outcome = parser.parse(window, position: &position, into: arguments)
                guard case .request = outcome else { break }
                let argumentCount = arguments.count - restArguments
                guard argumentCount > 0 else { continue }
                let name = arguments[restArguments]
                let command = commands.find(ByteSlice(start: base + name.offset, count: name.count))
                var key = -1
                if let command, command.pointee.firstKey > 0, command.pointee.firstKey < argumentCount {
                    let piece = arguments[restArguments + command.pointee.firstKey]
                    keys[keyCount] = HashedKey(ByteSlice(start: base + piece.offset, count: piece.count))
                    key = keyCount
                    keyCount += 1
                    let place = command.pointee.member
                    if place > 0 && place < argumentCount {
                        let piece = arguments[restArguments + place]
                        let member = ByteSlice(start: base + piece.offset, count: piece.count)
                        members[memberCount] = HashedMember(member, ofKey: key)
                        memberCount += 1
                    }
                }
                batch[count] = ParsedRequest(
                    firstArgument: restArguments, argumentCount: argumentCount, start: restStart, key: key,
                    command: command)
                count += 1
            }
            if keyCount > 0 {
                engine.prepare(
                    UnsafeMutableBufferPointer(start: keys, count: keyCount),
                    UnsafeMutableBufferPointer(start: members, count: memberCount), database: connection.database)
            }
            for index in 0..<count {
                let request = batch[index]
                if let command = request.command, holdsBack(command.pointee.flags, connection) {
                    return keep(connection, window, from: request.start)
                }
                let view = arguments.view(
                    request.firstArgument..<request.firstArgument + request.argumentCount, base: base)
                statistics.commandsProcessed &+= 1
                connection.commandCount &+= 1
                execute(request.command, view, on: connection, key: request.key < 0 ? nil : keys[request.key])
                if engine.isObserved { serveBlocked() }
                if connection.isEnding { return }
                if connection.waiting != nil {
                    // What follows must wait, too.
                    let isParsed = if case .request = outcome { true } else { false }
                    let next = index + 1 < count ? batch[index + 1].start : isParsed ? position : restStart
                    if next < window.count { keep(connection, window, from: next) } else { parser.reset() }
                    return
                }
                // A command may have changed what the next ones are checked for, or the database they were looked up in.
                if connection.needsCare && index + 1 < count {
                    position = batch[index + 1].start
                    parser.reset()
                    outcome = .request
                    break
                }
            }
            switch outcome {
            case .request: continue
            case .needMore:
                keep(connection, window, from: restStart, position: position, firstArgument: restArguments)
                return
            case .failure(let error):
                return fail(connection, error)
            }
        }
    }

    private func fail(_ connection: Connection, _ error: ProtocolError) {
        parser.reset()
        log.verbose(
            "\(String(decoding: error.message, as: UTF8.self)) from client id=\(connection.id) addr=\(connection.address), closing it"
        )
        if connection.replyMode == .on { (ByteSlice("ERR ").array + error.message).withByteSlice { reply.error($0) } }
        closeLater(connection)
    }

    // MARK: unfinished requests

    /// Keeps whole requests that must not run yet.
    private func keep(_ connection: Connection, _ window: UnsafeMutableRawBufferPointer, from start: Int) {
        parser.reset()
        let bytes = ByteSlice(start: window.baseAddress! + start, count: window.count - start)
        connection.partial = PartialRequest(bytes, parser: parser)
    }

    /// Keeps an unfinished request with what the parser knows of it.
    private func keep(
        _ connection: Connection, _ window: UnsafeMutableRawBufferPointer, from start: Int, position: Int,
        firstArgument: Int
    ) {
        let bytes = ByteSlice(start: window.baseAddress! + start, count: window.count - start)
        let partial = PartialRequest(bytes, parser: parser)
        for index in firstArgument..<arguments.count {
            let piece = arguments[index]
            partial.arguments.append(ArgumentPiece(offset: piece.offset - start, count: piece.count))
        }
        partial.position = position - start
        parser.reset()
        connection.partial = partial
        beginLargeArgument(partial)
    }

    /// Gives a large argument that is under way a block of its own.
    private func beginLargeArgument(_ partial: PartialRequest) {
        guard let length = partial.parser.bulkLength, length >= Self.largeArgument, partial.receiving == nil else {
            return
        }
        let header = AdoptableArguments.headerSize
        // More than can be there is not asked for; it would never arrive.
        guard length < Int.max - header - 2, let base = malloc(header + length + 2) else { return }
        let present = partial.bytes.count - partial.position
        partial.bytes.withUnsafeBytes {
            (base + header).copyMemory(from: $0.baseAddress! + partial.position, byteCount: present)
        }
        partial.bytes.removeLast(present)
        partial.receiving = (base, length + 2, present)
    }

    private func readMore(_ connection: Connection, _ partial: PartialRequest) {
        if var receiving = partial.receiving {
            // Straight into the argument's own memory, some at a time so that others get their turn.
            let wanted = min(receiving.length - receiving.received, 1 << 20)
            let target = receiving.base + AdoptableArguments.headerSize + receiving.received
            guard let count = accepted(Syscall.read(connection.descriptor, target, wanted), of: wanted, connection)
            else { return }
            receiving.received += count
            partial.receiving = receiving
            guard receiving.received == receiving.length else { return }
            partial.receiving = nil
            partial.largePlaces.append(partial.arguments.count)
            partial.arguments.append(ArgumentPiece(offset: 0, count: receiving.length - 2))
            partial.large.append(base: receiving.base, count: receiving.length - 2)
            partial.parser.takeBulkElsewhere()
            if !partial.parser.isInsideRequest { executePartial(connection, partial) }
            return
        }
        let transfer = Syscall.read(connection.descriptor, input, Self.inputCapacity)
        guard let count = accepted(transfer, of: Self.inputCapacity, connection) else { return }
        if partial.byteCount + count > configuration.settings.clientQueryBufferLimit {
            statistics.clientsClosedByQueryLimit += 1
            log.warning(
                "Closing client that reached max query buffer length: id=\(connection.id) addr=\(connection.address)")
            return close(connection)
        }
        partial.bytes.append(contentsOf: UnsafeRawBufferPointer(start: input, count: count))
        resume(connection, partial)
    }

    /// Goes on with what is kept, which may hold whole requests by now.
    func resume(_ connection: Connection, _ partial: PartialRequest) {
        partial.parser.limits = parser.limits
        partial.parser.limits.isUnauthenticated = !connection.isAuthenticated
        var position = partial.position
        let outcome = partial.bytes.withUnsafeMutableBytes {
            partial.parser.parse($0, position: &position, into: partial.arguments)
        }
        partial.position = position
        switch outcome {
        case .needMore: beginLargeArgument(partial)
        case .failure(let error):
            connection.partial = nil
            fail(connection, error)
        case .request: executePartial(connection, partial)
        }
    }

    /// Executes the request that has become whole, then whatever followed it.
    private func executePartial(_ connection: Connection, _ partial: PartialRequest) {
        connection.partial = nil
        if partial.arguments.count > 0 {
            let isHeld = partial.bytes.withUnsafeMutableBytes { bytes -> Bool in
                let empty = UnsafeMutableRawPointer(mutating: UnsafeRawPointer(input))
                let base = bytes.baseAddress ?? empty
                let list = ArgumentList(capacity: max(partial.arguments.count, 1))
                defer { list.deallocate() }
                var large = 0
                for index in 0..<partial.arguments.count {
                    if large < partial.largePlaces.count, partial.largePlaces[large] == index {
                        let block = partial.large.bytes(large)
                        let offset = block.withSpan { span in
                            span.withUnsafeBytes { $0.baseAddress! - UnsafeRawPointer(base) }
                        }
                        list.append(ArgumentPiece(offset: offset, count: block.count))
                        large += 1
                    } else {
                        list.append(partial.arguments[index])
                    }
                }
                let view = list.view(0..<list.count, base: base)
                let command = commands.find(view[0])
                if let command, holdsBack(command.pointee.flags, connection) { return true }
                statistics.commandsProcessed &+= 1
                connection.commandCount &+= 1
                execute(command, view, on: connection, key: nil, adoptable: partial.large)
                if engine.isObserved { serveBlocked() }
                return false
            }
            if isHeld {
                // Held back by a pause: everything stays as it was, to be looked at again.
                connection.partial = partial
                partial.isComplete = true
                return
            }
        }
        guard partial.position < partial.bytes.count, !connection.isEnding else { return }
        var bytes = Array(partial.bytes[partial.position...])
        bytes.withUnsafeMutableBytes {
            if connection.waiting != nil { return keep(connection, $0, from: 0) }
            consume($0, connection)
        }
    }

    /// Goes on with what a connection had sent before it was held.
    func resumeHeld(_ connection: Connection) {
        guard let partial = connection.partial else { return }
        beginReplying(to: connection)
        if partial.isComplete {
            partial.isComplete = false
            executePartial(connection, partial)
        } else {
            resume(connection, partial)
        }
        endReplying()
    }
}
