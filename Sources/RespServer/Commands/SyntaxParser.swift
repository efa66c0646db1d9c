// The arguments of a command as COMMAND DOCS lists them, read from the text that describes them to people:
//
//     key value [NX | XX] [GET] [EX seconds | PX milliseconds | KEEPTTL]
//
// Words in capitals are tokens, typed as they are, and take the words behind them in the same brackets. [] is optional, <> groups,
// | separates choices, and [x ...] behind x says that x may be repeated.

struct SyntaxPart: Equatable {
    enum Kind: String {
        case string, integer, double, key, pattern, block
        case unixTime = "unix-time"
        case token = "pure-token"
        case oneOf = "oneof"
    }

    var name: String
    var type: Kind
    var token: String?
    var isOptional = false
    var isMultiple = false
    /// The token is repeated too.
    var repeatsToken = false
    var parts: [SyntaxPart] = []
    /// Of a key: which of the command's specs it is found by.
    var keySpec: Int?

    var flags: [String] {
        (isOptional ? ["optional"] : []) + (isMultiple ? ["multiple"] : []) + (repeatsToken ? ["multiple_token"] : [])
    }
}

struct SyntaxParser {
    private let words: [String]
    private var position = 0
    private let command: String

    static func arguments(of info: CommandInfo) -> [SyntaxPart] {
        guard !info.syntax.isEmpty else { return [] }
        var parser = SyntaxParser(info.syntax, command: info.name)
        let choices = parser.choices()
        var parts = choices.count == 1 ? choices[0] : [joined(choices)]
        var count = 0
        number(&parts, of: info.keys.count, &count)
        return parts
    }

    private init(_ syntax: String, command: String) {
        var words: [String] = []
        var word = ""
        func end() {
            if !word.isEmpty { words.append(word) }
            word = ""
        }
        for character in syntax {
            if "[]<>|".contains(character) {
                end()
                words.append(String(character))
            } else if character == " " {
                end()
            } else {
                word.append(character)
            }
        }
        end()
        self.words = words
        self.command = command
    }

    // MARK: reading

    /// Everything up to a closing bracket or the end, by choices.
    private mutating func choices() -> [[SyntaxPart]] {
        var found: [[SyntaxPart]] = []
        while true {
            found.append(sequence())
            guard position < words.count, words[position] == "|" else { return found }
            position += 1
        }
    }

    private mutating func sequence() -> [SyntaxPart] {
        var parts: [SyntaxPart] = []
        while position < words.count, !["]", ">", "|"].contains(words[position]) {
            let word = words[position]
            position += 1
            switch word {
            case "[":
                let start = position
                if let count = repetition(parts) {
                    Self.repeatLast(count, of: &parts)
                } else {
                    position = start
                    var part = Self.joined(choices())
                    part.isOptional = true
                    parts.append(part)
                }
                position += 1
            case "<":
                parts.append(Self.joined(choices()))
                position += 1
            case "...":
                // Without what it repeats in front of the brackets: any number, or none.
                if !parts.isEmpty { parts[parts.count - 1].isMultiple = true }
            default:
                parts.append(part(word))
            }
        }
        return Self.grouped(parts)
    }

    /// Whether the brackets hold just the parts before them and dots; then, how many these are.
    private mutating func repetition(_ before: [SyntaxPart]) -> Int? {
        var parts: [SyntaxPart] = []
        while position < words.count {
            let word = words[position]
            position += 1
            switch word {
            case "...":
                guard position < words.count, words[position] == "]", !parts.isEmpty, parts.count <= before.count,
                    Array(before.suffix(parts.count)) == parts
                else { return nil }
                return parts.count
            case "[":
                var part = Self.joined(choices())
                part.isOptional = true
                parts.append(part)
                position += 1
            case "<":
                parts.append(Self.joined(choices()))
                position += 1
            case "]", ">", "|":
                return nil
            default:
                parts.append(part(word))
            }
        }
        return nil
    }

    private static func repeatLast(_ count: Int, of parts: inout [SyntaxPart]) {
        let last = Array(parts.suffix(count))
        parts.removeLast(count)
        let hasToken = count > 1 && last[0].type == .token
        var part = count == 1 ? last[0] : hasToken ? joined([grouped(last)]) : block(last, "data")
        part.isMultiple = true
        part.repeatsToken = hasToken
        parts.append(part)
    }

    /// A token at the start takes what follows it.
    private static func grouped(_ parts: [SyntaxPart]) -> [SyntaxPart] {
        guard parts.count > 1, parts[0].type == .token, !parts[0].isOptional else { return parts }
        let operands = Array(parts.dropFirst())
        var part = operands.count == 1 && operands[0].token == nil ? operands[0] : block(operands, parts[0].name)
        part.token = parts[0].token
        return [part]
    }

    /// Choices as one part.
    private static func joined(_ choices: [[SyntaxPart]]) -> SyntaxPart {
        let singles = choices.map { $0.count == 1 ? $0[0] : block($0, "arguments") }
        if singles.count == 1 { return singles[0] }
        return SyntaxPart(name: "choice", type: .oneOf, parts: singles)
    }

    private static func block(_ parts: [SyntaxPart], _ name: String) -> SyntaxPart {
        SyntaxPart(name: name, type: .block, parts: parts)
    }

    // MARK: words

    private func part(_ word: String) -> SyntaxPart {
        let isSign = !word.contains { $0.isLetter || $0.isNumber }
        if isSign || word.contains(where: \.isUppercase) && !word.contains(where: \.isLowercase) {
            return SyntaxPart(name: word.lowercased(), type: .token, token: word)
        }
        return SyntaxPart(name: word, type: type(word))
    }

    private static let keys: Set = [
        "key", "key1", "key2", "newkey", "source", "destination", "destkey", "sourcekey", "dst", "src",
    ]
    private static let integers: Set = [
        "client-id", "timeout", "destination-db", "decrement", "seconds", "milliseconds", "start", "end", "protover",
        "frequency", "ttl",
        "increment", "numfields",
        "count", "cursor", "min-match-len", "version", "db", "index", "index1", "index2", "offset", "bit", "number",
        "limit", "numkeys", "exactly", "len", "num-matches", "rank", "stop",
        "entries-read", "entries-added", "weight",
    ]

    private static let doubles: Set = ["longitude", "latitude", "radius", "width", "height"]

    private func type(_ word: String) -> SyntaxPart.Kind {
        if word == "float" || (word == "increment" && command.hasSuffix("FLOAT")) { return .double }
        if word == "timeout" && command.hasPrefix("B") { return .double }
        if word == "score" { return .double }
        if word == "min" || word == "max" {
            return command.hasSuffix("BYSCORE") || command == "ZCOUNT" ? .double : .string
        }
        // Ranks, scores or members.
        if command == "ZRANGE" && (word == "start" || word == "stop") { return .string }
        if Self.keys.contains(word) { return .key }
        if Self.integers.contains(word) || word == "num-vertices" { return .integer }
        if Self.doubles.contains(word) { return .double }
        if word == "pattern" { return .pattern }
        return word.hasPrefix("unix-time") ? .unixTime : .string
    }

    /// Tells each key its spec: the first the first, and so on; those behind the last share it.
    private static func number(_ parts: inout [SyntaxPart], of specs: Int, _ count: inout Int) {
        for index in parts.indices {
            if parts[index].type == .key && specs > 0 {
                parts[index].keySpec = min(count, specs - 1)
                count += 1
            }
            number(&parts[index].parts, of: specs, &count)
        }
    }
}
