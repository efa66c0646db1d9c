"""Random commands on HyperLogLogs."""

HYPERLOGLOG_KEYS = [b"p%d" % index for index in range(4)]


class HyperLogLogs:
    def hyperloglog_key(self):
        return self.random.choice(HYPERLOGLOG_KEYS) if self.random.random() < 0.9 else self.key()

    def hyperloglog_elements(self):
        start = self.random.randrange(100_000)
        return [b"%d" % number for number in range(start, start + self.random.choice([0, 1, 3, 50, 400]))]

    def make_hyperloglog(self):
        return self.random.choice([
            lambda: [b"PFADD", self.hyperloglog_key()] + self.hyperloglog_elements(),
            lambda: [b"PFADD", self.hyperloglog_key()] + self.hyperloglog_elements(),
            lambda: [b"PFCOUNT"] + [self.hyperloglog_key() for _ in range(self.random.choice([1, 1, 2, 4]))],
            lambda: [b"PFMERGE"] + [self.hyperloglog_key() for _ in range(self.random.randint(1, 4))],
            lambda: [b"PFDEBUG", self.random.choice([b"ENCODING", b"DECODE", b"TODENSE"]), self.hyperloglog_key()],
            lambda: [b"DEL", self.hyperloglog_key()],
        ])()
