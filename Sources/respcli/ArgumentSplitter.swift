// A typed line into arguments, by the quoting rules of the field's command lines:
//
//     plain        up to a space, tab, CR or LF; quotes may begin in the middle of a word
//     "double"     \n \r \t \a \b, \xHH for any byte, \ before anything else stands for that
//     'single'     only \' is special
//
// A closing quote ends the argument and must be followed by a blank or the end.

enum ArgumentSplitter {
    /// The arguments of `line`, perhaps none; or nil if its quotes do not balance. A zero byte ends the line.
    ///
    /// - Complexity: O(length)
    static func split(_ line: Bytes) -> [Bytes]? {
        var arguments: [Bytes] = []
        let end = line.firstIndex(of: 0) ?? line.count
        var index = 0
        while true {
            while index < end && Text.isBlank(line[index]) { index += 1 }
            if index == end { return arguments }
            guard let argument = takeArgument(line[..<end], &index) else { return nil }
            arguments.append(argument)
        }
    }

    /// The one argument that `text` is when quotes in it are honoured; nil if they do not balance or it is not exactly
    /// one.
    static func unquote(_ text: Bytes) -> Bytes? {
        guard let arguments = split(text), arguments.count == 1 else { return nil }
        return arguments[0]
    }

    private static func takeArgument(_ line: ArraySlice<UInt8>, _ index: inout Int) -> Bytes? {
        var argument: Bytes = []
        while index < line.endIndex {
            let byte = line[index]
            index += 1
            switch byte {
            case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"), UInt8(ascii: "\n"):
                return argument
            case UInt8(ascii: "\""):
                return takeDoubleQuoted(line, &index, &argument) ? argument : nil
            case UInt8(ascii: "'"):
                return takeSingleQuoted(line, &index, &argument) ? argument : nil
            default:
                argument.append(byte)
            }
        }
        return argument
    }

    private static func takeDoubleQuoted(_ line: ArraySlice<UInt8>, _ index: inout Int, _ argument: inout Bytes) -> Bool
    {
        while index < line.endIndex {
            let byte = line[index]
            index += 1
            if byte == UInt8(ascii: "\"") { return isSeparated(line, index) }
            guard byte == UInt8(ascii: "\\") && index < line.endIndex else {
                argument.append(byte)
                continue
            }
            if line[index] == UInt8(ascii: "x") && index + 2 < line.endIndex,
                let high = Text.hexadecimalDigit(line[index + 1]), let low = Text.hexadecimalDigit(line[index + 2])
            {
                argument.append(high << 4 | low)
                index += 3
                continue
            }
            switch line[index] {
            case UInt8(ascii: "n"): argument.append(0x0A)
            case UInt8(ascii: "r"): argument.append(0x0D)
            case UInt8(ascii: "t"): argument.append(0x09)
            case UInt8(ascii: "b"): argument.append(0x08)
            case UInt8(ascii: "a"): argument.append(0x07)
            default: argument.append(line[index])
            }
            index += 1
        }
        return false
    }

    private static func takeSingleQuoted(_ line: ArraySlice<UInt8>, _ index: inout Int, _ argument: inout Bytes) -> Bool
    {
        while index < line.endIndex {
            let byte = line[index]
            index += 1
            if byte == UInt8(ascii: "'") { return isSeparated(line, index) }
            if byte == UInt8(ascii: "\\") && index < line.endIndex && line[index] == UInt8(ascii: "'") {
                argument.append(UInt8(ascii: "'"))
                index += 1
            } else {
                argument.append(byte)
            }
        }
        return false
    }

    private static func isSeparated(_ line: ArraySlice<UInt8>, _ index: Int) -> Bool {
        index == line.endIndex || Text.isBlank(line[index])
    }
}
