"""Bases of the append-only file that consist of commands (`aof-use-rdb-preamble no`): the same data, here and elsewhere."""
import random
import shutil
import subprocess

import pytest

from persistence.append_only import ON, end, folder, manifest, names, rewrite
from persistence.test_append_only import all_of, write_some
from persistence.test_background import Writers, fields, fill, picture, send_all
from persistence.test_files import FAR, PEERS, begin  # noqa: F401  (begin is a fixture)
from support import server as servers

TEXT = ("--aof-use-rdb-preamble", "no")


def base(directory):
    return folder(directory) / next(line.split()[1] for line in manifest(directory) if line.endswith("type b"))


@pytest.mark.parametrize("peer", PEERS)
def test_a_base_of_commands(peer, begin, tmp_path):  # noqa: F811
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    theirs.mkdir(), ours.mkdir()
    server = begin(servers.under_test(), ours, *ON, *TEXT, "--appendfsync", "everysec")
    assert base(ours).read_bytes() == b""
    with server.connect() as client:
        write_some(client, newest=peer == "redis-8.2")
        rewrite(client)
        before = all_of(client)
    assert manifest(ours)[0] == "file appendonly.aof.2.base.aof seq 2 type b"
    assert base(ours).read_bytes().startswith(b"*3\r\n$8\r\nFUNCTION\r\n$4\r\nLOAD\r\n")
    end(server)
    if peer != "redis-8.2":
        checked = subprocess.run([shutil.which("redis-check-aof"), folder(ours) / "appendonly.aof.manifest"], capture_output=True, text=True)
        assert checked.returncode == 0 and "Start to check BASE AOF (RESP format)" in checked.stdout, checked.stdout
    shutil.copytree(folder(ours), folder(theirs))
    server = begin(servers.under_test(), ours, *ON)
    with server.connect() as client:
        assert all_of(client) == before
        assert "answered with an error" not in server.output()
    other = begin(PEERS[peer](), theirs, *ON)
    with other.connect() as client:
        assert all_of(client) == before


def test_commands_take_no_more_than_64_elements(begin, tmp_path):  # noqa: F811
    server = begin(servers.under_test(), tmp_path, *ON, *TEXT)
    with server.connect() as client:
        client("CONFIG", "SET", "aof-timestamp-enabled", "yes")
        for size in (1, 64, 65, 200, 5000):
            client("RPUSH", f"list {size}", *[f"element {index}" for index in range(size)])
            client("SADD", f"set {size}", *range(size))
            client("SADD", f"words {size}", *[f"member {index}" for index in range(size)])
            client("ZADD", f"sorted {size}", *[word for index in range(size) for word in (index / 4 or "-inf", f"member {index}")])
            client("HSET", f"hash {size}", *[word for index in range(size) for word in (f"field {index}", index)])
            client("HPEXPIREAT", f"hash {size}", FAR, "FIELDS", 1, f"field {size // 2}")
        client("PEXPIREAT", "list 5000", FAR)
        client("SET", "empty", "")
        client("SET", "\r\n", "\x00" * 300_000, "PXAT", FAR + 1)
        before = client("DEBUG", "DIGEST").plain()
        rewrite(client)
        content = base(tmp_path).read_bytes()
        assert content.startswith(b"#TS:")
        longest = max(int(line[1:]) for line in content.split(b"\r\n") if line.startswith(b"*") and line[1:].isdigit())
        assert longest == 2 + 64 * 2
        for word, count in ((b"RPUSH", 1 + 1 + 2 + 4 + 79), (b"HPEXPIREAT", 5), (b"PEXPIREAT", 2)):
            assert content.count(b"\r\n%s\r\n" % word) == count, word
        assert client("DEBUG", "LOADAOF").value == b"OK"
        assert client("DEBUG", "DIGEST").plain() == before
        assert client("HPEXPIRETIME", "hash 200", "FIELDS", 2, "field 100", "field 1").plain() == [FAR, -1]
        assert [client("PEXPIRETIME", key).value for key in ("list 5000", "\r\n", "empty")] == [FAR, FAR + 1, -1]


def stream_facts(client, key):
    """All that is said of a stream but for how it is kept, and when consumers were seen."""
    def without(words, *names):
        return [word for name, value in zip(words[::2], words[1::2]) if name not in names for word in (name, value)]
    facts = client("XINFO", "STREAM", key, "FULL", "COUNT", 0).plain()
    for group in facts[facts.index(b"groups") + 1]:
        group[group.index(b"consumers") + 1] = [without(one, b"seen-time", b"active-time") for one in group[group.index(b"consumers") + 1]]
    return without(facts, b"radix-tree-keys", b"radix-tree-nodes")


def test_streams(begin, tmp_path):  # noqa: F811
    """Also what is pending and no longer there: deleted from the middle, trimmed at the beginning, or with all others."""
    server = begin(servers.under_test(), tmp_path, *ON, *TEXT, "--stream-node-max-entries", "10")
    with server.connect() as client:
        keys = ["plain", "deleted", "trimmed", "all trimmed", "all deleted", "empty", "large", "numbers", "read and gone"]
        for key in keys:
            for entry in range(1, 3000 if key == "large" else 60):
                client("XADD", key, f"{entry}-{entry % 3}", "f", f"v{entry}", *(["other", entry] if entry % 7 == 0 else []))
            client("XGROUP", "CREATE", key, "group", 0)
            client("XGROUP", "CREATE", key, "second", 5, "ENTRIESREAD", 7)
            client("XGROUP", "CREATECONSUMER", key, "second", "nobody")
            client("XREADGROUP", "GROUP", "group", "one", "COUNT", 40, "STREAMS", key, ">")
            client("XREADGROUP", "GROUP", "group", "two", "COUNT", 4, "STREAMS", key, ">")
            client("XREADGROUP", "GROUP", "second", "one", "COUNT", 20, "STREAMS", key, ">")
            client("XCLAIM", key, "group", "three", 0, "7-1", "8-2", "TIME", 1000, "RETRYCOUNT", 9)
            client("XACK", key, "group", "9-0")
        client("XDEL", "deleted", *[f"{entry}-{entry % 3}" for entry in range(3, 40, 2)], "1-1", "59-2")
        client("XTRIM", "trimmed", "MINID", "30-0")
        client("XTRIM", "all trimmed", "MAXLEN", 0)
        client("XDEL", "all deleted", *[f"{entry}-{entry % 3}" for entry in range(1, 60)])
        # More was read than there is to be added again.
        client("XREADGROUP", "GROUP", "group", "one", "STREAMS", "read and gone", ">")
        client("XACK", "read and gone", "group", *[f"{entry}-{entry % 3}" for entry in range(1, 60)])
        client("XACK", "read and gone", "second", *[f"{entry}-{entry % 3}" for entry in range(1, 60)])
        client("XDEL", "read and gone", *[f"{entry}-{entry % 3}" for entry in range(5, 60)])
        client("DEL", "empty")
        client("XGROUP", "CREATE", "empty", "group", "$", "MKSTREAM")
        client("XDEL", "large", *[f"{entry}-{entry % 3}" for entry in range(2, 30, 3)])
        client("XSETID", "numbers", "99-9", "ENTRIESADDED", 1234, "MAXDELETEDID", "70-1")
        before = {key: stream_facts(client, key) for key in keys}
        pending = {key: client("XPENDING", key, "group", "-", "+", 100).plain() for key in keys}
        rewrite(client)
        # The increment is empty: all comes from the base.
        assert client("DEBUG", "LOADAOF").value == b"OK"
        for key in keys:
            assert stream_facts(client, key) == before[key], key
            assert [[*one[:2], one[3]] for one in client("XPENDING", key, "group", "-", "+", 100).plain()] == [[*one[:2], one[3]] for one in pending[key]], key
        assert "answered with an error" not in server.output()


def test_counts_past_the_largest_integer(begin, tmp_path):  # noqa: F811
    """A group reads on where the number of entries cannot be said any more: the log runs all the same, and so does a base of commands."""
    server = begin(servers.under_test(), tmp_path, *ON, *TEXT)

    def groups(client, *left_out):
        found = [dict(zip(group[::2], group[1::2])) for group in client("XINFO", "GROUPS", "s").plain()]
        return [{name: value for name, value in group.items() if name not in left_out} for group in found]
    with server.connect() as client:
        client("XADD", "s", "1-1", "f", "v")
        client("XSETID", "s", "1-1", "ENTRIESADDED", 2**63 - 1)
        for name in ("one", "two"):
            client("XGROUP", "CREATE", "s", name, 0)
        for entry in range(2, 6):
            client("XREADGROUP", "GROUP", "one", "consumer", "STREAMS", "s", ">")
            client("XADD", "s", f"1-{entry}", "f", "v")
        client("XREADGROUP", "GROUP", "two", "consumer", "COUNT", 4, "STREAMS", "s", ">")
        before = groups(client)
        assert before[0][b"entries-read"] == -(2**63) + 2 and before[1][b"last-delivered-id"] == b"1-4"
        assert client("DEBUG", "LOADAOF").value == b"OK"
        assert groups(client) == before and "answered with an error" not in server.output()
        counts = (b"entries-read", b"lag")
        before = groups(client, *counts)
        rewrite(client)
        assert client("DEBUG", "LOADAOF").value == b"OK"
        assert groups(client, *counts) == before and "answered with an error" not in server.output()


@pytest.mark.parametrize("seed", range(2))
def test_it_is_what_there_was_at_the_start(seed, begin, tmp_path):  # noqa: F811
    """Without a log the base is all that is written, and what clients do meanwhile must not be in it."""
    ours, copy = tmp_path / "ours", tmp_path / "copy"
    ours.mkdir(), copy.mkdir()

    def facts(client):
        shown = picture(client)
        for (place, value) in list(shown.items()):
            if isinstance(value, list):
                # How streams are kept is another matter.
                value[0] = [value[0][index] for index in range(len(value[0])) if not (value[0][index - index % 2]).startswith(b"radix-tree")]
        return shown
    server = begin(servers.under_test(), ours, *TEXT)
    rng = random.Random(seed)
    with server.connect(timeout=120) as client:
        fill(client, rng, count=800)
        before = facts(client)
        send_all(client, [["SET", f"fleeting:{index}", "v", "PX", 100 + index] for index in range(200)])
        client("CONFIG", "SET", "rdb-key-save-delay", 100)
        assert client("BGREWRITEAOF").value == b"Background append only file rewriting started"
        writers = Writers(server, 900 + seed)
        try:
            while fields(client)["aof_rewrite_in_progress"] == "1":
                pass
        finally:
            written = writers.stop()
        assert fields(client)["aof_last_bgrewrite_status"] == "ok" and written > 200
        assert picture(client)["digest"] != before["digest"]
    assert manifest(ours) == ["file appendonly.aof.1.base.aof seq 1 type b"]
    shutil.copytree(folder(ours), folder(copy))
    # What has expired since is still in the base.
    second = begin(servers.under_test(), copy, *ON)
    with second.connect(timeout=120) as client:
        client("DEBUG", "SET-ACTIVE-EXPIRE", 1)
        while client("EXISTS", *[f"fleeting:{index}" for index in range(200)]).value:
            pass
        client("SELECT", 0)
        assert facts(client) == before
    server.check_alive()


def test_it_may_be_changed_while_the_server_runs(begin, tmp_path):  # noqa: F811
    server = begin(servers.under_test(), tmp_path, *ON)
    with server.connect() as client:
        client("SET", "k", "v")
        for value, suffix in (("no", "aof"), ("yes", "rdb"), ("no", "aof")):
            assert client("CONFIG", "SET", "aof-use-rdb-preamble", value).value == b"OK"
            assert client("CONFIG", "GET", "aof-use-rdb-preamble").plain()[1] == value.encode()
            rewrite(client)
            assert manifest(tmp_path)[0].split()[1].endswith(f".base.{suffix}")
            assert client("DEBUG", "LOADAOF").value == b"OK" and client("GET", "k").value == b"v"
        # What was replaced is removed by another thread.
        while len(names(tmp_path)) > 3:
            pass
