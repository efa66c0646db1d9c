"""What the benchmarks share: starting servers side by side, pinning, CPU and memory readings, loading, probing, tables.

Every benchmark compares two servers that speak the Redis protocol, "ours" and "the reference", in one run on one
machine. The rules that make two numbers comparable are kept here:

- The server under test has one core for itself (with a raised priority, where permitted, against chance users of it),
  everything else (load generator, probe, this script) another one.
- Both servers get the same flags, the same bytes and the same waiting times; rounds alternate between them.
- A loader checks each reply, so a server that refuses the work is an error and never a good number.
- No process outlives its benchmark: servers are stopped by process id on every way out, and the kernel kills them
  should the script itself be killed.

Progress goes to standard error; standard output carries only Markdown.
"""

import argparse
import array
import collections
import contextlib
import ctypes
import gc
import math
import os
import platform
import resource
import select
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

SERVER_CORE = 0
LOAD_CORE = 1
# Resident memory after freeing or loading still moves for a moment (rehashing, buffers shrinking, madvise).
SETTLE_SECONDS_LIMIT = 15.0

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DEFAULT_OURS = os.path.join(REPOSITORY, ".build", "release", "resp-server")
DEFAULT_REFERENCE = "redis-server"

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


class BenchmarkError(Exception):
    """The measurement cannot be trusted or did not happen; the message says why."""


# ----------------------------------------------------------------------------------------------------------------------
# Command line, entry and exit


def argument_parser(description):
    """A parser with the options that all benchmarks have. `description` is the docstring of the script."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--ours", default=DEFAULT_OURS, metavar="BINARY", help="our server (default: the release build)"
    )
    parser.add_argument(
        "--reference",
        default=DEFAULT_REFERENCE,
        metavar="BINARY",
        help="the server to compare with (default: redis-server from PATH)",
    )
    parser.add_argument(
        "--extra", default="", metavar="FLAGS", help="more flags for both servers, in one argument: --extra='--hz 10'"
    )
    parser.add_argument("--ours-extra", default="", metavar="FLAGS", help="more flags for our server only")
    parser.add_argument("--reference-extra", default="", metavar="FLAGS", help="more flags for the reference only")
    return parser


def run(main):
    """Calls `main` so that every way out (error, Ctrl-C, SIGTERM, SIGHUP) unwinds and therefore stops the servers."""

    def leave(number, _frame):
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGHUP, leave)
    try:
        os.sched_setaffinity(0, {_core(LOAD_CORE)})
        main()
        sys.stdout.flush()
    except BenchmarkError as error:
        sys.exit(f"{os.path.basename(sys.argv[0])}: {error}")
    except BrokenPipeError:
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def progress(text):
    """One line for whoever watches."""
    print(text, file=sys.stderr, flush=True)


# ----------------------------------------------------------------------------------------------------------------------
# Cores and scheduling


def _core(wanted):
    """The core of that number, or on a machine without it the last one there is."""
    return min(wanted, (os.cpu_count() or 1) - 1)


def end_with_parent():
    """What a benchmark started by another does between fork and exec: be told to end when that one dies."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def prepare_server():
    """What a server does between fork and exec: die with its parent, pin itself, go before chance users of its core."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    os.sched_setaffinity(0, {_core(SERVER_CORE)})
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, -10)


def prepare_load():
    """The same for a load generator, which stays at the usual priority."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    os.sched_setaffinity(0, {_core(LOAD_CORE)})


def prepare_background_load():
    """The same for a load generator that makes way for a probe on its core."""
    prepare_load()
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


@contextlib.contextmanager
def prompt_scheduling():
    """Within it this process is run as soon as its reply arrives, ahead of the load generator on the same core.

    Uses the first-in-first-out class where permitted (children do not inherit it). Where it is not, background load
    still yields, because `background_load` starts it in the idle class. The garbage collector rests meanwhile.
    """
    permitted = True
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(10))
    except PermissionError:
        permitted = False
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        if permitted:
            os.sched_setscheduler(0, os.SCHED_OTHER | os.SCHED_RESET_ON_FORK, os.sched_param(0))


def raise_descriptor_limit(wanted):
    """Makes room for `wanted` open files here and in the servers started afterwards."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        if hard != resource.RLIM_INFINITY and hard < wanted:
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
                return
            except (ValueError, PermissionError):
                raise BenchmarkError(f"needs {wanted} open files, the limit is {hard} (ulimit -Hn)") from None
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


# ----------------------------------------------------------------------------------------------------------------------
# Servers


class Server:
    """A running server: its process, its port and what the kernel knows about it. Made by `start_server`."""

    def __init__(self, label, process, port, directory):
        self.label = label
        self.process = process
        self.port = port
        self.directory = directory

    @property
    def pid(self):
        return self.process.pid

    def connect(self, timeout=120.0):
        """A new connection, with Nagle's algorithm off."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=timeout)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def call(self, *arguments):
        """One command on a connection of its own; returns the reply as bytes, int, None or a list of these."""
        with self.connect() as connection:
            connection.sendall(encode(*arguments))
            with connection.makefile("rb") as stream:
                return read_reply(stream)

    def info(self):
        """All INFO fields as a dictionary of strings."""
        fields = {}
        for line in self.call("INFO").decode("latin-1").splitlines():
            name, separator, value = line.partition(":")
            if separator:
                fields[name] = value
        return fields

    def run_and_wait_nanoseconds(self):
        """Nanoseconds that all threads ran so far, and that they were ready but waited for a core."""
        ran = waited = 0
        for thread in os.listdir(f"/proc/{self.pid}/task"):
            with open(f"/proc/{self.pid}/task/{thread}/schedstat", "rb") as file:
                fields = file.read().split()
                ran += int(fields[0])
                waited += int(fields[1])
        return ran, waited

    def cpu_seconds_by_mode(self):
        """User and system time of the process, in seconds, in steps of a clock tick (10 ms)."""
        with open(f"/proc/{self.pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        tick = os.sysconf("SC_CLK_TCK")
        return int(fields[11]) / tick, int(fields[12]) / tick

    def resident_bytes(self):
        """Resident bytes, exactly: `smaps_rollup` walks the page tables, VmRSS may lag behind by some pages."""
        with open(f"/proc/{self.pid}/smaps_rollup", "rb") as file:
            for line in file:
                if line.startswith(b"Rss:"):
                    return int(line.split()[1]) * 1024
        raise BenchmarkError("no Rss line in smaps_rollup")

    def settled_resident_bytes(self, at_least_seconds=1.5):
        """Resident bytes once they moved by less than 0.1 % in half a second (or after 15 seconds)."""
        time.sleep(at_least_seconds)
        deadline = time.monotonic() + SETTLE_SECONDS_LIMIT
        before = self.resident_bytes()
        while time.monotonic() < deadline:
            time.sleep(0.5)
            now = self.resident_bytes()
            if abs(now - before) * 1000 < before:
                return now
            before = now
        return before

    def ensure_running(self):
        if self.process.poll() is not None:
            raise BenchmarkError(
                f"{self.label} ended with status {self.process.returncode}; its log ends:\n{self.log_tail()}"
            )

    def log_tail(self):
        with open(os.path.join(self.directory, "log"), "rb") as file:
            return b"\n".join(file.read().splitlines()[-10:]).decode("latin-1")


Side = collections.namedtuple("Side", "label binary flags")
Side.__doc__ = "One of the two sides of a comparison: what to start and how its columns are called."


def sides(options):
    """The two sides that the command line asks for, ours first."""
    result = []
    for binary, extra in ((options.ours, options.ours_extra), (options.reference, options.reference_extra)):
        path = shutil.which(binary)
        if path is None:
            raise BenchmarkError(f"no such program: {binary}")
        result.append(Side(os.path.basename(binary), path, tuple(options.extra.split() + extra.split())))
    if result[0].label == result[1].label:
        result = [
            result[0]._replace(label=result[0].label + " (ours)"),
            result[1]._replace(label=result[1].label + " (reference)"),
        ]
    return result


def rounds_of(count, both):
    """Yields (round number, side): each side once per round, and the one to begin changes from round to round."""
    for number in range(count):
        for side in (both if number % 2 == 0 else reversed(both)):
            yield number, side


def free_port():
    """A TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def server_arguments(side, port):
    """The command line both servers are started with: loopback only, nothing written to disk."""
    return [side.binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", *side.flags]


@contextlib.contextmanager
def start_server(side):
    """Starts a server on its core and a free port, waits until it answers, stops it at the end whatever happens."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        port = free_port()
        with open(os.path.join(directory, "log"), "wb") as log:
            process = subprocess.Popen(
                server_arguments(side, port),
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=prepare_server,
            )
        try:
            server = Server(side.label, process, port, directory)
            _wait_until_ready(server)
            yield server
            server.ensure_running()
        finally:
            stop(process)


def _wait_until_ready(server):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        server.ensure_running()
        try:
            if server.call("PING") == b"PONG":
                return
        except OSError:
            pass
        time.sleep(0.01)
    raise BenchmarkError(f"{server.label} did not answer PING within 20 seconds; its log ends:\n{server.log_tail()}")


def stop(process, patience=10):
    """Ends a child process if it still runs: politely first, by force after `patience` seconds."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


def warm_up(server):
    """Runs the code that a load will use, so that pages of the program do not count as memory of the data."""
    with server.connect() as connection:
        requests = []
        for number in range(100):
            requests += [
                encode("SET", f"warm:{number}", "x" * 40, "EX", "100"),
                encode("GET", f"warm:{number}"),
                encode("HSET", "warm:hash", f"field{number}", "y" * 40),
                encode("HGET", "warm:hash", f"field{number}"),
                encode("RPUSH", "warm:list", "z" * 20, number),
                encode("SADD", "warm:set", f"member{number}"),
                encode("SADD", "warm:integers", number),
                encode("ZADD", "warm:sorted", f"0.{number}", f"member{number}"),
                encode("XADD", "warm:stream", f"{number + 1}-0", "field", number),
            ]
        collections = ["hash", "list", "set", "integers", "sorted", "stream"]
        requests += [encode("DEL", *(f"warm:{name}" for name in collections), *(f"warm:{number}" for number in range(100)))]
        connection.sendall(b"".join(requests))
        with connection.makefile("rb") as stream:
            for _ in requests:
                read_reply(stream)
    server.info()


# ----------------------------------------------------------------------------------------------------------------------
# Protocol


def encode(*arguments):
    """A request in the protocol's array form. Arguments are str, bytes or int."""
    parts = [b"*%d\r\n" % len(arguments)]
    for argument in arguments:
        data = argument if isinstance(argument, bytes) else str(argument).encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"".join(parts)


def read_reply(stream):
    """Reads one RESP2 reply from a buffered binary stream. An error reply raises `BenchmarkError`."""
    line = stream.readline()
    if not line.endswith(b"\r\n"):
        raise BenchmarkError("the server closed the connection")
    kind, rest = line[:1], line[1:-2]
    if kind == b"+":
        return rest
    if kind == b":":
        return int(rest)
    if kind == b"$":
        return None if rest == b"-1" else stream.read(int(rest) + 2)[:-2]
    if kind == b"*":
        return None if rest == b"-1" else [read_reply(stream) for _ in range(int(rest))]
    raise BenchmarkError(f"unexpected reply: {line!r}")


# ----------------------------------------------------------------------------------------------------------------------
# Loading


def numbered(template, count):
    """Yields (bytes, requests) with `template` repeated for each number below `count`, quickly.

    Each run of twelve `#` in the template stands for the twelve digits of the number. A block of 10,000
    requests is made once with the lower four digits; then only the upper eight are replaced from block to block.
    """
    size = 10_000
    mark = b"#" * 12
    upper = b"#" * 8
    whole = b"".join(template.replace(mark, b"%b%04d" % (upper, low)) for low in range(size))
    for first in range(0, count, size):
        if count - first >= size:
            yield whole.replace(upper, b"%08d" % (first // size)), size
        else:
            yield b"".join(template.replace(mark, b"%012d" % number) for number in range(first, count)), count - first


def blocks(count, request, size=5000):
    """Yields (bytes, requests) of `request(number)` for each number below `count`, where `numbered` is too simple."""
    for first in range(0, count, size):
        block = range(first, min(first + size, count))
        yield b"".join(map(request, block)), len(block)


def load(server, chunks, reply):
    """Streams requests and reads the replies meanwhile; returns the number of requests.

    `chunks` yields (bytes, number of requests); each request must be answered with exactly `reply` (such as
    b"+OK\\r\\n"). A different reply is a `BenchmarkError`, so the server holds what was sent. Where replies differ, `reply` is
    how many lines each has, and only errors are found.
    """
    lines = reply if isinstance(reply, int) else None
    window = 4 << 20
    total = 0
    received = 0
    queue = collections.deque()
    queued = 0
    chunks = iter(chunks)
    exhausted = False
    connection = server.connect()
    connection.setblocking(False)
    poller = select.poll()
    poller.register(connection, select.POLLIN)
    unit = lines or len(reply)
    pattern = b"" if lines else reply * (1 << 14)
    try:
        while True:
            while not exhausted and queued < window:
                try:
                    data, count = next(chunks)
                except StopIteration:
                    exhausted = True
                    break
                queue.append(memoryview(data))
                queued += len(data)
                total += count
            if exhausted and not queue and received == total * unit:
                return total
            poller.modify(connection, select.POLLIN | (select.POLLOUT if queue else 0))
            for _, events in poller.poll(60_000) or _no_answer(server):
                if events & (select.POLLIN | select.POLLHUP | select.POLLERR):
                    data = connection.recv(1 << 18)
                    if not data:
                        raise BenchmarkError(f"{server.label} closed the loading connection")
                    if lines:
                        if b"-ERR" in data or b"-WRONGTYPE" in data:
                            raise BenchmarkError(f"{server.label} answered {data[:200]!r} while loading")
                        received += data.count(b"\n")
                        continue
                    if len(pattern) < len(data) + len(reply):
                        pattern = reply * (2 * len(data) // len(reply) + 2)
                    offset = received % len(reply)
                    if data != pattern[offset : offset + len(data)]:
                        wrong = data.replace(reply, b"")[:200]
                        raise BenchmarkError(f"{server.label} answered {wrong!r} while loading, expected {reply!r}")
                    received += len(data)
                if events & select.POLLOUT and queue:
                    sent = connection.send(queue[0])
                    queued -= sent
                    if sent == len(queue[0]):
                        queue.popleft()
                    else:
                        queue[0] = queue[0][sent:]
    finally:
        connection.close()


def _no_answer(server):
    server.ensure_running()
    raise BenchmarkError(f"{server.label} did not answer for a minute while loading")


OK = b"+OK\r\n"
ONE = b":1\r\n"


def expect_count(server, expected, *command):
    """Checks that a counting command such as DBSIZE gives the expected number."""
    found = server.call(*command)
    if found != expected:
        raise BenchmarkError(f"{server.label}: {' '.join(command)} gives {found}, expected {expected}")


# ----------------------------------------------------------------------------------------------------------------------
# Load generator


def redis_benchmark_arguments(server, command, requests, clients, pipeline, keys):
    """The redis-benchmark command line; `__rand_int__` in `command` becomes twelve random digits, below `keys`."""
    return [
        "redis-benchmark",
        "-p",
        str(server.port),
        "-c",
        str(clients),
        "-P",
        str(pipeline),
        "-n",
        str(requests),
        "-r",
        str(keys),
        "--csv",
        *command,
    ]


def run_redis_benchmark(server, command, requests, clients, pipeline, keys):
    """Runs redis-benchmark to its end on the load core; returns requests per second and its own CPU seconds.

    Error replies from the server are errors here.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen(
        redis_benchmark_arguments(server, command, requests, clients, pipeline, keys),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=prepare_load,
    )
    try:
        output, errors = process.communicate()
    finally:
        stop(process)
    server.ensure_running()
    if process.returncode or b"Error from server" in errors:
        raise BenchmarkError(f"redis-benchmark against {server.label} failed: {errors.decode('latin-1').strip()}")
    # "name","rps",...: the last line; the name is the command and may hold anything but the rate follows its closing
    # quote.
    last = output.decode("latin-1").strip().splitlines()[-1]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return float(last.split('","')[1]), after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@contextlib.contextmanager
def background_load(server, command, clients, pipeline, keys, requests=1_000_000_000):
    """Keeps redis-benchmark running on the load core, in the idle class so that a probe there comes first."""
    process = subprocess.Popen(
        redis_benchmark_arguments(server, command, requests, clients, pipeline, keys),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=prepare_background_load,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


# ----------------------------------------------------------------------------------------------------------------------
# Probe


class Probe:
    """Measures round trips on a connection of its own, one at a time.

    It alternates PING and GET of a small key, so that both the loop and the keyspace must be responsive. Between two
    round trips it pauses; a stall beginning in the pause is seen shorter by at most that pause.
    """

    PAUSE_SECONDS = 0.0002

    def __init__(self, server):
        self.connection = server.connect()
        self.requests = (encode("PING"), encode("GET", "probe:key"))
        self.turn = 0

    def close(self):
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def once(self):
        """One round trip; returns its nanoseconds."""
        request = self.requests[self.turn]
        self.turn ^= 1
        start = time.perf_counter_ns()
        self.connection.sendall(request)
        reply = self.connection.recv(4096)
        elapsed = time.perf_counter_ns() - start
        if not reply.endswith(b"\r\n") or reply.startswith(b"-"):
            raise BenchmarkError(f"the probe was answered {reply!r}")
        return elapsed

    def run_until(self, finished):
        """Probes until `finished()`, called after each round trip, is true; returns the sorted nanoseconds."""
        samples = array.array("q")
        with prompt_scheduling():
            while True:
                samples.append(self.once())
                if finished():
                    return sorted(samples)
                time.sleep(self.PAUSE_SECONDS)

    def run_for(self, seconds):
        """Probes for that long; returns the sorted nanoseconds."""
        end = time.monotonic() + seconds
        return self.run_until(lambda: time.monotonic() >= end)


def percentile(ordered, fraction):
    """The smallest value with at least that fraction of the sorted values at or below it."""
    return ordered[max(0, math.ceil(len(ordered) * fraction) - 1)]


# ----------------------------------------------------------------------------------------------------------------------
# Reports


def median(values):
    return statistics.median(values)


def ratio(ours, reference):
    """The quotient with two decimals, or a dash when there is nothing to divide by."""
    return f"{ours / reference:.2f}" if reference > 0 else "–"


def milliseconds(nanoseconds):
    return f"{nanoseconds / 1e6:.2f}"


def table(header, rows):
    """A Markdown table with the first column to the left and the others to the right, padded to be read as text too."""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]

    def line(cells):
        return (
            "| "
            + " | ".join(
                cell.ljust(width) if column == 0 else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(cells, widths))
            )
            + " |"
        )

    rule = (
        "|" + "|".join("-" * (width + 1) + ("-" if column == 0 else ":") for column, width in enumerate(widths)) + "|"
    )
    return "\n".join([line(header), rule, *map(line, rows)])


def print_environment(both):
    """One line that says where the numbers come from, and one if the machine was not ours alone.

    Called after measuring: the second line is about the time since the script began.
    """
    model = "unknown processor"
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for entry in file:
            if entry.startswith("model name"):
                model = entry.partition(":")[2].strip()
                break
    with open("/proc/meminfo", encoding="utf-8") as file:
        gibibytes = int(file.readline().split()[1]) / (1 << 20)
    versions = ", ".join(f"{side.label}: `{_version(side)}`" for side in both)
    print(
        f"{model}, {os.cpu_count()} cores, {gibibytes:.0f} GiB, Linux {platform.release()}; "
        f"server on core {_core(SERVER_CORE)}, load on core {_core(LOAD_CORE)}; {versions}.\n"
    )
    stolen, elapsed = (after - before for after, before in zip(_server_core_ticks(), _ticks_at_start))
    if stolen > 0.005 * elapsed:
        print(
            f"The hypervisor withheld {stolen / elapsed:.1%} of the server's core meanwhile, "
            "which makes times longer and less even.\n"
        )


def _server_core_ticks():
    """Clock ticks of the server's core that the hypervisor gave to others, and all of them, since boot."""
    with open("/proc/stat", encoding="ascii") as file:
        for line in file:
            if line.startswith(f"cpu{_core(SERVER_CORE)} "):
                ticks = [int(field) for field in line.split()[1:9]]
                return ticks[7], sum(ticks)
    return 0, 0


_ticks_at_start = _server_core_ticks()


def _version(side):
    result = subprocess.run(
        [side.binary, "--version"], stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False
    )
    lines = result.stdout.decode("latin-1").splitlines()
    return " ".join(lines[0].split()[:3]) if lines else "version unknown"
