"""Random commands on the bits of strings."""

BITMAP_KEYS = [b"b%d" % index for index in range(5)]
FAR_BITS = [b"-1", b"x", b"4294967296", b"#1", b"1 "]
FIELD_TYPES = [b"u1", b"i1", b"u8", b"i8", b"u7", b"i13", b"u31", b"i32", b"u57", b"i58", b"u63", b"i64"]
NO_FIELD_TYPES = [b"u64", b"i65", b"u0", b"x8", b"u", b"", b"i-1"]
AMOUNTS = [b"0", b"1", b"-1", b"127", b"-128", b"255", b"256", b"4611686018427387904", b"9223372036854775807", b"-9223372036854775808"]


class Bitmaps:
    def bitmap_key(self):
        return self.random.choice(BITMAP_KEYS) if self.random.random() < 0.8 else self.key()

    def bit_offset(self):
        if self.random.random() < 0.04:
            return self.random.choice(FAR_BITS)
        return b"%d" % self.random.choice([self.random.randrange(24), self.random.randrange(600), self.random.randrange(200_000)])

    def bit_bounds(self):
        ends = [b"%d" % self.random.choice([self.random.randint(-70, 70), self.random.randint(-3000, 3000)]) for _ in range(2)]
        if self.random.random() < 0.03:
            ends[self.random.randrange(2)] = self.random.choice([b"x", b"-9223372036854775808", b"9223372036854775807"])
        return ends + self.maybe(0.6, self.random.choice([b"BIT", b"BYTE", b"BIT", b"FOO" if self.random.random() < 0.1 else b"bit"]))

    def bit_source(self):
        """Mostly dense text, some of it longer than a cache's piece."""
        length = self.random.choice([0, 1, 7, 8, 33, 257, 8191, 20_000])
        return self.random.randbytes(length) if self.random.random() < 0.7 else self.random.choice([b"\x00", b"\xff"]) * length

    def bit_field(self):
        kind = self.random.choice(FIELD_TYPES if self.random.random() < 0.97 else NO_FIELD_TYPES)
        offset = self.bit_offset() if self.random.random() < 0.7 else b"#%d" % self.random.randrange(20)
        action = self.random.choice([b"GET", b"SET", b"INCRBY", b"incrby"])
        amount = [] if action == b"GET" else [self.random.choice(AMOUNTS) if self.random.random() < 0.7 else self.integer()]
        return self.maybe(0.3, b"OVERFLOW", self.random.choice([b"WRAP", b"SAT", b"FAIL"])) + [action, kind, offset] + amount

    def make_bits(self):
        bit = self.random.choice([b"0", b"1", b"1", b"1", b"2" if self.random.random() < 0.1 else b"0"])
        return self.random.choice([
            lambda: [b"SETBIT", self.bitmap_key(), self.bit_offset(), bit],
            lambda: [b"GETBIT", self.bitmap_key(), self.bit_offset()],
            lambda: [b"SET", self.random.choice(BITMAP_KEYS), self.bit_source()],
        ])()

    def make_bit_ranges(self):
        bit = self.random.choice([b"0", b"1"])
        return self.random.choice([
            lambda: [b"BITCOUNT", self.bitmap_key()],
            lambda: [b"BITCOUNT", self.bitmap_key()] + self.bit_bounds(),
            lambda: [b"BITPOS", self.bitmap_key(), bit] + self.bit_bounds()[:self.random.randrange(3)],
            lambda: [b"BITPOS", self.bitmap_key(), bit] + self.bit_bounds(),
        ])()

    def make_bit_combinations(self):
        operation = self.random.choice([b"AND", b"OR", b"XOR", b"NOT"])
        count = 1 if operation == b"NOT" and self.random.random() < 0.9 else self.random.randint(1, 5)
        return [b"BITOP", operation, self.bitmap_key()] + [self.bitmap_key() for _ in range(count)]

    def make_bit_fields(self):
        steps = [word for _ in range(self.random.randint(1, 4)) for word in self.bit_field()]
        return [b"BITFIELD" if self.random.random() < 0.8 else b"BITFIELD_RO", self.bitmap_key()] + steps
