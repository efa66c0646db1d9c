// How values lie in RDB files and DUMP payloads: one byte says which of these forms follows.
//
// Written are the forms that Redis 7.0 reads, so that what is saved here can be loaded there, unless a newer one says more: that of
// hashes whose fields have deadlines, and that of streams with consumers. Read are all that Redis 7.4 reads, back to Redis 2.4, and
// those of Valkey 9.
//
// Source: Redis 7.4, rdb.h, "Map object types to RDB object types"; what Valkey 9.1 answers to DUMP.

enum RecordType: UInt8 {
    /// A string.
    case string = 0
    /// A count and the elements.
    case list = 1
    /// A count and the members.
    case set = 2
    /// A count, then members and scores by turns, the scores as text.
    case sortedSetOfTexts = 3
    /// A count, then fields and values by turns.
    case hash = 4
    /// A count, then members and scores by turns, the scores as eight bytes.
    case sortedSet = 5
    /// A string that holds a zip map: small hashes of Redis before 2.6.
    case hashZipMap = 9
    /// A string that holds a ziplist, as small collections were kept before Redis 7.0.
    case listZipList = 10
    /// A string that holds a sorted array of integers.
    case setOfIntegers = 11
    case sortedSetZipList = 12
    case hashZipList = 13
    /// A count and so many ziplists.
    case listOfZipLists = 14
    case streamOfRedis5 = 15
    /// A string that holds a packed list of fields and values by turns.
    case packedHash = 16
    /// A string that holds a packed list of members and scores by turns, in the order of the scores.
    case packedSortedSet = 17
    /// A count and so many nodes: a 1 and an element, or a 2 and a packed list.
    case listOfPackedLists = 18
    /// A stream with its first entry, the last deleted one and the count of those ever added.
    case streamOfRedis7 = 19
    /// A string that holds a packed list of members.
    case packedSet = 20
    /// A stream whose consumers have two times.
    case stream = 21
    /// A count, then of each field itself, its value and its deadline, -1 for none. Only Valkey writes it: the number stood for
    /// something else in previews of Redis 7.4.
    case hashOfValkey = 22
    /// The earliest deadline, a count, then of each field the deadline, the field and its value.
    case hashWithDeadlines = 24
    /// The earliest deadline and a string that holds a packed list of fields, values and deadlines by turns.
    case packedHashWithDeadlines = 25

    /// The first version of the RDB format that has this form; 10 for all older ones, which is what Redis 7.0 writes.
    var version: UInt16 {
        switch self {
        case .hashOfValkey: Self.valkeyVersion
        case .hashWithDeadlines, .packedHashWithDeadlines: 12
        case .packedSet, .stream: 11
        default: 10
        }
    }

    /// The newest version of the RDB format that is read. Redis 7.4 has 12; what is above it only stands for streams with pending entries
    /// of nobody.
    static let newestVersion: UInt16 = 14
    /// The version that Valkey 9 has, whose own versions begin far from those of Redis.
    static let valkeyVersion: UInt16 = 80

    static func isRead(version: UInt16) -> Bool { version <= newestVersion || version == valkeyVersion }

    /// What a byte stands for in a version of the format; nil if that is nothing that is known.
    init?(_ byte: UInt8, version: UInt16) {
        self.init(rawValue: byte)
        if self == .hashOfValkey && version != Self.valkeyVersion { return nil }
    }
}

/// The first byte of a length or a string.
enum LengthMark {
    /// The two upper bits: a length in the other six, in these and the next byte, ...
    static let short: UInt8 = 0x00
    static let medium: UInt8 = 0x40
    /// ... or, if the whole byte is this, in the next four or eight, the highest first.
    static let long: UInt8 = 0x80
    static let longest: UInt8 = 0x81
    /// Not a length but one of these: an integer in the next one, two or four bytes, the lowest first, ...
    static let integer8: UInt8 = 0xC0
    static let integer16: UInt8 = 0xC1
    static let integer32: UInt8 = 0xC2
    /// ... or a compressed string: its length, what that was before, and the bytes.
    static let compressed: UInt8 = 0xC3
}

/// Why bytes could not be read as a value. A reader that throws has left nothing behind.
enum FormatError: Error {
    /// There are fewer bytes than there should be.
    case truncated
    /// Something is not as it must be; what.
    case damaged(StaticString)
    /// Something that is known, but cannot be kept here; what.
    case unsupported(StaticString)
    /// A form of value that is not known here.
    case unknownType(UInt8)
    /// A collection of nothing, which old servers could save by mistake.
    case empty
}
