"""No request ends the server, whatever its arguments: each argument of each command at the edges of what it can be.

The requests are made from COMMAND DOCS, see support/edges.py. Each goes to the server under test and to two redis-servers with the same
data, and the kind of answer must be that of one of them: the type of reply, or the code of the error. INTENDED lists where it may differ.
The server must answer a PING of somebody else after each. Some thousands of requests are drawn of all there are; CONFORMANCE_EDGES=all
sends every one, which takes minutes, and CONFORMANCE_SEED=N draws those of an earlier run.
"""
import os
import random
import re
import time

import pytest

from support import edges, server as servers
from support.resp import Closed, encode, shown

ALL = os.environ.get("CONFORMANCE_EDGES") == "all"
SEED = int(os.environ.get("CONFORMANCE_SEED") or random.randrange(2**32))
SINGLE_EDGES = 1200
ALWAYS = (b"\0", b"%d" % edges.MOST)
WILD_ROUNDS = 30 if ALL else 2
WAITING_SECONDS = 20

# Commands that end or pause the server, give it another role, or take replies away by intention. Some have tests of their own below.
UNTESTED = re.compile(
    r"shutdown|debug(\|.*)?|monitor|sync|psync|replconf|replicaof|slaveof|failover|cluster\|.*|migrate|client\|(reply|pause|kill)"
    r"|save|bgsave|bgrewriteaof|acl\|(setuser|deluser|load|save)|module\|.*")

VALKEY_FILTERS = {b"ADDR", b"CAPA", b"DB", b"FLAGS", b"IDLE", b"IP", b"LADDR", b"LIB-NAME", b"LIB-VER", b"MAXAGE", b"NAME", b"SKIPME", b"USER"}

# (commands, words of the request that must be there or None) -> why the kind of answer may be another.
INTENDED = [
    (re.compile("set"), lambda request: {b"IFEQ", b"IFNE", b"IFDEQ", b"IFDNE"} & set(request), "conditions of Redis 8.4"),
    (re.compile("hsetex"), lambda request: {b"NX", b"XX"} & set(request), "conditions on the key, of Valkey 9"),
    (re.compile("geosearch(store)?"), lambda request: b"BYPOLYGON" in request, "a shape of Valkey 9"),
    (re.compile("z(union|inter)(store)?"), lambda request: b"COUNT" in request, "a way to aggregate of Redis 8.8"),
    (re.compile(r"client\|list"), lambda request: any(word.startswith(b"NOT-") or word in VALKEY_FILTERS for word in request), "filters of Valkey 8.1 and 9"),
    (re.compile(r"script\|debug"), None, "the debugger for scripts, which there is not"),
    (re.compile("zscan"), lambda request: b"NOSCORES" in request, "an option of Valkey 8.1"),
    (re.compile("hscan"), lambda request: b"NOVALUES" in request, "an option of 7.4, and cursors with a sign as 7.0 takes them"),
]

# The kinds of answer when the time to wait is over, where it is not null.
TIMED_OUT = {"wait": (":",), "waitaof": ("*",)}

DATA_GROUPS = {"string", "bitmap", "hyperloglog", "list", "set", "sorted-set", "geo", "hash", "stream", "generic"}
RESET = [(b"FLUSHALL",), *edges.MAKE_KEYS]
RESET_BYTES = b"".join(encode(*command) for command in RESET)


class Target:
    """A server to ask, which is given the same data before each request."""

    def __init__(self, running):
        self.running = running
        self.control = running.connect(timeout=20)
        self.connection = running.connect(timeout=20)
        with running.connect(3, timeout=20) as client:
            self.names = edges.names(client)

    def reset(self):
        self.control.send_raw(RESET_BYTES)
        for command in RESET:
            reply = self.control.read()
            assert not reply.is_error, (command, reply)

    def send(self, form, request):
        """Sends a request; `answer` reads what comes. What may wait or change its connection gets one of its own."""
        self.own = None
        if form.group not in DATA_GROUPS or "blocking" in form.flags:
            self.own = self.running.connect(timeout=20)
        if "blocking" in form.flags:
            self.id = self.own("CLIENT", "ID").value
        (self.own or self.connection).send(*request)

    def answer(self, form):
        connection = self.own or self.connection
        try:
            if "blocking" in form.flags:
                self.unblock(connection)
            return kind(connection.read())
        except TimeoutError:
            pytest.fail(f"no answer\n{self.running.output()}")
        except (Closed, ConnectionResetError):
            return "closed"
        finally:
            if self.own:
                self.own.close()

    def unblock(self, connection):
        """Ends the wait of a request that waits, however long it takes the server to come to it."""
        deadline = time.monotonic() + WAITING_SECONDS
        while connection.silent(0.002):
            assert time.monotonic() < deadline, f"no answer\n{self.running.output()}"
            self.control("CLIENT", "UNBLOCK", self.id, "ERROR")


def kind(reply):
    if reply.is_error and reply.value.startswith(b"UNBLOCKED "):
        return "waits"
    if reply.is_error:
        return reply.value.split(b" ", 1)[0].decode("latin-1")
    return reply.kind + (" null" if reply.is_null else "")


@pytest.fixture(scope="module")
def forms(targets):
    """The commands of the server under test that may be asked."""
    with targets[0].running.connect(3) as client:
        return [form for form in edges.forms(client) if not UNTESTED.fullmatch(form.name)]


@pytest.fixture(scope="module")
def targets():
    started = []
    try:
        for binary in (servers.under_test(), servers.reference(), servers.newer_redis()):
            started.append(servers.Server(binary, servers.TEST_FLAGS))
        yield [Target(each) for each in started]
    finally:
        for peer in started[1:]:
            peer.discard()
        if started:
            started[0].stop()


def differs(form, request, answers):
    """Why the first answer is none of the others, or None."""
    ours, *others = answers
    if ours in others or not any(others):
        return None
    if "blocking" in form.flags:
        waits = {"waits", *TIMED_OUT.get(form.name, ("* null", "$ null"))}
        if ours in waits and waits & set(others):
            return None     # a short time to wait is over or not
    if any(commands.fullmatch(form.name) and (words is None or words(request)) for commands, words, _ in INTENDED):
        return None
    return f"{shown(b' '.join(request), 300)}: {ours}, not {' or '.join(filter(None, others))}"


def ask(targets, form, request):
    """Sends a request to all; a description of what is wrong with the answer, or None."""
    asked = [target for target in targets if target is targets[0] or form.name in target.names]
    for target in asked:
        target.send(form, request)
    answers = [target.answer(form) if target in asked else None for target in targets]
    ours = targets[0]
    try:
        assert ours.control("PING").raw == b"+PONG\r\n"
    except (Closed, OSError):
        pytest.fail(f"seed {SEED}: after {shown(b' '.join(request), 2000)}\n{ours.running.output()}")
    if "readonly" not in form.flags:
        for target in targets:
            target.reset()
    return differs(form, request, answers)


def report(problems):
    assert not problems, f"seed {SEED}, {len(problems)} differences:\n" + "\n".join(problems[:400])


def test_each_argument_at_its_edges(targets, forms):
    draw = random.Random(SEED)
    maker = edges.Maker(draw)
    todo = [(form, leaf, edge) for form in forms
            for leaf in form.leaves() for edge in edges.edges_of(leaf)]
    if not ALL:
        always = [each for each in todo if each[2] in ALWAYS]
        todo = always + draw.sample(todo, SINGLE_EDGES)
    for target in targets:
        target.reset()
    report([problem for form, leaf, edge in todo if (problem := ask(targets, form, maker.request(form, leaf, edge)))])


def test_arguments_of_any_kind(targets, forms):
    maker = edges.Maker(random.Random(SEED + 1))
    for target in targets:
        target.reset()
    report([problem for _ in range(WILD_ROUNDS) for form in forms if (problem := ask(targets, form, maker.wild(form)))])


# The words around the argument that is at its edges.
WITH_CARE = [
    *([b"CLIENT", b"KILL", b"ID", b"999999", option, None] for option in (b"ID", b"ADDR", b"LADDR", b"USER", b"TYPE", b"MAXAGE", b"SKIPME")),
    [b"CLIENT", b"KILL", None], [b"CLIENT", b"REPLY", None],
    [b"DEBUG", b"OBJECT", None], [b"DEBUG", b"SET-ACTIVE-EXPIRE", None], [b"DEBUG", b"STRINGMATCH-LEN", None, b"*a"],
    [b"DEBUG", b"STRINGMATCH-LEN", b"100", None], [b"DEBUG", b"DIGEST-VALUE", b"str", None], [b"DEBUG", b"PROTOCOL", None],
    [b"DEBUG", b"ERROR", None], [b"DEBUG", b"QUICKLIST-PACKED-THRESHOLD", None], [b"DEBUG", b"RELOAD", None],
    [b"DEBUG", b"POPULATE", b"1", None], [b"DEBUG", b"POPULATE", b"1", b"k", None], [b"DEBUG", None],
]


@pytest.mark.ours
@pytest.mark.parametrize("words", WITH_CARE, ids=lambda words: "-".join(word.decode().lower() if word else "*" for word in words))
def test_what_is_bounded(words, server):
    place = words.index(None)
    with server.connect() as other:
        other.pipeline(edges.MAKE_KEYS)
        for edge in edges.EDGES:
            with server.connect() as client:
                client(*words[:place], edge, *words[place + 1:])
            assert other("PING").raw == b"+PONG\r\n", shown(edge)
        other("DEBUG", "SET-ACTIVE-EXPIRE", "1")
        other("DEBUG", "QUICKLIST-PACKED-THRESHOLD", "0")


@pytest.mark.ours
def test_pauses(server):
    with server.connect() as client:
        for edge in edges.EDGES:
            client("CLIENT", "PAUSE", edge, "WRITE")
            assert client("CLIENT", "UNPAUSE").raw == b"+OK\r\n"
            assert client("SET", "k", "v").raw == b"+OK\r\n", shown(edge)


# --- settings ----------------------------------------------------------------------------------------------------------------

# What would take the server away from the test.
FIXED_SETTINGS = {"port", "tls-port", "maxclients", "maxmemory-clients", "timeout"}
WORK = [
    *edges.MAKE_KEYS, ("SETRANGE", "str", str(2**63 - 8), "x"), ("SETRANGE", "new", str(2**62), "x"), ("SETBIT", "str", str(2**63 - 1), 1),
    ("SETBIT", "new", str(2**62), 1), ("BITFIELD", "str", "SET", "u8", str(2**63 - 1), 1), ("BITFIELD", "str", "INCRBY", "i64", f"#{2**57}", 1),
    ("BITFIELD", "str", "GET", "u8", str(2**63 - 1)), ("APPEND", "str", "x" * 5000), ("LCS", "num", "str", "LEN"),
    ("DEBUG", "POPULATE", 1, "k", str(2**62)), ("HSET", "hash", "f" * 100, "v" * 5000), ("LPUSH", "list", "x" * 9000), ("LINSERT", "list", "BEFORE", "a", "y"),
    ("LSET", "list", 0, "z" * 70_000), ("LTRIM", "longlist", 1, 40), ("SADD", "ints", 5, "text"), ("ZADD", "zset", 1, "m" * 100),
    ("XADD", "stream", "*", "f", "v"), ("XADD", "stream", "MAXLEN", "~", 1, "*", "f", "v"), ("PFADD", "hll", *range(500)), ("PFCOUNT", "hll"),
    ("OBJECT", "FREQ", "str"), ("OBJECT", "IDLETIME", "str"), ("GET", "str"), ("COPY", "longhash", "copy"), ("DEBUG", "RELOAD"), ("INFO",),
    ("MEMORY", "DOCTOR"), ("DUMP", "longlist"), ("SPOP", "longset", 190), ("CONFIG", "GET", "*"),
]


@pytest.mark.ours
def test_settings_at_their_edges(start):
    server = start()
    with server.connect() as client:
        settings = client("CONFIG", "GET", "*").as_pairs()
        numbers = [name.decode() for name, value in settings.items() if re.fullmatch(rb"-?\d+", value)]
        taken = 0
        for name in set(numbers) - FIXED_SETTINGS:
            for edge in edges.NUMBERS:
                if client("CONFIG", "SET", name, edge).is_error:
                    continue
                taken += 1
                try:
                    client("FLUSHALL")
                    client.pipeline(WORK)
                    assert client("CONFIG", "SET", name, settings[name.encode()]).raw == b"+OK\r\n"
                except (Closed, OSError) as problem:
                    pytest.fail(f"CONFIG SET {name} {shown(edge)}: {problem}\n{server.output()}")
        assert taken > 100


# --- replies that are much longer than what they are made of -----------------------------------------------------------------

COPIES = 1500


@pytest.mark.ours
@pytest.mark.parametrize("request_", [
    ["MGET", *["k"] * COPIES], ["HMGET", "h", *["f"] * COPIES], ["HGETEX", "h", "FIELDS", COPIES, *["f"] * COPIES],
    ["XREAD", "STREAMS", *["s"] * COPIES, *["0"] * COPIES], ["SORT", "l", "BY", "none", *["GET", "#"] * COPIES], [],
], ids=["mget", "hmget", "hgetex", "xread", "sort", "exec"])
def test_a_reply_ends_where_its_client_does(request_, start):
    """The output limit of a client bounds what a reply takes while it is made, not only what waits to be sent."""
    server = start("--client-output-buffer-limit", "normal 64mb 0 0")
    value = "x" * 2**20
    with server.connect() as client:
        client.pipeline([("SET", "k", value), ("HSET", "h", "f", value), ("RPUSH", "l", value), ("XADD", "s", "*", "f", value)])
        with server.connect() as greedy:
            if request_:
                greedy.send(*request_)
            else:
                greedy.send_raw(b"".join(encode(*each) for each in [("MULTI",), *[("GET", "k")] * COPIES, ("EXEC",)]))
            with pytest.raises((Closed, ConnectionResetError)):
                while True:
                    greedy.read()
        assert client("PING").raw == b"+PONG\r\n"
    peak = re.search(r"VmHWM:\s+(\d+) kB", open(f"/proc/{server.pid}/status").read())
    assert int(peak[1]) < 600 * 1024
