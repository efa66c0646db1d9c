// Reads ziplists, in which small collections were saved before Redis 7.0.
//
//     total bytes (4) | offset of the last entry (4) | entry count (2) | entry | entry | ... | 0xFF
//     entry:  bytes of the entry before, 1 byte, or 0xFE and 4 | encoding | data
//
//     00LLLLLL                    text of L bytes                 0xC0, 0xD0, 0xE0    integer of 2, 4 or 8 bytes
//     01LLLLLL LLLLLLLL           text of L bytes, highest first  0xF0, 0xFE          integer of 3 bytes, of 1
//     10...... and 4 bytes        text of that length, highest first  0xF1 to 0xFD    the integers 0 to 12
//
// Everything is checked while it is read: each entry lies within the list and has the length of the one before; list, last entry and
// count are those in the head. A list that was read to the end was valid.
//
// Source: Redis 6.2, ziplist.c, its head comment and ziplistValidateIntegrity.

import RespCodec

struct ZipList {
    private static let headSize = 10

    private let bytes: ByteSlice
    private var offset = ZipList.headSize
    private var previous = 0
    private var count = 0

    init(_ bytes: ByteSlice) throws(FormatError) {
        guard bytes.count > Self.headSize, bytes.last == 0xFF, bytes.littleEndian(at: 0, 4) == bytes.count else {
            throw .damaged("a ziplist that does not end where it says")
        }
        self.bytes = bytes
    }

    /// The next entry; nil after the last.
    mutating func next() throws(FormatError) -> PackedElement? {
        let end = bytes.count - 1
        guard offset < end else {
            try checkHead()
            return nil
        }
        let start = offset
        // The length of the entry before takes 1 or 5 bytes.
        let known = bytes[start] == 0xFE ? 5 : 1
        guard bytes[start] != 0xFF, start + known < end else { throw Self.outside }
        let before = known == 5 ? bytes.littleEndian(at: start + 1, 4) : Int(bytes[start])
        guard before == previous else { throw .damaged("an entry of a ziplist does not know the one before it") }
        let (element, size) = try Self.element(bytes[start + known..<end])
        offset = start + known + size
        previous = offset - start
        count += 1
        return element
    }

    private static let outside = FormatError.damaged("an entry reaches out of its ziplist")

    /// The element at the start of `bytes`, which must not be empty, and how many bytes it takes.
    private static func element(_ bytes: ByteSlice) throws(FormatError) -> (PackedElement, Int) {
        func integer(_ size: Int) throws(FormatError) -> (PackedElement, Int) {
            guard bytes.count >= 1 + size else { throw outside }
            let shift = Int.bitWidth - size * 8
            return (.integer((bytes.littleEndian(at: 1, size) << shift) >> shift), 1 + size)
        }
        let encoding = bytes[0]
        let head: Int
        let length: Int
        switch encoding {
        case 0x00...0x3F: (head, length) = (1, Int(encoding))
        case 0x40...0x7F:
            guard bytes.count >= 2 else { throw outside }
            (head, length) = (2, Int(encoding & 0x3F) << 8 | Int(bytes[1]))
        case 0x80...0xBF:
            guard bytes.count >= 5 else { throw outside }
            (head, length) = (5, (1...4).reduce(0) { $0 << 8 | Int(bytes[$1]) })
        case 0xC0: return try integer(2)
        case 0xD0: return try integer(4)
        case 0xE0: return try integer(8)
        case 0xF0: return try integer(3)
        case 0xFE: return try integer(1)
        case 0xF1...0xFD: return (.integer(Int(encoding) - 0xF1), 1)
        default: throw .damaged("an entry of a ziplist has no known encoding")
        }
        guard length <= bytes.count - head else { throw outside }
        return (.bytes(bytes[head..<head + length]), head + length)
    }

    private func checkHead() throws(FormatError) {
        let storedCount = bytes.littleEndian(at: 8, 2)
        guard storedCount == 65535 || storedCount == count else {
            throw .damaged("a ziplist does not hold as many entries as it says")
        }
        guard count == 0 || bytes.littleEndian(at: 4, 4) == offset - previous else {
            throw .damaged("a ziplist does not know its last entry")
        }
    }
}

extension ByteSlice {
    /// `size` bytes as a number, the lowest first: unsigned up to seven bytes, signed for eight.
    fileprivate func littleEndian(at offset: Int, _ size: Int) -> Int {
        (0..<size).reversed().reduce(0) { $0 << 8 | Int(self[offset + $1]) }
    }
}
