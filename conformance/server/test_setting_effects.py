"""Each setting that has an effect has it: those that no other suite shows at work."""
import os
import pathlib
import signal
import socket
import subprocess

import pytest

from support import chroot
from support import server as servers
from support.resp import Closed, Connection, eventually


def test_dir(start, tmp_path):
    server = start("--dir", tmp_path)
    assert os.readlink(f"/proc/{server.pid}/cwd") == str(tmp_path)


def test_enable_protected_configs(start, tmp_path):
    with start("--enable-protected-configs", "no").connect() as client:
        assert client("CONFIG", "SET", "dir", tmp_path).is_error
    server = start("--enable-protected-configs", "local")
    with server.connect() as client:
        assert client("CONFIG", "SET", "dir", tmp_path).raw == b"+OK\r\n"
    assert os.readlink(f"/proc/{server.pid}/cwd") == str(tmp_path)


def test_enable_debug_command(start):
    for setting, allowed in (("no", False), ("local", True), ("yes", True)):
        with start("--enable-debug-command", setting, test_flags=False).connect() as client:
            assert client("DEBUG", "SLEEP", "0").is_error != allowed


def test_enable_module_command(start):
    for setting, error in (("no", b"ERR MODULE command not allowed."), ("local", b"ERR Error "), ("yes", b"ERR Error ")):
        with start("--enable-module-command", setting).connect() as client:
            assert client("MODULE", "LOAD", "/nosuch.so").value.startswith(error)
            assert client("MODULE", "UNLOAD", "nosuch").value.startswith(error)


def test_databases(start):
    with start("--databases", "3").connect() as client:
        assert client("SELECT", 2).raw == b"+OK\r\n"
        assert client("SELECT", 3).is_error


@pytest.mark.ours
def test_hash_seed(start):
    """The same requests draw the same, and nothing else does."""
    def drawn(*arguments):
        with start(*arguments).connect() as client:
            for number in range(500):
                client("SET", f"key:{number}", number)
                client("SADD", "set", f"member:{number}")
            return [client("SCAN", 0, "COUNT", 100).plain(), [client("RANDOMKEY").plain() for _ in range(20)], client("SPOP", "set", 20).plain(),
                    client("SRANDMEMBER", "set", -20).plain()]
    once = drawn("--hash-seed", "repeated")
    assert drawn("--hash-seed", "repeated") == once
    for other in (drawn("--hash-seed", "other"), drawn()):
        assert all(one != two for one, two in zip(once, other))


def test_daemonize_and_pidfile(tmp_path):
    pidfile, port = tmp_path / "pid", servers.free_port()
    done = subprocess.run([servers.under_test(), "--port", str(port), "--daemonize", "yes", "--pidfile", pidfile, "--dir", tmp_path,
                           "--logfile", tmp_path / "log"], timeout=20, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    assert done.returncode == 0
    assert eventually(lambda: pidfile.exists() and pidfile.read_text().strip())
    pid = int(pidfile.read_text())
    try:
        with Connection(("127.0.0.1", port)) as client:
            assert f"process_id:{pid}\r\n".encode() in client("INFO", "server").plain()
            assert os.getsid(pid) == pid, "it has left the session of who started it"
    finally:
        os.kill(pid, signal.SIGTERM)
    assert eventually(lambda: not pidfile.exists())


def test_tcp_backlog(start):
    """While the server stands still, the kernel completes one connection more than the backlog."""
    def connected(backlog):
        server = start("--tcp-backlog", backlog)
        server.signal(signal.SIGSTOP)
        try:
            sockets = []
            for _ in range(20):
                one = socket.socket()
                one.setblocking(False)
                one.connect_ex(("127.0.0.1", server.port))
                sockets.append(one)
            # On loopback the handshake is over when connect returns.
            return sum(one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) == b"\x01" for one in sockets)
        finally:
            for one in sockets:
                one.close()
            server.signal(signal.SIGCONT)
    assert connected(4) == 5
    assert connected(511) == 20


def test_hz(start):
    """The process wakes up as often as it says, though nobody asks for anything."""
    def wakes(server):
        text = pathlib.Path(f"/proc/{server.pid}/status").read_text()
        return int(text.split("\nvoluntary_ctxt_switches:", 1)[1].split()[0])
    slow, fast = start("--hz", "1"), start("--hz", "100")
    before = wakes(slow), wakes(fast)
    assert eventually(lambda: wakes(fast) - before[1] > 200, seconds=60)
    assert wakes(slow) - before[0] < 100


def test_client_query_buffer_limit(start):
    """What a client has queued in a transaction counts, too."""
    server = start("--client-query-buffer-limit", "1mb")

    def queue_four(client):
        client("MULTI")
        return [client("SET", "k", "x" * 500_000).value for _ in range(4)]
    with server.connect() as client, pytest.raises((Closed, ConnectionResetError, BrokenPipeError)):
        queue_four(client)
    with server.connect() as client:
        assert b"client_query_buffer_limit_disconnections:1\r\n" in client("INFO", "stats").plain()
        client("CONFIG", "SET", "client-query-buffer-limit", "10mb")
        assert queue_four(client) == [b"QUEUED"] * 4


def test_rdbcompression(start):
    with start().connect() as client:
        client("SET", "k", "x" * 1000)
        assert len(client("DUMP", "k").value) < 100
        client("CONFIG", "SET", "rdbcompression", "no")
        assert len(client("DUMP", "k").value) > 1000


def test_lfu_log_factor(start):
    with start("--maxmemory-policy", "allkeys-lfu", "--lfu-log-factor", "0").connect() as client:
        client("SET", "k", "v")
        for _ in range(100):
            client("GET", "k")
        assert client("OBJECT", "FREQ", "k").value > 100
        client("CONFIG", "SET", "lfu-log-factor", "1000000")
        client("SET", "other", "v")
        for _ in range(100):
            client("GET", "other")
        assert client("OBJECT", "FREQ", "other").value < 10


@pytest.mark.ours
def test_syslog(tmp_path):
    """The system's log is a socket in the root directory that the server is given."""
    root = chroot.make(tmp_path / "root", servers.under_test())
    (root.directory / "dev").mkdir()
    port = servers.free_port()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(root.directory / "dev" / "log"))
        receiver.settimeout(20)
        process = subprocess.Popen([servers.under_test(), "--port", str(port), "--syslog-enabled", "yes", "--syslog-ident", "store",
                                    "--syslog-facility", "local5"], preexec_fn=root.enter, stdout=subprocess.DEVNULL)
        try:
            told = receiver.recv(4096)
        finally:
            process.terminate()
            process.wait(20)
    # The facility local5 is 21; a notice is 5 below it.
    assert told.startswith(b"<%d>" % (21 * 8 + 5)) and b"store[%d]: " % process.pid in told
