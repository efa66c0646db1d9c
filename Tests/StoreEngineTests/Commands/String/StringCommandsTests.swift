// Numbers, ranges and conditions at their edges. Replies as redis-server 7.0.15 gives them, in whichever encodings values are kept.

import Testing

@testable import StoreEngine

@Suite struct StringCommandsTests {
    @Test func repliesAtTheEdges() {
        expectReplies([
            (["SET", "n", "9223372036854775807"], "+OK\r\n"),
            (["INCR", "n"], "-ERR increment or decrement would overflow\r\n"),
            (["DECRBY", "n", "-9223372036854775808"], "-ERR decrement would overflow\r\n"),
            (["SET", "n", " 1"], "+OK\r\n"),
            (["INCR", "n"], "-ERR value is not an integer or out of range\r\n"),
            (["SET", "n", "01"], "+OK\r\n"),
            (["INCR", "n"], "-ERR value is not an integer or out of range\r\n"),
            (["INCRBYFLOAT", "n", "1.5"], "$3\r\n2.5\r\n"),
            (["SET", "f", "3.0e3"], "+OK\r\n"),
            (["INCRBYFLOAT", "f", "200"], "$4\r\n3200\r\n"),
            (
                ["INCRBYFLOAT", "f", "-1e400"],
                "$402\r\n-10000000000000000000281880683947586514586453433629052038625910693539685534008629862039363994848324160522094053927317616200295822777259255734023828976593340661017797447434546173917862448116674971723778943824391593338047470675026246684401359237513603830343735485505244955964979021825038280091068414947402456898653040951017512658092615827588920183472511643316591362664138176309734806343732497430221946880\r\n"
            ),
            (["SET", "n", "x", "XX", "GET"], "$3\r\n2.5\r\n"),
            (["SET", "n", "y", "NX", "GET"], "$1\r\nx\r\n"),
            (["SET", "n", "y", "EX", "0"], "-ERR invalid expire time in 'set' command\r\n"),
            (["SET", "n", "y", "EX", "1", "PX", "1"], "-ERR syntax error\r\n"),
            (["SET", "n", "y", "EXAT", "1"], "+OK\r\n"),
            (["EXISTS", "n"], ":0\r\n"),
            (["GETSET", "n", "1"], "$-1\r\n"),
            (["GETDEL", "n"], "$1\r\n1\r\n"),
            (["GETDEL", "n"], "$-1\r\n"),
            (["GETEX", "n"], "$-1\r\n"),
            (["SETRANGE", "k", "0", ""], ":0\r\n"),
            (["EXISTS", "k"], ":0\r\n"),
            (["SETRANGE", "k", "2", "ab"], ":4\r\n"),
            (["GETRANGE", "k", "0", "-1"], "$4\r\n\u{0}\u{0}ab\r\n"),
            (["GETRANGE", "k", "-1", "-2"], "$0\r\n\r\n"),
            (["SETRANGE", "k", "-1", "x"], "-ERR offset is out of range\r\n"),
            (["SETRANGE", "k", "536870912", "x"], "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n"),
            (["APPEND", "k", ""], ":4\r\n"),
            (["STRLEN", "none"], ":0\r\n"),
            (["MSETNX", "a", "1", "a", "2"], ":1\r\n"),
            (["MGET", "a", "none", "k"], "*3\r\n$1\r\n2\r\n$-1\r\n$4\r\n\u{0}\u{0}ab\r\n"),
            (["MSET", "a"], "-ERR wrong number of arguments for 'mset' command\r\n"),
            (["LCS", "a", "k"], "$0\r\n\r\n"),
            (["SET", "l", "ohmytext"], "+OK\r\n"),
            (["SET", "m", "mynewtext"], "+OK\r\n"),
            (
                ["LCS", "l", "m", "IDX", "MINMATCHLEN", "4", "WITHMATCHLEN"],
                "*4\r\n$7\r\nmatches\r\n*1\r\n*3\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n:4\r\n$3\r\nlen\r\n:6\r\n"
            ),
            (
                ["LCS", "l", "m", "LEN", "IDX"],
                "-ERR If you want both the length and indexes, please just use IDX.\r\n"
            ),
            (["SUBSTR", "m", "0", "1"], "$2\r\nmy\r\n"),
            (["PSETEX", "p", "-1", "x"], "-ERR invalid expire time in 'psetex' command\r\n"),
        ])
    }
}
