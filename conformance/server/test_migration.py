"""MIGRATE while others are served: what waits and what does not, and what becomes of keys when something ends in the middle."""
import signal
import socket
import struct
import threading
import time

import pytest

from differential.test_migration import OK, migrate
from support import server as servers
from support.resp import Closed, Connection, encode, eventually
from support.target import Target

pytestmark = pytest.mark.ours

BROKEN = b"-IOERR error or timeout reading to target instance\r\n"
LONG = 60_000


class Slow(Target):
    """Selects databases, and answers nothing else by itself."""

    def __init__(self):
        super().__init__(lambda _, request: OK if request[0] == b"SELECT" else b"")


@pytest.fixture
def server(start):
    """One of the test's own, which has no connections to others."""
    return start()


@pytest.fixture
def slow():
    with Slow() as target:
        yield target


def begin(client, target, *rest, keys=1, **options):
    """Sends MIGRATE, and waits until the target has so many keys more; what selects a database comes before them on each new connection."""
    before = target.names.count(b"RESTORE")
    client.send("MIGRATE", "127.0.0.1", target.port, options.get("key", "k"), 0, options.get("timeout", LONG), *rest)
    target.wait_until(lambda: target.names.count(b"RESTORE") >= before + keys)


def info(client, field):
    for line in client("INFO").plain().decode().splitlines():
        if line.startswith(field + ":"):
            return line.split(":", 1)[1]


# --- others ----------------------------------------------------------------------------------------------------------------------------


def test_reads_are_served_and_writes_wait(server, slow):
    with server.connect() as client, server.connect() as reader, server.connect() as writer, server.connect() as transaction, server.connect() as script:
        client("MSET", "k", "v", "other", 1)
        begin(client, slow)
        assert [reply.value for reply in reader.pipeline([["GET", "k"], ["GET", "other"], ["PING"], ["EVAL_RO", "return redis.call('get', 'k')", 0]])] == [b"v", b"1", b"PONG", b"v"]
        reader.pipeline([["MULTI"], ["GET", "k"]])
        assert reader("EXEC").plain() == [b"v"]
        assert info(reader, "blocked_clients") == "1"
        writer.send("SET", "k", "new"), transaction.send_raw(encode("MULTI") + encode("INCR", "other") + encode("EXEC")), script.send("EVAL", "return redis.call('incr', 'other')", 0)
        assert transaction.read().raw == OK
        for one in (writer, transaction, script, client):
            assert one.silent()
        assert info(reader, "blocked_clients") == "4" and reader("GET", "other").value == b"1"
        slow.send(OK)
        assert client.read().raw == writer.read().raw == OK
        # In the order in which they came.
        assert transaction.read().value == b"QUEUED" and transaction.read().plain() == [2] and script.read().plain() == 3
        assert reader("GET", "k").value == b"new" and info(reader, "blocked_clients") == "0"


def test_one_after_the_other(server, slow):
    clients = [server.connect() for _ in range(5)]
    with server.connect() as control:
        control("MSET", *[word for index in range(5) for word in (f"k{index}", index)])
        for index, client in enumerate(clients):
            client.send("MIGRATE", "127.0.0.1", slow.port, f"k{index}", 0, LONG)
            if index == 0:
                slow.wait_for(2)
            else:
                assert eventually(lambda: info(control, "blocked_clients") == str(index + 1))
        for index, client in enumerate(clients):
            slow.wait_for(2 + index)
            assert slow.requests[-1][1] == b"k%d" % index and control("DBSIZE").value == 5 - index
            slow.send(OK)
            assert client.read().raw == OK
        assert control("DBSIZE").value == 0
        # All over one connection.
        assert len(slow.connections) == 1 and info(control, "migrate_cached_sockets") == "1"
    for client in clients:
        client.close()


def test_what_a_client_sends_behind_it_waits(server, slow):
    with server.connect() as client:
        client("SET", "k", "v")
        client.send_raw(encode("MIGRATE", "127.0.0.1", slow.port, "k", 0, LONG) + encode("EXISTS", "k") + encode("SET", "k", "w") + encode("GET", "k"))
        slow.wait_for(2)
        assert client.silent()
        slow.send(OK)
        assert [client.read().value for _ in range(4)] == [b"OK", 0, b"OK", b"w"]


def test_nothing_expires_meanwhile(server, slow):
    with server.connect() as client, server.connect() as reader, server.connect() as subscriber:
        client("CONFIG", "SET", "notify-keyspace-events", "AKE"), client("CONFIG", "RESETSTAT")
        client("SET", "k", "v", "PX", 300), client("SET", "other", "v", "PX", 300), client("HSET", "h", "f", "v", "g", "w"), client("HPEXPIRE", "h", 300, "FIELDS", 1, "f")
        subscriber("PSUBSCRIBE", "__keyevent@0__:*")
        begin(client, slow)
        ttl = int(slow.requests[-1][2])
        assert 0 < ttl <= 300
        time.sleep(0.5)
        # They count as absent for those who look for them.
        assert reader("GET", "k").value is None and reader("GET", "other").value is None and reader("HGET", "h", "f").value is None
        assert reader("DBSIZE").value == 3 and subscriber.silent() and info(reader, "expired_keys") == "0"
        slow.send(OK)
        assert client.read().raw == OK
        assert sorted(subscriber.read().plain()[2:] for _ in range(3)) == [[b"__keyevent@0__:del", b"k"], [b"__keyevent@0__:expired", b"other"], [b"__keyevent@0__:hexpired", b"h"]]
        assert eventually(lambda: reader("DBSIZE").value == 1)
        client("CONFIG", "SET", "notify-keyspace-events", "")


def test_nothing_is_evicted_meanwhile(start, slow):
    server = start()
    with server.connect() as client, server.connect() as other:
        client("MSET", *[word for index in range(2000) for word in (f"key:{index}", "x" * 500)])
        client("CONFIG", "SET", "maxmemory-policy", "allkeys-random")
        begin(client, slow, key="key:7")
        assert other("CONFIG", "SET", "maxmemory", 1).value == b"OK"
        time.sleep(0.2)
        assert other("DBSIZE").value == 2000 and info(other, "evicted_keys") == "0"
        slow.send(OK)
        assert client.read().raw == OK
        assert eventually(lambda: other("DBSIZE").value < 1900)


def test_who_waits_for_a_key_is_served_afterwards(server, slow):
    with server.connect() as client, server.connect() as waiter, server.connect() as short, server.connect() as other:
        client("SET", "k", "v")
        waiter.send("BLPOP", "list", 0), short.send("BLPOP", "list", 0.2)
        assert eventually(lambda: info(other, "blocked_clients") == "2")
        begin(client, slow)
        other.send("RPUSH", "list", "a")
        # Time goes on.
        assert short.read().value is None and waiter.silent() and other.silent()
        slow.send(OK)
        assert client.read().raw == OK and other.read().value == 1 and waiter.read().plain() == [b"list", b"a"]


@pytest.mark.parametrize("mode", ["WRITE", "ALL"])
def test_beside_a_pause(mode, server, slow):
    with server.connect() as client, server.connect() as control, server.connect() as writer, server.connect() as second:
        client("SET", "k", "v")
        begin(client, slow)
        # A pause that begins and ends meanwhile lets nobody write.
        assert control("CLIENT", "PAUSE", LONG, mode).raw == OK
        writer.send("SET", "other", 1)
        if mode == "ALL":
            with server.connect() as reader:
                reader.send("GET", "k")
                assert reader.silent() and writer.silent()
        # Only those who wait for the end of the pause go on with it.
        with server.connect() as unpausing:
            unpausing.send("CLIENT", "UNPAUSE")
            if mode == "ALL":
                assert unpausing.silent()
                control.close()
                return unpause_and_end(client, writer, slow, server)
            assert unpausing.read().raw == OK
        assert writer.silent() and second("GET", "k").value == b"v"
        # One that goes on afterwards holds on, and who has asked for the move is answered all the same.
        assert control("CLIENT", "PAUSE", LONG, mode).raw == OK
        slow.send(OK)
        assert client.read().raw == OK and second("EXISTS", "k").value == 0
        assert writer.silent()
        assert control("CLIENT", "UNPAUSE").raw == OK and writer.read().raw == OK


def unpause_and_end(client, writer, slow, server):
    """A pause of everything holds even UNPAUSE of others; nothing but its end ends it."""
    slow.send(OK)
    assert client.read().raw == OK and writer.silent()
    server.exit_expected = True
    server.kill()


def test_unblocking_is_not_for_it(server, slow):
    with server.connect() as client, server.connect() as control:
        client("SET", "k", "v")
        number = client("CLIENT", "ID").value
        begin(client, slow)
        assert control("CLIENT", "UNBLOCK", number).value == control("CLIENT", "UNBLOCK", number, "ERROR").value == 0
        assert b" cmd=migrate " in control("CLIENT", "LIST", "ID", number).plain() and b" flags=b " in control("CLIENT", "LIST", "ID", number).plain()
        slow.send(OK)
        assert client.read().raw == OK


# --- ends in the middle ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["close", "reset", "kill"])
def test_a_client_that_goes(end, server, slow):
    with server.connect() as control, server.connect() as writer:
        client = server.connect()
        control("SET", "k", "v"), control("SET", "other", 1)
        number = client("CLIENT", "ID").value
        begin(client, slow)
        writer.send("INCR", "other")
        if end == "reset":
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if end == "kill":
            assert control("CLIENT", "KILL", "ID", number).value == 1
        else:
            client.close()
        assert end == "close" or eventually(lambda: control("CLIENT", "LIST", "ID", number).plain() == b"")
        assert writer.silent() and control("EXISTS", "k").value == 1
        slow.send(OK)
        # What was acknowledged is gone all the same.
        assert writer.read().value == 2 and control("EXISTS", "k").value == 0
        assert eventually(lambda: control("CLIENT", "LIST", "ID", number).plain() == b"")
        assert info(control, "blocked_clients") == "0" and info(control, "migrate_cached_sockets") == "1"


def test_a_client_that_only_reads_is_answered(server, slow):
    with server.connect() as client, server.connect() as control:
        control("SET", "k", "v")
        client.send_raw(encode("MIGRATE", "127.0.0.1", slow.port, "k", 0, LONG) + encode("EXISTS", "k"))
        client.half_close()
        slow.wait_for(2)
        assert client.silent()
        slow.send(OK)
        assert client.read_until_close() == OK + b":0\r\n"


def test_the_target_goes_half_way(server, slow):
    with server.connect() as client:
        client("MSET", *[word for index in range(100) for word in (f"k{index}", index)])
        begin(client, slow, "KEYS", *[f"k{index}" for index in range(100)], key="", keys=100)
        slow.send(OK * 40), time.sleep(0.1), slow.connections[-1].end()
        assert client.read().raw == BROKEN
        assert sorted(client("KEYS", "*").plain()) == sorted(b"k%d" % index for index in range(40, 100))
        assert len(slow.connections) == 1 and info(client, "migrate_cached_sockets") == "0"


@pytest.mark.parametrize("rest", [b":1\r\n", b"$2\r\nOK\r\n", b"+QUEUED\r\n", b"OK\r\n", b"\r\n", b"\n", b"*0\r\n", b"+OK \r\n", b"\0" * 70_000], ids=lambda rest: repr(rest[:12]))
def test_answers_that_are_none(rest, server, slow):
    with server.connect() as client:
        client("MSET", "a", 1, "b", 2, "c", 3)
        begin(client, slow, "KEYS", "a", "b", "c", key="", keys=3, timeout=1000)
        slow.send(OK + rest)
        assert client.read().raw == BROKEN
        assert sorted(client("KEYS", "*").plain()) == [b"b", b"c"] and info(client, "migrate_cached_sockets") == "0"


@pytest.mark.parametrize("more", [OK, OK + OK, b"+O"])
def test_more_answers_than_requests(more, server, slow):
    with server.connect() as client:
        client("SET", "k", "v")
        begin(client, slow)
        slow.send(OK + more)
        assert client.read().raw in (OK, BROKEN) and client("EXISTS", "k").value == 0
        # What nobody has asked for is not taken for the next answer.
        client("SET", "k", "v")
        client.send("MIGRATE", "127.0.0.1", slow.port, "k", 0, 1000)
        slow.wait_for_connections(2)
        assert client.read().raw == BROKEN and client("EXISTS", "k").value == 1


def test_acknowledged_before_it_was_sent(start):
    """Nobody can have what was not sent."""
    server = start("--rdbcompression", "no")
    with server.connect() as client, Target(reads=False) as target:
        # More than the sockets take by themselves.
        client.pipeline([["SETRANGE", f"k{index}", (16 << 20) - 1, "x"] for index in range(3)])
        client.send("MIGRATE", "127.0.0.1", target.port, "", 0, LONG, "KEYS", "k0", "k1", "k2")
        target.wait_for_connections(1)
        target.send(OK), time.sleep(0.2), target.send(OK * 3)
        assert client.read().raw == BROKEN and client("DBSIZE").value == 3


def test_an_answer_without_end(server, slow):
    """It holds nothing up for longer than one that does not begin."""
    with server.connect() as client:
        client("SET", "k", "v")
        begin(client, slow, timeout=1000)
        steps = 0
        try:
            while client.silent(0.1) and steps < 100:
                slow.send(b"x" if steps else b"-")
                steps += 1
        except OSError:
            pass
        assert client.read().raw == BROKEN and steps < 100 and client("EXISTS", "k").value == 1


def test_a_target_that_is_the_server_itself(server):
    with server.connect() as client:
        client("SET", "k", "v")
        for database in (0, 9):
            assert migrate(client, server, "REPLACE", database=database, timeout=300).raw == BROKEN
            assert client("GET", "k").value == b"v"
        client("SELECT", 9)
        time.sleep(0.1)
        assert client("DBSIZE").value == 0
        client("SELECT", 0), client("MULTI"), migrate(client, server, timeout=300)
        assert client("EXEC").raw == b"*1\r\n" + BROKEN and client("GET", "k").value == b"v"


def test_two_servers_that_move_keys_to_each_other(start):
    one, other = start(), start()
    with one.connect() as first, other.connect() as second:
        first("SET", "a", 1), second("SET", "b", 2)
        first.send("MIGRATE", "127.0.0.1", other.port, "a", 0, 1000), second.send("MIGRATE", "127.0.0.1", one.port, "b", 0, 1000)
        replies = {first.read().raw, second.read().raw}
        assert replies <= {OK, BROKEN}
        # Each is somewhere.
        for key in ("a", "b"):
            assert first("EXISTS", key).value + second("EXISTS", key).value >= 1


@pytest.mark.parametrize("how", ["SHUTDOWN", "SIGTERM"])
def test_the_server_ends(how, tmp_path, slow):
    server = servers.Server(servers.under_test(), [*servers.TEST_FLAGS, "--save", "3600 1", "--appendonly", "yes"], directory=tmp_path)
    again = None
    try:
        with server.connect() as client, server.connect() as control:
            client("MSET", "a", 1, "b", 2, "c", 3)
            begin(client, slow, "KEYS", "a", "b", "c", key="", keys=3)
            slow.send(OK)
            time.sleep(0.2)
            server.exit_expected = True
            if how == "SHUTDOWN":
                control.send("SHUTDOWN")
            else:
                server.signal(signal.SIGTERM)
            assert server.wait() == 0
            # Nobody is served any more.
            with pytest.raises(Closed):
                client.read()
        again = servers.Server(servers.under_test(), [*servers.TEST_FLAGS, "--appendonly", "yes"], directory=tmp_path)
        with again.connect() as client:
            assert sorted(client("KEYS", "*").plain()) == [b"b", b"c"]
    finally:
        server.kill()
        if again:
            again.kill()


def test_a_shutdown_that_fails(start, slow, tmp_path):
    server = start("--dir", tmp_path)
    with server.connect() as client, server.connect() as control:
        client("MSET", "a", 1, "b", 2)
        begin(client, slow, "KEYS", "a", "b", key="", keys=2)
        slow.send(OK)
        time.sleep(0.2)
        (tmp_path / "dump.rdb").mkdir()
        assert control("SHUTDOWN", "SAVE").is_error
        assert client.read().raw == BROKEN and client("KEYS", "*").plain() == [b"b"]
        # The next one is not held up by the one that was given up.
        begin(client, slow, key="b")
        slow.send(OK)
        assert client.read().raw == OK


# --- much ------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("peer", [servers.under_test, servers.reference], ids=["ours", "redis"])
def test_many_keys(peer, start):
    here, there = start(), start(binary=peer())
    # Much more than waits to be sent at a time.
    count, rest = 30_000, "x" * 2000
    with here.connect(timeout=60) as client, there.connect() as target:
        client("MSET", *[word for index in range(count) for word in (f"k{index}", f"{index} {rest}")])
        assert migrate(client, there, "KEYS", *[f"k{index}" for index in range(count)], key="", timeout=LONG).raw == OK
        assert client("DBSIZE").value == 0 and target("DBSIZE").value == count
        assert target("MGET", "k0", "k17", f"k{count - 1}").plain() == [f"{index} {rest}".encode() for index in (0, 17, count - 1)]


@pytest.mark.parametrize("peer", [servers.under_test, servers.reference], ids=["ours", "redis"])
def test_huge_values(peer, start):
    here, there = start("--rdbcompression", "no"), start(binary=peer())
    size = 256 << 20
    with here.connect(timeout=60) as client, there.connect(timeout=60) as target, here.connect() as reader:
        client("SETRANGE", "k", size - 1, "x"), client("SET", "small", "v")
        before = client("DEBUG", "DIGEST-VALUE", "k").plain()
        here.forget_peak()
        resident = here.resident_bytes()
        client.send("MIGRATE", "127.0.0.1", there.port, "k", 0, LONG)
        assert reader("GET", "small").value == b"v"
        assert client.read(timeout=60).raw == OK
        # The value and the request, and what else there was.
        assert here.peak_bytes() - resident < 1.2 * size
        assert client("EXISTS", "k").value == 0 and target("DEBUG", "DIGEST-VALUE", "k").plain() == before


def test_much_is_kept_only_in_part(start):
    """What waits to be sent has a bound, also where the target takes nothing more once it has answered."""
    server = start("--rdbcompression", "no")
    count, size = 1500, 64 << 10
    with server.connect(timeout=60) as client, server.connect() as reader, Target(reads=False) as target:
        client.pipeline([["SETRANGE", f"k{index}", size - 1, "x"] for index in range(count)])
        server.forget_peak()
        resident = server.resident_bytes()
        client.send("MIGRATE", "127.0.0.1", target.port, "", 0, 2000, "KEYS", *[f"k{index}" for index in range(count)])
        target.wait_for_connections(1)
        target.send(OK)
        # The first key is on its way.
        assert eventually(lambda: target.unread_bytes > size // 2)
        target.send(OK), time.sleep(0.2)
        assert reader("STRLEN", "k7").value == size
        assert client.read().raw == b"-IOERR error or timeout writing to target instance\r\n"
        assert server.peak_bytes() - resident < 40 << 20
        assert client("DBSIZE").value == count - 1 and client("EXISTS", "k0").value == 0


def test_many_clients_meanwhile(start):
    """Keys are moved to and fro while others read and write them: none is lost, and none is there twice."""
    one, other = start(), start()
    stop = threading.Event()
    problems = []

    def write(server, prefix):
        try:
            with server.connect(timeout=60) as client:
                index = 0
                while not stop.is_set():
                    client("SET", f"{prefix}{index % 50}", index), client("GET", f"k{index % 200}")
                    index += 1
        except Exception as problem:  # noqa: BLE001
            problems.append(problem)
    threads = [threading.Thread(target=write, args=(server, name)) for server in (one, other) for name in "ab"]
    with one.connect(timeout=60) as first, other.connect(timeout=60) as second:
        first("MSET", *[word for index in range(200) for word in (f"k{index}", index)])
        for thread in threads:
            thread.start()
        keys = [f"k{index}" for index in range(200)]
        for _ in range(20):
            assert migrate(first, other, "KEYS", *keys, key="", timeout=LONG).raw == OK
            assert first("EXISTS", *keys).value == 0
            assert migrate(second, one, "KEYS", *keys, key="", timeout=LONG).raw == OK
            assert second("EXISTS", *keys).value == 0
        stop.set()
        for thread in threads:
            thread.join()
        assert not problems and first("MGET", *keys).plain() == [b"%d" % index for index in range(200)]


def test_connections_end_when_they_are_not_used(server):
    with server.connect() as client, Target() as target:
        client("SET", "k", "v")
        assert migrate(client, target, "COPY").raw == OK and info(client, "migrate_cached_sockets") == "1"
        time.sleep(6)
        assert migrate(client, target, "COPY").raw == OK
        time.sleep(6)
        assert info(client, "migrate_cached_sockets") == "1"
        assert eventually(lambda: info(client, "migrate_cached_sockets") == "0")
        with pytest.raises((Closed, OSError)):
            target.connections[0].read(timeout=5)


def test_no_more_than_so_many_are_kept(server):
    targets = [Target() for _ in range(70)]
    with server.connect() as client:
        client("SET", "k", "v")
        before = server.descriptor_count()
        for target in targets:
            assert migrate(client, target, "COPY").raw == OK
        assert info(client, "migrate_cached_sockets") == "64" and server.descriptor_count() - before <= 64 + 2
        assert eventually(lambda: info(client, "migrate_cached_sockets") == "0", seconds=20)
    for target in targets:
        target.__exit__()
