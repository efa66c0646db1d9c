// Scores and ranks at their edges. Replies as redis-server 7.0.15 gives them, in whichever encodings values are kept.

import Testing

@testable import StoreEngine

@Suite struct SortedSetCommandsTests {
    @Test func repliesAtTheEdges() {
        expectReplies([
            (["ZADD", "z", "1", "a", "inf", "b", "-inf", "c"], ":3\r\n"),
            (["ZADD", "z", "nan", "a"], "-ERR value is not a valid float\r\n"),
            (["ZADD", "z", "NX", "XX", "1", "a"], "-ERR XX and NX options at the same time are not compatible\r\n"),
            (["ZADD", "z", "GT", "0", "a"], ":0\r\n"),
            (["ZADD", "z", "XX", "CH", "INCR", "1", "a"], "$1\r\n2\r\n"),
            (["ZADD", "z", "NX", "INCR", "1", "a"], "$-1\r\n"),
            (["ZSCORE", "z", "a"], "$1\r\n2\r\n"),
            (["ZINCRBY", "z", "-inf", "b"], "-ERR resulting score is not a number (NaN)\r\n"),
            (["ZMSCORE", "z", "none", "c"], "*2\r\n$-1\r\n$4\r\n-inf\r\n"),
            (["ZRANK", "z", "c"], ":0\r\n"),
            (["ZREVRANK", "z", "none"], "$-1\r\n"),
            (
                ["ZRANGE", "z", "0", "-1", "WITHSCORES"],
                "*6\r\n$1\r\nc\r\n$4\r\n-inf\r\n$1\r\na\r\n$1\r\n2\r\n$1\r\nb\r\n$3\r\ninf\r\n"
            ),
            (["ZRANGE", "z", "-1", "-5"], "*0\r\n"),
            (["ZRANGE", "z", "(1", "inf", "BYSCORE"], "*2\r\n$1\r\na\r\n$1\r\nb\r\n"),
            (["ZRANGE", "z", "inf", "-inf", "BYSCORE", "REV", "LIMIT", "1", "1"], "*1\r\n$1\r\na\r\n"),
            (
                ["ZRANGE", "z", "0", "1", "LIMIT", "0", "1"],
                "-ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX\r\n"
            ),
            (["ZCOUNT", "z", "(2", "+inf"], ":1\r\n"),
            (["ZLEXCOUNT", "z", "-", "+"], ":3\r\n"),
            (["ZRANGEBYLEX", "z", "a", "b"], "-ERR min or max not valid string range item\r\n"),
            (["ZRANGESTORE", "d", "z", "5", "9"], ":0\r\n"),
            (["EXISTS", "d"], ":0\r\n"),
            (["ZREMRANGEBYRANK", "z", "-1", "-1"], ":1\r\n"),
            (["ZREMRANGEBYSCORE", "z", "-inf", "-inf"], ":1\r\n"),
            (["ZCARD", "z"], ":1\r\n"),
            (["ZPOPMIN", "z", "0"], "*0\r\n"),
            (["ZPOPMAX", "none"], "*0\r\n"),
            (["ZPOPMIN", "z", "5"], "*2\r\n$1\r\na\r\n$1\r\n2\r\n"),
            (["EXISTS", "z"], ":0\r\n"),
            (["ZADD", "x", "1", "a", "2", "b"], ":2\r\n"),
            (["ZADD", "y", "3", "b", "4", "c"], ":2\r\n"),
            (
                ["ZUNION", "2", "x", "y", "WEIGHTS", "2", "-1", "AGGREGATE", "MIN", "WITHSCORES"],
                "*6\r\n$1\r\nc\r\n$2\r\n-4\r\n$1\r\nb\r\n$2\r\n-3\r\n$1\r\na\r\n$1\r\n2\r\n"
            ),
            (["ZINTER", "2", "x", "y", "AGGREGATE", "MAX", "WITHSCORES"], "*2\r\n$1\r\nb\r\n$1\r\n3\r\n"),
            (["ZDIFF", "2", "x", "y", "WITHSCORES"], "*2\r\n$1\r\na\r\n$1\r\n1\r\n"),
            (["ZINTERCARD", "2", "x", "y", "LIMIT", "0"], ":1\r\n"),
            (["ZDIFFSTORE", "x", "x", "y"], "-ERR value is not an integer or out of range\r\n"),
            (["ZRANGE", "x", "0", "-1"], "*2\r\n$1\r\na\r\n$1\r\nb\r\n"),
            (
                ["ZMPOP", "2", "none", "y", "MAX", "COUNT", "5"],
                "*2\r\n$1\r\ny\r\n*2\r\n*2\r\n$1\r\nc\r\n$1\r\n4\r\n*2\r\n$1\r\nb\r\n$1\r\n3\r\n"
            ),
            (["ZRANDMEMBER", "none", "-2"], "*0\r\n"),
        ])
    }
}
