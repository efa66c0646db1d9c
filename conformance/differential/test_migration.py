"""MIGRATE between the server under test, redis-server 7.0.15 and 8.2.3 and valkey-server 9.1.2, in both directions, and what it answers, sends
and tells of, as these do."""
import functools
import time

import pytest

from differential.test_dump import RECIPES
from differential.test_dump_peers import DEADLINES, FAR, contents
from support import server as servers
from support.target import Target

PEERS = {"redis-7.0": servers.reference, "redis-8.2": servers.newer_redis, "valkey-9.1": servers.valkey}
ALL = {"ours": servers.under_test, **PEERS}
PAIRS = [(name, "ours") for name in PEERS] + [("ours", name) for name in ALL] + [("redis-7.0", "redis-7.0"), ("redis-8.2", "redis-8.2")]
OK = b"+OK\r\n"
VALUES = {name: recipe for name, recipe in {**RECIPES, **DEADLINES}.items() if recipe}


@pytest.fixture(scope="module")
def running():
    """Servers by name: one for each role."""
    started = {}

    @functools.cache
    def start(name, role):
        started[name, role] = servers.Server(ALL[name](), servers.TEST_FLAGS)
        return started[name, role]
    yield start
    for one in started.values():
        one.stop()


@pytest.fixture
def pair(request, running):
    """Two servers, empty."""
    names = request.param
    source, target = running(names[0], "source"), running(names[1], "target")
    for one in (source, target):
        with one.connect() as client:
            assert client("FLUSHALL").value == client("CONFIG", "SET", "requirepass", "").value == b"OK"
    return source, target


between_all = pytest.mark.parametrize("pair", PAIRS, indirect=True, ids="-".join)


@pytest.fixture(params=ALL)
def source(request, running):
    """Each server in turn: what is compared with a fixed text is known to be so."""
    one = running(request.param, "source")
    with one.connect() as client:
        client("FLUSHALL")
    return one


def migrate(client, target, *rest, key="k", database=0, timeout=10_000):
    return client("MIGRATE", "127.0.0.1", getattr(target, "port", target), key, database, timeout, *rest)


def digests(client, keys):
    return client("DEBUG", "DIGEST-VALUE", *keys).plain()


# --- values --------------------------------------------------------------------------------------------------------------------------


def is_known(name, client):
    """Whether a server has what a recipe needs."""
    return name not in DEADLINES or client("COMMAND", "INFO", "HPEXPIREAT").plain()[0]


@between_all
@pytest.mark.parametrize("name", VALUES)
def test_values_arrive(name, pair):
    with pair[0].connect() as here, pair[1].connect() as there:
        if not is_known(name, here) or not is_known(name, there):
            pytest.skip("this server has no such values")
        for words in VALUES[name]:
            here(*words)
        before = picture(here, there)
        dumped = here("DUMP", "k").plain()
        readable = there("RESTORE", "probe", 0, dumped).value == b"OK"
        there("DEL", "probe")
        reply = migrate(here, pair[1])
        if not readable:
            # A newer form than the other one reads.
            assert reply.is_error and picture(here, there) == before and there("EXISTS", "k").value == 0
            return
        assert reply.raw == OK
        assert here("EXISTS", "k").value == 0
        assert picture(there, here) == before


def picture(client, other):
    """All there is to know of the value that both servers tell alike. Digests are of the texts of scores and of the deadlines of fields, too,
    of which not all servers make the same."""
    shown = list(contents(client, "k"))
    has_deadlines = [is_known(next(iter(DEADLINES)), one) for one in (client, other)]
    if shown[0] in (b"hash", b"stream") and not all(has_deadlines):
        # redis-server 7.0.15 knows neither the deadlines of fields nor one of the times of a consumer.
        shown.pop()
    return shown, digests(client, "k") if shown[0] not in (b"zset", b"hash") else None


@between_all
def test_there_and_back(pair):
    with pair[0].connect() as here, pair[1].connect() as there:
        keys = [f"key {index}" for index in range(300)]
        for index, key in enumerate(keys):
            words = (["SET", key, index], ["RPUSH", key, *range(index)], ["HSET", key, "f", index], ["ZADD", key, index, "m"], ["SADD", key, *range(index)])[index % 5]
            here(*words)
        there_first = [key for key in keys if here("EXISTS", key).value]
        before = digests(here, there_first)
        assert migrate(here, pair[1], "KEYS", *keys, key="", database=3).raw == OK
        assert here("DBSIZE").value == 0
        there("SELECT", 3)
        assert digests(there, there_first) == before
        assert migrate(there, pair[0], "KEYS", *keys, key="").raw == OK
        assert digests(here, there_first) == before and there("DBSIZE").value == 0


@between_all
def test_times_to_live(pair):
    with pair[0].connect() as here, pair[1].connect() as there:
        here("SET", "k", "v", "PX", 100_000), here("SET", "far", "v", "PXAT", FAR), here("SET", "ever", "v")
        assert migrate(here, pair[1], "KEYS", "k", "far", "ever", key="").raw == OK
        assert 90_000 < there("PTTL", "k").value <= 100_000
        assert abs(there("PTTL", "far").value / 1000 - (FAR / 1000 - time.time())) < 10 and there("PTTL", "ever").value == -1


@between_all
def test_options(pair):
    with pair[0].connect() as here, pair[1].connect() as there:
        here("SET", "k", "v"), there("SET", "k", "old")
        busy = b"-ERR Target instance replied with error: BUSYKEY Target key name already exists.\r\n"
        assert migrate(here, pair[1]).raw == migrate(here, pair[1], "COPY").raw == busy
        assert [here("GET", "k").value, there("GET", "k").value] == [b"v", b"old"]
        assert migrate(here, pair[1], "copy", "REPLACE").raw == OK
        assert [here("GET", "k").value, there("GET", "k").value] == [b"v", b"v"]
        assert migrate(here, pair[1], "replace").raw == OK and here("GET", "k").value is None
        assert migrate(here, pair[1]).raw == b"+NOKEY\r\n"
        here("SET", "k", "w"), here("SET", "gone", "w", "PX", 1), time.sleep(0.02)
        assert migrate(here, pair[1], key="gone").raw == migrate(here, pair[1], "KEYS", "a", "gone", key="").raw == b"+NOKEY\r\n"
        assert migrate(here, pair[1], "REPLACE", "KEYS", "a", "k", "gone", "b", key="").raw == OK
        assert there("GET", "k").value == b"w" and there("DBSIZE").value == 1
        # Named twice it is there already, but for REPLACE.
        here("SET", "k", 1)
        assert migrate(here, pair[1], "REPLACE", "KEYS", "k", "k", key="").raw == OK
        here("SET", "twice", 1)
        assert migrate(here, pair[1], "KEYS", "twice", "twice", key="").raw == busy and here("EXISTS", "twice").value == 0


@between_all
def test_only_what_was_acknowledged_goes(pair):
    with pair[0].connect() as here, pair[1].connect() as there:
        keys = [f"{index}" for index in range(40)]
        here("MSET", *[word for key in keys for word in (key, "v")])
        there("MSET", "7", "_", "9", "_")
        assert migrate(here, pair[1], "KEYS", *keys, key="").value.endswith(b"BUSYKEY Target key name already exists.")
        assert sorted(here("KEYS", "*").plain()) == [b"7", b"9"]
        assert there("DBSIZE").value == 40 and there("GET", "7").value == b"_"


@between_all
def test_databases_and_passwords(pair):
    with pair[0].connect() as here, pair[1].connect() as there:
        def moved(*rest, database):
            here("SET", "k", "v")
            return migrate(here, pair[1], "REPLACE", *rest, database=database).raw
        assert [moved(database=database) for database in (3, 3, 0, 3, 9)] == [OK] * 5
        prefix = b"-ERR Target instance replied with error: "
        assert moved(database=99) == prefix + b"ERR DB index is out of range\r\n" and here("EXISTS", "k").value == 1
        there("CONFIG", "SET", "requirepass", "secret")
        assert moved("AUTH", "secret", database=2) == moved("AUTH2", "default", "secret", database=2) == OK
        assert moved("AUTH", "wrong", database=2).startswith(prefix + b"WRONGPASS ") and here("EXISTS", "k").value == 1
        assert moved("AUTH2", "nobody", "secret", database=2).startswith(prefix + b"WRONGPASS ")
        # Whoever was let in once stays so, on the same connection.
        assert moved(database=2) == OK
        there("AUTH", "secret")
        present = []
        for database in (0, 2, 3, 9):
            there("SELECT", database)
            present.append(there("EXISTS", "k").value)
        assert present == [1, 1, 1, 1]
        there("CONFIG", "SET", "requirepass", "")


@between_all
def test_a_connection_is_kept_and_made_anew(pair):
    def sockets():
        return [line for line in here("INFO", "stats").plain().splitlines() if line.startswith(b"migrate_cached_sockets:")]
    with pair[0].connect() as here, pair[1].connect() as there:
        for _ in range(3):
            here("SET", "k", "v")
            assert migrate(here, pair[1], "REPLACE", database=1).raw == OK
        assert sockets()[0] != b"migrate_cached_sockets:0"
        assert there("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes").value >= 1
        here("SET", "k", "v")
        assert migrate(here, pair[1], "REPLACE", database=1).raw == OK
        there("SELECT", 1)
        assert there("EXISTS", "k").value == 1


@between_all
def test_within_transactions_and_scripts(pair):
    words = ["MIGRATE", "127.0.0.1", pair[1].port, "k", 0, 10_000]
    with pair[0].connect() as here, pair[1].connect() as there:
        here("MULTI"), here("SET", "k", "v"), here(*words), here("EXISTS", "k"), here(*words), here("SET", "k", "w"), here(*words, "COPY")
        assert here("EXEC").raw == b"*6\r\n+OK\r\n+OK\r\n:0\r\n+NOKEY\r\n+OK\r\n" + b"-ERR Target instance replied with error: BUSYKEY Target key name already exists.\r\n"
        script = "redis.call('set', KEYS[1], 'x'); return redis.call('migrate', '127.0.0.1', ARGV[1], KEYS[1], 0, 10000, 'replace')"
        assert here("EVAL", script, 1, "k", pair[1].port).raw == OK
        assert here("EXISTS", "k").value == 0 and there("GET", "k").value == b"x"
        here("SET", "k", "v")
        assert here("EVAL", "return {pcall(redis.call, 'migrate', '127.0.0.1', '1', 'k', 0, 100)}", 0).plain() is not None
        assert here("EVAL", "return redis.pcall('migrate', '127.0.0.1', '1', 'k', 0, 100)", 0).raw == b"-IOERR error or timeout writing to target instance\r\n"
        assert here("EVAL", "return redis.pcall('migrate', '127.0.0.1', '1', '', 0, 100, 'keys', 'a')", 0).raw == b"+NOKEY\r\n"


# --- replies -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words, expected", [
    (["k", "0", "1", "KEYS", "a"], b"ERR When using MIGRATE KEYS option, the key argument must be set to the empty string"),
    (["k", "x", "1"], b"ERR value is not an integer or out of range"), (["k", "0", "1.5"], b"ERR value is not an integer or out of range"),
    (["k", "x", "1", "nonsense"], b"ERR syntax error"), (["k", "0", "1", "AUTH"], b"ERR syntax error"), (["k", "0", "1", "AUTH2", "a"], b"ERR syntax error"),
    (["none", "0", "1", "COPY", "COPY", "AUTH", "x", "REPLACE"], b"NOKEY"), (["", "0", "1", "KEYS"], b"NOKEY"), (["", "0", "1", "keys", "a", "COPY"], b"NOKEY")])
def test_arguments(words, expected, source):
    with source.connect() as client:
        assert client("MIGRATE", "127.0.0.1", 1, *words).value == expected


@pytest.mark.parametrize("host, port, expected", [
    ("127.0.0.1", "1", "writing to target instance"), ("127.0.0.1", "0", "writing to target instance"), ("127.0.0.1", "abc", "writing to target instance"),
    ("127.0.0.1\0.invalid", "1", "writing to target instance"), ("127.0.0.1", "-1", "connecting to the client"), ("", "1", "connecting to the client"), ("a" * 5000, "1", "connecting to the client"), ("name.invalid", "1", "connecting to the client")])
def test_nobody_is_there(host, port, expected, source):
    with source.connect() as client:
        client("SET", "k", "v")
        assert client("MIGRATE", host, port, "k", 0, 2000).value == b"IOERR error or timeout " + expected.encode()
        assert client("GET", "k").value == b"v"


# The answers to SELECT and to the RESTORE of three keys; what is answered then; which keys stay; how often it connects.
ANSWERS = {
    "all": ([OK] * 4, b"OK", [], 1),
    "without carriage returns": ([b"+OK\n"] * 4, b"OK", [], 1),
    "an error": ([OK, OK, b"-BAD it is\r\n", OK], b"ERR Target instance replied with error: BAD it is", [b"b"], 1),
    "the first error is told": ([OK, b"-A 1\r\n", b"-B 2\r\n", b"-C 3\r\n"], b"ERR Target instance replied with error: A 1", [b"a", b"b", b"c"], 1),
    "a long error": ([OK, OK, OK, b"-" + b"x" * 3000 + b"\r\n"], b"ERR Target instance replied with error: " + b"x" * 1022, [b"c"], 1),
    "the first has no answer": ([OK, None], b"IOERR error or timeout reading to target instance", [b"a", b"b", b"c"], 2),
    "nothing has an answer": ([None], b"IOERR error or timeout reading to target instance", [b"a", b"b", b"c"], 2),
    "the second has no answer": ([OK, OK, None], b"IOERR error or timeout reading to target instance", [b"b", b"c"], 1),
    "an error before the end": ([OK, OK, b"-BAD it is\r\n", None], b"ERR Target instance replied with error: BAD it is", [b"b", b"c"], 1),
    "silence": ([OK, OK, b""], b"IOERR error or timeout reading to target instance", [b"b", b"c"], 1),
    "silence at once": ([b""], b"IOERR error or timeout reading to target instance", [b"a", b"b", b"c"], 1),
    "half a line": ([OK, OK, b"+OK"], b"IOERR error or timeout reading to target instance", [b"b", b"c"], 1),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_of_the_target(name, source):
    answers, expected, left, connections = ANSWERS[name]
    given = {}

    def answer(number, request):
        step = given[number] = given.get(number, -1) + 1
        # Whoever has sent all at once hears nothing more of the rest.
        return answers[step] if step < len(answers) else b""
    with source.connect() as client, Target(answer) as target:
        client("MSET", "a", 1, "b", 2, "c", 3)
        assert migrate(client, target, "KEYS", "a", "b", "c", key="", database=4, timeout=400).value == expected
        assert sorted(client("KEYS", "*").plain()) == left
        assert len(target.connections) == connections


def test_timeouts_that_are_none_are_a_second(source):
    with source.connect() as client, Target(reads=False) as target:
        client("SET", "k", "v")
        for timeout in (0, -7):
            start = time.monotonic()
            assert migrate(client, target, timeout=timeout).value == b"IOERR error or timeout reading to target instance"
            assert time.monotonic() - start >= 0.99


# --- what is sent --------------------------------------------------------------------------------------------------------------------


def test_requests(source):
    with source.connect() as client, Target() as target:
        client("SET", "k", "v"), client("SET", "t", "v", "PX", 60_000)
        payload = client("DUMP", "k").plain()
        assert migrate(client, target, "COPY", "AUTH", "p", "REPLACE", database=5).raw == OK
        assert target.requests == [[b"AUTH", b"p"], [b"SELECT", b"5"], [b"RESTORE", b"k", b"0", payload, b"REPLACE"]]
        del target.requests[:]
        # The database is selected on that connection.
        assert migrate(client, target, "COPY", "AUTH2", "u", "p", database=5).raw == OK
        assert target.requests == [[b"AUTH", b"u", b"p"], [b"RESTORE", b"k", b"0", payload]]
        del target.requests[:]
        assert migrate(client, target, "KEYS", "t", "none", "k", key="", database=6).raw == OK
        ttl = int(target.requests[1][2])
        assert 0 < ttl <= 60_000
        assert target.requests == [[b"SELECT", b"6"], [b"RESTORE", b"t", b"%d" % ttl, payload], [b"RESTORE", b"k", b"0", payload]]
        assert len(target.connections) == 1 and client("DBSIZE").value == 0


def test_the_database_is_selected_again_after_an_error(source):
    replies = iter([OK, b"-ERR no\r\n", OK, OK])
    with source.connect() as client, Target(lambda *_: next(replies)) as target:
        client("SET", "k", "v")
        assert migrate(client, target, database=5).is_error and migrate(client, target, database=5).raw == OK
        assert target.names == [b"SELECT", b"RESTORE"] * 2 and len(target.connections) == 1


# --- what is told --------------------------------------------------------------------------------------------------------------------


def test_events_watches_and_tracking(source):
    with source.connect() as client, source.connect() as other, source.connect() as watcher, source.connect(3) as tracker, Target() as target:
        client("MSET", "a", 1, "b", 2, "c", 3)
        client("CONFIG", "SET", "notify-keyspace-events", "AKE")
        other("PSUBSCRIBE", "__keyevent@0__:*")
        watcher("WATCH", "b")
        tracker("CLIENT", "TRACKING", "ON"), tracker("GET", "a")
        assert migrate(client, target, "KEYS", "a", "none", "b", key="").raw == OK
        assert [other.read().plain()[2:] for _ in range(2)] == [[b"__keyevent@0__:del", b"a"], [b"__keyevent@0__:del", b"b"]]
        watcher("MULTI"), watcher("PING")
        assert watcher("EXEC").value is None
        assert tracker.read().plain() == [b"invalidate", [b"a"]]
        watcher("WATCH", "c")
        assert migrate(client, target, "COPY", key="c").raw == OK
        watcher("MULTI"), watcher("PING")
        assert watcher("EXEC").plain() == [b"PONG"]
        client("CONFIG", "SET", "notify-keyspace-events", "")


@pytest.mark.parametrize("binary", ALL.values(), ids=ALL)
def test_effects(binary, tmp_path):
    server = servers.Server(binary(), [*servers.TEST_FLAGS, "--appendonly", "yes", "--appendfsync", "always"], directory=tmp_path)
    answers = {b"b": b"-ERR no\r\n"}
    try:
        with server.connect() as client, Target(lambda _, request: answers.get(request[1], OK)) as target:
            client("MSET", "a", 1, "b", 2, "c", 3, "d", 4)
            assert migrate(client, target, "KEYS", "a", "b", "none", "c", key="").is_error
            assert migrate(client, target, "COPY", key="d").raw == OK
            client("MULTI"), migrate(client, target, key="d"), client("SET", "e", 1), client("EXEC")
            log = b"".join(path.read_bytes() for path in sorted((tmp_path / "appendonlydir").glob("*.incr.aof")))
            written = log.split(b"MSET")[1].split(b"4\r\n", 1)[1].replace(b"\r\n", b" ").upper()
            # The transaction is one group.
            assert written.startswith(b"*3 $3 DEL $1 A $1 C ") and b"MIGRATE" not in log.upper() and b"RESTORE" not in log.upper()
            assert b"MULTI" in written and written.index(b"MULTI") < written.index(b"*2 $3 DEL $1 D ") < written.index(b"$1 E ")
    finally:
        server.kill()


@pytest.mark.parametrize("words", [
    ["COPY", "AUTH2", "user", "hidden", "AUTH", "hidden", "KEYS"], ["COPY", "auth", "hidden"], ["AUTH", "hidden", "nonsense"],
    ["nonsense", "AUTH", "shown"]], ids=" ".join)
def test_secrets_are_not_shown(words, source):
    with source.connect() as client, source.connect() as monitor:
        before = client("CONFIG", "GET", "slowlog-log-slower-than").plain()[1]
        client("CONFIG", "SET", "slowlog-log-slower-than", 0), client("SLOWLOG", "RESET")
        monitor("MONITOR")
        assert b"hidden" not in client("MIGRATE", "127.0.0.1", 1, "k" if "KEYS" not in words else "", 0, 100, *words, *(["k"] if "KEYS" in words else [])).raw
        logged = client("SLOWLOG", "GET").plain()[0][3]
        client("CONFIG", "SET", "slowlog-log-slower-than", before)
        shown = monitor.read().value
        hides = b"(redacted)" in logged
        assert logged[0] == b"MIGRATE" and b"hidden" not in shown and b"hidden" not in logged
        assert hides == ("hidden" in words) == (b"(redacted)" in shown)
