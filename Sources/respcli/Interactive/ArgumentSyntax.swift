// The syntax of a command's arguments, as COMMAND DOCS gives it; its notation; and which part of it is still to be typed behind some words.
//
// Words are matched from left to right: what must be there in order, and options in any order where they stand next to each other. A
// word that fits nothing ends the matching, and then there is nothing more to say.

import RespCodec

struct ArgumentSyntax: Equatable, Sendable {
    enum Kind: Equatable, Sendable {
        case text
        /// A whole number, or one with a fraction.
        case number(isWhole: Bool)
        /// Only the token.
        case token
        case choice([ArgumentSyntax])
        case block([ArgumentSyntax])
    }

    var name: Bytes
    var kind: Kind
    /// The word before the value, such as EX.
    var token: Bytes?
    var isOptional = false
    var isRepeated = false
    /// Whether the token stands before each repetition.
    var repeatsToken = false

    // MARK: notation

    /// "[EX seconds]" and the like.
    var notation: Bytes {
        let body = self.body
        var prefix = token.map(Self.visible) ?? []
        if token != nil && kind != .token { prefix += " ".utf8 }
        var text = prefix + body
        if isRepeated {
            text += Bytes(" [".utf8) + (repeatsToken ? prefix + body : body) + Bytes(" ...]".utf8)
        }
        return isOptional ? Bytes("[".utf8) + text + Bytes("]".utf8) : text
    }

    private var body: Bytes {
        switch kind {
        case .choice(let inner): Self.notation(of: inner, separator: "|")
        case .block(let inner): Self.notation(of: inner, separator: " ")
        case .token: []
        case .text, .number: Self.visible(name)
        }
    }

    /// What stands behind the token and the first value, for further ones: "[value ...]".
    private var repetition: Bytes {
        let prefix = token.map { Self.visible($0) + Bytes(" ".utf8) } ?? []
        return Bytes("[".utf8) + (repeatsToken ? prefix : []) + body + Bytes(" ...]".utf8)
    }

    static func notation(of arguments: [ArgumentSyntax], separator: String) -> Bytes {
        Bytes(arguments.map(\.notation).joined(separator: separator.utf8))
    }

    private static func visible(_ text: Bytes) -> Bytes { text.isEmpty ? Bytes("\"\"".utf8) : text }

    // MARK: what is left

    /// What a match took, and what of it is not complete.
    private struct Match {
        var count = 0
        var rest: [Bytes] = []
        /// Tokens that could come next.
        var tokens: [Bytes] = []
    }

    /// What is still to be typed behind `words`.
    struct Rest: Equatable {
        var notation: Bytes = []
        /// Tokens that may come next.
        var tokens: [Bytes] = []
    }

    /// What may follow `words`; nil if they do not fit the arguments.
    static func rest(of arguments: [ArgumentSyntax], behind words: ArraySlice<Bytes>) -> Rest? {
        let match = match(arguments, words)
        guard match.count == words.count else { return nil }
        return Rest(notation: Bytes(match.rest.joined(separator: " ".utf8)), tokens: match.tokens)
    }

    private static func match(_ arguments: [ArgumentSyntax], _ words: ArraySlice<Bytes>) -> Match {
        var result = Match()
        var index = 0
        while index < arguments.count {
            // Options that stand together come in any order.
            var options = arguments[index...].prefix { $0.isOptional }.map { $0 }
            index += options.count
            var isOpen = false
            while !options.isEmpty && !isOpen && result.count < words.count {
                let rest = words.dropFirst(result.count)
                let matches = options.map { $0.match(rest) }
                guard let best = bestMatch(options, matches) else { break }
                result.count += matches[best].count
                if result.count == words.count {
                    result.rest += matches[best].rest
                    result.tokens += matches[best].tokens
                    // A value that is missing must be typed before anything else.
                    isOpen = options[best].isIncomplete(matches[best])
                }
                options.remove(at: best)
            }
            if result.count == words.count {
                result.rest += options.map(\.notation)
                if !isOpen { result.tokens += options.flatMap(\.firstTokens) }
                if isOpen {
                    result.rest += arguments[index...].map(\.notation)
                    return result
                }
            }
            guard index < arguments.count else { break }
            let argument = arguments[index]
            index += 1
            if result.count == words.count {
                result.rest.append(argument.notation)
                result.tokens += argument.firstTokens
                result.rest += arguments[index...].map(\.notation)
                return result
            }
            let match = argument.match(words.dropFirst(result.count))
            // A word that does not fit.
            guard match.count > 0 else { return result }
            result.count += match.count
            if result.count == words.count {
                result.rest += match.rest
                result.tokens += match.tokens
                if argument.isIncomplete(match) {
                    result.rest += arguments[index...].map(\.notation)
                    return result
                }
            }
        }
        return result
    }

    /// The option that took the most words; of several, one that its token names.
    private static func bestMatch(_ options: [ArgumentSyntax], _ matches: [Match]) -> Int? {
        options.indices.filter { matches[$0].count > 0 }.max { left, right in
            let isLeftNamed = !options[left].firstTokens.isEmpty
            let isRightNamed = !options[right].firstTokens.isEmpty
            if isLeftNamed != isRightNamed { return isRightNamed }
            return matches[left].count < matches[right].count
        }
    }

    /// Whether `match` lacks something that is not optional.
    private func isIncomplete(_ match: Match) -> Bool { match.rest.contains { $0.first != UInt8(ascii: "[") } }

    /// Tokens that this may begin with.
    private var firstTokens: [Bytes] {
        if let token { return [token] }
        switch kind {
        case .choice(let inner): return inner.flatMap(\.firstTokens)
        case .block(let inner): return inner.first?.firstTokens ?? []
        default: return []
        }
    }

    private func match(_ words: ArraySlice<Bytes>) -> Match {
        var result = Match()
        if let token {
            guard let first = words.first, first.count == token.count,
                zip(first, token).allSatisfy({ Text.lowercased($0) == Text.lowercased($1) })
            else { return result }
            result.count = 1
            if kind == .token { return repeated(result, words) }
        }
        let value = matchValue(words.dropFirst(result.count))
        if value.count == 0 {
            guard token != nil, words.count == 1 else { return token == nil ? Match() : Match(count: 1) }
            result.rest = isRepeated ? [body, repetition] : [body]
            result.tokens = innerTokens
            return result
        }
        result.count += value.count
        result.rest = value.rest
        result.tokens = value.tokens
        return repeated(result, words)
    }

    private var innerTokens: [Bytes] {
        switch kind {
        case .choice(let inner): inner.flatMap(\.firstTokens)
        case .block(let inner): inner.first?.firstTokens ?? []
        default: []
        }
    }

    /// Takes further repetitions behind a complete one.
    private func repeated(_ first: Match, _ words: ArraySlice<Bytes>) -> Match {
        guard isRepeated else { return first }
        var result = first
        if !first.rest.isEmpty {
            result.rest.append(repetition)
            return result
        }
        while result.count < words.count {
            var single = self
            single.isRepeated = false
            if !repeatsToken { single.token = nil }
            let next = single.match(words.dropFirst(result.count))
            guard next.count > 0 else { return result }
            result.count += next.count
            if !next.rest.isEmpty {
                result.rest = next.rest + [repetition]
                result.tokens = next.tokens
                return result
            }
        }
        result.rest = [repetition]
        if repeatsToken, let token { result.tokens = [token] }
        return result
    }

    private func matchValue(_ words: ArraySlice<Bytes>) -> Match {
        guard let first = words.first else { return Match() }
        switch kind {
        case .text: return Match(count: 1)
        case .token: return Match()
        case .number(let isWhole):
            let isNumber = isWhole ? Text.integer(first).isWhole && !first.isEmpty : Text.double(first).isWhole
            return Match(count: isNumber ? 1 : 0)
        case .choice(let inner):
            let matches = inner.map { $0.match(words) }
            return Self.bestMatch(inner, matches).map { matches[$0] } ?? Match()
        case .block(let inner): return Self.match(inner, words)
        }
    }
}
