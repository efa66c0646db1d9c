// What the last server that was asked told about its commands, in a file, for hints and completion where a server does not tell: those
// before Redis 7.0, one that does not grant COMMAND DOCS, or one that cannot be reached.
//
// The file is the reply to COMMAND DOCS in RESP2: $XDG_CACHE_HOME/respcli/commands, or ~/.cache/respcli/commands. It is written anew when it is
// older than a day. Without a folder to write to, nothing is remembered.

import Glibc
import RespCodec
import TerminalKit

enum RememberedCommands {
    private static let secondsOfUse = 24 * 60 * 60

    private static var folders: [String]? {
        if let cache = TerminalDevice.variable("XDG_CACHE_HOME"), cache.hasPrefix("/") {
            return [cache, cache + "/respcli"]
        }
        guard let home = TerminalDevice.variable("HOME"), home.hasPrefix("/") else { return nil }
        return [home + "/.cache", home + "/.cache/respcli"]
    }

    private static var path: String? { folders.map { $0[1] + "/commands" } }

    /// What was told; empty if nothing was, or if the file is none of this program.
    static var entries: [CommandHelp] {
        guard let path, let contents = Session.contents(of: Bytes(path.utf8)), !contents.isEmpty else { return [] }
        var parser = ReplyParser()
        return contents.withByteSlice { bytes -> [CommandHelp] in
            var input = bytes
            guard case .reply(let reply) = parser.parse(&input) else { return [] }
            return CommandHelp.entries(of: reply)
        }
    }

    /// Keeps a reply to COMMAND DOCS, unless one was kept lately. Errors are ignored: then there is nothing next time, either.
    static func keep(_ reply: Reply) {
        guard let folders, let path else { return }
        var information = stat()
        if stat(path, &information) == 0, time(nil) - information.st_mtim.tv_sec < secondsOfUse { return }
        for folder in folders { _ = mkdir(folder, 0o700) }
        let temporary = path + ".\(getpid())"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { return }
        var bytes: Bytes = []
        append(reply, to: &bytes)
        TerminalDevice.write(bytes, to: descriptor)
        close(descriptor)
        if rename(temporary, path) != 0 { unlink(temporary) }
    }

    /// Appends a reply in RESP2, as far as COMMAND DOCS has it: strings, arrays, and maps as arrays; anything else as null.
    private static func append(_ reply: Reply, to bytes: inout Bytes) {
        func line(_ mark: String, _ number: Int) { bytes += "\(mark)\(number)\r\n".utf8 }
        switch reply.withoutAttributes {
        case .array(let elements), .set(let elements):
            line("*", elements.count)
            for element in elements { append(element, to: &bytes) }
        case .map(let entries):
            line("*", 2 * entries.count)
            for entry in entries {
                append(entry.key, to: &bytes)
                append(entry.value, to: &bytes)
            }
        case let other:
            guard let text = other.stringBytes else { return line("$", -1) }
            line("$", text.count)
            bytes += text + [0x0D, 0x0A]
        }
    }
}
