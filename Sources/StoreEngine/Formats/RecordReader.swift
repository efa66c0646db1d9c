// Reads the parts of records in RDB files and DUMP payloads. Nothing is trusted: every count and length is compared with what is left to
// read before memory is allocated for it, and the size of a compressed string with the highest compression ratio.
//
// Strings are slices of the source where possible. Integers and compressed strings are written to memory of the reader, which has two
// blocks, so that a field and its value can be used together.
//
// Source: Redis 7.4, rdb.c, rdbLoadLenByRef and rdbGenericLoadStringObject.

import Glibc
import RespCodec

struct RecordReader<Source: ByteSource>: ~Copyable {
    private(set) var source: Source
    private let longestString: Int
    /// The version of the format.
    var version = RecordType.newestVersion
    private var first = ScratchBlock()
    private var second = ScratchBlock()

    /// The block for a string that is not in the source as it is.
    enum Place {
        case first
        case second
    }

    /// - Parameter longestString: the most bytes that a compressed string may decompress to.
    init(_ source: Source, longestString: Int) {
        self.source = source
        self.longestString = longestString
    }

    /// An upper bound of the bytes that are left.
    var remaining: Int { source.remaining }

    /// How many bytes were read.
    var offset: Int { source.offset }

    /// Calls `body` with the source.
    mutating func withSource<Result>(_ body: (inout Source) -> Result) -> Result { body(&source) }

    /// Ends the use of all strings that were read so far.
    mutating func release() { source.release() }

    // MARK: numbers

    mutating func byte() throws(FormatError) -> UInt8 { try take(1)[0] }

    /// The form of the value that follows, in a version of the format.
    mutating func type(version: UInt16) throws(FormatError) -> RecordType {
        let byte = try byte()
        guard let type = RecordType(byte, version: version) else { throw .unknownType(byte) }
        return type
    }

    mutating func littleEndian<Value: FixedWidthInteger>(as type: Value.Type = Value.self) throws(FormatError) -> Value
    {
        let bytes = try take(MemoryLayout<Value>.size)
        return unsafe Value(littleEndian: bytes.rawBytes.loadUnaligned(as: Value.self))
    }

    mutating func bigEndian<Value: FixedWidthInteger>(as type: Value.Type = Value.self) throws(FormatError) -> Value {
        let bytes = try take(MemoryLayout<Value>.size)
        return unsafe Value(bigEndian: bytes.rawBytes.loadUnaligned(as: Value.self))
    }

    /// Milliseconds since 1970.
    mutating func time() throws(FormatError) -> Int64 { try littleEndian() }

    mutating func double() throws(FormatError) -> Double { Double(bitPattern: try littleEndian()) }

    /// A number of 64 bits, encoded as a length.
    mutating func number() throws(FormatError) -> UInt64 { try number(startingWith: byte()) }

    private mutating func number(startingWith mark: UInt8) throws(FormatError) -> UInt64 {
        switch mark & 0xC0 {
        case LengthMark.short: return UInt64(mark)
        case LengthMark.medium: return UInt64(mark & 0x3F) << 8 | UInt64(try byte())
        default:
            if mark == LengthMark.long { return UInt64(try bigEndian(as: UInt32.self)) }
            if mark == LengthMark.longest { return try bigEndian() }
            throw .damaged("a length of no known form")
        }
    }

    /// A count of elements that take at least `size` bytes each.
    /// - Throws: `truncated` if that many cannot follow.
    mutating func count(ofAtLeast size: Int) throws(FormatError) -> Int {
        let number = try number()
        guard number <= UInt64(remaining / size) else { throw .truncated }
        return Int(number)
    }

    /// For how many of `count` elements memory should be reserved before the first is read: as the count may be wrong, no more than fit what
    /// is left if each takes `size` bytes, and no more than take a few megabytes.
    func likelyCount(_ count: Int, size: Int) -> Int { min(count, remaining / size, 1 << 20) }

    // MARK: strings

    /// A string. Valid until `release`, and until the next string is read into the same place.
    mutating func string(_ place: Place = .first) throws(FormatError) -> ByteSlice {
        let mark = try byte()
        switch mark {
        case LengthMark.integer8: return text(of: Int(try littleEndian(as: Int8.self)), place)
        case LengthMark.integer16: return text(of: Int(try littleEndian(as: Int16.self)), place)
        case LengthMark.integer32: return text(of: Int(try littleEndian(as: Int32.self)), place)
        case LengthMark.compressed: return try decompressed(place)
        default: return try take(try number(startingWith: mark))
        }
    }

    /// How long the next string is when it is decompressed; nil if it is not compressed. Its mark is read, whatever it is.
    mutating func lengthOfCompressedString() throws(FormatError) -> Int? {
        try byte() == LengthMark.compressed ? try compressed().count : nil
    }

    /// What comes of a string that may be long.
    enum LongString {
        case bytes(ByteSlice)
        /// This many bytes as they are, which are still to be copied.
        case pending(Int)
        /// Bytes that are still to be decompressed, and how many they become.
        case compressed(ByteSlice, count: Int)
    }

    /// A string. One that is longer than `limit` is neither taken from the source nor decompressed.
    mutating func string(longerThan limit: Int) throws(FormatError) -> LongString {
        let mark = try byte()
        switch mark {
        case LengthMark.integer8: return .bytes(text(of: Int(try littleEndian(as: Int8.self)), .first))
        case LengthMark.integer16: return .bytes(text(of: Int(try littleEndian(as: Int16.self)), .first))
        case LengthMark.integer32: return .bytes(text(of: Int(try littleEndian(as: Int32.self)), .first))
        case LengthMark.compressed:
            let (compressed, count) = try compressed()
            return count <= limit
                ? .bytes(try decompressed(compressed, count, .first)) : .compressed(compressed, count: count)
        default:
            let count = try number(startingWith: mark)
            guard count <= UInt64(remaining) else { throw .truncated }
            return count <= limit ? .bytes(try take(Int(count))) : .pending(Int(count))
        }
    }

    /// Copies bytes of the source to memory of the caller.
    @unsafe mutating func copy(_ count: Int, to target: UnsafeMutableRawPointer) throws(FormatError) {
        guard unsafe source.copy(count, to: target) else { throw .truncated }
    }

    private mutating func text(of value: Int, _ place: Place) -> ByteSlice {
        let room = unsafe room(for: Decimal.maximumLength, place)
        let count = unsafe Decimal.write(value, to: room.assumingMemoryBound(to: UInt8.self))
        return unsafe ByteSlice(start: room, count: count)
    }

    private mutating func decompressed(_ place: Place) throws(FormatError) -> ByteSlice {
        let (bytes, count) = try compressed()
        return try decompressed(bytes, count, place)
    }

    /// The bytes of a compressed string, behind its mark, and how long it is.
    private mutating func compressed() throws(FormatError) -> (ByteSlice, count: Int) {
        let compressedLength = try number()
        let length = try number()
        let compressed = try take(compressedLength)
        guard length > 0, length <= UInt64(longestString), length <= UInt64(compressed.count * LZF.highestRatio) else {
            throw .damaged("a compressed string is longer than it can be")
        }
        return (compressed, Int(length))
    }

    private mutating func decompressed(
        _ compressed: ByteSlice, _ count: Int, _ place: Place
    ) throws(FormatError) -> ByteSlice {
        guard count <= ScratchBlock.mostKept || SlabAllocator.canAllocate(count) else {
            throw .damaged("a compressed string that there is no memory for")
        }
        let room = unsafe room(for: count, place)
        unsafe try decompress(compressed, count, to: room)
        return unsafe ByteSlice(start: room, count: count)
    }

    /// Decompresses to memory of the caller.
    @unsafe func decompress(
        _ compressed: ByteSlice, _ count: Int, to target: UnsafeMutableRawPointer
    ) throws(FormatError) {
        guard unsafe LZF.decompress(compressed, to: UnsafeMutableRawBufferPointer(start: target, count: count)) else {
            throw .damaged("a compressed string")
        }
    }

    private mutating func room(for count: Int, _ place: Place) -> UnsafeMutableRawPointer {
        switch place {
        case .first: unsafe first.room(for: count)
        case .second: unsafe second.room(for: count)
        }
    }

    // MARK: bytes

    mutating func take(_ count: Int) throws(FormatError) -> ByteSlice {
        guard let bytes = source.take(count) else { throw .truncated }
        return bytes
    }

    private mutating func take(_ count: UInt64) throws(FormatError) -> ByteSlice {
        guard count <= UInt64(remaining) else { throw .truncated }
        return try take(Int(count))
    }
}

/// A block of memory that is reused, and grows when needed.
@safe struct ScratchBlock: ~Copyable {
    private var start: UnsafeMutableRawPointer?
    private var capacity = 0
    /// A block that grew larger is replaced by a small one when less is requested.
    static let mostKept = 1 << 20

    /// Room for `count` bytes, not cleared, valid until the next call. The previous contents are lost.
    @unsafe mutating func room(for count: Int) -> UnsafeMutableRawPointer {
        if let start = unsafe start, count <= capacity, capacity <= Self.mostKept || count > Self.mostKept {
            return unsafe start
        }
        unsafe free(start)
        capacity = max(count, 64)
        let block = unsafe SystemMemory.allocate(capacity)
        unsafe start = block
        return unsafe block
    }

    deinit { unsafe free(start) }
}
