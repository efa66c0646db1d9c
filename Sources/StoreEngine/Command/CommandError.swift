// What a command answers when the caller made a mistake. Clients match on the texts. One that several commands give stands here; one that a
// single command gives stands with it.

import RespCodec

public enum CommandError: Error {
    case syntax
    case wrongType
    case notInteger
    case notFloat
    case noSuchKey
    case overflow
    case nanOrInfinity
    case stringTooLong
    case mustBePositive
    /// An invalid expire time; the command's name.
    case invalidExpire(String)
    /// Too few or too many arguments; the command's full name in lower case.
    case wrongArity(String)
    /// The whole text, its code included.
    case message(StaticString)
    case text(String)
    case bytes([UInt8])

    public static let outOfRange = CommandError.message("ERR value is out of range")
    public static let timeoutNotInteger = CommandError.message("ERR timeout is not an integer or out of range")
    public static let timeoutOutOfRange = CommandError.message("ERR timeout is out of range")
    public static let negativeTimeout = CommandError.message("ERR timeout is negative")
    public static let databaseOutOfRange = CommandError.message("ERR DB index is out of range")
    public static let tooManyKeys = CommandError.message("ERR Number of keys can't be greater than number of args")
    public static let negativeKeyCount = CommandError.message("ERR Number of keys can't be negative")
    public static let countNotPositive = CommandError.message("ERR COUNT must be > 0")
    public static let damagedPayload = CommandError.message("ERR DUMP payload version or checksum are wrong")
    public static let noSuchScript = CommandError.message("NOSCRIPT No matching script. Please use EVAL.")
    public static let loading = CommandError.message(loadingText)
    /// CONFIG says it in a refusal of its own.
    public static let loadingText: StaticString = "LOADING Redis is loading the dataset in memory"
    public static let outOfMemory = CommandError.message("OOM command not allowed when used memory > 'maxmemory'.")

    /// An error that quotes a word of the request: up to its first zero byte, as C prints it, and up to `limit` bytes.
    public static func quoting(_ before: String, _ word: ByteSlice, _ after: String = "", limit: Int = Int.max)
        -> CommandError
    {
        .bytes(Array(before.utf8) + shown(word, limit: limit) + Array(after.utf8))
    }

    /// A word that is no subcommand of `container`.
    public static func unknownSubcommand(of container: String, _ word: ByteSlice) -> CommandError {
        .quoting("ERR unknown subcommand '", word, "'. Try \(container) HELP.", limit: 128)
    }

    /// A word that is no subcommand of `container`, or has not the arguments of one.
    public static func subcommandSyntax(of container: String, _ word: ByteSlice) -> CommandError {
        .quoting(
            "ERR unknown subcommand or wrong number of arguments for '", word, "'. Try \(container) HELP.", limit: 128)
    }

    /// What C prints of a word.
    public static func shown(_ word: ByteSlice, limit: Int) -> [UInt8] {
        word[0..<min(word.index(of: 0) ?? word.count, limit)].array
    }

    public func write(to reply: ReplyWriter) {
        switch self {
        case .syntax: reply.error("ERR syntax error")
        case .wrongType: reply.error("WRONGTYPE Operation against a key holding the wrong kind of value")
        case .notInteger: reply.error("ERR value is not an integer or out of range")
        case .notFloat: reply.error("ERR value is not a valid float")
        case .noSuchKey: reply.error("ERR no such key")
        case .overflow: reply.error("ERR increment or decrement would overflow")
        case .nanOrInfinity: reply.error("ERR increment would produce NaN or Infinity")
        case .stringTooLong: reply.error("ERR string exceeds maximum allowed size (proto-max-bulk-len)")
        case .mustBePositive: reply.error("ERR value is out of range, must be positive")
        case .invalidExpire(let name): reply.error(text: "ERR invalid expire time in '\(name)' command")
        case .wrongArity(let name): reply.error(text: "ERR wrong number of arguments for '\(name)' command")
        case .message(let text): reply.error(ByteSlice(text))
        case .text(let text): reply.error(text: text)
        case .bytes(let bytes): bytes.withByteSlice { reply.error($0) }
        }
    }
}
