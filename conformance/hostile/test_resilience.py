"""Clients that behave badly: nothing crashes, nobody else waits, and what they used is given back."""
import random
import socket
import struct
import threading
import time

import pytest

from support.crowd import wait_until_alone
from support.resp import Closed, Connection, Malformed, encode, eventually

MEGABYTE = 1024 * 1024


@pytest.fixture
def leak_check(start):
    """A server of the test's own. Afterwards its descriptors are as many as before, and its memory nearly so."""
    server = start()
    with server.connect() as client:         # what is made once has been made before measuring
        client("SET", "k", "v" * MEGABYTE)
        client("DEL", "k")
        warm = [server.connect() for _ in range(50)]
        for connection in warm:
            connection("PING")
            connection.close()
        assert eventually(lambda: "connected_clients:1\r\n" in client("INFO", "clients").plain().decode())
    assert eventually(lambda: settled(server))
    descriptors, memory = server.descriptor_count(), server.resident_bytes()
    yield server
    server.check_alive()
    assert eventually(lambda: server.descriptor_count() == descriptors), f"{server.descriptor_count()} descriptors, {descriptors} before"
    slack = 20 * MEGABYTE       # what an allocator may keep
    assert eventually(lambda: server.resident_bytes() < memory + slack, seconds=30), \
        f"{server.resident_bytes() >> 10} KiB resident, {memory >> 10} KiB before"


def settled(server):
    before = server.descriptor_count()
    time.sleep(0.1)
    return server.descriptor_count() == before


class Witness:
    """An innocent client that asks all the time; the longest it had to wait is kept."""

    def __init__(self, server):
        self.connection = server.connect(timeout=30)
        self.longest, self.count, self.failure, self.running = 0.0, 0, None, True
        self.thread = threading.Thread(target=self.work)

    def work(self):
        try:
            while self.running:
                begun = time.monotonic()
                assert self.connection("INCR", "witness").value == self.count + 1
                self.count += 1
                self.longest = max(self.longest, time.monotonic() - begun)
                time.sleep(0.002)
        except Exception as failure:        # told to the test by __exit__
            self.failure = failure

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, *_):
        self.running = False
        self.thread.join()
        self.connection.close()
        if kind is None:
            assert self.failure is None, repr(self.failure)
            assert self.count > 0


def abort(connection):
    """Closes with a reset in place of an orderly end."""
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_random_bytes(leak_check):
    rng = random.Random(1)
    with Witness(leak_check):
        for _ in range(300):
            connection = leak_check.connect()
            try:
                connection.send_raw(rng.randbytes(rng.choice([1, 10, 100, 5000, 40_000])))
                connection.half_close()
                connection.read_until_close()
            except OSError:
                pass        # the server closed first
            connection.close()


def test_damaged_requests(leak_check):
    """Good requests with bytes changed, left out, doubled or cut off: each answer is well-formed or the connection ends."""
    rng = random.Random(2)
    good = [encode("SET", "k", "v" * 50), encode("GET", "k"), encode("HSET", "h", "f", "v"), encode("MGET", "k", "k"), b"PING\r\n",
            encode("INCRBY", "n", "12"), encode("SCAN", "0", "COUNT", "10"), encode("ECHO", b"\x00\r\n$5\r\n")]
    with Witness(leak_check):
        for _ in range(1500):
            data = bytearray(b"".join(rng.choices(good, k=4)))
            for _ in range(rng.randint(1, 4)):
                place = rng.randrange(len(data))
                action = rng.randrange(4)
                if action == 0:
                    data[place] = rng.randrange(256)
                elif action == 1:
                    del data[place]
                elif action == 2:
                    data[place:place] = data[place:place + rng.randint(1, 8)]
                else:
                    data[place:place] = rng.choice([b"\r\n", b"*", b"$-1\r\n", b"*2\r\n", b"999", b"\x00", b'"'])
            with leak_check.connect() as connection:
                connection.send_raw(bytes(data))
                connection.half_close()
                try:
                    for _ in range(100):
                        connection.read()
                    pytest.fail(f"a hundred replies to {bytes(data)!r}")
                except (Closed, ConnectionResetError):
                    pass
                except Malformed as problem:
                    pytest.fail(f"{problem} after {bytes(data)!r}")


def test_a_thousand_connects_and_aborts(leak_check):
    with Witness(leak_check) as witness:
        for number in range(1000):
            connection = leak_check.connect()
            if number % 4 == 1:
                connection.send_raw(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000\r\nabc")
            elif number % 4 == 2:
                connection.send("GET", "k")
            elif number % 4 == 3:
                connection.send_raw(encode("PING") * 100)
            abort(connection) if number % 2 else connection.close()
    assert witness.longest < 2


def test_a_thousand_connections_at_once_that_abort_together(leak_check):
    connections = [leak_check.connect() for _ in range(1000)]
    for connection in connections:
        connection.send("INCR", "n")
    assert all(connection.read().kind == ":" for connection in connections)
    assert leak_check.descriptor_count() > 1000
    for connection in connections:
        abort(connection)


def test_aborts_while_replies_are_under_way(leak_check):
    with leak_check.connect() as client, Witness(leak_check):
        client("SET", "large", "v" * MEGABYTE)
        for _ in range(50):
            connection = leak_check.connect()
            connection.send_raw(encode("GET", "large") * 5)
            connection.socket.recv(10)
            abort(connection)
        client("DEL", "large")


def test_half_closed_sockets_get_their_replies(leak_check):
    for _ in range(100):
        with leak_check.connect() as connection:
            connection.send_raw(encode("SET", "k", "v") + encode("GET", "k"))
            connection.half_close()
            assert connection.read_until_close() == b"+OK\r\n$1\r\nv\r\n"


def test_half_closed_sockets_get_large_replies_whole(server, client):
    client("SET", "k", "v" * MEGABYTE)
    with server.connect() as connection:
        connection.send("GET", "k")
        assert connection.read().value == b"v" * MEGABYTE
        connection.send("GET", "k")
        time.sleep(0.1)     # the reply is under way when the end of the requests is seen
        connection.half_close()
        assert connection.read_until_close().startswith(b"$1048576\r\nvvv")


def test_long_pipelines_are_answered_whole_though_their_end_is_there_already(server, client):
    """What takes several turns of the loop is not cut short by the end of the requests, which the server sees meanwhile."""
    client("RPUSH", "list", *range(3000))
    request = encode("SORT", "list", "LIMIT", "0", "1")
    crowd = [server.connect(timeout=60) for _ in range(8)]
    for number, connection in enumerate(crowd):
        connection.send_raw(request * 40 + encode("ECHO", f"end of {number}"))
        connection.half_close()
    for number, connection in enumerate(crowd):
        assert connection.read_until_close(timeout=60) == b"*1\r\n$1\r\n0\r\n" * 40 + b"$8\r\nend of %d\r\n" % number
        connection.close()


def test_slow_senders(leak_check):
    """Many requests at once, one byte at a time."""
    whole = encode("HSET", "slow", "field", "value" * 5)
    connections = [leak_check.connect() for _ in range(100)]
    with Witness(leak_check) as witness:
        for place in range(len(whole)):
            for connection in connections:
                connection.send_raw(whole[place:place + 1])
        replies = [connection.read().value for connection in connections]
    assert sorted(replies) == [0] * 99 + [1]
    assert witness.longest < 2
    for connection in connections:
        connection.close()


def test_a_large_value_sent_slowly(leak_check):
    value = random.Random(3).randbytes(3 * MEGABYTE)
    with leak_check.connect() as connection, Witness(leak_check):
        data = encode("SET", "k", value)
        for start in range(0, len(data), 64 * 1024):
            connection.send_raw(data[start:start + 64 * 1024])
            time.sleep(0.002)
        assert connection.read().raw == b"+OK\r\n"
        assert connection("GET", "k").value == value
        connection("DEL", "k")


def test_announced_length_takes_no_memory(leak_check):
    """Whoever announces half a gigabyte and sends nothing must not be given it."""
    before = leak_check.resident_bytes()
    connections = [leak_check.connect() for _ in range(10)]
    for connection in connections:
        connection.send_raw(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\nabc")
    others = [leak_check.connect() for _ in range(10)]
    for connection in others:
        connection.send_raw(b"*1048576\r\n$3\r\nDEL\r\n")
    time.sleep(0.3)
    assert leak_check.resident_bytes() - before < 120 * MEGABYTE
    for connection in connections + others:
        connection.close()


def test_a_long_pipeline_is_answered_whole(leak_check):
    count = 100_000
    received = []
    with leak_check.connect(timeout=60) as connection:
        reader = threading.Thread(target=lambda: received.extend(connection.read().value for _ in range(count)))
        reader.start()
        connection.send_raw(encode("INCR", "n") * count)
        reader.join()
    assert received == list(range(1, count + 1))


def test_a_pipeline_whose_replies_are_read_late(leak_check):
    """The sender writes without reading until the kernel's buffers are full; the server must not stall others or lose replies."""
    count = 200
    with leak_check.connect(timeout=30) as connection, Witness(leak_check) as witness:
        connection("SET", "k", "v" * 100_000)
        connection.send_raw(encode("GET", "k") * count)
        time.sleep(0.5)
        replies = [connection.read() for _ in range(count)]
        assert all(len(reply.value) == 100_000 for reply in replies)
        connection("DEL", "k")
    assert witness.longest < 2


def test_a_slow_reader_slows_nobody(leak_check):
    slow = [leak_check.connect() for _ in range(5)]
    with leak_check.connect() as client:
        client("SET", "large", "v" * MEGABYTE)
        with Witness(leak_check) as witness:
            for connection in slow:
                connection.send_raw(encode("GET", "large") * 20)
            time.sleep(1)
            listed = client("CLIENT", "LIST").plain().decode()
            waiting = [line for line in listed.splitlines() if " omem=0 " not in line]
            assert len(waiting) == len(slow)
        assert witness.longest < 1 and witness.count > 50
        for connection in slow:
            for _ in range(20):
                assert len(connection.read().value) == MEGABYTE
        client("DEL", "large")
    for connection in slow:
        connection.close()


def test_output_buffer_hard_limit(leak_check):
    with leak_check.connect() as client, leak_check.connect() as slow:
        client("CONFIG", "SET", "client-output-buffer-limit", "normal 20mb 0 0")
        client("SET", "large", "v" * MEGABYTE)
        for _ in range(10):     # below the limit all is delivered
            slow.send("GET", "large")
        assert all(len(slow.read().value) == MEGABYTE for _ in range(10))
        name = str(slow("CLIENT", "ID").value)
        with Witness(leak_check):
            slow.send_raw(encode("GET", "large") * 200)
            assert eventually(lambda: client("CLIENT", "LIST", "ID", name).plain() == b"")
        assert len(slow.read_until_close()) < 200 * MEGABYTE
        client("DEL", "large")


def test_output_buffer_soft_limit(leak_check):
    with leak_check.connect() as client, leak_check.connect() as slow:
        client("CONFIG", "SET", "client-output-buffer-limit", "normal 0 5mb 1")
        client("SET", "large", "v" * MEGABYTE)
        name = str(slow("CLIENT", "ID").value)
        slow.send_raw(encode("GET", "large") * 40)
        time.sleep(0.3)
        assert client("CLIENT", "LIST", "ID", name).plain() != b"", "not before its time"
        assert eventually(lambda: client("CLIENT", "LIST", "ID", name).plain() == b"", seconds=20)
        client("DEL", "large")


def test_maxclients_is_no_way_to_shut_others_out_for_good(start):
    server = start("--maxclients", "50")
    with server.connect() as client:
        wait_until_alone(client)
        crowd = []
        for _ in range(60):
            connection = Connection(server.address)
            try:
                if connection("PING").is_error:
                    raise Closed
                crowd.append(connection)
            except (Closed, ConnectionResetError, BrokenPipeError):
                connection.close()
        assert len(crowd) == 49
        for connection in crowd:
            abort(connection)
        assert eventually(lambda: "connected_clients:1\r\n" in client("INFO", "clients").plain().decode())
        with server.connect() as fresh:
            assert fresh("PING").value == b"PONG"


def test_connections_that_say_nothing_cost_little(leak_check):
    before = leak_check.resident_bytes()
    connections = [leak_check.connect() for _ in range(2000)]
    with leak_check.connect() as client:
        assert "connected_clients:2001\r\n" in client("INFO", "clients").plain().decode()
    assert leak_check.resident_bytes() - before < 2000 * 24 * 1024
    for connection in connections:
        connection.close()
