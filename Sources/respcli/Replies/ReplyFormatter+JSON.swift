// Replies as JSON, one line each. An error is `error:"..."`, as redis-cli prints it, which is not JSON, so that a script
// that parses it fails. Keys of a map that are not strings are quoted, as JSON requires.

import RespCodec

extension ReplyFormatter {
    func appendJSON(_ reply: Reply, to text: inout Bytes) {
        switch reply {
        case .null:
            text += "null".utf8
        case .error(let message), .bulkError(let message):
            text += "error:".utf8
            appendJSONString(message, to: &text)
        case .simpleString(let bytes), .bulkString(let bytes), .verbatimString(_, let bytes):
            appendJSONString(bytes, to: &text)
        case .double(let digits), .bigNumber(let digits):
            text += digits
        case .integer(let value):
            text += Decimal.text(value)
        case .boolean(let value):
            text += (value ? "true" : "false").utf8
        case .array(let elements), .set(let elements), .push(let elements):
            text.append(UInt8(ascii: "["))
            for (index, element) in elements.enumerated() {
                if index > 0 { text.append(UInt8(ascii: ",")) }
                appendJSON(element, to: &text)
            }
            text.append(UInt8(ascii: "]"))
        case .map(let entries):
            text.append(UInt8(ascii: "{"))
            for (index, entry) in entries.enumerated() {
                if index > 0 { text.append(UInt8(ascii: ",")) }
                appendKey(entry.key, to: &text)
                text.append(UInt8(ascii: ":"))
                appendJSON(entry.value, to: &text)
            }
            text.append(UInt8(ascii: "}"))
        case .attributed(let inner, _):
            appendJSON(inner, to: &text)
        }
    }

    private func appendKey(_ key: Reply, to text: inout Bytes) {
        if key.stringBytes != nil || key.errorText != nil {
            appendJSON(key, to: &text)
        } else {
            text.append(UInt8(ascii: "\""))
            appendJSON(key, to: &text)
            text.append(UInt8(ascii: "\""))
        }
    }

    private func appendJSONString(_ bytes: Bytes, to text: inout Bytes) {
        guard format == .quotedJSON else { return ByteEscapes.json.appendQuoted(bytes, to: &text) }
        // The escapes of a quoted word are no JSON, so each backslash is escaped again.
        var quoted: Bytes = []
        Self.appendQuoted(bytes, to: &quoted)
        for byte in quoted {
            text.append(byte)
            if byte == UInt8(ascii: "\\") { text.append(byte) }
        }
    }
}
