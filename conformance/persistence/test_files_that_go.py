"""Files of the append-only directory that others remove, rename, replace or cut while the server has them open: what was acknowledged is there
after kill -9."""
import shutil
import signal
import threading
import time

import pytest

from persistence.append_only import ON, end, folder, increment, manifest, rewrite
from persistence.test_background import fields
from persistence.test_files import begin  # noqa: F811, F401  (a fixture)
from support import server as servers
from support.resp import Closed

MANIFEST = "appendonly.aof.manifest"
MISCONF = b"-MISCONF Errors writing to the AOF file"


def base(directory):
    return folder(directory) / manifest(directory)[0].split()[1]


def copied(path):
    """Has the path name another file of the same content."""
    content = path.read_bytes()
    path.rename(path.with_name("aside"))
    path.write_bytes(content)


WAYS = {
    "manifest removed": lambda at: (folder(at) / MANIFEST).unlink(),
    "manifest renamed": lambda at: (folder(at) / MANIFEST).rename(folder(at) / "aside"),
    "manifest emptied": lambda at: (folder(at) / MANIFEST).write_bytes(b""),
    "manifest replaced": lambda at: copied(folder(at) / MANIFEST),
    "base removed": lambda at: base(at).unlink(),
    "base renamed": lambda at: base(at).rename(folder(at) / "aside"),
    "base emptied": lambda at: base(at).write_bytes(b""),
    "increment removed": lambda at: increment(at).unlink(),
    "increment renamed": lambda at: increment(at).rename(folder(at) / "aside"),
    "increment emptied": lambda at: increment(at).write_bytes(b""),
    "increment replaced": lambda at: copied(increment(at)),
    "all but the lock removed": lambda at: [path.unlink() for path in folder(at).iterdir() if path.suffix != ".lock"],
    "directory removed": lambda at: shutil.rmtree(folder(at)),
    "directory renamed": lambda at: folder(at).rename(at / "backup"),
    "directory replaced": lambda at: (folder(at).rename(at / "backup"), folder(at).mkdir()),
}


class Writer(threading.Thread):
    """Sets keys one after the other and counts which of them are acknowledged; refusals are counted, too."""

    def __init__(self, server):
        super().__init__()
        self.client = server.connect(timeout=30)
        self.acknowledged = []
        self.refused = 0
        self.last = 0.0

    def run(self):
        try:
            for index in range(10_000_000):
                reply = self.client("SET", f"w{index}", index)
                if reply.value == b"OK":
                    self.acknowledged.append((time.monotonic(), f"w{index}"))
                else:
                    assert reply.raw.startswith(MISCONF), reply
                    self.refused += 1
        except (Closed, ConnectionError):
            pass

    def wait_for_more(self, count):
        """Until so many more writes are acknowledged."""
        wanted = len(self.acknowledged) + count
        deadline = time.monotonic() + 30
        while len(self.acknowledged) < wanted:
            assert time.monotonic() < deadline, f"{self.refused} writes were refused, and no more were taken"
            time.sleep(0.005)


@pytest.mark.parametrize("policy", ["always", "everysec"])
@pytest.mark.parametrize("way", WAYS)
def test_what_was_acknowledged_is_there(way, policy, begin, tmp_path):  # noqa: F811
    server = begin(servers.under_test(), tmp_path, *ON, "--appendfsync", policy)
    with server.connect() as client:
        for index in range(100):
            client("SET", f"k{index}", index)
        rewrite(client)
        client("SET", "after", "the base")
        writer = Writer(server)
        writer.start()
        writer.wait_for_more(20)
        WAYS[way](tmp_path)
        if policy == "always":
            # What is acknowledged from here on is found by a start, and so it is at any moment.
            writer.wait_for_more(20)
        else:
            while "would not be loaded as it is" not in server.output() or fields(client)["aof_last_write_status"] == "err":
                time.sleep(0.02)
            assert client("WAITAOF", 1, 0, 0).is_error is False
            time.sleep(1.2)
        assert client("GET", "k99").value == b"99"
        killed = time.monotonic()
        server.kill()
        writer.join()
    output = server.output()
    expected = [f"k{index}" for index in range(100)] + ["after"]
    expected += [key for moment, key in writer.acknowledged if policy == "always" or moment < killed - 1.1]
    restarted = begin(servers.under_test(), tmp_path, *ON)
    with restarted.connect() as client:
        assert client("EXISTS", *expected).value == len(expected)
    assert output.count("would not be loaded as it is") == 1, output
    assert "looks solved" in output


@pytest.mark.parametrize("way", ["manifest removed", "base removed", "directory renamed", "increment emptied"])
def test_it_is_noticed_while_nothing_is_written(way, begin, tmp_path):  # noqa: F811
    server = begin(servers.under_test(), tmp_path, *ON)
    with server.connect() as client:
        client("SET", "a", 1)
        rewrite(client)
        client("SET", "b", 1)
        WAYS[way](tmp_path)
        while "looks solved" not in server.output():
            assert client("MGET", "a", "b").plain() == [b"1", b"1"]
            time.sleep(0.02)
    end(server)
    server = begin(servers.under_test(), tmp_path, *ON)
    with server.connect() as client:
        assert client("MGET", "a", "b").plain() == [b"1", b"1"]


def test_reads_go_on_and_writes_are_refused(begin, tmp_path):  # noqa: F811
    """As long as it cannot be made good: something is in the way of the directory."""
    server = begin(servers.under_test(), tmp_path, *ON)
    with server.connect(timeout=30) as client, server.connect() as other:
        client("SET", "a", 1)
        folder(tmp_path).rename(tmp_path / "backup")
        folder(tmp_path).write_text("in the way")
        client.send("SET", "b", 2)
        while "No writes are taken" not in server.output():
            time.sleep(0.02)
        reply = other("SET", "c", 3)
        text = f"the directory {folder(tmp_path)} was removed, renamed or replaced"
        assert reply.raw == MISCONF + f": {text}\r\n".encode()
        assert other("MGET", "a", "b").plain() == [b"1", b"2"] and client.silent(0.5)
        assert fields(other)["aof_last_write_status"] == "err"
        folder(tmp_path).unlink()
        assert client.read().value == b"OK"
        assert other("SET", "c", 3).value == b"OK"
    assert server.output().count(text) == 1
    end(server)
    server = begin(servers.under_test(), tmp_path, *ON)
    with server.connect() as client:
        assert client("MGET", "a", "b", "c").plain() == [b"1", b"2", b"3"]


def test_a_shutdown_leaves_files_that_load(begin, tmp_path):  # noqa: F811
    server = begin(servers.under_test(), tmp_path, *ON)
    with server.connect() as client:
        client("SET", "a", 1)
        rewrite(client)
        (folder(tmp_path) / MANIFEST).unlink()
        client.send("SHUTDOWN")
        assert server.wait() == 0
    server = begin(servers.under_test(), tmp_path, *ON)
    with server.connect() as client:
        assert client("GET", "a").value == b"1"
        rewrite(client)
        base(tmp_path).unlink()
        # It is written anew first; then the server may end.
        while True:
            try:
                assert client("SHUTDOWN").is_error
            except (Closed, ConnectionError):
                break
            time.sleep(0.05)
        assert server.wait() == 0
    server = begin(servers.under_test(), tmp_path, *ON)
    with server.connect() as client:
        assert client("GET", "a").value == b"1"


def test_a_lock_that_is_removed(begin, tmp_path):  # noqa: F811
    server = begin(servers.under_test(), tmp_path, *ON)
    lock = folder(tmp_path) / "appendonly.aof.lock"
    assert lock.read_text() == f"{server.pid}\n"
    with server.connect() as client:
        client("SET", "a", 1)
        lock.unlink()
        assert client("SET", "b", 1).value == b"OK"
        assert lock.read_text() == f"{server.pid}\n"
        second = begin(servers.under_test(), tmp_path, *ON, ready=False)
        assert second.wait() == 1 and f"Another server uses the append-only directory {folder(tmp_path)} (process {server.pid})" in second.output()
        assert client("SET", "c", 1).value == b"OK"
    end(server)


def test_another_server_comes_when_the_lock_was_removed(begin, tmp_path):  # noqa: F811
    """The first one, which has been stopped meanwhile, writes nothing until the other has ended; then it writes all that it has."""
    server = begin(servers.under_test(), tmp_path, *ON)
    with server.connect(timeout=30) as client:
        client("SET", "a", 1)
        server.signal(signal.SIGSTOP)
        (folder(tmp_path) / "appendonly.aof.lock").unlink()
        other_place = tmp_path / "log"
        other_place.mkdir()
        second = begin(servers.under_test(), other_place, *ON, "--dir", tmp_path)
        server.signal(signal.SIGCONT)
        client.send("SET", "b", 1)
        assert client.silent(1)
        with second.connect() as other:
            assert other("SET", "c", 1).value == b"OK" and other("EXISTS", "a", "b").value == 1
        end(second)
        assert client.read().value == b"OK"
        assert f"Another server (process {second.pid}) has locked the append-only directory" in server.output()
    end(server)
    server = begin(servers.under_test(), tmp_path, *ON)
    with server.connect() as client:
        assert client("MGET", "a", "b").plain() == [b"1", b"1"]
