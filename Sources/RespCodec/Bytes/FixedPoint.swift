// Doubles with a fixed number of decimals, rounded exactly: what `printf` writes with "%.4f", at a fraction of its cost.
//
// A fraction is a whole number over a power of two, and a whole number of 128 bits holds it times any power of ten up to 10^17.

public enum FixedPoint {
    /// The most decimals there can be.
    public static let mostDecimals = 17
    /// The longest text: a sign, the digits of a 64-bit integer, the point and the decimals.
    public static let maximumLength = 1 + Decimal.maximumLength + 1 + mostDecimals

    /// Calls `body` with the text of `value`, rounded to `decimals` decimals, ties to even.
    /// - Parameters:
    ///   - value: of a magnitude below 2^63.
    ///   - decimals: 1 to `mostDecimals`.
    ///   - trimmed: whether zeros at the end are left out, and the point if no decimal is left; then there is no "-0" either.
    public static func withText<Result>(
        _ value: Double, decimals: Int, trimmed: Bool = false, _ body: (ByteSlice) -> Result
    ) -> Result {
        precondition(value.magnitude < 0x1p63 && 1...mostDecimals ~= decimals, "a number that has no such text")
        var whole = UInt(value.magnitude)
        var fraction = scaled(value.magnitude - Double(whole), by: powers[decimals])
        if fraction == powers[decimals] {
            whole += 1
            fraction = 0
        }
        var digits = decimals
        if trimmed {
            while digits > 0 && fraction % 10 == 0 {
                fraction /= 10
                digits -= 1
            }
        }
        let isNegative = value.sign == .minus && !(trimmed && whole == 0 && digits == 0)
        return unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: maximumLength) { buffer in
            // From the end to the beginning.
            var start = maximumLength
            func put(_ byte: UInt8) {
                start -= 1
                unsafe buffer[start] = byte
            }
            if digits > 0 {
                for _ in 0..<digits {
                    put(UInt8(ascii: "0") + UInt8(fraction % 10))
                    fraction /= 10
                }
                put(UInt8(ascii: "."))
            }
            repeat {
                put(UInt8(ascii: "0") + UInt8(whole % 10))
                whole /= 10
            } while whole > 0
            if isNegative { put(UInt8(ascii: "-")) }
            return unsafe body(ByteSlice(start: buffer.baseAddress! + start, count: maximumLength - start))
        }
    }

    /// A fraction times a power of ten, rounded to a whole number, ties to even.
    private static func scaled(_ fraction: Double, by power: UInt) -> UInt {
        guard fraction.isNormal else { return 0 }
        // fraction = significand / 2^shift
        let significand = UInt128(fraction.significandBitPattern | 1 << 52)
        let shift = 52 - Int(fraction.exponent)
        guard shift < 127 else { return 0 }
        let product = significand * UInt128(power)
        let quotient = UInt(product >> UInt128(shift))
        let rest = product & (1 << UInt128(shift) - 1)
        let half = UInt128(1) << UInt128(shift - 1)
        return rest > half || (rest == half && quotient & 1 == 1) ? quotient + 1 : quotient
    }

    private static let powers: [UInt] = (0...mostDecimals).reduce(into: []) {
        $0.append(($0.last ?? 0) == 0 ? 1 : $0[$1 - 1] * 10)
    }
}
