// The patterns of SORT, which give a value for an element: "weight_*" a string, "object_*->name" a field of a hash, "#" the element itself.

import RespCodec

enum SortPattern {
    /// The element itself.
    case element
    /// The key consists of `prefix`, the element and `suffix`; the value is the field of the hash, or the string without a field.
    case key(prefix: ByteSlice, suffix: ByteSlice, field: ByteSlice?)
    /// A pattern without "*", which gives no value.
    case constant

    /// As in Redis, "*" and "->" are looked for up to the first zero byte; what follows them is taken completely.
    init(_ text: ByteSlice) {
        let visible = text.index(of: 0) ?? text.count
        if visible == 1 && text[0] == UInt8(ascii: "#") {
            self = .element
            return
        }
        guard let star = text[0..<visible].index(of: UInt8(ascii: "*")) else {
            self = .constant
            return
        }
        var end = text.count
        var field: ByteSlice?
        var index = star + 1
        // An arrow with nothing after it belongs to the key.
        while index + 2 < visible {
            if text[index] == UInt8(ascii: "-") && text[index + 1] == UInt8(ascii: ">") {
                field = text.dropFirst(index + 2)
                end = index
                break
            }
            index += 1
        }
        self = .key(prefix: text[0..<star], suffix: text[star + 1..<end], field: field)
    }

    /// Whether it has no place for the element, so that it cannot be sorted by.
    var isWithoutStar: Bool { if case .key = self { false } else { true } }
}
