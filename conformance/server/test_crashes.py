"""A server that crashes says so in its log, with the calls that led there, and ends as it would have without."""
import os
import pathlib
import signal

import pytest


@pytest.mark.parametrize("number", [signal.SIGABRT, signal.SIGSEGV, signal.SIGILL])
@pytest.mark.parametrize("to_file", [False, True])
def test_a_crash_is_reported(number, to_file, start, tmp_path):
    server = start(*(["--logfile", tmp_path / "server.log"] if to_file else []))
    server.exit_expected = True
    os.kill(server.pid, number)
    assert server.wait() == -number
    text = (tmp_path / "server.log").read_text() if to_file else server.output()
    assert f"crashed by signal: {number:02}" in text
    calls = text.split("------ STACK TRACE ------\n")[1].split("\n\n")[0].splitlines()
    assert len(calls) > 3 and any(pathlib.Path(server.binary).name in line for line in calls)


def test_debug_segfault(start):
    server = start()
    server.exit_expected = True
    with server.connect() as client:
        client.send("DEBUG", "SEGFAULT")
        assert server.wait() == -signal.SIGSEGV
    assert "crashed by signal: 11" in server.output()


@pytest.mark.parametrize("live", [False, True])
def test_without_a_report(live, start):
    # The runtime of Swift would report by itself.
    server = start(*([] if live else ["--crash-log-enabled", "no"]), environment={} if live else {"SWIFT_BACKTRACE": "enable=no"})
    server.exit_expected = True
    if live:
        with server.connect() as client:
            assert client("CONFIG", "SET", "crash-log-enabled", "no").value == b"OK"
    os.kill(server.pid, signal.SIGABRT)
    assert server.wait() == -signal.SIGABRT
    assert "STACK TRACE" not in server.output()
