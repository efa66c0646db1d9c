// Hints and completions for a line, from what the server says about its commands.

import RespCodec
import TerminalKit

struct CommandGuide: Sendable {
    private let entries: [CommandHelp]
    private let byName: [Bytes: Int]

    /// Words that this program understands by itself, and what follows them.
    private static let ownWords = [
        ("help", "[COMMAND|@GROUP]"), ("connect", "HOST PORT"), ("clear", ""), ("quit", ""), ("exit", ""),
        (":set", "hints|nohints|pager|nopager|color|nocolor"),
    ]

    init(_ entries: [CommandHelp]) {
        self.entries = entries
        byName = Dictionary(entries.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
    }

    var isEmpty: Bool { entries.isEmpty }

    func entry(_ name: Bytes) -> CommandHelp? { byName[name].map { entries[$0] } }

    /// The entry of the words' command or subcommand, and how many words name it.
    private func find(_ words: [Bytes]) -> (entry: CommandHelp, count: Int)? {
        guard let first = words.first?.map(Text.uppercased) else { return nil }
        if words.count > 1, let found = entry(first + Bytes(" ".utf8) + words[1].map(Text.uppercased)) {
            return (found, 2)
        }
        return entry(first).map { ($0, 1) }
    }

    // MARK: hints

    /// What is still to be typed behind `line`; empty if nothing is known.
    ///
    /// - Parameter countsUnfinishedWord: whether a last word without white space behind it counts as typed. It always names the command.
    func hint(_ line: Bytes, countsUnfinishedWord: Bool = true) -> Bytes {
        guard let words = line.withByteSlice({ QuotedWords.split($0) }), !words.isEmpty else { return [] }
        let endsWithSpace = line.last.map(Text.isBlank) ?? false
        let space = endsWithSpace ? Bytes() : Bytes(" ".utf8)
        let text = words.withoutRepetition
        guard let first = text.first else { return [] }
        if let own = Self.ownWords.first(where: { Text.matches(first, $0.0) }) {
            return text.count == 1 && !own.1.isEmpty ? space + Bytes(own.1.utf8) : []
        }
        guard let (entry, count) = find(text) else { return [] }
        if count == 1 && !entry.subcommands.isEmpty {
            guard text.count == 1 || !endsWithSpace else { return [] }
            return text.count == 1
                ? space
                    + Bytes(entry.subcommands.sorted { $0.lexicographicallyPrecedes($1) }.joined(separator: "|".utf8))
                : []
        }
        if !countsUnfinishedWord {
            let typed = endsWithSpace ? text[count...] : text[count...].dropLast()
            return ArgumentSyntax.rest(of: entry.arguments, behind: typed)?.notation ?? []
        }
        var rest = ArgumentSyntax.rest(of: entry.arguments, behind: text[count...])
        // A word that is being typed may not fit yet.
        if rest == nil && !endsWithSpace && text.count > count {
            rest = ArgumentSyntax.rest(of: entry.arguments, behind: text[count...].dropLast())
        }
        guard let rest, !rest.notation.isEmpty else { return [] }
        return space + rest.notation
    }

    // MARK: completion

    /// What may stand in place of the word before `cursor`.
    func complete(_ text: Bytes, _ cursor: Int) -> LineEditor.Completion {
        let before = text[..<cursor]
        let start = before.lastIndex(where: Text.isBlank).map { $0 + 1 } ?? 0
        let prefix = Bytes(before[start...])
        var words = before[..<start].split(whereSeparator: Text.isBlank).map { Bytes($0) }
        if let first = words.first, Text.integer(first).isWhole { words.removeFirst() }
        let candidates = candidates(behind: words, prefix)
        let isLower = prefix.contains { $0 >= UInt8(ascii: "a") && $0 <= UInt8(ascii: "z") }
        var unique: [String] = []
        for candidate in candidates {
            let matches =
                candidate.count >= prefix.count
                && zip(candidate, prefix).allSatisfy { Text.lowercased($0) == Text.lowercased($1) }
            guard matches, !candidate.isEmpty else { continue }
            let word = Text.string(isLower ? candidate.map(Text.lowercased) : candidate)
            if !unique.contains(word) { unique.append(word) }
        }
        return LineEditor.Completion(range: start..<cursor, candidates: unique.sorted())
    }

    private func candidates(behind words: [Bytes], _ prefix: Bytes) -> [Bytes] {
        var commands: [Bytes] { entries.map(\.name).filter { !$0.contains(0x20) } }
        guard let first = words.first else {
            return commands + (prefix.isEmpty ? [] : Self.ownWords.map { Bytes($0.0.utf8) })
        }
        if Text.matches(first, "help") {
            if words.count == 1 { return commands + Set(entries.map(\.group)).map { Bytes("@".utf8) + $0 } }
            return words.count == 2 ? entry(words[1].map(Text.uppercased))?.subcommands ?? [] : []
        }
        if Text.matches(first, ":set") {
            return words.count == 1
                ? ["hints", "nohints", "pager", "nopager", "color", "nocolor"].map { Bytes($0.utf8) } : []
        }
        guard let (entry, count) = find(words) else { return [] }
        if count == 1 && words.count == 1 && !entry.subcommands.isEmpty { return entry.subcommands }
        return ArgumentSyntax.rest(of: entry.arguments, behind: words[count...])?.tokens ?? []
    }
}

extension [Bytes] {
    /// The words of a line without the number of repetitions before the command.
    fileprivate var withoutRepetition: [Bytes] {
        guard count > 1, let first, !first.isEmpty, Text.integer(first).isWhole else { return self }
        return Array(dropFirst())
    }
}
