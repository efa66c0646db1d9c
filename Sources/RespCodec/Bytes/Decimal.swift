// Whole numbers as decimal text, both ways, with Redis's strictness: no spaces, no plus sign, no leading zeros, no overflow.

public enum Decimal {
    /// The longest text of a 64-bit integer: a sign and 19 digits, or 20 digits unsigned.
    public static let maximumLength = 20

    /// The integer that `text` spells in its one canonical form, or nil.
    ///
    /// "0", "-1" and "9223372036854775807" are canonical; "", "-0", "+1", "01", " 1" and anything out of range are not.
    /// - Complexity: O(length), and at once nil beyond 20 bytes.
    public static func parse(_ text: ByteSlice) -> Int? {
        let count = text.count
        guard count > 0 && count <= maximumLength else { return nil }
        return unsafe parse(text.rawBytes.baseAddress!.assumingMemoryBound(to: UInt8.self), count: count)
    }

    @inline(__always)
    static func parse(_ bytes: UnsafePointer<UInt8>, count: Int) -> Int? {
        var index = 0
        let negative = unsafe bytes[0] == UInt8(ascii: "-")
        if negative {
            index = 1
            guard count > 1 else { return nil }
        }
        let first = unsafe bytes[index] &- UInt8(ascii: "0")
        guard first <= 9 else { return nil }
        if first == 0 { return count == 1 ? 0 : nil }
        var magnitude = UInt(first)
        index += 1
        // Eighteen digits cannot overflow, so only the last ones need the checked steps.
        let safeEnd = min(count, 18)
        while index < safeEnd {
            let digit = unsafe bytes[index] &- UInt8(ascii: "0")
            guard digit <= 9 else { return nil }
            magnitude = magnitude &* 10 &+ UInt(digit)
            index += 1
        }
        while index < count {
            let digit = unsafe bytes[index] &- UInt8(ascii: "0")
            guard digit <= 9 else { return nil }
            let (product, overflow) = magnitude.multipliedReportingOverflow(by: 10)
            let (sum, carried) = product.addingReportingOverflow(UInt(digit))
            guard !overflow && !carried else { return nil }
            magnitude = sum
            index += 1
        }
        if negative {
            guard magnitude <= UInt(Int.max) + 1 else { return nil }
            return Int(truncatingIfNeeded: 0 &- magnitude)
        }
        return magnitude <= UInt(Int.max) ? Int(magnitude) : nil
    }

    /// The unsigned integer that `text` spells, or nil. As `parse`, without the sign.
    public static func parseUnsigned(_ text: ByteSlice) -> UInt? {
        guard text.count > 0 && text.count <= maximumLength else { return nil }
        if text[0] == UInt8(ascii: "0") { return text.count == 1 ? 0 : nil }
        var magnitude: UInt = 0
        for index in 0..<text.count {
            let digit = text[index] &- UInt8(ascii: "0")
            guard digit <= 9 else { return nil }
            let (product, overflow) = magnitude.multipliedReportingOverflow(by: 10)
            let (sum, carried) = product.addingReportingOverflow(UInt(digit))
            guard !overflow && !carried else { return nil }
            magnitude = sum
        }
        return magnitude
    }

    /// How many digits `magnitude` has.
    @inlinable public static func digitCount(_ magnitude: UInt) -> Int {
        if magnitude < 10 { return 1 }
        if magnitude < 100 { return 2 }
        if magnitude < 1000 { return 3 }
        if magnitude < 10_000 { return 4 }
        // Four at a time: a division for each digit would take longer than writing them.
        return 4 + digitCount(magnitude / 10_000)
    }

    /// How many bytes `value` takes as text, its sign included.
    @inlinable public static func length(of value: Int) -> Int {
        digitCount(value.magnitude) + (value < 0 ? 1 : 0)
    }

    /// Writes `value` as text at `target`, which has room for `maximumLength` bytes, and returns how many it wrote.
    @unsafe public static func write(_ value: Int, to target: UnsafeMutablePointer<UInt8>) -> Int {
        if value >= 0 && value < 10 {
            unsafe target[0] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: value)
            return 1
        }
        var rest = value.magnitude
        let count = length(of: value)
        var position = count
        while rest >= 100 {
            let (quotient, remainder) = rest.quotientAndRemainder(dividingBy: 100)
            position &-= 2
            unsafe writePair(remainder, to: target + position)
            rest = quotient
        }
        if rest >= 10 {
            unsafe writePair(rest, to: target + (position &- 2))
        } else {
            unsafe target[position &- 1] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: rest)
        }
        if value < 0 { unsafe target[0] = UInt8(ascii: "-") }
        return count
    }

    /// Writes a number below 100 as two digits.
    @inline(__always)
    private static func writePair(_ value: UInt, to target: UnsafeMutablePointer<UInt8>) {
        // 103 / 1024 is close enough to a tenth for numbers below 100.
        let tens = (value &* 103) &>> 10
        let ones = value &- tens &* 10
        unsafe UnsafeMutableRawPointer(target).storeBytes(
            of: UInt16(truncatingIfNeeded: 0x3030 | ones &<< 8 | tens), as: UInt16.self)
    }

    /// The text of `value`.
    public static func text(_ value: Int) -> [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: maximumLength) { buffer, count in
            count = unsafe write(value, to: buffer.baseAddress!)
        }
    }

    /// Calls `body` with the text of `value`.
    @inlinable public static func withText<Result>(_ value: Int, _ body: (ByteSlice) -> Result) -> Result {
        unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: maximumLength) { buffer in
            let count = unsafe write(value, to: buffer.baseAddress!)
            return unsafe body(ByteSlice(start: buffer.baseAddress!, count: count))
        }
    }
}
