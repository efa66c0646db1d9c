// Patterns as KEYS, SCAN and PSUBSCRIBE take them: * ? [abc] [^a-z] and a backslash before a byte that stands for itself. A bracket that
// is never closed reaches to the end of the pattern.
//
// Source: Redis 7.4, util.c, stringmatchlen.

import RespCodec

public enum GlobPattern {
    /// Stars beyond this many, runs of them counted once, fit nothing: Redis's guard against abusive patterns.
    private static let mostStars = 1000

    /// Whether the whole of `text` fits `pattern`.
    /// - Complexity: O(pattern * text) at worst: only the newest star is ever tried again.
    public static func matches(_ pattern: ByteSlice, _ text: ByteSlice, ignoringCase: Bool = false) -> Bool {
        // Stars match nothing as well as anything, but Redis does not look at the pattern when there is no text.
        if text.isEmpty { return pattern.isEmpty }
        var place = 0
        var index = 0
        var starPlace: Int?
        var starIndex = 0
        var stars = 0
        while index < text.count {
            if place < pattern.count && pattern[place] == UInt8(ascii: "*") {
                while place + 1 < pattern.count && pattern[place + 1] == UInt8(ascii: "*") { place += 1 }
                if place + 1 == pattern.count { return true }
                stars += 1
                if stars > mostStars { return false }
                starPlace = place + 1
                starIndex = index
                place += 1
                continue
            }
            if place < pattern.count {
                let (fits, next) = matchesOne(pattern, place, text[index], ignoringCase)
                if fits {
                    place = next
                    index += 1
                    continue
                }
            }
            guard let star = starPlace else { return false }
            starIndex += 1
            place = star
            index = starIndex
        }
        while place < pattern.count && pattern[place] == UInt8(ascii: "*") { place += 1 }
        return place == pattern.count
    }

    /// The text with which everything begins that fits a pattern: what stands in front of its first special character, backslashes
    /// before others taken away.
    public static func literalBeginning(_ pattern: ByteSlice) -> [UInt8] {
        var beginning: [UInt8] = []
        var place = 0
        while place < pattern.count {
            switch pattern[place] {
            case UInt8(ascii: "*"), UInt8(ascii: "?"), UInt8(ascii: "["): return beginning
            case UInt8(ascii: "\\") where place + 1 < pattern.count: place += 1
            default: break
            }
            beginning.append(pattern[place])
            place += 1
        }
        return beginning
    }

    /// Whether `byte` fits the piece of the pattern at `place`, and where the next piece begins.
    private static func matchesOne(
        _ pattern: ByteSlice, _ place: Int, _ byte: UInt8, _ ignoringCase: Bool
    ) -> (Bool, Int) {
        func same(_ left: UInt8, _ right: UInt8) -> Bool {
            ignoringCase ? ByteSlice.lowercased(left) == ByteSlice.lowercased(right) : left == right
        }
        switch pattern[place] {
        case UInt8(ascii: "?"):
            return (true, place + 1)
        case UInt8(ascii: "["):
            return matchesSet(pattern, place + 1, byte, ignoringCase)
        case UInt8(ascii: "\\") where place + 1 < pattern.count:
            return (same(pattern[place + 1], byte), place + 2)
        default:
            return (same(pattern[place], byte), place + 1)
        }
    }

    private static func matchesSet(
        _ pattern: ByteSlice, _ start: Int, _ byte: UInt8, _ ignoringCase: Bool
    ) -> (Bool, Int) {
        func folded(_ byte: UInt8) -> UInt8 { ignoringCase ? ByteSlice.lowercased(byte) : byte }
        var place = start
        let negated = place < pattern.count && pattern[place] == UInt8(ascii: "^")
        if negated { place += 1 }
        var found = false
        while place < pattern.count && pattern[place] != UInt8(ascii: "]") {
            if pattern[place] == UInt8(ascii: "\\") && place + 1 < pattern.count {
                place += 1
                if pattern[place] == byte { found = true }
            } else if place + 2 < pattern.count && pattern[place + 1] == UInt8(ascii: "-") {
                // As in Redis the bounds are put in order as signed bytes, and before letter case is ignored: [Z-a] then holds nothing.
                let (first, last) = (pattern[place], pattern[place + 2])
                let isAscending = Int8(bitPattern: first) <= Int8(bitPattern: last)
                let low = Int8(bitPattern: folded(isAscending ? first : last))
                let high = Int8(bitPattern: folded(isAscending ? last : first))
                let value = Int8(bitPattern: folded(byte))
                if low <= value && value <= high { found = true }
                place += 2
            } else if folded(pattern[place]) == folded(byte) {
                found = true
            }
            place += 1
        }
        return (found != negated, min(place + 1, pattern.count))
    }
}
