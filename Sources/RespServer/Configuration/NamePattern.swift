// Glob patterns over the names of settings, without regard to case: * ? [abc] [^a-z] and a backslash.
//
// A bracket that is never closed reaches to the end of the pattern, as in Redis. Names are short and few, so the plain
// backtracking over `*` is enough; a pattern longer than any name can still not take long, because once the text after
// one star fits nowhere, no earlier star needs to move.

import RespCodec

struct NamePattern {
    private let pattern: [UInt8]

    init(_ pattern: [UInt8]) { self.pattern = pattern }

    /// Whether `text` holds a character that makes it a pattern rather than a name.
    static func isPattern(_ text: [UInt8]) -> Bool { text.contains { "*?[".utf8.contains($0) } }

    func matches(_ name: [UInt8]) -> Bool {
        var position = 0
        var index = 0
        // Where to go on after a mismatch: behind the last star, with it taking one more byte.
        var star: (position: Int, index: Int)?
        while true {
            if position < pattern.count, pattern[position] == UInt8(ascii: "*") {
                position += 1
                star = (position, index)
                continue
            }
            if index == name.count {
                if position == pattern.count { return true }
            } else if let next = step(over: name[index], at: position) {
                position = next
                index += 1
                continue
            }
            guard let last = star, last.index < name.count else { return false }
            star = (last.position, last.index + 1)
            position = last.position
            index = last.index + 1
        }
    }

    /// Where the pattern goes on if what stands at `position` takes `byte`, else nil.
    private func step(over byte: UInt8, at position: Int) -> Int? {
        guard position < pattern.count else { return nil }
        switch pattern[position] {
        case UInt8(ascii: "?"): return position + 1
        case UInt8(ascii: "["): return stepOverClass(byte, at: position + 1)
        case UInt8(ascii: "\\") where position + 1 < pattern.count:
            return same(pattern[position + 1], byte) ? position + 2 : nil
        default: return same(pattern[position], byte) ? position + 1 : nil
        }
    }

    private func stepOverClass(_ byte: UInt8, at start: Int) -> Int? {
        var position = start
        let inverted = position < pattern.count && pattern[position] == UInt8(ascii: "^")
        if inverted { position += 1 }
        var found = false
        while position < pattern.count, pattern[position] != UInt8(ascii: "]") {
            if pattern[position] == UInt8(ascii: "\\"), position + 1 < pattern.count {
                if pattern[position + 1] == byte { found = true }
                position += 2
            } else if position + 2 < pattern.count, pattern[position + 1] == UInt8(ascii: "-") {
                let bounds = [pattern[position], pattern[position + 2]].sorted().map(ByteSlice.lowercased)
                let letter = ByteSlice.lowercased(byte)
                if letter >= bounds[0] && letter <= bounds[1] { found = true }
                position += 3
            } else {
                if same(pattern[position], byte) { found = true }
                position += 1
            }
        }
        guard found != inverted else { return nil }
        return min(position + 1, pattern.count)
    }

    private func same(_ left: UInt8, _ right: UInt8) -> Bool {
        ByteSlice.lowercased(left) == ByteSlice.lowercased(right)
    }
}
