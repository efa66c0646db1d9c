"""When the system has no more memory the process ends, and its log says why, whatever the memory was wanted for."""
import resource
import signal
import socket

import pytest

from support.resp import Closed, encode

MEGABYTE = 1024 * 1024


@pytest.fixture
def cramped(start):
    """A server that may not take more than some 64 MB over what it has."""
    server = start()
    with server.connect() as client:
        client("SET", "k", "v")
        client("RPUSH", "megabyte", *["x" * (MEGABYTE // 16)] * 16)
        client("RPUSH", "megabytes", *["x" * MEGABYTE] * 24)
        client("SETRANGE", "large", 24 * MEGABYTE - 1, "x")
    limit = server.address_space_bytes() + 64 * MEGABYTE
    resource.prlimit(server.pid, resource.RLIMIT_AS, (limit, limit))
    yield server
    server.exit_expected = True


def many_keys(client):
    client("DEBUG", "POPULATE", 5_000_000)


def many_members(client):
    for first in range(0, 5_000_000, 10_000):
        client("SADD", "set", *range(first, first + 10_000))


def large_values(client):
    for number in range(16):
        client("COPY", "large", f"copy:{number}")


def growing_value(client):
    while True:
        client("APPEND", "k", "x" * MEGABYTE)


def large_argument(client):
    """To announce it harms nobody, to send it does."""
    client.socket.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n" % (400 * MEGABYTE))
    with client.socket.__class__(client.socket.family, client.socket.type) as other:
        other.connect(client.socket.getpeername())
        other.sendall(b"PING\r\n")
        assert other.recv(16) == b"+PONG\r\n"
    for _ in range(400):
        client.socket.sendall(b"x" * MEGABYTE)
    client.read()


def one_long_reply(client):
    client("SORT", "megabytes", "BY", "nosort", *["GET", "#"] * 16)


def replies_that_nobody_reads(client):
    others = []
    try:
        for _ in range(32):
            others.append(socket.create_connection(client.socket.getpeername()))
            others[-1].sendall(encode("LRANGE", "megabyte", 0, -1) * 24)
            client("PING")
            client("PING")
    finally:
        for other in others:
            other.close()


@pytest.mark.parametrize("exhaust", [
    many_keys, many_members, large_values, growing_value, large_argument, one_long_reply, replies_that_nobody_reads])
@pytest.mark.ours
def test_the_log_says_that_memory_ran_out(cramped, exhaust):
    with pytest.raises((Closed, ConnectionError)), cramped.connect() as client:
        exhaust(client)
    assert cramped.wait() == -signal.SIGABRT, cramped.output()
    assert "Out Of Memory allocating " in cramped.output() and " bytes!" in cramped.output()
