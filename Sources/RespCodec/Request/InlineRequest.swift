// Splitting a typed line into arguments, with the quoting rules of Redis.
//
// Words are parted by white space, and a NUL ends the line. "..." knows \n \r \t \b \a, \xHH and a backslash before anything else; '...' knows
// only \'. A closing quote must be followed by white space or the end. The line itself is never changed, so that it may be split
// again: the plain text of a word with quotes goes to memory of the list of arguments.

enum InlineRequest {
    /// Appends the words of `bytes[from..<to]` to `arguments`; false when a quote is not closed or runs into a word.
    @unsafe static func split(
        _ bytes: UnsafePointer<UInt8>, from: Int, to: Int, into arguments: ArgumentList
    ) -> Bool {
        var read = from
        while true {
            while read < to, isSpace(unsafe bytes[read]) { read += 1 }
            guard read < to, (unsafe bytes[read]) != 0 else { return true }
            let start = read
            while read < to, unsafe !endsPlainWord(bytes[read]) { read += 1 }
            if read < to, unsafe isQuote(bytes[read]) {
                var text = unsafe Text(arguments.makeText(capacity: to - start))
                for index in start..<read { unsafe text.append(bytes[index]) }
                guard unsafe readQuoted(bytes, from: &read, to: to, into: &text) else { return false }
                arguments.append(unsafe ArgumentPiece(offset: UnsafePointer(text.start) - bytes, count: text.count))
            } else {
                arguments.append(ArgumentPiece(offset: start, count: read - start))
            }
        }
    }

    /// The plain text of a word, which is never longer than the quoted one.
    @unsafe private struct Text {
        let start: UnsafeMutablePointer<UInt8>
        var count = 0

        init(_ start: UnsafeMutablePointer<UInt8>) { unsafe self.start = start }

        mutating func append(_ byte: UInt8) {
            unsafe start[count] = byte
            unsafe count += 1
        }
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

    private static func isQuote(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") }

    /// Vertical tab and form feed only count as space between words, as in Redis.
    private static func endsWord(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x20, 0x0A, 0x0D, 0x09, 0: true
        default: false
        }
    }

    private static func endsPlainWord(_ byte: UInt8) -> Bool { endsWord(byte) || isQuote(byte) }

    /// Reads the rest of a word from a quote on.
    private static func readQuoted(
        _ bytes: UnsafePointer<UInt8>, from read: inout Int, to: Int, into text: inout Text
    ) -> Bool {
        while read < to {
            let byte = unsafe bytes[read]
            if endsWord(byte) { return true }
            read += 1
            switch byte {
            case UInt8(ascii: "\""): return unsafe unquoteDouble(bytes, from: &read, to: to, into: &text)
            case UInt8(ascii: "'"): return unsafe unquoteSingle(bytes, from: &read, to: to, into: &text)
            default: unsafe text.append(byte)
            }
        }
        return true
    }

    /// Whether a closing quote may stand in front of `index`.
    private static func mayEnd(_ bytes: UnsafePointer<UInt8>, at index: Int, to: Int) -> Bool {
        guard index < to else { return true }
        return unsafe isSpace(bytes[index]) || bytes[index] == 0
    }

    private static func unquoteDouble(
        _ bytes: UnsafePointer<UInt8>, from read: inout Int, to: Int, into text: inout Text
    ) -> Bool {
        while read < to, (unsafe bytes[read]) != 0 {
            let byte = unsafe bytes[read]
            if byte == UInt8(ascii: "\"") {
                read += 1
                return unsafe mayEnd(bytes, at: read, to: to)
            }
            if byte == UInt8(ascii: "\\") && read + 3 < to && (unsafe bytes[read + 1]) == UInt8(ascii: "x"),
                let high = unsafe hexDigit(bytes[read + 2]), let low = unsafe hexDigit(bytes[read + 3])
            {
                unsafe text.append(high << 4 | low)
                read += 4
            } else if byte == UInt8(ascii: "\\") && read + 1 < to && (unsafe bytes[read + 1]) != 0 {
                unsafe text.append(escaped(bytes[read + 1]))
                read += 2
            } else {
                unsafe text.append(byte)
                read += 1
            }
        }
        return false
    }

    private static func unquoteSingle(
        _ bytes: UnsafePointer<UInt8>, from read: inout Int, to: Int, into text: inout Text
    ) -> Bool {
        while read < to, (unsafe bytes[read]) != 0 {
            let byte = unsafe bytes[read]
            if byte == UInt8(ascii: "'") {
                read += 1
                return unsafe mayEnd(bytes, at: read, to: to)
            }
            let isEscaped =
                byte == UInt8(ascii: "\\") && read + 1 < to && (unsafe bytes[read + 1]) == UInt8(ascii: "'")
            unsafe text.append(isEscaped ? UInt8(ascii: "'") : byte)
            read += isEscaped ? 2 : 1
        }
        return false
    }

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
