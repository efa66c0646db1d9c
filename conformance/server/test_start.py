"""What the server says when it starts and ends: to its log, and to who supervises it."""
import os
import re
import signal
import socket
import subprocess

import pytest

from support import server as servers
from support.resp import eventually

pytestmark = pytest.mark.ours


def log(server):
    return server.log_path.read_text()


def ended(server):
    server.signal(signal.SIGTERM)
    server.exit_expected = True
    assert server.wait() == 0
    return log(server)


# --- the log -------------------------------------------------------------------------------------------------------------------------


def test_the_start_says_where_what_and_where_data_is_kept(start, tmp_path):
    path = str(tmp_path / "s.sock")
    server = start("--unixsocket", path, "--bind", "127.0.0.1 127.0.0.2")
    version = subprocess.run([servers.under_test(), "--version"], capture_output=True, text=True, timeout=20).stdout.strip()
    assert re.fullmatch(r"resp-server \d+\.\d+\.\d+", version)
    assert re.search(rf"\* {re.escape(version)}, compatible with Redis \d+\.\d+\.\d+, PID: {server.pid}, just started\n", log(server))
    assert f"* Ready to accept connections on 127.0.0.1:{server.port}, 127.0.0.2:{server.port}, {path}\n" in log(server)
    assert "* Data is kept in memory, and saved to dump.rdb in /" in log(server)


def test_the_port_that_was_free_is_said(start, tmp_path):
    path = tmp_path / "port"
    server = start("--port", "0", "--port-file", path, "--bind", "127.0.0.1", add_port=False, ready=False)
    assert eventually(lambda: f"Ready to accept connections on 127.0.0.1:{path.read_text().strip()}\n" in log(server)
                      if path.exists() else False)


@pytest.mark.parametrize("missing", [(0,), (1, 2), (0, 1, 2)])
def test_standard_descriptors_may_be_missing(missing, tmp_path):
    """No file or connection takes the number of one, so that nothing that is printed goes there."""
    port = servers.free_port()
    closing = " ".join({0: "<&-", 1: ">&-", 2: "2>&-"}[number] for number in missing)
    process = subprocess.Popen(["sh", "-c", f'exec "$0" "$@" {closing}', servers.under_test(), "--port", str(port), "--dir", str(tmp_path)],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        def answers():
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
                    client.sendall(b"PING\r\n")
                    return client.recv(100) == b"+PONG\r\n"
            except OSError:
                return False

        assert eventually(answers)
        for number in missing:
            assert os.readlink(f"/proc/{process.pid}/fd/{number}") == "/dev/null"
    finally:
        process.terminate()
        process.communicate(timeout=20)
    assert process.returncode == 0


def test_a_server_that_nobody_could_reach_does_not_start():
    result = subprocess.run([servers.under_test(), "--port", "0"], capture_output=True, text=True, timeout=20)
    assert result.returncode == 1 and "no address, port or socket to listen on" in result.stderr
    result = subprocess.run([servers.under_test(), "--port", str(servers.free_port()), "--bind", "-192.0.2.77"], capture_output=True,
                            text=True, timeout=20)
    assert result.returncode == 1 and "no address, port or socket to listen on" in result.stderr


@pytest.mark.parametrize("name, settings", [
    ("appendonlydir", []), ("aof", ["--appenddirname", "aof"]), ("appendonly.aof", []),
])
def test_data_files_that_are_not_loaded_are_told_of(name, settings, start, tmp_path):
    if name in ("appendonlydir", "aof"):
        (tmp_path / name).mkdir()
    else:
        (tmp_path / name).write_bytes(b"REDIS0011")
    server = start("--dir", tmp_path, *settings)
    assert f"# {name} in {tmp_path} is not loaded, as appendonly is no\n" in log(server)


def test_no_data_files_no_word_of_them(start):
    assert "is not loaded" not in log(start())


def test_the_end_says_how_many_changes_are_lost(start):
    server = start()
    with server.connect() as client:
        for number in range(7):
            client("SET", f"k{number}", "v")
        client("SELECT", 3)
        client("RPUSH", "l", "a", "b")
    assert "# 9 changes since the last save end with this process\n" in ended(server)


def test_the_end_of_an_empty_server_says_nothing_of_keys(start):
    assert "end with this process" not in ended(start())


def test_settings_without_effect_are_told_of_at_start_and_when_they_are_set(start):
    server = start("--active-expire-effort", "5", "--activerehashing", "no", test_flags=False)
    text = "# These settings are accepted but have no effect in this version: "
    assert f"{text}active-expire-effort, activerehashing\n" in log(server)
    with server.connect() as client:
        assert client("CONFIG", "SET", "jemalloc-bg-thread", "no", "timeout", "5", "acllog-max-len", "10").raw == b"+OK\r\n"
        assert f"{text}jemalloc-bg-thread, acllog-max-len\n" in log(server)
        written = log(server)
        # These say what holds anyway.
        assert client("CONFIG", "SET", "save", "", "activerehashing", "yes", "lazyfree-lazy-expire", "yes").raw == b"+OK\r\n"
        assert log(server) == written


# --- unprotected ports ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", ["user default on >s3cret ~* +@all", "user default off", "user alice on nopass ~* +@all",
                                  "aclfile /etc/redis/users.acl", "min-replicas-to-write 1", "tls-port 6380", "tls-cluster yes"])
@pytest.mark.parametrize("source", ["file", "include", "flag", "standard input"])
def test_what_would_be_open_or_lost_does_not_start(line, source, tmp_path):
    path = tmp_path / "server.conf"
    path.write_text(f"port {servers.free_port()}\n{line}\n")
    arguments, stdin = {
        "file": ([path], b""),
        "flag": (["--" + line.split(" ", 1)[0], *line.split(" ")[1:]], b""),
        "standard input": (["-"], path.read_bytes()),
        "include": (["-"], f"include {path}\n".encode()),
    }[source]
    result = subprocess.run([servers.under_test(), *map(str, arguments)], input=stdin, capture_output=True, timeout=20)
    assert result.returncode == 1
    assert b"not supported by this version of resp-server" in result.stderr and b"s3cret" not in result.stderr


@pytest.mark.parametrize("variable", ["RESP_ACLFILE", "RESP_USER", "RESP_PASSWORD", "RESP_RENAME_COMMAND", "RESP_TLS_PORT"])
def test_what_would_be_open_does_not_start_from_the_environment(variable):
    result = subprocess.run([servers.under_test(), "--port", str(servers.free_port())], capture_output=True, timeout=20,
                            env={**os.environ, variable: "1"})
    assert result.returncode == 1 and f"Reading the environment variable {variable}".encode() in result.stderr


@pytest.mark.parametrize("name, value", [("aclfile", "/x"), ("min-replicas-to-write", "1"), ("tls-port", "6380"), ("tls-cluster", "yes")])
def test_what_would_be_open_or_lost_is_refused_by_config_set(name, value, client):
    assert client("CONFIG", "SET", name, value).raw.startswith(b"-ERR CONFIG SET failed (possibly related to argument '")


def test_the_line_about_the_default_user_that_redis_writes_is_taken(start, tmp_path):
    path = tmp_path / "server.conf"
    path.write_text("user default on nopass sanitize-payload ~* &* +@all\n")
    with start(path).connect() as client:
        assert client("PING").value == b"PONG"


def test_the_mode_of_the_socket_file_holds_from_the_beginning(start, tmp_path):
    """With a mode of 0 the umask decides; a mode is neither widened nor narrowed by it."""
    path = str(tmp_path / "s.sock")
    old = os.umask(0o027)
    try:
        start("--unixsocket", path, "--unixsocketperm", "777", unix_socket=path)
        assert os.stat(path).st_mode & 0o777 == 0o777
        start("--unixsocket", path + "2", unix_socket=path + "2")
        assert os.stat(path + "2").st_mode & 0o777 == 0o750
    finally:
        os.umask(old)


# --- supervision -----------------------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["path", "abstract"])
def notified(request, tmp_path):
    """A datagram socket such as systemd has, and its address as it stands in the environment."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        address = str(tmp_path / "notify") if request.param == "path" else f"@conformance-{os.getpid()}-{servers.free_port()}"
        receiver.bind(address.replace("@", "\0"))
        receiver.settimeout(20)
        yield receiver, address


def message(receiver):
    return dict(line.split("=", 1) for line in receiver.recv(4096).decode().splitlines())


@pytest.mark.parametrize("setting", ["systemd", "auto"])
def test_systemd_is_told(setting, notified, start):
    receiver, address = notified
    server = start("--supervised", setting, "--bind", "127.0.0.1", environment={"NOTIFY_SOCKET": address})
    assert message(receiver) == {"READY": "1", "STATUS": f"Ready to accept connections on 127.0.0.1:{server.port}"}
    with server.connect() as client:
        assert b"\r\nprocess_supervised:systemd\r\n" in client("INFO", "server").plain()
    ended(server)
    told = message(receiver)
    assert told.pop("STOPPING") == "1" and set(told) == {"STATUS"}


def test_who_is_supervised_stays_in_the_foreground(notified, start):
    receiver, address = notified
    server = start("--supervised", "systemd", "--daemonize", "yes", environment={"NOTIFY_SOCKET": address})
    assert message(receiver)["READY"] == "1"
    assert server.alive()


def test_without_supervision_nobody_is_told(notified, start):
    receiver, address = notified
    server = start(environment={"NOTIFY_SOCKET": address})
    with server.connect() as client:
        assert b"\r\nprocess_supervised:no\r\n" in client("INFO", "server").plain()
    ended(server)
    receiver.setblocking(False)
    with pytest.raises(BlockingIOError):
        receiver.recv(1)


@pytest.mark.parametrize("setting, said", [("systemd", "NOTIFY_SOCKET is not set"), ("upstart", "UPSTART_JOB is not set"), ("auto", None)])
def test_supervision_without_a_supervisor(setting, said, start):
    server = start("--supervised", setting)
    assert said is None or said in log(server)
    with server.connect() as client:
        assert b"\r\nprocess_supervised:no\r\n" in client("INFO", "server").plain()


@pytest.mark.parametrize("address", ["relative", "@" + "x" * 200, "/absent/socket", ""])
def test_a_notify_socket_that_cannot_be_reached_is_told_of(address, start):
    server = start("--supervised", "systemd", environment={"NOTIFY_SOCKET": address})
    assert "Could not tell systemd" in log(server)


def test_upstart_waits_until_the_server_stops_itself(start):
    server = start("--supervised", "upstart", environment={"UPSTART_JOB": "x"}, ready=False)
    assert eventually(lambda: open(f"/proc/{server.pid}/stat").read().rsplit(") ", 1)[1][0] == "T", seconds=20)
    server.signal(signal.SIGCONT)
    with server.connect() as client:
        assert client("PING").value == b"PONG"
