// Splitting a typed line into arguments, with the quoting rules of Redis.
//
// Words are parted by white space. "..." knows \n \r \t \b \a, \xHH and a backslash before anything else; '...' knows only \'.
// A closing quote must be followed by white space or the end. The plain text is written over the quoted one, in place.

enum InlineRequest {
    /// Appends the words of `bytes[from..<to]` to `arguments`; false when a quote is not closed or runs into a word.
    @unsafe static func split(
        _ bytes: UnsafeMutablePointer<UInt8>, from: Int, to: Int, into arguments: ArgumentList
    ) -> Bool {
        var read = from
        while true {
            while read < to, isSpace(unsafe bytes[read]) { read += 1 }
            guard read < to else { return true }
            let start = read
            var write = read
            word: while read < to {
                let byte = unsafe bytes[read]
                switch byte {
                case UInt8(ascii: "\""):
                    read += 1
                    guard unsafe unquoteDouble(bytes, read: &read, write: &write, to: to) else { return false }
                    break word
                case UInt8(ascii: "'"):
                    read += 1
                    guard unsafe unquoteSingle(bytes, read: &read, write: &write, to: to) else { return false }
                    break word
                case 0x20, 0x0A, 0x0D, 0x09, 0:
                    break word
                default:
                    unsafe bytes[write] = byte
                    write += 1
                    read += 1
                }
            }
            arguments.append(ArgumentPiece(offset: start, count: write - start))
            if read < to && (unsafe bytes[read]) == 0 { return true }
        }
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

    private static func endsWord(_ bytes: UnsafeMutablePointer<UInt8>, at index: Int, to: Int) -> Bool {
        guard index < to else { return true }
        return isSpace(unsafe bytes[index])
    }

    private static func unquoteDouble(
        _ bytes: UnsafeMutablePointer<UInt8>, read: inout Int, write: inout Int, to: Int
    ) -> Bool {
        while read < to {
            var byte = unsafe bytes[read]
            if byte == UInt8(ascii: "\"") {
                read += 1
                return unsafe endsWord(bytes, at: read, to: to)
            }
            if byte == UInt8(ascii: "\\") && read + 3 < to && (unsafe bytes[read + 1]) == UInt8(ascii: "x"),
                let high = unsafe hexDigit(bytes[read + 2]), let low = unsafe hexDigit(bytes[read + 3])
            {
                byte = high << 4 | low
                read += 4
            } else if byte == UInt8(ascii: "\\") && read + 1 < to {
                byte = escaped(unsafe bytes[read + 1])
                read += 2
            } else {
                read += 1
            }
            unsafe bytes[write] = byte
            write += 1
        }
        return false
    }

    private static func unquoteSingle(
        _ bytes: UnsafeMutablePointer<UInt8>, read: inout Int, write: inout Int, to: Int
    ) -> Bool {
        while read < to {
            var byte = unsafe bytes[read]
            if byte == UInt8(ascii: "'") {
                read += 1
                return unsafe endsWord(bytes, at: read, to: to)
            }
            if byte == UInt8(ascii: "\\") && read + 1 < to && (unsafe bytes[read + 1]) == UInt8(ascii: "'") {
                byte = UInt8(ascii: "'")
                read += 1
            }
            read += 1
            unsafe bytes[write] = byte
            write += 1
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
