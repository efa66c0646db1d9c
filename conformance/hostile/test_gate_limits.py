"""Bounds at the edges of what the gate, pauses and limits let through."""
import time

import pytest

from support.resp import encode, eventually

pytestmark = pytest.mark.ours


def test_a_soft_limit_as_large_as_can_be(server):
    """A client that leaves output unread ends nobody but itself, whatever the limit."""
    with server.connect() as control:
        before = control("CONFIG", "GET", "client-output-buffer-limit").as_pairs()[b"client-output-buffer-limit"]
        try:
            for limit in ("normal 0 9223372036854775807 60", "normal 9223372036854775807 9223372036854775807 60",
                          "pubsub 0 9223372036854775807 1", "replica 9223372036854775807 9223372036854775807 0",
                          "normal 0 9223372036854775807 60"):
                assert control("CONFIG", "SET", "client-output-buffer-limit", limit).raw == b"+OK\r\n"
            control("SETRANGE", "large", 20_000_000, "x")
            with server.connect(receive_buffer=4096) as client:
                client.send_raw(encode("GET", "large") * 3)
                eventually(lambda: b"omem=0 " not in line_of(control, b"events=rw"))
            server.check_alive()
        finally:
            assert control("CONFIG", "SET", "client-output-buffer-limit", before).raw == b"+OK\r\n"


def line_of(control, word):
    return next((line for line in control("CLIENT", "LIST").plain().splitlines() if word in line), b"omem=0 ")


def test_a_password_that_is_removed(server):
    """Without a password anybody may ask, also who came when there was one, until there is one again."""
    with server.connect() as control:
        try:
            control("CONFIG", "SET", "requirepass", "p")
            with server.connect() as late:
                assert late("PING").raw.startswith(b"-NOAUTH")
                control("CONFIG", "SET", "requirepass", "")
                assert late("PING").raw == b"+PONG\r\n"
                control("CONFIG", "SET", "requirepass", "q")
                assert late("PING").raw.startswith(b"-NOAUTH")
                assert control("PING").raw == b"+PONG\r\n"
                assert late("AUTH", "q").raw == b"+OK\r\n" and late("PING").raw == b"+PONG\r\n"
        finally:
            control("CONFIG", "SET", "requirepass", "")


@pytest.mark.parametrize("mode", ["OFF", "SKIP"])
def test_a_reply_that_is_left_out_has_no_limit(mode, server):
    with server.connect() as control, server.connect() as client:
        control("CONFIG", "SET", "client-output-buffer-limit", "normal 1mb 0 0")
        try:
            control("SETRANGE", "large", 1_000_000, "x")
            control("DEL", "list")
            control("RPUSH", "list", *["y" * 1000] * 5000)
            before = encode("ECHO", "answered before") * 100
            client.send_raw(before + encode("CLIENT", "REPLY", mode) + encode("LRANGE", "list", "0", "-1") + encode("CLIENT", "REPLY", "ON")
                            + encode("PING"))
            for _ in range(100):
                assert client.read().plain() == b"answered before"
            assert client.read().raw == b"+OK\r\n" and client.read().raw == b"+PONG\r\n"
        finally:
            control("CONFIG", "SET", "client-output-buffer-limit", "normal 0 0 0")


def test_empty_requests_are_passed_over_in_slices(server):
    """Millions of empty requests that have gathered behind a wait are looked at some at a time: others are served in between."""
    with server.connect() as control, server.connect() as client:
        control("DEL", "nokey")
        client.send("BLPOP", "nokey", "0")
        client.send_raw(b"\r\n" * 4_000_000 + encode("PING"))
        eventually(lambda: b"qbuf=8000" in line_of(control, b"cmd=blpop"))
        turns = counter(control, "eventloop_cycles")
        control("RPUSH", "nokey", "x")
        assert client.read().plain() == [b"nokey", b"x"] and client.read(30).raw == b"+PONG\r\n"
        # In one piece it would be a handful of turns.
        assert counter(control, "eventloop_cycles") - turns > 20


def counter(control, name):
    return int(next(line for line in control("INFO", "stats").plain().decode().splitlines() if line.startswith(name + ":")).split(":")[1])


def test_who_leaves_during_a_pause_leaves_nothing(server):
    with server.connect() as control:
        def pausing():
            return counter_of_clients(control, "blocked_clients")
        control("CLIENT", "PAUSE", "100000000", "WRITE")
        try:
            for _ in range(300):
                with server.connect() as client:
                    client.send("SET", "k", "v")
            with server.connect() as client:
                client.send("SET", "k", "v")
                eventually(lambda: pausing() == 1)
            eventually(lambda: pausing() == 0)
        finally:
            control("CLIENT", "UNPAUSE")


def counter_of_clients(control, name):
    return int(next(line for line in control("INFO", "clients").plain().decode().splitlines() if line.startswith(name + ":")).split(":")[1])


def test_an_aborted_transaction_keeps_nothing_more(server, reference):
    for one in (reference, server):
        with one.connect() as control, one.connect() as client:
            identifier = client("CLIENT", "ID").value
            client("MULTI")
            client("GET")
            for _ in range(100):
                assert client("SET", "k", "v" * 10_000).raw == b"+QUEUED\r\n"
            line = control("CLIENT", "LIST", "ID", identifier).plain()
            assert b" multi=0 " in line and b" multi-mem=0 " in line
            assert client("EXEC").raw.startswith(b"-EXECABORT")


@pytest.mark.parametrize("size", [1_100_000, 1_300_000, 2_000_000])
def test_one_argument_beyond_the_query_limit(size, server):
    """However the input is cut: what arrives whole with the read that passes the limit was too long, too."""
    with server.connect() as control:
        control("CONFIG", "SET", "client-query-buffer-limit", "1mb")
        try:
            for pause in (0, 0.05):
                with server.connect() as client:
                    request = encode("SET", "k", b"x" * size)
                    try:
                        client.send_raw(request[:700_000])
                        time.sleep(pause)
                        client.send_raw(request[700_000:])
                    except OSError:
                        continue
                    assert client.read_until_close() == b""
        finally:
            control("CONFIG", "SET", "client-query-buffer-limit", "1gb")
