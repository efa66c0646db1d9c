// What the program needs to know of the terminal, and the one thing it changes there: whether typing is shown.

import Glibc

enum Terminal {
    /// Whether replies are for a person: standard output is a terminal, or FAKETTY says to act as if it were.
    static var isOutput: Bool { isatty(STDOUT_FILENO) == 1 || getenv("FAKETTY") != nil }

    /// Whether a person types: only then is there a prompt.
    static var isInput: Bool { isatty(STDIN_FILENO) == 1 }

    /// Asks for a password, which is not shown when typed at a terminal. From a pipe it is the next line, without a
    /// prompt.
    ///
    /// - Returns: nil at the end of input. Ctrl-C ends the program, with the terminal as it was.
    static func askPassword(_ input: inout StandardInput, _ output: inout StandardOutput) -> Bytes? {
        var shown = termios()
        guard isInput && tcgetattr(STDIN_FILENO, &shown) == 0 else { return input.readLine() }
        // Byte by byte and without signals: a program that a signal ends would leave a terminal that shows nothing.
        // Before the question, since what is typed at once must not be shown either.
        var hidden = shown
        hidden.c_lflag &= ~tcflag_t(ECHO | ICANON | ISIG)
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden)
        output.write("Please input password: ")
        output.flush()
        let typed = readHidden()
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown)
        output.write("\n")
        output.flush()
        switch typed {
        case .line(let password): return password
        case .end: return nil
        case .interrupted: exit(1)
        }
    }

    private enum Typed {
        case line(Bytes)
        case end
        case interrupted
    }

    /// Reads up to Enter, with what the backspace key takes away taken away.
    private static func readHidden() -> Typed {
        var line: Bytes = []
        while true {
            var byte: UInt8 = 0
            let count = read(STDIN_FILENO, &byte, 1)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return .end }
            switch byte {
            case 0x0A, 0x0D: return .line(line)
            case 0x03: return .interrupted
            case 0x04: return line.isEmpty ? .end : .line(line)
            case 0x08, 0x7F: _ = line.popLast()
            default: line.append(byte)
            }
        }
    }
}
