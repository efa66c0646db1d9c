"""CLIENT PAUSE: what waits, what becomes of keys that expire meanwhile, and of clients that go away while they wait."""
import time

import pytest

from support.resp import encode, eventually


@pytest.fixture(autouse=True)
def no_pause_left(server, reference):
    yield
    for one in (server, reference):
        with one.connect() as client:
            client("CLIENT", "UNPAUSE")


def both(server, reference, play):
    noted = [play(one) for one in (reference, server)]
    assert noted[1] == noted[0]
    return noted[1]


def pipeline(client, *requests):
    for request in requests:
        client.send(*request)
    return [client.read(timeout=5).raw for _ in requests]


@pytest.mark.parametrize("unpauses", [True, False])
def test_writes_right_after_a_pause_find_no_key_that_is_due(unpauses, server, reference):
    def play(one):
        with one.connect() as client:
            client("SET", "k", "old", "PX", 30)
            client("HSET", "h", "f", 1)
            client("PEXPIRE", "h", 30)
            client("CLIENT", "PAUSE", 20000 if unpauses else 100, "WRITE")
            time.sleep(0.08)
            # All in one packet, so that the pause ends in the middle of a turn.
            ending = ["CLIENT", "UNPAUSE"] if unpauses else ["DEBUG", "SLEEP", "0.15"]
            replies = pipeline(client, ending, ["SET", "k", 1], ["SET", "k", 2], ["GET", "k"], ["HSET", "h", "g", 2], ["HGETALL", "h"], ["DBSIZE"])
            time.sleep(0.05)
            return replies + pipeline(client, ["KEYS", "k"], ["DBSIZE"], ["GET", "k"], ["DEL", "k"], ["GET", "k"], ["DBSIZE"])
    both(server, reference, play)


def test_a_pause_within_a_transaction(server):
    # redis-server 7.0.15 ends here with a failed assertion.
    with server.connect() as client:
        client("SET", "k", "old", "PX", 20)
        client("CLIENT", "PAUSE", 60, "WRITE")
        time.sleep(0.04)
        replies = pipeline(client, ["MULTI"], ["CLIENT", "PAUSE", 80, "WRITE"], ["DBSIZE"], ["EXEC"])
        assert replies[-1] == b"*2\r\n+OK\r\n:1\r\n"
        replies = pipeline(client, ["MULTI"], ["SET", "k", "new"], ["DBSIZE"], ["EXEC"], ["KEYS", "*"], ["GET", "k"])
        assert replies[3:] == [b"*2\r\n+OK\r\n:1\r\n", b"*1\r\n$1\r\nk\r\n", b"$3\r\nnew\r\n"]


@pytest.mark.parametrize("requests", [[["PFCOUNT", "p"]], [["MULTI"], ["SET", "k", "v"]], [["SET", "k", "v"]], [["BLPOP", "k", "0.01"]]],
                         ids=lambda requests: requests[-1][0])
def test_what_may_write_is_held_back(requests, server, reference):
    def play(one):
        with one.connect() as client:
            client("PFADD", "p", "a")
            client("CLIENT", "PAUSE", 300, "WRITE")
            for request in requests[:-1]:
                client(*request)
            client.send(*requests[-1])
            assert client.silent(0.1)
            return client.read(timeout=5).raw
    both(server, reference, play)


def test_reads_go_on(server, reference):
    def play(one):
        with one.connect() as client:
            client("CLIENT", "PAUSE", 300, "WRITE")
            return pipeline(client, ["GET", "k"], ["MULTI"], ["GET", "k"], ["EXEC"], ["PING"])
    both(server, reference, play)


def test_a_client_that_goes_away_is_not_served_later(server, reference):
    def play(one):
        with one.connect() as control, one.connect() as client:
            control("CLIENT", "PAUSE", 300, "WRITE")
            client.send("RPUSH", "q", "ghost")
            assert client.silent(0.05)
            client.close()
            time.sleep(0.4)
            return control("LRANGE", "q", 0, -1).raw
    assert both(server, reference, play) == b"*0\r\n"


@pytest.mark.ours
def test_fields_that_are_due_are_not_drawn(server):
    with server.connect() as client:
        client("HSET", "h", "dead", 1, "live", 2)
        client("HPEXPIRE", "h", 20, "FIELDS", 1, "dead")
        client("HSET", "gone", "dead", 1)
        client("HPEXPIRE", "gone", 20, "FIELDS", 1, "dead")
        client("CLIENT", "PAUSE", 2000, "WRITE")
        time.sleep(0.05)
        assert client("HRANDFIELD", "h", 10).plain() == [b"live"]
        assert set(client("HRANDFIELD", "h", -20).plain()) == {b"live"}
        assert client("HRANDFIELD", "h").plain() == b"live"
        assert client("HRANDFIELD", "gone").is_null
        assert client("HRANDFIELD", "gone", 3).plain() == [] and client("HRANDFIELD", "gone", -3).plain() == []


@pytest.mark.ours
@pytest.mark.parametrize("requests", [[["RPUSH", "q", "1"], ["CLIENT", "PAUSE", "300", "WRITE"]],
                                      [["RENAME", "src", "q"], ["CLIENT", "PAUSE", "300", "ALL"]],
                                      [["CLIENT", "PAUSE", "300", "WRITE"], ["RPUSH", "q", "1"]]],
                         ids=["push", "rename", "pause first"])
def test_nobody_who_waits_is_served_during_a_pause(requests, server):
    """As redis-server 7.4; 7.0 serves them at once."""
    with server.connect() as waiting, server.connect() as client, server.connect() as watching:
        client("DEL", "q")
        client("RPUSH", "src", "1")
        waiting.send("BLPOP", "q", "0")
        eventually(lambda: b"flags=b" in client("CLIENT", "LIST").plain())
        begun = time.monotonic()
        client.send_raw(b"".join(encode(*request) for request in [["MULTI"], *requests, ["EXEC"]]))
        assert waiting.read(timeout=5).raw == b"*2\r\n$1\r\nq\r\n$1\r\n1\r\n"
        assert time.monotonic() - begun >= 0.29
        assert watching("EXISTS", "q").raw == b":0\r\n"


def test_monitors_are_not_paused(server, reference):
    def play(one):
        with one.connect() as monitor, one.connect() as client:
            monitor("MONITOR")
            client("CLIENT", "PAUSE", "2000", "ALL")
            client.send("PING")
            monitor.send("PING")
            replies = [monitor.read(timeout=5).raw for _ in range(2)]
            client.socket.setblocking(False)
            with pytest.raises(BlockingIOError):
                client.socket.recv(1)
            client.socket.settimeout(10)
            return [b"PING" in replies[1], replies[0], client.read().raw]
    both(server, reference, play)


@pytest.mark.parametrize("requests", [
    [["EVAL", "#!lua flags=no-writes\nreturn 1", "0"]], [["EVALSHA", "3ccd8e1bd2d0e0a2bb2fd5c6b5ae7f6e60a3bdf6", "0"]],
    [["FCALL", "g", "0"]], [["MULTI"], ["EVAL", "#!lua flags=no-writes\nreturn 1", "0"], ["EXEC"]],
    [["EVAL_RO", "return 1", "0"]],
], ids=["EVAL", "EVALSHA", "FCALL", "EXEC", "EVAL_RO"])
def test_scripts_that_say_they_write_nothing_are_not_held_back(requests, server, reference):
    def play(one):
        with one.connect() as client, one.connect() as other:
            client("FUNCTION", "FLUSH")
            client("FUNCTION", "LOAD", "#!lua name=l\nredis.register_function{function_name='g', callback=function() return 1 end, flags={'no-writes'}}")
            digest = client("SCRIPT", "LOAD", "#!lua flags=no-writes\nreturn 5").plain()
            wanted = [[digest if len(word) == 40 else word for word in request] for request in requests]
            other("CLIENT", "PAUSE", 20000, "WRITE")
            try:
                return pipeline(client, *wanted)
            finally:
                other("CLIENT", "UNPAUSE")
                client("FUNCTION", "FLUSH")
    both(server, reference, play)


@pytest.mark.parametrize("request_", [["EVAL", "return 1", "0"], ["EVAL", "#!lua\nreturn 1", "0"], ["FCALL", "f", "0"]], ids=lambda request: request[1][:5])
def test_scripts_that_do_not_say_so_are_held_back(request_, server):
    with server.connect() as client, server.connect() as other:
        client("FUNCTION", "FLUSH")
        client("FUNCTION", "LOAD", "#!lua name=l\nredis.register_function('f', function() return 1 end)")
        identity = client("CLIENT", "ID").value
        other("CLIENT", "PAUSE", 20000, "WRITE")
        client.send(*request_)
        assert eventually(lambda: b" flags=b " in other("CLIENT", "LIST", "ID", identity).plain())
        other("CLIENT", "UNPAUSE")
        assert client.read(timeout=5).value == 1
        client("FUNCTION", "FLUSH")
