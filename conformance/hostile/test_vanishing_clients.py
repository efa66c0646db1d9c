"""Clients that go away while they wait, with whatever they had sent behind the command that waits: the server must notice, forget them,
and never hand them what was meant for somebody who is there."""
import os
import threading
import time

import pytest

from support.crowd import abort, client_gone, send_what_fits, wait_until_alone
from support.resp import encode, eventually

MEGABYTE = 1 << 20

WAITS = {
    "BLPOP": ("BLPOP", "queue", "0"),
    "BRPOP": ("BRPOP", "queue", "other", "0"),
    "BLMOVE": ("BLMOVE", "queue", "target", "LEFT", "RIGHT", "0"),
    "BRPOPLPUSH": ("BRPOPLPUSH", "queue", "target", "0"),
    "BLMPOP": ("BLMPOP", "0", "1", "queue", "LEFT"),
}

# What is sent behind the command that waits. The last ones are more than the kernel's buffers take.
BEHIND = {
    "nothing": b"",
    "a request": encode("SET", "forbidden", "v"),
    "a part of a request": encode("SET", "forbidden", "v" * 5000)[:3000],
    "70 KB": encode("SET", "forbidden", "v" * 1000) * 70,
    "3 MB": encode("SET", "forbidden", "v" * 1000) * 3000,
    "3 MB of an argument": encode("SET", "forbidden", "v" * 4 * MEGABYTE)[:3 * MEGABYTE],
    "3 MB in an argument": encode("SET", "forbidden", "v" * 3 * MEGABYTE),
    "12 MB": encode("SET", "forbidden", "v" * 10_000) * 1200,
}

GOODBYES = {"close": lambda connection: connection.close(), "reset": abort, "half": lambda connection: connection.half_close()}


def send_what_is_taken(connection, data):
    """Stops when all is sent, or when nothing has been taken for a while."""
    connection.socket.settimeout(0.5)
    send_what_fits(connection, data)


def begin(server, control, request):
    """A client that waits, and its number."""
    connection = server.connect()
    identity = connection("CLIENT", "ID").value
    connection.send(*request)
    return connection, identity


@pytest.mark.parametrize("goodbye", GOODBYES)
@pytest.mark.parametrize("behind", BEHIND)
def test_who_waits_for_a_key(behind, goodbye, server, client):
    for request in WAITS.values() if len(BEHIND[behind]) < 100_000 else [WAITS["BLPOP"]]:
        connection, identity = begin(server, client, request)
        assert eventually(lambda: b" flags=b " in client("CLIENT", "LIST", "ID", str(identity)).plain())
        send_what_is_taken(connection, BEHIND[behind])
        GOODBYES[goodbye](connection)
        assert eventually(lambda: client_gone(client, identity)), f"{request} is still there"
        assert client("RPUSH", "queue", "element").raw == b":1\r\n"
        assert client("LRANGE", "queue", "0", "-1").plain() == [b"element"]
        assert client("DBSIZE").value == 1, client("KEYS", "*")
        client("DEL", "queue")
        connection.close()


@pytest.mark.parametrize("goodbye", GOODBYES)
@pytest.mark.parametrize("request_words", [("XREAD", "BLOCK", "0", "STREAMS", "stream", "$"), ("BZPOPMIN", "sorted", "0"), ("BZMPOP", "0", "1", "sorted", "MIN")],
                         ids=lambda words: words[0])
def test_who_waits_for_other_types(request_words, goodbye, server, client):
    connection, identity = begin(server, client, request_words)
    assert eventually(lambda: b" flags=b " in client("CLIENT", "LIST", "ID", str(identity)).plain())
    send_what_is_taken(connection, BEHIND["3 MB"])
    GOODBYES[goodbye](connection)
    assert eventually(lambda: client_gone(client, identity))
    client("ZADD", "sorted", "1", "m")
    client("XADD", "stream", "*", "f", "v")
    assert client("ZCARD", "sorted").value == 1 and client("DBSIZE").value == 2
    connection.close()


@pytest.mark.parametrize("goodbye", GOODBYES)
@pytest.mark.parametrize("behind", BEHIND)
def test_who_is_held_back_by_a_pause_of_writes(behind, goodbye, server, client):
    """Redis drops the requests of a client that is gone when the pause ends."""
    wait_until_alone(client)
    before = server.descriptor_count()
    try:
        held = admitted(server)
        client("CLIENT", "PAUSE", "600000", "WRITE")
        hold(held, behind, goodbye)
        assert eventually(lambda: server.descriptor_count() == before)
    finally:
        client("CLIENT", "UNPAUSE")
    assert client("DBSIZE").value == 0
    held.close()


@pytest.mark.parametrize("behind", ["nothing", "70 KB", "3 MB", "12 MB"])
def test_who_is_held_back_by_a_pause_of_all(behind, server, client):
    """Nobody can look on or end such a pause early; the descriptors tell who is there."""
    wait_until_alone(client)
    before = server.descriptor_count()

    def attempt(milliseconds):
        held = [admitted(server) for _ in GOODBYES]
        client("CLIENT", "PAUSE", str(milliseconds), "ALL")
        paused = time.monotonic()
        for connection, goodbye in zip(held, GOODBYES):
            hold(connection, behind, goodbye)
        in_time = eventually(lambda: server.descriptor_count() == before, seconds=milliseconds / 2000)
        in_time = in_time and time.monotonic() - paused < milliseconds / 2000
        assert client("PING").value == b"PONG"      # the pause is over
        for connection in held:
            connection.close()
        return in_time
    # On a machine that is slow just now the pause must be longer.
    for milliseconds in (400, 2000, 10_000):
        client("FLUSHALL")
        if attempt(milliseconds):
            break
    else:
        pytest.fail("they were still there")
    assert client("DBSIZE").value == 0


def admitted(server):
    """A client that the server knows: it has been answered."""
    connection = server.connect()
    connection("PING")
    return connection


def hold(connection, behind, goodbye):
    """A client that sends a request during a pause, and more, and goes away."""
    connection.send("SET", "forbidden", "v")
    send_what_is_taken(connection, BEHIND[behind])
    GOODBYES[goodbye](connection)


def test_what_was_executed_before_the_wait_is_answered(server, client):
    """Though the end of the requests is there already when the command begins to wait."""
    client("RPUSH", "list", *range(3000))
    for words in (("BLPOP", "queue", "0"), ("XREAD", "BLOCK", "0", "STREAMS", "stream", "$"), ("BZPOPMIN", "sorted", "0")):
        for count in (1, 5, 40):
            crowd = [server.connect(timeout=60) for _ in range(6)]
            for connection in crowd:
                connection.send_raw(encode("SORT", "list", "LIMIT", "0", "1") * count + encode("PING") * 3 + encode(*words) + encode("SET", "forbidden", "v"))
                connection.half_close()
            for connection in crowd:
                assert connection.read_until_close(timeout=60) == b"*1\r\n$1\r\n0\r\n" * count + b"+PONG\r\n" * 3
                connection.close()
    client("RPUSH", "queue", "element")
    assert client("LLEN", "queue").value == 1 and client("EXISTS", "forbidden").value == 0


def test_many_that_wait_and_go(server, client):
    """Of those who wait for one key the ones that are gone are passed over, in whatever order they came."""
    crowd = [begin(server, client, ("BLPOP", "queue", "0")) for _ in range(60)]
    assert eventually(lambda: b"blocked_clients:60\r\n" in client("INFO", "clients").plain())
    for number, (connection, _) in enumerate(crowd):
        if number % 3:
            send_what_is_taken(connection, BEHIND["70 KB"])
            abort(connection) if number % 3 == 1 else connection.close()
    assert eventually(lambda: b"blocked_clients:20\r\n" in client("INFO", "clients").plain())
    for number in range(20):
        client("RPUSH", "queue", str(number))
    assert [connection.read().plain()[1] for connection, _ in crowd[::3]] == [b"%d" % number for number in range(20)]
    client("RPUSH", "queue", "rest")
    assert client("LRANGE", "queue", "0", "-1").plain() == [b"rest"]
    for connection, _ in crowd[::3]:
        connection.close()


def test_what_was_sent_behind_is_executed_when_the_wait_ends(server, client):
    """The opposite: who stays is served, and all that came behind is executed in order."""
    for behind in ("a request", "70 KB", "3 MB", "3 MB in an argument", "12 MB"):
        connection = server.connect(timeout=60)
        connection.send("BLPOP", "queue", "0")
        data = BEHIND[behind].replace(b"forbidden", b"permitted") + encode("ECHO", "end")
        sender = threading.Thread(target=connection.send_raw, args=(data,))
        sender.start()
        assert eventually(lambda: b"blocked_clients:1\r\n" in client("INFO", "clients").plain())
        client("RPUSH", "queue", "element")
        assert connection.read().plain() == [b"queue", b"element"]
        for _ in range(data.count(b"\r\n$9\r\npermitted\r\n")):
            assert connection.read().raw == b"+OK\r\n"
        assert connection.read().value == b"end"
        sender.join()
        connection.close()
        client("DEL", "permitted")


def test_a_server_full_of_them(start):
    """Waiting clients that are gone free their places: `maxclients` is not used up by them."""
    server = start("--maxclients", "40")
    with server.connect() as control:
        for _ in range(3):
            crowd = [begin(server, control, ("BLPOP", "queue", "0"))[0] for _ in range(39)]
            for connection in crowd:
                send_what_is_taken(connection, BEHIND["70 KB"])
                connection.close()
            wait_until_alone(control)
