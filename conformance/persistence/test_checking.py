"""`resp-server --check`, and the program under the names of redis-check-rdb and redis-check-aof: what it says is what those say of the same files,
which it may repair as they do."""
import os
import pathlib
import re
import shutil
import subprocess
import threading

import pytest

from persistence.append_only import ON, end, folder, increment, manifest, request, rewrite
from persistence.test_append_only import write_some
from persistence.test_files import PEERS, begin, fill  # noqa: F401  (begin is a fixture)
from support import server as servers

MANIFEST = "appendonly.aof.manifest"


@pytest.fixture
def tools(tmp_path):
    """Links to the server under the names of the tools."""
    place = tmp_path / "tools"
    place.mkdir()
    for name in ("redis-check-rdb", "redis-check-aof", "resp-check-rdb", "resp-check-aof"):
        (place / name).symlink_to(servers.under_test())
    return place


def run(tool, *arguments, directory, answer=None):
    done = subprocess.run([tool, *map(str, arguments)], cwd=directory, input=answer, capture_output=True, text=True, errors="replace", timeout=60)
    return done.returncode, done.stdout + done.stderr


def both(tools, name, *arguments, directory, answer=None):
    """The status and the text of each of the two; usage texts name the program."""
    return (run(tools / name, *arguments, directory=directory, answer=answer),
            run(shutil.which(name), *arguments, directory=directory, answer=answer))


def essential(text):
    """What is said, but for the words of what is wrong at an offset."""
    lines = [re.sub(r"^0x.*", "0x", line) for line in text.splitlines()]
    return [line for line in lines if "consumer-active-times" not in line]


# --- snapshots -------------------------------------------------------------------------------------------------------------------------


def snapshot(begin, directory, newest=False):  # noqa: F811
    server = begin(servers.under_test(), directory)
    with server.connect() as client:
        fill(client, newest)
        assert client("SAVE").value == b"OK"
    server.kill()
    return directory / "dump.rdb"


def test_a_sound_snapshot(begin, tools, tmp_path):  # noqa: F811
    path = snapshot(begin, tmp_path)
    ours, theirs = both(tools, "redis-check-rdb", "dump.rdb", directory=tmp_path)
    assert ours[0] == theirs[0] == 0
    assert essential(ours[1]) == essential(theirs[1])
    assert "\\o/ RDB looks OK! \\o/" in ours[1]
    for words in ([tools / "resp-check-rdb", path], [servers.under_test(), "--check", path]):
        status, text = run(*words, directory=tmp_path)
        assert status == 0 and essential(text)[1:] == essential(ours[1])[1:]


@pytest.mark.parametrize("peer", PEERS)
def test_snapshots_of_others(peer, begin, tools, tmp_path):  # noqa: F811
    server = begin(PEERS[peer](), tmp_path)
    with server.connect() as client:
        fill(client, newest=peer != "redis-7.0")
        client("SAVE")
    status, text = run(tools / "redis-check-rdb", "dump.rdb", directory=tmp_path)
    assert status == 0 and "Checksum OK" in text and f"AUX FIELD {'valkey' if 'valkey' in peer else 'redis'}-ver" in text, text


def test_damaged_snapshots(begin, tools, tmp_path):  # noqa: F811
    content = snapshot(begin, tmp_path).read_bytes()
    key = content.index(b"stays for long")
    cases = {
        "cut": content[:-30], "cut in a key": content[:key + 4], "no checksum": content[:-8], "wrong checksum": content[:-1] + bytes([content[-1] ^ 1]),
        "no snapshot": b"X" + content[1:], "later": b"REDIS0099" + content[9:], "unknown type": content[:9] + b"\x63\x01k\x01v" + content[9:],
        "empty": b"", "checksum off": content[:-8] + bytes(8), "version 4": b"REDIS0004" + content[9:-8],
        "followed": content + b"\n", "followed by more": content + 20_000 * b"x",
    }
    for name, damaged in cases.items():
        (tmp_path / "dump.rdb").write_bytes(damaged)
        ours, theirs = both(tools, "redis-check-rdb", "dump.rdb", directory=tmp_path)
        assert ours[0] == theirs[0], (name, ours, theirs)

        def shown(text):
            # Offsets of what could not be read differ by how much is read at once; Redis names a function where it means an end.
            # And it tells of a type before it has come to one.
            lines = [re.sub(r"^\[offset \d+\] Internal error in RDB.*", "", line) for line in essential(text) if "Reading type 0 (string)" not in line]
            return [re.sub(r"^\[offset \d+\] (Unexpected|Wrong|RDB CRC|Can't|Invalid)", r"\1", line) for line in lines if line]
        if theirs[0] == 0 or name in ("wrong checksum", "no snapshot", "later", "unknown type"):
            assert shown(ours[1]) == shown(theirs[1]), name
        else:
            assert "--- RDB ERROR DETECTED ---" in ours[1] and "Unexpected EOF reading RDB file" in ours[1], name
            assert [line for line in ours[1].splitlines() if line.startswith("[info]")] == [line for line in theirs[1].splitlines() if line.startswith("[info]")], name
        assert (tmp_path / "dump.rdb").read_bytes() == damaged


def test_what_is_wrong_with_a_value_is_told_with_its_key(begin, tools, tmp_path):  # noqa: F811
    # A packed hash of which nothing is right.
    body = b"REDIS0010\xfe\x00\x10\x03bad\x04\x01\x02\x03\x04\xff" + bytes(8)
    (tmp_path / "dump.rdb").write_bytes(body)
    status, text = run(tools / "redis-check-rdb", "dump.rdb", directory=tmp_path)
    assert status == 1
    for line in ("--- RDB ERROR DETECTED ---", "[additional info] While doing: read-object-value", "[additional info] Reading key 'bad'",
                 "[additional info] Reading type 16 (hash-listpack)", "[info] 0 keys read"):
        assert line in text.splitlines(), text
    assert "found a listpack" in text


def test_arguments_of_the_tools(tools, tmp_path):
    for name, arguments in (("redis-check-rdb", []), ("redis-check-rdb", ["a", "b"]), ("redis-check-aof", []), ("redis-check-aof", ["--fix"]),
                            ("redis-check-aof", ["--nothing", "x"]), ("redis-check-aof", ["--truncate-to-timestamp", "x", "y"]),
                            ("redis-check-aof", ["a", "b", "c", "d"])):
        ours, theirs = both(tools, name, *arguments, directory=tmp_path)
        assert ours[0] == theirs[0] == 1, (name, arguments, ours, theirs)
        assert ours[1].replace(str(tools / name), "T") == theirs[1].replace(shutil.which(name), "T"), (name, arguments)
    status, text = run(tools / "redis-check-rdb", "--version", directory=tmp_path)
    assert status == 0 and text.startswith("redis-check-rdb 7.")
    for words in (["--check"], ["--check", "--fix"], ["--check", "a", "b"]):
        status, text = run(servers.under_test(), *words, directory=tmp_path)
        assert status == 1 and text.startswith("Usage: "), text
    for tool in (["--check", "nowhere"], ["--check", "no/where"]):
        status, text = run(servers.under_test(), *tool, directory=tmp_path)
        assert status == 1 and "Cannot open file" in text and "No such file or directory" in text


# --- append-only files ------------------------------------------------------------------------------------------------------------------


SOUND = request(b"SET", b"foo", b"hello") + request(b"MULTI") + request(b"INCR", b"a") + request(b"EXEC")
BASES = {"text": SOUND, "empty": b""}
INCREMENTS = {
    "sound": SOUND, "empty": b"", "torn": SOUND + request(b"SET", b"bar", b"world")[:-1], "torn in a length": SOUND + b"*3\r\n$3\r\nSET\r\n$",
    "torn transaction": SOUND + request(b"MULTI") + request(b"SET", b"bar", b"world"), "torn in a transaction": SOUND + request(b"MULTI") + b"*2\r\n$4\r\nINC",
    "rubbish": SOUND + b"!!!", "rubbish between": SOUND + b"!!!" + SOUND, "torn note": SOUND + b"#TS:12",
    "no length": SOUND + b"*1\r\n$x\r\nPING\r\n", "too short": SOUND + b"*1\r\n$3\r\nPING\r\n", "exec alone": SOUND + request(b"EXEC"),
    "multi twice": SOUND + request(b"MULTI") + request(b"MULTI") + request(b"EXEC"), "noted": b"#TS:1628217470\r\n" + SOUND + b"#TS:1628217471\r\n" + SOUND,
}


def make(directory, base, *increments):
    place = folder(directory)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    (place / "appendonly.aof.1.base.aof").write_bytes(base)
    text = "file appendonly.aof.1.base.aof seq 1 type b\n"
    for number, content in enumerate(increments, 1):
        (place / f"appendonly.aof.{number}.incr.aof").write_bytes(content)
        text += f"file appendonly.aof.{number}.incr.aof seq {number} type i\n"
    (place / MANIFEST).write_text(text)
    return f"{place.name}/{MANIFEST}"


def files(directory):
    return {path.name: path.read_bytes() for path in folder(directory).iterdir()}


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("last", INCREMENTS)
def test_append_only_files(base, last, tools, tmp_path):
    """Looked at, repaired if that is confirmed, and sound afterwards, for both."""
    path = make(tmp_path, BASES[base], SOUND, INCREMENTS[last])
    ours, theirs = both(tools, "redis-check-aof", path, directory=tmp_path)
    exact = last not in ("torn note",)
    assert ours[0] == theirs[0] or not exact, (ours, theirs)
    if exact:
        def shown(text):
            # Redis goes on counting lines from file to file, and counts some of what is broken.
            return [re.sub(r"ok_up_to_line=\d+", "", line) for line in essential(text) if not line.startswith("0x")]
        assert shown(ours[1]) == shown(theirs[1])
    before = files(tmp_path)
    if ours[0] == 0:
        return
    for answer in ("n\n", "", "x\n"):
        status, text = run(tools / "redis-check-aof", "--fix", path, directory=tmp_path, answer=answer)
        assert status == 1 and "Continue? [y/N]: " in text and text.endswith("Aborting...\n") and files(tmp_path) == before
    copy = tmp_path / "copy"
    shutil.copytree(folder(tmp_path), folder(copy))
    ours = run(tools / "redis-check-aof", "--fix", path, directory=tmp_path, answer="y\n")
    theirs = run(shutil.which("redis-check-aof"), "--fix", path, directory=copy, answer="y\n")
    assert ours[0] == 0 and "Successfully truncated AOF appendonly.aof.2.incr.aof" in ours[1], ours
    if exact:
        assert theirs[0] == 0 and files(tmp_path) == files(copy)
    after = files(tmp_path)
    assert before["appendonly.aof.2.incr.aof"].startswith(after["appendonly.aof.2.incr.aof"])
    assert {name: content for name, content in after.items() if "2.incr" not in name} == {name: content for name, content in before.items() if "2.incr" not in name}
    for status, text in both(tools, "redis-check-aof", path, directory=tmp_path):
        assert status == 0 and "All AOF files and manifest are valid" in text, text


@pytest.mark.parametrize("first", [name for name in INCREMENTS if name not in ("sound", "empty", "noted", "torn note")])
def test_only_the_last_file_is_shortened(first, begin, tools, tmp_path):  # noqa: F811
    path = make(tmp_path, SOUND, INCREMENTS[first], SOUND)
    before = files(tmp_path)
    ours, theirs = both(tools, "redis-check-aof", "--fix", path, directory=tmp_path, answer="y\n")
    assert ours[0] == theirs[0] == 1
    assert ours[1].splitlines()[-1] == theirs[1].splitlines()[-1] == "Failed to truncate AOF appendonly.aof.1.incr.aof because it is not the last file"
    assert files(tmp_path) == before


def test_what_was_repaired_loads(begin, tools, tmp_path):  # noqa: F811
    server = begin(servers.under_test(), tmp_path, *ON)
    with server.connect() as client:
        write_some(client)
        rewrite(client)
        for index in range(100):
            client("SET", f"key:{index}", index)
        size = increment(tmp_path).stat().st_size
        client("MULTI")
        client("SET", "lost", 1)
        client("SET", "lost too", 1)
        client("EXEC")
        before = client("DBSIZE").value - 2
    end(server)
    path = increment(tmp_path)
    content = path.read_bytes()
    for tool in (shutil.which("redis-check-aof"), tools / "redis-check-aof", servers.under_test()):
        path.write_bytes(content[:-3])
        words = ["--check", "--fix", folder(tmp_path)] if tool == servers.under_test() else ["--fix", folder(tmp_path) / MANIFEST]
        status, text = run(tool, *words, directory=tmp_path, answer="y\n")
        assert status == 0 and path.stat().st_size == size, text
        for binary in (servers.under_test(), servers.reference()):
            running = begin(binary, tmp_path, *ON, "--aof-load-truncated", "no")
            with running.connect() as client:
                assert client("DBSIZE").value == before
            end(running)


def test_a_directory_in_use_is_not_shortened(begin, tools, tmp_path):  # noqa: F811
    server = begin(servers.under_test(), tmp_path, *ON)
    with server.connect() as client:
        client("SET", "k", "v")
        status, text = run(tools / "redis-check-aof", "--fix", folder(tmp_path) / MANIFEST, directory=tmp_path, answer="y\n")
        assert status == 1 and "end it before" in text
        status, text = run(tools / "redis-check-aof", folder(tmp_path) / MANIFEST, directory=tmp_path)
        assert status == 0, text


def test_no_part_of_a_directory_in_use_is_shortened(begin, tools, tmp_path):  # noqa: F811
    server = begin(servers.under_test(), tmp_path, *ON)
    with server.connect() as client:
        client("SET", "k", "v")
        path = increment(tmp_path)
        with path.open("ab") as file:
            file.write(b"*3\r\n$3\r\nSET")
        before = path.read_bytes()
        for tool, words in ((tools / "redis-check-aof", ["--fix", path]), (servers.under_test(), ["--check", "--fix", folder(tmp_path)])):
            status, text = run(tool, *words, directory=tmp_path, answer="y\n")
            assert status == 1 and "end it before" in text and path.read_bytes() == before, text


def test_a_file_that_has_grown_is_not_shortened(tools, tmp_path):
    """What a server of another make appends while the question waits for its answer."""
    path = tmp_path / make(tmp_path, SOUND, INCREMENTS["torn"])
    last = folder(tmp_path) / "appendonly.aof.1.incr.aof"
    process = subprocess.Popen([tools / "redis-check-aof", "--fix", path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    text = ""
    while "Continue?" not in text:
        text += process.stdout.read(1)
    with last.open("ab") as file:
        file.write(b"\n" + SOUND)
    text, _ = process.communicate("y\n", timeout=60)
    assert process.returncode == 1 and "somebody has written to it meanwhile" in text
    assert last.read_bytes() == INCREMENTS["torn"] + b"\n" + SOUND


@pytest.mark.parametrize("holder", ["server", "nobody"])
def test_what_is_being_written_is_waited_for(holder, tools, tmp_path):
    """A server may have had to give up its processor in the middle of a request; one that has ended has torn it."""
    make(tmp_path, SOUND, INCREMENTS["torn"])
    last = folder(tmp_path) / "appendonly.aof.1.incr.aof"
    gone = subprocess.Popen(["true"])
    gone.wait()
    (folder(tmp_path) / "appendonly.aof.lock").write_text(f"{os.getpid() if holder == 'server' else gone.pid}\n")
    process = subprocess.Popen([servers.under_test(), "--check", folder(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if holder == "server":
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.3)
        with last.open("ab") as file:
            file.write(SOUND)
    text, _ = process.communicate(timeout=60)
    assert (process.returncode == 0) == (holder == "server") and ("Reached EOF" in text) == (holder == "nobody"), text


def test_a_directory_that_is_written_and_rewritten(begin, tools, tmp_path):  # noqa: F811
    """Each look finds it sound, and never more than there was when it began."""
    server = begin(servers.under_test(), tmp_path, *ON, "--appendfsync", "everysec")
    ends = False

    def write():
        with server.connect(timeout=30) as client:
            while not ends:
                client.pipeline([("SET", f"k{index % 100}", "v" * 3000) for index in range(200)])

    def rewrites():
        with server.connect(timeout=30) as client:
            while not ends:
                rewrite(client)
    threads = [threading.Thread(target=write), threading.Thread(target=rewrites)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(60):
            status, text = run(servers.under_test(), "--check", folder(tmp_path), directory=tmp_path)
            assert status == 0, text
            for size, sound in re.findall(r"size=(\d+), ok_up_to=(\d+)", text):
                assert int(sound) <= int(size), text
    finally:
        ends = True
        for thread in threads:
            thread.join()


def test_times(begin, tools, tmp_path):  # noqa: F811
    content = b"".join(b"#TS:%d\r\n" % (1628217470 + second) + request(b"SET", b"foo%d" % second, b"bar") for second in range(5))
    for time in (1628217473, 1628217475, 1628217470, 1628217469):
        results = []
        for tool in (tools / "redis-check-aof", shutil.which("redis-check-aof")):
            path = make(tmp_path, SOUND, SOUND, content)
            results.append((run(tool, "--truncate-to-timestamp", time, path, directory=tmp_path), files(tmp_path)))
        (ours, ours_files), (theirs, their_files) = results
        assert ours[0] == theirs[0] and ours_files == their_files, (time, ours, theirs)
        assert ours[1] == theirs[1], time
    # Not where another file follows.
    path = make(tmp_path, SOUND, content, SOUND)
    before = files(tmp_path)
    ours, theirs = both(tools, "redis-check-aof", "--truncate-to-timestamp", 1628217472, path, directory=tmp_path)
    assert ours == theirs and ours[0] == 1 and "because it is not the last file" in ours[1] and files(tmp_path) == before


@pytest.mark.parametrize("text, reason", [
    ("file appendonly.aof.1.base.aof seq 1 type b\n!!!\n", "Invalid AOF manifest file format"),
    ("file a seq 1 type b\nfile b seq 2 type b\n", "Found duplicate base file information"),
    ("file a seq 2 type i\nfile b seq 1 type i\n", "Found a non-monotonic sequence number"),
    ("file missing seq 1 type i\n", "Cannot open file appendonlydir/missing: No such file or directory"),
])
def test_manifests(text, reason, tools, tmp_path):
    path = make(tmp_path, SOUND, SOUND)
    (tmp_path / path).write_text(text)
    ours, theirs = both(tools, "redis-check-aof", path, directory=tmp_path)
    assert ours[0] == theirs[0] == 1
    assert reason in ours[1] and reason in theirs[1]


def test_files_of_before_redis_7(begin, tools, tmp_path):  # noqa: F811
    content = snapshot(begin, tmp_path).read_bytes()
    for name, body in {"text": SOUND, "manifest in it": request(b"SET", b"file", b"file a seq 1 type b"), "preamble": content + SOUND,
                       "preamble, torn": content + SOUND[:-1], "damaged preamble": content[:-1] + b"?" + SOUND}.items():
        (tmp_path / "old.aof").write_bytes(body)
        ours, theirs = both(tools, "redis-check-aof", "old.aof", directory=tmp_path)
        if name == "manifest in it":
            # Redis 7.0 takes it for a manifest, later ones do not.
            theirs = ours
        assert ours[0] == theirs[0] == (1 if name in ("preamble, torn", "damaged preamble") else 0), (name, ours, theirs)
        assert [line for line in essential(ours[1]) if not line.startswith("[offset")] == [line for line in essential(theirs[1]) if not line.startswith("[offset")], name
        status, text = run(servers.under_test(), "--check", "old.aof", directory=tmp_path)
        assert status == ours[0], text
