// The value of any kind of setting, and the notations of numbers that settings use.

import Glibc
import RespCodec

/// A parsed value of any kind of setting.
enum SettingValue: Equatable, Sendable {
    case boolean(Bool)
    /// Also octal modes, memory sizes, and percentages (as negative numbers).
    case integer(Int)
    /// The index of a word in its list, or one bit per word.
    case choice(Int)
    case text(String)
    case bytes([UInt8])
    case words([String])
    case integers([Int])
    case decimals([Double])

    var integerValue: Int {
        guard case .integer(let value) = self else { preconditionFailure("not a number: \(self)") }
        return value
    }

    var textValue: String {
        guard case .text(let value) = self else { preconditionFailure("not a text: \(self)") }
        return value
    }

    var wordsValue: [String] {
        guard case .words(let value) = self else { preconditionFailure("not words: \(self)") }
        return value
    }

    var integersValue: [Int] {
        guard case .integers(let value) = self else { preconditionFailure("not numbers: \(self)") }
        return value
    }

    var decimalsValue: [Double] {
        guard case .decimals(let value) = self else { preconditionFailure("not numbers: \(self)") }
        return value
    }
}

/// Why a setting does not accept a value; the text follows the dash in the reply of CONFIG SET.
struct SettingError: Error, Equatable {
    let text: String
    init(_ text: String) { self.text = text }
}

/// Numbers as settings spell them.
enum SettingNumber {
    /// A whole number in its canonical form ("010", "+1" and " 1" are refused).
    static func integer(_ word: [UInt8]) -> Int? { word.withByteSlice { Decimal.parse($0) } }

    /// Digits with an optional unit of bytes: b, k, kb, m, mb, g, gb in any case; k is 1000 and kb 1024.
    ///
    /// As in Redis no digits at all count as 0. Sizes beyond 64 bits become the largest one.
    static func memory(_ word: [UInt8]) -> UInt64? {
        let digits = word.prefix { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
        let unit: UInt64
        switch String(decoding: word[digits.count...].map(ByteSlice.lowercased), as: UTF8.self) {
        case "", "b": unit = 1
        case "k": unit = 1000
        case "kb": unit = 1 << 10
        case "m": unit = 1_000_000
        case "mb": unit = 1 << 20
        case "g": unit = 1_000_000_000
        case "gb": unit = 1 << 30
        default: return nil
        }
        guard digits.count < 128 else { return nil }
        var value: UInt64 = 0
        for digit in digits { value = times(value, 10, plus: UInt64(digit - UInt8(ascii: "0"))) }
        return times(value, unit, plus: 0)
    }

    private static func times(_ value: UInt64, _ factor: UInt64, plus addend: UInt64) -> UInt64 {
        let (product, overflow) = value.multipliedReportingOverflow(by: factor)
        let (sum, carried) = product.addingReportingOverflow(addend)
        return overflow || carried ? .max : sum
    }

    /// "5%" as 5.
    static func percentage(_ word: [UInt8]) -> Int? {
        guard word.count > 1, word.last == UInt8(ascii: "%") else { return nil }
        guard let value = integer(Array(word.dropLast())), value >= 0 else { return nil }
        return value
    }

    /// Octal digits, as for a file mode.
    static func octal(_ word: [UInt8]) -> Int? {
        let digits = word.first == UInt8(ascii: "-") ? word.dropFirst() : word[...]
        guard digits.count <= 20, digits.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "7")).contains($0) }) else {
            return nil
        }
        return digits.isEmpty ? 0 : Int(String(decoding: word, as: UTF8.self), radix: 8)
    }

    /// A whole number as C's strtoll reads it: with an optional sign and leading zeros; out of range it becomes the nearest bound.
    static func saturating(_ word: [UInt8]) -> Int? {
        var digits = word[...]
        let sign = digits.first
        if sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") { digits = digits.dropFirst() }
        if digits.isEmpty { return word.isEmpty ? 0 : nil }
        var value = 0
        for digit in digits {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
            let step = Int(digit - UInt8(ascii: "0"))
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let (next, carried) =
                sign == UInt8(ascii: "-")
                ? product.subtractingReportingOverflow(step) : product.addingReportingOverflow(step)
            value = overflow || carried ? (sign == UInt8(ascii: "-") ? .min : .max) : next
            if overflow || carried {
                // Only digits may follow, though they no longer matter.
                return digits.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } ? value : nil
            }
        }
        return value
    }

    /// A size with the largest unit that divides it, as configuration files are written.
    static func sizeText(_ bytes: Int) -> String {
        for (unit, name) in [(1 << 30, "gb"), (1 << 20, "mb"), (1 << 10, "kb")] where bytes != 0 && bytes % unit == 0 {
            return "\(bytes / unit)\(name)"
        }
        return "\(bytes)"
    }

    /// Up to six places after the point, without trailing zeros.
    static func decimalText(_ value: Double) -> String {
        var buffer = [CChar](repeating: 0, count: 400)
        let count = unsafe withVaList([value]) { unsafe vsnprintf(&buffer, buffer.count, "%f", $0) }
        var text = buffer.prefix(Int(count)).map { UInt8(bitPattern: $0) }
        while text.last == UInt8(ascii: "0") { text.removeLast() }
        if text.last == UInt8(ascii: ".") { text.removeLast() }
        return String(decoding: text, as: UTF8.self)
    }
}
