// Commands and their replies: sending, printing, and tracking what a command changes in the session.

import Glibc
import RespCodec

extension Session {
    private enum Received {
        case reply(Reply)
        /// The user interrupted the wait; there is a new connection.
        case interrupted
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
            printHelp(for: Array(command.dropFirst()))
            return true
        }
        let traits = CommandTraits(command)
        if traits.pattern == .replication {
            StandardError.write("Error: respcli does not read replication streams, so it does not begin one\n")
            return false
        }
        if connection == nil || connection?.failure != nil {
            guard connect() else {
                reportFailure()
                return false
            }
        }
        guard send(command, traits, times: times) else {
            reportFailure()
            connection = nil
            return false
        }
        return true
    }

    private func reportFailure() {
        guard let failure = connection?.failure else { return }
        output.flush()
        StandardError.write("Error: \(failure.message)\n")
    }

    private func send(_ command: [Bytes], _ traits: CommandTraits, times: Int) -> Bool {
        var pattern = traits.pattern
        var remaining = times
        while remaining != 0 {
            if remaining > 0 { remaining -= 1 }
            guard let connection else { return false }
            // If sending fails, the server may have sent an error before: receiving returns it, or fails too.
            do throws(ConnectionFailure) { try connection.send(command) } catch {}
            switch pattern {
            case .monitor:
                return printStream(traits) != .lost
            case .subscription:
                if formatter.format != .raw { output.write("Reading messages... (press Ctrl-C to quit)\n") }
                output.flush()
                switch printStream(traits) {
                // After an error, repetitions are not expected to begin a stream.
                case .refused: pattern = .single
                case .interrupted: return true
                case .lost: return false
                }
                continue
            case .confirmations(let count):
                guard printConfirmations(of: command[0], count: count) else { return false }
            case .single, .replication:
                switch receive(traits) {
                case .reply(let reply): apply(traits.effect, reply)
                case .interrupted: break
                case .shutDown: return true
                case .lost: return false
                }
            }
            if options.intervalMicroseconds > 0 { pause(microseconds: options.intervalMicroseconds) }
        }
        return true
    }

    private enum StreamEnd { case refused, interrupted, lost }

    /// Prints replies until one is an error or the user interrupts.
    private func printStream(_ traits: CommandTraits) -> StreamEnd {
        func printAll(_ interrupt: CInt?) -> StreamEnd {
            while true {
                switch receive(traits, takesPushes: traits.pattern == .subscription, interrupt: interrupt) {
                case .reply(let reply): if reply.errorText != nil { return .refused }
                case .interrupted, .shutDown: return .interrupted
                case .lost: return .lost
                }
            }
        }
        return kind == .oneShot ? printAll(nil) : Interrupts.whileStreaming(printAll)
    }

    /// Prints replies until `command` has been confirmed `count` times or there is a reply of another kind, such as an
    /// error or QUEUED. False if the connection is lost.
    private func printConfirmations(of command: Bytes, count: Int) -> Bool {
        var missing = count
        while missing > 0 {
            guard case .reply(let reply) = receive(CommandTraits([command]), takesPushes: true) else { return false }
            switch reply {
            case .push(let elements), .array(let elements):
                guard let kind = elements.first?.stringBytes else { return true }
                if Text.matches(command, Text.string(kind)) { missing -= 1 }
            default:
                return true
            }
        }
        return true
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
        if kind == .oneShot && options.exitsOnError, let message = reply.errorText {
            output.flush()
            StandardError.write("\(Text.string(message))\n")
            end(status: 1)
        }
        formatter.append(reply, isPlainText: traits.isPlainText, to: &output.pending)
        output.flush()
        return .reply(reply)
    }

    /// Prints everything that is pending and ends the program.
    func end(status: CInt) -> Never {
        output.flush()
        exit(status)
    }

    private func pause(microseconds: Int) {
        var rest = timespec(tv_sec: microseconds / 1_000_000, tv_nsec: microseconds % 1_000_000 * 1000)
        var unslept = timespec()
        while nanosleep(&rest, &unslept) < 0 && errno == EINTR { rest = unslept }
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
        case .authenticate:
            // SELECT may have been refused before.
            selectWantedDatabase()
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
            selectedDatabase = 0
            wantedDatabase = 0
            wantsResp3 = false
        }
    }

    private func returnToDatabaseBeforeTransaction() {
        selectedDatabase = databaseBeforeTransaction
        wantedDatabase = databaseBeforeTransaction
    }
}
