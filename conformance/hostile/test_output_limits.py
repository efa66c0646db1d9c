"""Replies that nobody reads: with a limit the memory of the server stays near it, whatever command fills the buffer; without one it is no more
than the replies themselves; whoever reads slowly gets every byte; and afterwards the memory is given back.

Long form, with thousands of replies of a megabyte: OUTPUT_LONG=1."""
import hashlib
import os
import random
import socket
import threading

import pytest

from support import server as servers
from support.crowd import abort, bulk, client_gone, send_pieces, send_what_fits, wait_until_alone
from support.resp import encode, eventually

MEGABYTE = 1 << 20
LONG = os.environ.get("OUTPUT_LONG") == "1"
LIMIT = 64 if LONG else 24
# What the server may take above the limit: its own buffers, the last reply, what its allocator keeps.
SLACK = 24 * MEGABYTE


def fill(client):
    """Data whose reading is much longer than the request."""
    block = b"v" * 1024
    client("SET", "string", b"s" * MEGABYTE)
    client("SET", "random", random.Random(3).randbytes(MEGABYTE))      # a dump is compressed where that helps
    for number in range(10):
        client("SET", f"k{number}", b"k" * 100_000)
    client("HSET", "hash", *[part for number in range(1000) for part in (f"f{number}", block)])
    client("RPUSH", "list", *[block] * 1000)
    client("SADD", "set", *[b"%d-" % number + block for number in range(1000)])
    client("ZADD", "sorted", *[part for number in range(1000) for part in (number, b"%d-" % number + block)])
    client.pipeline([("XADD", "stream", f"1-{number}", "f", block) for number in range(1, 1001)])
    client.pipeline([("SET", f"name-{'n' * 100}-{number}", "v") for number in range(5000)])
    client("GEOADD", "places", *[part for number in range(2000) for part in (number % 180, number % 80, b"%d-" % number + block[:200])])


# Requests, each with a reply of some hundred kilobytes or more, unless said otherwise.
READS = {
    "GET": encode("GET", "string"),
    "GETRANGE": encode("GETRANGE", "string", "0", "-1"),
    "MGET": encode("MGET", *[f"k{number}" for number in range(10)]),
    "EXEC": encode("MULTI") + encode("GET", "string") * 5 + encode("EXEC"),
    "one EXEC": encode("MULTI") + encode("GET", "string") * 150 + encode("EXEC"),
    "one MGET": encode("MGET", *["string"] * 150),
    "HGETALL": encode("HGETALL", "hash"),
    "HVALS": encode("HVALS", "hash"),
    "HMGET": encode("HMGET", "hash", *[f"f{number}" for number in range(300)]),
    "HSCAN": encode("HSCAN", "hash", "0", "COUNT", "2000"),
    "HRANDFIELD": encode("HRANDFIELD", "hash", "-2000", "WITHVALUES"),
    "LRANGE": encode("LRANGE", "list", "0", "-1"),
    "SMEMBERS": encode("SMEMBERS", "set"),
    "SUNION": encode("SUNION", "set", "set"),
    "SRANDMEMBER": encode("SRANDMEMBER", "set", "-2000"),
    "ZRANGE": encode("ZRANGE", "sorted", "0", "-1", "WITHSCORES"),
    "ZRANGEBYSCORE": encode("ZRANGEBYSCORE", "sorted", "-inf", "+inf"),
    "ZUNION": encode("ZUNION", "1", "sorted"),
    "XRANGE": encode("XRANGE", "stream", "-", "+"),
    "XREAD": encode("XREAD", "STREAMS", "stream", "0"),
    "XREAD BLOCK": encode("XREAD", "BLOCK", "0", "STREAMS", "stream", "0"),
    "XREVRANGE": encode("XREVRANGE", "stream", "+", "-"),
    "SORT": encode("SORT", "list", "ALPHA", "LIMIT", "0", "300"),
    "SORT GET": encode("SORT", "list", "BY", "nosort", "GET", "#", "GET", "#", "LIMIT", "0", "300"),
    "KEYS": encode("KEYS", "*"),
    "SCAN": encode("SCAN", "0", "COUNT", "10000"),
    "GEOSEARCH": encode("GEOSEARCH", "places", "FROMLONLAT", "0", "0", "BYRADIUS", "30000", "km", "WITHCOORD", "WITHDIST"),
    "DUMP": encode("DUMP", "random"),
    "ECHO": encode("ECHO", b"e" * 300_000),
    "PING": encode("PING", b"p" * 300_000),
    "ECHO of little": encode("ECHO", b"e" * 100),
    "CLIENT LIST": encode("CLIENT", "LIST"),
    "COMMAND": encode("COMMAND"),
    "COMMAND DOCS": encode("COMMAND", "DOCS"),
    "INFO": encode("INFO", "everything"),
    "CONFIG GET": encode("CONFIG", "GET", "*"),
    "errors": encode("NOSUCH", *[b"x" * 100] * 3),
    "in RESP3": encode("HELLO", "3") + encode("HGETALL", "hash") * 40,
}


def push(connection, data):
    """Sends all that the server takes; stops when it is full or closes."""
    connection.socket.settimeout(1)
    send_what_fits(connection, data)


@pytest.fixture(scope="module")
def filled():
    """A server with data, warmed up: what reading takes once has been taken. It knows how long its replies are."""
    launched = servers.Server(servers.under_test(), servers.TEST_FLAGS)
    with launched.connect(timeout=60) as client:
        fill(client)
    launched.sizes = {name: reply_size(launched, data) for name, data in READS.items() if not name.startswith("one ")}
    yield launched
    launched.stop()


def reply_size(server, data):
    with server.connect(timeout=60) as client:
        client.send_raw(data + encode("ECHO", "the end"))
        size = 0
        while True:
            reply = client.read()
            size += len(reply.raw)
            if reply.value == b"the end":
                return size


@pytest.mark.parametrize("name", READS)
def test_with_a_limit(name, filled):
    data = READS[name]
    with filled.connect(timeout=60) as control:
        assert control("CONFIG", "SET", "client-output-buffer-limit", f"normal {LIMIT}mb 0 0").raw == b"+OK\r\n"
        assert eventually(lambda: control("CLIENT", "LIST").plain().count(b"\n") == 1)
        filled.forget_peak()
        before = filled.resident_bytes()
        greedy = filled.connect()
        identity = greedy("CLIENT", "ID").value
        # Replies of several times the limit; most of the requests will never be looked at.
        wanted = (4 if not LONG else 100) * LIMIT * MEGABYTE
        count = min(wanted // filled.sizes[name] + 1, 1_000_000) if name in filled.sizes else 1
        try:
            push(greedy, data * count)
            # It is closed, or waits with its requests until it reads; in neither case is more kept.
            assert control("PING").value == b"PONG"
            grown = filled.peak_bytes() - before
            assert grown < LIMIT * MEGABYTE + SLACK, f"{grown >> 20} MiB"
            assert eventually(lambda: client_gone(control, identity)), "a client beyond the limit is closed"
        finally:
            greedy.close()
        assert eventually(lambda: filled.resident_bytes() - before < SLACK, seconds=30)
        control("CONFIG", "SET", "client-output-buffer-limit", "normal 0 0 0")


def test_without_a_limit(start, reference):
    """No more than the replies are: little more than redis-server takes for the same, or less if requests are left waiting."""
    count = 1600 if LONG else 200
    grown = []
    for server in (reference, start()):
        with server.connect(timeout=120) as control:
            values = [random.Random(number).randbytes(MEGABYTE) for number in range(8)]
            for number, value in enumerate(values):
                control("SET", f"v{number}", value)
            reader = server.connect(timeout=120)
            server.forget_peak()
            before = server.resident_bytes()
            reader.send_raw(b"".join(encode("GET", f"v{number % 8}") for number in range(count)))
            assert control("PING").value == b"PONG"
            assert eventually(lambda: unsent(control, reader) > 8 * MEGABYTE, seconds=60)
            for number in range(count):     # all is there, and right
                assert reader.read().value == values[number % 8]
            grown.append(server.peak_bytes() - before)
            reader.close()
            control("FLUSHALL")
            assert eventually(lambda: server.resident_bytes() - before < 40 * MEGABYTE, seconds=30)
    assert grown[1] < grown[0] * 1.3 + 32 * MEGABYTE, f"{grown[1] >> 20} MiB, redis-server {grown[0] >> 20} MiB"


def unsent(control, reader):
    """Bytes of replies that are in the server's memory."""
    local = "%s:%d" % reader.socket.getsockname()[:2]
    line = next(line for line in control("CLIENT", "LIST").plain().decode().splitlines() if f"addr={local} " in line)
    return int(line.split(" omem=")[1].split()[0])


@pytest.mark.parametrize("request_size, reply_size, count", [(30, 100_000, 2000), (2000, 5, 20_000), (1000, 1000, 40_000)])
def test_who_sends_everything_before_reading_anything(request_size, reply_size, count, start):
    """Clients that do so are common. The server must take all the requests, whatever the replies are that it cannot send meanwhile."""
    server = start()
    with server.connect(timeout=120) as client:
        client("SET", "k", b"v" * reply_size)
        padding = b"p" * request_size
        if reply_size == 5:
            request, reply = encode("SET", "l", padding), b"+OK\r\n"
        elif reply_size == request_size:
            request, reply = encode("ECHO", padding), bulk(padding)
        else:
            request, reply = encode("GET", "k"), bulk(b"v" * reply_size)
        data, block = request * count, reply * 10
        client.send_raw(data)
        received = bytearray()
        for _ in range(count // 10):
            while len(received) < len(block):
                chunk = client.socket.recv(1 << 18)
                assert chunk, "closed"
                received += chunk
            assert received[:len(block)] == block
            del received[:len(block)]
        assert not received
        assert client("PING").value == b"PONG"


def small_reader(server, timeout=60):
    """A connection whose receive buffer is as small as the kernel lets it be, so that replies are cut everywhere."""
    connection = server.connect(timeout=timeout)
    connection.socket.close()
    connection.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    connection.socket.settimeout(timeout)
    connection.socket.connect(server.address)
    return connection


def read_slowly(connection, length, rng, digest=None):
    """Reads `length` bytes in pieces of changing size."""
    data = bytearray()
    while length > 0:
        chunk = connection.socket.recv(min(length, rng.choice([1, 2, 3, 7, 100, 1000, 1023, 5000, 16_385, 65_537])))
        assert chunk, f"closed with {length} bytes to come"
        length -= len(chunk)
        if digest:
            digest.update(chunk)
        else:
            data += chunk
    return bytes(data)


def test_slow_readers_get_every_byte(start):
    """Each of several reads another sequence of replies, slowly, while the values are overwritten behind the reads."""
    server = start()
    rng = random.Random(1)
    values = [rng.randbytes(size) for size in (1, 100, 1024, 16_384, 16_385, 65_536, 65_537, 300_000, MEGABYTE + 7)]
    with server.connect(timeout=60) as control:
        readers, failures = [], []

        def work(connection, expected, seed):
            try:
                digest = hashlib.sha256()
                read_slowly(connection, sum(len(part) for part in expected), random.Random(seed), digest)
                assert digest.digest() == hashlib.sha256(b"".join(expected)).digest()
            except Exception as failure:
                failures.append(failure)
        for number in range(4):
            for place, value in enumerate(values):
                control("SET", f"v{place}", bytes([number]) + value)
            connection = small_reader(server)
            order = [rng.randrange(len(values)) for _ in range(60 if LONG else 24)]
            connection.send_raw(b"".join(encode("GET", f"v{place}") for place in order))
            connection.send_raw(encode("DEL", "none"))
            assert eventually(lambda: control("CLIENT", "LIST").plain().count(b" cmd=del ") == number + 1)     # all has been answered
            expected = [bulk(bytes([number]) + values[place]) for place in order] + [b":0\r\n"]
            readers.append((connection, threading.Thread(target=work, args=(connection, expected, number))))
        control("FLUSHALL")
        for _, thread in readers:
            thread.start()
        for connection, thread in readers:
            thread.join()
            connection.close()
        assert not failures, failures


def test_replies_cut_at_every_size(start):
    """One reply after the other of each length near the borders of buffers, to a reader that takes little at a time."""
    server = start()
    rng = random.Random(2)
    whole = rng.randbytes(140_000)
    borders = [0, 64, 128, 256, 1024, 4096, 8192, 16_384, 32_768, 65_536, 131_072]
    lengths = sorted({length for border in borders for length in range(border - 6, border + 7) if length >= 0} | set(range(1, 300, 7)))
    with server.connect() as control:
        control("SET", "k", whole)
        connection = small_reader(server)
        for round_number in range(3):
            rng.shuffle(lengths)
            for start_at in range(0, len(lengths), 20):
                some = lengths[start_at:start_at + 20]
                connection.send_raw(b"".join(encode("GETRANGE", "k", "0", length - 1) if length else encode("GET", "none") for length in some))
                expected = b"".join(bulk(whole[:length]) if length else b"$-1\r\n" for length in some)
                assert read_slowly(connection, len(expected), rng) == expected
        connection.close()


def test_replies_that_others_cause(start):
    """A client that waits again and again is answered by what others do; it reads nothing, and its output counts all the same."""
    server = start()
    with server.connect(timeout=60) as control:
        control("CONFIG", "SET", "client-output-buffer-limit", f"normal {LIMIT}mb 0 0")
        value = b"v" * MEGABYTE
        for words, wake in ((("XREAD", "BLOCK", "0", "STREAMS", "s", "$"), ("XADD", "s", "MAXLEN", "1", "*", "f", value)),
                            (("BLPOP", "l", "0"), ("RPUSH", "l", value)),
                            (("BZPOPMIN", "z", "0"), ("ZADD", "z", "1", value))):
            control(*wake)
            control("DEL", "s", "l", "z")
            greedy = server.connect()
            identity = greedy("CLIENT", "ID").value
            server.forget_peak()
            before = server.resident_bytes()
            greedy.send_raw(encode(*words) * 3 * LIMIT)
            served = 0
            for _ in range(3 * LIMIT):
                if not eventually(lambda: blocked_or_gone(control, identity)) or client_gone(control, identity):
                    break
                control(*wake)
                served += 1
            assert client_gone(control, identity), "its replies are beyond the limit"
            assert LIMIT // 2 < served < LIMIT + 20
            assert server.peak_bytes() - before < LIMIT * MEGABYTE + SLACK
            greedy.close()
            # What nobody is there to take stays.
            control("DEL", "l")
            assert control("RPUSH", "l", "e").value == 1 and control("LLEN", "l").value == 1
            control("DEL", "l", "s", "z")
            assert eventually(lambda: server.resident_bytes() - before < SLACK, seconds=30)
        control("CONFIG", "SET", "client-output-buffer-limit", "normal 0 0 0")


def blocked_or_gone(control, identity):
    line = control("CLIENT", "LIST", "ID", str(identity)).plain()
    return line == b"" or b" flags=b " in line


@pytest.mark.parametrize("goodbye", ["close", "reset", "kill"])
def test_memory_returns_when_the_client_goes(goodbye, start):
    server = start()
    with server.connect(timeout=60) as control:
        # Replies of elements are copied; a large string would be kept where it lies.
        control("RPUSH", "k", *[b"v" * (MEGABYTE // 16)] * 16)
        before = server.resident_bytes()
        crowd = [server.connect() for _ in range(4)]
        for connection in crowd:
            connection.send_raw(encode("LRANGE", "k", 0, -1) * 25)
        assert eventually(lambda: server.resident_bytes() - before > 50 * MEGABYTE)
        for connection in crowd:
            if goodbye == "kill":
                control("CLIENT", "KILL", "ADDR", "%s:%d" % connection.socket.getsockname()[:2])
            elif goodbye == "reset":
                abort(connection)
            else:
                connection.close()
        wait_until_alone(control)
        assert eventually(lambda: server.resident_bytes() - before < SLACK, seconds=30)
        for connection in crowd:
            connection.close()


def test_the_limit_can_be_set_while_replies_wait(start):
    """A client that is beyond a limit set later is closed when it is answered again, or by itself."""
    server = start()
    with server.connect(timeout=60) as control:
        control("SET", "k", b"v" * MEGABYTE)
        connection = server.connect()
        identity = connection("CLIENT", "ID").value
        connection.send_raw(encode("GET", "k") * 40)
        assert eventually(lambda: unsent(control, connection) > 8 * MEGABYTE)
        control("CONFIG", "SET", "client-output-buffer-limit", "normal 4mb 0 0")
        send_pieces(connection, [encode("GET", "k")])
        assert eventually(lambda: client_gone(control, identity))
        connection.close()


# --- small limits ------------------------------------------------------------------------------------------------------------

SMALL = 100_000


def used_memory(control):
    return int(control("INFO", "memory").plain().split(b"used_memory:")[1].split(b"\r\n")[0])


def test_what_a_slow_subscriber_holds_follows_its_limit(start):
    """CLIENT LIST tells what its messages take, not what could be taken for them."""
    server = start("--client-output-buffer-limit", f"pubsub {SMALL} 0 0")
    with server.connect() as control, server.connect(receive_buffer=4096) as reader:
        identity = reader("CLIENT", "ID").value
        reader("SUBSCRIBE", "news")
        most = 0
        for _ in range(100_000):
            control("PUBLISH", "news", "x" * 100)
            lines = [line for line in control("CLIENT", "LIST").plain().splitlines() if line.startswith(b"id=%d " % identity)]
            if not lines:
                break
            most = max(most, int(lines[0].split(b" omem=")[1].split()[0]))
        else:
            pytest.fail("a subscriber that reads nothing was not closed")
        assert SMALL * 0.7 <= most < SMALL * 2


@pytest.mark.parametrize("request_", [("KEYS", "*"), ("LRANGE", "list", "0", "-1")], ids=lambda words: words[0])
def test_a_reply_somewhat_beyond_a_small_limit_is_not_sent(request_, start):
    """Also one that a socket would take at once; and it leaves no memory behind."""
    server = start("--client-output-buffer-limit", f"normal {SMALL} 0 0", "--latency-tracking", "no")
    with server.connect() as control:
        control.pipeline([("SET", "n" * 100 + f":{number}", "v") for number in range(1000)])
        control("RPUSH", "list", *["v" * 1000] * 150)
        before = used_memory(control)
        with server.connect() as greedy:
            greedy.send(*request_)
            assert greedy.read_until_close() == b""
        assert eventually(lambda: used_memory(control) < before + 10_000)


@pytest.mark.parametrize("limit", [100_000, 1_000_000])
def test_replies_of_a_pipeline_are_limited_together(limit, start):
    """Also by a server that has run none of its commands yet, which takes longer."""
    server = start("--client-output-buffer-limit", f"normal {limit} 0 0")
    with server.connect() as control, server.connect() as greedy:
        control("SET", "large", "x" * 10_000)
        greedy.send_raw(b"".join(
            encode("SET", number, number) + encode("GET", number) + encode("DEL", number) + encode("GET", "large")
            for number in range(limit * 15 // 100_000)))
        assert greedy.read_until_close() == b""


@pytest.mark.parametrize("request_", [
    ("HRANDFIELD", "hash", -999_999_999), ("HRANDFIELD", "hash", -999_999_999, "WITHVALUES"), ("SRANDMEMBER", "set", -999_999_999),
    ("ZRANDMEMBER", "sorted", -999_999_999, "WITHSCORES"),
], ids=lambda words: " ".join(map(str, words[::3])))
def test_draws_without_end_stop_at_the_limit(request_, start):
    server = start("--client-output-buffer-limit", "normal 1mb 0 0")
    with server.connect() as control, server.connect(timeout=60) as greedy:
        control.pipeline([("HSET", "hash", "f", "v"), ("SADD", "set", "m"), ("ZADD", "sorted", "1", "m")])
        greedy.send(*request_)
        assert greedy.read_until_close(timeout=60) == b""
        assert control("PING").value == b"PONG"


@pytest.mark.ours
@pytest.mark.parametrize("count", [-999_999_999, -(1 << 40), -(1 << 62)])
def test_draws_without_end_are_refused_without_a_limit(count, start):
    """Where nothing would stop them before memory does."""
    server = start()
    with server.connect() as client:
        client.pipeline([("HSET", "hash", "f", "v"), ("SADD", "set", "m"), ("ZADD", "sorted", "1", "m")])
        for command, key in (("HRANDFIELD", "hash"), ("SRANDMEMBER", "set"), ("ZRANDMEMBER", "sorted")):
            assert client(command, key, count).raw == b"-ERR value is out of range\r\n"
