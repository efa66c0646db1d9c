// Replies as text: raw and CSV here, the terminal's format and JSON in their own files.
//
// Scripts read all of these, so each follows the field's usual client byte for byte. That includes what looks odd: an
// error in raw format ends in a newline of its own, and a nested CSV reply is a flat one. Attributes are not printed.

import RespCodec

struct ReplyFormatter {
    var format: OutputFormat
    var elementDelimiter: Bytes
    var replyDelimiter: Bytes

    init(_ options: Options) {
        format = options.format
        elementDelimiter = options.elementDelimiter
        replyDelimiter = options.replyDelimiter
    }

    /// Appends `reply` with what ends a reply in this format.
    ///
    /// - Parameter isPlainText: whether the reply is a text for people (INFO, CLIENT LIST and the like), which every
    ///   format prints as it is, with nothing behind it.
    func append(_ reply: Reply, isPlainText: Bool = false, to text: inout Bytes) {
        if isPlainText {
            appendRaw(reply, to: &text)
            return
        }
        switch format {
        case .terminal:
            appendTerminal(reply, to: &text)
        case .raw:
            appendRaw(reply, to: &text)
            text += replyDelimiter
        case .csv:
            appendCSV(reply, to: &text)
            text.append(UInt8(ascii: "\n"))
        case .json, .quotedJSON:
            appendJSON(reply, to: &text)
            text.append(UInt8(ascii: "\n"))
        }
    }

    // MARK: raw

    func appendRaw(_ reply: Reply, to text: inout Bytes) {
        switch reply {
        case .null:
            break
        case .error(let message), .bulkError(let message):
            text += message
            text.append(UInt8(ascii: "\n"))
        case .simpleString(let bytes), .bulkString(let bytes), .verbatimString(_, let bytes), .double(let bytes),
            .bigNumber(let bytes):
            text += bytes
        case .integer(let value):
            text += Decimal.text(value)
        case .boolean(let value):
            text += (value ? "(true)" : "(false)").utf8
        case .array(let elements), .set(let elements), .push(let elements):
            for (index, element) in elements.enumerated() {
                if index > 0 { text += elementDelimiter }
                appendRaw(element, to: &text)
            }
        case .map(let entries):
            for (index, entry) in entries.enumerated() {
                if index > 0 { text += elementDelimiter }
                appendRaw(entry.key, to: &text)
                text.append(UInt8(ascii: " "))
                appendRaw(entry.value, to: &text)
            }
        case .attributed(let inner, _):
            appendRaw(inner, to: &text)
        }
    }

    // MARK: CSV

    private func appendCSV(_ reply: Reply, to text: inout Bytes) {
        switch reply {
        case .null:
            text += "NULL".utf8
        case .error(let message), .bulkError(let message):
            text += "ERROR,".utf8
            Self.appendQuoted(message, to: &text)
        case .simpleString(let bytes), .bulkString(let bytes), .verbatimString(_, let bytes):
            Self.appendQuoted(bytes, to: &text)
        case .double(let digits), .bigNumber(let digits):
            text += digits
        case .integer(let value):
            text += Decimal.text(value)
        case .boolean(let value):
            text += (value ? "true" : "false").utf8
        case .array(let elements), .set(let elements), .push(let elements):
            for (index, element) in elements.enumerated() {
                if index > 0 { text.append(UInt8(ascii: ",")) }
                appendCSV(element, to: &text)
            }
        case .map(let entries):
            for (index, entry) in entries.enumerated() {
                if index > 0 { text.append(UInt8(ascii: ",")) }
                appendCSV(entry.key, to: &text)
                text.append(UInt8(ascii: ","))
                appendCSV(entry.value, to: &text)
            }
        case .attributed(let inner, _):
            appendCSV(inner, to: &text)
        }
    }

    // MARK: quoting

    private static let hexadecimal = Bytes("0123456789abcdef".utf8)

    /// Appends `bytes` in double quotes, everything but printable ASCII escaped: what `ArgumentSplitter` reads back.
    static func appendQuoted(_ bytes: Bytes, to text: inout Bytes) {
        text.append(UInt8(ascii: "\""))
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "\\"), UInt8(ascii: "\""):
                text.append(UInt8(ascii: "\\"))
                text.append(byte)
            case 0x0A: text += "\\n".utf8
            case 0x0D: text += "\\r".utf8
            case 0x09: text += "\\t".utf8
            case 0x07: text += "\\a".utf8
            case 0x08: text += "\\b".utf8
            case 0x20...0x7E:
                text.append(byte)
            default:
                text += "\\x".utf8
                appendHexadecimal(byte, to: &text)
            }
        }
        text.append(UInt8(ascii: "\""))
    }

    /// Appends two hexadecimal digits.
    static func appendHexadecimal(_ byte: UInt8, to text: inout Bytes) {
        text.append(hexadecimal[Int(byte >> 4)])
        text.append(hexadecimal[Int(byte & 15)])
    }
}
