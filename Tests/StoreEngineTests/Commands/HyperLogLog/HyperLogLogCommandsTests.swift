// What counts nothing, and what is no HyperLogLog. Replies as redis-server 7.0.15 gives them, in whichever encodings values are kept.

import Testing

@testable import StoreEngine

@Suite struct HyperLogLogCommandsTests {
    @Test func repliesAtTheEdges() {
        expectReplies([
            (["PFADD", "h"], ":1\r\n"),
            (["PFADD", "h"], ":0\r\n"),
            (["PFCOUNT", "h", "none"], ":0\r\n"),
            (["PFADD", "h", "a", "b", "c", "a"], ":1\r\n"),
            (["PFCOUNT", "h"], ":3\r\n"),
            (["PFADD", "h", "a"], ":0\r\n"),
            (["SET", "s", "x"], "+OK\r\n"),
            (["PFADD", "s", "a"], "-WRONGTYPE Key is not a valid HyperLogLog string value.\r\n"),
            (["PFCOUNT", "h", "s"], "-WRONGTYPE Key is not a valid HyperLogLog string value.\r\n"),
            (["PFMERGE", "d"], "+OK\r\n"),
            (["PFCOUNT", "d"], ":0\r\n"),
            (["PFMERGE", "d", "h", "h"], "+OK\r\n"),
            (["PFCOUNT", "d"], ":3\r\n"),
            (["SET", "t", "HYLL"], "+OK\r\n"),
            (["PFCOUNT", "t"], "-WRONGTYPE Key is not a valid HyperLogLog string value.\r\n"),
            (["RPUSH", "l", "a"], ":1\r\n"),
            (["PFADD", "l", "a"], "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
            (["PFMERGE", "h", "l"], "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
            (["PFDEBUG", "ENCODING", "none"], "-ERR The specified key does not exist\r\n"),
        ])
    }
}
