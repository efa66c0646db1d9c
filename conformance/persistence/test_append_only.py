"""The append-only file: what was acknowledged is there after any end, and directories move between servers in both directions."""
import os
import pathlib
import shlex
import shutil
import subprocess
import time

import pytest

from persistence.append_only import ON, end, folder, increment, logged, manifest, names, refused, request, rewrite, wait_for_rewrite, wait_until_history_is_gone
from persistence.test_background import Writers, fields, send_all
from persistence.test_files import FAR, PEERS, begin, fill, picture  # noqa: F401  (begin is a fixture)
from support import server as servers
from support.resp import Closed


def write_some(client, newest=False):
    """Everything that `fill` does, and commands whose effects are other commands, in several databases, in groups and by scripts."""
    fill(client, newest)
    client("SET", "with deadline", "v", "EX", 100000)
    client("EXPIRE", "with deadline", 200000)
    client("SADD", "set", *range(50))
    client("SPOP", "set", 20)
    client("XADD", "stream", "*", "f", "v")
    client("XADD", "stream", "MAXLEN", "~", 5, "*", "f", "v")
    client("XGROUP", "CREATE", "stream", "group", 0)
    client("XREADGROUP", "GROUP", "group", "me", "STREAMS", "stream", ">")
    client("INCRBYFLOAT", "number", "1.5")
    client("SETRANGE", "text", 100, "x")
    client("PFADD", "log", *range(100))
    client("GEOADD", "places", 13.3, 38.1, "a", 15.0, 37.5, "b")
    client("MULTI")
    client("INCR", "in transaction")
    client("SELECT", 3)
    client("LPUSH", "in transaction", 1, 2, 3)
    client("EXEC")
    client("EVAL", "for i = 1, 10 do redis.call('rpush', KEYS[1], i * ARGV[1]) end redis.call('select', 5) redis.call('set', 'x', 'y')", 1, "scripted", 3)
    client("SELECT", 0)
    client("SWAPDB", 3, 4)
    client("SET", "gone", "v", "PX", 1)
    client("DEBUG", "SLEEP", 0.01)
    client("GET", "gone")
    client("GET", "soon gone")
    client("FUNCTION", "LOAD", "#!lua name=other\nredis.register_function('two', function(keys) return redis.call('incr', keys[1]) end)")
    client("FCALL", "two", 1, "by function")


def all_of(client):
    shown = picture(client)
    for database in range(16):
        client("SELECT", database)
        shown.append(client("DBSIZE").plain())
    client("SELECT", 0)
    shown.append(sorted(library[1] for library in client("FUNCTION", "LIST").plain()))
    return shown


# --- between servers -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("peer", PEERS)
def test_directories_of_others_load_here(peer, begin, tmp_path):  # noqa: F811
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    theirs.mkdir(), ours.mkdir()
    other = begin(PEERS[peer](), theirs, *ON, "--appendfsync", "no")
    with other.connect() as client:
        write_some(client, newest=peer != "redis-7.0")
        assert client("BGREWRITEAOF").raw.startswith(b"+")
        while fields(client)["aof_rewrite_in_progress"] == "1" or fields(client)["aof_base_size"] == "0":
            time.sleep(0.01)
        client("DEL", "text")
        client("FLUSHALL")
        client("FUNCTION", "FLUSH")
        write_some(client, newest=peer != "redis-7.0")
        before = all_of(client)
    end(other)
    shutil.copytree(folder(theirs), folder(ours))
    server = begin(servers.under_test(), ours, *ON)
    with server.connect() as client:
        assert all_of(client) == before
        assert "answered with an error" not in server.output()


@pytest.mark.parametrize("peer", PEERS)
def test_directories_of_ours_load_elsewhere(peer, begin, tmp_path):  # noqa: F811
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    theirs.mkdir(), ours.mkdir()
    server = begin(servers.under_test(), ours, *ON, "--appendfsync", "everysec")
    with server.connect() as client:
        write_some(client, newest=peer == "redis-8.2")
        rewrite(client)
        client("FLUSHALL")
        client("FUNCTION", "FLUSH")
        write_some(client, newest=peer == "redis-8.2")
        before = all_of(client)
        assert client("WAITAOF", 1, 0, 0).plain() == [1, 0]
    end(server)
    checker = shutil.which("redis-check-aof")
    if peer != "redis-8.2":
        checked = subprocess.run([checker, folder(ours) / "appendonly.aof.manifest"], capture_output=True, text=True)
        assert checked.returncode == 0 and "All AOF files and manifest are valid" in checked.stdout, checked.stdout + checked.stderr
    shutil.copytree(folder(ours), folder(theirs))
    other = begin(PEERS[peer](), theirs, *ON)
    with other.connect() as client:
        assert all_of(client) == before
    end(other)
    server = begin(servers.under_test(), ours, *ON)
    with server.connect() as client:
        assert all_of(client) == before


@pytest.mark.parametrize("preamble", ["yes", "no"])
def test_a_file_of_before_redis_7_is_taken_in(preamble, begin, tmp_path):  # noqa: F811
    """What Redis 4 to 6 wrote: one file, with the commands of scripts in it, behind a snapshot or not."""
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    theirs.mkdir(), ours.mkdir()
    other = begin(servers.reference(), theirs)
    with other.connect() as client:
        client("SET", "a", 1)
        client("SAVE")
    end(other)
    tail = b"".join(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words) for words in [
        [b"SELECT", b"2"], [b"SET", b"b", b"2"], [b"SCRIPT", b"LOAD", b"return redis.call('incr', KEYS[1])"],
        [b"EVALSHA", b"5b9fb3410653a731f9ddfeaa2a4d3c1e8d4e2b4a", b"1", b"c"], [b"EVAL", b"return redis.call('incr', KEYS[1])", b"1", b"c"],
        [b"MULTI"], [b"INCR", b"b"], [b"EXEC"]])
    content = ((theirs / "dump.rdb").read_bytes() if preamble == "yes" else b"") + tail
    (ours / "appendonly.aof").write_bytes(content)
    server = begin(servers.under_test(), ours, *ON)
    with server.connect() as client:
        assert client("GET", "a").value == (b"1" if preamble == "yes" else None)
        client("SELECT", 2)
        assert client("GET", "b").value == b"3" and client("GET", "c").value == b"1"
        assert "1 commands of the append-only file were answered with an error" in server.output()
        client("SET", "new", 1)
    assert not (ours / "appendonly.aof").exists() and "Successfully migrated an old-style AOF file" in server.output()
    assert manifest(ours) == ["file appendonly.aof seq 1 type b", "file appendonly.aof.1.incr.aof seq 1 type i"]
    end(server)
    other = begin(servers.reference(), ours, *ON)
    with other.connect() as client:
        client("SELECT", 2)
        assert client("MGET", "b", "c", "new").plain() == [b"3", b"1", b"1"]


def test_the_snapshot_is_the_first_base(begin, tmp_path):  # noqa: F811
    server = begin(servers.under_test(), tmp_path)
    with server.connect() as client:
        client("SET", "a", 1)
        assert client("SAVE").value == b"OK"
    end(server)
    for _ in range(2):
        server = begin(servers.under_test(), tmp_path, *ON)
        with server.connect() as client:
            assert client("INCR", "a").value == 2
            client("SET", "a", 1)
        end(server)
        (tmp_path / "dump.rdb").unlink(missing_ok=True)


# --- settings ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["always", "everysec", "no"])
def test_appendfsync(policy, begin, tmp_path):  # noqa: F811
    server = begin(servers.under_test(), tmp_path, *ON, "--appendfsync", policy)
    with server.connect() as client:
        assert client("WAITAOF", 1, 0, 100).plain() == [1, 0], "who has written nothing waits for nothing"
        client("SET", "a", 1)
        waited = client("WAITAOF", 1, 0, 0 if policy != "no" else 200).plain()
        assert waited == ([0, 0] if policy == "no" else [1, 0])
        if policy == "no":
            client("CONFIG", "SET", "appendfsync", "always")
            assert client("WAITAOF", 1, 0, 0).plain() == [1, 0]
    end(server)
    server = begin(servers.under_test(), tmp_path, *ON)
    with server.connect() as client:
        assert client("GET", "a").value == b"1"


def test_names_of_files(begin, tmp_path):  # noqa: F811
    settings = (*ON, "--appenddirname", "a directory", "--appendfilename", "a file")
    server = begin(servers.under_test(), tmp_path, *settings)
    with server.connect() as client:
        client("SET", "a", 1)
    end(server)
    path = tmp_path / "a directory"
    assert sorted(each.name for each in path.iterdir() if each.suffix != ".lock") == ["a file.1.base.rdb", "a file.1.incr.aof", "a file.manifest"]
    assert (path / "a file.manifest").read_text() == 'file "a file.1.base.rdb" seq 1 type b\nfile "a file.1.incr.aof" seq 1 type i\n'
    for binary in (servers.reference(), servers.under_test()):
        server = begin(binary, tmp_path, *settings)
        with server.connect() as client:
            assert client("GET", "a").value == b"1"
        end(server)


def test_timestamps(begin, tmp_path):  # noqa: F811
    server = begin(servers.under_test(), tmp_path, *ON, "--aof-timestamp-enabled", "yes")
    with server.connect() as client:
        now = int(client("TIME").value[0].value)
        client("SET", "a", 1)
        client("CONFIG", "SET", "aof-timestamp-enabled", "no")
        client("SET", "b", 1)
    end(server)
    content = increment(tmp_path).read_bytes()
    assert content.startswith(b"#TS:") and abs(int(content[4:content.index(b"\r")]) - now) <= 1 and content.count(b"#TS:") == 1
    for binary in (servers.reference(), servers.under_test()):
        server = begin(binary, tmp_path, *ON)
        with server.connect() as client:
            assert client("MGET", "a", "b").plain() == [b"1", b"1"]
        end(server)


def test_history_is_kept_if_asked_for(begin, tmp_path):  # noqa: F811
    server = begin(servers.under_test(), tmp_path, *ON, "--aof-disable-auto-gc", "yes")
    with server.connect() as client:
        client("SET", "a", 1)
        rewrite(client)
        rewrite(client)
        # The order is that of redis-server 7.0.15.
        assert manifest(tmp_path) == ["file appendonly.aof.3.base.rdb seq 3 type b", "file appendonly.aof.2.incr.aof seq 2 type h",
                                      "file appendonly.aof.2.base.rdb seq 2 type h", "file appendonly.aof.1.incr.aof seq 1 type h",
                                      "file appendonly.aof.1.base.rdb seq 1 type h", "file appendonly.aof.3.incr.aof seq 3 type i"]
        client("CONFIG", "SET", "aof-disable-auto-gc", "no")
        assert len(manifest(tmp_path)) == 2
        while len(names(tmp_path)) > 3:
            time.sleep(0.01)
    end(server)
    # Left behind by a crash.
    shutil.copy(increment(tmp_path), folder(tmp_path) / "old")
    with open(folder(tmp_path) / "appendonly.aof.manifest", "a") as file:
        file.write("file old seq 1 type h\n")
    for name in ("temp-appendonly.aof.manifest", "temp-appendonly.aof.incr", "temp-rewriteaof-bg-77.aof", "another"):
        (folder(tmp_path) / name).write_bytes(b"half")
    server = begin(servers.under_test(), tmp_path, *ON)
    with server.connect() as client:
        assert client("GET", "a").value == b"1"
    while "old" in names(tmp_path):
        time.sleep(0.01)
    assert names(tmp_path) == ["another", "appendonly.aof.3.base.rdb", "appendonly.aof.3.incr.aof", "appendonly.aof.manifest"]


def test_a_base_is_synced_as_it_grows(begin, tmp_path):  # noqa: F811
    """Either way the base is whole; how it comes to the disk is seen in the system calls."""
    tracer = shutil.which("strace")
    for value in ("yes", "no"):
        directory = tmp_path / value
        directory.mkdir()
        server = begin(servers.under_test(), directory, *ON, "--aof-rewrite-incremental-fsync", value, "--rdbcompression", "no")
        with server.connect() as client:
            client("SET", "large", os.urandom(20_000_000))
            trace = None
            if tracer:
                trace = subprocess.Popen([tracer, "-f", "-e", "trace=sync_file_range", "-o", directory / "trace", "-p", str(server.pid)],
                                         stderr=subprocess.PIPE)
                assert b"attached" in trace.stderr.readline()
            rewrite(client)
            if trace:
                trace.terminate()
                trace.wait()
                assert ("sync_file_range" in (directory / "trace").read_text()) == (value == "yes")
        end(server)
        server = begin(servers.under_test(), directory, *ON)
        with server.connect() as client:
            assert client("STRLEN", "large").value == 20_000_000
        end(server)


def test_no_appendfsync_on_rewrite(begin, tmp_path):  # noqa: F811
    server = begin(servers.under_test(), tmp_path, *ON, "--appendfsync", "always", "--no-appendfsync-on-rewrite", "yes")
    with server.connect() as client:
        send_all(client, [["SET", f"key:{index}", "v"] for index in range(3000)])
        assert client("WAITAOF", 1, 0, 0).plain() == [1, 0]
        client("CONFIG", "SET", "rdb-key-save-delay", 1000)
        assert client("BGREWRITEAOF").value.startswith(b"Background append only file rewriting started")
        client("SET", "a", 1)
        assert client("WAITAOF", 1, 0, 100).plain() == [0, 0]
        client("CONFIG", "SET", "no-appendfsync-on-rewrite", "no")
        assert client("WAITAOF", 1, 0, 0).plain() == [1, 0] and fields(client)["aof_rewrite_in_progress"] == "1"


# --- rewriting --------------------------------------------------------------------------------------------------------------------------


def test_it_is_rewritten_by_itself(begin, tmp_path):  # noqa: F811
    server = begin(servers.under_test(), tmp_path, *ON, "--auto-aof-rewrite-min-size", 300_000, "--auto-aof-rewrite-percentage", 0)
    with server.connect() as client:
        send_all(client, [["SET", "key", "v" * 1000] for _ in range(400)])
        time.sleep(0.3)
        shown = fields(client)
        assert shown["aof_rewrites"] == "0" and int(shown["aof_current_size"]) > 400_000
        client("CONFIG", "SET", "auto-aof-rewrite-percentage", 100)
        shown = wait_for_rewrite(client, 1)
        assert int(shown["aof_current_size"]) < 10_000 and shown["aof_current_size"] == shown["aof_base_size"]
        assert "Starting automatic rewriting of AOF on" in server.output()
        assert client("GET", "key").value == b"v" * 1000


@pytest.mark.parametrize("save", ["SAVE", "BGSAVE", "DEBUG RELOAD", "BGREWRITEAOF", "CONFIG SET save '1 1'"])
@pytest.mark.parametrize("count", [1, 2])
def test_what_is_written_after_a_save_is_logged(save, count, begin, tmp_path):  # noqa: F811
    server = begin(servers.under_test(), tmp_path, *ON)
    with server.connect() as client:
        client("RPUSH", "l", *range(count))
        before = fields(client)["rdb_saves"]
        assert not client(*shlex.split(save)).is_error
        while fields(client)["rdb_bgsave_in_progress"] == "1" or fields(client)["aof_rewrite_in_progress"] == "1" or (
            "BGSAVE" in save or "CONFIG" in save) and fields(client)["rdb_saves"] == before:
            time.sleep(0.01)
        # What changes nothing is not logged, nor does it hide what does.
        size = fields(client)["aof_current_size"]
        client("DEL", "nokey"), client("SADD", "l", "x")
        assert fields(client)["aof_current_size"] == size
        client("RPUSH", "l", *"ab"[:count])
        client("RPUSH", "l", "last")
    end(server)
    with begin(servers.under_test(), tmp_path, *ON).connect() as client:
        assert client("LRANGE", "l", 0, -1).plain() == [*(b"%d" % number for number in range(count)), *(b"a", b"b")[:count], b"last"]


@pytest.mark.parametrize("seed", range(2))
def test_writes_while_it_is_rewritten(seed, begin, tmp_path):  # noqa: F811
    """What is written meanwhile is in the new increment, and nothing twice."""
    counts = []
    server = begin(servers.under_test(), tmp_path, *ON, "--appendfsync", ["everysec", "always"][seed])
    with server.connect(timeout=120) as client:
        for database in (0, 1, 2):
            client("SELECT", database)
            send_all(client, [["SET", f"key:{index}", index] for index in range(1000)])
            send_all(client, [["RPUSH", f"large list:{index % 2}", index] for index in range(2000)])
            send_all(client, [["HSET", "large hash:0", f"field{index}", index] for index in range(2000)])
        client("SELECT", 0)
        client("CONFIG", "SET", "rdb-key-save-delay", 50)
        writers = Writers(server, 900 + seed)
        try:
            for count in range(2):
                rewrite(client)
        finally:
            written = writers.stop()
        assert written > 500
        # What the writers have let expire.
        time.sleep(0.3)
        before = client("DEBUG", "DIGEST").plain()
        assert client("DEBUG", "LOADAOF").value == b"OK"
        assert client("DEBUG", "DIGEST").plain() == before
    wait_until_history_is_gone(tmp_path)
    end(server)
    assert len(names(tmp_path)) == 3
    for binary in (servers.under_test(), servers.newer_redis()):
        other = begin(binary, tmp_path, *ON)
        with other.connect(timeout=120) as client:
            # Redis has other digests of scores and of deadlines.
            assert client("DEBUG", "DIGEST").plain() == before or binary != servers.under_test()
            client("SELECT", 1)
            counts.append(client("DBSIZE").plain())
        end(other)
    assert counts[0] == counts[1]


def test_commands_about_rewriting(begin, tmp_path):  # noqa: F811
    server = begin(servers.under_test(), tmp_path)
    with server.connect() as client:
        send_all(client, [["SET", f"key:{index}", "v"] for index in range(3000)])
        assert client("WAITAOF", 1, 0, 0).raw == b"-ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.\r\n"
        assert client("WAITAOF", 2, 0, 0).raw == b"-ERR value is out of range, value must between 0 and 1\r\n"
        assert client("WAITAOF", 0, -1, 0).raw == b"-ERR value is out of range, must be positive\r\n"
        assert client("WAITAOF", 0, 1, 10).plain() == [0, 0]
        client("CONFIG", "SET", "rdb-key-save-delay", 1000)
        assert client("BGSAVE").value == b"Background saving started"
        assert client("BGREWRITEAOF").value == b"Background append only file rewriting scheduled"
        assert fields(client)["aof_rewrite_scheduled"] == "1"
        assert client("BGSAVE", "CANCEL").value == b"Background saving cancelled"
        while fields(client)["aof_rewrite_in_progress"] == "0":
            pass
        assert client("BGREWRITEAOF").raw == b"-ERR Background append only file rewriting already in progress\r\n"
        assert client("BGSAVE").raw == (b"-ERR Another child process is active (AOF?): can't BGSAVE right now. "
                                        b"Use BGSAVE SCHEDULE in order to schedule a BGSAVE whenever possible.\r\n")
        assert client("BGSAVE", "SCHEDULE").value == b"Background saving scheduled"
        assert client("BGSAVE", "CANCEL").value == b"Scheduled background saving cancelled"
        shown = fields(client)
        assert shown["rdb_bgsave_in_progress"] == "0" and int(shown["aof_current_rewrite_time_sec"]) >= 0 and shown["aof_enabled"] == "0"
        client("CONFIG", "SET", "rdb-key-save-delay", 0)
        wait_for_rewrite(client, 1)
        client("MULTI")
        client("BGREWRITEAOF")
        assert client("EXEC").plain() == [b"Background append only file rewriting scheduled"]
        wait_for_rewrite(client, 2)
        # Though nothing is logged, there is a base of what there was.
        client("SET", "a", 1)
    end(server)
    assert manifest(tmp_path) == ["file appendonly.aof.2.base.rdb seq 2 type b"]
    server = begin(servers.under_test(), tmp_path, *ON)
    with server.connect() as client:
        assert client("DBSIZE").value == 3000


def test_it_is_switched_on_and_off(begin, tmp_path):  # noqa: F811
    server = begin(servers.under_test(), tmp_path)
    with server.connect() as client, server.connect() as other:
        send_all(client, [["SET", f"key:{index}", "v"] for index in range(2000)])
        client("CONFIG", "SET", "rdb-key-save-delay", 500)
        assert client("CONFIG", "SET", "appendonly", "yes").value == b"OK"
        client("INCR", "counter")
        assert fields(client)["aof_enabled"] == "1" and "temp-appendonly.aof.incr" in names(tmp_path)
        client.send("SHUTDOWN", "SAVE")
        assert client.read().is_error, "what was written so far would be gone"
        client("CONFIG", "SET", "rdb-key-save-delay", 0)
        wait_for_rewrite(client, 1)
        client("INCR", "counter")
        other.send("WAITAOF", 1, 1, 0)
        assert names(tmp_path) == ["appendonly.aof.1.base.rdb", "appendonly.aof.1.incr.aof", "appendonly.aof.manifest"]
        client("CLIENT", "NO-EVICT", "on")
        assert client("CONFIG", "SET", "appendonly", "no").value == b"OK"
        assert other.read().is_error
        assert fields(client)["aof_enabled"] == "0" and "aof_current_size" not in fields(client)
        client("INCR", "counter")
        client("MULTI")
        client("CONFIG", "SET", "appendonly", "yes")
        client("INCR", "counter")
        client("EXEC")
        wait_for_rewrite(client, 2)
        client("INCR", "counter")
        before = client("DEBUG", "DIGEST").plain()
    end(server)
    server = begin(servers.under_test(), tmp_path, *ON)
    with server.connect() as client:
        assert client("GET", "counter").value == b"5" and client("DEBUG", "DIGEST").plain() == before


def test_it_is_switched_off_and_on_at_once(begin, tmp_path):  # noqa: F811
    """What is still to be done for the directory holds nobody up who opens it again."""
    server = begin(servers.under_test(), tmp_path, *ON)
    with server.connect() as client:
        for index in range(40):
            client("SET", f"key:{index}", "v" * 1000)
            assert client("CONFIG", "SET", "appendonly", "no").value == b"OK"
            assert client("CONFIG", "SET", "appendonly", "yes").value == b"OK", index
        wait_for_rewrite(client)
        client("SET", "last", "v")
    end(server)
    server = begin(servers.under_test(), tmp_path, *ON)
    with server.connect() as client:
        assert client("DBSIZE").value == 41


def test_what_was_let_through_once_is_there_again(begin, tmp_path):  # noqa: F811
    """Limits on what clients may ask for are not for the log."""
    server = begin(servers.under_test(), tmp_path, *ON, "--proto-max-bulk-len", "20mb")
    with server.connect() as client:
        client("APPEND", "appended", "x" * 900_000)
        client("APPEND", "appended", "x" * 900_000)
        client("SETRANGE", "range", 3_000_000, "x")
        client("SETBIT", "bits", 16_000_000, 1)
        client("BITFIELD", "field", "SET", "u8", 16_000_000, 255)
        before = client("DEBUG", "DIGEST").value
    end(server)
    server = begin(servers.under_test(), tmp_path, *ON, "--proto-max-bulk-len", "1mb")
    with server.connect() as client:
        assert client("DEBUG", "DIGEST").value == before and client("STRLEN", "range").value == 3_000_001
        assert client("APPEND", "appended", "x").is_error


def test_how_redis_logs_trimming(begin, tmp_path):  # noqa: F811
    """What was about so many entries is told exactly, with the limit that it had."""
    server = begin(servers.reference(), tmp_path, *ON, "--stream-node-max-entries", "2")
    with server.connect() as client:
        for index in range(1, 10):
            client("XADD", "s", f"{index}-0", "f", "v")
        client("XADD", "s", "MINID", "~", "5-0", "LIMIT", 100, "20-0", "f", "v")
        client("XADD", "s", "MAXLEN", "~", 4, "LIMIT", 100, "21-0", "f", "v")
        client("XTRIM", "s", "MAXLEN", "~", 2, "LIMIT", 100)
        before = client("XRANGE", "s", "-", "+").raw
        server.stop()
    server = begin(servers.under_test(), tmp_path, *ON)
    with server.connect() as client:
        assert client("XRANGE", "s", "-", "+").raw == before
        assert client("XTRIM", "s", "MAXLEN", "=", 2, "LIMIT", 100).is_error


def test_switched_off_before_there_was_a_base(begin, tmp_path):  # noqa: F811
    server = begin(servers.under_test(), tmp_path)
    with server.connect() as client:
        send_all(client, [["SET", f"key:{index}", "v"] for index in range(2000)])
        client("CONFIG", "SET", "rdb-key-save-delay", 1000)
        assert client("CONFIG", "SET", "appendonly", "yes").value == b"OK"
        client("SET", "a", 1)
        assert client("CONFIG", "SET", "appendonly", "no").value == b"OK"
        client("SET", "b", 1)
        while names(tmp_path):
            time.sleep(0.01)
        assert fields(client)["aof_rewrite_scheduled"] == "0"


# --- what was not written to its end, and damage ------------------------------------------------------------------------------------------


def test_a_log_that_was_cut(begin, tmp_path):  # noqa: F811
    path, content, ends = logged(begin, tmp_path)
    places = list(ends)
    # In front of the transaction, within it, within its MULTI and its EXEC, within the last request.
    cuts = [places[-3] + 1, places[-3] + 10, places[-3] + 40, places[-2] - 3, places[-2], places[-2] + 1, places[-1] - 1, places[2] + 3, 0]
    for cut in cuts:
        path.write_bytes(content[:cut])
        whole = max((place for place in ends if place <= cut), default=0)
        if cut not in ends and cut:
            text = refused(begin, tmp_path, "--aof-load-truncated", "no")
            assert f"Unexpected end of file reading the append only file {path.name} at offset {whole}" in text and "redis-check-aof" in text
        server = begin(servers.under_test(), tmp_path, *ON)
        with server.connect() as client:
            assert client("DBSIZE").value == ends.get(whole, 0), cut
            assert path.stat().st_size == whole
            client("SET", "added", 1)
        end(server)
        server = begin(servers.under_test(), tmp_path, *ON)
        with server.connect() as client:
            assert client("GET", "added").value == b"1"
        if cut not in ends and cut:
            assert subprocess.run(["redis-check-aof", folder(tmp_path) / "appendonly.aof.manifest"], capture_output=True).returncode == 0
        end(server)


def test_a_log_that_ends_in_zeros(begin, tmp_path):  # noqa: F811
    """So files look that had grown before the machine went down, and whose last bytes had not come to the disk."""
    path, content, ends = logged(begin, tmp_path)
    cut = list(ends)[-3] + 30
    path.write_bytes(content[:cut] + bytes(5000))
    server = begin(servers.under_test(), tmp_path, *ON)
    with server.connect() as client:
        assert client("DBSIZE").value == 60


def test_damage_is_refused_with_file_offset_and_advice(begin, tmp_path):  # noqa: F811
    path, content, ends = logged(begin, tmp_path)
    places = list(ends)
    start = places[20]

    def changed(place, byte):
        return content[:place] + byte + content[place + len(byte):]
    length = content.index(b"\r\n$", start + 20) + 3
    for damaged, what in [
        (changed(start, b"+"), f"a request that does not begin with '*', at offset {start}"),
        (changed(start + 1, b"9"), f"at offset {start}"),
        (changed(start + 1, b"2"), f"at offset {start}"),
        (changed(start + 8, b"XYZ"), f"Unknown command 'XYZ' reading the append only file {path.name}"),
        (changed(start + 8, b"XYZ"), f"at offset {start}"),
        (changed(start + 8, b"GET"), f"Wrong number of arguments for 'GET', at offset {start}"),
        (changed(start + 4, b"$9"), f"at offset {start}"),
        (content[:start] + b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$99999\r\n" + content[start:], f"a word that is shorter than it says, at offset {start}"),
        (content[:start] + content[start + 7:], f"at offset {start}"),
        (changed(start, bytes(8)), f"at offset {start}"),
        (content[:places[-3]] + content[places[-3] + 15:], "EXEC without MULTI, at offset"),
        (content[:start] + b"*1\r\n$8\r\nSHUTDOWN\r\n" + content[start:], f"'SHUTDOWN' has no place in an append-only file, at offset {start}"),
        (content[:start] + b"*2\r\n$6\r\nSELECT\r\n$2\r\n99\r\n" + content[start:], "Database 99 is selected, which there is not"),
    ]:
        path.write_bytes(damaged)
        text = refused(begin, tmp_path)
        last = text.splitlines()[-1]
        assert "Bad file format reading the append only file" in last or "Unknown command 'XYZ' reading the append only file" in last, text
        assert what in text and "redis-check-aof" in text and path.name in text, text
    assert length
    path.write_bytes(content)
    base = folder(tmp_path) / "appendonly.aof.1.base.rdb"
    snapshot = base.read_bytes()
    base.write_bytes(snapshot[:-1] + bytes([snapshot[-1] ^ 1]))
    text = refused(begin, tmp_path)
    assert "Error reading the RDB base file" in text and "wrong checksum at offset" in text and "restore it from a backup" in text


def test_manifests_that_are_damaged_are_refused(begin, tmp_path):  # noqa: F811
    path, content, _ = logged(begin, tmp_path, count=1)
    name = folder(tmp_path) / "appendonly.aof.manifest"
    good = name.read_text()
    for text, reason in [
        ("", "Found an empty AOF manifest"), (good + "\n", "Invalid AOF manifest file format"), (good[:-1], "too long line"),
        (good.replace("type i", "type x"), "Unknown AOF file type"), (good + good.splitlines()[0] + "\n", "Found duplicate base file information"),
        (good + good.splitlines()[1] + "\n", "Found a non-monotonic sequence number"), (good.replace("incr.aof", "incr/aof"), "File can't be a path"),
    ]:
        name.write_text(text)
        shown = refused(begin, tmp_path)
        assert "FATAL AOF MANIFEST FILE ERROR" in shown and reason in shown, shown
    name.write_text(good)
    path.unlink()
    assert f"Unable to obtain the AOF file {path.name} length. stat: No such file or directory" in refused(begin, tmp_path)


def test_only_the_last_file_may_be_cut(begin, tmp_path):  # noqa: F811
    path, content, _ = logged(begin, tmp_path)
    path.write_bytes(content[:-3])
    (folder(tmp_path) / "appendonly.aof.2.incr.aof").write_bytes(request(b"SET", b"later", b"value"))
    with open(folder(tmp_path) / "appendonly.aof.manifest", "a") as file:
        file.write("file appendonly.aof.2.incr.aof seq 2 type i\n")
    assert "the truncated file is not the last file" in refused(begin, tmp_path)
    # Nothing was acknowledged behind what is gone: a machine may fall just after a rewrite has begun.
    (folder(tmp_path) / "appendonly.aof.2.incr.aof").write_bytes(b"")
    server = begin(servers.under_test(), tmp_path, *ON)
    with server.connect() as client:
        assert client("DBSIZE").value == 65 and client("EXISTS", "last").value == 0


def test_a_second_server_on_the_directory(begin, tmp_path):  # noqa: F811
    first = begin(servers.under_test(), tmp_path, *ON)
    with first.connect() as client:
        client("SET", "a", 1)
        text = refused(begin, tmp_path)
        assert f"Another server uses the append-only directory {folder(tmp_path)}" in text
        # Whoever keeps no log may be there.
        second = begin(servers.under_test(), tmp_path)
        with second.connect() as other:
            assert other("CONFIG", "SET", "appendonly", "yes").raw.startswith(b"-ERR CONFIG SET failed")
            assert other("BGREWRITEAOF").is_error
            assert other("SET", "b", 1).value == b"OK"
        assert client("SET", "a", 2).value == b"OK"


# --- disks that fail ----------------------------------------------------------------------------------------------------------------------


def limit(server, size):
    subprocess.run(["prlimit", f"--pid={server.pid}", f"--fsize={size}:unlimited"], check=True)


@pytest.mark.parametrize("policy", ["always", "everysec"])
def test_a_full_disk(policy, begin, tmp_path):  # noqa: F811
    server = begin(servers.under_test(), tmp_path, *ON, "--appendfsync", policy)
    acknowledged = set()
    with server.connect() as client, server.connect() as other, server.connect() as third:
        # As good as a full disk: no file may grow beyond this.
        limit(server, 100_000)
        for index in range(10_000):
            client.send("SET", f"key:{index % 1000}", "v" * 5000)
            if client.silent(0.5):
                break
            reply = client.read()
            if reply.is_error:
                assert reply.raw.startswith(b"-MISCONF Errors writing to the AOF file: File too large"), reply
                break
            acknowledged.add(f"key:{index % 1000}")
        # With everysec, what waits for the disk is acknowledged already.
        assert len(acknowledged) in (range(18, 21) if policy == "always" else range(18, 10_000))
        assert other("SET", "x", 1).raw == b"-MISCONF Errors writing to the AOF file: File too large\r\n"
        assert other("PING").is_error and other("GET", "key:3").value == b"v" * 5000
        assert fields(other)["aof_last_write_status"] == "err"
        assert other("EVAL", "return redis.call('set', KEYS[1], 1)", 1, "x").raw.startswith(b"-MISCONF Errors writing to the AOF file: File too large")
        third("MULTI")
        assert third("SET", "x", 1).is_error and third("EXEC").is_error
        other.send("SHUTDOWN")
        assert other.read().is_error, "what could not be written would be gone"
        limit(server, "unlimited")
        while other("SET", "x", 1).is_error:
            time.sleep(0.02)
        if policy == "always":
            assert client.read().value == b"OK"
            acknowledged.add(f"key:{index}")
        assert fields(other)["aof_last_write_status"] == "ok"
        assert "AOF write error looks solved" in server.output() and "Short write while writing to the AOF file" in server.output()
        before = client("DEBUG", "DIGEST").plain()
    end(server)
    server = begin(servers.under_test(), tmp_path, *ON)
    with server.connect() as client:
        assert client("DEBUG", "DIGEST").plain() == before and client("EXISTS", *acknowledged).value == len(acknowledged)


def test_a_log_that_is_deleted_is_written_anew(begin, tmp_path):  # noqa: F811
    server = begin(servers.under_test(), tmp_path, *ON, "--appendfsync", "always")
    with server.connect(timeout=30) as client:
        client("SET", "a", 1)
        shutil.rmtree(folder(tmp_path))
        # The answer comes when everything is in another file.
        assert client("SET", "b", 1).value == b"OK"
        assert client("SET", "c", 1).value == b"OK"
    assert f"the directory {folder(tmp_path)} was removed" in server.output()
    end(server)
    server = begin(servers.under_test(), tmp_path, *ON)
    with server.connect() as client:
        assert client("MGET", "a", "b", "c").plain() == [b"1"] * 3


def test_a_rewrite_that_fails_changes_nothing(begin, tmp_path):  # noqa: F811
    server = begin(servers.under_test(), tmp_path, *ON)
    with server.connect() as client:
        client("SET", "large", os.urandom(300_000))
        rewrite(client)
        client("SET", "another", os.urandom(300_000))
        limit(server, 400_000)
        assert client("BGREWRITEAOF").raw.startswith(b"+")
        while fields(client)["aof_rewrite_in_progress"] == "1":
            time.sleep(0.01)
        shown = fields(client)
        assert shown["aof_last_bgrewrite_status"] == "err" and shown["aof_rewrites_consecutive_failures"] == "1"
        client("SET", "more", 1)
        assert [line.split()[-1] for line in manifest(tmp_path)] == ["b", "i", "i"]
        assert not [name for name in names(tmp_path) if name.startswith("temp-")]
        before = client("DEBUG", "DIGEST").plain()
        limit(server, "unlimited")
    end(server)
    server = begin(servers.under_test(), tmp_path, *ON)
    with server.connect() as client:
        assert client("DEBUG", "DIGEST").plain() == before
        rewrite(client)
        assert len(manifest(tmp_path)) == 2


def test_a_directory_that_cannot_be_written(begin, tmp_path):  # noqa: F811
    (tmp_path / "appendonlydir").write_bytes(b"a file")
    server = begin(servers.under_test(), tmp_path, *ON, ready=False)
    assert server.wait() == 1 and "Can't open or create append-only dir" in server.output()
    server = begin(servers.under_test(), tmp_path)
    with server.connect() as client:
        assert client("CONFIG", "SET", "appendonly", "yes").raw == (
            b"-ERR CONFIG SET failed (possibly related to argument 'appendonly') - Unable to turn on AOF. Check server logs.\r\n")
        assert client("CONFIG", "GET", "appendonly").plain() == [b"appendonly", b"no"] and client("SET", "a", 1).value == b"OK"
        assert client("BGREWRITEAOF").raw == (
            b"-ERR Can't execute an AOF background rewriting. Please check the server logs for more information.\r\n")


# --- the end ------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["SHUTDOWN", "SHUTDOWN NOSAVE", "SIGTERM", "SIGINT"])
def test_the_end_of_a_server_that_logs(way, begin, tmp_path):  # noqa: F811
    server = begin(servers.under_test(), tmp_path, *ON)
    with server.connect() as client:
        for index in range(100):
            client("SET", f"key:{index}", index)
        if way.startswith("SHUTDOWN"):
            client.send(*way.split())
            with pytest.raises((Closed, ConnectionResetError)):
                client.read()
        else:
            server.signal(getattr(__import__("signal"), way))
    assert server.wait() == 0 and "end with this process" not in server.output()
    server = begin(servers.under_test(), tmp_path, *ON)
    with server.connect() as client:
        assert client("DBSIZE").value == 100


def test_clients_of_a_server_that_loads_its_log(begin, tmp_path):  # noqa: F811
    logged(begin, tmp_path)
    server = begin(servers.under_test(), tmp_path, *ON, "--key-load-delay", 20_000, loaded=False)
    with server.connect() as client:
        loading = b"-LOADING Redis is loading the dataset in memory\r\n"
        assert client("GET", "key:1").raw == loading
        shown = fields(client)
        assert shown["loading"] == "1" and 0 < int(shown["loading_loaded_bytes"]) < int(shown["loading_total_bytes"])
        client("CONFIG", "SET", "key-load-delay", 0)
        while client("PING").raw == loading:
            pass
        assert client("DBSIZE").value == 66 and FAR


@pytest.mark.parametrize("policy", ["always", "everysec"])
def test_a_sync_that_fails(policy, begin, tmp_path):  # noqa: F811
    """Nobody knows what of the file is on the disk then: everything is written anew before anybody is told that it is."""
    library = tmp_path / "failing_sync.so"
    source = pathlib.Path(__file__).parent / "failing_sync.c"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    ours = tmp_path / "ours"
    ours.mkdir()
    environment = {"LD_PRELOAD": str(library), "FAILING_SYNC": str(tmp_path / "fails")}
    server = begin(servers.under_test(), ours, *ON, "--appendfsync", policy, environment=environment)
    with server.connect(timeout=30) as client, server.connect() as other:
        assert client("SET", "a", 1).value == b"OK"
        (tmp_path / "fails").touch()
        client.send("SET", "b", 1)
        if policy == "always":
            assert client.silent(0.3), "it is not on the disk"
        else:
            assert client.read().value == b"OK"
        while not other("SET", "c", 1).is_error:
            time.sleep(0.05)
        assert other("SET", "c", 1).raw == b"-MISCONF Errors writing to the AOF file: Input/output error\r\n"
        assert fields(other)["aof_last_write_status"] == "err" and other("GET", "b").value == b"1"
        # No base can be brought to the disk, either.
        time.sleep(1.2)
        assert other("SET", "c", 1).is_error
        (tmp_path / "fails").unlink()
        while other("SET", "c", 2).is_error:
            time.sleep(0.05)
        if policy == "always":
            assert client.read().value == b"OK"
        assert fields(other)["aof_last_write_status"] == "ok"
        assert other("WAITAOF", 1, 0, 0).plain() == [1, 0]
    end(server)
    server = begin(servers.under_test(), ours, *ON)
    with server.connect() as client:
        assert client("MGET", "a", "b", "c").plain() == [b"1", b"1", b"2"]
