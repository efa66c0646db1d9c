"""Random commands on streams, with few ids so that they meet. What depends on the time between two commands is left out, and how many
consumers there are: Redis 7.2 makes them on occasions on which 7.0 does not."""

STREAM_KEYS = [b"x%d" % index for index in range(3)]
GROUPS = [b"g", b"h", b"nope"]
CONSUMERS = [b"alice", b"bob", b""]
NO_IDS = [b"x", b"", b"1-x", b"-1", b"1-2-3", b"18446744073709551616"]
LAST = b"18446744073709551615"

MODES = {b"XPENDING": ("near", "30000")}


class Streams:
    def stream_key(self):
        return self.random.choice(STREAM_KEYS) if self.random.random() < 0.95 else self.key()

    def stream_id(self, chance=0.03):
        if self.random.random() < chance:
            return self.random.choice(NO_IDS)
        number = self.random.randint(0, 60)
        return b"%d" % number if self.random.random() < 0.2 else b"%d-%d" % (number, self.random.randint(0, 3))

    def stream_ids(self, most=4):
        return [self.stream_id(0.01) for _ in range(self.random.randint(1, most))]

    def bound(self):
        if self.random.random() < 0.25:
            return self.random.choice([b"-", b"+"])
        return self.random.choice([b"", b"", b"("]) + self.stream_id()

    def pairs(self):
        names = self.random.choice([[b"a"], [b"a"], [b"a", b"b"], [b"12", b""], [b"c"]])
        return [word for name in names for word in (name, self.text())]

    def threshold(self):
        strategy = self.random.choice([[b"MAXLEN", b"%d" % self.random.choice([0, 1, 3, 10, 20])], [b"MINID", self.stream_id()]])
        return strategy[:1] + self.maybe(0.3, self.random.choice([b"=", b"~"])) + strategy[1:]

    def make_stream_add(self):
        # Ids go up slowly, and now and then the stream begins again.
        self.stream_clock = getattr(self, "stream_clock", 0) + self.random.random() * 0.4
        new = self.random.choice([b"%d-*" % self.stream_clock, b"%d-%d" % (self.stream_clock, self.random.randint(0, 3)), self.stream_id()])
        options = self.maybe(0.1, b"NOMKSTREAM") + (self.threshold() if self.random.random() < 0.1 else [])
        return [b"XADD", self.stream_key()] + options + [new] + self.pairs()

    make_stream_add_again = make_stream_add

    def make_stream_write(self):
        return self.random.choice([
            lambda: [b"XDEL", self.stream_key()] + self.stream_ids(),
            lambda: [b"XDEL", self.stream_key()] + self.stream_ids(),
            lambda: [b"XTRIM", self.stream_key()] + self.threshold() + self.maybe(0.1, b"LIMIT", b"5"),
            lambda: [b"XGROUP", b"CREATE", self.stream_key(), self.group(), self.random.choice([b"0", b"$", self.stream_id()])]
            + self.maybe(0.5, b"MKSTREAM") + self.maybe(0.2, b"ENTRIESREAD", self.random.choice([b"0", b"3", b"-1", b"-2", b"x"])),
            lambda: [b"XGROUP", b"SETID", self.stream_key(), self.group(), self.random.choice([b"0", b"$", self.stream_id()])],
            lambda: [b"XGROUP", b"DESTROY", self.stream_key(), self.group()] if self.random.random() < 0.3 else [b"PING"],
            lambda: [b"DEL", self.stream_key()] if self.random.random() < 0.2 else [b"PING"],
        ])()

    def group(self):
        return self.random.choices(GROUPS, [8, 4, 1])[0]

    def consumer(self):
        return self.random.choice(CONSUMERS)

    def make_stream_group(self):
        limit = self.maybe(0.6, b"COUNT", self.random.choice([b"1", b"2", b"5", b"0", b"-1"]))
        return self.random.choice([
            lambda: [b"XREADGROUP", b"GROUP", self.group(), self.consumer()] + limit + self.maybe(0.1, b"NOACK")
            + [b"STREAMS", self.stream_key(), self.random.choice([b">", b">", b">", b"0", self.stream_id()])],
            lambda: [b"XACK", self.stream_key(), self.group()] + self.stream_ids(),
            lambda: [b"XCLAIM", self.stream_key(), self.group(), self.consumer(), self.random.choice([b"0", b"0", b"10000000"])]
            + self.stream_ids() + self.maybe(0.2, b"FORCE") + self.maybe(0.4, b"JUSTID")
            + self.maybe(0.2, b"RETRYCOUNT", self.random.choice([b"0", b"5", b"-1", b"x"])) + self.maybe(0.1, b"LASTID", self.stream_id()),
            lambda: [b"XAUTOCLAIM", self.stream_key(), self.group(), self.consumer(), self.random.choice([b"0", b"0", b"10000000"]),
                     self.bound()] + self.maybe(0.5, b"COUNT", self.random.choice([b"1", b"3", b"0", b"x"])) + self.maybe(0.4, b"JUSTID"),
            lambda: [b"XPENDING", self.stream_key(), self.group()],
            lambda: [b"XPENDING", self.stream_key(), self.group(), self.bound(), self.bound(), self.random.choice([b"1", b"10", b"0"])]
            + self.maybe(0.3, self.consumer()),
        ])()

    make_stream_group_again = make_stream_group

    def make_stream_read(self):
        limit = self.maybe(0.4, b"COUNT", self.random.choice([b"1", b"3", b"0", b"x"]))
        return self.random.choice([
            lambda: [self.random.choice([b"XRANGE", b"XREVRANGE"]), self.stream_key(), self.bound(), self.bound()] + limit,
            lambda: [b"XLEN", self.stream_key()],
            lambda: [b"XREAD"] + limit + [b"STREAMS", self.stream_key(), self.stream_key(), self.stream_id(), self.stream_id()],
            lambda: [b"XINFO", b"STREAM", self.stream_key()],
        ])()
