"""The log: its format, levels and places."""
import json
import os
import re
import subprocess
import time
from datetime import datetime, timezone

import pytest

from support import dump
from support import server as servers
from support.resp import eventually

# 12345:M 21 Nov 2026 01:02:03.456 * text; the role may be another letter.
LINE = re.compile(r"(\d+):([MSCX]) (\d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d\.\d{3}) ([.\-*#]) ?(.*)")


def lines(path, pid):
    found = [line for line in path.read_text().splitlines() if line.startswith(f"{pid}:")]
    assert found
    return [LINE.fullmatch(line).groups() for line in found]


def test_format_of_lines(start):
    server = start("--always-show-logo", "no")
    found = lines(server.log_path, server.pid)
    for pid, role, stamp, mark, text in found:
        assert int(pid) == server.pid and text.strip()
        assert abs(datetime.strptime(stamp, "%d %b %Y %H:%M:%S.%f").timestamp() - time.time()) < 60
    assert any("eady to accept connections" in text for *_, text in found)


def test_levels(start):
    marks = {}
    for level in ("debug", "verbose", "notice", "warning"):
        server = start("--loglevel", level)
        with server.connect() as client:
            client("PING")
        server.signal(15)
        server.exit_expected = True
        server.wait()
        # Redis writes what its signal handler has to say in a form of its own.
        written = [line for line in server.log_path.read_text().splitlines() if line.startswith(f"{server.pid}:") and ":signal-" not in line]
        marks[level] = {LINE.fullmatch(line)[4] for line in written}
    assert marks["warning"] <= {"#"}
    assert marks["notice"] <= {"*", "#"} and "*" in marks["notice"]
    assert marks["verbose"] <= {"-", "*", "#"} and "-" in marks["verbose"]
    assert marks["debug"] >= {"-", "*"}


def test_loglevel_is_a_live_setting(start):
    server = start("--loglevel", "warning")
    with server.connect() as client:
        client("CONFIG", "SET", "loglevel", "verbose")
        with server.connect() as other:
            other("PING")
        assert eventually(lambda: " - " in server.log_path.read_text())


def test_logfile(start, tmp_path):
    path = tmp_path / "server.log"
    server = start("--logfile", path)
    assert eventually(lambda: path.exists() and "eady to accept connections" in path.read_text())
    assert lines(path, server.pid)
    # Log rotation moves the file away; the next line opens a new one.
    os.rename(path, tmp_path / "old")
    with server.connect() as client:
        client("CONFIG", "SET", "loglevel", "verbose")
        with server.connect() as other:
            other("PING")
    assert eventually(path.exists)


def test_logfile_that_cannot_be_opened(tmp_path):
    result = subprocess.run([servers.under_test(), "--logfile", tmp_path / "absent" / "x.log"], capture_output=True, text=True, timeout=20)
    assert result.returncode == 1
    assert "No such file or directory" in result.stdout + result.stderr


def test_what_clients_send_does_not_break_lines(start):
    server = start("--loglevel", "verbose")
    connection = server.connect()
    connection.send_raw(b"*1\r\nx\nfake line\x1b[31m\r\n")
    connection.read_until_close()
    assert eventually(lambda: "Protocol error" in server.log_path.read_text())
    assert "\x1b" not in server.log_path.read_text()
    assert not any(line.startswith("fake line") for line in server.log_path.read_text().splitlines())


@pytest.mark.ours
def test_json(start):
    server = start("--log-format", "json", "--loglevel", "verbose")
    with server.connect() as client:
        client("PING")
    connection = server.connect()
    connection.send_raw(b"*1\r\n\"quote\\\r\n")
    connection.read_until_close()
    text = server.log_path.read_text()
    entries = [json.loads(line) for line in text.splitlines()]
    for entry in entries:
        assert set(entry) >= {"ts", "level", "pid", "msg"}
        assert entry["pid"] == server.pid and entry["level"] in ("debug", "verbose", "notice", "warning")
        stamp = datetime.strptime(entry["ts"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
        assert abs(stamp.timestamp() - time.time()) < 60
    assert any("eady to accept connections" in entry["msg"] for entry in entries)


@pytest.mark.ours
def test_passwords_are_never_logged(start):
    server = start("--loglevel", "debug", "--requirepass", "s3cr3t-one")
    with server.connect() as client:
        client("AUTH", "s3cr3t-wrong")
        client("AUTH", "s3cr3t-one")
        client("CONFIG", "SET", "requirepass", "s3cr3t-two")
        client("HELLO", "3", "AUTH", "default", "s3cr3t-two")
        client("NOSUCH", "s3cr3t-three")
    with server.connect() as client:
        client.send_raw(b"*2\r\n$4\r\nAUTH\r\nX3cr3t\r\n")
        client.read_until_close()
    assert "s3cr3t" not in server.log_path.read_text()


@pytest.mark.ours
@pytest.mark.parametrize("most", ["512", "1"])
def test_why_a_payload_is_refused(most, start):
    server = start("--loglevel", "verbose", "--hash-max-listpack-entries", most)
    value = b"\x10" + dump.string(dump.listpack("a", "1", "b", "2", "a", "3"))
    with server.connect() as client:
        assert client("RESTORE", "k", 0, dump.sealed(value, version=11)).raw == b"-ERR Bad data format\r\n"
    assert server.log_path.read_text().count("listpack with dup elements") == 1
