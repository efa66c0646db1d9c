// Ranges of a sorted set: by score, or by member among members of one score.

import RespCodec

/// A range of scores, whose bounds are included or excluded.
struct ScoreRange {
    var minimum: Double
    var maximum: Double
    var excludesMinimum = false
    var excludesMaximum = false

    init(_ minimum: Double, _ maximum: Double, excludesMinimum: Bool = false, excludesMaximum: Bool = false) {
        self.minimum = minimum
        self.maximum = maximum
        self.excludesMinimum = excludesMinimum
        self.excludesMaximum = excludesMaximum
    }

    /// The range that two arguments give: a number each, after "(" if it is excluded.
    /// - Throws: a message, if one is not a number.
    init(_ minimum: ByteSlice, _ maximum: ByteSlice) throws(CommandError) {
        (self.minimum, excludesMinimum) = try Self.bound(minimum)
        (self.maximum, excludesMaximum) = try Self.bound(maximum)
    }

    private static func bound(_ text: ByteSlice) throws(CommandError) -> (Double, excluded: Bool) {
        let isExcluded = !text.isEmpty && text[0] == UInt8(ascii: "(")
        guard let value = FloatingPoint64.parseLeniently(isExcluded ? text.dropFirst(1) : text) else {
            throw .message("ERR min or max is not a float")
        }
        return (value, isExcluded)
    }

    /// Whether it contains no score.
    var isEmpty: Bool { minimum > maximum || minimum == maximum && (excludesMinimum || excludesMaximum) }
    func isBefore(_ score: Double) -> Bool { excludesMinimum ? minimum < score : minimum <= score }
    func isBehind(_ score: Double) -> Bool { excludesMaximum ? score < maximum : score <= maximum }
}

/// A range of members in the order of their bytes.
struct MemberRange {
    enum Bound {
        case lowest
        case highest
        case included(ByteSlice)
        case excluded(ByteSlice)
    }

    let minimum: Bound
    let maximum: Bound

    /// The range that two arguments give: "-", "+", or a member after "[" or, if it is excluded, "(".
    /// - Throws: a message, if one is none of these.
    init(_ minimum: ByteSlice, _ maximum: ByteSlice) throws(CommandError) {
        self.minimum = try Self.bound(minimum)
        self.maximum = try Self.bound(maximum)
    }

    private static func bound(_ text: ByteSlice) throws(CommandError) -> Bound {
        // As in C, a zero byte ends the text of "-" and "+".
        let isAlone = text.count == 1 || text.count > 1 && text[1] == 0
        switch text.isEmpty ? 0 : text[0] {
        case UInt8(ascii: "-") where isAlone: return .lowest
        case UInt8(ascii: "+") where isAlone: return .highest
        case UInt8(ascii: "["): return .included(text.dropFirst(1))
        case UInt8(ascii: "("): return .excluded(text.dropFirst(1))
        default: throw .message("ERR min or max not valid string range item")
        }
    }

    /// Whether it contains no member.
    var isEmpty: Bool {
        switch (minimum, maximum) {
        // The bounds "-" and "+" are excluded.
        case (.lowest, .lowest), (.highest, _), (_, .lowest): true
        case (.lowest, _), (_, .highest): false
        case (.included(let low), .included(let high)): high < low
        case (.included(let low), .excluded(let high)), (.excluded(let low), .included(let high)),
            (.excluded(let low), .excluded(let high)):
            !(low < high)
        }
    }

    /// Whether the range begins at `member` or before it.
    func isBefore(_ member: ByteSlice) -> Bool {
        switch minimum {
        case .lowest: true
        case .highest: false
        case .included(let low): !(member < low)
        case .excluded(let low): low < member
        }
    }

    /// Whether the range ends at `member` or after it.
    func isBehind(_ member: ByteSlice) -> Bool {
        switch maximum {
        case .lowest: false
        case .highest: true
        case .included(let high): !(high < member)
        case .excluded(let high): member < high
        }
    }
}
