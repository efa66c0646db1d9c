// Counts complete replies in what a server sends, without keeping any of it: a load generator that parsed replies would measure itself.
//
//     skipped    bytes of a bulk string that have not come yet
//     open       elements that are missing until the reply is complete
//
// A line that has not come whole is left to the caller, who gives it again with what follows.

import Glibc

struct ReplySkipper {
    private var skipped = 0
    private var open = 0
    private(set) var errorCount = 0
    /// The text of the first error.
    private(set) var firstError: Bytes?
    /// Whether what came is no reply. Nothing is counted from then on.
    private(set) var isBroken = false

    /// Consumes bytes up to the last complete line or bulk string.
    ///
    /// - Returns: how many replies were completed, and how many bytes were consumed.
    mutating func take(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> (replies: Int, consumed: Int) {
        var replies = 0
        var position = 0
        while position < count && !isBroken {
            if skipped > 0 {
                let step = min(skipped, count - position)
                skipped -= step
                position += step
                if skipped == 0 { completeElement(&replies) }
                continue
            }
            let line = bytes + position
            // The reply to most writes.
            if open == 0, count - position >= 5, line[0] == 0x2B, line[1] == 0x4F, line[4] == 0x0A {
                position += 5
                replies += 1
                continue
            }
            guard let end = memchr(line, 0x0A, count - position) else { break }
            let length = UnsafeRawPointer(end) - UnsafeRawPointer(line) + 1
            position += length
            switch line[0] {
            case UInt8(ascii: "+"), UInt8(ascii: ":"), UInt8(ascii: "_"), UInt8(ascii: ","), UInt8(ascii: "#"),
                UInt8(ascii: "("):
                completeElement(&replies)
            case UInt8(ascii: "-"):
                noteError(line, length)
                completeElement(&replies)
            case UInt8(ascii: "$"), UInt8(ascii: "="), UInt8(ascii: "!"):
                if line[0] == UInt8(ascii: "!") { errorCount += 1 }
                guard let size = Self.number(line + 1, length - 1), size <= 1 << 40 else {
                    return broken(replies)
                }
                if size < 0 { completeElement(&replies) } else { skipped = size + 2 }
            case UInt8(ascii: "*"), UInt8(ascii: "~"), UInt8(ascii: ">"):
                guard let size = Self.number(line + 1, length - 1), size <= 1 << 32 else { return broken(replies) }
                openAggregate(max(0, size), &replies)
            case UInt8(ascii: "%"):
                guard let size = Self.number(line + 1, length - 1), size <= 1 << 31 else { return broken(replies) }
                openAggregate(2 * max(0, size), &replies)
            case UInt8(ascii: "|"):
                // Attributes, and the reply that they belong to.
                guard let size = Self.number(line + 1, length - 1), size <= 1 << 31 else { return broken(replies) }
                if open == 0 { open = 1 }
                open += 2 * max(0, size)
            default:
                return broken(replies)
            }
        }
        return (replies, position)
    }

    private mutating func broken(_ replies: Int) -> (Int, Int) {
        isBroken = true
        return (replies, 0)
    }

    private mutating func completeElement(_ replies: inout Int) {
        if open > 1 {
            open -= 1
        } else {
            open = 0
            replies += 1
        }
    }

    private mutating func openAggregate(_ size: Int, _ replies: inout Int) {
        if size == 0 { return completeElement(&replies) }
        // In place of the element that the aggregate is.
        open = max(open, 1) - 1 + size
    }

    private mutating func noteError(_ line: UnsafePointer<UInt8>, _ length: Int) {
        errorCount += 1
        if firstError == nil { firstError = Bytes(UnsafeBufferPointer(start: line + 1, count: max(0, length - 3))) }
    }

    /// The number of a line that ends with CR and LF.
    private static func number(_ digits: UnsafePointer<UInt8>, _ length: Int) -> Int? {
        let isNegative = digits[0] == UInt8(ascii: "-")
        var value = 0
        var index = isNegative ? 1 : 0
        guard length - index >= 3, length - index <= 20 else { return nil }
        while index < length - 2 {
            guard digits[index] >= 0x30, digits[index] <= 0x39 else { return nil }
            value = value &* 10 &+ Int(digits[index] &- 0x30)
            index += 1
        }
        return isNegative ? -value : value
    }
}
