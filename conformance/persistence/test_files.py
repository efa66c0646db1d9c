"""Snapshot files move between servers in both directions: what was saved by one is the same when another has loaded it."""
import fcntl
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import time

import pytest

from differential.test_dump import RECIPES, made
from support import dump
from support import server as servers
from support.resp import Closed

FUNCTIONS = "#!lua name=lib\nredis.register_function('one', function() return 1 end)"
PEERS = {"redis-7.0": servers.reference, "redis-8.2": servers.newer_redis, "valkey-9.1": servers.valkey}
FAR = 32503680000000


def fill(client, newest=False):
    """All types in all encodings, deadlines, and several databases."""
    for name, recipe in RECIPES.items():
        made(client, recipe)
        client("RENAME", "k", name)
    client("SET", "stays for long", "v", "PXAT", FAR)
    client("SET", "soon gone", "v", "PX", 1)
    client("XADD", "groups", "1-1", "f", "v")
    client("XADD", "groups", "2-1", "f", "w")
    client("XGROUP", "CREATE", "groups", "group", "0")
    client("XREADGROUP", "GROUP", "group", "one", "COUNT", 1, "STREAMS", "groups", ">")
    client("XGROUP", "CREATECONSUMER", "groups", "group", "two")
    if newest:
        client("HSET", "fields", "a", 1, "b", 2)
        client("HPEXPIREAT", "fields", FAR, "FIELDS", 1, "a")
        client("HSET", "many fields", *[word for index in range(1000) for word in (f"f{index}", index)])
        client("HPEXPIREAT", "many fields", FAR, "FIELDS", 2, "f1", "f2")
    client("SELECT", 9)
    client("SET", "in another database", 1)
    client("SELECT", 0)
    assert client("FUNCTION", "LOAD", FUNCTIONS).value == b"lib"


def values(client):
    """A digest of each value, but where servers have different ones: those after 7.0 for scores, and Valkey for deadlines of fields."""
    shown = {}
    for key in client("KEYS", "*").plain():
        if client("TYPE", key).value == b"zset":
            words = client("ZRANGE", key, 0, -1, "WITHSCORES").plain()
            shown[key] = [(member, float(score)) for member, score in zip(words[::2], words[1::2])]
        elif key.endswith(b"fields"):
            shown[key] = sorted(client("HGETALL", key).plain())
        else:
            shown[key] = client("DEBUG", "DIGEST-VALUE", key).plain()
    return shown


def picture(client):
    shown = [values(client), client("DBSIZE").plain(), client("FCALL", "one", 0).plain(),
             client("PEXPIRETIME", "stays for long").plain(), client("XPENDING", "groups", "group").plain(),
             [consumer[1] for consumer in client("XINFO", "CONSUMERS", "groups", "group").plain()]]
    client("SELECT", 9)
    shown.append(client("DBSIZE").plain())
    client("SELECT", 0)
    return shown


def move(source, target, name="dump.rdb"):
    shutil.copy(pathlib.Path(source.directory) / name, pathlib.Path(target) / name)


@pytest.fixture
def begin():
    """Starts a server of any kind in a directory; it is ended however the test ends."""
    running = []

    def begin(binary, directory, *arguments, loaded=True, **options):
        server = servers.Server(binary, [*servers.TEST_FLAGS, *arguments], directory=directory, **options)
        running.append(server)
        if loaded and options.get("ready", True):
            with server.connect() as client:
                while client("PING").value != b"PONG":
                    pass
        return server
    yield begin
    for server in running:
        server.kill()


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("compressed", ["yes", "no"])
def test_files_of_others_load_here(peer, compressed, begin, tmp_path):
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    theirs.mkdir(), ours.mkdir()
    other = begin(PEERS[peer](), theirs, "--rdbcompression", compressed)
    with other.connect() as client:
        fill(client, newest=peer != "redis-7.0")
        client("PING")
        assert client("SAVE").value == b"OK"
        client("DEBUG", "SLEEP", 0.01)
        client("GET", "soon gone")
        before = picture(client)
    move(other, ours)
    server = begin(servers.under_test(), ours)
    with server.connect() as client:
        assert picture(client) == before
        if peer != "redis-7.0":
            assert client("HPEXPIRETIME", "fields", "FIELDS", 2, "a", "b").plain() == [FAR, -1]
            assert client("HPEXPIRETIME", "many fields", "FIELDS", 3, "f1", "f2", "f3").plain() == [FAR, FAR, -1]


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("compressed", ["yes", "no"])
def test_files_of_ours_load_elsewhere(peer, compressed, begin, tmp_path):
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    theirs.mkdir(), ours.mkdir()
    server = begin(servers.under_test(), ours, "--rdbcompression", compressed)
    with server.connect() as client:
        # What Redis 7.4 knows is read by Valkey in another form only.
        fill(client, newest=peer == "redis-8.2")
        assert client("SAVE").value == b"OK"
        client("DEBUG", "SLEEP", 0.01)
        client("GET", "soon gone")
        before = picture(client)
    head = (ours / "dump.rdb").read_bytes()[:9]
    assert head == (b"REDIS0012" if peer == "redis-8.2" else b"REDIS0010")
    checker = shutil.which("redis-check-rdb")
    assert checker, "redis-check-rdb is not installed (Debian: redis-tools)"
    if peer != "redis-8.2":
        checked = subprocess.run([checker, ours / "dump.rdb"], capture_output=True, text=True)
        assert checked.returncode == 0 and "RDB looks OK" in checked.stdout, checked.stdout
    move(server, theirs)
    other = begin(PEERS[peer](), theirs)
    with other.connect() as client:
        assert picture(client) == before
        if peer == "redis-8.2":
            assert client("HPEXPIRETIME", "fields", "FIELDS", 2, "a", "b").plain() == [FAR, -1]


def test_what_is_saved_comes_back(begin, tmp_path):
    server = begin(servers.under_test(), tmp_path)
    with server.connect() as client:
        fill(client, newest=True)
        client("DEBUG", "SLEEP", 0.01)
        client("GET", "soon gone")
        assert client("SAVE").value == b"OK"
        before = picture(client)
        assert b"rdb_changes_since_last_save:0\r\n" in client("INFO", "persistence").value
    server.kill()
    server = begin(servers.under_test(), tmp_path)
    with server.connect() as client:
        assert picture(client) == before
        fields = dict(line.split(b":", 1) for line in client("INFO", "persistence").value.splitlines() if b":" in line)
        assert fields[b"loading"] == b"0" and int(fields[b"rdb_last_load_keys_loaded"]) == int(client("DBSIZE").value) + 1


def test_large_strings_come_back(begin, tmp_path):
    server = begin(servers.under_test(), tmp_path)
    texts = [os.urandom(5_000_000), b"ab" * 2_000_000, os.urandom(1 << 20), b"x" * (1 << 20) + b"y"]
    with server.connect() as client:
        for index, text in enumerate(texts):
            client("SET", f"text {index}", text)
        assert client("SAVE").value == b"OK"
    server.kill()
    server = begin(servers.under_test(), tmp_path)
    with server.connect() as client:
        for index, text in enumerate(texts):
            assert client("GET", f"text {index}").value == text


@pytest.mark.parametrize("settings", [["--rdbchecksum", "no"], ["--rdb-save-incremental-fsync", "no"], ["--maxmemory-policy", "allkeys-lfu"],
                                      ["--maxmemory-policy", "allkeys-lru"], ["--dbfilename", "other.rdb"]])
def test_settings_of_files(settings, begin, tmp_path):
    server = begin(servers.under_test(), tmp_path, *settings)
    with server.connect() as client:
        client("SET", "k", "v")
        client("MSET", *[word for index in range(1000) for word in (index, index)])
        for _ in range(200):
            client("GET", "k")
        assert client("SAVE").value == b"OK"
        frequency = client("OBJECT", "FREQ", "k").value if "allkeys-lfu" in settings else None
    server.kill()
    name = settings[1] if settings[0] == "--dbfilename" else "dump.rdb"
    content = (tmp_path / name).read_bytes()
    assert (struct.unpack("<Q", content[-8:])[0] == 0) == (settings[0] == "--rdbchecksum")
    assert subprocess.run([shutil.which("redis-check-rdb"), tmp_path / name], capture_output=True).returncode == 0
    server = begin(servers.under_test(), tmp_path, *settings)
    with server.connect() as client:
        assert client("DBSIZE").value == 1001
        if frequency is not None:
            assert client("OBJECT", "FREQ", "k").value >= frequency - 1 > 1
    assert os.listdir(tmp_path).count(name) == 1 and not [each for each in os.listdir(tmp_path) if each.startswith("temp-")]


def saved(directory, begin):
    """A file with some keys, and its bytes."""
    server = begin(servers.under_test(), directory)
    with server.connect() as client:
        client("MSET", *[word for index in range(100) for word in (f"key:{index}", "v" * index)])
        client("HSET", "hash", "f", "v")
        assert client("SAVE").value == b"OK"
    server.kill()
    return (directory / "dump.rdb").read_bytes()


def framed(body, version):
    """A file with some records."""
    content = b"REDIS%04d" % version + body + b"\xff"
    return content + struct.pack("<Q", dump.crc64(content))


def refusal(directory, begin, *arguments):
    """What the server says that refuses to start; the file must stay as it is."""
    before = (directory / "dump.rdb").read_bytes()
    server = begin(servers.under_test(), directory, *arguments, ready=False)
    assert server.wait() == 1
    assert (directory / "dump.rdb").read_bytes() == before
    return server.output()


def test_damage_is_refused_with_file_offset_and_advice(begin, tmp_path):
    content = saved(tmp_path, begin)
    path = tmp_path / "dump.rdb"
    for damaged, reason in [
        (content[:-9], "it ends too early at offset"),
        (content[:200], "it ends too early at offset"),
        (content[:-1] + bytes([content[-1] ^ 1]), "RDB CRC error: found a wrong checksum at offset"),
        (b"RUBBISH!!" + content[9:], "found no RDB file at offset 9"),
        (b"REDIS0099" + content[9:], "cannot take in version 99 of the RDB format"),
        (b"", "it ends too early at offset 0"),
    ]:
        path.write_bytes(damaged)
        text = refusal(tmp_path, begin)
        assert f"The RDB file {tmp_path}/dump.rdb cannot be loaded: {reason}" in text, text
        assert "examine it with redis-check-rdb" in text


@pytest.mark.parametrize("body, reason", [
    (b"\x07\x01k" + b"\x81" + struct.pack(">Q", 0x5C33A3C5D3A3BC01), "cannot take in data of the module type 'XDOjxdOjv"),
    (b"\x06\x01k" + b"\x81" + struct.pack(">Q", 0x5C33A3C5D3A3BC01), "cannot take in data of the module type"),
    (b"\xf7" + b"\x81" + struct.pack(">Q", 0x5C33A3C5D3A3BC01), "cannot take in data of the module type"),
    (b"\x63\x01k\x01v", "cannot take in a value of type 99"),
    (b"\xf6\x01v", "cannot take in a library of functions of a preview"),
    (b"\xfe\x40\xff\x00\x01k\x01v", "cannot take in a database that is not there"),
    (b"\x00\x01k\x01v\x00\x01k\x01v", "found a key that is there twice"),
])
def test_what_is_unknown_is_refused_by_name_with_its_offset(body, reason, begin, tmp_path):
    (tmp_path / "dump.rdb").write_bytes(b"REDIS0010" + body + b"\xff" + bytes(8))
    text = refusal(tmp_path, begin)
    assert reason in text and "in the record at offset" in text, text


@pytest.mark.parametrize("tail", [b"\n", b"*1\r\n$4\r\nPING\r\n", bytes(20_000)], ids=["newline", "command", "zeros"])
def test_what_is_behind_the_end_is_not_read(tail, begin, tmp_path):
    content = saved(tmp_path, begin)
    (tmp_path / "dump.rdb").write_bytes(content + tail)
    server = begin(servers.under_test(), tmp_path)
    with server.connect() as client:
        assert client("DBSIZE").value == 101
    assert f"The RDB file {tmp_path}/dump.rdb goes on behind its end: {len(tail)} bytes were not read." in server.output()
    server.kill()
    for peer in PEERS.values():
        # Of servers whose files they read.
        (tmp_path / "dump.rdb").write_bytes(framed(b"\x00\x01k\x01v", 10) + tail)
        with begin(peer(), tmp_path).connect() as client:
            assert client("KEYS", "*").plain() == [b"k"]


def test_a_base_that_commands_follow_is_no_snapshot(begin, tmp_path):
    """Not all of its keys would be there."""
    for name in (b"aof-base", b"aof-preamble"):
        content = framed(b"\xfa" + bytes([len(name)]) + name + b"\xc0\x01\x00\x01k\x01v", 10)
        (tmp_path / "dump.rdb").write_bytes(content + b"*1\r\n$4\r\nPING\r\n")
        assert "found commands of an append-only file behind the end" in refusal(tmp_path, begin)
        (tmp_path / "dump.rdb").write_bytes(content)
        server = begin(servers.under_test(), tmp_path)
        with server.connect() as client:
            assert client("KEYS", "*").plain() == [b"k"]
        assert "goes on behind its end" not in server.output()
        server.kill()


@pytest.mark.parametrize("binary", [servers.under_test, servers.reference, servers.newer_redis, servers.valkey],
                         ids=["ours", *PEERS])
def test_behind_a_base_only_commands_may_stand(binary, begin, tmp_path):
    """Behind it, within the same file, commands are looked for."""
    server = begin(binary(), tmp_path, "--appendonly", "yes")
    server.kill()
    base, = (tmp_path / "appendonlydir").glob("*.base.rdb")
    content = base.read_bytes()
    base.write_bytes(content + b"\n")
    assert begin(binary(), tmp_path, "--appendonly", "yes", ready=False).wait() == 1
    assert base.read_bytes() == content + b"\n"


# Of a hash with a field that has no deadline, one that has one, and one that is expired.
def preview_of_a_hash():
    def text(word):
        return bytes([len(word)]) + word
    fields = [(b"f1", 0), (b"f2", FAR), (b"f3", 1)]
    return b"\x16\x01h\x03" + b"".join(b"\x81" + struct.pack(">Q", time) + text(name) + text(b"v") for name, time in fields)


def preview_of_a_packed_hash():
    """As `preview_of_a_hash`."""
    items = [b"\x82f3\x03", b"\x81v\x02", b"\x01\x01", b"\x82f2\x03", b"\x81v\x02", b"\xf4" + struct.pack("<q", FAR) + b"\x09",
             b"\x82f1\x03", b"\x81v\x02", b"\x00\x01"]
    body = b"".join(items) + b"\xff"
    packed = struct.pack("<IH", 6 + len(body), len(items)) + body
    return b"\x17\x01h" + bytes([len(packed)]) + packed


@pytest.mark.parametrize("body", [preview_of_a_hash(), preview_of_a_packed_hash()], ids=["table", "listpack"])
@pytest.mark.parametrize("binary", [servers.under_test, servers.newer_redis], ids=["ours", "redis-8.2"])
def test_hashes_of_previews(binary, body, begin, tmp_path):
    """Fields with deadlines as release candidates of Redis 7.4 wrote them, in a file and for RESTORE."""
    (tmp_path / "dump.rdb").write_bytes(framed(body, 12))
    payload = dump.sealed(body[:1] + body[3:], 12)
    with begin(binary(), tmp_path).connect() as client:
        assert client("RESTORE", "restored", 0, payload).value == b"OK"
        for key in (b"h", b"restored"):
            assert client("HPEXPIRETIME", key, "FIELDS", 3, "f1", "f2", "f3").plain() == [-1, FAR, -2]
            assert client("HGET", key, "f1").value == client("HGET", key, "f2").value == b"v"


def test_a_file_without_a_checksum_is_read(begin, tmp_path):
    content = saved(tmp_path, begin)
    (tmp_path / "dump.rdb").write_bytes(content[:-8] + bytes(8))
    server = begin(servers.under_test(), tmp_path)
    with server.connect() as client:
        assert client("DBSIZE").value == 101
    assert "checksum disabled" in server.output()


def test_a_wrong_checksum_is_let_through_where_checksums_are_off(begin, tmp_path):
    content = saved(tmp_path, begin)
    (tmp_path / "dump.rdb").write_bytes(content[:-8] + b"12345678")
    server = begin(servers.under_test(), tmp_path, "--rdbchecksum", "no")
    with server.connect() as client:
        assert client("DBSIZE").value == 101


def test_one_flipped_bit_is_noticed(begin, tmp_path):
    content = saved(tmp_path, begin)
    for place in range(0, len(content), max(1, len(content) // 40)):
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        (tmp_path / "dump.rdb").write_bytes(damaged)
        refusal(tmp_path, begin)


def test_leftovers_of_ended_processes_are_removed(begin, tmp_path):
    ended = subprocess.Popen(["true"])
    ended.wait()
    (tmp_path / f"temp-{ended.pid}.rdb").write_bytes(b"half")
    (tmp_path / f"temp-{os.getpid()}.rdb").write_bytes(b"another's")
    (tmp_path / "temp-x.rdb").write_bytes(b"another's")
    begin(servers.under_test(), tmp_path)
    left = {name for name in os.listdir(tmp_path) if name.startswith("temp-")}
    assert left == {f"temp-{os.getpid()}.rdb", "temp-x.rdb"}


def test_leftovers_that_are_none(begin, tmp_path):
    """A file of such a name that the settings name, and one that is locked: a process of another container writes it."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    name = f"temp-{ended.pid}.rdb"
    content = saved(tmp_path, begin)
    os.rename(tmp_path / "dump.rdb", tmp_path / name)
    server = begin(servers.under_test(), tmp_path, "--dbfilename", name)
    with server.connect() as client:
        assert client("DBSIZE").value == 101
    server.kill()
    with open(tmp_path / name, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        server = begin(servers.under_test(), tmp_path)
        assert (tmp_path / name).read_bytes() == content
        # It has the name that this server would take.
        taken = tmp_path / f"temp-{server.pid}.rdb"
        taken.write_bytes(b"another's")
        with server.connect() as client:
            assert client("SAVE").value == b"OK"
        assert taken.read_bytes() == b"another's"
        server.kill()
    begin(servers.under_test(), tmp_path)
    assert not (tmp_path / name).exists()


def test_who_may_read_the_file_follows_the_umask(begin, tmp_path):
    before = os.umask(0o007)
    try:
        saved(tmp_path, begin)
    finally:
        os.umask(before)
    assert (tmp_path / "dump.rdb").stat().st_mode & 0o777 == 0o660


def test_saving_where_nothing_can_be_written(begin, tmp_path):
    content = saved(tmp_path, begin)
    server = begin(servers.under_test(), tmp_path)
    shutil.move(tmp_path, str(tmp_path) + "-away")
    try:
        with server.connect() as client:
            assert client("SAVE").raw == b"-ERR\r\n"
            assert client("SET", "k", "v").value == b"OK" and client("GET", "k").value == b"v"
    finally:
        shutil.move(str(tmp_path) + "-away", tmp_path)
    assert (tmp_path / "dump.rdb").read_bytes() == content
    assert "Failed opening the temp RDB file" in server.output()
    with server.connect() as client:
        assert client("SAVE").value == b"OK"


def test_a_full_disk_leaves_the_last_file(begin, tmp_path):
    content = saved(tmp_path, begin)
    server = begin(servers.under_test(), tmp_path)
    with server.connect() as client:
        client("SET", "large", os.urandom(3_000_000))
        # As good as a full disk: no file may grow beyond this.
        subprocess.run(["prlimit", f"--pid={server.pid}", "--fsize=1000000:unlimited"], check=True)
        assert client("SAVE").raw == b"-ERR\r\n"
        assert client("GET", "key:3").value == b"vvv"
        assert (tmp_path / "dump.rdb").read_bytes() == content
        assert not [name for name in os.listdir(tmp_path) if name.startswith("temp-")]
        subprocess.run(["prlimit", f"--pid={server.pid}", "--fsize=unlimited:unlimited"], check=True)
        assert client("SAVE").value == b"OK"
    assert "Write error while saving DB to the disk(write: File too large)" in server.output()


def test_lastsave(begin, tmp_path):
    server = begin(servers.under_test(), tmp_path)
    with server.connect() as client:
        started = client("LASTSAVE").value
        assert abs(started - int(client("TIME").value[0].value)) <= 2
        client("DEBUG", "SLEEP", 1.1)
        assert client("SAVE").value == b"OK"
        assert client("LASTSAVE").value > started


def test_shutdown_saves_if_asked_to(begin, tmp_path):
    for options, count in [(["SAVE"], 1), (["NOSAVE"], 1), (["SAVE", "FORCE"], 2)]:
        server = begin(servers.under_test(), tmp_path)
        with server.connect() as client:
            client("RPUSH", "list", "x")
            client.send("SHUTDOWN", *options)
            with pytest.raises((Closed, ConnectionResetError)):
                client.read()
        assert server.wait() == 0
        server = begin(servers.under_test(), tmp_path)
        with server.connect() as client:
            assert client("LLEN", "list").value == count
        server.kill()


def test_a_signal_saves_if_asked_to(begin, tmp_path):
    server = begin(servers.under_test(), tmp_path, "--shutdown-on-sigterm", "save", "--shutdown-on-sigint", "nosave")
    with server.connect() as client:
        client("SET", "k", "v")
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    server = begin(servers.under_test(), tmp_path, "--shutdown-on-sigterm", "save", "--shutdown-on-sigint", "nosave")
    with server.connect() as client:
        assert client("GET", "k").value == b"v"
        client("SET", "k", "w")
    server.signal(signal.SIGINT)
    assert server.wait() == 0
    server = begin(servers.under_test(), tmp_path)
    with server.connect() as client:
        assert client("GET", "k").value == b"v"


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_only_ctrl_c_ends_a_server_that_saves_at_its_end(second, begin, tmp_path):
    server = begin(servers.under_test(), tmp_path, "--save", "3600 1")
    with server.connect() as client:
        client("SET", "k", "saved")
        assert client("SAVE").value == b"OK"
        client.pipeline([("SET", f"key:{number}", "x") for number in range(300)])
        client("SET", "k", "acknowledged")
        client("CONFIG", "SET", "rdb-key-save-delay", 10_000)
    server.signal(signal.SIGTERM)
    while "Saving the final RDB snapshot" not in server.output():
        time.sleep(0.01)
    server.signal(second)
    insists = second == signal.SIGINT
    assert server.wait() == insists and ("You insist... exiting now." in server.output()) == insists
    assert sorted(path.name for path in tmp_path.glob("*.rdb")) == ["dump.rdb"]
    server = begin(servers.under_test(), tmp_path)
    with server.connect() as client:
        assert client("GET", "k").value == (b"saved" if insists else b"acknowledged")


def test_a_shutdown_that_cannot_save_goes_on(begin, tmp_path):
    server = begin(servers.under_test(), tmp_path, "--shutdown-on-sigterm", "save")
    with server.connect() as client:
        client("SET", "large", os.urandom(3_000_000))
        subprocess.run(["prlimit", f"--pid={server.pid}", "--fsize=1000000:unlimited"], check=True)
        assert client("SHUTDOWN", "SAVE").raw == b"-ERR Errors trying to SHUTDOWN. Check logs.\r\n"
        for _ in range(2):
            server.signal(signal.SIGTERM)
            while client("PING").value == b"PONG" and "SIGTERM received but errors" not in server.output():
                pass
        assert client("STRLEN", "large").value == 3_000_000
        client.send("SHUTDOWN", "SAVE", "FORCE")
        with pytest.raises((Closed, ConnectionResetError)):
            client.read()
    assert server.wait() == 0


def test_clients_of_a_server_that_loads(begin, tmp_path):
    saved(tmp_path, begin)
    server = begin(servers.under_test(), tmp_path, "--key-load-delay", 20_000, loaded=False)
    with server.connect() as client:
        refused = b"-LOADING Redis is loading the dataset in memory\r\n"
        assert client("GET", "key:1").raw == refused and client("PING").raw == refused
        fields = dict(line.split(b":", 1) for line in client("INFO", "persistence").value.splitlines() if b":" in line)
        assert fields[b"loading"] == b"1" and int(fields[b"loading_total_bytes"]) == (tmp_path / "dump.rdb").stat().st_size
        assert 0 < int(fields[b"loading_loaded_bytes"]) < int(fields[b"loading_total_bytes"])
        assert {b"loading_start_time", b"loading_loaded_perc", b"loading_eta_seconds"} < set(fields)
        assert client("CONFIG", "SET", "key-load-delay", 0).value == b"OK"
        assert client("CONFIG", "SET", "appendonly", "no").raw == refused
        assert client("MULTI").value == b"OK" and client("GET", "x").raw == refused
        assert client("EXEC").raw.startswith(b"-EXECABORT")
        while client("PING").raw == refused:
            pass
        assert client("DBSIZE").value == 101 and client("CONFIG", "GET", "appendonly").plain()[1] == b"no"


def test_a_server_that_loads_is_ended(begin, tmp_path):
    before = saved(tmp_path, begin)
    for way in (signal.SIGTERM, "SHUTDOWN", "SHUTDOWN SAVE"):
        server = begin(servers.under_test(), tmp_path, "--key-load-delay", 50_000, "--shutdown-on-sigterm", "save", loaded=False)
        if way == signal.SIGTERM:
            server.signal(way)
        else:
            with server.connect() as client:
                client.send(*way.split())
                with pytest.raises((Closed, ConnectionResetError)):
                    client.read()
        assert server.wait() == 0, server.output()
        assert (tmp_path / "dump.rdb").read_bytes() == before
