"""Random commands on places.

Distances are stored at keys of their own, which only searches read: Redis 7.0 writes their digits in another way than 7.2.
"""

GEO_KEYS = [b"g%d" % index for index in range(4)]
DISTANCE_KEYS = [b"gd0", b"gd1"]
PLACES = [b"p%d" % index for index in range(40)] + [b"", b"7", b"-1", b"\x00\xff", b"P" * 65]
UNITS = [b"m", b"km", b"ft", b"mi", b"KM"]
CORNERS = [(b"180", b"85.05112878"), (b"-180", b"-85.05112878"), (b"180", b"0"), (b"-180", b"0"), (b"0", b"0"), (b"0", b"-85.05112878")]
NO_POSITIONS = [(b"180.1", b"0"), (b"0", b"85.06"), (b"x", b"0"), (b"0", b""), (b"nan", b"1"), (b"inf", b"1")]


class Geo:
    def geo_key(self):
        return self.random.choice(GEO_KEYS) if self.random.random() < 0.95 else self.key()

    def searched_key(self):
        return self.random.choice(DISTANCE_KEYS) if self.random.random() < 0.05 else self.geo_key()

    def place(self):
        return self.random.choice(PLACES)

    def position(self):
        """Often near one of a few centers, so that searches find something."""
        choice = self.random.random()
        if choice < 0.02:
            return list(self.random.choice(NO_POSITIONS))
        if choice < 0.07:
            return list(self.random.choice(CORNERS))
        if choice < 0.2:
            return [b"%.6f" % self.random.uniform(-180, 180), b"%.6f" % self.random.uniform(-85, 85)]
        longitude, latitude = self.random.choice([(13, 38), (-122, 37), (179.5, -16), (20, 78), (0, 0)])
        spread = self.random.choice([0.001, 0.1, 2])
        longitude += self.random.uniform(-spread, spread)
        return [b"%.7f" % min(longitude, 180), b"%.7f" % (latitude + self.random.uniform(-spread, spread))]

    def length(self):
        if self.random.random() < 0.03:
            return self.random.choice([b"-1", b"x", b"inf", b"1e300", b"0"])
        return b"%.3f" % (10 ** self.random.uniform(-1, 5))

    def unit(self):
        return self.random.choice(UNITS) if self.random.random() < 0.97 else b"parsec"

    def origin(self):
        return [b"FROMMEMBER", self.place()] if self.random.random() < 0.3 else [b"FROMLONLAT"] + self.position()

    def area(self):
        if self.random.random() < 0.5:
            return [b"BYRADIUS", self.length(), self.unit()]
        return [b"BYBOX", self.length(), self.length(), self.unit()]

    def some_places(self):
        count = self.random.choice([b"1", b"2", b"5", b"10", b"100", b"0" if self.random.random() < 0.2 else b"3"])
        return self.maybe(0.4, b"COUNT", count) + self.maybe(0.15, b"ANY") + self.maybe(0.4, self.random.choice([b"ASC", b"DESC"]))

    def shown_parts(self):
        return self.maybe(0.4, b"WITHDIST") + self.maybe(0.2, b"WITHCOORD") + self.maybe(0.2, b"WITHHASH")

    def make_places(self):
        if self.random.random() < 0.9:
            count = self.random.choice([1, 1, 3, 30])
            places = [word for _ in range(count) for word in self.position() + [self.place()]]
            return [b"GEOADD", self.geo_key()] + self.maybe(0.15, self.random.choice([b"NX", b"XX"])) + self.maybe(0.2, b"CH") + places
        return [b"ZREM", self.geo_key()] + [self.place() for _ in range(3)]

    make_places_again = make_places

    def make_places_seen(self):
        return self.random.choice([
            lambda: [b"GEOPOS", self.geo_key()] + [self.place() for _ in range(self.random.randint(0, 4))],
            lambda: [b"GEOHASH", self.geo_key()] + [self.place() for _ in range(self.random.randint(0, 4))],
            lambda: [b"GEODIST", self.geo_key(), self.place(), self.place()] + self.maybe(0.6, self.unit()),
            lambda: [b"ZRANGE", self.random.choice(GEO_KEYS), b"0", b"-1"],
        ])()

    def make_search(self):
        options = [self.origin(), self.area(), self.some_places(), self.shown_parts()]
        self.random.shuffle(options)
        return [b"GEOSEARCH", self.searched_key()] + [word for option in options for word in option]

    make_search_again = make_search

    def make_search_around(self):
        read_only = self.random.random() < 0.3
        around = [self.place()] if self.random.random() < 0.3 else self.position()
        name = b"GEORADIUS" + (b"BYMEMBER" if len(around) == 1 else b"") + (b"_RO" if read_only else b"")
        stored = self.random.choice([[b"STORE", self.geo_key()], [b"STOREDIST", self.random.choice(DISTANCE_KEYS)]])
        options = [self.some_places(), stored if self.random.random() < 0.3 and not read_only else self.shown_parts()]
        self.random.shuffle(options)
        return [name, self.geo_key()] + around + [self.length(), self.unit()] + [word for option in options for word in option]

    def make_search_stored(self):
        keeps_distance = self.random.random() < 0.4
        options = [self.origin(), self.area(), self.some_places(), [b"STOREDIST"] if keeps_distance else []]
        self.random.shuffle(options)
        destination = self.random.choice(DISTANCE_KEYS) if keeps_distance else self.geo_key()
        return [b"GEOSEARCHSTORE", destination, self.geo_key()] + [word for option in options for word in option]
