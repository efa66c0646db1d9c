// What a person prefers at the prompt: set by `:set` lines, typed or in the file ~/.respclirc.

import Glibc
import RespCodec

struct Preferences: Equatable {
    var showsHints = true
    var usesPager = true
    var usesColor = true

    /// Applies a line that begins with a colon. Returns what is wrong with it, or nil.
    mutating func apply(_ words: [Bytes]) -> String? {
        guard Text.matches(words[0], ":set") && words.count >= 2 else {
            return "unknown respcli internal command '\(Text.string(words[0]))'\n"
        }
        switch Text.string(words[1].map(Text.lowercased)) {
        case "hints": showsHints = true
        case "nohints": showsHints = false
        case "pager": usesPager = true
        case "nopager": usesPager = false
        case "color": usesColor = true
        case "nocolor": usesColor = false
        default: return "unknown respcli preference '\(Text.string(words[1]))'\n"
        }
        return nil
    }

    /// Applies the lines of a file. Returns what is wrong with them.
    mutating func load(_ path: Bytes) -> String {
        guard let contents = Session.contents(of: path) else { return "" }
        var problems = ""
        for line in contents.split(separator: 0x0A) {
            guard let words = Bytes(line).withByteSlice({ QuotedWords.split($0) }), !words.isEmpty else { continue }
            if let problem = apply(words) { problems += ".respclirc: " + problem }
        }
        return problems
    }

    /// The path of a file of the user: what the environment says, or one in the home directory; nil for none.
    static func path(variable: String, name: String) -> Bytes? {
        if let path = Text.environment(variable) {
            return path.isEmpty || path.elementsEqual("/dev/null".utf8) ? nil : path
        }
        guard let home = Text.environment("HOME"), !home.isEmpty else { return nil }
        return home + Bytes("/\(name)".utf8)
    }
}
