"""What one client sends is never taken for a part of what another sends: however a connection ends, and in the middle of whatever, the
bytes behind that point are dropped, and everybody else is answered what they asked for.

The scenes are played against redis-server, too, and must leave the same keys and the same bytes. Long form: OWNERSHIP_ROUNDS=5000."""
import os
import random
import time

import pytest

from support.crowd import Innocents, Owner, abort, client_gone, contents, exchange, inline, send_pieces, split, wait_until_alone
from support.resp import Closed, Connection, encode, eventually

ROUNDS = int(os.environ.get("OWNERSHIP_ROUNDS", "150"))
SEED = int(os.environ.get("CONFORMANCE_SEED", "1"))
LARGE = b"L" * 40_000

# What stands behind the end of a connection in the same packet: parts of requests, and whole ones.
TAILS = {
    "nothing": b"",
    "count": b"*",
    "count and line end": b"*1\r\n",
    "length": b"*1\r\n$8\r\n",
    "one argument of three": b"*3\r\n$3\r\nSET\r\n",
    "half an argument": b"*3\r\n$3\r\nSET\r\n$4\r\nfo",
    "all but the last byte": encode("SET", "forbidden", "v")[:-1],
    "large argument": b"*3\r\n$3\r\nSET\r\n$9\r\nforbidden\r\n$40000\r\n" + b"x" * 100,
    "many arguments": b"*1000\r\n$3\r\nDEL\r\n" + b"$1\r\nk\r\n" * 500,
    "a whole request": encode("SET", "forbidden", "v"),
    "a whole line": b"SET forbidden v\r\n",
    "whole requests and a part": encode("SET", "forbidden", "v") * 40 + b"*2\r\n$3\r\nGET\r\n$20\r\nab",
    "a line without end": b"SET forbidden v",
    "a quote without end": b'SET forbidden "v',
    "a protocol error": b"*1\r\n$x\r\n",
}

# How a connection ends by what it sends itself; {id} and {addr} are its own.
ENDINGS = {
    "QUIT": lambda **_: encode("QUIT"),
    "QUIT as a line": lambda **_: b"QUIT\r\n",
    "QUIT in a transaction": lambda **_: encode("MULTI") + encode("SET", "forbidden", "v") + encode("QUIT"),
    "a browser": lambda **_: b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 30\r\n\r\n",
    "a browser's other line": lambda **_: b"Host: localhost\r\n",
    "bad count": lambda **_: b"*x\r\n",
    "bad length": lambda **_: b"*2\r\n$4\r\nECHO\r\n$-1\r\n",
    "no argument": lambda **_: b"*2\r\n$4\r\nECHO\r\n:1\r\n",
    "bad quotes": lambda **_: b"SET forbidden 'v\r\n",
    "error in a transaction": lambda **_: encode("MULTI") + encode("SET", "forbidden", "v") + b"*1\r\n$x\r\n",
    "KILL by id": lambda id, **_: encode("CLIENT", "KILL", "ID", id, "SKIPME", "no"),
    "KILL by address": lambda addr, **_: encode("CLIENT", "KILL", addr),
    "KILL by filter": lambda addr, **_: encode("CLIENT", "KILL", "ADDR", addr, "SKIPME", "no"),
    "KILL as a line": lambda id, **_: inline("CLIENT", "KILL", "ID", id, "SKIPME", "no"),
    "KILL in a transaction": lambda id, **_: encode("MULTI") + encode("SET", "allowed", "v") + encode("CLIENT", "KILL", "ID", id, "SKIPME", "no") + encode("EXEC"),
    "KILL with replies off": lambda id, **_: encode("CLIENT", "REPLY", "OFF") + encode("CLIENT", "KILL", "ID", id, "SKIPME", "no"),
    "QUIT with replies off": lambda **_: encode("CLIENT", "REPLY", "OFF") + encode("QUIT"),
    "QUIT whose reply is skipped": lambda **_: encode("CLIENT", "REPLY", "SKIP") + encode("QUIT"),
    "error with replies off": lambda **_: encode("CLIENT", "REPLY", "OFF") + b"*x\r\n",
    "error after refusals": lambda **_: encode("SHUTDOWN", "NOW", "SAVE", "ABORT") + encode("AUTH", "a", "b") + encode("RESET") + encode("MULTI")
                                        + encode("SHUTDOWN", "NOSAVE") + encode("EXEC") + b"*x\r\n",
    "behind a large argument": lambda **_: encode("SET", "large", LARGE) + encode("QUIT"),
    "behind forty requests": lambda **_: encode("INCR", "count") * 40 + encode("QUIT"),
    "behind thirty-one requests": lambda **_: encode("INCR", "count") * 31 + b"*x\r\n",
    "behind a wait": lambda **_: encode("RPUSH", "queue", "v") + encode("BLPOP", "queue", "0") + encode("QUIT"),
}


def scene(server, ending, tail, cut):
    """Ends a connection, with a tail behind, while others are connected; what it was answered, and what is left."""
    with server.connect() as control, server.connect() as neighbour:
        control("FLUSHALL")
        other = Owner("neighbour", SEED, large=False)
        begun = encode("ECHO", "split over the end of another")
        neighbour.send_raw(begun[:20])
        assert control("PING").value == b"PONG"
        with server.connect() as connection:
            local = connection.socket.getsockname()
            data = ENDINGS[ending](id=connection("CLIENT", "ID").value, addr=f"{local[0]}:{local[1]}")
            whole = encode("SET", "allowed", "before") + data + TAILS[tail]
            send_pieces(connection, split(whole, [cut] if cut else []))
            if "repl" in ending:
                connection.half_close()     # Redis closes with the reply it sends; where it sends none it waits for the client
            answered = connection.read_until_close()
        # Those who were there, and one who comes now, perhaps with the same descriptor.
        exchange(neighbour, [begun[20:]], b"$29\r\nsplit over the end of another\r\n")
        other.play(neighbour, rounds=2)
        with server.connect() as late:
            exchange(late, [b"PING\r\n"], b"+PONG\r\n")
            exchange(late, [encode("PING")], b"+PONG\r\n")
            Owner("late", SEED, large=False).play(late, rounds=2)
        return answered, contents(control)


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_stands_behind_the_end_is_dropped(ending, shared_server, shared_reference):
    servers = [shared_reference.empty(), shared_server.empty()]
    for tail in TAILS:
        for cut in (0, 40, 75):
            place = f"{tail}, cut at {cut}"
            expected, actual = [scene(server, ending, tail, cut) for server in servers]
            assert b"forbidden" not in actual[1], place
            assert actual[1] == expected[1], place
            if ending.startswith("a browser"):      # closed at once: what was answered before may not be sent any more
                assert actual[0] in (b"", b"+OK\r\n"), place
            else:
                assert actual[0] == expected[0], place


def pipelines(prefix):
    """Sequences of requests, each with the keys of one client, for connections that end after any of their bytes."""
    def key(name):
        return f"{prefix}:{name}"
    value = f"{prefix}-value-"
    return {
        "multibulk": b"".join(encode("SET", key(n), value + str(n)) + encode("APPEND", key(n), "+") for n in range(4)),
        "lines": b"".join(b"SET %s %s\r\nAPPEND %s +\r\n" % (key(n).encode(), value.encode(), key(n).encode()) for n in range(4)),
        "quoted": b"".join(b'SET "%s" "%s\\x41 b"\r\nAPPEND \'%s\' \'it\\\'s\'\r\n' % (key(n).encode(), value.encode(), key(n).encode()) for n in range(3)),
        "large": encode("SET", key("before"), value) + encode("SET", key("large"), value * 4000) + encode("APPEND", key("large"), "+" * 34_000)
                 + encode("SET", key("after"), value),
        "transaction": encode("SET", key("before"), value) + encode("MULTI") + encode("SET", key("a"), value) + encode("RPUSH", key("l"), value, value)
                       + b"SET " + key("q").encode() + b' "x y"\r\n' + encode("EXEC") + encode("SET", key("after"), value),
        "waiting": encode("SET", key("before"), value) + encode("BLPOP", key("none"), "0") + encode("SET", key("after"), value) * 3,
        "served": encode("RPUSH", key("l"), "a", "b") + encode("BLMOVE", key("l"), key("m"), "LEFT", "LEFT", "0") + encode("SET", key("after"), value),
        "silent": encode("CLIENT", "REPLY", "OFF") + encode("SET", key("a"), value) + encode("GET", key("a")) * 5 + encode("CLIENT", "REPLY", "ON")
                  + encode("CLIENT", "REPLY", "SKIP") + encode("SET", key("b"), value) + encode("SET", key("after"), value),
    }


KINDS = list(pipelines(""))


def cuts_of(data, rng):
    """Every place in a short pipeline; in a long one those near its ends and near what is received in pieces, and some others."""
    if len(data) < 1000:
        return list(range(1, len(data) + 1))
    near = [*range(1, 130), *range(len(data) - 100, len(data) + 1)]
    near += [at for border in (1024, 4096, 16384, 32768, 65536) for at in range(border - 2, border + 3) if at < len(data)]
    return sorted({*near, *(rng.randrange(1, len(data)) for _ in range(40))})


@pytest.mark.parametrize("goodbye", ["end", "reset"])
@pytest.mark.parametrize("kind", KINDS)
def test_clients_that_go_away_after_any_byte(kind, goodbye, start, reference):
    """With an orderly end all requests that were whole are executed, with a reset perhaps fewer; never is anything else."""
    held = []
    for server in (reference, start()):
        rng = random.Random(SEED)
        with server.connect() as control, Innocents(server, 2, SEED, large=False) as innocents:
            cuts = cuts_of(pipelines("cut0000")[kind], rng)
            for first in range(0, len(cuts), 40):
                crowd = []
                for cut in cuts[first:first + 40]:
                    connection = server.connect()
                    data = pipelines(f"cut{cut:04}")[kind][:cut]
                    middle = rng.randrange(len(data))
                    connection.send_raw(data[:middle])
                    crowd.append((connection, data[middle:]))
                for connection, rest in crowd:
                    send_pieces(connection, [rest])
                for connection, _ in crowd:
                    if goodbye == "reset":
                        abort(connection)
                    else:       # to close with replies unread would be a reset, too
                        connection.half_close()
                        connection.read_until_close()
                        connection.close()
        with server.connect() as control:
            wait_until_alone(control)
            left = contents(control)
            for name, value in innocents.contents().items():
                assert left.pop(name) == value
            assert not [name for name in left if not name.startswith(b"cut")]
            held.append(left)
    expected, actual = held
    if goodbye == "reset":
        # What was executed was sent: strings hold the start of what they hold when everything is executed, lists nothing else either.
        elements = {b"a", b"b", *(b"cut%04d-value-" % cut for cut in cuts)}
        whole = {name: value for cut in cuts for name, value in whole_contents(kind, f"cut{cut:04}", reference).items()}
        for name, (type_name, value) in actual.items():
            assert name in whole and type_name == whole[name][0]
            assert set(value) <= elements if type_name == b"list" else whole[name][1].startswith(value)
    else:
        assert actual == expected


def whole_contents(kind, prefix, reference, known={}):
    """What a pipeline leaves when it is played to its end; worked out once and renamed."""
    if kind not in known:
        with reference.connect() as control, reference.connect() as player:
            control("FLUSHALL")
            player.send_raw(pipelines("cut####")[kind])
            eventually(lambda: control("EXISTS", "cut####:after").value == 1, seconds=0.5)
            known[kind] = contents(control)

    def renamed(value):
        return [renamed(one) for one in value] if isinstance(value, list) else value.replace(b"cut####", prefix.encode())
    return {renamed(name): (type_name, renamed(value)) for name, (type_name, value) in known[kind].items()}


class TestKilledByOthers:
    """A client that is killed between two parts of a request, with others' requests in the same turn of the loop."""

    HALF = encode("SET", "forbidden", "v" * 50)[:40]

    @pytest.mark.parametrize("order", ["killer first", "victim first"])
    @pytest.mark.parametrize("by", ["id", "address", "type", "user"])
    def test_in_the_middle_of_a_request(self, by, order, start, reference):
        outcomes = []
        for server in (reference, start()):
            with server.connect() as control, server.connect() as killer, server.connect() as neighbour:
                control("FLUSHALL")
                for _ in range(10):
                    victim = server.connect()
                    identity = victim("CLIENT", "ID").value
                    address = "%s:%d" % victim.socket.getsockname()[:2]
                    killer("CLIENT", "NO-EVICT", "off")
                    words = {"id": ("ID", identity), "address": ("ADDR", address), "type": ("TYPE", "normal", "ID", identity),
                             "user": ("USER", "default", "ID", identity)}[by]
                    # All three requests wait together while the server sleeps.
                    control.send("DEBUG", "SLEEP", "0.02")
                    kill = encode("CLIENT", "KILL", *words) + encode("ECHO", "killed")
                    steps = [(killer, kill), (victim, self.HALF)]
                    for connection, data in steps if order == "killer first" else steps[::-1]:
                        connection.send_raw(data)
                    exchange(neighbour, [encode("ECHO", "n")], b"$1\r\nn\r\n")
                    exchange(killer, [], b":1\r\n$6\r\nkilled\r\n")
                    send_pieces(victim, [encode("SET", "forbidden", "v" * 50)[40:]])
                    assert victim.read_until_close() == b""
                    victim.close()
                    control.read()
                    with server.connect() as late:
                        exchange(late, [b"PING\r\n", encode("PING")], b"+PONG\r\n+PONG\r\n")
                outcomes.append(contents(control))
        assert outcomes == [{}, {}]

    def test_with_a_pipeline_behind_a_wait(self, start, reference):
        for server in (reference, start()):
            with server.connect() as control:
                control("FLUSHALL")
                for tail in TAILS.values():
                    victim = server.connect()
                    identity = victim("CLIENT", "ID").value
                    victim.send_raw(encode("BLPOP", "queue", "0") + encode("SET", "forbidden", "v") + tail)
                    assert eventually(lambda: b" cmd=blpop" in control("CLIENT", "LIST", "ID", str(identity)).plain())
                    # Killed and served in one transaction, so that it is both in one turn.
                    control.send_raw(encode("MULTI") + encode("CLIENT", "KILL", "ID", identity) + encode("RPUSH", "queue", "v") + encode("EXEC"))
                    replies = [control.read().raw for _ in range(4)]
                    assert replies[-1] == b"*2\r\n:1\r\n:1\r\n"
                    assert b"v" not in victim.read_until_close()
                    victim.close()
                    assert control("LPOP", "queue").value == b"v", "who was killed must not be served"
                    assert contents(control) == {}

    def test_all_at_once(self, start):
        """Everybody but the killer, in the middle of all sorts of requests."""
        server = start()
        with server.connect() as killer:
            for round_number in range(5):
                crowd = [server.connect() for _ in range(len(TAILS) * 4)]
                for connection, tail in zip(crowd, list(TAILS.values()) * 4):
                    connection.send_raw(tail.replace(b"forbidden", b"permitted"))
                # Some may have been closed for what they sent; all others have been accepted.
                assert eventually(lambda: killer("CLIENT", "LIST").plain().count(b"\n") >= 1 + len(crowd) - 4)
                assert killer("CLIENT", "KILL", "TYPE", "normal").value >= 0
                for connection in crowd:
                    connection.read_until_close()
                    connection.close()
                exchange(killer, [encode("ECHO", "still here")], b"$10\r\nstill here\r\n")
                wait_until_alone(killer)
                with Innocents(server, 2, round_number, large=False) as innocents:
                    time.sleep(0.02)
                held = contents(killer)
                held.pop(b"permitted", None)
                assert held == innocents.contents()
                killer("FLUSHALL")


class TestOutputLimit:
    def test_closed_within_a_pipeline_that_serves_others(self, start, reference):
        """The pipeline goes over its output limit, and serves a client that waits, before and behind that point."""
        for server in (reference, start()):
            with server.connect() as control, server.connect() as first, server.connect() as second:
                control("FLUSHALL")
                control("CONFIG", "SET", "client-output-buffer-limit", "normal 1mb 0 0")
                control("SET", "large", "v" * 300_000)
                for tail in TAILS.values():
                    for connection in (first, second):
                        connection.send("BLPOP", "queue", "0")
                    assert eventually(lambda: control("INFO", "clients").plain().count(b"blocked_clients:2\r\n") == 1)
                    greedy = server.connect()
                    greedy.send_raw(encode("LPUSH", "queue", "one") + encode("GET", "large") * 200 + encode("LPUSH", "queue", "two") + tail)
                    exchange(first, [], b"*2\r\n$5\r\nqueue\r\n$3\r\none\r\n")
                    gone = eventually(lambda: b"connected_clients:4\r\n" not in control("INFO", "clients").plain())
                    assert gone, "it must be closed"
                    greedy.close()
                    control("LPUSH", "queue", "two")
                    exchange(second, [], b"*2\r\n$5\r\nqueue\r\n$3\r\ntwo\r\n")
                    control("DEL", "queue")
                    with server.connect() as late:
                        exchange(late, [b"PING\r\n", encode("PING")], b"+PONG\r\n+PONG\r\n")
                    held = contents(control)
                    assert set(held) == {b"large"}
                control("CONFIG", "SET", "client-output-buffer-limit", "normal 0 0 0")


class TestWithPassword:
    @pytest.mark.parametrize("tail", TAILS)
    def test_nothing_is_executed_without_it(self, tail, start):
        server = start("--requirepass", "secret")
        with server.connect(password="secret") as control:
            for words in (("RESET",), ("AUTH", "wrong"), ("HELLO", "3", "AUTH", "default", "wrong")):
                connection = server.connect(password="secret" if words[0] == "RESET" else None)
                connection.send_raw(encode(*words) + TAILS[tail])
                connection.half_close()
                assert connection.read_until_close().startswith((b"+RESET", b"-WRONGPASS"))
                connection.close()
                exchange(control, [b"PING\r\n", encode("PING")], b"+PONG\r\n+PONG\r\n")
            assert contents(control) == {}


def trouble(rng, number):
    """One client that behaves badly: what it sends, and how it goes. Its whole requests may write only its own key `bad:N`."""
    name = f"bad:{number}"
    good = [encode("SET", name, "v"), encode("APPEND", name, "x" * rng.choice([1, 5000, 40_000])), b"SET %s 'a b'\r\n" % name.encode(),
            encode("GET", name), encode("PING"), encode("MULTI") + encode("SET", name, "t") + encode("EXEC"), encode("ECHO", "e" * 3000),
            encode("CLIENT", "REPLY", "OFF"), encode("CLIENT", "REPLY", "SKIP"), encode("BLPOP", name + "none", "0.01"), encode("SELECT", "0"),
            encode("CLIENT", "NO-EVICT", "on"), encode("WATCH", name), encode("RESET"), encode("HELLO", "3"), encode("DISCARD"), b"\r\n"]
    ending = ENDINGS[rng.choice([one for one in ENDINGS if "count" not in one])](id=rng.randrange(1, 10**6), addr="127.0.0.1:1")
    data = b"".join(rng.choices(good, k=rng.randint(0, 12))) + (ending if rng.random() < 0.6 else b"") + TAILS[rng.choice(list(TAILS))]
    data = data.replace(b"forbidden", b"permitted")
    if rng.random() < 0.3:
        data = data[:rng.randrange(len(data) + 1)]
    return data, rng.choice(["read", "close", "reset", "half", "killed"])


def test_many_owners_among_trouble(start):
    """All of it together, at random."""
    server = start("--client-output-buffer-limit", "normal 8mb 0 0", "--client-query-buffer-limit", "2mb")
    rng = random.Random(SEED)
    with server.connect() as control, Innocents(server, 4, SEED) as innocents:
        for number in range(ROUNDS):
            crowd = []
            for one in range(8):
                connection = server.connect(timeout=30)
                data, way = trouble(rng, number * 8 + one)
                crowd.append((connection, split(data, [rng.randrange(len(data) + 1) for _ in range(rng.randrange(4))]), way))
            for step in range(4):
                for connection, pieces, _ in crowd:
                    send_pieces(connection, pieces[step:step + 1])
            for connection, _, way in crowd:
                if way == "killed":
                    control("CLIENT", "KILL", "ADDR", "%s:%d" % connection.socket.getsockname()[:2])
                elif way == "reset":
                    abort(connection)
                elif way in ("half", "read"):
                    try:
                        connection.half_close()
                        connection.read_until_close(timeout=30)
                    except OSError:
                        pass
                connection.close()
    with server.connect() as control:
        wait_until_alone(control)
        control("CONFIG", "SET", "client-output-buffer-limit", "normal 0 0 0")
        held = contents(control)
        for name, value in innocents.contents().items():
            assert held.pop(name, None) == value, name
        known = {b"permitted", b"allowed", b"large", b"count", b"queue"}
        assert not [name for name in held if not name.startswith(b"bad:") and name not in known]
