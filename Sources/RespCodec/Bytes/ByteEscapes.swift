// Escape sequences: how bytes that cannot stand for themselves are written in quoted words, JSON strings and lines of a log.
//
// Each kind of text is a table with an entry for every byte: the byte itself, a backslash and a letter, or a prefix and two
// hexadecimal digits. `QuotedWords` reads back what `quotedWord` writes.

/// A table of escape sequences for one kind of text.
public struct ByteEscapes: Sendable {
    /// By byte: 0 if it stands for itself, `numbered`, or the letter after its backslash.
    private let forms: [UInt8]
    private static let numbered: UInt8 = 1
    /// What precedes the two digits of a numbered byte.
    private let prefix: [UInt8]

    private init(letters: KeyValuePairs<UInt8, UInt8>, numbered: [ClosedRange<UInt8>], prefix: String) {
        var forms = [UInt8](repeating: 0, count: 256)
        for range in numbered {
            for byte in range { forms[Int(byte)] = Self.numbered }
        }
        for (byte, letter) in letters { forms[Int(byte)] = letter }
        self.forms = forms
        self.prefix = Array(prefix.utf8)
    }

    /// A word between double quotes: printable ASCII stands for itself, and `\xHH` for any other byte that has no letter.
    public static let quotedWord = ByteEscapes(
        letters: [
            UInt8(ascii: "\\"): UInt8(ascii: "\\"), UInt8(ascii: "\""): UInt8(ascii: "\""), 0x0A: UInt8(ascii: "n"),
            0x0D: UInt8(ascii: "r"), 0x09: UInt8(ascii: "t"), 0x07: UInt8(ascii: "a"), 0x08: UInt8(ascii: "b"),
        ], numbered: [0...0x1F, 0x7F...0xFF], prefix: "\\x")

    /// A JSON string, with all that RFC 8259, section 7, wants escaped. Bytes above 0x7F stand for themselves.
    public static let json = ByteEscapes(
        letters: [
            UInt8(ascii: "\\"): UInt8(ascii: "\\"), UInt8(ascii: "\""): UInt8(ascii: "\""), 0x0A: UInt8(ascii: "n"),
            0x0C: UInt8(ascii: "f"), 0x0D: UInt8(ascii: "r"), 0x09: UInt8(ascii: "t"), 0x08: UInt8(ascii: "b"),
        ], numbered: [0...0x1F], prefix: "\\u00")

    /// A JSON string without any control characters, for lines that may be shown on a terminal: DEL is escaped too.
    public static let printableJSON = ByteEscapes(
        letters: [
            UInt8(ascii: "\\"): UInt8(ascii: "\\"), UInt8(ascii: "\""): UInt8(ascii: "\""), 0x0A: UInt8(ascii: "n"),
            0x0D: UInt8(ascii: "r"), 0x09: UInt8(ascii: "t"),
        ], numbered: [0...0x1F, 0x7F...0x7F], prefix: "\\u00")

    /// A line of text: control characters other than the tab are escaped; a backslash stands for itself, so that this cannot be read back
    /// unambiguously.
    public static let textLine = ByteEscapes(
        letters: [0x0A: UInt8(ascii: "n"), 0x0D: UInt8(ascii: "r")],
        numbered: [0...0x08, 0x0B...0x1F, 0x7F...0x7F], prefix: "\\x")

    /// Appends `bytes` to `text`, escaped.
    public func append(_ bytes: some Sequence<UInt8>, to text: inout [UInt8]) {
        for byte in bytes {
            switch forms[Int(byte)] {
            case 0: text.append(byte)
            case Self.numbered:
                text += prefix
                Hexadecimal.append(byte, to: &text)
            case let letter:
                text.append(UInt8(ascii: "\\"))
                text.append(letter)
            }
        }
    }

    /// Appends `bytes` to `text`, escaped and between double quotes.
    public func appendQuoted(_ bytes: some Sequence<UInt8>, to text: inout [UInt8]) {
        text.append(UInt8(ascii: "\""))
        append(bytes, to: &text)
        text.append(UInt8(ascii: "\""))
    }
}
