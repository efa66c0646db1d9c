// Commands and their replies: sending, printing, and tracking what a command changes in the session.

import Glibc
import RespCodec

extension Session {
    private enum Received {
        case reply(Reply)
        /// The user interrupted the wait; there is a new connection.
        case interrupted
        /// The command belongs to another server of the cluster, which `server` names now.
        case redirected
        /// The server has shut down, as the command was SHUTDOWN.
        case shutDown
        /// The connection is lost, and the session continues.
        case lost
    }

    /// Sends `command` and prints its replies, after connecting if necessary.
    ///
    /// - Parameter times: how often; forever if negative.
    /// - Returns: whether there was a reply each time. An error is a reply.
    func issue(_ command: [Bytes], times: Int) -> Bool {
        if Text.matches(command[0], "help") || command[0] == Bytes("?".utf8) {
            interruptible { printHelp(for: Array(command.dropFirst())) }
            return true
        }
        // One Ctrl-C ends all of it, wherever it is.
        return interruptible { issue(command, CommandTraits(command), times: times) }
    }

    /// Redirections of one command after which no more are followed.
    private static let redirectionLimit = 16

    private func issue(_ command: [Bytes], _ traits: CommandTraits, times: Int) -> Bool {
        /// The servers that have redirected the command.
        var redirecting: [String] = []
        while true {
            if !redirecting.isEmpty, let interrupt, Interrupts.take(interrupt) {
                output.write("\n")
                announcesRedirection = false
                connect()
                return true
            }
            if prompt != nil, let current = connection, current.failure != nil || current.isStale {
                // Nothing was sent, so nothing is lost but what the connection itself had.
                connection = nil
                if isInTransaction {
                    // Whoever typed this meant it to be queued.
                    output.write("(the connection was lost, and its transaction; nothing was sent)\n")
                    connect()
                    return true
                }
            }
            if !redirecting.isEmpty || connection == nil || connection?.failure != nil {
                guard connect() else {
                    reportFailure()
                    return false
                }
            }
            if announcesRedirection {
                announcesRedirection = false
                guard let reply = ask([Bytes("ASKING".utf8)]) else { return false }
                if let message = reply.errorText { StandardError.write("ASKING failed: \(Text.string(message))\n") }
            }
            let address = server.endpoint.description
            switch send(command, traits, times: times) {
            case .done: return true
            case .redirected:
                redirecting.append(address)
                guard redirecting.count < Self.redirectionLimit else {
                    var addresses: [String] = []
                    for address in redirecting where !addresses.contains(address) { addresses.append(address) }
                    output.flush()
                    StandardError.write(
                        "Error: redirected \(redirecting.count) times, by \(addresses.joined(separator: ", "))\n")
                    announcesRedirection = false
                    connection = nil
                    return false
                }
            case .failed:
                reportFailure()
                connection = nil
                return false
            }
        }
    }

    private enum SendOutcome { case done, redirected, failed }

    func reportFailure() {
        guard let failure = connection?.failure else { return }
        output.flush()
        StandardError.write("Error: \(failure.message)\n")
    }

    private func send(_ command: [Bytes], _ traits: CommandTraits, times: Int) -> SendOutcome {
        var pattern = traits.pattern
        var remaining = times
        while remaining != 0 {
            if remaining > 0 { remaining -= 1 }
            guard let connection else { return .failed }
            // If sending fails, the server may have sent an error before: receiving returns it, or fails too.
            do throws(ConnectionFailure) { try connection.send(command) } catch {}
            switch pattern {
            case .monitor:
                return printStream(traits) != .lost ? .done : .failed
            case .subscription where takesCommandsWhileSubscribed:
                if !isSubscribed && !Terminal.isOutput && formatter.format != .raw {
                    output.write("Reading messages... (press Ctrl-C to quit)\n")
                    output.flush()
                }
                guard printConfirmations(of: command[0], count: max(command.count - 1, 1)) else { return .failed }
            case .subscription:
                if formatter.format != .raw { output.write("Reading messages... (press Ctrl-C to quit)\n") }
                output.flush()
                switch printStream(traits) {
                // After an error, repetitions are not expected to begin a stream.
                case .refused: pattern = .single
                case .interrupted: return .done
                case .lost: return .failed
                }
                continue
            case .confirmations(let count):
                guard printConfirmations(of: command[0], count: count) else { return .failed }
            case .replication:
                output.write("Entering replica output mode...  (press Ctrl-C to quit)\n")
                output.flush()
                showReplicationStream(from: connection)
                return .failed
            case .single:
                switch receiveAnswer(traits) {
                case .reply(let reply): apply(traits.effect, reply)
                case .interrupted:
                    output.write("\n")
                    return .done
                case .redirected: return .redirected
                case .shutDown: return .done
                case .lost: return .failed
                }
            }
            if let interrupt {
                if Interrupts.take(interrupt, within: options.intervalMicroseconds ?? 0) {
                    // Whatever was being printed is not complete.
                    output.write(formatter.styles == .plain ? "\n" : "\u{1B}[0m\n")
                    return .done
                }
            } else if let pause = options.intervalMicroseconds {
                Clock.sleep(microseconds: pause)
            }
        }
        return .done
    }

    private enum StreamEnd { case refused, interrupted, lost }

    /// Prints replies until one is an error or the user interrupts.
    private func printStream(_ traits: CommandTraits) -> StreamEnd {
        func printAll(_ interrupt: CInt?) -> StreamEnd {
            while true {
                switch receive(traits, takesPushes: traits.pattern == .subscription, interrupt: interrupt) {
                case .reply(let reply): if reply.errorText != nil { return .refused }
                case .interrupted, .shutDown, .redirected: return .interrupted
                case .lost: return .lost
                }
            }
        }
        return kind == .oneShot || interrupt != nil ? printAll(interrupt) : Interrupts.whileStreaming(printAll)
    }

    /// Prints replies until `command` has been confirmed `count` times or there is a reply of another kind, such as an
    /// error or QUEUED. False if the connection is lost.
    private func printConfirmations(of command: Bytes, count: Int) -> Bool {
        var missing = count
        while missing > 0 {
            let reply: Reply
            switch receive(CommandTraits([command]), takesPushes: true, interrupt: interrupt) {
            case .reply(let received): reply = received
            case .interrupted: return true
            default: return false
            }
            switch reply {
            case .push(let elements), .array(let elements):
                guard let kind = elements.first?.stringBytes else { return true }
                noteSubscription(elements)
                if Text.matches(command, Text.string(kind)) { missing -= 1 }
            default:
                return true
            }
        }
        return true
    }

    /// Waits for the reply to a command and prints it, and the messages that come before it while there are subscriptions.
    private func receiveAnswer(_ traits: CommandTraits) -> Received {
        while true {
            let received = receive(traits, takesPushes: isSubscribed, interrupt: interrupt)
            guard isSubscribed, case .reply(let reply) = received, Self.isMessage(reply) else { return received }
        }
    }

    /// Waits for a reply and prints it.
    ///
    /// - Parameter takesPushes: whether a push is a reply.
    private func receive(_ traits: CommandTraits, takesPushes: Bool = false, interrupt: CInt? = nil) -> Received {
        guard let connection else { return .lost }
        let reply: Reply
        do throws(ConnectionFailure) {
            reply =
                takesPushes
                ? try connection.receive(interrupt: interrupt) : try nextAnswer(from: connection, interrupt: interrupt)
        } catch {
            if error == .interrupted {
                if let interrupt { _ = Interrupts.take(interrupt) }
                connect()
                return .interrupted
            }
            if traits.effect == .shutDown && error.isLostConnection {
                self.connection = nil
                return .shutDown
            }
            let isStream = traits.pattern == .monitor || traits.pattern == .subscription
            if kind == .prompt || (kind == .piped && error.isLostConnection && !isStream) { return .lost }
            reportFailure()
            end(status: 1)
        }
        if options.followsRedirections, let message = reply.errorText, redirect(as: message) { return .redirected }
        if kind == .oneShot && options.exitsOnError, let message = reply.errorText {
            output.flush()
            StandardError.write("\(Text.string(message))\n")
            end(status: 1)
        }
        formatter.append(reply, isPlainText: traits.isPlainText, to: &output.pending)
        if let prompt, traits.pattern == .single {
            let start = Clock.milliseconds
            if prompt.page(output.pending) { output.pending.removeAll() }
            pagerMilliseconds += Clock.milliseconds - start
        }
        output.flush()
        return .reply(reply)
    }

    /// Prints everything that is pending and ends the program.
    func end(status: CInt) -> Never {
        output.flush()
        exit(status)
    }

    // MARK: redirections

    /// Takes over the server that an error of a cluster names: "MOVED 3999 127.0.0.1:6381", "ASK 3999 127.0.0.1:6381".
    ///
    /// - Returns: whether `message` is such an error.
    private func redirect(as message: Bytes) -> Bool {
        let words = message.split(separator: UInt8(ascii: " "))
        guard words.count == 3, words[0].elementsEqual("MOVED".utf8) || words[0].elementsEqual("ASK".utf8),
            let colon = words[2].lastIndex(of: UInt8(ascii: ":"))
        else { return false }
        let port = Text.leadingInteger(Bytes(words[2][(colon + 1)...]))
        guard ServerOptions.ports.contains(port) else { return false }
        // Without a host it is the one that was asked.
        if colon > words[2].startIndex { server.host = Bytes(words[2][..<colon]) }
        server.port = port
        announcesRedirection = words[0].elementsEqual("ASK".utf8)
        if kind != .oneShot {
            let slot = Text.leadingInteger(Bytes(words[1]))
            output.write("-> Redirected to slot [\(slot)] located at \(Text.string(server.host)):\(server.port)\n")
            // In front of what the other server brings, or does not.
            output.flush()
        }
        return true
    }

    // MARK: effects of commands on the session

    private func apply(_ effect: SessionEffect, _ reply: Reply) {
        let isError = reply.errorText != nil
        switch effect {
        case .none, .shutDown:
            break
        case .select(let database):
            guard !isError else { return }
            selectedDatabase = Text.leadingInteger(database)
            wantedDatabase = selectedDatabase
        case .authenticate(let credentials):
            if !isError && !isInTransaction { typedCredentials = credentials }
            // SELECT may have been refused before.
            selectWantedDatabase()
        case .greet(let version, let credentials):
            // Within a transaction it is only queued.
            guard !isError && !isInTransaction else { return }
            if let version { wantsResp3 = version.elementsEqual("3".utf8) }
            if let credentials { typedCredentials = credentials }
        case .beginTransaction:
            guard !isError else { return }
            isInTransaction = true
            databaseBeforeTransaction = selectedDatabase
        case .endTransaction:
            guard isInTransaction else { return }
            isInTransaction = false
            if isError || reply.withoutAttributes == .null { returnToDatabaseBeforeTransaction() }
        case .discardTransaction:
            guard !isError else { return }
            isInTransaction = false
            returnToDatabaseBeforeTransaction()
        case .reset:
            guard !isError else { return }
            isInTransaction = false
            isSubscribed = false
            selectedDatabase = 0
            wantedDatabase = 0
            wantsResp3 = false
            typedCredentials = nil
        }
    }

    private func returnToDatabaseBeforeTransaction() {
        selectedDatabase = databaseBeforeTransaction
        wantedDatabase = databaseBeforeTransaction
    }
}
