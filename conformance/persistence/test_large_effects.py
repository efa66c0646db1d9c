"""Large arguments in the append-only file: they are written from where they lie, a part in each turn, and are whole or absent whatever happens."""
import random
import resource
import shutil
import signal
import subprocess
import threading
import time

import pytest

from persistence.append_only import ON, end, folder, increment, rewrite, wait_for_rewrite
from persistence.test_background import fields
from persistence.test_files import begin  # noqa: F401  (a fixture)
from support import server as servers
from support.resp import Closed, encode, eventually

MEGABYTE = 1 << 20
A, B = (random.Random(seed).randbytes(3 * MEGABYTE) for seed in (1, 2))
FAR = 32503680000000

# Commands with large arguments.
WRITES = {
    "set": [("SET", "k", A)],
    "set over it": [("SET", "k", A), ("SET", "k", B)],
    "set and deleted": [("SET", "k", A), ("DEL", "k")],
    "set with a deadline": [("SET", "k", A, "PXAT", FAR)],
    "setex": [("SETEX", "k", 1000, A)],
    "getset": [("GETSET", "k", A)],
    "setnx": [("SETNX", "k", A), ("SETNX", "k", B)],
    "mset": [("MSET", "a", A, "b", "short", "c", B)],
    "mset of one key": [("MSET", "a", A, "a", B, "a", "short", "a", A)],
    "append": [("APPEND", "k", A), ("APPEND", "k", B)],
    "setrange": [("SETRANGE", "k", 5, A)],
    "list": [("RPUSH", "l", A, "short", B, B), ("LSET", "l", 1, A), ("LINSERT", "l", "BEFORE", A, B), ("LREM", "l", 1, A)],
    "hash": [("HSET", "h", "f", A, B, "v"), ("HSETNX", "h", A, B)],
    "hash with deadlines": [("HSETEX", "h", "PXAT", FAR, "FIELDS", 2, "f", A, "g", B)],
    "set of members": [("SADD", "s", A, "x", B), ("SREM", "s", A)],
    "sorted set": [("ZADD", "z", 1, A, 2, B), ("ZINCRBY", "z", 5, A)],
    "stream": [("XADD", "x", "1-1", "f", A, B, "v")],
    "hyperloglog": [("PFADD", "p", A, B)],
    "key": [("SET", A, B), ("EXPIREAT", A, 9999999999), ("RENAME", A, B)],
    "transaction": [("MULTI",), ("SET", "k", A), ("INCR", "n"), ("SET", "k", B), ("EXEC",)],
    "script": [("EVAL", "redis.call('set', KEYS[1], ARGV[1]) return redis.call('append', KEYS[1], ARGV[2])", 1, "k", A, B)],
    "function": [("FUNCTION", "LOAD", "#!lua name=l\nredis.register_function('f', function() return 1 end) --" + "x" * MEGABYTE)],
    "changed at once": [("SET", "k", A), ("SETRANGE", "k", 0, "new"), ("APPEND", "k", "x"), ("SETBIT", "k", 7, 1), ("BITOP", "NOT", "k", "k")],
    "flushed": [("SET", "k", A), ("FLUSHALL",), ("SET", "l", B)],
}


@pytest.mark.parametrize("sync", ["always", "everysec"])
@pytest.mark.parametrize("name", WRITES)
def test_they_are_logged_as_they_were_sent(name, sync, begin, tmp_path):  # noqa: F811
    """All at once, so that the next command comes while the one before is being written."""
    server = begin(servers.under_test(), tmp_path, "--appendonly", "yes", "--appendfsync", sync)
    with server.connect() as client:
        for reply in client.pipeline([*WRITES[name], ("SET", "last", 1)]):
            assert not reply.is_error, reply
        digest = client("DEBUG", "DIGEST").value
        if sync == "everysec":
            assert eventually(lambda: fields(client)["aof_buffer_length"] == "0" and fields(client)["aof_pending_bio_fsync"] == "0")
    end(server)
    checked = subprocess.run(["redis-check-aof", increment(tmp_path)], capture_output=True, text=True)
    assert checked.returncode == 0 and "is valid" in checked.stdout, checked.stdout
    with begin(servers.under_test(), tmp_path, *ON).connect() as client:
        assert client("DEBUG", "DIGEST").value == digest


class Pusher:
    """Sets its key to values that tell their number, and knows which ones were acknowledged."""

    def __init__(self, server, number, size):
        self.key, self.size = f"pusher:{number}", size
        self.sent = self.acknowledged = 0
        self.thread = threading.Thread(target=self.push, args=(server,))
        self.thread.start()

    def value(self, number):
        return (b"%08d" % number) * (self.size // 8)

    def push(self, server):
        try:
            with server.connect(timeout=60) as client:
                while True:
                    self.sent += 1
                    reply = client("SET", self.key, self.value(self.sent))
                    assert reply.value == b"OK", reply
                    self.acknowledged = self.sent
        except (Closed, OSError):
            pass

    def check(self, client):
        value = client("GET", self.key).value or b""
        number = int(value[:8] or 0)
        assert self.acknowledged <= number <= self.sent and value == (self.value(number) if number else b""), (self.acknowledged, number, self.sent)


@pytest.mark.parametrize("round", range(6))
def test_kills_while_they_are_written(round, begin, tmp_path):  # noqa: F811
    """Under `always`: what was acknowledged is there and whole, in spite of an end in the middle of another. Every second time the log is rewritten."""
    server = begin(servers.under_test(), tmp_path, *ON, "--auto-aof-rewrite-percentage", 0)
    pushers = [Pusher(server, number, size) for number, size in enumerate([100, 2 * MEGABYTE, 5 * MEGABYTE, 11 * MEGABYTE])]
    time.sleep(random.uniform(0.1, 0.6))
    if round % 2:
        with server.connect() as client:
            client("BGREWRITEAOF")
        time.sleep(random.uniform(0, 0.3))
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()
    for pusher in pushers:
        pusher.thread.join()
    server.kill()
    with begin(servers.under_test(), tmp_path, *ON).connect(timeout=30) as client:
        for pusher in pushers:
            pusher.check(client)


def counts(client, key):
    return int(client("GET", key).value or 0)


@pytest.mark.parametrize("sync", ["always", "everysec"])
@pytest.mark.parametrize("what", ["rewrite", "off and on", "other directory", "reload", "shutdown"])
def test_something_else_comes_between(what, sync, begin, tmp_path):  # noqa: F811
    """What is not idempotent is neither lost nor done twice."""
    home, other = tmp_path / "home", tmp_path / "other"
    home.mkdir(), other.mkdir()
    arguments = ("--appendonly", "yes", "--appendfsync", sync, "--auto-aof-rewrite-percentage", 0, "--enable-protected-configs", "yes")
    server = begin(servers.under_test(), home, *arguments)
    where = home
    large = random.Random(5).randbytes(25 * MEGABYTE)
    with server.connect(timeout=30) as client, server.connect(timeout=30) as control:
        for _ in range(3):
            client.send_raw(encode("INCR", "n") + encode("SET", "large", large) + encode("INCR", "n") + encode("RPUSH", "list", "x"))
            # It was executed, and is being written.
            assert eventually(lambda: counts(control, "n") % 2 == 0 and control("LLEN", "list").value * 2 == counts(control, "n") > 0, pause=0)
            if what == "rewrite":
                assert not control("BGREWRITEAOF").is_error
            elif what == "off and on":
                assert control("CONFIG", "SET", "appendonly", "no").value == b"OK"
                client.send("INCR", "n"), client.send("INCR", "n"), client.send("RPUSH", "list", "x")
                assert control("CONFIG", "SET", "appendonly", "yes").value == b"OK"
            elif what == "other directory":
                where = other if where is home else home
                assert control("CONFIG", "SET", "dir", where).value == b"OK"
                assert not control("BGREWRITEAOF").is_error
            elif what == "reload":
                assert control("DEBUG", "LOADAOF").value == b"OK"
            for _ in range(7 if what == "off and on" else 4):
                assert not client.read(30).is_error
            wait_for_rewrite(control)
        expected = counts(control, "n")
        assert control("LLEN", "list").value * 2 == expected
        digest = control("DEBUG", "DIGEST").value
        if what == "shutdown":
            client.send_raw(encode("SET", "large", large[:-1]) + encode("INCR", "n"))
            assert eventually(lambda: counts(control, "n") == expected + 1, pause=0)
            digest = control("DEBUG", "DIGEST").value
            control.send("SHUTDOWN")
            server.exit_expected = True
            assert server.wait() == 0
        elif sync == "everysec":
            assert eventually(lambda: fields(control)["aof_buffer_length"] == "0")
    end(server)
    with begin(servers.under_test(), where, *arguments).connect(timeout=30) as client:
        assert client("DEBUG", "DIGEST").value == digest


@pytest.mark.parametrize("sync", ["always", "everysec"])
def test_there_is_no_room_for_all_of_it(sync, begin, tmp_path):  # noqa: F811
    """A file may not become longer than 20 MB: what was written of the value is cut off, and all of it is written when there is room."""
    server = begin(servers.under_test(), tmp_path, "--appendonly", "yes", "--appendfsync", sync)
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (20 * MEGABYTE, resource.RLIM_INFINITY))
    large = random.Random(5).randbytes(30 * MEGABYTE)
    with server.connect(timeout=30) as client, server.connect(timeout=30) as other:
        assert client("SET", "small", 1).value == b"OK"
        client.send("SET", "large", large)
        assert eventually(lambda: fields(other)["aof_last_write_status"] == "err")
        assert other("SET", "x", 1).raw.startswith(b"-MISCONF") and other("GET", "small").value == b"1"
        assert int(fields(other)["aof_current_size"]) < 1000
        if sync == "everysec":
            assert client.read(30).value == b"OK"
        else:
            assert client.silent(0.3)
        # Who sends another large value while nothing can be written is refused, and does not wait.
        assert other("SET", "y", large).raw.startswith(b"-MISCONF")
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert eventually(lambda: other("SET", "x", 1).value == b"OK")
        if sync == "always":
            assert client.read(30).value == b"OK"
        assert eventually(lambda: fields(other)["aof_buffer_length"] == "0")
        digest = other("DEBUG", "DIGEST").value
    end(server)
    with begin(servers.under_test(), tmp_path, *ON).connect(timeout=30) as client:
        assert client("DEBUG", "DIGEST").value == digest and client("GET", "large").value == large


@pytest.mark.parametrize("limit", [None, "100mb"])
def test_many_push_while_the_disk_is_slow(limit, begin, tmp_path):  # noqa: F811
    """The log takes no more memory than the values, however many push: they are received as fast as they are written."""
    arguments = ("--maxmemory", limit, "--maxmemory-policy", "allkeys-lru") if limit else ()
    server = begin(servers.under_test(), tmp_path, "--appendonly", "yes", "--auto-aof-rewrite-percentage", 0, *arguments)
    with server.connect(timeout=60) as control:
        control("DEBUG", "AOF-FLUSH-SLEEP", 20_000)
        before = server.resident_bytes()
        pushers = [Pusher(server, number, 6 * MEGABYTE) for number in range(10)]
        slowest = 0
        for _ in range(200):
            started = time.monotonic()
            assert control("PING").value == b"PONG"
            slowest = max(slowest, time.monotonic() - started)
            time.sleep(0.01)
        counted = [pusher.acknowledged for pusher in pushers]
        assert all(counted), counted
        # Values, those that replace them, and what was received of the next ones.
        assert server.peak_bytes() < before + (110 if limit else 10 * 6 * 3 + 40) * MEGABYTE
        control("DEBUG", "AOF-FLUSH-SLEEP", 0)
        server.exit_expected = True
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()
    for pusher in pushers:
        pusher.thread.join()
