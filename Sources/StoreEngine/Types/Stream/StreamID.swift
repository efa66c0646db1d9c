// The ids of a stream's entries: a time in milliseconds and a sequence number. The ids of a stream ascend.

import RespCodec

struct StreamID: Hashable, Comparable {
    var milliseconds: UInt64
    var sequence: UInt64

    static let zero = StreamID(milliseconds: 0, sequence: 0)
    static let maximum = StreamID(milliseconds: .max, sequence: .max)

    @inline(__always) static func < (left: StreamID, right: StreamID) -> Bool {
        left.milliseconds != right.milliseconds
            ? left.milliseconds < right.milliseconds : left.sequence < right.sequence
    }

    /// The next greater id; nil after the greatest.
    var successor: StreamID? {
        if sequence < .max { return StreamID(milliseconds: milliseconds, sequence: sequence + 1) }
        return milliseconds < .max ? StreamID(milliseconds: milliseconds + 1, sequence: 0) : nil
    }

    /// The next smaller id; nil before the smallest.
    var predecessor: StreamID? {
        if sequence > 0 { return StreamID(milliseconds: milliseconds, sequence: sequence - 1) }
        return milliseconds > 0 ? StreamID(milliseconds: milliseconds - 1, sequence: .max) : nil
    }

    // MARK: text

    /// The id as "milliseconds-sequence".
    func withText<Result>(separator: UInt8 = UInt8(ascii: "-"), _ body: (ByteSlice) -> Result) -> Result {
        unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 2 * Decimal.maximumLength + 1) { buffer in
            let start = buffer.baseAddress!
            var length = unsafe Self.write(milliseconds, to: start)
            unsafe start[length] = separator
            length += unsafe 1 + Self.write(sequence, to: start + length + 1)
            return unsafe body(ByteSlice(start: start, count: length))
        }
    }

    private static func write(_ value: UInt64, to target: UnsafeMutablePointer<UInt8>) -> Int {
        if value <= UInt64(Int.max) { return unsafe Decimal.write(Int(value), to: target) }
        let (rest, digit) = value.quotientAndRemainder(dividingBy: 10)
        let length = unsafe Decimal.write(Int(rest), to: target)
        unsafe target[length] = UInt8(ascii: "0") + UInt8(digit)
        return length + 1
    }

    /// An id as parsed from an argument.
    struct Parsed {
        var id: StreamID
        /// The sequence was "*": it is to be chosen.
        var choosesSequence = false
    }

    /// The id that a text spells: "milliseconds-sequence", or "milliseconds" alone; nil for anything else.
    /// - Parameters:
    ///   - missing: the sequence of an id that has none.
    ///   - edges: whether "-" and "+" stand for the smallest and the greatest id.
    ///   - choice: whether the sequence may be "*".
    static func parse(
        _ text: ByteSlice, missing: UInt64 = 0, edges: Bool = false, choice: Bool = false
    ) -> Parsed? {
        guard text.count > 0, text.count < 128 else { return nil }
        // As in C, a zero byte ends the text.
        let text = text.upToZero
        if text.count == 1 && (text[0] == UInt8(ascii: "-") || text[0] == UInt8(ascii: "+")) {
            guard edges else { return nil }
            return Parsed(id: text[0] == UInt8(ascii: "-") ? .zero : .maximum)
        }
        guard let dash = text.index(of: UInt8(ascii: "-")) else {
            return UnsignedDecimal.parse(text).map { Parsed(id: StreamID(milliseconds: $0, sequence: missing)) }
        }
        guard let milliseconds = UnsignedDecimal.parse(text[0..<dash]) else { return nil }
        let rest = text.dropFirst(dash + 1)
        if choice && rest.count == 1 && rest[0] == UInt8(ascii: "*") {
            return Parsed(id: StreamID(milliseconds: milliseconds, sequence: 0), choosesSequence: true)
        }
        return UnsignedDecimal.parse(rest).map { Parsed(id: StreamID(milliseconds: milliseconds, sequence: $0)) }
    }
}
