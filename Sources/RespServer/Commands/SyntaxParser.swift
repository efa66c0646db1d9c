// The arguments of a command as COMMAND DOCS lists them, parsed from the syntax in the command's declaration:
//
//     key value [NX | XX] [GET] [EX seconds | PX milliseconds | KEEPTTL]
//
// Words in capitals are tokens, typed as they are, and "" is the empty one. A token is the token of the words after it in the same brackets,
// unless it has brackets of its own. [] is optional, <> groups, | separates choices, and [x ...] after x means that x may be repeated. A name
// before a word or a group replaces its own: `unit=<M | KM>`, `change=CH`. After a word may follow its type and the number of its key spec:
// `min:double`, `destination#2`. A type is needed only if the word is not one of the usual words below and is no string. Last, after a word or the
// bracket that ends a group, may follow the version that brought it, and behind @- the version since which it is deprecated: `[NX | XX]@6.2.0`,
// `old-format=ip:port@-2.8.12`. Those of a token are those of what it is the token of: `[TYPE@6.0.0 type]`.

struct SyntaxPart: Equatable {
    enum Kind: String {
        case string, integer, double, key, pattern, block
        case unixTime = "unix-time"
        case token = "pure-token"
        case oneOf = "oneof"
    }

    var name: String
    /// The text to display, if it is not the name.
    var shown: String?
    var displayText: String { shown ?? name }
    var type: Kind
    var token: String?
    var isOptional = false
    var isMultiple = false
    /// Whether the token is repeated too.
    var repeatsToken = false
    var parts: [SyntaxPart] = []
    /// For a key: the index of its spec in the command's declaration.
    var keySpec: Int?
    /// The version that brought it, if that is not the command's.
    var since: String?
    var deprecatedSince: String?
    /// Whether it has brackets of its own.
    fileprivate var isBracketed = false

    var flags: [String] {
        (isOptional ? ["optional"] : []) + (isMultiple ? ["multiple"] : []) + (repeatsToken ? ["multiple_token"] : [])
    }
}

struct SyntaxParser {
    /// What makes a syntax unreadable: brackets that do not match, or what follows @ is no version, or belongs to nothing.
    struct Malformed: Error {
        let reason: String
    }

    private let words: [String]
    private var position = 0

    /// The arguments of a command, whose syntax was checked when its record was made (`CommandRecord`).
    static func arguments(of info: CommandInfo) -> [SyntaxPart] {
        do throws(Malformed) {
            var found = try parts(info.syntax)
            var count = 0
            assignKeySpecs(&found, of: info.keys.count, &count)
            return found
        } catch {
            preconditionFailure("syntax of \(info.name): \(error.reason)")
        }
    }

    /// What a syntax consists of, its keys without specs but where it tells them.
    /// - Throws: `Malformed`.
    static func parts(_ syntax: String) throws(Malformed) -> [SyntaxPart] {
        guard !syntax.isEmpty else { return [] }
        var parser = try SyntaxParser(syntax)
        let choices = try parser.choices()
        guard parser.position == parser.words.count else {
            throw Malformed(reason: "\(parser.words[parser.position]) ends nothing")
        }
        return choices.count == 1 ? choices[0] : [joined(choices)]
    }

    private init(_ syntax: String) throws(Malformed) {
        var words: [String] = []
        var word = ""
        var previous: Character = " "
        for character in syntax + " " {
            let isMark = "[]<>|".contains(character)
            if isMark || character == " " {
                if !word.isEmpty { words.append(word) }
                word = ""
                if isMark { words.append(String(character)) }
            } else {
                // The versions of a group are a word of their own, right behind its bracket.
                guard character != "@" || !" [<|".contains(previous) else {
                    throw Malformed(reason: "a version behind nothing")
                }
                word.append(character)
            }
            previous = character
        }
        self.words = words
    }

    // MARK: reading

    /// Everything up to a closing bracket or the end, split into choices.
    private mutating func choices() throws(Malformed) -> [[SyntaxPart]] {
        var found: [[SyntaxPart]] = []
        while true {
            found.append(try sequence())
            guard position < words.count, words[position] == "|" else { return found }
            position += 1
        }
    }

    private mutating func sequence() throws(Malformed) -> [SyntaxPart] {
        var parts: [SyntaxPart] = []
        while position < words.count, !["]", ">", "|"].contains(words[position]) {
            let word = words[position]
            position += 1
            let start = position
            if word == "[", let count = try repetition(parts) {
                Self.repeatLast(count, of: &parts)
                position += 1
            } else if word == "..." {
                // Not after what it repeats: any number, or none.
                if !parts.isEmpty { parts[parts.count - 1].isMultiple = true }
            } else {
                position = start
                parts.append(try element(word))
            }
        }
        return Self.grouped(parts)
    }

    /// The part that begins with `word`, or with a bracket, which has been consumed.
    private mutating func element(_ word: String) throws(Malformed) -> SyntaxPart {
        if let name = Self.groupName(word), position < words.count {
            position += 1
            var part = try element(words[position - 1])
            part.name = name
            return part
        }
        guard word == "[" || word == "<" else { return try Self.part(word) }
        var part = Self.joined(try choices())
        guard position < words.count, words[position] == (word == "[" ? "]" : ">") else {
            throw Malformed(reason: "\(word) without its end")
        }
        position += 1
        part.isOptional = part.isOptional || word == "["
        part.isBracketed = true
        if position < words.count, words[position].first == "@" {
            position += 1
            try Self.setVersions(
                of: &part, words[position - 1].split(separator: "@", omittingEmptySubsequences: false).dropFirst())
        }
        return part
    }

    /// - Parameter versions: what followed each @.
    private static func setVersions(of part: inout SyntaxPart, _ versions: ArraySlice<Substring>) throws(Malformed) {
        for version in versions {
            let isDeprecation = version.first == "-"
            let text = isDeprecation ? version.dropFirst() : version
            let numbers = text.split(separator: ".", omittingEmptySubsequences: false)
            guard numbers.count == 3, numbers.allSatisfy({ !$0.isEmpty && $0.allSatisfy { $0.isASCII && $0.isNumber } })
            else { throw Malformed(reason: "\(version) is no version") }
            let isKnown = isDeprecation ? part.deprecatedSince != nil : part.since != nil
            guard !isKnown else { throw Malformed(reason: "a second version of \(part.name)") }
            if isDeprecation { part.deprecatedSince = String(text) } else { part.since = String(text) }
        }
    }

    /// The name that a word such as `unit=` gives to the group after it.
    private static func groupName(_ word: String) -> String? {
        guard word.count > 1, word.firstIndex(of: "=") == word.index(before: word.endIndex) else { return nil }
        return String(word.dropLast())
    }

    /// How many of the last parts the brackets repeat; nil if they are no repetition.
    private mutating func repetition(_ before: [SyntaxPart]) throws(Malformed) -> Int? {
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
            case "]", ">", "|":
                return nil
            default:
                parts.append(try element(word))
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

    /// Makes a token at the start the token of what follows it.
    private static func grouped(_ parts: [SyntaxPart]) -> [SyntaxPart] {
        guard parts.count > 1, parts[0].type == .token, !parts[0].isBracketed else { return parts }
        let operands = Array(parts.dropFirst())
        var part = operands.count == 1 && operands[0].token == nil ? operands[0] : block(operands, parts[0].name)
        part.token = parts[0].token
        part.since = parts[0].since ?? part.since
        part.deprecatedSince = parts[0].deprecatedSince ?? part.deprecatedSince
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

    private static func part(_ word: String) throws(Malformed) -> SyntaxPart {
        let pieces = word.split(separator: "@", omittingEmptySubsequences: false)
        var part = unversionedPart(String(pieces[0]))
        guard part.token != "" || pieces[0].hasSuffix("\"\""), pieces[0] != "..." else {
            throw Malformed(reason: "\(word) names nothing")
        }
        try setVersions(of: &part, pieces.dropFirst())
        return part
    }

    private static func unversionedPart(_ word: String) -> SyntaxPart {
        var text = word
        var keySpec: Int?
        if let mark = text.lastIndex(of: "#"), let spec = Int(text[text.index(after: mark)...]) {
            keySpec = spec
            text = String(text[..<mark])
        }
        var type: SyntaxPart.Kind?
        if let mark = text.lastIndex(of: ":"),
            let kind = SyntaxPart.Kind(rawValue: String(text[text.index(after: mark)...]))
        {
            type = kind
            text = String(text[..<mark])
        }
        var name: String?
        if let mark = text.firstIndex(of: "="), mark > text.startIndex {
            name = String(text[..<mark])
            text = String(text[text.index(after: mark)...])
        }
        // Nothing in quotes is typed as nothing.
        if text == "\"\"" { return SyntaxPart(name: name ?? text, type: .token, token: "") }
        let isSign = !text.contains { $0.isLetter || $0.isNumber }
        if isSign || text.contains(where: \.isUppercase) && !text.contains(where: \.isLowercase) {
            return SyntaxPart(name: name ?? text.lowercased(), type: .token, token: text)
        }
        return SyntaxPart(
            name: name ?? text, shown: name == nil ? nil : text, type: type ?? Self.type(text), keySpec: keySpec)
    }

    /// Words that are keys.
    private static let keys: Set = [
        "key", "key1", "key2", "newkey", "source", "destination", "destkey", "sourcekey", "dst", "src",
    ]
    /// Words that are integers.
    private static let integers: Set = [
        "client-id", "timeout", "destination-db", "decrement", "seconds", "milliseconds", "start", "end", "protover",
        "frequency", "ttl",
        "increment", "numfields",
        "count", "cursor", "min-match-len", "version", "db", "index", "index1", "index2", "offset", "bit", "number",
        "limit", "numkeys", "exactly", "len", "num-matches", "rank", "stop",
        "entries-read", "entries-added", "weight", "numids", "maxage", "num-vertices",
    ]

    /// Words that are floating-point numbers.
    private static let doubles: Set = ["longitude", "latitude", "radius", "width", "height", "float", "score"]

    private static func type(_ word: String) -> SyntaxPart.Kind {
        if keys.contains(word) { return .key }
        if integers.contains(word) { return .integer }
        if doubles.contains(word) { return .double }
        if word == "pattern" { return .pattern }
        return word.hasPrefix("unix-time") ? .unixTime : .string
    }

    /// Assigns specs to keys in order; keys after the last spec share it.
    private static func assignKeySpecs(_ parts: inout [SyntaxPart], of specs: Int, _ count: inout Int) {
        for index in parts.indices {
            if parts[index].type == .key && parts[index].keySpec == nil && specs > 0 {
                parts[index].keySpec = min(count, specs - 1)
                count += 1
            }
            assignKeySpecs(&parts[index].parts, of: specs, &count)
        }
    }
}
