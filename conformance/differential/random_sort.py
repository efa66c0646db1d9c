"""Random SORTs of lists and sets.

What Redis leaves open is left out: the order of members of a set that are equal in weight. The keys are its own, so that none ever holds
a sorted set, for SORT makes Redis keep that in the way of large ones: sorted sets are in the cases.
"""

SORT_LISTS = [b"ol%d" % index for index in range(3)]
SORT_SETS = [b"os%d" % index for index in range(3)]
SORTED_ELEMENTS = [b"%d" % index for index in range(8)] * 3 + [b"a", b"b", b"ab", b"abcdefgh", b"abcdefghi", b"", b"B", b"7.0", b"-1", b"1.5"]
PATTERNS = [b"k*", b"h*->f1", b"h*->f2", b"absent*", b"*", b"k*->f1", b"b*"]


class Sorts:
    def sort_list(self):
        return self.random.choice(SORT_LISTS)

    def sort_set(self):
        return self.random.choice(SORT_SETS)

    def limit(self):
        def bound():
            return self.random.choice([b"0", b"1", b"3", b"10", b"-1", b"100", b"x" if self.random.random() < 0.1 else b"2"])
        return self.maybe(0.4, b"LIMIT", bound(), bound())

    def make_sorted_elements(self):
        elements = [self.random.choice(SORTED_ELEMENTS) for _ in range(self.random.choice([1, 3, 10, 60]))]
        return self.random.choice([
            lambda: [b"RPUSH", self.sort_list()] + elements,
            lambda: [b"SADD", self.sort_set()] + elements,
            lambda: [b"DEL", self.sort_list()],
            lambda: [b"DEL", self.sort_set()],
            lambda: [b"SET", self.sort_list(), self.text()] if self.random.random() < 0.1 else [b"LLEN", self.sort_list()],
            lambda: [b"LRANGE", self.sort_list(), b"0", b"-1"],
        ])()

    def make_sort(self):
        of_list = self.random.random() < 0.6
        key = self.sort_list() if of_list else self.sort_set()
        results = [word for _ in range(self.random.choice([0, 0, 1, 2])) for word in (b"GET", self.random.choice(PATTERNS + [b"#", b"fixed"]))]
        options = [self.limit(), self.maybe(0.4, self.random.choice([b"ASC", b"DESC"])), results]
        kind = self.random.random()
        if kind < 0.35:
            options.append([b"ALPHA"] + self.maybe(0.4, b"STORE", self.random.choice(SORT_LISTS)))
        elif kind < 0.55 and of_list:
            options.append([b"ALPHA", b"BY", self.random.choice(PATTERNS)])
        elif kind < 0.7 and of_list:
            options.append([b"BY", b"nosort"] + self.maybe(0.4, b"STORE", self.random.choice(SORT_LISTS)))
        elif kind < 0.85:
            options.append([b"BY", self.random.choice(PATTERNS)])
        self.random.shuffle(options)
        stores = any(b"STORE" in option for option in options)
        name = b"SORT_RO" if self.random.random() < 0.2 and not stores else b"SORT"
        return [name, key] + [word for option in options for word in option]

    make_sort_again = make_sort
