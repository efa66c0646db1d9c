// One setting: its names, its values, where its value is stored, and how it is written.
//
// Every directive is one row of a table (`SettingTable`). A row parses words into a value, prints the value, and moves it
// between `SettingValue` and the typed property of `Settings`; reading files, CONFIG and rewriting a file use only rows.
// How a change is applied to the running server is not here: the server registers that with `Configuration.onChange`.

import RespCodec

/// What is special about a setting.
struct SettingFlags: OptionSet, Sendable {
    let rawValue: Int
    /// Fixed once the server runs.
    static let immutable = SettingFlags(rawValue: 1 << 0)
    /// Found only by its full name, not by a pattern.
    static let hidden = SettingFlags(rawValue: 1 << 1)
    /// The value is a secret, which logs, MONITOR and the like must not show.
    static let sensitive = SettingFlags(rawValue: 1 << 2)
    /// The value is several words.
    static let multiWord = SettingFlags(rawValue: 1 << 3)
    /// Can be changed only if `enable-protected-configs` allows it.
    static let protected = SettingFlags(rawValue: 1 << 4)
    /// Cannot be changed while a data set is being loaded.
    static let deniedWhileLoading = SettingFlags(rawValue: 1 << 5)
    /// Accepted, checked and returned, but without effect in this version.
    static let inert = SettingFlags(rawValue: 1 << 6)
    /// Names something outside (a file), so that setting it to the same value counts as a change.
    static let volatile = SettingFlags(rawValue: 1 << 7)
    /// Only values that need nothing from this version are accepted: a user would rely on the effect of any other, which would be
    /// missing.
    static let refused = SettingFlags(rawValue: 1 << 8)
    /// Though it is immutable, it may be set to the value that it has. Programs that set all that CONFIG GET shows know what they must leave
    /// out, but only of the settings of other servers.
    static let repeatable = SettingFlags(rawValue: 1 << 9)
    /// The engine is told of it (`EngineSettings`).
    static let engine = SettingFlags(rawValue: 1 << 10)
}

/// What a setting does in this version.
enum SettingEffect: Sendable {
    /// It has an effect.
    case acts
    /// It is checked, kept and returned, and has no effect.
    case inert
    /// Values that would have an effect are refused.
    case refused
}

/// How a number is written and bounded.
struct IntegerFormat: Sendable {
    enum Unit: Sendable {
        case number, memory, memoryOrPercent, octal
    }
    var range: ClosedRange<Int>
    var unit: Unit
    /// Whether the setting is unsigned in Redis: then numbers below zero, and sizes of 2^63 or more, have an error of their own.
    var isUnsigned = false
    /// Values inside `range` but outside of this become its nearest bound.
    var clamp: ClosedRange<Int>?
}

/// How a setting of its own kind is read and written.
struct SettingGrammar: Sendable {
    /// The value of `words`. `current` is the value so far; `accumulating` is whether an earlier line of the same
    /// configuration has set it.
    let parse:
        @Sendable (_ words: [[UInt8]], _ current: SettingValue, _ accumulating: Bool) throws(SettingError) ->
            SettingValue
    let text: @Sendable (SettingValue) -> String
    /// The lines of a configuration file that give the value; nil for one line with `text`.
    var lines: (@Sendable (SettingValue) -> [String])?
    /// Whether a further line adds to the value of earlier ones; an empty word begins anew.
    var accumulates = false
}

enum SettingKind: Sendable {
    case boolean
    case integer(IntegerFormat)
    case choice([String])
    /// First the word for the empty set, then a word for each bit, from the lowest.
    case flags([String])
    case text
    case bytes
    case own(SettingGrammar)
}

struct Setting: Sendable {
    let name: String
    /// A second name, older or shorter.
    let alias: String?
    let kind: SettingKind
    let flags: SettingFlags
    let load: @Sendable (Settings) -> SettingValue
    let store: @Sendable (inout Settings, SettingValue) -> Void
    /// A further check of the value: the text of the error, or nil if the value is accepted.
    let check: (@Sendable (SettingValue) -> String?)?
    /// For a setting without effect: the value that describes what the server always does, if there is one besides the
    /// default.
    private(set) var actualValue: SettingValue? = nil

    /// The same setting, with the value that describes what the server does whatever the setting is.
    func always(like actualValue: SettingValue) -> Setting {
        var copy = self
        copy.actualValue = actualValue
        return copy
    }

    var effect: SettingEffect {
        if flags.contains(.refused) { return .refused }
        return flags.contains(.inert) ? .inert : .acts
    }

    /// Whether the value in `settings` has no effect, and is neither the default nor what the server does anyway.
    func isWithoutEffect(in settings: Settings) -> Bool {
        guard effect == .inert else { return false }
        let value = load(settings)
        return value != actualValue && value != load(Settings())
    }

    /// The value in `settings` as CONFIG GET prints it.
    func text(in settings: Settings) -> [UInt8] { text(of: load(settings)) }

    func text(of value: SettingValue) -> [UInt8] {
        switch (kind, value) {
        case (.boolean, .boolean(let yes)): return Array((yes ? "yes" : "no").utf8)
        case (.integer(let format), .integer(let number)): return Array(numberText(number, format).utf8)
        case (.choice(let words), .choice(let index)): return Array(words[index].utf8)
        case (.flags(let words), .choice(let bits)): return Array(flagsText(bits, words).utf8)
        case (.text, .text(let text)): return Array(text.utf8)
        case (.bytes, .bytes(let bytes)): return bytes
        case (.own(let grammar), _): return Array(grammar.text(value).utf8)
        default: preconditionFailure("the value of \(name) is of another kind: \(value)")
        }
    }

    private func numberText(_ number: Int, _ format: IntegerFormat) -> String {
        switch format.unit {
        case .octal: String(number, radix: 8)
        case .memoryOrPercent where number < 0: "\(-number)%"
        default: "\(number)"
        }
    }

    private func flagsText(_ bits: Int, _ words: [String]) -> String {
        if bits == 0 { return words[0] }
        return (1..<words.count).filter { bits & 1 << ($0 - 1) != 0 }.map { words[$0] }.joined(separator: " ")
    }

    /// Parses `words` and stores the value in `settings`.
    ///
    /// - Parameter accumulating: Whether an earlier line of the same configuration has set this setting.
    /// - Throws: `SettingError` when the words are too many, of another kind or out of bounds; then `settings` has not
    ///   changed.
    func assign(_ words: [[UInt8]], to settings: inout Settings, accumulating: Bool = false) throws(SettingError) {
        let value = try parse(words, current: load(settings), accumulating: accumulating)
        if let objection = check?(value) { throw SettingError(objection) }
        store(&settings, value)
    }

    private func parse(
        _ words: [[UInt8]], current: SettingValue, accumulating: Bool
    ) throws(SettingError) -> SettingValue {
        if case .own(let grammar) = kind { return try grammar.parse(words, current, accumulating) }
        if case .flags(let names) = kind { return try parseFlags(words, names) }
        guard words.count == 1 else { throw SettingError("wrong number of arguments") }
        let word = words[0]
        switch kind {
        case .boolean:
            switch word.lowercasedText {
            case "yes": return .boolean(true)
            case "no": return .boolean(false)
            default: throw SettingError("argument must be 'yes' or 'no'")
            }
        case .integer(let format): return .integer(try parseNumber(word, format))
        case .choice(let names):
            guard let index = names.firstIndex(of: word.lowercasedText) else { throw Self.unknownWord(names) }
            return .choice(index)
        case .text:
            guard let text = String(validating: word, as: UTF8.self), !word.contains(0) else {
                throw SettingError("argument must be valid UTF-8 text")
            }
            return .text(text)
        case .bytes: return .bytes(word)
        case .flags, .own: preconditionFailure("handled above")
        }
    }

    private static func unknownWord(_ words: [String]) -> SettingError {
        SettingError("argument(s) must be one of the following: \(words.joined(separator: ", "))")
    }

    private func parseFlags(_ words: [[UInt8]], _ names: [String]) throws(SettingError) -> SettingValue {
        var bits = 0
        for word in words {
            guard let index = names.firstIndex(of: word.lowercasedText) else { throw Self.unknownWord(names) }
            if index > 0 { bits |= 1 << (index - 1) }
        }
        if words.isEmpty { throw Self.unknownWord(names) }
        return .choice(bits)
    }

    private func parseNumber(_ word: [UInt8], _ format: IntegerFormat) throws(SettingError) -> Int {
        let number: Int
        switch format.unit {
        case .number:
            guard let value = SettingNumber.integer(word) else {
                throw SettingError("argument couldn't be parsed into an integer")
            }
            number = value
        case .octal:
            guard let value = SettingNumber.octal(word) else {
                throw SettingError("argument couldn't be parsed as an octal number")
            }
            number = value
        case .memory, .memoryOrPercent:
            let tooManyPercent = SettingError(
                "percentage argument must be less or equal to \(-format.range.lowerBound)")
            if format.unit == .memoryOrPercent, let percent = SettingNumber.percentage(word) {
                guard percent <= -format.range.lowerBound else { throw tooManyPercent }
                return -percent
            }
            guard let bytes = SettingNumber.memory(word) else {
                let wanted = format.unit == .memoryOrPercent ? "memory or percent" : "memory"
                throw SettingError("argument must be a \(wanted) value")
            }
            guard bytes <= UInt64(Int.max) else {
                // As in Redis, which reads it as a percentage.
                if format.unit == .memoryOrPercent { throw tooManyPercent }
                throw format.isUnsigned ? Self.belowZero : outOfRange(format)
            }
            number = Int(bytes)
        }
        if format.isUnsigned && number < 0 { throw Self.belowZero }
        guard format.range.contains(number) else { throw outOfRange(format) }
        guard let clamp = format.clamp else { return number }
        return min(max(number, clamp.lowerBound), clamp.upperBound)
    }

    private static let belowZero = SettingError("argument must be greater or equal to 0")

    private func outOfRange(_ format: IntegerFormat) -> SettingError {
        let radix = format.unit == .octal ? 8 : 10
        let lower = String(format.range.lowerBound, radix: radix)
        let upper = String(format.range.upperBound, radix: radix)
        return SettingError("argument must be between \(lower) and \(upper) inclusive")
    }

    /// The lines that set the value in a configuration file.
    func fileLines(for value: SettingValue) -> [[UInt8]] {
        let prefix = Array("\(name) ".utf8)
        switch (kind, value) {
        case (.integer(let format), .integer(let number)) where format.unit != .number && format.unit != .octal:
            let text = number < 0 ? numberText(number, format) : SettingNumber.sizeText(number)
            return [prefix + Array(text.utf8)]
        case (.text, _), (.bytes, _): return [prefix + DirectiveSyntax.quoted(text(of: value))]
        case (.own(let grammar), _):
            let values = grammar.lines.map { $0(value) } ?? [grammar.text(value)]
            return values.map { prefix + Array(($0.isEmpty ? "\"\"" : $0).utf8) }
        default: return [prefix + text(of: value)]
        }
    }
}

extension [UInt8] {
    /// The bytes as text, ASCII letters in lower case; what is not UTF-8 is replaced.
    var lowercasedText: String { String(decoding: map(ByteSlice.lowercased), as: UTF8.self) }
}
