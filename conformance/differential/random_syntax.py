"""Random commands from a grammar (grammar.txt): well-formed, and malformed in the ways that show in which order a server checks things.

Options come in any order and now and then twice, words go missing or are nonsense, keys hold values of other types, numbers
are at their edges. Two servers that are given the same sequence must answer the same and end with the same data; `run` compares
them, and tells each kind of difference once.
"""
import pathlib
import random
import re

from support.resp import Connection, shown

STREAM_IDS = [b"0", b"1-1", b"1-2", b"2-0", b"2-1", b"3", b"3-1", b"4-1", b"5-1", b"5", b"6-0", b"7-1", b"8", b"9-1", b"12-1", b"20", b"0-0"]
BAD_IDS = [b"", b"x", b"1-", b"-1", b"1-x", b"18446744073709551616", b"18446744073709551615-18446744073709551615", b"1-1-1", b"-", b"+", b"(1", b"$", b">", b"*"]
INTEGERS = [b"0", b"1", b"-1", b"2", b"-2", b"3", b"5", b"-5", b"10", b"100", b"-100"]
EDGES = [b"9223372036854775807", b"-9223372036854775808", b"-9223372036854775807", b"4294967296", b"2147483647", b"2147483648", b"-2147483649",
         b"4611686018427387904", b"9223372036854775808", b"-9223372036854775809"]
NO_INTEGERS = [b"", b" 1", b"1 ", b"01", b"+1", b"-0", b"1.0", b"1e3", b"abc", b"0x10", b"\xff", b"1\x00"]
FLOATS = [b"0", b"1", b"-1", b"0.1", b"-0.1", b"1.5", b"3.0e3", b"1e-5", b"-2.75", b"100.001", b"1e17", b"2", b"5.", b".5", b"inf", b"-inf"]
NO_FLOATS = [b"nan", b"abc", b"", b"1e400", b" 1", b"1,5", b"1x", b"-nan", b"1e-400", b"0x1p3", b"infinity"]
TEXTS = [b"", b"a", b"b", b"c", b"hello", b"x" * 44, b"y" * 45, b"z" * 64, b"w" * 65, b"\x00\r\n\xff", b"v" * 300, b"1", b"2", b"-3", b"12345", b"7", b"1.5",
         b"99999999999"]
ELEMENTS = [b"a", b"b", b"c", b"d", b"e", b"aa", b"", b"1", b"2", b"3", b"-7", b"100000", b"99999999999", b"x" * 64, b"y" * 65, b"\xff\x00"]
FIELDS = [b"f%d" % index for index in range(7)] + [b"", b"7", b"F" * 65]
NONSENSE = [b"FOO", b"NX", b"XX", b"GET", b"EX", b"", b"\r\n", b"-1", b"0", b"COUNT", b"LIMIT", b"FIELDS", b"WITHSCORES", b"1"]
PATTERNS = [b"*", b"f*", b"[a-c]", b"?", b"", b"\\", b"[", b"[^a]", b"k*", b"1*", b"*a*", b"[c-a]"]

POOLS = {kind: [kind.encode() + b"%d" % index for index in range(4)] for kind in "shltzyxpg"}
EVERY_KEY = [key for pool in POOLS.values() for key in pool]
# All but those of sorted sets of one score, in which ranges by member are defined.
ANY_KEY = [key for key in EVERY_KEY if key not in POOLS["y"]]


# --- the grammar -----------------------------------------------------------------------------------------------------------------------

TOKENS = re.compile(r"<\w+>|[{}()\[\]|+]|[^\s{}()\[\]|+<>]+|>")


def parsed(text):
    """A line as nested tuples: ("word", bytes), ("kind", name), ("many", sequence), ("maybe", choices), ("one", choices)."""
    tokens = TOKENS.findall(text)
    place = 0

    def sequence(end):
        nonlocal place
        choices, items = [], []
        while place < len(tokens) and tokens[place] != end:
            token = tokens[place]
            place += 1
            if token == "|":
                choices.append(items)
                items = []
            elif token == "+":
                items[-1] = ("many", items[-1])
            elif token in "{([":
                inner = sequence({"{": "}", "(": ")", "[": "]"}[token])
                place += 1
                items.append(("maybe", inner) if token == "{" else ("one", inner))
            elif token.startswith("<"):
                items.append(("kind", token[1:-1]))
            else:
                items.append(("word", token.encode()))
        return choices + [items]
    (items,) = sequence(None)
    return items


def grammar(version):
    """(command, items) of each line that a server of a version has. Where several lines are of one command, all count."""
    found = []
    for line in (pathlib.Path(__file__).parent / "grammar.txt").read_text().splitlines():
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        since = re.match(r"(\d+)\.(\d+) ", line)
        if since and (int(since[1]), int(since[2])) > version:
            continue
        found.append(parsed(line[since.end():] if since else line))
    return found


class Generator:
    def __init__(self, seed, version, only=None, spoil=0.12):
        self.random = random.Random(seed)
        self.rules = [rule for rule in grammar(version) if only is None or re.fullmatch(only, rule[0][1].decode())]
        self.version = version
        self.spoil = spoil
        self.deadlines = set()

    def command(self):
        rule = self.random.choice(self.rules)
        words = self.sequence(rule)
        # Sets of one score stay that.
        if self.random.random() < self.spoil and (rule[0][1] != b"ZADD" or rule[1] != ("kind", "y")):
            self.spoiled(words)
        if self.random.random() < 0.2 and words:
            place = self.random.randrange(len(words))
            if words[place].isupper():
                words[place] = words[place].lower()
        return words or [b"PING"]

    def spoiled(self, words):
        place = self.random.randrange(1, len(words) + 1)
        match self.random.randrange(5):
            case 0:
                del words[place:place + 1]
            case 1:
                words.insert(place, self.random.choice(NONSENSE))
            case 2 if place < len(words):
                words[place] = self.random.choice(NONSENSE)
            case 3 if place < len(words):
                words.insert(place, words[place])
            case 4 if place < len(words):
                other = self.random.randrange(1, len(words))
                words[place], words[other] = words[other], words[place]

    def sequence(self, items):
        words, place = [], 0
        while place < len(items):
            # Options that stand side by side are in no order.
            end = place
            while end < len(items) and items[end][0] == "maybe":
                end += 1
            if end - place > 1:
                options = list(items[place:end])
                if self.random.random() < 0.7:
                    self.random.shuffle(options)
                if self.random.random() < 0.06:
                    options.insert(self.random.randrange(len(options) + 1), self.random.choice(options))
                for option in options:
                    words += self.item(option)
                place = end
            else:
                words += self.item(items[place])
                place += 1
        return words

    def item(self, item):
        kind, content = item
        if kind == "word":
            return [content]
        if kind == "kind":
            return [getattr(self, "word_" + content)()]
        if kind == "many":
            return [word for _ in range(self.random.choice([1, 1, 2, 2, 3, 4])) for word in self.item(content)]
        if kind == "maybe" and self.random.random() < 0.6:
            return []
        return self.sequence(self.random.choice(content))

    # --- words ---------------------------------------------------------------------------------------------------------------------------

    def pick(self, *chances):
        """One of several lists, each with its chance; the last takes the rest."""
        at = self.random.random()
        for chance, items in chances:
            at -= chance
            if at < 0:
                break
        return self.random.choice(items)

    def pool(self, kind):
        return self.pick((0.93, POOLS[kind]), (1, ANY_KEY))

    word_s = lambda self: self.pool("s")
    word_h = lambda self: self.pool("h")
    word_l = lambda self: self.pool("l")
    word_t = lambda self: self.pool("t")
    word_z = lambda self: self.pool("z")
    word_y = lambda self: self.pick((0.97, POOLS["y"]), (1, POOLS["s"]))
    word_x = lambda self: self.pool("x")
    word_p = lambda self: self.pool("p")
    word_g = lambda self: self.pool("g")
    word_k = lambda self: self.random.choice(ANY_KEY)
    word_zt = lambda self: self.pool(self.random.choice("zzzt"))
    word_lt = lambda self: self.pool(self.random.choice("ltz"))
    word_i = lambda self: self.pick((0.86, INTEGERS), (0.07, EDGES), (1, NO_INTEGERS))
    word_draws = lambda self: self.pick((0.9, [b"1", b"-1", b"3", b"-5", b"0", b"100"]), (1, NO_INTEGERS + [b"-9223372036854775808", b"-9223372036854775809"]))
    # Redis 7.0 takes the least number of 64 bits, and counts wrong.
    word_ct = lambda self: self.pick((0.86, INTEGERS), (0.07, EDGES[:1] + EDGES[2:]), (1, NO_INTEGERS))
    # Redis takes the last 32 bits of a longer index.
    word_ix = lambda self: self.pick((0.93, INTEGERS), (1, NO_INTEGERS + EDGES[-2:]))
    word_n = lambda self: self.pick((0.9, [b"1", b"2", b"3"]), (0.05, EDGES), (1, NO_INTEGERS + [b"0", b"-1"]))
    word_f = lambda self: self.pick((0.92, FLOATS), (1, NO_FLOATS))
    word_sc = word_f
    word_v = lambda self: self.random.choice(TEXTS)
    word_e = lambda self: self.random.choice(ELEMENTS)
    word_be = lambda self: self.pick((0.7, ELEMENTS), (1, [b"L" * 3000, b"M" * 9000, b"N" * 5000, b"O" * 2000]))
    word_fd = lambda self: self.random.choice(FIELDS)
    word_off = lambda self: self.pick((0.9, [b"0", b"1", b"5", b"7", b"20", b"300"]), (1, [b"-1", b"x", b"9223372036854775807", b"4294967296", b"600000000", b""]))
    word_bit = lambda self: self.pick((0.93, [b"0", b"1"]), (1, [b"2", b"-1", b"x", b"", b"01"]))
    word_bt = lambda self: self.pick((0.9, [b"u8", b"i8", b"u1", b"i5", b"u63", b"i64", b"u16"]), (1, [b"u64", b"i65", b"u0", b"x8", b"", b"u", b"i-1", b"8"]))
    word_bo = lambda self: self.pick((0.9, [b"0", b"8", b"#1", b"3", b"100", b"#0"]), (1, [b"-1", b"#-1", b"#", b"x", b"9223372036854775807", b"#9223372036854775807", b""]))
    word_cur = lambda self: self.pick((0.85, [b"0"]), (1, [b"-1", b"", b"x", b"18446744073709551616", b"01", b" 0", b"0 ", b"+0", b"0x0", b"00"]))
    word_pat = lambda self: self.random.choice(PATTERNS)
    word_big = lambda self: self.pick((0.8, [b"100", b"0"]), (1, EDGES[:2] + NO_INTEGERS + [b"-1"]))
    word_tmo = lambda self: self.pick((0.8, [b"0.001"]), (1, [b"-1", b"x", b"", b"1e400", b"nan", b"inf", b"9223372036854775807", b"99999999999999999999"]))
    word_blk = lambda self: self.pick((0.8, [b"1"]), (1, [b"-1", b"x", b"", b"1.5", b"9223372036854775808"]))
    word_lim = lambda self: self.random.choice([b"0", b"1", b"2", b"3", b"8", b"64", b"128", b"512"])
    # How a union is kept depends on the order in which it is gathered, unless integers stay integers.
    word_slim = lambda self: self.random.choice([b"16", b"64", b"512"])
    word_lls = lambda self: self.random.choice([b"-2", b"-1", b"1", b"3", b"-2", b"8", b"128"])
    word_by = lambda self: self.random.choice([b"#", b"*", b"s*", b"nosort", b"", b"h*->f1", b"h*->", b"l*", b"*->f", b"s**", b"h->*", b"#*", b"##"])
    word_sb = lambda self: self.pick((0.9, [b"-inf", b"+inf", b"0", b"1", b"(1", b"2", b"(0.1", b"1.5", b"(5", b"-1", b"inf"]), (1, [b"(", b"", b"x", b"(x", b"nan", b"((1", b"[1"]))
    word_lb = lambda self: self.pick((0.9, [b"-", b"+", b"[a", b"(a", b"[c", b"(b", b"[", b"("]), (1, [b"a", b"", b"--", b"+1", b"-x"]))
    word_lon = lambda self: self.pick((0.95, [b"0", b"13.361389", b"15.087269", b"2.35", b"-122.4", b"13.361389", b"179.9", b"-180", b"180"]), (1, [b"181", b"x", b"", b"nan", b"inf"]))
    word_lat = lambda self: self.pick((0.95, [b"0", b"38.115556", b"37.502669", b"48.85", b"37.7", b"-33", b"80", b"-85.05112878"]), (1, [b"86", b"x", b"", b"-90"]))
    word_ge = lambda self: self.random.choice([b"a", b"b", b"c", b"d", b"e", b"f", b"", b"1"])
    word_dist = lambda self: self.pick((0.9, [b"0", b"1", b"100", b"200", b"5000", b"100000", b"20000000", b"0.5"]), (1, [b"-1", b"x", b"", b"1e400", b"nan"]))
    word_unit = lambda self: self.pick((0.95, [b"m", b"km", b"ft", b"mi", b"KM"]), (1, [b"x", b"", b"mm"]))
    word_id = lambda self: self.pick((0.92, STREAM_IDS), (1, BAD_IDS))
    word_rid = lambda self: self.pick((0.3, [b"-", b"+"]), (0.6, STREAM_IDS), (0.06, [b"(1", b"(2-1", b"(3", b"(0", b"(-", b"("]), (1, BAD_IDS))
    # Whether something is idle for a few milliseconds is chance.
    word_idle = lambda self: self.pick((0.8, [b"0", b"1000000000", b"-1", b"-100"]), (0.1, EDGES), (1, NO_INTEGERS))
    # What is above the number of entries that were ever added servers since 8.2.2 do not keep.
    word_read = lambda self: self.pick((1, [b"0", b"-1", b"-2", b"x", b"", b"-9223372036854775808", b"9223372036854775808"]))
    word_gid = lambda self: self.pick((0.25, [b"$"]), (0.7, STREAM_IDS), (1, BAD_IDS))
    word_gr = lambda self: self.random.choice([b"g1", b"g2", b"g1", b"g2", b""])
    word_co = lambda self: self.random.choice([b"c1", b"c2", b"c3"])

    def word_nid(self):
        if self.random.random() < 0.05:
            return self.random.choice([b"0-0", b"x", b"", b"0-*", b"5-*", b"1-1-1", b"18446744073709551615-18446744073709551615", b"-1", b"0", b"5-"])
        return b"%d-%d" % (self.random.randint(1, 30), self.random.randint(0, 3))

    def slot(self):
        """A deadline at least a minute away from any other."""
        if len(self.deadlines) > 15_000:
            self.deadlines.clear()
        while True:
            slot = self.random.randrange(100, 40_000)
            if slot not in self.deadlines:
                self.deadlines.add(slot)
                return slot * 60

    def timed(self, far, bad=(b"0", b"-1", b"abc", b"", b"9223372036854775807", b"9223372036854775808", b"9223372036854775", b"-9223372036854775808", b"1.5",
                              b"92233720368547758", b"281474976710656", b"281474976710655")):
        return self.random.choice(bad) if self.random.random() < 0.1 else b"%d" % far

    word_sec = lambda self: self.timed(self.slot())
    word_ms = lambda self: self.timed(self.slot() * 1000)
    word_usec = lambda self: self.timed(4_000_000_000 + self.slot())
    word_ums = lambda self: self.timed((4_000_000_000 + self.slot()) * 1000)

    def word_any(self):
        return b"\x00any"       # replaced by a whole command


# --- comparing ------------------------------------------------------------------------------------------------------------------------

# Deadlines are a minute apart from each other; the servers may be given a command some seconds apart.
NEAR = {b"TTL": 30, b"PTTL": 30_000, b"EXPIRETIME": 30, b"PEXPIRETIME": 30_000, b"HTTL": 30, b"HPTTL": 30_000, b"HEXPIRETIME": 30, b"HPEXPIRETIME": 30_000}
UNORDERED = {b"HGETALL", b"HKEYS", b"HVALS", b"SMEMBERS", b"SINTER", b"SUNION", b"SDIFF", b"KEYS", b"SCAN", b"SSCAN", b"HSCAN", b"ZSCAN"}
DRAWN = {b"HRANDFIELD", b"SRANDMEMBER", b"ZRANDMEMBER", b"SPOP"}


def flat(reply, out):
    if reply.kind in "*~>" and reply.value is not None:
        for one in reply.value:
            flat(one, out)
    elif reply.kind == "%":
        for pair in reply.value:
            flat(pair[0], out), flat(pair[1], out)
    else:
        out.append(reply.raw)
    return out


def shape(reply):
    if reply.kind in "*~>%" and reply.value is not None:
        return reply.kind, len(reply.value)
    return reply.kind


def numbers(reply):
    return [int(raw[1:]) for raw in flat(reply, []) if raw[:1] == b":"]


def same(command, theirs, ours):
    if theirs.raw == ours.raw:
        return True
    name = command[0].upper()
    if theirs.is_error or ours.is_error:
        return False
    if name in NEAR:
        one, other = numbers(theirs), numbers(ours)
        return len(one) == len(other) and all(abs(a - b) <= NEAR[name] and (a < 0) == (b < 0) for a, b in zip(one, other))
    if name in UNORDERED or (name in (b"SORT", b"SORT_RO") and b"t" in command[1][:1]):
        if name in (b"SCAN", b"SSCAN", b"HSCAN", b"ZSCAN"):
            # Where a scan stops is a server's own affair, and so is what a cursor stands for.
            cursor = command[1 if name == b"SCAN" else 2].strip(b" 0+\x00")
            if cursor:
                return theirs.kind == ours.kind
            return theirs.value[0].value != b"0" or ours.value[0].value != b"0" or sorted(flat(theirs, [])) == sorted(flat(ours, []))
        return theirs.kind == ours.kind and sorted(flat(theirs, [])) == sorted(flat(ours, []))
    if name in DRAWN:
        return shape(theirs) == shape(ours)
    return False


def masked(name, reply):
    """What of a reply does not depend on the time."""
    raw = reply.raw
    if name == b"XPENDING":
        raw = re.sub(rb"(\$\d+\r\nc\d\r\n):\d+\r\n", rb"\1:idle\r\n", raw)
    if name == b"XINFO":
        raw = re.sub(rb"(\$(4|8)\r\n(?:idle|inactive)\r\n):-?\d+\r\n", rb"\1:t\r\n", raw)
        raw = re.sub(rb"(radix-tree-(?:keys|nodes)\r\n):\d+\r\n", rb"\1:n\r\n", raw)
    return raw


class Difference(Exception):
    def __init__(self, signature, text):
        self.signature = signature
        super().__init__(text)


def state_commands(keys):
    """What shows the data. Digests of sorted sets depend on how many digits a score is written with: their members are compared."""
    return ([[b"OBJECT", b"ENCODING", key] for key in keys] + [[b"PTTL", key] for key in keys]
            + [[b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"] for key in keys]
            + [[b"DEBUG", b"DIGEST-VALUE", key] for key in keys])


def quoted(command):
    return " ".join('"%s"' % shown(word, 80) for word in command)


class Pair:
    """Two servers, and what they were given since both were empty."""

    def __init__(self, theirs, ours, accepted=lambda command, theirs, ours: False):
        self.connections = theirs, ours
        self.accepted = accepted
        self.told = []

    def both(self, commands):
        return list(zip(*[connection.pipeline(commands) for connection in self.connections]))

    def restart(self):
        self.both([[b"FLUSHALL"], *[[b"CONFIG", b"SET", name, value] for name, value in DEFAULTS]])
        self.told = []

    def agree(self, command, theirs, ours):
        name = command[0].upper()
        return same(command, theirs, ours) or masked(name, theirs) == masked(name, ours) or self.accepted(command, theirs, ours)

    def run(self, commands):
        """Runs commands on both servers, and compares replies and then all data."""
        for command, (theirs, ours) in zip(commands, self.both(commands)):
            self.told.append(command)
            if not self.agree(command, theirs, ours):
                raise Difference((command[0].upper(), theirs.raw[:60], ours.raw[:60]), self.story(command, theirs, ours))
        problem = self.state()
        if problem:
            raise self.located(problem)

    def state(self):
        return next(iter(self.differing(STATE)), None)

    def differing(self, commands):
        """The commands that show a difference of the data, with both replies."""
        sorted_sets, found = set(), []
        for command, (theirs, ours) in zip(commands, self.both(commands)):
            if command[0] == b"ZRANGE" and not theirs.is_error and theirs.value:
                sorted_sets.add(command[1])
            elif command[0] == b"DEBUG" and command[-1] in sorted_sets:
                continue
            if not near(command, theirs, ours) and not self.accepted(command, theirs, ours):
                found.append((command, theirs, ours))
        return found

    def located(self, problem):
        """Which command made the data differ: all is done again, step by step."""
        told, key = self.told, problem[0][-1]
        self.restart()
        inside = False
        for command in told:
            self.told.append(command)
            (answers,) = self.both([command])
            inside = command == [b"MULTI"] or (inside and command != [b"EXEC"])
            if inside:
                continue
            found = self.differing(state_commands([key]))
            if found:
                check, theirs, ours = found[0]
                return Difference((command[0].upper(), b"state", check[0]),
                                  self.story(command, *answers) + f"\n  then {quoted(check)}: {theirs} and {ours}")
        check, theirs, ours = problem
        return Difference((b"state", key, check[0]), f"{quoted(check)}: {theirs} and {ours}, but not when done again")

    def story(self, command, theirs, ours):
        words = set(command[1:]) & set(EVERY_KEY)
        before = [one for one in self.told[:-1] if set(one) & words or one[0] == b"CONFIG"][-12:]
        return "\n".join("    " + quoted(one) for one in before) + f"\n  > {quoted(command)}\n  theirs: {theirs}\n  ours:   {ours}"


def near(check, theirs, ours):
    if check[0] == b"PTTL":
        return abs(theirs.value - ours.value) <= NEAR[b"PTTL"] and (theirs.value < 0) == (ours.value < 0)
    return theirs.raw == ours.raw


STATE = state_commands(EVERY_KEY)
DEFAULTS = [(b"hash-max-listpack-entries", b"128"), (b"hash-max-listpack-value", b"64"), (b"set-max-intset-entries", b"512"),
            (b"zset-max-listpack-entries", b"128"), (b"list-max-listpack-size", b"-2"), (b"stream-node-max-entries", b"100"),
            (b"set-max-listpack-entries", b"128")]


def whole(generator, command):
    if command[-1:] == [b"\x00any"]:
        inner = generator.command()
        while b"\x00any" in inner:
            inner = generator.command()
        return command[:-1] + inner
    return command


BLOCKING = {b"BLPOP", b"BRPOP", b"BLMPOP", b"BLMOVE", b"BRPOPLPUSH", b"BZPOPMIN", b"BZPOPMAX", b"BZMPOP", b"XREAD", b"XREADGROUP"}


def batch_of(generator, count):
    """Some commands. Those that might wait are put in transactions, where they do not."""
    commands = []
    while len(commands) < count:
        command = whole(generator, generator.command())
        if command[0].upper() == b"SPOP" and len(command) == 2:
            continue
        wraps = command[0].upper() in BLOCKING
        commands += [[b"MULTI"], command, [b"EXEC"]] if wraps else [command]
    return commands


def explore(theirs, ours, seed, version, count, only=None, accepted=lambda command, theirs, ours: False, session=300, batch=30):
    """Runs `count` random commands; the differences by kind: signature -> [how often, the first story]."""
    generator = Generator(seed, version, only)
    pair = Pair(theirs, ours, accepted)
    found = {}
    pair.restart()
    for start in range(0, count, batch):
        if len(pair.told) >= session:
            pair.restart()
        try:
            pair.run(batch_of(generator, batch))
        except Difference as difference:
            entry = found.setdefault(difference.signature, [0, str(difference)])
            entry[0] += 1
            pair.restart()
    return found
