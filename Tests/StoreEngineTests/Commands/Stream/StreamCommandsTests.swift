// Ids at their edges, and groups of nothing. Replies as redis-server 7.0.15 gives them, in whichever encodings values are kept.

import Testing

@testable import StoreEngine

@Suite struct StreamCommandsTests {
    @Test func repliesAtTheEdges() {
        expectReplies([
            (["XADD", "s", "0-0", "f", "v"], "-ERR The ID specified in XADD must be greater than 0-0\r\n"),
            (["XADD", "s", "0-1", "f"], "-ERR wrong number of arguments for 'xadd' command\r\n"),
            (
                ["XADD", "s", "18446744073709551615-18446744073709551615", "f", "v"],
                "$41\r\n18446744073709551615-18446744073709551615\r\n"
            ),
            (
                ["XADD", "s", "*", "f", "v"],
                "-ERR The stream has exhausted the last possible ID, unable to add more items\r\n"
            ),
            (["DEL", "s"], ":1\r\n"),
            (["XADD", "s", "5-1", "f", "v"], "$3\r\n5-1\r\n"),
            (["XADD", "s", "5-*", "g", "w"], "$3\r\n5-2\r\n"),
            (
                ["XADD", "s", "5-2", "f", "v"],
                "-ERR The ID specified in XADD is equal or smaller than the target stream top item\r\n"
            ),
            (["XADD", "s", "NOMKSTREAM", "6", "f", "v"], "$3\r\n6-0\r\n"),
            (["XADD", "none", "NOMKSTREAM", "6", "f", "v"], "$-1\r\n"),
            (["XLEN", "s"], ":3\r\n"),
            (["XRANGE", "s", "-", "+", "COUNT", "0"], "*-1\r\n"),
            (["XRANGE", "s", "(5-1", "5"], "*1\r\n*2\r\n$3\r\n5-2\r\n*2\r\n$1\r\ng\r\n$1\r\nw\r\n"),
            (["XREVRANGE", "s", "+", "(5-2"], "*1\r\n*2\r\n$3\r\n6-0\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n"),
            (["XRANGE", "s", "6", "5"], "*0\r\n"),
            (["XDEL", "s", "5-2", "9-9"], ":1\r\n"),
            (["XTRIM", "s", "MAXLEN", "0"], ":2\r\n"),
            (["XLEN", "s"], ":0\r\n"),
            (["EXISTS", "s"], ":1\r\n"),
            (["XTRIM", "s", "MAXLEN", "~", "0", "LIMIT", "5"], ":0\r\n"),
            (["XSETID", "s", "9-0", "ENTRIESADDED", "4", "MAXDELETEDID", "7-0"], "+OK\r\n"),
            (
                ["XGROUP", "CREATE", "none", "g", "$"],
                "-ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.\r\n"
            ),
            (["XGROUP", "CREATE", "s", "g", "0"], "+OK\r\n"),
            (["XGROUP", "CREATE", "s", "g", "0"], "-BUSYGROUP Consumer Group name already exists\r\n"),
            (["XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">"], "*-1\r\n"),
            (
                ["XREADGROUP", "GROUP", "none", "c", "STREAMS", "s", ">"],
                "-NOGROUP No such key 's' or consumer group 'none' in XREADGROUP with GROUP option\r\n"
            ),
            (["XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", "0"], "*1\r\n*2\r\n$1\r\ns\r\n*0\r\n"),
            (["XADD", "s", "10-1", "f", "v"], "$4\r\n10-1\r\n"),
            (
                ["XREADGROUP", "GROUP", "g", "c", "COUNT", "1", "STREAMS", "s", ">"],
                "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$4\r\n10-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n"
            ),
            (["XPENDING", "s", "g"], "*4\r\n:1\r\n$4\r\n10-1\r\n$4\r\n10-1\r\n*1\r\n*2\r\n$1\r\nc\r\n$1\r\n1\r\n"),
            (["XACK", "s", "g", "10-1", "10-1"], ":1\r\n"),
            (["XPENDING", "s", "g"], "*4\r\n:0\r\n$-1\r\n$-1\r\n*-1\r\n"),
            (["XAUTOCLAIM", "s", "g", "c", "0", "0"], "*3\r\n$3\r\n0-0\r\n*0\r\n*0\r\n"),
            (["XCLAIM", "s", "g", "d", "0", "10-1", "FORCE", "JUSTID"], "*1\r\n$4\r\n10-1\r\n"),
            (["XGROUP", "DELCONSUMER", "s", "g", "d"], ":1\r\n"),
            (["XGROUP", "DESTROY", "s", "none"], ":0\r\n"),
            (
                ["XREAD", "COUNT", "1", "STREAMS", "s", "0"],
                "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$4\r\n10-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n"
            ),
        ])
    }
}
