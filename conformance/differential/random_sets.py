"""Random commands on sets. Members never change the encoding in a way that two versions of Redis see differently."""

SET_KEYS = [b"s%d" % index for index in range(5)]
MEMBERS = [b"a", b"b", b"c", b"", b"x y", b"\x00\xff", b"12a", b"007", b"-0"]
WHOLE = [b"%d" % number for number in range(-3, 12)] + [b"70000", b"-70000", b"9223372036854775807", b"-9223372036854775808"]

MODES = {
    b"SMEMBERS": ("sorted", ""), b"SINTER": ("sorted", ""), b"SUNION": ("sorted", ""), b"SDIFF": ("sorted", ""),
    b"SPOP": ("sorted", ""), b"SPOP": ("sorted", ""), b"SRANDMEMBER": ("shape", ""), b"SSCAN": ("walk", ""),
}


class Sets:
    def set_key(self):
        return self.random.choice(SET_KEYS) if self.random.random() < 0.93 else self.key()

    def set_keys(self, most=4):
        return [self.set_key() for _ in range(self.random.randint(1, most))]

    def member(self):
        return self.random.choice(WHOLE if self.random.random() < 0.6 else MEMBERS)

    def members(self, most=5):
        return [self.member() for _ in range(self.random.randint(1, most))]

    def make_set_add(self):
        return [b"SADD", self.set_key()] + self.members(12)

    def make_set_write(self):
        return self.random.choice([
            lambda: [b"SADD", self.set_key(), self.member()],
            lambda: [b"SREM", self.set_key()] + self.members(),
            lambda: [b"SMOVE", self.set_key(), self.set_key(), self.member()],
            lambda: [self.random.choice([b"SINTERSTORE", b"SUNIONSTORE", b"SDIFFSTORE"]), self.set_key()] + self.set_keys(),
            # Random members, but what comes out is certain.
            lambda: [b"SPOP", self.set_key(), self.random.choice([b"0", b"1000", b"x", b"-1"])],
        ])()

    make_set_write_again = make_set_write

    def make_set_read(self):
        return self.random.choice([
            lambda: [b"SMEMBERS", self.set_key()],
            lambda: [b"SCARD", self.set_key()],
            lambda: [b"SISMEMBER", self.set_key(), self.member()],
            lambda: [b"SMISMEMBER", self.set_key()] + self.members(),
            lambda: [self.random.choice([b"SINTER", b"SUNION", b"SDIFF"])] + self.set_keys(),
            lambda: [b"SINTERCARD", self.random.choice([b"1", b"2", b"3", b"0", b"x"])] + self.set_keys()
            + self.maybe(0.4, b"LIMIT", self.random.choice([b"0", b"1", b"2", b"-1", b"x"])),
            lambda: [b"SRANDMEMBER", self.set_key()] + self.maybe(0.8, self.random.choice([b"1", b"3", b"-3", b"100", b"-20", b"0"])),
            lambda: [b"SSCAN", self.set_key(), b"0"] + self.maybe(0.3, b"MATCH", b"*7*") + self.maybe(0.3, b"COUNT", b"5"),
        ])()
