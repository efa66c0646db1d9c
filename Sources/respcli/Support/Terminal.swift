// The terminal of this program: whether there is one, what is shown on it, and passwords. `RawMode` knows its settings.

import Glibc
import TerminalKit

enum Terminal {
    /// Whether standard output is a terminal, or FAKETTY is set, which makes the program behave as if it were.
    static var isOutput: Bool { isatty(STDOUT_FILENO) == 1 || getenv("FAKETTY") != nil }

    /// Whether standard input is a terminal: only then is there a prompt.
    static var isInput: Bool { isatty(STDIN_FILENO) == 1 }

    /// Whether lines can be edited with a moving cursor.
    static var canEdit: Bool { isInput && TerminalDevice.canMoveCursor(STDOUT_FILENO) }

    /// From now on the terminal delivers every byte when it is typed, and shows none by itself.
    ///
    /// - Returns: the keys that edit a line; nil if standard input is no terminal.
    static func takeKeys() -> PlainLineEditor.Keys? {
        RawMode.enter().map {
            PlainLineEditor.Keys(erase: $0.erase, eraseWord: $0.eraseWord, eraseLine: $0.eraseLine, end: $0.end)
        }
    }

    /// Restores the terminal. May be called by a signal handler.
    static func restore() { RawMode.leave() }

    /// Shows "^C", as the system does when it shows typing. For the signal handler.
    static func showInterrupt() {
        guard RawMode.isOn else { return }
        var text: (UInt8, UInt8) = (UInt8(ascii: "^"), UInt8(ascii: "C"))
        _ = write(isatty(STDOUT_FILENO) == 1 ? STDOUT_FILENO : STDIN_FILENO, &text, 2)
    }

    /// Shows what was typed: on standard output, or on the terminal itself if output goes elsewhere.
    static func show(_ echo: Bytes) {
        TerminalDevice.write(echo, to: isatty(STDOUT_FILENO) == 1 ? STDOUT_FILENO : STDIN_FILENO)
    }

    // MARK: passwords

    /// Reads a password: from a terminal with a prompt and without showing it, from a pipe as the next line.
    ///
    /// - Returns: nil at the end of input. Ctrl-C ends the program, with the terminal as it was.
    static func askPassword(_ input: inout StandardInput, _ output: inout StandardOutput) -> Bytes? {
        var shown = termios()
        guard isInput && tcgetattr(STDIN_FILENO, &shown) == 0 else { return input.readLine() }
        // Byte by byte and without signals, so that Ctrl-C cannot end the program with the terminal in this state. Before
        // the prompt, so that what is typed immediately is not shown either.
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

    /// Reads up to Enter, with backspace erasing the last byte.
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
