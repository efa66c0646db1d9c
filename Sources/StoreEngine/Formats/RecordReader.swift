// Reads what the records of RDB files and DUMP payloads are made of. Nothing is believed: every count and length is held against what
// is left to read before memory is taken for it, and a compressed string against what its bytes could make at most.
//
// Strings are lent, not copied: most lie in the source as they are. Those that do not, integers and compressed ones, are written out
// in memory of the reader, of which there are two pieces, so that a field and its value can be looked at together.
//
// Source: Redis 7.4, rdb.c, rdbLoadLenByRef and rdbGenericLoadStringObject.

import Glibc
import RespCodec

struct RecordReader<Source: ByteSource>: ~Copyable {
    private var source: Source
    private let longestString: Int
    private var first = ScratchBlock()
    private var second = ScratchBlock()

    /// Which of two strings that are looked at together.
    enum Place {
        case first
        case second
    }

    /// - Parameter longestString: bytes of the longest string that is made from a compressed one.
    init(_ source: Source, longestString: Int) {
        self.source = source
        self.longestString = longestString
    }

    /// At most how many bytes are still to come.
    var remaining: Int { source.remaining }

    /// Says that no string that was read so far is needed any more.
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

    /// A number of 64 bits, in the form of a length.
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

    /// How many elements of at least `size` bytes follow.
    mutating func count(ofAtLeast size: Int) throws(FormatError) -> Int {
        let number = try number()
        guard number <= UInt64(remaining / size) else { throw .truncated }
        return Int(number)
    }

    /// How many of `count` elements there is to be room for before the first is read: no more than what is left could make if they
    /// have `size` bytes each, nor than take a few megabytes, for the count may be wrong.
    func likelyCount(_ count: Int, size: Int) -> Int { min(count, remaining / size, 1 << 20) }

    // MARK: strings

    /// A string. Good until `release`, and until the next string is read into the same place.
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

    private mutating func text(of value: Int, _ place: Place) -> ByteSlice {
        let room = unsafe room(for: Decimal.maximumLength, place)
        let count = unsafe Decimal.write(value, to: room.assumingMemoryBound(to: UInt8.self))
        return unsafe ByteSlice(start: room, count: count)
    }

    private mutating func decompressed(_ place: Place) throws(FormatError) -> ByteSlice {
        let compressedLength = try number()
        let length = try number()
        let compressed = try take(compressedLength)
        guard length > 0, length <= UInt64(longestString), length <= UInt64(compressed.count * LZF.highestRatio) else {
            throw .damaged("a compressed string is longer than it can be")
        }
        let count = Int(length)
        guard count <= ScratchBlock.mostKept || SlabAllocator.canAllocate(count) else {
            throw .damaged("a compressed string that there is no memory for")
        }
        let room = unsafe room(for: count, place)
        guard unsafe LZF.decompress(compressed, to: UnsafeMutableRawBufferPointer(start: room, count: count)) else {
            throw .damaged("a compressed string")
        }
        return unsafe ByteSlice(start: room, count: count)
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

/// Memory that is used again and again, and grows when it must.
@safe struct ScratchBlock: ~Copyable {
    private var start: UnsafeMutableRawPointer?
    private var capacity = 0
    /// One that grew larger is made small again when less is asked for.
    static let mostKept = 1 << 20

    /// Room for `count` bytes, whose contents are anything. What was there before is gone.
    mutating func room(for count: Int) -> UnsafeMutableRawPointer {
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
