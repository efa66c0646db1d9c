"""Options of commands in every order: each alone, twice and before each other one, without its operands, with operands that are none, with
a zero byte behind its word, and with a word behind it that belongs to nothing. Which mistake is told of first is part of the answer.

Compared with the oldest of redis-server 7.0.15 and 8.2.3 and valkey-server 9.1.2 that has the command's options.
"""
import re
import pytest

from support.cases import split

FUTURE = 4102444800
EXPIRY = f"EX 100; PX 100000; EXAT {FUTURE}; PXAT {FUTURE}000"
FILL = ["SET s text", "SET n 10", "SET ttl x EX 100", "RPUSH l a b c a", "SADD m a b c", "SADD m2 b c d", "ZADD z 1 a 2 b 3 c", "ZADD z2 5 b 6 c 7 d",
        "HSET h f 1 g 2", "GEOADD g 13.36 38.11 p 15.08 37.5 c", "XADD x 1-1 f v", "XADD x 2-1 f v", "XGROUP CREATE x grp 0",
        "XREADGROUP GROUP grp one COUNT 1 STREAMS x >", "SET src 1", "RPUSH nums 3 1 2"]

# What stands before the options, the options, and what is asked afterwards.
REDIS_70 = [
    ("SET s v", f"NX; XX; GET; KEEPTTL; {EXPIRY}", "GET s; TTL s"),
    ("SET new v", f"NX; XX; GET; KEEPTTL; {EXPIRY}", "GET new; TTL new"),
    ("GETEX ttl", f"PERSIST; {EXPIRY}", "TTL ttl"),
    ("EXPIRE ttl 200", "NX; XX; GT; LT", "TTL ttl"),
    ("PEXPIREAT s 4102444800000", "NX; XX; GT; LT", "TTL s"),
    ("COPY src s", "REPLACE; DB 1; DB 0", "GET s"),
    ("LCS s src", "LEN; IDX; MINMATCHLEN 1; WITHMATCHLEN", ""),
    ("SORT nums", "ASC; DESC; ALPHA; LIMIT 0 2; BY w_*; BY nosort; GET #; GET w_*; STORE d", "LRANGE d 0 -1"),
    ("SORT_RO nums", "ASC; DESC; ALPHA; LIMIT 1 1; BY w_*; GET #; STORE d", ""),
    ("RESTORE s 0 bad", "REPLACE; ABSTTL; IDLETIME 1; FREQ 1", "GET s"),
    ("LPOS l a", "RANK 2; RANK -1; COUNT 0; COUNT 2; MAXLEN 2", ""),
    ("LMPOP 2 none l", "LEFT; RIGHT; COUNT 2", "LRANGE l 0 -1"),
    ("BLMPOP 0.01 2 none l", "LEFT; RIGHT; COUNT 2", "LRANGE l 0 -1"),
    ("LMPOP 1 l LEFT", "COUNT 2; COUNT 1", "LRANGE l 0 -1"),
    ("ZMPOP 1 z MIN", "COUNT 2; COUNT 1", "ZCARD z"),
    ("ZMPOP 2 none z", "MIN; MAX; COUNT 2", "ZCARD z"),
    ("BZMPOP 0.01 2 none z", "MIN; MAX; COUNT 2", "ZCARD z"),
    ("LINSERT l", "BEFORE b x; AFTER b x", "LRANGE l 0 -1"),
    ("LMOVE l d", "LEFT; RIGHT", "LRANGE l 0 -1"),
    ("SINTERCARD 2 m m2", "LIMIT 1; LIMIT 0", ""),
    ("ZINTERCARD 2 z z2", "LIMIT 1; LIMIT 0", ""),
    ("ZADD z", "NX; XX; GT; LT; CH; INCR; 4 a", "ZSCORE z a"),
    ("ZADD z NX", "NX; XX; GT; LT; CH; INCR; 4 e; 1 a 2 b", "ZSCORE z a"),
    ("ZADD z XX", "NX; XX; GT; LT; CH; INCR; 4 a; 1 a 2 b", "ZSCORE z a"),
    ("ZRANGE z 0 -1", "BYSCORE; BYLEX; REV; LIMIT 0 2; WITHSCORES", ""),
    ("ZRANGE z 1 3 BYSCORE", "BYSCORE; BYLEX; REV; LIMIT 1 1; WITHSCORES", ""),
    ("ZRANGE z - + BYLEX", "BYSCORE; BYLEX; REV; LIMIT 1 1; WITHSCORES", ""),
    ("ZRANGESTORE d z 0 -1", "BYSCORE; BYLEX; REV; LIMIT 0 2; WITHSCORES", "ZCARD d"),
    ("ZREVRANGE z 0 -1", "WITHSCORES; REV; LIMIT 0 2", ""),
    ("ZRANGEBYSCORE z 1 3", "WITHSCORES; LIMIT 1 1; BYSCORE", ""),
    ("ZRANGEBYLEX z - +", "WITHSCORES; LIMIT 1 1", ""),
    ("ZUNION 2 z z2", "WEIGHTS 1 2; AGGREGATE SUM; AGGREGATE MIN; AGGREGATE MAX; WITHSCORES", ""),
    ("ZINTER 2 z z2", "WEIGHTS 1 2; AGGREGATE SUM; AGGREGATE MAX; WITHSCORES; LIMIT 1", ""),
    ("ZDIFF 2 z z2", "WEIGHTS 1 2; AGGREGATE SUM; WITHSCORES", ""),
    ("ZUNIONSTORE d 2 z z2", "WEIGHTS 1 2; AGGREGATE SUM; AGGREGATE MIN; WITHSCORES", "ZCARD d"),
    ("ZRANDMEMBER z 3", "WITHSCORES", "ZCARD z"),
    ("HRANDFIELD h 2", "WITHVALUES", "HLEN h"),
    ("SCAN 0 COUNT 1000", "MATCH s*; COUNT 100; TYPE string", ""),
    ("HSCAN h 0", "MATCH f*; COUNT 100; TYPE hash", ""),
    ("SSCAN m 0", "MATCH a*; COUNT 100; TYPE set", ""),
    ("ZSCAN z 0", "MATCH a*; COUNT 100; TYPE zset", ""),
    ("GEOADD g", "NX; XX; CH; 13.5 38 p; 13.5 38 q", "GEOPOS g p"),
    ("GEOSEARCH g", "FROMMEMBER p; FROMLONLAT 15 37; BYRADIUS 300 km; BYBOX 400 400 km; ASC; DESC; COUNT 1; COUNT 1 ANY; WITHCOORD; WITHDIST; WITHHASH", ""),
    ("GEOSEARCH g FROMMEMBER p", "FROMLONLAT 15 37; BYRADIUS 300 km; BYBOX 400 400 km; ASC; COUNT 1 ANY; STOREDIST", ""),
    ("GEOSEARCH g FROMMEMBER p BYRADIUS 300 km", "FROMMEMBER c; BYRADIUS 1 m; BYBOX 4 4 km; ASC; DESC; COUNT 1; ANY; WITHDIST; WITHHASH; STOREDIST; STORE d", ""),
    ("GEOSEARCHSTORE d g FROMMEMBER p BYBOX 400 400 km", "FROMMEMBER c; BYRADIUS 1 m; ASC; DESC; COUNT 1; ANY; WITHDIST; STOREDIST; STORE d", "ZCARD d"),
    ("GEORADIUS g 15 37 200 km", "ASC; DESC; COUNT 1; ANY; WITHDIST; WITHCOORD; WITHHASH; STORE d; STOREDIST d; BYRADIUS 1 m", "ZCARD d"),
    ("GEORADIUSBYMEMBER g p 200 km", "ASC; DESC; COUNT 1; WITHDIST; STORE d; STOREDIST d", "ZCARD d"),
    ("GEORADIUSBYMEMBER_RO none p 200 km", "ASC; COUNT 1; ANY; STORE d", ""),
    ("GEODIST g p c", "m; KM; ft; mi", ""),
    ("BITCOUNT s", "0 -1; 0 -1 BYTE; 0 -1 BIT; BIT", ""),
    ("BITPOS s 1", "0; 0 -1; 0 -1 BIT; BYTE", ""),
    ("BITFIELD n", "GET u8 0; SET u8 0 7; INCRBY i5 #1 3; OVERFLOW SAT; OVERFLOW FAIL; OVERFLOW WRAP", "GET n"),
    ("BITFIELD_RO n", "GET u8 0; SET u8 0 7; OVERFLOW SAT", ""),
    ("BITOP", "AND d s n; NOT d s; NOT d s n; OR d s", "GET d"),
    ("XADD x", "NOMKSTREAM; MAXLEN 5; MAXLEN ~ 5; MAXLEN = 5; MINID 1; LIMIT 1; 9-1 f v", "XLEN x"),
    ("XADD x MAXLEN ~ 5", "NOMKSTREAM; MAXLEN 5; MINID 1; LIMIT 1; LIMIT 0; 9-1 f v", "XLEN x"),
    ("XTRIM x", "MAXLEN 1; MAXLEN ~ 1; MINID 2-1; MINID = 2-1; LIMIT 1; NOMKSTREAM", "XLEN x"),
    ("XRANGE x - +", "COUNT 1; COUNT 2", ""),
    ("XREAD", "COUNT 1; BLOCK 1; STREAMS x 0; STREAMS x; GROUP grp one; NOACK", ""),
    ("XREADGROUP GROUP grp two", "COUNT 1; BLOCK 1; NOACK; STREAMS x 0; STREAMS x >; GROUP grp one", ""),
    ("XCLAIM x grp two 0 1-1", "IDLE 1; TIME 1; RETRYCOUNT 2; FORCE; JUSTID; LASTID 1-1", ""),
    ("XAUTOCLAIM x grp two 0 0", "COUNT 1; COUNT 2; JUSTID", ""),
    ("XPENDING x grp", "IDLE 0; - + 10; - + 10 one", ""),
    ("XGROUP CREATE x other", "0; $; MKSTREAM; ENTRIESREAD 1", ""),
    ("XGROUP SETID x grp 0", "MKSTREAM; ENTRIESREAD 1; ENTRIESREAD 0", ""),
    ("XSETID x 5-1", "ENTRIESADDED 9; MAXDELETEDID 1-0; MAXDELETEDID 0-0", ""),
    ("XINFO STREAM none", "FULL; COUNT 1", ""),
    ("MEMORY USAGE none", "SAMPLES 0; SAMPLES 3", ""),
    ("FLUSHDB", "ASYNC; SYNC", "DBSIZE"),
    ("FUNCTION FLUSH", "ASYNC; SYNC", ""),
    ("FUNCTION LIST", "WITHCODE; LIBRARYNAME x", ""),
    ("COMMAND LIST FILTERBY", "MODULE none; ACLCAT hyperloglog; PATTERN xr*", ""),
    ("CLIENT PAUSE 0", "WRITE; ALL", ""),
    ("CLIENT UNBLOCK 999", "TIMEOUT; ERROR", ""),
    ("CLIENT NO-EVICT", "ON; OFF", ""),
    ("CLIENT REPLY", "ON; NONE", ""),
    ("HELLO 2", "AUTH default x; SETNAME me; SETNAME you", ""),
    ("SHUTDOWN ABORT", "NOW; SAVE; NOSAVE; FORCE; ABORT", ""),
]

REDIS_82 = [
    ("HSCAN h 0", "MATCH f*; COUNT 100; NOVALUES; TYPE hash", ""),
    ("SSCAN m 0", "MATCH a*; COUNT 100; NOVALUES", ""),
    ("SCAN 0 COUNT 1000", "MATCH s*; COUNT 100; TYPE string; NOVALUES", ""),
    ("HEXPIRE h 100", "NX; XX; GT; LT; FIELDS 1 f; FIELDS 2 f g", "HTTL h FIELDS 2 f g"),
    ("HPEXPIREAT h 4102444800000", "NX; GT; FIELDS 1 f; FIELDS 2 f g", "HTTL h FIELDS 2 f g"),
    ("HTTL h", "FIELDS 1 f; FIELDS 2 f g", ""),
    ("HPERSIST h", "FIELDS 1 f; FIELDS 2 f g", ""),
    ("HGETEX h", f"PERSIST; {EXPIRY}; FIELDS 1 f; FIELDS 2 f g", "HTTL h FIELDS 2 f g"),
    ("HGETDEL h", "FIELDS 1 f; FIELDS 2 f g", "HLEN h"),
    ("HSETEX h", f"FNX; FXX; KEEPTTL; {EXPIRY}; FIELDS 1 f 5; FIELDS 2 f 5 g 6", "HGETALL h; HTTL h FIELDS 2 f g"),
    ("HSETEX h EX 100", f"FNX; FXX; KEEPTTL; {EXPIRY}; FIELDS 1 f 5", "HGETALL h; HTTL h FIELDS 2 f g"),
    ("XDELEX x", "KEEPREF; DELREF; ACKED; IDS 1 1-1; IDS 2 1-1 2-1", "XLEN x"),
    ("XACKDEL x grp", "KEEPREF; DELREF; ACKED; IDS 1 1-1; IDS 2 1-1 2-1", "XLEN x"),
    ("XADD x", "KEEPREF; DELREF; ACKED; NOMKSTREAM; MAXLEN 1; LIMIT 1; 9-1 f v", "XLEN x"),
    ("XTRIM x MAXLEN 1", "KEEPREF; DELREF; ACKED; LIMIT 1", "XLEN x"),
    ("ZRANK z a", "WITHSCORE", ""),
    ("CLIENT NO-TOUCH", "ON; OFF", ""),
    ("HELLO 2", "SETNAME me; SETNAME you; NAME x", "CLIENT GETNAME"),
    ("CLIENT SETINFO", "LIB-NAME x; LIB-VER 1", ""),
    ("CLIENT KILL", "ID 999; TYPE replica; USER nobody; ADDR 1.2.3.4:5; LADDR 1.2.3.4:5; SKIPME yes; SKIPME maybe; MAXAGE 1000", ""),
]

VALKEY_91 = [
    ("SET s text2", f"IFEQ text; IFEQ other; NX; XX; GET; KEEPTTL; {EXPIRY}", "GET s; TTL s"),
    ("GEOSEARCH g", "BYPOLYGON 3 13 37 16 37 14 39; FROMMEMBER p; FROMLONLAT 15 37; BYRADIUS 300 km; BYBOX 400 400 km; COUNT 1", ""),
    ("CLIENT KILL", "NOT-ID 1; TYPE replica; NOT-TYPE normal; NAME x; NOT-NAME x; LIB-NAME x; IP 1.2.3.4; NOT-IP 1.2.3.4; DB 0; IDLE 1000; FLAGS U; "
     "CAPA r; SKIPME yes; MAXAGE 1000", ""),
]


def sequences(options):
    """What may follow a command: every list of words that this test knows of."""
    each = [split(option) for option in options.split(";")]
    yield []
    for words in each:
        yield words
        yield [words[0].lower(), *words[1:]]
        yield [words[0] + b"\0tail", *words[1:]]
        yield [*words, b"left"]
        for place in range(1, len(words)):
            yield words[:place]
            yield [*words[:place], b"none", *words[place + 1:]]
            yield [*words[:place], b"-1", *words[place + 1:]]
            yield [*words[:place], b"9223372036854775808", *words[place + 1:]]
    for one in each:
        for other in each:
            yield [*one, *other]
            yield [*one, *other, *one]
            if len(other) > 1:
                yield [*one, *other[:-1]]
                yield [*other[:-1], *one]
                yield [*one, *other[:-1], b"none"]
                yield [*other[:-1], b"none", *one]


# These answer in an order of their own.
UNORDERED = {b"SCAN", b"HSCAN", b"SSCAN", b"ZSCAN", b"COMMAND"}


# What versions say in different words: theirs and ours.
REWORDED = [
    (b"Unbalanced", b"Unbalanced"),
    (b"exactly one of BYRADIUS", b"exactly one of BYRADIUS"),
    (b"does not exist", b"could not decode requested zset member"),
]


def close(theirs, ours):
    """Whether the replies are the same, but for the second in which a time to live was asked for."""
    if theirs.raw == ours.raw:
        return True
    if theirs.raw[:1] == ours.raw[:1] == b":":
        return 0 < theirs.value and abs(theirs.value - ours.value) <= 1
    if theirs.raw[:1] == ours.raw[:1] == b"*":
        return len(theirs.value) == len(ours.value) and all(map(close, theirs.value, ours.value))
    return any(one in theirs.raw and other in ours.raw for one, other in REWORDED)


def same(name, theirs, ours):
    if theirs.is_error or ours.is_error:
        return close(theirs, ours)
    if name == b"HELLO":
        return True
    if name == b"XPENDING":
        # How long an entry has been idle depends on when each is asked.
        return re.sub(rb":\d+\r\n(?=:)", b"", theirs.raw) == re.sub(rb":\d+\r\n(?=:)", b"", ours.raw)
    if name in UNORDERED:
        return sorted(theirs.raw.split(b"\r\n")) == sorted(ours.raw.split(b"\r\n"))
    return close(theirs, ours)


def check(before, options, after, server, other):
    before = split(before)
    start = [[b"FLUSHALL"], *map(split, FILL)]
    asked = [split(question) for question in after.split(";") if question.strip()]
    differences = []
    with server.connect() as tested, other.connect() as peer:
        for words in sequences(options):
            commands = [*start, [*before, *words], *asked]
            theirs, ours = peer.pipeline(commands), tested.pipeline(commands)
            for place in range(len(start), len(commands)):
                if not same(commands[place][0], theirs[place], ours[place]):
                    shown = b" ".join(before + words) + (b"" if place == len(start) else b", " + b" ".join(commands[place]))
                    differences.append((shown, theirs[place].raw, ours[place].raw))
    told = [f"{command}\n    theirs {theirs}\n    ours   {ours}" for command, theirs, ours in differences[:8]]
    assert not differences, f"{len(differences)} differences\n" + "\n".join(told)


@pytest.mark.parametrize("before, options, after", REDIS_70, ids=[before for before, _, _ in REDIS_70])
def test_orders_of_options(before, options, after, server, reference):
    check(before, options, after, server, reference)


@pytest.mark.since72
@pytest.mark.parametrize("before, options, after", REDIS_82, ids=[before for before, _, _ in REDIS_82])
def test_orders_of_newer_options(before, options, after, server, newer_redis):
    check(before, options, after, server, newer_redis)


@pytest.mark.since72
@pytest.mark.parametrize("before, options, after", VALKEY_91, ids=[before for before, _, _ in VALKEY_91])
def test_orders_of_options_of_valkey(before, options, after, server, valkey):
    check(before, options, after, server, valkey)
