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
    /// What should be a snapshot does not begin as one.
    case noSnapshot
    /// A snapshot of a version that is not read.
    case unknownVersion(Int)
    /// The checksum is not that of the bytes.
    case checksum
    /// Something of a module; its number, in which its name is.
    case module(UInt64)
    /// Whoever had it read does not want to go on.
    case stopped
    /// An empty collection, which old servers could save by mistake.
    case empty

    var reason: String {
        switch self {
        case .truncated: "it ends too early"
        case .noSnapshot: "found no RDB file"
        case .unknownVersion(let version): "cannot take in version \(version) of the RDB format"
        case .checksum: "RDB CRC error: found a wrong checksum"
        case .damaged(let what): "found \(what)"
        case .unsupported(let what): "cannot take in \(what)"
        case .unknownType(let type): "cannot take in a value of type \(type)"
        case .module(let number): "cannot take in data of the module type '\(ModuleName.text(number))'"
        case .stopped: "it was read no further"
        case .empty: "found a collection of nothing"
        }
    }

    static let memberTwice = FormatError.damaged("a member that is there twice")
}
