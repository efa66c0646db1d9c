// What the system knows of a terminal: whether there is one, its size, and what it can do.

import Glibc

public struct TerminalSize: Equatable, Sendable {
    public var columns: Int
    public var rows: Int

    public init(columns: Int, rows: Int) {
        self.columns = columns
        self.rows = rows
    }
}

public enum TerminalDevice {
    public static func isTerminal(_ descriptor: CInt) -> Bool { isatty(descriptor) == 1 }

    /// Whether it is a terminal that understands escape sequences.
    public static func canMoveCursor(_ descriptor: CInt) -> Bool {
        guard isTerminal(descriptor) else { return false }
        switch variable("TERM") {
        case nil, "", "dumb", "cons25", "emacs": return false
        default: return true
        }
    }

    /// Whether colours are wanted there: see https://no-color.org.
    public static func wantsColor(_ descriptor: CInt) -> Bool {
        canMoveCursor(descriptor) && (variable("NO_COLOR") ?? "").isEmpty
    }

    /// The size, from the system or from COLUMNS and LINES; 80 columns and 24 rows if nobody knows.
    public static func size(_ descriptor: CInt) -> TerminalSize {
        var window = winsize()
        if ioctl(descriptor, UInt(TIOCGWINSZ), &window) == 0, window.ws_col > 0 {
            return TerminalSize(columns: Int(window.ws_col), rows: window.ws_row > 0 ? Int(window.ws_row) : 24)
        }
        func number(_ name: String) -> Int? {
            variable(name).flatMap { Int($0) }.flatMap { (1...10_000).contains($0) ? $0 : nil }
        }
        return TerminalSize(columns: number("COLUMNS") ?? 80, rows: number("LINES") ?? 24)
    }

    public static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

    static var nanoseconds: Int {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        return now.tv_sec * 1_000_000_000 + now.tv_nsec
    }

    /// Writes all of `text`; errors are ignored, as there is nobody to tell.
    public static func write(_ text: String, to descriptor: CInt) { write(Array(text.utf8), to: descriptor) }

    public static func write(_ bytes: [UInt8], to descriptor: CInt) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count >= 0 {
                rest = rest.dropFirst(count)
            } else if errno == EAGAIN {
                var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = poll(&waiting, 1, 1000)
            } else if errno != EINTR {
                return
            }
        }
    }
}
