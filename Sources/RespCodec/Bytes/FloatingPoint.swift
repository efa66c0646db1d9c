// Floating point as text, as Redis prints and reads it.
//
// A double in a reply is the shortest text that reads back as the same number, in the layout of the Grisu printers (scientific only for
// very small and very large numbers; whole numbers have all their digits up to 2^62). The `...BYFLOAT` commands compute in long double
// and print seventeen decimals, without trailing zeros. Text is read as `strtod` and `strtold` read it, but all of it must be a number,
// with no space before it, and not NaN.

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
    /// The longest text that is written: 17 digits, a sign, a point and an exponent or leading zeros.
    public static let maximumLength = 32

    /// The shortest text that reads back as `value`.
    ///
    /// "3", "0.1", "1e+20", "1.5e-7"; infinities are "inf" and "-inf", not a number is "nan".
    public static func text(_ value: Double) -> [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: maximumLength) { buffer, count in
            count = unsafe writeShortest(value, to: buffer.baseAddress!)
        }
    }

    /// Calls `body` with the text of a score or of a double in a reply: as `text`, but a whole number up to 2^62 has all its digits.
    @inlinable public static func withText<Result>(_ value: Double, _ body: (ByteSlice) -> Result) -> Result {
        unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: maximumLength) { buffer in
            let count = unsafe write(value, to: buffer.baseAddress!)
            return unsafe body(ByteSlice(start: buffer.baseAddress!, count: count))
        }
    }

    /// The whole number that `value` is, if it is one of up to 2^62; -0 counts as 0.
    @inlinable public static func wholeNumber(_ value: Double) -> Int? {
        guard value.magnitude <= 4_611_686_018_427_387_904 else { return nil }
        let whole = Int(value)
        return Double(whole) == value ? whole : nil
    }

    /// Writes the text that `withText` makes to `target`, which has room for `maximumLength` bytes, and returns its length.
    @unsafe public static func write(_ value: Double, to target: UnsafeMutablePointer<UInt8>) -> Int {
        if let whole = wholeNumber(value), whole != 0 { return unsafe Decimal.write(whole, to: target) }
        return unsafe writeShortest(value, to: target)
    }

    @unsafe private static func writeShortest(_ value: Double, to target: UnsafeMutablePointer<UInt8>) -> Int {
        func write(_ word: StaticString) -> Int {
            unsafe target.update(from: word.utf8Start, count: word.utf8CodeUnitCount)
            return word.utf8CodeUnitCount
        }
        if value.isNaN { return write("nan") }
        if value.isInfinite { return value < 0 ? write("-inf") : write("inf") }
        if value == 0 { return value.sign == .minus ? write("-0") : write("0") }
        // Swift's own description has the shortest digits; only its layout differs.
        var shortest = value.magnitude.description
        return unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: maximumLength) { digits in
            var count = 0
            var exponent = 0  // of the unit of the last digit: value = digits * 10^exponent
            shortest.withUTF8 { text in
                unsafe (count, exponent) = significantDigits(text, to: digits)
            }
            let digits = unsafe UnsafePointer(digits.baseAddress!)
            guard value < 0 else { return unsafe layOut(digits, count, exponent: exponent, to: target) }
            unsafe target[0] = UInt8(ascii: "-")
            return unsafe 1 + layOut(digits, count, exponent: exponent, to: target + 1)
        }
    }

    /// The digits of a description such as "12.5" or "1e-07" without zeros at either end, and the exponent of the last.
    private static func significantDigits(
        _ text: UnsafeBufferPointer<UInt8>, to digits: UnsafeMutableBufferPointer<UInt8>
    ) -> (count: Int, exponent: Int) {
        var count = 0
        var exponent = 0
        var sawPoint = false
        for index in 0..<text.count {
            let byte = unsafe text[index]
            if byte == UInt8(ascii: ".") {
                sawPoint = true
            } else if byte == UInt8(ascii: "e") {
                let isNegative = unsafe text[index + 1] == UInt8(ascii: "-")
                var written = 0
                for place in index + 1..<text.count where unsafe text[place] >= UInt8(ascii: "0") {
                    written = unsafe written * 10 + Int(text[place] - UInt8(ascii: "0"))
                }
                exponent += isNegative ? -written : written
                break
            } else {
                if sawPoint { exponent -= 1 }
                if count == 0 && byte == UInt8(ascii: "0") { continue }
                unsafe digits[count] = byte
                count += 1
            }
        }
        while unsafe count > 1 && digits[count - 1] == UInt8(ascii: "0") {
            count -= 1
            exponent += 1
        }
        return (count, exponent)
    }

    private static func layOut(
        _ digits: UnsafePointer<UInt8>, _ count: Int, exponent: Int, to target: UnsafeMutablePointer<UInt8>
    ) -> Int {
        let zero = UInt8(ascii: "0")
        let scientific = exponent + count - 1
        if exponent >= 0 && scientific.magnitude < UInt(count + 7) {
            unsafe target.update(from: digits, count: count)
            unsafe (target + count).update(repeating: zero, count: exponent)
            return count + exponent
        }
        if exponent < 0 && (exponent > -7 || scientific.magnitude < 4) {
            let whole = count + exponent
            if whole <= 0 {
                unsafe target[0] = zero
                unsafe target[1] = UInt8(ascii: ".")
                unsafe (target + 2).update(repeating: zero, count: -whole)
                unsafe (target + 2 - whole).update(from: digits, count: count)
                return 2 - whole + count
            }
            unsafe target.update(from: digits, count: whole)
            unsafe target[whole] = UInt8(ascii: ".")
            unsafe (target + whole + 1).update(from: digits + whole, count: count - whole)
            return count + 1
        }
        var length = 1
        unsafe target[0] = digits[0]
        if count > 1 {
            unsafe target[1] = UInt8(ascii: ".")
            unsafe (target + 2).update(from: digits + 1, count: count - 1)
            length = count + 1
        }
        unsafe target[length] = UInt8(ascii: "e")
        unsafe target[length + 1] = scientific < 0 ? UInt8(ascii: "-") : UInt8(ascii: "+")
        return unsafe length + 2 + Decimal.write(Int(scientific.magnitude), to: target + length + 2)
    }

    // MARK: reading

    /// The number that the whole of `text` spells (decimal, hexadecimal, "inf"), or nil; NaN is refused.
    public static func parse(_ text: ByteSlice) -> Double? {
        if let value = plainDecimal(text) { return value }
        return unsafe parse(text, longest: Int.max) { unsafe strtod($0, $1) }
    }

    /// The number that `text` spells up to its first zero byte, as `strtod` reads it when errors of range are ignored: white space may
    /// precede it, an empty text is 0, and what is too large is infinite. Nil for anything else, and for NaN.
    public static func parseLeniently(_ text: ByteSlice) -> Double? {
        if let value = plainDecimal(text) { return value }
        return unsafe withTerminated(text) { start in
            var end: UnsafeMutablePointer<CChar>? = nil
            let value = unsafe strtod(start, &end)
            return unsafe end?.pointee == 0 && !value.isNaN ? value : nil
        }
    }

    /// Powers of ten that are exact in the widest floating point.
    private static let powersOfTen: [LongDouble] = (0..<20).map { exponent in
        (0..<exponent).reduce(LongDouble(1)) { power, _ in power * 10 }
    }

    /// The number that a text of up to nineteen digits spells, with an optional sign and point, as most numbers are. The digits are one
    /// integer divided by a power of ten, and both are exact in the widest format, so only the last rounding, from there to a double,
    /// can be wrong: when the bits that are cut off are close to one half. Nil in that case, and for any other text.
    private static func plainDecimal(_ text: ByteSlice) -> Double? {
        guard text.count > 0 && text.count <= 21 else { return nil }
        var significand: UInt64 = 0
        var digits = 0
        var point = -1
        let first = text[0]
        let hasSign = first == UInt8(ascii: "-") || first == UInt8(ascii: "+")
        for index in (hasSign ? 1 : 0)..<text.count {
            let byte = text[index]
            let digit = byte &- UInt8(ascii: "0")
            if digit <= 9 {
                digits &+= 1
                guard digits <= 19 else { return nil }
                significand = significand &* 10 &+ UInt64(digit)
            } else if byte == UInt8(ascii: ".") && point < 0 {
                point = digits
            } else {
                return nil
            }
        }
        guard digits > 0 else { return nil }
        let decimals = point < 0 ? 0 : digits - point
        var value = Double(significand)
        if decimals > 0 {
            #if arch(x86_64)
            let quotient = LongDouble(significand) / powersOfTen[decimals]
            // The significand of a double has 11 bits less than that of the widest format.
            let rest = quotient.significandBitPattern & 0x7FF
            guard rest < 0x3FF || rest > 0x401 else { return nil }
            value = Double(quotient)
            #else
            guard significand <= 1 << 53 else { return nil }
            value /= powersOfTen[decimals]
            #endif
        }
        return first == UInt8(ascii: "-") ? -value : value
    }

    /// Calls `body` with a copy of the text that ends with a zero byte.
    private static func withTerminated<Result>(_ text: ByteSlice, _ body: (UnsafePointer<CChar>) -> Result) -> Result {
        unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: text.count + 1) { buffer in
            unsafe memcpy(buffer.baseAddress!, text.rawBytes.baseAddress!, text.count)
            unsafe buffer[text.count] = 0
            return unsafe body(buffer.baseAddress!)
        }
    }

    fileprivate static func parse<Value: BinaryFloatingPoint>(
        _ text: ByteSlice, longest: Int,
        _ convert: (UnsafePointer<CChar>, UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Value
    ) -> Value? {
        guard text.count > 0 && text.count <= longest else { return nil }
        // strtod skips white space; Redis refuses it.
        let first = text[0]
        guard first != 0x20 && !(0x09...0x0D).contains(first) else { return nil }
        return unsafe withTerminated(text) { start -> Value? in
            var end: UnsafeMutablePointer<CChar>? = nil
            errno = 0
            let value = unsafe convert(start, &end)
            let consumed = unsafe end.map { unsafe UnsafePointer($0) - start } ?? 0
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

    /// `value` with up to seventeen digits, as C's "%.17Lg" prints it.
    public static func generalText(_ value: LongDouble) -> [UInt8] {
        if value.isInfinite { return Array((value < 0 ? "-inf" : "inf").utf8) }
        return unsafe [UInt8](unsafeUninitializedCapacity: 64) { buffer, count in
            #if arch(x86_64)
            let format = "%.17Lg"
            #else
            let format = "%.17g"
            #endif
            let length = unsafe withVaList([value]) { arguments in
                unsafe buffer.withMemoryRebound(to: CChar.self) {
                    unsafe vsnprintf($0.baseAddress!, $0.count, format, arguments)
                }
            }
            count = max(0, min(Int(length), 63))
        }
    }
}
