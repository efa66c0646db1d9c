// What a command answers when the caller made a mistake. The texts stand here together because clients match on them.

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
