"""INFO keysizes: how many keys have values of which sizes, as redis-server 8.2.3 counts them, after every command.

Redis 8.2 miscounts a string that SETBIT or BITFIELD extends when it was empty, or when no operation of BITFIELD succeeds; its own later
changes of such a string make counts less than 0. These are told truly here, and left out of the comparison.
"""
import os
import shlex

import pytest

from differential.random_commands import Generator
from differential.random_comparison import quoted
from support.resp import eventually

pytestmark = pytest.mark.ours
SEED = os.environ.get("CONFORMANCE_SEED", "72")
SEQUENCES = int(os.environ.get("CONFORMANCE_SEQUENCES", "12"))


def sizes(connection):
    return connection("INFO", "keysizes").plain().decode()


def lines(connection):
    return sizes(connection).split("\r\n")[1:-1]


# Each line is run by both servers, and what they count is compared after it.
SEQUENCES_OF_LINES = {
    "strings": """SET a ''; SET b x; SET a 12; SET a -7; APPEND a 1234567; SETRANGE b 40 x; SETRANGE c 70000 x; SETRANGE c 3000000 x
        GETDEL b; MSET a 1 b 22 d 333; MSETNX e 1 f 22; INCRBY a 9; INCRBY a 90; DECRBY a 1000; INCRBYFLOAT a 0.25; SETNX g 4444; GETSET g 5
        SET g 123456789 KEEPTTL; SETEX h 1000 v; PSETEX h 100000 vvvv; GETEX h PERSIST; SET h w GET; SETBIT h 100 1; SETBIT h 7 1
        SETBIT i 100 1; BITFIELD i SET u8 #40 1; BITFIELD j SET u8 #3 1; BITOP OR k c i; BITOP NOT k i; BITOP AND k none; BITOP XOR i h h
        SET l 1000000000000000; APPEND l 1; SUBSTR l 0 3; SET c short; COPY c m; COPY g c REPLACE; RENAME m c; RENAMENX c n; LCS a b""",
    "hyperloglogs": "PFADD p a b c; PFADD p d e f g h i j k l m n; PFCOUNT p; PFMERGE q p; PFADD q z; PFDEBUG TODENSE q; PFMERGE p q; DEL p",
    "lists": """RPUSH l 1 2 3; LPUSH l 4; LPUSHX l 5 6 7; RPUSHX none 1; RPUSHX l 8; LINSERT l BEFORE 4 x; LINSERT l AFTER none x; LSET l 0 y
        LPOP l; RPOP l 2; LREM l 0 x; LREM l -1 6; LTRIM l 1 2; LMOVE l m LEFT RIGHT; RPOPLPUSH l l; RPOPLPUSH l m; LMOVE l m LEFT LEFT
        LMPOP 2 l m LEFT COUNT 2; BLPOP m 1; BLMOVE m l LEFT LEFT 1; RPUSH l a b c d e f g h i j k l m n o p q; LTRIM l 0 0; LTRIM l 2 1
        RPUSH l c b a; SORT l ALPHA STORE s; SORT l ALPHA LIMIT 0 1 STORE s; SORT none STORE s; LPOP l 9""",
    "sets": """SADD s 1 2 3; SADD s 3 4; SADD s a b c d e f; SREM s 1 a none; SADD t 1; SMOVE s t b; SMOVE s t none; SUNIONSTORE u s t
        SINTERSTORE u s t; SDIFFSTORE u s t; SDIFFSTORE u t t; SADD t 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; SPOP t 16; SADD v one
        SPOP v; SADD v one two three; SREM v one two; SPOP s 2; SPOP s; SPOP s 100""",
    "sorted sets": """ZADD z 1 a 2 b 3 c; ZADD z XX 9 a 1 none; ZADD z NX 1 d 5 a; ZADD z INCR 3 e; ZINCRBY z 1 f; ZINCRBY z 1 a; ZREM z a none; ZPOPMIN z
        ZPOPMAX z 2; ZADD z 1 g 2 h 3 i 4 j 5 k 6 l 7 m 8 n; ZMPOP 1 z MIN COUNT 3; BZPOPMIN z 1; BZMPOP 1 1 z MAX COUNT 2
        ZUNIONSTORE y 1 z WEIGHTS 2; ZADD z 0 p 0 q 0 r 0 s; ZINTERSTORE x 2 z y; ZDIFFSTORE x 2 z y; ZRANGESTORE y z 0 2; ZRANGESTORE y z 5 4
        ZREMRANGEBYRANK z 0 1; ZREMRANGEBYSCORE z 0 3; ZREMRANGEBYLEX z - [l; GEOADD g 1 2 a 2 3 b; GEOADD g XX 1 3 c
        GEOSEARCHSTORE x g FROMLONLAT 1 2 BYRADIUS 9 km; GEOSEARCHSTORE x g FROMLONLAT 50 2 BYRADIUS 9 km; ZREM g a b""",
    "hashes": """HSET h a 1 b 2; HSET h a 2 c 3; HSETNX h a 1; HSETNX h d 4; HMSET h e 1 f 2 g 3; HINCRBY h a 1; HINCRBY h i 1; HINCRBYFLOAT h j 0.5
        HDEL h a none; HGETDEL h FIELDS 2 b none; HSETEX h EX 1000 FIELDS 2 k 1 l 2; HGETEX h EX 100 FIELDS 1 k; HEXPIRE h 100 FIELDS 1 c
        HPERSIST h FIELDS 1 c; HEXPIRE h 0 FIELDS 2 c d; HPEXPIREAT h 1 FIELDS 1 e; HSETEX h FNX FIELDS 1 k 1; HSETEX h PXAT 1 FIELDS 1 k 1
        HDEL h f g i j k l; HSET h x 1; HGETDEL h FIELDS 1 x; HSETEX m EX 100 FIELDS 1 k 1; HGETEX m PXAT 1 FIELDS 1 k""",
    "keys": """SET a 1; RPUSH l 1 2; SADD s 1 2 3 4; ZADD z 1 a; HSET h f v; XADD x 1-1 f v; XADD x * f v; SET a v EX 100; EXPIRE l 100; PERSIST l
        MOVE a 1; MOVE s 2; COPY l m DB 1; COPY z l REPLACE; RENAME h z; SWAPDB 0 1; SELECT 1; SET z x; SADD a 1; SET a 1; SUNIONSTORE z none
        EXPIRE l -1; PEXPIREAT m 1; DEL x none; XTRIM x MAXLEN 0; UNLINK h; SWAPDB 1 2; FLUSHDB; SET k 12345678; DEBUG RELOAD; SELECT 2
        SET k v; SELECT 0; RPUSH l x; DUMP l; MULTI; SADD s a; SREM s a; SADD s b c; EXEC; EVAL "redis.call('RPUSH','l','y','z')" 0; FLUSHALL""",
}


@pytest.mark.parametrize("name", SEQUENCES_OF_LINES)
def test_after_every_line(name, server, newer_redis):
    with server.connect() as ours, newer_redis.connect() as theirs:
        steps = [shlex.split(line) for line in SEQUENCES_OF_LINES[name].replace("\n", ";").split(";") if line.strip()]
        seen = set()
        for number, words in enumerate(steps):
            replies = [connection(*words) for connection in (ours, theirs)]
            assert replies[0].is_error == replies[1].is_error, (words, replies)
            if replies[0].raw == b"+QUEUED\r\n" or words == ["MULTI"]:
                continue
            counted = [sizes(connection) for connection in (ours, theirs)]
            assert counted[0] == counted[1], "after\n" + "\n".join(map(" ".join, steps[max(0, number - 8):number + 1]))
            seen.add(counted[0])
        assert len(seen) >= 5


@pytest.mark.parametrize("sequence", range(SEQUENCES))
def test_after_every_random_command(sequence, server, newer_redis):
    generator = Generator(f"{SEED}/key sizes/{sequence}")
    told = []
    with server.connect() as ours, newer_redis.connect() as theirs, server.connect() as one, newer_redis.connect() as other:
        for _ in range(300):
            command = generator.command()
            name = command[0].upper()
            # What is random, what makes no change at once, and what Redis miscounts.
            if name in (b"SPOP", b"MULTI") or name == b"BITFIELD" and b"FAIL" in map(bytes.upper, command):
                continue
            if name in (b"SETBIT", b"BITFIELD") and len(command) > 1 and ours("STRLEN", command[1]).plain() == 0:
                continue
            told.append(command)
            replies = [connection(*command) for connection in (ours, theirs)]
            if replies[0].is_error != replies[1].is_error:
                # The versions read some numbers otherwise.
                break
            counted = [sizes(connection) for connection in (one, other)]
            assert counted[0] == counted[1], "after\n" + "\n".join(map(quoted, told[-20:]))


def test_units(server, newer_redis):
    with server.connect() as ours, newer_redis.connect() as theirs:
        for power in range(27):
            for connection in (ours, theirs):
                connection("SETRANGE", f"k{power}", (1 << power) - 1, "x")
        text = sizes(ours)
        assert text == sizes(theirs)
        assert ",512=1,1K=1,2K=1," in text and ",512K=1,1M=1," in text and text.endswith(",64M=1\r\n")


def test_sizes_of_many_elements(server, newer_redis):
    """In every encoding, where it changes, and down again."""
    with server.connect() as ours, newer_redis.connect() as theirs:
        for count in (1, 100, 127, 128, 129, 511, 512, 513, 5000, 70_000):
            numbers = [str(number) for number in range(count)]
            for words in (["RPUSH", "l", *numbers], ["SADD", "s", *numbers], ["SADD", "t", *("m" + number for number in numbers)],
                          ["ZADD", "z", *(word for number in numbers for word in (number, number))],
                          ["HSET", "h", *(word for number in numbers for word in (number, "v"))],
                          ["LTRIM", "l", "0", str(count - 1)], ["SREM", "s", *numbers[:count // 2]], ["HDEL", "h", *numbers[1::2]],
                          ["ZREMRANGEBYRANK", "z", "0", str(count // 2)], ["LREM", "l", "0", "1"]):
                replies = [connection(*words).raw for connection in (ours, theirs)]
                assert replies[0] == replies[1] and sizes(ours) == sizes(theirs), (words[0], count)


def test_expired_keys_and_fields_are_counted_no_more(server, newer_redis):
    with server.connect() as ours, newer_redis.connect() as theirs:
        for connection in (ours, theirs):
            connection("PSETEX", "k", 20, "v")
            connection("SADD", "s", "a", "b")
            connection("PEXPIRE", "s", 20)
            connection("HSET", "h", *(word for number in range(40) for word in (f"f{number}", "v")))
            connection("HPEXPIRE", "h", 20, "FIELDS", 39, *(f"f{number}" for number in range(39)))
            connection("HSET", "gone", "f", "v")
            connection("HPEXPIRE", "gone", 20, "FIELDS", 1, "f")
            assert connection("DBSIZE").plain() > 0
        for connection in (ours, theirs):
            assert eventually(lambda: lines(connection) == ["db0_distrib_hashes_items:1=1"])


def test_what_redis_miscounts_is_counted(client):
    client("SET", "k", "")
    client("SETBIT", "k", 400, 0)
    assert lines(client) == ["db0_distrib_strings_sizes:32=1"]
    client("SET", "k", "v")
    client("BITFIELD", "k", "OVERFLOW", "FAIL", "SET", "u2", "#40", "9")
    assert lines(client) == ["db0_distrib_strings_sizes:8=1"]
    client("DEL", "k")
    assert lines(client) == []


def test_evicted_keys_are_counted_no_more(start):
    with start("--maxmemory-policy", "allkeys-random").connect() as client:
        for number in range(3000):
            client("SADD", f"s{number}", "a", "b", "x" * 200)
        used = int(client("INFO", "memory").plain().decode().split("used_memory:")[1].split("\r\n")[0])
        client("CONFIG", "SET", "maxmemory", used * 3 // 4)
        client("SADD", "k", "a", "b")
        assert eventually(lambda: client("DBSIZE").plain() < 3000)
        # Keys may still be going.
        *_, replies = client.pipeline([[b"MULTI"], [b"DBSIZE"], [b"INFO", b"keysizes"], [b"EXEC"]])
        count, text = replies.plain()
        assert text.decode() == f"# Keysizes\r\ndb0_distrib_sets_items:2={count}\r\n"


def test_databases_in_order(server, newer_redis):
    with server.connect() as ours, newer_redis.connect() as theirs:
        for connection in (ours, theirs):
            for index in (9, 3, 12, 0):
                connection("SELECT", index)
                connection("SET", "k", "x" * index)
                connection("ZADD", "z", 1, "a")
        assert sizes(ours) == sizes(theirs)
        assert [line.split("_")[0] for line in lines(ours)] == ["db0", "db0", "db3", "db3", "db9", "db9", "db12", "db12"]


def test_where_the_section_stands(server, newer_redis):
    with server.connect() as ours, newer_redis.connect() as theirs:
        for words in ([], ["all"], ["everything"], ["default"], ["KEYSIZES"], ["keysizes", "keyspace"], ["keysizes", "cluster", "keysizes"]):
            for connection in (ours, theirs):
                connection("SET", "k", "v")
            titles = [[line for line in connection("INFO", *words).plain().decode().split("\r\n") if line.startswith(("# Key", "# Cl"))]
                      for connection in (ours, theirs)]
            assert titles[0] == titles[1] and "# Keysizes" in titles[0], words
