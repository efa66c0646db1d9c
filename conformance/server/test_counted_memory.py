"""What clients have the server hold, beyond their buffers, counts in `used_memory`, and so against `maxmemory`; what is a client's own, against
`maxmemory-clients` too. It is compared with what the system counts."""
import time

import pytest

from support.resp import encode, eventually

MEGABYTE = 1 << 20

pytestmark = pytest.mark.ours


def info(client, section):
    lines = client("INFO", section).plain().decode().split("\r\n")
    return {name: int(value) for name, _, value in (line.partition(":") for line in lines) if value.isdigit()}


def pop_many_keys(server):
    return [opened(server, encode("BLPOP", *[f"{client}:{key}:" + "k" * 50 for key in range(2000)], 0)) for client in range(60)]


def pop_the_same_keys(server):
    """What finds the waiting clients is there once, and counts with one of them."""
    return [opened(server, encode("BLPOP", *[f"{key}:" + "k" * 50 for key in range(2000)], 0)) for _ in range(150)]


def read_many_streams(server):
    """What is kept is another request: where each stream ends now."""
    return [opened(server, encode("XREAD", "BLOCK", 0, "STREAMS", *[f"{client}:{key}:" + "k" * 50 for key in range(1000)], *["$"] * 1000))
            for client in range(80)]


def move_between_large_keys(server):
    return [opened(server, encode("BLMOVE", f"{client}" + "s" * MEGABYTE, "d" * MEGABYTE, "LEFT", "LEFT", 0)) for client in range(15)]


def many_channels(server):
    return [opened(server, *(encode("SUBSCRIBE", *[f"{client}:{part}:{number}:" + "c" * 50 for number in range(1000)]) for part in range(20)))
            for client in range(6)]


def the_same_channels(server):
    return [opened(server, encode("SUBSCRIBE", *[f"{number}:" + "c" * 50 for number in range(1000)])) for _ in range(300)]


def many_patterns(server):
    return [opened(server, *(encode("PSUBSCRIBE", *[f"{client}:{part}:{number}:" + "c" * 50 + "*" for number in range(1000)]) for part in range(10)))
            for client in range(6)]


def unfinished_requests(server):
    """Of many arguments, each of which takes more than its bytes."""
    return [opened(server, b"*100001\r\n$5\r\nRPUSH\r\n" + b"$1\r\n0\r\n" * 90_000) for _ in range(15)]


def long_names(server):
    return [opened(server, encode("CLIENT", "SETNAME", "n" * 400_000)) for _ in range(60)]


def opened(server, *requests):
    """A connection that has sent requests, and has read what was answered."""
    connection = server.connect()
    for request in requests:
        connection.send_raw(request)
        connection.socket.settimeout(0.02)
        try:
            while connection.socket.recv(1 << 20):
                pass
        except TimeoutError:
            pass
    return connection


def settled(control):
    """What is in use once that does not change any more."""
    last = -1
    for _ in range(100):
        time.sleep(0.2)
        used = info(control, "memory")["used_memory"]
        if abs(used - last) < 1000:
            return used
        last = used
    raise AssertionError("what is in use changes all the time")


@pytest.mark.parametrize("hold", [pop_many_keys, pop_the_same_keys, read_many_streams, move_between_large_keys, many_channels, the_same_channels,
                                  many_patterns, unfinished_requests, long_names], ids=lambda hold: hold.__name__)
@pytest.mark.parametrize("limit", [0, "10gb"])
def test_what_clients_have_held_is_in_use(hold, limit, start):
    server = start("--maxmemory", limit)
    with server.connect() as control:
        before, resident = settled(control), server.resident_bytes()
        holders = hold(server)
        used, held = settled(control) - before, server.resident_bytes() - resident
        assert held > 10 * MEGABYTE and 0.7 * held < used < 1.1 * held, f"{used / held:.2f} of {held >> 20} MB"
        for holder in holders:
            holder.close()
        assert eventually(lambda: abs(settled(control) - before) < MEGABYTE)


def test_the_slow_log_is_in_use(start):
    server = start("--slowlog-log-slower-than", "0", "--slowlog-max-len", "60000")
    with server.connect() as control:
        before, resident = settled(control), server.resident_bytes()
        for _ in range(60):
            control.pipeline([("SET", "k" * 120, "v" * 120)] * 1000)
        used, held = settled(control) - before, server.resident_bytes() - resident
        assert held > 10 * MEGABYTE and 0.7 * held < used < 1.1 * held, f"{used / held:.2f} of {held >> 20} MB"
        assert control("SLOWLOG", "RESET").value == b"OK"
        assert settled(control) - before < MEGABYTE


def totals(control):
    """What each client holds, by the letters of its state."""
    fields = [dict(field.split("=", 1) for field in line.split()) for line in control("CLIENT", "LIST").plain().decode().splitlines()]
    return [(one["flags"], int(one["tot-mem"])) for one in fields]


def test_blocked_clients_are_closed_for_what_they_hold(start, newer_redis):
    """As Redis does: the requests of those that wait are theirs."""
    for server in (newer_redis, start()):
        with server.connect() as control:
            waiting = [opened(server, encode("BLMOVE", f"{client}" + "s" * MEGABYTE, "d" * MEGABYTE, "LEFT", "LEFT", 0)) for client in range(20)]
            assert all(2 * MEGABYTE < total < 5 * MEGABYTE for flags, total in totals(control) if "b" in flags)
            evicted = info(control, "stats")["evicted_clients"]
            assert control("CONFIG", "SET", "maxmemory-clients", "20mb").value == b"OK"
            assert eventually(lambda: info(control, "clients")["blocked_clients"] <= 9)
            assert 3 <= info(control, "clients")["blocked_clients"]
            assert 11 <= info(control, "stats")["evicted_clients"] - evicted <= 17
            assert control("CONFIG", "SET", "maxmemory-clients", "0").value == b"OK"
            for one in waiting:
                one.close()


def test_unfinished_requests_stay_within_the_limit(start):
    """With what their arguments take besides their bytes."""
    limit = 100 * MEGABYTE
    server = start("--maxmemory", limit, "--maxmemory-policy", "allkeys-lru")
    with server.connect() as control:
        control("DEBUG", "POPULATE", 200_000, "key", 100)
        server.forget_peak()
        senders = []
        for _ in range(60):
            senders.append(server.connect(timeout=0.5))
            try:
                senders[-1].send_raw(b"*1000001\r\n$5\r\nRPUSH\r\n" + b"$1\r\n0\r\n" * 400_000)
            except TimeoutError:
                pass        # the server reads no more of it for now
        settled(control)
        assert server.peak_bytes() < 1.5 * limit, f"{server.peak_bytes() >> 20} MB"
        for sender in senders:
            sender.close()


@pytest.mark.parametrize("limit", ["1", "1%"])
def test_clients_may_always_hold_a_little(limit, start, newer_redis):
    """Else nobody could raise the limit: Redis takes less than 128 KB for that."""
    for server in (newer_redis, start()):
        with server.connect() as control:
            old = control("CONFIG", "GET", "maxmemory").value[1].value
            assert control("CONFIG", "SET", "maxmemory", "1gb" if limit == "1" else "1mb").value == b"OK"
            assert control("CONFIG", "SET", "maxmemory-clients", limit).value == b"OK"
            with server.connect() as large, server.connect() as small:
                large.send_raw(b"*2\r\n$3\r\nGET\r\n$300000\r\n" + b"x" * 200_000)
                assert large.read_until_close() == b""
                assert small("PING").value == control("PING").value == b"PONG"
            assert control("CONFIG", "SET", "maxmemory-clients", "0", "maxmemory", old).value == b"OK"
