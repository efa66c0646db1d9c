"""Servers to talk to, and two command-line clients run in the same way.

Nothing here depends on the rest of conformance/. The reference client and server are those of the system; the client
under test is the program that RESPCLI names, or .build/release/respcli.
"""

import concurrent.futures
import contextlib
import fcntl
import os
import pathlib
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import tempfile
import termios
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
REFERENCE = "redis-cli"
RESPCLI = os.environ.get("RESPCLI", str(ROOT / ".build/release/respcli"))
RESP_SERVER = os.environ.get("RESP_SERVER", str(ROOT / ".build/release/resp-server"))
TIMEOUT = 20


def encode(argument):
    return argument if isinstance(argument, bytes) else str(argument).encode()


def read_reply(stream):
    """One RESP2 reply from a buffered stream; an error is returned as an exception object."""
    line = stream.readline()
    if not line.endswith(b"\r\n"):
        raise ConnectionError("the server closed the connection")
    kind, text = line[:1], line[1:-2]
    if kind == b"-":
        return RuntimeError(text.decode(errors="replace"))
    if kind == b":":
        return int(text)
    if kind == b"$":
        return None if text == b"-1" else stream.read(int(text) + 2)[:-2]
    if kind == b"*":
        return None if text == b"-1" else [read_reply(stream) for _ in range(int(text))]
    return text


class Server:
    """A redis-server of its own, on a free port and a unix socket, without files."""

    def __init__(self, *settings, program="redis-server"):
        self.folder = tempfile.TemporaryDirectory(prefix="respcli-")
        self.socket_path = os.path.join(self.folder.name, "server.sock")
        for _ in range(20):
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.port = probe.getsockname()[1]
            self.process = subprocess.Popen(
                [
                    program,
                    "--port",
                    str(self.port),
                    "--bind",
                    "127.0.0.1",
                    "::1",
                    "--save",
                    "",
                    "--appendonly",
                    "no",
                    "--unixsocket",
                    self.socket_path,
                    "--dir",
                    self.folder.name,
                    "--enable-debug-command",
                    "yes",
                    *settings,
                ],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            if self._is_ready():
                return
            self.stop()
        raise RuntimeError("redis-server does not start")

    def _is_ready(self):
        end = time.monotonic() + 5
        while time.monotonic() < end and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                # The port may be another process's, if ours could not have it.
                time.sleep(0.05)
                return self.process.poll() is None
            except OSError:
                time.sleep(0.02)
        return False

    def command(self, *words, password=None):
        """Sends one command on a connection of its own."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=TIMEOUT) as connection:
            stream = connection.makefile("rb")
            for request in ([("AUTH", password)] if password else []) + [words]:
                arguments = [encode(word) for word in request]
                connection.sendall(
                    b"*%d\r\n" % len(arguments) + b"".join(b"$%d\r\n%s\r\n" % (len(a), a) for a in arguments)
                )
                reply = read_reply(stream)
            return reply

    def restart(self):
        """Ends the server, if it runs, and starts it again at the same address, without its data."""
        self.stop()
        self.process = subprocess.Popen(self.process.args, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        assert self._is_ready()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def close(self):
        self.stop()
        self.folder.cleanup()


class ScriptedServer:
    """A listener that does, per connection, what a script says: `behave(connection, number)`."""

    def __init__(self, behave):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.behave = behave
        self.connections = 0
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            number = self.connections
            self.connections += 1
            try:
                connection.settimeout(TIMEOUT)
                self.behave(connection, number)
            except OSError:
                pass
            finally:
                connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(TIMEOUT)


@contextlib.contextmanager
def certificate():
    """The paths of a key and of its own certificate, which is of localhost, and the port of an encrypted server that has them."""
    with tempfile.TemporaryDirectory(prefix="respcli-") as folder:
        key, authority = os.path.join(folder, "key.pem"), os.path.join(folder, "cert.pem")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key,
             "-out", authority, "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:::1"],
            check=True, capture_output=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        server = Server("--tls-port", str(port), "--tls-cert-file", authority, "--tls-key-file", key,
                        "--tls-ca-cert-file", authority, "--tls-auth-clients", "optional")
        try:
            yield key, authority, port, server.port
        finally:
            server.close()


def environment(extra=None):
    """The clients' environment: no preferences, no history, nothing of the caller's that they look at."""
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith("REDISCLI_") and name != "FAKETTY"
    }
    clean.update(
        TERM="dumb", HOME="/nonexistent", REDISCLI_HISTFILE="/dev/null", REDISCLI_RCFILE="/dev/null", LC_ALL="C.UTF-8"
    )
    clean.update(extra or {})
    return clean


def normalise(output):
    """Where a client writes its own name, the name does not count."""
    return output.replace(b"respcli", b"redis-cli")


class Result:
    def __init__(self, stdout, stderr, status):
        self.stdout, self.stderr, self.status = normalise(stdout), normalise(stderr), status

    def __eq__(self, other):
        return (self.stdout, self.stderr, self.status) == (other.stdout, other.stderr, other.status)

    def __repr__(self):
        return f"stdout {self.stdout!r} stderr {self.stderr!r} status {self.status}"


def run(program, arguments, stdin=b"", env=None):
    """Runs a client with pipes for everything."""
    done = subprocess.run(
        [program, *[encode(argument) for argument in arguments]],
        input=stdin,
        capture_output=True,
        env=environment(env),
        timeout=TIMEOUT,
    )
    return Result(done.stdout, done.stderr, done.returncode)


class TerminalProcess:
    """A client whose output, and input unless `stdin` is given, is a terminal."""

    def __init__(self, program, arguments, stdin=None, env=None, columns=None):
        self.master, slave = pty.openpty()
        if columns:
            self.resize(columns)
        self.attributes = termios.tcgetattr(slave)
        self.output = b""

        def take_terminal():
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            [program, *[encode(argument) for argument in arguments]],
            env=environment(env),
            preexec_fn=take_terminal,
            stdin=slave if stdin is None else subprocess.PIPE,
            stdout=slave,
            stderr=slave,
        )
        os.close(slave)
        if stdin is not None:
            self.process.stdin.write(stdin)
            self.process.stdin.close()

    def resize(self, columns, rows=24):
        """Gives the terminal another size, of which the system tells the program."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read_until(self, ending):
        """Reads until what was read since the last call ends with `ending`."""
        start = len(self.output)
        end = time.monotonic() + TIMEOUT
        while not self.output[start:].endswith(ending):
            if not self._read(end):
                raise AssertionError(f"waiting for {ending!r} after {self.output[start:]!r}")

    def _read(self, end):
        ready, _, _ = select.select([self.master], [], [], max(0, end - time.monotonic()))
        if not ready:
            return False
        try:
            chunk = os.read(self.master, 65536)
        except OSError:
            return False
        self.output += chunk
        return bool(chunk)

    def type(self, text):
        os.write(self.master, text)

    def paste(self, text):
        """Types a long text, and reads meanwhile what the client shows of it."""
        os.set_blocking(self.master, False)
        end = time.monotonic() + TIMEOUT
        while text:
            assert time.monotonic() < end, "the client does not read"
            readable, writable, _ = select.select([self.master], [self.master], [], 1)
            if readable:
                self._read(end)
            if writable:
                try:
                    text = text[os.write(self.master, text[:4096]) :]
                except BlockingIOError:
                    pass
        os.set_blocking(self.master, True)

    def is_waiting(self):
        """Whether the program is inside a system call that reads or polls."""
        with open(f"/proc/{self.process.pid}/syscall") as file:
            return file.read().split()[0] in ("0", "7", "23", "45", "270", "271")

    def finish(self):
        """Reads to the end and gives back the output and the status."""
        end = time.monotonic() + TIMEOUT
        while self._read(end):
            pass
        status = self.process.wait(timeout=TIMEOUT)
        os.close(self.master)
        return normalise(self.output), status

    def kill(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()


def run_at_terminal(program, arguments, stdin=b"", env=None):
    process = TerminalProcess(program, arguments, stdin=stdin, env=env)
    try:
        return process.finish()
    finally:
        process.kill()


def without_numbers(output):
    """For output that has times, ports or identifiers in it."""
    return re.sub(rb"\d+(\.\d+)?", b"N", output)


def wait_for(condition):
    end = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.01)


def fill(server):
    server.command("SET", "text", "some text")
    server.command("HSET", "hash", "field", "value", "other", "caf\u00e9 \x00\n")
    server.command("ZADD", "ranking", "1.5", "low", "-3", "under", "inf", "most", "17", "high")
    server.command("RPUSH", "twelve", *[f"element {number}" for number in range(12)])
    server.command("XADD", "log", "1-1", "name", "value")
    server.command("XADD", "log", "2-1", "a", "1", "b", "2")


def same(arguments, stdin=b"", env=None, prepare=None, view=lambda output: output):
    """Runs both clients, expects the same of them and gives back what that was."""
    results = []
    for program in (REFERENCE, RESPCLI):
        if prepare:
            prepare()
        result = run(program, arguments, stdin, env)
        result.stdout, result.stderr = view(result.stdout), view(result.stderr)
        results.append(result)
    assert results[1] == results[0]
    return results[1]


def both(once):
    """What `once(program)` gives for redis-cli and for respcli. They run at the same time: for what waits, on servers of their own."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return list(pool.map(once, (REFERENCE, RESPCLI)))


def at(server, *arguments):
    return ["-p", server.port, *arguments]
