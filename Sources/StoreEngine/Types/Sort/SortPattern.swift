// The patterns of SORT, which lead from an element to a value elsewhere: "weight_*" to a string, "object_*->name" to a field of a hash,
// "#" to the element itself.

import RespCodec

enum SortPattern {
    /// The element itself.
    case element
    /// The key is the element between two texts; the value a field of it if there is one, else all of it.
    case key(prefix: ByteSlice, suffix: ByteSlice, field: ByteSlice?)
    /// The same for all elements, which is no use: it stands for no value at all.
    case constant

    /// As Redis, this looks at a pattern up to its first zero byte; what follows that belongs to it only behind something found.
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
        // An arrow with nothing behind it belongs to the key.
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

    /// Whether it has no place for the element, by which nothing can be sorted.
    var isWithoutStar: Bool { if case .key = self { false } else { true } }
}
