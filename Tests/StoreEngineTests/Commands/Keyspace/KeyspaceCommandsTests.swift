// Databases and all of their keys. Replies as redis-server 7.0.15 gives them, in whichever encodings values are kept.

import Testing

@testable import StoreEngine

@Suite struct KeyspaceCommandsTests {
    @Test func repliesAtTheEdges() {
        expectReplies([
            (["DBSIZE"], ":0\r\n"),
            (["RANDOMKEY"], "$-1\r\n"),
            (["KEYS", "*"], "*0\r\n"),
            (["SET", "a", "1"], "+OK\r\n"),
            (["RANDOMKEY"], "$1\r\na\r\n"),
            (["KEYS", "[^b]"], "*1\r\n$1\r\na\r\n"),
            (["KEYS", "\\a"], "*1\r\n$1\r\na\r\n"),
            (["KEYS", ""], "*0\r\n"),
            (["SET", "b", "2", "PX", "100000"], "+OK\r\n"),
            (["DBSIZE"], ":2\r\n"),
            (["SWAPDB", "0", "0"], "+OK\r\n"),
            (["SWAPDB", "0", "16"], "-ERR DB index is out of range\r\n"),
            (["SWAPDB", "x", "0"], "-ERR invalid first DB index\r\n"),
            (["MOVE", "a", "0"], "-ERR source and destination objects are the same\r\n"),
            (["MOVE", "a", "16"], "-ERR DB index is out of range\r\n"),
            (["MOVE", "none", "1"], ":0\r\n"),
            (["FLUSHDB", "SYNC", "ASYNC"], "-ERR syntax error\r\n"),
            (["FLUSHDB", "SYNC"], "+OK\r\n"),
            (["DBSIZE"], ":0\r\n"),
            (["FLUSHALL", "ASYNC"], "+OK\r\n"),
        ])
    }
}
