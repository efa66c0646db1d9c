// Commands line by line, from a prompt or from a pipe; the lines that are not commands of the server; and the prompt.

import Glibc
import RespCodec

extension Session {
    /// Reads and runs lines until there are no more or one ends the session.
    func runLines() {
        if kind == .prompt {
            prompt = Prompt(self)
            if prompt == nil { input.takeKeys() }
        }
        Interrupts.install()
        connect()
        if prompt != nil { Interrupts.keepSession() }
        while let line = nextLine() {
            // A text that was pasted may hold several lines.
            for line in prompt == nil ? [line[...]] : line.split(separator: 0x0A) {
                guard runLine(Bytes(line)) else {
                    output.flush()
                    return
                }
            }
        }
        output.flush()
    }

    private func nextLine() -> Bytes? {
        if isSubscribed { waitForMessages() }
        if let prompt {
            interruptible { learnCommands() }
            output.flush()
            output.pending = takeUnasked().text
            output.flush()
            defer { Interrupts.forget() }
            return prompt.readLine(promptText)
        }
        if kind == .prompt {
            output.write(promptText)
            output.flush()
        }
        return input.readLine()
    }

    /// Runs one line as it was typed. False if it ends the session.
    private func runLine(_ line: Bytes) -> Bool {
        guard let words = line.withByteSlice({ QuotedWords.split($0) }) else {
            output.write("Invalid argument(s)\n")
            output.flush()
            return true
        }
        guard !words.isEmpty else { return true }
        defer { output.flush() }
        return runLine(words)
    }

    /// The prompt: the server, the database unless it is the first, and whether a transaction is open.
    var promptText: String {
        guard connection != nil else { return "not connected> " }
        let database = selectedDatabase == 0 ? "" : "[\(selectedDatabase)]"
        return "\(server.endpoint.promptText)\(database)\(isInTransaction ? "(TX)" : "")> "
    }

    /// Runs one line. False if it ends the session.
    private func runLine(_ words: [Bytes]) -> Bool {
        let number = Text.integer(words[0])
        let isRepeated = words.count > 1 && number.isWhole
        if isRepeated && (number.value <= 0 || !number.fits) {
            output.write("Invalid respcli repeat command option value.\n")
            return true
        }
        if Text.matches(words[0], "quit") || Text.matches(words[0], "exit") { return false }
        if words[0].first == UInt8(ascii: ":") {
            var unused = Preferences()
            if let problem = prompt.map({ $0.set(words) }) ?? unused.apply(words) { output.write(problem) }
        } else if Text.matches(words[0], "connect") && words.count == 3 {
            let port = Text.leadingInteger(words[2])
            guard ServerOptions.ports.contains(port) else {
                output.write("Invalid server port.\n")
                return true
            }
            // What was typed for one server is no other's business.
            typedCredentials = nil
            server.socketPath = nil
            server.host = words[1]
            server.port = port
            guide = CommandGuide([])
            knowsCommands = false
            interruptible { _ = connect() }
        } else if Text.matches(words[0], "clear") && words.count == 1 {
            output.write("\u{1B}[H\u{1B}[2J")
        } else {
            let start = Clock.milliseconds - pagerMilliseconds
            _ = issue(isRepeated ? Array(words.dropFirst()) : words, times: isRepeated ? number.value : 1)
            let elapsed = Clock.milliseconds - pagerMilliseconds - start
            if elapsed >= 500 && formatter.format == .terminal {
                let hundredths = (elapsed + 5) / 10
                output.write("(\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100)s)\n")
            }
        }
        return true
    }
}
