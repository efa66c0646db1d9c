// Indexes and counts at and beyond both ends. Replies as redis-server 7.0.15 gives them, in whichever encodings values are kept.

import Testing

@testable import StoreEngine

@Suite struct ListCommandsTests {
    @Test func repliesAtTheEdges() {
        expectReplies([
            (["LPUSHX", "l", "a"], ":0\r\n"),
            (["RPUSH", "l", "a", "b", "c", "b", "a"], ":5\r\n"),
            (["LINDEX", "l", "-1"], "$1\r\na\r\n"),
            (["LINDEX", "l", "5"], "$-1\r\n"),
            (["LINDEX", "l", "-6"], "$-1\r\n"),
            (["LRANGE", "l", "-100", "100"], "*5\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nb\r\n$1\r\na\r\n"),
            (["LRANGE", "l", "3", "1"], "*0\r\n"),
            (["LSET", "l", "5", "x"], "-ERR index out of range\r\n"),
            (["LSET", "none", "0", "x"], "-ERR no such key\r\n"),
            (["LSET", "l", "-5", "A"], "+OK\r\n"),
            (["LREM", "l", "-1", "b"], ":1\r\n"),
            (["LREM", "l", "0", "none"], ":0\r\n"),
            (["LINSERT", "l", "AFTER", "none", "x"], ":-1\r\n"),
            (["LINSERT", "none", "BEFORE", "a", "x"], ":0\r\n"),
            (["LINSERT", "l", "BEFORE", "b", ""], ":5\r\n"),
            (["LPOS", "l", "a", "RANK", "-1"], ":4\r\n"),
            (
                ["LPOS", "l", "a", "RANK", "0"],
                "-ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list\r\n"
            ),
            (["LPOS", "l", "none", "COUNT", "0"], "*0\r\n"),
            (["LPOS", "l", "none"], "$-1\r\n"),
            (["LPOS", "l", "A", "MAXLEN", "1", "COUNT", "2"], "*1\r\n:0\r\n"),
            (["LTRIM", "l", "1", "-2"], "+OK\r\n"),
            (["LRANGE", "l", "0", "-1"], "*3\r\n$0\r\n\r\n$1\r\nb\r\n$1\r\nc\r\n"),
            (["LPOP", "l", "0"], "*0\r\n"),
            (["LPOP", "none", "0"], "*-1\r\n"),
            (["LPOP", "l", "-1"], "-ERR value is out of range, must be positive\r\n"),
            (["RPOP", "l", "100"], "*3\r\n$1\r\nc\r\n$1\r\nb\r\n$0\r\n\r\n"),
            (["EXISTS", "l"], ":0\r\n"),
            (["LMOVE", "none", "d", "LEFT", "RIGHT"], "$-1\r\n"),
            (["RPUSH", "r", "1", "2", "3"], ":3\r\n"),
            (["LMOVE", "r", "r", "LEFT", "RIGHT"], "$1\r\n1\r\n"),
            (["RPOPLPUSH", "r", "r"], "$1\r\n1\r\n"),
            (["LRANGE", "r", "0", "-1"], "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n"),
            (["LMPOP", "2", "none", "r", "RIGHT", "COUNT", "2"], "*2\r\n$1\r\nr\r\n*2\r\n$1\r\n3\r\n$1\r\n2\r\n"),
            (["LMPOP", "0", "r", "LEFT"], "-ERR numkeys should be greater than 0\r\n"),
            (["LMPOP", "1", "r", "LEFT", "COUNT", "0"], "-ERR count should be greater than 0\r\n"),
        ])
    }
}
