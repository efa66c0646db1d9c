// Reads lines from a terminal with a `LineEditor`: keys in, the layout of the line out. What comes from elsewhere meanwhile is shown above
// the line.

import Glibc
import Synchronization

public final class LineReader {
    public enum Result: Equatable, Sendable {
        case line([UInt8])
        case interrupted
        case end
    }

    public var editor: LineEditor
    /// A hint behind the text, as the text is typed.
    public var hint: ((_ text: [UInt8]) -> [UInt8])?
    /// How hints are shown: an escape sequence.
    public var hintStyle = "\u{1B}[90m"
    /// Another descriptor that is watched while keys are waited for; -1 for none.
    public var watched: CInt = -1
    /// Takes what has come there and returns whole lines to show, possibly none. When nothing more can come it must change `watched`.
    public var takeWatched: (() -> [UInt8])?
    private let input: CInt
    private let output: CInt
    private var decoder = KeyDecoder()
    private var waitingKeys: [Key] = []
    private var shown: LineLayout?
    private var hasEnded = false
    /// Milliseconds after which an Escape by itself is the key.
    private static let escapeWait: CInt = 50

    public init(history: History = History(), input: CInt = STDIN_FILENO, output: CInt = STDOUT_FILENO) {
        editor = LineEditor(history: history)
        self.input = input
        self.output = output
    }

    /// Reads one line.
    ///
    /// - Parameter prompt: may hold escape sequences of colour.
    public func read(prompt: [UInt8]) -> Result {
        editor.begin()
        shown = nil
        watchSize()
        RawMode.setEditing(true)
        write("\u{1B}[?2004h")
        defer {
            write("\u{1B}[?2004l")
            RawMode.setEditing(false)
        }
        draw(prompt)
        while true {
            while !waitingKeys.isEmpty {
                let key = waitingKeys.removeFirst()
                if key == .control("Z") {
                    leave()
                    RawMode.suspend()
                    draw(prompt)
                    continue
                }
                switch editor.handle(key) {
                case .editing: break
                case .bell: write("\u{07}")
                case .accepted:
                    draw(prompt, isFinal: true)
                    leave()
                    return .line(editor.text.bytes)
                case .interrupted:
                    draw(prompt, isFinal: true)
                    leave(mark: "^C")
                    return .interrupted
                case .ended:
                    leave()
                    return .end
                case .clearScreen:
                    shown = nil
                    write("\u{1B}[H\u{1B}[2J")
                case .list(let candidates):
                    draw(prompt)
                    leave()
                    write(Columns.text(candidates, width: TerminalDevice.size(output).columns))
                }
            }
            draw(prompt)
            guard readKeys(prompt) else {
                leave()
                return editor.text.isEmpty ? .end : .line(editor.text.bytes)
            }
        }
    }

    /// Waits for keys. False at the end of the input.
    private func readKeys(_ prompt: [UInt8]) -> Bool {
        var block = [UInt8](repeating: 0, count: 64 * 1024)
        while waitingKeys.isEmpty {
            if hasEnded { return false }
            var waiting = [
                pollfd(fd: input, events: Int16(POLLIN), revents: 0),
                pollfd(fd: watched, events: Int16(POLLIN), revents: 0),
            ]
            let count = poll(&waiting, nfds_t(waiting.count), decoder.isIncomplete ? Self.escapeWait : -1)
            if count < 0 {
                guard errno == EINTR else { return false }
                if Self.hasResized.exchange(false, ordering: .relaxed) { redraw(prompt) }
                continue
            }
            if count == 0 {
                waitingKeys += decoder.flush()
                continue
            }
            if waiting[1].revents != 0 { showAbove(takeWatched?() ?? [], prompt) }
            guard waiting[0].revents != 0 else { continue }
            let length = block.withUnsafeMutableBytes { Glibc.read(input, $0.baseAddress, $0.count) }
            if length > 0 {
                waitingKeys += decoder.take(block[..<length])
            } else if length == 0 || (errno != EINTR && errno != EAGAIN) {
                hasEnded = true
                waitingKeys += decoder.flush()
            }
        }
        return true
    }

    // MARK: drawing

    private func draw(_ prompt: [UInt8], isFinal: Bool = false) {
        var prompt = prompt
        var hintText: [UInt8] = []
        if let search = editor.search {
            let name = (search.hasFailed ? "failed " : "") + (search.goesBack ? "reverse-i-search" : "i-search")
            prompt = Array("(\(name))`".utf8) + search.text + Array("': ".utf8)
        } else if !isFinal, editor.text.isAtEnd, !editor.text.isEmpty {
            hintText = hint?(editor.text.bytes) ?? []
        }
        let layout = LineLayout(
            prompt: prompt, text: editor.text, hint: hintText, hintStyle: hintStyle,
            width: TerminalDevice.size(output).columns)
        guard layout != shown else { return }
        TerminalDevice.write(layout.update(from: shown), to: output)
        shown = layout
    }

    /// Shows lines where the line that is edited was, and that below them.
    private func showAbove(_ lines: [UInt8], _ prompt: [UInt8]) {
        guard !lines.isEmpty else { return }
        let row = shown?.cursorRow ?? 0
        if row > 0 { write("\u{1B}[\(row)A") }
        TerminalDevice.write(Array("\r\u{1B}[J".utf8) + lines, to: output)
        shown = nil
        draw(prompt)
    }

    /// After a change of the width, when the terminal has moved what it showed: begins again on a clear row.
    private func redraw(_ prompt: [UInt8]) {
        let row = shown?.cursorRow(afterResizingTo: TerminalDevice.size(output).columns) ?? 0
        if row > 0 { write("\u{1B}[\(row)A") }
        write("\r\u{1B}[J")
        shown = nil
        draw(prompt)
    }

    private func leave(mark: String = "") {
        var bytes = Array(mark.utf8)
        bytes += shown?.leave ?? [0x0D, 0x0A]
        TerminalDevice.write(bytes, to: output)
        shown = nil
    }

    private func write(_ text: String) { TerminalDevice.write(text, to: output) }

    // MARK: the size

    private static let hasResized = Atomic<Bool>(false)

    private func watchSize() {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in LineReader.hasResized.store(true, ordering: .relaxed) }
        sigaction(SIGWINCH, &action, nil)
    }
}

/// Short words in columns, as lists of files are shown.
public enum Columns {
    public static func text(_ words: [String], width: Int) -> String {
        let longest = words.map { CharacterWidth.of($0) }.max() ?? 0
        let columns = max(1, min(words.count, (width - 1) / (longest + 2)))
        let rows = (words.count + columns - 1) / columns
        var text = ""
        for row in 0..<rows {
            for column in 0..<columns where column * rows + row < words.count {
                let word = words[column * rows + row]
                text += word
                if (column + 1) * rows + row < words.count {
                    text += String(repeating: " ", count: longest + 2 - CharacterWidth.of(word))
                }
            }
            text += "\r\n"
        }
        return text
    }
}
