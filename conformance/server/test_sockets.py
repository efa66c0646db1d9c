"""Where the server listens and whom it lets in."""
import os
import pathlib
import re
import socket
import stat
import subprocess

import pytest

from support import server as servers
from support.crowd import wait_until_alone
from support.resp import Closed, Connection, eventually

PROTECTED = b"-DENIED "


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


def own_address():
    """An IPv4 address of this machine that is not loopback, or None. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            address = probe.getsockname()[0]
        except OSError:
            return None
    return None if address.startswith("127.") or address == "0.0.0.0" else address


def test_loopback_is_the_default(start):
    server = start(test_flags=True)
    with server.connect() as client:
        assert client("CONFIG", "GET", "protected-mode").as_pairs() == {b"protected-mode": b"yes"}
        bound = client("CONFIG", "GET", "bind").as_pairs()[b"bind"]
    assert bound in (b"* -::*", b"127.0.0.1 -::1")      # the reference listens everywhere and refuses


@pytest.mark.ours
def test_nothing_but_loopback_is_open_by_default(start):
    server = start()
    addresses = {address for address, port in server.listening_addresses()}
    assert addresses <= {"127.0.0.1", "::1"} and "127.0.0.1" in addresses


def test_several_addresses(start):
    addresses = ["127.0.0.1", "127.0.0.2", "127.0.1.3"] + (["::1"] if has_ipv6() else [])
    server = start("--bind", " ".join(addresses))
    assert {address for address, _ in server.listening_addresses()} == set(addresses)
    for address in addresses:
        with Connection((address, server.port)) as client:
            assert client("PING").value == b"PONG"
            local = "[::1]" if address == "::1" else address
            info = client("CLIENT", "INFO").plain().decode()
            assert f" laddr={local}:{server.port} " in info


def test_optional_addresses(start):
    server = start("--bind", "127.0.0.1 -192.0.2.77")
    assert {address for address, _ in server.listening_addresses()} == {"127.0.0.1"}


def test_address_that_is_not_there_is_an_error():
    result = subprocess.run([servers.under_test(), "--port", str(servers.free_port()), "--bind", "192.0.2.77", "--save", ""],
                            capture_output=True, timeout=20, text=True)
    assert result.returncode == 1
    assert "192.0.2.77" in result.stdout + result.stderr


def test_port_that_is_taken_is_an_error(server):
    result = subprocess.run([servers.under_test(), "--port", str(server.port), "--save", ""], capture_output=True, timeout=20, text=True)
    assert result.returncode == 1
    assert str(server.port) in result.stdout + result.stderr and "ddress already in use" in result.stdout + result.stderr


def test_config_set_bind_and_port_move_the_server(start):
    server = start()
    with server.connect() as client:
        assert client("CONFIG", "SET", "bind", "127.0.0.1 127.0.0.5").raw == b"+OK\r\n"
        with Connection(("127.0.0.5", server.port)) as other:
            assert other("PING").value == b"PONG"
        fresh = servers.free_port()
        assert client("CONFIG", "SET", "port", fresh).raw == b"+OK\r\n"
        assert {port for _, port in server.listening_addresses()} == {fresh}
        assert client("PING").value == b"PONG", "who is connected stays connected"
        server.port = fresh
    with server.connect() as client:
        assert client("PING").value == b"PONG"


# --- unix sockets ---------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path):
    # A path of a unix socket has room for about a hundred bytes.
    short = pathlib.Path("/tmp") if len(str(tmp_path)) > 80 else tmp_path
    return str(short / f"conformance-{os.getpid()}.sock")


def test_unix_socket(start, path):
    server = start("--unixsocket", path, "--unixsocketperm", "700", unix_socket=path)
    assert stat.S_ISSOCK(os.stat(path).st_mode) and stat.S_IMODE(os.stat(path).st_mode) == 0o700
    with server.connect() as client, Connection(("127.0.0.1", server.port)) as other:
        client("SET", "k", "v")
        assert other("GET", "k").value == b"v", "TCP is open as well"
        info = client("CLIENT", "INFO").plain().decode()
        assert f" addr={path}:0 " in info and f" laddr={path}:0 " in info and re.search(r" flags=\w*U", info)
        assert client("CLIENT", "KILL", "ADDR", f"{path}:0", "SKIPME", "yes").value == 0
    server.stop()
    assert not os.path.exists(path), "a clean end removes the socket"
    again = start("--unixsocket", path, unix_socket=path)
    with again.connect() as client:
        assert client("PING").value == b"PONG"


def test_unix_socket_alone(start, path):
    server = start("--port", "0", "--unixsocket", path, add_port=False, unix_socket=path)
    with server.connect(3) as client:
        assert client("ECHO", "x" * 100_000).value == b"x" * 100_000
    assert server.listening_addresses() == set()


def test_stale_unix_socket_is_replaced(start, path):
    left = socket.socket(socket.AF_UNIX)
    left.bind(path)
    left.close()
    server = start("--unixsocket", path, unix_socket=path)
    with server.connect() as client:
        assert client("PING").value == b"PONG"


# --- protected mode and passwords -----------------------------------------------------------------------------------------------------


@pytest.fixture
def outside():
    address = own_address()
    if address is None:
        pytest.fail("this machine has no address besides loopback, so protected mode cannot be tested")
    return address


def test_protected_mode_refuses_outsiders(start, outside):
    server = start("--bind", f"127.0.0.1 {outside}")
    stranger = Connection((outside, server.port))
    answer = stranger.read_until_close()
    assert answer.startswith(PROTECTED) and answer.endswith(b"\r\n") and answer.count(b"\n") == 1
    assert b"protected mode" in answer
    with server.connect() as client:
        assert client("PING").value == b"PONG"
        client("CONFIG", "SET", "protected-mode", "no")
        with Connection((outside, server.port)) as guest:
            assert guest("PING").value == b"PONG"
        client("CONFIG", "SET", "protected-mode", "yes")
        client("CONFIG", "SET", "requirepass", "secret")
        with Connection((outside, server.port), password="secret") as guest:
            assert guest("PING").value == b"PONG", "with a password everyone may try"


def test_password(start):
    server = start("--requirepass", "secret")
    with server.connect() as client:
        assert client("GET", "k").raw == b"-NOAUTH Authentication required.\r\n"
        assert client("AUTH", "secret").raw == b"+OK\r\n"
        assert client("CONFIG", "GET", "requirepass").as_pairs() == {b"requirepass": b"secret"}
        with server.connect(password="secret") as other:
            assert client("CONFIG", "SET", "requirepass", "other").raw == b"+OK\r\n"
            assert other("PING").value == b"PONG", "who has authenticated stays so"
        with server.connect() as fresh:
            assert fresh("AUTH", "secret").raw.startswith(b"-WRONGPASS")
            assert fresh("AUTH", "other").raw == b"+OK\r\n"


# --- limits ------------------------------------------------------------------------------------------------------------------------------


def test_maxclients(start):
    server = start("--maxclients", "5")
    connections = [server.connect()]
    wait_until_alone(connections[0])
    connections += [server.connect() for _ in range(4)]
    for connection in connections:
        assert connection("PING").value == b"PONG"
    assert server.connect().read_until_close() == b"-ERR max number of clients reached\r\n"
    info = connections[0]("INFO", "stats").plain().decode()
    assert "rejected_connections:1\r\n" in info
    assert connections[0]("CONFIG", "SET", "maxclients", "6").raw == b"+OK\r\n"
    more = server.connect()
    assert more("PING").value == b"PONG"
    more.close()
    connections.pop().close()
    assert eventually(lambda: is_served(server))
    for connection in connections:
        connection.close()


def is_served(server):
    try:
        with server.connect() as client:
            return client("PING").value == b"PONG"
    except (Closed, OSError):
        return False


def test_timeout_closes_who_is_idle(start):
    server = start("--timeout", "1")
    with server.connect() as idle, server.connect() as busy, server.connect() as late:
        assert eventually(lambda: busy("PING").value and closed(idle), seconds=15, pause=0.2)
        assert busy("PING").value == b"PONG"
        busy("CONFIG", "SET", "timeout", "0")
        late.close()


def closed(connection):
    connection.socket.setblocking(False)
    try:
        return connection.socket.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True
    finally:
        connection.socket.settimeout(10)


def test_who_waited_for_the_end_of_a_pause_is_not_idle(start):
    """Not even when the pause ends in the turn in which those who are idle are looked for."""
    server = start("--timeout", 1)
    with server.connect() as control, server.connect() as client, server.connect() as other:
        assert control("CLIENT", "PAUSE", 1300, "WRITE").value == b"OK"
        client.send("SET", "key", "value")
        client.send("GET", "key")
        assert eventually(lambda: b"blocked_clients:1\r\n" in other("INFO", "clients").plain())
        other.send("DEBUG", "SLEEP", 2)
        assert client.read(timeout=5).value == b"OK"
        assert client.read(timeout=5).value == b"value"


def test_no_timeout_by_default(server):
    with server.connect() as client:
        assert client("CONFIG", "GET", "timeout").as_pairs() == {b"timeout": b"0"}


def test_tcp_keepalive_is_set_on_connections(start):
    """The kernel tells of the timer of a connection in /proc/net/tcp: 02 is keep-alive."""
    server = start("--tcp-keepalive", "100")
    with server.connect() as client:
        client("PING")
        port = client.socket.getsockname()[1]
        lines = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
        timers = [fields[5] for fields in lines
                  if int(fields[1].split(":")[1], 16) == server.port and int(fields[2].split(":")[1], 16) == port]
        assert len(timers) == 1 and timers[0].startswith("02:")
        seconds = int(timers[0].split(":")[1], 16) / os.sysconf("SC_CLK_TCK")
        assert 50 < seconds <= 101


def test_limit_of_open_files_is_raised(start):
    server = start("--maxclients", "3000", file_limit=(1024, 8192))
    limits = pathlib.Path(f"/proc/{server.pid}/limits").read_text()
    soft = int(re.search(r"Max open files\s+(\d+)", limits)[1])
    assert soft >= 3000
    with server.connect() as client:
        assert client("CONFIG", "GET", "maxclients").as_pairs() == {b"maxclients": b"3000"}


def test_maxclients_is_lowered_to_what_the_limit_allows(start):
    server = start("--maxclients", "3000", file_limit=(500, 500))
    with server.connect() as client:
        told = int(client("CONFIG", "GET", "maxclients").as_pairs()[b"maxclients"])
        assert 300 < told < 500
        assert client("CONFIG", "SET", "maxclients", "100000").is_error
