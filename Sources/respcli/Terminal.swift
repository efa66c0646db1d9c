// The state of the terminal: whether there is one, whether it shows what is typed, and whether the system or `LineEditor`
// edits lines.

import Glibc
import Synchronization

enum Terminal {
    /// Whether standard output is a terminal, or FAKETTY is set, which makes the program behave as if it were.
    static var isOutput: Bool { isatty(STDOUT_FILENO) == 1 || getenv("FAKETTY") != nil }

    /// Whether standard input is a terminal: only then is there a prompt.
    static var isInput: Bool { isatty(STDIN_FILENO) == 1 }

    // MARK: key by key

    /// The original settings of the terminal, and those while it delivers single keys. Written only before it does.
    nonisolated(unsafe) private static var original = termios()
    nonisolated(unsafe) private static var keyed = termios()
    private static let handsOverKeys = Atomic<Bool>(false)

    /// From now on the terminal delivers every byte when it is typed, and shows none by itself. However the program ends, it
    /// restores the terminal.
    ///
    /// - Returns: the keys that edit a line; nil if standard input is no terminal.
    static func takeKeys() -> LineEditor.Keys? {
        guard isInput && tcgetattr(STDIN_FILENO, &original) == 0 else { return nil }
        setlocale(LC_CTYPE, "")
        keyed = original
        keyed.c_lflag &= ~tcflag_t(ICANON | ECHO)
        withUnsafeMutableBytes(of: &keyed.c_cc) {
            $0[Int(VMIN)] = 1
            $0[Int(VTIME)] = 0
        }
        handsOverKeys.store(true, ordering: .relaxed)
        atexit { Terminal.restore() }
        for number in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] {
            signal(number) { number in
                Terminal.restore()
                signal(number, SIG_DFL)
                raise(number)
            }
        }
        // The shell changes the settings while the program is stopped.
        signal(SIGCONT) { _ in
            if Terminal.handsOverKeys.load(ordering: .relaxed) { tcsetattr(STDIN_FILENO, TCSANOW, &Terminal.keyed) }
        }
        tcsetattr(STDIN_FILENO, TCSANOW, &keyed)
        return withUnsafeBytes(of: &original.c_cc) {
            LineEditor.Keys(
                erase: $0[Int(VERASE)], eraseWord: $0[Int(VWERASE)], eraseLine: $0[Int(VKILL)], end: $0[Int(VEOF)])
        }
    }

    /// Restores the original settings. May be called by a signal handler.
    static func restore() {
        if handsOverKeys.exchange(false, ordering: .relaxed) { tcsetattr(STDIN_FILENO, TCSANOW, &original) }
    }

    /// Shows "^C", as the system does when it shows typing. For the signal handler.
    static func showInterrupt() {
        guard handsOverKeys.load(ordering: .relaxed) else { return }
        var text: (UInt8, UInt8) = (UInt8(ascii: "^"), UInt8(ascii: "C"))
        _ = write(isatty(STDOUT_FILENO) == 1 ? STDOUT_FILENO : STDIN_FILENO, &text, 2)
    }

    /// Shows what was typed: on standard output, or on the terminal itself if output goes elsewhere.
    static func show(_ echo: Bytes) {
        var rest = echo[...]
        let descriptor = isatty(STDOUT_FILENO) == 1 ? STDOUT_FILENO : STDIN_FILENO
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            if count >= 0 {
                rest = rest.dropFirst(count)
            } else if errno != EINTR {
                return
            }
        }
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
