// Members that are numbers and others, and sets of nothing. Replies as redis-server 7.0.15 gives them, in whichever encodings values are kept.

import Testing

@testable import StoreEngine

@Suite struct SetCommandsTests {
    @Test func repliesAtTheEdges() {
        expectReplies([
            (["SADD", "s", "1", "2", "3"], ":3\r\n"),
            (["SADD", "s", "3", "x"], ":1\r\n"),
            (["SCARD", "s"], ":4\r\n"),
            (["SISMEMBER", "s", "01"], ":0\r\n"),
            (["SMISMEMBER", "s", "1", "x", "none"], "*3\r\n:1\r\n:1\r\n:0\r\n"),
            (["SMISMEMBER", "none", "a", "b"], "*2\r\n:0\r\n:0\r\n"),
            (["SREM", "s", "1", "2", "3", "none"], ":3\r\n"),
            (["SMEMBERS", "s"], "*1\r\n$1\r\nx\r\n"),
            (["SPOP", "s", "0"], "*0\r\n"),
            (["SPOP", "s", "-1"], "-ERR value is out of range, must be positive\r\n"),
            (["SPOP", "none", "1"], "*0\r\n"),
            (["SPOP", "s", "5"], "*1\r\n$1\r\nx\r\n"),
            (["EXISTS", "s"], ":0\r\n"),
            (["SRANDMEMBER", "none"], "$-1\r\n"),
            (["SRANDMEMBER", "none", "-3"], "*0\r\n"),
            (["SADD", "one", "7"], ":1\r\n"),
            (["SRANDMEMBER", "one", "-3"], "*3\r\n$1\r\n7\r\n$1\r\n7\r\n$1\r\n7\r\n"),
            (["SRANDMEMBER", "one", "3"], "*1\r\n$1\r\n7\r\n"),
            (["SMOVE", "one", "two", "8"], ":0\r\n"),
            (["SMOVE", "one", "two", "7"], ":1\r\n"),
            (["EXISTS", "one"], ":0\r\n"),
            (["SINTER", "two", "none"], "*0\r\n"),
            (["SUNION", "none", "two"], "*1\r\n$1\r\n7\r\n"),
            (["SDIFF", "two", "two"], "*0\r\n"),
            (["SINTERSTORE", "two", "two", "none"], ":0\r\n"),
            (["EXISTS", "two"], ":0\r\n"),
            (["SINTERCARD", "1", "none", "LIMIT", "0"], ":0\r\n"),
            (["SINTERCARD", "0", "x"], "-ERR numkeys should be greater than 0\r\n"),
            (["SINTERCARD", "1", "x", "LIMIT", "-1"], "-ERR LIMIT can't be negative\r\n"),
            (["SSCAN", "none", "0"], "*2\r\n$1\r\n0\r\n*0\r\n"),
        ])
    }
}
