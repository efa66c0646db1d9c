// A full screen of lines, of which only those are written that have changed.

import Glibc
import Synchronization

/// What writes one frame over another. Knows no terminal.
public enum Frame {
    /// The bytes that turn a screen with `shown` into one with `lines`.
    ///
    /// - Parameters:
    ///   - shown: the lines before, as they were given; nil for a screen of which nothing is known.
    ///   - lines: may hold escape sequences of colour. What is beyond the size is left out.
    public static func update(from shown: [String]?, to lines: [String], size: TerminalSize) -> String {
        var text = ""
        if shown == nil { text += "\u{1B}[2J" }
        for row in 0..<size.rows {
            let new = row < lines.count ? lines[row] : ""
            if let shown, (row < shown.count ? shown[row] : "") == new { continue }
            text += "\u{1B}[\(row + 1);1H" + clipped(new, columns: size.columns) + "\u{1B}[0m\u{1B}[K"
        }
        return text
    }

    /// The beginning of a line that takes no more than so many columns. Escape sequences take none.
    public static func clipped(_ line: String, columns: Int) -> String {
        var text = String.UnicodeScalarView()
        var width = 0
        var isSequence = false
        for scalar in line.unicodeScalars {
            if isSequence {
                text.append(scalar)
                if ("A"..."Z").contains(scalar) || ("a"..."z").contains(scalar) { isSequence = false }
                continue
            }
            if scalar == "\u{1B}" {
                isSequence = true
                text.append(scalar)
                continue
            }
            // Other control characters would move the cursor.
            let shown = scalar.value < 0x20 || scalar.value == 0x7F ? "?" : scalar
            let columnsOfScalar = CharacterWidth.of(shown)
            if width + columnsOfScalar > columns { break }
            width += columnsOfScalar
            text.append(shown)
        }
        return String(text)
    }

    /// `line` with what differs from `previous` in reverse video, character by character.
    public static func highlighted(_ line: String, previous: String?) -> String {
        guard let previous, line != previous else { return line }
        let old = Array(previous)
        var text = ""
        var isMarked = false
        for (index, character) in line.enumerated() {
            let differs = index >= old.count || old[index] != character
            if differs != isMarked {
                text += differs ? "\u{1B}[7m" : "\u{1B}[0m"
                isMarked = differs
            }
            text.append(character)
        }
        return isMarked ? text + "\u{1B}[0m" : text
    }
}

/// The screen of the terminal that standard output is, while a program has all of it. What was there before comes back at the end.
public final class Screen {
    private var shown: [String]?
    private var decoder = KeyDecoder()
    private static let hasResized = Atomic<Bool>(false)

    /// nil if standard input and output are no terminal that can do this.
    public init?() {
        guard TerminalDevice.canMoveCursor(STDOUT_FILENO), RawMode.enter() != nil else { return nil }
        RawMode.setEditing(true)
        TerminalDevice.write("\u{1B}[?1049h\u{1B}[?25l", to: STDOUT_FILENO)
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in Screen.hasResized.store(true, ordering: .relaxed) }
        sigaction(SIGWINCH, &action, nil)
    }

    public var size: TerminalSize { TerminalDevice.size(STDOUT_FILENO) }

    public func draw(_ lines: [String]) {
        if Self.hasResized.exchange(false, ordering: .relaxed) { shown = nil }
        TerminalDevice.write(Frame.update(from: shown, to: lines, size: size), to: STDOUT_FILENO)
        shown = lines
    }

    /// Waits for keys for so many milliseconds; none if none came, or at once when the size changes.
    public func keys(milliseconds: Int) -> [Key] {
        var waiting = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
        guard poll(&waiting, 1, CInt(clamping: max(0, milliseconds))) > 0 else { return decoder.flush() }
        var block = [UInt8](repeating: 0, count: 1024)
        let count = block.withUnsafeMutableBytes { read(STDIN_FILENO, $0.baseAddress, $0.count) }
        // The terminal is gone.
        guard count > 0 else { return [.control("C")] }
        return decoder.take(block[..<count])
    }

    /// Whether the size has changed since the last drawing.
    public var needsRedraw: Bool { Self.hasResized.load(ordering: .relaxed) }

    public func leave() {
        TerminalDevice.write("\u{1B}[?25h\u{1B}[?1049l", to: STDOUT_FILENO)
        RawMode.leave()
    }
}
