// The options of a command, read from left to right.
//
// The reader is a place among a request's arguments, kept in registers, and every command reads its options with it in one way:
//
//  - as long as `isAtEnd` is not reached, it asks for one option after the other: `takes("justid")`, or `takes("count", with: 1)` for one with
//    an operand, which `integer(atLeast:otherwise:)` then reads;
//  - what no option takes is a syntax error.
//
// A word that lacks its operands, or does not go with what was read before, is no option either. Which mistake a caller hears of depends on the order of reading, so what a command tests stands in the order in
// which Redis tests it. Words are given in lower case and match in any letter case; as in C, a zero byte ends an argument.

import RespCodec

public struct ArgumentReader {
    public let arguments: Arguments
    /// The index of the argument that is read next.
    public private(set) var index: Int

    @inline(__always)
    public init(_ arguments: Arguments, from index: Int) {
        self.arguments = arguments
        self.index = index
    }

    /// How many arguments are left.
    @inline(__always)
    public var left: Int { arguments.count &- index }

    @inline(__always)
    public var isAtEnd: Bool { left <= 0 }

    /// The argument that is read next. There must be one.
    @inline(__always)
    public var current: ByteSlice { arguments[index] }

    /// The first byte of the argument that is read next, a letter in lower case; 0 for an empty one.
    @inline(__always)
    var initial: UInt8 { current.isEmpty ? 0 : current[0] | 0x20 }

    /// Reads an argument. There must be one.
    @inline(__always)
    public mutating func next() -> ByteSlice {
        let argument = arguments[index]
        index &+= 1
        return argument
    }

    /// Passes over arguments.
    @inline(__always)
    public mutating func skip(_ count: Int = 1) { index &+= count }

    // MARK: words

    /// Whether the argument that is read next is this word.
    @inline(__always)
    public func isAt(_ word: StaticString) -> Bool { left > 0 && arguments.word(index, is: word) }

    /// Passes over this word, if it is what comes next and as many operands as it needs follow.
    @inline(__always)
    public mutating func takes(_ word: StaticString, with operands: Int = 0) -> Bool {
        guard left > operands, arguments.word(index, is: word) else { return false }
        index &+= 1
        return true
    }

    /// Reads one of two words, which must come next, and returns whether it is the first one.
    @inline(__always)
    public mutating func either(
        _ word: StaticString, or other: StaticString, otherwise error: @autoclosure () -> CommandError = .syntax
    ) throws(CommandError) -> Bool {
        if takes(word) { return true }
        guard takes(other) else { throw error() }
        return false
    }

    /// Takes NX or XX, or the words that stand for them: whether something must exist; nil if neither comes next.
    @inline(__always)
    mutating func takesExistence(_ absent: StaticString = "nx", _ present: StaticString = "xx") -> Bool? {
        if takes(absent) { return false }
        return takes(present) ? true : nil
    }

    /// Nothing may be left over.
    @inline(__always)
    public func end(otherwise error: @autoclosure () -> CommandError = .syntax) throws(CommandError) {
        guard isAtEnd else { throw error() }
    }

    // MARK: numbers

    /// Reads an integer. There must be an argument.
    @inline(__always)
    public mutating func integer(
        otherwise error: @autoclosure () -> CommandError = .notInteger
    ) throws(CommandError) -> Int {
        guard let value = Decimal.parse(next()) else { throw error() }
        return value
    }

    /// Reads an integer within bounds. There must be an argument.
    /// - Throws: the same error for what is no integer and for one that is out of bounds.
    @inline(__always)
    public mutating func integer(
        in range: ClosedRange<Int>, otherwise error: @autoclosure () -> CommandError
    ) throws(CommandError) -> Int {
        guard let value = Decimal.parse(next()), range.contains(value) else { throw error() }
        return value
    }

    /// Reads an integer that is not less than another. There must be an argument.
    /// - Throws: the same error for what is no integer and for one that is less.
    @inline(__always)
    public mutating func integer(
        atLeast minimum: Int, otherwise error: @autoclosure () -> CommandError
    ) throws(CommandError) -> Int {
        try integer(in: minimum...Int.max, otherwise: error())
    }

    /// Reads a floating point number. There must be an argument.
    @inline(__always)
    mutating func double(otherwise error: @autoclosure () -> CommandError = .notFloat) throws(CommandError) -> Double {
        guard let value = FloatingPoint64.parse(next()) else { throw error() }
        return value
    }

    /// Reads an integer that has an opposite. There must be an argument.
    mutating func signedCount() throws(CommandError) -> Int {
        defer { index &+= 1 }
        return try arguments.signedCount(index)
    }

    /// Reads the number of one of `count` databases. There must be an argument.
    mutating func databaseIndex(of count: Int) throws(CommandError) -> Int {
        defer { index &+= 1 }
        return try arguments.databaseIndex(index, of: count)
    }

    // MARK: several arguments

    /// Passes over `count` arguments, behind which there must be `rest` more, and returns their indexes.
    @inline(__always)
    public mutating func take(
        _ count: Int, leaving rest: Int = 0, otherwise error: @autoclosure () -> CommandError = .syntax
    ) throws(CommandError) -> Range<Int> {
        guard count <= left &- rest else { throw error() }
        let start = index
        index &+= count
        return start..<index
    }

    /// Reads a number of keys and passes over as many keys, behind which there must be `rest` more arguments.
    /// - Returns: the indexes of the keys, one at least.
    mutating func keys(
        leaving rest: Int = 0, tooMany error: @autoclosure () -> CommandError = .syntax
    ) throws(CommandError) -> Range<Int> {
        let count = try integer(atLeast: 1, otherwise: .message("ERR numkeys should be greater than 0"))
        return try take(count, leaving: rest, otherwise: error())
    }

    // MARK: options that several commands have

    /// Takes "LIMIT offset count", if it comes next.
    @inline(__always)
    mutating func takesLimits() throws(CommandError) -> (offset: Int, count: Int)? {
        guard takes("limit", with: 2) else { return nil }
        return (try integer(), try integer())
    }

    /// Takes "LIMIT limit" of the commands that count members, if it comes next: 0 stands for no limit.
    mutating func takesCountingLimit() throws(CommandError) -> Int? {
        guard takes("limit", with: 1) else { return nil }
        return try integer(atLeast: 0, otherwise: .message("ERR LIMIT can't be negative"))
    }

    /// Reads how many elements a command is to take out, one at least.
    mutating func amount() throws(CommandError) -> Int {
        try integer(atLeast: 1, otherwise: .message("ERR count should be greater than 0"))
    }
}
