// Replies in the readable format.
//
//     1) "a string"                    1# "key" => (integer) 1
//     2) 1~ (integer) 1                2# "list" =>
//        2~ (nil)                         1) "x"
//                                         2) "y"
//
// The elements of an aggregate are numbered, with all numbers as wide as the last one; nested replies are indented by that
// width and two more. The mark after the number is that of the type: `)` array or push, `~` set, `#` map. A value of a map
// that takes several lines begins on a line of its own.

import RespCodec

extension ReplyFormatter {
    func appendTerminal(_ reply: Reply, to text: inout Bytes) {
        appendTerminal(reply, indentation: 0, to: &text)
    }

    /// Appends `reply` and a newline. The caller has indented the first line; further ones are indented here.
    private func appendTerminal(_ reply: Reply, indentation: Int, to text: inout Bytes) {
        if let style = style(of: reply) { text += style.utf8 }
        switch reply {
        case .error(let message), .bulkError(let message):
            text += "(error) ".utf8
            text += message
        case .simpleString(let bytes), .verbatimString(_, let bytes):
            text += bytes
        case .bulkString(let bytes):
            Self.appendQuoted(bytes, to: &text)
        case .integer(let value):
            text += "(integer) ".utf8
            text += Decimal.text(value)
        case .double(let digits):
            text += "(double) ".utf8
            text += digits
        case .bigNumber(let digits):
            text += "(big number) ".utf8
            text += digits
        case .null:
            text += "(nil)".utf8
        case .boolean(let value):
            text += (value ? "(true)" : "(false)").utf8
        case .array(let elements):
            appendElements(elements, mark: ")", empty: "(empty array)", indentation, to: &text)
            return
        case .push(let elements):
            appendElements(elements, mark: ")", empty: "(empty push)", indentation, to: &text)
            return
        case .set(let elements):
            appendElements(elements, mark: "~", empty: "(empty set)", indentation, to: &text)
            return
        case .map(let entries):
            appendEntries(entries, indentation, to: &text)
            return
        case .attributed(let inner, _):
            appendTerminal(inner, indentation: indentation, to: &text)
            return
        }
        if style(of: reply) != nil { text += styles.end.utf8 }
        text.append(UInt8(ascii: "\n"))
    }

    /// The escape sequence before a reply that is no aggregate; nil for none.
    private func style(of reply: Reply) -> String? {
        guard !styles.end.isEmpty else { return nil }
        switch reply {
        case .error, .bulkError: return styles.error
        case .bulkString, .verbatimString: return styles.string
        case .integer, .double, .bigNumber, .boolean: return styles.number
        case .null: return styles.null
        default: return nil
        }
    }

    private func appendElements(
        _ elements: [Reply], mark: String, empty: String, _ indentation: Int, to text: inout Bytes
    ) {
        if elements.isEmpty { text += (empty + "\n").utf8 }
        let width = Decimal.length(of: elements.count)
        for (index, element) in elements.enumerated() {
            appendNumber(index + 1, width: width, mark: mark, indentation: index == 0 ? 0 : indentation, to: &text)
            appendTerminal(element, indentation: indentation + width + 2, to: &text)
        }
    }

    private func appendEntries(_ entries: [Reply.MapEntry], _ indentation: Int, to text: inout Bytes) {
        if entries.isEmpty { text += "(empty hash)\n".utf8 }
        let width = Decimal.length(of: entries.count)
        for (index, entry) in entries.enumerated() {
            appendNumber(index + 1, width: width, mark: "#", indentation: index == 0 ? 0 : indentation, to: &text)
            appendTerminal(entry.key, indentation: indentation + width + 2, to: &text)
            text.removeLast()
            text += " => ".utf8
            if Self.takesSeveralLines(entry.value) {
                text.append(UInt8(ascii: "\n"))
                text += Bytes(repeating: UInt8(ascii: " "), count: indentation + width + 2)
            }
            appendTerminal(entry.value, indentation: indentation + width + 2, to: &text)
        }
    }

    private func appendNumber(_ number: Int, width: Int, mark: String, indentation: Int, to text: inout Bytes) {
        let padding = indentation + width - Decimal.length(of: number)
        text += Bytes(repeating: UInt8(ascii: " "), count: padding)
        text += styles.index.utf8
        text += Decimal.text(number)
        text += mark.utf8
        text += styles.end.utf8
        text.append(UInt8(ascii: " "))
    }

    private static func takesSeveralLines(_ reply: Reply) -> Bool {
        switch reply {
        case .array(let elements), .set(let elements), .push(let elements):
            elements.count > 1 || (elements.count == 1 && takesSeveralLines(elements[0]))
        case .map(let entries):
            entries.count > 1 || (entries.count == 1 && takesSeveralLines(entries[0].value))
        case .attributed(let inner, _):
            takesSeveralLines(inner)
        default:
            false
        }
    }

    /// Appends a notice that keys cached by the client have changed, if `reply` is one, in a short form.
    ///
    /// - Returns: false if it is not one; then nothing was appended.
    func appendInvalidation(_ reply: Reply, to text: inout Bytes) -> Bool {
        guard case .push(let elements) = reply, elements.count == 2, case .bulkString(let kind) = elements[0],
            kind.starts(with: "invalidate".utf8), case .array(let keys) = elements[1]
        else { return false }
        text += "-> invalidate: ".utf8
        for (index, key) in keys.enumerated() {
            if index > 0 { text += ", ".utf8 }
            text += "'".utf8
            text += key.stringBytes ?? []
            text += "'".utf8
        }
        text.append(UInt8(ascii: "\n"))
        return true
    }
}
