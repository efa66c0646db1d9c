// Replies from bytes, for clients: RESP2 and RESP3, from input that arrives in any pieces.
//
// The parser owns no input buffer. It is passed what was read from the socket, and consumes bytes from its front until
// a reply is complete or the input is used up. What it needs to continue later is in its state:
//
//     line     the bytes of a line whose end has not arrived yet
//     bulk     the bytes of a bulk so far, and how many are missing
//     stack    the open arrays, maps and other aggregates, each with its elements so far
//
// So every byte is looked at once, however large the reply and however small the pieces, and a reply that has arrived
// in part takes no more memory than its own size.
//
//     item --line "*3"--> push a frame, item              item --line "$5"--> bulk --5 bytes, CR, LF--> value
//     item --line ":1"--> value                           value --top frame not full--> item
//     value --top frame full: pop it, it is a value--> value     value --no frame left--> the reply
//
// Counts and lengths that the peer announces are bounded, and no memory is reserved for them beyond a small first step,
// so that a hostile "*4294967295" costs only what really arrives. Nesting is bounded because printing and freeing a
// reply recurse. Streamed strings and aggregates ("$?", "*?"), a part of RESP3 that no known server sends, are an error.

/// Limits on replies. A reply that exceeds one is a failure, after which the connection cannot be used.
public struct ReplyLimits: Sendable {
    /// Bytes of a bulk string, and of a line that holds text (a simple string, an error, a big number).
    public var textLength = 512 * 1024 * 1024
    /// Elements of one aggregate; entries of a map count once.
    public var elementCount = Int(UInt32.max)
    /// Levels of nested aggregates. The deepest reply of a server's own commands, COMMAND DOCS, has 12; 128 leaves room
    /// for replies of scripts, and takes some tens of KiB of stack in code that recurses.
    public var depth = 128

    public init() {}
}

public struct ReplyParser: Sendable {
    public enum Outcome: Equatable, Sendable {
        /// One complete reply. What follows it stays in the input.
        case reply(Reply)
        /// The input is used up and the reply is not complete.
        case needMore
        /// The peer does not speak the protocol. Every further call has this outcome too.
        case failure(Failure)
    }

    /// How a reply was malformed.
    public enum Failure: Error, Equatable, Sendable {
        case unknownType(UInt8)
        case invalidLength
        case lengthOutOfRange
        case invalidCount
        case countOutOfRange
        case nestedTooDeeply
        case invalidInteger
        case invalidDouble
        case invalidBoolean
        case invalidNull
        case invalidBigNumber
        case invalidText
        case invalidVerbatim
        case lineTooLong
        case lineEndMissing
    }

    private enum State {
        case line
        case bulk(kind: BulkKind, missing: Int)
        /// Within the CR and LF after a bulk; `missing` is 2 or 1.
        case bulkEnd(kind: BulkKind, missing: Int)
        case failed(Failure)
    }

    private enum BulkKind { case string, error, verbatim }

    private enum FrameKind { case array, set, push, map, attributes, attributed }

    /// An aggregate that is not complete yet.
    private struct Frame {
        var kind: FrameKind
        /// Elements, or entries of a map, that are missing.
        var missing: Int
        var elements: [Reply] = []
        /// Entries of a map or of attributes; in an `.attributed` frame, the attributes of the one reply to come.
        var entries: [Reply.MapEntry] = []
        var key: Reply?
    }

    private let limits: ReplyLimits
    private var state = State.line
    private var partialLine: [UInt8] = []
    private var partialBulk: [UInt8] = []
    private var stack: [Frame] = []

    /// Lines with numbers need no more than this, the longest double included (C prints at most 326 bytes of one).
    private static let numberLineLength = 512
    /// Elements or bytes for which memory is reserved before they arrive.
    private static let trustedCount = 64
    private static let trustedLength = 64 * 1024

    public init(limits: ReplyLimits = ReplyLimits()) {
        self.limits = limits
    }

    /// Whether a reply has begun and not ended.
    public var isInsideReply: Bool {
        guard case .line = state else { return true }
        return !partialLine.isEmpty || !stack.isEmpty
    }

    /// Consumes bytes from the front of `input`, up to the end of one reply.
    ///
    /// - Returns: `.reply` with `input` holding what follows; `.needMore` with `input` empty; or `.failure`, after
    ///   which the contents of `input` have no meaning.
    /// - Complexity: O(bytes consumed), amortized over all calls.
    public mutating func parse(_ input: inout ByteSlice) -> Outcome {
        do throws(Failure) {
            while !input.isEmpty {
                if let reply = try step(&input) { return .reply(reply) }
            }
            if case .failed(let failure) = state { return .failure(failure) }
            return .needMore
        } catch {
            state = .failed(error)
            partialLine = []
            partialBulk = []
            stack = []
            return .failure(error)
        }
    }

    /// Consumes one line or one bulk, or as much of it as has arrived.
    private mutating func step(_ input: inout ByteSlice) throws(Failure) -> Reply? {
        switch state {
        case .failed(let failure):
            throw failure
        case .line:
            return try takeLine(&input)
        case .bulk(let kind, let missing):
            let count = min(missing, input.count)
            unsafe partialBulk.append(contentsOf: input[0..<count].rawBytes)
            input = input.dropFirst(count)
            state = count == missing ? .bulkEnd(kind: kind, missing: 2) : .bulk(kind: kind, missing: missing - count)
            return nil
        case .bulkEnd(let kind, let missing):
            guard input[0] == (missing == 2 ? UInt8(ascii: "\r") : UInt8(ascii: "\n")) else { throw .lineEndMissing }
            input = input.dropFirst(1)
            if missing == 2 {
                state = .bulkEnd(kind: kind, missing: 1)
                return nil
            }
            state = .line
            let bytes = partialBulk
            partialBulk = []
            return complete(try bulk(kind, bytes))
        }
    }

    // MARK: lines

    private mutating func takeLine(_ input: inout ByteSlice) throws(Failure) -> Reply? {
        let type = partialLine.first ?? input[0]
        let limit = try lineLimit(of: type)
        guard let newline = input.index(of: UInt8(ascii: "\n")) else {
            guard partialLine.count + input.count <= limit else { throw .lineTooLong }
            unsafe partialLine.append(contentsOf: input.rawBytes)
            input = .empty
            return nil
        }
        let end = input[0..<newline]
        input = input.dropFirst(newline + 1)
        guard partialLine.count + end.count <= limit else { throw .lineTooLong }
        if partialLine.isEmpty { return try takeItem(end) }
        unsafe partialLine.append(contentsOf: end.rawBytes)
        let line = partialLine
        partialLine = []
        return try line.withByteSlice { (slice) throws(Failure) in try takeItem(slice) }
    }

    /// The most bytes that a line of `type` may have, its CR included.
    /// - Throws: `unknownType`.
    private func lineLimit(of type: UInt8) throws(Failure) -> Int {
        switch type {
        case UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "("):
            return limits.textLength + 2
        case UInt8(ascii: ":"), UInt8(ascii: "_"), UInt8(ascii: "#"), UInt8(ascii: ","), UInt8(ascii: "$"),
            UInt8(ascii: "="), UInt8(ascii: "!"), UInt8(ascii: "*"), UInt8(ascii: "%"), UInt8(ascii: "~"),
            UInt8(ascii: ">"), UInt8(ascii: "|"):
            return Self.numberLineLength
        default:
            throw .unknownType(type)
        }
    }

    /// - Parameter line: a line without its LF. Its first byte is a known type, its last should be a CR.
    private mutating func takeItem(_ line: ByteSlice) throws(Failure) -> Reply? {
        guard line.count >= 2 && line[line.count - 1] == UInt8(ascii: "\r") else { throw .lineEndMissing }
        let text = line[1..<line.count - 1]
        switch line[0] {
        case UInt8(ascii: "+"):
            return complete(.simpleString(try plainText(text)))
        case UInt8(ascii: "-"):
            return complete(.error(try plainText(text)))
        case UInt8(ascii: ":"):
            guard let value = Decimal.parse(text) else { throw .invalidInteger }
            return complete(.integer(value))
        case UInt8(ascii: "_"):
            guard text.isEmpty else { throw .invalidNull }
            return complete(.null)
        case UInt8(ascii: "#"):
            guard text.count == 1 && (text[0] == UInt8(ascii: "t") || text[0] == UInt8(ascii: "f")) else {
                throw .invalidBoolean
            }
            return complete(.boolean(text[0] == UInt8(ascii: "t")))
        case UInt8(ascii: ","):
            guard Self.isDouble(text) else { throw .invalidDouble }
            return complete(.double(text.array))
        case UInt8(ascii: "("):
            guard Self.isBigNumber(text) else { throw .invalidBigNumber }
            return complete(.bigNumber(text.array))
        case UInt8(ascii: "$"):
            return try beginBulk(.string, length: text)
        case UInt8(ascii: "!"):
            return try beginBulk(.error, length: text)
        case UInt8(ascii: "="):
            return try beginBulk(.verbatim, length: text)
        case UInt8(ascii: "*"):
            return try beginAggregate(.array, count: text)
        case UInt8(ascii: "~"):
            return try beginAggregate(.set, count: text)
        case UInt8(ascii: ">"):
            return try beginAggregate(.push, count: text)
        case UInt8(ascii: "%"):
            return try beginAggregate(.map, count: text)
        default:
            return try beginAggregate(.attributes, count: text)
        }
    }

    private func plainText(_ text: ByteSlice) throws(Failure) -> [UInt8] {
        guard text.index(of: UInt8(ascii: "\r")) == nil else { throw .invalidText }
        return text.array
    }

    // MARK: bulks

    private mutating func beginBulk(_ kind: BulkKind, length text: ByteSlice) throws(Failure) -> Reply? {
        guard let length = Decimal.parse(text) else { throw .invalidLength }
        if length == -1 && kind == .string { return complete(.null) }
        guard length >= 0 && length <= limits.textLength else { throw .lengthOutOfRange }
        partialBulk.reserveCapacity(min(length, Self.trustedLength))
        state = length == 0 ? .bulkEnd(kind: kind, missing: 2) : .bulk(kind: kind, missing: length)
        return nil
    }

    private func bulk(_ kind: BulkKind, _ bytes: [UInt8]) throws(Failure) -> Reply {
        switch kind {
        case .string: return .bulkString(bytes)
        case .error: return .bulkError(bytes)
        case .verbatim:
            guard bytes.count >= 4 && bytes[3] == UInt8(ascii: ":") else { throw .invalidVerbatim }
            return .verbatimString(format: Array(bytes[0..<3]), text: Array(bytes[4...]))
        }
    }

    // MARK: aggregates

    private mutating func beginAggregate(_ kind: FrameKind, count text: ByteSlice) throws(Failure) -> Reply? {
        guard let count = Decimal.parse(text) else { throw .invalidCount }
        if count == -1 && kind == .array { return complete(.null) }
        guard count >= 0 && count <= limits.elementCount else { throw .countOutOfRange }
        guard stack.count < limits.depth else { throw .nestedTooDeeply }
        var frame = Frame(kind: kind, missing: count)
        if count == 0 {
            // A reply follows even empty attributes.
            guard kind == .attributes else { return complete(Self.value(of: frame)) }
            frame.kind = .attributed
            frame.missing = 1
        } else if kind == .map || kind == .attributes {
            frame.entries.reserveCapacity(min(count, Self.trustedCount))
        } else {
            frame.elements.reserveCapacity(min(count, Self.trustedCount))
        }
        stack.append(frame)
        return nil
    }

    /// Adds a complete value to the innermost open aggregate, and each aggregate that this completes to the one around it.
    ///
    /// - Returns: the outermost value, once it is complete: the reply.
    private mutating func complete(_ value: Reply) -> Reply? {
        var value = value
        while !stack.isEmpty {
            let top = stack.count - 1
            switch stack[top].kind {
            case .array, .set, .push, .attributed:
                stack[top].elements.append(value)
                stack[top].missing -= 1
            case .map, .attributes:
                if let key = stack[top].key {
                    stack[top].entries.append(Reply.MapEntry(key: key, value: value))
                    stack[top].key = nil
                    stack[top].missing -= 1
                } else {
                    stack[top].key = value
                }
            }
            if stack[top].missing > 0 { return nil }
            if stack[top].kind == .attributes {
                stack[top].kind = .attributed
                stack[top].missing = 1
                return nil
            }
            value = Self.value(of: stack.removeLast())
        }
        return value
    }

    private static func value(of frame: Frame) -> Reply {
        switch frame.kind {
        case .array: .array(frame.elements)
        case .set: .set(frame.elements)
        case .push: .push(frame.elements)
        case .map, .attributes: .map(frame.entries)
        case .attributed: .attributed(frame.elements[0], attributes: frame.entries)
        }
    }

    // MARK: numbers kept as text

    /// Whether `text` is an optional minus sign and at least one digit.
    private static func isBigNumber(_ text: ByteSlice) -> Bool {
        var index = 0
        if !text.isEmpty && text[0] == UInt8(ascii: "-") { index = 1 }
        return index < text.count && skipDigits(text, from: index) == text.count
    }

    /// Whether `text` is "inf", "-inf", "nan" or "-nan" in any letter case, or a decimal number: an optional sign,
    /// digits with at most one point among or around them, and an optional exponent.
    private static func isDouble(_ text: ByteSlice) -> Bool {
        guard !text.isEmpty else { return false }
        var index = 0
        if text[0] == UInt8(ascii: "-") || text[0] == UInt8(ascii: "+") { index = 1 }
        let magnitude = text.dropFirst(index)
        if magnitude.equalsIgnoringCase("inf") || magnitude.equalsIgnoringCase("nan") { return true }
        let wholeStart = index
        index = skipDigits(text, from: index)
        var digits = index - wholeStart
        if index < text.count && text[index] == UInt8(ascii: ".") {
            let fractionStart = index + 1
            index = skipDigits(text, from: fractionStart)
            digits += index - fractionStart
        }
        guard digits > 0 else { return false }
        if index < text.count && ByteSlice.lowercased(text[index]) == UInt8(ascii: "e") {
            index += 1
            if index < text.count && (text[index] == UInt8(ascii: "-") || text[index] == UInt8(ascii: "+")) {
                index += 1
            }
            let exponentStart = index
            index = skipDigits(text, from: exponentStart)
            guard index > exponentStart else { return false }
        }
        return index == text.count
    }

    private static func skipDigits(_ text: ByteSlice, from start: Int) -> Int {
        var index = start
        while index < text.count && text[index] &- UInt8(ascii: "0") <= 9 { index += 1 }
        return index
    }
}

extension ReplyParser.Failure {
    /// A message for users, in the words of hiredis where it has the same error, since scripts look for them.
    public var message: String {
        switch self {
        case .unknownType(let byte): "Protocol error, got \(Self.quoted(byte)) as reply type byte"
        case .invalidLength: "Bad bulk string length"
        case .lengthOutOfRange: "Bulk string length out of range"
        case .invalidCount: "Bad multi-bulk length"
        case .countOutOfRange: "Multi-bulk length out of range"
        case .nestedTooDeeply: "Reply nested too deeply"
        case .invalidInteger: "Bad integer value"
        case .invalidDouble: "Bad double value"
        case .invalidBoolean: "Bad bool value"
        case .invalidNull: "Bad nil value"
        case .invalidBigNumber: "Bad bignum value"
        case .invalidText: "Bad simple string value"
        case .invalidVerbatim: "Verbatim string 4 bytes of content type are missing or incorrectly encoded."
        case .lineTooLong: "Reply line too long"
        case .lineEndMissing: "Reply line without CRLF"
        }
    }

    private static func quoted(_ byte: UInt8) -> String {
        var text: [UInt8] = []
        ByteEscapes.quotedWord.appendQuoted([byte], to: &text)
        return String(decoding: text, as: UTF8.self)
    }
}
