// Bits at the edges of strings, ranges and integers. Replies as redis-server 7.0.15 gives them, in whichever encodings values are kept.

import Testing

@testable import StoreEngine

@Suite struct BitmapCommandsTests {
    @Test func repliesAtTheEdges() {
        expectReplies([
            (["SETBIT", "k", "0", "1"], ":0\r\n"),
            (["GETBIT", "k", "7"], ":0\r\n"),
            (["SETBIT", "k", "4294967295", "1"], ":0\r\n"),
            (["DEL", "k"], ":1\r\n"),
            (["SETBIT", "k", "4294967296", "1"], "-ERR bit offset is not an integer or out of range\r\n"),
            (["SETBIT", "k", "7", "2"], "-ERR bit is not an integer or out of range\r\n"),
            (["BITCOUNT", "none"], ":0\r\n"),
            (["SET", "s", "\u{FF}\u{0}\u{F}"], "+OK\r\n"),
            (["BITCOUNT", "s", "1", "-1"], ":4\r\n"),
            (["BITCOUNT", "s", "-100", "100"], ":12\r\n"),
            (["BITCOUNT", "s", "5", "30", "BIT"], ":7\r\n"),
            (["BITCOUNT", "s", "2", "1"], ":0\r\n"),
            (["BITPOS", "s", "0"], ":8\r\n"),
            (["BITPOS", "s", "1", "1", "1"], ":-1\r\n"),
            (["BITPOS", "s", "0", "0", "0"], ":-1\r\n"),
            (["BITPOS", "s", "1", "-1", "-1", "BIT"], ":23\r\n"),
            (["BITOP", "NOT", "d", "s"], ":3\r\n"),
            (["GETRANGE", "d", "0", "-1"], "$3\r\n\u{0}\u{FF}\u{F0}\r\n"),
            (["BITOP", "AND", "d", "s", "none"], ":3\r\n"),
            (["STRLEN", "d"], ":3\r\n"),
            (["BITOP", "XOR", "d", "none", "none"], ":0\r\n"),
            (["EXISTS", "d"], ":0\r\n"),
            (
                ["BITFIELD", "f", "SET", "u8", "0", "255", "GET", "i8", "0", "INCRBY", "u8", "0", "1"],
                "*3\r\n:0\r\n:-1\r\n:0\r\n"
            ),
            (
                [
                    "BITFIELD", "f", "OVERFLOW", "SAT", "INCRBY", "i8", "8", "200", "OVERFLOW", "FAIL", "INCRBY", "i8",
                    "8", "1",
                ], "*2\r\n:127\r\n$-1\r\n"
            ),
            (
                ["BITFIELD", "f", "SET", "u64", "0", "1"],
                "-ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.\r\n"
            ),
            (["BITFIELD", "f", "SET", "i64", "#1", "-1", "GET", "u63", "64"], "*2\r\n:0\r\n:9223372036854775807\r\n"),
            (["BITFIELD_RO", "f", "SET", "u8", "0", "1"], "-ERR BITFIELD_RO only supports the GET subcommand\r\n"),
        ])
    }
}
