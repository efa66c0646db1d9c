// A key and its value in one block of memory.
//
//     4 bits        kind: type and encoding (`EntryKind`)
//     1 bit         has a deadline
//     27 bits       access clock: eighths of seconds for LRU, or minutes, a turn and a counter for LFU
//     4 or 12 bytes   deadline, only if the bit says so: see `DeadlineWindow`
//     1 to 13 bytes   length of the key: see `LengthPrefix`
//     key
//     payload       by encoding:
//                     integer            8 bytes
//                     embedded, raw      length (as the key's), bytes
//                     external           address and length of a block of its own, 16 bytes
//                     packed             a forward list; of a list a two-way list: see `Listpack.swift`
//                     packed-deadlines   a forward list of fields, values and deadlines
//                     integers           a sorted array of integers
//                     table, chain, tree, stream
//                                        address of a large value, 8 bytes: see `LargeValue`
//
// Nothing in it is aligned. A slot of the keyspace's table is all that points to an entry, so an entry may move whenever it is
// changed: a string that grows past its block, a packed hash that gets a field.

import Glibc
import RespCodec

/// The type of a value, as the TYPE command names it.
public enum ValueType: UInt8, Sendable {
    case string = 0
    case list = 1
    case set = 2
    case sortedSet = 3
    case hash = 4
    case stream = 5

    public var name: ByteSlice { ByteSlice(word) }

    public var word: StaticString {
        switch self {
        case .string: "string"
        case .list: "list"
        case .set: "set"
        case .sortedSet: "zset"
        case .hash: "hash"
        case .stream: "stream"
        }
    }
}

/// How a value is laid out.
enum Encoding: UInt8 {
    case integer = 0
    /// A string in the entry, as it was set: "embstr" up to 44 bytes, "raw" above.
    case embedded = 1
    /// A string in the entry that has been changed in place.
    case raw = 2
    /// A string in a block of its own.
    case external = 3
    /// A forward list in the entry; of a list a two-way list.
    case packed = 4
    /// A table of fields or members.
    case table = 5
    /// A sorted array of integers in the entry.
    case integers = 6
    /// A chain of listpacks.
    case chain = 7
    /// A tree of members by score, with a table of them.
    case tree = 8
    /// The nodes and groups of a stream.
    case stream = 9
    /// A forward list of fields, values and deadlines in the entry.
    case packedWithDeadlines = 10

    static let last = packedWithDeadlines
}

/// Type and encoding in 4 bits: of the encodings each type has only some.
private struct EntryKind {
    /// What no entry has.
    private static let none: UInt8 = 15

    let number: UInt8

    @inline(__always) init(number: UInt8) { self.number = number }

    @inline(__always) init(_ type: ValueType, _ encoding: Encoding) {
        number = Self.number(type, encoding)
        precondition(number != Self.none, "an encoding that the type does not have")
    }

    @inline(__always) private static func number(_ type: ValueType, _ encoding: Encoding) -> UInt8 {
        switch (type, encoding) {
        case (.string, .integer): 0
        case (.string, .embedded): 1
        case (.string, .raw): 2
        case (.string, .external): 3
        case (.hash, .packed): 4
        case (.hash, .packedWithDeadlines): 5
        case (.hash, .table): 6
        case (.list, .packed): 7
        case (.list, .chain): 8
        case (.sortedSet, .packed): 9
        case (.sortedSet, .tree): 10
        case (.set, .integers): 11
        case (.set, .packed): 12
        case (.set, .table): 13
        case (.stream, .stream): 14
        default: none
        }
    }

    // The numbers of types and encodings, of kind 0 in the lowest 4 bits; 15 for none.
    private static let types: UInt64 = 0xF522_2331_1444_0000
    private static let encodings: UInt64 = 0xF954_6847_45A4_3210

    @inline(__always) private func digit(_ digits: UInt64) -> UInt8 {
        UInt8(truncatingIfNeeded: digits &>> (UInt64(number) &* 4)) & 15
    }

    @inline(__always) var typeNumber: UInt8 { digit(Self.types) }
    @inline(__always) var encodingNumber: UInt8 { digit(Self.encodings) }
    /// As the type's number says.
    @inline(__always) var isString: Bool { number < 4 }
}

/// The layout of keyspace entries, for the table.
enum EntryLayout: TableLayout {
    @inline(__always) static func key(of entry: UnsafeMutableRawPointer) -> ByteSlice { unsafe Entry(entry).key }
    @inline(__always) static func hasKey(_ entry: UnsafeMutableRawPointer, _ key: ByteSlice) -> Bool {
        unsafe Entry(entry).hasKey(key)
    }
    static func deadline(of entry: UnsafeMutableRawPointer, _ window: DeadlineWindow) -> Int64 {
        unsafe Entry(entry).nextDeadline(window) ?? Int64.max
    }
}

@safe struct Entry {
    let address: UnsafeMutableRawPointer

    @unsafe init(_ address: UnsafeMutableRawPointer) { unsafe self.address = address }

    private static let kindMask: UInt8 = 0x0F
    private static let deadlineBit: UInt8 = 0x10
    /// Bytes of kind, bit and access clock, and where the clock begins in them.
    private static let clockSize = 4
    private static let clockShift: UInt32 = 5

    @inline(__always) private var head: UInt8 { unsafe address.load(as: UInt8.self) }
    @inline(__always) private var kind: EntryKind { EntryKind(number: head & Self.kindMask) }
    @inline(__always) var type: ValueType {
        guard let type = ValueType(rawValue: kind.typeNumber) else { preconditionFailure("an entry of no known type") }
        return type
    }
    @inline(__always) func isType(_ type: ValueType) -> Bool {
        type == .string ? kind.isString : kind.typeNumber == type.rawValue
    }
    @inline(__always) var encoding: Encoding {
        let number = kind.encodingNumber
        precondition(number <= Encoding.last.rawValue, "an entry of no known encoding")
        // The numbers of the cases are those by which they lie in memory.
        return unsafe unsafeBitCast(number, to: Encoding.self)
    }
    /// Has the payload taken for one of another encoding, which is to be written then.
    @inline(__always) @unsafe func setEncoding(_ encoding: Encoding) { unsafe setKind(type, encoding) }
    /// Whether the entry is of a type and encoding that are known where this is called: quicker than to ask for both.
    @inline(__always) func isKind(_ type: ValueType, _ encoding: Encoding) -> Bool {
        kind.number == EntryKind(type, encoding).number
    }
    /// Gives an entry of this type an encoding that is known where this is called.
    @inline(__always) @unsafe func setKind(_ type: ValueType, _ encoding: Encoding) {
        let number = EntryKind(type, encoding).number
        unsafe address.storeBytes(of: head & ~Self.kindMask | number, as: UInt8.self)
    }
    /// Whether the entry has a deadline field.
    @inline(__always) var hasDeadline: Bool { head & Self.deadlineBit != 0 }

    /// The deadline field of an entry that has one.
    @inline(__always) var deadlineField: DeadlineField {
        assert(hasDeadline, "an entry without a deadline is asked for it")
        return unsafe DeadlineField(address + Self.clockSize)
    }

    /// When the key expires, in milliseconds since 1970; nil if it stays.
    @inline(__always) func deadline(_ window: DeadlineWindow) -> Int64? {
        hasDeadline ? deadlineField.deadline(window) : nil
    }

    func isExpired(_ now: Int64, _ window: DeadlineWindow) -> Bool { deadline(window).map { $0 < now } ?? false }

    /// When something of the entry expires: the key, or the first field of a hash; nil if nothing does. May be a moment too early.
    func nextDeadline(_ window: DeadlineWindow) -> Int64? {
        Self.earlier(deadline(window), nextFieldDeadline)
    }

    /// The earlier of two deadlines, of which each may be missing.
    @inline(__always) static func earlier(_ first: Int64?, _ second: Int64?) -> Int64? {
        guard let second else { return first }
        return min(first ?? second, second)
    }

    /// The 27 bits of the access clock.
    @inline(__always) var accessClock: UInt32 {
        get { unsafe address.loadUnaligned(as: UInt32.self) >> Self.clockShift }
        nonmutating set {
            let old = unsafe address.loadUnaligned(as: UInt32.self)
            let new = old & (1 << Self.clockShift - 1) | newValue << Self.clockShift
            // Most reads find it up to date, and then leave the cache line clean.
            if old != new { unsafe address.storeBytes(of: new, as: UInt32.self) }
        }
    }

    // MARK: the key

    @inline(__always) private var keyField: Int { hasDeadline ? Self.clockSize &+ deadlineField.size : Self.clockSize }

    @inline(__always) private func length(at offset: Int) -> (length: Int, next: Int) {
        let (length, size) = unsafe LengthPrefix.read(address + offset)
        return (length, offset &+ size)
    }

    @inline(__always) var key: ByteSlice {
        let (length, start) = length(at: keyField)
        return unsafe ByteSlice(start: address + start, count: length)
    }

    @inline(__always) func hasKey(_ key: ByteSlice) -> Bool {
        let (length, start) = length(at: keyField)
        guard length == key.count else { return false }
        return unsafe sameBytes(address + start, key.rawBytes.baseAddress!, count: length)
    }

    /// Gives the entry another key of the same length.
    func overwriteKey(_ key: ByteSlice) {
        let (length, start) = length(at: keyField)
        precondition(length == key.count, "a key is overwritten by one of another length")
        unsafe memcpy(address + start, key.rawBytes.baseAddress!, length)
    }

    // MARK: the payload

    @inline(__always) var payloadOffset: Int {
        let (length, start) = length(at: keyField)
        return start &+ length
    }

    @inline(__always) var payload: UnsafeMutableRawPointer { unsafe address + payloadOffset }

    /// Bytes of an entry with such a key and payload.
    @inline(__always)
    static func size(keyLength: Int, deadline: Int64?, _ window: DeadlineWindow, payload: Int) -> Int {
        let fields = clockSize &+ (deadline.map { DeadlineField.size($0, window) } ?? 0)
        return fields &+ LengthPrefix.size(keyLength) &+ keyLength &+ payload
    }

    /// Writes everything but the payload.
    @inline(__always)
    func write(
        type: ValueType, encoding: Encoding, key: ByteSlice, deadline: Int64?, _ window: DeadlineWindow,
        accessClock: UInt32
    ) {
        let head = EntryKind(type, encoding).number | (deadline != nil ? Self.deadlineBit : 0)
        unsafe address.storeBytes(of: UInt32(head) | accessClock << Self.clockShift, as: UInt32.self)
        if let deadline { deadlineField.write(deadline, window) }
        let field = keyField
        let size = unsafe LengthPrefix.write(key.count, to: address + field)
        unsafe memcpy(address + field + size, key.rawBytes.baseAddress!, key.count)
    }

    // MARK: payloads

    // Debug builds stop where a payload is taken for another than the encoding says.

    @inline(__always) private var isInline: Bool { encoding == .embedded || encoding == .raw }

    private var isPointer: Bool {
        switch encoding {
        case .table, .chain, .tree, .stream: true
        default: false
        }
    }

    /// Of an integer.
    @inline(__always) var integer: Int {
        get {
            assert(encoding == .integer, "the payload is no integer")
            return unsafe payload.loadUnaligned(as: Int.self)
        }
        nonmutating set {
            assert(encoding == .integer, "the payload is no integer")
            unsafe payload.storeBytes(of: newValue, as: Int.self)
        }
    }

    /// Bytes of the payload of an embedded or raw string.
    @inline(__always) static func inlineSize(_ length: Int) -> Int { LengthPrefix.size(length) &+ length }

    /// Of an embedded or raw string.
    @inline(__always) var inlineBytes: ByteSlice {
        assert(isInline, "the payload is no string")
        let (length, start) = length(at: payloadOffset)
        return unsafe ByteSlice(start: address + start, count: length)
    }

    /// Sets the length of an embedded or raw string and returns where its bytes go.
    @inline(__always) func setInlineLength(_ length: Int) -> UnsafeMutableRawPointer {
        unsafe setInlineLength(length, at: payloadOffset)
    }

    /// The same, where the payload's offset is known.
    @inline(__always) func setInlineLength(_ length: Int, at offset: Int) -> UnsafeMutableRawPointer {
        assert(isInline, "the payload is no string")
        return unsafe address + offset + LengthPrefix.write(length, to: address + offset)
    }

    /// Of an embedded or raw string whose payload has this offset: its length.
    @inline(__always) func inlineLength(at offset: Int) -> Int {
        assert(isInline, "the payload is no string")
        return length(at: offset).length
    }

    /// Of an external string: its block and length.
    var external: (block: UnsafeMutableRawPointer, length: Int) {
        get {
            assert(encoding == .external, "the payload is no block of its own")
            return unsafe (
                UnsafeMutableRawPointer(bitPattern: payload.loadUnaligned(as: UInt.self))!,
                payload.loadUnaligned(fromByteOffset: 8, as: Int.self)
            )
        }
        nonmutating set {
            assert(encoding == .external, "the payload is no block of its own")
            let target = unsafe payload
            unsafe target.storeBytes(of: UInt(bitPattern: newValue.block), as: UInt.self)
            unsafe target.storeBytes(of: newValue.length, toByteOffset: 8, as: Int.self)
        }
    }

    /// Of a large value: its address.
    @inline(__always) var pointer: UnsafeMutableRawPointer {
        get {
            assert(isPointer, "the payload is no large value")
            return unsafe UnsafeMutableRawPointer(bitPattern: payload.loadUnaligned(as: UInt.self))!
        }
        nonmutating set {
            assert(isPointer, "the payload is no large value")
            unsafe payload.storeBytes(of: UInt(bitPattern: newValue), as: UInt.self)
        }
    }

    /// Of a packed list.
    @inline(__always) var twoWayList: TwoWayList {
        assert(isKind(.list, .packed), "the payload is no list of elements")
        return unsafe TwoWayList(payload)
    }

    /// Of a packed hash, set or sorted set.
    @inline(__always) var forwardList: ForwardList {
        assert(
            encoding == .packed && !isType(.list) || encoding == .packedWithDeadlines,
            "the payload is no list of fields or members")
        return unsafe ForwardList(payload)
    }

    /// The payload's bytes in use.
    var payloadSize: Int {
        switch encoding {
        case .integer, .table, .chain, .tree, .stream: 8
        case .embedded, .raw: Self.inlineSize(inlineBytes.count)
        case .external: 16
        case .packed where isType(.list): twoWayList.byteCount
        case .packed, .packedWithDeadlines: forwardList.byteCount
        case .integers: integerSet.byteCount
        }
    }
}
