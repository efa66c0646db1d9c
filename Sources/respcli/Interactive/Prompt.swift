// The prompt at a terminal that can move its cursor: editing with hints and completion, history, colours, and a pager for long replies.

import Glibc
import RespCodec
import TerminalKit

final class Prompt {
    private let reader: LineReader
    private unowned let session: Session
    var preferences = Preferences()
    private let path: Bytes?

    /// nil if the terminal cannot do this.
    init?(_ session: Session) {
        guard Terminal.canEdit, RawMode.enter() != nil else { return nil }
        self.session = session
        reader = LineReader()
        path = Preferences.path(variable: "REDISCLI_HISTFILE", name: ".respcli_history")
        if let path { reader.editor.history.open(Text.string(path)) }
        if let path = Preferences.path(variable: "REDISCLI_RCFILE", name: ".respclirc") {
            session.output.write(preferences.load(path))
        }
        applyPreferences()
    }

    private func applyPreferences() {
        session.formatter.styles = usesColor ? .colored : .plain
        // Grey, or faint, which is no colour.
        reader.hintStyle = usesColor ? "\u{1B}[90m" : "\u{1B}[2m"
    }

    private var usesColor: Bool { preferences.usesColor && TerminalDevice.wantsColor(STDOUT_FILENO) }

    /// Reads a line; nil at the end. A line that was given up is empty.
    func readLine(_ prompt: String) -> Bytes? {
        let guide = session.guide
        reader.hint = preferences.showsHints ? { guide.hint($0) } : nil
        reader.editor.complete = { guide.complete($0, $1) }
        reader.watched = session.connection?.descriptor ?? -1
        reader.takeWatched = { [unowned self] in
            let (text, mayGoOn) = session.takeUnasked()
            // The next command connects again.
            if !mayGoOn { reader.watched = -1 }
            return text
        }
        switch reader.read(prompt: Bytes(prompt.utf8)) {
        case .line(let line):
            if SecretLine.mayBeKept(line) { reader.editor.history.add(line) }
            return line
        case .interrupted: return []
        case .end: return nil
        }
    }

    /// Applies a `:set` line.
    func set(_ words: [Bytes]) -> String? {
        defer { applyPreferences() }
        return preferences.apply(words)
    }

    // MARK: long replies

    /// Shows what does not fit on the screen in the pager. False if it fits or there is no pager.
    func page(_ text: Bytes) -> Bool {
        let size = TerminalDevice.size(STDOUT_FILENO)
        guard preferences.usesPager, Self.rows(of: text, columns: size.columns) > size.rows,
            let command = Pager.command
        else { return false }
        return Pager.show(text, command)
    }

    private static func rows(of text: Bytes, columns: Int) -> Int {
        text.split(separator: 0x0A, omittingEmptySubsequences: false).reduce(0) {
            $0 + max(1, ($1.count + columns - 1) / max(1, columns))
        }
    }
}

enum Pager {
    /// The command of the user's pager, or less, if there is one; nil for none.
    static var command: String? {
        if let chosen = TerminalDevice.variable("PAGER") { return chosen.isEmpty || chosen == "cat" ? nil : chosen }
        let folders = (TerminalDevice.variable("PATH") ?? "").split(separator: ":")
        return folders.contains { access("\($0)/less", X_OK) == 0 } ? "less -R" : nil
    }

    /// Shows `text`. False if the command could not be started.
    static func show(_ text: Bytes, _ command: String) -> Bool {
        var ends: [CInt] = [-1, -1]
        guard SystemPipe.open(&ends) else { return false }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO)
        // Ctrl-C is the pager's.
        signal(SIGINT, SIG_IGN)
        RawMode.leave()
        defer {
            _ = RawMode.enter()
            Interrupts.handleSignal()
        }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var defaults = sigset_t()
        sigemptyset(&defaults)
        sigaddset(&defaults, SIGINT)
        sigaddset(&defaults, SIGPIPE)
        posix_spawnattr_setsigdefault(&attributes, &defaults)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF))
        var child = pid_t()
        var words: [UnsafeMutablePointer<CChar>?] = [strdup("/bin/sh"), strdup("-c"), strdup(command)]
        words.append(nil)
        defer { for word in words { free(word) } }
        let code = posix_spawn(&child, "/bin/sh", &actions, &attributes, words, environ)
        close(ends[0])
        guard code == 0 else {
            close(ends[1])
            return false
        }
        // A pager that ends early closes the pipe, and SIGPIPE is ignored at the prompt.
        var rest = text[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(ends[1], $0.baseAddress, $0.count) }
            if count > 0 { rest = rest.dropFirst(count) } else if errno != EINTR { break }
        }
        close(ends[1])
        var status: CInt = 0
        while waitpid(child, &status, 0) < 0 && errno == EINTR {}
        // 127: the shell did not find it.
        return status & 0x7F != 0 || status >> 8 & 0xFF != 127
    }
}

/// Lines that hold passwords or rights are not kept in the history.
enum SecretLine {
    static func mayBeKept(_ line: Bytes) -> Bool {
        line.split(separator: 0x0A).allSatisfy { mayBeKept(command: Bytes($0)) }
    }

    private static let settings = [
        "requirepass", "masterauth", "masteruser", "primaryauth", "primaryuser", "tls-key-file-pass",
        "tls-client-key-file-pass", "sentinel-pass", "sentinel-user",
    ]

    private static func mayBeKept(command line: Bytes) -> Bool {
        // Quotes that do not balance leave words that are still recognized.
        func isQuote(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") }
        var words =
            line.withByteSlice({ QuotedWords.split($0) })
            ?? line.split(whereSeparator: Text.isBlank).map { word in word.filter { !isQuote($0) } }
        if words.count > 1, Text.integer(words[0]).isWhole { words.removeFirst() }
        guard let first = words.first.map({ Text.string($0.map(Text.lowercased)) }) else { return true }
        let rest = words.dropFirst().map { Text.string($0.map(Text.lowercased)) }
        switch first {
        case "auth", "acl": return first == "acl" && !["setuser", "getuser", "genpass"].contains(rest.first ?? "")
        case "hello", "migrate": return !rest.contains { $0 == "auth" || $0 == "auth2" }
        case "config", "sentinel":
            // "SENTINEL CONFIG SET", too.
            return !rest.drop(while: { $0 != "set" }).contains { settings.contains($0) || $0.hasPrefix("auth-") }
        default: return true
        }
    }
}
