// Reading options and numbers from a request's arguments, with the errors Redis gives.

import RespCodec

extension Arguments {
    /// The argument as a 64-bit integer.
    /// - Throws: `notInteger`.
    func integer(_ index: Int) throws(CommandError) -> Int {
        guard let value = Decimal.parse(self[index]) else { throw .notInteger }
        return value
    }

    /// The argument as the number of one of so many databases.
    public func databaseIndex(_ index: Int, of count: Int) throws(CommandError) -> Int {
        let number = try integer(index)
        guard Int32(exactly: number) != nil else {
            throw .message("ERR value is out of range, value must between -2147483648 and 2147483647")
        }
        guard 0..<count ~= number else { throw .message("ERR DB index is out of range") }
        return number
    }

    /// The argument as a count of elements to draw, with repetitions if it is negative.
    func drawCount(_ index: Int) throws(CommandError) -> Int {
        let count = try integer(index)
        guard count != Int.min else {
            throw .message("ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807")
        }
        return count
    }

    /// Refuses to draw so often with repetitions that the reply would fit no memory.
    func checkDraws(_ count: Int) throws(CommandError) {
        guard count.magnitude <= 1 << 27 else { throw .message("ERR value is out of range") }
    }

    /// The argument as a floating point number.
    func double(_ index: Int, otherwise error: CommandError = .notFloat) throws(CommandError) -> Double {
        guard let value = FloatingPoint64.parse(self[index]) else { throw error }
        return value
    }

    /// The argument as the widest floating point number.
    /// - Throws: `notFloat`.
    func longDouble(_ index: Int) throws(CommandError) -> LongDouble {
        guard let value = LongDoubleText.parse(self[index]) else { throw .notFloat }
        return value
    }

    /// The argument as the cursor of a scan.
    /// - Throws: a message for what is no number.
    func cursor(_ index: Int) throws(CommandError) -> UInt64 {
        guard let value = UnsignedDecimal.parse(self[index].upToZero) else { throw .message("ERR invalid cursor") }
        return value
    }

    /// Whether the argument is this word, given in lower case, in any letter case. As in C, a zero byte ends the argument.
    func word(_ index: Int, is word: StaticString) -> Bool {
        let argument = self[index]
        if argument.count > word.utf8CodeUnitCount && argument[word.utf8CodeUnitCount] == 0 {
            return argument[0..<word.utf8CodeUnitCount].equalsIgnoringCase(word)
        }
        return argument.equalsIgnoringCase(word)
    }
}

extension ByteSlice {
    /// The bytes before the first zero byte, with which a text of C ends.
    var upToZero: ByteSlice { self[0..<(index(of: 0) ?? count)] }
}

enum UnsignedDecimal {
    /// An unsigned number as `strtoull` reads it, negative numbers in their canonical form excepted; nil for anything else.
    ///
    /// - Source: Redis, util.c, string2ull.
    static func parse(_ text: ByteSlice) -> UInt64? {
        if let value = Decimal.parse(text) { return value >= 0 ? UInt64(value) : nil }
        var index = 0
        while index < text.count && (text[index] == 0x20 || text[index] &- 9 < 5) { index += 1 }
        var isNegative = false
        if index < text.count && (text[index] == UInt8(ascii: "-") || text[index] == UInt8(ascii: "+")) {
            isNegative = text[index] == UInt8(ascii: "-")
            index += 1
        }
        guard index < text.count else { return nil }
        var value: UInt64 = 0
        while index < text.count {
            let digit = text[index] &- UInt8(ascii: "0")
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carried) = product.addingReportingOverflow(UInt64(digit))
            guard digit <= 9, !overflow, !carried else { return nil }
            value = sum
            index += 1
        }
        return isNegative ? 0 &- value : value
    }
}

/// Expire times as commands give them.
enum ExpireTime {
    enum Unit {
        case seconds
        case milliseconds
    }

    /// The deadline in milliseconds since 1970.
    /// - Parameter amount: from now on, or since 1970 if absolute. May be negative.
    /// - Throws: `invalidExpire` when it cannot be counted in 64 bits.
    static func deadline(
        _ amount: Int, unit: Unit, isAbsolute: Bool, now: Int64, command: String
    ) throws(CommandError) -> Int64 {
        var result = Int64(amount)
        if unit == .seconds {
            let (product, overflow) = result.multipliedReportingOverflow(by: 1000)
            guard !overflow else { throw .invalidExpire(command) }
            result = product
        }
        if !isAbsolute {
            let (sum, overflow) = result.addingReportingOverflow(now)
            guard !overflow else { throw .invalidExpire(command) }
            result = sum
        }
        return result
    }

    /// As `deadline`, for commands that refuse times that are not positive.
    static func positiveDeadline(
        _ text: ByteSlice, unit: Unit, isAbsolute: Bool, now: Int64, command: String
    ) throws(CommandError) -> Int64 {
        guard let amount = Decimal.parse(text) else { throw .notInteger }
        guard amount > 0 else { throw .invalidExpire(command) }
        let deadline = try deadline(amount, unit: unit, isAbsolute: isAbsolute, now: now, command: command)
        guard deadline > 0 else { throw .invalidExpire(command) }
        return deadline
    }
}
