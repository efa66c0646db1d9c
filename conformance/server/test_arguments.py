"""The arguments of both programs: they are read also where there is no /proc, and passwords among them can not be read by others."""
import os
import pathlib
import subprocess

import pytest

from support import chroot
from support import server as servers
from support.resp import Connection, eventually

pytestmark = pytest.mark.ours
SERVER = servers.under_test()
CLIENT = os.environ.get("RESPCLI", str(servers.ROOT / ".build/release/respcli"))


def command_line(pid):
    return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")


# --- without /proc -------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def bare(tmp_path):
    return chroot.make(tmp_path / "root", SERVER, CLIENT)


@pytest.fixture
def locked_up(bare, tmp_path):
    """The server in a root directory without /proc, with a password."""
    port = servers.free_port()
    log = open(tmp_path / "log", "wb")
    process = subprocess.Popen([SERVER, "--port", str(port), "--requirepass", "secret"], preexec_fn=bare.enter, stdout=log,
                               stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)

    def answers():
        assert process.poll() is None, (tmp_path / "log").read_text()
        try:
            with Connection(("127.0.0.1", port)) as probe:
                return probe("PING").raw
        except OSError:
            return None
    try:
        assert eventually(answers, seconds=20)
        yield port
    finally:
        process.terminate()
        assert process.wait(20) == 0
        log.close()


def test_options_hold_in_a_bare_chroot(locked_up):
    with Connection(("127.0.0.1", locked_up)) as client:
        assert client("GET", "k").raw == b"-NOAUTH Authentication required.\r\n"
        assert client("AUTH", "secret").raw == b"+OK\r\n"


def test_the_client_works_in_a_bare_chroot(locked_up, bare):
    def run(*arguments):
        return subprocess.run([CLIENT, "-p", str(locked_up), *arguments], preexec_fn=bare.enter, capture_output=True, timeout=20)
    assert run("--no-auth-warning", "-a", "secret", "ECHO", "hello").stdout == b"hello\n"
    assert run("PING").stdout == b"NOAUTH Authentication required.\n\n"


def test_a_mistake_is_told_in_a_bare_chroot(bare):
    result = subprocess.run([SERVER, "--requirepass", "a", "--nosuch", "1"], preexec_fn=bare.enter, capture_output=True, timeout=20)
    assert result.returncode == 1 and b"Bad directive" in result.stderr


# --- in the list of processes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments, shown", [
    (["--requirepass", "s3cret", "--timeout", "5"], [b"--requirepass", b"******", b"--timeout", b"5"]),
    (["--requirepass s3cret"], [b"--requirepass*******"]),
    (["/dev/null", "requirepass", "s3cret"], [b"/dev/null", b"requirepass", b"******"]),
    (["--masterauth", "s3cret", "--RequirePass", "s3cret"], [b"--masterauth", b"******", b"--RequirePass", b"******"]),
])
def test_passwords_of_the_server_are_not_shown(arguments, shown, start):
    server = start(*arguments, test_flags=False)
    told = command_line(server.pid)
    assert told[1:1 + len(shown)] == shown and told[-2:] == [b"--port", str(server.port).encode()]
    if "equire" in " ".join(arguments):
        with server.connect(password="s3cret") as client:
            assert client("PING").value == b"PONG"


@pytest.mark.parametrize("arguments, shown", [
    (["-a", "s3cret"], [b"-a", b"******"]),
    (["--pass", "s3cret", "-n", "3"], [b"--pass", b"******", b"-n", b"3"]),
    (["-u", "redis://default:s3cret@127.0.0.1:{port}/2"], [b"-u", b"redis://**************@127.0.0.1:{port}/2"]),
])
def test_passwords_of_the_client_are_not_shown(arguments, shown, start):
    server = start("--requirepass", "s3cret")
    port = str(server.port)
    client = subprocess.Popen([CLIENT, "-p", port, *[each.replace("{port}", port) for each in arguments], "BLPOP", "absent", "0"],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        with server.connect(password="s3cret") as other:
            assert eventually(lambda: b"cmd=blpop" in other("CLIENT", "LIST").plain(), seconds=20), "it has authenticated"
        told = command_line(client.pid)
        assert told[3:3 + len(shown)] == [each.replace(b"{port}", port.encode()) for each in shown]
        assert not any(b"s3cret" in each for each in told)
    finally:
        client.kill()
        client.wait()
        client.stdout.close()


def test_a_password_as_an_argument_of_a_command_is_not_shown(start):
    """The client is held up by a pause, with its arguments to be looked at."""
    server = start("--requirepass", "s3cret")
    with server.connect(password="s3cret") as other:
        other("CLIENT", "PAUSE", "60000", "ALL")
    client = subprocess.Popen([CLIENT, "-p", str(server.port), "CONFIG", "SET", "requirepass", "other-s3cret"],
                              env={**os.environ, "REDISCLI_AUTH": "s3cret"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert eventually(lambda: command_line(client.pid)[3:] == [b"CONFIG", b"***", b"***********", b"************"], seconds=20)
    finally:
        client.kill()
        client.wait()
