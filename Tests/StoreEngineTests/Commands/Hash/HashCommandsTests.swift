// Fields, numbers in them and random draws at their edges. Replies as redis-server 7.0.15 gives them, in whichever encodings values are kept.

import Testing

@testable import StoreEngine

@Suite struct HashCommandsTests {
    @Test func repliesAtTheEdges() {
        expectReplies([
            (["HSET", "h", "", "", "f", "1"], ":2\r\n"),
            (["HLEN", "h"], ":2\r\n"),
            (["HGET", "h", ""], "$0\r\n\r\n"),
            (["HSTRLEN", "h", "none"], ":0\r\n"),
            (["HSET", "h", "f"], "-ERR wrong number of arguments for 'hset' command\r\n"),
            (["HSETNX", "h", "f", "2"], ":0\r\n"),
            (["HMGET", "h", "f", "none", "f"], "*3\r\n$1\r\n1\r\n$-1\r\n$1\r\n1\r\n"),
            (["HINCRBY", "h", "f", "9223372036854775806"], ":9223372036854775807\r\n"),
            (["HINCRBY", "h", "f", "1"], "-ERR increment or decrement would overflow\r\n"),
            (["HINCRBY", "h", "", "1"], "-ERR hash value is not an integer\r\n"),
            (["HINCRBYFLOAT", "h", "f", "0.5"], "$21\r\n9223372036854775807.5\r\n"),
            (
                ["HINCRBYFLOAT", "h", "n", "1e400"],
                "$401\r\n10000000000000000000281880683947586514586453433629052038625910693539685534008629862039363994848324160522094053927317616200295822777259255734023828976593340661017797447434546173917862448116674971723778943824391593338047470675026246684401359237513603830343735485505244955964979021825038280091068414947402456898653040951017512658092615827588920183472511643316591362664138176309734806343732497430221946880\r\n"
            ),
            (
                ["HINCRBYFLOAT", "h", "n", "3.0e3"],
                "$401\r\n10000000000000000000281880683947586514586453433629052038625910693539685534008629862039363994848324160522094053927317616200295822777259255734023828976593340661017797447434546173917862448116674971723778943824391593338047470675026246684401359237513603830343735485505244955964979021825038280091068414947402456898653040951017512658092615827588920183472511643316591362664138176309734806343732497430221946880\r\n"
            ),
            (["HDEL", "h", "none", "f", "f"], ":1\r\n"),
            (["HDEL", "h", "", "n"], ":2\r\n"),
            (["EXISTS", "h"], ":0\r\n"),
            (["HRANDFIELD", "h"], "$-1\r\n"),
            (["HRANDFIELD", "h", "-2"], "*0\r\n"),
            (["HSET", "one", "f", "v"], ":1\r\n"),
            (["HRANDFIELD", "one", "5", "WITHVALUES"], "*2\r\n$1\r\nf\r\n$1\r\nv\r\n"),
            (["HRANDFIELD", "one", "-2", "WITHVALUES"], "*4\r\n$1\r\nf\r\n$1\r\nv\r\n$1\r\nf\r\n$1\r\nv\r\n"),
            (
                ["HRANDFIELD", "one", "-9223372036854775808", "WITHVALUES"],
                "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807\r\n"
            ),
            (["HSCAN", "one", "0"], "*2\r\n$1\r\n0\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n"),
            (["HSCAN", "one", "x"], "-ERR invalid cursor\r\n"),
            (["HGETALL", "none"], "*0\r\n"),
            (["HKEYS", "one"], "*1\r\n$1\r\nf\r\n"),
            (["HVALS", "one"], "*1\r\n$1\r\nv\r\n"),
        ])
    }
}
