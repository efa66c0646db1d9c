"""Saving in the background: what is saved is what there was when it began, whatever is written meanwhile."""
import os
import pathlib
import random
import shutil
import signal
import subprocess
import threading
import time

import pytest

from persistence.test_files import begin, values  # noqa: F401  (begin is a fixture)
from support import server as servers
from support.resp import Closed

FAR = 32503680000000
DATABASES = (0, 1, 2, 3, 9)
ELEMENTS = 30_000


def fields(client, section="persistence"):
    return dict(line.split(":", 1) for line in client("INFO", section).plain().decode().split("\r\n") if ":" in line)


def wait_for_save(client):
    while fields(client)["rdb_bgsave_in_progress"] == "1":
        time.sleep(0.005)
    return fields(client)["rdb_last_bgsave_status"]


def send_all(client, commands):
    """Runs commands in pipelines; none may fail."""
    for start in range(0, len(commands), 200):
        part = commands[start:start + 200]
        for words in part:
            client.send(*words)
        for words in part:
            reply = client.read()
            assert not reply.is_error, (words[:3], reply.raw)


def fill(client, rng, count=4000):
    """Small, medium and large values of all types in several databases."""
    for database in DATABASES:
        commands = [["SELECT", database]]
        for index in range(count):
            key = f"key:{index}"
            kind = index % 8
            if kind == 0:
                commands.append(["SET", key, rng.randbytes(rng.randrange(80))])
            elif kind == 1:
                commands.append(["SET", key, index, "PXAT", FAR])
            elif kind == 2:
                commands.append(["HSET", key, *[word for field in range(rng.randrange(1, 20)) for word in (f"f{field}", field)]])
            elif kind == 3:
                commands.append(["SADD", key, *range(rng.randrange(1, 30))])
            elif kind == 4:
                commands.append(["ZADD", key, *[word for member in range(rng.randrange(1, 20)) for word in (member * 0.5, f"m{member}")]])
            elif kind == 5:
                commands.append(["RPUSH", key, *[f"element {element}" for element in range(rng.randrange(1, 20))]])
            elif kind == 6:
                commands.append(["XADD", key, f"{index + 1}-1", "f", "v"])
            else:
                commands.append(["SET", key, "x" * rng.randrange(1000)])
        for index in range(8):
            some = range(rng.randrange(300, 3000))
            commands.append(["HSET", f"medium hash:{index}", *[word for field in some for word in (f"field{field}", f"value{field}")]])
            commands.append(["SADD", f"medium set:{index}", *[f"member{member}" for member in some]])
            commands.append(["ZADD", f"medium sorted:{index}", *[word for member in some for word in (member, f"member{member}")]])
            commands.append(["RPUSH", f"medium list:{index}", *[f"element{element}" for element in some]])
            commands += [["XADD", f"medium stream:{index}", f"{entry + 1}-1", "f", f"v{entry}"] for entry in some[:300]]
            commands.append(["SET", f"medium text:{index}", rng.randbytes(60_000)])
        if database in (0, 2):
            for index in range(2):
                for start in range(0, ELEMENTS, 5000):
                    some = range(start, start + 5000)
                    commands.append(["HSET", f"large hash:{index}", *[word for field in some for word in (f"field{field}", f"value{field}")]])
                    commands.append(["SADD", f"large set:{index}", *[f"member{member}" for member in some]])
                    commands.append(["ZADD", f"large sorted:{index}", *[word for member in some for word in (member, f"member{member}")]])
                    commands.append(["RPUSH", f"large list:{index}", *[f"element{element}" for element in some]])
                    commands += [["XADD", f"large stream:{index}", f"{entry + 1}-1", "f", f"v{entry}"] for entry in some]
                commands.append(["HPEXPIREAT", f"large hash:{index}", FAR, "FIELDS", 3, "field1", "field2", "field3"])
                commands.append(["XGROUP", "CREATE", f"large stream:{index}", "group", 0])
                commands.append(["XREADGROUP", "GROUP", "group", "one", "COUNT", 500, "STREAMS", f"large stream:{index}", ">"])
                commands.append(["SET", f"large text:{index}", rng.randbytes(3_000_000)])
        send_all(client, commands)
    client("SELECT", 0)


def picture(client):
    shown = {"digest": client("DEBUG", "DIGEST").plain()}
    for database in DATABASES:
        client("SELECT", database)
        shown[database] = client("DBSIZE").plain()
        if client("EXISTS", "large stream:0").value:
            for index in range(2):
                shown[database, index] = [client("XINFO", "STREAM", f"large stream:{index}").plain(), client("XPENDING", f"large stream:{index}", "group").plain(),
                                          client("HPEXPIRETIME", f"large hash:{index}", "FIELDS", 2, "field1", "field4").plain()]
    client("SELECT", 0)
    return shown


def key_of(rng, kind, size):
    index = {"key": 4000, "medium": 8, "large": 2}[size]
    if size == "key":
        offset = {"hash": 2, "set": 3, "sorted": 4, "list": 5, "stream": 6, "text": 0}[kind]
        return f"key:{rng.randrange(index // 8) * 8 + offset}"
    return f"{size} {kind}:{rng.randrange(index)}"


def change(rng):
    """One or more commands that change something, of any kind."""
    size = rng.choice(["key", "key", "medium", "large"])
    kind = rng.choice(["text", "hash", "set", "sorted", "list", "stream", "any"])
    key = key_of(rng, "text" if kind == "any" else kind, size)
    other = key_of(rng, "text" if kind == "any" else kind, rng.choice(["key", "medium", "large"]))
    number = rng.randrange(ELEMENTS)
    choices = {
        "text": [["SET", key, rng.randbytes(50)], ["APPEND", key, "more"], ["SETRANGE", key, rng.randrange(100), "xyz"], ["SETBIT", key, rng.randrange(800), 1],
                 ["GETSET", key, "new"], ["SET", key, "y" * 70_000], ["GETDEL", key]],
        "hash": [["HSET", key, f"field{number}", "changed"], ["HDEL", key, f"field{number}", "f1"], ["HSET", key, f"new{number}", 1],
                 ["HPEXPIRE", key, rng.randrange(1, 50), "FIELDS", 2, f"field{number}", "f2"], ["HINCRBY", key, f"count{number % 10}", 1]],
        "set": [["SADD", key, f"new{number}"], ["SREM", key, f"member{number}", number % 30], ["SPOP", key], ["SPOP", key, 50], ["SINTERSTORE", key, key, other]],
        "sorted": [["ZADD", key, number, f"member{rng.randrange(ELEMENTS)}"], ["ZREM", key, f"member{number}", "m1"], ["ZPOPMIN", key, 10], ["ZINCRBY", key, 5, f"member{number}"],
                   ["ZREMRANGEBYRANK", key, 0, 20]],
        "list": [["LPUSH", key, "new"], ["RPUSH", key, "new", "newer"], ["LPOP", key], ["RPOP", key, 20], ["LSET", key, 0, "changed"], ["LTRIM", key, 3, -3],
                 ["LINSERT", key, "BEFORE", f"element{number}", "inserted"], ["LREM", key, 1, f"element{number}"], ["LSET", key, number, "changed"]],
        "stream": [["XADD", key, "*", "f", "new"], ["XDEL", key, f"{number + 1}-1"], ["XTRIM", key, "MAXLEN", "~", max(100, number)], ["XTRIM", key, "MINID", number],
                   ["XREADGROUP", "GROUP", "group", "two", "COUNT", 10, "STREAMS", key, ">"], ["XACK", key, "group", f"{number % 500 + 1}-1"],
                   ["XGROUP", "CREATE", key, f"group{number % 20}", "$"], ["XGROUP", "DESTROY", key, f"group{number % 20}"]],
        "any": [["DEL", key], ["UNLINK", other], ["RENAME", key, other], ["RENAME", key, f"renamed:{number}"], ["PEXPIRE", key, rng.randrange(1, 30)], ["PERSIST", key],
                ["MOVE", key, rng.choice(DATABASES)], ["COPY", key, f"copy:{number}", "REPLACE"], ["SET", f"new:{number}", number], ["MOVE", key, 11],
                ["EVAL", "redis.call('set', KEYS[1], 'scripted') redis.call('del', KEYS[2])", 2, key, other]],
    }
    if kind == "any":
        key = key_of(rng, rng.choice(["text", "hash", "set", "sorted", "list", "stream"]), size)
        other = key_of(rng, rng.choice(["text", "hash", "set", "sorted", "list", "stream"]), rng.choice(["key", "medium"]))
        choices["any"] = [[key if word == choices["any"] else word for word in words] for words in choices["any"]]
        for words in choices["any"]:
            if words[0] in ("DEL", "RENAME", "PEXPIRE", "MOVE", "COPY"):
                words[1] = key
    chosen = [rng.choice(choices[kind])]
    if rng.random() < 0.05:
        return [["MULTI"], *chosen, ["INCR", "counter"], ["DEL", other], ["EXEC"]]
    return chosen


class Writers:
    """Clients that change everything until they are told to stop."""

    def __init__(self, server, seed, count=3):
        self.stopped = threading.Event()
        self.counts = [0] * count
        self.problems = []
        self.threads = [threading.Thread(target=self.write, args=(server, seed * 100 + index, index)) for index in range(count)]
        for thread in self.threads:
            thread.start()

    def write(self, server, seed, place):
        rng = random.Random(seed)
        try:
            with server.connect() as client:
                while not self.stopped.is_set():
                    commands = [["SELECT", rng.choice(DATABASES)]]
                    for _ in range(10):
                        commands += change(rng)
                    draw = rng.random()
                    if draw < 0.01:
                        commands += [["SWAPDB", *rng.sample(DATABASES, 2)]]
                    elif draw < 0.015:
                        commands += [["FLUSHDB"]]
                    for words in commands:
                        client.send(*words)
                    for words in commands:
                        client.read()
                    self.counts[place] += len(commands)
        except Exception as problem:  # noqa: BLE001
            self.problems.append(problem)

    def stop(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join()
        assert not self.problems, self.problems
        return sum(self.counts)


# CONFORMANCE_SAVES=<number>: with so many seeds.
@pytest.mark.parametrize("seed", range(int(os.environ.get("CONFORMANCE_SAVES", "2"))))
def test_what_is_saved_is_what_there_was_at_the_start(seed, begin, tmp_path):  # noqa: F811
    ours, copy = tmp_path / "ours", tmp_path / "copy"
    ours.mkdir(), copy.mkdir()
    server = begin(servers.under_test(), ours, "--rdbcompression", ["yes", "no"][seed % 2])
    rng = random.Random(seed)
    with server.connect(timeout=120) as client:
        fill(client, rng)
        before = picture(client)
        # They expire while they are saved.
        send_all(client, [["SET", f"fleeting:{index}", "v", "PX", 100 + index] for index in range(200)])
        client("CONFIG", "SET", "rdb-key-save-delay", 30)
        assert client("BGSAVE").value == b"Background saving started"
        writers = Writers(server, seed)
        begun = time.monotonic()
        try:
            status = wait_for_save(client)
        finally:
            written = writers.stop()
        assert status == "ok" and written > 1000, f"{written} commands in {time.monotonic() - begun} s"
        assert picture(client)["digest"] != before["digest"]
        client("DEBUG", "SET-ACTIVE-EXPIRE", 1)
    assert fields(server.connect())["rdb_changes_since_last_save"] != "0"
    shutil.copy(ours / "dump.rdb", copy / "dump.rdb")
    second = begin(servers.under_test(), copy)
    with second.connect(timeout=120) as client:
        assert picture(client) == before
        assert fields(client)["rdb_last_load_keys_expired"] == "200"
    server.check_alive()


def test_flushall_gives_the_save_up(begin, tmp_path):  # noqa: F811
    """As in Redis: what there was before is not to come back. With save points a file of nothing takes its place."""
    server = begin(servers.under_test(), tmp_path)
    with server.connect() as client:
        for points in ("", "900 1"):
            client("CONFIG", "SET", "save", points)
            client("SET", "old", 1)
            assert client("SAVE").value == b"OK"
            before = (tmp_path / "dump.rdb").read_bytes()
            client("CONFIG", "SET", "rdb-key-save-delay", 10_000_000)
            client("SET", "k", "v")
            assert client("BGSAVE").value == b"Background saving started"
            assert client("FLUSHDB").value == b"OK"
            assert fields(client)["rdb_bgsave_in_progress"] == "1", "only FLUSHALL does that"
            client("SET", "k", "v")
            assert client("FLUSHALL").value == b"OK"
            client("CONFIG", "SET", "rdb-key-save-delay", 0)
            assert wait_for_save(client) == "ok"
            assert ((tmp_path / "dump.rdb").read_bytes() == before) == (points == "")
            assert fields(client)["rdb_changes_since_last_save"] == ("5" if points == "" else "0")
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix == ".rdb") == ["dump.rdb"]
    server.kill()
    with begin(servers.under_test(), tmp_path).connect() as client:
        assert client("DBSIZE").value == 0


def test_flushes_of_all_databases_while_it_is_saved(begin, tmp_path):  # noqa: F811
    def flush(client):
        for database in DATABASES:
            client("SELECT", database)
            assert client("FLUSHDB").value == b"OK"
        client("SELECT", 0)
    server = begin(servers.under_test(), tmp_path)
    with server.connect(timeout=120) as client:
        fill(client, random.Random(1))
        before = picture(client)
        client("CONFIG", "SET", "rdb-key-save-delay", 20)
        assert client("BGSAVE").value == b"Background saving started"
        for text in ("large hash:0", "large list:0", "large stream:0"):
            client("DEL", text)
        flush(client)
        for index in range(1000):
            client("SET", index, index)
        flush(client)
        assert wait_for_save(client) == "ok"
        assert client("DBSIZE").value == 0
        client("SET", "k", "v")
        used = int(fields(client, "memory")["used_memory"])
        assert used < 5_000_000, "what was dropped is freed afterwards"
    server.kill()
    second = begin(servers.under_test(), tmp_path)
    with second.connect(timeout=120) as client:
        assert picture(client) == before


def test_saves_one_after_the_other(begin, tmp_path):  # noqa: F811
    server = begin(servers.under_test(), tmp_path)
    with server.connect(timeout=120) as client:
        fill(client, random.Random(2), count=800)
        for number in range(3):
            client("SET", "number", number)
            client("HSET", "large hash:0", "number", number)
            # What the last writers have let expire.
            time.sleep(0.2)
            before = picture(client)
            assert client("BGSAVE").value == b"Background saving started"
            writers = Writers(server, 50 + number)
            try:
                assert wait_for_save(client) == "ok"
            finally:
                writers.stop()
            copy = tmp_path / f"copy{number}"
            copy.mkdir()
            shutil.copy(tmp_path / "dump.rdb", copy / "dump.rdb")
            second = begin(servers.under_test(), copy)
            with second.connect(timeout=120) as other:
                assert picture(other) == before
            second.kill()
        assert fields(client)["rdb_saves"] == "3"


def test_commands_while_it_is_saved(begin, tmp_path):  # noqa: F811
    server = begin(servers.under_test(), tmp_path)
    with server.connect() as client:
        send_all(client, [["SET", f"key:{index}", "v"] for index in range(5000)])
        client("CONFIG", "SET", "rdb-key-save-delay", 1000)
        assert client("BGSAVE", "CANCEL").raw == b"-ERR Background saving is currently not in progress or scheduled\r\n"
        assert client("BGSAVE", "x").raw == b"-ERR syntax error\r\n" and client("BGSAVE", "SCHEDULE", "x").raw == b"-ERR syntax error\r\n"
        assert client("BGSAVE", "schedule").value == b"Background saving started"
        in_progress = b"-ERR Background save already in progress\r\n"
        assert client("BGSAVE").raw == client("BGSAVE", "SCHEDULE").raw == client("SAVE").raw == in_progress
        shown = fields(client)
        assert shown["rdb_bgsave_in_progress"] == "1" and shown["current_save_keys_total"] == "5000" and int(shown["rdb_current_bgsave_time_sec"]) >= 0
        assert client("BGSAVE", "CANCEL").value == b"Background saving cancelled"
        shown = fields(client)
        assert shown["rdb_bgsave_in_progress"] == "0" and shown["rdb_last_bgsave_status"] == "ok" and shown["current_save_keys_total"] == "0"
        assert sorted(os.listdir(tmp_path)) == ["dump.rdb.lock", "output.log"]
        client("CONFIG", "SET", "rdb-key-save-delay", 0)
        client("MULTI")
        client("BGSAVE")
        assert client("EXEC").plain() == [b"Background saving scheduled"]
        while fields(client)["rdb_last_bgsave_time_sec"] == "-1":
            time.sleep(0.01)
        assert "dump.rdb" in os.listdir(tmp_path) and wait_for_save(client) == "ok"


def test_a_save_that_fails_refuses_writes_until_one_succeeds(begin, tmp_path):  # noqa: F811
    server = begin(servers.under_test(), tmp_path, "--save", "3600 1000000")
    with server.connect() as client, server.connect() as other:
        client("SET", "large", os.urandom(3_000_000))
        assert client("SAVE").value == b"OK"
        content = (tmp_path / "dump.rdb").read_bytes()
        subprocess.run(["prlimit", f"--pid={server.pid}", "--fsize=1000000:unlimited"], check=True)
        other("MULTI")
        other("SET", "k", "queued")
        assert client("BGSAVE").value == b"Background saving started"
        assert wait_for_save(client) == "err"
        refused = b"-MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk."
        assert client("SET", "k", "v").raw.startswith(refused) and client("PING").raw.startswith(refused)
        assert other("EXEC").raw.startswith(b"-EXECABORT Transaction discarded because of: MISCONF")
        assert client("EVAL", "return redis.call('set', KEYS[1], 1)", 1, "k").raw.startswith(b"-MISCONF")
        assert client("EVAL", "#!lua\nreturn redis.call('set', KEYS[1], 1)", 1, "k").raw.startswith(b"-MISCONF")
        assert client("EVAL", "return redis.call('strlen', KEYS[1])", 1, "large").value == 3_000_000
        assert client("STRLEN", "large").value == 3_000_000 and client("EXISTS", "k").value == 0
        assert client("CONFIG", "SET", "stop-writes-on-bgsave-error", "no").value == b"OK"
        assert client("SET", "k", "v").value == b"OK"
        assert client("CONFIG", "SET", "stop-writes-on-bgsave-error", "yes").value == b"OK"
        assert client("SET", "k", "v").raw.startswith(refused)
        assert (tmp_path / "dump.rdb").read_bytes() == content
        assert not [name for name in os.listdir(tmp_path) if name.startswith("temp-")]
        subprocess.run(["prlimit", f"--pid={server.pid}", "--fsize=unlimited:unlimited"], check=True)
        assert client("BGSAVE").value == b"Background saving started"
        assert wait_for_save(client) == "ok"
        assert client("SET", "k", "v").value == b"OK"
    server.kill()


def test_a_save_that_cannot_begin(begin, tmp_path):  # noqa: F811
    """As one that fails."""
    folder, away = tmp_path / "data", tmp_path / "away"
    folder.mkdir()
    server = begin(servers.under_test(), folder)
    with server.connect() as client:
        folder.rename(away)
        assert client("BGSAVE").value == b"Background saving started"
        assert wait_for_save(client) == "err"
        away.rename(folder)
        assert client("BGSAVE").value == b"Background saving started"
        assert wait_for_save(client) == "ok" and "dump.rdb" in os.listdir(folder)


def test_many_large_values_that_change_take_few_descriptors(begin, tmp_path):  # noqa: F811
    server = begin(servers.under_test(), tmp_path)
    with server.connect(timeout=120) as client:
        for index in range(80):
            client("RPUSH", f"list:{index}", *range(5000))
            client("HSET", f"hash:{index}", *range(10_000))
        before = client("DEBUG", "DIGEST").value
        subprocess.run(["prlimit", f"--pid={server.pid}", "--nofile=40:40"], check=True)
        client("CONFIG", "SET", "rdb-key-save-delay", 100)
        assert client("BGSAVE").value == b"Background saving started"
        send_all(client, [["LSET", f"list:{index}", 2500, "changed"] for index in range(80)]
                 + [["HSET", f"hash:{index}", 5000, "changed"] for index in range(80)])
        assert fields(client)["rdb_bgsave_in_progress"] == "1"
        client("CONFIG", "SET", "rdb-key-save-delay", 0)
        assert wait_for_save(client) == "ok", server.output()
    server.kill()
    server = begin(servers.under_test(), tmp_path)
    with server.connect(timeout=120) as client:
        assert client("DEBUG", "DIGEST").value == before


def test_save_points(begin, tmp_path):  # noqa: F811
    server = begin(servers.under_test(), tmp_path, "--save", "1 5", "--save", "3600 1")
    with server.connect() as client:
        for index in range(5):
            client("SET", index, index)
        while not (tmp_path / "dump.rdb").exists():
            time.sleep(0.01)
        assert wait_for_save(client) == "ok" and fields(client)["rdb_changes_since_last_save"] == "0"
        assert "5 changes in 1 seconds. Saving..." in server.output()
        client("CONFIG", "SET", "save", "")
        client("MSET", *range(20))
        time.sleep(1.5)
        assert fields(client)["rdb_saves"] == "1"
    server.kill()


def test_the_end_of_a_server_with_save_points(begin, tmp_path):  # noqa: F811
    for way, value in [("SHUTDOWN", b"1"), ("SHUTDOWN NOSAVE", b"1"), (signal.SIGTERM, b"3"), (signal.SIGINT, b"4")]:
        server = begin(servers.under_test(), tmp_path, "--save", "3600 1")
        with server.connect() as client:
            client("SET", "k", {"SHUTDOWN": "1", "SHUTDOWN NOSAVE": "2", signal.SIGTERM: "3", signal.SIGINT: "4"}[way])
            client("MSET", *range(4000))
            client("CONFIG", "SET", "rdb-key-save-delay", 1000)
            assert client("BGSAVE").value == b"Background saving started"
            if isinstance(way, str):
                client.send(*way.split())
                with pytest.raises((Closed, ConnectionResetError)):
                    client.read()
            else:
                server.signal(way)
        assert server.wait() == 0, server.output()
        server = begin(servers.under_test(), tmp_path)
        with server.connect() as client:
            assert client("GET", "k").value == value
        server.kill()
        assert not [name for name in os.listdir(tmp_path) if name.startswith("temp-")]


def test_a_server_that_is_killed_while_it_saves(begin, tmp_path):  # noqa: F811
    server = begin(servers.under_test(), tmp_path)
    with server.connect() as client:
        send_all(client, [["SET", f"key:{index}", "v"] for index in range(5000)])
        assert client("SAVE").value == b"OK"
        client("SET", "more", 1)
        client("CONFIG", "SET", "rdb-key-save-delay", 1000)
        client("BGSAVE")
        client("PING")
    assert [name for name in os.listdir(tmp_path) if name.startswith("temp-")]
    server.kill()
    server = begin(servers.under_test(), tmp_path)
    with server.connect() as client:
        assert client("DBSIZE").value == 5000
    assert not [name for name in os.listdir(tmp_path) if name.startswith("temp-")]


def test_reload_while_it_is_saved(begin, tmp_path):  # noqa: F811
    server = begin(servers.under_test(), tmp_path)
    with server.connect(timeout=120) as client:
        fill(client, random.Random(3), count=400)
        before = picture(client)
        client("CONFIG", "SET", "rdb-key-save-delay", 1000)
        assert client("BGSAVE").value == b"Background saving started"
        assert client("DEBUG", "RELOAD").value == b"OK"
        assert picture(client) == before and fields(client)["rdb_bgsave_in_progress"] == "0"
