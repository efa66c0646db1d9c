// Keys of any type: names, deadlines and orders at their edges. Replies as redis-server 7.0.15 gives them, in whichever encodings values are kept.

import Testing

@testable import StoreEngine

@Suite struct GenericCommandsTests {
    @Test func repliesAtTheEdges() {
        expectReplies([
            (["SET", "a", "1"], "+OK\r\n"),
            (["RENAME", "a", "a"], "+OK\r\n"),
            (["RENAME", "none", "a"], "-ERR no such key\r\n"),
            (["RENAMENX", "a", "b"], ":1\r\n"),
            (["COPY", "b", "b"], "-ERR source and destination objects are the same\r\n"),
            (["COPY", "b", "c"], ":1\r\n"),
            (["COPY", "none", "c", "REPLACE"], ":0\r\n"),
            (["EXISTS", "c", "c", "none"], ":2\r\n"),
            (["EXPIRE", "c", "-1"], ":1\r\n"),
            (["EXISTS", "c"], ":0\r\n"),
            (["EXPIRE", "b", "9223372036854775807"], "-ERR invalid expire time in 'expire' command\r\n"),
            (["PEXPIRE", "b", "0", "XX"], ":0\r\n"),
            (["EXPIRE", "b", "100", "GT"], ":0\r\n"),
            (
                ["EXPIRE", "b", "100", "NX", "GT"],
                "-ERR NX and XX, GT or LT options at the same time are not compatible\r\n"
            ),
            (["TTL", "none"], ":-2\r\n"),
            (["PTTL", "b"], ":-1\r\n"),
            (["PERSIST", "b"], ":0\r\n"),
            (["RPUSH", "l", "3", "1", "2", "10"], ":4\r\n"),
            (["SORT", "l", "LIMIT", "1", "2", "DESC"], "*2\r\n$1\r\n3\r\n$1\r\n2\r\n"),
            (["SORT", "l", "LIMIT", "-1", "1"], "*1\r\n$1\r\n1\r\n"),
            (
                ["SORT", "l", "BY", "nosort", "GET", "#", "GET", "none_*"],
                "*8\r\n$1\r\n3\r\n$-1\r\n$1\r\n1\r\n$-1\r\n$1\r\n2\r\n$-1\r\n$2\r\n10\r\n$-1\r\n"
            ),
            (["RPUSH", "w", "a1", "a10", "a2"], ":3\r\n"),
            (["SORT", "w"], "-ERR One or more scores can't be converted into double\r\n"),
            (["SORT", "w", "ALPHA"], "*3\r\n$2\r\na1\r\n$3\r\na10\r\n$2\r\na2\r\n"),
            (["SORT", "none", "STORE", "l"], ":0\r\n"),
            (["EXISTS", "l"], ":0\r\n"),
            (["OBJECT", "ENCODING", "none"], "$-1\r\n"),
            (["TOUCH", "b", "none", "b"], ":2\r\n"),
            (["RESTORE", "x", "0", "bad"], "-ERR DUMP payload version or checksum are wrong\r\n"),
            (["DUMP", "none"], "$-1\r\n"),
            (["SCAN", "0", "COUNT", "0"], "-ERR syntax error\r\n"),
        ])
    }
}
