// Requests from bytes: multibulk ("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n") and inline ("GET k\r\n").
//
// The parser is a small state machine over a window of bytes that the caller owns. It never copies an argument: it appends the place of
// each to an `ArgumentList`. Three outcomes: a request, more bytes needed, or an error after which nothing follows.
// When bytes are missing it remembers how far it got, so that a request that arrives in small pieces is parsed once, not once per read;
// the caller may move the bytes of an unfinished request, and continues with their new position.
//
//     between requests --"*N"--> in multibulk (N arguments to come) --"$L"--> in bulk (L bytes to come) --> ... --> request
//              \--anything else--> a line, split by Redis's quoting rules --> request
//
// As in Redis the two bytes that end a bulk are skipped without a check. The window is only read, so a request that was parsed but not
// executed can be parsed again.

#if canImport(Glibc)
import Glibc
#endif

public struct RequestParser: Sendable {
    public enum Outcome: Equatable {
        /// The arguments of one request were appended to the list. An empty line has none, and is to be ignored.
        case request
        /// The window ends inside a request. `position` is after what has been parsed.
        case needMore
        case failure(ProtocolError)
    }

    public var limits = RequestLimits()
    /// Arguments that the current multibulk still needs; 0 between requests.
    public private(set) var missingArguments = 0
    /// Length of the current bulk, once its line was read.
    public private(set) var bulkLength: Int?

    public init(limits: RequestLimits = RequestLimits()) { self.limits = limits }

    /// Whether a request has begun and not ended.
    public var isInsideRequest: Bool { missingArguments > 0 }

    /// Continues after the current bulk, which the caller has received elsewhere with the two bytes after it. The caller appends its
    /// piece.
    public mutating func takeBulkElsewhere() {
        precondition(bulkLength != nil, "the parser is in no bulk")
        bulkLength = nil
        missingArguments -= 1
    }

    /// Parses `window` from `position` on, up to the end of one request.
    ///
    /// - Parameters:
    ///   - position: moves to after what was parsed. Without meaning after a failure.
    ///   - arguments: gets a piece for each argument, its offset relative to the start of `window`.
    /// - Complexity: O(bytes parsed).
    @unsafe public mutating func parse(
        _ window: UnsafeRawBufferPointer, position: inout Int, into arguments: ArgumentList
    ) -> Outcome {
        guard let base = window.baseAddress, position < window.count else { return .needMore }
        let bytes = unsafe base.assumingMemoryBound(to: UInt8.self)
        if missingArguments == 0,
            let next = unsafe parseShort(bytes, position: position, end: window.count, into: arguments)
        {
            position = next
            return .request
        }
        return unsafe parseAny(bytes, position: &position, end: window.count, into: arguments)
    }

    @inline(never)
    private mutating func parseAny(
        _ bytes: UnsafePointer<UInt8>, position: inout Int, end: Int, into arguments: ArgumentList
    ) -> Outcome {
        if missingArguments == 0 {
            guard unsafe bytes[position] == UInt8(ascii: "*") else {
                return unsafe parseInline(bytes, position: &position, end: end, into: arguments)
            }
            let length: Int
            switch unsafe readCount(bytes, position: position, end: end) {
            case .value(let value, let next):
                length = value
                position = next
            case .needMore:
                return end - position > limits.lineLength ? .failure(.multibulkCountTooLong) : .needMore
            case .invalid:
                return .failure(.invalidMultibulkLength)
            }
            if length > limits.argumentCount { return .failure(.invalidMultibulkLength) }
            if length > limits.unauthenticatedArgumentCount && limits.isUnauthenticated {
                return .failure(.unauthenticatedMultibulkLength)
            }
            if length <= 0 { return .request }
            missingArguments = length
        }
        while missingArguments > 0 {
            let length: Int
            if let known = bulkLength {
                length = known
            } else {
                guard position < end else { return .needMore }
                switch unsafe readCount(bytes, position: position, end: end) {
                case .value(let value, let next):
                    guard unsafe bytes[position] == UInt8(ascii: "$") else {
                        return .failure(.expectedBulk(found: unsafe bytes[position]))
                    }
                    guard value >= 0 && value <= limits.bulkLength else { return .failure(.invalidBulkLength) }
                    if value > limits.unauthenticatedBulkLength && limits.isUnauthenticated {
                        return .failure(.unauthenticatedBulkLength)
                    }
                    length = value
                    position = next
                case .needMore:
                    return end - position > limits.lineLength ? .failure(.bulkCountTooLong) : .needMore
                case .invalid:
                    return .failure(
                        unsafe bytes[position] == UInt8(ascii: "$")
                            ? .invalidBulkLength : .expectedBulk(found: unsafe bytes[position]))
                }
            }
            guard end &- position &- 2 >= length else {
                bulkLength = length
                return .needMore
            }
            arguments.append(ArgumentPiece(offset: position, count: length))
            position = position &+ length &+ 2
            bulkLength = nil
            missingArguments = missingArguments &- 1
        }
        return .request
    }

    /// Parses a multibulk of one to nine arguments of less than a hundred bytes each, as nearly all are, and returns where it ends; nil,
    /// with nothing appended, if it is not one or has not arrived completely.
    @inline(__always)
    private func parseShort(
        _ bytes: UnsafePointer<UInt8>, position: Int, end: Int, into arguments: ArgumentList
    ) -> Int? {
        guard end &- position >= 4, !limits.isUnauthenticated, limits.argumentCount >= 9, limits.bulkLength >= 99,
            unsafe bytes[position] == UInt8(ascii: "*") && bytes[position &+ 2] == 0x0D
        else { return nil }
        let count = unsafe Int(bytes[position &+ 1] &- UInt8(ascii: "0"))
        guard count >= 1 && count <= 9 else { return nil }
        let pieces = unsafe arguments.room(for: count)
        var place = position &+ 4
        for index in 0..<count {
            // The shortest is "$0" and two line ends.
            guard end &- place >= 6, unsafe bytes[place] == UInt8(ascii: "$") else { return nil }
            let first = unsafe bytes[place &+ 1] &- UInt8(ascii: "0")
            let next = unsafe bytes[place &+ 2]
            guard first <= 9 else { return nil }
            var length = Int(first)
            if next == 0x0D {
                place &+= 4
            } else {
                let second = next &- UInt8(ascii: "0")
                guard second <= 9 && first > 0, unsafe bytes[place &+ 3] == 0x0D else { return nil }
                length = length &* 10 &+ Int(second)
                place &+= 5
            }
            guard end &- place &- 2 >= length else { return nil }
            unsafe pieces[index] = ArgumentPiece(offset: place, count: length)
            place = place &+ length &+ 2
        }
        unsafe arguments.take(count)
        return place
    }

    private enum Count {
        case value(Int, next: Int)
        case needMore
        case invalid
    }

    /// Reads the number after the type byte at `position` up to the end of its line.
    @inline(__always)
    private func readCount(_ bytes: UnsafePointer<UInt8>, position: Int, end: Int) -> Count {
        // Nearly every count has one or two digits.
        if end &- position >= 5 {
            let first = unsafe bytes[position &+ 1] &- UInt8(ascii: "0")
            if first <= 9 {
                let next = unsafe bytes[position &+ 2]
                if next == 0x0D { return .value(Int(first), next: position &+ 4) }
                let second = next &- UInt8(ascii: "0")
                if second <= 9 && first > 0 && (unsafe bytes[position &+ 3]) == 0x0D {
                    return .value(Int(first) &* 10 &+ Int(second), next: position &+ 5)
                }
            }
        }
        return unsafe readLongCount(bytes, position: position, end: end)
    }

    @inline(never)
    private func readLongCount(_ bytes: UnsafePointer<UInt8>, position: Int, end: Int) -> Count {
        let searched = end - position
        guard let found = unsafe memchr(bytes + position, 0x0D, searched) else { return .needMore }
        let lineEnd = unsafe UnsafePointer(found.assumingMemoryBound(to: UInt8.self)) - UnsafePointer(bytes)
        guard lineEnd + 1 < end else { return .needMore }
        guard lineEnd > position else { return .invalid }
        let digits = unsafe ByteSlice(start: bytes + position + 1, count: lineEnd - position - 1)
        guard let value = Decimal.parse(digits) else { return .invalid }
        return .value(value, next: lineEnd + 2)
    }

    // MARK: inline requests

    private func parseInline(
        _ bytes: UnsafePointer<UInt8>, position: inout Int, end: Int, into arguments: ArgumentList
    ) -> Outcome {
        guard let found = unsafe memchr(bytes + position, 0x0A, end - position) else {
            return end - position > limits.lineLength ? .failure(.inlineTooLong) : .needMore
        }
        let newline = unsafe UnsafePointer(found.assumingMemoryBound(to: UInt8.self)) - UnsafePointer(bytes)
        guard newline - position <= limits.lineLength else { return .failure(.inlineTooLong) }
        var lineEnd = newline
        if lineEnd > position && (unsafe bytes[lineEnd - 1]) == 0x0D { lineEnd -= 1 }
        let before = arguments.count
        guard unsafe QuotedWords.split(bytes, from: position, to: lineEnd, into: arguments) else {
            arguments.truncate(to: before)
            return .failure(.unbalancedQuotes)
        }
        position = newline + 1
        return .request
    }
}
