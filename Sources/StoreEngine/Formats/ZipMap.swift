// Reads zip maps, in which Redis before 2.6 saved small hashes.
//
//     field count (1) | length | field | length | spare bytes (1) | value | spare bytes | ... | 0xFF
//     length:  1 byte, or 0xFE and 4 bytes, the lowest first
//
// The count is 254 for 254 fields or more.
//
// Source: Redis 2.4, zipmap.c, its head comment.

import RespCodec

struct ZipMap {
    private let bytes: ByteSlice
    private var offset = 1
    private var count = 0

    init(_ bytes: ByteSlice) throws(FormatError) {
        guard bytes.count >= 2, bytes.last == 0xFF else { throw .damaged("a zip map without an end") }
        self.bytes = bytes
    }

    /// The next field and its value; nil after the last.
    mutating func next() throws(FormatError) -> (field: ByteSlice, value: ByteSlice)? {
        let end = bytes.count - 1
        guard offset < end else {
            guard bytes[0] >= 254 || Int(bytes[0]) == count else {
                throw .damaged("a zip map does not hold as many fields as it says")
            }
            return nil
        }
        let field = try take(try length())
        let valueLength = try length()
        let spare = try take(1)[0]
        let value = try take(valueLength)
        _ = try take(Int(spare))
        count += 1
        return (field, value)
    }

    private mutating func length() throws(FormatError) -> Int {
        let short = try take(1)[0]
        guard short != 0xFF else { throw .damaged("a zip map ends within a field") }
        if short < 0xFE { return Int(short) }
        let long = try take(4)
        return (0..<4).reversed().reduce(0) { $0 << 8 | Int(long[$1]) }
    }

    private mutating func take(_ length: Int) throws(FormatError) -> ByteSlice {
        guard length <= bytes.count - 1 - offset else { throw .damaged("a field reaches out of its zip map") }
        defer { offset += length }
        return bytes[offset..<offset + length]
    }
}
