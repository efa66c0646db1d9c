// Why bytes from outside are refused.

/// Why bytes could not be read as a value. A reader that throws has left nothing behind.
enum FormatError: Error {
    /// There are fewer bytes than there should be.
    case truncated
    /// A part is invalid; which.
    case damaged(StaticString)
    /// A part is known, but cannot be stored; which.
    case unsupported(StaticString)
    /// An unknown form of value.
    case unknownType(UInt8)
    /// Something of a module; its number, in which its name is.
    case module(UInt64)
    /// Whoever had it read does not want to go on.
    case stopped
    /// An empty collection, which old servers could save by mistake.
    case empty

    static let memberTwice = FormatError.damaged("a member that is there twice")
}
