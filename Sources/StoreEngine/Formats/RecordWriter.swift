// Writes the parts of records in RDB files and DUMP payloads: lengths, strings, numbers. RecordWriter+Values.swift writes whole values.
//
// Source: Redis 7.0, rdb.c, rdbSaveLen, rdbSaveRawString and rdbEncodeInteger.

import Glibc
import RespCodec

struct RecordWriter<Sink: ByteSink> {
    let sink: Sink
    /// Whether strings are compressed where that makes them shorter.
    let compresses: Bool

    /// Shorter strings are not worth the attempt.
    private static var shortestCompressed: Int { 21 }
    /// How many bytes compressing must save.
    private static var leastGain: Int { 4 }
    /// The longest text of an integer of 32 bits.
    private static var longestInteger: Int { 11 }

    func write(type: RecordType) { sink.append(byte: type.rawValue) }

    func write(length: Int) { write(number: UInt64(length)) }

    /// A number of 64 bits, encoded as a length.
    func write(number: UInt64) {
        if number < 1 << 6 {
            sink.append(byte: LengthMark.short | UInt8(number))
        } else if number < 1 << 14 {
            sink.append(bigEndian: UInt16(LengthMark.medium) << 8 | UInt16(number))
        } else if number <= UInt64(UInt32.max) {
            sink.append(byte: LengthMark.long)
            sink.append(bigEndian: UInt32(number))
        } else {
            sink.append(byte: LengthMark.longest)
            sink.append(bigEndian: number)
        }
    }

    /// A string, as an integer or compressed if that is shorter.
    func write(string: ByteSlice) {
        if string.count <= Self.longestInteger, let integer = Decimal.parse(string), write(shortInteger: integer) {
            return
        }
        if compresses && string.count >= Self.shortestCompressed {
            if sink.appendCompressible(string) || writeCompressed(string) { return }
        }
        write(length: string.count)
        sink.append(string)
    }

    /// A string that is the text of an integer.
    func write(integer: Int) {
        if !write(shortInteger: integer) { Decimal.withText(integer) { write(string: $0) } }
    }

    func write(element: PackedElement) {
        switch element {
        case .integer(let value): write(integer: value)
        case .bytes(let bytes): write(string: bytes)
        }
    }

    /// Milliseconds since 1970.
    func write(time: Int64) { sink.append(littleEndian: time) }

    func write(double: Double) { sink.append(littleEndian: double.bitPattern) }

    /// Writes an integer of up to 32 bits as such. False, and nothing is written, for a larger one.
    private func write(shortInteger value: Int) -> Bool {
        if let value = Int8(exactly: value) {
            sink.append(byte: LengthMark.integer8)
            sink.append(littleEndian: value)
        } else if let value = Int16(exactly: value) {
            sink.append(byte: LengthMark.integer16)
            sink.append(littleEndian: value)
        } else if let value = Int32(exactly: value) {
            sink.append(byte: LengthMark.integer32)
            sink.append(littleEndian: value)
        } else {
            return false
        }
        return true
    }

    /// False, and nothing is written, if that saves too little.
    private func writeCompressed(_ string: ByteSlice) -> Bool {
        let room = string.count - Self.leastGain
        return unsafe withUnsafeTemporaryAllocation(byteCount: room, alignment: 1) { target in
            guard let length = unsafe LZF.compress(string, to: target) else { return false }
            unsafe write(compressed: ByteSlice(start: target.baseAddress!, count: length), length: string.count)
            return true
        }
    }

    /// A string of `length` bytes that has been compressed already.
    func write(compressed: ByteSlice, length: Int) {
        sink.append(byte: LengthMark.compressed)
        write(length: compressed.count)
        write(length: length)
        sink.append(compressed)
    }
}
