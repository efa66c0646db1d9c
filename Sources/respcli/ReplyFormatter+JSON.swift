// Replies as JSON, one line each. An error is `error:"..."`, which is no JSON, so that a script that reads it notices.
// Keys of a map that are no strings are put in quotes, as JSON wants them.

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
        if format == .quotedJSON {
            var quoted: Bytes = []
            Self.appendQuoted(bytes, to: &quoted)
            for byte in quoted {
                text.append(byte)
                if byte == UInt8(ascii: "\\") { text.append(byte) }
            }
            return
        }
        text.append(UInt8(ascii: "\""))
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "\\"), UInt8(ascii: "\""):
                text.append(UInt8(ascii: "\\"))
                text.append(byte)
            case 0x0A: text += "\\n".utf8
            case 0x0C: text += "\\f".utf8
            case 0x0D: text += "\\r".utf8
            case 0x09: text += "\\t".utf8
            case 0x08: text += "\\b".utf8
            case 0x00...0x1F:
                text += "\\u00".utf8
                Self.appendHexadecimal(byte, to: &text)
            default:
                text.append(byte)
            }
        }
        text.append(UInt8(ascii: "\""))
    }
}
