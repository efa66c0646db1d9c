"""Where the append-only file is: other directories, directories that are shared, parts without a manifest; and that nobody waits for its disk
longer than must be."""
import os
import pathlib
import shutil
import subprocess
import threading

import pytest

from persistence.append_only import ON, end, folder, increment, manifest, names, refused, request, rewrite, wait_for_rewrite, wait_until_history_is_gone
from persistence.test_background import fields
from persistence.test_files import begin  # noqa: F401  (a fixture)
from support import server as servers
from support.resp import eventually

MOVABLE = ("--enable-protected-configs", "yes")


def everything(begin, directory):  # noqa: F811
    """The values of all keys that a server finds in a directory."""
    server = begin(servers.under_test(), directory, *ON)
    with server.connect() as client:
        shown = {key: client("GET", key).value for key in client("KEYS", "*").plain()}
    end(server)
    return shown


# --- another directory ------------------------------------------------------------------------------------------------------------------


def test_the_directory_may_be_changed_only_if_that_is_allowed(begin, tmp_path):  # noqa: F811
    for binary in (servers.under_test(), servers.reference()):
        server = begin(binary, tmp_path)
        with server.connect() as client:
            assert client("CONFIG", "SET", "dir", tmp_path).raw == b"-ERR CONFIG SET failed (possibly related to argument 'dir') - can't set protected config\r\n"


def test_a_rewrite_moves_the_log_to_the_new_directory(begin, tmp_path):  # noqa: F811
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir(), new.mkdir()
    server = begin(servers.under_test(), old, *ON, *MOVABLE)
    with server.connect() as client:
        client("SET", "a", 1)
        assert client("CONFIG", "SET", "dir", new).value == b"OK"
        client("SET", "b", 1)
        # As in Redis, the log stays where it is until it is rewritten.
        assert not folder(new).exists() and b"$1\r\nb\r\n" in increment(old).read_bytes()
        client("CONFIG", "SET", "rdb-key-save-delay", 10_000_000)
        client("BGREWRITEAOF")
        client("SET", "c", 1)
        # Until there is a base, what counts is in the old one.
        assert fields(client)["aof_rewrite_in_progress"] == "1" and b"$1\r\nc\r\n" in increment(old).read_bytes()
        assert names(new)[0].startswith("temp-") and "appendonly.aof.manifest" not in names(new)
        copy = tmp_path / "copy"
        shutil.copytree(folder(old), folder(copy))
        client("CONFIG", "SET", "rdb-key-save-delay", 0)
        wait_for_rewrite(client)
        client("SET", "d", 1)
        assert manifest(new) == ["file appendonly.aof.1.base.rdb seq 1 type b", "file appendonly.aof.1.incr.aof seq 1 type i"]
        assert b"$1\r\nd\r\n" not in increment(old).read_bytes()
        assert client("DEBUG", "LOADAOF").value == b"OK" and client("DBSIZE").value == 4
    end(server)
    assert sorted(everything(begin, copy)) == [b"a", b"b", b"c"]
    assert sorted(everything(begin, new)) == [b"a", b"b", b"c", b"d"]
    assert sorted(everything(begin, old)) == [b"a", b"b", b"c"]


@pytest.mark.parametrize("how", ["cancelled", "log off"])
def test_a_move_that_comes_to_nothing(how, begin, tmp_path):  # noqa: F811
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir(), new.mkdir()
    server = begin(servers.under_test(), old, *ON, *MOVABLE)
    with server.connect() as client:
        client("SET", "a", 1)
        client("CONFIG", "SET", "dir", new)
        client("CONFIG", "SET", "rdb-key-save-delay", 10_000_000)
        client("BGREWRITEAOF")
        client("SET", "b", 1)
        if how == "log off":
            assert client("CONFIG", "SET", "appendonly", "no").value == b"OK"
        else:
            # It needs the files that count.
            assert client("DEBUG", "LOADAOF").value == b"OK"
            assert fields(client)["aof_rewrite_in_progress"] == "0"
            client("SET", "c", 1)
            assert int(fields(client)["aof_current_size"]) == sum((folder(old) / line.split()[1]).stat().st_size for line in manifest(old))
    end(server)
    assert [name for name in names(new) if "incr" in name or name.endswith("manifest")] == []
    assert sorted(everything(begin, old)) == ([b"a", b"b"] if how == "log off" else [b"a", b"b", b"c"])


def test_a_directory_that_cannot_be_moved_to(begin, tmp_path):  # noqa: F811
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir(), new.mkdir()
    # In the way of the directory.
    (new / "appendonlydir").write_text("a file")
    server = begin(servers.under_test(), old, *ON, *MOVABLE)
    with server.connect() as client:
        client("CONFIG", "SET", "dir", new)
        assert client("BGREWRITEAOF").raw == b"-ERR Can't execute an AOF background rewriting. Please check the server logs for more information.\r\n"
        assert client("SET", "a", 1).value == b"OK"
    end(server)
    assert sorted(everything(begin, old)) == [b"a"]


# --- parts without a manifest ----------------------------------------------------------------------------------------------------------------


def test_parts_that_no_manifest_names(begin, tmp_path):  # noqa: F811
    """As in Redis they are not loaded; unlike there they are neither overwritten nor added to."""
    server = begin(servers.under_test(), tmp_path, *ON)
    with server.connect() as client:
        client("SET", "a", 1)
        rewrite(client)
        client("SET", "b", 1)
    end(server)
    (folder(tmp_path) / "appendonly.aof.manifest").unlink()
    before = {name: (folder(tmp_path) / name).read_bytes() for name in names(tmp_path)}
    server = begin(servers.under_test(), tmp_path, *ON)
    with server.connect() as client:
        assert client("DBSIZE").value == 0
        assert "There is no manifest in" in server.output() and "appendonly.aof.2.incr.aof" in server.output()
        client("SET", "c", 1)
        assert manifest(tmp_path) == ["file appendonly.aof.3.base.rdb seq 3 type b", "file appendonly.aof.3.incr.aof seq 3 type i"]
    end(server)
    assert {name: (folder(tmp_path) / name).read_bytes() for name in before} == before
    assert everything(begin, tmp_path) == {b"c": b"1"}


# --- shared directories ----------------------------------------------------------------------------------------------------------------------


def test_two_servers_with_names_of_their_own_share_a_directory(begin, tmp_path):  # noqa: F811
    (tmp_path / "appendonly.aof").write_bytes(request(b"SET", b"first", b"1"))
    (tmp_path / "appendonly.aof2").write_bytes(request(b"SET", b"second", b"1"))
    one = begin(servers.under_test(), tmp_path, *ON)
    other = begin(servers.under_test(), tmp_path, *ON, "--appendfilename", "appendonly.aof2")
    for server, key in ((one, "first"), (other, "second")):
        with server.connect() as client:
            assert client("KEYS", "*").plain() == [key.encode()]
            rewrite(client)
            client("SET", "k", key)
            assert client("DEBUG", "LOADAOF").value == b"OK" and client("DBSIZE").value == 2
    wait_until_history_is_gone(tmp_path)
    text = refused(begin, tmp_path)
    assert "Another server uses the append-only directory" in text
    # A base that the other one is writing is not taken for what a crash has left.
    with other.connect() as client:
        client("CONFIG", "SET", "rdb-key-save-delay", 10_000_000)
        client("BGREWRITEAOF")
        end(one)
        assert everything(begin, tmp_path) == {b"first": b"1", b"k": b"first"}
        client("CONFIG", "SET", "rdb-key-save-delay", 0)
        wait_for_rewrite(client)
        assert client("DEBUG", "LOADAOF").value == b"OK" and client("DBSIZE").value == 2


# --- slow disks -------------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def slow_disk(tmp_path):
    """The environment of a server whose syncs wait while there is a file, and that file."""
    library = tmp_path / "failing_sync.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, pathlib.Path(__file__).parent / "failing_sync.c", "-ldl"], check=True)
    gate = tmp_path / "waits"
    yield {"LD_PRELOAD": str(library), "WAITING_SYNC": str(gate)}, gate
    gate.unlink(missing_ok=True)


@pytest.fixture
def slow_data(slow_disk, begin, tmp_path):  # noqa: F811
    """Starts a server that logs by a policy and whose data waits for the disk while there is a file; that file, and the server's directory."""
    environment, _ = slow_disk
    gate, ours = tmp_path / "waits for data", tmp_path / "ours"
    ours.mkdir()

    def start(policy):
        return begin(servers.under_test(), ours, *ON[:2], "--appendfsync", policy, environment={**environment, "WAITING_DATA": str(gate)})
    yield start, gate, ours
    gate.unlink(missing_ok=True)


def hold_data(client, gate):
    """Has the data of the log wait for the disk, and waits until a thread does."""
    gate.touch()
    while fields(client)["aof_pending_bio_fsync"] == "0":
        client("SET", "a", 1)


def test_switching_the_log_off_does_not_wait_for_the_disk(slow_disk, begin, tmp_path):  # noqa: F811
    environment, gate = slow_disk
    ours = tmp_path / "ours"
    ours.mkdir()
    server = begin(servers.under_test(), ours, *ON, "--appendfsync", "everysec", environment=environment)
    with server.connect(timeout=30) as client:
        client("SET", "a", 1)
        gate.touch()
        client("SET", "b", 1)
        # Were the disk waited for, this would have no end.
        assert client("CONFIG", "SET", "appendonly", "no").value == b"OK"
        assert client("SET", "c", 1).value == b"OK"
        gate.unlink()
    server.kill()
    assert everything(begin, ours) == {b"a": b"1", b"b": b"1"}


def test_old_files_go_while_the_disk_is_waited_for(slow_disk, begin, tmp_path):  # noqa: F811
    """What a rewrite replaces is removed, and the last seconds of it are synced, by others than the one who serves clients."""
    environment, gate = slow_disk
    ours = tmp_path / "ours"
    ours.mkdir()
    server = begin(servers.under_test(), ours, *ON, "--appendfsync", "everysec", environment=environment)
    with server.connect(timeout=30) as client:
        client("SET", "a", "x" * 100_000)
        rewrite(client)
        while len(names(ours)) > 3:
            pass
        assert names(ours) == ["appendonly.aof.2.base.rdb", "appendonly.aof.2.incr.aof", "appendonly.aof.manifest"]
        client("SET", "b", 1)
        gate.touch()
        # The thread that syncs waits by now, or will.
        for index in range(100):
            assert client("SET", "c", index).value == b"OK"
        gate.unlink()
        assert client("WAITAOF", 1, 0, 0).plain() == [1, 0]


def test_what_is_replaced_may_go_while_it_is_brought_to_the_disk(slow_data, begin):  # noqa: F811
    """A thread that has waited for the disk finds the increment gone, as a rewrite has replaced it: that is no damage."""
    start, waits, ours = slow_data
    server = start("everysec")
    with server.connect(timeout=30) as client:
        hold_data(client, waits)
        rewrite(client)
        wait_until_history_is_gone(ours)
        waits.unlink()
        client("SET", "b", 1)
        assert client("WAITAOF", 1, 0, 0).plain() == [1, 0]
        assert fields(client)["aof_last_write_status"] == "ok" and "was removed" not in server.output()
    server.kill()
    assert everything(begin, ours) == {b"a": b"1", b"b": b"1"}


def test_large_values_do_not_wait_for_each_part_of_them(slow_data):
    """While the disk is slow, writes are put off for two seconds, and not each part of what takes several turns."""
    start, waits, _ = slow_data
    server = start("everysec")
    with server.connect(timeout=30) as client:
        hold_data(client, waits)
        assert client("SET", "large", b"x" * (40 << 20)).value == b"OK"
        assert eventually(lambda: fields(client)["aof_buffer_length"] == "0", seconds=10)
        assert int(fields(client)["aof_delayed_fsync"]) <= 2
        waits.unlink()
        assert client("WAITAOF", 1, 0, 0).plain() == [1, 0]


@pytest.mark.parametrize("policy", ["always", "everysec"])
def test_values_are_large_while_the_disk_is_slow(policy, slow_data):
    """Only who has written waits for the disk, and only under `always`; it is a thread that waits for it."""
    start, waits, _ = slow_data
    server = start(policy)
    with server.connect(timeout=30) as client, server.connect(timeout=30) as small, server.connect(timeout=30) as reader:
        small("SET", "a", 1)
        waits.touch()
        client.send("SET", "large", b"x" * (5 << 20))
        while reader("STRLEN", "large").value == 0:
            pass
        small.send("INCR", "a")
        assert eventually(lambda: reader("GET", "a").value == b"2")
        if policy == "always":
            assert client.silent(0.3) and small.silent()
        else:
            assert client.read().value == b"OK" and small.read().value == 2
        waits.unlink()
        if policy == "always":
            assert client.read().value == b"OK" and small.read().value == 2
        assert small("WAITAOF", 1, 0, 0).plain() == [1, 0]


@pytest.mark.parametrize("policy", ["always", "everysec"])
def test_a_rewrite_does_not_wait_for_the_disk(policy, slow_disk, begin, tmp_path):  # noqa: F811
    """Neither when it begins nor when it ends. Who is told that a write is on the disk waits, and nobody else."""
    environment, gate = slow_disk
    ours = tmp_path / "ours"
    ours.mkdir()
    server = begin(servers.under_test(), ours, *ON[:2], "--appendfsync", policy, environment=environment)
    with server.connect(timeout=30) as client, server.connect(timeout=30) as other:
        for value in (b"1", b"2"):
            client("SET", "a", value)
            if value == b"2":
                client("CONFIG", "SET", "rdb-key-save-delay", 100_000_000)
            else:
                gate.touch()
            assert client("BGREWRITEAOF").value == b"Background append only file rewriting started"
            if value == b"2":
                # It has begun by now; its end is waited for.
                while len(manifest(ours)) < 3:
                    pass
                gate.touch()
                client("CONFIG", "SET", "rdb-key-save-delay", 0)
            # A write to the log is waited for by all with `always`, when there is something to write it to.
            writes = policy == "everysec" or value == b"1"
            if writes:
                client.send("SET", "b", value)
            # Not for so long that the disk is waited for all the same.
            for _ in range(10):
                assert other("GET", "b").value == (value if writes else b"1")
                assert fields(other)["aof_rewrite_in_progress"] == "1"
            if policy == "always":
                assert client.silent(0.05)
            gate.unlink()
            if not writes:
                client.send("SET", "b", value)
            assert client.read().value == b"OK"
            wait_for_rewrite(other)
            client("SET", "c", value)
            assert other("WAITAOF", 1, 0, 0).plain() == [1, 0]
            wait_until_history_is_gone(ours)
            assert len(manifest(ours)) == 2
    server.kill()
    assert everything(begin, ours) == {b"a": b"2", b"b": b"2", b"c": b"2"}


def test_a_rewrite_that_cannot_begin(begin, tmp_path):  # noqa: F811
    """The log goes on as if it had not been asked for."""
    server = begin(servers.under_test(), tmp_path, *ON)
    with server.connect(timeout=30) as client:
        client("SET", "a", 1)
        (folder(tmp_path) / "temp-appendonly.aof.manifest").mkdir()
        # What follows at once goes to the new increment, which no start would know of.
        assert not any(reply.is_error for reply in client.pipeline([("BGREWRITEAOF",), ("SELECT", 1), ("SET", "b", 1)]))
        while (shown := fields(client))["aof_rewrite_in_progress"] == "1":
            pass
        assert (shown["aof_last_bgrewrite_status"], shown["aof_last_write_status"]) == ("err", "ok")
        assert len(manifest(tmp_path)) == 2
        client("SET", "c", 1)
    server.kill()
    (folder(tmp_path) / "temp-appendonly.aof.manifest").rmdir()
    server = begin(servers.under_test(), tmp_path, *ON)
    with server.connect(timeout=30) as client:
        rewrite(client)
        wait_until_history_is_gone(tmp_path)
        client("SET", "d", 1)
    server.kill()
    server = begin(servers.under_test(), tmp_path, *ON)
    with server.connect(timeout=30) as client:
        assert sorted(client("KEYS", "*").plain()) == [b"a", b"d"]
        client("SELECT", 1)
        assert sorted(client("KEYS", "*").plain()) == [b"b", b"c"]


def test_a_manifest_whose_name_cannot_be_synced(slow_disk, begin, tmp_path):  # noqa: F811
    """Whichever manifest is found at the next start, what it names is there."""
    environment, _ = slow_disk
    failing = tmp_path / "fails"
    ours = tmp_path / "ours"
    ours.mkdir()
    server = begin(servers.under_test(), ours, *ON, environment={**environment, "FAILING_NAMES": str(failing)})
    with server.connect(timeout=30) as client:
        client("SET", "a", 1)
        client("CONFIG", "SET", "rdb-key-save-delay", 100_000_000)
        client("BGREWRITEAOF")
        # It is answered when the manifest that names the new increment is on the disk.
        client("SET", "c", 1)
        assert len(manifest(ours)) == 3
        failing.touch()
        client("CONFIG", "SET", "rdb-key-save-delay", 0)
        while (shown := fields(client))["aof_rewrite_in_progress"] == "1":
            pass
        assert shown["aof_last_bgrewrite_status"] == "err"
        assert "The AOF manifest file appendonly.aof.manifest could not be replaced: fsync: Input/output error" in server.output()
        assert {line.split()[1] for line in manifest(ours)} <= set(names(ours))
        client("SET", "b", 1)
    server.kill()
    assert everything(begin, ours) == {b"a": b"1", b"b": b"1", b"c": b"1"}


@pytest.mark.parametrize("kept", ["no", "yes"])
def test_what_is_rewritten_while_the_log_is_off(kept, begin, tmp_path):  # noqa: F811
    """There is no increment then, and what was one is history, before its base."""
    server = begin(servers.under_test(), tmp_path, *ON, "--aof-disable-auto-gc", kept)
    with server.connect() as client:
        client("SET", "a", 1)
        client("CONFIG", "SET", "appendonly", "no")
        client("SET", "b", 1)
        rewrite(client)
        before = [line.split()[1] for line in manifest(tmp_path)]
        assert len(before) == (3 if kept == "yes" else 1)
        end(server)
        server = begin(servers.under_test(), tmp_path, *ON, "--aof-disable-auto-gc", kept)
    with server.connect() as client:
        assert sorted(client("KEYS", "*").plain()) == [b"a", b"b"]
        client("SET", "c", 1)
        # What is history is not written to again.
        assert increment(tmp_path).name not in before
        client("CONFIG", "SET", "appendonly", "no")
        rewrite(client)
        assert client("CONFIG", "SET", "appendonly", "yes").value == b"OK"
        wait_for_rewrite(client)
        client("SET", "d", 1)
    server.kill()
    assert sorted(everything(begin, tmp_path)) == [b"a", b"b", b"c", b"d"]


def test_the_log_is_loaded_while_a_rewrite_waits_for_the_disk(slow_disk, begin, tmp_path):  # noqa: F811
    """Which files there are does not change meanwhile."""
    environment, gate = slow_disk
    ours = tmp_path / "ours"
    ours.mkdir()
    server = begin(servers.under_test(), ours, *ON[:2], "--appendfsync", "no", environment=environment)
    with server.connect(timeout=60) as client:
        for number in range(20):
            client("SET", f"key:{number}", number)
            gate.touch()
            assert client("BGREWRITEAOF").value == b"Background append only file rewriting started"
            client.send("DEBUG", "LOADAOF")
            # The first is waited for at its beginning and its end, and the others by chance.
            timer = threading.Timer(0.05 if number == 0 else 0.002 * number, gate.unlink)
            timer.start()
            assert client.read().value == b"OK", server.output()
            timer.join()
            assert client("DBSIZE").value == number + 1
            wait_for_rewrite(client)


def test_a_move_that_fails_leaves_the_log_as_it_was(begin, tmp_path):  # noqa: F811
    ours, other = tmp_path / "ours", tmp_path / "other"
    ours.mkdir(), other.mkdir()
    server = begin(servers.under_test(), ours, *ON, *MOVABLE)
    with server.connect() as client:
        client("SET", "a", 1)
        client("CONFIG", "SET", "dir", other)
        client("CONFIG", "SET", "rdb-key-save-delay", 100_000_000)
        client("BGREWRITEAOF")
        client("SET", "b", "x" * 1000)
        (folder(other) / "temp-appendonly.aof.manifest").mkdir()
        client("CONFIG", "SET", "rdb-key-save-delay", 0)
        while (shown := fields(client))["aof_rewrite_in_progress"] == "1":
            pass
        assert shown["aof_last_bgrewrite_status"] == "err"
        assert int(shown["aof_current_size"]) == sum((folder(ours) / line.split()[1]).stat().st_size for line in manifest(ours))
        assert names(other) == ["temp-appendonly.aof.manifest"]
        client("SET", "c", 1)
    server.kill()
    assert sorted(everything(begin, ours)) == [b"a", b"b", b"c"]


# --- what is in the files ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["snapshot", "log"])
def test_when_consumers_last_got_something(kind, begin, tmp_path):  # noqa: F811
    """Files are in the form of Redis 7.0, which has one time less for consumers: the other one stands in front of the key."""
    server = begin(servers.under_test(), tmp_path, *(ON if kind == "log" else ()))
    with server.connect() as client:
        client("XADD", "s", "1-1", "f", "v")
        client("XGROUP", "CREATE", "s", "g", 0)
        client("XGROUP", "CREATE", "s", "h", 0)
        client("XGROUP", "CREATECONSUMER", "s", "g", "never")
        client("XREADGROUP", "GROUP", "g", "one", "STREAMS", "s", ">")
        client("DEBUG", "SLEEP", 0.02)
        # It asks, and gets nothing.
        client("XREADGROUP", "GROUP", "g", "one", "STREAMS", "s", ">")
        client("XREADGROUP", "GROUP", "h", "two", "STREAMS", "s", ">")
        before = [group[group.index(b"consumers") + 1] for group in client("XINFO", "STREAM", "s", "FULL").plain()[-1]]
        times = [(one[3], one[5]) for group in before for one in group]
        assert len({seen == active for seen, active in times}) == 2 and any(active == -1 for _, active in times)
        if kind == "log":
            rewrite(client)
            client("DEBUG", "LOADAOF")
        else:
            client("DEBUG", "RELOAD")
        assert [group[group.index(b"consumers") + 1] for group in client("XINFO", "STREAM", "s", "FULL").plain()[-1]] == before
        client("SAVE")
    server.kill()
    other = begin(servers.reference(), tmp_path)
    with other.connect() as client:
        assert client("XLEN", "s").value == 1


def test_commands_that_others_do_not_know(begin, tmp_path):  # noqa: F811
    """MSETEX is of Redis 8.4."""
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    theirs.mkdir(), ours.mkdir()
    server = begin(servers.under_test(), ours, *ON)
    with server.connect() as client:
        client("SET", "c", 1, "PXAT", 32503680000000)
        assert client("MSETEX", 2, "a", 1, "b", 2, "PXAT", 32503680000001).value == 1
        assert client("MSETEX", 2, "c", 2, "d", 2, "KEEPTTL").value == 1
        assert client("MSETEX", 1, "e", 3).value == 1
        before = {key: (client("GET", key).value, client("PEXPIRETIME", key).value) for key in "abcde"}
    end(server)
    assert b"MSETEX" not in increment(ours).read_bytes()
    shutil.copytree(folder(ours), folder(theirs))
    for binary, directory in ((servers.newer_redis(), theirs), (servers.under_test(), ours)):
        other = begin(binary, directory, *ON)
        with other.connect() as client:
            assert {key: (client("GET", key).value, client("PEXPIRETIME", key).value) for key in "abcde"} == before


def test_flushes_of_nothing_are_told(begin, tmp_path):  # noqa: F811
    server = begin(servers.under_test(), tmp_path, *ON)
    with server.connect() as client:
        for words in (["flushdb"], ["FLUSHALL", "async"], ["Flushdb"]):
            client(*words)
    content = increment(tmp_path).read_bytes()
    assert content == request(b"SELECT", b"0") + request(b"flushdb") + request(b"FLUSHALL", b"async") + request(b"Flushdb")


def test_clients_are_served_while_a_script_of_the_log_takes_long(begin, tmp_path):  # noqa: F811
    server = begin(servers.under_test(), tmp_path, *ON, "--lua-time-limit", 1)
    with server.connect() as client, server.connect() as other:
        client("SET", "y", 1)
        increment(tmp_path).write_bytes(
            request(b"EVAL", b"redis.call('set', KEYS[1], 'y') for i = 1, 3000000 do redis.call('ping') end return 'ok'", b"1", b"x") + request(b"INCR", b"n"))
        client.send("DEBUG", "LOADAOF")
        while (answer := other("GET", "x")).raw != b"-LOADING Redis is loading the dataset in memory\r\n":
            assert answer.raw in (b"$-1\r\n", b"-LOADING Redis is loading the dataset in memory\r\n"), answer
        assert other("PING").raw == b"-LOADING Redis is loading the dataset in memory\r\n"
        assert other("DEBUG", "LOADAOF").is_error
        client.send("GET", "x")
        assert client.read().value == b"OK" and client.read().value == b"y"
        assert other("GET", "n").value == b"1" and "Slow script detected" in server.output()
        assert client("SET", "z", 1).value == b"OK"
