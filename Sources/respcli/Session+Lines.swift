// Commands line by line, from a prompt or from a pipe; the lines that are not commands of the server; and the prompt.

import Glibc
import RespCodec

extension Session {
    /// Reads and runs lines until there are no more or one ends the session.
    func runLines() {
        if kind == .prompt { input.takeKeys() }
        Interrupts.install()
        connect()
        while let line = nextLine() {
            guard let words = line.withByteSlice({ QuotedWords.split($0) }) else {
                output.write("Invalid argument(s)\n")
                output.flush()
                continue
            }
            guard !words.isEmpty else { continue }
            guard runLine(words) else { break }
            output.flush()
        }
        output.flush()
    }

    private func nextLine() -> Bytes? {
        if kind == .prompt {
            output.write(promptText)
            output.flush()
        }
        return input.readLine()
    }

    /// The prompt: the server, the database unless it is the first, and whether a transaction is open.
    var promptText: String {
        guard connection != nil else { return "not connected> " }
        let database = selectedDatabase == 0 ? "" : "[\(selectedDatabase)]"
        return "\(endpoint.promptText)\(database)\(isInTransaction ? "(TX)" : "")> "
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
            output.write("unknown respcli internal command '\(Text.string(words[0]))'\n")
        } else if Text.matches(words[0], "connect") && words.count == 3 {
            endpoint = .tcp(host: words[1], port: Text.leadingInteger(words[2]))
            connect()
        } else if Text.matches(words[0], "clear") && words.count == 1 {
            output.write("\u{1B}[H\u{1B}[2J")
        } else {
            let start = Self.milliseconds()
            _ = issue(isRepeated ? Array(words.dropFirst()) : words, times: isRepeated ? number.value : 1)
            let elapsed = Self.milliseconds() - start
            if elapsed >= 500 && formatter.format == .terminal {
                let hundredths = (elapsed + 5) / 10
                output.write("(\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100)s)\n")
            }
        }
        return true
    }

    private static func milliseconds() -> Int {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        return now.tv_sec * 1000 + now.tv_nsec / 1_000_000
    }
}
