"""Requests whose arguments lie at the edges of what a command can take, made from the server's own COMMAND DOCS.

A command's arguments are a tree there: keys, numbers, texts and words, of which some are optional, some repeat and some exclude each
other. `leaves` are the arguments that have a value. For each of them `Maker.request` makes a request in which everything is as
the command expects it but this one argument, and `Maker.wild` one in which nothing need be.
"""
import dataclasses


@dataclasses.dataclass(eq=False)
class Node:
    """One argument of a command, as COMMAND DOCS describes it."""
    name: str
    kind: str
    token: bytes = None
    optional: bool = False
    multiple: bool = False
    repeats_token: bool = False
    parts: list = dataclasses.field(default_factory=list)

    @property
    def has_value(self):
        return self.kind not in ("oneof", "block", "pure-token")

    def leaves(self):
        if self.has_value:
            yield self
        for part in self.parts:
            yield from part.leaves()

    def holds(self, node):
        return self is node or any(part.holds(node) for part in self.parts)


@dataclasses.dataclass
class Form:
    """A command or subcommand: the words it begins with, and its arguments."""
    words: list
    group: str
    arguments: list
    arity: int
    flags: set

    @property
    def name(self):
        return "|".join(word.decode().lower() for word in self.words)

    def leaves(self):
        return [leaf for node in self.arguments for leaf in node.leaves()]


def forms(client):
    """Every command and subcommand of the server; `client` speaks RESP3."""
    found = []
    table = {}

    def note(entry):
        table[entry[0].decode()] = (entry[1], {flag.decode() for flag in entry[2]})
        for subcommand in entry[9]:
            note(subcommand)

    def add(words, docs):
        arity, flags = table[b"|".join(words).decode().lower()]
        arguments = [node(each) for each in docs.get(b"arguments", [])]
        subcommands = docs.get(b"subcommands", {})
        if arguments or not subcommands:
            if not arguments:
                # Where the documentation tells of none: as many as there must be, and perhaps more.
                arguments = [Node("arg", "string")] * (abs(arity) - len(words))
                arguments += [Node("arg", "string", optional=True, multiple=True)] if arity < 0 else []
            found.append(Form(words, docs[b"group"].decode(), arguments, arity, flags))
        for name, each in subcommands.items():
            add([*words, name.split(b"|")[1]], each)

    for entry in client("COMMAND").plain():
        note(entry)
    for name, docs in client("COMMAND", "DOCS").plain().items():
        add([name], docs)
    return sorted(found, key=lambda form: form.name)


def names(client):
    """The full names of all commands and subcommands of a server."""
    def each(entry):
        yield entry[0].decode().lower()
        for subcommand in entry[9]:
            yield from each(subcommand)
    return {name for entry in client("COMMAND").plain() for name in each(entry)}


def node(docs):
    flags = {flag for flag in docs.get(b"flags", [])}
    return Node(
        docs[b"name"].decode(), docs[b"type"].decode(), docs.get(b"token"), b"optional" in flags, b"multiple" in flags,
        b"multiple_token" in flags, [node(each) for each in docs.get(b"arguments", [])])


# --- values ------------------------------------------------------------------------------------------------------------------

LEAST, MOST = -2**63, 2**63 - 1
NUMBERS = [b"%d" % number for number in (LEAST, MOST, 2**63, LEAST - 1, 2**64, 2**64 - 1, 0, -1, 1, 2**31, -2**31 - 1)] + [
    b"-0", b"+1", b"01", b" 1", b"1 ", b"0x10", b"1e308", b"-1e308", b"1e-400", b"nan", b"-nan", b"inf", b"-inf", b"0.0",
    b"9223372036854775.807", b"9223372036854775.808", b"#%d" % MOST, b"%d%%" % MOST]
TEXTS = [b"", b"\0", b"\0\0i8", b"u\0", b"i8\0x", b"\xff\xfe\0\x80", b"a\r\nb", b"\r\n", b"x" * 70_000, b"9" * 70_000, b"*" * 40 + b"a",
         b"[", b"(", b"[a", b"(1", b"+", b"-", b"$", b">", b"%d-%d" % (2**64 - 1, 2**64 - 1), b"%d-*" % (2**64 - 1), b"0-0", b"0-1", b"-1-1",
         b"\\", b"[\\", b"[a-", b"{", b"*->", b"u64", b"i65", b"i64"]
EDGES = NUMBERS + TEXTS

# The keys there are before a request, each with the commands that make it.
KEYS = {
    b"str": [(b"SET", b"str", b"hello world")],
    b"num": [(b"SET", b"num", b"10")],
    b"float": [(b"SET", b"float", b"1.5")],
    b"long": [(b"SET", b"long", b"y" * 20_000)],
    b"hll": [(b"PFADD", b"hll", b"a", b"b", b"c")],
    b"list": [(b"RPUSH", b"list", b"a", b"b", b"c", b"1", b"2")],
    b"longlist": [(b"RPUSH", b"longlist", *(b"%d" % i for i in range(60)), b"z" * 9000)],
    b"set": [(b"SADD", b"set", b"a", b"b", b"c")],
    b"ints": [(b"SADD", b"ints", b"1", b"2", b"-7", b"%d" % MOST)],
    b"longset": [(b"SADD", b"longset", *(b"m%d" % i for i in range(200)))],
    b"zset": [(b"ZADD", b"zset", b"1", b"a", b"2", b"b", b"2", b"c")],
    b"edgezset": [(b"ZADD", b"edgezset", b"-inf", b"a", b"inf", b"b", b"1e308", b"c", b"-1e308", b"d")],
    b"longzset": [(b"ZADD", b"longzset", *(text for i in range(200) for text in (b"%d" % i, b"m%d" % i)))],
    b"geo": [(b"GEOADD", b"geo", b"13.361389", b"38.115556", b"a", b"15.087269", b"37.502669", b"b", b"180", b"85.05112878", b"c")],
    b"hash": [(b"HSET", b"hash", b"a", b"1", b"b", b"2", b"f", b"1.5", b"s", b"text")],
    b"longhash": [(b"HSET", b"longhash", *(text for i in range(600) for text in (b"f%d" % i, b"%d" % i)))],
    b"stream": [(b"XADD", b"stream", b"1-1", b"a", b"1"), (b"XADD", b"stream", b"2-1", b"a", b"2"),
                (b"XGROUP", b"CREATE", b"stream", b"g", b"0"),
                (b"XREADGROUP", b"GROUP", b"g", b"c", b"COUNT", b"1", b"STREAMS", b"stream", b">")],
    b"laststream": [(b"XADD", b"laststream", b"%d-%d" % (2**64 - 1, 2**64 - 1), b"a", b"1")],
    b"expiring": [(b"SET", b"expiring", b"1", b"EX", b"10000")],
}
MAKE_KEYS = [command for commands in KEYS.values() for command in commands]
ABSENT = [b"absent", b"absent2"]

KEYS_OF_GROUP = {
    "string": [b"str", b"num", b"float"], "bitmap": [b"str", b"num"], "hyperloglog": [b"hll"],
    "list": [b"list", b"longlist"], "set": [b"set", b"ints", b"longset"], "sorted-set": [b"zset", b"longzset", b"edgezset"],
    "geo": [b"geo"], "hash": [b"hash", b"longhash"], "stream": [b"stream"],
}
MEMBERS = [b"a", b"b", b"c", b"m5", b"f5", b"1"]

# What an argument is called in the documentation -> what it may well be.
PLAUSIBLE = {
    "encoding": [b"u8", b"i16", b"i64", b"u63"], "offset": [b"0", b"7", b"#1"], "bit": [b"0", b"1"], "cursor": [b"0"],
    "id": [b"1-1", b"2-1", b"3-1"], "start-id": [b"-"], "end-id": [b"+"], "last-id": [b"9-1"], "max-deleted-id": [b"1-1"],
    "group": [b"g"], "consumer": [b"c", b"d"], "min-idle-time": [b"0"], "threshold": [b"2"], "element": [b"a", b"x"],
    "member": MEMBERS, "member1": [b"a"], "member2": [b"b"], "field": MEMBERS, "pivot": [b"a"], "newkey": [b"new", b"str"],
    "destination": [b"to", b"list"], "destkey": [b"to"], "dst": [b"to"], "index": [b"0", b"-1"], "db": [b"1"], "destination-db": [b"1"],
    "index1": [b"0"], "index2": [b"1"], "protover": [b"2", b"3"], "timeout": [b"0.01"], "longitude": [b"13.5"], "latitude": [b"38"],
    "radius": [b"200"], "width": [b"400"], "height": [b"300"], "serialized-value": [b"\0\xc0\x0a\x0a\0n\x9fWE\x0e\xaec\xbb"],
    "ttl": [b"0", b"1000"], "frequency": [b"10"], "unix-time-seconds": [b"4000000000"], "unix-time-milliseconds": [b"4000000000000"],
    "parameter": [b"hash-max-listpack-entries"], "section": [b"server"], "command-name": [b"get"], "subcommand": [b"encoding"],
    "command": [b"get"], "arg": [b"key"], "message": [b"hi"], "username": [b"default"], "password": [b"x"], "client-id": [b"999999"],
    "ip:port": [b"127.0.0.1:1"], "pattern": [b"*"], "type": [b"string"], "min": [b"0", b"-"], "max": [b"9", b"+"],
    "ifeq-digest": [b"0" * 16], "libname": [b"lib"], "libver": [b"1"], "clientname": [b"me"], "connection-name": [b"me"],
    "score": [b"1.5"], "weight": [b"2"], "start": [b"0"], "stop": [b"-1"], "end": [b"-1"],
}
COUNTS = {"numkeys", "numfields", "numids", "num-vertices"}


class Maker:
    """Makes requests. The same `random` makes the same ones."""

    def __init__(self, random):
        self.random = random

    def request(self, form, leaf=None, edge=None):
        """A plausible request; if `leaf` is given, the first argument that stands for it is `edge`."""
        self.leaf, self.edge, self.is_put, self.repeats, self.chance = leaf, edge, False, False, 0.15
        return self._limited(form, form.words + self._all(form.arguments, form))

    def wild(self, form):
        """A request of arguments of which each may be anything, and options may be there twice."""
        self.leaf, self.edge, self.is_put, self.repeats = None, None, False, True
        self.chance = self.random.choice([0.1, 0.5])
        arguments = self._all(form.arguments, form)
        share = self.random.choice([0.1, 0.3, 1])
        arguments = [self.random.choice(EDGES) if self.random.random() < share / 2 else each for each in arguments]
        if self.random.random() < 0.1 and arguments:
            arguments = arguments[:self.random.randrange(len(arguments))]
        if self.random.random() < 0.05:
            arguments += self.random.choices(EDGES + list(KEYS) + ABSENT, k=self.random.randrange(1, 4))
        return self._limited(form, form.words + arguments)

    def _limited(self, form, request):
        """Not more arguments than a command with a fixed number of them takes, and no draws that would fill the memory."""
        if form.name in ("srandmember", "hrandfield", "zrandmember"):
            request = [b"-3" if each == b"%d" % (-2**31 - 1) else each for each in request]
        return request[:form.arity] if form.arity > 0 else request

    def _all(self, nodes, form):
        found = []
        counts = {}
        for index, each in enumerate(nodes):
            if each.optional and not each.holds(self.leaf) and self.random.random() > self.chance:
                continue
            if each.name in COUNTS and each.has_value and not (each is self.leaf and not self.is_put):
                counts[len(found) + (each.token is not None)] = next(
                    (later for later in nodes[index + 1:] if later.multiple), None)
            repeats = self.random.randrange(1, 4) if each.multiple else 1
            if self.repeats and each.optional and self.random.random() < 0.1:
                repeats = 2
            start = len(found)
            for number in range(repeats):
                if each.token is not None and (number == 0 or each.repeats_token or self.repeats):
                    found.append(each.token)
                found += self._one(each, form)
            for place, counted in list(counts.items()):
                if counted is each:
                    found[place] = b"%d" % (repeats if found[start:] else 0)
        return found

    def _one(self, each, form):
        if each.kind == "pure-token":
            return []
        if each.kind == "block":
            return self._all(each.parts, form)
        if each.kind == "oneof":
            fitting = [part for part in each.parts if part.holds(self.leaf)] or each.parts
            return self._all([dataclasses.replace(part, optional=False) if not part.holds(self.leaf) else part
                              for part in [self.random.choice(fitting)]], form)
        if each is self.leaf and not self.is_put:
            self.is_put = True
            return [self.edge]
        return [self._value(each, form)]

    def _value(self, each, form):
        if each.name in PLAUSIBLE:
            return self.random.choice(PLAUSIBLE[each.name])
        if each.kind == "key":
            fitting = KEYS_OF_GROUP.get(form.group, list(KEYS))
            return self.random.choice(fitting if self.random.random() < 0.8 else list(KEYS) + ABSENT)
        if each.kind in ("integer", "double", "unix-time"):
            return self.random.choice([b"1", b"2", b"10"])
        return self.random.choice([b"a", b"b", b"1", b"value"])


def edges_of(leaf):
    """The values to try for an argument: for a key also the keys of all types."""
    if leaf.kind == "key":
        return list(KEYS) + ABSENT + [b"", b"\0", b"\xff\xfe", b"a\r\nb", b"k" * 70_000]
    return EDGES
