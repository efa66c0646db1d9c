"""The end of the server: signals and SHUTDOWN."""
import os
import signal
import socket
import time

import pytest

from support.resp import Closed, encode, eventually


def ended(server):
    server.exit_expected = True
    return server.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_the_server_cleanly(number, start, tmp_path):
    path = str(tmp_path / "s.sock")
    pidfile = tmp_path / "pid"
    server = start("--unixsocket", path, "--pidfile", pidfile)
    clients = [server.connect() for _ in range(5)]
    clients[0]("SET", "k", "v")
    assert int(pidfile.read_text()) == server.pid
    server.signal(number)
    assert ended(server) == 0
    for client in clients:
        assert client.read_until_close() == b""
    assert not os.path.exists(path) and not pidfile.exists()
    text = server.output()
    assert "Received SIG" in text or "signal" in text.lower()


def test_shutdown_command(start):
    server = start()
    with server.connect() as client:
        client.send("SHUTDOWN", "NOSAVE")
        with pytest.raises((Closed, ConnectionResetError)):
            client.read()
    assert ended(server) == 0


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "within a script"])
def test_who_is_told_of_the_end_does_not_find_the_server_again(busy, start):
    server = start("--busy-reply-threshold", "10")
    with server.connect() as client, server.connect() as other:
        if busy:
            other.send("EVAL", "while true do end", 0)
            assert eventually(lambda: client("PING").raw.startswith(b"-BUSY"))
        client.send("SHUTDOWN", "NOSAVE")
        with pytest.raises((Closed, ConnectionResetError)):
            client.read()
        with pytest.raises(ConnectionRefusedError):
            server.connect()
    assert ended(server) == 0


@pytest.mark.parametrize("options", [["NOW"], ["FORCE"], ["NOSAVE", "NOW", "FORCE"], ["nosave", "now"], []])
def test_options_of_shutdown(options, start):
    server = start()
    with server.connect() as client:
        client.send("SHUTDOWN", *options)
        with pytest.raises((Closed, ConnectionResetError)):
            client.read()
    assert ended(server) == 0


@pytest.mark.parametrize("options", [["FOO"], ["NOSAVE", "SAVE"], ["NOSAVE", "ABORT"], ["ABORT", "NOW"], ["NOW", "x"]])
def test_errors_of_shutdown(options, client):
    assert client("SHUTDOWN", *options).raw == b"-ERR syntax error\r\n"
    assert client("PING").value == b"PONG"


def test_shutdown_abort_without_a_shutdown(client):
    assert client("SHUTDOWN", "ABORT").raw == b"-ERR No shutdown in progress.\r\n"


def test_shutdown_in_a_transaction(start):
    server = start()
    with server.connect() as client:
        client("MULTI")
        answer = client("SHUTDOWN", "NOSAVE")
        assert answer.is_error, "not allowed inside"
        assert client("EXEC").raw.startswith(b"-EXECABORT")


def test_broken_pipes_do_not_end_the_server(server, client):
    client("SET", "k", "v" * 1_000_000)
    for _ in range(20):
        other = server.connect()
        other.send_raw(encode("GET", "k") * 20)
        other.socket.shutdown(socket.SHUT_RDWR)
        other.close()
    time.sleep(0.1)
    assert client("PING").value == b"PONG"


def test_other_signals_are_survived(start):
    server = start()
    with server.connect() as client:
        for number in (signal.SIGPIPE, signal.SIGHUP):
            server.signal(number)
            time.sleep(0.05)
            assert client("PING").value == b"PONG"


def test_start_is_quick(start):
    """In one of five times: a machine may be slow just now."""
    def seconds():
        begun = time.monotonic()
        start()
        return time.monotonic() - begun
    assert any(seconds() < 2 for _ in range(5))
