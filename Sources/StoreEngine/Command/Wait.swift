// Commands that wait for a key: what they wait for, and how they ask for it.
//
// A command that finds nothing to answer with asks to wait, and its caller runs it again when one of the keys may have become what
// it wants. So there is one function for a command, whether it waits or not, and none of it knows of clients.

import RespCodec

/// What a command waits for. Whoever runs the command runs it again when one of the keys has become what it needs.
public struct Wait: Sendable {
    public let keys: [Key]
    /// Until when, in milliseconds since 1970: that millisecond is still waited for. Nil for as long as it takes.
    public let deadline: Int64?
    /// When the command is to be run again though no key has changed, in milliseconds since 1970.
    public let retryTime: Int64?
    public let timeoutReply: TimeoutReply
    /// What to run instead of the request as it came, for one that depends on when it came.
    public let request: [[UInt8]]?

    /// Of a command that waits for no key. Whoever runs commands knows when to run it again.
    public init(until deadline: Int64?) {
        keys = []
        self.deadline = deadline
        retryTime = nil
        timeoutReply = .byCommand
        request = nil
    }

    /// The same for whoever knows the keys and the request already: when it ends, and what is answered then.
    public var withoutKeys: Wait {
        Wait(keys: [], deadline: deadline, retryTime: retryTime, timeoutReply: timeoutReply, request: nil)
    }

    init(
        keys: [Key], deadline: Int64?, retryTime: Int64?, timeoutReply: TimeoutReply, request: [[UInt8]]?
    ) {
        self.keys = keys
        self.deadline = deadline
        self.retryTime = retryTime
        self.timeoutReply = timeoutReply
        self.request = request
    }

    public struct Key: Sendable {
        public let key: [UInt8]
        public let need: Need
    }

    /// What is answered when the time is over.
    public enum TimeoutReply: Sendable {
        case null
        case nullArray
        /// How many have acknowledged something.
        case zero
        /// What the command answers where it may not wait.
        case byCommand

        public func write(to reply: ReplyWriter) {
            switch self {
            case .null: reply.null()
            case .nullArray: reply.nullArray()
            case .zero: reply.integer(0)
            case .byCommand: preconditionFailure("whoever runs commands runs this one again")
            }
        }
    }
}

extension KeyspaceContext {
    /// Has the command wait for keys `range` of its arguments, and be run again when one of them has become what it needs; where
    /// nobody may wait, as in a transaction, answers at once as if the time were over. The command returns without a reply of its
    /// own.
    /// - Parameter need: what the key at an index of the arguments must become.
    func wait(
        for arguments: Arguments, _ range: Range<Int>, until deadline: Int64?, timeoutReply: Wait.TimeoutReply,
        retryTime: Int64? = nil, request: [[UInt8]]? = nil, _ need: (Int) -> Need
    ) {
        guard options.contains(.mayWait) else { return timeoutReply.write(to: reply) }
        engine.wait = Wait(
            keys: range.map { Wait.Key(key: arguments[$0].array, need: need($0)) }, deadline: deadline,
            retryTime: retryTime, timeoutReply: timeoutReply, request: request)
    }

    /// Whether a command passes over a key though it holds another type than the one asked for. One that has waited does: the key
    /// was absent when the wait began, and it goes on waiting for the others.
    func passesOver(_ key: ByteSlice, unless type: ValueType) -> Bool {
        guard options.contains(.hasWaited), let slot = find(key, .peek) else { return false }
        return !entry(slot).isType(type)
    }
}

/// What holds for one call of a command.
public struct CallOptions: OptionSet, Sendable {
    public let rawValue: UInt8
    @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// It may wait for a key. Else it must answer at once.
    @inlinable public static var mayWait: CallOptions { CallOptions(rawValue: 1 << 0) }
    /// It has waited, and is run again.
    @inlinable public static var hasWaited: CallOptions { CallOptions(rawValue: 1 << 1) }
    /// It does not count as a use of its keys.
    @inlinable public static var leavesAccessTimes: CallOptions { CallOptions(rawValue: 1 << 2) }
    /// A script has it run.
    @inlinable public static var scripted: CallOptions { CallOptions(rawValue: 1 << 3) }
    /// The keys that it makes replace others: nobody is told that they are new.
    @inlinable public static var replacesKeys: CallOptions { CallOptions(rawValue: 1 << 4) }
}

extension Arguments {
    /// The argument as a time to wait in seconds, with fractions: until when, in milliseconds since 1970; nil for ever (0).
    func waitDeadline(seconds index: Int, now: Int64) throws(CommandError) -> Int64? {
        guard let seconds = LongDoubleText.parse(self[index]), !seconds.isNaN else {
            throw .message("ERR timeout is not a float or out of range")
        }
        // Rounded up: less than a millisecond is not for ever.
        let milliseconds = (seconds * 1000).rounded(.up)
        // The largest integer is no floating point number everywhere: it would be rounded up to what is too large.
        guard milliseconds < 0x1p63 else { throw .timeoutOutOfRange }
        guard milliseconds >= 0 else { throw .negativeTimeout }
        return try Self.waitDeadline(Int64(milliseconds), now: now)
    }

    fileprivate static func waitDeadline(_ milliseconds: Int64, now: Int64) throws(CommandError) -> Int64? {
        guard milliseconds >= 0 else { throw .negativeTimeout }
        guard milliseconds > 0 else { return nil }
        let (deadline, overflow) = milliseconds.addingReportingOverflow(now)
        guard !overflow else { throw .timeoutOutOfRange }
        return deadline
    }
}

extension ArgumentReader {
    /// Reads a time to wait in milliseconds: until when, in milliseconds since 1970; nil for ever (0).
    public mutating func waitDeadline(now: Int64) throws(CommandError) -> Int64? {
        let milliseconds = try integer(otherwise: .timeoutNotInteger)
        return try Arguments.waitDeadline(Int64(milliseconds), now: now)
    }
}
