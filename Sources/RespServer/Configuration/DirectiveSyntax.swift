// The syntax of one line of a configuration file: words parted by white space, with quotes.
//
// "..." knows \n \r \t \b \a, \xHH and a backslash before anything else; '...' knows only \'. A closing quote must be
// followed by white space or the end of the line. A "#" starts a comment only where the line begins.

enum DirectiveSyntax {
    /// The words of `line`, or nil when a quote is not closed or runs into a word. A NUL byte ends the line.
    static func words(_ line: some Sequence<UInt8>) -> [[UInt8]]? {
        let line = Array(line)
        var words: [[UInt8]] = []
        var index = 0
        while true {
            while index < line.count, isSpace(line[index]) { index += 1 }
            guard index < line.count, line[index] != 0 else { return words }
            var word: [UInt8] = []
            scan: while index < line.count {
                let byte = line[index]
                switch byte {
                case UInt8(ascii: "\""), UInt8(ascii: "'"):
                    index += 1
                    let closed =
                        byte == UInt8(ascii: "\"")
                        ? unquoteDouble(line, &index, into: &word) : unquoteSingle(line, &index, into: &word)
                    guard closed, index == line.count || isSpace(line[index]) else { return nil }
                    break scan
                case 0x20, 0x0A, 0x0D, 0x09, 0: break scan
                default:
                    word.append(byte)
                    index += 1
                }
            }
            words.append(word)
        }
    }

    private static func unquoteDouble(_ line: [UInt8], _ index: inout Int, into word: inout [UInt8]) -> Bool {
        while index < line.count, line[index] != 0 {
            let byte = line[index]
            if byte == UInt8(ascii: "\"") {
                index += 1
                return true
            }
            if byte == UInt8(ascii: "\\"), index + 3 < line.count, line[index + 1] == UInt8(ascii: "x"),
                let high = hexDigit(line[index + 2]), let low = hexDigit(line[index + 3])
            {
                word.append(high << 4 | low)
                index += 4
            } else if byte == UInt8(ascii: "\\"), index + 1 < line.count, line[index + 1] != 0 {
                word.append(escaped(line[index + 1]))
                index += 2
            } else {
                word.append(byte)
                index += 1
            }
        }
        return false
    }

    private static func unquoteSingle(_ line: [UInt8], _ index: inout Int, into word: inout [UInt8]) -> Bool {
        while index < line.count, line[index] != 0 {
            let byte = line[index]
            if byte == UInt8(ascii: "'") {
                index += 1
                return true
            }
            if byte == UInt8(ascii: "\\"), index + 1 < line.count, line[index + 1] == UInt8(ascii: "'") { index += 1 }
            word.append(line[index])
            index += 1
        }
        return false
    }

    /// `text` between double quotes, so that `words` gives it back.
    static func quoted(_ text: [UInt8]) -> [UInt8] {
        var result: [UInt8] = [UInt8(ascii: "\"")]
        for byte in text {
            switch byte {
            case UInt8(ascii: "\\"), UInt8(ascii: "\""): result += [UInt8(ascii: "\\"), byte]
            case 0x0A: result += Array("\\n".utf8)
            case 0x0D: result += Array("\\r".utf8)
            case 0x09: result += Array("\\t".utf8)
            case 0x07: result += Array("\\a".utf8)
            case 0x08: result += Array("\\b".utf8)
            case 0x20...0x7E: result.append(byte)
            default:
                let digits = Array("0123456789abcdef".utf8)
                result += [UInt8(ascii: "\\"), UInt8(ascii: "x"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return result + [UInt8(ascii: "\"")]
    }

    /// `line` without white space at its ends.
    static func trimmed(_ line: some BidirectionalCollection<UInt8>) -> [UInt8] {
        let blanks: Set<UInt8> = [0x20, 0x09, 0x0D, 0x0A]
        let tail = line.reversed().drop { blanks.contains($0) }
        return Array(tail.reversed().drop { blanks.contains($0) })
    }

    static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

    private static func escaped(_ letter: UInt8) -> UInt8 {
        switch letter {
        case UInt8(ascii: "n"): 0x0A
        case UInt8(ascii: "r"): 0x0D
        case UInt8(ascii: "t"): 0x09
        case UInt8(ascii: "b"): 0x08
        case UInt8(ascii: "a"): 0x07
        default: letter
        }
    }

    private static func hexDigit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
