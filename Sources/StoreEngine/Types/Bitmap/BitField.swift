// Integers of 1 to 64 bits at any bit of a string, the highest bit of each first.

import RespCodec

/// What to store when a value does not fit its field.
enum BitFieldOverflow {
    /// The low bits are kept.
    case wrap
    /// The nearest value that fits.
    case saturate
    /// The field stays as it is.
    case fail
}

/// A kind of integer: signed of 1 to 64 bits, or unsigned of 1 to 63.
struct BitFieldType {
    let isSigned: Bool
    let width: Int

    var maximum: Int { Int.max >> (isSigned ? 64 - width : 63 - width) }
    var minimum: Int { isSigned ? -maximum - 1 : 0 }

    /// The low bits of `value` as this kind of integer.
    func truncated(_ value: UInt64) -> Int {
        let shift = UInt64(64 - width)
        let raised = value << shift
        return isSigned ? Int(bitPattern: UInt(raised)) >> Int(shift) : Int(raised >> shift)
    }

    /// The value to store for `value`; nil if it does not fit and `overflow` is `fail`.
    func stored(_ value: Int, _ overflow: BitFieldOverflow) -> Int? {
        if value >= minimum && value <= maximum { return value }
        // In Redis a negative number saturates an unsigned field upwards, as it counts as a very large one; and so does a number for a
        // signed field if the distance to the field's maximum overflows.
        let isTooLarge = value > maximum || !isSigned || maximum.subtractingReportingOverflow(value).overflow
        switch overflow {
        case .wrap: return truncated(UInt64(bitPattern: Int64(value)))
        case .saturate: return isTooLarge ? maximum : minimum
        case .fail: return nil
        }
    }

    /// The value to store for the sum; nil if it does not fit and `overflow` is `fail`.
    func sum(_ value: Int, _ increment: Int, _ overflow: BitFieldOverflow) -> Int? {
        let (sum, isCarried) = value.addingReportingOverflow(increment)
        guard isCarried || sum > maximum || sum < minimum else { return sum }
        switch overflow {
        case .wrap: return truncated(UInt64(bitPattern: Int64(sum)))
        case .saturate: return increment > 0 ? maximum : minimum
        case .fail: return nil
        }
    }

    /// The field at bit `offset`, as if zeros followed the string.
    func value(in text: ByteSlice, at offset: Int) -> Int {
        let first = offset / 8
        var word: UInt64 = 0
        if first + 8 <= text.count {
            let bytes = unsafe text.rawBytes.baseAddress! + first
            word = unsafe UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self))
        } else {
            for index in first..<first + 8 { word = word << 8 | (index < text.count ? UInt64(text[index]) : 0) }
        }
        // A field of more than 57 bits may reach into a ninth byte.
        let skipped = offset % 8
        if skipped > 0 {
            let ninth = first + 8 < text.count ? text[first + 8] : 0
            word = word << UInt64(skipped) | UInt64(ninth >> UInt8(8 - skipped))
        }
        return truncated(word >> UInt64(64 - width))
    }

    /// Writes the field at bit `offset`, all of which is in the string.
    func set(_ value: Int, in bytes: UnsafeMutableRawBufferPointer, at offset: Int) {
        var rest = UInt64(bitPattern: Int64(value))
        // From the last byte to the first, in each the bits of the field.
        var end = offset + width
        while end > offset {
            let byte = (end - 1) / 8
            let start = max(offset, byte * 8)
            let shift = UInt8(byte * 8 + 8 - end)
            let mask = UInt8(truncatingIfNeeded: (1 << UInt(end - start)) - 1) << shift
            unsafe bytes[byte] = bytes[byte] & ~mask | (UInt8(truncatingIfNeeded: rest) << shift & mask)
            rest >>= UInt64(end - start)
            end = start
        }
    }
}
