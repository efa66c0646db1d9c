// The frame of a snapshot, which is the frame of an RDB file:
//
//     "REDIS" | version, four digits | records | 0xFF | CRC-64 of everything before (8)
//
// A record begins with an opcode, or with the type of a value, which is followed by the key and the value. Some opcodes are attributes of
// the next key.
//
// Source: Redis 7.4, rdb.h, "Special RDB opcodes", and rdb.c, rdbSaveRio.

import RespCodec

enum RDBOpcode: UInt8 {
    /// How many keys a slot of a cluster has: three numbers.
    case slot = 244
    /// A library of functions as Redis 7.0 saves it, or as its release candidates did.
    case function = 245
    case functionOfPreview = 246
    /// Data of a module besides values.
    case module = 247
    /// Of the next key: seconds since it was last used, a number.
    case idleSeconds = 248
    /// Of the next key: how often it is used, a byte.
    case frequency = 249
    /// Information about the server that saved: a name and a text.
    case information = 250
    /// How many keys the database has and how many of them have a deadline: two numbers.
    case size = 251
    /// Of the next key: when it expires, in milliseconds since 1970 (8 bytes).
    case deadline = 252
    /// Of the next key: when it expires, in seconds since 1970 (4 bytes).
    case deadlineInSeconds = 253
    /// The database that the next keys are in: a number.
    case database = 254
    case end = 255

    static var magic: ByteSlice { "REDIS" }
    /// Of Valkey's own versions, which have three digits: so the version ends at the same place.
    static var magicOfValkey: ByteSlice { "VALKEY" }
    static let headSize = 9
    static let versionDigits = 4
    static let checksumSize = 8

    /// What a file of a version begins with.
    static func head(version: UInt16) -> [UInt8] {
        let digits = Decimal.text(Int(version))
        return magic.array + [UInt8](repeating: UInt8(ascii: "0"), count: versionDigits - digits.count) + digits
    }
}
