"""Clients that are closed behind their last request get the replies to all before it, however slowly they read."""
import time

import pytest

from support.resp import encode

VALUE = b"x" * 50_000

ENDS = {"QUIT": encode("QUIT"), "protocol error": b"*1\r\n!x\r\n"}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_replies_that_are_read_while_the_last_request_runs(end, server):
    """What was unsent goes out just before the last requests have run in the same turn: they are answered all the same."""
    with server.connect() as client, server.connect() as watching:
        watching("SET", "value", VALUE)
        name = client("CLIENT", "ID").plain()
        count = 0
        while b" obl=0 oll=0 " in watching("CLIENT", "LIST", "ID", name).plain():
            client.send("GET", "value")
            count += 1
            assert count < 2000, "the socket takes everything"
            time.sleep(0.002)
        client.send_raw(encode("DEBUG", "SLEEP", "0.3") + encode("PING") + end)
        for _ in range(count):
            assert client.read().plain() == VALUE
        assert client.read().raw == b"+OK\r\n"
        assert client.read().raw == b"+PONG\r\n"
        last = client.read_until_close()
        assert last.startswith(b"+OK" if b"QUIT" in end else b"-ERR Protocol error")


@pytest.mark.parametrize("size", [10, 20_000])
@pytest.mark.parametrize("end", [["CLIENT", "KILL", "ID", "{}", "SKIPME", "no"], ["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no"]], ids=["id", "type"])
def test_who_kills_itself_in_a_transaction_is_told_nothing_more(end, size, server):
    """However much the commands behind that tell others meanwhile."""
    with server.connect() as watching, server.connect() as client:
        watching("SUBSCRIBE", "channel")
        name = client("CLIENT", "ID").plain()
        client("SET", "value", "x" * 300_000)
        client("MULTI")
        client("PING")
        client(*[word.format(name) for word in end])
        client("EVAL", "for i = 1, 100 do redis.call('publish', 'channel', ARGV[1]) end return ARGV[1]", 0, "x" * size)
        client("GET", "value")
        client("INCR", "count")
        client.send("EXEC")
        assert client.read_until_close().startswith(b"*5\r\n+PONG\r\n:")
        for _ in range(100):
            assert watching.read().plain() == [b"message", b"channel", b"x" * size]
    with server.connect() as other:
        assert other("GET", "count").value == b"1"
