// Floating point as text, as Redis prints and reads it.
//
// Three habits of Redis meet here. A double in a reply is the shortest text that reads back as the same number, in the layout of
// the Grisu printers (scientific only far from zero). The `...BYFLOAT` commands count in long double and print seventeen decimals
// with the trailing zeros cut. And reading is `strtod`/`strtold` of the whole text, with no space before it and no NaN.

#if canImport(Glibc)
import Glibc
#endif

/// The widest floating point of the processor: what the `...BYFLOAT` commands count in.
#if arch(x86_64)
public typealias LongDouble = Float80
#else
public typealias LongDouble = Double
#endif

public enum FloatingPoint64 {
    /// The shortest text that reads back as `value`.
    ///
    /// "3", "0.1", "1e+20", "1.5e-7"; infinities are "inf" and "-inf", not a number is "nan".
    public static func text(_ value: Double) -> [UInt8] {
        if value.isNaN { return Array("nan".utf8) }
        if value.isInfinite { return Array((value < 0 ? "-inf" : "inf").utf8) }
        if value == 0 { return Array((value.sign == .minus ? "-0" : "0").utf8) }
        // Swift's own description has the shortest digits; only its layout differs.
        var digits: [UInt8] = []
        var exponent = 0  // of the unit of the last digit: value = digits * 10^exponent
        var sawPoint = false
        let shortest = Array(value.magnitude.description.utf8)
        var index = 0
        while index < shortest.count {
            let byte = shortest[index]
            index += 1
            switch byte {
            case UInt8(ascii: "."):
                sawPoint = true
            case UInt8(ascii: "e"):
                exponent += Int(String(decoding: shortest[index...], as: UTF8.self)) ?? 0
                index = shortest.count
            default:
                digits.append(byte)
                if sawPoint { exponent -= 1 }
            }
        }
        while digits.count > 1 && digits.last == UInt8(ascii: "0") {
            digits.removeLast()
            exponent += 1
        }
        let leadingZeros = digits.prefix { $0 == UInt8(ascii: "0") }.count
        digits.removeFirst(leadingZeros)
        return (value < 0 ? [UInt8(ascii: "-")] : []) + layOut(digits: digits, exponent: exponent)
    }

    private static func layOut(digits: [UInt8], exponent: Int) -> [UInt8] {
        let zero = UInt8(ascii: "0")
        let scientific = exponent + digits.count - 1
        if exponent >= 0 && scientific.magnitude < UInt(digits.count + 7) {
            return digits + [UInt8](repeating: zero, count: exponent)
        }
        if exponent < 0 && (exponent > -7 || scientific.magnitude < 4) {
            let whole = digits.count + exponent
            if whole <= 0 { return [zero, UInt8(ascii: ".")] + [UInt8](repeating: zero, count: -whole) + digits }
            return Array(digits[..<whole]) + [UInt8(ascii: ".")] + Array(digits[whole...])
        }
        var text = [digits[0]]
        if digits.count > 1 { text += [UInt8(ascii: ".")] + digits[1...] }
        return text + Array("e\(scientific < 0 ? "-" : "+")\(scientific.magnitude)".utf8)
    }

    /// The number that the whole of `text` spells (decimal, hexadecimal, "inf"), or nil; NaN is refused.
    public static func parse(_ text: ByteSlice) -> Double? {
        unsafe parse(text, longest: 255) { unsafe strtod($0, $1) }
    }

    fileprivate static func parse<Value: BinaryFloatingPoint>(
        _ text: ByteSlice, longest: Int,
        _ convert: (UnsafePointer<CChar>, UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Value
    ) -> Value? {
        guard text.count > 0 && text.count <= longest else { return nil }
        // strtod skips white space; Redis refuses it.
        let first = text[0]
        guard first != 0x20 && !(0x09...0x0D).contains(first) else { return nil }
        return unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: text.count + 1) { buffer -> Value? in
            for index in 0..<text.count { unsafe buffer[index] = CChar(bitPattern: text[index]) }
            unsafe buffer[text.count] = 0
            var end: UnsafeMutablePointer<CChar>? = nil
            errno = 0
            let value = unsafe convert(buffer.baseAddress!, &end)
            let consumed = unsafe end.map { unsafe $0 - buffer.baseAddress! } ?? 0
            guard consumed == text.count && !value.isNaN else { return nil }
            // Out of range: too large to hold, or so small that only zero is left.
            if errno == ERANGE && (value.isInfinite || value == 0) { return nil }
            return value
        }
    }
}

public enum LongDoubleText {
    /// The longest text of a long double that is read or written.
    public static let maximumLength = 5 * 1024

    /// The number that the whole of `text` spells, or nil; NaN is refused.
    public static func parse(_ text: ByteSlice) -> LongDouble? {
        #if arch(x86_64)
        unsafe FloatingPoint64.parse(text, longest: maximumLength) { unsafe strtold($0, $1) }
        #else
        unsafe FloatingPoint64.parse(text, longest: maximumLength) { unsafe strtod($0, $1) }
        #endif
    }

    /// `value` with up to seventeen decimals, trailing zeros cut, never in scientific notation: "3.0" prints as "3".
    public static func text(_ value: LongDouble) -> [UInt8] {
        if value.isInfinite { return Array((value < 0 ? "-inf" : "inf").utf8) }
        var text = unsafe [UInt8](unsafeUninitializedCapacity: maximumLength + 1) { buffer, count in
            #if arch(x86_64)
            let format = "%.17Lf"
            #else
            let format = "%.17f"
            #endif
            let length = unsafe withVaList([value]) { arguments in
                unsafe buffer.withMemoryRebound(to: CChar.self) {
                    unsafe vsnprintf($0.baseAddress!, $0.count, format, arguments)
                }
            }
            count = max(0, min(Int(length), maximumLength))
        }
        if text.contains(UInt8(ascii: ".")) {
            while text.last == UInt8(ascii: "0") { text.removeLast() }
            if text.last == UInt8(ascii: ".") { text.removeLast() }
        }
        return text == Array("-0".utf8) ? [UInt8(ascii: "0")] : text
    }
}
