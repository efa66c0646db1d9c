// A progress bar on a terminal: redrawn a few times a second on one line, which is cleared when something else is to be shown there.

import Glibc

public final class ProgressDisplay {
    private var bar: ProgressBar
    private let descriptor: CInt
    private var isVisible = false
    private var lastDrawn = 0
    private static let interval = 100_000_000
    /// The one that was drawn last.
    nonisolated(unsafe) private static weak var newest: ProgressDisplay?

    /// nil if `descriptor` is no terminal that can redraw a line.
    public init?(label: String, unit: String, total: Int?, on descriptor: CInt = STDERR_FILENO) {
        guard TerminalDevice.canMoveCursor(descriptor) else { return nil }
        bar = ProgressBar(label: label, unit: unit, total: total, time: TerminalDevice.nanoseconds)
        self.descriptor = descriptor
    }

    /// Tells how much is done; draws if that has not been done for a moment.
    public func update(_ done: Int, total: Int? = nil) {
        if let total { bar.total = total }
        let now = TerminalDevice.nanoseconds
        bar.update(done: done, time: now)
        guard now - lastDrawn >= Self.interval else { return }
        lastDrawn = now
        let width = TerminalDevice.size(descriptor).columns
        TerminalDevice.write("\r" + bar.text(width: width - 1) + "\u{1B}[K", to: descriptor)
        isVisible = true
        Self.newest = self
    }

    /// Takes away whatever bar there is, before the program ends with a message. Of the main thread.
    public static func clearAll() { newest?.clear() }

    /// Takes the line away, so that other things can be shown.
    public func clear() {
        guard isVisible else { return }
        TerminalDevice.write("\r\u{1B}[K", to: descriptor)
        isVisible = false
        // Drawn again with the next update.
        lastDrawn = 0
    }

    deinit { clear() }
}
