"""Random commands on sorted sets.

Scores are such that 7.0 and 7.2 print them alike: whole numbers and binary fractions, and no weights that make a zero negative.
Ranges of members are asked only of sets whose scores are all the same.
"""

SORTED_SET_KEYS = [b"z%d" % index for index in range(4)]
LEX_KEYS = [b"lex0", b"lex1"]
MEMBERS = [b"m%d" % index for index in range(14)] + [b"", b"7", b"-1", b"100", b"\x00\xff", b"mm"]
LONG_MEMBERS = [b"M" * 64, b"N" * 65]       # the last does not fit a listpack
SCORES = [b"0", b"1", b"2", b"-1", b"3", b"10", b"-10", b"0.5", b"-2.25", b"1.75", b"1e3", b"100000000000", b"inf", b"-inf", b"+inf", b"0x10", b"+4", b".5", b"5."]
NO_SCORES = [b"nan", b"abc", b"", b" 1", b"1e400", b"1,5", b"1 ", b"(1"]
WEIGHTS = [b"1", b"2", b"0.5", b"inf", b"-inf", b"3"]


class SortedSets:
    def sorted_set_key(self):
        return self.random.choice(SORTED_SET_KEYS) if self.random.random() < 0.93 else self.key()

    def lex_key(self):
        return self.random.choice(LEX_KEYS)

    def scored_member(self):
        return self.random.choice(MEMBERS if self.random.random() < 0.98 else LONG_MEMBERS)

    def score(self):
        return self.random.choice(NO_SCORES if self.random.random() < 0.03 else SCORES)

    def score_bound(self):
        if self.random.random() < 0.03:
            return self.random.choice([b"", b"(", b"abc", b"(nan", b"[1", b" 1", b"((1"])
        return self.maybe_prefix(b"(") + self.random.choice(SCORES)

    def maybe_prefix(self, prefix):
        return prefix if self.random.random() < 0.3 else b""

    def member_bound(self):
        if self.random.random() < 0.2:
            return self.random.choice([b"-", b"+", b"[", b"(", b"", b"abc", b"-1", b"+\x00"])
        return self.random.choice([b"[", b"("]) + self.scored_member()

    def member_rank(self):
        return self.random.choice([b"0", b"1", b"2", b"5", b"-1", b"-2", b"-5", b"100", b"-100", b"x" if self.random.random() < 0.1 else b"3"])

    def limit(self):
        return self.maybe(0.4, b"LIMIT", self.random.choice([b"0", b"1", b"3", b"-1", b"100"]), self.random.choice([b"0", b"1", b"2", b"-1", b"-7", b"50"]))

    def sources(self, key):
        count = self.random.randint(1, 4)
        keys = [key() for _ in range(count)]
        said = b"%d" % count if self.random.random() < 0.95 else self.random.choice([b"0", b"-1", b"x", b"9", b"1"])
        return [said] + keys

    def combination(self):
        sources = self.sources(self.sorted_set_key)
        return sources + self.maybe(0.4, b"WEIGHTS", *[self.random.choice(WEIGHTS) for _ in sources[1:]]) \
            + self.maybe(0.4, b"AGGREGATE", self.random.choice([b"SUM", b"MIN", b"MAX", b"FOO" if self.random.random() < 0.1 else b"sum"]))

    def make_sorted_set_write(self):
        return self.random.choice([
            lambda: [b"ZADD", self.sorted_set_key()] + self.maybe(0.2, b"NX") + self.maybe(0.2, b"XX") + self.maybe(0.15, b"GT")
            + self.maybe(0.15, b"LT") + self.maybe(0.3, b"CH") + [w for _ in range(self.random.randint(1, 4)) for w in (self.score(), self.scored_member())],
            lambda: [b"ZADD", self.sorted_set_key()] + [w for _ in range(self.random.randint(1, 6)) for w in (self.score(), self.scored_member())],
            lambda: [b"ZADD", self.sorted_set_key(), b"INCR", self.score(), self.scored_member()],
            lambda: [b"ZADD", self.lex_key()] + [w for _ in range(self.random.randint(1, 5)) for w in (b"0", self.scored_member())],
            lambda: [b"ZINCRBY", self.sorted_set_key(), self.score(), self.scored_member()],
            lambda: [b"ZREM", self.sorted_set_key()] + [self.scored_member() for _ in range(self.random.randint(1, 4))],
        ])()

    make_sorted_set_write_again = make_sorted_set_write

    def make_sorted_set_removal(self):
        return self.random.choice([
            lambda: [b"ZREMRANGEBYRANK", self.sorted_set_key(), self.member_rank(), self.member_rank()],
            lambda: [b"ZREMRANGEBYSCORE", self.sorted_set_key(), self.score_bound(), self.score_bound()],
            lambda: [b"ZREMRANGEBYLEX", self.lex_key(), self.member_bound(), self.member_bound()],
            lambda: [self.random.choice([b"ZPOPMIN", b"ZPOPMAX"]), self.sorted_set_key()]
            + self.maybe(0.5, self.random.choice([b"0", b"1", b"3", b"-1", b"x"])),
            lambda: [b"ZMPOP"] + self.sources(self.sorted_set_key) + [self.random.choice([b"MIN", b"MAX"])]
            + self.maybe(0.4, b"COUNT", self.random.choice([b"1", b"2", b"0", b"x"])),
            lambda: [self.random.choice([b"BZPOPMIN", b"BZPOPMAX"]), self.sorted_set_key(), self.sorted_set_key(), b"0.01"],
        ])()

    def make_sorted_set_read(self):
        scores = self.maybe(0.4, b"WITHSCORES")
        count = self.random.choice([b"1", b"3", b"-3", b"100", b"-20", b"0", b"x"])
        return self.random.choice([
            lambda: [b"ZSCORE", self.sorted_set_key(), self.scored_member()],
            lambda: [b"ZMSCORE", self.sorted_set_key()] + [self.scored_member() for _ in range(self.random.randint(1, 4))],
            lambda: [self.random.choice([b"ZRANK", b"ZREVRANK"]), self.sorted_set_key(), self.scored_member()],
            lambda: [b"ZCARD", self.sorted_set_key()],
            lambda: [b"ZCOUNT", self.sorted_set_key(), self.score_bound(), self.score_bound()],
            lambda: [b"ZLEXCOUNT", self.lex_key(), self.member_bound(), self.member_bound()],
            lambda: [b"ZRANDMEMBER", self.sorted_set_key()] + self.maybe(0.7, count) + scores,
            lambda: [b"ZSCAN", self.sorted_set_key(), b"0"] + self.maybe(0.3, b"MATCH", b"m*") + self.maybe(0.3, b"COUNT", b"5"),
        ])()

    def make_sorted_set_range(self):
        scores, reverse = self.maybe(0.4, b"WITHSCORES"), self.maybe(0.3, b"REV")
        return self.random.choice([
            lambda: [b"ZRANGE", self.sorted_set_key(), self.member_rank(), self.member_rank()] + reverse + scores,
            lambda: [b"ZRANGE", self.sorted_set_key(), self.score_bound(), self.score_bound(), b"BYSCORE"] + self.limit() + reverse + scores,
            lambda: [b"ZRANGE", self.lex_key(), self.member_bound(), self.member_bound(), b"BYLEX"] + reverse + self.limit(),
            lambda: [b"ZREVRANGE", self.sorted_set_key(), self.member_rank(), self.member_rank()] + scores,
            lambda: [self.random.choice([b"ZRANGEBYSCORE", b"ZREVRANGEBYSCORE"]), self.sorted_set_key(), self.score_bound(), self.score_bound()]
            + scores + self.limit(),
            lambda: [self.random.choice([b"ZRANGEBYLEX", b"ZREVRANGEBYLEX"]), self.lex_key(), self.member_bound(), self.member_bound()] + self.limit(),
            lambda: [b"ZRANGESTORE", self.sorted_set_key(), self.sorted_set_key(), self.member_rank(), self.member_rank()] + reverse,
            lambda: [b"ZRANGESTORE", self.sorted_set_key(), self.sorted_set_key(), self.score_bound(), self.score_bound(), b"BYSCORE"] + self.limit() + reverse,
        ])()

    def make_sorted_set_algebra(self):
        scores = self.maybe(0.5, b"WITHSCORES")
        return self.random.choice([
            lambda: [self.random.choice([b"ZUNION", b"ZINTER"])] + self.combination() + scores,
            lambda: [self.random.choice([b"ZUNIONSTORE", b"ZINTERSTORE"]), self.sorted_set_key()] + self.combination(),
            lambda: [b"ZDIFF"] + self.sources(self.sorted_set_key) + scores,
            lambda: [b"ZDIFFSTORE", self.sorted_set_key()] + self.sources(self.sorted_set_key),
            lambda: [b"ZINTERCARD"] + self.sources(self.sorted_set_key) + self.maybe(0.4, b"LIMIT", self.random.choice([b"0", b"1", b"2", b"-1", b"x"])),
        ])()
