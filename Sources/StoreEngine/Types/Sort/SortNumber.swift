// The number of an element or a weight in SORT, as C's `strtod` reads it: white space may precede it, an empty text is zero, hexadecimal
// digits and infinities are read, and a zero byte ends the text.

import Glibc
import RespCodec

enum SortNumber {
    /// The number; nil for a text that is no number, or is out of the range of doubles.
    static func parse(_ element: PackedElement) -> Double? {
        switch element {
        case .integer(let value): Double(value)
        case .bytes(let bytes): plain(bytes) ?? parse(bytes)
        }
    }

    /// The number of digits with an optional sign and point, which is exact if the digits fit 53 bits. Nil for anything else.
    private static func plain(_ text: ByteSlice) -> Double? {
        guard text.count > 0 && text.count <= 17 else { return nil }
        let isNegative = text[0] == UInt8(ascii: "-")
        var index = isNegative ? 1 : 0
        guard index < text.count else { return nil }
        var digits: UInt64 = 0
        var decimals = -1
        while index < text.count {
            let digit = text[index] &- UInt8(ascii: "0")
            if digit <= 9 {
                digits = digits &* 10 &+ UInt64(digit)
                if decimals >= 0 { decimals += 1 }
            } else if text[index] == UInt8(ascii: ".") && decimals < 0 && index > (isNegative ? 1 : 0) {
                decimals = 0
            } else {
                return nil
            }
            index += 1
        }
        guard digits <= 1 << 53 else { return nil }
        // Both are exact, so their quotient is rounded once, as it should be.
        let value = decimals > 0 ? Double(digits) / powers[decimals] : Double(digits)
        return isNegative ? -value : value
    }

    private static let powers: [Double] = [
        1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17,
    ]

    private static func parse(_ text: ByteSlice) -> Double? {
        let length = text.index(of: 0) ?? text.count
        return unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: length + 1) { buffer -> Double? in
            for index in 0..<length { unsafe buffer[index] = CChar(bitPattern: text[index]) }
            unsafe buffer[length] = 0
            var end: UnsafeMutablePointer<CChar>? = nil
            errno = 0
            let value = unsafe strtod(buffer.baseAddress!, &end)
            guard let end = unsafe end, unsafe end.pointee == 0, errno != ERANGE, !value.isNaN else { return nil }
            return value
        }
    }
}
