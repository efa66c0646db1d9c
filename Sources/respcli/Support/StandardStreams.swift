// Standard output, error and input, directly on the descriptors.
//
// Output is buffered and written by `flush`: once per reply, so that each is visible at once.

import Glibc
import Synchronization
import TerminalKit

/// Buffered standard output.
struct StandardOutput {
    /// What has been written and not flushed.
    var pending: Bytes = []
    private static let closedPipeEnds = Atomic<Bool>(false)

    /// From now on SIGPIPE ends the program when nobody reads standard output any more, but not where a socket is closed.
    static func endWithReader() {
        signal(SIGPIPE, SIG_IGN)
        closedPipeEnds.store(true, ordering: .relaxed)
    }

    mutating func write(_ text: String) { pending += text.utf8 }

    /// Writes everything that is pending. A closed pipe is not reported (SIGPIPE ends the program, unless it is interactive);
    /// any other error, such as a full disk, ends the program with a message.
    mutating func flush() {
        var written = 0
        while written < pending.count {
            let count = pending.withUnsafeBytes {
                Glibc.write(STDOUT_FILENO, $0.baseAddress! + written, $0.count - written)
            }
            // At the prompt Ctrl-C ends a long output. The terminal takes it in pieces, so that this is noticed.
            if Interrupts.isStopped && written + max(0, count) < pending.count { break }
            if count >= 0 {
                written += count
            } else if errno != EINTR {
                if errno != EPIPE {
                    StandardError.write("Error writing to standard output: \(Text.systemError(errno))\n")
                    exit(1)
                }
                if Self.closedPipeEnds.load(ordering: .relaxed) {
                    signal(SIGPIPE, SIG_DFL)
                    kill(getpid(), SIGPIPE)
                }
                break
            }
        }
        pending.removeAll(keepingCapacity: pending.count <= 1024 * 1024)
    }
}

enum StandardError {
    static func write(_ text: String) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
            if count >= 0 {
                rest = rest.dropFirst(count)
            } else if errno != EINTR {
                return
            }
        }
    }
}

/// Standard input, by lines or as a whole.
struct StandardInput {
    private var buffer: Bytes = []
    private var position = 0
    private var hasEnded = false
    /// The keys that edit a line, if the terminal delivers single keys.
    private var keys: PlainLineEditor.Keys?

    /// From now on typed lines may have any length: see `PlainLineEditor`.
    mutating func takeKeys() { keys = Terminal.takeKeys() }

    /// The next line without its LF, or nil at the end. A last line without one is a line too.
    mutating func readLine() -> Bytes? {
        if let keys { return readTyped(keys, asText: false) }
        var searched = position
        while true {
            if let newline = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) {
                let line = Bytes(buffer[position..<newline])
                position = newline + 1
                return line
            }
            searched = buffer.count
            if !readMore() {
                guard position < buffer.count else { return nil }
                let line = Bytes(buffer[position...])
                position = buffer.count
                return line
            }
            searched -= dropTaken()
        }
    }

    /// Whether there is something that has been read and not been taken.
    var hasBuffered: Bool { position < buffer.count }

    /// Reads what there is, or waits for something; false at the end.
    mutating func readSome() -> Bool { readMore() }

    /// The next typed line. As text it keeps its LF, and the end-of-file key returns the incomplete line.
    private mutating func readTyped(_ keys: PlainLineEditor.Keys, asText: Bool) -> Bytes? {
        var editor = PlainLineEditor(keys: keys)
        defer { Terminal.show(editor.echo) }
        while true {
            while position < buffer.count {
                let outcome = editor.take(buffer[position])
                position += 1
                switch outcome {
                case .editing: continue
                case .part: if asText { return editor.line }
                case .line: return asText ? editor.line + [0x0A] : editor.line
                case .end: return nil
                }
            }
            Terminal.show(editor.echo)
            editor.echo.removeAll(keepingCapacity: true)
            _ = dropTaken()
            if !readMore() { return editor.line.isEmpty ? nil : editor.line }
        }
    }

    /// Everything up to the end.
    mutating func readAll() -> Bytes {
        if Terminal.isInput {
            takeKeys()
            defer { Terminal.restore() }
            var all: Bytes = []
            while let keys, let part = readTyped(keys, asText: true) { all += part }
            return all
        }
        while readMore() {}
        let all = Bytes(buffer[position...])
        position = buffer.count
        return all
    }

    /// Removes consumed bytes from the buffer; returns by how much positions moved.
    private mutating func dropTaken() -> Int {
        let taken = position
        guard taken > 0 else { return 0 }
        buffer.removeFirst(taken)
        position = 0
        return taken
    }

    private mutating func readMore() -> Bool {
        guard !hasEnded else { return false }
        var chunk = Bytes(repeating: 0, count: 16 * 1024)
        while true {
            let count = chunk.withUnsafeMutableBytes { read(STDIN_FILENO, $0.baseAddress, $0.count) }
            if count > 0 {
                buffer += chunk[..<count]
                return true
            }
            if count == 0 {
                // A terminal can be read after its end-of-file key; a file or pipe has nothing more.
                hasEnded = !Terminal.isInput
                return false
            }
            if errno != EINTR {
                StandardError.write("Reading from standard input: \(Text.systemError(errno))\n")
                exit(1)
            }
        }
    }
}
