// The frame of a snapshot, which is the frame of an RDB file:
//
//     "REDIS" | version, four digits | records | 0xFF | CRC-64 of everything before (8)
//
// A record begins with a mark, or else with the type of a value: what stands before that goes with it, and it is followed by the key
// and the value.
//
// Source: Redis 7.4, rdb.h, "Special RDB opcodes", and rdb.c, rdbSaveRio.

import RespCodec

enum RDBOpcode: UInt8 {
    /// How many keys a slot of a cluster has: three numbers.
    case slot = 244
    /// A library of functions as Redis 7.0 saves it, or as its release candidates did.
    case function = 245
    case functionOfPreview = 246
    /// What a module keeps besides values.
    case module = 247
    /// Of the next key: seconds since it was used, a number; ...
    case idleSeconds = 248
    /// ... or how often it is used, a byte.
    case frequency = 249
    /// A fact about the server that saved: a name and a text.
    case fact = 250
    /// How many keys the database has and how many of them have a deadline: two numbers.
    case size = 251
    /// Of the next key: when it expires, in milliseconds since 1970 (8); ...
    case deadline = 252
    /// ... or in seconds (4).
    case deadlineInSeconds = 253
    /// Which database the next keys are in: a number.
    case database = 254
    case end = 255

    static var magic: ByteSlice { "REDIS" }
    static let versionDigits = 4
    static let checksumSize = 8
}
