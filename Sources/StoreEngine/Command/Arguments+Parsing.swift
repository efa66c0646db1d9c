// Reading numbers and words from a request's arguments, each by its index, with the errors Redis gives. Options, of which the index is
// not known beforehand, are read with an `ArgumentReader`.

import RespCodec

extension Arguments {
    /// The argument as a 64-bit integer.
    /// - Throws: `notInteger`.
    func integer(_ index: Int) throws(CommandError) -> Int {
        guard let value = Decimal.parse(self[index]) else { throw .notInteger }
        return value
    }

    /// The argument as the number of one of `count` databases.
    public func databaseIndex(_ index: Int, of count: Int) throws(CommandError) -> Int {
        let number = try integer(index)
        guard Int32(exactly: number) != nil else {
            throw .message("ERR value is out of range, value must between -2147483648 and 2147483647")
        }
        guard 0..<count ~= number else { throw .databaseOutOfRange }
        return number
    }

    /// The argument as a count of elements that may be 0.
    /// - Throws: `mustBePositive`, also for what is no number.
    func count(_ index: Int) throws(CommandError) -> Int {
        guard let count = Decimal.parse(self[index]), count >= 0 else { throw .mustBePositive }
        return count
    }

    /// The argument as an integer that has an opposite: a count whose sign tells a direction, or whether there may be repetitions.
    func signedCount(_ index: Int) throws(CommandError) -> Int {
        let count = try integer(index)
        guard count != Int.min else {
            throw .message("ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807")
        }
        return count
    }

    /// Refuses to draw so often with repetitions that the reply would fit no memory. A reply whose limit is less than that ends early.
    func checkDraws(_ count: Int, _ reply: ReplyWriter) throws(CommandError) {
        let most = 1 << 27
        let shortestElement = 6
        guard count.magnitude <= most || reply.isTooLong(adding: most * shortestElement) else {
            throw .outOfRange
        }
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
    func word(_ index: Int, is word: StaticString) -> Bool { self[index].isWord(word) }
}

extension ByteSlice {
    /// Whether the bytes are this word, given in lower case, in any letter case. As in C, a zero byte ends them.
    public func isWord(_ word: StaticString) -> Bool {
        if count > word.utf8CodeUnitCount && self[word.utf8CodeUnitCount] == 0 {
            return self[0..<word.utf8CodeUnitCount].equalsIgnoringCase(word)
        }
        return equalsIgnoringCase(word)
    }

    /// The bytes before the first zero byte, with which a text of C ends.
    public var upToZero: ByteSlice { self[0..<(index(of: 0) ?? count)] }
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
