// Replies as text: raw and CSV here, the terminal's format and JSON in their own files.
//
// Scripts read all of these, so each is the same as that of redis-cli byte for byte. That includes oddities: an error in raw
// format ends with a newline of its own, and a nested CSV reply is flattened. Attributes are not printed.

import RespCodec

struct ReplyFormatter {
    var format: OutputFormat
    var elementDelimiter: Bytes
    var replyDelimiter: Bytes
    /// The colours of the readable format.
    var styles = ReplyStyles.plain

    init(_ options: Options) {
        format = options.format
        elementDelimiter = options.elementDelimiter
        replyDelimiter = options.replyDelimiter
    }

    /// Appends `reply` and the end of a reply in this format.
    ///
    /// - Parameter isPlainText: whether the reply is a readable text (INFO, CLIENT LIST and the like), which every format
    ///   prints as it is, with nothing after it.
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

    /// Appends `bytes` in double quotes, everything but printable ASCII escaped: what `QuotedWords` reads back.
    static func appendQuoted(_ bytes: Bytes, to text: inout Bytes) {
        ByteEscapes.quotedWord.appendQuoted(bytes, to: &text)
    }
}

/// Escape sequences before parts of a reply in the readable format; none of them without colours.
struct ReplyStyles: Equatable {
    var error = ""
    /// Numbers and truth values.
    var number = ""
    var string = ""
    var null = ""
    /// The numbers of elements.
    var index = ""
    var end = ""

    static let plain = ReplyStyles()
    static let colored = ReplyStyles(
        error: "\u{1B}[31m", number: "\u{1B}[36m", string: "\u{1B}[32m", null: "\u{1B}[90m", index: "\u{1B}[90m",
        end: "\u{1B}[0m")
}
