"""CONFIG SET at the edges: what every numeric setting takes, what becomes of it, and what is said of what it does not take.

Compared with redis-server 8.2.3 and valkey-server 9.1.2; where these differ, either is right. The servers are of the module's own.
"""
import re

import pytest

from support import server as servers

pytestmark = pytest.mark.ours

VALUES = """-9223372036854775809 -9223372036854775808 -2147483649 -2147483648 -101 -100 -2 -1 0 1 2 9 10 11 63 64 65 98 99 100 101 128 129
500 501 777 778 999 1000 1001 1023 1024 1025 10000 10001 65535 65536 1048575 1048576 2147483647 2147483648 4294967295 4294967296
9223372036854775807 9223372036854775808 18446744073709551615 18446744073709551616 99999999999999999999999 1k 1kb 1mb 1GB 1gb1 k 1b
9007199254740992kb 16777216tb 8589934591gb 8589934592gb -1kb x +1 01 1.5 1% 100% 101% -1% % 0x10""".split() + ["", " 1", "1 "]

# What must not be tried: the rest of the test would have nothing to talk to, or the other server ends.
UNTRIED = {
    "port": lambda value: value.isdigit() and int(value) <= 65535,
    "maxclients": lambda value: value.isdigit() and 0 < int(value) < 1 << 32,
    "tls-port": lambda value: True,             # any value ends this build of redis-server 8.2.3
    "watchdog-period": lambda value: True,      # has redis-server stop in the middle of its work
    # Clients that take more are closed, the one that asks among them.
    "maxmemory-clients": lambda value: re.fullmatch(r"0*[1-9]\d{,18}[kmgbKMGB]*", value) and value != "9223372036854775808",
}

HIDDEN = ["rdb-key-save-delay", "key-load-delay", "loading-process-events-interval-bytes", "cluster-ping-interval"]

# Settings that ask for replicas are refused here, unless they ask for none.
REFUSED = ("min-replicas-to-write", "min-slaves-to-write")

# Where the others take what cannot be meant. 2^64 - 1 and more are -1 to them, which stands for one percent.
INTENDED = {
    ("maxmemory-clients", value): b"percentage argument must be less or equal to 100"
    for value in ("18446744073709551615", "18446744073709551616", "99999999999999999999999")
}


@pytest.fixture(scope="module")
def peers():
    running = [servers.Server(binary, servers.TEST_FLAGS)
               for binary in (servers.under_test(), servers.newer_redis(), servers.valkey())]
    yield running
    for one in running:
        one.stop()


def numeric_settings(peers):
    tables = []
    for one in peers:
        with one.connect() as client:
            table = client("CONFIG", "GET", "*").as_pairs()
            table.update(pair for name in HIDDEN for pair in client("CONFIG", "GET", name).as_pairs().items())
            tables.append({name.decode(): value for name, value in table.items() if value.lstrip(b"-").isdigit()})
    return [sorted(set(tables[0]) & set(table)) for table in tables[1:]]


def outcome(client, name, value, initial):
    """The reply, and the value afterwards if it was taken. The setting is put back to what it was."""
    reply = client("CONFIG", "SET", name, value)
    after = client("CONFIG", "GET", name).plain()[1]
    if reply.is_error:
        assert after == initial
        return reply.value
    assert client("CONFIG", "SET", name, initial).raw == b"+OK\r\n"
    return after


def test_edges_of_numeric_settings(peers):
    of_redis, of_valkey = numeric_settings(peers)
    assert len(of_redis) > 70 and len(of_valkey) > 70
    ours, redis, valkey = (one.connect() for one in peers)
    wrong = {}
    for name in sorted(set(of_redis) | set(of_valkey)):
        sides = [ours] + [redis] * (name in of_redis) + [valkey] * (name in of_valkey)
        initial = [client("CONFIG", "GET", name).plain()[1] for client in sides]
        for value in VALUES:
            if name in UNTRIED and UNTRIED[name](value):
                continue
            found, *expected = [outcome(client, name, value, start) for client, start in zip(sides, initial)]
            if (name, value) in INTENDED:
                assert INTENDED[name, value] in found and found not in expected
            elif name in REFUSED and b"not supported" in found:
                assert not any(reply.startswith(b"ERR") for reply in expected)
            elif found not in expected:
                wrong[name, value] = (found, *expected)
    assert not wrong, "\n".join(f"{key}: {value}" for key, value in list(wrong.items())[:20])


@pytest.mark.parametrize("name", ["maxmemory", "auto-aof-rewrite-min-size", "repl-backlog-size", "stream-node-max-bytes"])
def test_a_size_that_does_not_fit_is_refused(name, client):
    """Others multiply beyond 64 bits and take what is left, 0, which stands for no limit."""
    before = client("CONFIG", "GET", name).raw
    reply = client("CONFIG", "SET", name, "17179869184gb")
    assert reply.is_error and b"argument must be" in reply.value
    assert client("CONFIG", "GET", name).raw == before
