"""Servers that log are killed at any moment: what was acknowledged is there afterwards, and nothing is torn.

KILLS, in the environment, says how often each: 12 times unless told, under `always` 200 times at least."""
import os
import random
import shutil
import signal
import threading
import time

import pytest

from persistence.append_only import ON, folder, increment, logged, manifest, names, rewrite
from persistence.test_background import fields, send_all
from persistence.test_files import begin  # noqa: F401  (a fixture)
from support import server as servers
from support.resp import Closed

KILLS = int(os.environ.get("KILLS", 12))


class Writer:
    """A client that counts: in plain writes, in transactions of two keys, and in scripts. It knows what it was told."""

    def __init__(self, server, number, counts):
        self.number = number
        self.key = f"writer:{number}"
        # What was sent, and what was acknowledged, the last time.
        self.sent, self.acknowledged = counts.get(number, (0, 0))
        self.times = []
        self.thread = threading.Thread(target=self.write, args=(server,))
        self.thread.start()

    def write(self, server):
        rng = random.Random(self.number)
        try:
            with server.connect() as client:
                while True:
                    ways = []
                    depth = rng.choice([1, 1, 4, 20])
                    for _ in range(depth):
                        self.sent += 1
                        way = rng.randrange(4)
                        if way == 0:
                            client.send("MULTI"), client.send("SET", self.key, self.sent), client.send("SET", self.key + ":twin", self.sent)
                            client.send("RPUSH", self.key + ":list", self.sent), client.send("EXEC")
                        elif way == 1:
                            client.send("EVAL", "redis.call('mset', KEYS[1], ARGV[1], KEYS[2], ARGV[1]) return redis.call('rpush', KEYS[3], ARGV[1])", 3,
                                        self.key, self.key + ":twin", self.key + ":list", self.sent)
                        else:
                            client.send("EVAL", "redis.call('set', KEYS[1], ARGV[1]) redis.call('set', KEYS[2], ARGV[1]) redis.call('rpush', KEYS[3], ARGV[1])",
                                        3, self.key, self.key + ":twin", self.key + ":list", self.sent)
                        ways.append(way)
                    for way in ways:
                        replies = [client.read() for _ in range(5 if way == 0 else 1)]
                        assert not replies[-1].is_error, replies
                        self.acknowledged += 1
                        self.times.append((time.monotonic(), self.acknowledged))
        except (Closed, OSError):
            pass

    def check(self, client, least, seen=0):
        """What is there is whole, in its order, and no less than `least`. Of the list, what came after `seen` is read."""
        value = int(client("GET", self.key).value or 0)
        assert least <= value <= self.sent, f"{self.key}: {value}, but {least} were promised and {self.sent} sent"
        assert int(client("GET", self.key + ":twin").value or 0) == value, "half of a transaction"
        assert client("LLEN", self.key + ":list").value == value
        assert [int(each) for each in client("LRANGE", self.key + ":list", seen, -1).plain()] == list(range(seen + 1, value + 1))
        return value


def kill_again_and_again(begin, tmp_path, seed, arguments, least, disturb=None, times=KILLS):  # noqa: F811
    """Every 20 rounds all of the data is read, and then the writers begin anew: so the thousandth round costs what the first one does."""
    rng = random.Random(seed)
    counts = {}
    sent = 0
    for round_number in range(times):
        server = begin(servers.under_test(), tmp_path, *arguments)
        writers = [Writer(server, number, counts) for number in range(4)]
        if disturb:
            disturb(server, rng)
        time.sleep(rng.uniform(0.02, 0.25))
        killed = time.monotonic()
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
        for writer in writers:
            writer.thread.join()
        server.kill()
        server = begin(servers.under_test(), tmp_path, *arguments)
        with server.connect(timeout=30) as client:
            is_last = round_number % 20 == 19
            for writer in writers:
                before = counts.get(writer.number, (0, 0))[0]
                value = writer.check(client, least(writer, killed), 0 if is_last else before)
                sent += value - before
                counts[writer.number] = (value, value)
            if is_last:
                client("FLUSHALL")
                counts = {}
        server.kill()
    assert sent > 20 * times


def everything(writer, killed):
    return writer.acknowledged


def but_the_last_second(writer, killed):
    return max((count for moment, count in writer.times if moment < killed - 1), default=0)


def test_kills_with_always(begin, tmp_path):  # noqa: F811
    kill_again_and_again(begin, tmp_path, 1, ON, everything, times=max(KILLS, 200))


def test_kills_with_everysec(begin, tmp_path):  # noqa: F811
    kill_again_and_again(begin, tmp_path, 2, ("--appendonly", "yes"), but_the_last_second)


def test_kills_while_it_is_rewritten(begin, tmp_path):  # noqa: F811
    """At any step: while the base is written, around each rename, while history is removed."""
    def rewrite(server, rng):
        with server.connect() as client:
            client("CONFIG", "SET", "rdb-key-save-delay", rng.choice([0, 0, 2000]))
            if rng.random() < 0.3:
                client("BGSAVE")
            assert not client("BGREWRITEAOF").is_error
            time.sleep(rng.choice([0, 0.001, 0.003, 0.01]))
    kill_again_and_again(begin, tmp_path, 3, (*ON, "--auto-aof-rewrite-percentage", "0"), everything, rewrite)
    assert not [name for name in names(tmp_path) if name.startswith("temp-")]


def test_kills_while_it_is_switched_on(begin, tmp_path):  # noqa: F811
    """A log that is not there yet replaces nothing; from then on it has everything."""
    rng = random.Random(4)
    for round_number in range(max(2, KILLS // 2)):
        directory = tmp_path / str(round_number)
        directory.mkdir()
        server = begin(servers.under_test(), directory)
        with server.connect() as client:
            send_all(client, [["SET", f"key:{index}", index] for index in range(300)])
            client("CONFIG", "SET", "rdb-key-save-delay", 30)
            client("CONFIG", "SET", "appendfsync", "always", "appendonly", "yes")
            isOn = False
            for index in range(rng.randrange(2, 200)):
                isOn = isOn or fields(client)["aof_rewrite_in_progress"] == "0"
                client("SET", "last", index)
        server.kill()
        server = begin(servers.under_test(), directory, *ON)
        with server.connect() as client:
            if isOn:
                assert client("GET", "last").value == b"%d" % index and client("DBSIZE").value == 301
            else:
                assert client("DBSIZE").value in (0, 301)
        server.kill()


def test_kills_while_it_is_loaded(begin, tmp_path):  # noqa: F811
    path, content, ends = logged(begin, tmp_path)
    path.write_bytes(content[:-3])
    rng = random.Random(5)
    for _ in range(max(2, KILLS // 3)):
        server = begin(servers.under_test(), tmp_path, *ON, "--key-load-delay", 3000, loaded=False)
        time.sleep(rng.uniform(0, 0.25))
        server.kill()
    server = begin(servers.under_test(), tmp_path, *ON)
    with server.connect() as client:
        assert client("DBSIZE").value == 65


def states_of_a_rewrite():
    """What a crash may leave behind at each step of a rewrite, as functions that make it of a directory with one base and one increment."""
    def put(name, content=b"half"):
        return lambda at: (at / name).write_bytes(content)

    def new_base(at):
        shutil.copy(at / "appendonly.aof.1.base.rdb", at / "appendonly.aof.2.base.rdb")
    return {
        "a half base": [put("temp-rewriteaof-bg-1.aof")],
        "an increment that no manifest has": [put("appendonly.aof.2.incr.aof", b"")],
        "half a manifest": [put("appendonly.aof.2.incr.aof", b""), put("temp-appendonly.aof.manifest", b"file appendonly.aof.1.ba")],
        "a base that no manifest has": [put("appendonly.aof.2.incr.aof", b""), new_base],
        "a temporary increment": [put("temp-appendonly.aof.incr", b"*1\r\n")],
    }


@pytest.mark.parametrize("state", states_of_a_rewrite())
def test_what_a_crash_leaves_of_a_rewrite(state, begin, tmp_path):  # noqa: F811
    path, content, ends = logged(begin, tmp_path, count=10)
    before = manifest(tmp_path)
    for step in states_of_a_rewrite()[state]:
        step(folder(tmp_path))
    for _ in range(2):
        server = begin(servers.under_test(), tmp_path, *ON)
        with server.connect() as client:
            assert client("DBSIZE").value == 16 and manifest(tmp_path) == before
            assert not [name for name in names(tmp_path) if name.startswith("temp-")]
            assert client("BGREWRITEAOF").raw.startswith(b"+")
            while fields(client)["aof_rewrite_in_progress"] == "1":
                pass
            before = manifest(tmp_path)
            assert client("DBSIZE").value == 16
        server.kill()


def test_every_cut_of_the_end(begin, tmp_path):  # noqa: F811
    """The last 2 KB are cut at every so many bytes; CUTS in the environment says how many cuts, 25 unless told. DEBUG LOADAOF loads each."""
    path, content, ends = logged(begin, tmp_path)
    count = int(os.environ.get("CUTS", 25))
    server = begin(servers.under_test(), tmp_path, *ON)
    server.kill()
    other = tmp_path / "other"
    shutil.copytree(folder(tmp_path), folder(other))
    server = begin(servers.under_test(), other)
    with server.connect() as client:
        for cut in sorted(random.Random(6).sample(range(len(content) - 2000, len(content)), min(count, 2000))):
            increment(other).write_bytes(content[:cut])
            assert client("DEBUG", "LOADAOF").value == b"OK"
            whole = max(place for place in ends if place <= cut)
            assert client("DBSIZE").value == ends[whole] and increment(other).stat().st_size == whole, cut


def test_flipped_bits(begin, tmp_path):  # noqa: F811
    """A bit is flipped anywhere in the log: it is loaded, and then it was within a word, or refused. FLIPS says how many, 150 unless told."""
    path, content, ends = logged(begin, tmp_path)
    rng = random.Random(7)
    server = begin(servers.under_test(), tmp_path)
    loaded = refused = 0
    last = list(ends)[-2]
    with server.connect() as client:
        for _ in range(int(os.environ.get("FLIPS", 150))):
            place, bit = rng.randrange(last), rng.randrange(8)
            damaged = bytearray(content)
            damaged[place] ^= 1 << bit
            path.write_bytes(damaged)
            reply = client("DEBUG", "LOADAOF")
            if reply.is_error:
                refused += 1
                assert path.read_bytes() == damaged
            else:
                loaded += 1
                assert client("DBSIZE").value >= 64, (place, bit)
    assert loaded and refused
    server.check_alive()


def test_a_damaged_log_is_not_replaced_by_what_could_be_loaded_of_it(begin, tmp_path):  # noqa: F811
    server = begin(servers.under_test(), tmp_path, *ON)
    with server.connect() as client:
        client.pipeline([("SET", f"key:{number}", "x" * 100) for number in range(100)])
        whole = increment(tmp_path).read_bytes()
        damaged = bytearray(whole)
        damaged[len(whole) // 2:len(whole) // 2 + 200] = b"?" * 200
        increment(tmp_path).write_bytes(damaged)
        client.send("DEBUG", "LOADAOF")
        with pytest.raises((Closed, ConnectionResetError)):
            client.read()
    assert server.wait() == 1 and "Bad file format" in server.output()
    assert increment(tmp_path).read_bytes() == damaged
    increment(tmp_path).write_bytes(whole)
    server = begin(servers.under_test(), tmp_path, *ON)
    with server.connect() as client:
        increment(tmp_path).rename(tmp_path / "away")
        assert client("DEBUG", "LOADAOF").is_error and client("DBSIZE").value == 100
    server.kill()


def test_a_server_that_is_ended_while_it_loads_a_base_finds_no_fault_with_it(begin, tmp_path):  # noqa: F811
    server = begin(servers.under_test(), tmp_path, *ON)
    with server.connect() as client:
        client.pipeline([("SET", f"key:{number}", "x") for number in range(2000)])
        rewrite(client)
    server.kill()
    server = begin(servers.under_test(), tmp_path, *ON, "--key-load-delay", 5000, loaded=False)
    while "Reading RDB base" not in server.output():
        time.sleep(0.01)
    server.signal(signal.SIGTERM)
    assert server.wait() == 0 and "Error reading" not in server.output() and "backup" not in server.output()
