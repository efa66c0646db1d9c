// The forms of values in RDB files and DUMP payloads: one byte identifies the form that follows.
//
// Values are written in the forms that Redis 7.0 reads, so that it can load them, except hashes whose fields have deadlines, which need a
// newer form, and what DUMP says of streams with consumers; snapshots have these in the form of 7.0, too (`ConsumerTimes`). All forms that Redis 7.4 reads, back to those of Redis 2.4, and those of Valkey 9 are read.
//
// Source: Redis 7.4, rdb.h, "Map object types to RDB object types"; what Valkey 9.1 answers to DUMP.

enum RecordType: UInt8 {
    /// A string.
    case string = 0
    /// A count and the elements.
    case list = 1
    /// A count and the members.
    case set = 2
    /// A count, then members and scores alternating, the scores as text.
    case sortedSetOfTexts = 3
    /// A count, then fields and values alternating.
    case hash = 4
    /// A count, then members and scores alternating, the scores as eight bytes.
    case sortedSet = 5
    /// A string that holds a zip map: small hashes of Redis before 2.6.
    case hashZipMap = 9
    /// A string that holds a ziplist, as small collections were kept before Redis 7.0.
    case listZipList = 10
    /// A string that holds a sorted array of integers.
    case setOfIntegers = 11
    case sortedSetZipList = 12
    case hashZipList = 13
    /// A count and that many ziplists.
    case listOfZipLists = 14
    case streamOfRedis5 = 15
    /// A string that holds a listpack of fields and values alternating.
    case packedHash = 16
    /// A string that holds a listpack of members and scores alternating, in the order of the scores.
    case packedSortedSet = 17
    /// A count and that many nodes: a 1 and an element, or a 2 and a listpack.
    case listOfListpacks = 18
    /// A stream with its first id, the last deleted one and the count of entries ever added.
    case streamOfRedis7 = 19
    /// A string that holds a listpack of members.
    case packedSet = 20
    /// A stream whose consumers have two times.
    case stream = 21
    /// In files of Valkey a count, then fields, each with its value and its deadline, -1 for none. In others, of previews of Redis 7.4, a
    /// count, then deadlines, each with its field and value; 0 is none.
    case hashOfValkeyOrPreview = 22
    /// A string that holds a listpack of fields, values and deadlines alternating, of previews of Redis 7.4.
    case packedHashOfPreview = 23
    /// The earliest deadline, a count, then deadlines, each with its field and value. A deadline is 0 for none, or its distance to the
    /// earliest plus 1.
    case hashWithDeadlines = 24
    /// The earliest deadline and a string that holds a listpack of fields, values and deadlines alternating.
    case packedHashWithDeadlines = 25

    /// The first version of the RDB format that has this form; 10 for all older ones, which is what Redis 7.0 writes.
    var version: UInt16 {
        switch self {
        case .hashOfValkeyOrPreview, .packedHashOfPreview, .hashWithDeadlines, .packedHashWithDeadlines: 12
        case .packedSet, .stream: 11
        default: 10
        }
    }

    /// The newest version of the RDB format that is read. Redis 7.4 has 12; the versions above are those of streams with pending entries
    /// that have no consumer.
    static let newestVersion: UInt16 = 14
    /// From this version on pending entries of streams may have no consumer.
    static let firstVersionWithReleased: UInt16 = 13
    /// The version that Valkey 9 has, whose own versions begin far from those of Redis.
    static let valkeyVersion: UInt16 = 80

    static func isRead(version: UInt16) -> Bool { version <= newestVersion || version == valkeyVersion }

    /// What tools call the form that a byte identifies.
    static func title(of byte: UInt8) -> String {
        guard let type = RecordType(rawValue: byte) else { return "unknown" }
        return switch type {
        case .string: "string"
        case .list: "list-linked"
        case .set: "set-hashtable"
        case .sortedSetOfTexts: "zset-v1"
        case .hash: "hash-hashtable"
        case .sortedSet: "zset-v2"
        case .hashZipMap: "hash-zipmap"
        case .listZipList: "list-ziplist"
        case .setOfIntegers: "set-intset"
        case .sortedSetZipList: "zset-ziplist"
        case .hashZipList: "hash-ziplist"
        case .listOfZipLists: "quicklist"
        case .streamOfRedis5: "stream"
        case .packedHash: "hash-listpack"
        case .packedSortedSet: "zset-listpack"
        case .listOfListpacks: "quicklist-v2"
        case .streamOfRedis7: "stream-v2"
        case .packedSet: "set-listpack"
        case .stream: "stream-v3"
        case .hashOfValkeyOrPreview: "hash-with-expiry"
        case .packedHashOfPreview: "hash-listpack-md-pre-release"
        case .hashWithDeadlines: "hash-hashtable-md"
        case .packedHashWithDeadlines: "hash-listpack-md"
        }
    }

    /// What the elements of a value of that form are kept in.
    static func container(of byte: UInt8) -> String {
        switch RecordType(rawValue: byte) {
        case .hashZipMap: "Zipmap"
        case .listZipList: "List ziplist"
        case .sortedSetZipList: "Zset ziplist"
        case .hashZipList: "Hash ziplist"
        case .packedHash, .packedHashOfPreview, .packedHashWithDeadlines: "Hash listpack"
        case .packedSortedSet: "Zset listpack"
        case .packedSet: "Set listpack"
        case .setOfIntegers: "Intset"
        case .listOfZipLists, .listOfListpacks: "Quicklist"
        case .stream, .streamOfRedis5, .streamOfRedis7: "Stream listpack"
        default: title(of: byte)
        }
    }

    /// The form that a byte identifies in a version of the format; nil if it is unknown.
    init?(_ byte: UInt8, version: UInt16) {
        self.init(rawValue: byte)
        if self == .packedHashOfPreview && version == Self.valkeyVersion { return nil }
    }
}

/// The first byte of a length or a string.
enum LengthMark {
    /// In the upper two bits: the length is in the other six.
    static let short: UInt8 = 0x00
    /// In the upper two bits: the length is in the other six and the next byte, the highest bits first.
    static let medium: UInt8 = 0x40
    /// The length is in the next four bytes, the highest first.
    static let long: UInt8 = 0x80
    /// The length is in the next eight bytes, the highest first.
    static let longest: UInt8 = 0x81
    /// A string that is an integer in the next one, two or four bytes, the lowest first.
    static let integer8: UInt8 = 0xC0
    static let integer16: UInt8 = 0xC1
    static let integer32: UInt8 = 0xC2
    /// A compressed string: its compressed length, its length, and the compressed bytes.
    static let compressed: UInt8 = 0xC3
}
