"""Random command sequences from a seed.

A small key space, all commands of the data families with all their options, edge values of numbers and strings, and now and then
nonsense. What two servers could rightly answer differently is left out: deadlines that would pass during the run, comparisons
of deadlines (GT, LT) that are closer than the time between two commands, and SET with a deadline in the past, whose key the
reference stores and then expires in its own time.
"""
import random

from differential.random_bitmaps import Bitmaps
from differential.random_geo import GEO_KEYS, Geo
from differential.random_hyperloglogs import HyperLogLogs
from differential.random_lists import LIST_KEYS, Lists
from differential.random_sets import MODES as SET_MODES, SET_KEYS, Sets
from differential.random_sort import Sorts
from differential.random_sorted_sets import SORTED_SET_KEYS, SortedSets
from differential.random_streams import MODES as STREAM_MODES, STREAM_KEYS, Streams

STRING_KEYS = [b"k%d" % index for index in range(8)] + [b"", b"bin\x00\r\n\xff"]
HASH_KEYS = [b"h%d" % index for index in range(4)]
ALL_KEYS = STRING_KEYS + HASH_KEYS + LIST_KEYS + SET_KEYS + SORTED_SET_KEYS + GEO_KEYS + STREAM_KEYS
FIELDS = [b"f%d" % index for index in range(12)] + [b"", b"7", b"-1", b"\x00\xff"]
LONG_FIELDS = [b"F" * 64, b"G" * 65]        # the last does not fit a listpack
INTEGERS = [b"0", b"1", b"-1", b"2", b"7", b"10", b"100", b"-100", b"12345", b"2147483648", b"9223372036854775807", b"-9223372036854775808",
            b"9223372036854775806", b"4611686018427387904"]
NO_INTEGERS = [b"", b" 1", b"1 ", b"01", b"+1", b"-0", b"1.0", b"1e3", b"abc", b"9223372036854775808", b"0x10", b"\xff"]
FLOATS = [b"0", b"0.1", b"-0.1", b"1.5", b"3.0e3", b"1e-5", b"-2.75", b"100.001", b"1e17", b"12345678.9", b"5.", b".5"]
NO_FLOATS = [b"nan", b"inf", b"-inf", b"abc", b"", b"1e400", b" 1", b"1,5"]
TEXTS = [b"", b"a", b"hello world", b"x" * 44, b"y" * 45, b"z" * 64, b"w" * 65, b"\x00\r\n\xff", b"v" * 1000, b"ohmytext", b"mynewtext"]
NONSENSE = [b"FOO", b"NX", b"XX", b"GET", b"EX", b"", b"\r\n", b"-1"]

# How replies of a command are compared, where not byte for byte (modes: support/cases.py).
MODES = {
    b"KEYS": ("sorted", ""), b"HGETALL": ("pairs", ""), b"HKEYS": ("sorted", ""), b"HVALS": ("sorted", ""),
    b"TTL": ("near", "2"), b"PTTL": ("near", "2000"), b"EXPIRETIME": ("near", "2"), b"PEXPIRETIME": ("near", "2000"),
    b"RANDOMKEY": ("kind", ""), b"HRANDFIELD": ("shape", ""), b"SCAN": ("walk", ""), b"HSCAN": ("walkpairs", ""),
    # What keeps a set is called otherwise in Redis 7.0; the states at the end are compared.
    b"OBJECT": ("kind", ""), **SET_MODES, **STREAM_MODES,
    b"ZRANDMEMBER": ("shape", ""), b"ZSCAN": ("walkpairs", ""),
}


class Generator(Bitmaps, Geo, HyperLogLogs, Lists, Sets, Sorts, SortedSets, Streams):
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.used_deadlines = set()
        self.makers = [getattr(self, name) for name in dir(self) if name.startswith("make_")]

    # --- words -----------------------------------------------------------------------------------------------------------------

    def key(self):
        return self.random.choice(ALL_KEYS)

    def string_key(self):
        return self.random.choice(STRING_KEYS) if self.random.random() < 0.9 else self.key()

    def hash_key(self):
        return self.random.choice(HASH_KEYS) if self.random.random() < 0.9 else self.key()

    def field(self):
        return self.random.choice(FIELDS if self.random.random() < 0.97 else LONG_FIELDS)

    def integer(self):
        if self.random.random() < 0.08:
            return self.random.choice(NO_INTEGERS)
        return self.random.choice(INTEGERS) if self.random.random() < 0.5 else b"%d" % self.random.randint(-1000, 1000)

    def float(self):
        return self.random.choice(NO_FLOATS if self.random.random() < 0.08 else FLOATS)

    def text(self):
        return self.random.choice([self.random.choice(TEXTS), self.integer(), self.float(), b"%d" % self.random.randint(0, 99)])

    def offset(self):
        """Where in a string; large ones only where they are refused."""
        return self.random.choice([b"0", b"1", b"5", b"20", b"300", b"-1", b"-5", b"-300", b"x", b"9223372036854775807", b"600000000"])

    def seconds(self):
        """A deadline that does not pass in this run, at least 60 s away from any other."""
        while True:
            slot = self.random.randrange(10, 20_000)
            if slot not in self.used_deadlines:
                self.used_deadlines.add(slot)
                return slot * 60

    def spelled(self, word):
        choice = self.random.random()
        return word.lower() if choice < 0.1 else word.title() if choice < 0.15 else word

    def maybe(self, chance, *words):
        return list(words) if self.random.random() < chance else []

    def deadline(self, past):
        """A relative or absolute deadline option as two words; sometimes one that is refused, or if `past` one that has passed."""
        name, unit = self.random.choice([(b"EX", 1), (b"PX", 1000), (b"EXAT", 1), (b"PXAT", 1000)])
        if self.random.random() < 0.1:
            return [name, self.random.choice([b"0", b"-1", b"abc", b"9223372036854775808", b""])]
        if name.endswith(b"AT"):
            if past and self.random.random() < 0.1:
                return [name, b"1"]
            return [name, b"%d" % ((4_000_000_000 + self.seconds()) * unit)]
        return [name, b"%d" % (self.seconds() * unit)]

    # --- families ----------------------------------------------------------------------------------------------------------------

    def make_set(self):
        words = [b"SET", self.string_key(), self.text()]
        options = (self.maybe(0.3, self.random.choice([b"NX", b"XX"])) + self.maybe(0.3, b"GET")
                   + (self.deadline(past=False) if self.random.random() < 0.3 else self.maybe(0.15, b"KEEPTTL")))
        return words + options

    def make_set_relatives(self):
        return self.random.choice([
            lambda: [b"SETNX", self.string_key(), self.text()],
            lambda: [b"SETEX", self.string_key(), b"%d" % self.seconds(), self.text()],
            lambda: [b"PSETEX", self.string_key(), b"%d" % (self.seconds() * 1000), self.text()],
            lambda: [b"SETEX", self.string_key(), self.random.choice([b"0", b"-1", b"x"]), self.text()],
            lambda: [b"GETSET", self.string_key(), self.text()],
            lambda: [b"GETDEL", self.string_key()],
            lambda: [b"GETEX", self.string_key()] + (self.deadline(past=True) if self.random.random() < 0.6 else self.maybe(0.5, b"PERSIST")),
            lambda: [b"MSET"] + [word for _ in range(self.random.randint(1, 3)) for word in (self.string_key(), self.text())],
            lambda: [b"MSETNX"] + [word for _ in range(self.random.randint(1, 3)) for word in (self.string_key(), self.text())],
        ])()

    def make_get(self):
        return self.random.choice([
            lambda: [b"GET", self.string_key()],
            lambda: [b"MGET"] + [self.string_key() for _ in range(self.random.randint(1, 5))],
            lambda: [b"STRLEN", self.string_key()],
            lambda: [b"GETRANGE", self.string_key(), self.offset(), self.offset()],
            lambda: [b"SUBSTR", self.string_key(), self.offset(), self.offset()],
            lambda: [b"LCS", self.string_key(), self.string_key()] + self.maybe(0.3, b"LEN") + self.maybe(0.3, b"IDX")
            + self.maybe(0.3, b"MINMATCHLEN", self.random.choice([b"0", b"1", b"3", b"x"])) + self.maybe(0.3, b"WITHMATCHLEN"),
        ])()

    def make_edit(self):
        return self.random.choice([
            lambda: [b"APPEND", self.string_key(), self.text()],
            lambda: [b"SETRANGE", self.string_key(), self.offset(), self.text()],
        ])()

    def make_count(self):
        return self.random.choice([
            lambda: [b"INCR", self.string_key()],
            lambda: [b"DECR", self.string_key()],
            lambda: [b"INCRBY", self.string_key(), self.integer()],
            lambda: [b"DECRBY", self.string_key(), self.integer()],
            lambda: [b"INCRBYFLOAT", self.string_key(), self.float()],
        ])()

    def make_hash_write(self):
        return self.random.choice([
            lambda: [b"HSET", self.hash_key()] + [w for _ in range(self.random.randint(1, 4)) for w in (self.field(), self.text())],
            lambda: [b"HMSET", self.hash_key()] + [w for _ in range(self.random.randint(1, 4)) for w in (self.field(), self.text())],
            lambda: [b"HSETNX", self.hash_key(), self.field(), self.text()],
            lambda: [b"HDEL", self.hash_key()] + [self.field() for _ in range(self.random.randint(1, 4))],
            lambda: [b"HINCRBY", self.hash_key(), self.field(), self.integer()],
            lambda: [b"HINCRBYFLOAT", self.hash_key(), self.field(), self.float()],
        ])()

    make_hash_write_again = make_hash_write

    def make_hash_read(self):
        count = self.random.choice([b"1", b"3", b"-3", b"100", b"-20", b"0"])
        return self.random.choice([
            lambda: [b"HGET", self.hash_key(), self.field()],
            lambda: [b"HMGET", self.hash_key()] + [self.field() for _ in range(self.random.randint(1, 4))],
            lambda: [b"HGETALL", self.hash_key()],
            lambda: [b"HKEYS", self.hash_key()],
            lambda: [b"HVALS", self.hash_key()],
            lambda: [b"HLEN", self.hash_key()],
            lambda: [b"HEXISTS", self.hash_key(), self.field()],
            lambda: [b"HSTRLEN", self.hash_key(), self.field()],
            lambda: [b"HRANDFIELD", self.hash_key(), count] + self.maybe(0.4, b"WITHVALUES"),
            lambda: [b"HSCAN", self.hash_key(), b"0"] + self.maybe(0.3, b"MATCH", b"f*") + self.maybe(0.3, b"COUNT", b"5"),
        ])()

    def make_expire(self):
        condition = self.maybe(0.4, self.random.choice([b"NX", b"XX", b"GT", b"LT"]))
        past = self.random.random() < 0.1
        return self.random.choice([
            lambda: [b"EXPIRE", self.key(), b"-1" if past else b"%d" % self.seconds()] + condition,
            lambda: [b"PEXPIRE", self.key(), b"-1" if past else b"%d" % (self.seconds() * 1000)] + condition,
            lambda: [b"EXPIREAT", self.key(), b"1" if past else b"%d" % (4_000_000_000 + self.seconds())] + condition,
            lambda: [b"PEXPIREAT", self.key(), b"1" if past else b"%d" % ((4_000_000_000 + self.seconds()) * 1000)] + condition,
            lambda: [b"EXPIRE", self.key(), self.random.choice(NO_INTEGERS)] + condition,
            lambda: [b"PERSIST", self.key()],
        ])()

    def make_deadline(self):
        return [self.random.choice([b"TTL", b"PTTL", b"EXPIRETIME", b"PEXPIRETIME"]), self.key()]

    def make_key(self):
        return self.random.choice([
            lambda: [b"DEL"] + [self.key() for _ in range(self.random.randint(1, 2))],
            lambda: [b"UNLINK", self.key()],
            lambda: [b"EXISTS"] + [self.key() for _ in range(self.random.randint(1, 4))],
            lambda: [b"TOUCH"] + [self.key() for _ in range(self.random.randint(1, 4))],
            lambda: [b"TYPE", self.key()],
            lambda: [b"OBJECT", b"ENCODING", self.key()],
            lambda: [b"RENAME", self.key(), self.key()],
            lambda: [b"RENAMENX", self.key(), self.key()],
            lambda: [b"COPY", self.key(), self.key()] + self.maybe(0.3, b"DB", self.random.choice([b"0", b"1", b"2", b"99", b"x"]))
            + self.maybe(0.4, b"REPLACE"),
            lambda: [b"MOVE", self.key(), self.random.choice([b"0", b"1", b"2", b"16", b"x"])],
            lambda: [b"KEYS", self.random.choice([b"*", b"k*", b"?1", b"[kh][0-3]", b"*\xff", b"k[^1-5]", b"nothing"])],
            lambda: [b"SCAN", b"0"] + self.maybe(0.3, b"MATCH", b"k*") + self.maybe(0.3, b"COUNT", b"3")
            + self.maybe(0.3, b"TYPE", self.random.choice([b"string", b"hash", b"list", b"set", b"zset", b"ZSet", b"none"])),
            lambda: [b"RANDOMKEY"],
            lambda: [b"DBSIZE"],
            lambda: [b"DEBUG", b"DIGEST"],
        ])()

    def make_session(self):
        return self.random.choice([
            lambda: [b"SELECT", self.random.choice([b"0", b"1", b"1", b"0", b"2", b"99"])],
            lambda: [b"PING"], lambda: [b"ECHO", self.text()],
            lambda: [b"MULTI"], lambda: [b"EXEC"], lambda: [b"EXEC"], lambda: [b"EXEC"], lambda: [b"DISCARD"],
            lambda: [b"WATCH", self.key()], lambda: [b"UNWATCH"],
            lambda: [b"SWAPDB", b"0", b"1"] if self.random.random() < 0.3 else [b"PING"],
            lambda: [b"FLUSHDB"] if self.random.random() < 0.1 else [b"DBSIZE"],
        ])()

    def command(self):
        words = self.random.choice(self.makers)()
        # What XREAD says of a number of arguments is not the same in all versions.
        if self.random.random() < 0.03 and not words[0].startswith(b"XREAD"):
            mutilation = self.random.randrange(3)
            if mutilation == 0 and len(words) > 1:
                words = words[:-1]
            elif mutilation == 1:
                words = words + [self.random.choice(NONSENSE)]
            else:
                words = words[:1] + [self.random.choice(NONSENSE)] + words[1:]
        # A random answer that is unbounded, or a cursor that is not the first, has no place here.
        if words[0] in (b"SCAN", b"HSCAN", b"SSCAN", b"ZSCAN") and b"0" not in words[1:3]:
            return [b"PING"]
        if words[0] == b"SPOP" and len(words) == 2:
            return [b"PING"]
        # Redis 7.2 takes one word more.
        if words[0] in (b"ZRANK", b"ZREVRANK") and len(words) > 3:
            return [b"PING"]
        return [self.spelled(words[0])] + words[1:]
