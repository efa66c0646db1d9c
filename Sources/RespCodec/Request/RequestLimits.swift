// Limits on requests. A client whose request exceeds one gets an error, and its connection is closed.

public struct RequestLimits: Sendable {
    /// Bytes of one argument (`proto-max-bulk-len`).
    public var bulkLength = 512 * 1024 * 1024
    /// Arguments of one request.
    public var argumentCount = Int(Int32.max)
    /// Bytes of one inline request, or of one line with a count.
    public var lineLength = 64 * 1024
    /// Arguments of one request before the client has authenticated.
    public var unauthenticatedArgumentCount = 10
    /// Bytes of one argument before the client has authenticated.
    public var unauthenticatedBulkLength = 16 * 1024
    /// Whether the client has yet to authenticate, so that the two limits above apply.
    public var isUnauthenticated = false

    public init() {}
}

/// How a request was malformed. Answered once, then the connection closes.
public enum ProtocolError: Error, Equatable, Sendable {
    case invalidMultibulkLength
    case invalidBulkLength
    case multibulkCountTooLong
    case bulkCountTooLong
    case inlineTooLong
    case unbalancedQuotes
    case expectedBulk(found: UInt8)
    case unauthenticatedMultibulkLength
    case unauthenticatedBulkLength

    /// The text of the error reply, as Redis words it, without its code.
    public var message: [UInt8] {
        let reason: StaticString =
            switch self {
            case .invalidMultibulkLength: "invalid multibulk length"
            case .invalidBulkLength: "invalid bulk length"
            case .multibulkCountTooLong: "too big mbulk count string"
            case .bulkCountTooLong: "too big bulk count string"
            case .inlineTooLong: "too big inline request"
            case .unbalancedQuotes: "unbalanced quotes in request"
            case .expectedBulk: "expected '$', got '"
            case .unauthenticatedMultibulkLength: "unauthenticated multibulk length"
            case .unauthenticatedBulkLength: "unauthenticated bulk length"
            }
        let text = ByteSlice("Protocol error: ").array + ByteSlice(reason).array
        guard case .expectedBulk(let found) = self else { return text }
        return text + [found, UInt8(ascii: "'")]
    }
}
