// A line of words with the quoting rules of Redis: inline requests, lines of a configuration file, and what is typed at a prompt.
//
//     plain        up to a space, tab, CR or LF; a quote may begin in the middle of a word and ends it
//     "double"     \n \r \t \b \a, \xHH for any byte, \ in front of any other byte stands for that byte
//     'single'     only \' is special
//
// A closing quote must be followed by white space or the end. A zero byte ends the line. The line itself is never changed, so that it can
// be split again: the text of a quoted word is written to memory of the list of arguments.

public enum QuotedWords {
    /// The words of a line, perhaps none; nil when a quote is not closed or runs into a word.
    /// - Complexity: O(bytes).
    public static func split(_ line: ByteSlice) -> [[UInt8]]? {
        let words = ArgumentList(capacity: 16)
        defer { unsafe words.deallocate() }
        let base = unsafe line.rawBytes.baseAddress!
        guard unsafe split(base.assumingMemoryBound(to: UInt8.self), from: 0, to: line.count, into: words) else {
            return nil
        }
        return unsafe words.view(0..<words.count, base: base).owned
    }

    /// Appends the words of `bytes[from..<to]` to `words`; false when a quote is not closed or runs into a word.
    /// - Complexity: O(bytes), in memory too.
    @unsafe static func split(
        _ bytes: UnsafePointer<UInt8>, from: Int, to: Int, into words: ArgumentList
    ) -> Bool {
        var read = from
        var text: Text?
        while true {
            while read < to, isSpace(unsafe bytes[read]) { read += 1 }
            guard read < to, (unsafe bytes[read]) != 0 else { return true }
            let start = read
            while read < to, unsafe !endsPlainWord(bytes[read]) { read += 1 }
            if read < to, unsafe isQuote(bytes[read]) {
                // One block takes the text of all quoted words of the line, none of which gets longer.
                var word = unsafe text ?? Text(words.makeText(capacity: to - start))
                for index in start..<read { unsafe word.append(bytes[index]) }
                guard unsafe readQuoted(bytes, from: &read, to: to, into: &word) else { return false }
                words.append(unsafe ArgumentPiece(offset: UnsafePointer(word.start) - bytes, count: word.count))
                unsafe text = Text(word.start + word.count)
            } else {
                words.append(ArgumentPiece(offset: start, count: read - start))
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
    @unsafe private static func readQuoted(
        _ bytes: UnsafePointer<UInt8>, from read: inout Int, to: Int, into text: inout Text
    ) -> Bool {
        let quote = unsafe bytes[read]
        read += 1
        return quote == UInt8(ascii: "\"")
            ? unsafe unquoteDouble(bytes, from: &read, to: to, into: &text)
            : unsafe unquoteSingle(bytes, from: &read, to: to, into: &text)
    }

    /// Whether a closing quote may precede `index`.
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
                let named = unsafe Hexadecimal.byte(bytes[read + 2], bytes[read + 3])
            {
                unsafe text.append(named)
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

    /// What a letter after a backslash stands for between double quotes.
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
}
