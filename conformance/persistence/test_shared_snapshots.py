"""Two servers that would save to the same file: the second one does not start, or does not save; neither overwrites what the other has saved."""
import os
import signal
import time

import pytest

from persistence.test_background import fields
from persistence.test_files import begin  # noqa: F811, F401  (a fixture)
from support import server as servers

OWN = ("--save", "100 1")
LOCK = "dump.rdb.lock"
# Nothing on the command line says when to save.
FLAGS = ["--appendonly", "no", "--enable-debug-command", "yes", "--enable-protected-configs", "yes"]


@pytest.fixture
def plain():
    """Starts a server that was told nothing about saving."""
    running = []

    def plain(directory, *arguments, log, **options):
        place = directory / log
        place.mkdir()
        running.append(servers.Server(servers.under_test(), [*FLAGS, *arguments], directory=place, working_directory=directory, **options))
        return running[-1]
    yield plain
    for server in running:
        server.kill()


def held_by(directory, server):
    return f"another server (process {server.pid}) saves to {directory}/dump.rdb: it has locked {directory}/{LOCK}"


def saved(plain, directory):
    """The keys that are in the file."""
    server = plain(directory, log=f"look{time.monotonic_ns()}")
    with server.connect() as client:
        keys = client("KEYS", "*").plain()
        client.send("SHUTDOWN", "NOSAVE")
        assert server.wait() == 0
    return sorted(keys)


@pytest.mark.parametrize("way", ["flag", "file", "environment", "directory"])
def test_a_second_server_that_is_told_to_save_does_not_start(way, plain, tmp_path):
    first = plain(tmp_path, *OWN, log="first")
    assert (tmp_path / LOCK).read_text() == f"{first.pid}\n"
    (tmp_path / "a.conf").write_text("save 100 1\n")
    given = {"flag": OWN, "file": (), "environment": (), "directory": ("--dir", tmp_path)}[way]
    place = tmp_path / "second"
    place.mkdir()
    words = [*([tmp_path / "a.conf"] if way == "file" else []), *FLAGS, *given]
    environment = {"RESP_SAVE": "100 1"} if way == "environment" else None
    second = servers.Server(servers.under_test(), words, directory=place, working_directory=tmp_path, environment=environment, ready=False)
    try:
        assert second.wait() == 1
        text = second.output()
    finally:
        second.kill()
    assert held_by(tmp_path, first) in text and "--dir" in text and "--dbfilename" in text and "--save ''" in text
    with first.connect() as client:
        client("SET", "a", 1)
    # With another file, or without saving, it starts.
    for number, words in enumerate((("--dbfilename", "other.rdb", *OWN), ("--save", ""))):
        assert plain(tmp_path, *words, log=f"other{number}").alive()
    first.signal(signal.SIGTERM)
    assert first.wait() == 0
    assert not (tmp_path / LOCK).exists() and saved(plain, tmp_path) == [b"a"]


def test_a_second_server_that_is_told_nothing_does_not_save(plain, tmp_path):
    first = plain(tmp_path, *OWN, log="first")
    second = plain(tmp_path, log="second")
    assert second.output().count(held_by(tmp_path, first)) == 1
    with first.connect() as client, second.connect() as other:
        client("SET", "first", 1), other("SET", "second", 1)
        assert client("SAVE").value == b"OK"
        content = (tmp_path / "dump.rdb").read_bytes()
        refusal = f"-ERR Nothing is saved, as {held_by(tmp_path, first)}\r\n".encode()
        assert other("SAVE").raw == refusal and other("BGSAVE").raw == refusal and other("BGSAVE", "SCHEDULE").raw == refusal
        assert other("DEBUG", "RELOAD").is_error and other("FLUSHALL").value == b"OK"
        other("CONFIG", "SET", "save", "1 1"), other("SET", "second", 2)
        time.sleep(2.5)
        assert fields(other)["rdb_last_bgsave_status"] == "ok" and other("SET", "second", 3).value == b"OK"
        other("CONFIG", "SET", "save", "")
        assert other("SHUTDOWN", "SAVE").is_error
        assert second.output().count(held_by(tmp_path, first)) == 1
        assert (tmp_path / "dump.rdb").read_bytes() == content
        # Once the other one is gone, what it has saved is all there is of its data.
        client.send("SHUTDOWN", "NOSAVE")
        assert first.wait() == 0
        refusal = f"-ERR Nothing is saved, as {tmp_path}/dump.rdb was written by another server since this one loaded or saved it\r\n".encode()
        assert [other("SAVE").raw for _ in range(2)] == [refusal, refusal]
        assert second.output().count("was written by another server") == 1 and not (tmp_path / LOCK).exists()
        (tmp_path / "dump.rdb").rename(tmp_path / "first.rdb")
        assert other("SAVE").value == b"OK" and "this server's to write now" in second.output()
        assert (tmp_path / LOCK).read_text() == f"{second.pid}\n"
    second.kill()
    assert saved(plain, tmp_path) == [b"second"]


@pytest.mark.parametrize("gone", [False, True], ids=["beside", "after"])
def test_its_end_overwrites_nothing(gone, plain, tmp_path):
    first = plain(tmp_path, *OWN, log="first")
    second = plain(tmp_path, log="second")
    with first.connect() as client, second.connect() as other:
        client("SET", "first", 1), other("SET", "second", 1)
        assert client("SAVE").value == b"OK"
    if gone:
        first.kill()
    second.signal(signal.SIGTERM)
    assert second.wait() == 0 and "Exiting without a snapshot" in second.output()
    assert gone or (tmp_path / LOCK).read_text() == f"{first.pid}\n"
    first.kill()
    assert saved(plain, tmp_path) == [b"first"]


def test_save_points_are_tried_again(plain, tmp_path):
    first = plain(tmp_path, "--save", "", log="first")
    with first.connect() as client:
        # Who saves when asked to has it from then on.
        assert not (tmp_path / LOCK).exists() and client("SAVE").value == b"OK"
        second = plain(tmp_path, log="second")
        with second.connect() as other:
            other("CONFIG", "SET", "save", "1 1"), other("SET", "second", 1)
            while held_by(tmp_path, first) not in second.output():
                time.sleep(0.05)
            client.send("SHUTDOWN", "NOSAVE")
            assert first.wait() == 0
            while int(fields(other)["rdb_changes_since_last_save"]):
                time.sleep(0.1)
        second.kill()
    assert saved(plain, tmp_path) == [b"second"]


def test_the_lock_moves_with_the_file(plain, tmp_path):
    other_place = tmp_path / "other"
    other_place.mkdir()
    server = plain(tmp_path, *OWN, log="first")
    with server.connect() as client:
        assert client("CONFIG", "SET", "dbfilename", "b.rdb").value == b"OK"
        assert (tmp_path / "b.rdb.lock").exists() and not (tmp_path / LOCK).exists()
        assert client("CONFIG", "SET", "dir", other_place).value == b"OK"
        assert (other_place / "b.rdb.lock").read_text() == f"{server.pid}\n" and not (tmp_path / "b.rdb.lock").exists()
        assert client("CONFIG", "SET", "dbfilename", "").value == b"OK" and os.listdir(other_place) == []
    server.kill()


def test_a_lock_that_is_removed_is_made_anew(plain, tmp_path):
    server = plain(tmp_path, *OWN, log="first")
    with server.connect() as client:
        (tmp_path / LOCK).unlink()
        assert client("SAVE").value == b"OK" and (tmp_path / LOCK).read_text() == f"{server.pid}\n"
        # Another one comes before that is noticed.
        (tmp_path / LOCK).unlink()
        second = plain(tmp_path, *OWN, log="second")
        assert client("SAVE").raw == f"-ERR Nothing is saved, as {held_by(tmp_path, second)}\r\n".encode()
    # What a process leaves that was killed is in nobody's way.
    server.kill(), second.kill()
    assert (tmp_path / LOCK).exists() and plain(tmp_path, *OWN, log="third").alive()
