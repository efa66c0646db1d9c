// Subscriptions in a session of many commands: messages are shown as they come, until there is something to run.

import Glibc
import RespCodec

extension Session {
    /// Whether a subscription lets further commands run. Otherwise messages are shown until the connection ends.
    var takesCommandsWhileSubscribed: Bool { kind == .piped || prompt != nil }

    /// Whether a reply is a message, or the confirmation of a subscription, and not the answer to another command.
    static func isMessage(_ reply: Reply) -> Bool {
        switch reply.withoutAttributes {
        case .push: return true
        case .array(let elements):
            guard elements.count >= 3, let kind = elements[0].stringBytes else { return false }
            let kinds =
                ["message", "pmessage", "smessage"]
                + ["", "p", "s"].flatMap { ["\($0)subscribe", "\($0)unsubscribe"] }
            return kinds.contains { kind.elementsEqual($0.utf8) }
        default: return false
        }
    }

    /// Takes note of what a confirmation says about the number of subscriptions.
    func noteSubscription(_ elements: [Reply]) {
        guard elements.count >= 3, let kind = elements[0].stringBytes.map(Text.string), kind.hasSuffix("subscribe"),
            case .integer(let count) = elements[2]
        else { return }
        isSubscribed = count > 0
    }

    /// Shows messages until something is typed or comes from the pipe. At the end of a pipe, until the connection ends.
    func waitForMessages() {
        Interrupts.whileStreaming { interrupt in
            self.interrupt = interrupt
            defer { self.interrupt = nil }
            let tells = formatter.format != .raw && Terminal.isOutput
            var hasEnded = false
            while isSubscribed, let connection {
                if kind == .piped && input.hasBuffered { return }
                if showBuffered(connection) { continue }
                if tells {
                    output.write("Reading messages... (press Ctrl-C to quit or any key to type command)\r")
                    output.flush()
                }
                var waiting = [
                    pollfd(fd: connection.descriptor, events: Int16(POLLIN), revents: 0),
                    pollfd(fd: interrupt ?? -1, events: Int16(POLLIN), revents: 0),
                    pollfd(fd: hasEnded ? -1 : STDIN_FILENO, events: Int16(POLLIN), revents: 0),
                ]
                let count = connection.hasPending ? 1 : poll(&waiting, nfds_t(waiting.count), -1)
                if tells {
                    output.write("\u{1B}[K")
                    output.flush()
                }
                if count < 0 { continue }
                if waiting[1].revents != 0 {
                    if let interrupt { _ = Interrupts.take(interrupt) }
                    connect()
                    return
                }
                if waiting[0].revents != 0 || connection.hasPending {
                    showNext(connection)
                } else if waiting[2].revents != 0 {
                    if kind == .prompt { return }
                    if input.readSome() { return }
                    hasEnded = true
                }
            }
        }
    }

    /// Shows a message that has been received already; false if there is none.
    private func showBuffered(_ connection: ServerConnection) -> Bool {
        do throws(ConnectionFailure) {
            guard let reply = try connection.receiveBuffered() else { return false }
            show(reply)
            return true
        } catch {
            return lose()
        }
    }

    private func showNext(_ connection: ServerConnection) {
        do throws(ConnectionFailure) { show(try connection.receive()) } catch { _ = lose() }
    }

    private func show(_ reply: Reply) {
        formatter.append(reply, to: &output.pending)
        output.flush()
    }

    /// The connection is lost: a session from a pipe ends, one at a prompt goes on.
    private func lose() -> Bool {
        reportFailure()
        if kind == .piped { end(status: 1) }
        connection = nil
        isSubscribed = false
        return false
    }
}
