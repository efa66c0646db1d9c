"""Random commands on lists."""

LIST_KEYS = [b"l%d" % index for index in range(5)]
ELEMENTS = [b"e%d" % index for index in range(10)] + [b"", b"7", b"-1", b"07", b"\x00\r\n\xff"]
LONG_ELEMENTS = [b"E" * 63, b"F" * 64, b"G" * 1000, b"H" * 4096, b"I" * 9000]
ENDS = [b"LEFT", b"RIGHT"]


class Lists:
    def list_key(self):
        return self.random.choice(LIST_KEYS) if self.random.random() < 0.95 else self.key()

    def element(self):
        choice = self.random.random()
        if choice < 0.7:
            return self.random.choice(ELEMENTS)
        return self.random.choice(LONG_ELEMENTS) if choice < 0.78 else self.integer()

    def index(self):
        if self.random.random() < 0.05:
            return self.random.choice([b"x", b"", b"9223372036854775807", b"-9223372036854775808", b"1.5"])
        return b"%d" % self.random.choice([self.random.randint(-4, 4), self.random.randint(-60, 60)])

    def rank(self):
        """The lowest integer is refused only by newer servers."""
        return self.random.choice([b"0", b"x", b"9223372036854775807"] if self.random.random() < 0.1 else [b"1", b"2", b"3", b"-1", b"-2", b"-5"])

    def amount(self):
        return self.random.choice([b"1", b"2", b"3", b"10", b"0", b"-1", b"x"] if self.random.random() < 0.3 else [b"1", b"2"])

    def end(self):
        return self.spelled(self.random.choice(ENDS)) if self.random.random() < 0.97 else b"UP"

    def make_pushes(self):
        name = self.random.choice([b"LPUSH", b"RPUSH", b"RPUSH", b"LPUSHX", b"RPUSHX"])
        count = self.random.choice([1, 1, 2, 5, 40])
        return [name, self.list_key()] + [self.element() for _ in range(count)]

    def make_pops(self):
        return self.random.choice([
            lambda: [self.random.choice([b"LPOP", b"RPOP"]), self.list_key()] + self.maybe(0.4, self.amount()),
            lambda: [b"LMPOP", b"2", self.list_key(), self.list_key(), self.end()] + self.maybe(0.5, b"COUNT", self.amount()),
            lambda: [self.random.choice([b"BLPOP", b"BRPOP"]), self.list_key(), self.list_key(), b"0.001"],
            lambda: [b"BLMPOP", b"0.001", b"1", self.list_key(), self.end()] + self.maybe(0.5, b"COUNT", self.amount()),
        ])()

    def make_list_looks(self):
        return self.random.choice([
            lambda: [b"LLEN", self.list_key()],
            lambda: [b"LINDEX", self.list_key(), self.index()],
            lambda: [b"LRANGE", self.list_key(), self.index(), self.index()],
            lambda: [b"LRANGE", self.list_key(), b"0", b"-1"],
            lambda: [b"LPOS", self.list_key(), self.element()] + self.maybe(0.4, b"RANK", self.rank())
            + self.maybe(0.4, b"COUNT", self.amount()) + self.maybe(0.3, b"MAXLEN", self.index()),
        ])()

    def make_list_edits(self):
        return self.random.choice([
            lambda: [b"LSET", self.list_key(), self.index(), self.element()],
            lambda: [b"LINSERT", self.list_key(), self.random.choice([b"BEFORE", b"AFTER", b"after"]), self.element(), self.element()],
            lambda: [b"LREM", self.list_key(), self.random.choice([b"0", b"1", b"-1", b"2", b"-3", b"x"]), self.element()],
            lambda: [b"LTRIM", self.list_key(), self.random.choice([b"0", b"1", b"-50", self.index()]),
                     self.random.choice([b"-1", b"-2", b"50", self.index()])],
        ])()

    def make_list_moves(self):
        return self.random.choice([
            lambda: [b"LMOVE", self.list_key(), self.list_key(), self.end(), self.end()],
            lambda: [b"RPOPLPUSH", self.list_key(), self.list_key()],
            lambda: [b"BLMOVE", self.list_key(), self.list_key(), self.end(), self.end(), b"0.001"],
            lambda: [b"BRPOPLPUSH", self.list_key(), self.list_key(), b"0.001"],
            lambda: [b"COPY", self.list_key(), self.list_key()] + self.maybe(0.7, b"REPLACE"),
            lambda: [b"RENAME", self.list_key(), self.list_key()],
            lambda: [b"DEBUG", b"DIGEST-VALUE", self.list_key()],
        ])()
